"""Logging from within logging: signal handlers, finalisers and callbacks of the collector, at every point."""

from __future__ import annotations

import gc
import linecache
import os
import signal
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from conftest import first
from stress import (
    SAID,
    acknowledged,
    assert_honest,
    assert_once,
    assert_whole,
    finished,
    handler,
    losses,
    names,
    record,
    start,
    torn,
    write,
)

from or_audit_logging import AuditFileHandler

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and flock are POSIX")

SECONDS = [pytest.param(0.2, id="short"), pytest.param(3, id="long", marks=pytest.mark.slow)]
DURABILITIES = ["flush", "fsync"]
IN_WRITE_PATH = ("/or_audit_logging/log/", "/or_audit_logging/handlers/file.py")


# At every line of the write path.


class Injection:
    """Calls *act* when the *step*-th event of the write path comes; `came` tells whether it did."""

    def __init__(
        self, step: int, act: Any, *, but_for_with: bool = False, places: Any = IN_WRITE_PATH
    ) -> None:
        self._left = step
        self._act = act
        self._but_for_with = but_for_with
        self._places = places
        self.came = False

    def __enter__(self) -> Injection:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: Any, event: str, _: object) -> Any:
        if not any(place in frame.f_code.co_filename for place in self._places):
            return None
        if self._but_for_with and (
            _is_with(frame) or (frame.f_code.co_name, event) == ("__enter__", "return")
        ):
            return self._trace
        self._left -= 1
        if self._left == 0:
            sys.settrace(None)
            self.came = True
            self._act()
        return self._trace


def _is_with(frame: Any) -> bool:
    """Whether a block is entered or left: where a tracer may raise, but no interrupt comes."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with ")


THROUGH_ANOTHER = "write through another handler on the log"


def act(log: AuditFileHandler, what: str, name: str) -> None:
    if what in ("write", THROUGH_ANOTHER):
        write(log, name)
    elif what == "probe":
        log.probe()
    else:
        log.close()


def enter_again(folder: str, durability: str, outer: str, inner: str, stride: int) -> None:
    """While *outer* goes on, do *inner* at its first point; then at its second; and so on, at every point."""
    log = handler(folder, durability=durability, checkpoint_every=3)
    entered = handler(folder, durability=durability, checkpoint_every=3) if inner == THROUGH_ANOTHER else log
    step, came = 1, True
    while came:
        write(log, f"before-{step}")
        if outer == "probe":
            log._writer.losses.add(1)  # so that it has something to write
        with Injection(step, lambda number=step: act(entered, inner, f"inner-{number}")) as injection:
            act(log, outer, f"outer-{step}")
        came = injection.came
        step += stride
    assert step > 30 * stride
    entered.close()
    log.close()


@pytest.mark.parametrize(
    ("inner", "stride"),
    [
        pytest.param("write", 5, id="write within"),
        pytest.param("probe", 3, id="probe within", marks=pytest.mark.slow),
        pytest.param("close", 3, id="close within", marks=pytest.mark.slow),
        pytest.param("write", 1, id="write within, everywhere", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("outer", ["write", "probe", "close"])
@pytest.mark.parametrize("durability", first(1, reversed(DURABILITIES)))
def test_the_handler_may_be_entered_again_at_every_line(
    tmp_path: Path, durability: str, outer: str, inner: str, stride: int
) -> None:
    """By the same thread: nothing hangs, is lost or torn, and the chain holds."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(enter_again, said, folder, durability, outer, inner, stride), patience=40)
    assert_once(folder, acknowledged(said))
    assert torn(folder) == 0
    assert_honest(folder, lost=sum(count for _, count in losses(folder)))
    if outer != "probe":
        assert losses(folder) == []


# Signals.


