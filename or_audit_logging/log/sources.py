"""Which files a log consists of, how long each is right now, and what stands first in it.

    survey(layout).sources  -> (Source(name="audit_2026-11-21.jsonl", size=48121, first=SealedLine(...)), ...)

Lengths are taken before anything is read, under a shared lock where that is possible without waiting
long, and nothing beyond them is read: so a log can be verified while it is written.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from or_audit_logging.errors import FormatError
from or_audit_logging.log.segments import LOCK_NAME, LogLayout, Segment
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.line import SealedLine, parse_line

Kind = Literal["lines", "empty", "fragment", "irregular", "unreadable"]

_LOCK_WAIT = 1.0
_GONE = sys.maxsize
"""The size of a file that went between the listing of the folder and the look at it."""
_LOOK_AT = 3
"""So many lines of a file are looked at to say whose log it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a log as it was found. A *fragment* has bytes but not one line of a sealed line's shape.

    `first` is the first line of that shape, `skipped` how many pieces stand before it, `logs` the log ids
    that the first few lines bear. `archive` is the same segment's compressed form where both are there.
    """

    segment: Segment
    size: int
    kind: Kind
    first: SealedLine | None = None
    skipped: int = 0
    logs: frozenset[str] = frozenset()
    archive: Segment | None = None
    trouble: str | None = None
    inode: tuple[int, int] | None = None
    """Device and number of the file that was found."""

    @property
    def name(self) -> str:
        """The segment's plain name."""
        return self.segment.name

    @property
    def first_seq(self) -> int:
        """The seq of the file's first line, whether or not that line still has its shape."""
        return max(0, self.first.seq - self.skipped) if self.first else 0

    @property
    def place(self) -> tuple[str, int]:
        """What puts files in the order in which they were opened, as far as their names tell."""
        return self.segment.day.isoformat(), self.segment.number


@dataclass(frozen=True, slots=True)
class Survey:
    """The files of a log, in the order of their first seq.

    `locked` says whether their lengths were taken under the log's lock; None where there is none to take.
    """

    sources: tuple[Source, ...]
    locked: bool | None


def survey(layout: LogLayout) -> Survey:
    """Return what there is; raises `OSError` where the folder cannot be listed."""
    locked, descriptor = _lock(layout.folder / LOCK_NAME)
    try:
        measured = [_measure(segment) for segment in layout.files()]
    finally:
        if descriptor is not None:
            os.close(descriptor)
    plain = {source.name for source in measured if not source.segment.archived}
    archives = {source.name: source.segment for source in measured if source.segment.archived}
    sources = [
        _look(source, None if source.segment.archived else archives.get(source.name))
        for source in measured
        if not (source.segment.archived and source.name in plain)
    ]
    return Survey(tuple(sorted(sources, key=lambda source: (source.first_seq, source.place))), locked)


def was_replaced(sources: Iterable[Source]) -> bool:
    """Return whether a file among *sources* is not there any more, or is another one, by now.

    Writers only add to files; archiving, deletion and the redaction of a record replace and remove them.
    """
    return any(
        source.size == _GONE or (source.inode is not None and _inode(source.segment) != source.inode)
        for source in sources
    )


def _inode(segment: Segment) -> tuple[int, int] | None:
    try:
        status = os.stat(segment.path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _measure(segment: Segment) -> Source:
    try:
        status = os.stat(segment.path)
    except FileNotFoundError:  # archived since the folder was listed: opening it finds the archive
        return Source(segment=segment, size=_GONE, kind="empty")
    except OSError as error:
        return _unreadable(segment, error)
    kind: Kind = "empty" if stat.S_ISREG(status.st_mode) else "irregular"
    inode = (status.st_dev, status.st_ino)
    return Source(segment=segment, size=status.st_size, kind=kind, inode=inode)


def _look(source: Source, archive: Segment | None) -> Source:
    """Return *source* with what stands first in it."""
    if source.kind != "empty":
        return source
    first, skipped, logs, seen = None, 0, set(), 0
    try:
        with LineStream(source.segment, source.size) as stream:
            for raw in stream:
                seen += 1
                line = _parsed(raw)
                if line is None:
                    skipped += first is None
                    continue
                first = first or line
                logs.add(line.log)
                if seen - skipped >= _LOOK_AT:
                    break
            damaged = stream.problem is not None
    except OSError as error:
        return _unreadable(source.segment, error)
    kind: Kind = "lines" if first is not None else "fragment" if seen or damaged else "empty"
    return replace(source, kind=kind, first=first, skipped=skipped, logs=frozenset(logs), archive=archive)


def _unreadable(segment: Segment, error: OSError) -> Source:
    return Source(segment=segment, size=0, kind="unreadable", trouble=error.strerror or type(error).__name__)


def _parsed(raw: bytes) -> SealedLine | None:
    try:
        return parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return None


if sys.platform == "win32":

    def _lock(path: Path) -> tuple[bool | None, int | None]:
        return None, None

else:
    import fcntl

    def _lock(path: Path) -> tuple[bool | None, int | None]:
        """Take a shared lock on a log's lock file if it is there; return (taken, descriptor to close)."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None, None
        deadline = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False, descriptor
                time.sleep(0.005)
            except OSError:
                return None, descriptor
            else:
                return True, descriptor
