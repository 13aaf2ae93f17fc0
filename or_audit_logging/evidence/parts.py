"""What a query reads: a log's lines in parts, each of which can be left out.

parts_of("audit_logs", criteria)    -> [SegmentPart(audit_2026-11-20.jsonl), SegmentPart(...)]
parts_of("audit.db", criteria)      -> [StorePart(audit.db)]
"""

from __future__ import annotations

import functools
import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.reading import LogReader, StoreLines, layout_of, reader_of
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source
from or_audit_logging.record import GENERATION

if TYPE_CHECKING:
    from or_audit_logging.store.reader import StoreReader

_LINES = 400


class Part(Protocol):
    """A stretch of a log's lines: a segment, or all that a store holds."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def day(self) -> date | None:
        """The segment's day; None where lines of any day may stand in it."""

    @property
    def problem(self) -> str | None:
        """Why it was not read to its end, the last time."""

    def blocks(self) -> Iterator[bytes]:
        """Yield its lines in blocks."""

    def blocks_back(self) -> Iterator[bytes] | None:
        """Yield the blocks from the last to the first; None where that cannot be done."""

    def fact_blocks(self) -> Iterator[bytes]:
        """Yield blocks with all its late facts, and perhaps other lines."""


class SegmentPart:
    """One segment of a log in a folder."""

    def __init__(self, layout: LogLayout, source: Source) -> None:
        self._layout = layout
        self.source = source
        self.name = source.name
        self.day: date | None = source.segment.day
        self._reader = LogReader(layout)

    @property
    def problem(self) -> str | None:
        return self._reader.unreadable.get(self.name)

    def blocks(self) -> Iterator[bytes]:
        self._reader = LogReader(self._layout)
        return self._reader.read(self.source, unended=True)

    def blocks_back(self) -> Iterator[bytes] | None:
        if self.source.segment.archived:
            return None
        self._reader = LogReader(self._layout)
        return self._reader.read_back(self.source)

    def fact_blocks(self) -> Iterator[bytes]:
        return self.blocks()


class StorePart:
    """The lines of a log in a store, as far as it goes now; those that an index leaves out are not read."""

    day: date | None = None

    def __init__(self, path: Path, criteria: Criteria) -> None:
        """Raises `ConfigError` where this version does not know the store, `OSError`, `FormatError`."""
        from or_audit_logging.store.reader import StoreReader  # brings sqlite3

        self._open = functools.partial(StoreReader, path)
        self._criteria = criteria
        self.name = path.name
        self.problem: str | None = None
        with self._open() as store:
            self.end = store.end()
            """The seq behind that of the last line."""

    def blocks(self) -> Iterator[bytes]:
        return self._read(self._seqs)

    def blocks_back(self) -> Iterator[bytes] | None:
        return self._read(self._seqs, is_back=True)

    def fact_blocks(self) -> Iterator[bytes]:
        return self._read(self._seqs_of_facts)

    def _read(
        self, seqs_in: Callable[[StoreReader], Sequence[int]], *, is_back: bool = False
    ) -> Iterator[bytes]:
        self.problem = None
        try:
            with self._open() as store:
                seqs = seqs_in(store)
                starts = range(0, len(seqs), _LINES)
                for start in reversed(starts) if is_back else starts:
                    some = seqs[start : start + _LINES]
                    lines = store.lines_at(some) if isinstance(some, array) else _between(store, some)
                    yield b"".join(line + b"\n" for line in lines)
        except FormatError as error:
            self.problem = str(error)

    def _seqs(self, store: StoreReader) -> Sequence[int]:
        from or_audit_logging.store.search import seqs_of

        asked, period = self._criteria, self._criteria.period
        times = None if period == Period() else (period.first_text, period.last_text)
        found = seqs_of(store, end=self.end, users=asked.users, event=asked.event, times=times)
        return found if found is not None else range(self.end)

    def _seqs_of_facts(self, store: StoreReader) -> Sequence[int]:
        from or_audit_logging.store.search import seqs_of

        found = self._seqs(store)
        if isinstance(found, range):
            found = seqs_of(store, end=self.end, event=GENERATION) or found
        return found


def _between(store: StoreReader, seqs: Sequence[int]) -> Iterator[bytes]:
    """Yield the lines of *seqs*, which follow one another."""
    lines = store.lines(start=seqs[0])
    return (line for _, line in itertools.takewhile(lambda found: found[0] <= seqs[-1], lines))


def parts_of(path: PathText, criteria: Criteria) -> list[Part]:
    """Return the parts of the log at *path*, a folder or a store, that hold what *criteria* may ask for.

    Raises `ConfigError`, `OSError`; `FormatError` for a store that cannot be read.
    """
    store = find_log(path).store
    if store is not None:
        return [StorePart(store, criteria)]
    layout = layout_of(path)
    return [SegmentPart(layout, source) for source in LogReader(layout).sources()]


def reader_behind(path: PathText, parts: Sequence[Part]) -> LogReader | StoreLines:
    """Return a reader of what comes to the log at *path* behind its *parts*."""
    reader = reader_of(path)
    for part in parts:
        if isinstance(reader, LogReader) and isinstance(part, SegmentPart):
            reader.pass_over(part.source)
        elif isinstance(reader, StoreLines) and isinstance(part, StorePart):
            reader.pass_to(part.end)
    return reader
