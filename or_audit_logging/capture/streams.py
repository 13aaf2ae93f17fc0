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

import io
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.following import Following
from or_audit_logging.capture.life import leaving
from or_audit_logging.capture.proxy import Standin, manager_of, proxied, proxy_of
from or_audit_logging.capture.read import read
from or_audit_logging.capture.tee import http_of, owned
from or_audit_logging.capture.trouble import guarded

_PLACES = {"openai": "_iterator", "anthropic": "_iterator", "openrouter": "generator"}
"""Where the streams of an SDK keep the iterator that their `__next__` or `__anext__` asks."""

_HAVE_MANAGERS = ("openai", "anthropic")
_GENERATORS = (GeneratorType, AsyncGeneratorType)
_BUILTINS = frozenset({"builtins", "itertools"})

_ITERATOR, _MANAGER, _RESPONSE_MANAGER = range(3)


def follow(call: Call, stream: object) -> object | None:
    """Return what to hand out in place of *stream*, and finish *call* when it ends; None for no stream.

    Nothing is consumed. A stream that an inner call follows already is not followed twice: both end with it.
    """
    form = guarded("looking at a result", _form, stream)
    if form is None:
        return None
    if not call.is_open:
        return stream
    already = _following_of(stream)
    if already is not None and already.ends_also(call):
        return stream
    return guarded("following a stream", _followed, call, stream, form) or _given_up(call, stream)


def _form(value: object) -> int | None:
    """Return what kind of stream *value* is, or what gives one; None where it is neither."""
    if isinstance(value, _GENERATORS):
        return _ITERATOR
    kind = type(value)
    if kind.__name__.endswith("Manager") and kind.__module__.partition(".")[0] in _HAVE_MANAGERS:
        if kind.__name__.endswith("StreamManager"):
            return _MANAGER
        if kind.__name__.endswith("ResponseContextManager"):
            return _RESPONSE_MANAGER
    if not isinstance(value, (Iterator, AsyncIterator)) or isinstance(value, io.IOBase):
        return None
    followed = kind.__module__ in _BUILTINS or issubclass(kind, Standin) or _place_in(kind) is not None
    return _ITERATOR if followed else None


def _followed(call: Call, stream: object, form: int) -> object:
    if form == _ITERATOR:
        return _attached(Following(call), stream)
    following = Following(call, whole=True)
    attach = _body_attached if form == _RESPONSE_MANAGER else _attached
    manager = manager_of(stream, following, attach)
    following.watch(manager)
    return manager


def _attached(following: Following, stream: object) -> object:
    """Let *following* read *stream* along; return it, or a stand-in."""
    response = read(stream, "response") or read(stream, "_response")
    if response is not None:
        following.began(read(response, "headers"))
    place = _place_of(stream)
    if place is None:
        handed = proxy_of(stream, following)
    else:
        handed, following.whole = stream, True
        _tap(stream, place, following)
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
    if followed is None and (place := _place_in(type(stream))) is not None:
        steps = getattr(stream, "__dict__", {}).get(place)
        followed = steps.following if isinstance(steps, (_Steps, _AsyncSteps)) else None
    return followed


def _place_of(stream: object) -> str | None:
    """Return the attribute that holds the iterator of an SDK's stream, where we know the SDK."""
    place = _place_in(type(stream))
    own = getattr(stream, "__dict__", {}).get(place) if place else None
    return place if isinstance(own, Iterator if isinstance(stream, Iterator) else AsyncIterator) else None


def _place_in(kind: type) -> str | None:
    for each in kind.__mro__:
        if (place := _PLACES.get(each.__module__.partition(".")[0])) is not None:
            return place
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
