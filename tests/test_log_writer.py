"""The writer: genesis, segments, checkpoints, restarts, and what a crash leaves."""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of, members_of, records_of
from freezegun import freeze_time
from samples import SECRET

from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.line import parse_line
from or_audit_logging.sealing.merkle import Frontier

NOON = "2026-11-21T12:00:00Z"
posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def source() -> bytes:
    return SECRET


def writer(folder: Path, **options: Any) -> LogWriter:
    return LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(source), **options)


def body(number: int = 0) -> bytes:
    return json.dumps({"event_type": "x", "number": number}, separators=(",", ":")).encode()


def events(folder: Path) -> list[str]:
    return [members["event_type"].removeprefix("log.") for members in members_of(folder)]


def assert_honest(folder: Path, *, lost: int = 0) -> None:
    """Everything present holds; only an anchor is missing."""
    report = verify(folder, key=source)
    assert report.findings == ()
    assert report.verdict == "unanchored"


def test_nothing_but_the_lock_is_made_before_the_first_record(tmp_path: Path) -> None:
    """A handler that never logs leaves no log."""
    log = writer(tmp_path)
    log.stop()
    assert os.listdir(tmp_path) == ["audit.lock"]


def test_a_new_log_begins_with_genesis_checkpoint_and_start(tmp_path: Path) -> None:
    """Then come the records; stop and a last checkpoint end it."""
    log = writer(tmp_path)
    log.append(body())
    log.stop()
    assert events(tmp_path) == ["genesis", "checkpoint", "start", "x", "stop", "checkpoint"]
    assert_honest(tmp_path)


def test_lines_chain_as_the_format_says(tmp_path: Path) -> None:
    """Recomputed by hand from the genesis line: MACs, leaves, roots and frontiers."""
    log = writer(tmp_path, checkpoint_every=5)
    for number in range(20):
        log.append(body(number))
    log.stop()
    lines = lines_of(tmp_path)
    genesis = json.loads(lines[0])
    keys = LogKeys(SECRET, log_id=bytes.fromhex(genesis["log_id"]))
    assert genesis["kcv"] == keys.kcv
    assert genesis["origin"].endswith(f"/audit/{genesis['log_id'][:16]}")
    prev, tree = genesis_prev(genesis["origin"], bytes.fromhex(genesis["log_id"])), Frontier()
    checkpoints = 0
    for seq, raw in enumerate(lines):
        line = parse_line(raw)
        assert (line.seq, line.kid, line.log) == (seq, 0, genesis["log_id"][:16])
        assert keys.check(prev, line.sealed_part, line.mac)
        if line.is_control and (members := json.loads(raw))["event_type"] == "log.checkpoint":
            assert (members["size"], members["root"], members["frontier"], members["note"]) == (
                seq,
                encode_root(tree.root()),
                tree.to_hex(),
                None,
            )
            checkpoints += 1
        prev = leaf_hash(raw)
        tree.append(prev)
    assert checkpoints >= 5


def test_the_first_line_of_a_segment_is_1100_bytes_and_says_where_it_stands(tmp_path: Path) -> None:
    """segment, day and log_id stand in the first 256 bytes."""
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body())
    with freeze_time("2026-11-22T00:00:00Z"):
        log.append(body())
    for name in ("audit_2026-11-21.jsonl", "audit_2026-11-22.jsonl"):
        first = (tmp_path / name).read_bytes().splitlines(keepends=True)[0]
        assert len(first) == 1100
        for member in ("segment", "day", "log_id"):
            assert f'"{member}":'.encode() in first[:256]
        assert json.loads(first)["segment"] == name


def test_a_new_day_opens_a_segment_that_continues_the_chain(tmp_path: Path) -> None:
    """The open line carries the frontier and the hash of the line before; line 2 is a checkpoint."""
    with freeze_time("2026-11-21T23:59:59.999999Z") as clock:
        log = writer(tmp_path)
        log.append(body(1))
        clock.move_to("2026-11-22T00:00:00Z")
        log.append(body(2))
        clock.move_to("2026-12-31T10:00:00Z")
        log.append(body(3))
        log.stop()
    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert names == [f"audit_{day}.jsonl" for day in ("2026-11-21", "2026-11-22", "2026-12-31")]
    assert events(tmp_path)[:4] == ["genesis", "checkpoint", "start", "x"]
    assert events(tmp_path)[4:7] == ["open", "checkpoint", "x"]
    opened = members_of(tmp_path)[4]
    assert opened["prev_segment"] == "audit_2026-11-21.jsonl"
    assert opened["base_leaf"] == leaf_hash(lines_of(tmp_path)[3]).hex()
    assert_honest(tmp_path)


