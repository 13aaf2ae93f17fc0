"""Policies and plans: which days count, which policy wins, what a hold keeps. No file is touched."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.retention.policies import policy_of
from or_audit_logging.retention import (
    PROFILES,
    Action,
    Archive,
    Delete,
    Hold,
    Keep,
    RetentionPolicy,
    SegmentState,
    combine,
    plan,
)

FIRST = date(2027, 12, 30)
STARTS = [FIRST, date(2028, 2, 27), date(2026, 2, 27), date(2026, 12, 30)]
POLICY = RetentionPolicy(archive_after_days=30, delete_after_days=90, name="p")


def segment(number: int, day: date, closed: date | None, **members: Any) -> SegmentState:
    stated: dict[str, Any] = {"is_plain": True, "is_archived": False, "base_leaf": "0" * 64, "root": "AAAA"}
    name = f"audit_{day}.jsonl"
    return SegmentState(
        folder=Path("log"),
        name=name,
        first_seq=10 * number,
        day=day,
        opened=day,
        closed=closed,
        **(stated | members),
    )


def days(*dates: date) -> list[SegmentState]:
    """Return a segment for each of *dates*, the last one open."""
    return [
        segment(number, day, dates[number + 1] if number + 1 < len(dates) else None)
        for number, day in enumerate(dates)
    ]


def daily(count: int, first: date = FIRST) -> list[SegmentState]:
    return days(*(first + timedelta(days=number) for number in range(count)))


def deleted(actions: tuple[Action, ...]) -> list[str]:
    return [s.name for action in actions if isinstance(action, Delete) for s in action.segments]


def archived(actions: tuple[Action, ...]) -> list[str]:
    return [action.segment.name for action in actions if isinstance(action, Archive)]


def kept(actions: tuple[Action, ...]) -> dict[str, list[str]]:
    return {a.reason: [s.name for s in a.segments] for a in actions if isinstance(a, Keep)}


# policies


@pytest.mark.parametrize(
    ("name", "archive", "least"),
    [
        ("operational", 30, 90),
        ("financial", 90, 7 * 365 + 2),
        ("eu-ai-act", 30, 183),
        ("hipaa", 90, 6 * 365 + 2),
        ("pci-dss", 92, 366),
    ],
)
def test_profiles(name: str, archive: int, least: int) -> None:
    """Years and months count with the most days that they can have, and are promised."""
    policy = PROFILES[name]
    assert (policy.name, policy.archive_after_days) == (name, archive)
    assert least <= policy.minimum == policy.delete_after_days <= least + 1


@pytest.mark.parametrize("year", range(2024, 2032))
def test_no_year_is_longer_than_a_profile_knows(year: int) -> None:
    """Whatever day it begins on, and however many leap days there are."""
    for month in range(1, 13):
        start = date(year, month, 1)
        assert (date(year + 7, month, 1) - start).days <= (PROFILES["financial"].minimum)
        assert (date(year + 6, month, 1) - start).days <= (PROFILES["hipaa"].minimum)
        assert (date(year + 1, month, 1) - start).days <= (PROFILES["pci-dss"].minimum)
        half = date(year + (month + 5) // 12, (month + 5) % 12 + 1, 1)
        assert (half - start).days <= PROFILES["eu-ai-act"].minimum
        quarter = date(year + (month + 2) // 12, (month + 2) % 12 + 1, 1)
        assert (quarter - start).days <= (PROFILES["pci-dss"].archive_after_days or 0)


@pytest.mark.parametrize(
    "members",
    [
        {"archive_after_days": -1},
        {"archive_after_days": "30"},
        {"delete_after_days": 0},
        {"delete_after_days": True},
        {"delete_after_days": 90.0},
        {"delete_after_days": 1_000_001},
        {"min_days": -1},
        {"min_days": 91},
        {"name": ""},
        {"name": 7},
        {"name": "a\nb"},
        {"name": "x" * 101},
    ],
)
def test_what_is_no_policy_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RetentionPolicy(**members)


def test_a_policy_from_a_file(tmp_path: Path) -> None:
    """JSON or TOML; when nothing is said of archiving it has its default, the name is that of the file."""
    (tmp_path / "ours.json").write_text('{"delete_after_days": 200, "min_days": 100}')
    (tmp_path / "theirs.toml").write_text('archive_after_days = 10\ndelete_after_days = 90\nname = "them"\n')
    (tmp_path / "ever.toml").write_text('archive_after_days = 365\ndelete_after_days = "never"\n')
    (tmp_path / "bom.json").write_text('{"delete_after_days": 7}', encoding="utf-8-sig")
    (tmp_path / "bom.toml").write_text("delete_after_days = 7", encoding="utf-8-sig")
    (tmp_path / "null.json").write_text('{"archive_after_days": "never", "delete_after_days": null}')
    assert policy_of(str(tmp_path / "ours.json")) == RetentionPolicy(30, 200, 100, name="ours")
    assert policy_of(tmp_path / "theirs.toml") == RetentionPolicy(10, 90, name="them")
    assert policy_of(tmp_path / "ever.toml") == RetentionPolicy(365, None, name="ever")
    for name in ("bom.json", "bom.toml"):
        assert policy_of(tmp_path / name).delete_after_days == 7
    assert policy_of(tmp_path / "null.json") == RetentionPolicy(None, None, name="null")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", "[]"),
        ("a.json", '{"delete_after": 3}'),
        ("a.json", '{"archive_after_days": 365}'),
        ("a.toml", "archive_after_days = 365"),
        ("a.json", '{"delete_after_days": "3"}'),
        ("a.toml", "name ="),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError):
        policy_of(tmp_path / name)


def test_a_policy_that_is_not_there_is_refused() -> None:
    """The message names the profiles."""
    with pytest.raises(ConfigError, match="operational, eu-ai-act"):
        policy_of("weekly")


def test_of_several_the_longest_wins_and_it_is_said() -> None:
    """Deletion, archive and minimum each from the policy that asks for most."""
    quick = RetentionPolicy(0, 400, min_days=5, name="quick")
    together, said = combine([PROFILES["pci-dss"], quick])
    assert together == RetentionPolicy(92, 400, 366, name="quick+pci-dss")
    assert said == (
        "quick wins for deletion: 400 days, against pci-dss (366 days)",
        "pci-dss wins for archiving: 92 days, against quick (0 days)",
        "pci-dss wins for the promised minimum: 366 days, against quick (5 days)",
    )
    again, said = combine([together, quick, PROFILES["pci-dss"]])
    assert again == together
    assert combine([PROFILES["hipaa"], PROFILES["hipaa"]])[1] == ()


def test_never_is_longer_than_any_number() -> None:
    """What one policy never archives or deletes stays."""
    together, said = combine(
        [RetentionPolicy(1_000_000, 1_000_000), RetentionPolicy(None, None, name="ever")]
    )
    assert (together.archive_after_days, together.delete_after_days) == (None, None)
    assert together.minimum == 1_000_000
    assert said[0] == "ever wins for deletion: never, against custom (1,000,000 days)"


def test_a_sealed_policy_is_read_back() -> None:
    """What a log states is the policy again; what it cannot be is a FormatError."""
    for policy in (*PROFILES.values(), RetentionPolicy(None, None, min_days=3)):
        assert RetentionPolicy.from_sealed(json.loads(json.dumps(policy.to_sealed()))).to_sealed() == (
            policy.to_sealed()
        )
    assert RetentionPolicy.from_sealed({"min_days": 30, "delete_after_days": 2}).delete_after_days == 30
    for wrong in ({"min_days": "x"}, {"archive_after_days": "x"}, {"name": 7}, {"delete_after_days": []}):
        with pytest.raises(FormatError):
            RetentionPolicy.from_sealed(wrong)


# dates


@pytest.mark.parametrize(("age", "went"), [(89, []), (90, [0]), (91, [0, 1])])
@pytest.mark.parametrize("first", STARTS)
def test_a_segment_goes_when_the_first_line_after_it_is_old_enough(
    first: date, age: int, went: list[int]
) -> None:
    """To the day, over leap days and the ends of years."""
    segments = daily(4, first)
    actions = plan(segments, POLICY, segments[1].day + timedelta(days=age))
    assert deleted(actions) == [segments[number].name for number in went]


@pytest.mark.parametrize(("age", "went"), [(29, []), (30, [0]), (31, [0, 1])])
@pytest.mark.parametrize("first", STARTS)
def test_a_segment_is_archived_when_its_day_is_old_enough(first: date, age: int, went: list[int]) -> None:
    segments = daily(4, first)
    actions = plan(segments, POLICY, first + timedelta(days=age))
    assert archived(actions) == [segments[number].name for number in went]


def test_the_open_segment_stays_however_old_it_is() -> None:
    """A log that nobody writes any more keeps its last segment, and the one before it goes by that."""
    segments = daily(2)
    later = FIRST + timedelta(days=10_000)
    actions = plan(segments, POLICY, later)
    assert deleted(actions) == [segments[0].name]
    assert archived(actions) == []
    assert plan(segments[:1], POLICY, later) == plan([], POLICY, later) == ()


def test_a_segment_that_was_open_for_long_goes_by_its_end() -> None:
    """Its last line may have been written just before the next one was opened."""
    segments = days(date(2026, 1, 1), date(2026, 6, 1), date(2026, 6, 2))
    assert deleted(plan(segments, POLICY, date(2026, 8, 29))) == []
    assert deleted(plan(segments, POLICY, date(2026, 8, 30))) == [segments[0].name]


def test_a_day_that_is_still_to_come_keeps_what_follows() -> None:
    """A clock had run ahead: its segment goes when its sealed day is old enough, and no later one before."""
    segments = days(date(2026, 1, 1), date(2026, 1, 2), date(2026, 9, 1), date(2026, 1, 3), date(2026, 1, 4))
    assert deleted(plan(segments, POLICY, date(2026, 6, 1))) == [segments[0].name]
    assert deleted(plan(segments, POLICY, date(2026, 11, 30))) == [s.name for s in segments[:4]]
    assert archived(plan(segments, POLICY, date(2026, 6, 1))) == [segments[1].name, segments[3].name]


def test_what_a_day_to_come_keeps_is_said() -> None:
    """Once it would have gone otherwise, and not before."""
    log = days(FIRST, date(2036, 1, 1), FIRST + timedelta(days=1), FIRST + timedelta(days=2))
    assert kept(plan(log, POLICY, FIRST + timedelta(days=89))) == {}
    actions = plan(log, POLICY, FIRST + timedelta(days=91))
    assert kept(actions) == {"clock": [segment.name for segment in log[:3]]}
    assert deleted(actions) == []
    (said,) = [action.why for action in actions if isinstance(action, Keep)]
    assert "2036-01-01" in said


def test_a_clock_that_is_behind_deletes_nothing() -> None:
    assert plan(daily(3), POLICY, date(2020, 1, 1)) == ()


def test_what_is_never_deleted_or_archived() -> None:
    """None means never."""
    assert plan(daily(3), RetentionPolicy(None, None), FIRST + timedelta(days=100_000)) == ()


def test_what_was_archived_is_left_and_what_was_begun_is_finished() -> None:
    """An archive alone is done; beside the plain file it was interrupted, whatever the policy says by now."""
    packed = segment(0, FIRST, FIRST, is_plain=False, is_archived=True)
    both = segment(1, FIRST, FIRST, is_plain=True, is_archived=True)
    actions = plan([packed, both, segment(2, FIRST, None)], POLICY, FIRST)
    assert archived(actions) == [both.name]
    assert [type(action) for action in actions] == [Archive]


# what stays


def test_the_promise_keeps_what_the_policy_would_let_go() -> None:
    """It is said, and what is old enough for both goes."""
    segments = daily(40)
    actions = plan(segments, POLICY, FIRST + timedelta(days=110), minimum=100)
    assert len(deleted(actions)) == 10
    assert kept(actions) == {"minimum": [s.name for s in segments[10:20]]}
    assert "promises 100 days" in next(a.why for a in actions if isinstance(a, Keep))


@pytest.mark.parametrize(
    ("since", "until", "first_held"),
    [
        (FIRST, FIRST, 0),
        (None, FIRST - timedelta(days=3), None),
        (None, FIRST - timedelta(days=2), 0),
        (FIRST + timedelta(days=5), FIRST + timedelta(days=5), 4),
        (FIRST + timedelta(days=5), None, 4),
        (FIRST + timedelta(days=90), None, None),
        (None, None, 0),
    ],
)
def test_a_hold_keeps_its_first_segment_and_all_behind_it(
    since: date | None, until: date | None, first_held: int | None
) -> None:
    """A segment covers two days before its own up to the one on which the next was begun."""
    segments = daily(20)
    actions = plan(segments, POLICY, FIRST + timedelta(days=101), [Hold("case", since, until, 7)])
    end = 11 if first_held is None else first_held
    assert deleted(actions) == [s.name for s in segments[:end]]
    assert kept(actions) == ({} if first_held is None else {"hold": [s.name for s in segments[end:11]]})
    assert set(archived(actions)) == {s.name for s in segments[end:19]}


def test_a_segment_that_states_no_tree_cannot_be_the_first() -> None:
    """The log is cut where it states one."""
    segments = [*daily(3), segment(3, FIRST + timedelta(days=3), None, root=None)]
    segments[2] = segment(2, FIRST + timedelta(days=2), FIRST + timedelta(days=3))
    actions = plan(segments, POLICY, FIRST + timedelta(days=500))
    assert deleted(actions) == [s.name for s in segments[:2]]
    assert kept(actions) == {"no-tree": [segments[2].name]}


GAPS = st.lists(st.integers(-40, 40), min_size=1, max_size=12)


@given(
    GAPS,
    st.integers(-50, 200),
    st.builds(RetentionPolicy, st.integers(0, 40), st.integers(1, 90)),
    st.integers(0, 120),
    st.lists(st.integers(-10, 100), max_size=2),
)
def test_every_plan_keeps_the_rules(
    gaps: list[int], today: int, policy: RetentionPolicy, minimum: int, held: list[int]
) -> None:
    """Whatever the clocks did: a prefix, never the open one, never too young, never held."""
    dates = [FIRST]
    for gap in gaps:
        dates.append(dates[-1] + timedelta(days=gap))
    segments, now = days(*dates), FIRST + timedelta(days=today)
    holds = [Hold("h", FIRST + timedelta(days=d), FIRST + timedelta(days=d), 1) for d in held]
    actions = plan(segments, policy, now, holds, minimum=minimum)
    assert plan(segments, policy, now, holds, minimum=minimum) == actions
    for action in actions:
        if isinstance(action, Delete):
            count = len(action.segments)
            assert [*action.segments, action.base] == segments[: count + 1]
            assert (now - action.base.opened).days >= max(policy.minimum, minimum)
            for one in action.segments:
                assert (now - one.day).days >= max(policy.delete_after_days or 0, minimum)
                assert not any(hold.since and hold.since == one.day for hold in holds)
        elif isinstance(action, Archive):
            assert action.segment != segments[-1]
            assert not any(isinstance(a, Delete) and action.segment in a.segments for a in actions)
