"""Verdicts: what `verify` says of honest logs, and of logs that it cannot judge."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from log_builder import (
    DAY,
    KEPT_AT,
    LOG_ID,
    NEXT_DAY,
    OTHER_SECRET,
    SECRET,
    THIRD_DAY,
    LogBuilder,
    key,
)

from or_audit_logging.errors import ChainBrokenError, ConfigError, SegmentMissingError, VerificationError
from or_audit_logging.evidence import folder
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing


def plain_log() -> LogBuilder:
    """Return a log of two segments and eleven lines."""
    log = LogBuilder()
    log.user(3)
    log.checkpoint(note=True)
    log.open(NEXT_DAY)
    log.user(3)
    return log


# verdicts


def test_key_and_anchor_verify(tmp_path: Path) -> None:
    """With the key and an anchor over all of it, a log is verified up to its end."""
    log = plain_log()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.exit_code, report.tail) == ("verified", 0, "anchored")
    assert (report.lines, report.segments, report.first_seq, report.last_seq) == (11, 2, 0, 10)
    assert (report.anchored_to, report.anchored_at) == (10, KEPT_AT)
    assert (report.log_id, report.origin) == (LOG_ID.hex(), log.origin)


def test_key_alone_leaves_the_end_open(tmp_path: Path) -> None:
    """With the key alone everything present holds, and nothing vouches for the end."""
    report = verify(plain_log().save(tmp_path), key=key())
    assert (report.verdict, report.exit_code, report.tail) == ("unanchored", 3, "chain-only")
    assert "11 lines" in report.summary()
    assert f"or-audit checkpoint {tmp_path} -o ELSEWHERE" in report.summary()


def test_anchor_alone_verifies_its_range(tmp_path: Path) -> None:
    """Without the key an anchor proves the lines that it covers, and the rest is called unchecked."""
    log = plain_log()
    report = verify(log.save(tmp_path), anchors=[log.anchor(7)])
    assert (report.verdict, report.anchored_to, report.tail) == ("verified", 6, "unchecked")
    assert "4 lines after it are unchecked" in report.summary()


def test_neither_key_nor_anchor_cannot_verify(tmp_path: Path) -> None:
    """Without key and anchor there is nothing to hold the log against."""
    report = verify(plain_log().save(tmp_path))
    assert (report.verdict, report.exit_code) == ("cannot verify", 2)
    assert "neither a key nor an anchor of this log was given; set OR_AUDIT_KEY_FILE" in report.summary()


def test_tail_behind_the_anchor_is_chain_only(tmp_path: Path) -> None:
    """Lines after the last anchor follow from the key alone, and the report says so."""
    log = plain_log()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor(10)])
    assert (report.verdict, report.tail) == ("verified", "chain-only")
    assert "The line after it is chain-only" in report.summary()


def test_largest_matching_anchor_counts(tmp_path: Path) -> None:
    """Of several anchors the largest bounds the end, whatever their order."""
    log = plain_log()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor(9), log.anchor(4), log.anchor(7)])
    assert report.anchored_to == 8


@pytest.mark.parametrize(
    ("finding", "reason", "anchored", "verdict"),
    [
        (True, True, True, "tampered"),
        (True, False, False, "tampered"),
        (False, True, True, "cannot verify"),
        (False, True, False, "cannot verify"),
        (False, False, False, "unanchored"),
        (False, False, True, "verified"),
    ],
)
def test_precedence(tmp_path: Path, finding: bool, reason: bool, anchored: bool, verdict: str) -> None:
    """A finding outweighs what could not be checked, which outweighs a missing anchor."""
    log = plain_log()
    log.rotate(OTHER_SECRET)
    log.user()
    if finding:
        log.segments["audit_2026-11-21.jsonl"] = log.segments["audit_2026-11-21.jsonl"].replace(
            b"plain", b"plaim", 1
        )
    ring = key() if reason else [key(), key(OTHER_SECRET)]
    report = verify(log.save(tmp_path), key=ring, anchors=[log.anchor(5)] if anchored else [])
    assert report.verdict == verdict


# honest histories


def test_every_kind_of_line_is_accepted(tmp_path: Path) -> None:
    """A log with every control line that format 1 knows gives no finding."""
    log = LogBuilder()
    log.control("log.start", pid=7, host="h", library="0", config="0" * 64)
    for event in ("log.policy", "log.hold", "log.release"):
        log.control(event, name="n", policy="p", actor="a", reason="r")
    log.control("log.export", first=0, last=3, filter="0" * 64, actor="a", reason="r")
    log.control("log.lost", count=2, reason="disk")
    log.control("log.stop", pid=7)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert report.verdict == "verified"
    assert (report.user_lines, report.control_lines) == (0, report.lines)


def test_lines_of_any_length_are_accepted(tmp_path: Path) -> None:
    """The longest line that the format allows is a line like any other."""
    log = LogBuilder()
    log.user(1, text="x" * ((1 << 20) - 268))
    assert max(len(line) for line in log.lines()) == 1 << 20
    log.user()
    assert verify(log.save(tmp_path), key=key(), anchors=[log.anchor()]).verdict == "verified"


def test_recovered_bytes_are_a_note(tmp_path: Path) -> None:
    """Bytes torn by a crash are no leaf and no finding where a log.recover describes them."""
    log = LogBuilder()
    log.user()
    log.torn(b'{"event_type":"chat_comp')
    log.user()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert report.verdict == "verified"
    assert [note.kind for note in report.notes] == ["recovered"]


@pytest.mark.parametrize(
    "fragment", [b"x", b"\n", b"\n\n", b"a\nb", b"a\nb\n", b"\0\0\n\0", b"{}\r", b"x" * (1 << 21)]
)
def test_recovered_bytes_may_be_anything(tmp_path: Path, fragment: bytes) -> None:
    """Torn bytes may hold newlines and zeros, as after a loss of power, and be longer than any line."""
    log = LogBuilder()
    log.user()
    log.torn(fragment)
    log.user(2)
    for ring in (key(), None):
        report = verify(log.save(tmp_path), key=ring, anchors=[log.anchor()])
        assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["recovered"])


def test_a_whole_line_that_does_not_verify_may_be_torn_bytes(tmp_path: Path) -> None:
    """What a log.recover describes may have a line's shape, if its MAC does not hold."""
    log = LogBuilder()
    log.user()
    fake = log.lines()[-1].replace(b'"seq":2', b'"seq":3').removesuffix(b"\n")
    log.torn(fake)
    log.user(2)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["recovered"])


