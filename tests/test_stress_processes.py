"""Many processes, one log: days that last a second, kills, long lines, checkpoints."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from stress import (
    SAID,
    Puppet,
    acknowledged,
    assert_honest,
    assert_whole,
    controls,
    finished,
    handler,
    losses,
    members,
    record,
    say,
    sealed_lines,
    set_clock,
    source,
    start,
    torn,
    verify,
    write,
)

from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.merkle import Frontier

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and flock are POSIX")

FIRST_DAY = datetime(2026, 11, 21, tzinfo=UTC)


def long(quick: float, whole: float) -> Any:
    """Return a test's two variants."""
    return [pytest.param(quick, id="short"), pytest.param(whole, id="long", marks=pytest.mark.slow)]


def write_for(folder: str, name: str, seconds: float, options: dict[str, Any], checkpoints: int = 0) -> None:
    """Write until the time is over, and the log has so many checkpoints."""
    log = handler(folder, **options)
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end or checkpoints_in(Path(folder)) < checkpoints:
        write(log, f"{name}-{number}")
        number += 1
    log.close()


def checkpoints_in(folder: Path) -> int:
    """Return how many there are."""
    return sum(path.read_bytes().count(b'{"event_type":"log.checkpoint"') for path in folder.glob("*.jsonl"))


# A UTC day that lasts a second.


def fast_clock(began: float, day: float) -> datetime:
    """Return the time of a clock whose day lasts *day* seconds, from *began* on."""
    return FIRST_DAY + timedelta(days=(time.time() - began) / day)


def write_through_days(folder: str, name: str, began: float, day: float, seconds: float) -> None:
    """Write records that say on which day they were begun and on which they were written."""
    set_clock(lambda: fast_clock(began, day))
    log = handler(folder, checkpoint_seconds=86_400 * 1000)
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end or len(list(Path(folder).glob("*.jsonl"))) < seconds / day - 1:
        begun = fast_clock(began, day).date()
        log.handle(record(f"{name}-{number}"))
        say(f"{name}-{number}@{begun}@{fast_clock(began, day).date()}")
        number += 1
    log.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("day", "seconds"),
    [(0.2, 0.8), (1, 8)],
    ids=["short", "long"],
)
def test_processes_roll_over_together(tmp_path: Path, day: float, seconds: float) -> None:
    """Four processes over many midnights: each record once, in a file of a day it was made on."""
    folder, said, began = tmp_path / "log", tmp_path / SAID, time.time()
    finished(*[start(write_through_days, said, folder, name, began, day, seconds) for name in "abcd"])
    told = dict(line.split("@", 1) for line in acknowledged(said))
    report = assert_whole(folder, told)
    segments = list(dict.fromkeys(name for name, _ in sealed_lines(folder)))
    assert segments == sorted(segments)
    assert report.segments == len(segments) >= seconds / day - 1
    assert all("." not in Path(name).stem for name in segments)
    for name, line in sealed_lines(folder):
        content = json.loads(line.raw)
        if not line.is_control:
            begun, written = told[content["message"]].split("@")
            assert begun <= Path(name).stem.removeprefix("audit_") <= written
        elif content["event_type"] in ("log.genesis", "log.open"):
            assert (content["segment"], content["day"]) == (name, Path(name).stem.removeprefix("audit_"))


@pytest.mark.parametrize("place", ["before the first line", "after the first line", "at the lock's count"])
def test_a_process_killed_while_it_opens_a_day_does_not_part_the_log(tmp_path: Path, place: str) -> None:
    """Its first line stands, or nothing does: those that live go on behind it."""
    folder = tmp_path / "log"
    with Puppet(folder) as living:
        living.do("clock", "2026-11-21T12:00:00Z")
        living.write("a-1")
        dying = start(die_at_midnight, tmp_path / SAID, folder, place)
        dying.communicate()
        assert dying.returncode == -signal.SIGKILL
        living.do("clock", "2026-11-22T12:00:00Z")
        living.write("a-2")
        living.stop()
    assert_whole(folder, ["a-1", "a-2"])


