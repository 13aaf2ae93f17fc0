"""What is to be done with a log's segments today: a rule, which looks at nothing but what it is given.

    plan(segments, policy, today, holds, minimum=90)
    -> (Delete(segments=(...), base=...), Keep(segments=(...), why="hold"), Archive(segment=...))

A segment is archived when its sealed day is `archive_after_days` ago. It is deleted when the first line of
the next one, which is younger than any in it, is `delete_after_days` old: that line stays, and `verify` reads
from it how old the deleted ones were. Only the oldest segments go, and never the open one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from or_audit_logging.evidence.retention.policies import RetentionPolicy
from or_audit_logging.sealing.keeping import Hold, days_of_records


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment as retention sees it.

    `day` is the sealed one, `opened` the UTC date of its first line and `closed` that of the next segment's,
    None for the open one. `base_leaf` and `root` are the hash of the line before it and the tree of all
    before it, as its first line states them; None where it states none.
    """

    folder: Path
    name: str
    first_seq: int
    day: date
    opened: date
    closed: date | None
    is_plain: bool
    is_archived: bool
    base_leaf: str | None
    root: str | None

    @property
    def youngest(self) -> date | None:
        """The latest day on which a line in it may have been written; None for the open one."""
        return max(self.day, self.closed) if self.closed is not None else None

    def held_by(self, holds: Sequence[Hold]) -> tuple[Hold, ...]:
        """Return those of *holds* that may cover a record in it, also where a clock ran ahead or behind."""
        reach = days_of_records(self.day, self.opened, self.closed)
        return tuple(hold for hold in holds if hold.covers(*reach))


@dataclass(frozen=True, slots=True)
class Archive:
    """Compress *segment* into the archive; where that was interrupted, finish it."""

    segment: SegmentState
    why: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete *segments*, the oldest of the log, so that it begins with the segment *base*."""

    segments: tuple[SegmentState, ...]
    base: SegmentState
    policy: str
    cut_off: date
    why: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave *segments* although their time has come: for *holds*, or for what the log has promised.

    Or since the first of them was closed, or begun, on a day that is still to come: a clock had run ahead.
    """

    segments: tuple[SegmentState, ...]
    reason: Literal["hold", "minimum", "no-tree", "clock"]
    why: str
    holds: tuple[str, ...] = ()


Action: TypeAlias = Archive | Delete | Keep


def plan(
    segments: Sequence[SegmentState],
    policy: RetentionPolicy,
    today: date,
    holds: Sequence[Hold] = (),
    *,
    minimum: int = 0,
) -> tuple[Action, ...]:
    """Return the actions that *policy* asks for on *today*, a UTC date.

    *segments* are all of the log, in their order; *holds* those in force; *minimum* for how many days the
    lines that are there were promised to be kept. What a hold or the minimum keeps is said by a `Keep`.
    """
    closed, due = segments[:-1], 0
    while due < len(closed) and _is_due(closed[due], policy.delete_after_days, today):
        due += 1
    days = max(policy.delete_after_days or 0, policy.minimum, minimum)
    old = _first(due, lambda number: not _is_due(closed[number], days, today))
    free = _first(old, lambda number: bool(closed[number].held_by(holds)))
    end = next((n for n in range(free, 0, -1) if segments[n].root is not None), 0)
    actions: list[Action] = []
    if end:
        why = f"older than {days} days" if days != 1 else "older than a day"
        cut_off = today - timedelta(days=days)
        actions.append(Delete(tuple(closed[:end]), segments[end], policy.name, cut_off, why))
    if end < free:
        said = "the log states no tree from which on it could begin"
        actions.append(Keep(tuple(closed[end:free]), "no-tree", said))
    if free < old:
        names = tuple(hold.name for hold in closed[free].held_by(holds))
        said = f"legal hold {', '.join(names)} from {closed[free].name} on"
        actions.append(Keep(tuple(closed[free:old]), "hold", said, names))
    if old < due:
        actions.append(Keep(tuple(closed[old:due]), "minimum", f"the log promises {days} days"))
    if ahead := _behind_a_day_to_come(closed[due:], policy.delete_after_days, today):
        said = f"a clock had run ahead: {ahead[0].name} may hold lines of {ahead[0].youngest}"
        actions.append(Keep(ahead, "clock", said))
    for segment in closed[end:]:
        if segment.is_plain and segment.is_archived:
            actions.append(Archive(segment, "was begun before"))
        elif segment.is_plain and _is_archived_at(segment, policy.archive_after_days, today):
            actions.append(Archive(segment, f"its day is {policy.archive_after_days} days ago, or more"))
    return tuple(actions)


def _is_due(segment: SegmentState, days: int | None, today: date) -> bool:
    youngest = segment.youngest
    return days is not None and youngest is not None and (today - youngest).days >= days


def _behind_a_day_to_come(
    segments: Sequence[SegmentState], days: int | None, today: date
) -> tuple[SegmentState, ...]:
    """Return those of *segments* that stay because the first of them seems to be of the future."""
    if days is None or not segments or (segments[0].youngest or today) <= today:
        return ()
    old = [number for number, segment in enumerate(segments) if (today - segment.day).days >= days]
    return tuple(segments[: old[-1] + 1]) if old else ()


def _is_archived_at(segment: SegmentState, days: int | None, today: date) -> bool:
    return days is not None and (today - segment.day).days >= days


def _first(end: int, fits: Callable[[int], bool]) -> int:
    """Return the first number below *end* that *fits*, else *end*."""
    return next((number for number in range(end) if fits(number)), end)
