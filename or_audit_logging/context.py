"""Who is asking, said once for every call inside a block.

    with bind(user_id="u-42", session_id="s-1", feature="faq"):
        ask(messages)                       # its record bears user, session and metadata {"feature": "faq"}

Bound values live in a contextvar: asyncio tasks inherit them, concurrent tasks do not mix, a new thread
starts without them, unless its function is carried there:

    pool.map(carry_context(ask), questions)

What the call itself is given goes before what is bound.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token, copy_context
from dataclasses import dataclass, field, replace
from types import MappingProxyType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from or_audit_logging.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Bound:
    """What the enclosing `bind` blocks say, the inner one first."""

    user_id: object = None
    session_id: object = None
    request_id: object = None
    metadata: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


_NAMED = ("user_id", "session_id", "request_id")
_NOTHING = Bound()
_current: ContextVar[Bound] = ContextVar("or_audit_logging.bound", default=_NOTHING)


def current() -> Bound:
    """Return what is bound here; the value does not change afterwards."""
    return _current.get()


class bind:  # noqa: N801 - a context manager, named like the function it is used as
    """Binds user_id, session_id and request_id; every other name is metadata.

    Inner blocks win over outer ones, name by name, and None takes an outer value away; metadata is merged.
    Use each object for one block. It is no decorator: on an async function that would bind nothing.
    """

    __slots__ = ("_fields", "_tokens")

    def __init__(self, **fields: object) -> None:
        self._fields = fields
        self._tokens: list[Token[Bound]] = []

    def __enter__(self) -> Self:
        outer = _current.get()
        named = {name: self._fields[name] for name in _NAMED if name in self._fields}
        rest = {name: value for name, value in self._fields.items() if name not in _NAMED}
        if rest:
            named["metadata"] = MappingProxyType({**outer.metadata, **rest})
        self._tokens.append(_current.set(replace(outer, **named)))  # type: ignore[arg-type]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(
            ValueError
        ):  # left in another context, as by a generator closed elsewhere: not bound here
            _current.reset(self._tokens.pop())


def carry_context(fn: Callable[P, R]) -> Callable[P, R]:
    """Return *fn* bound to the context of now, for threads and executors: all contextvars, `bind` blocks too.

    What is returned may be called any number of times, also at once: each call gets a copy of its own, and
    what it binds is gone when it ends. A coroutine function stays one, and runs as a task. Raises
    `ConfigError` for generator functions: their body runs where they are iterated.
    """
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise ConfigError("carry_context: a generator's body runs where it is iterated; carry the iteration")
    context = copy_context()
    if inspect.iscoroutinefunction(fn):
        coroutine: Callable[..., Any] = fn

        @functools.wraps(fn)
        async def carried_task(*args: Any, **kwargs: Any) -> Any:
            import asyncio  # here, since it takes longer to import than the rest of the package

            return await asyncio.get_running_loop().create_task(
                coroutine(*args, **kwargs), context=context.copy()
            )

        return carried_task  # type: ignore[return-value] # R is the coroutine that it makes

    @functools.wraps(fn)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(fn, *args, **kwargs)

    return carried


class collect_waits:  # noqa: N801 - a context manager, named like the function it is used as
    """Collects what a handler would wait for inside the block, so that a coroutine may wait for it elsewhere.

    with collect_waits() as waits:
        logger.handle(record)               # written, but perhaps not on disk yet
    await wait_elsewhere(waits)
    """

    __slots__ = ("_token", "waits")

    def __enter__(self) -> list[Callable[[], None]]:
        self.waits: list[Callable[[], None]] | None = []
        self._token = _collecting.set(self)
        return self.waits

    def __exit__(self, *_: object) -> None:
        self.waits = None  # a task that was created inside may outlive the block
        _collecting.reset(self._token)


_collecting: ContextVar[collect_waits | None] = ContextVar("or_audit_logging.collecting", default=None)


def wait_later(wait: Callable[[], None]) -> bool:
    """Hand *wait* to whoever collects; False where nobody does, and it is to be called here and now."""
    collector = _collecting.get()
    waits = collector.waits if collector is not None else None
    if waits is None:
        return False
    waits.append(wait)
    return True


async def wait_elsewhere(waits: list[Callable[[], None]]) -> None:
    """Return when all *waits* have; in a thread of asyncio's, where it runs and still gives one.

    Raises what the first of them raised that failed.
    """
    if not waits:
        return
    waiting = None
    if (asyncio := sys.modules.get("asyncio")) is not None:
        with suppress(RuntimeError):  # another event loop, or one that takes no more work: the program ends
            waiting = asyncio.get_running_loop().run_in_executor(None, _wait, waits)
    if waiting is None:
        _wait(waits)
    else:
        await waiting


def _wait(waits: list[Callable[[], None]]) -> None:
    failure: Exception | None = None
    for wait in waits:
        try:
            wait()
        except Exception as error:  # noqa: BLE001 - the others are waited for all the same
            failure = failure or error
    if failure is not None:
        raise failure
