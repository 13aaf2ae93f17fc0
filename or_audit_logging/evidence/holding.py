"""`Hold`: what a log.hold states, and which days it reaches (FORMAT 4).

hold = hold_of(41, members)
hold.covers(segment_day - MADE_BEFORE, segment_day)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from or_audit_logging.errors import FormatError

MADE_BEFORE = timedelta(days=2)
"""A line may be written up to 26 hours after its segment's day has begun elsewhere, or before (FORMAT 1)."""


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


def hold_of(seq: int, members: Mapping[str, object]) -> Hold:
    """Return the hold that the log.hold at *seq* states; raises `FormatError`."""
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


def _day(value: object, seq: int) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise FormatError(f"the log.hold at seq {seq} states a day that is none") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
