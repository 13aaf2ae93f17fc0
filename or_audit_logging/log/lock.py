"""The lock between processes: `audit.lock` in the log's folder, held while a line is added.

The file is opened once per process, since a lock inherited over fork excludes nobody. Its length counts
the segments opened so far: a hint that spares every write a look at the folder, never a fact that
anything relies on; when it is missing or differs, the folder is read.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of, make_folder
from or_audit_logging.log.patience import Patience

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EINTR):
                return False
            raise
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


_locks: weakref.WeakSet[ProcessLock] = weakref.WeakSet()

Generation: TypeAlias = tuple[int, int, int]
"""Inode, length and time of change: one that was removed, emptied or replaced does not pass for the old."""


def _generation(status: os.stat_result) -> Generation:
    return (status.st_ino, status.st_size, status.st_mtime_ns)


class ProcessLock:
    """An exclusive lock on a file; not for use by several threads at once (the handler's lock does that)."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = os.fspath(path)
        self._folder, self._name = path.parent, path.name
        self._patience = Patience(timeout)
        self._descriptor: int | None = None
        self._inode: tuple[int, int] | None = None
        self._pid = 0
        self._is_held = False
        _locks.add(self)
        self.generation: Generation = (0, -1, 0)
        """Another one whenever a segment was opened, and when the file is another; seen as it was taken."""

    def acquire(self) -> None:
        """Take the lock; raises `AuditWriteError` after the timeout, `OSError` where the file fails.

        A folder that was removed is made again.
        """
        if not self._take() and not any(self._take() for _ in self._patience.tries()):
            raise AuditWriteError(
                f"another process has held {self._name} for {self._patience.timeout:g} s; "
                "end it, or raise lock_timeout"
            )
        self._patience.succeeded()

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        if self._is_held and self._descriptor is not None:
            self._is_held = False
            _unlock(self._descriptor)

    def count_segment(self) -> None:
        """Tell the other processes that a segment was opened; the lock is held."""
        if self._descriptor is not None:
            os.lseek(self._descriptor, 0, os.SEEK_END)
            os.write(self._descriptor, b".")
            self.generation = _generation(os.fstat(self._descriptor))

    def close(self) -> None:
        """Close the file, which releases the lock."""
        self._is_held = False
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        """Leave no descriptor behind where a handler is dropped without being closed."""
        with suppress(Exception):  # at the interpreter's end there may be nothing left to close it with
            self.close()

    def _take(self) -> bool:
        """Ask for the lock once; return whether it was taken."""
        while True:
            descriptor = self._descriptor
            if descriptor is None or self._pid != os.getpid():
                descriptor = self._open()
            if not _try_lock(descriptor):
                return False
            self._is_held = True
            if self._is_still_there():
                return True
            self.close()  # another file bears the name by now

    def _open(self) -> int:
        self.close()  # what a forked child has inherited excludes nobody
        flags = os.O_RDWR | os.O_CREAT | OPEN_FLAGS
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            make_folder(self._folder)
            self._descriptor = os.open(self._path, flags, 0o600)
        give_to_owner_of(self._folder, self._descriptor)
        status = os.fstat(self._descriptor)
        self._inode = (status.st_dev, status.st_ino)
        self._pid = os.getpid()
        return self._descriptor

    def _is_still_there(self) -> bool:
        """Return whether the locked file is still the one that others find by its name."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        self.generation = _generation(status)
        return (status.st_dev, status.st_ino) == self._inode


def _after_fork() -> None:
    """Let go of what a forked child has inherited: it would keep the lock of a parent that is killed."""
    for lock in list(_locks):
        lock.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
