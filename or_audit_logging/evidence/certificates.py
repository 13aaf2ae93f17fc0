"""What may lawfully be missing: lines below a log.delete, and lines that a log.redact names (FORMAT 4, 6).

    certificates.begin(place, ...)           the log starts at seq 5,000
    certificates.stub(stub, place)           a line is only there as its leaf hash
    certificates.delete(...), .redact(...)   the lines further on that say so
    certificates.judge(covered, ...)         what none of them says is a finding

Both kinds of certificate are written before the lines they speak of go, and stand behind them; so a walk
knows what is lawful at its end. Kept until then: a row for each segment, and one for each stub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.deletions import Row, parse_past
from or_audit_logging.evidence.report import LISTED, Finding, Note, Observations, Place, brief, lines_are
from or_audit_logging.sealing.checkpoint import decode_root
from or_audit_logging.sealing.keeping import Hold, days_before, hold_of, minimum_days
from or_audit_logging.sealing.line import Stub

Members = dict[str, object]

_LEAF = re.compile(r"[0-9a-f]{64}")
_ACTORS = LISTED
_OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class _Start:
    """A segment's first line, as the walk met it."""

    place: Place
    prev: bytes | None
    root: bytes | None


@dataclass(frozen=True, slots=True)
class _Licence:
    """The first log.delete that lets the log start where it does; `minimum` None: it cannot be read."""

    place: Place
    seq: int
    sealed: bool
    age: int
    minimum: int | None


