"""What goes wrong around a call, and calls inside each other's logging: the call goes on, nothing hangs."""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.config
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import members_of, records_of
from driving import openai_client
from samples import ANSWER, SECRET
from sinks import NAME, Sink, attached, bare_root, failing

from or_audit_logging import audit_call, audited, configure, instrument
from or_audit_logging.capture import trouble
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.evidence.verify import verify

MESSAGES = [{"role": "user", "content": "Is the library open today? ann@example.com"}]


@pytest.fixture(autouse=True)
def _anew() -> None:
    trouble.forget()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with openai_client() as client:
        yield instrument(client)


@audited
def ask(messages: Any, model: str = "fake/asked") -> Any:
    return ANSWER


def create(client: Any) -> Any:
    return client.chat.completions.create(model="fake/ok", messages=MESSAGES)


# --- nested and re-entrant use


@pytest.mark.usefixtures("audit_key")
def test_the_sdk_s_own_debug_logging_into_the_audit_log(tmp_path: Path, client: Any) -> None:
    """Everything at DEBUG, one handler for all of it: one record of the call, the rest redacted beside."""
    handler = configure(tmp_path)
    audit, root = logging.getLogger(NAME), logging.getLogger()
    names = ["openai", "httpx", "httpx2", "httpcore"]
    levels = {name: logging.getLogger(name).level for name in names}
    audit.propagate, audit.handlers[:] = True, []
    audit.setLevel(logging.DEBUG)
    with bare_root():
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            for name in names:
                logging.getLogger(name).setLevel(logging.DEBUG)
            create(client)
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
    handler.finish()
    records = records_of(tmp_path)
    assert [r["status"] for r in records if r["event_type"] == "chat_completion"] == ["success"]
    assert any(r["event_type"] == "log" and r["logger"].startswith("openai") for r in records)
    assert "ann@example.com" not in repr(records)
    assert "f4ke" not in repr(records)


def test_a_handler_that_calls_a_model(client: Any) -> None:
    """Its own call is made and not recorded; the outer one is, once."""
    sink = attached(Sink())
    answers: list[Any] = []
    sink.writing = lambda: answers.append(create(client))
    create(client)
    assert answers[0].choices
    assert len(sink.records) == 1
    assert trouble.counts() == {"nested": 1}


