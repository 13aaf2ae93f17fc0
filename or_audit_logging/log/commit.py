"""`GroupCommit`: one fdatasync for all the threads that wait for their records to be on disk.

    ticket = commit.wrote()                     # with the writer's lock held, after each write
    commit.wait(ticket)                         # with no lock held; returns when the record is on disk

The first thread that comes leads: it syncs everything written by then. Those that come meanwhile wait, and
one of them leads the next round. There is no thread of our own, so nothing is lost at a fork or at exit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class GroupCommit:
    """Leader and followers; *sync* puts on disk whatever was written before it was called."""

    _turn: threading.Condition
    _written: int
    _done: int
    _is_led: bool
    _failed: tuple[int, int, OSError] | None
    """The tickets after which, and up to which, the last failure goes."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self.syncs = 0
        """How many times the disk was asked."""
        self._begin()

    def wrote(self) -> int:
        """Return the ticket of the record just written; the writer's lock is held."""
        if self._pid != os.getpid():
            self._begin()
        self._written += 1
        return self._written

    def wait(self, ticket: int) -> None:
        """Return when the record with *ticket* is on disk; raises `OSError` where that failed."""
        with self._turn:
            while ticket > self._done:
                if not self._is_led:
                    break
                self._turn.wait()
            if ticket <= self._done:
                self._raise_if_failed(ticket)
                return
            self._is_led, target = True, self._written
        done = self._done  # of an interrupted sync nothing is known: another one leads again
        try:
            self._sync()
            done = target
        except OSError as error:
            self._failed, done = (self._done, target, error), target
            raise
        finally:
            with self._turn:
                self.syncs += 1
                self._done, self._is_led = done, False
                self._turn.notify_all()

    def _raise_if_failed(self, ticket: int) -> None:
        if self._failed is not None:
            after, target, error = self._failed
            if after < ticket <= target:
                raise OSError(error.errno, error.strerror) from error

    def _begin(self) -> None:
        """Begin, in a forked child anew: another thread of the parent's may have held the lock, and led."""
        self._pid = os.getpid()
        self._turn = threading.Condition(threading.Lock())
        self._written = self._done = 0
        self._is_led, self._failed = False, None