def test_a_restart_continues_the_chain(tmp_path: Path) -> None:
    """Another process on the same day, and on another."""
    for day, number in (("2026-11-21", 1), ("2026-11-21", 2), ("2026-11-24", 3)):
        with freeze_time(f"{day}T12:00:00Z"):
            log = writer(tmp_path)
            log.append(body(number))
            log.stop()
    assert [r["number"] for r in records_of(tmp_path)] == [1, 2, 3]
    assert_honest(tmp_path)


def test_a_restart_reads_from_the_last_checkpoint_only(tmp_path: Path) -> None:
    """An edit before the last checkpoint is not read again; the one behind it is."""
    with freeze_time(NOON):
        log = writer(tmp_path, checkpoint_every=10)
        for number in range(100):
            log.append(body(number))
        state = log._end.tail
    assert state is not None
    again = writer(tmp_path)
    assert again._end.tail is not None
    assert (again._end.tail.seq, again._end.tail.prev) == (state.seq, state.prev)
    assert again._end.tail.tree is not None
    assert state.tree is not None
    assert again._end.tail.tree.root() == state.tree.root()


def test_a_clock_that_steps_back_stays_in_the_segment(tmp_path: Path) -> None:
    """Yesterday's date does not reopen yesterday's file."""
    with freeze_time("2026-11-22T00:30:00Z") as clock:
        log = writer(tmp_path)
        log.append(body(1))
        clock.move_to("2026-11-21T23:30:00Z")
        log.append(body(2))
        log.stop()
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["audit_2026-11-22.jsonl"]
    assert_honest(tmp_path)


def test_a_clock_that_ran_ahead_gets_a_segment_of_the_next_free_suffix(tmp_path: Path) -> None:
    """More than 26 hours ahead; the day it had run to finds its own name taken later on."""
    with freeze_time("2026-11-21T10:00:00Z") as clock:
        log = writer(tmp_path)
        log.append(body(1))
        clock.move_to("2026-11-25T10:00:00Z")
        log.append(body(2))
        clock.move_to("2026-11-21T11:00:00Z")
        log.append(body(3))
        clock.move_to("2026-11-25T09:00:00Z")
        log.append(body(4))
        log.stop()
    days = ("2026-11-21", "2026-11-21.1", "2026-11-25", "2026-11-25.1")
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {f"audit_{day}.jsonl" for day in days}
    assert sorted(r["number"] for r in records_of(tmp_path)) == [1, 2, 3, 4]
    assert_honest(tmp_path)


def test_checkpoints_come_by_count_and_by_age(tmp_path: Path) -> None:
    """Whoever writes a line with (seq + 1) divisible by N, or finds the last one older than T."""
    with freeze_time(NOON) as clock:
        log = writer(tmp_path, checkpoint_every=10, checkpoint_seconds=60)
        for number in range(30):
            log.append(body(number))
        by_count = [m["seq"] for m in members_of(tmp_path) if m["event_type"] == "log.checkpoint"]
        assert by_count == [1, 10, 20, 30]
        clock.tick(61)
        log.append(body())
        assert events(tmp_path)[-2:] == ["x", "checkpoint"]


def test_checkpoints_are_returned_once(tmp_path: Path) -> None:
    """As the lines they are, for whoever hands them out."""
    log = writer(tmp_path)
    log.append(body())
    fresh = log.checkpoints.take()
    assert [line.encode() for line in fresh] == [lines_of(tmp_path)[1]]
    assert log.checkpoints.take() == []
    assert log.checkpoint().encode() == lines_of(tmp_path)[-1]


def test_a_log_without_lines_has_no_checkpoint_to_give(tmp_path: Path) -> None:
    """Said plainly."""
    with pytest.raises(AuditWriteError, match="no lines"):
        writer(tmp_path).checkpoint()


def crash_at(folder: Path, cut: Callable[[bytes], bytes]) -> bytes:
    """Write a log, stop without a word, and replace its last segment's bytes; return the whole lines."""
    with freeze_time(NOON):
        log = writer(folder)
        for number in range(3):
            log.append(body(number))
    path = folder / "audit_2026-11-21.jsonl"
    whole = path.read_bytes()
    path.write_bytes(cut(whole))
    return whole


