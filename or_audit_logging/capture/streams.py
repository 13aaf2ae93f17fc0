"""Streams: the call goes on in what it returned, and is finished when that ends, whichever way.

    handed = follow(call, client.chat.completions.create(..., stream=True))     # the same object
    return result if handed is None else handed                                 # None: no stream

The streams of the openai, anthropic and openrouter SDKs stay the objects they are: their own iterator is
replaced by one that reads along, and `close` by one that tells us. Generators and builtin iterators are
handed out in a proxy; an iterator of somebody's own class is no stream to us, and stays as it is.
Nothing here refers to the stream itself, so that one that is dropped is collected, and recorded then; one
that is still open when the interpreter exits is recorded at exit.
"""

from __future__ import annotations

import functools
import io
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.following import Following, leaving
from or_audit_logging.capture.managers import is_manager, is_response_manager, manager_of
from or_audit_logging.capture.proxy import Standin, proxied, proxy_of
from or_audit_logging.capture.read import read
from or_audit_logging.capture.tee import http_of, owned
from or_audit_logging.capture.trouble import guarded

_OWN_ITERATOR = {"openai": "_iterator", "anthropic": "_iterator", "openrouter": "generator"}
"""Where the streams of an SDK keep the iterator that their `__next__` or `__anext__` asks."""


_GENERATORS = (GeneratorType, AsyncGeneratorType)
_BUILTINS = frozenset({"builtins", "itertools"})


def follow(call: Call, stream: object) -> object | None:
    """Return what to hand out in place of *stream*, and finish *call* when it ends; None for no stream.

    Nothing is consumed. A stream that an inner call follows already is not followed twice: both end with it.
    """
    if not guarded("looking at a result", _is_stream, stream):
        return None
    if not call.is_open:
        return stream
    already = _following_of(stream)
    if already is not None and already.ends_also(call):
        return stream
    return guarded("following a stream", _followed, call, stream) or _given_up(call, stream)


def _is_stream(value: object) -> bool:
    if isinstance(value, _GENERATORS) or is_manager(value) or is_response_manager(value):
        return True
    if not isinstance(value, (Iterator, AsyncIterator)) or isinstance(value, io.IOBase):
        return False
    kind = type(value)
    return kind.__module__ in _BUILTINS or issubclass(kind, Standin) or _is_of_sdk(kind)


def _is_of_sdk(kind: type) -> bool:
    return any(each.__module__.partition(".")[0] in _OWN_ITERATOR for each in kind.__mro__)


def _followed(call: Call, stream: object) -> object:
    if (sends_later := is_response_manager(stream)) or is_manager(stream):
        following = Following(call, whole=True)
        manager = manager_of(stream, following, _body_attached if sends_later else _attached)
        following.watch(manager)
        return manager
    return _attached(Following(call, whole=_own_iterator(stream) is not None), stream)


def _attached(following: Following, stream: object) -> object:
    """Let *following* read *stream* along; return it, or a stand-in."""
    name = _own_iterator(stream)
    response = read(stream, "response") or read(stream, "_response")
    following.began(read(response, "headers"))
    handed = stream if name is not None else proxy_of(stream, following)
    if name is not None:
        _tap(stream, name, following)
        _hear_closing(stream, response, following)
    following.watch(handed)
    return handed


def _body_attached(following: Following, response: object) -> object:
    """Let the call end with the body of *response*, or here where there is none to read."""
    call = following.hand_over()
    if call is not None and not guarded("reading along", owned, http_of(response), call):
        call.response(response)
        call.finish()
    return response


def _given_up(call: Call, stream: object) -> object:
    """Record a stream that cannot be followed as it is handed out."""
    call.response(stream)
    call.finish()
    return stream


def _following_of(stream: object) -> Following | None:
    followed = proxied(stream)
    if followed is None:
        name = _own_iterator(stream)
        steps = getattr(stream, "__dict__", {}).get(name) if name else None
        followed = steps.following if isinstance(steps, (_Steps, _AsyncSteps)) else None
    return followed


def _own_iterator(stream: object) -> str | None:
    """Return the attribute that holds the iterator of an SDK's stream, where we know the SDK."""
    for kind in type(stream).__mro__:
        name = _OWN_ITERATOR.get(kind.__module__.partition(".")[0])
        if name is not None:
            own = getattr(stream, "__dict__", {}).get(name)
            wanted = Iterator if isinstance(stream, Iterator) else AsyncIterator
            return name if isinstance(own, wanted) else None
    return None


class _Steps:
    """In the place of a stream's own iterator: the same items, read along."""

    __slots__ = ("_advance", "_iterator", "following")

    def __init__(self, iterator: Any, following: Following) -> None:
        self._iterator, self._advance, self.following = iterator, iterator.__next__, following

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        return self.following.step(self._advance)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


class _AsyncSteps:
    __slots__ = ("_advance", "_iterator", "following")

    def __init__(self, iterator: Any, following: Following) -> None:
        self._iterator, self._advance, self.following = iterator, iterator.__anext__, following

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    def __anext__(self) -> Awaitable[object]:
        return self.following.astep(self._advance)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


def _tap(stream: Any, name: str, following: Following) -> None:
    own = stream.__dict__[name]
    stream.__dict__[name] = (_Steps if isinstance(own, Iterator) else _AsyncSteps)(own, following)


def _hear_closing(stream: Any, response: Any, following: Following) -> None:
    """Let `close` and `aclose` of *stream* tell us, and the with block that they end."""
    closing, last = (_closing, "close") if isinstance(stream, Iterator) else (_async_closing, "aclose")
    for name in ("close", "aclose"):
        function = getattr(type(stream), name, None)
        if callable(function):
            shut = getattr(response, last, _nothing)
            stream.__dict__[name] = closing(weakref.ref(stream), function, shut, following)


def _closing(
    stream: weakref.ref[Any], function: Callable[..., Any], shut: Callable[[], Any], following: Following
) -> Callable[..., Any]:
    """Return a `close` that keeps no stream alive; of one that is gone, it shuts the response."""

    @functools.wraps(function)
    def close(*args: Any, **kwargs: Any) -> Any:
        left_by = leaving(sys._getframe(1))
        try:
            there = stream()
            return shut() if there is None else function(there, *args, **kwargs)
        finally:
            following.left(left_by)

    return close


def _async_closing(
    stream: weakref.ref[Any], function: Callable[..., Any], shut: Callable[[], Any], following: Following
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def close(*args: Any, **kwargs: Any) -> Any:
        left_by = leaving(sys._getframe(1))
        try:
            there = stream()
            return await (shut() if there is None else function(there, *args, **kwargs))
        finally:
            following.left(left_by)

    return close


async def _nothing() -> None:
    """Do nothing: there is no response to shut."""
