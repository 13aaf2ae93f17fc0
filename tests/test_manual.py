"""`audit_call`, the manual form: one block, one record, whatever happens in it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from driving import each, openai_client, run
from samples import ANSWER, MESSAGES
from sinks import API_KEY, KEY, Sink, attached, failing

from or_audit_logging import audit_call, audited, bind
from or_audit_logging.digest import prompt_digest, pseudonym
from or_audit_logging.errors import AuditWriteError, ConfigError


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with openai_client() as client:
        yield client


def test_a_response(sink: Sink) -> None:
    """What was asked, what the response says, and the same object back."""
    with audit_call(model="fake/asked", messages=MESSAGES, user_id="u-42", metadata={"a": 1}) as call:
        assert call.response(ANSWER) is ANSWER
    record = sink.only
    assert (record.status, record.model_requested, record.model_used) == (
        "success",
        "fake/asked",
        "fake/served",
    )
    assert (record.user_id, record.metadata, record.total_tokens) == ("u-42", {"a": 1}, 4)
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert record.response_hash
    assert record.latency_ms is not None


def test_the_record_is_there_after_the_block(sink: Sink) -> None:
    """`call.record` is what was logged, and None before."""
    with audit_call() as call:
        call.response(ANSWER)
        assert call.record is None
    assert call.record is sink.only


def test_the_source_is_the_block(sink: Sink) -> None:
    """%(pathname)s, %(lineno)d and %(funcName)s are those of the caller."""
    with audit_call() as call:
        call.response(ANSWER)
    (log_record,) = sink.log_records
    assert log_record.pathname == __file__
    assert log_record.funcName == "test_the_source_is_the_block"


def test_async(sink: Sink) -> None:
    """`async with` does the same, and concurrent blocks do not mix."""

    async def one(n: int) -> None:
        async with audit_call(messages=MESSAGES, user_id=f"u-{n}") as call:
            await asyncio.sleep(0.001)
            call.response({**ANSWER, "model": f"fake/{n}"})

    async def main() -> None:
        await asyncio.gather(*(one(n) for n in range(10)))

    asyncio.run(main())
    assert sorted((r.user_id, r.model_used) for r in sink.records) == [
        (f"u-{n}", f"fake/{n}") for n in range(10)
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "error"),
        (TimeoutError(), "timeout"),
        (KeyboardInterrupt(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
def test_an_exception_that_leaves_the_block(sink: Sink, error: BaseException, status: str) -> None:
    """It passes as it is, and is recorded."""
    with pytest.raises(type(error)) as caught, audit_call(messages=MESSAGES):
        raise error
    assert caught.value is error
    assert error.__context__ is None
    assert (sink.only.status, sink.only.error_type) == (status, type(error).__name__)


def test_an_exception_after_the_response(sink: Sink) -> None:
    """The block failed, and what the answer cost is kept."""

    def block() -> None:
        with audit_call(messages=MESSAGES) as call:
            call.response(ANSWER)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        block()
    assert (sink.only.status, sink.only.error_type) == ("error", "ValueError")
    assert (sink.only.total_tokens, sink.only.generation_id) == (4, ANSWER["id"])


def test_an_error_that_is_handled(sink: Sink) -> None:
    """`call.error` records an exception that does not leave the block, redacted."""
    with audit_call(messages=MESSAGES) as call:
        try:
            raise LookupError(f"no route, key {API_KEY}")
        except LookupError as error:
            call.error(error)
    assert (sink.only.status, sink.only.error_type) == ("error", "LookupError")
    assert "f4ke" not in str(sink.only.error_message)


def test_a_response_after_an_error(sink: Sink) -> None:
    """A second attempt in the same block counts, since it is the last word."""
    with audit_call(messages=MESSAGES) as call:
        call.error(LookupError())
        call.response(ANSWER)
    assert (sink.only.status, sink.only.error_type) == ("success", None)


def test_a_block_without_an_end(sink: Sink) -> None:
    """Neither response nor error: nobody knows how the call ended."""
    with audit_call(messages=MESSAGES):
        pass
    assert (sink.only.status, sink.only.total_tokens) == ("incomplete", None)


def test_a_text_is_an_answer(sink: Sink) -> None:
    """It has a hash, the same as that of a response with this text."""
    with audit_call() as call:
        call.response(ANSWER)
    with audit_call() as call:
        assert call.response("Yes.") == "Yes."
    first, second = sink.records
    assert (second.status, second.response_hash) == ("success", first.response_hash)


def test_set(sink: Sink) -> None:
    """What becomes known later: metadata is merged, None changes nothing, personal data is redacted."""
    with audit_call(model="fake/one", metadata={"a": 1, "b": 1}) as call:
        call.set(user_id="Ann@example.com", session_id="s-1", request_id="r-1", model="fake/two")
        call.set(b=2, metadata={"c": "mail eve@example.com"}, model=None)
        call.set(messages=MESSAGES)
        call.response(ANSWER)
    record = sink.only
    assert record.user_id == pseudonym("EMAIL", "ann@example.com", KEY)
    assert (record.session_id, record.request_id, record.model_requested) == ("s-1", "r-1", "fake/two")
    assert record.metadata == {"a": 1, "b": 2, "c": "mail [EMAIL]"}
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert record.redactions == {"EMAIL": 2}


def test_set_after_the_block_changes_nothing(sink: Sink) -> None:
    """A record that was made stays as it is; so do further responses and errors."""
    with audit_call() as call:
        call.response(ANSWER)
    call.set(user_id="late")
    call.error(ValueError())
    assert call.response(ANSWER) is ANSWER
    assert sink.only.user_id is None


def test_bound_values(sink: Sink) -> None:
    """An enclosing `bind` holds where the arguments say nothing."""
    with bind(user_id="bound", session_id="s-1", feature="faq"), audit_call(user_id="given") as call:
        call.response(ANSWER)
    assert (sink.only.user_id, sink.only.session_id) == ("given", "s-1")
    assert sink.only.metadata == {"feature": "faq"}


def test_the_prompt_is_that_of_the_beginning(sink: Sink) -> None:
    """Messages that grow during the call do not change its hash."""
    messages = [dict(MESSAGES[0])]
    with audit_call(messages=messages) as call:
        messages.append({"role": "assistant", "content": "later"})
        call.response(ANSWER)
    assert sink.only.prompt_hash == prompt_digest(MESSAGES, KEY)


def test_calls_inside_belong_to_the_block(sink: Sink) -> None:
    """A decorated function inside makes no record of its own, and says how the block's call ended."""

    @audited
    def ask(messages: Any, model: str) -> Any:
        return ANSWER

    with audit_call(user_id="u-42", model="fake/outer"):
        ask(MESSAGES, "fake/inner")
    record = sink.only
    assert (record.status, record.user_id, record.model_requested) == ("success", "u-42", "fake/inner")
    assert (record.total_tokens, record.prompt_hash) == (4, prompt_digest(MESSAGES, KEY))