def test_a_torn_line_is_ended_and_described(tmp_path: Path) -> None:
    """Nothing is cut away: newline and log.recover follow, and the fragment's hash is sealed."""
    whole = crash_at(tmp_path, lambda data: data + b'{"event_type":"torn')
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body(9))
        log.stop()
    data = (tmp_path / "audit_2026-11-21.jsonl").read_bytes()
    assert data.startswith(whole + b'{"event_type":"torn\n{"event_type":"log.recover"')
    recover = json.loads(data[len(whole) :].splitlines()[1])
    assert (recover["segment"], recover["after_seq"], recover["length"]) == ("audit_2026-11-21.jsonl", 5, 19)
    assert recover["sha256"] == hashlib.sha256(b'{"event_type":"torn').hexdigest()
    assert_honest(tmp_path)


def test_a_whole_line_that_lacks_its_newline_gets_it(tmp_path: Path) -> None:
    """It is a line like any other."""
    whole = crash_at(tmp_path, lambda data: data[:-1])
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body(9))
        log.stop()
    assert (tmp_path / "audit_2026-11-21.jsonl").read_bytes().startswith(whole)
    assert "recover" not in events(tmp_path)
    assert_honest(tmp_path)


def test_a_crash_at_any_byte_is_survived(tmp_path: Path) -> None:
    """Cut at every seventh byte of the last lines, and at their edges: no finding, and the log goes on."""
    whole = crash_at(tmp_path, lambda data: data)
    path = tmp_path / "audit_2026-11-21.jsonl"
    last_two = whole.rindex(b"\n", 0, whole.rindex(b"\n", 0, -1))
    ends = {last_two + 1, last_two + 2, len(whole) - 2, len(whole) - 1}
    for length in sorted({*ends, *range(last_two + 1, len(whole), 7)}):
        path.write_bytes(whole[:length])
        with freeze_time(NOON):
            log = writer(tmp_path)
            log.append(body(9))
            log.stop()
        assert verify(tmp_path, key=source).findings == (), length


def test_a_crash_in_the_first_line_of_a_day_is_survived(tmp_path: Path) -> None:
    """The fragment stays in its file; the day goes on in the next free name, which describes it."""
    crash_at(tmp_path, lambda data: data)
    torn = tmp_path / "audit_2026-11-22.jsonl"
    torn.write_bytes(b'{"event_type":"log.open","v":1')
    for hour in (1, 2):
        with freeze_time(f"2026-11-22T0{hour}:00:00Z"):
            log = writer(tmp_path)
            log.append(body(9))
            log.stop()
    assert torn.read_bytes() == b'{"event_type":"log.open","v":1'
    following = (tmp_path / "audit_2026-11-22.1.jsonl").read_bytes().splitlines()
    recovers = [json.loads(line) for line in following if b"log.recover" in line]
    assert [(r["segment"], r["length"]) for r in recovers] == [("audit_2026-11-22.jsonl", 30)]
    assert_honest(tmp_path)


@pytest.mark.parametrize("keeps_running", [True, False])
def test_a_crash_before_torn_files_are_described_is_survived(tmp_path: Path, keeps_running: bool) -> None:
    """Whoever writes next describes them, also who was running already; until then it is no finding."""
    with freeze_time(NOON):
        running, other = writer(tmp_path), writer(tmp_path)
        running.append(body(1))
    torn, path = tmp_path / "audit_2026-11-22.jsonl", tmp_path / "audit_2026-11-22.1.jsonl"
    torn.write_bytes(b'{"event_type":"log.open","v":1')
    with freeze_time("2026-11-22T01:00:00Z"):
        other.append(body(2))
        whole = path.read_bytes()
        first, checkpoint, recover, *_ = whole.splitlines(keepends=True)
        assert (b"log.open" in first, b"log.checkpoint" in checkpoint, b"log.recover" in recover) == (
            True,
        ) * 3
        ends = [len(first), len(first + checkpoint), len(first + checkpoint + recover)]
        for length in sorted({*ends, *(end - 1 for end in ends), *range(len(first), ends[-1], 97)}):
            path.write_bytes(whole[:length])
            assert verify(tmp_path, key=source).findings == (), length
        path.write_bytes(whole[: len(first) + 9])
        assert verify(tmp_path, key=source).findings == ()
        (running if keeps_running else writer(tmp_path)).append(body(3))
    recovers = [json.loads(line) for line in path.read_bytes().splitlines() if b"log.recover" in line]
    assert [r["segment"] for r in recovers] == [path.name, torn.name]
    assert_honest(tmp_path)