def test_an_extractor_that_logs() -> None:
    """Also to the audit logger itself, and calls a model besides: all of it is delivered."""
    sink = attached(Sink())
    plain: list[str] = []

    class Plain(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            plain.append(record.getMessage())

    listener = Plain()
    logging.getLogger(NAME).addHandler(listener)
    logging.getLogger(NAME).setLevel(logging.DEBUG)

    def extract(bound: Any) -> dict[str, object]:
        logging.getLogger(NAME).removeHandler(sink)
        logging.getLogger(NAME).debug("extracting")
        logging.getLogger(NAME).addHandler(sink)
        ask("inside")
        return {"user_id": "u-42"}

    @audited(extract=extract)
    def outer(messages: Any) -> Any:
        return ANSWER

    outer("question")
    assert plain[0] == "extracting"
    assert [record.user_id for record in sink.records] == [None, "u-42"]


def test_a_filter_that_logs_to_the_logger_it_filters() -> None:
    """It would go round for ever in any logging; with a guard of its own it does not."""
    sink = attached(Sink())
    audit = logging.getLogger(NAME)
    inside: list[bool] = []

    def chatty(record: logging.LogRecord) -> bool:
        if not inside:
            inside.append(True)
            ask("from a filter")
            inside.clear()
        return True

    audit.addFilter(chatty)
    try:
        ask("question")
    finally:
        audit.removeFilter(chatty)
    assert len(sink.records) == 1
    assert trouble.counts() == {"nested": 1}


def test_trouble_within_trouble() -> None:
    """The collector may end a stream, and so report, while something is reported: no deadlock."""
    done = threading.Event()

    def work() -> None:
        with trouble._lock:
            trouble.report("test", "inside", "audit: %s", "a test")
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(timeout=30)
    assert trouble.counts() == {"test": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_something_is_reported() -> None:
    """The child's lock is its own: what another thread of the parent holds does not hang it."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with trouble._lock:
            held.set()
            release.wait(timeout=10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(timeout=30)
    child = os.fork()
    if child == 0:
        trouble.report("test", "child", "audit: %s", "a child")
        os._exit(0)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        release.set()
        holder.join()


# --- the application's own configuration


@pytest.mark.usefixtures("audit_key")
def test_an_application_s_dictconfig_after_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It disables the audit logger and ours with it: said once all the same, counted, and the calls go on."""
    configure(tmp_path)
    logging.config.dictConfig({"version": 1})
    assert logging.getLogger(NAME).disabled
    assert logging.getLogger("or_audit_logging").disabled
    with bare_root():
        logging.getLogger().addHandler(caplog.handler)
        assert ask(MESSAGES) is ANSWER
        assert ask(MESSAGES) is ANSWER
    assert caplog.text.count("disable_existing_loggers: false") == 1
    assert trouble.counts() == {"disabled": 2}
    assert records_of(tmp_path) == []


def test_an_application_that_configured_no_logging(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens at all: the one warning goes to stderr, where Python puts such warnings."""
    with bare_root():
        ask(MESSAGES)
        ask(MESSAGES)
    assert capsys.readouterr().err.count("or_audit_logging.configure(directory)") == 1


@pytest.mark.usefixtures("audit_key")
def test_an_application_s_dictconfig_that_closes_our_handler(tmp_path: Path) -> None:
    """It closes every handler there is; one that is still attached goes on writing, and the log holds."""
    handler = configure(tmp_path)
    ask(MESSAGES)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    ask(MESSAGES)
    handler.finish()
    assert len(records_of(tmp_path)) == 2
    assert verify(tmp_path).findings == ()


@pytest.mark.usefixtures("audit_key")
def test_a_disabled_logger_that_must_write(tmp_path: Path, client: Any) -> None:
    """Failing closed: AuditWriteError before anything is sent."""
    configure(tmp_path, on_failure="raise")
    logging.config.dictConfig({"version": 1})
    with pytest.raises(AuditWriteError, match="disable_existing_loggers") as caught:
        create(client)
    assert caught.value.response is None


@pytest.mark.parametrize("handlers", [[], [logging.NullHandler()]], ids=["none", "null"])
def test_no_handler_at_all(handlers: list[logging.Handler], caplog: pytest.LogCaptureFixture) -> None:
    """One warning for the first call names the remedy; each call is counted."""
    with bare_root():
        logging.getLogger(NAME).handlers[:] = handlers
        logging.getLogger("or_audit_logging").addHandler(caplog.handler)
        assert ask(MESSAGES) is ANSWER
        assert ask(MESSAGES) is ANSWER
    assert caplog.text.count("or_audit_logging.configure") == 1
    assert trouble.counts() == {"no-handler": 2}


@pytest.mark.usefixtures("audit_key")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_after_the_configuration(tmp_path: Path) -> None:
    """Parent and children write on, into one chain."""
    handler = configure(tmp_path)
    ask(MESSAGES, model="fake/before")
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(5):
                    ask(MESSAGES, model=f"fake/child-{number}")
                handler.finish()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    ask(MESSAGES, model="fake/parent")
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    handler.finish()
    models = [record["model_requested"] for record in records_of(tmp_path)]
    assert {model: models.count(model) for model in models} == {
        "fake/before": 1,
        "fake/parent": 1,
        **{f"fake/child-{n}": 5 for n in range(3)},
    }
    assert verify(tmp_path).findings == ()


# --- losses


def test_a_record_that_no_handler_took_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Each time; said once; without content."""
    sink = attached(Sink())
    sink.writing = failing(RuntimeError("ann@example.com"))
    for _ in range(3):
        assert ask(MESSAGES) is ANSWER
    assert trouble.counts() == {"delivery": 3}
    assert caplog.text.count("records may be lost") == 1
    assert "ann@" not in caplog.text


def test_what_a_handler_raises_beyond_exceptions_passes() -> None:
    """A KeyboardInterrupt in the middle of writing is the user's, and leaves nothing behind."""
    sink = attached(Sink())
    sink.writing = failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ask(MESSAGES)
    sink.writing = lambda: None
    ask(MESSAGES)
    assert len(sink.records) == 1


_FULL_DISK = """
import resource, signal, sys
from or_audit_logging import audit_call, configure
from or_audit_logging.capture import trouble

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
handler = configure(sys.argv[1], on_failure=sys.argv[2])

def call():
    with audit_call(model="fake/asked") as call:
        call.response({"choices": [{"message": {"content": "x"}}]})

call()
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
for _ in range(3):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error.response)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
call()
print(handler.stats()["failed"], trouble.counts())
"""


@pytest.mark.usefixtures("audit_key")
@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_a_full_disk(tmp_path: Path, on_failure: str) -> None:
    """A file that may grow no more: calls go on or are told, and the log says itself how many it lost.

    Failing closed, the handler knows after the first loss, and nothing more is spent.
    """
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path), on_failure],
        env=os.environ | {"OR_AUDIT_KEY": SECRET.decode()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    told = lines[:-1]
    paid = [line for line in told if line == "AuditWriteError {'choices': [{'message': {'content': 'x'}}]}"]
    before = [line for line in told if line == "AuditWriteError None"]
    assert len(paid) + len(before) == len(told) == (3 if on_failure == "raise" else 0)
    losses = len(paid) if told else 3
    assert losses >= 1
    assert lines[-1] == f"{losses} {{}}"
    lost = [m for m in members_of(tmp_path) if m["event_type"] == "log.lost"]
    assert [(m["count"], m["reason"]) for m in lost] == [(losses, "disk")]
    assert len(records_of(tmp_path)) == 2
    assert verify(tmp_path).findings == ()


# --- calls within each other, in threads


def test_inner_calls_that_end_as_the_outer_one_does() -> None:
    """Whichever comes first: the inner call's facts are in the outer record, or in one of its own."""
    sink = attached(Sink())
    from or_audit_logging import carry_context

    rounds = 200
    for n in range(rounds):
        go = threading.Barrier(2)

        def late(n: int = n, go: threading.Barrier = go) -> None:
            with audit_call() as call:
                call.response({**ANSWER, "id": f"gen-{n}"})
                go.wait(timeout=10)

        with audit_call(model="fake/outer"):
            thread = threading.Thread(target=carry_context(late))
            thread.start()
            go.wait(timeout=10)
        thread.join()
    seen = [r.generation_id for r in sink.records if r.generation_id is not None]
    assert sorted(seen) == sorted(f"gen-{n}" for n in range(rounds))
    assert sum(r.model_requested == "fake/outer" for r in sink.records) == rounds
    assert trouble.counts() == {}


def test_nothing_is_kept_of_a_call_that_ended() -> None:
    """Response, exception and messages are free when the block is left, though the handle is not."""
    import weakref

    class Held(dict[str, Any]): ...

    class FailureError(Exception): ...

    attached(Sink())
    answer, messages = Held(ANSWER), Held(role="user")
    references = [weakref.ref(answer), weakref.ref(messages)]
    with audit_call(messages=messages) as first:
        first.response(answer)
    failure = FailureError()
    references.append(weakref.ref(failure))  # type: ignore[arg-type]
    with audit_call() as second:
        second.error(failure)
    del answer, messages, failure
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    assert first.record is not second.record


def test_a_task_created_while_a_record_is_handed_over_is_recorded_later() -> None:
    """Its context was copied inside the delivery, which is over when the task makes its calls."""
    logger = logging.getLogger("openrouter.audit")
    later: list[asyncio.Task[object]] = []
    records: list[object] = []

    async def ask_later() -> object:
        await asyncio.sleep(0)
        return ask()

    @audited
    def ask() -> object:
        return {"id": "gen-1", "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}

    class Lazy(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.__dict__["audit"])
            if not later:
                later.append(asyncio.get_running_loop().create_task(ask_later()))

    async def main() -> None:
        ask()
        await later[0]

    handler = Lazy()
    logger.addHandler(handler)
    try:
        asyncio.run(main())
    finally:
        logger.removeHandler(handler)
    assert len(records) == 2
