"""What `.stream(...)` and `.with_streaming_response.create(...)` return: managers, which send nothing yet.

with manager as events: ...         # the request is sent here, and the stream that it gives is followed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from or_audit_logging.capture.following import Following
from or_audit_logging.capture.proxy import Standin

_SDKS = ("openai", "anthropic")


def is_manager(value: object) -> bool:
    """Return whether *value* is a stream manager of an SDK."""
    kind = type(value)
    return kind.__name__.endswith("StreamManager") and kind.__module__.partition(".")[0] in _SDKS


def is_response_manager(value: object) -> bool:
    """Return whether *value* is what `with_streaming_response.create(...)` of an SDK returns."""
    kind = type(value)
    return kind.__name__.endswith("ResponseContextManager") and kind.__module__.partition(".")[0] in _SDKS


def manager_of(
    manager: object, following: Following, attach: Callable[[Following, object], object]
) -> object:
    """Return a stand-in for *manager*; `attach(following, stream)` is done to what entering it gives."""
    is_async = hasattr(type(manager), "__aenter__")
    return (_AsyncManager if is_async else _Manager)(manager, following, attach)


class _Base(Standin):
    __slots__ = ("_attach",)

    def __init__(self, manager: Any, following: Following, attach: Any) -> None:
        super().__init__(manager, following)
        object.__setattr__(self, "_attach", attach)


class _Manager(_Base):
    __slots__ = ()

    def __enter__(self) -> object:
        return self._attach(self._following, self._following.made(self._original.__enter__))

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._original.__exit__(*error)
        finally:
            self._following.left(error[1])


class _AsyncManager(_Base):
    __slots__ = ()

    async def __aenter__(self) -> object:
        return self._attach(self._following, await self._following.amade(self._original.__aenter__))

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._original.__aexit__(*error)
        finally:
            self._following.left(error[1])
