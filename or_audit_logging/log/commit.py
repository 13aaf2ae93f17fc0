"""`GroupCommit`: one fdatasync for all the threads that wait for their records to be on disk.

    ticket = commit.wrote()                     # with the writer's lock held, after each write
    commit.wait(ticket)                         # with no lock held; returns when the record is on disk

The first thread that comes leads: it syncs everything written by then. Those that come meanwhile wait, and
one of them leads the next round. There is no thread of our own, so nothing is lost at a fork or at exit. A
signal handler that logs while its thread leads, leads within. It may come between any two steps here, so none
of them waits with a lock held, and each is one operation that the interpreter does not divide.
`threading.Condition` is not made to be entered again by the thread that is inside it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

_LEADER = "leader"
_PATIENCE = 1.0
"""Seconds for which a follower waits for one leader."""
_REMEMBERED = 256
"""So many stretches of failures are remembered, for threads that have not woken up yet."""


class GroupCommit:
    """Leader and followers; *sync* puts on disk whatever was written before it was called."""

    _written: int
    _done: int
    _leader: dict[str, int]
    """Empty, or the thread that syncs: `setdefault` takes the lead and tells who has it at once."""
    _followers: deque[threading.Lock]
    """One taken lock for each thread that waits; it is let go of to wake that thread."""
    _succession: threading.RLock
    """Held by the one follower that takes the lead from a leader that does not end."""
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
        led = False
        try:
            while ticket > self._done:
                if self._takes_lead(me) or self._follow(me):
                    led = True
                    self._lead()
        finally:
            if self._leader.get(_LEADER) == me:
                self._leader.pop(_LEADER, None)
                led = True
            if led:
                self._wake_all()
        for after, upto, error in tuple(self._failed):
            if after < ticket <= upto:
                raise OSError(error.errno, error.strerror) from error

    def wait_for_all(self) -> None:
        """Return when nothing that was written is still to be put on disk; raises `OSError` for that."""
        if self.latest > self._done:
            self.wait(self.latest)

    def _takes_lead(self, me: int) -> bool:
        return self._leader.setdefault(_LEADER, me) == me

    def _follow(self, me: int) -> bool:
        """Wait for the leader's end; return whether to lead oneself instead."""
        woken = threading.Lock()
        woken.acquire()
        self._followers.append(woken)
        if self._takes_lead(me):
            return True  # the leader ended before it could see this follower
        led_by = self._leader.get(_LEADER)
        if woken.acquire(timeout=_PATIENCE):
            return False
        with self._succession:
            if self._leader.get(_LEADER) != led_by:
                return False
            # A slow disk, or a leader that was interrupted: two that sync do no harm, and many would.
            self._leader[_LEADER] = me
            return True

    def _wake_all(self) -> None:
        while True:
            try:
                self._followers.popleft().release()
            except IndexError:
                return

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
        self._written = self._done = 0
        self._leader = {}
        self._followers = deque()
        self._succession = threading.RLock()
        self._failed = deque(maxlen=_REMEMBERED)
