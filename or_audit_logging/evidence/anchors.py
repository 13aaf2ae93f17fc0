"""Anchors: copies of checkpoints that were kept somewhere else than the log (FORMAT 5).

    read_anchors("/mnt/worm/audit-anchors")        a file, or a folder with everything below it
    -> [Anchor(size=1000, root=b"...", origin="host/audit/0001020304050607", log="0001020304050607",
               kept_at=datetime(...), where="/mnt/worm/audit-anchors/2026-11-21.txt:1")]

A copy is a checkpoint note, or a sealed log.checkpoint line in whatever a shipper or a log service made of
it (see `copies`); files may be compressed with gzip. Its time is when its keeper recorded it: what the
service's export states (see `keepers`), otherwise the file's modification time; a line's own timestamp never
counts. Signatures are not checked here (see `signers`): without a public key an anchor counts by where it
was kept.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.copies import Copies, Copy, copies_in, may_hold_copies, notes_in
from or_audit_logging.evidence.json_in_text import WINDOW, begins_document
from or_audit_logging.evidence.keepers import IS_HOST, leading_time
from or_audit_logging.evidence.report import Note
from or_audit_logging.log.segments import DAY, HOST
from or_audit_logging.sealing.checkpoint import CheckpointNote

_ROOT = re.compile(r"[A-Za-z0-9+/]{43}=\n?")
_KEY = re.compile(rf"s3:.*/{DAY}[^/]+/{HOST}({IS_HOST.pattern})/checkpoints/")
_MAX_NOTES = 16 << 20
"""Notes, which go over several lines, are looked for in so many characters of a file."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A tree head that somebody else kept: *root* of the tree over seq 0 to *size* - 1.

    `log` is the first 16 hex digits of the log id; `kept_at` (aware) is None where the keeper's time is
    not known; `where` says to a reader where the copy stands; `note` is the note that it is or holds, and
    `text` the copy itself: the sealed line, or the note. `host` is whose folder in a bucket it was kept in,
    where that is known: the word of whoever put it there.
    """

    size: int
    root: bytes
    origin: str | None
    log: str | None
    kept_at: datetime | None
    where: str
    note: CheckpointNote | None = field(default=None, compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)
    host: str | None = field(default=None, compare=False)

    @property
    def log_name(self) -> str | None:
        """The first 16 hex digits of the log id, as far as the copy says them."""
        return self.log or (self.origin.rpartition("/")[2] if self.origin else None)


def read_anchors(path: str | os.PathLike[str]) -> list[Anchor]:
    """Return the anchors in the file or folder *path*; raises `ConfigError` where there is no such place."""
    return collect(path)[0]


def collect(
    path: str | os.PathLike[str],
    *,
    refuse: Path | None = None,
    passes: Callable[[str], bool] = lambda file: True,
) -> tuple[list[Anchor], list[Note]]:
    """Return the anchors in *path*, and notes on the files that hold none; raises `ConfigError`.

    What stands in *refuse*, the log's own folder or file, is passed over with a note; a file that *passes*
    says no to is passed over.
    """
    place = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if not os.path.exists(place):
        raise ConfigError(f"there is no anchor file or folder {place}")
    anchors: list[Anchor] = []
    notes: list[Note] = []
    unreadable: list[OSError] = []
    files = list(_files(place, unreadable))
    notes += [_unreadable(error.filename, error) for error in unreadable]
    if not files and not unreadable:
        notes.append(_note("anchor-none", f"there is no file in {place}"))
    for file in files:
        if refuse is not None and is_inside(file, refuse):
            notes.append(refusal(file))
            continue
        if not passes(file):
            continue
        try:
            found, damaged = _read_file(file)
        except OSError as error:
            notes.append(_unreadable(file, error))
            continue
        anchors += found
        if damaged:
            said = "1 checkpoint" if damaged == 1 else f"{damaged:,} checkpoints"
            why = "changed on the way here: cut, or they contradict themselves"
            notes.append(_note("anchor-damaged", f"{file} holds {said} {why}"))
        elif not found:
            notes.append(_note("anchor-none", f"{file} holds no checkpoint"))
    return anchors, notes


def collect_texts(kept: Iterable[tuple[str, datetime, str]]) -> tuple[list[Anchor], list[Note]]:
    """Return the anchors in texts, each with the time since when it is kept (aware), and where."""
    anchors: list[Anchor] = []
    notes: list[Note] = []
    for text, kept_at, where in kept:
        copies = copies_in(text)
        anchors += [_anchor(copy, kept_at, where, _host_in(where)) for copy in copies.found]
        if copies.damaged:
            notes.append(_note("anchor-damaged", f"{where} was changed: cut, or it contradicts itself"))
        elif not copies.found:
            notes.append(_note("anchor-none", f"{where} holds no checkpoint"))
    return anchors, notes


def is_inside(where: str | os.PathLike[str], folder: Path) -> bool:
    """Return whether the place *where* lies in *folder*, or in the file of that name; links are followed."""
    inner, outer = os.path.realpath(os.fspath(where)), os.path.realpath(folder)
    return inner == outer or inner.startswith((outer.rstrip(os.sep) + os.sep, f"{outer}:"))


def refusal(where: str) -> Note:
    """Return the note on a copy that stands in the log's own folder, or in the export itself."""
    why = "whoever can change the log can change it too; keep anchors elsewhere"
    return _note("anchor-refused", f"{where} stands in the log's own folder or file: {why}")


