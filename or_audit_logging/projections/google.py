"""Google Cloud's structured JSON (https://cloud.google.com/logging/docs/structured-logging).

    {"severity":"INFO","message":"chat_completion success openai/gpt-4o-mini","time":"...",
     "logging.googleapis.com/insertId":"<record id>","event_type":"chat_completion",...,
     "or_audit":{"log":"<16 hex>","seq":17,"kid":0,"mac":"<64 hex>"}}

Google's agents lift the members that they know (severity, time, `logging.googleapis.com/...`) out of the
object; the rest is the entry's jsonPayload, under the record's own names. Nothing that a caller named stands
at the top, where it could pass for one of those.
"""

from __future__ import annotations

import re

from or_audit_logging.projections.kinds import control_names, fields, fitted
from or_audit_logging.projections.reading import REDACTED, Reading, Settings
from or_audit_logging.record import NAMES as RECORD_NAMES

INSERT_ID = "logging.googleapis.com/insertId"
LABELS = "logging.googleapis.com/labels"
TRACE = "logging.googleapis.com/trace"
SPAN_ID = "logging.googleapis.com/spanId"

SEVERITIES = {
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "NOTICE": "NOTICE",
    "WARN": "WARNING",
    "WARNING": "WARNING",
    "ERROR": "ERROR",
    "CRITICAL": "CRITICAL",
    "FATAL": "CRITICAL",
    "ALERT": "ALERT",
    "EMERGENCY": "EMERGENCY",
}
"""By a level's name; DEFAULT for any other."""

CHAIN = ("log", "seq", "kid", "mac")
"""What a seal adds: together in `or_audit`."""

NAMES = {
    "timestamp": "time",
    **{name: name for name in RECORD_NAMES if name not in ("timestamp", "trace_id", "span_id")},
    "truncated": "truncated",
    "original_bytes": "original_bytes",
    "logger": "logger",
    "exception": "stack_trace",
    "stack": "stack",
    "trace_id": TRACE,
    "span_id": SPAN_ID,
    **{name: name for name in CHAIN},
}

CONTROL_NAMES = control_names(NAMES)

STUB_NAMES = {"log": "log", "seq": "seq", "leaf": "leaf"}

_FIELDS = fields(NAMES)
_CONTROL_FIELDS = fields(CONTROL_NAMES)
_STUB_FIELDS = fields(STUB_NAMES)
_ID = re.compile(r"[A-Za-z0-9._-]{1,256}")


def project(reading: Reading, settings: Settings) -> dict[str, object]:
    """Return the members of *reading* as structured JSON."""
    named, rest = fitted(
        reading.members, reading.choose(record=_FIELDS, control=_CONTROL_FIELDS, stub=_STUB_FIELDS)
    )
    severity = SEVERITIES.get(reading.level.upper(), "DEFAULT")
    out: dict[str, object] = {"severity": severity}
    if reading.summary is not None:
        out["message"] = reading.summary
    if "time" in named:
        out["time"] = named.pop("time")
    chain = {name: named.pop(name) for name in (*CHAIN, "leaf") if name in named}
    log, seq = chain.get("log"), chain.get("seq")
    for insert_id in (named.get("id"), f"{log}-{seq}" if log is not None and seq is not None else None):
        if insert_id is not None and _ID.fullmatch(str(insert_id)):
            out[INSERT_ID] = insert_id
            break
    labels = {
        "event_type": reading.event,
        "or_audit_log": log,
        "or_audit_seq": None if seq is None else str(seq),
    }
    if labels := {name: value for name, value in labels.items() if value is not None}:
        out[LABELS] = labels
    trace = named.get(TRACE)
    if trace is not None and settings.project_id is not None:
        named[TRACE] = f"projects/{settings.project_id}/traces/{trace}"
    out |= named
    if reading.event == REDACTED:
        out["event_type"] = REDACTED
    if reading.original is not None:
        chain["original"] = reading.original
    if chain:
        out["or_audit"] = chain
    if not reading.is_control:
        rest.pop("message", None)
        if rest.get("level") == severity:
            del rest["level"]
        if rest:
            out["extra"] = rest
    return out
