"""Disks that are full, fail, or take half a line: what was written and what was lost add up."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sinks import bare_root
from stress import (
    SAID,
    acknowledged,
    assert_honest,
    assert_once,
    finished,
    handler,
    losses,
    members,
    names,
    record,
    say,
    source,
    start,
    torn,
    verify,
    write,
)

from or_audit_logging import AuditFileHandler
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log import segment_file
from or_audit_logging.log.commit import GroupCommit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits, mounts and flock are POSIX")


# No space, in processes of their own.


def try_to_write(log: AuditFileHandler, name: str) -> bool:
    """Write a record and say so where it was written; return whether it was."""
    failed, raised = log.stats()["failed"], False
    try:
        log.handle(record(f"{name} private-words {'x' * 300}"))
    except AuditWriteError:
        raised = True
    lost = log.stats()["failed"] != failed
    assert lost == raised or log.policy.on_failure == "report"
    if not lost:
        say(name)
    return not lost


def write_up_to_a_limit(folder: str, on_failure: str, count: int) -> None:
    """Write until files may not grow, and on; then the limit goes."""
    log = handler(folder, on_failure=on_failure)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    rounds = 2
    for round_ in range(rounds):
        size = sum(path.stat().st_size for path in Path(folder).glob("*.jsonl"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000 + 17 * round_, hard))
        written = sum(try_to_write(log, f"{round_}-{number}") for number in range(count))
        assert 0 < written < count
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert try_to_write(log, f"{round_}-after")
    stats = log.stats()
    assert stats["written"] + stats["failed"] == rounds * (count + 1)
    log.close()


@pytest.mark.parametrize(
    "count", [pytest.param(150, id="short"), pytest.param(1500, id="long", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_files_that_may_not_grow(tmp_path: Path, on_failure: str, count: int) -> None:
    """RLIMIT_FSIZE cuts a write short; it is taken back, counted, and sealed once there is room."""
    folder, said = tmp_path / "log", tmp_path / SAID
    error = finished(start(write_up_to_a_limit, said, folder, on_failure, count))
    told = acknowledged(said)
    lost = 2 * (count + 1) - len(told)
    assert_once(folder, told)
    assert torn(folder) == 0
    assert {reason for reason, _ in losses(folder)} == {"disk"}
    assert_honest(folder, lost=lost)
    assert error.count("\n") == (1 if on_failure == "report" else 0)
    assert "private-words" not in error


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """Mount a disk of that *size*; yields a function that gives it another one."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.decode().strip()}")

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(folder: str, name: str, count: int, flag: str) -> None:
    """Write records while the disk fills, wait until there is room again, and write on."""
    log = handler(folder)
    written = sum(try_to_write(log, f"{name}-{number}") for number in range(count))
    Path(flag + name).write_text(str(written))
    while not Path(flag).exists():
        time.sleep(0.01)
    assert try_to_write(log, f"{name}-after")
    log.close()


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="root may mount on Linux"
)
@pytest.mark.parametrize(
    "count", [pytest.param(150, id="short"), pytest.param(1000, id="long", marks=pytest.mark.slow)]
)
def test_two_processes_fill_a_disk(tmp_path: Path, count: int) -> None:
    """A disk of 128 kB: both count what they lose, and both seal it once there is room."""
    said, flag = tmp_path / SAID, tmp_path / "room"
    with small_disk(tmp_path / "disk", "128k") as resize:
        folder = tmp_path / "disk" / "log"
        children = [start(fill, said, folder, name, count, flag) for name in "ab"]
        while not all(Path(f"{flag}{name}").exists() for name in "ab"):
            assert all(child.poll() is None for child in children), children[0].communicate()
            time.sleep(0.01)
        resize("64m")
        flag.touch()
        error = finished(*children)
        told = acknowledged(said)
        assert len(told) < 2 * count
        assert_once(folder, told)
        assert torn(folder) == 0
        report = verify(folder, key=source)
        assert report.findings == ()
        assert report.records_lost == 2 * (count + 1) - len(told)
    assert 1 <= error.count("\n") <= 2
    assert "private-words" not in error


# Descriptors that fail.


