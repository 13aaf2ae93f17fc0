"""What has begun and not ended: calls and streams. What is pending when the interpreter exits ends then.

    begins(call)                        # at exit at the latest, `call.end_at_exit` is called
    if ends(call): ...                  # it ends here; True only for the first who says so
    is_pending(call)

The latest comes first at exit: a stream before the call that it belongs to, an inner call before the outer.
A forked child has copies of what its parent has begun: they are the parent's to record.
"""

from __future__ import annotations

import atexit
import os
from typing import Protocol

from or_audit_logging.capture.trouble import guarded


class Pending(Protocol):
    """A call or a stream."""

    def end_at_exit(self) -> None:
        """End as it is: the interpreter exits."""

    def leave_to_parent(self) -> None:
        """Do nothing any more: this is the copy in a forked child."""


_pending: dict[int, Pending] = {}

_callbacks = -1
"""How many callbacks the interpreter had for its exit when ours was the last."""


def begins(what: Pending) -> None:
    """Take note that *what* has begun."""
    _come_first()
    _pending[id(what)] = what


def ends(what: Pending) -> bool:
    """Return whether nobody said before that *what* ended; atomic, and True only once."""
    return _pending.pop(id(what), None) is not None


def is_pending(what: Pending) -> bool:
    """Return whether *what* has begun and not ended."""
    return id(what) in _pending


def _come_first() -> None:
    """Let `_end_all` come first at exit: callbacks run in reverse, and handlers have one that ends the log.

    It is registered again where others have been since, and never taken back: Python 3.11 to 3.13 keep a
    hole for what is unregistered, which an exit under way then falls into.
    """
    global _callbacks  # noqa: PLW0603 - of the interpreter, as they are
    if atexit._ncallbacks() != _callbacks:
        atexit.register(_end_all)
        _callbacks = atexit._ncallbacks()


def _end_all() -> None:
    for what in reversed(list(_pending.values())):
        guarded("recording what had not ended", what.end_at_exit)


def _after_fork() -> None:
    for what in list(_pending.values()):
        what.leave_to_parent()
    _pending.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
