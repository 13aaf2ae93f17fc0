"""A log's segments on disk: their names, their days and their order (FORMAT 1).

    layout = LogLayout.from_filename("audit_logs/audit.jsonl")
    layout.path_for(date(2026, 11, 21))            -> audit_logs/audit_2026-11-21.jsonl
    layout.segments()                              -> in the order of their first seq, archives included

The active segment already bears its date and nothing is ever renamed. Archived segments are
`archive/<name>.gz`: the same bytes, compressed. A copy of a log from object storage is read, and never
written: `dt=2026-11-21/host=h1/<name>.gz`, of one host.
"""

from __future__ import annotations

import errno
import glob
import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, cast

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.sealing.line import MAX_LINE_BYTES, SealedLine, parse_line

ARCHIVE = "archive"
LOCK_NAME = "audit.lock"
DAY, HOST = "dt=", "host="
ANY_DAY = f"{DAY}*"
"""How folders in a copy from object storage are called, and how all its days are."""

DATED = re.compile(
    r"(?P<stem>.+)_(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.(?P<number>[1-9][0-9]*))?(?P<suffix>\.[A-Za-z0-9]+)"
)
"""A segment's plain name."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a log. `name` is the plain name, also where the file is an archive."""

    path: Path
    name: str
    day: date
    number: int

    @property
    def archived(self) -> bool:
        return self.path.suffix == ".gz"

    def open(self) -> BinaryIO:
        """Return the segment's bytes as a stream, decompressed where it is an archive.

        Raises `OSError`, also where the file is no regular one: a pipe would be waited for.
        """
        file = open(self.path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - the caller closes it
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(self.path))
        if self.archived:
            return cast("BinaryIO", _Archive(file))
        return file

    def lines(self) -> Iterator[bytes]:
        """Yield the segment's lines, or pieces of `MAX_LINE_BYTES`; raises `OSError`."""
        with self.open() as file:
            try:
                while line := file.readline(MAX_LINE_BYTES):
                    yield line
            except (EOFError, zlib.error) as error:
                raise OSError(errno.EIO, "damaged archive", os.fspath(self.path)) from error

    def first_line(self) -> SealedLine | None:
        """Return the first line, or None where the file is empty or does not start with a sealed line.

        Raises `OSError` where a plain file cannot be read: what cannot be read must not pass for absent.
        What is no regular file is none of the log's.
        """
        if not self.path.is_file():
            return None
        try:
            with self.open() as file:
                return parse_line(file.readline(MAX_LINE_BYTES).removesuffix(b"\n"))
        except (FormatError, EOFError, zlib.error, gzip.BadGzipFile):
            return None


