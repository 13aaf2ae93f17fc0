"""What control lines state about keeping the log: for how long its lines stay, and what is held (FORMAT 4).

    keeping = Keeping()
    for line in lines_of_keeping(blocks): keeping.take(line.seq, parse_control(line.raw))
    keeping.minimum                          -> 184
    keeping.holds                            -> (Hold(name="case-7", since=date(2026, 10, 1), ...),)

Whoever deletes, and whoever stores lines where they cannot be deleted, goes by the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.line import CONTROL_START, FIRST_LINE_STARTS, SealedLine, line_start, parse_line

MADE_BEFORE = timedelta(days=2)
"""A line may be written up to 26 hours after its segment's day has begun elsewhere, or before (FORMAT 1)."""

_OPENING = ("log.genesis", "log.open")
_OF_KEEPING = ("policy", "hold", "release", "delete", "redact", "export")
_PREFIXES = (*(line_start(f"log.{name}") for name in _OF_KEEPING), *FIRST_LINE_STARTS)


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold in force: records made from *since* to *until*, both included, must stay.

    None: from the log's beginning, without end. *seq*: of the newest log.hold that states it.
    """

    name: str
    since: date | None
    until: date | None
    seq: int
    actor: str | None = None
    reason: str | None = None

    def covers(self, first: date, last: date) -> bool:
        """Return whether a record made on a day from *first* to *last* may be held."""
        return (self.until is None or first <= self.until) and (self.since is None or last >= self.since)


class Keeping:
    """What the lines that were taken state, in their order.

    `policy` is the one in force as it is sealed, None where there is none; `minimum` the most days that any
    policy promised to keep the lines, 0 where none did.
    """

    def __init__(self) -> None:
        self.policy: Mapping[str, Any] | None = None
        self.minimum = 0
        self._holds: dict[str, Hold] = {}

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The holds in force, the oldest statement first."""
        return tuple(sorted(self._holds.values(), key=lambda hold: hold.seq))

    def take(self, seq: int, members: Mapping[str, object]) -> None:
        """Take in the control line at *seq*; raises `FormatError` where it states what it cannot."""
        event = members["event_type"]
        if event in _OPENING or event == "log.policy":
            stated = members["policy"]
            self.minimum = max(self.minimum, minimum_days(stated))
            self.policy = stated if isinstance(stated, dict) else None
        elif event == "log.hold":
            hold = hold_of(seq, members)
            self._holds[hold.name] = hold
        elif event == "log.release":
            self._holds.pop(str(members["name"]), None)


def hold_of(seq: int, members: Mapping[str, object]) -> Hold:
    """Return the hold that the log.hold, or log.release, at *seq* states; raises `FormatError`."""
    name = members["name"]
    if not isinstance(name, str) or not name:
        raise FormatError(f"the log.hold at seq {seq} has no name")
    return Hold(
        name,
        _day(members["from"], seq),
        _day(members["until"], seq),
        seq,
        _text(members["actor"]),
        _text(members["reason"]),
    )


def minimum_days(policy: object) -> int:
    """Return for how many days a sealed `policy` keeps a line at least; raises `FormatError`.

    It is the policy's `min_days`, without it its `delete_after_days`. Null, or neither of them: 0.
    """
    if policy is None:
        return 0
    if not isinstance(policy, dict):
        raise FormatError("a policy is null or an object")
    days = policy.get("min_days")
    if days is None:
        days = policy.get("delete_after_days")
    if days is None:
        return 0
    if type(days) is not int or not 0 <= days <= 1_000_000:
        raise FormatError("a policy states its minimum as a number of days")
    return days


def days_of_records(day: date, opened: date, closed: date | None) -> tuple[date, date]:
    """Return the first and the last day on which a record in a segment may have been made.

    *day* is the one sealed in it, *opened* and *closed* are the UTC dates of its first line and of the next
    segment's (None: it is open); so also where a clock ran ahead or behind.
    """
    last = max(day, closed) if closed is not None else date.max
    return days_before(min(day, opened, closed or day)), last


def days_before(day: date) -> date:
    """Return the first day on which a record may have been made that was written on *day*."""
    return day - MADE_BEFORE if day - date.min >= MADE_BEFORE else date.min


def lines_of_keeping(blocks: Iterable[bytes]) -> Iterator[SealedLine]:
    """Yield the lines in *blocks* (of whole lines) that say something of keeping, first lines included."""
    for block in blocks:
        at = 0 if block.startswith(CONTROL_START) else block.find(b"\n" + CONTROL_START) + 1 or -1
        while at >= 0:
            end = block.find(b"\n", at)
            if block.startswith(_PREFIXES, at):
                with suppress(FormatError):  # cut by a crash: no line
                    yield parse_line(block[at : end if end >= 0 else len(block)])
            at = block.find(b"\n" + CONTROL_START, end) + 1 or -1 if end >= 0 else -1


def _day(value: object, seq: int) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise FormatError(f"the log.hold at seq {seq} states a day that is none") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
