"""What goes wrong inside capture: counted each time, said once, on the logger `or_audit_logging`.

    report("no-handler", "openrouter.audit", "no handler hears the audit logger %s", name)
    counts()                                                      -> {"no-handler": 1}

Messages name loggers, functions and exception types, never contents.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("or_audit_logging")
_lock = threading.Lock()
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
        _log.warning(message, *args)
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
