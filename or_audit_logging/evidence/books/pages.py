"""A log's lines as rows for tables, and what of the log could not be read.

    for page in pages_of(layout, period, problems): ...
    rows = Rows(columns, problems)
    for row in rows.of(page): ...               (seq, line, *values)

A row has the columns that are asked for, the others are empty; its line is cut down to the members that the
view takes from it. Nothing is checked here: what lines are worth is for `verify` to say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.books.columns import LOSS
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.reading import seq_of
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.record import CONTROL_PREFIX, GENERATION
from or_audit_logging.sealing.line import STUB_START, parse_stub
from or_audit_logging.store.columns import IN_THE_LINE, Columns, members_of

_BLOCK = 1 << 18
_FACT = b'"event_type":"generation"'

Row = tuple[Any, ...]

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Problems:
    """What could not be read, by segment: how many lines that are no record, and why reading ended early."""

    def __init__(self) -> None:
        self.bad_lines: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}

    def bad(self, name: str, count: int = 1) -> None:
        """Count lines that are no record."""
        if count:
            self.bad_lines[name] = self.bad_lines.get(name, 0) + count

    def forget(self, names: Iterable[str]) -> None:
        """Take back what was said of segments that will be read once more."""
        for name in names:
            self.bad_lines.pop(name, None)
            self.unreadable.pop(name, None)


@dataclass(frozen=True, slots=True)
class Page:
    """One segment; of those that lie outside the period only the late facts are wanted."""

    source: Source
    facts_only: bool = False

    @property
    def name(self) -> str:
        """The segment's plain name."""
        return self.source.name


def pages_of(layout: LogLayout, period: Period, problems: Problems) -> list[Page]:
    """Return the segments that can hold lines of *period*, in the order of their lines, and all later ones.

    The one before the first is among them: a fact in it may be about a call that ended behind it.

    Raises `ConfigError` where the folder cannot be read.
    """
    try:
        sources = survey(layout).sources
    except OSError as error:
        raise ConfigError(f"the folder {layout.folder} cannot be read: {error.strerror}") from error
    outside = [period.is_past(one.segment.day) or period.is_ahead(one.segment.day) for one in sources]
    first = outside.index(False) if False in outside else len(sources)
    pages = []
    for number, source in enumerate(sources):
        if number < first - 1:
            continue
        if source.trouble is not None or source.kind == "irregular":
            problems.unreadable[source.name] = source.trouble or "not a regular file"
        else:
            pages.append(Page(source, facts_only=outside[number]))
    return pages


def blocks_of(source: Source, problems: Problems) -> Iterator[bytes]:
    """Yield a segment's bytes as blocks of whole lines; what follows the last newline is the last block."""
    try:
        with LineStream(source.segment, source.size) as stream:
            while block := stream.read_block(_BLOCK):
                while not block.endswith(b"\n") and (rest := stream.read_line()):
                    block += rest
                yield block
            if stream.problem is not None:
                problems.unreadable[source.name] = stream.problem
    except OSError as error:
        problems.unreadable[source.name] = error.strerror or type(error).__name__


class Rows:
    """Makes rows of lines."""

    def __init__(self, columns: Collection[str], problems: Problems) -> None:
        """*columns*: those that are wanted, of `ALL`."""
        self._columns = Columns(columns)
        self.names = self._columns.names
        self.in_line = tuple(name for name in IN_THE_LINE if name in columns)
        self.loss = tuple(name for name in LOSS if name in columns)
        self._problems = problems

    def of(self, page: Page) -> Iterator[Row]:
        """Yield (seq, line, *values) for each line of *page* that is a record or a control line."""
        name = page.name
        for block in blocks_of(page.source, self._problems):
            if page.facts_only and _FACT not in block:
                continue
            for line in block.split(b"\n"):
                if line and (not page.facts_only or _FACT in line):
                    row = self.row(line)
                    if row is not None:
                        if not page.facts_only or self._is_fact(row):
                            yield row
                    elif not _is_stub(line):
                        self._problems.bad(name)

    def row(self, line: bytes) -> Row | None:
        """Return (seq, line, *values), None where *line* is no record and no control line."""
        members = members_of(line)
        seq = seq_of(members)
        if seq is None:
            return None
        return (seq, self._kept(members), *self._columns.of(members, line))

    def _is_fact(self, row: Row) -> bool:
        return bool(row[2 + self.names.index("event_type")] == GENERATION)

    def _kept(self, members: dict[str, Any]) -> str:
        event = members.get("event_type")
        if type(event) is str and event.startswith(CONTROL_PREFIX):
            kept = {name: members.get(name) for name in ("count", "reason")}
        else:
            kept = {name: members[name] for name in self.in_line if members.get(name) is not None}
        return _encode(kept) if kept else "{}"


def _is_stub(line: bytes) -> bool:
    if not line.startswith(STUB_START):
        return False
    try:
        parse_stub(line)
    except FormatError:
        return False
    return True
