"""`Listing`: the files of a log that hold lines, in their order; not looked at again without need.

listing = Listing(layout)
listing.sources()                       # by a look at each file
listing.known()                         # looked at again where a file came, went, or got its first line
"""

from __future__ import annotations

import errno
import os
import time
from datetime import date
from pathlib import Path

from or_audit_logging.log.segments import ARCHIVE, LogLayout
from or_audit_logging.log.sources import Source, survey

_SETTLED, _LISTED_AGAIN = 2.0, 10.0
"""Seconds: a folder's time of change may stay the same over changes that follow one another so closely; and
the longest time for which it is believed."""


class Listing:
    """The files of one log."""

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._sources: list[Source] = []
        self._places: dict[str, int] = {}
        """Where among the sources each stands, by name."""
        self._listing: frozenset[Path] | None = None
        self._without_lines: dict[Path, int] = {}
        """Files that have no line yet, and how long they were."""
        self._folders: tuple[int, int] | None = None
        self._folders_changed = self._listed_at = 0.0

    def sources(self) -> list[Source]:
        """Return the log's files that hold lines, in their order; `OSError` where one cannot be read."""
        return [source for source in self._survey() if source.kind == "lines"]

    def log(self) -> str | None:
        """Return the 16 hex digits that the log's first line bears; None where there is no line yet."""
        return next((source.first.log for source in self.sources() if source.first is not None), None)

    def first_since(self, day: date) -> Source | None:
        """Return the first file of *day* or later."""
        return next((source for source in self.sources() if source.segment.day >= day), None)

    def known(self, *, anew: bool = False) -> list[Source]:
        """Return `sources()`, looked at again where a file came, went, or may have got its first line.

        A source's size is that of the last look: the others are opened once, however often this is asked.
        Folders that did not change are not listed again, unless *anew*: that takes long where files are many.
        """
        listing = self._listing
        if self._may_have_changed() or listing is None or anew:
            listing = frozenset(file.path for file in self._layout.files())
        sizes = {path: size_of(path) for path in self._without_lines}
        if listing != self._listing or sizes != self._without_lines:
            found = self._survey()
            self._sources = [source for source in found if source.kind == "lines"]
            self._places = {source.name: at for at, source in enumerate(self._sources)}
            self._without_lines = {
                source.segment.path: source.size for source in found if source.kind != "lines"
            }
            self._listing = listing
        return self._sources

    def place_of(self, name: str) -> int | None:
        """Return where the file *name* stands among those that `known` returned; None where it does not."""
        return self._places.get(name)

    def _survey(self) -> tuple[Source, ...]:
        found = survey(self._layout).sources
        for source in found:
            if source.trouble is not None or source.kind == "irregular":
                reason = source.trouble or "not a regular file"
                raise OSError(errno.EIO, reason, os.fspath(source.segment.path))
        return found

    def _may_have_changed(self) -> bool:
        """Return whether files may have come or gone since the last time that this returned true."""
        folder, now = self._layout.folder, time.monotonic()
        times = _changed_at(folder), _changed_at(folder / ARCHIVE)
        if times != self._folders:
            self._folders, self._folders_changed = times, now
        elif self._listed_at - self._folders_changed > _SETTLED and now - self._listed_at < _LISTED_AGAIN:
            return False
        self._listed_at = now
        return True


def _changed_at(folder: Path) -> int:
    """Return when an entry of *folder* changed, in ns; -1 where there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return -1


def size_of(path: Path) -> int:
    """Return how long the file is, -1 where it is not there (any more)."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