def test_fragment_alone_in_a_segment(tmp_path: Path) -> None:
    """A first line that was torn leaves a file without lines; the next segment describes it."""
    log = LogBuilder()
    log.user()
    log.torn_file(NEXT_DAY, 0, b'{"event_type":"log.op')
    log.open(NEXT_DAY, 1)
    log.user()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["recovered"])


def test_fragment_before_genesis(tmp_path: Path) -> None:
    """Also the very first line of a log may have been torn."""
    log = LogBuilder(day=None)
    log.torn_file(DAY, 0, b'{"event')
    log.open(DAY, 1)
    log.user()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["recovered"])


def test_many_fragments_are_judged_by_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the newest segment has a record yet is the same for each of them."""
    log = LogBuilder()
    for number in range(1, 20):
        log.segments[f"audit_{DAY}.{number}.jsonl"] = b"{"
    log.open(NEXT_DAY)
    looks, look = [], folder._is_only_begun
    monkeypatch.setattr(folder, "_is_only_begun", lambda source: looks.append(source) or look(source))
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert [note.kind for note in report.notes].count("torn-end") == 19
    assert len(looks) == 1


def test_fragment_that_the_next_segment_does_not_describe_yet(tmp_path: Path) -> None:
    """A crash may come between a segment's first lines and log.recover; with a record there it is found."""
    log = LogBuilder()
    log.user()
    log.open(NEXT_DAY, 1)
    log.checkpoint()
    log.segments["audit_2026-11-22.jsonl"] = b'{"event_type":"log.op'
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["torn-end"])
    log.user()
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [finding.kind for finding in report.findings]) == ("tampered", ["torn"])


@pytest.mark.parametrize(
    ("unfinished", "verdict"),
    [
        (b'{"event_type":"log.rec', "verified"),
        (b'{"event_type":"log.rec\0\0\0', "verified"),
        (b"\0\0\0", "verified"),
        (b"", "tampered"),
        (b"something else", "tampered"),
        (b'{"event_type":"log.rec\0else', "tampered"),
    ],
)
def test_crash_while_torn_bytes_were_described(tmp_path: Path, unfinished: bytes, verdict: str) -> None:
    """Nothing describes them yet; without the beginning of a log.recover they may be somebody's line."""
    log = LogBuilder()
    log.user()
    log.segments[log.name] += b"torn\n" + unfinished
    assert verify(log.save(tmp_path), key=key(), anchors=[log.anchor()]).verdict == verdict


