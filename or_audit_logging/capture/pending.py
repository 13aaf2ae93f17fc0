"""What has begun and not ended: calls and streams. What is pending when the interpreter exits ends then.

    begins(call, call.finish)           # at exit at the latest, `call.finish` is called
    if ends(call): ...                  # it ends here; True only for the first who says so
    is_pending(call)

The latest comes first at exit: a stream before the call that it belongs to, an inner call before the outer.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable

from or_audit_logging.capture.trouble import guarded

_pending: dict[int, tuple[object, Callable[[], None]]] = {}

_callbacks = -1
"""How many callbacks the interpreter had for its exit when ours was the last."""


def begins(what: object, end: Callable[[], None]) -> None:
    """Take note that *what* has begun; *end* is what to do with it at exit."""
    _come_first()
    _pending[id(what)] = what, end


def ends(what: object) -> bool:
    """Return whether nobody said before that *what* ended; atomic, and True only once."""
    return _pending.pop(id(what), None) is not None


def is_pending(what: object) -> bool:
    """Return whether *what* has begun and not ended."""
    return id(what) in _pending


def _come_first() -> None:
    """Let `_end_all` come first at exit: callbacks run in reverse, and handlers have one that ends the log.

    Only where others have been registered since, as Python keeps a hole for each one that is unregistered.
    """
    global _callbacks  # noqa: PLW0603 - of the interpreter, as they are
    if atexit._ncallbacks() != _callbacks:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
        _callbacks = atexit._ncallbacks()


def _end_all() -> None:
    for _, end in reversed(list(_pending.values())):
        guarded("recording what was not ended", end)


if hasattr(os, "register_at_fork"):  # a child's copies are its parent's to record
    os.register_at_fork(after_in_child=_pending.clear)
