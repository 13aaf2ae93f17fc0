"""`SegmentFile`: the open segment on disk. Looked at by its path, read by offset, appended to with one call.

    file = SegmentFile(segment)
    if file.size() == tail.offset: ...          # nobody wrote meanwhile; None: it is not there any more
    file.append(line, at=tail.offset)

Whatever comes through here is bytes; what they mean is the writer's business.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of
from or_audit_logging.log.segments import Segment

_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class SegmentFile:
    """A segment opened for appending; used by one thread at a time, but for `sync`."""

    __slots__ = ("_descriptor", "_inode", "_path", "_syncing", "_unused", "segment")

    def __init__(self, segment: Segment, *, create: bool = False) -> None:
        """Open the file (0600 where it is made); raises `OSError`, `AuditWriteError` for no regular file."""
        self.segment = segment
        self._path = os.fspath(segment.path)
        self._syncing: list[None] = []
        """One entry for each thread that is syncing; a list's steps are atomic."""
        self._unused: list[int] = []
        """The descriptor, once the file is closed."""
        self._descriptor: int | None = None
        flags = os.O_RDWR | os.O_APPEND | OPEN_FLAGS
        self._descriptor = os.open(self._path, flags | os.O_CREAT if create else flags, 0o600)
        if create:
            give_to_owner_of(segment.path.parent, self._descriptor)
        status = os.fstat(self._descriptor)
        self._inode = (status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise AuditWriteError(f"{segment.path} is not a regular file")

    def size(self) -> int | None:
        """Return how long the file is; None where its name leads nowhere, or to another file."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_size if (status.st_dev, status.st_ino) == self._inode else None

    def append(self, data: bytes, *, at: int) -> None:
        """Write *data* with one call; what a short write left is taken back, to the length *at*."""
        descriptor = self._descriptor
        if descriptor is None:
            raise AuditWriteError("no segment of the log is open")
        written = os.write(descriptor, data)
        if written != len(data):
            os.ftruncate(descriptor, at)
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")

    def read(self, length: int, *, at: int) -> bytes:
        """Return *length* bytes from the offset *at*, fewer at the end of the file."""
        if self._descriptor is None:
            raise AuditWriteError("no segment of the log is open")
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, at)
        os.lseek(self._descriptor, at, os.SEEK_SET)  # Windows; appending does not mind the position
        return os.read(self._descriptor, length)

    def __del__(self) -> None:
        """Leave no descriptor behind where a handler is dropped without being closed."""
        with suppress(Exception):  # at the interpreter's end there may be nothing left to close it with
            self.abandon()

    def stream(self) -> BinaryIO:
        """Return what the descriptor leads to, also where the name leads there no more; to be closed."""
        if self._descriptor is None:
            raise AuditWriteError("no segment of the log is open")
        return os.fdopen(os.dup(self._descriptor), "rb")

    def sync(self) -> None:
        """Put what was written on disk; nothing to do where the file is closed. Any thread may.

        No lock is held: a signal handler that logs in this thread would wait for one that waits for us.
        """
        self._syncing.append(None)
        try:
            if (descriptor := self._descriptor) is not None:
                _sync_data(descriptor)
        finally:
            self._syncing.pop()
            self._close_unused()

    def close(self) -> None:
        """Close the file; idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._unused.append(descriptor)
        self._close_unused()

    def abandon(self) -> None:
        """Close the file whatever another thread was doing with it: in a forked child, that is not here."""
        self._syncing.clear()
        self.close()

    def _close_unused(self) -> None:
        """Close the descriptor, once nobody syncs with it any more: whoever begins now finds it gone."""
        while self._unused and not self._syncing:
            try:
                descriptor = self._unused.pop()
            except IndexError:  # another thread has done it
                return
            os.close(descriptor)