def test_a_block_inside_a_decorated_function(sink: Sink) -> None:
    """The outermost owns the record; the block's own `record` stays None."""

    @audited
    def ask(messages: Any) -> str:
        with audit_call() as call:
            call.response(ANSWER)
        assert call.record is None
        return "text"

    ask(MESSAGES)
    assert (sink.only.status, sink.only.total_tokens) == ("success", 4)


def test_each_object_is_for_one_block(sink: Sink) -> None:
    """Entering again is a mistake, and says so."""
    block = audit_call()
    with block as call:
        call.response(ANSWER)
    with pytest.raises(RuntimeError, match="one block"), block:
        pass
    assert len(sink.records) == 1


def test_a_block_left_in_another_context(sink: Sink) -> None:
    """As by a generator that is closed elsewhere: one record, no error."""

    def generator() -> Iterator[None]:
        with audit_call() as call:
            call.response(ANSWER)
            yield

    started = generator()
    contextvars.copy_context().run(next, started)
    started.close()
    assert sink.only.total_tokens == 4


@pytest.mark.parametrize(
    "options",
    [
        {"logger": ""},
        {"event_type": "log.x"},
        {"event_type": "generation"},
        {"hash": "md5"},
        {"content": "raw"},
        {"write_ahead": 1},
        {"user_id": 3},
        {"metadata": "a"},
    ],
)
def test_wrong_options(options: dict[str, Any]) -> None:
    """They are refused before the block is entered."""
    with pytest.raises(ConfigError, match="audit_call"):
        audit_call(**options)


def test_nothing_is_done_where_the_log_cannot_be_written() -> None:
    """Failing closed: entering raises, the block is not run."""
    sink = attached(Sink("raise"))
    sink.probing = failing(AuditWriteError("disk full"))
    with pytest.raises(AuditWriteError), audit_call():
        pytest.fail("the block was entered")


