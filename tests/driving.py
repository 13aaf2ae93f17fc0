"""SDK clients and HTTP clients against FakeOpenRouter: servers, and one way to drive sync and async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sinks import API_KEY

from or_audit_logging.capture.trouble import counts
from or_audit_logging.testing import FakeOpenRouter, RecordedRequest

KINDS = ("sync", "async")


@pytest.fixture(scope="module")
def module_server() -> Iterator[FakeOpenRouter]:
    with FakeOpenRouter(stall_seconds=30.0) as server:
        yield server


@pytest.fixture
def server(module_server: FakeOpenRouter) -> FakeOpenRouter:
    module_server.reset()
    return module_server


@contextmanager
def openai_client() -> Iterator[Any]:
    """Yield a client of the openai SDK and of a server of its own."""
    openai = pytest.importorskip("openai")
    with (
        FakeOpenRouter() as server,
        openai.OpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0, timeout=30) as client,
    ):
        yield client


def completions_of(client: Any) -> Any:
    """Return what has `parse` and `stream` beside `create`: in early versions of openai 1 that is in beta."""
    completions = client.chat.completions
    return completions if hasattr(completions, "parse") else client.beta.chat.completions


def responses_of(client: Any) -> Any:
    """Return the client's Responses API, if the installed SDK has one."""
    if not hasattr(client, "responses"):
        pytest.skip("this version of the openai SDK has no Responses API")
    return client.responses


async def asked(server: FakeOpenRouter, count: int = 1) -> None:
    """Return once so many requests have reached the server."""
    async with asyncio.timeout(30):
        while len(server.requests) < count:
            await asyncio.sleep(0.005)


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


async def following(stream: Any) -> Any:
    """Return the next item of a stream of either kind, or None."""
    return await anext(stream, None) if hasattr(stream, "__anext__") else next(stream, None)


def same_requests(server: FakeOpenRouter) -> RecordedRequest:
    """Return the instrumented client's request: the second one, like that of the bare client before it."""
    assert not counts().get("internal")
    first, second = server.requests
    assert (first.body, first.path, first.headers) == (second.body, second.path, second.headers)
    return second


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run *main* to its end."""

    async def whole() -> Any:
        return await main()

    return asyncio.run(whole())
