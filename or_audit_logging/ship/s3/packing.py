"""`pack`: a closed segment as an object: its lines held against each other once more, compressed, hashed.

    with pack(segment, closing) as packed:
        store(bucket, key, packed.content, lock)

*closing* is the log.open line that follows the segment: it states the hash of the segment's last line and
the tree over all lines before it, so what is stored is what stood there when the segment was closed. Memory
stays flat: the compressed lines go to a temporary file.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from or_audit_logging.errors import ChainBrokenError, FormatError
from or_audit_logging.log.segments import Segment
from or_audit_logging.log.streams import LineStream
from or_audit_logging.record import moment
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Keeping, days_of_records, lines_of_keeping
from or_audit_logging.sealing.line import MAX_LINE_BYTES, SealedLine, Stub
from or_audit_logging.ship.continuity import Continuity, Position, parsed
from or_audit_logging.ship.s3.storing import LOG, Content
from or_audit_logging.ship.target import RefusedError, TryLaterError

OPENED, CLOSED, LAST_SEQ = "opened", "closed", "last-seq"
"""Members of an object's metadata: the UTC dates of the segment's first line and of the next one's; the seq
of its last line."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A segment as an object, with its `first` line.

    `days`: from the first to the last on which a record in it may have been made.

    `minimum`: for how many days the policies that it states promise to keep it, 0 where none does.
    """

    content: Content
    first: SealedLine
    day: date
    days: tuple[date, date]
    minimum: int


@contextmanager
def pack(segment: Segment, closing: SealedLine) -> Iterator[Packed]:
    """Yield *segment* as an object.

    Raises `RefusedError` where its lines do not follow one another, or *closing* does not follow them, and
    `TryLaterError` where it cannot be read, or there is no room for the temporary file.
    """
    try:
        with tempfile.TemporaryFile(prefix="or-audit-") as file:
            yield _packed(segment, closing, file)
    except OSError as error:
        raise TryLaterError(f"{segment.name} cannot be packed: {error.strerror}") from None


def _packed(segment: Segment, closing: SealedLine, file: BinaryIO) -> Packed:
    walk, lines, length, keeping = _Walk(segment.name), hashlib.sha256(), 0, Keeping()
    try:
        with (
            LineStream(segment, sys.maxsize) as stream,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as archive,
        ):
            while block := stream.read_lines(_BLOCK):
                walk.take(block)
                for line in lines_of_keeping([block]):
                    keeping.take(line.seq, parse_control(line.raw))
                lines.update(block)
                length += len(block)
                archive.write(block)
        if stream.problem is not None:
            raise FormatError(stream.problem)
        first = walk.end(closing)
        opening, follows = parse_control(first.raw), parse_control(closing.raw)
        keeping.take(closing.seq, follows)
        day, opened, closed = date.fromisoformat(str(opening["day"])), _date(opening), _date(follows)
    except ChainBrokenError as error:
        raise RefusedError(f"it is not stored: {error}") from None
    except (FormatError, ValueError) as error:
        raise RefusedError(f"{segment.name} is not stored: {error}; run or-audit verify") from None
    digest, size = hashlib.sha256(), file.tell()
    file.seek(0)
    while piece := file.read(_BLOCK):
        digest.update(piece)
    content = Content(
        file=file,
        size=size,
        sha256=digest.digest(),
        lines=lines.digest(),
        length=length,
        is_compressed=True,
        may_differ=walk.is_redacted,
        metadata={
            LOG: first.log,
            "first-seq": str(first.seq),
            LAST_SEQ: str(closing.seq - 1),
            OPENED: opened.isoformat(),
            CLOSED: closed.isoformat(),
        },
    )
    return Packed(
        content=content,
        first=first,
        day=day,
        days=days_of_records(day, opened, closed),
        minimum=keeping.minimum,
    )


class _Walk:
    """Goes along the lines of one segment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._continuity = Continuity(Position())
        self._first: SealedLine | None = None
        self.is_redacted = False

    def take(self, block: bytes) -> None:
        """Take in the next lines; raises `ChainBrokenError`, `FormatError`."""
        *lines, rest = block.split(b"\n")
        if 0 < len(rest) < MAX_LINE_BYTES:
            raise FormatError("it ends in bytes that no newline ends")
        for raw in lines:
            line = parsed(raw)
            if line is None:
                self._continuity.take_piece(raw)
            elif self._first is not None or line.seq == 0:
                self._continuity.take(line, segment=self._name, end=0)
            else:
                self._continuity.resume(line, segment=self._name, end=0)
            self.is_redacted = self.is_redacted or isinstance(line, Stub)
            if self._first is None:
                if not isinstance(line, SealedLine):
                    raise FormatError("it does not begin with a sealed line")
                self._first = line
        if rest:
            self._continuity.take_piece(rest, is_ended=False)

    def end(self, closing: SealedLine) -> SealedLine:
        """Return the first line if *closing* follows the last."""
        if self._first is None:
            raise FormatError("there is no line in it")
        self._continuity.take(closing, segment=self._name, end=0)
        return self._first


def _date(members: dict[str, object]) -> date:
    made = moment(str(members["timestamp"]))
    if made is None:
        raise FormatError("a first line without a time")
    return made.date()
