"""`@audited` around the real openai SDK, against FakeOpenRouter: one record for every way a call ends."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from driving import asked, module_server, server
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink, failing

from or_audit_logging.capture.decorator import audited
from or_audit_logging.context import bind
from or_audit_logging.digest import choice_digest, prompt_digest, response_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.redaction import Redactor
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")

__all__ = ["module_server", "server"]


@pytest.fixture(scope="module")
def client(module_server: FakeOpenRouter) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=module_server.base_url, api_key=API_KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def ask(client: openai.OpenAI) -> Any:
    @audited
    def ask(messages: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
        return client.chat.completions.create(model=model, messages=messages, **kwargs)

    return ask


def test_a_success(ask: Any, sink: Sink) -> None:
    """Everything the answer says is in the record, hashes instead of content."""
    response = ask(MESSAGES, user="u-42")
    record = sink.only
    assert (record.event_type, record.status, record.user_id) == ("chat_completion", "success", "u-42")
    assert (record.model_requested, record.model_used) == ("fake/ok", response.model)
    assert (record.provider, record.generation_id) == (response.provider, response.id)
    assert record.total_tokens == response.usage.total_tokens
    assert record.total_cost == Decimal(repr(response.usage.cost))
    assert (record.cost_source, record.is_byok, record.streamed) == ("response", False, False)
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert record.response_hash == response_digest(
        [choice_digest(response.choices[0].message.content) or b""], KEY
    )
    assert record.finish_reason == "stop"
    assert record.latency_ms is not None
    assert record.latency_ms > 0
    assert record.error_type is record.error_message is record.redactions is None
    assert record.redacted_under == Redactor().digest


def test_the_prompt_hash_is_that_of_the_wire(ask: Any, sink: Sink, server: FakeOpenRouter) -> None:
    """An SDK's message object in the history is hashed as it is sent."""
    answer = ask(MESSAGES, model="fake/tool", tools=[_tool("look_up")]).choices[0].message
    ask([*MESSAGES, answer, {"role": "tool", "tool_call_id": answer.tool_calls[0].id, "content": "yes"}])
    assert sink.records[1].prompt_hash == prompt_digest(server.requests[-1].body["messages"], KEY)


def test_tool_calls_are_named_and_hashed(ask: Any, sink: Sink) -> None:
    """The names are facts, the arguments only go into the hash: the same from the object and the JSON."""
    response = ask(MESSAGES, model="fake/tool", tools=[_tool("look_up"), _tool("book")])
    calls = response.model_dump(mode="json", exclude_unset=True)["choices"][0]["message"]["tool_calls"]
    assert sink.only.tool_names == ("look_up", "book")
    assert sink.only.finish_reason == "tool_calls"
    assert sink.only.response_hash == response_digest([choice_digest("", calls) or b""], KEY)


def test_several_choices_are_hashed_together(ask: Any, sink: Sink) -> None:
    """n=2 gives one hash over both answers."""
    response = ask(MESSAGES, n=2)
    texts = [choice_digest(choice.message.content) or b"" for choice in response.choices]
    assert len(texts) == 2
    assert sink.only.response_hash == response_digest(texts, KEY)


def test_byok_cost_is_all_in(ask: Any, sink: Sink) -> None:
    """OpenRouter's charge is 0, the provider's is not."""
    ask(MESSAGES, model="fake/byok")
    assert sink.only.is_byok is True
    assert sink.only.total_cost
    assert sink.only.total_cost == sink.only.upstream_cost


def test_a_free_call_costs_zero_and_a_call_without_usage_an_unknown_sum(ask: Any, sink: Sink) -> None:
    """Zero is a price, null is not knowing."""
    ask(MESSAGES, model="fake/free")
    ask(MESSAGES, model="fake/nousage")
    assert [record.total_cost for record in sink.records] == [Decimal(0), None]
    assert [record.cost_source for record in sink.records] == ["response", None]


