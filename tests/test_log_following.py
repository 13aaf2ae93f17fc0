"""Two writers on one log: what one reads of the other's lines, when, and what it checks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of, members_of
from freezegun import freeze_time
from samples import SECRET
from test_log_writer import assert_honest, body, events, writer

from or_audit_logging.cli.main import main
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log import end as end_module
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter

NOON = "2026-11-21T12:00:00Z"
posix_only = pytest.mark.skipif(os.name != "posix", reason="symbolic links")


def source() -> bytes:
    return SECRET


def other_source() -> bytes:
    return b"another fake key for tests, not a secret"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often lines are read back and checked."""
    read: list[int] = []
    catch_up = end_module.catch_up

    def counting(tail: Any, file: Any, find_keys: Any, *, until: int | None = None) -> None:
        before = tail.checked_seq
        catch_up(tail, file, find_keys, until=until)
        read.append(tail.checked_seq - before)

    monkeypatch.setattr(end_module, "catch_up", counting)
    return read


def test_lines_of_others_are_read_when_a_checkpoint_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write looks at the last line only; whoever makes the checkpoint reads the rest, once."""
    first, second = writer(tmp_path, checkpoint_every=50), writer(tmp_path, checkpoint_every=50)
    first.append(body())
    second.append(body())
    read = counted(monkeypatch)
    while len(lines_of(tmp_path)) < 47:
        first.append(body())
        second.append(body())
    assert read == []
    before = len(lines_of(tmp_path))
    while len(lines_of(tmp_path)) < before + 4:
        first.append(body())
        second.append(body())
    assert events(tmp_path).count("checkpoint") == 2
    assert 20 < sum(read) < 60
    first.stop()
    second.stop()
    assert_honest(tmp_path)


def test_what_another_process_has_vouched_for_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint's maker has checked every line before it, so checking goes on behind the last one."""
    first, second = writer(tmp_path, checkpoint_every=100), writer(tmp_path, checkpoint_every=100)
    first.append(body())
    second.append(body())
    long = body()[:-1] + b',"text":"' + b"x" * 400 + b'"}'
    for _ in range(450):
        second.append(long)
    read = counted(monkeypatch)
    first._due = True
    first.append(body())
    assert 0 < sum(read) < 100
    assert events(tmp_path)[-1] == "checkpoint"
    first.stop()
    second.stop()
    assert_honest(tmp_path)


def test_a_checkpoint_over_lines_of_others_is_right(tmp_path: Path) -> None:
    """Its tree is that of all lines, whoever wrote them: verification recomputes it."""
    writers = [writer(tmp_path, checkpoint_every=7 + n) for n in range(3)]
    for number in range(90):
        writers[number % 3 if number % 5 else 0].append(body(number))
    for each in writers:
        each.stop()
    assert_honest(tmp_path)
    assert sum(event == "checkpoint" for event in events(tmp_path)) > 15


def test_an_edit_of_our_last_line_is_seen_when_another_has_written(tmp_path: Path) -> None:
    """Our own last MAC is looked at before the moved end is followed; no checkpoint is made over an edit."""
    first, second = writer(tmp_path), writer(tmp_path)
    second.append(body())
    first.append(body(11))
    (path,) = tmp_path.glob("audit_*.jsonl")
    data = bytearray(path.read_bytes())
    data[-10] = ord("0") if data[-10] != ord("0") else ord("1")  # a digit of the MAC
    path.write_bytes(bytes(data))
    second.append(body())
    first.append(body(12))
    lost = [members for members in members_of(tmp_path) if members["event_type"] == "log.lost"]
    assert {members["reason"] for members in lost} == {"chain"}
    checkpoints = events(tmp_path).count("checkpoint")
    first.stop()
    second.stop()
    assert events(tmp_path).count("checkpoint") == checkpoints
    assert verify(tmp_path, key=source).verdict == "tampered"


