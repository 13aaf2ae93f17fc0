"""What has begun and not ended, at the interpreter's exit and in forked children."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import records_of, run_python
from driving import module_server, server
from samples import ANSWER, MESSAGES, SECRET
from sinks import API_KEY, Sink

from or_audit_logging.capture import pending
from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.testing import FakeOpenRouter

__all__ = ["module_server", "server"]

openai = pytest.importorskip("openai")
posix_only = pytest.mark.skipif(os.name != "posix", reason="fork is POSIX")

PROGRAM = """
import atexit, os, sys
import or_audit_logging
from or_audit_logging import instrument
from or_audit_logging.testing import FakeOpenRouter
import openai

class Odd:
    def __call__(self):
        client.chat.completions.create(model="fake/ok", messages=messages)

    def __eq__(self, other):
        raise ValueError("compared")

    __hash__ = None

or_audit_logging.configure(sys.argv[1])
server = FakeOpenRouter()
server.start()
client = instrument(openai.OpenAI(base_url=server.base_url, api_key="sk-or-v1-fake"))
messages = [{"role": "user", "content": "hi"}]
atexit.register(Odd())
stream = client.chat.completions.create(model="fake/ok", messages=messages, stream=True)
next(stream)
atexit.register(Odd())
"""


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="Python 3.13.0 itself crashes at exit where an openai stream is left open, audited or not",
)
def test_calls_made_by_callbacks_at_exit(tmp_path: Path) -> None:
    """They are recorded, and they keep nobody else from being: the open stream is, too."""
    environment = os.environ | {"OR_AUDIT_KEY": SECRET.decode()}
    done = run_python("-c", PROGRAM, str(tmp_path), cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    statuses = sorted(record["status"] for record in records_of(tmp_path))
    # from 3.12 on the stand-in can start no thread to answer them, as the interpreter exits
    assert statuses in (["incomplete", "success", "success"], ["error", "error", "incomplete"])


def client_of(server: FakeOpenRouter) -> Any:
    return instrument(openai.OpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0))


class Own:
    """An iterator of somebody's own around a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._stream)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the sockets that are dropped
@pytest.mark.parametrize("wrap", [Own, lambda stream: (stream, 1), lambda stream: {"stream": stream}])
def test_a_stream_inside_something_else_that_is_dropped(
    sink: Sink, server: FakeOpenRouter, wrap: Any
) -> None:
    """It is collected, and recorded then."""
    client = client_of(server)

    @audited
    def ask(messages: Any) -> Any:
        return wrap(client.chat.completions.create(model="fake/ok", messages=messages, stream=True))

    for _ in range(3):
        ask(MESSAGES)
    gc.collect()
    assert [record.status for record in sink.records] == ["incomplete"] * 3
    assert not pending._pending


def test_a_coroutine_of_a_plain_function_that_never_begins(sink: Sink) -> None:
    """It made no call: no record, now or at exit."""

    async def answer(messages: Any) -> Any:
        return ANSWER

    @audited
    def ask(messages: Any) -> Any:
        return answer(messages)

    async def main() -> None:
        for _ in range(10):
            task = asyncio.ensure_future(ask(MESSAGES))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await ask(MESSAGES) is ANSWER

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        asyncio.run(main())
    assert sink.only.status == "success"
    assert not pending._pending


def test_two_calls_that_end_with_one_stream(sink: Sink, server: FakeOpenRouter) -> None:
    """A record of the first that is lost does not keep the second from being made."""
    sink.fail_closed()
    stream = client_of(server).chat.completions.create(model="fake/ok", messages=MESSAGES, stream=True)
    failures = iter([AuditWriteError("disk")])

    @audited
    def ask(messages: Any) -> Any:
        return stream

    def write() -> None:
        for failure in failures:
            raise failure

    handed = ask(MESSAGES)
    sink.writing = write
    with pytest.raises(AuditWriteError, match="disk"):
        list(handed)
    assert len(sink.records) == 1
    assert not pending._pending


def ask_in_child(base_url: str) -> list[str]:
    from or_audit_logging.testing import capture_audit

    client = instrument(openai.OpenAI(base_url=base_url, api_key=API_KEY))
    with capture_audit() as records:
        client.chat.completions.create(model="fake/ok", messages=MESSAGES)
    return [f"{record.status} {record.model_used}" for record in records]


@posix_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12: fork beside threads
def test_workers_forked_inside_a_call_record_their_own(sink: Sink, server: FakeOpenRouter) -> None:
    """What they call is not their parent's call."""

    @audited
    def ask(messages: Any) -> Any:
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            found.extend(pool.map(ask_in_child, [server.base_url]))
        return ANSWER

    found: list[list[str]] = []
    ask(MESSAGES)
    assert [record.split()[0] for record in found[0]] == ["success"]
    assert len(sink.records) == 1


@posix_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_call_that_goes_on_in_two_processes_is_the_parents(sink: Sink) -> None:
    """The child's copy makes no second record."""

    @audited
    def ask(messages: Any) -> Any:
        children.append(os.fork())
        return ANSWER

    children: list[int] = []
    ask(MESSAGES)
    if children == [0]:
        os._exit(len(sink.records))
    _, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(sink.records) == 1
