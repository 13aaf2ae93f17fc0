"""Where the lines stand that are to be redacted, and whether they may be.

    found = find(log, {41, 57}, ring)                    # log: an OpenedLog
    found.targets, found.already

Each segment that is to be changed is gone through line by line, and every MAC in it is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from or_audit_logging.errors import FormatError, LegalHoldError, RetentionError
from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.evidence.retention.opened import OpenedLog
from or_audit_logging.evidence.retention.planning import SegmentState
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.chain import genesis_prev, leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold
from or_audit_logging.sealing.line import SealedLine, Stub, parse_line, parse_stub

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z")


@dataclass(frozen=True, slots=True)
class Target:
    """A line that is to go, where it stands, and the holds that may cover its record."""

    source: Source
    offset: int
    line: SealedLine
    holds: tuple[Hold, ...]

    @property
    def seq(self) -> int:
        """The line's number."""
        return self.line.seq

    @property
    def leaf(self) -> str:
        """The line's leaf hash in hex."""
        return leaf_hash(self.line.raw).hex()


@dataclass(frozen=True, slots=True)
class Targets:
    """The lines that are to go, in their order, and the numbers of those that are gone already."""

    targets: tuple[Target, ...]
    already: tuple[int, ...]


def find(log: OpenedLog, wanted: set[int], ring: KeyRing) -> Targets:
    """Return the lines *wanted*; raises `RetentionError` where one of them cannot be redacted, `OSError`."""
    _check_there(log, wanted)
    sources = {source.name: source for source in survey(log.layout).sources}
    targets: list[Target] = []
    already: list[int] = []
    for state, following in pairwise(log.segments):
        here = {seq for seq in wanted if state.first_seq <= seq < following.first_seq}
        if not here:
            continue
        if state.is_plain and state.is_archived:
            raise RetentionError(
                f"{state.name} is there twice, plain and archived; 'or-audit retain' finishes that"
            )
        source = sources.get(state.name)
        if source is None:
            raise RetentionError(f"{state.name} is gone; run 'or-audit verify'")
        for offset, line in _lines(source, following.first_seq, ring):
            if line.seq not in here:
                continue
            if isinstance(line, Stub):
                already.append(line.seq)
            elif line.is_control:
                raise RetentionError(f"line {line.seq} is the log's own, and holds no record; it stays")
            else:
                targets.append(Target(source, offset, line, _held_by(line, state, log.history.holds)))
    return Targets(tuple(targets), tuple(already))


def check_holds(targets: Sequence[Target]) -> None:
    """Raise `LegalHoldError` where a hold may cover one of *targets*."""
    for target in targets:
        for hold in target.holds:
            raise LegalHoldError(
                f"line {target.seq} may be under the legal hold {hold.name!r} (seq {hold.seq}); "
                "nothing was redacted. 'or-audit hold list' shows it, 'or-audit hold release' ends it"
            )


def _check_there(log: OpenedLog, wanted: set[int]) -> None:
    first, last = log.segments[0], log.segments[-1]
    if min(wanted) < first.first_seq:
        gone = log.history.deletion
        said = f"; the log.delete at seq {gone.seq} says so" if gone is not None else ""
        raise RetentionError(f"line {min(wanted)} was deleted: the log begins at seq {first.first_seq}{said}")
    if max(wanted) >= last.first_seq:
        raise RetentionError(
            f"line {max(wanted)} is not in a closed segment: {last.name}, from seq {last.first_seq} on, is "
            "still open. It is closed when the next day (UTC) begins: by the next record, or on a log that "
            "nobody writes to by 'or-audit close-day'"
        )


def _lines(source: Source, end: int, ring: KeyRing) -> Iterator[tuple[int, SealedLine | Stub]]:
    """Yield the offset of each line in *source* with the line, the last of which is *end* - 1; all checked.

    Pieces that are no line of the chain were cut by a crash; verification has looked at them.
    """
    if source.first is None or source.skipped:
        raise RetentionError(f"{source.name} does not begin with a line; run 'or-audit verify'")
    try:
        stated = parse_control(source.first.raw)
        log_id = bytes.fromhex(str(stated["log_id"]))
        keys = ring.log_keys(log_id, kcv=str(stated["kcv"]))
        if source.first.seq == 0:
            prev = genesis_prev(str(stated["origin"]), log_id)
        else:
            prev = bytes.fromhex(str(stated["base_leaf"]))
    except (FormatError, ValueError, KeyError):
        raise RetentionError(
            f"the first line of {source.name} states no log; run 'or-audit verify'"
        ) from None
    due, offset = source.first.seq, 0
    with LineStream(source.segment, source.size) as stream:
        for piece in stream:
            line = _taken_apart(piece.removesuffix(b"\n"))
            if line is not None and (line.seq, line.log) == (due, source.first.log):
                if isinstance(line, Stub):
                    prev = line.leaf
                elif keys.check(prev, line.sealed_part, line.mac):
                    prev = leaf_hash(line.raw)
                else:
                    line = None
                if line is not None:
                    yield offset, line
                    due += 1
            offset += len(piece)
        trouble = stream.problem
    if due != end or trouble is not None:
        raise RetentionError(f"{source.name} does not chain up to seq {end - 1}; run 'or-audit verify'")


def _taken_apart(raw: bytes) -> SealedLine | Stub | None:
    for parse in (parse_line, parse_stub):
        try:
            return parse(raw)
        except FormatError:
            pass
    return None


def _held_by(line: SealedLine, state: SegmentState, holds: Sequence[Hold]) -> tuple[Hold, ...]:
    """Return those of *holds* that may cover the record in *line*.

    Its own timestamp says on which day it was made, unless that day does not fit where the line stands.
    """
    own = _day((parse_record(line.raw) or {}).get("timestamp"))
    if own is None or not state.held_by([Hold("", own, own, line.seq)]):
        return state.held_by(holds)
    return tuple(hold for hold in holds if hold.covers(own, own))


def _day(timestamp: object) -> date | None:
    if not isinstance(timestamp, str) or not _TIME.fullmatch(timestamp):
        return None
    try:
        return datetime.fromisoformat(timestamp).date()
    except ValueError:
        return None
