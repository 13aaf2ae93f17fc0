"""What is asked and answered in many tests, and in which shapes it comes."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from or_audit_logging.record import AuditRecord

REPOSITORY = Path(__file__).resolve().parent.parent
SECRET = b"a fake key for tests, not a secret: 0123456789"
MESSAGES: list[Any] = [{"role": "user", "content": "Is the library open today?"}]
ANSWER: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0001",
    "model": "fake/served",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.5},
}
CHUNK = {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
LAST = {"id": "gen-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def namespaces(value: Any) -> Any:
    """Return JSON as objects with attributes, as an SDK hands it out that checks nothing."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: namespaces(item) for key, item in value.items()})
    return [namespaces(item) for item in value] if isinstance(value, list) else value


def audit_record(**fields: Any) -> AuditRecord:
    """Return the record of a call that went well, with an id of its own, and with *fields*."""
    defaults: dict[str, Any] = {
        "event_type": "chat_completion",
        "id": str(uuid.uuid4()),
        "timestamp": "2026-11-21T10:30:45.123456Z",
        "status": "success",
    }
    return AuditRecord(**(defaults | fields))
