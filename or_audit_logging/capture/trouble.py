"""What goes wrong inside capture: counted each time, said once, on the logger `or_audit_logging`.

    report("no-handler", "openrouter.audit", "no handler hears the audit logger %s", name)
    counts()                                                      -> {"no-handler": 1}

Messages name loggers, functions and exception types, never contents. The lock is one that its holder may
take again: the garbage collector may end a forgotten stream, and so report, while something is reported.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("or_audit_logging")
_lock = threading.RLock()
_counts: Counter[str] = Counter()
_said: set[tuple[str, str]] = set()


def report(kind: str, about: str, message: str, *args: object) -> None:
    """Count one *kind* of trouble; say *message* as a WARNING the first time for *about*. Never raises."""
    with _lock:
        _counts[kind] += 1
        if (kind, about) in _said:
            return
        _said.add((kind, about))
    try:
        _say(message, args)
    except Exception:  # noqa: BLE001 - somebody's handler fails while we say that something failed
        with _lock:
            _counts["unsaid"] += 1


def guarded(what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return what *function* returns, or None where it raises: the call goes on, the failure is reported."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the caller
        kind = type(error).__name__
        report("internal", f"{what} {kind}", "audit: %s failed (%s); the record goes without it", what, kind)
        return None


def counts() -> dict[str, int]:
    """Return how often each kind of trouble occurred in this process."""
    with _lock:
        return dict(_counts)


def forget() -> None:
    """Start counting anew, and say again what was said."""
    with _lock:
        _counts.clear()
        _said.clear()


def _say(message: str, args: tuple[object, ...]) -> None:
    """Log *message* so that somebody hears it: lost records must not be lost in silence as well.

    An application's dictConfig that disables the audit logger disables ours with it; then the logger above
    speaks. Where nobody but our own NullHandler listens, it goes where Python's logging puts such warnings.
    """
    if _log.getEffectiveLevel() > logging.WARNING or _log.manager.disable >= logging.WARNING:
        return
    record = _log.makeRecord(_log.name, logging.WARNING, __file__, 0, message, args, None)
    if _log.disabled and _log.parent is not None:
        _log.parent.handle(record)
        return
    _log.handle(record)
    if logging.lastResort is not None and not _is_heard():
        logging.lastResort.handle(record)


def _is_heard() -> bool:
    at: logging.Logger | None = _log
    while at is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


def _after_fork() -> None:
    """Give a forked child a lock of its own: the parent's may have been held by another thread."""
    global _lock  # noqa: PLW0603 - the lock stands for the module's state, which the child has a copy of
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
