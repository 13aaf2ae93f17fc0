"""Other processes walk ahead: what is dear to compute is ready when the walk comes by (`verify(jobs=4)`).

    with Ahead(sources, context, jobs=4) as ahead:
        ahead.enter(source)
        stretch = ahead.at(offset, position)      # None: walk on yourself

A stretch is a run of users' lines that simply follow one another. Which line follows depends on the bytes
and on the position before them, and a checkpoint or open line states all of that position; so anybody can go
through a stretch who begins at such a line. The walk takes it only where it stands at that very offset in
that very position, and goes through everything else itself: a report is the same with any number of jobs.

Workers are started afresh, not forked: a program that calls `verify` with several jobs needs the usual
`if __name__ == "__main__":`. Where no worker can be started, the walk does all by itself.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.sources import Source
from or_audit_logging.evidence.streams import LineStream
from or_audit_logging.evidence.stride import stride
from or_audit_logging.evidence.unfinished import is_quiet
from or_audit_logging.log.segments import Segment
from or_audit_logging.sealing.chain import LogKeys, leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import STUB_START, SealedLine, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier

PART = 8 << 20
"""A plain segment is cut into parts of so many bytes, an archive is one part."""
WORTH_IT = 16 << 20
"""A shorter log is gone through before workers have started."""
_WAITING = 8
"""So many parts for each worker are under way, or wait to be used."""
_DEFLATED = 8
"""A guess how many bytes one byte of an archive stands for."""
_NEVER = 1 << 64
_GENESIS, _OPEN = b'{"event_type":"log.genesis",', b'{"event_type":"log.open",'
_MARKS = (_GENESIS, _OPEN, b'{"event_type":"log.checkpoint",')
_ROTATE = b'{"event_type":"log.rotate",'
_TROUBLE = (BrokenExecutor, CancelledError, OSError, RuntimeError, ValueError, AssertionError)


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


class Ahead:
    """The stretches of a log's segments, asked for in the order of the walk."""

    def __init__(self, sources: Iterable[Source], context: Context, *, jobs: int) -> None:
        """*sources* are the segments in the order of the walk; *jobs* processes go through them."""
        sources = tuple(sources)
        self._wanted = {source.segment for source in sources}
        self._parts = _parts(sources)
        self._limit = jobs * _WAITING
        self._pending: deque[tuple[Part, Future[Walked]]] = deque()
        self._unsearched = {source.name: _count(source) for source in sources}
        self._known: dict[int, Stretch] = {}
        self._segment: Segment | None = None
        self._pool: Executor | None = start_pool(jobs, context)
        self._submit()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def enter(self, source: Source) -> None:
        """The walk comes to *source*; what was known of the segments before is dropped."""
        self._segment, self._known = source.segment, {}
        if source.segment not in self._wanted:
            return
        while self._pool is not None:
            self._submit()
            if not self._pending or self._pending[0][0].segment == source.segment:
                return
            self._result(*self._pending.popleft())

    def at(self, offset: int, position: Position) -> Stretch | None:
        """Return the stretch that starts at *offset* of the segment in *position*; waits for it."""
        while offset not in self._known and self._pending:
            part, future = self._pending[0]
            if part.segment != self._segment or part.begin > offset:
                break
            self._pending.popleft()
            self._submit()
            self._known = {at: known for at, known in self._known.items() if at > offset}
            self._known |= self._result(part, future)
        stretch = self._known.pop(offset, None)
        return stretch if stretch is not None and stretch.start == Mark.of(position) else None

    def may_hold_calls(self, source: Source) -> bool:
        """Return whether calls may have begun or ended in *source*; False where workers have found none."""
        for part, future in tuple(self._pending):
            if part.segment == source.segment:
                self._result(part, future)
        return self._unsearched.get(source.name, 1) > 0

    def _result(self, part: Part, future: Future[Walked]) -> dict[int, Stretch]:
        """Return the stretches in *part*; waits for them."""
        try:
            walked = future.result()
        except _TROUBLE:
            self._give_up()
            return {}
        self._unsearched[part.segment.name] -= walked.is_quiet
        return walked.stretches

    def _submit(self) -> None:
        while self._pool is not None and len(self._pending) < self._limit:
            part = next(self._parts, None)
            if part is None:
                return
            try:
                self._pending.append((part, self._pool.submit(walk_part, part)))
            except _TROUBLE:
                self._give_up()

    def _give_up(self) -> None:
        pool, self._pool = self._pool, None
        self._pending.clear()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def is_worth_it(sources: Iterable[Source]) -> bool:
    """Return whether *sources* are long enough, and of enough parts, to start workers for."""
    sources = tuple(sources)
    return sum(map(_length, sources)) >= WORTH_IT and sum(map(_count, sources)) > 1


def start_pool(jobs: int, context: Context) -> Executor | None:
    """Return a pool of *jobs* processes that know the *context*; None where none can be started."""
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if script is not None and getattr(main, "__spec__", None) is None and not os.path.exists(script):
        return None  # the program came from a pipe: no new process could import it
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=prepare, initargs=(context,))


def _parts(sources: Iterable[Source]) -> Iterator[Part]:
    for source in sources:
        if source.segment.archived:
            yield Part(source.segment, source.size, 0, _NEVER)
            continue
        for begin in range(0, source.size, PART):
            end = begin + PART if begin + PART < source.size else _NEVER
            yield Part(source.segment, source.size, begin, end)


def _count(source: Source) -> int:
    return sum(1 for _ in _parts([source]))


def _length(source: Source) -> int:
    return source.size * _DEFLATED if source.segment.archived else source.size


# in a worker

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
    return sizes[at] if at < len(sizes) else _NEVER


def _parsed(raw: bytes) -> SealedLine | None:
    try:
        return parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return None