def die_at_midnight(folder: str, place: str) -> None:
    from or_audit_logging.log.lock import ProcessLock
    from or_audit_logging.log.segment_file import SegmentFile

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    append = SegmentFile.append

    def die_after(self: SegmentFile, data: bytes, *, at: int) -> None:
        append(self, data, at=at)
        die()

    set_clock(lambda: FIRST_DAY + timedelta(days=1, hours=11))
    log = handler(folder)
    if place == "at the lock's count":
        ProcessLock.count_segment = die  # type: ignore[method-assign]
    else:
        SegmentFile.append = die if place == "before the first line" else die_after  # type: ignore[method-assign]
    log.handle(record("never"))


# Kills.


@pytest.mark.parametrize("rounds", long(2, 12))
def test_what_was_said_before_a_kill_is_in_the_log(tmp_path: Path, rounds: int) -> None:
    """Three writers, killed at some moment, over and over; one in two writes lines that take many pages."""
    chance, folder, said = random.Random(rounds), tmp_path / "log", tmp_path / SAID
    for number in range(rounds):
        long_lines = {"max_line_bytes": 200_000} if number % 2 else {}
        children = [start(write_until_killed, said, folder, f"{number}{n}", long_lines) for n in "abc"]
        wait_for_words(said, children)
        time.sleep(chance.random() * 0.1)
        for child in children:
            child.kill()
            time.sleep(chance.random() * 0.01)
        for child in children:
            child.communicate()
            assert child.returncode == -signal.SIGKILL
    log = handler(folder)
    write(log, "last-0")
    log.close()
    told, found = acknowledged_by_all(said) | {"last-0"}, {}
    for _, line in sealed_lines(folder):
        if not line.is_control:
            name = json.loads(line.raw)["message"].split(" ")[0]
            assert name not in found
            found[name] = line.seq
    assert told <= set(found)
    assert len(found) - len(told) <= 3 * rounds  # written, and killed before it could be said
    assert losses(folder) == []
    assert_honest(folder)
    described = controls(folder, "recover")
    assert len(described) == torn(folder) or all(d["length"] > 0 for d in described)


def write_until_killed(folder: str, name: str, options: dict[str, Any]) -> None:
    log, number = handler(folder, **options), 0
    while True:
        text = f"{name}-{number}"
        log.handle(record(f"{text} {'x' * 50_000}" if options else text))
        say(text)
        number += 1


def wait_for_words(said: Path, children: list[subprocess.Popen[str]]) -> None:
    """Return once something new was said."""
    before, end = said.stat().st_size, time.monotonic() + 30
    while said.stat().st_size < before + 60:
        assert time.monotonic() < end
        assert all(child.poll() is None for child in children)
        time.sleep(0.005)


def acknowledged_by_all(said: Path) -> set[str]:
    told = acknowledged(said)
    assert len(told) == len(set(told))
    return set(told)


# Long lines.


def write_long(folder: str, name: str, count: int) -> None:
    log = handler(folder, max_line_bytes=400_000)
    for number in range(count):
        text = f"{name}-{number}"
        log.handle(record(f"{text} {name * 100_000}"))
        say(text)
    log.close()


@pytest.mark.parametrize("count", long(4, 40))
def test_long_lines_of_many_processes_are_not_torn(tmp_path: Path, count: int) -> None:
    """100 kB each, by four processes: whole, and none mixed with another."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(*[start(write_long, said, folder, name, count) for name in "abcd"])
    assert len(acknowledged(said)) == 4 * count
    assert_whole(folder, acknowledged(said))
    for _, line in sealed_lines(folder):
        if not line.is_control:
            name, content = json.loads(line.raw)["message"].split(" ")
            assert content == name[0] * 100_000


# Checkpoints.


def assert_checkpoints_right(folder: Path) -> int:
    """Every checkpoint's size, root and frontier is that of the lines before it; return their number."""
    tree, count = Frontier(), 0
    for _, line in sealed_lines(folder):
        if line.raw.startswith(b'{"event_type":"log.checkpoint"'):
            stated = json.loads(line.raw)
            assert (stated["size"], stated["root"], stated["frontier"]) == (
                line.seq,
                encode_root(tree.root()),
                tree.to_hex(),
            )
            count += 1
        tree.append(leaf_hash(line.raw))
    return count


