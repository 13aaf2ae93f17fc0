"""Anchors: copies of checkpoints that were kept somewhere else than the log (FORMAT 5).

    read_anchors("/mnt/worm/audit-anchors")        a file, or a folder with everything below it
    -> [Anchor(size=1000, root=b"...", origin="host/audit/0001020304050607", log="0001020304050607",
               kept_at=datetime(...), where="/mnt/worm/audit-anchors/2026-11-21.txt")]

A copy is a checkpoint note, a sealed log.checkpoint line (also behind a time stamp or other text that a
shipper put before it), or JSON that holds either in any string at any depth. Its time is when its keeper
recorded it: for a file, its modification time, which is that of the log whose checkpoint stands last; a
line's own timestamp never counts. Signatures are not checked here (see `signers`): without a public key an
anchor counts by where it was kept.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.report import Note
from or_audit_logging.sealing.checkpoint import CheckpointNote, decode_root, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, SealedLine, parse_line

_CHECKPOINT_START = '{"event_type":"log.checkpoint",'
_LINE_END = re.compile(r'"mac":"[0-9a-f]{64}"\}')
_MAX_WHOLE = 16 << 20
"""A file is taken as one note or one JSON document up to this size, and line by line in any case."""
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Anchor:
    """A tree head that somebody else kept: *root* of the tree over seq 0 to *size* - 1.

    `log` is the first 16 hex digits of the log id; `kept_at` (aware) is None where the keeper's time is
    not known; `where` says to a reader where the copy stands; `note` is the note that it is or holds.
    """

    size: int
    root: bytes
    origin: str | None
    log: str | None
    kept_at: datetime | None
    where: str
    note: CheckpointNote | None = field(default=None, compare=False, repr=False)

    @property
    def log_name(self) -> str | None:
        """The first 16 hex digits of the log id, as far as the copy says them."""
        return self.log or (self.origin.rpartition("/")[2] if self.origin else None)


def read_anchors(path: str | os.PathLike[str]) -> list[Anchor]:
    """Return the anchors in the file or folder *path*; raises `ConfigError` where there is no such place."""
    return collect(path)[0]


def collect(path: str | os.PathLike[str], *, refuse: Path | None = None) -> tuple[list[Anchor], list[Note]]:
    """Return the anchors in *path*, and notes on the files that hold none; raises `ConfigError`.

    What stands in *refuse*, the log's own folder or file, is passed over with a note.
    """
    place = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if not os.path.exists(place):
        raise ConfigError(f"there is no anchor file or folder {place}")
    anchors: list[Anchor] = []
    notes: list[Note] = []
    for file in _files(place):
        if refuse is not None and is_inside(file, refuse):
            notes.append(refusal(file))
            continue
        try:
            found = _read_file(file)
        except OSError as error:
            notes.append(_note("anchor-unreadable", f"{file} cannot be read: {error.strerror}"))
            continue
        anchors += found
        if not found:
            notes.append(_note("anchor-none", f"{file} holds no checkpoint"))
    return anchors, notes


def is_inside(where: str | os.PathLike[str], folder: Path) -> bool:
    """Return whether the place *where* lies in *folder*, or in the file of that name; links are followed."""
    inner, outer = os.path.realpath(os.fspath(where)), os.path.realpath(folder)
    return inner == outer or inner.startswith((outer.rstrip(os.sep) + os.sep, f"{outer}:"))


def refusal(where: str) -> Note:
    """Return the note on a copy that stands in the log's own folder, or in the export itself."""
    why = "whoever can change the log can change it too; keep anchors elsewhere"
    return _note("anchor-refused", f"{where} stands in the log's own folder or file: {why}")


def _note(kind: str, message: str) -> Note:
    return Note(None, None, kind, message)


def _files(place: str) -> Iterator[str]:
    if not os.path.isdir(place):
        yield place
        return
    for folder, subfolders, names in os.walk(place):
        subfolders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)


def _read_file(path: str) -> list[Anchor]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return []
        kept_at = datetime.fromtimestamp(status.st_mtime, UTC)
        found: list[Anchor] = []
        number = 0
        while raw := file.readline(MAX_LINE_BYTES):
            number += 1
            found += _in_text(_decode(raw), kept_at=kept_at, where=f"{path}:{number}")
        if not found and status.st_size <= _MAX_WHOLE:
            file.seek(0)
            found += _in_text(_decode(file.read(_MAX_WHOLE)), kept_at=kept_at, where=path)
        return [a if a.log_name == found[-1].log_name else replace(a, kept_at=None) for a in found]


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _in_text(text: str, *, kept_at: datetime, where: str) -> list[Anchor]:
    """Return the anchors in a line or a document: it is one, or it is JSON with some in its strings."""
    found: list[Anchor] = []
    pending: list[tuple[object, int]] = [(text, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            anchors = _from_lines(item, kept_at, where)
            if anchors is None:
                anchors = _from_note(item, kept_at, where)
            if anchors is not None:
                found += anchors
            elif depth < _MAX_DEPTH:
                pending.append((_from_json(item), depth + 1))
        elif isinstance(item, dict):
            pending += [(inner, depth) for inner in (*item, *item.values())]
        elif isinstance(item, list):
            pending += [(inner, depth) for inner in item]
    return found


def _from_json(text: str) -> object:
    start = text.lstrip()
    if start[:1] not in ("{", "[", '"'):
        return None
    try:
        value: object = json.loads(start)
    except (ValueError, RecursionError):
        return None
    return value


def _from_lines(text: str, kept_at: datetime, where: str) -> list[Anchor] | None:
    """Return the anchors that sealed checkpoint lines in *text* are, with or without other text around them.

    None where there is no such line, an empty list where there are some that contradict themselves.
    """
    found: list[Anchor] | None = None
    start = text.find(_CHECKPOINT_START)
    while start >= 0:
        end = _LINE_END.search(text, start)
        if end is None:
            break
        start = text.rfind(_CHECKPOINT_START, start, end.end())  # the one before it was cut
        with suppress(FormatError):
            line = parse_line(text[start : end.end()].encode("ascii", "replace"))
            found = found or []
            if (anchor := _from_line(line, kept_at, where)) is not None:
                found.append(anchor)
        start = text.find(_CHECKPOINT_START, end.end())
    return found


def _from_line(line: SealedLine, kept_at: datetime, where: str) -> Anchor | None:
    """Return the anchor that *line* is, None where it contradicts itself."""
    try:
        members = parse_control(line.raw)
        size, root, note = members["size"], decode_root(members["root"]), members["note"]
        signed = parse_note(note) if isinstance(note, str) else None
    except FormatError:
        return None
    if type(size) is not int or size != line.seq:
        return None
    origin = None
    if signed is not None:
        origin = signed.origin
        if (signed.head.size, signed.head.root) != (size, root) or not origin.endswith(f"/{line.log}"):
            return None
    return Anchor(size, root, origin, line.log, kept_at, where, signed)


def _from_note(text: str, kept_at: datetime, where: str) -> list[Anchor] | None:
    try:
        note: CheckpointNote = parse_note(text.strip("\n") + "\n")  # keepers trim and pad
    except FormatError:
        return None
    return [Anchor(note.head.size, note.head.root, note.origin, None, kept_at, where, note)]