class Certificates:
    """Lines that are not there, and the lines that say why, along one walk."""

    def __init__(self) -> None:
        self.deleted_to: int | None = None
        """The last seq that was deleted under certificate; known once all was judged."""
        self.deletions: tuple[Row, ...] = ()
        """What was deleted, as the newest certificate that counts says it (`deletions`); known as above."""
        self.redactions: dict[str, int] = {}
        """How many stubs are there under certificate, by who had them made."""
        self._head: Place | None = None
        self._head_time: datetime | None = None
        self._licence: _Licence | None = None
        self._base = 0
        self._newest: tuple[int, bool, tuple[Row, ...]] | None = None
        self._holds: dict[str, Hold] = {}
        self._past: tuple[Row, ...] = ()
        self._first: int | None = None
        self._segment_start = 0
        self._starts: dict[int, _Start] = {}
        self._minimum: int | None = 0
        self._stubs: dict[int, tuple[bytes, Place]] = {}
        self._redacted: set[int] = set()
        self._unsealed_redactions: list[int] = []

    @property
    def redacted(self) -> int:
        """How many stubs are there under certificate."""
        return len(self._redacted)

    @property
    def has_licence(self) -> bool:
        """Whether the log starts behind seq 0 and a log.delete says so, for whatever that is worth."""
        return self._licence is not None

    def begin(self, place: Place, moment: datetime) -> None:
        """The log begins at *place*, and not at seq 0; its first line was written at *moment*."""
        self._head, self._head_time = place, moment

    def enter(self, members: Members, place: Place, *, prev: bytes | None, root: bytes | None) -> None:
        """A segment's first line: *prev* and *root* are the hash and the tree of what stands before it."""
        seq = place.seq or 0
        self._segment_start = seq
        self._starts[seq] = _Start(place, prev, root)
        self._first = seq if self._first is None else self._first
        self.policy(members)

    def policy(self, members: Members) -> None:
        """Take in the policy that a segment's first line or a log.policy states, also for lines before it."""
        try:
            days = minimum_days(members["policy"])
            self._minimum = None if self._minimum is None else max(self._minimum, days)
        except FormatError:
            self._minimum = None

    def hold(self, members: Members, seq: int) -> None:
        """Take in a log.hold at *seq*; one that says an earlier one again is the same hold."""
        with suppress(FormatError):
            hold = hold_of(seq, members)
            self._holds[hold.name] = hold

    def release(self, members: Members) -> None:
        """Take in a log.release."""
        self._holds.pop(str(members["name"]), None)

    def skip(self) -> None:
        """Lines are not there that may have released a hold, or deleted what one that is left keeps."""
        self._holds.clear()
        self._past = ()

    def stub(self, stub: Stub, place: Place) -> None:
        """A line is there only as its *stub*."""
        self._first = stub.seq if self._first is None else self._first
        self._stubs[stub.seq] = (stub.leaf, place)

    def delete(self, members: Members, place: Place, moment: datetime, *, sealed: bool) -> Iterator[Finding]:
        """Take in a log.delete of *moment*, *sealed* under a key at hand; yield what is untrue in it."""
        base, seq = members["base"], place.seq or 0
        try:
            if type(base) is not int or not 0 < base <= self._segment_start:
                raise FormatError("its base is not below the segment in which it stands")
            leaf, root = _leaf(members["base_leaf"]), decode_root(members["root"])
            past = parse_past(members["past"], base=base)
        except FormatError as error:
            yield place.finding("delete", f"a log.delete contradicts itself: {error}", found=base)
            return
        start = self._starts.get(base)
        if start is not None:
            yield from _untrue(start, leaf, root, place)
        elif self._first is not None and base > self._first:
            message = "a log.delete names a base that is not the first line of a segment"
            yield place.finding("delete", message, found=base)
        if base > self._base:
            yield from self._taken_from_holds(past[-1], place)
        self._past = past
        if base >= self._base:
            self._base, self._newest = base, (seq, sealed, past)
        head = self._head
        if head is not None and self._licence is None and base >= (head.seq or 0):
            age = (moment.date() - self._head_time.date()).days if self._head_time is not None else 0
            self._licence = _Licence(place, seq, sealed, age, self._minimum)

    def _taken_from_holds(self, row: Row, place: Place) -> Iterator[Finding]:
        """Yield a finding where a log.delete, whose past ends with *row*, deletes what is held."""
        days = _days_added(self._past, row)
        for hold in self._holds.values():
            if days is not None and hold.covers(*days):
                message = f"lines were deleted under the legal hold of seq {hold.seq}, which was in force"
                yield place.finding("delete", message, found=hold.name)
                return

    def redact(self, members: Members, place: Place, *, sealed: bool) -> Iterator[Finding | Note]:
        """Take in a log.redact, *sealed* under a key at hand; yield what it says that is not so."""
        target = members["target"]
        try:
            if type(target) is not int or not 0 <= target < self._segment_start:
                raise FormatError("its target is not in a segment that was closed before")
            leaf = _leaf(members["leaf"])
        except FormatError as error:
            yield place.finding("redact", f"a log.redact contradicts itself: {error}", found=target)
            return
        if target in self._redacted or target < (self._first or 0):
            return
        if target not in self._stubs:
            yield place.note("redact-open", f"the line that it speaks of still stands: seq {target}")
            return
        stated, where = self._stubs.pop(target)
        if stated != leaf:
            message = "the stub stands for another line than the log.redact names"
            yield where.finding("stub", message, expected=leaf.hex(), found=stated.hex())
            return
        self._redacted.add(target)
        if not sealed:
            self._unsealed_redactions.append(place.seq or 0)
        actor = str(brief(members["actor"]))
        if actor not in self.redactions and len(self.redactions) >= _ACTORS:
            actor = _OTHERS
        self.redactions[actor] = self.redactions.get(actor, 0) + 1

    def judge(self, covered: int, observations: Observations) -> list[str]:
        """Hand over what is missing without a certificate; return why that could not be judged.

        An anchor covers the first *covered* lines: without the key, only certificates among them count.
        """
        reasons = self._judge_head(covered, observations)
        for _, place in self._stubs.values():
            message = "the line was replaced by a stub, and no log.redact speaks of it"
            observations.find(place.finding("stub", message))
        uncovered = sum(seq >= covered for seq in self._unsealed_redactions)
        if uncovered:
            lines = lines_are(uncovered)
            reasons.append(
                f"{lines} redacted by what no anchor covers: that takes the key, or a later anchor"
            )
        self._note_segments_below_base(observations)
        return reasons

    def _judge_head(self, covered: int, observations: Observations) -> list[str]:
        head, licence = self._head, self._licence
        if head is None:
            return []
        first = head.seq or 0
        if licence is None:
            gone = f"seq 0 to {first - 1}" if first > 1 else "seq 0"
            message = f"{lines_are(first)} missing before this one: {gone}"
            observations.find_first(head.finding("missing-lines", message, expected=0, found=first))
            return []
        if not licence.sealed and licence.seq >= covered:
            by = f"the log.delete at seq {licence.seq}, which no anchor covers"
            return [f"the lines before seq {first} were deleted by {by}: it takes the key, or a later anchor"]
        if licence.minimum is None:
            return ["lines were deleted, and for how long the log's policy keeps them is not known"]
        if licence.age < licence.minimum:
            message = (
                f"lines were deleted too early: the first that is left was {licence.age} days old, "
                f"and the log's policy keeps lines for {licence.minimum}"
            )
            finding = licence.place.finding("delete", message, expected=licence.minimum, found=licence.age)
            observations.find(finding)
            return []
        self.deleted_to = first - 1
        if self._newest is not None:
            seq, sealed, past = self._newest
            self.deletions = past if sealed or seq < covered else ()
        return []

    def _note_segments_below_base(self, observations: Observations) -> None:
        for seq, start in self._starts.items():
            if seq < self._base:
                said = f"the segment should be gone: it stands below the deletion base, seq {self._base}"
                observations.note(Place(start.place.segment).note("below-base", said))


def _days_added(past: tuple[Row, ...], row: Row) -> tuple[date, date] | None:
    """Return days on each of which a record may have been made in what the last run in *row* deleted.

    *past* are the rows of the log.delete before it, () where that is not known. Segments stand behind each
    other without a gap in time, so that what a run deletes begins where the one before it had ended: with a
    segment begun on or before its cut-off. Of rows that became one only what is sure is said; None: nothing.
    """
    first, last = (date.fromisoformat(day) for day in row["days"])
    if row["runs"] > 1:
        if not past or last <= max(date.fromisoformat(earlier["days"][1]) for earlier in past):
            return None
        first = min(last, date.fromisoformat(past[-1]["cut_off"]))
    return days_before(first), last


def _untrue(start: _Start, leaf: bytes, root: bytes, place: Place) -> Iterator[Finding]:
    message = "a log.delete states another line before its base, or another tree, than the log has"
    if start.prev is not None and start.prev != leaf:
        yield place.finding("delete", message, expected=leaf.hex(), found=start.prev.hex())
    elif start.root is not None and start.root != root:
        yield place.finding("delete", message, expected=root.hex(), found=start.root.hex())


def _leaf(text: object) -> bytes:
    if not isinstance(text, str) or not _LEAF.fullmatch(text):
        raise FormatError("a leaf is a hash of 64 lower-case hex digits")
    return bytes.fromhex(text)