def test_unfinished_first_line_of_the_newest_segment_is_a_note(tmp_path: Path) -> None:
    """A crash while a segment was opened leaves the log as it was."""
    log = plain_log()
    log.segments["audit_2026-11-23.jsonl"] = b'{"event_type":"log.open","v":1'
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["torn-end"])


def test_unfinished_first_line_after_a_clock_that_ran_ahead_is_a_note(tmp_path: Path) -> None:
    """A segment opened last may bear an earlier day: a crash in its first line leaves the log as it was."""
    log = LogBuilder()
    log.user()
    log.save(tmp_path)
    (tmp_path / "audit_2026-11-18.jsonl").write_bytes(b'{"event_type":"log.open","v":1,"id":"0')
    report = verify(tmp_path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings) == ("verified", ())


@pytest.mark.parametrize("name", ["audit_2026-11-20.jsonl", "audit_2026-11-23.jsonl"])
def test_empty_segment_is_a_note(tmp_path: Path, name: str) -> None:
    """A crash before the first line leaves an empty file."""
    log = plain_log()
    log.segments[name] = b""
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["empty"])


def test_whole_last_line_without_newline_is_valid(tmp_path: Path) -> None:
    """A crash between a line and its newline loses nothing."""
    log = plain_log()
    log.segments[log.name] = log.segments[log.name].removesuffix(b"\n")
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.lines) == ("verified", 11)
    assert [note.kind for note in report.notes] == ["no-newline"]


def test_order_is_by_seq_not_by_name(tmp_path: Path) -> None:
    """After a clock that ran ahead, a segment with an earlier day may follow."""
    log = LogBuilder(day=THIRD_DAY)
    log.user()
    log.open(DAY, 2)
    log.user()
    log.open(NEXT_DAY)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.segments) == ("verified", 3)


def test_rotated_keys_are_found_in_the_ring(tmp_path: Path) -> None:
    """A log under several keys needs them all, in any order."""
    log = LogBuilder()
    log.user()
    log.rotate(OTHER_SECRET)
    log.user()
    log.open(NEXT_DAY)
    log.user()
    report = verify(log.save(tmp_path), key=[key(OTHER_SECRET), key()], anchors=[log.anchor()])
    assert (report.verdict, report.key_checked) == ("verified", True)


def test_change_of_the_signing_key_alone_keeps_the_key(tmp_path: Path) -> None:
    """A log.rotate without a new check value counts the kid on, under the same secret."""
    log = LogBuilder()
    log.control("log.rotate", next_vkey="audit.example+00000000+AA==")
    log.kid += 1
    log.user()
    assert verify(log.save(tmp_path), key=key(), anchors=[log.anchor()]).verdict == "verified"


def test_losses_and_missing_stops_are_told(tmp_path: Path) -> None:
    """What a log says of its own gaps is in the report, and is no finding."""
    log = LogBuilder()
    for pid in (1, 2, 1):
        log.control("log.start", pid=pid, host="h", library="0", config="0")
    log.control("log.lost", count=3, reason="disk")
    log.control("log.lost", count=4, reason="chain")
    log.control("log.stop", pid=1)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
    assert report.verdict == "verified"
    assert (report.records_lost, report.unstopped) == (3, 2)
    assert [note.kind for note in report.notes] == ["lost", "lost", "no-stop"]
    assert "3 records could not be written" in report.summary()
    assert "2 processes wrote no log.stop" in report.summary()


@pytest.mark.parametrize(("seconds", "kinds"), [(62, ["clock"]), (61, [])])
def test_clock_that_steps_back_is_noted(tmp_path: Path, seconds: int, kinds: list[str]) -> None:
    """Steps back by more than a minute are listed; the clock of a test log counts one second a line."""
    log = LogBuilder()
    log.clock -= timedelta(seconds=seconds)
    log.checkpoint()
    report = verify(log.save(tmp_path), key=key())
    assert [note.kind for note in report.notes] == kinds


# keys


