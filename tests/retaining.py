"""Logs that live through many days: written by the real writer, kept and deleted under a clock that is set.

with lived(folder, "2026-01-01 12:00") as log:
    log.write(3); log.pass_days(1); log.retain(SHORT); log.verify()
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from log_builder import key

from or_audit_logging import verify
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.retention import Retained, RetentionPolicy, retain

SHORT = RetentionPolicy(archive_after_days=2, delete_after_days=5, name="short")

FILE_CALLS = ("unlink", "replace", "fsync", "fdatasync", "mkdir", "write", "rename")
"""What retention changes files with: a process may end before and after each of these calls."""

_NUMBER = re.compile(rb'"n":([0-9]+)')


class Killed(BaseException):
    """Stands for the end of a process: whoever tidies up finds that nothing works any more."""


class LivedLog:
    """A log in *folder*, at a time that `clock` says; `made` has the UTC day of each record by its number."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.folder = folder
        self.clock = clock
        self.made: dict[int, date] = {}

    @property
    def today(self) -> date:
        return datetime.now(UTC).date()

    def writer(self) -> LogWriter:
        return LogWriter(LogLayout.from_filename(self.folder / "audit.jsonl"), KeyRing.from_sources(key()))

    def write(self, count: int = 1) -> None:
        """Write *count* records in a process of their own."""
        writer = self.writer()
        for _ in range(count):
            number = len(self.made)
            self.made[number] = self.today
            writer.append(b'{"event_type":"log","n":%d}' % number)
        writer.stop()

    def write_days(self, days: int) -> None:
        """Write a record on each of so many days, this one the first; it is the day after them then."""
        for _ in range(days):
            self.write()
            self.pass_days(1)

    def pass_days(self, days: int) -> None:
        self.clock.tick(timedelta(days=days))

    def set_clock(self, moment: str) -> None:
        self.clock.move_to(moment)

    def retain(self, policy: Any = SHORT, **options: Any) -> Retained:
        return retain(self.folder, policy, **({"key": key(), "actor": "cron"} | options))

    def checkpoint(self) -> str:
        """Return a checkpoint made now."""
        writer = self.writer()
        line = writer.checkpoint()
        writer.stop()
        return line

    def verify(self, **options: Any) -> VerificationReport:
        return verify(self.folder, key=key(), **options)

    def names(self) -> list[str]:
        """Return the plain names of the segments in the folder itself."""
        return sorted(path.name for path in self.folder.glob("audit_*.jsonl"))

    def archives(self) -> list[str]:
        """Return the names of the segments in the archive, without their .gz."""
        return sorted(path.name.removesuffix(".gz") for path in self.folder.glob("archive/*.gz"))

    def numbers(self) -> set[int]:
        """Return the numbers of the records that are there."""
        plain = [path.read_bytes() for path in self.folder.glob("audit_*.jsonl")]
        packed = [gzip.decompress(path.read_bytes()) for path in self.folder.glob("archive/*.gz")]
        return {int(number) for content in plain + packed for number in _NUMBER.findall(content)}


@contextmanager
def lived(folder: Path, start: str = "2026-01-01 12:00:00") -> Iterator[LivedLog]:
    """Yield a log that begins at *start*."""
    with freeze_time(start) as clock:
        yield LivedLog(folder, clock)


@contextmanager
def ending_at(call: int, end: Callable[[], None]) -> Iterator[list[str]]:
    """Call *end*, instead of what was to be done, at the file call of that number and at all after it.

    Yields the names of the calls so far.
    """
    made: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in FILE_CALLS:
            patch.setattr(os, name, _counted(getattr(os, name), name, made, call, end))
        yield made


def _counted(
    real: Callable[..., Any], name: str, made: list[str], call: int, end: Callable[[], None]
) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        made.append(name)
        if len(made) > call:
            end()
        return real(*arguments, **options)

    return counted


def killed() -> None:
    raise Killed