class Disk:
    """Stands between the log's segments and the disk; `failures` says what becomes of the next writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.failures: list[int | OSError | None] = []
        """For each write: how many bytes are taken, or what is raised; None lets it through."""
        self._folder = folder
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.failures or not self._is_segment(descriptor):
            return self._write(descriptor, data)
        failure = self.failures.pop(0)
        if isinstance(failure, OSError):
            raise failure
        return self._write(descriptor, bytes(data) if failure is None else bytes(data)[:failure])

    def _is_segment(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        return any(os.path.samestat(status, path.stat()) for path in self._folder.glob("*.jsonl"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


FAILURES = {
    "short by one byte": lambda length: length - 1,
    "without its newline's neighbour": lambda length: length - 2,
    "one byte": lambda length: 1,
    "half": lambda length: length // 2,
    "nothing": lambda length: 0,
    "EIO": lambda length: OSError(errno.EIO, "Input/output error"),
    "ENOSPC": lambda length: OSError(errno.ENOSPC, "No space left on device"),
    "EDQUOT": lambda length: OSError(errno.EDQUOT, "Disk quota exceeded"),
}


@pytest.mark.parametrize("truncates", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_write_that_fails_is_counted_and_the_log_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: str, truncates: bool
) -> None:
    """Each of the first lines of a log in turn; also where the piece cannot be taken back."""
    for number in range(8):
        place = folder / str(number)
        disk = Disk(monkeypatch, place)
        log = handler(place, on_failure="raise", checkpoint_every=4)
        if not truncates:

            def cannot(*_: object) -> None:
                raise OSError(errno.EIO, "Input/output error")

            monkeypatch.setattr(os, "ftruncate", cannot)
        disk.failures = [*([None] * number), FAILURES[failure](600)]
        expected, lost = [], 0
        for name in (f"r-{n}" for n in range(6)):
            try:
                log.handle(record(name))
                expected.append(name)
            except AuditWriteError:
                lost += 1
        log.close()
        monkeypatch.undo()
        assert lost <= 1
        assert_once(place, expected)
        assert sum(count for _, count in losses(place)) == lost
        if truncates:
            assert torn(place) == 0
        assert_honest(place, lost=lost)


def test_a_segment_that_is_deleted_to_make_room_is_said_to_be_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people do on a full disk: the failed write before does not make the writer forget what it knew."""
    from freezegun import freeze_time

    with freeze_time("2026-11-21T12:00:00Z") as clock:
        log = handler(folder, on_failure="raise")
        log.handle(record("a-1"))
        clock.move_to("2026-11-22T12:00:00Z")
        log.handle(record("a-2"))
        disk = Disk(monkeypatch, folder)
        disk.failures = [OSError(errno.ENOSPC, "No space left on device")]
        with pytest.raises(AuditWriteError):
            log.handle(record("a-3"))
        (folder / "audit_2026-11-22.jsonl").unlink()
        log.handle(record("a-4"))
        log.close()
    assert {reason for reason, _ in losses(folder)} - {"disk"} <= {"gone", "rollback"}
    assert {reason for reason, _ in losses(folder)} - {"disk"}
    assert losses(folder).count(("disk", 1)) == 1


