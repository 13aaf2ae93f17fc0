"""Anchor files made of what keepers export: of each log one file, in it each checkpoint once.

    gathered = gather(["exports/"])          # CloudWatch, Google, Splunk, Datadog, Elasticsearch, files
    gathered.logs[0].anchors                 # smallest first
    save(gathered, "anchors")                # anchors/0001020304050607.anchors, with what was there before

A line of such a file is {"kept_at":"2026-11-21T10:00:01.500000Z","checkpoint":"<sealed line or note>"}, and
`kept_at` is null where nobody knows; "host" follows where a bucket's key states one. Whoever writes the file
can state any time, as with a file's own.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.anchors import Anchor, collect, collect_texts
from or_audit_logging.evidence.arguments import PathText, Pin
from or_audit_logging.evidence.copies import copies_in
from or_audit_logging.evidence.keepers import CHECKPOINT, HOST, KEPT_AT
from or_audit_logging.evidence.report import Note
from or_audit_logging.log.folder import sync_folder
from or_audit_logging.log.segments import DATED, LOCK_NAME, LogLayout
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, parse_line

SUFFIX = ".anchors"

_LOG = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class LogAnchors:
    """One log's checkpoints, smallest first, each once, with the time at which it was first kept.

    `log` is the first 16 hex digits of its id. `contradictions` are the sizes at which two checkpoints state
    different trees: whoever wrote the log, or its keeper, has shown two histories.
    """

    log: str
    origin: str | None
    anchors: tuple[Anchor, ...]
    contradictions: tuple[int, ...]

    @property
    def newest(self) -> Anchor:
        """The checkpoint that covers the most lines."""
        return self.anchors[-1]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found: the logs by name, and notes on what was none or damaged, `has_troubles` if so."""

    logs: tuple[LogAnchors, ...]
    notes: tuple[Note, ...]
    has_troubles: bool


def gather(
    places: Sequence[PathText],
    *,
    log_id: str | None = None,
    kept: Iterable[tuple[str, datetime, str]] = (),
) -> Gathered:
    """Return the checkpoints in *places*, files and folders, of all logs or the one with *log_id*.

    Also those that are *kept* elsewhere: text, since when (aware), where. What stands in a log's folder is
    no anchor and left out, as are the segments of a copied log; files of another kind beside those, such as
    checkpoints in a bucket, count. Trouble is a log's own folder, a file that cannot be read, a checkpoint
    that was changed on its way, and a *place* without one.

    Raises `ConfigError` for a place that is not there, and for a *log_id* that is none.
    """
    wanted = Pin.parse(log_id).log
    anchors, notes = collect_texts(kept)
    empty = False
    for place in places:
        own = _Own()
        found, said = collect(place, passes=own.passes)
        anchors += found
        notes += [*said, *own.notes()]
        empty = empty or not found
    others = sum(_LOG.fullmatch(anchor.log_name or "") is None for anchor in anchors)
    if others:
        notes.append(Note(None, None, "anchor-other", f"{others:,} checkpoints are of no log of this kind"))
    troubles = {"anchor-unreadable", "anchor-damaged", "anchor-own"} & {note.kind for note in notes}
    return Gathered(_by_log(anchors, wanted), tuple(notes), empty or bool(troubles))


def save(gathered: Gathered, folder: PathText) -> tuple[Gathered, list[Path]]:
    """Write one file for each log to *folder*, which is made if need be, and return their paths.

    What such a file holds already stays, and counts in what is returned: exports of many days go to one
    folder. Raises `ConfigError` for a log's own folder and for files that something else has written, and
    `OSError`.
    """
    target = Path(os.path.abspath(os.path.expanduser(os.fspath(folder))))
    if (inside := log_around(target)) is not None:
        raise ConfigError(f"{target} is inside the log's folder {inside}; an anchor is a copy kept elsewhere")
    target.mkdir(parents=True, exist_ok=True)
    logs, paths = [], []
    for log in gathered.logs:
        path = target / f"{log.log}{SUFFIX}"
        kept = _read_own(path) if path.exists() else []
        merged = _by_log([*kept, *log.anchors], log.log)[0]
        _write(path, "".join(_line(anchor) for anchor in merged.anchors))
        logs.append(merged)
        paths.append(path)
    return replace(gathered, logs=tuple(logs)), paths


def log_around(path: Path) -> Path | None:
    """Return the folder of the log that *path* is in or is, None where it is in none."""
    place = path.expanduser().resolve()
    for folder in (place, *place.parents):
        try:
            if (folder / LOCK_NAME).exists() and LogLayout.discover(folder) is not None:
                return folder
        except (ConfigError, OSError):
            continue
    return None