def _anchor(copy: Copy, kept_at: datetime | None, where: str, host: str | None) -> Anchor:
    return Anchor(
        copy.size, copy.root, copy.origin, copy.log, kept_at, where, copy.note, copy.text, host=host
    )


def _host_in(where: str) -> str | None:
    """Return the host in the key of a checkpoint in a bucket; None for any other place."""
    found = _KEY.match(where)
    return found[1] if found is not None else None


def _note(kind: str, message: str) -> Note:
    return Note(None, None, kind, message)


def _unreadable(place: str, error: OSError) -> Note:
    return _note("anchor-unreadable", f"{place} cannot be read: {error.strerror or error}")


def _files(place: str, unreadable: list[OSError]) -> Iterator[str]:
    """Yield the files in *place*; folders that cannot be listed are added to *unreadable*."""
    if not os.path.isdir(place):
        yield place
        return
    for folder, subfolders, names in os.walk(place, onerror=unreadable.append):
        subfolders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)


def _read_file(path: str) -> tuple[list[Anchor], int]:
    """Return the anchors in a file, and how many copies in it are damaged; raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return [], 0
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        copies, times = _copies_in(file)
    dates = _dates(copies, times, modified)
    anchors = [
        _anchor(copy, date, f"{path}:{copy.line}", copy.host)
        for copy, date in zip(copies.found, dates, strict=True)
    ]
    return anchors, copies.damaged


def _dates(copies: Copies, times: Mapping[int, datetime], modified: datetime) -> list[datetime | None]:
    """Return when each of *copies*, those of one file, was recorded, as far as that can be known.

    What an export states; otherwise the file's modification time, for the log whose copy stands last in it,
    unless that copy stood there before. Where the text line begins with an earlier time, that one: a file
    may have been made from others. A file cannot hold what was recorded after it was last *modified*.
    """
    last = copies.last
    dates = []
    for copy in copies.found:
        date = None
        if copy.is_dated:
            date = copy.kept_at
        elif copies.is_last_new and last is not None and copy.log_name == last.log_name:
            date = times.get(copy.line, modified)
        dates.append(min(date, modified) if date is not None else None)
    return dates


def _copies_in(file: BinaryIO) -> tuple[Copies, dict[int, datetime]]:
    """Return the copies in *file*, and the times that text lines with a copy begin with, by line.

    Raises `OSError`, also for an archive that is cut or damaged.
    """
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source: BinaryIO = cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb")) if packed else file
    try:
        mark = source.read(2)
        encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        source.seek(0)
        with io.TextIOWrapper(source, encoding, errors="replace") as text:
            return _copies_in_text(text)
    except (EOFError, zlib.error) as error:
        raise OSError(errno.EIO, "damaged archive") from error


def _copies_in_text(text: TextIO) -> tuple[Copies, dict[int, datetime]]:
    copies = Copies()
    times: dict[int, datetime] = {}
    line = text.readline(WINDOW)
    if begins_document(line):
        return copies_in(line, copies, read=text.read), times
    number, has_root = 0, False
    while line:
        number += 1
        has_root = has_root or _ROOT.fullmatch(line) is not None
        if may_hold_copies(line):
            kept = copies.add_all(copies_in(line, line=number))
            if kept and (time := leading_time(line)) is not None:
                times |= {copy.line: min(time, times.get(copy.line, time)) for copy in kept}
        line = text.readline(WINDOW)
    if has_root:
        text.seek(0)
        notes_in(text.read(_MAX_NOTES), copies)
        copies.found.sort(key=lambda copy: copy.line)
    return copies, times
