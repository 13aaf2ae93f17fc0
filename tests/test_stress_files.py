"""Hands in the folder, a holder of the lock that is frozen, clocks that jump: with one writer and two."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stress import (
    Puppet,
    assert_honest,
    assert_once,
    assert_whole,
    controls,
    finished,
    handler,
    losses,
    members,
    names,
    record,
    sealed_lines,
    source,
    torn,
    verify,
    wait_for,
)

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.line import parse_line

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, signals and flock are POSIX")

NOON = "2026-11-21T12:00:00Z"
SEGMENT = "audit_2026-11-21.jsonl"
ONE_OR_TWO = pytest.mark.parametrize("count", [1, 2], ids=["one process", "two processes"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture(scope="module")
def troupe() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are idle: starting one takes longer than most tests."""
    idle: list[subprocess.Popen[str]] = []
    yield idle
    finished(*idle)


@pytest.fixture
def puppets(folder: Path, troupe: list[subprocess.Popen[str]]) -> Iterator[Any]:
    """Return a function that gives so many writers; they are ended whatever happens."""
    made: list[Puppet] = []

    def begin(count: int, **options: Any) -> list[Puppet]:
        for _ in range(count):
            made.append(Puppet(folder, troupe=troupe, **options))
            made[-1].do("clock", NOON)
        return made[-count:]

    yield begin
    for puppet in made:
        puppet.__exit__()


def in_turn(writers: list[Puppet], prefix: str, count: int = 3) -> list[str]:
    """Let each write in turn; return what they wrote."""
    written = []
    for number in range(count):
        for index, writer in enumerate(writers):
            written.append(f"{prefix}-{index}-{number}")
            writer.write(written[-1])
    return written


def assert_goes_on(folder: Path, expected: list[str], writers: list[Puppet], *reasons: str) -> list[str]:
    """Those records are there, once; the lines of each file follow each other; the reasons are said once."""
    for writer in writers:
        assert "could not" not in writer.stop()
    assert_once(folder, expected)
    assert torn(folder) == 0
    assert [reason for reason, _ in losses(folder)] == list(reasons)
    numbers = [line.seq for _, line in sealed_lines(folder)]
    assert len(numbers) == len(set(numbers))
    return [finding.kind for finding in verify(folder, key=source).findings]


@ONE_OR_TWO
def test_a_segment_is_deleted(folder: Path, puppets: Any, count: int) -> None:
    """One of them says that it is gone, and all go on in one new file; verification misses the lines."""
    writers = puppets(count)
    in_turn(writers, "lost")
    lines = len(sealed_lines(folder))
    (folder / SEGMENT).unlink()
    kinds = assert_goes_on(folder, in_turn(writers, "kept"), writers, "gone")
    assert kinds != []
    assert controls(folder, "open")[0]["seq"] == lines  # no number is used twice


@ONE_OR_TWO
def test_a_segment_is_replaced_by_a_copy(folder: Path, puppets: Any, count: int) -> None:
    """As editors and back-ups do: said, and found for being said; nothing is missing."""
    writers = puppets(count)
    written = in_turn(writers, "before")
    shutil.copy(folder / SEGMENT, folder / "copy")
    os.replace(folder / "copy", folder / SEGMENT)
    assert assert_goes_on(folder, [*written, *in_turn(writers, "after")], writers, "gone") == ["vanished"]


@ONE_OR_TWO
def test_a_segment_is_cut_to_a_line(folder: Path, puppets: Any, count: int) -> None:
    """copytruncate, or somebody's hand: said once, and the lines are missed."""
    writers = puppets(count)
    in_turn(writers, "lost")
    whole = (folder / SEGMENT).read_bytes().splitlines(keepends=True)
    os.truncate(folder / SEGMENT, sum(map(len, whole[:2])))
    assert assert_goes_on(folder, in_turn(writers, "kept"), writers, "shrunk") != []


@ONE_OR_TWO
def test_a_segment_is_emptied(folder: Path, puppets: Any, count: int) -> None:
    """The chain goes on in it, or in the next free name."""
    writers = puppets(count)
    in_turn(writers, "lost")
    os.truncate(folder / SEGMENT, 0)
    assert assert_goes_on(folder, in_turn(writers, "kept"), writers, "shrunk") != []


