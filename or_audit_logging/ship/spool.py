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
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from or_audit_logging.errors import ChainBrokenError, FormatError
from or_audit_logging.log.segments import LogLayout, Segment
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.continuity import Continuity, parsed

_BLOCK = 1 << 20
_DELETE = b'{"event_type":"log.delete",'
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Piece(NamedTuple):
    """A line, mostly: `raw` without its newline, the segment that it stands in, the byte behind it."""

    raw: bytes
    segment: str
    end: int


class Spool:
    """Reads one log, from where its continuity stands."""

    def __init__(self, layout: LogLayout, continuity: Continuity) -> None:
        self._layout = layout
        self._continuity = continuity
        self._segment = continuity.position.segment
        self._offset = continuity.position.offset
        self._is_finished = False
        self._names: frozenset[Path] = frozenset()
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
                self._segment, self._offset, self._is_finished = source.name, 0, False

    def pass_break(self) -> None:
        """Let the next `pieces` go on behind what `pieces` has raised `ChainBrokenError` for."""
        self._way_on()

    def sources(self) -> list[Source]:
        """Return the log's files that hold lines, in their order; `OSError` where one cannot be read."""
        found = survey(self._layout).sources
        for source in found:
            if source.trouble is not None or source.kind == "irregular":
                raise OSError(
                    errno.EIO, source.trouble or "not a regular file", os.fspath(source.segment.path)
                )
        return [source for source in found if source.kind == "lines"]

    def log(self) -> str | None:
        """Return the 16 hex digits that the log's first line bears; None where there is no line yet."""
        return next((source.first.log for source in self.sources() if source.first is not None), None)

    def first_since(self, day: date) -> Source | None:
        """Return the first file of *day* or later."""
        return next((source for source in self.sources() if source.segment.day >= day), None)

    def _rest(self, name: str) -> Iterator[Piece]:
        """Yield the pieces of segment *name* from the offset on."""
        path = self._layout.folder / name
        plain = Segment(path, name, date.min, 0)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            archive = self._layout.archive_for(name)
            if self._is_finished or not archive.exists():
                return
            size, plain = 0, Segment(archive, name, date.min, 0)
        if not plain.archived and size <= self._offset:
            if size < self._offset:
                raise self._broken(
                    f"{name} is shorter than it was when lines of it were shipped",
                    name,
                    lambda: setattr(self, "_offset", size),
                )
            return
        with LineStream(plain, size) as stream:
            if not stream.is_archive:
                _sync(path)
            stream.skip_to(self._offset)
            while block := stream.read_lines(_BLOCK):
                yield from self._cut(block, name)
            if stream.problem is not None:
                raise OSError(errno.EIO, stream.problem, os.fspath(plain.path))
            self._is_finished = stream.is_archive

    def _cut(self, block: bytes, name: str) -> Iterator[Piece]:
        """Yield the lines of *block*, and what is longer than any line; leave bytes that no newline ends."""
        *lines, rest = block.split(b"\n")
        for raw in lines:
            self._offset += len(raw) + 1
            yield Piece(raw, name, self._offset)
        if len(rest) >= MAX_LINE_BYTES:
            self._offset += len(rest)
            yield Piece(rest, name, self._offset)

    def _following(self) -> Source | None:
        """Return the file to read next, the same one where it has grown; None where all was read."""
        names = frozenset(file.path for file in self._layout.files())
        if names == self._names:
            return None
        sources = self.sources()
        due = self._continuity.next_seq
        if not sources and self._segment is not None:
            raise self._broken("the log is not there any more", self._segment, lambda: None)
        current = next((source for source in sources if source.name == self._segment), None)
        if current is None and self._segment is not None and (there := _holding(sources, due)) is not None:
            return self._found_again(there)
        following = next(
            (source for source in sources if source.first_seq >= due and source.name != self._segment), None
        )
        if following is None:
            self._names = names
            return None
        if current is not None:
            if not current.segment.archived and current.size > self._offset and self._has_lines(current):
                return current
            if following.first_seq == due:
                self._check_end(current)
        if following.first_seq > due:
            self._pass_deleted(following, sources, is_here=current is not None)
        return following

    def _has_lines(self, source: Source) -> bool:
        """Return whether *source* has a newline behind the offset."""
        with LineStream(source.segment, source.size) as stream:
            stream.skip_to(self._offset)
            return any(b"\n" in block for block in iter(lambda: stream.read_block(_BLOCK), b""))

    def _check_end(self, source: Source) -> None:
        """Raise `ChainBrokenError` where *source*, which others follow, ends in bytes that are no line."""
        if not source.segment.archived and source.size > self._offset:
            raise self._broken(
                f"{source.name} ends in bytes that no newline ends",
                source.name,
                lambda: setattr(self, "_offset", source.size),
            )

    def _found_again(self, source: Source) -> Source:
        """Go to the place of the seq that is due in *source*: the segment that was read is not there.

        Raises `ChainBrokenError` where the log ends before it.
        """
        due, offset, last = self._continuity.next_seq, 0, -1
        with LineStream(source.segment, source.size) as stream:
            for raw in stream:
                line = parsed(raw.removesuffix(b"\n"))
                if line is not None and line.seq >= due:
                    break
                offset += len(raw)
                last = last if line is None else line.seq
        self._segment, self._offset, self._is_finished = source.name, offset, False
        if last != due - 1 and source.first_seq != due:
            message = f"the log ends at seq {last}, and lines up to seq {due - 1} were shipped"
            raise self._broken(message, source.name, lambda: None)
        return source

    def _pass_deleted(self, following: Source, sources: list[Source], *, is_here: bool) -> None:
        """Go to *following*, as far as a log.delete says that what stood before was deleted."""
        due, begin = self._continuity.next_seq, following.first_seq
        if is_here or following is not sources[0] or _deletion_base(sources) < begin:
            message = f"seq {due} to {begin - 1} are not there, and no log.delete says why"
            way_on = functools.partial(self._continuity.pass_deleted, begin)
            raise self._broken(message, following.name, way_on)
        self.deleted += begin - due
        self._continuity.pass_deleted(begin)

    def _broken(self, message: str, segment: str, way_on: Callable[[], None]) -> ChainBrokenError:
        self._way_on = way_on
        return ChainBrokenError(f"{message}; run or-audit verify", segment=segment)


def _holding(sources: list[Source], seq: int) -> Source | None:
    """Return the file that *seq* stands in, or would be added to."""
    return next((source for source in reversed(sources) if source.first_seq <= seq), None)


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
