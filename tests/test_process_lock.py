"""The lock between processes, also as Windows has it."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log import lock
from or_audit_logging.log.lock import ProcessLock

posix_only = pytest.mark.skipif(os.name != "posix", reason="flock is POSIX")


class Msvcrt(ModuleType):
    """The two functions of `msvcrt.locking` that are used; locks belong to a file, wherever it is open."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, length: int) -> None:
        assert length == 1
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0, "the byte to lock is the first one"
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino
        if mode == self.LK_UNLCK:
            assert self.held.pop(key) == descriptor
        elif self.held.setdefault(key, descriptor) != descriptor:
            raise OSError(13, "Permission denied")


@pytest.fixture
def windows_lock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`log.lock` as it is imported on Windows."""
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt())
    monkeypatch.setattr(sys, "platform", "win32")
    yield importlib.reload(lock)
    monkeypatch.undo()
    importlib.reload(lock)


def test_windows_locks_one_byte(windows_lock: Any, tmp_path: Path) -> None:
    """Another holder is waited for until the timeout; the length still counts the segments."""
    path = tmp_path / "audit.lock"
    first = windows_lock.ProcessLock(path, timeout=5)
    second = windows_lock.ProcessLock(path, timeout=0.05)
    first.acquire()
    first.count_segment()
    with pytest.raises(AuditWriteError, match="another process"):
        second.acquire()
    first.release()
    second.acquire()
    assert second.generation == first.generation
    assert path.stat().st_size == 1
    second.release()
    second.close()
    first.close()


@posix_only
def test_a_holder_is_waited_for(tmp_path: Path) -> None:
    """As long as the timeout says; a descriptor of its own excludes, within one process as well."""
    first, second = (ProcessLock(tmp_path / "audit.lock", timeout=0.2) for _ in range(2))
    first.acquire()
    began = time.monotonic()
    with pytest.raises(AuditWriteError, match=r"held audit\.lock for 0\.2 s"):
        second.acquire()
    assert time.monotonic() - began >= 0.2
    first.release()
    second.acquire()
    second.release()
    first.close()
    second.close()


@posix_only
def test_a_lock_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """Whoever holds the one that is gone excludes nobody."""
    path = tmp_path / "audit.lock"
    first, second = (ProcessLock(path, timeout=0.2) for _ in range(2))
    first.acquire()
    path.unlink()
    second.acquire()
    first.release()
    second.release()
    first.acquire()
    with pytest.raises(AuditWriteError):
        second.acquire()
    first.close()
    second.close()


@posix_only
def test_a_forked_child_opens_the_file_anew(tmp_path: Path) -> None:
    """A lock that is inherited over fork would let both in."""
    held = ProcessLock(tmp_path / "audit.lock", timeout=0)
    held.acquire()
    child = os.fork()
    if child == 0:
        try:
            held.acquire()
        except AuditWriteError:
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    held.close()
    assert os.waitstatus_to_exitcode(status) == 0