def test_our_last_line_is_changed_and_another_process_writes(folder: Path, puppets: Any) -> None:
    """The chain of what comes after holds over the line that was; the line that is gives the one finding."""
    a, b = puppets(2, checkpoint_every=10_000)
    a.write("a-1")
    b.write("b-1")
    a.write("a-2")
    path = folder / SEGMENT
    path.write_bytes(path.read_bytes().replace(b'"message":"a-2"', b'"message":"a-7"'))
    b.write("b-2")
    a.write("a-3")
    before = len(controls(folder, "checkpoint"))
    edited = next(line.seq for _, line in sealed_lines(folder) if b'"a-7"' in line.raw)
    for writer in (a, b):
        writer.stop()
    report = verify(folder, key=source)
    assert report.verdict == "tampered"
    assert {f.seq for f in report.findings} <= set(range(edited, edited + 2)) | {
        m["seq"] for m in controls(folder, "checkpoint")
    }
    assert {reason for reason, _ in losses(folder)} <= {"chain"}
    assert before == 1


def test_our_last_line_is_replaced_by_a_forged_one(folder: Path, puppets: Any) -> None:
    """Of the same length, with another MAC: whoever wrote it says so, and vouches for nothing more."""
    (a,) = puppets(1)
    a.write("a-1")
    path = folder / SEGMENT
    lines = path.read_bytes().splitlines(keepends=True)
    mac = parse_line(lines[-1].removesuffix(b"\n")).mac.hex().encode()
    lines[-1] = lines[-1].replace(mac, mac[::-1]).replace(b'"a-1"', b'"a-7"')
    path.write_bytes(b"".join(lines))
    (b,) = puppets(1)
    b.write("b-1")
    a.write("a-2")
    made = len(controls(folder, "checkpoint"))
    a.stop()
    b.stop()
    assert len(controls(folder, "checkpoint")) == made == 1
    assert {reason for reason, _ in losses(folder)} == {"chain"}
    assert verify(folder, key=source).verdict == "tampered"


@ONE_OR_TWO
def test_the_lock_file_is_removed(folder: Path, puppets: Any, count: int) -> None:
    """Whoever comes next makes it anew; nothing is lost, also over midnight."""
    writers = puppets(count)
    written = in_turn(writers, "before")
    for number in range(3):
        (folder / "audit.lock").unlink()
        written += in_turn(writers, f"after{number}")
    for number in range(3):
        (folder / "audit.lock").unlink()
        for writer in reversed(writers):
            writer.do("clock", f"2026-11-2{number + 2}T12:00:00Z")
            written += in_turn([writer], f"day{number}{writer.pid}")
    assert assert_goes_on(folder, written, writers) == []
    assert len(list(folder.glob("*.jsonl"))) == 4


@pytest.mark.parametrize("content", [b"", b".", b"..", b"x" * 100])
def test_the_lock_file_s_content_is_no_fact(folder: Path, puppets: Any, content: bytes) -> None:
    """Emptied or filled while a day is opened: the folder says where the log is."""
    a, b = puppets(2)
    written = in_turn([a, b], "before")
    b.do("clock", "2026-11-22T11:00:00Z")
    (folder / "audit.lock").write_bytes(b"")
    written += in_turn([b], "opens")
    (folder / "audit.lock").write_bytes(content)
    a.do("clock", "2026-11-22T12:00:00Z")
    written += in_turn([a, b], "after")
    assert assert_goes_on(folder, written, [a, b]) == []
    assert len(list(folder.glob("*.jsonl"))) == 2


@ONE_OR_TWO
def test_the_folder_is_removed(folder: Path, puppets: Any, count: int) -> None:
    """One of them makes it anew and says what is gone; the others follow."""
    writers = puppets(count)
    in_turn(writers, "lost")
    shutil.rmtree(folder)
    kept = in_turn(writers, "kept")
    assert assert_goes_on(folder, kept, writers, "gone") != []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@ONE_OR_TWO
