"""Anchors held against a log: which ones count, for how much, and for how long."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from log_builder import KEPT_AT, NEXT_DAY, LogBuilder, key

from or_audit_logging.evidence.verify import verify
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.merkle import Frontier


@pytest.fixture
def log() -> LogBuilder:
    """Return a log of nine lines in two segments."""
    built = LogBuilder()
    built.user(3)
    built.open(NEXT_DAY)
    built.user(2)
    return built


@pytest.mark.parametrize("size", range(1, 10))
def test_every_size_anchors(tmp_path: Path, log: LogBuilder, size: int) -> None:
    """A checkpoint may be of any size; it anchors the lines before its own."""
    log.save(tmp_path)
    for ring in (key(), None):
        report = verify(tmp_path, key=ring, anchors=[log.anchor(size)])
        assert (report.verdict, report.anchored_to) == ("verified", size - 1)


@pytest.mark.parametrize("size", range(1, 10))
def test_every_wrong_root_is_a_finding(tmp_path: Path, log: LogBuilder, size: int) -> None:
    """An anchor with another root proves that other lines stood here."""
    wrong = replace(log.anchor(size), root=bytes(32))
    report = verify(log.save(tmp_path), key=key(), anchors=[wrong])
    assert [finding.kind for finding in report.findings] == ["anchor-root"]
    assert wrong.where in report.findings[0].message


def test_anchor_of_no_lines_anchors_nothing(tmp_path: Path, log: LogBuilder) -> None:
    """A checkpoint of the empty log is true and says nothing."""
    log.save(tmp_path)
    assert verify(tmp_path, key=key(), anchors=[log.anchor(0)]).verdict == "unanchored"
    assert verify(tmp_path, anchors=[log.anchor(0)]).verdict == "cannot verify"


def test_two_anchors_of_one_size_that_differ_are_a_finding(tmp_path: Path, log: LogBuilder) -> None:
    """A log that showed different trees to two keepers is found out, in either order."""
    good = log.anchor(5)
    bad = replace(good, root=bytes(32), where="somewhere")
    log.save(tmp_path)
    for anchors in ([good, bad], [bad, good]):
        assert verify(tmp_path, key=key(), anchors=anchors).verdict == "tampered"


def test_anchor_of_another_log_is_listed_and_not_used(tmp_path: Path, log: LogBuilder) -> None:
    """A folder may hold the anchors of a whole fleet."""
    other = LogBuilder(log_id=bytes(16))
    other.user(50)
    report = verify(
        log.save(tmp_path), key=key(), anchors=[other.anchor(), replace(other.anchor(), log=None)]
    )
    assert (report.verdict, report.anchored_to) == ("unanchored", None)
    assert [note.kind for note in report.notes] == ["anchor-of-another-log"] * 2


def test_anchor_files_and_folders_are_read(tmp_path: Path, log: LogBuilder) -> None:
    """Places and values may be mixed; what holds no checkpoint is noted."""
    log.save(tmp_path / "log")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a.txt").write_text(log.note(4))
    (kept / "readme").write_text("nothing")
    (tmp_path / "one").write_text(log.checkpoint())
    mixed: list[list[Any]] = [[kept, str(tmp_path / "one")], [kept, log.anchor(9)]]
    for places in mixed:
        report = verify(tmp_path / "log", key=key(), anchors=places)
        assert (report.verdict, report.anchored_to) == ("verified", 8)
        assert [note.kind for note in report.notes] == ["anchor-none"]
    assert verify(tmp_path / "log", key=key(), anchors=str(kept)).anchored_to == 3


def test_anchor_in_the_logs_folder_does_not_count(tmp_path: Path, log: LogBuilder) -> None:
    """Whoever can change the log could change it too: read or given as a value, it is refused."""
    log.save(tmp_path)
    place = tmp_path / "anchors" / "kept.txt"
    place.parent.mkdir()
    place.write_text(log.note())
    value = replace(log.anchor(), where=f"{place}:1")
    refused: list[Any] = [place, place.parent, tmp_path, value]
    for anchor in refused:
        report = verify(tmp_path, key=key(), anchors=[anchor])
        assert report.verdict == "unanchored"
        assert "anchor-refused" in {note.kind for note in report.notes}


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(timedelta(hours=1), "unanchored"), (timedelta(hours=2), "verified"), (None, "verified")],
)
def test_anchor_may_be_too_old(tmp_path: Path, log: LogBuilder, age: timedelta | None, verdict: str) -> None:
    """A maximum age asks that somebody kept a checkpoint lately."""
    now = KEPT_AT + timedelta(hours=2)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()], max_age=age, now=now)
    assert (report.verdict, report.anchor_too_old) == (verdict, verdict == "unanchored")
    assert ("longer ago than the age allowed" in report.summary()) == report.anchor_too_old


def test_anchor_of_unknown_age_is_too_old(tmp_path: Path, log: LogBuilder) -> None:
    """Where nobody knows when it was kept, an anchor satisfies no maximum age, and otherwise counts."""
    log.save(tmp_path)
    anchor = log.anchor(kept_at=None)
    assert verify(tmp_path, anchors=[anchor]).verdict == "verified"
    assert verify(tmp_path, anchors=[anchor], max_age=timedelta(days=9999)).verdict == "unanchored"


def test_first_copy_of_the_largest_anchor_counts(tmp_path: Path, log: LogBuilder) -> None:
    """A checkpoint that is sent to its keeper again is no newer for it; a smaller one says nothing."""
    now = KEPT_AT + timedelta(hours=3)
    first, again, unknown = log.anchor(7), log.anchor(7, kept_at=now), log.anchor(7, kept_at=None)
    log.save(tmp_path)
    for anchors in ([first, again], [again, first], [unknown, again, first]):
        report = verify(tmp_path, key=key(), anchors=anchors, max_age=timedelta(hours=1), now=now)
        assert (report.verdict, report.anchored_at) == ("unanchored", KEPT_AT)
    report = verify(tmp_path, key=key(), anchors=[log.anchor(), again], max_age=timedelta(hours=1), now=now)
    assert report.verdict == "unanchored"
    report = verify(tmp_path, key=key(), anchors=[unknown, again], max_age=timedelta(hours=1), now=now)
    assert (report.verdict, report.anchored_at) == ("verified", now)


def test_lines_own_timestamp_is_not_the_anchors_age(tmp_path: Path) -> None:
    """A checkpoint line that calls itself new, in an old file, is old."""
    log = LogBuilder()
    log.user()
    log.clock = KEPT_AT + timedelta(days=300)
    kept = tmp_path / "kept"
    kept.write_text(log.checkpoint())
    os.utime(kept, (KEPT_AT.timestamp(), KEPT_AT.timestamp()))
    now = KEPT_AT + timedelta(days=300)
    report = verify(log.save(tmp_path / "log"), key=key(), anchors=[kept], max_age=timedelta(days=1), now=now)
    assert (report.verdict, report.anchored_at) == ("unanchored", KEPT_AT)


def test_old_anchor_still_convicts(tmp_path: Path, log: LogBuilder) -> None:
    """Age takes nothing from what an anchor proves."""
    log.segments[log.name] = log.segments[log.name].replace(b"plain", b"plaim", 1)
    report = verify(log.save(tmp_path), anchors=[log.anchor()], max_age=timedelta(0))
    assert report.verdict == "tampered"


def test_matching_anchor_does_not_excuse_a_wrong_mac(tmp_path: Path, log: LogBuilder) -> None:
    """With the key, the anchored range has to hold under it as well."""
    lines = log.lines()
    forged = lines[2].replace(b"plain", b"plaim")
    log.segments[log.name] = b"".join([*lines[:2], forged, *lines[3:]])
    log.save(tmp_path)
    tree = Frontier()
    for line in b"".join(log.segments.values()).splitlines():
        tree.append(leaf_hash(line))
    anchor = replace(log.anchor(), root=tree.root())
    assert verify(tmp_path, key=key(), anchors=[anchor]).verdict == "tampered"
