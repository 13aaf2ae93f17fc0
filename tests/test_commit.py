"""`GroupCommit`: one fdatasync for all who wait."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from stress import wait_for

from or_audit_logging.log import commit
from or_audit_logging.log.commit import GroupCommit

posix_only = pytest.mark.skipif(os.name != "posix", reason="fork is POSIX")


class Disk:
    """Counts what was written and what is safe; slow, and failing as it is told."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.written = self.safe = 0
        self.failures: list[BaseException] = []
        self.ready: Callable[[], bool] = lambda: True
        """Whether whatever it waits for has come."""
        self.commit = GroupCommit(self.sync)

    def write(self) -> int:
        with self.lock:
            self.written += 1
            return self.commit.wrote()

    def sync(self) -> None:
        written = self.written
        time.sleep(0.005)
        wait_for(self.ready)
        if self.failures:
            raise self.failures.pop()
        self.safe = written


def in_threads(number: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_a_thread_returns_when_its_record_is_safe() -> None:
    """And many of them share one sync."""
    disk = Disk()
    ended: list[bool] = []
    disk.ready = lambda: disk.written - disk.commit._done >= 16 - len(ended)  # all threads wait

    def work() -> None:
        for _ in range(5):
            ticket = disk.write()
            disk.commit.wait(ticket)
            assert disk.safe >= ticket
        ended.append(True)

    in_threads(16, work)
    assert disk.written == 80
    assert disk.commit.syncs <= 40


def test_one_thread_syncs_each_record() -> None:
    """There is nobody to wait for."""
    disk = Disk()
    for _ in range(3):
        disk.commit.wait(disk.write())
    assert disk.commit.syncs == 3
    disk.commit.wait(1)
    assert disk.commit.syncs == 3


def test_a_failure_reaches_everyone_it_concerns() -> None:
    """Those whose records the sync was for, and nobody after them."""
    disk, outcomes = Disk(), []
    tickets = [disk.write() for _ in range(8)]
    disk.failures = [OSError(errno.EIO, "Input/output error")]

    def work() -> None:
        try:
            disk.commit.wait(tickets.pop())
        except OSError as error:
            outcomes.append(error.errno)
        else:
            outcomes.append(None)

    in_threads(8, work)
    assert outcomes == [errno.EIO] * 8
    disk.commit.wait(disk.write())
    assert disk.safe == 9


def test_an_interrupted_leader_is_followed_by_another() -> None:
    """Of an interrupted sync nothing is known, so it is done again."""
    disk = Disk()
    ticket = disk.write()
    disk.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        disk.commit.wait(ticket)
    assert disk.safe == 0
    in_threads(4, lambda: disk.commit.wait(ticket))
    assert disk.safe == 1


def test_a_leader_may_be_entered_again_anywhere() -> None:
    """As a signal handler does that logs: at every opcode, with a follower that waits to be woken."""
    left, alone = 0, True

    def enter_again(frame: Any, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in (commit.__file__, threading.__file__):
            return None
        frame.f_trace_opcodes = True
        left -= 1
        if left == 0:
            sys.settrace(None)
            group.wait(group.wrote())
        return enter_again

    def sync() -> None:
        nonlocal alone
        if alone:
            alone = False
            sys.settrace(None)
            follower.start()
            while not group._followers:
                time.sleep(0)
            sys.settrace(enter_again)

    step, traced_by = 0, sys.gettrace()
    while left <= 0:
        step += 1
        left, alone = step, True
        group = GroupCommit(sync)
        ticket = group.wrote()
        follower = threading.Thread(target=group.wait, args=(ticket,), daemon=True)
        sys.settrace(enter_again)
        try:
            group.wait(ticket)
        finally:
            sys.settrace(traced_by)  # a measurement of coverage goes on
        follower.join(timeout=30)
        assert not follower.is_alive()
    assert step > 50


@posix_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12: fork beside threads
def test_a_child_forked_while_somebody_leads() -> None:
    """It has a commit of its own, and waits for nobody."""
    disk = Disk()
    disk.write()
    leader = threading.Thread(target=disk.commit.wait, args=(1,))
    leader.start()
    while not disk.commit._leader and leader.is_alive():
        time.sleep(0)
    child = os.fork()
    if child == 0:
        try:
            disk.lock = threading.Lock()
            disk.commit.wait(disk.write())
        finally:
            os._exit(0 if disk.safe == disk.written else 1)
    leader.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