def test_a_paid_answer_is_not_lost_with_its_record() -> None:
    """Failing closed after the call: the error carries the answer."""
    sink = attached(Sink("raise"))
    sink.writing = failing(AuditWriteError("disk full"))
    with pytest.raises(AuditWriteError) as caught, audit_call() as call:
        call.response(ANSWER)
    assert caught.value.response is ANSWER


def test_a_failure_that_was_handled_and_a_record_that_was_not_written() -> None:
    """No exception is on its way, so the loss of the record is told by one."""
    sink = attached(Sink("raise"))
    sink.writing = failing(AuditWriteError("disk full"))
    with pytest.raises(AuditWriteError), audit_call() as call:
        call.error(LookupError())


def test_an_exception_goes_before_the_loss_of_its_record() -> None:
    """The caller's own exception passes, with a note."""
    sink = attached(Sink("raise"))
    sink.writing = failing(AuditWriteError("disk full"))
    with pytest.raises(LookupError) as caught, audit_call():
        raise LookupError
    assert any("disk full" in note for note in caught.value.__notes__)


def test_the_sdk_s_response(sink: Sink, client: Any) -> None:
    """A real response of the openai SDK, read and handed back."""
    with audit_call(model="fake/ok", messages=MESSAGES) as call:
        response = call.response(client.chat.completions.create(model="fake/ok", messages=MESSAGES))
    assert (sink.only.generation_id, sink.only.total_tokens) == (response.id, response.usage.total_tokens)


def test_a_stream(sink: Sink, client: Any) -> None:
    """The record is made when the stream has ended, with all it said; also after the block."""
    with audit_call(model="fake/ok", messages=MESSAGES, stream=True) as call:
        stream = call.response(
            client.chat.completions.create(model="fake/ok", messages=MESSAGES, stream=True)
        )
    assert not sink.records
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text
    assert (sink.only.status, sink.only.streamed) == ("success", True)
    assert sink.only.total_tokens
    assert sink.only.ttft_ms is not None


def test_a_stream_that_is_read_inside(sink: Sink, client: Any) -> None:
    """One record, made once."""
    with audit_call(messages=MESSAGES) as call:
        for _ in call.response(
            client.chat.completions.create(model="fake/ok", messages=MESSAGES, stream=True)
        ):
            pass
    assert sink.only.status == "success"


def test_an_exception_while_a_stream_is_read(sink: Sink, client: Any) -> None:
    """It was left half-way because of the exception: cancelled, with what the stream had said."""
    stream = client.chat.completions.create(model="fake/ok", messages=MESSAGES, stream=True)

    def block() -> None:
        with audit_call(messages=MESSAGES) as call:
            next(iter(call.response(stream)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    stream.close()
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "ZeroDivisionError")
    assert sink.only.generation_id


# --- inside a generator


@audited
def asked(messages: Any, generation_id: str) -> Any:
    return {**ANSWER, "id": generation_id}


def pieces_in_a_block(messages: Any) -> Iterator[str]:
    with audit_call(messages=messages, user_id="u-1"):
        asked(messages, "gen-own")
        yield "Hel"
        yield "lo"


@audited(user_id="u-1")
def pieces(messages: Any) -> Iterator[str]:
    asked(messages, "gen-own")
    yield "Hel"
    yield "lo"


@audited(user_id="u-1")
async def async_pieces(messages: Any) -> AsyncIterator[str]:
    asked(messages, "gen-own")
    yield "Hel"
    yield "lo"


COST = Decimal(str(ANSWER["usage"]["cost"]))


def test_a_block_with_a_yield_takes_the_consumers_calls(sink: Sink) -> None:
    """A context variable holds in the consumer too while the generator waits: its calls are the block's."""
    for piece in pieces_in_a_block(MESSAGES):
        asked(MESSAGES, f"gen-{piece}")
    assert sink.only.generation_ids == ("gen-own", "gen-Hel", "gen-lo")
    assert (sink.only.total_cost, sink.only.user_id) == (3 * COST, "u-1")


@pytest.mark.parametrize("generator", [pieces, async_pieces])
def test_a_decorated_generator_leaves_them_alone(sink: Sink, generator: Any) -> None:
    """The remedy: its own calls are its record's, and each of the consumer's is a record of its own."""

    async def main() -> None:
        async for piece in each(generator(MESSAGES)):
            asked(MESSAGES, f"gen-{piece}")

    run(main)
    assert [record.generation_id for record in sink.records] == ["gen-Hel", "gen-lo", "gen-own"]
    assert [record.user_id for record in sink.records] == [None, None, "u-1"]
    assert [(record.status, record.total_cost) for record in sink.records] == [("success", COST)] * 3