def test_key_of_another_log_cannot_verify(tmp_path: Path) -> None:
    """A wrong key is told from a changed log: it fits no line at all."""
    report = verify(plain_log().save(tmp_path), key=key(OTHER_SECRET))
    assert (report.verdict, report.findings) == ("cannot verify", ())
    assert "not that of this log" in report.summary()


def test_wrong_key_does_not_hide_a_change(tmp_path: Path) -> None:
    """What contradicts a checkpoint in the log is a finding, whatever key was given."""
    log = plain_log()
    log.segments[log.name] = log.segments[log.name].replace(b"audit.example", b"audit.exampla")
    assert verify(log.save(tmp_path), key=key(OTHER_SECRET)).verdict == "tampered"


def test_edited_check_value_is_a_finding(tmp_path: Path) -> None:
    """A key check value that is not that of the key which sealed the lines was put there later."""
    log = LogBuilder()
    log.user(3)
    log.segments[log.name] = log.segments[log.name].replace(log.keys.kcv.encode(), b"0123456789abcdef", 1)
    report = verify(log.save(tmp_path), key=key())
    assert [finding.kind for finding in report.findings] == ["kcv", "mac"]


def test_missing_second_key_cannot_verify_beyond_the_anchor(tmp_path: Path) -> None:
    """Lines whose key is not at hand are proven by an anchor, or not at all."""
    log = LogBuilder()
    log.rotate(OTHER_SECRET)
    log.user(2)
    log.save(tmp_path)
    beyond = verify(tmp_path, key=key(), anchors=[log.anchor(4)])
    within = verify(tmp_path, key=key(), anchors=[log.anchor()])
    assert (beyond.verdict, within.verdict) == ("cannot verify", "verified")
    assert beyond.tail == "unchecked"


def test_missing_first_key_is_no_finding(tmp_path: Path) -> None:
    """A ring that begins with a later key does not make the earlier lines suspect."""
    log = LogBuilder()
    log.user()
    log.rotate(OTHER_SECRET)
    log.user(2)
    report = verify(log.save(tmp_path), key=key(OTHER_SECRET), anchors=[log.anchor(4)])
    assert (report.verdict, report.tail) == ("verified", "chain-only")


def test_key_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key argument the environment's key is used, as by the handlers."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    assert verify(plain_log().save(tmp_path)).verdict == "unanchored"


def test_key_ring_is_taken_as_it_is(tmp_path: Path) -> None:
    """A ring that was read already can be given."""
    assert verify(plain_log().save(tmp_path), key=KeyRing([key()])).verdict == "unanchored"


# pins and formats


def test_pinned_log_is_verified(tmp_path: Path) -> None:
    """An auditor may say which log is meant, by its id or by its origin."""
    log = plain_log()
    log.save(tmp_path)
    assert verify(tmp_path, key=key(), log_id=LOG_ID.hex()).verdict == "unanchored"
    assert verify(tmp_path, key=key(), log_id=log.origin).verdict == "unanchored"


@pytest.mark.parametrize("pin", ["f" * 32, LOG_ID.hex()[:-1] + "0", "elsewhere/audit/0001020304050607"])
def test_other_log_than_the_pinned_one_is_a_finding(tmp_path: Path, pin: str) -> None:
    """A log that was put in another's place is no log that was asked for."""
    report = verify(plain_log().save(tmp_path), key=key(), log_id=pin)
    assert report.verdict == "tampered"
    assert "not the log that was asked for" in report.summary()


def test_unknown_format_cannot_be_verified(tmp_path: Path) -> None:
    """A log of a later format is not judged by the rules of this one."""
    log = LogBuilder()
    log.segments[log.name] = log.lines()[0].replace(b'"format":1', b'"format":2,"more":0')
    for ring in (key(), None):
        report = verify(log.save(tmp_path), key=ring)
        assert (report.verdict, report.findings) == ("cannot verify", ())
        assert "format 2" in report.summary()


def test_edited_format_is_a_finding(tmp_path: Path) -> None:
    """A log that becomes unknown by an edit is a changed log: its other lines are of format 1."""
    log = plain_log()
    log.segments["audit_2026-11-21.jsonl"] = log.segments["audit_2026-11-21.jsonl"].replace(
        b'"format":1', b'"format":2'
    )
    for ring in (key(), None):
        assert verify(log.save(tmp_path), key=ring).verdict == "tampered"


