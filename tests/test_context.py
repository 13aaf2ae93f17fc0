"""`bind`: what a block says about the calls in it; `carry_context`: the same in other threads."""

import asyncio
import contextvars
import dataclasses
import inspect
import threading
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sinks import Sink, attached

from or_audit_logging.capture.decorator import audited
from or_audit_logging.context import Bound, bind, carry_context, current
from or_audit_logging.errors import ConfigError


def test_nothing_is_bound_outside() -> None:
    """Without a block everything is unknown."""
    assert current() == Bound()


def test_named_fields_and_metadata() -> None:
    """Three names are the record's own; every other is metadata."""
    with bind(user_id="u-42", session_id="s-1", request_id="r-1", feature="faq"):
        bound = current()
    assert (bound.user_id, bound.session_id, bound.request_id) == ("u-42", "s-1", "r-1")
    assert bound.metadata == {"feature": "faq"}


def test_inner_blocks_win_and_metadata_merges() -> None:
    """A nested block overrides name by name and is gone afterwards."""
    with bind(user_id="outer", a=1, b=1):
        with bind(user_id="inner", b=2):
            assert current().user_id == "inner"
            assert current().metadata == {"a": 1, "b": 2}
        assert current().user_id == "outer"
        assert current().metadata == {"a": 1, "b": 1}
    assert current() == Bound()


def test_the_block_ends_with_an_exception() -> None:
    """An exception leaves nothing bound behind and passes."""
    with pytest.raises(KeyError), bind(user_id="u"):
        raise KeyError
    assert current() == Bound()


def test_the_value_is_frozen() -> None:
    """What `current` returns cannot be changed, nor its metadata."""
    with bind(feature="faq"):
        bound = current()
    with pytest.raises(dataclasses.FrozenInstanceError):
        bound.user_id = "u"  # type: ignore[misc]
    with pytest.raises(TypeError):
        bound.metadata["feature"] = "other"  # type: ignore[index]


def test_concurrent_tasks_do_not_mix() -> None:
    """Each task sees its own block."""

    async def one(user: str) -> object:
        with bind(user_id=user):
            await asyncio.sleep(0.001)
            return current().user_id

    async def main() -> list[object]:
        return await asyncio.gather(*(one(f"u-{n}") for n in range(20)))

    assert asyncio.run(main()) == [f"u-{n}" for n in range(20)]


def test_a_new_thread_starts_without() -> None:
    """Threads do not inherit a contextvar."""
    seen: list[Bound] = []
    with bind(user_id="u"):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [Bound()]


def test_a_generator_closed_in_another_context_is_no_error() -> None:
    """Leaving the block elsewhere than it was entered must not break the caller."""

    def bound() -> Iterator[None]:
        with bind(user_id="u"):
            yield

    generator = bound()
    contextvars.copy_context().run(next, generator)
    assert next(generator, "end") == "end"
    assert current() == Bound()


def test_it_is_no_decorator() -> None:
    """Around an async function it would bind nothing, so it refuses."""
    with pytest.raises(TypeError):
        bind(user_id="u")(print)  # type: ignore[operator]


# --- carry_context


def who(_: object = None) -> object:
    """Return who is bound."""
    return current().user_id


def test_a_thread_with_its_context() -> None:
    """A carried function sees what was bound where it was carried, not where it is called."""
    seen: list[object] = []
    with bind(user_id="u-42"):
        carried = carry_context(lambda: seen.append(current().user_id))
    thread = threading.Thread(target=carried)
    thread.start()
    thread.join()
    with bind(user_id="another"):
        carried()
    assert seen == ["u-42", "u-42"]


def test_a_pool_calls_it_many_times_at_once() -> None:
    """Four calls are inside at the same time; a context itself could be entered only once."""
    together = threading.Barrier(4)

    def wait(n: int) -> object:
        together.wait(timeout=10)
        return who()

    with ThreadPoolExecutor(4) as pool, bind(user_id="u-42"):
        assert list(pool.map(carry_context(wait), range(8))) == ["u-42"] * 8


def test_what_a_call_binds_ends_with_it() -> None:
    """Calls do not see each other's bindings, though they leave the block open."""

    def work() -> object:
        before = current().session_id
        bind(session_id="left open").__enter__()
        return before

    carried = carry_context(work)
    assert (carried(), carried()) == (None, None)
    assert current().session_id is None


def test_it_looks_like_the_function() -> None:
    """Arguments, result, exceptions, name and hints are the function's."""

    def divide(a: int, *, b: int = 1) -> float:
        """Divide."""
        return a / b

    carried = carry_context(divide)
    assert carried(6, b=3) == 2
    with pytest.raises(ZeroDivisionError):
        carried(1, b=0)
    assert (carried.__name__, carried.__doc__) == ("divide", "Divide.")
    assert typing.get_type_hints(carried)["b"] is int
    assert inspect.signature(carried) == inspect.signature(divide)


def test_a_coroutine_function_stays_one() -> None:
    """Awaited elsewhere, it runs in the context it was carried from; cancelling reaches it."""
    cancelled: list[object] = []

    async def work() -> object:
        try:
            await asyncio.sleep(0)
            return who()
        except asyncio.CancelledError:
            cancelled.append(who())
            raise

    with bind(user_id="u-42"):
        carried = carry_context(work)
    assert inspect.iscoroutinefunction(carried)
    assert asyncio.run(carried()) == "u-42"

    async def cancel() -> None:
        task = asyncio.create_task(carried())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    assert cancelled == ["u-42"]


def numbers() -> Iterator[int]:
    yield 1


async def later_numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [numbers, later_numbers])
def test_generator_functions_are_refused(function: Callable[..., Any]) -> None:
    """Nothing of theirs would run in the context."""
    with pytest.raises(ConfigError, match="iterated"):
        carry_context(function)


def test_calls_in_carried_threads_belong_to_the_call() -> None:
    """A decorated function that asks in threads leaves one record, with all that they learnt."""
    sink = attached(Sink())
    answer = {"id": "gen-1", "choices": [], "usage": {"total_tokens": 4}, "model": "fake/served"}

    @audited
    def ask(messages: object) -> object:
        return answer

    @audited
    def ask_four(messages: object) -> str:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(carry_context(ask), range(4)))
        return "done"

    with bind(user_id="u-42"):
        ask_four("question")
    assert (sink.only.user_id, sink.only.total_tokens) == ("u-42", 16)


def test_a_call_that_outlives_the_one_it_was_carried_from() -> None:
    """Its own record is made: nothing that was asked goes unrecorded."""
    sink = attached(Sink())
    go = threading.Event()

    @audited
    def ask(messages: object) -> object:
        go.wait(timeout=10)
        return {"id": "gen-1", "choices": [{"message": {"content": "x"}}], "model": "fake/late"}

    @audited
    def leave_it_running(messages: object, pool: ThreadPoolExecutor) -> object:
        pool.submit(carry_context(ask), "late")
        return {"id": "gen-2", "choices": [{"message": {"content": "x"}}], "model": "fake/early"}

    with ThreadPoolExecutor(1) as pool:
        leave_it_running("question", pool)
        assert [record.model_used for record in sink.records] == ["fake/early"]
        go.set()
    assert [record.model_used for record in sink.records] == ["fake/early", "fake/late"]
