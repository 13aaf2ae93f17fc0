"""Lines that dead letters name, out of the log once more.

    for line in lines_named(letters_in(path), layout, log): ...

They are read from the log and not from the letters: a record that was redacted since is its stub.
"""

from __future__ import annotations

import errno
import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from or_audit_logging.errors import ConfigError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.line import SealedLine, Stub, line_start
from or_audit_logging.ship.continuity import parsed
from or_audit_logging.ship.dead_letters import START
from or_audit_logging.ship.items import NOTICE
from or_audit_logging.ship.listing import Listing

_NOTICE_START = line_start(NOTICE).decode("ascii")


class Named:
    """The sequence numbers that letters name, as ranges."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        """*ranges*: first and last of each."""
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in zip(self._firsts, self._lasts, strict=True))

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]

    def any_between(self, first: int, end: int) -> bool:
        """Return whether one of them is *first* or more and less than *end*."""
        at = bisect_right(self._lasts, first - 1)
        return at < len(self._firsts) and self._firsts[at] < end


def letters_in(path: Path, *, log: str) -> Named:
    """Return what the dead letters in the file *path* name, but notices, which stand in no log.

    A letter that a full disk or a crash has cut is passed over: the cursor did not move past what it names.
    Raises `ConfigError` where they are none, or those of another log than *log*, and `OSError`.
    """
    ranges = []
    with open(path, "rb") as file:
        for number, text in enumerate(file, start=1):
            try:
                letter = _letter_in(text)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise ConfigError(f"{os.fspath(path)}: line {number} is no dead letter") from None
            if letter is None:
                continue
            if letter.log != log:
                raise ConfigError(f"{os.fspath(path)} holds dead letters of another log, {letter.log}")
            if not letter.is_notice:
                ranges.append((letter.first, letter.last))
    return Named(ranges)


class _Letter(NamedTuple):
    """What a dead letter says of the lines that it names."""

    log: str
    first: int
    last: int
    is_notice: bool


def _letter_in(text: bytes) -> _Letter | None:
    """Return what *text* says, None where it was cut.

    Raises `ValueError`, `KeyError`, `TypeError`, `AttributeError` or `RecursionError` where it is no letter.
    """
    try:
        members = json.loads(text)
    except ValueError:
        if _is_cut(text):
            return None
        raise
    first, line = members["seq"], members.get("line", "")
    last = members.get("last_seq", first)
    if type(first) is not int or type(last) is not int or not 0 <= first <= last:
        raise ValueError("no sequence numbers")
    is_notice = line.startswith(_NOTICE_START) and parsed(line.encode("utf-8", "replace")) is None
    return _Letter(str(members["log"]), first, last, is_notice)


def _is_cut(text: bytes) -> bool:
    """Return whether *text*, which is no JSON, begins as a letter does; a power cut leaves zeros, too."""
    cut = text.rstrip(b"\n").rstrip(b"\0")
    return cut.startswith(START) or START.startswith(cut)


def lines_named(named: Named, layout: LogLayout, log: str) -> Iterator[SealedLine | Stub]:
    """Yield the lines of *log* that are *named*, in their order, as they stand there now.

    Raises `OSError`, also for an archive that is damaged: what it holds no more is not gone for good.
    """
    sources = Listing(layout).sources()
    for source, following in zip(sources, [*sources[1:], None], strict=True):
        end = following.first_seq if following is not None else 1 << 63
        if not named.any_between(source.first_seq, end):
            continue
        with LineStream(source.segment, source.size) as stream:
            for raw in stream:
                line = parsed(raw.removesuffix(b"\n"))
                if line is not None and line.log == log and line.seq in named:
                    yield line
            if stream.problem is not None:
                raise OSError(errno.EIO, stream.problem, os.fspath(source.segment.path))
