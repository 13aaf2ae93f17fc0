"""What a collector wrote to one file, and where in it each log's lines stand.

    with Collected.open(path) as collected:
        for lines in collected.logs.values():
            for seq, copies in lines.in_order(): ...      [Found(number=17, line=SealedLine(...)), ...]

The file is gone through once, and of each sealed line log, seq and place are kept: 24 bytes, no text. The
lines of a log are then read again in the order of seq. Of a line that is there in another format alone the
seq is kept; a JSON document in which such lines go over several lines of text is gone through once more.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from or_audit_logging.evidence.arguments import STANDARD_INPUT
from or_audit_logging.evidence.json_in_text import begins_document, pieces_of
from or_audit_logging.evidence.projected import MARK
from or_audit_logging.evidence.report import Note, Place
from or_audit_logging.evidence.unwrap import (
    MAX_WRAPPED,
    has_trace,
    holds_projection,
    projected_lines,
    projections_within,
    sealed_lines,
)
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, SealedLine, Stub

_REMEMBERED = 4
_STARTS_WITH = {
    b"\x1f\x8b": "it is compressed; unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed; unpack it first",
    b"\xff\xfe": "it is UTF-16 text; convert it to UTF-8 first",
    b"\xfe\xff": "it is UTF-16 text; convert it to UTF-8 first",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A sealed line, or its stub, and the number of the file's line in which it stands.

    `bare` where that holds no more.
    """

    number: int
    line: SealedLine | Stub
    bare: bool


@dataclass(slots=True)
class Count:
    """How many lines of a file were something else, or more than once there, and where the first stands."""

    count: int = 0
    first: int | None = None

    def __str__(self) -> str:
        return "1 line" if self.count == 1 else f"{self.count:,} lines, the first of them here"

    def add(self, number: int) -> None:
        """Count the line with this number."""
        self.count += 1
        self.first = number if self.first is None else min(self.first, number)


class Whole:
    """One line of a file and the sealed lines in it, by log and seq."""

    def __init__(self, raw: bytes) -> None:
        self.text = raw.rstrip(b"\r\n")
        self.lines: dict[tuple[str, int], list[SealedLine | Stub]] = {}
        for line in sealed_lines(raw):
            self.lines.setdefault((line.log, line.seq), []).append(line)


class LogLines:
    """The places of one log's lines in a file."""

    def __init__(self, log: str, collected: Collected) -> None:
        self.log = log
        self.changed = False
        """Whether a line was not there any more when it was read again."""
        self.repeated = Count()
        """Lines that stand more than once, byte by byte the same; known once all were read in order."""
        self._collected = collected
        self._seqs, self._offsets, self._numbers = array("Q"), array("Q"), array("Q")
        self._starts = array("Q")
        self._projected = array("Q")

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, line: SealedLine | Stub, offset: int, number: int) -> None:
        """Keep where *line* stands."""
        if line.raw.startswith(FIRST_LINE_STARTS):
            self._starts.append(len(self._seqs))
        self._seqs.append(line.seq)
        self._offsets.append(offset)
        self._numbers.append(number)

    def add_projected(self, seq: int) -> None:
        """Keep that the line *seq* is there in another format."""
        self._projected.append(seq)

    def sort_projected(self) -> None:
        """Forget those that are there as sealed lines as well. To be called once all were added."""
        self._projected = array("Q", sorted(set(self._projected).difference(self._seqs)))

    @property
    def projected(self) -> int:
        """How many lines are there in another format alone."""
        return len(self._projected)

    def are_projected(self, first: int, end: int) -> bool:
        """Return whether there are lines from *first* to before *end*, each in another format alone."""
        count = bisect_left(self._projected, end) - bisect_left(self._projected, first)
        return first < end == first + count

    def in_order(self) -> Iterator[list[Found]]:
        """Yield for each seq, in order, the different lines that bear it."""
        self.repeated = Count()
        for _, rows in groupby(self._sorted(range(len(self._seqs))), key=self._seqs.__getitem__):
            copies = self._read(list(rows))
            if copies:
                yield copies

    def starts(self) -> Iterator[Found]:
        """Yield the genesis and open lines, in the order of seq."""
        for row in self._sorted(self._starts):
            yield from self._read([row])

    def _sorted(self, rows: range | array[int]) -> list[int]:
        return sorted(rows, key=lambda row: (self._seqs[row], self._offsets[row]))

    def _read(self, rows: list[int]) -> list[Found]:
        """Return the different lines in *rows*, which bear one seq; their order is not the file's."""
        different: dict[bytes, Found] = {}
        seq, offsets = self._seqs[rows[0]], dict.fromkeys(self._offsets[row] for row in rows)
        numbers = {self._offsets[row]: self._numbers[row] for row in rows}
        read = 0
        for offset in offsets:
            number, whole = numbers[offset], self._collected.read(offset)
            for line in whole.lines.get((self.log, seq), ()):
                read += 1
                if line.raw in different:
                    self.repeated.add(number)
                else:
                    different[line.raw] = Found(number, line, whole.text == line.raw)
        self.changed = self.changed or read < len(rows)
        return [different[raw] for raw in sorted(different)]


