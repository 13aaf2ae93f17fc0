"""The life of a stream that we follow: collected, dropped in a thread, forked, open at exit; proxies."""

import atexit
import contextlib
import gc
import inspect
import logging
import os
import sys
import threading
import time
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import lines_of, records_of, run_endings
from samples import CHUNK, LAST
from sinks import Sink, attached

import or_audit_logging
from or_audit_logging.capture import pending, trouble
from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.call import Call, Options
from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.streams import follow
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.testing import FakeOpenRouter

crashes_at_exit = pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="Python 3.13.0 itself crashes at exit where an openai stream is left open, audited or not",
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.fixture
def sink(watched_sink: Sink) -> Sink:
    return watched_sink


def followed(stream: Any) -> Any:
    call = Call(Options())
    call.begin(Request())
    return follow(call, stream)


def numbers() -> Iterator[Any]:
    """Yield two chunks."""
    yield CHUNK
    yield LAST


# --- proxies


def test_a_generator_stays_one(sink: Sink) -> None:
    """isgenerator, send, throw, close and `yield from` work as on the generator."""

    def echo() -> Any:
        got = yield 1
        with contextlib.suppress(KeyError):
            yield got
        yield 3
        return 4

    handed = followed(echo())
    assert inspect.isgenerator(handed)
    assert isinstance(handed, types.GeneratorType)
    assert (next(handed), handed.send(2), handed.throw(KeyError())) == (1, 2, 3)

    def outer() -> Any:
        return (yield from handed)

    with pytest.raises(StopIteration) as stop:
        next(outer())
    assert stop.value.value == 4
    assert sink.only.status == "success"


@pytest.mark.parametrize("make", [lambda: map(dict, [CHUNK, LAST]), lambda: iter([CHUNK, LAST]), numbers])
def test_builtins(sink: Sink, make: Any) -> None:
    """Iterators without any place to hook into are followed all the same."""
    assert list(followed(make())) == [CHUNK, LAST]
    assert sink.only.status == "success"


@pytest.mark.parametrize(
    ("thrown", "status"),
    [(ValueError, "cancelled"), (KeyboardInterrupt, "cancelled"), (TimeoutError, "cancelled")],
)
def test_an_exception_thrown_in(sink: Sink, thrown: type[BaseException], status: str) -> None:
    """It is the consumer's, not the provider's."""
    handed = followed(numbers())
    next(handed)
    with pytest.raises(thrown):
        handed.throw(thrown())
    assert (sink.only.status, sink.only.error_type) == (status, thrown.__name__)


@pytest.mark.parametrize(("raised", "status"), [(ValueError, "error"), (TimeoutError, "timeout")])
def test_an_exception_from_inside(sink: Sink, raised: type[Exception], status: str) -> None:
    """The iterator's own failure."""

    def failing() -> Iterator[Any]:
        yield CHUNK
        raise raised

    handed = followed(failing())
    with pytest.raises(raised):
        list(handed)
    assert (sink.only.status, sink.only.error_type, sink.only.generation_id) == (
        status,
        raised.__name__,
        "gen-1",
    )


# --- collected


def test_nothing_keeps_a_dropped_stream(sink: Sink) -> None:
    """It is gone at once, without the collector, and recorded at once."""
    gc.disable()
    try:
        chunks = numbers()
        gone = weakref.ref(chunks)
        handed = followed(chunks)
        next(handed)
        del handed, chunks
        assert gone() is None
        assert sink.only.status == "incomplete"
    finally:
        gc.enable()
    assert not pending._pending


@pytest.mark.parametrize(("handled", "status"), [(KeyError, "incomplete"), (KeyboardInterrupt, "cancelled")])
def test_dropped_while_an_exception_is_handled(sink: Sink, handled: type[BaseException], status: str) -> None:
    """An error that is handled may be anyone's; an interrupt stops what we read along."""
    kept = [followed(numbers())]
    try:
        raise handled
    except handled:
        kept.clear()
    assert sink.only.status == status


def test_its_latency_ends_with_the_last_chunk(sink: Sink) -> None:
    """Not with the collection, which may be much later."""
    before = time.perf_counter()
    handed = followed(numbers())
    next(handed)
    after = time.perf_counter()
    time.sleep(0.02)
    del handed
    assert sink.only.latency_ms is not None
    assert sink.only.latency_ms <= (after - before) * 1000 + 1  # which it rounds to