# what is not there


@pytest.mark.parametrize("name", ["", "no-such-folder", "audit.jsonl"])
def test_nothing_there_cannot_verify(tmp_path: Path, name: str) -> None:
    """An empty folder, a missing one, a filename without segments: there is nothing to verify."""
    report = verify(tmp_path / name, key=key())
    assert (report.verdict, report.lines, report.log_id) == ("cannot verify", 0, None)
    assert report.summary().startswith("cannot verify: ")


def test_log_that_vanished_is_a_finding_with_an_anchor(tmp_path: Path) -> None:
    """What an anchor proves to have existed and is not there was taken away."""
    log = plain_log()
    report = verify(tmp_path, anchors=[log.anchor()])
    assert (report.verdict, report.findings[0].kind) == ("tampered", "anchor-size")


def test_vanished_log_is_told_from_others_by_its_pin(tmp_path: Path) -> None:
    """Anchors of several logs say nothing of an empty folder, unless a pin says which log was in it."""
    one, other = plain_log(), LogBuilder(log_id=bytes(16))
    anchors = [one.anchor(), other.anchor()]
    assert verify(tmp_path, anchors=anchors).verdict == "cannot verify"
    assert verify(tmp_path, anchors=anchors, log_id=bytes(16).hex()).verdict == "tampered"


def test_folder_with_two_logs_cannot_be_verified(tmp_path: Path) -> None:
    """One folder holds one log; a handler's filename says which is meant."""
    plain_log().save(tmp_path)
    LogBuilder(stem="other").save(tmp_path)
    anchors = [plain_log().anchor()]
    assert verify(tmp_path, key=key(), anchors=anchors).verdict == "cannot verify"
    assert verify(tmp_path / "audit.jsonl", key=key(), anchors=anchors).verdict == "verified"


def test_unreadable_segment_cannot_be_verified(tmp_path: Path) -> None:
    """Lines in a file that cannot be read are not called missing."""
    log = plain_log()
    log.open(THIRD_DAY)
    log.save(tmp_path)
    path = tmp_path / "audit_2026-11-22.jsonl"
    path.unlink()
    path.symlink_to(path)
    report = verify(tmp_path, key=key())
    assert (report.verdict, report.findings) == ("cannot verify", ())
    assert "audit_2026-11-22.jsonl cannot be read" in report.summary()


def test_unreadable_end_is_not_called_missing(tmp_path: Path) -> None:
    """Where the newest segment cannot be read, an anchor beyond the rest convicts nobody."""
    log = plain_log()
    log.save(tmp_path)
    for name in reversed(log.segments):
        path = tmp_path / name
        path.unlink()
        path.symlink_to(path)
        report = verify(tmp_path, key=key(), anchors=[log.anchor()])
        assert (report.verdict, report.findings) == ("cannot verify", ())


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_pipe_in_a_segments_place_is_a_finding(tmp_path: Path) -> None:
    """Nothing waits for a pipe, and what is no file is no segment."""
    os.mkfifo(plain_log().save(tmp_path) / "audit_2026-11-23.jsonl")
    report = verify(tmp_path, key=key())
    assert [finding.kind for finding in report.findings] == ["foreign-file"]


# beside a writer


