"""Redaction of an audit record: every member that may hold what somebody wrote, as a copy.

redacted_record(record, redactor)      -> a copy under its policy, redactions added up
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from or_audit_logging.policy import Redacts
from or_audit_logging.record import AuditRecord

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


def redacted_record(record: AuditRecord, redactor: Redacts) -> AuditRecord:
    """Return *record* itself where it was redacted under the same policy, otherwise a redacted copy."""
    if record.redacted_under == redactor.digest:
        return record
    counts: Counter[str] = Counter(record.redactions or {})
    changes: dict[str, Any] = {}
    for name in _FREE_TEXT:
        value = getattr(record, name)
        if value is not None:
            changes[name], found = redactor.redact_value(value)
            counts.update(found)
    if changes.get("tool_names") is not None:
        changes["tool_names"] = tuple(changes["tool_names"])
    return replace(record, **changes, redactions=dict(counts) or None, redacted_under=redactor.digest)
