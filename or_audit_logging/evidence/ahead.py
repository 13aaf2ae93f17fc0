"""Other processes walk ahead: what is dear to compute is ready when the walk comes by (`verify(jobs=4)`).

    with Ahead(sources, context, jobs=4) as ahead:
        ahead.enter(source)
        stretch = ahead.at(offset, position)      # None: walk on yourself

The walk takes a stretch only where it stands at that very offset in that very position, and goes through
everything else itself: a report is the same with any number of jobs.

Workers are started afresh, not forked: a program that calls `verify` with several jobs needs the usual
`if __name__ == "__main__":`. Where no worker can be started, the walk does all by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from types import TracebackType

from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.stretches import (
    NEVER,
    Context,
    Mark,
    Part,
    Stretch,
    Walked,
    prepare,
    walk_part,
)
from or_audit_logging.log.segments import Segment
from or_audit_logging.log.sources import Source

PART = 8 << 20
"""A plain segment is cut into parts of so many bytes, an archive is one part."""
WORTH_IT = 16 << 20
"""A shorter log is gone through before workers have started."""
_WAITING = 8
"""So many parts for each worker are under way, or wait to be used."""
_DEFLATED = 8
"""A guess how many bytes one byte of an archive stands for."""
_TROUBLE = (BrokenExecutor, CancelledError, OSError, RuntimeError, ValueError, AssertionError)


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
            yield Part(source.segment, source.size, 0, NEVER)
            continue
        for begin in range(0, source.size, PART):
            end = begin + PART if begin + PART < source.size else NEVER
            yield Part(source.segment, source.size, begin, end)


def _count(source: Source) -> int:
    return sum(1 for _ in _parts([source]))


def _length(source: Source) -> int:
    return source.size * _DEFLATED if source.segment.archived else source.size