def test_lines_added_meanwhile_are_left_for_next_time(tmp_path: Path) -> None:
    """Nothing is read beyond the end that the log had at the start."""
    log = plain_log()
    log.save(tmp_path)
    path = tmp_path / log.name

    def write_on(lines: int) -> None:
        with path.open("ab") as file:
            file.write(b"half of a li")

    report = verify(tmp_path, key=key(), progress=write_on)
    assert (report.verdict, report.lines, report.notes) == ("unanchored", 11, ())


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_lock_that_is_held_does_not_stop_verification(tmp_path: Path) -> None:
    """A writer that hangs with the lock in its hand keeps nobody from verifying."""
    import fcntl

    log = plain_log()
    log.save(tmp_path)
    with (tmp_path / "audit.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        report = verify(tmp_path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["no-lock"])


def test_verification_makes_no_file(tmp_path: Path) -> None:
    """The folder is as it was: no lock file, no state."""
    log = plain_log()
    before = sorted(log.save(tmp_path).iterdir())
    verify(tmp_path, key=key())
    assert sorted(tmp_path.iterdir()) == before


# arguments and the report


@pytest.mark.parametrize(
    "arguments",
    [
        {"key": "the secret itself"},
        {"key": []},
        {"key": "env:OR_AUDIT_NO_SUCH_VARIABLE"},
        {"log_id": "0001"},
        {"log_id": LOG_ID.hex().upper()},
        {"log_id": 7},
        {"max_age": timedelta(days=-1)},
        {"max_age": 3600},
        {"max_age": timedelta(1), "now": KEPT_AT.replace(tzinfo=None)},
        {"anchors": "/no/such/place"},
    ],
)
def test_mistakes_in_the_arguments_raise(tmp_path: Path, arguments: dict[str, Any]) -> None:
    """Only what the caller got wrong raises, and it raises ConfigError."""
    plain_log().save(tmp_path)
    with pytest.raises(ConfigError):
        verify(tmp_path, **arguments)


def test_path_must_be_a_path() -> None:
    """A place is named by a path."""
    with pytest.raises(ConfigError):
        verify(None)  # type: ignore[arg-type]


def test_report_is_plain_data(tmp_path: Path) -> None:
    """`to_dict` holds everything, in a form that JSON takes."""
    log = plain_log()
    log.segments[log.name] = log.segments[log.name].replace(b"plain", b"plaim", 1)
    report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor(5)])
    told = json.loads(json.dumps(report.to_dict()))
    assert told["verdict"] == "tampered"
    assert told["exit_code"] == 1
    assert told["anchored_at"] == "2026-11-24T08:00:00+00:00"
    assert told["findings"][0]["kind"] == "mac"
    assert told["finding_count"] == len(told["findings"])


def test_findings_are_listed_up_to_a_limit_and_all_counted(tmp_path: Path) -> None:
    """A wrecked log does not make an endless report."""
    log = LogBuilder()
    log.user(1500)
    first, second, *users = log.lines()
    log.segments[log.name] = b"".join([first, second, *(line.replace(b"plain", b"plaim") for line in users)])
    report = verify(log.save(tmp_path), key=key())
    assert len(report.findings) == 1000
    assert report.finding_count >= 1499


def test_progress_is_told(tmp_path: Path) -> None:
    """The caller hears how many lines were read."""
    told: list[int] = []
    verify(plain_log().save(tmp_path), key=key(), progress=told.append)
    assert told == [6, 11]


def test_progress_is_told_within_a_long_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where checkpoints come more often than reports."""
    monkeypatch.setattr("or_audit_logging.evidence.walk._STRIDE", 10)
    log = LogBuilder()
    for _ in range(5):
        log.user(5)
        log.checkpoint()
    told: list[int] = []
    verify(log.save(tmp_path), key=key(), progress=told.append)
    assert (told[-1], len(told)) == (log.seq, 3)
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda all_: [*all_[:2], all_[2].replace(b"1", b"2", 1), *all_[3:]], ChainBrokenError),
        (lambda lines: [*lines[:2], *lines[3:]], SegmentMissingError),
    ],
)
def test_findings_can_be_raised(tmp_path: Path, damage: Any, error: type[VerificationError]) -> None:
    """The first one as an error of its kind, with segment and line; an intact log raises nothing."""
    folder = plain_log().save(tmp_path)
    verify(folder, key=key()).raise_for_findings()
    path = min(Path(tmp_path).glob("*.jsonl"))
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(error) as caught:
        verify(folder, key=key()).raise_for_findings()
    assert (caught.value.segment, caught.value.line) == (path.name, 3)


def test_calls_that_never_finished_are_counted(tmp_path: Path) -> None:
    """A write-ahead record that no later one names, over segments; one that is named is finished."""
    log = LogBuilder()
    log.seal(b'{"event_type":"chat_completion.started","v":1,"id":"one"}')
    log.seal(b'{"event_type":"chat_completion.started","v":1,"id":"two"}')
    log.open(NEXT_DAY)
    log.seal(b'{"event_type":"chat_completion","v":1,"id":"end","started_id":"one"}')
    report = verify(log.save(tmp_path), key=key())
    assert (report.unfinished, report.findings) == (1, ())
    places = [(note.segment, note.line) for note in report.notes if note.kind == "unfinished"]
    assert places == [("audit_2026-11-21.jsonl", 4)]
    assert "1 call began and never finished" in report.summary()
