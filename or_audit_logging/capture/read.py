"""Members of response objects, whatever SDK made them: dicts and attributes alike, and only the right type.

    count(read(read(response, "usage"), "prompt_tokens"))      -> 11, or None for "11", True, -1, None, ...
    usage = members(read(response, "usage"))                    # the same, where many members are read:
    count(usage.get("prompt_tokens"))

Nothing here raises: SDKs hand malformed answers through, and some have their own UNSET values.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import Any, Protocol

_COUNT_LIMIT = 1 << 63


class Members(Protocol):
    """What is asked for the members of one object."""

    def get(self, name: str, /) -> Any: ...


_NO_MEMBERS: dict[str, Any] = {}


def read(source: object, name: str) -> object:
    """Return member *name* of a mapping or object; None where there is none or reading it fails."""
    if type(source) is dict:
        return source.get(name)
    if source is None:
        return None
    try:
        members = source.__dict__
        if name in members:
            return members[name]
        extra: Any = source.model_extra  # type: ignore[attr-defined] # pydantic, where a missing name is slow
        if extra is not None:
            return extra.get(name)
    except Exception:  # noqa: BLE001, S110 - no such object; the long way then
        pass
    try:
        return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody's object may raise anything
        return None


def members(source: object) -> Members:
    """Return the members of *source*: `members(source).get(name)` is `read(source, name)`."""
    if type(source) is dict:
        return source
    if source is None:
        return _NO_MEMBERS
    try:
        own, extra = source.__dict__, source.__pydantic_extra__  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - no such object
        return _Members(source)
    if type(own) is dict and type(extra) is dict:
        return extra | own if extra else own
    return _Members(source)


class _Members:
    """The members of an object of any kind, read one by one."""

    __slots__ = ("_source",)

    def __init__(self, source: object) -> None:
        self._source = source

    def get(self, name: str, /) -> Any:
        return read(self._source, name)


def is_data(value: object) -> bool:
    """Return whether *value* is a dict or a pydantic model: data at hand, no stream and no HTTP response."""
    kind: Any = type(value)
    return kind is dict or _is_model(kind)


@functools.lru_cache(maxsize=1024)
def _is_model(kind: type) -> bool:
    return hasattr(kind, "__pydantic_core_schema__") and not issubclass(
        kind, (Iterator, AsyncIterator, Awaitable)
    )


def has(source: object, name: str) -> bool:
    """Return whether *source* has member *name*, though it may be None."""
    try:
        return name in source if isinstance(source, Mapping) else hasattr(source, name)
    except Exception:  # noqa: BLE001 - as above
        return False


def text(value: object) -> str | None:
    """Return *value* where it is text that is not empty."""
    if type(value) is str:
        return value or None
    return str.__str__(value) or None if isinstance(value, str) else None


def count(value: object) -> int | None:
    """Return *value* where it is a whole number, not negative; 11.0 counts, True does not."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) and 0 <= value < _COUNT_LIMIT else None


def flag(value: object) -> bool | None:
    """Return *value* where it is a bool."""
    return value if isinstance(value, bool) else None


def items(value: object) -> list[object] | None:
    """Return a list or tuple as a list."""
    return list(value) if isinstance(value, (list, tuple)) else None
