"""What a query reads: a log's lines in parts, each of which can be left out.

parts_of("audit_logs")      -> [SegmentPart(audit_2026-11-20.jsonl), SegmentPart(audit_2026-11-21.jsonl)]
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Protocol

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.reading import LogReader
from or_audit_logging.evidence.sources import Source
from or_audit_logging.log.segments import LogLayout

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


class SegmentPart:
    """One segment of a log in a folder."""

    def __init__(self, layout: LogLayout, source: Source) -> None:
        self._layout = layout
        self._source = source
        self.name = source.name
        self.day: date | None = source.segment.day
        self._reader = LogReader(layout)

    @property
    def problem(self) -> str | None:
        return self._reader.unreadable.get(self.name)

    def blocks(self) -> Iterator[bytes]:
        self._reader = LogReader(self._layout)
        return self._reader.read(self._source, unended=True)

    def blocks_back(self) -> Iterator[bytes] | None:
        if self._source.segment.archived:
            return None
        self._reader = LogReader(self._layout)
        return self._reader.read_back(self._source)


class StorePart:
    """All lines of a log in a store."""

    day: date | None = None

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.problem: str | None = None
        self._path = path

    def blocks(self) -> Iterator[bytes]:
        return self._read(is_back=False)

    def blocks_back(self) -> Iterator[bytes] | None:
        return self._read(is_back=True)

    def _read(self, *, is_back: bool) -> Iterator[bytes]:
        from or_audit_logging.store.reader import StoreReader

        self.problem = None
        try:
            with StoreReader(self._path) as store:
                starts = range(0, store.end(), _LINES)
                for start in reversed(starts) if is_back else starts:
                    found = itertools.islice(store.lines(start=start), _LINES)
                    yield b"".join(line + b"\n" for seq, line in found if seq < start + _LINES)
        except FormatError as error:
            self.problem = str(error)


def parts_of(path: PathText) -> list[Part]:
    """Return the parts of the log at *path*, a folder or a store; raises `ConfigError`, `OSError`."""
    store = find_log(path).store
    if store is not None:
        from or_audit_logging.store.reader import StoreReader  # brings sqlite3

        StoreReader(store).close()  # refused here and not in the middle of the answer
        return [StorePart(store)]
    layout = layout_of(path)
    return [SegmentPart(layout, source) for source in LogReader(layout).sources()]


def layout_of(path: PathText) -> LogLayout:
    """Return the layout of the log in the folder *path*; raises `ConfigError`."""
    target = find_log(path)
    if target.trouble is not None:
        raise ConfigError(target.trouble)
    if target.store is not None:
        raise ConfigError(f"{os.fspath(path)} is a store; give a log's folder")
    if target.layout is None or target.is_export or not target.layout.files():
        raise ConfigError(f"there is no audit log in {os.fspath(path)}; give a log's folder, or a store")
    return target.layout
