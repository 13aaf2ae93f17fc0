"""Async generator functions and async iterators: the four arms have the same manners."""

import asyncio
import contextlib
import gc
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
from samples import CHUNK, LAST
from sinks import Sink

from or_audit_logging.capture.decorator import audited


@pytest.fixture
def sink(watched_sink: Sink) -> Sink:
    return watched_sink


@audited
async def spoken(messages: Any, *, fails: bool = False, waits: float = 0) -> AsyncIterator[Any]:
    """Speak."""
    got = yield "Hel"
    if fails:
        raise LookupError("mine")
    await asyncio.sleep(waits)
    yield got or "lo"


@audited
def opened(messages: Any) -> Any:
    """Return an async generator of chunks."""
    return numbers()


async def numbers() -> AsyncIterator[Any]:
    yield CHUNK
    yield LAST


def test_an_async_generator_function_stays_one(sink: Sink) -> None:
    """Kind, name, items, and what is sent into it."""

    async def main() -> None:
        assert inspect.isasyncgenfunction(spoken)
        assert (spoken.__name__, spoken.__doc__) == ("spoken", "Speak.")
        generator: Any = spoken("hi")
        assert inspect.isasyncgen(generator)
        assert [await anext(generator), await generator.asend("p")] == ["Hel", "p"]
        assert not sink.records
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    asyncio.run(main())
    assert (sink.only.status, sink.only.streamed) == ("success", True)
    assert sink.only.response_hash


async def close(generator: Any) -> None:
    await generator.aclose()
    await generator.aclose()


async def throw(generator: Any) -> None:
    with pytest.raises(KeyError):
        await generator.athrow(KeyError("x"))


async def fail(generator: Any) -> None:
    with pytest.raises(LookupError, match="mine"):
        await anext(generator)


async def cancel(generator: Any) -> None:
    task = asyncio.ensure_future(anext(generator))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def timeout(generator: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(generator)


async def drop(generator: Any) -> None:
    pass


async def close_in_another_task(generator: Any) -> None:
    await asyncio.create_task(generator.aclose())


@pytest.mark.parametrize(
    ("way", "status"),
    [
        (close, "incomplete"),
        (close_in_another_task, "incomplete"),
        (drop, "incomplete"),
        (throw, "cancelled"),
        (fail, "error"),
        (cancel, "cancelled"),
        (timeout, "cancelled"),
    ],
)
def test_how_an_async_generator_ends(sink: Sink, way: Any, status: str) -> None:
    """One record for each way."""

    async def main() -> None:
        generator = spoken("hi", fails=way is fail, waits=5 if way in (cancel, timeout) else 0)
        await anext(generator)
        await way(generator)
        del generator
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert sink.only.status == status


def test_a_loop_that_is_gone(sink: Sink) -> None:
    """A generator that outlives its event loop can close nothing any more; it is recorded all the same."""

    async def begin(generator: Any) -> None:
        await anext(generator)

    generator = spoken("hi")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin(generator))
    loop.close()
    with contextlib.suppress(RuntimeError):
        del generator
        gc.collect()
    assert sink.only.status == "incomplete"


def test_a_function_that_returns_an_async_generator(sink: Sink) -> None:
    """It is handed out in a proxy that is one, for all that asks."""

    async def main() -> list[Any]:
        handed = opened("hi")
        assert inspect.isasyncgen(handed)
        assert isinstance(handed, AsyncIterator)
        async with contextlib.aclosing(handed) as stream:
            return [chunk async for chunk in stream]

    assert asyncio.run(main()) == [CHUNK, LAST]
    assert (sink.only.status, sink.only.generation_id) == ("success", "gen-1")


def test_an_async_proxy_that_is_closed(sink: Sink) -> None:
    """aclose() and athrow() reach the generator."""

    async def main() -> None:
        handed = opened("hi")
        await anext(handed)
        await handed.aclose()
        with pytest.raises(KeyError):
            await opened("hi").athrow(KeyError())

    asyncio.run(main())
    assert [record.status for record in sink.records] == ["incomplete", "cancelled"]


def test_what_is_bound_in_concurrent_generators(sink: Sink) -> None:
    """Steps of several generators interleave; a call inside one belongs to that one."""

    @audited
    def inner(messages: Any) -> Any:
        return {"id": messages, "choices": [{"message": {"content": "x"}}]}

    @audited
    async def generate(messages: Any, user_id: str) -> AsyncIterator[str]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield inner(messages)["id"]

    async def consume(n: int) -> None:
        async for _ in generate(f"gen-{n}", user_id=f"u-{n}"):
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(consume(n) for n in range(10)))

    asyncio.run(main())
    found = {(record.user_id, record.generation_id) for record in sink.records}
    assert found == {(f"u-{n}", f"gen-{n}") for n in range(10)}
    assert len(sink.records) == 10
