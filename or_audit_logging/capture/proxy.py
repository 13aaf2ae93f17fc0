"""Stand-ins for what has no place to hook into: generators, builtin iterators, the SDKs' managers.

    handed = proxy_of(generator, following)
    isinstance(handed, types.GeneratorType)         # True, and so is inspect.isgenerator

    with manager_of(manager, following, attach) as stream: ...      # attach(following, stream), when it comes

A stand-in has the special methods that its original has, and no others; every other attribute is the
original's. Managers are what `.stream(...)` and `.with_streaming_response.create(...)` return: entering them
sends the request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from or_audit_logging.capture.following import Following

    Attach: TypeAlias = Callable[[Following, object], object]

_SPECIAL = (
    "__iter__",
    "__next__",
    "__aiter__",
    "__anext__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
    "send",
    "throw",
    "close",
    "asend",
    "athrow",
    "aclose",
)


def proxy_of(iterator: object, following: Following) -> object:
    """Return a stand-in for *iterator* that reads along."""
    kind = type(iterator)
    return _kind(frozenset(name for name in _SPECIAL if hasattr(kind, name)))(iterator, following)


def manager_of(manager: object, following: Following, attach: Attach) -> object:
    """Return a stand-in for *manager*; `attach(following, stream)` is done to what entering it gives."""
    kind = _AsyncManager if hasattr(type(manager), "__aenter__") else _Manager
    return kind(manager, following, attach)


def proxied(value: object) -> Following | None:
    """Return what follows *value*, where it is one of our stand-ins."""
    return object.__getattribute__(value, "_following") if issubclass(type(value), Standin) else None


class Standin:
    """Looks like *original*, for all that asks, and hands every attribute on to it."""

    __slots__ = ("__weakref__", "_following", "_original")

    def __init__(self, original: Any, following: Following) -> None:
        object.__setattr__(self, "_original", original)
        object.__setattr__(self, "_following", following)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_original"), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._original, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._original, name)

    def __repr__(self) -> str:
        return repr(self._original)

    def __dir__(self) -> list[str]:
        return dir(self._original)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._original)


class _Methods:
    """The methods of every kind of iterator; each kind of proxy takes those that its iterator has."""

    _original: Any
    _following: Following

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> object:
        return self._following.step(self._original.__next__)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> object:  # a coroutine, which keeps us until it has the item
        return await self._following.astep(self._original.__anext__)

    def __enter__(self) -> Any:
        entered = self._original.__enter__()
        return self if entered is self._original else entered

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._original.__exit__(*error)
        finally:
            self._following.left(error[1])

    async def __aenter__(self) -> Any:
        entered = await self._original.__aenter__()
        return self if entered is self._original else entered

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._original.__aexit__(*error)
        finally:
            self._following.left(error[1])

    def send(self, value: object) -> object:
        return self._following.step(self._original.send, value)

    def throw(self, *error: Any) -> object:
        return self._following.step(self._original.throw, *error)

    def close(self) -> Any:
        if hasattr(type(self._original), "__anext__"):
            return self._following.aclosed(self._original.close)
        return self._following.closed(self._original.close)

    async def asend(self, value: object) -> object:
        return await self._following.astep(self._original.asend, value)

    async def athrow(self, *error: Any) -> object:
        return await self._following.astep(self._original.athrow, *error)

    async def aclose(self) -> object:
        return await self._following.aclosed(self._original.aclose)


@functools.cache
def _kind(names: frozenset[str]) -> type[Any]:
    members = {name: _Methods.__dict__[name] for name in names}
    return type("followed", (Standin,), {"__slots__": (), **members})


class _Entered(Standin):
    """A manager, and what is done to the stream that it gives."""

    __slots__ = ("_attach",)

    def __init__(self, original: Any, following: Following, attach: Attach) -> None:
        super().__init__(original, following)
        object.__setattr__(self, "_attach", attach)


class _Manager(_Entered):
    __slots__ = ()

    def __enter__(self) -> object:
        return self._attach(self._following, self._following.made(self._original.__enter__))

    __exit__ = _Methods.__exit__


class _AsyncManager(_Entered):
    __slots__ = ()

    async def __aenter__(self) -> object:
        return self._attach(self._following, await self._following.amade(self._original.__aenter__))

    __aexit__ = _Methods.__aexit__
