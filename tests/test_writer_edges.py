"""Edges of the writer that only show when several things happen at once."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of, members_of, records_of
from freezegun import freeze_time
from samples import ANSWER, MESSAGES, SECRET, audit_record
from sinks import NAME, bare_root
from test_file_handler import log_record

from or_audit_logging import AuditFileHandler, AuditJsonFormatter
from or_audit_logging.capture.decorator import audited
from or_audit_logging.context import collect_waits, wait_elsewhere, wait_later
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.log import commit, segment_file
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.log.lock import ProcessLock

posix_only = pytest.mark.skipif(os.name != "posix", reason="forks and links of POSIX")


def secret() -> bytes:
    return SECRET


def made(folder: Path, **options: Any) -> AuditFileHandler:
    return AuditFileHandler(folder / "audit.jsonl", key=secret, **options)


@audited
async def ask(messages: Any) -> Any:
    return ANSWER


def test_a_loop_whose_threads_are_gone_still_gives_the_answer(tmp_path: Path) -> None:
    """As the program ends, asyncio takes no more work: the disk is waited for here."""
    handler = made(tmp_path, durability="fsync")
    logging.getLogger(NAME).addHandler(handler)

    async def main() -> Any:
        await asyncio.get_running_loop().shutdown_default_executor()
        return await ask(MESSAGES)

    assert asyncio.run(main()) is ANSWER
    assert handler.stats()["fsyncs"] >= 1
    assert len(records_of(tmp_path)) == 1


def test_the_disk_is_asked_off_the_loop_and_without_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for checkpoints; and every asking is counted."""
    handler = made(tmp_path, durability="fsync", checkpoint_every=3)
    asked: list[tuple[bool, bool]] = []
    here = threading.get_ident()

    def sync(descriptor: int) -> None:
        free: list[bool] = []
        other = threading.Thread(target=lambda: free.append(handler.lock.acquire(timeout=1)))
        other.start()
        other.join()
        asked.append((threading.get_ident() == here, free[0]))

    class Lock:
        """The handler's lock, which is given back at once where another thread gets it."""

        def __init__(self, lock: Any) -> None:
            self._lock = lock

        def acquire(self, timeout: float = -1) -> bool:
            got = bool(self._lock.acquire(timeout=timeout))
            if timeout > 0 and got:
                self._lock.release()
            return got

        def release(self) -> None:
            self._lock.release()

        def __enter__(self) -> None:
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    handler.lock = Lock(handler.lock)  # type: ignore[assignment]
    monkeypatch.setattr(segment_file, "_sync_data", sync)

    async def main() -> None:
        for _ in range(10):
            await handler.ahandle(log_record(audit_record()))

    asyncio.run(main())
    assert set(asked) == {(False, True)}
    assert handler.stats()["fsyncs"] == len(asked)
    monkeypatch.undo()
    handler.close()


def test_a_failure_while_a_checkpoint_is_handed_out_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells of an error once: whoever asks first must not keep it to itself."""
    handler = made(tmp_path, durability="fsync", on_failure="raise")
    failures = [OSError(errno.EIO, "Input/output error")]

    def sync(descriptor: int) -> None:
        for failure in failures[:]:
            failures.remove(failure)
            raise failure

    monkeypatch.setattr(segment_file, "_sync_data", sync)
    with pytest.raises(AuditWriteError, match="may not be on disk"):
        asyncio.run(handler.ahandle(log_record(audit_record())))  # the first record brings a checkpoint
    assert handler.stats()["failed"] == 1
    handler.close()


def test_a_day_is_on_disk_before_the_next_one_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With flush as well: a checkpoint that leaves the machine covers what survives a power cut."""
    synced: list[int] = []
    monkeypatch.setattr(
        segment_file, "_sync_data", lambda descriptor: synced.append(os.fstat(descriptor).st_ino)
    )
    with freeze_time("2026-11-21T12:00:00Z") as clock:
        handler = made(tmp_path)
        handler.handle(log_record(audit_record()))
        handler.handle(log_record(audit_record()))
        synced.clear()
        (first,) = tmp_path.glob("*.jsonl")
        clock.move_to("2026-11-22T12:00:00Z")
        handler.handle(log_record(audit_record()))
        handler.close()
    assert synced[0] == first.stat().st_ino
    assert len(set(synced)) == 2


def test_complaints_are_made_without_the_lock(tmp_path: Path) -> None:
    """A handler that hears of a failure may be waiting for a thread that logs."""
    handler = made(tmp_path)
    handler.handle(log_record(audit_record()))
    heard: list[bool] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other = threading.Thread(target=handler.handle, args=(log_record(audit_record()),))
            other.start()
            other.join(5)
            heard.append(not other.is_alive())

    listener = Listener()
    logging.getLogger("or_audit_logging").addHandler(listener)
    append = handler._writer.append

    def failing(body: bytes) -> int:
        handler._writer.append = append  # type: ignore[method-assign]
        raise OSError(errno.EIO, "Input/output error")

    handler._writer.append = failing  # type: ignore[method-assign]
    try:
        handler.handle(log_record(audit_record()))
    finally:
        logging.getLogger("or_audit_logging").removeHandler(listener)
    assert heard == [True]
    assert handler.stats()["written"] == 2
    handler.close()


