"""Stretches: users' lines that simply follow one another, found by whoever begins at a line that says where.

    prepare(context)                              once in each process
    walk_part(part).stretches                     {offset: Stretch(start, end, length)}

Which line follows depends on the bytes and on the position before them, and a checkpoint or open line states
all of that position; so anybody can go through a stretch who begins at such a line.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.stride import stride
from or_audit_logging.evidence.unfinished import is_quiet
from or_audit_logging.log.segments import Segment
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.chain import LogKeys, leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import (
    FIRST_LINE_STARTS,
    STUB_START,
    SealedLine,
    line_start,
    parse_line,
    parse_stub,
)
from or_audit_logging.sealing.merkle import Frontier

NEVER = 1 << 64
"""More than any offset or seq."""
_GENESIS = line_start("log.genesis")
_MARKS = (*FIRST_LINE_STARTS, line_start("log.checkpoint"))
_ROTATE = line_start("log.rotate")


@dataclass(frozen=True, slots=True)
class Context:
    """What all parts have in common. `sizes`, ascending, are those of anchors: no stretch passes one by."""

    log: str
    log_id: bytes | None = None
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes *begin* to *end* of a segment, from the first line in them that states a position."""

    segment: Segment
    size: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A position as a value; `kcv` names the key in force, None where it is not at hand."""

    seq: int
    prev: bytes | None
    subtrees: tuple[bytes, ...]
    kid: int
    kcv: str | None

    @classmethod
    def of(cls, position: Position) -> Mark:
        """Return what *position* is now."""
        subtrees = position.tree.subtrees if position.tree is not None else ()
        kcv = position.keys.kcv if position.keys is not None else None
        return cls(position.seq, position.prev, subtrees, position.kid, kcv)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Users' lines that follow one another: from where to where, in how many bytes."""

    start: Mark
    end: Mark
    length: int

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self.end.seq - self.start.seq

    def take_into(self, position: Position) -> None:
        """Go on behind the stretch."""
        position.seq, position.prev = self.end.seq, self.end.prev
        position.tree = Frontier(self.end.seq, self.end.subtrees)


@dataclass(frozen=True, slots=True)
class Walked:
    """A part's stretches by the offset of their first byte, and whether no call began or ended in it."""

    stretches: dict[int, Stretch]
    is_quiet: bool


_context = Context("")
_keys: tuple[LogKeys, ...] = ()


def prepare(context: Context) -> None:
    """Set this process up for the parts of one log."""
    global _context, _keys  # noqa: PLW0603 - what a pool's initializer leaves for its tasks
    _context = context
    _keys = tuple(LogKeys(secret, log_id=context.log_id) for secret in context.secrets if context.log_id)


def walk_part(part: Part) -> Walked:
    """Go through *part*."""
    try:
        with _from(part) as stream:
            stretches = _Scan(stream, part.end).run()
        with _from(part) as stream:
            return Walked(stretches, is_quiet(stream, part.end))
    except OSError:  # the walk will say so
        return Walked({}, is_quiet=False)


def _from(part: Part) -> LineStream:
    """Return the segment's lines from the first that begins in *part*."""
    stream = LineStream(part.segment, part.size)
    if part.begin:
        stream.skip_to(part.begin - 1)
        stream.read_line()
    return stream


class _Scan:
    """Goes along a part's lines and looks for positions to set out from."""

    def __init__(self, stream: LineStream, end: int) -> None:
        self._stream = stream
        self._lines = iter(stream)
        self._end = end
        self._found: dict[int, Stretch] = {}
        self._position: Position | None = None
        self._keys_of: dict[int, LogKeys] = {}

    def run(self) -> dict[int, Stretch]:
        """Return what there is."""
        raw = next(self._lines, None)
        while raw is not None:
            offset = self._stream.tell() - len(raw)
            is_mark = raw.startswith(_MARKS)
            if offset >= self._end and (is_mark or self._position is None):
                break
            line = _parsed(raw)
            if is_mark:
                self._position = self._behind(line) if line is not None else None
            elif self._position is not None and not self._is_users(line):
                self._pass_by(raw, line)
            elif self._position is not None and line is not None:
                raw = self._stride(self._position, raw, line, offset)
                continue
            raw = next(self._lines, None)
        return self._found

    def _is_users(self, line: SealedLine | None) -> bool:
        return line is not None and not line.is_control

    def _behind(self, line: SealedLine) -> Position | None:
        """Return the position behind a line that states the tree before it."""
        try:
            members = parse_control(line.raw)
            frontier = [] if line.raw.startswith(_GENESIS) else members["frontier"]
            tree = Frontier.from_hex(line.seq, frontier if isinstance(frontier, list) else [None])
        except FormatError:
            return None
        position = Position(line.seq, None, tree, line.kid, None)
        position.take(leaf_hash(line.raw))
        return position

    def _pass_by(self, raw: bytes, line: SealedLine | None) -> None:
        """Go on behind a control line or a stub; anything else is for the walk."""
        position = self._position
        if position is None:
            return
        if line is not None and (line.log, line.seq, line.kid) == (_context.log, position.seq, position.kid):
            position.take(leaf_hash(line.raw))
            position.kid += raw.startswith(_ROTATE)
            return
        self._position = None
        if raw.startswith(STUB_START):
            try:
                stub = parse_stub(raw.removesuffix(b"\n"))
            except FormatError:
                return
            if (stub.log, stub.seq) == (_context.log, position.seq):
                position.take(stub.leaf)
                self._position = position

    def _stride(self, position: Position, raw: bytes, line: SealedLine, offset: int) -> bytes | None:
        """Take users' lines, the first of which is *raw*; return the line behind them."""
        position.keys = self._keys_for(position, line)
        rest: Iterator[bytes] = itertools.chain((raw,), self._lines)
        start = Mark.of(position)
        found: bytes | None = None
        while found is None:
            stop = _next_size(_context.sizes, position.seq)
            found = stride(position, rest, log=_context.log, stop=stop)
            end = self._stream.tell() - (len(found) if found is not None else 0)
            if position.seq > start.seq:
                mark = Mark.of(position)
                self._found[offset] = Stretch(start, mark, end - offset)
                start, offset = mark, end
            if found is None and position.seq < stop:
                return None
        if found is raw:
            self._position = None
            return next(self._lines, None)
        return found

    def _keys_for(self, position: Position, line: SealedLine) -> LogKeys | None:
        known = self._keys_of.get(position.kid)
        if known is not None:
            return known
        for keys in _keys:
            if position.seals(line, keys):
                self._keys_of[position.kid] = keys
                return keys
        return None


def _next_size(sizes: Sequence[int], seq: int) -> int:
    at = bisect_right(sizes, seq)
    return sizes[at] if at < len(sizes) else NEVER


def _parsed(raw: bytes) -> SealedLine | None:
    try:
        return parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return None
