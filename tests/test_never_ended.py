"""Calls that were never made, and calls that never came to an end."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from typing import Any

import pytest
from conftest import records_of, run_endings
from driving import module_server, server
from samples import ANSWER, MESSAGES
from sinks import API_KEY, Sink

from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.capture.manual import audit_call
from or_audit_logging.testing import FakeOpenRouter

__all__ = ["module_server", "server"]


# --- never awaited


@audited(write_ahead=True)
async def ask(messages: Any) -> Any:
    return ANSWER


def of_a_function(server: FakeOpenRouter) -> Callable[[], Any]:
    return lambda: ask(MESSAGES)


def of_a_client(server: FakeOpenRouter) -> Callable[[], Any]:
    openai = pytest.importorskip("openai")
    client = openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY)
    instrument(client, write_ahead=True)
    return lambda: client.chat.completions.create(model="fake/ok", messages=MESSAGES)


@pytest.mark.parametrize("way", [of_a_function, of_a_client])
def test_a_coroutine_that_is_never_awaited(
    sink: Sink, server: FakeOpenRouter, way: Callable[[FakeOpenRouter], Callable[[], Any]]
) -> None:
    """No call was made: there is no record, not even one that it started, and Python's own warning."""
    start = way(server)
    with pytest.warns(RuntimeWarning, match="was never awaited"):
        start()  # collected at once
    start().close()
    assert not sink.records
    assert not server.requests


@pytest.mark.parametrize("way", [of_a_function, of_a_client])
def test_a_task_that_is_cancelled_before_it_runs(
    sink: Sink, server: FakeOpenRouter, way: Callable[[FakeOpenRouter], Callable[[], Any]]
) -> None:
    """Nor was one here."""

    async def main() -> None:
        task = asyncio.ensure_future(way(server)())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not sink.records
    assert not server.requests


# --- pending for ever

IMPORTS = """
import asyncio, gc
import or_audit_logging
from or_audit_logging import audit_call, audited, bind, instrument
from or_audit_logging.testing import FakeOpenRouter
from openai import AsyncOpenAI
import openai.resources.chat.completions
"""
PROGRAM = """
or_audit_logging.configure("log")
server = FakeOpenRouter()
server.start()
plain, instrumented = (
    AsyncOpenAI(base_url=server.base_url, api_key="sk-or-v1-fake") for _ in range(2)
)
instrument(instrumented)

async def ask(messages, client=plain):
    return await client.chat.completions.create(model="fake/timeout", messages=messages)

async def ask_in_a_block(messages):
    async with audit_call(messages=messages) as call:
        call.response(await ask(messages))

async def main():
    messages = [{"role": "user", "content": "hi"}]
    tasks = []
    for way in (audited(ask), ask_in_a_block, lambda messages: ask(messages, instrumented)):
        with bind(request_id=str(len(tasks))):
            tasks.append(asyncio.create_task(way(messages)))
    while len(server.requests) < len(tasks):
        await asyncio.sleep(0.01)
    return tasks

"""
LEFT = """
loop = asyncio.new_event_loop()
tasks = loop.run_until_complete(main())
assert not any(task.done() for task in tasks)
"""
DROPPED = """
del tasks, loop, ask, plain, instrumented
gc.collect()
"""
ENDINGS = {"cancelled": "asyncio.run(main())", "dropped": LEFT + DROPPED, "kept": LEFT}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that returns what became of the program with an ending, and its log's folder."""
    pytest.importorskip("openai")
    return run_endings(tmp_path_factory.mktemp("ended"), IMPORTS, PROGRAM, ENDINGS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("ending", ENDINGS)
def test_tasks_that_are_pending_when_the_program_ends(ended: Any, ending: str) -> None:
    """`asyncio.run` cancels them; else they are destroyed with their loop, or by the interpreter's end."""
    done, log = ended(ending)
    assert done.returncode == 0, done.stderr
    records = records_of(log)
    assert sorted(record["request_id"] for record in records) == ["0", "1", "2"]
    assert {record["status"] for record in records} <= {"cancelled", "incomplete"}
    assert all(record["prompt_hash"] for record in records)


async def never() -> None:
    await asyncio.get_running_loop().create_future()


@audited
async def ask_in_vain(messages: Any) -> None:
    await never()


async def ask_in_vain_in_a_block(messages: Any) -> None:
    async with audit_call(messages=messages):
        await never()


@pytest.mark.parametrize("way", [ask_in_vain, ask_in_vain_in_a_block])
def test_a_task_that_is_collected(sink: Sink, caplog: pytest.LogCaptureFixture, way: Any) -> None:
    """Python closes its coroutine: one record, and asyncio's own complaint."""

    async def main() -> None:
        pending.append(asyncio.ensure_future(way(MESSAGES)))
        await asyncio.sleep(0)

    pending: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert not sink.records
    del loop
    pending.clear()
    gc.collect()
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "GeneratorExit")
    assert "Task was destroyed but it is pending" in caplog.text