def test_stderr_says_it_once_a_minute_and_without_content(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hundreds of failures from eight threads, one line."""
    log = handler(folder)
    log.handle(record("a-1"))
    disk = Disk(monkeypatch, folder)
    disk.failures = [OSError(errno.EIO, "Input/output error")] * 400

    def work(thread: int) -> None:
        for number in range(50):
            log.handle(record(f"private-{thread}-{number}"))

    with bare_root():
        run_all([threading.Thread(target=work, args=(n,)) for n in range(8)])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "private" not in error
    assert log.stats()["failed"] == 400 - len(disk.failures)
    disk.failures = []
    log.handle(record("a-2"))
    log.close()
    assert losses(folder) == [("disk", 400)]
    assert names(folder) == ["a-1", "a-2"]
    assert_honest(folder, lost=400)


def run_all(threads: list[threading.Thread], patience: float = 60) -> None:
    for thread in threads:
        thread.daemon = True
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
        assert not thread.is_alive(), "a thread hangs"


# fsync.


@pytest.mark.parametrize("pause", [0, 0.002])
def test_every_waiter_whose_record_was_not_synced_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """16 threads wait while fdatasync fails: each gets the error, and each that comes later does not."""
    log = handler(folder, durability="fsync", on_failure="raise")
    log.handle(record("first-0"))
    broken, really = threading.Event(), segment_file._sync_data
    broken.set()

    def sync(descriptor: int) -> None:
        time.sleep(pause)
        if broken.is_set():
            raise OSError(errno.EIO, "Input/output error")
        really(descriptor)

    monkeypatch.setattr(segment_file, "_sync_data", sync)
    raised: list[str] = []
    returned: list[str] = []

    def work(thread: int, count: int, kind: str) -> None:
        for number in range(count):
            name = f"{kind}-{thread}-{number}"
            try:
                log.handle(record(name))
                returned.append(name)
            except AuditWriteError:
                raised.append(name)

    run_all([threading.Thread(target=work, args=(n, 10, "failing")) for n in range(16)])
    assert (len(returned), len(raised)) == (0, 160)
    broken.clear()
    run_all([threading.Thread(target=work, args=(n, 10, "later")) for n in range(16)])
    assert (len(returned), len(raised)) == (160, 160)
    log.close()
    found = names(folder)
    assert len(found) == len(set(found))
    assert {"first-0", *returned} <= set(found)  # what was not synced may be there
    assert torn(folder) == 0
    assert verify(folder, key=source).findings == ()


@pytest.mark.parametrize(
    "count", [pytest.param(20, id="short"), pytest.param(200, id="long", marks=pytest.mark.slow)]
)
def test_threads_share_syncs(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """16 threads, each of whose records waits for a disk of 2 ms: many records come with one sync."""
    synced = 0

    def sync(descriptor: int) -> None:
        nonlocal synced
        time.sleep(0.002)
        synced = max(synced, os.fstat(descriptor).st_size)
        calls.append(synced)

    calls: list[int] = []
    monkeypatch.setattr(segment_file, "_sync_data", sync)
    log = handler(folder, durability="fsync", on_failure="raise", checkpoint_every=10_000)
    unsynced: list[str] = []

    def work(thread: int) -> None:
        for number in range(count):
            name = f"{thread}-{number}"
            log.handle(record(name))
            size = synced
            if number % 10 == 0 and f'"message":"{name}"'.encode() not in path().read_bytes()[:size]:
                unsynced.append(name)

    def path() -> Path:
        return next(folder.glob("*.jsonl"))

    run_all([threading.Thread(target=work, args=(n,)) for n in range(16)], patience=120)
    log.close()
    assert unsynced == []
    assert 0 < len(calls) < 16 * count / 2
    assert_once(folder, [f"{thread}-{number}" for thread in range(16) for number in range(count)])
    assert_honest(folder)


def test_processes_and_threads_sync_beside_each_other(tmp_path: Path, folder: Path) -> None:
    """Two processes of four threads each, every record on disk before it returns."""
    said = tmp_path / SAID
    finished(*[start(write_in_threads, said, folder, name, 25) for name in "ab"])
    assert len(acknowledged(said)) == 200
    assert_once(folder, acknowledged(said))
    assert_honest(folder)


def write_in_threads(folder: str, name: str, count: int) -> None:
    log = handler(folder, durability="fsync", on_failure="raise")

    def work(thread: int) -> None:
        for number in range(count):
            write(log, f"{name}{thread}-{number}")

    run_all([threading.Thread(target=work, args=(n,)) for n in range(4)])
    log.close()


def test_a_restart_on_a_full_disk_refuses_or_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that begins while nothing can be written loses its records visibly, also the first."""
    disk = Disk(monkeypatch, folder)
    disk.failures = [OSError(errno.ENOSPC, "No space left on device")] * 5
    log: Any = handler(folder, on_failure="raise")
    for number in range(5):
        with pytest.raises(AuditWriteError):
            log.handle(record(f"a-{number}"))
    log.handle(record("a-5"))
    log.close()
    assert names(folder) == ["a-5"]
    assert [m["seq"] for m in members(folder)] == list(range(len(members(folder))))
    assert_honest(folder, lost=5)


def test_a_second_failure_does_not_hide_the_first() -> None:
    """A waiter that wakes up late, when the next round has failed too, is still told of its own."""
    started, waiting, told = threading.Event(), threading.Event(), []

    def sync() -> None:
        started.set()
        assert waiting.wait(10)
        raise OSError(errno.EIO, "Input/output error")

    commit = GroupCommit(sync)
    tickets = [commit.wrote() for _ in range(31)]

    def wait(ticket: int) -> None:
        try:
            commit.wait(ticket)
        except OSError:
            told.append(ticket)

    def lead() -> None:
        wait(tickets[0])
        wait(commit.wrote())  # at once, before the others are awake

    leader = threading.Thread(target=lead, daemon=True)
    leader.start()
    assert started.wait(10)
    others = [threading.Thread(target=wait, args=(ticket,), daemon=True) for ticket in tickets[1:]]
    for other in others:
        other.start()
    time.sleep(0.3)
    waiting.set()
    for thread in (leader, *others):
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(told) == [*tickets, tickets[-1] + 1]


def test_a_record_written_while_a_sync_fails_is_not_vouched_for_by_the_next() -> None:
    """The system tells of a failure once; what was written before is in doubt, whatever the next says."""
    answers: list[int] = []

    def sync() -> None:
        if not answers:
            answers.append(commit.wrote())
            raise OSError(errno.EIO, "Input/output error")

    commit = GroupCommit(sync)
    with pytest.raises(OSError, match="Input/output"):
        commit.wait(commit.wrote())
    with pytest.raises(OSError, match="Input/output"):
        commit.wait(answers[0])
    commit.wait(commit.wrote())
