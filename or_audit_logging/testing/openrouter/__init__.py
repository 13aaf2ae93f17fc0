"""A server on loopback that speaks OpenRouter's API, for tests: see `server` for what it answers."""

from or_audit_logging.testing.openrouter.calls import RecordedRequest
from or_audit_logging.testing.openrouter.server import FakeOpenRouter

__all__ = ["FakeOpenRouter", "RecordedRequest"]
