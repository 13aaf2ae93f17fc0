"""`Spool`: the segments as what they are to a shipper, lines that wait to be sent.

    spool = Spool(layout, continuity)
    for piece in spool.pieces(): continuity.take(piece.raw, ...)      # those that are there now
    for piece in spool.pieces(): ...                                  # those that came since

Where reading goes on follows from the lines that `continuity` has taken. A segment may be archived or
deleted meanwhile: archives hold the same bytes, so an offset holds in them too, and lines that retention
deleted are passed by and counted. Bytes that end in no newline wait until they do.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from or_audit_logging.errors import ChainBrokenError, FormatError
from or_audit_logging.log.segments import LogLayout, Segment
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, line_start
from or_audit_logging.ship.continuity import Continuity, parsed
from or_audit_logging.ship.listing import Listing, size_of

_BLOCK = 1 << 20
_DELETE = line_start("log.delete")
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Piece(NamedTuple):
    """A line, mostly: `raw` without its newline, the segment that it stands in, the byte behind it.

    What is longer than any line comes in pieces that are not ended by a newline.
    """

    raw: bytes
    segment: str
    end: int
    is_ended: bool = True


class Spool:
    """Reads one log, from where its continuity stands."""

    def __init__(self, layout: LogLayout, continuity: Continuity) -> None:
        self._layout = layout
        self._listing = Listing(layout)
        self._continuity = continuity
        self._segment = continuity.position.segment
        self._offset = continuity.position.offset
        self._unended = 0
        """Bytes behind the offset that no newline ended when they were read."""
        self._is_finished = False
        """Whether the segment was read to its end as an archive, to which nothing is added."""
        self._way_on: Callable[[], None] = lambda: None
        self.deleted = 0
        """Lines that retention had deleted before they were read."""

    def pieces(self) -> Iterator[Piece]:
        """Yield what is there now, as far as newlines end it.

        What is yielded was put on disk before, so that no target has a line that a power cut takes from the
        log. Raises `ChainBrokenError` where lines that were taken, or are due, are not there, and `OSError`.
        """
        while True:
            if self._segment is not None:
                yield from self._rest(self._segment)
            source = self._following()
            if source is None:
                return
            if source.name != self._segment:
                self._read_from(source.name, 0)

    def pass_break(self) -> None:
        """Let the next `pieces` go on behind what `pieces` has raised `ChainBrokenError` for.

        A file that lost lines is read from its beginning: who knows whether the others are what they were.
        """
        self._way_on()

    def _rest(self, name: str) -> Iterator[Piece]:
        """Yield the pieces of segment *name* from the offset on."""
        path = self._layout.folder / name
        segment, size = Segment(path, name, date.min, 0), 0
        try:
            status = path.stat()
        except FileNotFoundError:
            archive = self._layout.archive_for(name)
            if self._is_finished or not archive.exists():
                return
            segment = Segment(archive, name, date.min, 0)
        else:
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
            if size < self._offset:
                message = f"{name} is shorter than it was when lines of it were shipped"
                raise self._broken(message, name, lambda: self._pass_by_to(name, 0))
        self._unended = 0
        if size == self._offset and not segment.archived:
            return
        with LineStream(segment, size) as stream:
            if not stream.is_archive:
                _sync(path)
            stream.skip_to(self._offset)
            while block := stream.read_lines(_BLOCK):
                yield from self._cut(block, name)
            self._is_finished = segment.archived
            if stream.problem is not None:
                raise self._broken(f"{name}: {stream.problem}", name, lambda: None)

    def _cut(self, block: bytes, name: str) -> Iterator[Piece]:
        """Yield the lines of *block*, and what is longer than any line; leave bytes that no newline ends."""
        *lines, rest = block.split(b"\n")
        for raw in lines:
            self._offset += len(raw) + 1
            yield Piece(raw, name, self._offset)
        if len(rest) >= MAX_LINE_BYTES:
            self._offset += len(rest)
            yield Piece(rest, name, self._offset, is_ended=False)
        else:
            self._unended = len(rest)

    def _following(self) -> Source | None:
        """Return the file to read next, the same one where it has grown; None where all was read."""
        try:
            return self._next_of(self._listing.known())
        except ChainBrokenError:
            return self._next_of(self._listing.known(anew=True))

    def _next_of(self, sources: list[Source]) -> Source | None:
        if not sources:
            if self._segment is not None:
                message = "the log is not there any more"
                raise self._broken(message, self._segment, lambda: self._pass_by_to(None, 0))
            return None
        at = self._listing.place_of(self._segment or "")
        if at is None:
            return self._entry(sources)
        if at + 1 == len(sources):
            return None
        current, following = sources[at : at + 2]
        if self._has_grown(current):
            return current
        due = self._continuity.next_seq
        if self._unended and following.first_seq <= due:
            end = self._offset + self._unended
            message = f"{current.name} ends in bytes that no newline ends"
            raise self._broken(message, current.name, lambda: self._pass_by_to(current.name, end))
        if following.first_seq > due:
            raise self._gap(following)
        return following

    def _has_grown(self, source: Source) -> bool:
        """Return whether *source*, which is read, is not as it was when it was read last."""
        if source.segment.archived:
            return not self._is_finished
        return size_of(source.segment.path) != self._offset + self._unended

    def _entry(self, sources: list[Source]) -> Source:
        """Return the file that the seq which is due stands in, and go to its place.

        Lines that retention has deleted are passed by. Raises `ChainBrokenError` where the log ends before
        it, or begins behind it and no log.delete says why.
        """
        due = self._continuity.next_seq
        before = [source for source in sources if source.first_seq <= due]
        if not before:
            begin = sources[0].first_seq
            if _deletion_base(sources) < begin:
                raise self._gap(sources[0])
            self.deleted += begin - due
            self._continuity.pass_deleted(begin)
            return sources[0]
        source = next(source for source in before if source.first_seq == before[-1].first_seq)
        offset, last = _place_of(due, source)
        if last < due - 1 and source is sources[-1]:
            message = f"the log ends at seq {last}, and lines up to seq {due - 1} were shipped"
            raise self._broken(message, source.name, lambda: self._pass_by_to(source.name, 0))
        self._read_from(source.name, offset)
        return source

    def _read_from(self, name: str | None, offset: int) -> None:
        self._segment, self._offset = name, offset
        self._unended, self._is_finished = 0, False

    def _pass_by_to(self, name: str | None, offset: int) -> None:
        """Go on at *offset* of segment *name*, also if what is there now is all that there will be."""
        self._read_from(name, offset)
        self._continuity.pass_by_to(name, offset)

    def _gap(self, following: Source) -> ChainBrokenError:
        due, begin = self._continuity.next_seq, following.first_seq
        message = f"seq {due} to {begin - 1} are not there, and no log.delete says why"
        return self._broken(message, following.name, functools.partial(self._continuity.pass_deleted, begin))

    def _broken(self, message: str, segment: str, way_on: Callable[[], None]) -> ChainBrokenError:
        self._way_on = way_on
        return ChainBrokenError(f"{message}; run or-audit verify", segment=segment)


def _place_of(seq: int, source: Source) -> tuple[int, int]:
    """Return the byte of *source* behind the last whole line before *seq*, and the seq of that line.

    Where no line stands before it, that is the beginning, and the seq before the file's first.
    """
    place, last, read = 0, source.first_seq - 1, 0
    if source.first_seq < seq:
        with LineStream(source.segment, source.size) as stream:
            for raw in stream:
                read += len(raw)
                line = parsed(raw.removesuffix(b"\n"))
                if line is not None and line.seq >= seq:
                    return place, seq - 1
                if line is not None and raw.endswith(b"\n"):
                    place, last = read, line.seq
    return place, last


def _deletion_base(sources: list[Source]) -> int:
    """Return the highest base that a log.delete in *sources* states, 0 where there is none."""
    base = 0
    for source in sources:
        with LineStream(source.segment, source.size) as stream:
            for raw in stream:
                if raw.startswith(_DELETE):
                    with suppress(FormatError):
                        stated = parse_control(raw.removesuffix(b"\n"))["base"]
                        base = max(base, stated) if isinstance(stated, int) else base
    return base


def _sync(path: Path) -> None:
    with suppress(OSError):  # a file system that is mounted to be read only has nothing to put on disk
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            _sync_data(descriptor)
        finally:
            os.close(descriptor)