class _Archive(gzip.GzipFile):
    """An archive's bytes; closing it closes the file as well."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@dataclass(frozen=True, slots=True)
class LogLayout:
    """Folder, stem and suffix of a log: all that its file names are made of.

    `host`, of a copy from object storage: whose segments in the folder are meant; None where there is one.
    """

    folder: Path
    stem: str
    suffix: str
    host: str | None = None

    @classmethod
    def from_filename(cls, filename: str | os.PathLike[str]) -> LogLayout:
        """Return the layout that a handler's *filename* stands for; raises `ConfigError`."""
        try:
            path = Path(os.path.abspath(os.path.expanduser(os.fspath(filename))))
        except TypeError:
            raise ConfigError("filename is a path, such as audit_logs/audit.jsonl") from None
        if not path.suffix or not re.fullmatch(r"[A-Za-z0-9._-]+", path.stem):
            raise ConfigError(
                f"filename {path.name!r} needs a stem of letters, digits, . _ - "
                "and a suffix, such as audit.jsonl"
            )
        return cls(path.parent, path.stem, path.suffix)

    @classmethod
    def discover(cls, folder: str | os.PathLike[str]) -> LogLayout | None:
        """Return the layout of the log in *folder*, None where there is none; raises `ConfigError`.

        One folder holds one log: a second stem is refused, and so are copies of several hosts' logs.
        """
        root = Path(folder)
        if len(hosts := copied_hosts(root)) > 1:
            raise ConfigError(
                f"{root} holds the logs of {len(hosts)} hosts ({', '.join(hosts[:3])}, ...): verify --all "
                f"takes them one by one; anything else takes one, such as '{root}/{ANY_DAY}/{HOST}{hosts[0]}/"
                "audit.jsonl'"
            )
        found = {(s.name_parts[0], s.name_parts[1]) for s in _dated_files(root)}
        if len(found) > 1:
            names = ", ".join(sorted(stem + suffix for stem, suffix in found))
            raise ConfigError(f"{root} holds more than one log ({names}); one folder holds one log")
        return cls(root, *found.pop()) if found else None

    @classmethod
    def of_copy(cls, filename: Path) -> LogLayout | None:
        """Return the layout of one log in a copy from object storage; None for any other *filename*.

        `FOLDER/dt=*/host=h1/audit.jsonl`, with that very asterisk, is the host's log with all its days.
        """
        host, days = filename.parent.name, filename.parent.parent
        if days.name != ANY_DAY or not host.startswith(HOST) or not filename.suffix:
            return None
        return cls(days.parent, filename.stem, filename.suffix, host.removeprefix(HOST))

    @property
    def filename(self) -> Path:
        """What a handler's filename is, or would be; of a copy, what `of_copy` takes."""
        folder = self.folder / ANY_DAY / f"{HOST}{self.host}" if self.host is not None else self.folder
        return folder / f"{self.stem}{self.suffix}"

    def name_for(self, day: date, number: int = 0) -> str:
        """Return the plain name of the day's segment (of its *number*-th successor)."""
        return f"{self.stem}_{day.isoformat()}{f'.{number}' if number else ''}{self.suffix}"

    def path_for(self, day: date, number: int = 0) -> Path:
        """Return where that segment stands while it is not archived."""
        return self.folder / self.name_for(day, number)

    def archive_for(self, name: str) -> Path:
        """Return where the segment called *name* stands once it is archived."""
        return self.folder / ARCHIVE / f"{name}.gz"

    def files(self) -> list[Segment]:
        """Return every segment file, plain and archived, by name; a segment in both forms comes twice."""
        return sorted(
            (
                f.segment
                for f in _dated_files(self.folder, self.host)
                if f.name_parts == (self.stem, self.suffix)
            ),
            key=lambda s: (s.day, s.number, s.archived),
        )

    def is_copied(self, segment: Segment) -> bool:
        """Return whether *segment*, one of `files`, stands there as it does in object storage."""
        return segment.path.parent not in (self.folder, self.folder / ARCHIVE)

    def segments(self) -> list[tuple[int, Segment]]:
        """Return (first seq, segment) of each file that starts with a sealed line, in the order of seq."""
        ordered = [
            (line.seq, segment) for segment in self.files() if (line := segment.first_line()) is not None
        ]
        return sorted(ordered, key=lambda pair: (pair[0], pair[1].archived))


@dataclass(frozen=True, slots=True)
class _DatedFile:
    segment: Segment
    name_parts: tuple[str, str]


def layouts_in(folder: Path) -> list[LogLayout]:
    """Return the layout of every log in *folder*: its own, and those of which there are copies in it."""
    own = {LogLayout(folder, *file.name_parts) for file in _own_files(folder)}
    copies = {
        LogLayout(folder, *file.name_parts, host=_host_of(place))
        for place in folder.glob(f"{ANY_DAY}/{HOST}*")
        for file in _files_in((place, True))
    }
    return sorted(own | copies, key=lambda layout: layout.filename)


def copied_hosts(folder: Path) -> list[str]:
    """Return the hosts whose segments stand in *folder* as they stand in object storage, by name.

    There is none where *folder* holds segments of its own.
    """
    if any(_own_files(folder)):
        return []
    places = folder.glob(f"{ANY_DAY}/{HOST}*")
    return sorted({_host_of(place) for place in places if any(_files_in((place, True)))})


def _host_of(place: Path) -> str:
    return place.name.removeprefix(HOST)


def _dated_files(folder: Path, host: str | None = None) -> list[_DatedFile]:
    own = [*_own_files(folder)] if host is None else []
    places = folder.glob(f"{ANY_DAY}/{HOST}{'*' if host is None else glob.escape(host)}")
    return own or [*_files_in(*((place, True) for place in places))]


def _own_files(folder: Path) -> Iterator[_DatedFile]:
    return _files_in((folder, False), (folder / ARCHIVE, True))


def _files_in(*places: tuple[Path, bool]) -> Iterator[_DatedFile]:
    """Yield the files in *places*, each a folder and whether what stands in it is compressed."""
    for place, archived in places:
        try:
            entries = sorted(os.listdir(place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            name = entry.removesuffix(".gz") if archived else entry
            if archived and name == entry:
                continue
            match = DATED.fullmatch(name)
            if match is None:
                continue
            try:
                day = date.fromisoformat(match["day"])
            except ValueError:
                continue
            yield _DatedFile(
                Segment(place / entry, name, day, int(match["number"] or 0)), (match["stem"], match["suffix"])
            )
