"""`AuditJsonFormatter`: an audit record, or any LogRecord, as one JSON object.

It is a python-json-logger formatter: on other people's handlers its options (rename_fields, static_fields,
timestamp, ...) work as documented there. On audit handlers the members keep their names, since queries,
reports and auditors rely on them; static_fields may add to them.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from or_audit_logging.record import CONTROL_PREFIX, SCHEMA_VERSION, AuditRecord, utc_timestamp
from or_audit_logging.sealing.encode import encode, encode_record
from or_audit_logging.sealing.line import MAX_LINE_BYTES, user_members

STANDARD_ATTRIBUTES = frozenset(RESERVED_ATTRS) | {"message", "asctime", "taskName", "audit"}
"""Attributes of every LogRecord; the others are what a caller passed as `extra`."""

_OVERRIDABLE = ("add_fields", "format", "formatException", "jsonify_log_record", "process_log_record")
_JSON_OPTIONS = ("json_default", "json_encoder", "json_serializer", "json_indent", "json_ensure_ascii")


def audit_of(record: logging.LogRecord) -> AuditRecord | None:
    """Return the AuditRecord that *record* carries, if it does."""
    audit = getattr(record, "audit", None)
    return audit if isinstance(audit, AuditRecord) else None


class AuditJsonFormatter(JsonFormatter):
    """Formats audit records by their schema, and other records as events of type `log`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_our_own = all(
            getattr(type(self), name) is getattr(AuditJsonFormatter, name) for name in _OVERRIDABLE
        )
        """Whether no subclass has changed what a record becomes, so that `format_bytes` says the same."""
        self._own_encoding = not any(option in kwargs for option in _JSON_OPTIONS)

    def format_bytes(self, record: logging.LogRecord, *, limit: int = MAX_LINE_BYTES) -> bytes:
        """Return the JSON object that an audit handler seals: at most *limit* bytes of printable ASCII."""
        audit = audit_of(record)
        if audit is not None and not self.static_fields and not audit.event_type.startswith(CONTROL_PREFIX):
            return encode_record(audit, limit=limit)
        return encode(user_members(self.members(record)), limit=limit)

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill in an audit record's members; other records as python-json-logger does."""
        audit = audit_of(record)
        if audit is None:
            super().add_fields(log_data, record, message_dict)
            return
        for name, value in self._with_static(audit.to_dict()).items():
            log_data[self.rename_fields.get(name, name)] = value

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return JSON; unless json_* options ask for another encoder, no value makes it fail."""
        if self._own_encoding:
            return encode(log_data, limit=MAX_LINE_BYTES).decode("ascii")
        return super().jsonify_log_record(log_data)

    def members_of_text(self, record: logging.LogRecord, text: str) -> Mapping[str, object]:
        """Return the members for *text*: no JSON object, but what another formatter made of *record*."""
        return self._log_members(record) | {"message": text}

    def members(self, record: logging.LogRecord) -> Mapping[str, object]:
        """Return what is sealed of *record*, an audit record or not, under the schema's names."""
        audit = audit_of(record)
        return self._with_static(audit.to_dict() if audit is not None else self._log_members(record))

    def _with_static(self, members: dict[str, object]) -> dict[str, object]:
        if self.static_fields:
            for name, value in self.static_fields.items():
                if members.get(name) is None:
                    members[name] = value
        return members

    def _log_members(self, record: logging.LogRecord) -> dict[str, object]:
        """Return the members of a plain LogRecord; what it says was redacted before."""
        members: dict[str, object] = {
            "event_type": "log",
            "v": SCHEMA_VERSION,
            "id": str(uuid.uuid4()),
            "timestamp": utc_timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info and not record.exc_text:
            members["exception"] = logging.Formatter.formatException(self, record.exc_info)
        elif record.exc_text:
            members["exception"] = record.exc_text
        if record.stack_info:
            members["stack"] = record.stack_info
        for key, value in record.__dict__.items():
            if key not in STANDARD_ATTRIBUTES and str(key)[:1] != "_":
                members[f"x_{key}" if key in members else str(key)] = value
        return members


def _message(record: logging.LogRecord) -> object:
    if isinstance(record.msg, dict):
        return record.msg
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the template must not lose the record
        return record.msg