@pytest.mark.parametrize("seconds", long(0.2, 4))
def test_checkpoints_of_many_processes_are_right_and_not_too_many(tmp_path: Path, seconds: float) -> None:
    """One for every so many lines, whoever writes the line; one at each end; all of them of the whole log."""
    folder, said = tmp_path / "log", tmp_path / SAID
    with Puppet(folder) as silent:
        finished(*[start(write_for, said, folder, n, seconds, {"checkpoint_every": 50}) for n in "abcd"])
        assert silent.do("stats")["written"] == 0
        silent.write("silent-0")  # it has to follow all that was written since it began
        silent.stop()
    assert_whole(folder, [*acknowledged(said), "silent-0"])
    ends = [line for _, line in sealed_lines(folder) if (line.seq + 1) % 50 == 0]
    by_records = sum(not line.is_control for line in ends)  # a late checkpoint may be the fiftieth line
    assert by_records <= assert_checkpoints_right(folder) <= len(ends) + 8


@pytest.mark.slow
def test_checkpoints_by_age_come_once_and_not_from_each_process(tmp_path: Path) -> None:
    """A process that finds the last one old looks whether another has made one meanwhile."""
    folder, said, age = tmp_path / "log", tmp_path / SAID, 0.05
    options = {"checkpoint_seconds": age, "checkpoint_every": 10_000}
    finished(*[start(write_for, said, folder, name, 0.2, options, 8) for name in "abcd"])
    assert_whole(folder, acknowledged(said))
    lines = members(folder)
    other_reasons = ("log.genesis", "log.open", "log.stop")
    by_age = [
        (line["seq"] // 10_000, datetime.fromisoformat(line["timestamp"]))
        for before, line in pairwise(lines)
        if line["event_type"] == "log.checkpoint" and before["event_type"] not in other_reasons
    ]
    assert len(by_age) > 3  # of eight, one comes with the log and three may come with the ends of others
    for (earlier_part, earlier), (part, moment) in pairwise(by_age):
        if part == earlier_part:  # else one of them came by count
            assert moment - earlier > timedelta(seconds=age)


def test_nobody_makes_a_checkpoint_over_an_edit(tmp_path: Path) -> None:
    """Four processes go on over a line that was changed: whoever reads it says so, and no root covers it."""
    folder = tmp_path / "log"
    with Puppet(folder, checkpoint_every=5) as a, Puppet(folder, checkpoint_every=5) as b:
        a.write(*[f"a-{n}" for n in range(12)])
        b.write("b-1")
        path = next(folder.glob("*.jsonl"))
        before = len(sealed_lines(folder))
        last = next(line for _, line in sealed_lines(folder) if b'"message":"b-1"' in line.raw)
        path.write_bytes(path.read_bytes().replace(b'"message":"b-1"', b'"message":"b-7"'))
        with Puppet(folder, checkpoint_every=5) as c, Puppet(folder, checkpoint_every=5) as d:
            for number in range(12):
                for name, puppet in zip("abcd", (a, b, c, d), strict=True):
                    puppet.write(f"{name}-later-{number}")
            for puppet in (a, b, c, d):
                puppet.stop()
    edited = Frontier()
    for _, line in sealed_lines(folder):
        if line.seq > last.seq and line.raw.startswith(b'{"event_type":"log.checkpoint"'):
            assert json.loads(line.raw)["root"] != encode_root(edited.root())
        edited.append(leaf_hash(line.raw))
    assert len(sealed_lines(folder)) > before
    assert {reason for reason, _ in losses(folder)} == {"chain"}
    assert verify(folder, key=source).verdict == "tampered"