def test_a_damaged_archive_beside_a_torn_file_stops_nobody(tmp_path: Path) -> None:
    """Who cannot read whether the log describes the torn file describes it, and writes."""
    crash_at(tmp_path, lambda data: data)
    path = tmp_path / "audit_2026-11-21.jsonl"
    (tmp_path / "audit_2026-11-22.jsonl").write_bytes(b'{"event_type":"log.open","v":1')
    with freeze_time("2026-11-22T01:00:00Z"):
        writer(tmp_path).append(body(1))
        archive = tmp_path / "archive" / f"{path.name}.gz"
        archive.parent.mkdir()
        archive.write_bytes(gzip.compress(path.read_bytes())[:-20])
        path.unlink()
        writer(tmp_path).append(body(2))
    following = (tmp_path / "audit_2026-11-22.1.jsonl").read_bytes()
    assert (following.count(b'"log.recover"'), following.count(b'"number":2')) == (2, 1)
    assert [finding.kind for finding in verify(tmp_path, key=source).findings] == ["archive", "missing-lines"]


def test_a_crash_in_the_very_first_line_is_survived(tmp_path: Path) -> None:
    """No log yet, only a fragment: the log begins in the next free name."""
    (tmp_path / "audit_2026-11-21.jsonl").write_bytes(b'{"event_type":"log.gen')
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body())
        log.stop()
    assert (tmp_path / "audit_2026-11-21.1.jsonl").exists()
    assert_honest(tmp_path)


def test_an_empty_segment_is_used(tmp_path: Path) -> None:
    """Made but never written to: the line that was to come comes now."""
    (tmp_path / "audit_2026-11-21.jsonl").touch(mode=0o600)
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body())
        log.stop()
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["audit_2026-11-21.jsonl"]
    assert_honest(tmp_path)


def test_no_checkpoint_is_made_over_an_edit(tmp_path: Path) -> None:
    """The changed line and the one sealed over it do not chain: log.lost says so, nothing vouches."""
    crash_at(tmp_path, lambda data: data.replace(b'"number":1', b'"number":7'))
    with freeze_time(NOON):
        log = writer(tmp_path, checkpoint_every=2)
        for number in range(10):
            log.append(body(number))
        with pytest.raises(AuditWriteError, match="does not chain"):
            log.checkpoint()
        log.stop()
    with freeze_time("2026-11-22T12:00:00Z"):
        log = writer(tmp_path, checkpoint_every=2)
        for number in range(10):
            log.append(body(number))
    after = members_of(tmp_path)[6:]
    lost = [m for m in after if m["event_type"] == "log.lost"]
    assert [(m["reason"], m["count"]) for m in lost][:1] == [("chain", 2)]
    assert not [m for m in after if m["event_type"] == "log.checkpoint"]
    opened = next(m for m in after if m["event_type"] == "log.open")
    assert opened["frontier"] is None
    assert verify(tmp_path, key=source).verdict == "tampered"


def test_a_segment_that_vanishes_is_noticed_at_the_next_write(tmp_path: Path) -> None:
    """The chain goes on in a new file and log.lost says what happened."""
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body(1))
        os.unlink(tmp_path / "audit_2026-11-21.jsonl")
        log.append(body(2))
        log.stop()
    assert events(tmp_path)[:3] == ["open", "checkpoint", "lost"]
    assert members_of(tmp_path)[2]["reason"] == "gone"
    report = verify(tmp_path, key=source)
    assert report.verdict == "tampered"


