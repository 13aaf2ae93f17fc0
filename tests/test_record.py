"""`AuditRecord.build` and `emit`: calls made elsewhere, recorded as if we had seen them."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from samples import ANSWER, MESSAGES
from sinks import API_KEY, KEY, NAME, Sink, attached, failing

from or_audit_logging import AuditRecord, audited, bind, emit
from or_audit_logging.capture import elsewhere, trouble
from or_audit_logging.digest import prompt_digest, pseudonym
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.redaction import Redactor

SAME_FOR_BOTH = {"id", "timestamp", "latency_ms"}


def test_it_is_built_as_the_decorator_does(sink: Sink) -> None:
    """Same hashes, pseudonyms and redaction: but for id and clock, the two records are equal."""

    @audited(metadata={"note": "mail bob@example.com"})
    def ask(messages: Any, model: str, user_id: str) -> Any:
        return ANSWER

    ask(MESSAGES, "fake/asked", "ann@example.com")
    built = AuditRecord.build(
        model="fake/asked",
        prompt=MESSAGES,
        response=ANSWER,
        user_id="ann@example.com",
        metadata={"note": "mail bob@example.com"},
        latency_ms=12.34567,
    ).to_dict()
    logged = sink.only.to_dict()
    assert {k: v for k, v in built.items() if k not in SAME_FOR_BOTH} == {
        k: v for k, v in logged.items() if k not in SAME_FOR_BOTH
    }
    assert built["latency_ms"] == 12.346


def test_building_logs_nothing(sink: Sink) -> None:
    """It only makes the value, whatever the logger's state."""
    logging.getLogger(NAME).disabled = True
    AuditRecord.build(model="fake/asked")
    assert not sink.records
    assert trouble.counts() == {}


def test_the_facts_of_a_dict(sink: Sink) -> None:
    """Tokens and cost stand in the response's JSON."""
    record = AuditRecord.build(response=ANSWER)
    assert (record.status, record.total_cost, record.cost_source) == ("success", Decimal("0.5"), "response")
    assert (record.model_used, record.generation_id) == ("fake/served", ANSWER["id"])


def test_a_text_is_an_answer(sink: Sink) -> None:
    """Its hash is that of a response with this text."""
    text, whole = AuditRecord.build(response="Yes."), AuditRecord.build(response=ANSWER)
    assert text.status == "success"
    assert text.response_hash == whole.response_hash is not None


@pytest.mark.parametrize(
    ("said", "status", "error_type"),
    [
        ({}, "incomplete", None),
        ({"response": ANSWER}, "success", None),
        ({"response": {"error": {"code": 502, "message": "no"}}}, "error", "unmapped"),
        ({"error": TimeoutError()}, "timeout", "TimeoutError"),
        ({"error": "it broke"}, "error", None),
        ({"error": ValueError(), "response": ANSWER}, "error", "ValueError"),
        ({"error": ValueError(), "status": "blocked"}, "blocked", "ValueError"),
        ({"status": "success"}, "success", None),
    ],
)
def test_how_it_ended(sink: Sink, said: dict[str, Any], status: str, error_type: str | None) -> None:
    """The status is what is said, else what the error says, else the response."""
    record = AuditRecord.build(**said)
    assert (record.status, record.error_type) == (status, error_type)


def test_what_an_answer_cost_is_kept_with_the_error(sink: Sink) -> None:
    """A call that failed after its answer was paid."""
    assert AuditRecord.build(error=ValueError(), response=ANSWER).total_tokens == 4


def test_error_texts_are_redacted(sink: Sink) -> None:
    """Exception and text alike."""
    for error in (ConnectionError(f"key {API_KEY}"), f"key {API_KEY}"):
        record = AuditRecord.build(error=error)
        assert record.error_message == "key [API_KEY]"
        assert record.redactions == {"API_KEY": 1}


def test_bound_values_hold(sink: Sink) -> None:
    """What is given goes before what is bound; metadata is merged."""
    with bind(user_id="bound", session_id="s-1", a=1, b=1):
        record = AuditRecord.build(user_id="given", metadata={"b": 2})
    assert (record.user_id, record.session_id, record.metadata) == ("given", "s-1", {"a": 1, "b": 2})


def test_options(sink: Sink) -> None:
    """Plain hashes, content and event type, as at the entrances."""
    record = AuditRecord.build(
        prompt="mail ann@example.com",
        response="ok",
        hash="sha256",
        content="redacted",
        event_type="completion",
    )
    assert record.prompt_hash == prompt_digest("mail ann@example.com", "sha256")
    assert record.content == {"prompt": "mail [EMAIL]", "response": [{"text": "ok"}]}
    assert record.event_type == "completion"