def test_the_right_to_write_is_lost_and_given_back(folder: Path, puppets: Any, count: int) -> None:
    """An open segment is written on; a day that cannot be opened costs its records, each of them counted."""
    writers = puppets(count)
    for writer in writers:
        assert writer.do("drop_rights") is None
        writer.keep()
    written = in_turn(writers, "before")
    (folder / SEGMENT).chmod(0o400)
    folder.chmod(0o500)
    written += in_turn(writers, "open")
    for writer in writers:
        writer.do("clock", "2026-11-22T12:00:00Z")
        for number in range(3):
            assert "OSError" in writer.do("write", f"lost-{number}")
    folder.chmod(0o700)
    (folder / SEGMENT).chmod(0o600)
    written += in_turn(writers, "after")
    errors = [writer.stop() for writer in writers]
    assert [error.count("\n") for error in errors] == [1] * count
    assert_once(folder, written)
    assert losses(folder) == [("disk", 3)] * count
    assert_honest(folder, lost=3 * count)


def test_the_right_to_probe(folder: Path, puppets: Any) -> None:
    """What cannot be written is said before a call is made, and no more once it can."""
    (a,) = puppets(1, on_failure="raise")
    assert a.do("drop_rights") is None
    a.keep()
    a.write("a-1")
    a.do("clock", "2026-11-22T12:00:00Z")
    folder.chmod(0o500)
    assert "AuditWriteError" in a.do("write", "a-2")
    assert "AuditWriteError" in a.do("probe")
    folder.chmod(0o700)
    assert a.do("probe") is None
    a.write("a-3")
    a.stop()
    assert_once(folder, ["a-1", "a-3"])
    assert losses(folder) == [("disk", 1)]
    assert_honest(folder, lost=1)


def test_a_crash_while_a_crash_is_mended(folder: Path) -> None:
    """Torn bytes, and the line that describes them torn as well: the next process mends both."""
    log = handler(folder)
    for number in range(3):
        log.handle(record(f"a-{number}"))
    path = next(folder.glob("*.jsonl"))
    fragment = b'{"event_type":"torn'
    path.write_bytes(path.read_bytes() + fragment)
    begins = path.stat().st_size
    log = handler(folder)
    log.handle(record("b-0"))
    mended = path.read_bytes()
    ends = mended.index(b"\n", begins + 1) + 1
    for cut in range(begins, ends + 1, 9):
        path.write_bytes(mended[:cut])
        for name in ("c-0", "c-1"):
            log = handler(folder)
            log.handle(record(name))
        log.close()
        assert_once(folder, ["a-0", "a-1", "a-2", "c-0", "c-1"])
        assert verify(folder, key=source).findings == (), cut


