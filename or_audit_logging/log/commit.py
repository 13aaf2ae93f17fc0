"""`GroupCommit`: one fdatasync for all the threads that wait for their records to be on disk.

    ticket = commit.wrote()                     # with the writer's lock held, after each write
    commit.wait(ticket)                         # with no lock held; returns when the record is on disk

The first thread that comes leads: it syncs everything written by then. Those that come meanwhile wait, and
one of them leads the next round. There is no thread of our own, so nothing is lost at a fork or at exit. A
signal handler that logs while its thread leads, leads within.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

_PATIENCE = 1.0
_REMEMBERED = 256
"""So many stretches of failures are remembered, for threads that have not woken up yet."""


class GroupCommit:
    """Leader and followers; *sync* puts on disk whatever was written before it was called."""

    _turn: threading.Condition
    _written: int
    _done: int
    _leader: int | None
    """The thread that syncs; a signal handler that logs in it syncs within."""
    _failed: deque[tuple[int, int, OSError]]
    """The tickets after which, and up to which, each failure goes."""

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

    @property
    def latest(self) -> int:
        """The ticket of the record written last."""
        return self._written if self._pid == os.getpid() else 0

    def wait(self, ticket: int) -> None:
        """Return when the record with *ticket* is on disk; raises `OSError` where that failed."""
        me = threading.get_ident()
        try:
            with self._turn:
                while ticket > self._done and self._leader not in (None, me):
                    led_by = self._leader
                    if not self._turn.wait(_PATIENCE) and self._leader == led_by:
                        break  # a slow disk, or a leader that was interrupted: two that sync do no harm
                leads = ticket > self._done
                if leads:
                    self._leader = me
            if leads:
                self._lead()
        finally:
            with self._turn:
                if self._leader == me:
                    self._leader = None
                self._turn.notify_all()
        for after, upto, error in tuple(self._failed):
            if after < ticket <= upto:
                raise OSError(error.errno, error.strerror) from error

    def wait_for_all(self) -> None:
        """Return when nothing that was written is still to be put on disk; raises `OSError` for that."""
        if self.latest > self._done:
            self.wait(self.latest)

    def _lead(self) -> None:
        target = self._written  # of an interrupted sync nothing is known: another one leads again
        self.syncs += 1
        try:
            self._sync()
        except OSError as error:
            target = self._written  # the system says it once: what came meanwhile is in doubt as well
            self._failed.append((self._done, target, error))
        self._done = max(self._done, target)

    def _begin(self) -> None:
        """Begin, in a forked child anew: another thread of the parent's may have held the lock, and led."""
        self._pid = os.getpid()
        self._turn = threading.Condition(threading.RLock())
        self._written = self._done = 0
        self._leader = None
        self._failed = deque(maxlen=_REMEMBERED)
