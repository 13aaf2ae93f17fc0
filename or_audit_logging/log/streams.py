"""A segment's lines as a stream of bytes, plain or compressed, in bounded memory.

    with LineStream(segment, size) as stream:
        for raw in stream: ...            # each with its newline; the last one may lack it
    stream.problem                        # what was wrong with an archive, once its end was reached

A line longer than any line may be comes in pieces of `MAX_LINE_BYTES`. An archive is exactly one gzip
member: whatever follows it, an early end and a wrong checksum are problems, and no exceptions.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from or_audit_logging.log.segments import ARCHIVE, Segment
from or_audit_logging.sealing.line import MAX_LINE_BYTES

_BLOCK = 1 << 18
_CHECKSUM = 8
"""Bytes behind the compressed data of a gzip member: CRC and length."""
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):  # a pipe put in a segment's place must not block us
    _FLAGS |= getattr(os, _name, 0)


class LineStream:
    """The first *size* bytes of a segment, line by line; of an archive, all that it holds."""

    def __init__(self, segment: Segment, size: int) -> None:
        """Open the file, or the archive that took its place meanwhile; raises `OSError`."""
        self._inflated: _Inflated | None = None
        try:
            raw: io.RawIOBase = _open(segment.path)
            archived = segment.archived
        except FileNotFoundError:
            raw = _open(segment.path.parent / ARCHIVE / f"{segment.name}.gz")
            archived = True
        if archived:
            raw = self._inflated = _Inflated(raw, None if segment.archived else size)
        else:
            raw = _Head(raw, size)
        self._file = io.BufferedReader(raw, _BLOCK)
        self._room = bytearray()

    def __enter__(self) -> LineStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self._file.readline, MAX_LINE_BYTES), b"")

    @property
    def is_archive(self) -> bool:
        """Whether what was opened is compressed: then only what lies ahead can be gone to."""
        return self._inflated is not None

    @property
    def problem(self) -> str | None:
        """What is wrong with the archive, as far as it was read."""
        return self._inflated.problem if self._inflated is not None else None

    def read_line(self) -> bytes:
        """Return the next line, or a piece of one that is too long; nothing at the end."""
        return self._file.readline(MAX_LINE_BYTES)

    def tell(self) -> int:
        """Return how many bytes lie behind."""
        return self._file.tell()

    def skip_to(self, offset: int) -> None:
        """Go on at *offset*, which lies ahead; in a plain file, anywhere."""
        if self._inflated is None:
            self._file.seek(offset)
            return
        while (left := offset - self._file.tell()) > 0 and self._file.read(min(left, _BLOCK)):
            pass

    def read_block(self, size: int = _BLOCK) -> bytes:
        """Return the next *size* bytes, wherever they end; fewer or none at the end."""
        return self._file.read(size)

    def read_lines(self, size: int) -> bytes:
        """Return the next lines, whole ones of about *size* bytes; at the end what is there, or nothing."""
        if len(self._room) != size:
            self._room = bytearray(size)
        count = self._file.readinto(self._room)
        end = self._room.rfind(b"\n", 0, count) + 1
        if end and count == size and self._inflated is None:
            self._file.seek(end - size, os.SEEK_CUR)  # cheaper than to join a line to so much
            count = end
        with memoryview(self._room) as room:
            block = bytes(room[:count])
        return block if count == end else block + self.read_line()


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file that is not read line by line."""

    length: int
    sha256: str
    has_newline: bool
    problem: str | None


def same_bytes(one: LineStream, other: LineStream) -> bool:
    """Return whether two streams hold the same bytes; reads both to the first difference."""
    while True:
        left, right = one.read_block(), other.read_block()
        if left != right:
            return False
        if not left:
            return True


def describe(segment: Segment, size: int) -> Content:
    """Return what is in a segment's file, taken as bytes; raises `OSError`."""
    length, hasher, newline = 0, hashlib.sha256(), False
    with LineStream(segment, size) as stream:
        while block := stream.read_block():
            length += len(block)
            hasher.update(block)
            newline = newline or b"\n" in block
    return Content(length, hasher.hexdigest(), newline, stream.problem)


def _open(path: Path) -> io.FileIO:
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return io.FileIO(descriptor, "rb")


class _Head(io.RawIOBase):
    """The first bytes of a file that may be growing."""

    def __init__(self, file: io.RawIOBase, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        self._at = self._file.seek(offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = max(0, self._size - self._at)
        count = self._file.readinto(buffer[: min(len(buffer), left)]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Inflated(io.RawIOBase):
    """What one gzip member holds; `problem` says why it ended otherwise than it should."""

    def __init__(self, file: io.RawIOBase, size: int | None) -> None:
        self._file = file
        self._left = size
        self._zlib = zlib.decompressobj(wbits=31)
        self._waiting = self._held = b""
        self._at = 0
        self.problem: str | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        room = len(buffer) if self._left is None else min(len(buffer), self._left)
        while room and not self.problem and not self._at_end():
            piece = self._waiting or self._read_compressed()
            try:
                out = self._zlib.decompress(piece, room)
            except zlib.error:
                self.problem = "the archive is damaged: its compression or its checksum does not hold"
                break
            self._waiting = self._zlib.unconsumed_tail
            if self._at_end() and (self._zlib.unused_data or self._read_compressed()):
                self.problem = "something follows the end of the archive"
            if out:
                buffer[: len(out)] = out
                self._at += len(out)
                if self._left is not None:
                    self._left -= len(out)
                return len(out)
            if not piece and not self._at_end():
                self.problem = "the archive ends early"
        return 0

    def tell(self) -> int:
        return self._at

    def _read_compressed(self) -> bytes:
        """Read on, the checksum at the end by itself: where it is wrong, the lines before it are not lost."""
        piece = b""
        while not piece:
            block = self._file.read(_BLOCK) or b""
            self._held += block
            cut = max(0, len(self._held) - _CHECKSUM) if block else len(self._held)
            piece, self._held = self._held[:cut], self._held[cut:]
            if not block:
                break
        return piece

    def _at_end(self) -> bool:
        return self._zlib.eof

    def close(self) -> None:
        self._file.close()
        super().close()
