"""What control lines state about keeping: promises, holds, and which days a segment's records may be of."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from log_builder import DAY, NEXT_DAY, LogBuilder

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold, Keeping, days_before, days_of_records, lines_of_keeping


def keeping_of(log: LogBuilder) -> Keeping:
    """Return what *log* states."""
    keeping = Keeping()
    for line in lines_of_keeping(log.segments.values()):
        keeping.take(line.seq, parse_control(line.raw))
    return keeping


def act(log: LogBuilder, event: str, **members: Any) -> None:
    """Add a control line in between users' lines."""
    log.user()
    log.control(event, **members, actor="counsel")
    log.user()


def test_the_longest_promise_and_the_newest_policy() -> None:
    """A shorter policy takes no promise back."""
    log = LogBuilder(policy={"delete_after_days": 90})
    act(log, "log.policy", name="long", policy={"min_days": 400, "delete_after_days": None})
    act(log, "log.policy", name="short", policy={"min_days": 7})
    keeping = keeping_of(log)
    assert (keeping.minimum, keeping.policy) == (400, {"min_days": 7})


def test_holds_in_force() -> None:
    """Until they are released; one that is said again is the same; a record that looks like one is none."""
    log = LogBuilder()
    act(log, "log.hold", name="a", **{"from": DAY})
    act(log, "log.hold", name="b", until=NEXT_DAY)
    act(log, "log.release", name="a")
    log.open(NEXT_DAY)
    act(log, "log.hold", name="b", until=NEXT_DAY, renews=6)
    log.user(text='{\\"event_type\\":\\"log.hold\\"')
    (hold,) = keeping_of(log).holds
    assert (hold.name, hold.since, hold.until) == ("b", None, date(2026, 11, 22))


@pytest.mark.parametrize(
    ("event", "members"),
    [
        ("log.hold", {"name": None}),
        ("log.hold", {"name": "a", "from": "yesterday"}),
        ("log.policy", {"name": "a", "policy": []}),
        ("log.policy", {"name": "a", "policy": {"min_days": -1}}),
        ("log.policy", {"name": "a", "policy": {"min_days": True}}),
    ],
)
def test_what_states_nothing_that_can_be(event: str, members: dict[str, Any]) -> None:
    """It is a `FormatError`, so that nobody goes on as if it said nothing."""
    log = LogBuilder()
    act(log, event, **members)
    with pytest.raises(FormatError):
        keeping_of(log)


@pytest.mark.parametrize(
    ("day", "opened", "closed", "expected"),
    [
        (21, 21, 22, (19, 22)),
        (21, 21, 25, (19, 25)),  # idle: the next line came days later
        (25, 21, 22, (19, 25)),  # the day is of a clock that had run ahead
        (21, 22, 22, (19, 22)),
    ],
)
def test_days_of_records(day: int, opened: int, closed: int, expected: tuple[int, int]) -> None:
    """Two days are added in front; clocks may be wrong."""
    days = [date(2026, 11, number) for number in (day, opened, closed)]
    assert days_of_records(*days) == tuple(date(2026, 11, number) for number in expected)


def test_the_ends_of_time() -> None:
    """An open segment has no last day, and there is none before the first."""
    assert days_of_records(date(2026, 11, 21), date(2026, 11, 21), None)[1] == date.max
    assert days_before(date.min) == date.min
    assert Hold("a", None, None, 1).covers(date.min, date.max)
