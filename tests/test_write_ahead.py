"""`write_ahead=True`: a record before the call, so that one which never ends is seen."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import records_of
from samples import ANSWER, MESSAGES, SECRET
from sinks import API_KEY, KEY, Sink, attached, failing

from or_audit_logging import audit_call, audited, instrument
from or_audit_logging.capture import trouble
from or_audit_logging.digest import prompt_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.testing import FakeOpenRouter


def test_two_records(sink: Sink) -> None:
    """What was asked stands in the first, under its own event type; the second names it."""
    seen: list[int] = []

    @audited(write_ahead=True, event_type="completion", metadata={"team": "a"})
    def ask(prompt: str, model: str, user_id: str) -> Any:
        seen.append(len(sink.records))
        return ANSWER

    ask("hello", "fake/asked", "ann@example.com")
    started, ended = sink.records
    assert seen == [1]
    assert (started.event_type, started.status) == ("completion.started", None)
    assert started.prompt_hash == ended.prompt_hash == prompt_digest("hello", KEY)
    assert started.user_id == ended.user_id != "ann@example.com"
    assert (started.model_requested, started.metadata) == ("fake/asked", {"team": "a"})
    assert started.redactions == ended.redactions == {"EMAIL": 1}
    assert started.latency_ms is started.started_id is started.response_hash is None
    assert (ended.event_type, ended.status, ended.started_id) == ("completion", "success", started.id)
    assert started.id != ended.id


def test_its_log_record(sink: Sink) -> None:
    """Level INFO, and a message without content."""
    with audit_call(model="fake/asked", write_ahead=True) as call:
        call.response(ANSWER)
    started = sink.log_records[0]
    assert (started.levelno, started.getMessage()) == (logging.INFO, "chat_completion.started - fake/asked")


def test_without_it_no_record_names_one(sink: Sink) -> None:
    """`started_id` is left out of the line."""
    with audit_call() as call:
        call.response(ANSWER)
    assert "started_id" not in sink.only.to_dict()


def test_a_failed_call_names_it_too(sink: Sink) -> None:
    """Every end names its beginning."""
    with pytest.raises(LookupError), audit_call(write_ahead=True):
        raise LookupError
    started, ended = sink.records
    assert (ended.status, ended.started_id) == ("error", started.id)


def test_one_started_record_for_calls_within_each_other(sink: Sink) -> None:
    """It is the owner's; an inner call announces it where the outer one did not, under the outer's name."""

    @audited(write_ahead=True)
    def ask(messages: Any, model: str) -> Any:
        return ANSWER

    @audited(event_type="answer", user_id="service", write_ahead=True)
    def outer(messages: Any) -> str:
        ask(messages, "fake/asked")
        return "text"

    @audited(event_type="answer", user_id="service")
    def quiet_outer(question: str) -> str:
        ask(MESSAGES, "fake/asked")
        return "text"

    for function in (outer, quiet_outer):
        function(MESSAGES)
        started, ended = sink.records[-2:]
        assert (started.event_type, started.user_id) == ("answer.started", "service")
        assert started.prompt_hash == prompt_digest(MESSAGES, KEY)
        assert ended.started_id == started.id
    assert len(sink.records) == 4
    assert sink.records[2].model_requested == "fake/asked"


def test_an_instrumented_client(sink: Sink) -> None:
    """The option of every entrance."""
    openai = pytest.importorskip("openai")
    with (
        FakeOpenRouter() as server,
        openai.OpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client,
    ):
        instrument(client, write_ahead=True)
        client.chat.completions.create(model="fake/ok", messages=MESSAGES)
    started, ended = sink.records
    assert (started.event_type, ended.started_id) == ("chat_completion.started", started.id)
    assert started.prompt_hash == ended.prompt_hash


def test_failing_closed_nothing_is_sent() -> None:
    """Where the started record cannot be written, the call is not made, and no second record either."""
    sink = attached(Sink("raise"))
    sink.writing = failing(AuditWriteError("disk full"))
    with pytest.raises(AuditWriteError, match="disk full"), audit_call(write_ahead=True):
        pytest.fail("the block was entered")
    assert not sink.records


def test_a_started_record_that_was_lost_is_not_named(sink: Sink) -> None:
    """Under "report" the call goes on, and its record does not refer to one that is not there."""
    sink.writing = failing(ZeroDivisionError())
    with audit_call(write_ahead=True) as call:
        sink.writing = lambda: None
        call.response(ANSWER)
    assert sink.only.started_id is None
    assert trouble.counts() == {"delivery": 1}


@pytest.mark.usefixtures("audit_key")
@pytest.mark.parametrize("end", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_a_killed_call_stays_visible(tmp_path: Path, end: str) -> None:
    """One call that ended and one that was killed: the second has only its beginning, and the chain holds."""
    code = (
        "import os, sys\n"
        "from or_audit_logging import audit_call, configure\n"
        "configure(sys.argv[1])\n"
        "for kill in (False, True):\n"
        "    with audit_call(model='fake/asked', write_ahead=True) as call:\n"
        f"        if kill: {end}\n"
        "        call.response({'choices': [{'message': {'content': 'x'}}]})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"OR_AUDIT_KEY": SECRET.decode()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, -9), done.stderr
    records = records_of(tmp_path)
    assert [r["event_type"] for r in records] == [
        "chat_completion.started",
        "chat_completion",
        "chat_completion.started",
    ]
    ended = {r["started_id"] for r in records if "started_id" in r}
    unended = [r["id"] for r in records if r["event_type"].endswith(".started") and r["id"] not in ended]
    assert unended == [records[2]["id"]]
    assert records[2]["status"] is None
    assert verify(tmp_path, key="env:OR_AUDIT_KEY").verdict == "unanchored"
