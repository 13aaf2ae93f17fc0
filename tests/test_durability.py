"""durability="fsync": who waits for the disk, where, and what happens when it fails."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import records_of
from samples import ANSWER, MESSAGES, SECRET, audit_record
from sinks import NAME
from stress import wait_for
from test_file_handler import log_record

from or_audit_logging import AuditFileHandler
from or_audit_logging.capture.decorator import audited
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.log import segment_file


class Disk:
    """A slow fdatasync that remembers who asked, and fails where it is told to."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.failing = False
        self.ready: Callable[[], bool] = lambda: True
        """Whether whatever it waits for has come."""

    def __call__(self, descriptor: int) -> None:
        self.threads.append(threading.get_ident())
        time.sleep(0.02)
        wait_for(self.ready)
        if self.failing:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    slow = Disk()
    monkeypatch.setattr(segment_file, "_sync_data", slow)
    return slow


@pytest.fixture
def handler(tmp_path: Path, disk: Disk, request: pytest.FixtureRequest) -> Iterator[AuditFileHandler]:
    on_failure = getattr(request, "param", "report")
    made = AuditFileHandler(
        tmp_path / "audit.jsonl", key=lambda: SECRET, durability="fsync", on_failure=on_failure
    )
    logging.getLogger(NAME).addHandler(made)
    made.handle(log_record(audit_record()))  # the first one brings a checkpoint, and a sync for it
    disk.threads.clear()
    yield made
    disk.failing = False
    logging.getLogger(NAME).removeHandler(made)
    made.close()


async def beside(work: Any) -> float:
    """Return for how long the event loop stood still, at most, while *work* was awaited."""

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)

    longest = 0.0
    watcher = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    await work
    watcher.cancel()
    return longest


@audited
async def ask(messages: Any) -> Any:
    return ANSWER


@audited
async def fail(messages: Any) -> Any:
    raise LookupError("of the caller's")


def test_an_event_loop_goes_on_while_a_call_waits(handler: AuditFileHandler, disk: Disk) -> None:
    """A decorated coroutine returns when its record is on disk, and another thread waits for that."""
    here = threading.get_ident()
    asyncio.run(beside(ask(MESSAGES)))
    with pytest.raises(LookupError):
        asyncio.run(fail(MESSAGES))
    assert len(disk.threads) == 2
    assert here not in disk.threads
    assert handler.stats()["fsyncs"] == 3


def test_many_tasks_share_a_sync(handler: AuditFileHandler, disk: Disk) -> None:
    """As threads do: all that are written while one sync goes on share the next."""

    async def main() -> None:
        await asyncio.gather(*(ask(MESSAGES) for _ in range(20)))

    disk.ready = lambda: handler.stats()["written"] == 21
    asyncio.run(main())
    assert len(disk.threads) == 2


def test_a_record_may_be_awaited(handler: AuditFileHandler, disk: Disk) -> None:
    """`ahandle` is `handle` for coroutines."""
    record = log_record(audit_record())
    assert asyncio.run(handler.ahandle(record)) is record
    assert asyncio.run(handler.ahandle(record)) is False  # it was written
    assert len(disk.threads) == 1
    assert threading.get_ident() not in disk.threads


WAYS: dict[str, Callable[[AuditFileHandler], object]] = {
    "thread": lambda handler: audited(lambda messages: ANSWER)(MESSAGES),
    "loop": lambda handler: asyncio.run(ask(MESSAGES)),
    "awaited": lambda handler: asyncio.run(handler.ahandle(log_record(audit_record()))),
}


@pytest.mark.parametrize("handler", ["raise"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_fails_is_told_to_who_waits(
    handler: AuditFileHandler, disk: Disk, tmp_path: Path, way: str
) -> None:
    """The answer that was paid for comes with it; later records go on, and the log holds."""
    disk.failing = True
    with pytest.raises(AuditWriteError, match="may not be on disk") as caught:
        WAYS[way](handler)
    assert caught.value.response is (None if way == "awaited" else ANSWER)
    disk.failing = False
    handler.handle(log_record(audit_record()))
    assert handler.stats()["failed"] == 1
    assert len(records_of(tmp_path)) == 3


@pytest.mark.parametrize("handler", ["raise"], indirect=True)
def test_a_call_that_failed_keeps_its_own_exception(handler: AuditFileHandler, disk: Disk) -> None:
    """A note on it says that the record may be lost."""
    disk.failing = True
    with pytest.raises(LookupError) as caught:
        asyncio.run(fail(MESSAGES))
    assert "audit record was not written" in caught.value.__notes__[0]


def test_a_cancelled_call_is_on_disk_as_well(handler: AuditFileHandler, disk: Disk, tmp_path: Path) -> None:
    """And so is one whose coroutine is closed, which cannot wait elsewhere."""

    async def never(messages: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def main(end: Callable[[Any], object]) -> None:
        task = audited(never)(MESSAGES)
        if end is asyncio.Task.cancel:
            task = asyncio.ensure_future(task)
        else:
            task.send(None)
        await asyncio.sleep(0)
        end(task)
        await asyncio.sleep(0.1)

    asyncio.run(main(asyncio.Task.cancel))
    asyncio.run(main(lambda coroutine: coroutine.close()))
    assert [record["status"] for record in records_of(tmp_path)][1:] == ["cancelled", "cancelled"]
    assert len(disk.threads) == 2
