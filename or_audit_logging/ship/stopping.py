"""`Stop`: lets a signal handler end what waits, or works, in the main thread."""

from __future__ import annotations

import time

_LOOK_UP = 0.1
"""Seconds between looks at whether to stop."""


class Stop:
    """What `threading.Event` is, and may be set by a signal handler: an event's lock could be held then."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it."""
        self._is_set = True

    def wait(self, seconds: float) -> bool:
        """Return whether it is set, soon after it is, else after so many *seconds*."""
        while seconds > 0 and not self._is_set:
            time.sleep(min(seconds, _LOOK_UP))
            seconds -= _LOOK_UP
        return self._is_set
