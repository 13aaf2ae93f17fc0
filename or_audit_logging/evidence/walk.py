"""The walk through a log's files: their bytes are cut into lines and handed to the chain.

    walk = Walk(chain, bounds=bounds, observations=observations)
    walk.follow(source, newest=False)         each segment, in the order of seq

What has the exact shape of a sealed line and ends in a newline is a line. At the end of the newest segment
a crash may have left something else, which is noted; everywhere else it is for the chain to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.ahead import Ahead
from or_audit_logging.evidence.bounds import Bounds
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.report import Observations
from or_audit_logging.evidence.shape import CUT, TOO_LONG, shape_trouble
from or_audit_logging.evidence.stretches import Stretch
from or_audit_logging.evidence.stride import stride
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.line import (
    MAX_LINE_BYTES,
    STUB_START,
    SealedLine,
    line_start,
    parse_line,
    parse_stub,
)

_RECOVER_START = line_start("log.recover")
_STRIDE = 50_000
"""So many lines pass between two reports of progress."""


class Walk:
    """Goes through a log's files once, in constant memory."""

    def __init__(
        self,
        chain: Chain,
        *,
        log: str,
        bounds: Bounds,
        observations: Observations,
        progress: Callable[[int], None] | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.chain = chain
        self.segments = 0
        self._log = log
        self._bounds = bounds
        self._observations = observations
        self._progress = progress
        self._ahead = ahead
        self._in_long_line = False
        self._reported = 0

    def follow(self, source: Source, *, newest: bool, may_have_gap: bool = False) -> None:
        """Go along the lines of *source*; raises `OSError` where it cannot be read.

        Of the *newest* segment the end may be torn. *may_have_gap*: files could not be read, so that lines
        before this segment need not be missing.
        """
        self.segments += 1
        self._in_long_line = False
        self.chain.enter(source, may_have_gap=may_have_gap)
        with LineStream(source.segment, source.size) as stream:
            if self._ahead is not None:
                self._ahead.enter(source)
            lines = iter(stream)
            raw = next(lines, None)
            while raw is not None:
                if self._in_long_line:
                    self._in_long_line = not raw.endswith(b"\n")
                    self.chain.take_piece(raw, None)
                elif raw.endswith(b"\n"):
                    self._take(raw)
                elif len(raw) == MAX_LINE_BYTES:
                    self._in_long_line = True
                    self.chain.number += 1
                    self.chain.take_piece(raw, TOO_LONG)
                else:
                    self._take_end(raw, newest=newest, cut=stream.problem is not None)
                raw = self._stride(stream, lines)
            if stream.problem is not None:
                self._observations.find(self.chain.place().finding("archive", stream.problem))
        self._report_progress()

    def _stride(self, stream: LineStream, lines: Iterator[bytes]) -> bytes | None:
        """Take lines as long as each simply follows; return the first that needs a closer look."""
        chain = self.chain
        while not chain.is_broken and chain.position.tree is not None:
            start = chain.position.seq
            stop = min(self._bounds.next_size, start + _STRIDE)
            raw = None
            stretch = self._stretch_at(stream)
            if stretch is not None and stretch.end.seq <= self._bounds.next_size:
                stretch.take_into(chain.position)
                stream.skip_to(stream.tell() + stretch.length)
                stop = stretch.end.seq
            else:
                raw = stride(chain.position, lines, log=self._log, stop=stop)
            taken = chain.position.seq - start
            chain.number += taken
            chain.count(taken)
            if chain.lines - self._reported >= _STRIDE:
                self._report_progress()
            if raw is not None or chain.position.seq < stop:
                return raw
        return next(lines, None)

    def _stretch_at(self, stream: LineStream) -> Stretch | None:
        """Return the lines from here on that somebody went through already, if they simply follow."""
        return self._ahead.at(stream.tell(), self.chain.position) if self._ahead is not None else None

    def _take(self, raw: bytes) -> None:
        self.chain.number += 1
        line = _parsed(raw)
        if line is not None:
            self.chain.take_line(raw, line)
        elif not self._take_stub(raw):
            self.chain.take_piece(raw, shape_trouble(raw))

    def _take_stub(self, raw: bytes) -> bool:
        if not raw.startswith(STUB_START):
            return False
        try:
            stub = parse_stub(raw.removesuffix(b"\n"))
        except FormatError:
            return False
        return self.chain.take_stub(stub)

    def _take_end(self, raw: bytes, *, newest: bool, cut: bool) -> None:
        """Take the last piece of a segment, which lacks its newline; *cut*: its archive ends early."""
        chain, line = self.chain, _parsed(raw)
        chain.number += 1
        if line is not None and chain.follows(line):
            chain.take_line(raw, line)
            if newest:
                said = "the last line is whole and lacks its newline"
                self._observations.note(chain.place().note("no-newline", said))
            elif not cut:
                message = "the newline at the segment's end is missing"
                self._observations.find(chain.place(line.seq).finding("newline", message))
        elif newest:
            torn, kept = len(raw), raw.rstrip(b"\0")  # what a power cut kept from the disk may read as zeros
            if kept.startswith(_RECOVER_START[: len(kept)]):  # a crash while an earlier one was described
                torn += chain.forgive_torn_end()
            said = f"the segment ends in {torn:,} bytes that are no whole line, as a crash leaves them"
            self._observations.note(chain.place().note("torn-end", said))
        elif not cut:
            chain.take_piece(raw, CUT)

    def _report_progress(self) -> None:
        self._reported = self.chain.lines
        if self._progress is not None:
            self._progress(self.chain.lines)


def _parsed(raw: bytes) -> SealedLine | None:
    try:
        return parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return None
