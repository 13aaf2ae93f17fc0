"""When to ask, and when to ask again: an even pace, exponential backoff, and what Retry-After says.

pace = Pace(10, clock=time.monotonic, sleep=time.sleep)
pace.wait()                             # at most ten times a second, never a burst
backoff(2, chance=random.random)        # 2 to 4 seconds before the third try
retry_after("120", now=...)             # 120.0
"""

from __future__ import annotations

import email.utils
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Pace:
    """Lets requests go at most *rate* times a second, evenly; for any number of threads."""

    def __init__(self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._interval = 1.0 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next request may go."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._interval
        if at > now:
            self._sleep(at - now)


def backoff(tries: int, *, chance: Callable[[], float]) -> float:
    """Return the seconds to wait after *tries* (1 or more) failures: 1, 2, 4, ... to 60, half of it chance.

    *chance* returns a number from 0 to 1, so that clients that failed together do not come back together.
    """
    pause = min(_FIRST_PAUSE * 2.0 ** min(tries - 1, 16), _LONGEST_PAUSE)
    return pause * (0.5 + 0.5 * chance())


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header (RFC 9110, section 10.2.3) asks for; None for no header.

    It holds seconds, or a date; one that has passed asks for nothing.
    """
    if value is None or len(value) > 64:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(int(text)) if len(text) < 10 else math.inf
    try:
        when = email.utils.parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
