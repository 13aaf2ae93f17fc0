"""The pytest fixture `fake_openrouter`: import it into a test module or conftest to use it."""

from __future__ import annotations

from collections.abc import Iterator

from or_audit_logging.errors import MissingExtraError
from or_audit_logging.testing.openrouter import FakeOpenRouter

try:
    import pytest
except ImportError:
    raise MissingExtraError(extra="test", needed_for="the fixture fake_openrouter") from None


@pytest.fixture
def fake_openrouter() -> Iterator[FakeOpenRouter]:
    """A FakeOpenRouter on loopback for one test."""
    with FakeOpenRouter() as server:
        yield server
