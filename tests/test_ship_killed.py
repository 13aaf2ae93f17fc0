"""Shippers that end at any moment, beside a writer that rotates: nothing is lost, nothing twice in files."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stress
from conftest import lines_of
from log_builder import three_segments
from samples import REPOSITORY
from ship_sites import WebhookSite

from or_audit_logging.cli.main import main
from or_audit_logging.ship import Shipper, TargetOptions, ship_status

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

LINES_A_DAY = 60
FEW = 20
"""Items in a batch, so that there are many."""


def write_days(folder: str, until: str) -> None:
    """Write records, of which a few make a day, until there is a file called *until*."""
    written = 0

    def now() -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=written // LINES_A_DAY)

    stress.set_clock(now)
    log = stress.handler(folder)
    while not os.path.exists(until):
        for _ in range(10):
            written += 1
            log.handle(stress.record(f"record-{written}"))
        stress.say(f"record-{written}")
        time.sleep(0.02)
    log.close()


def ship_and_be_killed(folder: str, target: str, kills: int, seed: int) -> None:
    """Begin to ship, and be killed, so many times; say how often there was something to be killed."""
    from or_audit_logging.cli.main import main
    from or_audit_logging.ship.targets import file, webhook

    for kind in (webhook.WebhookTarget, file.FileTarget):
        kind.limits = replace(kind.limits, items=FEW)
    real = os.write
    os.write = lambda descriptor, data: real(descriptor, data[:3_000])  # so that kills come within lines
    import requests  # noqa: F401 - before the forks, which are to be quick

    chance = random.Random(seed)
    for _ in range(kills):
        pid = os.fork()
        if not pid:
            os._exit(main(["ship", folder, "--to", target, "--follow"]))
        time.sleep(0.01 + 0.08 * chance.random())
        os.kill(pid, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        stress.say(str(ended))


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Let a process write to `log` until what is yielded is called."""
    until = tmp_path / "until"
    writer = stress.start(write_days, tmp_path / stress.SAID, tmp_path / "log", until)

    def end() -> None:
        until.touch()
        stress.finished(writer)

    try:
        wait_for(lambda: (tmp_path / stress.SAID).stat().st_size > 0, writer)
        yield end
    finally:
        until.touch()
        writer.communicate()


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until *what* is so; a *process* that ends meanwhile has failed."""
    deadline = time.monotonic() + stress.PATIENCE
    while not what():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.01)


def in_order(folder: Path) -> list[bytes]:
    """Return the log's lines in the order of their seq."""
    lines = lines_of(folder)
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))
    return lines


KILLS = [
    pytest.param(20, id="20 kills"),
    pytest.param(100, marks=pytest.mark.slow, id="100 kills"),
]


@pytest.mark.parametrize("kills", KILLS)
def test_a_webhook_misses_nothing(tmp_path: Path, writing: Callable[[], None], kills: int) -> None:
    """Every line arrives, in order once repetitions are taken away, byte for byte."""
    folder, ends = tmp_path / "log", tmp_path / "ends"
    with WebhookSite() as site:
        child = stress.start(ship_and_be_killed, ends, folder, site.text, kills, 7)
        stress.finished(child)
        writing()
        with Shipper(folder, site.text, options=TargetOptions(timeout=5.0)) as shipper:
            assert shipper.run().exit_code == 0
        elements = b",".join(body[1:-1] for body in site.bodies).replace(b"},{", b"}\n{").split(b"\n")
    lines = in_order(folder)
    assert ends.read_text().split() == ["-9"] * kills
    assert list(dict.fromkeys(elements)) == lines
    assert len(lines) > 5 * LINES_A_DAY
    assert len(elements) - len(lines) <= kills * FEW
    (status,) = ship_status(folder)
    assert (status.behind, status.breaks, status.dead_letters) == (0, 0, 0)


@pytest.mark.parametrize("kills", KILLS)
def test_a_file_has_each_line_once(tmp_path: Path, writing: Callable[[], None], kills: int) -> None:
    """It is the log, byte for byte, though kills have cut lines in two."""
    folder, ends, copy = tmp_path / "log", tmp_path / "ends", tmp_path / "copy.jsonl"
    child = stress.start(ship_and_be_killed, ends, folder, f"file:{copy}", kills, 11)
    stress.finished(child)
    writing()
    with Shipper(folder, f"file:{copy}") as shipper:
        assert shipper.run().exit_code == 0
    assert ends.read_text().split() == ["-9"] * kills
    assert copy.read_bytes().splitlines() == in_order(folder)
    assert copy.stat().st_mode & 0o777 == 0o600


# the file of a file target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a log of three segments of five lines."""
    return three_segments().save(tmp_path / "log")


def test_a_line_cut_anywhere_is_completed(folder: Path, tmp_path: Path) -> None:
    """Whatever a kill has left of it; what stood in the file before stays."""
    lines = b"".join(line + b"\n" for line in lines_of(folder))
    third = lines.index(b'{"event_type":"chat_completion"')
    for cut in [*range(third, third + 12), third + 100, third + 270, len(lines) - 1]:
        copy = tmp_path / "copy.jsonl"
        copy.write_bytes(b"what stood there before\n" + lines[:cut])
        with Shipper(folder, f"file:{copy}", state=tmp_path / str(cut)) as shipper:
            assert shipper.run().delivered == 15
        assert copy.read_bytes() == b"what stood there before\n" + lines