@pytest.mark.parametrize(
    "said",
    [
        {"status": "fine"},
        {"event_type": "log.mine"},
        {"latency_ms": "12"},
        {"metadata": "a"},
        {"hash": "md5"},
        {"logger": ""},
    ],
)
def test_values_that_no_record_may_have(said: dict[str, Any]) -> None:
    """A ConfigError names the place."""
    with pytest.raises(ConfigError, match=r"AuditRecord\.build"):
        AuditRecord.build(**said)


def test_both_signatures_are_one() -> None:
    """`AuditRecord.build` hands on every parameter, by the same names and defaults."""
    theirs = inspect.signature(elsewhere.build).parameters
    ours = inspect.signature(AuditRecord.build).parameters
    assert {n: (p.kind, p.default) for n, p in ours.items()} == {
        n: (p.kind, p.default) for n, p in theirs.items()
    }


def test_whoever_imports_the_word_alone_is_told() -> None:
    """The ground floor knows no builder until capture is imported, which the top level does by itself."""
    for module, expected in (("or_audit_logging.record", "ConfigError"), ("or_audit_logging", "built")):
        code = (
            f"from {module} import AuditRecord\n"
            "try:\n    AuditRecord.build(model='m'); print('built')\n"
            "except Exception as error: print(type(error).__name__)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == expected


# --- emit


def test_emit_logs_the_record_itself(sink: Sink) -> None:
    """One made under the handlers' policy passes as it is, at the level of its status."""
    record = AuditRecord.build(model="fake/asked", error=ValueError())
    emit(record)
    (log_record,) = sink.log_records
    assert log_record.__dict__["audit"] is record
    assert (log_record.levelno, log_record.getMessage()) == (
        logging.ERROR,
        "chat_completion error fake/asked",
    )


def test_emit_redacts_what_was_not_redacted(sink: Sink) -> None:
    """A record made by hand is redacted before any handler sees it; the given one is not changed."""
    raw = AuditRecord(
        event_type="chat_completion",
        id="1",
        timestamp="2026-11-21T10:30:45.000000Z",
        status="error",
        error_message="mail ann@example.com",
        tool_names=("look_up",),
    )
    emit(raw)
    assert (sink.only.error_message, sink.only.redactions) == ("mail [EMAIL]", {"EMAIL": 1})
    assert sink.only.tool_names == ("look_up",)
    assert sink.only.redacted_under == Redactor().digest
    assert raw.error_message == "mail ann@example.com"


def test_emit_to_another_logger(sink: Sink) -> None:
    """The logger is an option, as everywhere."""
    other = Sink()
    logging.getLogger("app.models").addHandler(other)
    try:
        emit(AuditRecord.build(), logger="app.models")
    finally:
        logging.getLogger("app.models").removeHandler(other)
    assert len(other.records) == 1
    assert not sink.records


def test_emit_fails_closed() -> None:
    """By the probe, and by the write."""
    sink = attached(Sink("raise"))
    record = AuditRecord.build()
    sink.writing = failing(ZeroDivisionError())
    with pytest.raises(AuditWriteError, match="ZeroDivisionError"):
        emit(record)
    sink.probing = failing(AuditWriteError("disk full"))
    with pytest.raises(AuditWriteError, match="disk full"):
        emit(record)


def test_emit_reports(sink: Sink) -> None:
    """Under "report" a handler that raises is counted."""
    sink.writing = failing(ZeroDivisionError())
    emit(AuditRecord.build())
    assert trouble.counts() == {"delivery": 1}


def test_a_handler_that_emits_is_not_served(sink: Sink) -> None:
    """It would go round for ever."""
    record = AuditRecord.build()
    sink.writing = lambda: emit(record)
    emit(record)
    assert len(sink.records) == 1
    assert trouble.counts() == {"nested": 1}


def test_emit_takes_records_only() -> None:
    """Anything else is a mistake of the caller's."""
    with pytest.raises(TypeError, match="dict"):
        emit({"event_type": "chat_completion"})  # type: ignore[arg-type]


def test_pseudonyms_survive_emission(sink: Sink) -> None:
    """A built record's user is the same person as in every other record."""
    emit(AuditRecord.build(user_id="Ann@example.com"))
    assert sink.only.user_id == pseudonym("EMAIL", "ann@example.com", KEY)
