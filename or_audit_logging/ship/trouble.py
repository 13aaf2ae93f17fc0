"""`Trouble`: says that a target is away, now and then, and that it is back; not each try.

trouble.failed("answered 503; trying again in 4 s")     # said when it begins, then once an hour
trouble.over()                                          # "delivered again after 12 minutes", once
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from or_audit_logging.ship.batches import words

_SAID_AGAIN = 3600.0
_CALM = 60.0
"""Seconds: what begins again sooner, as at a limit on requests, is not told until it has lasted as long."""


class Trouble:
    """The trouble of one target."""

    def __init__(self, name: str, *, told: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._name = name
        self._told = told
        self._clock = clock
        self._since: float | None = None
        self._over_at: float | None = None
        self._said_at: float | None = None
        """When it was said last of the trouble that there is."""

    def failed(self, message: str) -> None:
        """Say *message* where it is the first of a trouble, or the last one was said an hour ago."""
        now = self._clock()
        if self._since is None:
            self._since, self._said_at = now, None
        if self._said_at is None:
            is_due = self._over_at is None or now - self._over_at >= _CALM
        else:
            is_due = now - self._said_at >= _SAID_AGAIN
        if is_due:
            self._said_at = now
            self._told(message)

    def over(self) -> None:
        """Say that it is over, where it was said to be there."""
        if self._since is None:
            return
        now = self._clock()
        if self._said_at is not None:
            seconds = now - self._since
            span = words(timedelta(seconds=seconds)) if seconds >= 60 else f"{seconds:.0f} s"
            self._told(f"{self._name}: delivered again after {span}")
        self._since, self._over_at = None, now
