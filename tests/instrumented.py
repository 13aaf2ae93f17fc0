"""Shared by the tests of `instrument` and `audit_transport`: a sink, and one way to drive sync and async."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from or_audit_logging.capture.trouble import forget
from or_audit_logging.policy import AuditSink, Policy
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.chain import digest_key
from or_audit_logging.testing import FakeOpenRouter

NAME = "openrouter.audit"
KEY = digest_key(b"a visibly fake secret of 32 bytes or more")
API_KEY = "sk-or-v1-" + "f4ke" * 16
MESSAGES = [{"role": "user", "content": "Is the library open today?"}]
KINDS = ("sync", "async")


class Sink(logging.Handler, AuditSink):
    """Keeps the audit records, and fails closed where a test asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.policy_now = Policy(Redactor(), KEY)
        self.probe_error: Exception | None = None
        self.write_error: Exception | None = None
        self.records: list[AuditRecord] = []

    @property
    def policy(self) -> Policy:
        return self.policy_now

    def fail_closed(self) -> None:
        self.policy_now = Policy(Redactor(), KEY, "raise")

    def probe(self) -> None:
        if self.probe_error:
            raise self.probe_error

    def emit(self, record: logging.LogRecord) -> None:
        if self.write_error:
            raise self.write_error
        self.records.append(record.__dict__["audit"])

    @property
    def only(self) -> AuditRecord:
        (record,) = self.records
        return record


@pytest.fixture
def sink() -> Iterator[Sink]:
    forget()
    handler = Sink()
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def module_server() -> Iterator[FakeOpenRouter]:
    with FakeOpenRouter(stall_seconds=30.0) as server:
        yield server


@pytest.fixture
def server(module_server: FakeOpenRouter) -> FakeOpenRouter:
    module_server.reset()
    return module_server


async def got(value: Any) -> Any:
    """Return what a sync client returns, and what an async one does once awaited."""
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def each(stream: Any) -> AsyncIterator[Any]:
    """Yield the items of a stream of either kind."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run *main* to its end."""

    async def whole() -> Any:
        return await main()

    return asyncio.run(whole())
