"""Forks while other threads write, sync, open or wait: the child logs, and nothing hangs or is lost."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import first
from stress import (
    SAID,
    acknowledged,
    assert_whole,
    controls,
    finished,
    handler,
    record,
    start,
    wait_for,
    write,
)

from or_audit_logging import AuditFileHandler

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CHILD_PATIENCE = 15


def lonely() -> None:
    """In a forked child: end with a traceback rather than hang."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(CHILD_PATIENCE)


def wait_for_children(pids: list[int]) -> None:
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0, "a child hung, or failed"


@contextmanager
def threads_writing(log: AuditFileHandler, names: str) -> Iterator[None]:
    """Let a thread of each name log without end, until the block ends."""
    stop = threading.Event()

    def work(name: str) -> None:
        number = 0
        while not stop.is_set():
            write(log, f"{name}-{number}")
            number += 1

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def fork_and_log(folder: str, durability: str, ending: str, seconds: float) -> None:
    """Three threads log without end while the main thread forks children that log too."""
    log = handler(folder, durability=durability)
    with threads_writing(log, "rst"):
        end, children = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            pids = []
            for _ in range(3):
                pid = os.fork()
                if pid == 0:
                    lonely()
                    for number in range(3):
                        write(log, f"child{children}-{number}")
                    if ending == "os._exit":
                        os._exit(0)
                    raise SystemExit(0)
                pids.append(pid)
                children += 1
            wait_for_children(pids)
    log.close()


@pytest.mark.parametrize(
    "seconds", [pytest.param(0.2, id="short"), pytest.param(4, id="long", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("ending", ["os._exit", "exit"])
@pytest.mark.parametrize("durability", first(1, ["fsync", "flush"]))
def test_children_forked_while_threads_write_log_too(
    tmp_path: Path, durability: str, ending: str, seconds: float
) -> None:
    """Every record of parent and children once; a child that exits says so by itself."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(fork_and_log, said, folder, durability, ending, seconds))
    told = acknowledged(said)
    report = assert_whole(folder, told)
    children = {name.split("-")[0] for name in told if name.startswith("child")}
    assert len(children) >= 3
    assert len(controls(folder, "start")) == 1 + len(children)
    assert report.unstopped == (len(children) if ending == "os._exit" else 0)


PLACES = ["write", "sync", "stat", "lock"]


def fork_at_each(folder: str, durability: str) -> None:
    """Fork in each of the places, each with a log of its own."""
    for place in PLACES:
        fork_at(f"{folder}/{place}", durability, place)


def fork_at(folder: str, durability: str, place: str) -> None:
    """Fork while another thread is inside a call of the system, with whatever it holds there."""
    from or_audit_logging.log import lock, segment_file

    log = handler(folder, durability=durability, checkpoint_every=1)
    write(log, f"{place}-before-0")
    home, name = {
        "write": (os, "write"),
        "sync": (segment_file, "_sync_data"),
        "stat": (os, "stat"),
        "lock": (lock, "_try_lock"),
    }[place]
    really: Any = getattr(home, name)
    inside, forked, main = threading.Event(), threading.Event(), threading.get_ident()

    def held(*arguments: Any, **options: Any) -> Any:
        if threading.get_ident() != main and not forked.is_set():
            inside.set()
            assert forked.wait(CHILD_PATIENCE)
        return really(*arguments, **options)

    setattr(home, name, held)
    thread = threading.Thread(target=log.handle, args=(record(f"{place}-thread-0"),))
    thread.start()
    assert inside.wait(CHILD_PATIENCE)
    pid = os.fork()
    if pid == 0:
        setattr(home, name, really)
        lonely()
        for number in range(3):
            write(log, f"{place}-child-{number}")
        raise SystemExit(0)
    forked.set()
    thread.join()
    wait_for_children([pid])
    setattr(home, name, really)
    write(log, f"{place}-after-0")
    log.close()


@pytest.mark.parametrize("durability", ["flush", "fsync"])
def test_a_fork_while_another_thread_is_inside_a_call(tmp_path: Path, durability: str) -> None:
    """No lock that a thread of the parent's held keeps the child from logging."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(fork_at_each, said, folder, durability))
    for place in PLACES:
        told = [name for name in acknowledged(said) if name.startswith(place)]
        assert len(told) == 5
        assert_whole(folder / place, [*told, f"{place}-thread-0"])


def exec_while_writing(folder: str, seconds: float) -> None:
    """Start other programs all the time, while threads write."""
    import subprocess

    log = handler(folder)
    sleepers = []
    with threads_writing(log, "rs"):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sleepers.append(subprocess.Popen(["sleep", "60"]))
    wait_for(lambda: all(_executes(sleeper.pid) for sleeper in sleepers))
    for sleeper in sleepers:
        held = {os.readlink(f"/proc/{sleeper.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{sleeper.pid}/fd")}
        assert not {path for path in held if path.startswith(folder)}, held
        sleeper.kill()
        sleeper.wait()
    log.close()


def _executes(pid: int) -> bool:
    return os.readlink(f"/proc/{pid}/exe").rsplit("/", 1)[-1] in ("sleep", "coreutils", "busybox")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_programs_started_meanwhile_inherit_nothing(tmp_path: Path) -> None:
    """Neither the segment nor the lock: a long-lived program cannot keep the log locked."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(exec_while_writing, said, folder, 0.2))
    assert_whole(folder, acknowledged(said))
