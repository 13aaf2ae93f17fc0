"""Control lines that somebody asks for: policy, holds, releases, deletions, redactions, exports."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from log_builder import key

from or_audit_logging import verify
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import history_of
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.shared_writer import SharedWriter
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold
from or_audit_logging.store.writer import StoreWriter

POLICY = {"name": "operational", "archive_after_days": 30, "delete_after_days": 90, "min_days": 90}
HOLD = {"name": "case-7", "from": "2026-10-01", "until": None, "actor": "counsel", "reason": "litigation"}


def open_log(folder: Path, *, in_store: bool = False) -> SharedWriter:
    ring = KeyRing.from_sources(key())
    if in_store:
        return StoreWriter(folder / "audit.db", ring)
    return LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), ring)


def place(folder: Path, *, in_store: bool) -> Path:
    return folder / "audit.db" if in_store else folder


@pytest.mark.parametrize("in_store", [False, True])
def test_acts_are_sealed_and_a_checkpoint_covers_them(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, in_store: bool
) -> None:
    """Another writer that had the log open goes on behind them, and the log verifies."""
    other = open_log(tmp_path, in_store=in_store)
    other.append(b'{"event_type":"log","n":1}')
    writer = open_log(tmp_path, in_store=in_store)
    first = writer.act(("log.hold", HOLD), ("log.export", {"first": 0, "last": 1}))
    made = writer.checkpoints.take()
    writer.stop()
    other.append(b'{"event_type":"log","n":2}')
    other.stop()
    where = place(tmp_path, in_store=in_store)
    history = history_of(reader_of(where))
    assert [(act.seq, act.event_type) for act in history.acts] == [
        (first, "log.hold"),
        (first + 1, "log.export"),
    ]
    assert parse_control(made[-1].encode())["size"] == first + 2
    assert history.holds == (Hold("case-7", date(2026, 10, 1), None, first, "counsel", "litigation"),)
    anchor = tmp_path_factory.mktemp("elsewhere") / "anchor"
    anchor.write_text(made[-1])
    assert verify(where, key=key(), anchors=[anchor]).verdict == "verified"


def test_a_policy_stands_in_every_segment_from_then_on(tmp_path: Path) -> None:
    """It begins a segment, so that a process that took the log up before goes on under it."""
    other = open_log(tmp_path)
    other.append(b'{"event_type":"log","n":1}')
    writer = open_log(tmp_path)
    writer.act(("log.policy", {"name": "operational", "policy": POLICY, "actor": "a", "reason": None}))
    writer.stop()
    other.append(b'{"event_type":"log","n":2}')
    other.act(("log.policy", {"name": "operational", "policy": POLICY | {"min_days": 30}}))
    other.stop()
    stated = [
        parse_control(segment.lines().__next__().rstrip(b"\n"))["policy"]
        for _, segment in LogLayout.from_filename(tmp_path / "audit.jsonl").segments()
    ]
    assert stated == [None, POLICY, POLICY | {"min_days": 30}]
    history = history_of(reader_of(tmp_path))
    assert (history.policy, history.minimum) == (POLICY | {"min_days": 30}, 90)
    assert verify(tmp_path, key=key()).verdict == "unanchored"


def test_a_hold_goes_on_until_it_is_released(tmp_path: Path) -> None:
    """One that is said again is the same; another name is another hold."""
    writer = open_log(tmp_path)
    writer.append(b'{"event_type":"log"}')
    writer.act(("log.hold", HOLD))
    renewed = writer.act(("log.hold", HOLD | {"renews": 5}), ("log.hold", HOLD | {"name": "case-8"}))
    writer.act(("log.release", {"name": "case-8"}))
    writer.stop()
    assert [(hold.name, hold.seq) for hold in history_of(reader_of(tmp_path)).holds] == [("case-7", renewed)]


def test_nothing_is_added_to_a_log_that_does_not_chain(tmp_path: Path) -> None:
    """A checkpoint of it would launder the edit."""
    writer = open_log(tmp_path)
    writer.append(b'{"event_type":"log","text":"one"}')
    writer.append(b'{"event_type":"log","text":"two"}')
    segment = next(iter(tmp_path.glob("audit_*")))
    before = segment.read_bytes().replace(b'"one"', b'"eno"')
    segment.write_bytes(before)
    fresh = open_log(tmp_path)
    with pytest.raises(AuditWriteError, match="does not chain"):
        fresh.act(("log.hold", HOLD))
    assert segment.read_bytes() == before


def test_a_log_without_lines_has_nothing_to_act_on(tmp_path: Path) -> None:
    """It is the first record that begins a log."""
    with pytest.raises(AuditWriteError, match="no lines"):
        open_log(tmp_path).act(("log.hold", HOLD))


def test_a_hold_covers_the_days_that_touch_it() -> None:
    """Both ends belong to it, and a missing one is none."""
    hold = Hold("h", date(2026, 10, 5), date(2026, 10, 7), 3)
    day = [date(2026, 10, n) for n in range(1, 12)]
    assert [n + 1 for n in range(10) if hold.covers(day[n], day[n])] == [5, 6, 7]
    assert hold.covers(day[0], day[10])
    assert not hold.covers(day[0], day[3])
    assert Hold("h", None, None, 3).covers(day[0], day[0])