def test_a_segment_that_shrank_is_noticed_at_the_next_write(tmp_path: Path) -> None:
    """copytruncate, or somebody's hand: the chain goes on from what this process knows."""
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body(1))
        os.truncate(tmp_path / "audit_2026-11-21.jsonl", 1100)
        log.append(body(2))
        log.stop()
    reasons = [m["reason"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"]
    assert reasons == ["shrunk"]
    assert verify(tmp_path, key=source).verdict == "tampered"


def test_a_replaced_segment_is_noticed_at_the_next_write(tmp_path: Path) -> None:
    """The same name with another file behind it is not ours."""
    with freeze_time(NOON):
        log = writer(tmp_path)
        log.append(body(1))
        path = tmp_path / "audit_2026-11-21.jsonl"
        path.rename(tmp_path / "moved")
        path.write_bytes(b"")
        log.append(body(2))
        log.stop()
    assert [m["reason"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == ["gone"]


def test_losses_are_written_down_at_the_next_success(tmp_path: Path) -> None:
    """With their count and reason."""
    log = writer(tmp_path)
    log.append(body(1))
    log.losses.add(2, reason="disk")
    log.losses.add(reason="disk")
    log.append(body(2))
    assert events(tmp_path)[-2:] == ["lost", "x"]
    assert (members_of(tmp_path)[-2]["count"], members_of(tmp_path)[-2]["reason"]) == (3, "disk")


@posix_only
def test_modes_keep_others_out(tmp_path: Path) -> None:
    """Folder 0700 where we make it, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        log = writer(tmp_path / "made" / "audit_logs")
        log.append(body())
    finally:
        os.umask(before)
    folder = tmp_path / "made" / "audit_logs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@posix_only
def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A segment's name that is a link leads nowhere."""
    target = tmp_path / "target"
    target.write_bytes(b"")
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "audit_2026-11-21.jsonl").symlink_to(target)
    with pytest.raises(ConfigError, match="regular file"), freeze_time(NOON):
        writer(folder)
    assert target.read_bytes() == b""


def test_a_second_stem_is_refused(tmp_path: Path) -> None:
    """One folder holds one log; the message names both."""
    writer(tmp_path).append(body())
    with pytest.raises(ConfigError, match=r"already holds the log audit\.jsonl"):
        LogWriter(LogLayout.from_filename(tmp_path / "other.jsonl"), KeyRing.from_sources(source))


def test_another_key_is_refused_before_the_first_write(tmp_path: Path) -> None:
    """A wrongly keyed process cannot spoil a log."""
    writer(tmp_path).append(body())
    before = lines_of(tmp_path)
    other = KeyRing.from_sources(lambda: b"another fake key, thirty-two bytes and more")
    with pytest.raises(ConfigError, match="does not fit"):
        LogWriter(LogLayout.from_filename(tmp_path / "audit.jsonl"), other)
    assert lines_of(tmp_path) == before


def test_a_log_whose_first_line_is_damaged_is_not_continued(tmp_path: Path) -> None:
    """Going on from an older segment would use sequence numbers twice."""
    crash_at(tmp_path, lambda data: b"X" + data[1:])
    with pytest.raises(ConfigError, match="or-audit verify"):
        writer(tmp_path)


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    """The folder must be one."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="not a folder"):
        writer(tmp_path / "file")


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """At construction, not at the first record."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            writer(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "options",
    [{"checkpoint_every": 0}, {"checkpoint_every": 10_001}, {"checkpoint_seconds": 0}, {"lock_timeout": -1}],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """Each with the range in the message."""
    name = next(iter(options))
    with pytest.raises(ConfigError, match=f"{name} is|{name} more than 0"):
        writer(tmp_path, **options)


def append_many(folder: Path, start: int, count: int) -> None:
    log = writer(folder, lock_timeout=30)
    for number in range(start, start + count):
        log.append(body(number))
    log.stop()


@posix_only
def test_processes_share_one_log(tmp_path: Path) -> None:
    """Three processes at once: every record once, one chain."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(tmp_path, 1000 * n, 100)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    expected = sorted(1000 * n + k for n in range(3) for k in range(100))
    assert sorted(r["number"] for r in records_of(tmp_path)) == expected
    assert_honest(tmp_path)


def start_writer(folder: Path, first: int) -> subprocess.Popen[str]:
    """Start a process that appends records without end and says each number once it is written."""
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_log_writer import body, writer
        log = writer(Path({str(folder)!r}), lock_timeout=30)
        number = {first}
        while True:
            log.append(body(number))
            sys.stdout.write(f"{{number}}\\n")
            sys.stdout.flush()
            number += 1
        """
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


@posix_only
def test_a_killed_process_loses_nothing_it_had_written(tmp_path: Path) -> None:
    """SIGKILL in full flow: every record that append returned for is there, and the log goes on."""
    process = start_writer(tmp_path, 0)
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    seen += [int(line) for line in process.stdout.read().split()]
    process.stdout.close()
    process.wait(10)
    numbers = [r["number"] for r in records_of(tmp_path)]
    assert numbers[: len(seen)] == seen
    log = writer(tmp_path)
    log.append(body(-1))
    log.stop()
    assert_honest(tmp_path)


@posix_only
@pytest.mark.slow
def test_two_processes_killed_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """Twenty rounds: two writers share the log, both are killed at some moment, and the log goes on."""
    chance = random.Random(20261121)
    seen: list[str] = []
    for round_ in range(20):
        writers = [start_writer(tmp_path, 1_000_000 * (2 * round_ + n)) for n in range(2)]
        for process in writers:
            assert process.stdout is not None
            seen.append(process.stdout.readline().strip())
        time.sleep(chance.random() * 0.2)
        for process in writers:
            process.kill()
        for process in writers:
            assert process.stdout is not None
            seen += process.stdout.read().split()
            process.stdout.close()
            process.wait(10)
    whole = [line for line in lines_of(tmp_path) if line.endswith(b'"}')]  # a kill may tear a write
    numbers = [str(members["number"]) for line in whole if "number" in (members := json.loads(line))]
    assert len(numbers) == len(set(numbers))
    assert set(seen) <= set(numbers)
    assert len(numbers) - len(seen) <= 40
    assert verify(tmp_path, key=source).findings == ()


@posix_only
def test_a_forked_child_writes_on_its_own_account(tmp_path: Path) -> None:
    """Its log.start bears its own pid, and parent and child do not step on each other."""
    log = writer(tmp_path)
    log.append(body(1))
    child = os.fork()
    if child == 0:
        try:
            log.append(body(2))
            log.stop()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    log.append(body(3))
    log.stop()
    assert [r["number"] for r in records_of(tmp_path)] == [1, 2, 3]
    pids = [m["pid"] for m in members_of(tmp_path) if m["event_type"] == "log.start"]
    assert pids == [os.getpid(), child]
    assert_honest(tmp_path)


@posix_only
def test_a_frozen_lock_holder_is_waited_for_and_then_named(tmp_path: Path) -> None:
    """After lock_timeout the write fails with advice."""
    import fcntl

    log = writer(tmp_path, lock_timeout=0.05)
    with open(tmp_path / "audit.lock", "rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AuditWriteError, match="lock_timeout"):
            log.append(body())
    log.append(body())
    assert_honest(tmp_path)


def test_timestamps_are_utc_with_microseconds(tmp_path: Path) -> None:
    """Control lines bear the clock read under the lock."""
    moment = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)
    with freeze_time(moment):
        writer(tmp_path).append(body())
    assert members_of(tmp_path)[0]["timestamp"] == "2026-11-21T12:00:00.000005Z"


def test_a_fragment_that_a_crash_kept_from_being_described_is_described_later(tmp_path: Path) -> None:
    """The process that skipped it died after its open line; one that comes days later makes up for it."""
    crash_at(tmp_path, lambda data: data)
    torn = tmp_path / "audit_2026-11-22.jsonl"
    torn.write_bytes(b'{"event_type":"log.open","v":1')
    with freeze_time("2026-11-22T01:00:00Z"):
        log = writer(tmp_path)
        log.append(body())
        log.stop()
    following = tmp_path / "audit_2026-11-22.1.jsonl"
    first = following.read_bytes().splitlines(keepends=True)[0]
    for killed_after in (1, 2):
        following.write_bytes(b"".join(following.read_bytes().splitlines(keepends=True)[:killed_after]))
        assert following.read_bytes().startswith(first)
        with freeze_time("2026-11-22T02:00:00Z"):
            log = writer(tmp_path)
            log.append(body())
            log.stop()
        assert_honest(tmp_path)


def test_a_rotation_of_the_signing_key_alone_keeps_the_log_s_key(tmp_path: Path) -> None:
    """next_kcv null: kid goes up, the same key seals on, and a later process follows."""
    log = writer(tmp_path)
    log.append(body())
    assert log._end.tail is not None
    with log._exclusive:
        log._end.go_to(log._lock.generation)
        log._write_control("log.rotate")
        log._end.tail.kid += 1
    log.append(body(2))
    again = writer(tmp_path)
    again.append(body(3))
    assert [m["kid"] for m in records_of(tmp_path)] == [0, 1, 1]
    assert_honest(tmp_path)
