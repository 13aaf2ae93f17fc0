"""Copies of checkpoints in what a keeper made of them: in text, in JSON, in strings of JSON in JSON.

    copies_in('{"events":[{"message":"{\\"event_type\\":\\"log.checkpoint\\",...}","ingestionTime":...}]}')
    -> Copies(found=[Copy(size=1000, root=b"...", ...)], damaged=0)

A copy is a sealed log.checkpoint line, a note, or the line as a JSON object. An object may have been taken
apart and written anew, with other members beside the line's: all that an anchor needs are size and root,
and the seal was never looked at. What stands inside another sealed line is a record's content and no copy.
What looks like a checkpoint and is none, or contradicts itself, is counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence import keepers
from or_audit_logging.evidence.json_in_text import pieces_of
from or_audit_logging.sealing.checkpoint import CheckpointNote, decode_root, parse_note
from or_audit_logging.sealing.control import COMMON, MEMBERS, SUFFIX, parse_control
from or_audit_logging.sealing.line import parse_line

_EVENT = "log.checkpoint"
_NAMES = (*COMMON, *MEMBERS[_EVENT], *SUFFIX)
_SEALED = frozenset(("event_type", *SUFFIX))
_HASH = re.compile(r"[0-9a-f]{64}")
_ROOT = re.compile(r"[A-Za-z0-9+/\\]{43}=")
"""What a note has, however it is escaped."""
_TRACE = re.compile(r"event_type\W{1,12}log\.checkpoint")
_NOTE_START = re.compile(
    r"^[A-Za-z0-9._/-]{1,200}\n(?:0|[1-9][0-9]{0,18})\n[A-Za-z0-9+/]{43}=$", re.MULTILINE
)
_MAX_DEPTH = 64
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Copy:
    """A checkpoint as somebody kept it; `text` is its sealed line, or the note where there is no more.

    `is_dated` where the keeper's own export surrounds it, which then states in `kept_at` when it was
    recorded, or does not (None); `host` is whose it says that it is. `line` counts from 1 in the text that
    was looked through.
    """

    size: int
    root: bytes
    origin: str | None
    log: str | None
    text: str
    note: CheckpointNote | None
    line: int = 1
    is_dated: bool = False
    kept_at: datetime | None = None
    host: str | None = None

    @property
    def log_name(self) -> str | None:
        """The first 16 hex digits of the log id, as far as the copy says them."""
        return self.log or (self.origin.rpartition("/")[2] if self.origin else None)


@dataclass(slots=True)
class Copies:
    """The copies in a text, in its order, and how many were changed on their way so that they are none.

    Copies that say the same are kept once, where the first of them stands, with the earliest of their times.
    """

    found: list[Copy] = field(default_factory=list)
    damaged: int = 0
    last: Copy | None = None
    """The one furthest down, also where it says what another did."""
    _heads: Counter[tuple[object, ...]] = field(default_factory=Counter)
    _places: dict[Copy, int] = field(default_factory=dict)

    @property
    def is_last_new(self) -> bool:
        """Whether the last one is of a checkpoint that no other is of."""
        return self.last is not None and self._heads[_head(self.last)] == 1

    def add(self, copy: Copy) -> Copy:
        """Add *copy* and return the one that is kept of it."""
        self._heads[_head(copy)] += 1
        if self.last is None or copy.line >= self.last.line:
            self.last = copy
        place = self._places.setdefault(replace(copy, line=0, kept_at=None), len(self.found))
        if place == len(self.found):
            self.found.append(copy)
        else:
            kept = self.found[place]
            times = [one.kept_at for one in (kept, copy) if one.kept_at is not None]
            self.found[place] = replace(kept, kept_at=min(times, default=None))
        return self.found[place]

    def add_all(self, others: Copies) -> list[Copy]:
        """Add what *others* are of a part of the text that stands further down; return what is kept of it."""
        kept = [self.add(copy) for copy in others.found]
        if others.last is not None:
            self.last = others.last
        self._heads.update(others._heads)
        self._heads.subtract(map(_head, others.found))
        self.damaged += others.damaged
        return kept


def _head(copy: Copy) -> tuple[object, ...]:
    return copy.size, copy.root, copy.log_name


def may_hold_copies(text: str) -> bool:
    """Return whether it is worth looking into *text*."""
    return _EVENT in text or ("=" in text and _ROOT.search(text) is not None)


def notes_in(text: str, copies: Copies, *, line: int = 1) -> None:
    """Add to *copies* the notes that stand in *text* as they are, which begins on *line*."""
    matches = list(_NOTE_START.finditer(text))
    starts = [*(match.start() for match in matches), len(text)]
    counted = 0
    for match, (start, end) in zip(matches, pairwise(starts), strict=True):
        line, counted = line + text.count("\n", counted, start), start
        whole = text[start:end].strip("\n") + "\n"  # keepers trim and pad
        for written in (whole, f"{match[0]}\n"):  # with signatures, or before other text
            with suppress(FormatError):
                note = parse_note(written)
                copies.add(Copy(note.head.size, note.head.root, note.origin, None, written, note, line))
                break
        else:
            copies.damaged += 1


def copies_in(
    text: str, copies: Copies | None = None, *, line: int = 1, read: Callable[[int], str] | None = None
) -> Copies:
    """Return the copies in *text*, which begins on *line*, and in what *read* returns after it."""
    copies = Copies() if copies is None else copies
    for piece in pieces_of(text, read=read):
        if piece.is_json:
            _Search(copies, line + piece.line - 1).value(piece.value, piece.text)
        else:
            copies.damaged += len(_TRACE.findall(piece.text))
    return copies


class _Search:
    """Goes through one JSON value, without recursion: whoever wrote it chose how deep it is."""

    def __init__(self, copies: Copies, line: int) -> None:
        self._copies, self._line = copies, line

    def value(self, value: object, source: str) -> None:
        pending: list[tuple[object, int, _Kept]] = [(value, 0, _UNDATED)]
        first: str | None = source
        while pending:
            item, depth, kept = pending.pop()
            if isinstance(item, str):
                if depth < _MAX_DEPTH and may_hold_copies(item):
                    pending += [(inner, depth + 1, kept) for inner in self._in_string(item, kept)]
            elif isinstance(item, list):
                entry = keepers.as_entry(item)
                inner = item if entry is None else [entry]
                pending += [(each, depth, kept) for each in reversed(inner)]
            elif isinstance(item, _Sourced):
                pending += self._object(item.members, item.source, depth, kept)
            elif isinstance(item, dict):
                pending += self._object(item, first, depth, kept)
            first = None

    def _object(
        self, members: dict[str, object], source: str | None, depth: int, kept: _Kept
    ) -> list[tuple[object, int, _Kept]]:
        """Take the checkpoint that *members* are, or return what stands in them."""
        if not kept.is_dated and keepers.states_time(members):
            kept = _Kept(True, keepers.kept_at(members), keepers.host(members))
        if (original := _original_in(members)) is not _ABSENT:
            return [(original, depth, kept)]
        if members.get("event_type") == _EVENT and not members.keys().isdisjoint(MEMBERS[_EVENT]):
            self._take(_of_members(members, source), kept)
            return []
        if _is_sealed(members):
            return []
        inner = (*members.values(), *members)
        return [(each, depth, kept) for each in reversed(inner)]

    def _in_string(self, text: str, kept: _Kept) -> Iterable[object]:
        """Yield the values in *text*, last first; notes in it are taken."""
        values: list[object] = []
        text = text.replace("\r\n", "\n")
        if "\n" in text and _NOTE_START.search(text):
            notes = Copies()
            notes_in(text, notes)
            self._copies.damaged += notes.damaged
            for copy in notes.found:
                self._take(copy, kept)
            return ()
        for piece in pieces_of(text):
            if not piece.is_json:
                self._copies.damaged += len(_TRACE.findall(piece.text))
            elif isinstance(piece.value, dict):
                values.append(_Sourced(piece.value, piece.text))
            else:
                values.append(piece.value)
        return reversed(values)

    def _take(self, copy: Copy | None, kept: _Kept) -> None:
        if copy is None:
            self._copies.damaged += 1
            return
        dated = replace(copy, line=self._line, is_dated=kept.is_dated, kept_at=kept.at, host=kept.host)
        self._copies.add(dated)


@dataclass(frozen=True, slots=True)
class _Kept:
    is_dated: bool
    at: datetime | None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class _Sourced:
    """An object that stood in a string, with its text."""

    members: dict[str, object]
    source: str


_UNDATED = _Kept(False, None)


def _is_sealed(members: Mapping[str, object]) -> bool:
    mac = members.get("mac")
    return members.keys() >= _SEALED and isinstance(mac, str) and _HASH.fullmatch(mac) is not None


def _original_in(members: Mapping[str, object]) -> object:
    """Return the sealed line that a projection of one (google, datadog, ecs) carries, None if it does not.

    What else stands in it is a record's content. `_ABSENT` for all that is no projection.
    """
    if "event.hash" in members:
        return members.get("event.original")
    for place, mark in (("or_audit", "mac"), ("event", "hash")):
        inner = members.get(place)
        if isinstance(inner, dict) and mark in inner:
            return inner.get("original")
    return _ABSENT


def _of_members(members: Mapping[str, object], source: str | None) -> Copy | None:
    """Return the copy that a log.checkpoint's *members* are, None where they contradict each other."""
    if source is not None:
        try:
            parse_line(source.encode("ascii"))
        except (FormatError, UnicodeEncodeError):
            pass
        else:
            return _of_line(source)
    try:
        own = {name: members[name] for name in _NAMES}
        return _of_line(json.dumps(own, separators=(",", ":")))
    except (KeyError, ValueError, RecursionError):
        return None


def _of_line(text: str) -> Copy | None:
    try:
        line = parse_line(text.encode("ascii"))
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
    return Copy(size, root, origin, line.log, text, signed)