def test_an_edit_of_a_line_nobody_has_checked_yet(tmp_path: Path) -> None:
    """It is found by whoever would sign over it."""
    first, second = writer(tmp_path), writer(tmp_path)
    first.append(body())
    second.append(body(77))
    second.append(body(78))
    (path,) = tmp_path.glob("audit_*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"number":77', b'"number":70'))
    first.append(body())
    assert "lost" not in events(tmp_path)
    first.stop()
    assert [m["reason"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == ["chain"]
    assert events(tmp_path)[-1] == "stop"  # and no checkpoint behind it


def test_a_new_day_is_opened_over_checked_lines_only(tmp_path: Path) -> None:
    """The open line states a tree, so what others wrote before is read first."""
    with freeze_time(NOON) as clock:
        first, second = writer(tmp_path), writer(tmp_path)
        first.append(body())
        for number in range(5):
            second.append(body(number))
        clock.move_to("2026-11-22T00:00:01Z")
        first.append(body())
        second.append(body())
        first.stop()
        second.stop()
    opened = [members for members in members_of(tmp_path) if members["event_type"] == "log.open"]
    assert [members["frontier"] is not None for members in opened] == [True]
    assert_honest(tmp_path)


def test_a_rotation_by_another_process_is_followed(tmp_path: Path) -> None:
    """Its key is looked up, and the number of the key goes up."""
    first, second = writer(tmp_path), writer(tmp_path)
    first.append(body())
    second.append(body())
    with first._exclusive:
        first._end.go_to(first._lock.generation)
        first._write_control("log.rotate")
        assert first._end.tail is not None
        first._end.tail.kid += 1
    first.append(body())
    second.append(body())
    second.append(body())
    assert lines_of(tmp_path)[-1].count(b'"kid":1') == 1


def test_a_rotation_behind_lines_of_others_that_were_not_read(tmp_path: Path) -> None:
    """They are read under the key that sealed them, before it is changed."""
    ring = KeyRing.from_sources([source, other_source])
    layout = LogLayout.from_filename(tmp_path / "audit.jsonl")
    first, second = LogWriter(layout, ring), LogWriter(layout, ring)
    first.append(body())
    second.append(body())
    first.rotate(ring=KeyRing.from_sources(other_source))
    first.append(body())
    for each in (first, second):
        each.stop()
    assert verify(tmp_path, key=[source, other_source]).findings == ()


def test_an_idle_log_is_closed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`or-audit close-day` opens today's segment where the last one is an earlier day's."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    with freeze_time(NOON) as clock:
        log = writer(tmp_path)
        log.append(body())
        log.stop()
        assert main(["close-day", str(tmp_path)]) == 0
        assert "nothing to close" in capsys.readouterr().out
        clock.move_to("2026-11-22T00:10:00Z")
        assert main(["close-day", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "closed audit_2026-11-21.jsonl\n"
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "audit_2026-11-21.jsonl",
        "audit_2026-11-22.jsonl",
    ]
    assert events(tmp_path)[-2:] == ["open", "checkpoint"]
    assert_honest(tmp_path)
    assert main(["close-day", str(tmp_path / "absent")]) == 2
    assert "no audit log" in capsys.readouterr().err


@posix_only
def test_a_link_leads_to_the_open_segment(tmp_path: Path) -> None:
    """For people who `tail -F` one name; it moves in one step, and is no segment."""
    link = tmp_path / "logs" / "current"
    with freeze_time(NOON) as clock:
        log = writer(tmp_path / "logs", link=link)
        log.append(body())
        assert os.readlink(link) == "audit_2026-11-21.jsonl"
        clock.move_to("2026-11-22T12:00:00Z")
        log.append(body())
        assert os.readlink(link) == "audit_2026-11-22.jsonl"
        link.unlink()
        log.append(body())
        log.stop()
        again = writer(tmp_path / "logs", link=link)
        assert os.readlink(link) == "audit_2026-11-22.jsonl"
        again.stop()
    assert_honest(tmp_path / "logs")
