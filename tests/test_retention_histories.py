"""Random histories: an honest log never gives a finding, one that somebody changed always does."""

from __future__ import annotations

import gzip
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_builder import key
from retaining import SHORT, Killed, LivedLog, ending_at, killed, lived

from or_audit_logging.errors import RetentionError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.retention import RetentionPolicy, add_hold, holds_of, release_hold, segments_of

POLICIES = (SHORT, RetentionPolicy(0, 3, name="shorter"), RetentionPolicy(None, 8, name="longer"))

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 3)),
        st.tuples(st.just("days"), st.integers(1, 4)),
        st.tuples(st.just("days"), st.integers(1, 4)),
        st.tuples(st.just("clock"), st.integers(-100, 100)),
        st.tuples(st.just("retain"), st.integers(0, len(POLICIES) - 1)),
        st.tuples(st.just("retain"), st.just(0)),
        st.tuples(st.just("killed"), st.integers(0, 60)),
        st.tuples(st.just("torn"), st.integers(1, 40)),
        st.tuples(st.just("hold"), st.integers(-6, 1)),
        st.tuples(st.just("release"), st.integers(0, 3)),
    ),
    max_size=20,
)


def live(log: LivedLog, steps: list[tuple[str, int]]) -> None:
    """Take *log* through *steps*, and check after each what went and what stayed."""
    log.write()
    names = iter(range(1000))
    for step, value in steps:
        before = log.numbers()
        if step == "write":
            log.write(value)
        elif step == "days":
            log.pass_days(value)
        elif step == "clock":
            log.clock.tick(timedelta(hours=value))
        elif step == "torn":
            tear(log, value)
        elif step == "hold":
            day = log.today + timedelta(days=value)
            add_hold(log.folder, f"case-{next(names)}", since=day, until=day, key=key(), actor="counsel")
        elif step == "release":
            for hold in holds_of(log.folder)[value : value + 1]:
                release_hold(log.folder, hold.name, key=key(), actor="counsel")
        else:
            retain(log, POLICIES[value] if step == "retain" else SHORT, value if step == "killed" else None)
        check_what_went(log, before - log.numbers())


def tear(log: LivedLog, length: int) -> None:
    """Leave what a crash leaves that cuts the first line of a new segment, if one would be begun now."""
    latest = max(segment.day for segment in segments_of(log.folder)[-1:])
    path = log.folder / f"audit_{log.today}.jsonl"
    is_free = not path.exists() and path.name not in log.archives()
    if is_free and not latest - timedelta(days=2) < log.today <= latest:
        path.write_bytes(b'{"event_type":"log.open","v":1,"id":"00000000'[:length])


def retain(log: LivedLog, policy: RetentionPolicy, end: int | None) -> None:
    with suppress(Killed), ending_at(end if end is not None else 1 << 30, killed):
        log.retain(policy)


def check_what_went(log: LivedLog, gone: set[int]) -> None:
    """Nothing went before its time, and nothing that is held."""
    held = {hold.since for hold in holds_of(log.folder)}
    for number in gone:
        assert (log.today - log.made[number]).days >= 3
        assert log.made[number] not in held


quick = settings(
    max_examples=settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quick
@given(STEPS, st.data())
def test_honest_histories_give_no_finding_and_changed_ones_do(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Written, kept, held, released, deleted, killed anywhere: it verifies, until it is changed."""
    folder, elsewhere = tmp_path_factory.mktemp("log"), tmp_path_factory.mktemp("elsewhere")
    with lived(folder) as log:
        live(log, steps)
        for anchor in ("first", "second"):
            (elsewhere / anchor).write_text(log.checkpoint())
            report = log.verify(anchors=[elsewhere])
            assert (report.verdict, report.findings) == ("verified", ())
            log.retain(SHORT)
        change(log, data)
        report = log.verify(anchors=[elsewhere])
        assert report.verdict == "tampered"
        if not log.verify().finding_count:  # its end is missing, and only an anchor knows that
            return
        before = tree(folder)
        with pytest.raises(RetentionError, match="nothing was touched"):
            log.retain(SHORT)
        assert tree(folder) == before


def change(log: LivedLog, data: st.DataObject) -> None:
    """Remove, rename or edit a segment: any but those that a log.delete lets be gone.

    The last line is left as it is: the anchor does not cover it, and without its end it looks cut by a crash.
    """
    layout = LogLayout.from_filename(log.folder / "audit.jsonl")
    report = log.verify()
    lawful = {note.segment for note in report.notes if note.kind == "below-base"}
    segments = [s for _, s in layout.segments() if s.name not in lawful]
    segment = data.draw(st.sampled_from(segments))
    how = data.draw(st.sampled_from(["remove", "rename", "edit"]))
    if how == "remove":
        segment.path.unlink()
    elif how == "rename":
        name = layout.name_for(date(2030, 1, 1))
        segment.path.rename(segment.path.with_name(f"{name}.gz" if segment.archived else name))
    else:
        with segment.open() as file:
            content = bytearray(file.read())
        end = max(1, content.rfind(b"\n", 0, -1)) if segment is segments[-1] else len(content)
        place = data.draw(st.integers(0, end - 1))
        content[place] ^= 1
        segment.path.write_bytes(gzip.compress(bytes(content)) if segment.archived else bytes(content))


def tree(folder: Path) -> dict[str, bytes]:
    """Return the log's files by name, without the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def run_for(log: LivedLog, days: int) -> None:
    """Write and retain on each of so many days."""
    for _ in range(days):
        log.write()
        log.retain()
        log.pass_days(1)


def test_a_season_of_daily_runs_stays_one_short_line(tmp_path: Path) -> None:
    """Every run says all of what went before, and verification tells it from what is missing."""
    with lived(tmp_path, "2027-12-01 12:00:00") as log:
        run_for(log, 100)
        report = log.verify()
        assert (report.exit_code, report.findings, report.notes) == (3, (), ())
        (row,) = report.deletions
        assert row["seqs"] == [0, report.deleted_to]
        assert (row["days"], row["policy"], row["actor"]) == (["2027-12-01", "2028-03-03"], "short", "cron")
        assert row["runs"] == 95
        assert "of 2027-12-01 to 2028-03-03: policy short, by cron, in 95 runs, the last on 2028-03-09" in (
            report.summary()
        )
        assert len(segments_of(tmp_path)) == 6


@pytest.mark.slow
def test_years_of_daily_runs(tmp_path: Path) -> None:
    """Leap days and year ends make no difference, and the certificate does not grow."""
    with lived(tmp_path, "2027-12-01 12:00:00") as log:
        run_for(log, 800)
        report = log.verify()
        assert (report.exit_code, report.findings, report.notes) == (3, (), ())
        assert [row["runs"] for row in report.deletions] == [800 - 5]
