"""`retain` on real logs: what goes, what stays, what is sealed, and what is refused."""

from __future__ import annotations

import gzip
import json
import logging
import os
import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON
from log_builder import LogBuilder, deletion_row, key
from retaining import SHORT, LivedLog, lived
from stores import filled

from or_audit_logging import verify
from or_audit_logging.errors import ConfigError, FormatError, LegalHoldError, RetentionError
from or_audit_logging.evidence import verify as verifying
from or_audit_logging.evidence.deletions import MOST_ROWS, SEVERAL, continued, parse_past
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import History, history_of
from or_audit_logging.evidence.retention.locking import LOCK_NAME, exclusive
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Survey, survey
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.retention import (
    Archive,
    Delete,
    RetentionPolicy,
    add_hold,
    apply,
    plan,
    retain,
    segments_of,
)
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.note import SigningKey

LONGER = RetentionPolicy(archive_after_days=3, delete_after_days=8, name="longer")


def history(log: LivedLog) -> History:
    return history_of(reader_of(log.folder))


def sealed(log: LivedLog) -> list[Any]:
    """Return the names of the policies that the log states, one after the other."""
    return [act.members["name"] for act in history(log).acts if act.event_type == "log.policy"]


# what is done


def test_old_segments_are_archived_and_older_ones_deleted(tmp_path: Path) -> None:
    """The archive holds the same bytes; what was deleted stands in the log, and verification says so."""
    with lived(tmp_path) as log:
        log.write_days(4)
        before = {name: (tmp_path / name).read_bytes() for name in log.names()}
        log.pass_days(2)
        done = log.retain()
        assert done["archived"] == [f"audit_2026-01-0{day}.jsonl" for day in (2, 3)]
        assert done["deleted"] == ["audit_2026-01-01.jsonl"]
        assert log.archives() == done["archived"]
        for name in log.archives():
            packed = (tmp_path / "archive" / f"{name}.gz").read_bytes()
            assert gzip.decompress(packed) == before[name]
            assert packed[4:8] == bytes(4)  # no time: the same bytes each time
        report = log.verify()
        assert (report.exit_code, report.findings, report.notes) == (3, (), ())
        assert report.deleted_to == report.deletions[0]["seqs"][1] == report.first_seq - 1  # type: ignore[operator]
        assert "policy short, by cron, in one run on 2026-01-07" in report.summary()
        json.dumps(report.to_dict())