@pytest.mark.parametrize(
    ("scenario", "status", "error_type", "error_code"),
    [
        ("e400", "error", "context_length_exceeded", 400),
        ("e401", "error", "authentication", 401),
        ("e402", "error", "payment_required", 402),
        ("e403", "blocked", "PermissionDeniedError", 403),
        ("e403guardrail", "blocked", "PermissionDeniedError", 403),
        ("e404", "error", "NotFoundError", 404),
        ("e408", "error", "timeout", 408),
        ("e413", "error", "payload_too_large", 413),
        ("e422", "error", "unprocessable", 422),
        ("e429", "error", "rate_limit_exceeded", 429),
        ("e500", "error", "server", 500),
        ("e502", "error", "InternalServerError", 502),
        ("e503", "error", "provider_unavailable", 503),
        ("e524", "error", "timeout", 524),
        ("e529", "error", "provider_overloaded", 529),
        ("e400nocode", "error", "invalid_request", 400),
        ("html502", "error", "InternalServerError", 502),
        ("drop", "error", "APIConnectionError", None),
        ("timeout", "timeout", "APITimeoutError", None),
        ("blank", "error", "JSONDecodeError", None),
        ("notjson", "error", "JSONDecodeError", None),
    ],
)
def test_every_failure_is_recorded_and_reaches_the_caller_unchanged(
    client: openai.OpenAI, sink: Sink, scenario: str, *, status: str, error_type: str, error_code: int | None
) -> None:
    """The same exception object as raised inside, of the same type and attributes as from the bare client."""
    raised: list[BaseException] = []
    patience = 0.2 if scenario == "timeout" else 30

    def bare(messages: Any, model: str) -> Any:
        try:
            return client.chat.completions.create(model=model, messages=messages, timeout=patience)
        except Exception as error:
            raised.append(error)
            raise

    with pytest.raises(Exception) as alone:  # noqa: PT011 - whatever the SDK raises
        bare(MESSAGES, f"fake/{scenario}")
    with pytest.raises(Exception) as inside:  # noqa: PT011
        audited(bare)(MESSAGES, f"fake/{scenario}")
    assert inside.value is raised[1]
    assert type(inside.value) is type(alone.value)
    assert vars(inside.value).keys() == vars(alone.value).keys()
    assert (str(inside.value), inside.value.args) == (str(alone.value), alone.value.args)
    record = sink.only
    assert (record.status, record.error_type, record.error_code) == (status, error_type, error_code)
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert record.model_requested == f"fake/{scenario}"
    response = getattr(inside.value, "response", None)
    if response is not None:
        assert record.generation_id == response.headers.get("x-generation-id")


@pytest.mark.parametrize(
    ("scenario", "error_type", "error_code"),
    [
        ("e200body", "unmapped", 502),
        ("nullchoices", "unmapped", None),
        ("choiceerr", "provider_unavailable", 502),
    ],
)
def test_a_200_that_failed(
    ask: Any, client: openai.OpenAI, sink: Sink, scenario: str, *, error_type: str, error_code: int | None
) -> None:
    """No exception, the SDK's object, and a record that says error."""
    response = ask(MESSAGES, model=f"fake/{scenario}")
    bare = client.chat.completions.create(model=f"fake/{scenario}", messages=MESSAGES)  # type: ignore[arg-type]
    assert type(response) is type(bare)
    record = sink.only
    assert (record.status, record.error_type, record.error_code) == ("error", error_type, error_code)
    assert record.generation_id == response.id


def test_moderation_does_not_quote_the_prompt(ask: Any, sink: Sink) -> None:
    """The reply's flagged_input holds the prompt, the record does not."""
    with pytest.raises(openai.PermissionDeniedError):
        ask(MESSAGES, model="fake/e403")
    assert "library" not in repr(sink.only)


def test_an_api_key_in_an_exception_stays_out(client: openai.OpenAI, sink: Sink) -> None:
    """Whatever an exception says goes through the redactor, in whole."""

    @audited
    def ask(messages: Any) -> Any:
        raise ConnectionError(f"request failed, headers: Authorization: Bearer {API_KEY}")

    with pytest.raises(ConnectionError, match="f4ke"):
        ask(MESSAGES)
    assert "f4ke" not in repr(sink.only.to_dict())
    assert sink.only.redactions