@pytest.mark.parametrize("before", [b"notes without a newline", b"notes\nmore notes", b"{", b'{"a":'])
def test_what_is_not_ours_is_not_cut_away(folder: Path, tmp_path: Path, before: bytes) -> None:
    """A file that was named by mistake keeps its last line; of a brace alone, nobody can tell."""
    from or_audit_logging.errors import DeliveryError

    copy = tmp_path / "notes.txt"
    copy.write_bytes(before)
    with Shipper(folder, f"file:{copy}") as shipper:
        if before == b"{":
            shipper.run()
            return
        with pytest.raises(DeliveryError, match="none of ours and has no newline"):
            shipper.run()
    assert copy.read_bytes() == before


def test_the_file_may_be_rotated(folder: Path, tmp_path: Path) -> None:
    """By whoever keeps it: it is made again, and what was moved away is not sent again."""
    copy = tmp_path / "copy.jsonl"
    with Shipper(folder, f"file:{copy}") as shipper:
        shipper.run()
        copy.rename(tmp_path / "copy.1.jsonl")
        log = three_segments()
        before = len(log.segments[log.name])
        log.user(2)
        with open(folder / log.name, "ab") as file:
            file.write(log.segments[log.name][before:])
        shipper.run()
    assert copy.read_bytes() == log.segments[log.name][before:]


@pytest.mark.parametrize("place", ["folder", "link", "pipe", "no folder"])
def test_a_place_that_is_no_file_is_not_tried_for_long(folder: Path, tmp_path: Path, place: str) -> None:
    """It will not become one."""
    from or_audit_logging.errors import AuditError

    copy = tmp_path / "copy"
    if place == "folder":
        copy.mkdir()
    elif place == "link":
        copy.symlink_to(tmp_path / "elsewhere")
    elif place == "pipe":
        os.mkfifo(copy)
    else:
        copy = tmp_path / "none" / "copy"
    pauses: list[float] = []
    with (
        pytest.raises(AuditError, match=r"cannot be written|not a regular file|no folder"),
        Shipper(folder, f"file:{copy}", wait=pauses.append) as shipper,
    ):
        shipper.run()
    assert pauses == []


# signals


def follow(folder: Path, site: WebhookSite, *options: str) -> subprocess.Popen[str]:
    """Start a shipper that follows the log."""
    arguments = ["ship", str(folder), "--to", site.text, "--follow", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for its end; return its exit code and what it said, but that it began from the beginning."""
    out, error = process.communicate(timeout=stress.PATIENCE)
    said = [line for line in error.splitlines(keepends=True) if "shipping from the beginning" not in line]
    return process.returncode, out, "".join(said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_following(folder: Path, number: signal.Signals) -> None:
    """With 0, and with everything that was there delivered."""
    with WebhookSite() as site:
        process = follow(folder, site)
        wait_for(lambda: len(site.items) == 15, process)
        process.send_signal(number)
        code, out, error = ended(process)
    assert (code, error) == (0, "")
    assert out == "delivered  15 lines, up to seq 14\n"
    assert ship_status(folder)[0].behind == 0


def test_a_service_that_starts_before_the_log_does_waits(tmp_path: Path) -> None:
    """For its folder, its file, its first line; a stop is in order, a wrong target is said at once."""
    place = tmp_path / "log"
    with WebhookSite() as site:
        process = follow(place, site)
        log = three_segments()
        assert process.stderr is not None
        assert "waiting until it begins" in process.stderr.readline()
        place.mkdir()
        (place / "audit_2026-11-21.jsonl").write_bytes(b'{"event_type":"log.gen')
        time.sleep(0.5)  # so that it may look at it; it need not have
        assert process.poll() is None
        log.save(place)
        wait_for(lambda: len(site.items) == 15, process)
        process.send_signal(signal.SIGTERM)
        code, _, error = ended(process)
        assert (code, error) == (0, "")

        process = follow(tmp_path / "other", site)
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    nowhere = tmp_path / "none" / "log"
    for folder, text in ((tmp_path / "other", "webhook:ftp://x"), (nowhere, f"file:{tmp_path / 'copy'}")):
        assert main(["ship", str(folder), "--to", text, "--follow"]) == 2


def test_a_signal_ends_waiting_for_a_target(folder: Path) -> None:
    """What was not delivered is there the next time."""
    with WebhookSite() as site:
        site.fail(*["500"] * 100)
        process = follow(folder, site)
        wait_for(lambda: len(site.requests) > 0, process)
        process.send_signal(signal.SIGTERM)
        code, _, error = ended(process)
        assert code == 0
        assert "answered 500; trying again in" in error
        assert ship_status(folder)[0].next_seq == 0


def test_the_second_signal_ends_it_at_once(folder: Path) -> None:
    """Also while an answer is waited for that does not come."""
    with WebhookSite() as site:
        site.timeout = stress.PATIENCE
        site.fail("slow")
        process = follow(folder, site, "--timeout", "3600")
        wait_for(lambda: len(site.requests) > 0, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        code, _, error = ended(process)
    assert (code, error) == (2, "or-audit: interrupted\n")
    assert ship_status(folder)[0].next_seq == 0
