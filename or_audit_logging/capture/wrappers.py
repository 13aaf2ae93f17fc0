"""The four kinds of functions, each wrapped as the kind it is: sync, async, generator, async generator.

    wrapped(function, start)            start(args, kwargs) begins a Call, or gives None where none is made

A generator is advanced by hand, as `yield from` does it (PEP 380), so that what is sent and thrown into it
arrives, and so that calls made while it runs, and only those, belong to its own call.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from types import CoroutineType
from typing import Any, TypeAlias

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.following import Following
from or_audit_logging.capture.through import athrough, take, through

Function: TypeAlias = Callable[..., Any]
Start: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Call | None]


def wrapped(function: Function, start: Start) -> Function:
    """Return *function* with a call for each call of it."""
    if _is(inspect.isasyncgenfunction, function):
        return _async_generator(function, start)
    if _is(inspect.isgeneratorfunction, function):
        return _generator(function, start)
    if _is(inspect.iscoroutinefunction, function):
        return _coroutine(function, start)
    return _function(function, start)


def _function(function: Function, start: Start) -> Function:
    @functools.wraps(function)
    def audited_call(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        return through(call, call.active(), functools.partial(function, *args, **kwargs), _taken)

    return audited_call


def _coroutine(function: Function, start: Start) -> Function:
    @functools.wraps(function)
    async def audited_call(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        return await athrough(call, call.active(), functools.partial(function, *args, **kwargs), _taken)

    return audited_call


def _generator(function: Function, start: Start) -> Function:
    @functools.wraps(function)
    def audited_call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = start(args, kwargs)
        if call is None:
            return (yield from function(*args, **kwargs))
        following, frame = Following(call), _Frame()
        following.watch(frame)
        generator = following.made(function, *args, **kwargs)
        advance: Function = next
        given: tuple[Any, ...] = (generator,)
        while True:
            try:
                item = following.step(advance, *given)
            except StopIteration as stop:
                return stop.value
            try:
                advance, given = generator.send, ((yield item),)
            except GeneratorExit:
                return following.closed(generator.close)
            except BaseException as error:  # noqa: BLE001 - thrown in by the consumer, and passed on
                advance, given = generator.throw, (error,)

    return audited_call


def _async_generator(function: Function, start: Start) -> Function:
    @functools.wraps(function)
    async def audited_call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = start(args, kwargs)
        if call is None:
            async for item in function(*args, **kwargs):  # which raises, since the arguments do not fit
                yield item
            return
        following, frame = Following(call), _Frame()
        following.watch(frame)
        generator = following.made(function, *args, **kwargs)
        advance: Function = anext
        given: tuple[Any, ...] = (generator,)
        while True:
            try:
                item = await following.astep(advance, *given)
            except StopAsyncIteration:
                return
            try:
                advance, given = generator.asend, ((yield item),)
            except GeneratorExit:
                await following.aclosed(generator.aclose)
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the consumer, and passed on
                advance, given = generator.athrow, (error,)

    return audited_call


class _Frame:
    """Lives as long as a generator's frame does, and is collected with it."""

    __slots__ = ("__weakref__",)


def _taken(call: Call, result: object) -> object | None:
    """Return what to hand out in place of *result*, as `take` does; a coroutine's result is still to come."""
    if isinstance(result, CoroutineType):
        coroutine = athrough(call, call.active(), lambda: result, _taken)
        weakref.finalize(coroutine, call.withdraw).atexit = False  # it may never be awaited
        return coroutine
    later = take(call, result)
    if later is None and isinstance(result, (Iterator, AsyncIterator)):
        call.returned(result)  # of somebody's own class: nobody knows what it says
    return later


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - asked of the method