def test_twice_on_a_day_does_nothing_the_second_time(tmp_path: Path) -> None:
    """Not even a line is added."""
    with lived(tmp_path) as log:
        log.write_days(8)
        log.retain()
        seen = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        again = log.retain()
        assert (again["archived"], again["deleted"], again["sealed"], again["done"]) == ([], [], False, True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == seen


def test_a_dry_run_says_it_and_does_nothing(tmp_path: Path) -> None:
    """No lock is taken, no policy sealed, no file touched."""
    with lived(tmp_path) as log:
        log.write_days(8)
        seen = {path: path.read_bytes() for path in tmp_path.rglob("*")}
        planned = log.retain(dry_run=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == seen
        done = log.retain()
        assert (planned["done"], done["done"]) == (False, True)
        assert planned | {"done": True} == done


def test_who_is_asked_and_says_no(tmp_path: Path) -> None:
    """The plan is shown before anything is written."""
    with lived(tmp_path) as log:
        log.write_days(8)
        shown: list[object] = []
        done = log.retain(confirm=shown.append)
        assert (done["done"], shown) == (False, [done])
        assert (sealed(log), log.archives()) == ([], [])


def test_archived_segments_are_deleted_too(tmp_path: Path) -> None:
    """When their time has come."""
    with lived(tmp_path) as log:
        log.write_days(4)
        log.retain()
        assert len(log.archives()) == 3
        log.pass_days(20)
        log.write()
        log.retain()
        log.pass_days(5)
        log.write()
        assert log.archives() == ["audit_2026-01-05.1.jsonl"]
        assert log.retain()["deleted"] == ["audit_2026-01-05.1.jsonl"]
        assert log.archives() == ["audit_2026-01-25.jsonl"]
        assert log.verify().findings == ()


def test_a_checkpoint_is_handed_over_before_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps it knows of the deletion even if the log is lost in the middle of it."""
    with lived(tmp_path) as log:
        log.write_days(8)
        taken: list[tuple[str, int]] = []

        class Keeper(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                taken.append((record.getMessage(), len(log.names())))

        logger = logging.getLogger(CHECKPOINT_LOGGER)
        logger.addHandler(Keeper())
        logger.setLevel(logging.INFO)
        present = len(log.names())
        log.retain()
        deletion = history(log).deletion
        assert deletion is not None
        covering = [files for line, files in taken if parse_control(line.encode())["size"] > deletion.seq]  # type: ignore[operator]
        assert covering
        assert covering[0] >= present


def test_a_log_that_is_signed_goes_on_signed(tmp_path: Path) -> None:
    """Without the signing key it is said which one is missing."""
    pytest.importorskip("cryptography")
    signing = SigningKey.generate()
    log = LogBuilder(signing=signing)
    log.user(3)
    for name in ("with", "without"):
        log.save(tmp_path / name)
    with freeze_time("2026-11-30"):
        done = retain(tmp_path / "with", SHORT, key=key(), signing_key=signing.to_pem)
        assert done["unsigned"] is None
        done = retain(tmp_path / "without", SHORT, key=key())
        assert done["unsigned"] == str(signing.verifier_key(log.origin))
    public = signing.verifier_key(log.origin)
    reports = [verify(tmp_path / name, key=key(), public_key=str(public)) for name in ("with", "without")]
    assert [report.findings for report in reports] == [(), ()]
    assert (reports[0].signed_to or 0) > (reports[1].signed_to or 0)


# what is refused


def test_a_log_that_fails_is_not_touched(tmp_path: Path) -> None:
    with lived(tmp_path) as log:
        log.write_days(8)
        edited = tmp_path / log.names()[5]
        edited.write_bytes(edited.read_bytes().replace(b'"n":5', b'"n":6'))
        seen = {path: path.read_bytes() for path in tmp_path.glob("audit_*")}
        with pytest.raises(RetentionError, match=r"nothing was touched.*tampered"):
            log.retain()
        assert {path: path.read_bytes() for path in tmp_path.glob("audit_*")} == seen


def test_the_key_has_to_be_the_logs(tmp_path: Path) -> None:
    with lived(tmp_path) as log:
        log.write_days(2)
        with pytest.raises(RetentionError, match="cannot verify"):
            log.retain(key=key(b"a key that is not the one of this log"))
        with pytest.raises(ConfigError):
            log.retain(key=None)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Other files are left alone, whatever they are called."""
    with lived(tmp_path) as log:
        log.write_days(8)
        (tmp_path / "archive").mkdir()
        others = [
            "notes.txt",
            "audit.jsonl.bak",
            "archive/readme.txt",
            "archive/.audit_x.unfinished",
            "audit_.x",
        ]
        for name in others:
            (tmp_path / name).write_text("mine")
        log.retain()
        log.pass_days(20)
        log.retain()
        assert [(tmp_path / name).read_text() for name in others] == ["mine"] * len(others)


def test_a_link_is_not_a_segment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What it leads to is not ours."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    with lived(tmp_path) as log:
        log.write_days(8)
        name = tmp_path / log.names()[0]
        name.rename(elsewhere)
        name.symlink_to(elsewhere)
        with pytest.raises((RetentionError, ConfigError), match="regular file"):
            log.retain()
        assert elsewhere.exists()
        assert name.is_symlink()


def test_only_one_run_at_a_time(tmp_path: Path) -> None:
    """The second one is told which file says so."""
    with lived(tmp_path) as log:
        log.write_days(2)
        with exclusive(tmp_path):
            with pytest.raises(RetentionError, match=LOCK_NAME):
                log.retain()
            log.retain(dry_run=True)
        log.retain()


def test_a_store_and_no_log_are_refused(tmp_path: Path) -> None:
    """A store is a copy: it is brought up to date by an import."""
    with pytest.raises(ConfigError, match="is a store"):
        retain(filled(tmp_path / "audit.db", {"model_requested": "m"}), key=key())
    with pytest.raises(ConfigError, match="no audit log"):
        LivedLog(tmp_path, None).retain()


@pytest.mark.parametrize(
    "options",
    [
        {"today": date(2026, 1, 10)},
        {"actor": ""},
        {"reason": "x" * 501},
        {"actor": 7},
        {"actor": "\U0001f5d1" * 40},
        {"reason": "\u00e9" * 400},
        {"replace_policy": True},
        {"policy": 7},
        {"policy": "weekly"},
    ],
)
def test_arguments_that_are_wrong(tmp_path: Path, options: dict[str, Any]) -> None:
    with lived(tmp_path) as log:
        log.write_days(3)
        with pytest.raises(ConfigError):
            log.retain(**options)


def test_an_archive_that_cannot_be_used_is_seen_before_anything_is_done(tmp_path: Path) -> None:
    """Deletion comes first, and would be done when archiving fails."""
    with lived(tmp_path) as log:
        log.write_days(8)
        (tmp_path / "archive").write_text("mine")
        seen = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises((RetentionError, ConfigError), match="archive"):
            log.retain()
        (tmp_path / LOCK_NAME).unlink()
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == seen


@pytest.mark.parametrize("policy_is_sealed", [True, False])
def test_a_clock_that_is_set_back_seals_no_certificate_too_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, policy_is_sealed: bool
) -> None:
    """The age counts at the moment that the certificate bears, not at the one of the plan."""
    real = LogWriter.act

    def set_back_and_act(self: LogWriter, *acts: Any, **options: Any) -> int:
        if acts[-1][0] == "log.delete":
            log.set_clock("2026-01-06 23:59")
        return real(self, *acts, **options)

    with lived(tmp_path) as log:
        log.write_days(2)
        if policy_is_sealed:
            log.retain()
        log.set_clock("2026-01-07 00:01")
        log.write()
        monkeypatch.setattr(LogWriter, "act", set_back_and_act)
        with pytest.raises(RetentionError, match="is 4 days old; nothing was deleted"):
            log.retain()
        assert log.numbers() == {0, 1, 2}
        assert history(log).deletion is None
        monkeypatch.undo()
        log.set_clock("2026-01-07 00:02")
        assert log.retain()["deleted"] == ["audit_2026-01-01.jsonl"]
        assert log.verify().findings == ()


# policies


def test_the_policy_is_sealed_once_and_a_shorter_one_does_not_weaken_it(tmp_path: Path) -> None:
    """A longer one is sealed as well, and wins from then on."""
    with lived(tmp_path) as log:
        log.write_days(7)
        log.retain(LONGER)
        short = log.retain(SHORT)
        assert (short["sealed"], short["deleted"]) == (False, [])
        assert "longer wins for deletion: 8 days, against short (5 days)" in short["notes"]
        log.retain([SHORT, RetentionPolicy(None, 9, name="third")])
        assert sealed(log) == ["longer", "third"]
        assert log.retain(None)["policy"]["delete_after_days"] == 9


def test_without_one_the_sealed_policy_counts_else_one_is_to_be_named(tmp_path: Path) -> None:
    """The operational one is only proposed: in a dry run, or to who is asked."""
    with lived(tmp_path) as log:
        log.write_days(100)
        assert log.retain(None, dry_run=True)["policy"]["name"] == "operational"
        for nothing in (None, []):
            with pytest.raises(ConfigError, match="operational, eu-ai-act"):
                log.retain(nothing)
        assert (sealed(log), len(log.names())) == ([], 100)
        assert log.retain(None, confirm=lambda planned: False)["policy"]["name"] == "operational"
        log.retain(SHORT)
        assert log.retain(None)["policy"] == SHORT.to_sealed()
        assert retain(tmp_path, key=key())["policy"] == SHORT.to_sealed()


def test_a_policy_that_is_replaced_keeps_its_promise_to_the_lines_before(tmp_path: Path) -> None:
    """The shorter one counts for what is written under it."""
    with lived(tmp_path) as log:
        log.write_days(3)
        log.retain(LONGER)
        log.write_days(3)
        done = log.retain(SHORT, replace_policy=True, reason="less to keep")
        assert (done["sealed"], done["policy"]["delete_after_days"]) == (True, 5)
        assert any("promised 8 days" in note for note in done["notes"])
        went: dict[str, int] = {}
        for _ in range(12):
            went |= {
                name: (log.today - date.fromisoformat(name[6:16])).days
                for name in log.retain(None)["deleted"]
            }
            log.write_days(1)
            assert log.verify().findings == ()
        assert went["audit_2026-01-01.jsonl"] >= 8
        assert went["audit_2026-01-06.jsonl"] >= 8
        assert min(went.values()) == 6
        assert history(log).minimum == 5


def test_the_minimum_is_held_below_the_age_of_deletion(tmp_path: Path) -> None:
    """`apply` does not trust the plan that it is given."""
    with lived(tmp_path) as log:
        log.write_days(7)
        log.retain(LONGER)
        actions = plan(segments_of(tmp_path), SHORT, log.today)
        assert any(isinstance(action, Delete) for action in actions)
        with pytest.raises(RetentionError, match="promises to keep its lines for 8 days"):
            apply(actions, key=key())
        assert log.verify().deleted_to is None


# apply


def test_a_plan_that_no_longer_fits_is_refused(tmp_path: Path) -> None:
    """Only the oldest segments, as they are, and never the open one."""
    with lived(tmp_path) as log:
        log.write_days(8)
        actions = plan(segments_of(tmp_path), SHORT, log.today)
        (delete,) = (action for action in actions if isinstance(action, Delete))
        segments = segments_of(tmp_path)
        later = Delete(segments[1:2], segments[2], "p", log.today, "")
        everything = Delete(segments, segments[-1], "p", log.today, "")
        archive_open = Archive(segments[-1], "")
        too_early = replace(delete, cut_off=delete.base.opened - timedelta(days=1))
        for wrong in (
            [later],
            [everything],
            [archive_open],
            [too_early],
            [delete, delete],
            [delete, Archive(segments[0], "")],
        ):
            with pytest.raises(RetentionError):
                apply(wrong, key=key())
        assert len(log.names()) == 8
        apply(actions, key=key())
        with pytest.raises(RetentionError, match="plan anew"):
            apply(actions, key=key())
        assert apply([]) == apply([action for action in actions if not isinstance(action, (Archive, Delete))])


def test_what_is_held_is_not_deleted_whatever_was_planned(tmp_path: Path) -> None:
    """A hold that came after the plan counts; nothing at all is touched."""
    with lived(tmp_path) as log:
        log.write_days(8)
        actions = plan(segments_of(tmp_path), SHORT, log.today)
        add_hold(tmp_path, "case-7", since=date(2026, 1, 2), until=date(2026, 1, 2), key=key())
        seen = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(LegalHoldError, match="case-7"):
            apply(actions, key=key())
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == seen


def test_actions_on_two_logs_are_refused(tmp_path: Path) -> None:
    with lived(tmp_path / "a") as log:
        log.write_days(4)
        other = LivedLog(tmp_path / "b", log.clock)
        other.write_days(4)
        both = [*plan(segments_of(tmp_path / "a"), SHORT, log.today)]
        both += plan(segments_of(tmp_path / "b"), SHORT, log.today)
        with pytest.raises(RetentionError, match="several logs"):
            apply(both, key=key())


def test_an_archive_that_differs_is_left_alone(tmp_path: Path) -> None:
    """Verification has found it before."""
    with lived(tmp_path) as log:
        log.write_days(4)
        log.retain()
        name = log.archives()[0]
        (tmp_path / name).write_bytes(b"other")
        with pytest.raises(RetentionError):
            log.retain()
        assert (tmp_path / name).read_bytes() == b"other"


def test_a_cut_first_line_goes_with_the_segment_that_describes_it(tmp_path: Path) -> None:
    """A crash had left it; a file that only bears such a name is left."""
    with lived(tmp_path) as log:
        log.write()
        log.pass_days(1)
        cut = tmp_path / "audit_2026-01-02.jsonl"
        cut.write_bytes(b'{"event_type":"log.op')
        described = tmp_path / "audit_2026-01-02.1.jsonl"
        present = []
        for _ in range(8):
            log.write_days(1)
            log.retain()
            present.append(cut.exists())
            assert present[-1] == (described.exists() or described.name in log.archives())
            assert log.verify().findings == ()
        assert (present[0], present[-1]) == (True, False)
        assert log.verify().notes == ()


# beside a writer


def test_beside_a_running_writer_nothing_is_lost(tmp_path: Path) -> None:
    """One that has had the log open since before goes on, at each moment of the run."""
    with lived(tmp_path) as log:
        log.write_days(8)
        writer, stop, count = log.writer(), threading.Event(), [0]

        def write() -> None:
            while not stop.is_set():
                writer.append(b'{"event_type":"log","n":%d}' % (1000 + count[0]))
                count[0] += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(3):
                log.retain()
                log.pass_days(1)
        finally:
            stop.set()
            thread.join()
        writer.stop()
        assert log.verify().findings == ()
        assert {number for number in log.numbers() if number >= 1000} == set(range(1000, 1000 + count[0]))


@pytest.mark.parametrize("moment", range(9))
def test_beside_a_verification_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Files may go between any two that it reads: it looks again, and they went lawfully."""
    with lived(tmp_path) as log:
        log.write_days(8)
        passed: list[int] = []

        def pass_on(lines: int = 0) -> None:
            passed.append(lines)
            if len(passed) == moment + 1:
                log.retain()

        def looking(layout: LogLayout) -> Survey:
            found = survey(layout)
            pass_on()
            return found

        monkeypatch.setattr(verifying, "survey", looking)
        report = log.verify(progress=pass_on)
        assert (report.verdict, report.findings) == ("unanchored", ())
        assert (report.deleted_to is not None) == (moment < 3)


# the rows of all deletions


def test_runs_alike_are_one_row_and_others_begin_a_new_one() -> None:
    rows: list[dict[str, Any]] = []
    for number, (policy, actor) in enumerate([("p", "a"), ("p", "a"), ("q", "a"), ("q", None), ("q", None)]):
        row = deletion_row(number, first=number, policy=policy, actor=actor)
        rows = continued(rows, row)
    assert [(row["seqs"], row["policy"], row["actor"], row["runs"]) for row in rows] == [
        ([0, 1], "p", "a", 2),
        ([2, 2], "q", "a", 1),
        ([3, 4], "q", None, 2),
    ]
    assert parse_past(rows, base=5) == tuple(rows)


def test_the_list_has_an_end() -> None:
    """Actors that take turns for years: the oldest rows become one, and the rest is told apart."""
    rows: list[dict[str, Any]] = []
    for number in range(500):
        rows = continued(rows, deletion_row(number, first=number, actor=str(number % 2)))
    assert len(rows) == MOST_ROWS
    assert (rows[0]["actor"], rows[0]["policy"]) == (SEVERAL, "operational")
    assert sum(row["runs"] for row in rows) == 500
    assert parse_past(rows, base=500)


def test_a_log_delete_is_a_line_like_others(tmp_path: Path) -> None:
    """Whatever names take turns, in whatever script: a shipper that cuts at 8 KiB cuts none."""
    policy = RetentionPolicy(None, 2, name="\U0001f5d1" * 100)
    with lived(tmp_path) as log:
        log.write_days(3)
        for run in range(25):
            log.write_days(1)
            log.retain(policy, actor=f"{run:02}" + "\u00e9" * 66, reason="\u00e9" * 333)
        deletion = history(log).deletion
        assert deletion is not None
        assert len(deletion.raw) < 8_000
        assert sum(row["runs"] for row in deletion.members["past"]) == 25
        assert log.verify().findings == ()


@pytest.mark.parametrize(
    "change",
    [
        {"seqs": [1, 4]},
        {"seqs": [0, 3]},
        {"seqs": [0, 5]},
        {"seqs": [0, True]},
        {"seqs": [0]},
        {"seqs": None},
        {"days": ["2026-01-02", "2026-01-01"]},
        {"days": ["2026-02-30", "2026-03-01"]},
        {"days": ["20260101", "2026-01-02"]},
        {"days": "2026-01-01"},
        {"policy": None},
        {"cut_off": None},
        {"actor": 7},
        {"time": "yesterday"},
        {"runs": 0},
        {"runs": True},
        {"more": 1},
    ],
)
def test_a_past_that_cannot_be_is_a_finding(tmp_path: Path, change: dict[str, object]) -> None:
    """The verifier reads it as closely as the rest of the line."""
    log = LogBuilder()
    log.user(3)
    log.open("2026-11-22")
    log.delete("audit_2026-11-22.jsonl", past=[deletion_row(4) | change])
    kinds = [finding.kind for finding in verify(log.save(tmp_path), key=key()).findings]
    assert "delete" in kinds


@given(JSON, st.integers(1, 10))
def test_any_past_is_read_or_refused(past: object, base: int) -> None:
    try:
        parse_past(past, base=base)
    except FormatError:
        pass


def test_the_actor_is_the_login_name_if_nobody_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    with lived(tmp_path) as log:
        log.write_days(8)
        log.retain(actor=None, reason="schedule")
        deletion = history(log).deletion
        assert deletion is not None
        assert (deletion.members["actor"], deletion.members["reason"]) == ("somebody", "schedule")
        assert os.environ["LOGNAME"] == deletion.members["past"][0]["actor"]
        assert timedelta(0) < log.today - date.fromisoformat(deletion.members["past"][0]["cut_off"])