def test_threads_do_not_wait_one_after_another_for_a_frozen_holder(tmp_path: Path) -> None:
    """The first has waited for all; when the holder lets go, everybody writes again."""
    handler = made(tmp_path, lock_timeout=0.5)
    handler.handle(log_record(audit_record()))
    frozen = ProcessLock(tmp_path / "audit.lock", timeout=0)
    frozen.acquire()
    began = time.monotonic()
    threads = [threading.Thread(target=handler.handle, args=(log_record(audit_record()),)) for _ in range(8)]
    with bare_root():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - began < len(threads) * 0.5
    frozen.close()
    handler.handle(log_record(audit_record()))
    handler.close()
    assert [m["count"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == [8]
    assert verify(tmp_path, key=secret).findings == ()


@posix_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    """One that never logs would hold it as long as it lives."""
    held = ProcessLock(tmp_path / "audit.lock", timeout=0)
    held.acquire()
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b".")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    os.close(held._descriptor or -1)  # as a kill does: nothing unlocks
    held._descriptor = None
    other = ProcessLock(tmp_path / "audit.lock", timeout=0)
    try:
        other.acquire()
    finally:
        os.write(go[1], b".")
        os.waitpid(child, 0)
        for end in (*ready, *go):
            os.close(end)
        other.close()


def test_waiters_for_a_slow_disk_do_not_all_ask_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When patience ends one of them takes over, and the others wait for that one."""
    at_once, most = 0, 0
    guard = threading.Lock()

    def sync() -> None:
        nonlocal at_once, most
        with guard:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.66)
        with guard:
            at_once -= 1

    monkeypatch.setattr(commit, "_PATIENCE", 0.3)
    group = commit.GroupCommit(sync)
    ticket = group.wrote()
    threads = [threading.Thread(target=group.wait, args=(ticket,)) for _ in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2 + (time.monotonic() - began) / 0.3


def test_a_formatter_that_says_nothing(tmp_path: Path) -> None:
    """An empty object is none; what the record holds is sealed."""

    class Empty(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return "{}"

    handler = made(tmp_path)
    handler.setFormatter(Empty())
    handler.handle(log_record(audit_record()))
    handler.handle(log_record(None, "hello"))
    handler.close()
    assert [record["event_type"] for record in records_of(tmp_path)] == ["chat_completion", "log"]
    assert verify(tmp_path, key=secret).findings == ()


def test_a_subclass_of_the_formatter_has_its_say(tmp_path: Path) -> None:
    """What its add_fields adds is sealed."""

    class Own(AuditJsonFormatter):
        def add_fields(self, log_data: Any, record: Any, message_dict: Any) -> None:
            super().add_fields(log_data, record, message_dict)
            log_data["team"] = "billing"

    handler = made(tmp_path)
    handler.setFormatter(Own())
    handler.handle(log_record(audit_record()))
    handler.close()
    (record,) = records_of(tmp_path)
    assert (record["team"], record["event_type"]) == ("billing", "chat_completion")


def test_a_task_that_outlives_a_record_waits_for_itself() -> None:
    """What was collected for one record is not handed the waits of another."""
    found: list[bool] = []

    async def later(over: asyncio.Event) -> None:
        await over.wait()
        found.append(wait_later(lambda: None))

    async def main() -> None:
        over = asyncio.Event()
        with collect_waits() as waits:
            task = asyncio.ensure_future(later(over))
            await asyncio.sleep(0)
            assert wait_later(lambda: None)
        over.set()
        await task
        await wait_elsewhere(waits)

    asyncio.run(main())
    assert found == [False]


def test_every_wait_is_waited_for() -> None:
    """Though one of them fails."""
    done: list[int] = []

    def fail() -> None:
        raise AuditWriteError("disk")

    with pytest.raises(AuditWriteError, match="disk"):
        asyncio.run(wait_elsewhere([fail, lambda: done.append(1)]))
    assert done == [1]


def test_a_loss_before_anything_could_be_written_is_said_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log can be written by then."""
    handler = made(tmp_path)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segment_file.os, "write", full)
    with bare_root():
        handler.handle(log_record(audit_record()))
    monkeypatch.setattr(segment_file.os, "write", write)
    handler.close()
    assert [m["count"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == [1]


@posix_only
def test_a_link_that_a_crash_left_half_made(tmp_path: Path) -> None:
    """A process of the same number makes it anew."""
    link = tmp_path / "current"
    (tmp_path / f".current.{os.getpid()}").symlink_to("nowhere")
    handler = made(tmp_path, link=link)
    handler.handle(log_record(audit_record()))
    handler.close()
    assert os.readlink(link).startswith("audit_")
    assert len(lines_of(tmp_path)) == 6


def test_checkpoints_are_still_handed_out_with_waits_collected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They go out once what they cover is on disk, from wherever that is waited for."""
    handler = made(tmp_path, durability="fsync")
    logging.getLogger(NAME).addHandler(handler)
    with caplog.at_level(logging.INFO, CHECKPOINT_LOGGER):
        asyncio.run(ask(MESSAGES))
    assert any(record.name == CHECKPOINT_LOGGER for record in caplog.records)
    assert handler.stats()["checkpoints"] == 1
