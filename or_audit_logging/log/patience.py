"""`Patience`: how long to wait for another process, and how often to ask meanwhile.

if not taken():
    any(taken() for _ in patience.tries())      # False: it has lasted too long
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from or_audit_logging.errors import ConfigError

_SPINS = 20
"""So often a lock is asked for without a pause: it is mostly held for some microseconds."""
_SHORT_WAITS = 400
"""So often the pause is short. Whoever waits longer and longer loses against those who have just come."""
_SHORT_WAIT = 0.00005
_LONGEST_WAIT = 0.02

_give_way: Callable[[], object] = getattr(os, "sched_yield", lambda: time.sleep(0))


class Patience:
    """Of one lock. Once a wait was in vain, nobody waits as long until `succeeded`: its holder is frozen."""

    def __init__(self, timeout: float) -> None:
        """*timeout* in seconds; raises `ConfigError`."""
        if not 0 <= timeout < 1e9:
            raise ConfigError("lock_timeout is a number of seconds, not negative and not infinite")
        self.timeout = timeout
        self._gave_up = False

    def tries(self) -> Iterator[None]:
        """Yield whenever it is time to ask again, and end when that has lasted too long."""
        for _ in range(_SPINS):
            _give_way()
            yield
        deadline, wait, pauses = time.monotonic() + self.timeout, _SHORT_WAIT, 0
        while not self._gave_up and time.monotonic() < deadline:
            time.sleep(wait)
            pauses += 1
            if pauses > _SHORT_WAITS:
                wait = min(wait * 2, _LONGEST_WAIT)
            yield
        self._gave_up = True

    def succeeded(self) -> None:
        """The lock was taken: wait as long as ever next time."""
        self._gave_up = False