class _Own:
    """Tells a log's own files from what was kept elsewhere, and remembers how many there were."""

    def __init__(self) -> None:
        self._logs: dict[Path, Path | None] = {}
        self._segments: dict[Path, frozenset[Path]] = {}
        self._beside: Counter[Path] = Counter()
        self._copied: Counter[Path] = Counter()

    def passes(self, file: str) -> bool:
        """Return whether *file* may hold anchors."""
        path = Path(os.path.realpath(file))
        folder = path.parent
        if folder not in self._logs:
            self._logs[folder] = log_around(folder)
            self._segments[folder] = frozenset(_segments_in(folder))
        if (log := self._logs[folder]) is not None:
            self._beside[log] += 1
        elif path in self._segments[folder]:
            self._copied[folder] += 1
        else:
            return True
        return False

    def notes(self) -> Iterator[Note]:
        """Yield what was passed over."""
        for folder, count in self._beside.items():
            why = "what stands beside a log was kept by whoever can change it, and is no anchor"
            yield Note(None, None, "anchor-own", f"passed over in the log {folder}: {_files(count)}; {why}")
        for folder, count in self._copied.items():
            why = "a log's segments vouch for nothing but themselves; only other files there count"
            yield Note(None, None, "anchor-copy", f"passed over in {folder}: {_files(count)}; {why}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _segments_in(folder: Path) -> Iterator[Path]:
    """Yield the segments in *folder*: dated files, of whose name at least one states that it is its own."""
    kinds: dict[tuple[str, str], list[Path]] = {}
    own = set()
    for path in folder.iterdir():
        name = path.name.removesuffix(".gz")
        if (dated := DATED.fullmatch(name)) is not None and path.is_file():
            kind = (dated["stem"], dated["suffix"])
            kinds.setdefault(kind, []).append(path)
            if kind not in own and _states_name(path, name):
                own.add(kind)
    for kind in own:
        yield from kinds[kind]


def _states_name(path: Path, name: str) -> bool:
    """Return whether the first line of *path* is that of the segment called *name*."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as lines:
            first = parse_control(parse_line(lines.readline(MAX_LINE_BYTES).removesuffix(b"\n")).raw)
    except (FormatError, OSError, EOFError, zlib.error):
        return False
    return first.get("segment") == name


def _by_log(anchors: Iterable[Anchor], wanted: str | None) -> tuple[LogAnchors, ...]:
    logs: dict[str, list[Anchor]] = {}
    for anchor in anchors:
        name = anchor.log_name or ""
        if _LOG.fullmatch(name) and wanted in (None, name):
            logs.setdefault(name, []).append(anchor)
    return tuple(_of_log(log, found) for log, found in sorted(logs.items()))


def _of_log(log: str, found: Iterable[Anchor]) -> LogAnchors:
    """Return the different checkpoints among *found*; of the same head, those that are signed, if any."""
    heads: dict[tuple[int, bytes], dict[tuple[str, ...], Anchor]] = {}
    for anchor in found:
        signatures = tuple(sorted(str(one) for one in anchor.note.signatures)) if anchor.note else ()
        copies = heads.setdefault((anchor.size, anchor.root), {})
        copies[signatures] = _better(copies[signatures], anchor) if signatures in copies else anchor
    kept: list[Anchor] = []
    for _, copies in sorted(heads.items()):
        first = min((one.kept_at for one in copies.values() if one.kept_at is not None), default=None)
        signed = [one for signatures, one in sorted(copies.items()) if signatures]
        kept += [replace(one, kept_at=first) for one in signed or copies.values()]
    roots = Counter(size for size, _ in heads)
    contradictions = tuple(sorted(size for size, count in roots.items() if count > 1))
    origin = next((one.origin for one in reversed(kept) if one.origin is not None), None)
    return LogAnchors(log, origin, tuple(kept), contradictions)


def _better(one: Anchor, other: Anchor) -> Anchor:
    """Return which of two copies says more, a line more than its note, with the time of the first."""
    times = [copy.kept_at for copy in (one, other) if copy.kept_at is not None]
    more = other if one.log is None and other.log is not None else one
    return replace(more, kept_at=min(times, default=None), host=one.host or other.host)


def _line(anchor: Anchor) -> str:
    kept_at = utc_timestamp(anchor.kept_at) if anchor.kept_at is not None else None
    members = {KEPT_AT: kept_at, CHECKPOINT: anchor.text}
    if anchor.host is not None:
        members[HOST] = anchor.host
    return json.dumps(members, separators=(",", ":")) + "\n"


def _read_own(path: Path) -> list[Anchor]:
    """Return what a file of ours holds; raises `ConfigError` where it is not one, or not whole."""
    try:
        for line in path.read_text("ascii").splitlines():
            members, found = json.loads(line), copies_in(line).found
            is_own = isinstance(members, dict) and members.keys() - {HOST} == {KEPT_AT, CHECKPOINT}
            if not is_own or len(found) != 1:
                raise FormatError("not a line of an anchor file")
    except (ValueError, RecursionError):
        what = "is there and was not made by 'or-audit anchors', or was changed since"
        raise ConfigError(f"{path} {what}; give another folder") from None
    return collect(path)[0]


def _write(path: Path, text: str) -> None:
    """Put *text* in the place of *path*, at once and on disk; raises `OSError`."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="ascii", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    sync_folder(path.parent)