def test_in_another_thread(sink: Sink) -> None:
    """Read here, dropped there; closed there while it is read here."""
    handed = [followed(numbers()), followed(numbers())]
    next(handed[0])
    thread = threading.Thread(target=handed.clear)
    thread.start()
    thread.join()
    assert [record.status for record in sink.records] == ["incomplete", "incomplete"]


def test_many_threads_one_record(sink: Sink) -> None:
    """Whoever ends it first has it."""
    for _ in range(50):
        handed = followed(numbers())
        barrier = threading.Barrier(4)

        def end(handed: Any = handed, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            handed.close()

        threads = [threading.Thread(target=end) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sink.records) == 50


def test_collected_while_a_record_is_written(sink: Sink) -> None:
    """The collector strikes inside a handler: nothing recurses, and the record comes all the same."""
    kept = [followed(numbers())]
    depth: list[int] = []

    def writing() -> None:
        depth.append(len(inspect.stack()))
        kept.clear()
        gc.collect()

    sink.writing = writing
    assert list(followed(numbers())) == [CHUNK, LAST]
    deadline = time.monotonic() + 30
    while len(sink.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(record.status or "" for record in sink.records) == ["incomplete", "success"]
    assert depth[1] < depth[0], "the second record was written inside the first"


def test_a_loss_that_nobody_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    """Where a dropped stream's record cannot be written, that is reported: nobody is there to catch it."""
    trouble.forget()
    sink = attached(Sink("raise"))
    handed = followed(numbers())

    def full() -> None:
        raise AuditWriteError("the disk is full")

    sink.writing = full
    del handed
    assert trouble.counts() == {"internal": 1}
    assert "AuditWriteError" in caplog.text


# --- the end of the process

IMPORTS = """
import gc, os, sys
import or_audit_logging
from or_audit_logging import audited
from openai import OpenAI
import openai.resources.chat.completions
"""
PROGRAM = """
or_audit_logging.configure("log")
client = OpenAI(base_url=os.environ["BASE_URL"], api_key="sk-or-v1-fake", max_retries=0)

@audited
def ask(messages):
    return client.chat.completions.create(model="fake/ok", messages=messages, stream=True)

@audited
def pieces(messages):
    yield "Hel"
    yield "lo"

opened = ask([{"role": "user", "content": "hi"}])
next(opened)
text = pieces("hi")
next(text)
done = ask("hi")
list(done)
"""
ENDINGS = {
    "end": "",
    "exit": "sys.exit(3)",
    "error": "raise ValueError('mine')",
    "fork": "if os.fork() == 0:\n    del opened, text; gc.collect(); sys.exit()\nos.wait()",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that returns what became of the program with an ending, and its log's folder."""
    pytest.importorskip("openai")
    with FakeOpenRouter() as server:
        return run_endings(
            tmp_path_factory.mktemp("ended"), IMPORTS, PROGRAM, ENDINGS, BASE_URL=server.base_url
        )


@crashes_at_exit
@needs_fork
@pytest.mark.parametrize(("ending", "code"), [("end", 0), ("exit", 3), ("error", 1)])
def test_streams_that_are_open_at_exit(ended: Any, ending: str, code: int) -> None:
    """They are recorded before logging shuts down, and before the log says that it stops."""
    result, log = ended(ending)
    assert result.returncode == code, result.stderr
    assert ("Traceback" in result.stderr) == (code == 1)
    statuses = [record["status"] for record in records_of(log)]
    assert sorted(statuses) == ["incomplete", "incomplete", "success"]
    assert b'"log.stop"' in lines_of(log)[-2] + lines_of(log)[-1]


@crashes_at_exit
@needs_fork
def test_a_forked_child_leaves_its_parents_streams_alone(ended: Any) -> None:
    """The parent records its stream, once; a child that exits records none of it."""
    result, log = ended("fork")
    assert result.returncode == 0, result.stderr
    assert len(records_of(log)) == 3


def test_many_streams_leave_nothing_behind_for_the_exit(sink: Sink) -> None:
    """Python keeps a place for each callback it ever had: ours is one, and one more after each of others."""

    def of_somebody_else() -> None: ...

    ask = audited(lambda messages: iter(()))
    list(ask("hi"))
    count = atexit._ncallbacks()
    for _ in range(50):
        list(ask("hi"))
    assert atexit._ncallbacks() == count
    atexit.register(of_somebody_else)
    try:
        list(ask("hi"))
        assert atexit._ncallbacks() > count + (sys.version_info < (3, 14))
    finally:
        atexit.unregister(of_somebody_else)


# --- generator functions


@audited(hash="sha256")
def spoken(messages: Any, *, fails: bool = False) -> Any:
    """Speak."""
    got = yield "Hel"
    if fails:
        raise LookupError("mine")
    yield got or "lo"
    return 42


@audited
def inner(messages: Any) -> Any:
    return {
        **CHUNK,
        "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
        "usage": {"cost": 1},
    }


def test_a_generator_function_stays_one(sink: Sink) -> None:
    """Kind, name, signature, items, return value and what is sent into it."""
    assert inspect.isgeneratorfunction(spoken)
    assert (spoken.__name__, spoken.__doc__) == ("spoken", "Speak.")
    generator = spoken("hi")
    assert inspect.isgenerator(generator)
    assert not sink.records
    assert (next(generator), generator.send("p")) == ("Hel", "p")
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == 42
    assert (sink.only.status, sink.only.streamed) == ("success", True)
    assert sink.only.response_hash == or_audit_logging.digest.response_digest(
        [or_audit_logging.digest.choice_digest("Help") or b""], "sha256"
    )


def test_a_generator_that_says_nothing_of_its_call(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """Text alone: recorded, and said once with the remedy."""
    list(spoken("hi"))
    list(spoken("hi"))
    assert trouble.counts() == {"no-facts": 2}
    assert "instrument(client)" in caplog.text


@pytest.mark.parametrize("way", ["close", "drop", "throw", "fail", "never"])
def test_how_a_generator_ends(sink: Sink, way: str) -> None:
    """Closed and dropped are incomplete, an exception from outside cancels, one from inside is an error."""
    generator = spoken("hi", fails=way == "fail")
    if way != "never":
        next(generator)
    if way == "close":
        generator.close()
        generator.close()
    elif way == "throw":
        with pytest.raises(KeyError):
            generator.throw(KeyError("x"))
    elif way == "fail":
        with pytest.raises(LookupError, match="mine") as caught:
            next(generator)
        assert caught.value.__context__ is None
    del generator
    gc.collect()
    statuses = {"close": "incomplete", "drop": "incomplete", "throw": "cancelled", "fail": "error"}
    if way == "never":
        assert not sink.records  # nothing was called
    else:
        assert sink.only.status == statuses[way]


def test_a_call_inside_a_generator_gives_the_facts(sink: Sink) -> None:
    """Calls made while it runs belong to it; calls made between its steps do not."""

    @audited(user_id="outer")
    def generate(messages: Any) -> Any:
        yield inner(messages)["choices"][0]["message"]["content"]
        yield "more"

    generator = generate("hi")
    next(generator)
    inner("hi")
    list(generator)
    first, second = sink.records
    assert (first.user_id, first.total_cost) == (None, 1)
    assert (second.user_id, second.total_cost, second.generation_id) == ("outer", 1, "gen-1")
    assert trouble.counts() == {}


def test_chunks_that_a_generator_passes_on(sink: Sink) -> None:
    """Chunk-like items are read as chunks."""

    @audited
    def generate(messages: Any) -> Any:
        yield from numbers()

    assert list(generate("hi")) == [CHUNK, LAST]
    assert (sink.only.status, sink.only.generation_id, sink.only.finish_reason) == (
        "success",
        "gen-1",
        "stop",
    )


def test_arguments_that_do_not_fit(sink: Sink) -> None:
    """The function's own TypeError, and no record."""
    with pytest.raises(TypeError, match="spoken"):
        list(spoken())
    assert not sink.records


def test_a_nested_generator(sink: Sink) -> None:
    """The outermost owns the record."""

    @audited(user_id="outer")
    def generate(messages: Any) -> Any:
        return (yield from spoken(messages))

    assert list(generate("hi")) == ["Hel", "lo"]
    assert sink.only.user_id == "outer"
    assert sink.only.response_hash


@pytest.mark.parametrize("kind", ["chunks", "text"])
def test_the_log_handler_sees_no_stream(sink: Sink, kind: str) -> None:
    """The LogRecord of a stream is like any other."""
    list(followed(numbers()) if kind == "chunks" else spoken("hi"))
    assert sink.log_records[0].levelno == logging.INFO
