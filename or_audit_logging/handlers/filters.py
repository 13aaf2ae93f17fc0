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
from or_audit_logging.handlers.redactors import redactor_from
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.policy import Redacts
from or_audit_logging.redaction.records import redacted_record
from or_audit_logging.redaction.redactor import FAILED

_STAMP = "_redacted_under"
_NAMES = ("name", "threadName", "processName", "taskName")
"""Attributes that are given once, by the application, and seldom change."""
_REMEMBERED = 1_024
_harmless_names: dict[str, set[str]] = {}
_log = logging.getLogger("or_audit_logging")
_formatter = logging.Formatter()
_KEEPS_COPIES = sys.version_info >= (3, 12)
"""Whether logging goes on with the record that a filter returns."""


class RedactionFilter(logging.Filter):
    """Redacts records on any handler: message and arguments, exceptions, stack, extras, audit records."""

    def __init__(self, name: str = "", *, redactor: Redacts | None = None, **options: Any) -> None:
        """Take a ready *redactor*, or the options of `redactor_from`; raises `ConfigError`."""
        super().__init__(name)
        if redactor is not None and options:
            raise ConfigError("RedactionFilter takes a redactor or options for one, not both")
        self.redactor = redactor or redactor_from(options)
        self._place_checked = False

    def filter(self, record: logging.LogRecord) -> Any:
        """Return a redacted copy of *record*, or True where there is nothing to redact.

        Python 3.11 ignores a returned record. Rather than let it pass as it is, the filter changes the record
        itself there, which the handlers after this one then see redacted, and warns of that once. Audit
        handlers and `RedactingHandler` work on a copy on every version.
        """
        if not self._place_checked:
            self._place_checked = True
            self._warn_of_place()
        redacted = redacted_copy(record, self.redactor)
        if redacted is record:
            return True
        kept: bool | logging.LogRecord = redacted
        if not _KEEPS_COPIES:
            for name in record.__dict__.keys() - redacted.__dict__.keys():
                del record.__dict__[name]  # an extra whose own name was redacted
            record.__dict__.update(redacted.__dict__)
            kept = True
        return kept

    def _warn_of_place(self) -> None:
        """Warn where records of other loggers pass this filter by, or other handlers see what it does."""
        loggers = [logging.root, *logging.root.manager.loggerDict.copy().values()]
        for logger in loggers:
            if isinstance(logger, logging.Logger) and self in logger.filters:
                _log.warning(
                    "a RedactionFilter is on the logger %s, where it does not see the records of the loggers "
                    "below; put it on handlers, or use RedactingHandler",
                    logger.name,
                )
                return
        if not _KEEPS_COPIES:
            _log.warning(
                "on Python %d.%d a filter cannot pass on a copy, so a RedactionFilter changes records "
                "themselves and other handlers see them redacted; RedactingHandler(target) works on a copy",
                *sys.version_info[:2],
            )


def redacted_copy(record: logging.LogRecord, redactor: Redacts) -> logging.LogRecord:
    """Return *record* itself where it was redacted under the same policy, otherwise a redacted copy."""
    if record.name == CHECKPOINT_LOGGER or record.__dict__.get(_STAMP) == redactor.digest:
        return record
    audit = audit_of(record)
    if audit is not None and audit.redacted_under == redactor.digest:
        return record
    out: logging.LogRecord = object.__new__(type(record))  # a factory's class may ask for arguments
    out.__dict__.update(record.__dict__)
    extras = {key: value for key, value in record.__dict__.items() if key not in STANDARD_ATTRIBUTES}
    for key in extras:
        del out.__dict__[key]
    try:
        out.__dict__.update(_redacted_text(record, redactor))
        if extras:
            out.__dict__.update(_redacted_extras(extras, redactor))
        if audit is not None:
            out.__dict__["audit"] = redacted_record(audit, redactor)
        elif "audit" in out.__dict__:  # not ours, so an extra like any other
            out.__dict__.update(_redacted_extras({"audit": out.__dict__["audit"]}, redactor))
    except Exception:  # noqa: BLE001 - what cannot be redacted does not pass, and does not end the call
        out.__dict__.update(
            msg=FAILED, args=(), message=FAILED, exc_info=None, exc_text=None, stack_info=None
        )
        out.__dict__.update(dict.fromkeys(_NAMES, FAILED))
        out.__dict__.pop("audit", None)
    out.__dict__[_STAMP] = redactor.digest
    return out


def _redacted_extras(extras: dict[str, object], redactor: Redacts) -> dict[str, object]:
    """Return extras redacted as one dict, so that their names are seen: `extra={"password": ...}`."""
    redacted, _ = redactor.redact_value(extras)
    return redacted if isinstance(redacted, dict) else {}


def _redacted_text(record: logging.LogRecord, redactor: Redacts) -> dict[str, object]:
    """Return what is redacted of the attributes that every record has."""
    out = _redacted_message(record, redactor)
    for name in _NAMES:
        value = record.__dict__.get(name)
        if isinstance(value, str):
            out[name] = _redacted_name(value, redactor)
    if "message" in record.__dict__:
        out["message"] = redactor.redact(str(record.message)).text
    if record.exc_info:
        out["exc_text"] = redactor.redact(record.exc_text or _formatter.formatException(record.exc_info)).text
        out["exc_info"] = None
    elif record.exc_text:
        out["exc_text"] = redactor.redact(record.exc_text).text
    if record.stack_info:
        out["stack_info"] = redactor.redact(str(record.stack_info)).text
    return out


def _redacted_message(record: logging.LogRecord, redactor: Redacts) -> dict[str, object]:
    """Return message and arguments redacted together: a secret may be split over template and argument.

    Template and arguments stay apart where redacting each gives the same, for those who read the arguments.
    """
    if isinstance(record.msg, dict):
        return {"msg": redactor.redact_value(record.msg)[0], "args": ()}
    try:
        message = str(redactor.redact_value(record.getMessage())[0])
    except Exception:  # noqa: BLE001 - arguments that do not fit the template are redacted one by one
        return {"msg": redactor.redact(_unrendered(record)).text, "args": ()}
    if record.args and isinstance(record.msg, str):
        template = redactor.redact(record.msg).text
        args, _ = redactor.redact_value(record.args)
        if isinstance(args, list):
            args = tuple(args)
        try:
            if template % args == message:
                return {"msg": template, "args": args}
        except Exception:  # noqa: BLE001, S110 - they no longer fit; the message says it all
            pass
    return {"msg": message, "args": ()}


def _redacted_name(name: str, redactor: Redacts) -> str:
    harmless = _harmless_names.setdefault(redactor.digest, set())
    if name in harmless:
        return name
    redacted = redactor.redact(name).text
    if redacted == name:
        if len(harmless) >= _REMEMBERED:
            harmless.clear()
        harmless.add(name)
    return redacted


def _unrendered(record: logging.LogRecord) -> str:
    """Return template and arguments side by side, where they do not fit each other."""
    parts = []
    for part in (record.msg, record.args):
        try:
            parts.append(str(part))
        except Exception:  # noqa: BLE001 - an object of the caller's that cannot even be shown
            parts.append(f"[{type(part).__name__}]")
    return " ".join(parts)