@pytest.mark.parametrize("durability", DURABILITIES)
def test_another_handler_on_the_log_may_be_entered_at_every_line(tmp_path: Path, durability: str) -> None:
    """It would wait for a lock that only the thread it interrupts can let go of."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(enter_again, said, folder, durability, "write", THROUGH_ANOTHER, 5), patience=40)
    assert_once(folder, acknowledged(said))
    assert_honest(folder, lost=0)


def write_under_signals(folder: str, durability: str, seconds: float, threads: int) -> None:
    """Log in a loop while a signal handler that logs comes as often as it can."""
    log = handler(folder, durability=durability, checkpoint_every=20)
    count = 0

    def on_signal(*_: object) -> None:
        nonlocal count
        count += 1
        write(log, f"signal-{count}")
        signal.setitimer(signal.ITIMER_REAL, 0.0003)

    def work(name: str) -> None:
        number, end = 0, time.monotonic() + seconds
        while time.monotonic() < end or count < 10 * seconds:  # a busy machine leaves it little time
            write(log, f"{name}-{number}")
            number += 1

    signal.signal(signal.SIGALRM, on_signal)
    others = [threading.Thread(target=work, args=(f"thread{n}",)) for n in range(threads)]
    for other in others:
        other.start()
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
    work("main")
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # the last one may have set the timer again
    signal.setitimer(signal.ITIMER_REAL, 0)
    for other in others:
        other.join()
    log.close()


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("threads", [0, 3])
@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_signal_handler_may_log(tmp_path: Path, durability: str, threads: int, seconds: float) -> None:
    """At a high rate, while the main thread logs, alone and beside other threads."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(write_under_signals, said, folder, durability, seconds, threads))
    told = acknowledged(said)
    assert sum(name.startswith("signal") for name in told) >= 10 * seconds
    assert_whole(folder, told)


# The collector.


class Dying:
    """In a cycle, so that only the collector ends it; logs when it ends, in both ways there are."""

    def __init__(self, log: AuditFileHandler, name: str) -> None:
        self.cycle = self
        self._log, self._name = log, name
        weakref.finalize(self, write, log, f"finalised-{name}")

    def __del__(self) -> None:
        write(self._log, f"deleted-{self._name}")


def write_beside_the_collector(folder: str, durability: str, seconds: float) -> None:
    """Log in a loop while the collector runs all the time, and what it collects logs."""
    log = handler(folder, durability=durability, checkpoint_every=20)
    calls = 0

    def on_collection(phase: str, _: object) -> None:
        nonlocal calls
        calls += 1
        if calls % 50 == 0:
            write(log, f"collector-{calls}")

    gc.callbacks.append(on_collection)
    gc.set_threshold(20, 5, 5)
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or calls < 50:  # a slow disk leaves it little to collect
        Dying(log, str(number))
        write(log, f"main-{number}")
        number += 1
    gc.callbacks.clear()
    gc.collect()
    gc.set_threshold(700, 10, 10)
    log.close()


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("durability", DURABILITIES)
def test_finalisers_and_callbacks_of_the_collector_may_log(
    tmp_path: Path, durability: str, seconds: float
) -> None:
    """Wherever the collector happens to run."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(write_beside_the_collector, said, folder, durability, seconds))
    told = acknowledged(said)
    assert {name.split("-")[0] for name in told} == {"main", "collector", "deleted", "finalised"}
    assert_whole(folder, told)


# Interrupts.


class Interrupted(BaseException):
    """As KeyboardInterrupt, at a chosen point."""


def interrupt_everywhere(folder: str, durability: str, stride: int, places: list[str]) -> None:
    """Be interrupted at the first point of the write path; then at the second; and so on."""

    def interrupt() -> None:
        raise Interrupted

    log = handler(folder, durability=durability, checkpoint_every=3)
    beside = handler(
        folder, durability=durability, lock_timeout=5
    )  # as another process is: with its own lock
    step, came = 1, True
    while came:
        with Injection(step, interrupt, but_for_with=True, places=places) as injection:
            try:
                log.handle(record(f"interrupted-{step}"))
            except Interrupted:
                pass
        came = injection.came
        other = threading.Thread(target=write, args=(log, f"thread-{step}"))
        other.start()  # another thread: a lock that was left behind would be another's
        other.join()
        write(log, f"after-{step}")
        write(beside, f"beside-{step}")
        assert beside.stats()["failed"] == 0
        step += stride
    beside.close()
    log.close()


@pytest.mark.parametrize(
    ("stride", "places"),
    [
        pytest.param(11, ["/or_audit_logging/log/"], id="short"),
        pytest.param(1, ["/log/tail.py", "/log/commit.py"], id="what is in memory"),
        pytest.param(1, ["/or_audit_logging/log/"], id="long", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("durability", first(1, reversed(DURABILITIES)))
def test_an_interrupt_leaves_no_lock_behind(
    tmp_path: Path, durability: str, stride: int, places: Any
) -> None:
    """What was interrupted may be in the log or not; all others are, from every thread."""
    folder, said = tmp_path / "log", tmp_path / SAID
    finished(start(interrupt_everywhere, said, folder, durability, stride, list(places)), patience=40)
    written = names(folder)
    assert len(written) == len(set(written))
    assert [n for n in written if not n.startswith("interrupted")] == acknowledged(said)
    assert torn(folder) == 0
    assert_honest(folder)