class Collected:
    """A file of sealed lines and other text."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Go through *file* once, to its present end; raises `OSError`."""
        self.name = name
        self.logs: dict[str, LogLines] = {}
        self.other_lines = 0
        self.hint: str | None = None
        """What the file seems to be instead."""
        self._file = file
        self._too_long, self._broken = Count(), Count()
        self._first_beside: int | None = None
        """The first line with a sealed line and, beside it, the same in another format."""
        self._recent: dict[int, Whole] = {}
        self._index()
        for lines in self.logs.values():
            lines.sort_projected()

    @classmethod
    def open(cls, path: Path | None) -> Collected:
        """Return what is in the file *path*, None for standard input; raises `OSError`.

        What cannot be read twice, such as a pipe, is copied to a temporary file first.
        """
        file = _copied(sys.stdin.buffer) if path is None else _seekable(path)
        try:
            return cls(file, path.name if path is not None else STANDARD_INPUT)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Collected:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, offset: int) -> Whole:
        """Return the line that stands at *offset*; of a few that hold many, the last ones are remembered."""
        whole = self._recent.pop(offset, None)
        if whole is None:
            self._file.seek(offset)
            whole = Whole(self._file.readline(MAX_WRAPPED))
            if len(self._recent) == _REMEMBERED:
                del self._recent[next(iter(self._recent))]
        self._recent[offset] = whole
        return whole

    def notes(self) -> Iterator[Note]:
        """Yield what is worth knowing of the lines that are no sealed lines."""
        if self._too_long.count:
            said = f"passed over for their length, above {MAX_WRAPPED:,} bytes: {self._too_long}"
            yield Place(self.name, self._too_long.first).note("too-long", said)
        if self._broken.count:
            said = f"like sealed lines, but cut or written anew on their way: {self._broken}"
            yield Place(self.name, self._broken.first).note("not-whole", said)
        if self._first_beside is not None:
            said = (
                "entries in another format (ecs, google, datadog), from here on: the sealed line in each was "
                "checked, and not the fields beside it"
            )
            yield Place(self.name, self._first_beside).note("beside", said)

    def _index(self) -> None:
        is_document, has_mark = False, False
        for number, offset, raw in self._lines():
            if number == 1:
                is_document = begins_document(raw.decode("utf-8", "replace"))
                self.hint = next(
                    (hint for start, hint in _STARTS_WITH.items() if raw.startswith(start)), None
                )
            if len(raw) == MAX_WRAPPED and not raw.endswith(b"\n"):
                self._too_long.add(number)
                continue
            lines = sealed_lines(raw)
            for line in lines:
                self._lines_of(line.log).add(line, offset, number)
            has_mark = has_mark or MARK.search(raw) is not None
            if lines and self._first_beside is None and holds_projection(raw):
                self._first_beside = number
            in_other_format = [] if is_document else projected_lines(raw)
            for one in in_other_format:
                self._lines_of(one.log).add_projected(one.seq)
            if not lines and not in_other_format:
                self.other_lines += raw not in (b"\n", b"\r\n")
                if has_trace(raw):
                    self._broken.add(number)
        if is_document and has_mark:
            self._index_document()

    def _index_document(self) -> None:
        """Look for lines in another format; pieces of one, on text lines of their own, are not broken."""
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, "utf-8", errors="replace")
        try:
            for piece in pieces_of("", read=text.read):
                for one in projections_within(piece.value):
                    if one.original is None:
                        self._lines_of(one.log).add_projected(one.seq)
                        self._broken = Count()
                    elif self._first_beside is None:
                        self._first_beside = piece.line
        finally:
            text.detach()

    def _lines_of(self, log: str) -> LogLines:
        of_log = self.logs.get(log)
        if of_log is None:
            of_log = self.logs[log] = LogLines(log, self)
        return of_log

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield number, offset and bytes of each line; of one that is too long, only so many."""
        left = self._file.seek(0, os.SEEK_END)
        offset = self._file.seek(0)
        number = 0
        while left > 0 and (raw := self._file.readline(min(left, MAX_WRAPPED))):
            number += 1
            yield number, offset, raw
            offset, left = offset + len(raw), left - len(raw)
            more = raw
            while len(more) == MAX_WRAPPED and not more.endswith(b"\n"):
                more = self._file.readline(min(left, MAX_WRAPPED)) if left > 0 else b""
                offset, left = offset + len(more), left - len(more)


def _seekable(path: Path) -> BinaryIO:
    file = path.open("rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    with file:
        return _copied(file)


def _copied(file: BinaryIO) -> BinaryIO:
    copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
    try:
        shutil.copyfileobj(file, copy)
    except BaseException:
        copy.close()
        raise
    return copy