# A frozen holder of the lock.


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_a_frozen_holder_is_waited_for(folder: Path, puppets: Any, on_failure: str, threads: int) -> None:
    """Up to lock_timeout; what could not be written is counted; once it thaws, all goes on."""
    (frozen,) = puppets(1)
    frozen.write("frozen-0")
    log = handler(folder, lock_timeout=0.2, on_failure=on_failure)
    frozen.begin("freeze_in_write", "frozen-1")
    wait_for(lambda: os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
    raised: list[float] = []
    began = time.monotonic()

    def work(thread: int) -> None:
        try:
            log.handle(record(f"lost-{thread}"))
        except AuditWriteError:
            raised.append(time.monotonic() - began)

    waiting = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(threads)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join(30)
        assert not thread.is_alive()
    assert time.monotonic() - began >= 0.2
    assert log.stats()["failed"] == threads
    assert len(raised) == (threads if on_failure == "raise" else 0)
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.end() is None
    frozen.write("frozen-2")
    log.handle(record("after-0"))
    frozen.write("frozen-3")
    log.close()
    frozen.stop()
    assert_once(folder, [*(f"frozen-{n}" for n in range(4)), "after-0"])
    assert sum(count for _, count in losses(folder)) == threads
    assert torn(folder) == 0
    assert_honest(folder, lost=threads)


def test_a_holder_that_thaws_in_time_costs_nothing(folder: Path, puppets: Any) -> None:
    """Those that wait within lock_timeout write behind it."""
    frozen, waiting = puppets(2)
    frozen.write("frozen-0")
    waiting.write("waiting-0")
    frozen.begin("freeze_in_write", "frozen-1")
    wait_for(lambda: os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
    waiting.begin("write", "waiting-1")
    time.sleep(0.3)
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.end() is None
    assert waiting.end() is None
    waiting.stop()
    frozen.stop()
    assert names(folder) == ["frozen-0", "waiting-0", "frozen-1", "waiting-1"]
    assert_whole(folder, names(folder))


def test_a_frozen_holder_that_is_killed_leaves_the_lock(folder: Path, puppets: Any) -> None:
    """The system lets go of it; its record was not written, and nobody was told that it was."""
    frozen, waiting = puppets(2)
    frozen.write("frozen-0")
    frozen.begin("freeze_in_write", "frozen-1")
    wait_for(lambda: os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
    waiting.begin("write", "waiting-0")
    time.sleep(0.1)
    os.kill(frozen.pid, signal.SIGKILL)
    assert waiting.end() is None
    waiting.stop()
    assert_whole(folder, ["frozen-0", "waiting-0"])


# Clocks.


def days(folder: Path) -> list[str]:
    """Return the names of the segments in the order of the log, without what they have in common."""
    layout = LogLayout.discover(folder)
    assert layout is not None
    return [
        segment.name.removeprefix("audit_2026-").removesuffix(".jsonl") for _, segment in layout.segments()
    ]


def test_a_clock_steps_back_over_midnight(folder: Path, puppets: Any) -> None:
    """By an hour, again and again: the log stays in the newest day; none is opened twice."""
    a, b = puppets(2)
    written = []
    for number in range(4):
        for moment in (f"2026-11-2{number + 1}T23:30:00Z", f"2026-11-2{number + 2}T00:30:00Z") * 2:
            for writer in (a, b):
                writer.do("clock", moment)
            written += in_turn([a, b], f"{number}-{len(written)}", 1)
    a.stop()
    b.stop()
    assert_whole(folder, written)
    assert days(folder) == [f"11-2{day}" for day in range(1, 6)]


def test_clocks_two_seconds_apart_around_midnight(folder: Path, puppets: Any) -> None:
    """The one ahead opens the day, the one behind follows it there."""
    ahead, behind = puppets(2)
    written = []
    for tenths in range(-40, 41, 5):
        for writer, early in ((ahead, 1.0), (behind, -1.0)):
            moment = tenths / 10 + early
            day, second = ("22", moment) if moment >= 0 else ("21", 60 + moment)
            clock = "00:00:" if moment >= 0 else "23:59:"
            writer.do("clock", f"2026-11-{day}T{clock}{second:06.3f}Z")
            written += in_turn([writer], f"{tenths}{early}", 1)
    ahead.stop()
    behind.stop()
    assert_whole(folder, written)
    assert names(folder) == written
    assert days(folder) == ["11-21", "11-22"]


@ONE_OR_TWO
def test_a_clock_that_ran_three_days_ahead_comes_back(folder: Path, puppets: Any, count: int) -> None:
    """The day goes on in its next free suffix; the days that it had run to find their names taken."""
    writers = puppets(count)
    written = []
    moments = ["21T12", "24T12", "21T13", "22T13", "23T13", "24T13", "25T13"]
    for moment in moments:
        for index, writer in enumerate(writers):
            writer.do("clock", f"2026-11-{moment}:00:00Z")
            written += in_turn([writer], f"{moment}{index}", 2)
    for writer in writers:
        writer.stop()
    assert_whole(folder, written)
    assert names(folder) == written
    assert days(folder)[:3] == ["11-21", "11-24", "11-21.1"]
    if count == 1:
        assert days(folder) == ["11-21", "11-24", "11-21.1", "11-22", "11-23", "11-24.1", "11-25"]


def test_one_of_two_clocks_runs_three_days_ahead_for_good(folder: Path, puppets: Any) -> None:
    """Each write changes the segment: ugly, but one chain, in which each line stands where its day says."""
    ahead, right = puppets(2)
    ahead.do("clock", "2026-11-24T12:00:00Z")
    written = in_turn([ahead, right], "x", 5)
    ahead.stop()
    right.stop()
    assert_whole(folder, written)
    for name, line in sealed_lines(folder):
        content = json.loads(line.raw)
        if content["event_type"] in ("log.genesis", "log.open"):
            assert (content["segment"], content["day"]) == (name, name[6:16])
    assert [m["seq"] for m in members(folder)] == list(range(len(members(folder))))
