"""Many processes, one store: nothing lost, whoever is killed, forks or stands in the way."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from stores import call, events, log_record, opened, rows, secret, store_handler
from stress import SAID, acknowledged, finished, say, start, verify, wait_for

from or_audit_logging.store.reader import stored_lines

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX")


def write_many(path: str, name: str, count: int, every: int) -> None:
    log = store_handler(path, checkpoint_every=every)
    for number in range(count):
        log.handle(log_record(f"{name}-{number}"))
        say(f"{name}-{number}")
    log.close()


def write_for_ever(path: str, name: str) -> None:
    log = store_handler(path, checkpoint_every=20)
    number = 0
    while True:
        log.handle(log_record(f"{name}-{number}"))
        say(f"{name}-{number}")
        number += 1


def write_and_fork(path: str, name: str, count: int) -> None:
    """Fork while a thread writes; the child writes as well, and ends as processes do."""
    import threading

    log = store_handler(path)

    def work() -> None:
        for number in range(count):
            log.handle(log_record(f"{name}-t{number}"))
            say(f"{name}-t{number}")

    thread = threading.Thread(target=work)
    thread.start()
    children = []
    for child in range(5):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for number in range(5):
                    log.handle(log_record(f"{name}-c{child}-{number}"))
                    say(f"{name}-c{child}-{number}")
                log.close()
                code = 0 if log.stats()["failed"] == 0 else 2
            finally:
                os._exit(code)
        children.append(pid)
    thread.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 5
    log.close()
    assert log.stats()["failed"] == 0


def names(path: Path) -> list[str]:
    found = rows(path, "SELECT json_extract(line, '$.message') FROM audit_line WHERE event_type = 'log'")
    return [name for (name,) in found]


def assert_whole(path: Path, *, more: int = 0) -> None:
    """What was said to be written is there once, at most *more* records beside it, and all chains."""
    said = acknowledged(path.with_name(SAID))
    found = names(path)
    assert len(found) == len(set(found))
    assert set(said) <= set(found)
    assert len(found) - len(said) <= more
    report = verify(path, key=secret)
    assert [finding.message for finding in report.findings] == []
    assert report.records_lost == 0
    with opened(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_four_processes_lose_nothing(tmp_path: Path) -> None:
    """Each record is there once; one chain; each process has its start and stop."""
    path, said = tmp_path / "audit.db", tmp_path / SAID
    finished(*[start(write_many, said, path, name, 100, 40) for name in "abcd"])
    assert_whole(path)
    kinds = events(path)
    assert (kinds.count("log"), kinds.count("log.start"), kinds.count("log.stop")) == (400, 4, 4)
    heads = [json.loads(line) for _, line in stored_lines(path) if b'"log.checkpoint"' in line[:40]]
    assert all(head["size"] == head["seq"] for head in heads)
    assert len(heads) > 400 // 40


@pytest.mark.parametrize("turns", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_processes_that_are_killed_leave_a_whole_store(tmp_path: Path, turns: int) -> None:
    """Again and again, in the middle of whatever they do: no record that was acknowledged is lost."""
    path, said = tmp_path / "audit.db", tmp_path / SAID
    killed = 0
    for turn in range(turns):
        before = len(acknowledged(said)) if said.exists() else 0
        children = [start(write_for_ever, said, path, f"{turn}{name}") for name in "ab"]
        wait_for(lambda: len(acknowledged(said)) > before + 60)  # noqa: B023 - called at once
        time.sleep(0.003 * turn)
        for child in children:
            child.send_signal(signal.SIGKILL)
            child.communicate()
            killed += 1
    assert_whole(path, more=killed)
    finished(start(write_many, said, path, "last", 20, 1000))
    assert_whole(path, more=killed)


def test_a_process_that_dies_with_the_lock_held_leaves_it(tmp_path: Path) -> None:
    """Its transaction is gone with it, and nobody waits."""
    path, said = tmp_path / "audit.db", tmp_path / SAID
    log = store_handler(path, lock_timeout=20)
    log.handle(call())
    child = start(die_in_a_write, said, path)
    child.communicate(timeout=30)
    log.handle(log_record("after"))
    log.close()
    assert names(path) == ["after"]
    assert verify(path, key=secret).findings == ()


def die_in_a_write(path: str) -> None:
    log = store_handler(path)
    writer = log._writer
    with writer._exclusive:  # type: ignore[attr-defined]
        writer._go_to_end()  # type: ignore[attr-defined]
        writer._write(b'{"event_type":"log","message":"never"}')  # type: ignore[attr-defined]
        os.kill(os.getpid(), signal.SIGKILL)


def test_forks_beside_a_writing_thread_lose_nothing(tmp_path: Path) -> None:
    """Two such processes at once; children outlive the fork and their parents' writes."""
    path, said = tmp_path / "audit.db", tmp_path / SAID
    finished(*[start(write_and_fork, said, path, name, 100) for name in "ab"])
    assert_whole(path)
    assert events(path).count("log") == 2 * (100 + 25)
