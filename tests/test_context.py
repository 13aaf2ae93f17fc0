"""`bind`: what a block says about the calls in it."""

import asyncio
import contextvars
import dataclasses
import threading
from collections.abc import Iterator

import pytest

from or_audit_logging.context import Bound, bind, current


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
