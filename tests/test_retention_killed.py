"""A run of retention that ends anywhere: the log verifies, nothing is lost, and the next run completes it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from log_builder import SECRET, key
from retaining import SHORT, Killed, LivedLog, ending_at, killed, lived
from samples import REPOSITORY

from or_audit_logging.errors import AuditError
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import history_of
from or_audit_logging.retention import RetentionPolicy, add_hold, holds_of

NEVER = 1 << 30


def grown(folder: Path, log: LivedLog) -> None:
    """Make a log of which two segments are to be deleted, three archived, and a hold said again."""
    log.write()
    add_hold(folder, "far", since=log.today.replace(year=2030), key=key(), actor="counsel")
    log.pass_days(1)
    log.write_days(6)
    log.retain()
    log.pass_days(1)
    log.write_days(1)


def whole_run(folder: Path) -> tuple[list[str], LivedLog]:
    """Return which file calls a whole run makes, and the log that it leaves."""
    with lived(folder) as log:
        grown(folder, log)
        with ending_at(NEVER, killed) as made:
            log.retain()
        return made, log


def check(log: LivedLog, whole: LivedLog) -> None:
    """Whatever was done: no finding, and the next run leaves what an undisturbed one leaves."""
    report = log.verify()
    assert report.findings == ()
    kinds = {note.kind for note in report.notes}
    assert kinds <= {"below-base", "torn-end", "no-newline", "empty"}
    log.retain()
    report = log.verify()
    assert report.findings == ()
    assert {note.kind for note in report.notes} <= {"recovered"}
    assert log.numbers() == whole.numbers() == {4, 5, 6, 7}
    assert log.archives() == whole.archives()
    assert sorted(os.listdir(log.folder / "archive")) == [f"{name}.gz" for name in log.archives()]
    assert [hold.name for hold in holds_of(log.folder)] == ["far"]


SOME_OR_ALL = pytest.mark.parametrize(
    "stride", [pytest.param(3, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
"""Every third call of a run: they come in pairs, a change and its fsync, and of both some are met."""


@SOME_OR_ALL
def test_a_run_that_ends_at_any_call(tmp_path: Path, stride: int) -> None:
    """Nothing works any more from the call on, as for a process that was killed."""
    made, whole = whole_run(tmp_path / "whole")
    assert {"unlink", "replace", "fsync", "write"} <= set(made)
    for call in range(0, len(made), stride):
        with lived(tmp_path / str(call)) as log:
            grown(log.folder, log)
            with suppress(Killed), ending_at(call, killed):
                log.retain()
            check(log, whole)


def test_a_policy_that_was_said_counts_wherever_the_run_ended(tmp_path: Path) -> None:
    """Also for the segments after it, though the one that was to begin with it is not there."""
    longer = RetentionPolicy(archive_after_days=20, delete_after_days=50, name="longer")
    said, call, ended = 0, 0, False
    while not ended:
        with lived(tmp_path / str(call)) as log:
            log.write_days(2)
            log.retain()
            log.write()
            with ending_at(call, killed) as made, suppress(Killed):
                log.retain(longer)
            ended = len(made) <= call
            named = {act.members["name"] for act in history_of(reader_of(log.folder)).acts}
            log.write_days(2)
            log.write()
            history = history_of(reader_of(log.folder))
            assert history.policy == (longer if "longer" in named else SHORT).to_sealed()
            assert log.verify().findings == ()
        said += "longer" in named
        call += 1
    assert said > 2


def test_each_file_is_gone_for_good_before_the_next_one_goes(tmp_path: Path) -> None:
    """A power failure could otherwise leave an older file where a younger one is gone: a gap."""
    made, _ = whole_run(tmp_path)
    assert made.count("unlink") > 3
    assert all(made[place + 1] == "fsync" for place, name in enumerate(made) if name == "unlink")


@SOME_OR_ALL
def test_a_disk_that_fails_at_any_call(tmp_path: Path, stride: int) -> None:
    """From some call on there is an error each time: it is raised, and nothing is lost."""

    def fails() -> NoReturn:
        raise OSError(errno.EIO, "broken disk")

    made, whole = whole_run(tmp_path / "whole")
    for call in range(0, len(made), stride):
        with lived(tmp_path / str(call)) as log:
            grown(log.folder, log)
            with pytest.raises((OSError, AuditError)), ending_at(call, fails):
                log.retain()
            check(log, whole)


CHILD = """
import os, signal, sys
from pathlib import Path
from retaining import LivedLog, ending_at, lived
with lived(Path(sys.argv[1]), sys.argv[3]) as log, ending_at(
    int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)
):
    log.retain()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_process_that_is_killed_at_any_call(tmp_path: Path) -> None:
    """SIGKILL, at each call that changes a file."""
    made, whole = whole_run(tmp_path / "whole")
    for call in range(len(made)):
        with lived(tmp_path / str(call)) as log:
            grown(log.folder, log)
            now = f"{log.today} 12:00:00"
            child = subprocess.run(
                [sys.executable, "-c", CHILD, str(log.folder), str(call), now],
                env=os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"},
                check=False,
            )
            assert child.returncode == -signal.SIGKILL
            check(log, whole)


BESIDE = """
import select, sys
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
writer = LogWriter(LogLayout.from_filename(sys.argv[1]), KeyRing.from_sources(lambda: sys.argv[2].encode()))
number = 1000
while not select.select([sys.stdin], [], [], 0)[0]:
    writer.append(b'{"event_type":"log","n":%d}' % number)
    number += 1
    if number == 1010:
        print("ready", flush=True)
writer.stop()
print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="select on a pipe is POSIX")
def test_beside_a_writer_process_nothing_is_lost(tmp_path: Path) -> None:
    """Old days are kept and deleted while another process adds to today's."""
    with lived(tmp_path, "2026-01-01 12:00:00") as log:
        log.write_days(8)
    child = subprocess.Popen(
        [sys.executable, "-c", BESIDE, str(tmp_path / "audit.jsonl"), SECRET.decode()],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    log = LivedLog(tmp_path, None)
    done = log.retain()
    assert len(done["deleted"]) == 7
    assert log.verify().finding_count == 0
    out, _ = child.communicate("\n", timeout=60)
    assert set(range(1000, int(out))) <= log.numbers()
    assert log.retain()["deleted"] == []
    report = log.verify()
    assert (report.findings, report.deleted_to is not None) == ((), True)
