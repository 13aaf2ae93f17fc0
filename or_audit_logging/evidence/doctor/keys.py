"""OpenRouter's key and the log's: is there one, does it look like one, does it fit?"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from or_audit_logging.errors import ConfigError, FormatError, KeyNotFoundError
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.hints import looks_like_key
from or_audit_logging.keys import KeyRing, KeySource, KeySources, read_source
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.openrouter.api import KEY_VARIABLE
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, line_start

_ROTATE = line_start("log.rotate")
_API_KEY = re.compile(r"sk-or-v1-[0-9a-f]{64}")


def check_api_key(source: KeySource | None = None) -> Check:
    """Look at the form of OpenRouter's key; nothing of it is in what is found."""
    name = "openrouter-key"
    try:
        content, _ = read_source(f"env:{KEY_VARIABLE}" if source is None else source, what="OpenRouter key")
    except ConfigError as error:
        return Check(
            name,
            "unknown",
            str(error),
            "settle, reconcile and doctor --online need it; --api-key names another variable or a file",
        )
    value = os.fsdecode(content.removesuffix(b"\n"))
    if not value:
        return Check(name, "problem", "OpenRouter's key is empty", "set the variable to the key")
    if value != value.strip() or value[0] in "\"'":
        return Check(
            name,
            "problem",
            "OpenRouter's key has white space or quotes around it, so requests with it are refused (401)",
            "set the variable to the key alone",
        )
    if not looks_like_key(value):
        return Check(
            name,
            "problem",
            "the key does not begin with sk-or-, so it is another provider's, or cut",
            "make one at https://openrouter.ai/settings/keys",
        )
    if not _API_KEY.fullmatch(value):
        return Check(
            name,
            "warning",
            "the key begins with sk-or- and has not the usual form: sk-or-v1- and 64 hex digits",
            "if requests are refused (401), copy it anew from https://openrouter.ai/settings/keys",
        )
    return Check(name, "ok", "OpenRouter's key has the usual form")


def check_key(key: KeySources, layout: LogLayout | None) -> Check:
    """Look for the log's secret, and whether it is the one that the log is sealed with now."""
    name = "audit-key"
    try:
        ring = KeyRing.from_sources(key)
    except ConfigError as error:
        return Check(name, "problem", str(error), "make one with 'or-audit init DIR', or name it: --key")
    sealed_by = _key_in_force(layout) if layout is not None else None
    if sealed_by is None:
        return Check(name, "ok", "the audit key can be read")
    log_id, kcv = sealed_by
    try:
        ring.log_keys(log_id, kcv=kcv)
    except KeyNotFoundError:
        return Check(
            name,
            "problem",
            "the audit key is not the one that this log is sealed with, so writers refuse to start",
            "name the right one with --key; see docs/keys.md for logs whose key was changed",
        )
    return Check(name, "ok", "the audit key can be read, and this log is sealed with it")


def _key_in_force(layout: LogLayout) -> tuple[bytes, str] | None:
    """Return log id and key check value by the newest segment; None where it does not say."""
    found = None
    with suppress(OSError, FormatError, ValueError):
        _, segment = layout.segments()[-1]
        for line in segment.lines():
            if not line.startswith(FIRST_LINE_STARTS):
                if line.startswith(_ROTATE) and found is not None:
                    found = found[0], str(parse_control(line)["next_kcv"] or found[1])
                continue
            members = parse_control(line)
            found = bytes.fromhex(str(members["log_id"])), str(members["kcv"])
    return found