def test_messages_changed_during_the_call(client: openai.OpenAI, sink: Sink) -> None:
    """The hash is that of the messages as they were when the call was made."""

    @audited
    def ask(messages: list[dict[str, str]]) -> Any:
        response = client.chat.completions.create(model="fake/ok", messages=messages)  # type: ignore[arg-type]
        messages.append({"role": "assistant", "content": "later"})
        messages[0]["content"] = "changed"
        return response

    ask([dict(MESSAGES[0])])
    assert sink.only.prompt_hash == prompt_digest(MESSAGES, KEY)


def test_an_iterator_of_messages_reaches_the_api(ask: Any, sink: Sink, server: FakeOpenRouter) -> None:
    """It is not consumed for a hash, which stays unknown."""
    ask(iter(MESSAGES))
    assert server.requests[-1].body["messages"] == MESSAGES
    assert sink.only.prompt_hash is None


def test_the_request_is_the_same_as_without(
    client: openai.OpenAI, ask: Any, server: FakeOpenRouter, sink: Sink
) -> None:
    """Not a byte of the body and not a header more, with everything bound."""
    with bind(user_id="u", session_id="s", feature="f"):
        ask(MESSAGES, user="u-42")
    client.chat.completions.create(model="fake/ok", messages=MESSAGES, user="u-42")  # type: ignore[arg-type]
    with_audit, bare = server.requests[-2:]
    assert with_audit.body == bare.body
    assert with_audit.headers == bare.headers
    assert sink.only.user_id == "u-42"


def test_the_async_client(server: FakeOpenRouter, sink: Sink) -> None:
    """An async function is recorded alike, success and failure."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:

            @audited
            async def ask(messages: Any, model: str) -> Any:
                return await client.chat.completions.create(model=model, messages=messages)

            await ask(MESSAGES, "fake/ok")
            with pytest.raises(openai.RateLimitError):
                await ask(MESSAGES, "fake/e429")

    asyncio.run(main())
    assert [record.status for record in sink.records] == ["success", "error"]


def test_twenty_concurrent_calls_do_not_mix(server: FakeOpenRouter, sink: Sink) -> None:
    """Each record has its own user, prompt and answer."""

    async def main() -> list[tuple[str, str, str]]:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:

            @audited
            async def ask(messages: Any) -> Any:
                return await client.chat.completions.create(model="fake/echo", messages=messages)

            async def one(n: int) -> tuple[str, str, str]:
                messages = [{"role": "user", "content": f"question {n}"}]
                with bind(user_id=f"u-{n}"):
                    response = await ask(messages)
                return f"u-{n}", response.id, prompt_digest(messages, KEY) or ""

            return await asyncio.gather(*(one(n) for n in range(20)))

    expected = asyncio.run(main())
    assert sorted(expected) == sorted((r.user_id, r.generation_id, r.prompt_hash) for r in sink.records)


def test_a_cancelled_task(server: FakeOpenRouter, sink: Sink) -> None:
    """CancelledError passes, and is recorded."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:

            @audited
            async def ask(messages: Any) -> Any:
                return await client.chat.completions.create(model="fake/timeout", messages=messages)

            task = asyncio.create_task(ask(MESSAGES))
            await asked(server)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "CancelledError")


def test_nothing_is_sent_when_the_log_cannot_be_written(ask: Any, server: FakeOpenRouter, sink: Sink) -> None:
    """Failing closed: the probe comes before the request."""
    sink.fail_closed()
    sink.probing = failing(AuditWriteError("the disk is full"))
    before = len(server.requests)
    with pytest.raises(AuditWriteError, match="disk is full") as caught:
        ask(MESSAGES)
    assert caught.value.response is None
    assert len(server.requests) == before
    assert not sink.records


def test_a_paid_answer_is_not_lost_with_its_record(ask: Any, sink: Sink) -> None:
    """Failing closed after the call: the error carries the answer."""
    sink.fail_closed()
    sink.writing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError) as caught:
        ask(MESSAGES)
    assert caught.value.response.choices[0].message.content  # type: ignore[attr-defined]


def test_a_failed_call_stays_the_failure(ask: Any, sink: Sink) -> None:
    """Where the call and its record both fail, the call's own exception wins and says so in a note."""
    sink.fail_closed()
    sink.writing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(MESSAGES, model="fake/e429")
    assert any("the disk is full" in note for note in caught.value.__notes__)


def _tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
