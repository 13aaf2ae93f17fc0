"""`LogReader`: a log's lines for questions, each once, also while it is written.

    reader = LogReader(layout)
    for block in reader.blocks(): ...       # whole lines, in the order of the segments
    for block in reader.blocks(): ...       # those that came since

Nothing is checked here: what the lines are worth is for `verify` to say. Bytes that end in no newline wait
until they do.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream

_BLOCK = 1 << 20
_LAST = 1 << 18
"""The last block of a file, which is mostly all that is asked for, is shorter."""
_LINES = 1_000
_NEEDED = ("event_type", "id", "timestamp")
_SEQ_END = 1 << 63
_decoder = json.JSONDecoder(parse_float=Decimal)


class LogReader:
    """Goes through the segments of one log, archives included, and remembers how far it came."""

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._offsets: dict[str, int] = {}
        self._finished: set[str] = set()
        self.unreadable: dict[str, str] = {}
        """Segments that could not be read to their end the last time, and why."""

    def blocks(self) -> Iterator[bytes]:
        """Yield what was added since the last time, as blocks of whole lines.

        Raises `OSError` where the folder cannot be listed. A file that cannot be read is passed over, and
        stands in `unreadable`.
        """
        for source in self.sources():
            yield from self.read(source)

    def sources(self) -> tuple[Source, ...]:
        """Return the log's files as they are now, in the order of their lines; raises `OSError`."""
        self.unreadable = {}
        return survey(self._layout).sources

    def read(self, source: Source, *, unended: bool = False) -> Iterator[bytes]:
        """Yield what *source* has beyond what was read of it, as blocks of whole lines.

        *unended*: so do bytes at its end that no newline ends, as a block of their own.
        """
        if source.trouble is not None or source.kind == "irregular":
            self.unreadable[source.name] = source.trouble or "not a regular file"
        elif source.segment.archived:
            if source.name not in self._finished:
                yield from self._rest(source, unended=unended)
        elif source.size > self._offsets.get(source.name, 0):
            yield from self._rest(source, unended=unended)

    def read_back(self, source: Source) -> Iterator[bytes] | None:
        """Return the blocks of a plain file from its last to its first; None where it is an archive by now.

        Each block is of whole lines in their order, but for the end of the file. What was read before does
        not matter, and is not remembered.
        """
        if source.trouble is not None or source.kind == "irregular":
            self.unreadable[source.name] = source.trouble or "not a regular file"
            return iter(())
        try:
            stream = LineStream(source.segment, source.size)
        except OSError as error:
            self.unreadable[source.name] = error.strerror or type(error).__name__
            return iter(())
        if stream.is_archive:
            stream.close()
            return None
        return self._back(stream, source)

    def pass_over(self, source: Source) -> None:
        """Take *source*, as far as it goes now, for read."""
        self._offsets[source.name] = source.size
        if source.segment.archived:
            self._finished.add(source.name)

    def _back(self, stream: LineStream, source: Source) -> Iterator[bytes]:
        end, size = source.size, _LAST
        try:
            with stream:
                while end > 0:
                    start = max(0, end - size)
                    stream.skip_to(start)
                    block = stream.read_block(end - start)
                    cut = block.find(b"\n", 0, -1) + 1 if start else 0
                    if start and not cut:  # a line longer than this
                        size *= 2
                        continue
                    end, size = start + cut, _BLOCK
                    yield block[cut:]
        except OSError as error:
            self.unreadable[source.name] = error.strerror or type(error).__name__

    def _rest(self, source: Source, *, unended: bool = False) -> Iterator[bytes]:
        offset = self._offsets.get(source.name, 0)
        try:
            with LineStream(source.segment, source.size) as stream:
                stream.skip_to(offset)
                while block := stream.read_lines(_BLOCK):
                    end = block.rfind(b"\n") + 1
                    self._offsets[source.name] = offset = offset + end
                    if end:
                        yield block[:end]
                    if unended and end < len(block):
                        yield block[end:]
                if stream.problem is not None:
                    self.unreadable[source.name] = stream.problem
                elif source.segment.archived:
                    self._finished.add(source.name)
        except OSError as error:
            self.unreadable[source.name] = error.strerror or type(error).__name__


class StoreLines:
    """Goes through the lines of a store, and remembers how far it came."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0
        self.unreadable: dict[str, str] = {}
        """Empty: what cannot be read of a store is an error."""

    def pass_to(self, seq: int) -> None:
        """Take the lines before *seq* for read."""
        self._next = seq

    def blocks(self) -> Iterator[bytes]:
        """Yield what was added since the last time, as blocks of whole lines.

        Raises `ConfigError` where this version does not know the store, `OSError` and `FormatError` where it
        cannot be read.
        """
        from or_audit_logging.store.reader import stored_lines  # brings sqlite3

        lines = stored_lines(self._path, start=self._next)
        while batch := list(itertools.islice(lines, _LINES)):
            self._next = batch[-1][0] + 1
            yield b"".join(line + b"\n" for _, line in batch)


def reader_of(path: PathText) -> LogReader | StoreLines:
    """Return a reader of the log at *path*: a folder, a handler's filename, a store. Raises `ConfigError`."""
    store = find_log(path).store
    return StoreLines(store) if store is not None else LogReader(layout_of(path))


def layout_of(path: PathText) -> LogLayout:
    """Return the layout of the log at *path*, its folder or a handler's filename; raises `ConfigError`."""
    target = find_log(path)
    if target.trouble is not None:
        raise ConfigError(target.trouble)
    if target.layout is None or not target.layout.files():
        raise ConfigError(
            f"there is no audit log in {os.fspath(path)}; give the folder that a handler writes to, "
            "or a store"
        )
    return target.layout


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the members of *line*, money with all its digits; None where it is no JSON object."""
    try:
        record = _decoder.decode(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return record if isinstance(record, dict) else None


def seq_of(members: Mapping[str, Any]) -> int | None:
    """Return the seq of the record or control line that *members* are; None where they are none.

    One has a seq that a database has room for, and says in text what it is, its id and its time.
    """
    seq = members.get("seq")
    if type(seq) is not int or not 0 <= seq < _SEQ_END:
        return None
    return seq if all(type(members.get(name)) is str for name in _NEEDED) else None
