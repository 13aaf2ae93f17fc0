"""For tests, ours and yours: a server that speaks OpenRouter's API, and a way to look at records.

    from or_audit_logging.testing import FakeOpenRouter, capture_audit, fake_openrouter   # a pytest fixture

    def test_ask(fake_openrouter):
        client = OpenAI(base_url=fake_openrouter.base_url, api_key="sk-or-v1-fake")
        with capture_audit() as records:
            ask(client, "hello")
        assert records[0].status == "success"

Nothing here is loaded unless it is imported; `fake_openrouter` needs pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from or_audit_logging.testing.capture import capture_audit
from or_audit_logging.testing.openrouter import FakeOpenRouter, RecordedRequest

if TYPE_CHECKING:
    from or_audit_logging.testing.fixtures import fake_openrouter

__all__ = ["FakeOpenRouter", "RecordedRequest", "capture_audit", "fake_openrouter"]


def __getattr__(name: str) -> object:
    if name != "fake_openrouter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from or_audit_logging.testing import fixtures

    return fixtures.fake_openrouter
