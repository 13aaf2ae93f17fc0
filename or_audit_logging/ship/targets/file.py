"""`file:PATH`: the lines added to a file, each once.

The file says itself how far it has come: what a kill has left of a last line is cut away, and lines that are
there already are passed by.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.log.folder import OPEN_FLAGS
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions, TryLaterError

_LIMITS = Limits(items=1_000, bytes=1 << 20, item_bytes=8 * MAX_LINE_BYTES, overhead=1)
_LASTING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EROFS}
)
_TAIL = 4 << 20
_BEGINNING = 8
"""So many bytes tell what a kill has left of one of our lines from the end of another file."""


class FileTarget:
    """A file that lines are added to; it is opened for each batch, so that it may be rotated."""

    limits = _LIMITS
    format = "native"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file:{path}"
        self._end: tuple[tuple[int, int], int] | None = None
        """Inode, and length behind the last batch that we wrote."""

    def send(self, items: Sequence[Item], /) -> Answer:
        """Add *items* and return when they are on disk."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | OPEN_FLAGS, 0o600)
        except OSError as error:
            kind = DeliveryError if error.errno in _LASTING else TryLaterError
            raise kind(f"{self._path} cannot be written: {error.strerror}") from None
        try:
            self._add(descriptor, items)
        except OSError as error:
            raise TryLaterError(f"{self._path} cannot be written: {error.strerror}") from None
        finally:
            os.close(descriptor)
        return Answer()

    def close(self) -> None:
        """Nothing is open between batches."""

    def _add(self, descriptor: int, items: Sequence[Item]) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DeliveryError(f"{self._path} is not a regular file")
        inode = (status.st_dev, status.st_ino)
        there: set[bytes] = set()
        if self._end != (inode, status.st_size):
            there, unended = _last_lines(descriptor, status.st_size)
            if unended and not any(item.body.startswith(unended[:_BEGINNING]) for item in items):
                raise DeliveryError(
                    f"{self._path} ends in a line that is none of ours and has no newline: add one, or name "
                    "another file"
                )
            os.ftruncate(descriptor, status.st_size - len(unended))
        data = b"".join(item.body + b"\n" for item in items if item.body not in there)
        while data:  # mostly once
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
        self._end = inode, os.fstat(descriptor).st_size


def _last_lines(descriptor: int, size: int) -> tuple[set[bytes], bytes]:
    """Return the last lines, more of them than a batch has, and what follows the last newline."""
    start = max(0, size - _TAIL)
    os.lseek(descriptor, start, os.SEEK_SET)
    tail = b""
    while len(tail) < size - start and (piece := os.read(descriptor, size - start - len(tail))):
        tail += piece
    end = tail.rfind(b"\n") + 1
    return set(tail[:end].split(b"\n")), tail[end:]


def open_target(address: str, options: TargetOptions) -> FileTarget:
    """Return the target for the file *address*; raises `ConfigError`. Its folder must be there."""
    if not address:
        raise ConfigError("the target file is written file:PATH, such as file:/mnt/elsewhere/audit.jsonl")
    path = Path(os.path.abspath(os.path.expanduser(address)))
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}")
    if options.log_folder is not None and path.resolve().is_relative_to(options.log_folder.resolve()):
        raise ConfigError(f"{path} is inside the log's folder; ship to a place of its own")
    return FileTarget(path)
