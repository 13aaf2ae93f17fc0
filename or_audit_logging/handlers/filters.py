"""`RedactionFilter`: the second net. Whatever reaches a handler with it leaves redacted, as a copy.

    filters: {redact: {(): or_audit_logging.RedactionFilter, allow: [support@example.com]}}

On an audit handler the filter is also where the redaction policy stands: capture redacts with the same
redactor before the LogRecord exists, and such records pass at no cost.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.formatters import STANDARD_ATTRIBUTES, audit_of
from or_audit_logging.policy import Redacts
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor

CHECKPOINT_LOGGER = "or_audit_logging.checkpoint"
"""Checkpoints are handed out under this name; they hold hashes only and stay as they are."""

_STAMP = "_redacted_under"
_FREE_TEXT = (
    "user_id",
    "session_id",
    "request_id",
    "model_requested",
    "model_used",
    "provider",
    "finish_reason",
    "native_finish_reason",
    "tool_names",
    "router",
    "error_type",
    "error_code",
    "error_message",
    "metadata",
    "content",
)
"""Members that may hold whatever somebody wrote; the others are ids, hashes, times and numbers."""

_formatter = logging.Formatter()


class RedactionFilter(logging.Filter):
    """Redacts records on any handler: message and arguments, exceptions, stack, extras, audit records."""

    def __init__(self, name: str = "", *, redactor: Redacts | None = None, **options: Any) -> None:
        """Take a ready *redactor*, or the options of `Redactor`; raises `ConfigError`."""
        super().__init__(name)
        if redactor is not None and options:
            raise ConfigError("RedactionFilter takes a redactor or options for one, not both")
        try:
            listed: dict[str, Any] = {key: _listed(value) for key, value in options.items()}
            self.redactor: Redacts = redactor or Redactor(**listed)
        except TypeError:
            known = "allow, deny_keys, known_secrets"
            raise ConfigError(
                f"RedactionFilter has no option among {', '.join(options)}; it takes {known}"
            ) from None

    def filter(self, record: logging.LogRecord) -> Any:
        """Return a redacted copy of *record*, or True where there is nothing to redact.

        Python 3.11 ignores a returned record, so there the record itself is redacted in place; audit
        handlers call `redacted` and leave it as it is on every version.
        """
        redacted = redacted_copy(record, self.redactor)
        if redacted is record:
            return True
        if sys.version_info >= (3, 12):
            return redacted
        record.__dict__.update(redacted.__dict__)
        return True


def redacted_copy(record: logging.LogRecord, redactor: Redacts) -> logging.LogRecord:
    """Return *record* itself where it was redacted under the same policy, otherwise a redacted copy."""
    if record.name == CHECKPOINT_LOGGER or record.__dict__.get(_STAMP) == redactor.digest:
        return record
    audit = audit_of(record)
    if audit is not None and audit.redacted_under == redactor.digest:
        return record
    out = copy.copy(record)
    out.__dict__.update(_redacted_text(record, redactor))
    for key, value in record.__dict__.items():
        if key not in STANDARD_ATTRIBUTES:
            out.__dict__[key] = redactor.redact_value(value)[0]
    if audit is not None:
        out.__dict__["audit"] = _redacted_audit(audit, redactor)
    out.__dict__[_STAMP] = redactor.digest
    return out


def _redacted_text(record: logging.LogRecord, redactor: Redacts) -> dict[str, object]:
    """Return the redacted message (rendered first: a secret may be split over template and argument)."""
    out: dict[str, object] = {"args": ()}
    if isinstance(record.msg, dict):
        out["msg"] = redactor.redact_value(record.msg)[0]
    else:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the template are redacted one by one
            message = f"{record.msg} {record.args}"
        out["msg"] = redactor.redact(message).text
    if "message" in record.__dict__:
        out["message"] = out["msg"]
    if record.exc_info:
        out["exc_text"] = redactor.redact(record.exc_text or _formatter.formatException(record.exc_info)).text
        out["exc_info"] = None
    elif record.exc_text:
        out["exc_text"] = redactor.redact(record.exc_text).text
    if record.stack_info:
        out["stack_info"] = redactor.redact(record.stack_info).text
    return out


def _redacted_audit(audit: AuditRecord, redactor: Redacts) -> AuditRecord:
    counts: Counter[str] = Counter(audit.redactions or {})
    changes: dict[str, Any] = {}
    for name in _FREE_TEXT:
        value = getattr(audit, name)
        if value is not None:
            changes[name], found = redactor.redact_value(value)
            counts.update(found)
    if changes.get("tool_names") is not None:
        changes["tool_names"] = tuple(changes["tool_names"])
    return replace(audit, **changes, redactions=dict(counts) or None, redacted_under=redactor.digest)


def _listed(value: object) -> object:
    """Return a list read by index: dictConfig converts `ext://` entries only on access."""
    return [value[index] for index in range(len(value))] if isinstance(value, (list, tuple)) else value
