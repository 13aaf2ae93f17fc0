"""`RedactionFilter`: the second net. Whatever reaches a handler with it leaves redacted, as a copy.

    filters: {redact: {(): or_audit_logging.RedactionFilter, allow: [support@example.com]}}

On an audit handler the filter is also where the redaction policy stands: capture redacts with the same
redactor before the LogRecord exists, and such records pass at no cost.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.formatters import STANDARD_ATTRIBUTES, audit_of
from or_audit_logging.policy import Redacts
from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.records import redacted_record
from or_audit_logging.redaction.redactor import FAILED

CHECKPOINT_LOGGER = "or_audit_logging.checkpoint"
"""Checkpoints are handed out under this name; they hold hashes only and stay as they are."""

_STAMP = "_redacted_under"
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
        kept: bool | logging.LogRecord = redacted
        if sys.version_info < (3, 12):
            record.__dict__.update(redacted.__dict__)
            kept = True
        return kept


def redacted_copy(record: logging.LogRecord, redactor: Redacts) -> logging.LogRecord:
    """Return *record* itself where it was redacted under the same policy, otherwise a redacted copy."""
    if record.name == CHECKPOINT_LOGGER or record.__dict__.get(_STAMP) == redactor.digest:
        return record
    audit = audit_of(record)
    if audit is not None and audit.redacted_under == redactor.digest:
        return record
    out = type(record).__new__(type(record))
    out.__dict__.update(record.__dict__)
    extras = {key: value for key, value in record.__dict__.items() if key not in STANDARD_ATTRIBUTES}
    for key in extras:
        del out.__dict__[key]
    try:
        out.__dict__.update(_redacted_text(record, redactor))
        out.__dict__.update(_redacted_extras(extras, redactor))
        if audit is not None:
            out.__dict__["audit"] = redacted_record(audit, redactor)
    except Exception:  # noqa: BLE001 - what cannot be redacted does not pass, and does not end the call
        out.__dict__.update(
            msg=FAILED, args=(), message=FAILED, exc_info=None, exc_text=None, stack_info=None
        )
        out.__dict__.pop("audit", None)
    out.__dict__[_STAMP] = redactor.digest
    return out


def _redacted_extras(extras: dict[str, object], redactor: Redacts) -> dict[str, object]:
    """Return extras redacted as one dict, so that their names are seen: `extra={"password": ...}`."""
    redacted, _ = redactor.redact_value(extras)
    return redacted if isinstance(redacted, dict) else {}


def _redacted_text(record: logging.LogRecord, redactor: Redacts) -> dict[str, object]:
    """Return the redacted message (rendered first: a secret may be split over template and argument)."""
    out: dict[str, object] = {"args": (), "name": redactor.redact(record.name).text}
    if isinstance(record.msg, dict):
        out["msg"] = redactor.redact_value(record.msg)[0]
    else:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the template are redacted one by one
            message = _unrendered(record)
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


def _unrendered(record: logging.LogRecord) -> str:
    """Return template and arguments side by side, where they do not fit each other."""
    parts = []
    for part in (record.msg, record.args):
        try:
            parts.append(str(part))
        except Exception:  # noqa: BLE001 - an object of the caller's that cannot even be shown
            parts.append(f"[{type(part).__name__}]")
    return " ".join(parts)


def _listed(value: object) -> object:
    """Return a list read by index: dictConfig converts `ext://` entries only on access."""
    return [value[index] for index in range(len(value))] if isinstance(value, (list, tuple)) else value
