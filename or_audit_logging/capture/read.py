"""Members of response objects, whatever SDK made them: dicts and attributes alike, and only the right type.

    count(read(read(response, "usage"), "prompt_tokens"))      -> 11, or None for "11", True, -1, None, ...

Nothing here raises: SDKs hand malformed answers through, and some have their own UNSET values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COUNT_LIMIT = 1 << 63


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


def has(source: object, name: str) -> bool:
    """Return whether *source* has member *name*, though it may be None."""
    try:
        return name in source if isinstance(source, Mapping) else hasattr(source, name)
    except Exception:  # noqa: BLE001 - as above
        return False


def text(value: object) -> str | None:
    """Return *value* where it is text that is not empty."""
    return str.__str__(value) or None if isinstance(value, str) else None


def count(value: object) -> int | None:
    """Return *value* where it is a whole number, not negative; 11.0 counts, True does not."""
    if isinstance(value, bool):
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
