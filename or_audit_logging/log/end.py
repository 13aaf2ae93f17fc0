"""`LogEnd`: where a log ends on disk right now, and the open segment that it ends in.

    end.go_to(lock.generation)              # wherever other processes have moved it; the lock is held
    end.tail, end.file                      # None: a log without lines; a segment that is gone
    end.read_ahead()                        # without the lock: checks what others wrote, as far as is known

What is found wrong with the files on the way (a segment that vanished, shrank, stepped back or does not
chain) goes into the losses, which the next line written states.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from or_audit_logging.errors import AuditError
from or_audit_logging.log.lock import Generation
from or_audit_logging.log.losses import Losses
from or_audit_logging.log.opening import point_at
from or_audit_logging.log.segment_file import SegmentFile
from or_audit_logging.log.segments import LogLayout, Segment
from or_audit_logging.log.tail import FindKeys, Tail, catch_up, follow, resume, take_up

CLOCK_RAN_AHEAD = timedelta(hours=26)
"""A date this much before the active segment's day means that the clock had run ahead."""

_MANY_BYTES = 1 << 16
"""Where others have written more than this, one of them may have made a checkpoint."""


class LogEnd:
    """The end of one log; used by one thread at a time, with the lock held but for `read_ahead`."""

    def __init__(
        self,
        layout: LogLayout,
        find_keys: FindKeys,
        losses: Losses,
        *,
        before_close: Callable[[], None] = lambda: None,
        link: Path | None = None,
    ) -> None:
        self._layout = layout
        self._find_keys = find_keys
        self._losses = losses
        self._before_close = before_close
        self._link = link
        self._generation: Generation | None = None
        self.tail: Tail | None = None
        """None for a log without lines."""
        self.file: SegmentFile | None = None
        """The open segment; None where it vanished or shrank, so that the next one is to be begun."""
        self.segment: Segment | None = None
        """The segment that the tail ends in, also where its file is gone."""
        self.first_seq = 0
        self.not_before = self.day_ends = datetime.min.replace(tzinfo=UTC)
        """A line written earlier or later than these belongs into another segment than the open one."""
        self.is_doubtful = False
        """Whether something was interrupted, so that only the files say where the log ends."""

    def go_to(self, generation: Generation) -> None:
        """Bring the tail to the end of the log; *generation* tells whether a segment was opened meanwhile."""
        if self.is_doubtful:
            self.is_doubtful = False
            if self.file is None or self.file.size() is not None:
                self._generation = None  # only the files say where the log ends
        tail, file = self.tail, self.file
        if tail is None or file is None or self._generation != generation:
            self._open_newest(generation)
            tail = self.tail
        elif (size := file.size()) != tail.offset:
            self._moved(tail, file, size)
            tail = self.tail
        if tail is not None and tail.unchained:
            name = self.segment.name if self.segment else None
            self._losses.add(tail.unchained, reason="chain", detail=name)
            tail.unchained = 0

    @property
    def is_checked(self) -> bool:
        """Whether every line up to the end was checked."""
        return self.tail is not None and self.tail.is_checked

    def check_rest(self, *, until: int | None = None) -> None:
        """Check the lines that were not, up to the offset *until* or the end of the file."""
        tail, file = self.tail, self.file
        if tail is None or file is None:
            return
        with file.segment.open() as stream:
            end = tail.offset if until is None else until
            if end - tail.checked_offset > _MANY_BYTES:
                resume(tail, stream, until=end)
            catch_up(tail, stream, self._find_keys, until=until)

    def read_ahead(self) -> None:
        """Check what others wrote, as far as its end is known, without the lock: there may be much of it."""
        if self.tail is None or self.tail.is_checked:
            return
        try:
            self.check_rest(until=self.tail.offset)
        except OSError:
            self.is_doubtful = True  # whoever comes here reads again, with the lock
        except BaseException:
            self.is_doubtful = True
            raise

    def use(self, segment: Segment, *, create: bool = False) -> None:
        """Make *segment* the open one; what was written to the one before is on disk then."""
        if self.file is not None:
            self._before_close()
        self.close()
        self.file, self.segment = SegmentFile(segment, create=create), segment
        midnight = datetime.combine(segment.day, time(), UTC)
        self.not_before, self.day_ends = midnight - CLOCK_RAN_AHEAD, midnight + timedelta(days=1)
        if self._link is not None:
            with suppress(OSError):  # a convenience that must not lose a record
                point_at(self._link, segment)

    def begin(self, tail: Tail, segment: Segment) -> None:
        """Make *segment* the open one, new and still without a line; it continues *tail*."""
        self.use(segment, create=True)
        tail.begins_segment()
        self.first_seq = tail.seq
        self.tail = tail

    def begun(self, generation: Generation) -> None:
        """Take note that the new segment has its first line, and that the others are told."""
        self._generation = generation

    def close(self) -> None:
        """Close the open segment; whoever waits for it to be on disk has been told."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def forget(self) -> None:
        """Close the open segment, and look for the end anew next time."""
        self.close()
        self.tail, self.segment, self._generation = None, None, None

    def abandon(self) -> None:
        """Let go of the parent's file in a forked child, whatever another thread was doing with it."""
        self.is_doubtful = True
        if self.file is not None:
            self.file.abandon()
            self.file = None

    def _open_newest(self, generation: Generation) -> None:
        known = self.tail
        ordered = [pair for pair in self._layout.segments() if not pair[1].archived]
        if not ordered:
            if known is not None:
                self._segment_is_gone(known)
            self._generation = generation
            return
        self.first_seq, segment = ordered[-1]
        self.use(segment)
        with segment.open() as file:
            self.tail = take_up(file, self._find_keys)
        if known is not None and self.tail.seq < known.seq:
            self._losses.add(known.seq - self.tail.seq, reason="rollback", detail=segment.name)
        self._generation = generation

    def _moved(self, tail: Tail, file: SegmentFile, size: int | None) -> None:
        if size is None:
            self._segment_is_gone(tail)
        elif size < tail.offset:
            self._losses.add(0, reason="shrunk", detail=file.segment.name)
            self.close()
        elif not follow(tail, file.read, size):
            self.check_rest()

    def _segment_is_gone(self, tail: Tail) -> None:
        self._losses.add(0, reason="gone", detail=self.segment.name if self.segment else None)
        if (last := self._last_known()) is not None and last.seq >= tail.seq:
            self.tail = tail = last
        tail.torn, tail.newline_missing = None, False
        self.close()

    def _last_known(self) -> Tail | None:
        """Return the end of the open segment as its descriptor shows it, though its name is gone."""
        if self.file is None:
            return None
        with suppress(OSError, AuditError), self.file.stream() as stream:
            return take_up(stream, self._find_keys)
        return None
