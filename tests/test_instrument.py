"""`instrument` on the real openai SDK: one true record from every surface, and nothing else changes."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import json
import pickle
import types
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from driving import (
    KINDS,
    asked,
    completions_of,
    each,
    entered,
    got,
    module_server,
    run,
    same_requests,
    server,
)
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink, failing

from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument, uninstrument
from or_audit_logging.capture.trouble import counts
from or_audit_logging.context import bind
from or_audit_logging.digest import choice_digest, prompt_digest, response_digest
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")

__all__ = ["module_server", "server"]


@asynccontextmanager
async def opened(kind: str, server: FakeOpenRouter, **options: Any) -> AsyncIterator[Any]:
    """Yield a bare client of the SDK."""
    make = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
    settings = {"base_url": server.base_url, "api_key": API_KEY, "max_retries": 0, "timeout": 5.0}
    async with entered(make(**settings | options)) as client:
        yield client


def with_client(kind: str, server: FakeOpenRouter, use: Callable[[Any], Any], **options: Any) -> Any:
    """Return what *use* makes of a client."""

    async def main() -> Any:
        async with opened(kind, server, **options) as client:
            return await use(client)

    return run(main)


class Answer(pydantic.BaseModel):
    answer: str | None = None


async def create(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return await got(client.chat.completions.create(model=model, messages=MESSAGES, **kwargs))


async def raw(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return await got(
        client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES, **kwargs)
    )


async def streaming(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    surface = client.chat.completions.with_streaming_response
    async with entered(surface.create(model=model, messages=MESSAGES, **kwargs)) as response:
        return await got(response.parse())


async def streaming_bytes(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    surface = client.chat.completions.with_streaming_response
    async with entered(surface.create(model=model, messages=MESSAGES, **kwargs)) as response:
        return b"".join([piece async for piece in each(response.iter_bytes())])


async def parse(client: Any, model: str = "fake/json", **kwargs: Any) -> Any:
    return await got(
        completions_of(client).parse(model=model, messages=MESSAGES, response_format=Answer, **kwargs)
    )


async def copied(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return await create(client.copy(), model, **kwargs)


async def optioned(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return await create(client.with_options(timeout=4).with_options(max_retries=0), model, **kwargs)


async def posted(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    body = {"model": model, "messages": MESSAGES, **kwargs}
    return await got(client.post("/chat/completions", cast_to=object, body=body))


async def stream(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return [chunk async for chunk in each(await create(client, model, stream=True, **kwargs))]


async def raw_stream(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    return [chunk async for chunk in each((await raw(client, model, stream=True, **kwargs)).parse())]


async def streaming_stream(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    surface = client.chat.completions.with_streaming_response
    async with entered(surface.create(model=model, messages=MESSAGES, stream=True, **kwargs)) as response:
        return [chunk async for chunk in each(await got(response.parse()))]


async def stream_helper(client: Any, model: str = "fake/ok", **kwargs: Any) -> Any:
    async with entered(completions_of(client).stream(model=model, messages=MESSAGES, **kwargs)) as events:
        return [event async for event in each(events)]


WHOLE = (create, raw, streaming, streaming_bytes, parse, copied, optioned, posted)
STREAMED = (stream, raw_stream, streaming_stream, stream_helper)
SCENARIOS = (
    "ok tool length filter fallback byok free hit gzip nousage choiceerr nullchoices e200body notjson blank "
    "html502 drop timeout e400 e401 e402 e403 e403guardrail e404 e408 e413 e422 e429 e500 e502 e503 e524 "
    "e529 e400nocode"
).split()


def plain(value: Any) -> Any:
    """Return what a result is made of, without what differs from call to call."""
    if isinstance(value, BaseException):
        return type(value), vars(value).keys(), _without_ids(str(value))
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return type(value), _without_ids(value.model_dump(mode="json", warnings=False))
    if hasattr(value, "http_response"):
        return type(value), value.status_code, _without_ids(value.text)
    return type(value), _without_ids(value)


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(item) for name, item in value.items() if name not in ("id", "created")}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    if isinstance(value, (str, bytes)):
        text = value.decode() if isinstance(value, bytes) else value
        try:
            return _without_ids(json.loads(text)) if text.startswith("{") else text.partition("gen-")[0]
        except ValueError:
            return text
    return value


async def outcome(surface: Callable[..., Any], client: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return plain(await surface(client, *args, **kwargs))
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises
        return plain(error)


async def outcomes(surface: Callable[..., Any], client: Any) -> tuple[Any, Any]:
    """Return what comes of the bare client, and what of the same one instrumented."""
    return await outcome(surface, client), await outcome(surface, instrument(client))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [*WHOLE, *STREAMED], ids=lambda surface: surface.__name__)
def test_every_surface_leaves_one_true_record(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """The same result and the same request as from the bare client, and one record that says it all."""

    bare, audited_ = with_client(kind, server, functools.partial(outcomes, surface))
    assert audited_ == bare
    second = same_requests(server)
    record = sink.only
    assert (record.event_type, record.status) == ("chat_completion", "success")
    assert record.model_requested == second.body["model"]
    assert record.prompt_hash == prompt_digest(second.body["messages"], KEY)
    assert record.generation_id == second.generation_id
    assert record.attempts == 1
    assert record.provider
    assert record.finish_reason == "stop"
    assert record.total_tokens
    assert record.total_cost
    assert record.response_hash
    assert record.streamed is (surface in STREAMED)
    assert (record.ttft_ms is not None) is (surface in (*STREAMED, streaming, streaming_bytes))
    assert API_KEY not in repr(record.to_dict())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("surface", "scenario"),
    [(create, scenario) for scenario in SCENARIOS]
    + [(stream, scenario) for scenario in SCENARIOS if not scenario.startswith(("e40", "e41", "e42", "e5"))]
    + [(raw, scenario) for scenario in ("nullchoices", "notjson", "blank", "e200body", "e429", "timeout")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_ending_reaches_the_caller_as_without_us(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], scenario: str, *, kind: str
) -> None:
    """Whatever comes back, a record says how it ended."""

    async def use(client: Any) -> tuple[Any, Any]:
        patience = 0.1 if scenario == "timeout" else 10.0
        bare = await outcome(surface, client, f"fake/{scenario}", timeout=patience)
        return bare, await outcome(surface, instrument(client), f"fake/{scenario}", timeout=patience)

    bare, audited_ = with_client(kind, server, use)
    assert audited_ == bare
    assert not counts().get("internal")
    record = sink.only
    good = ("ok", "tool", "length", "filter", "fallback", "byok", "free", "hit", "gzip", "nousage")
    if scenario in good:
        assert record.status == "success"
    elif scenario == "timeout":
        assert record.status == "timeout"
    elif scenario in ("e403", "e403guardrail"):
        assert record.status == "blocked"
    else:
        assert record.status == "error"
        assert record.error_type
    assert record.attempts == 1
    if scenario not in ("html502", "drop", "timeout"):
        assert record.generation_id == server.requests[-1].generation_id


@pytest.mark.parametrize("kind", KINDS)
def test_retries_are_one_record(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """Two failed attempts and a good one: three ids, and the last one's facts."""
    with_client(kind, server, lambda client: create(instrument(client), "fake/retry2"), max_retries=2)
    ids = tuple(request.generation_id for request in server.requests)
    record = sink.only
    assert (record.status, record.attempts, record.generation_ids) == ("success", 3, ids)
    assert record.generation_id == ids[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_attempts_without_an_answer_count(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """A dropped connection and a page without an id were attempts as well."""

    async def use(client: Any) -> None:
        instrument(client)
        for scenario in ("drop", "html502"):
            with pytest.raises(openai.APIError):
                await create(client, f"fake/{scenario}")

    with_client(kind, server, use, max_retries=1)
    assert [(r.status, r.attempts, r.generation_id) for r in sink.records] == [("error", 2, None)] * 2


def test_without_transport_the_http_client_is_left_alone(sink: Sink, server: FakeOpenRouter) -> None:
    """The record still says everything but the attempts."""

    async def use(client: Any) -> None:
        instrument(client, transport=False)
        assert client._client.event_hooks == {"request": [], "response": []}
        await create(client)
        await streaming_bytes(client)
        await raw_stream(client)

    with_client("sync", server, use)
    assert [(r.status, r.attempts, bool(r.total_cost)) for r in sink.records] == [("success", None, True)] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_instrumenting_twice_is_instrumenting_once(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """The same client comes back, and the options of the second time hold."""

    async def use(client: Any) -> None:
        assert instrument(client) is client
        assert instrument(client, user_id="u-2") is client
        await create(client)
        uninstrument(client)
        await create(client)

    with_client(kind, server, use)
    assert sink.only.user_id == "u-2"
    assert sink.only.attempts == 1


@pytest.mark.parametrize("kind", KINDS)
def test_uninstrument_puts_everything_back(server: FakeOpenRouter, kind: str) -> None:
    """Members and hooks are those of before, also those that somebody else had put there."""

    async def use(client: Any) -> None:
        client.with_options = mine = client.with_options
        before = dict(vars(client))
        instrument(client)
        assert isinstance(client, openai.OpenAI if kind == "sync" else openai.AsyncOpenAI)
        assert inspect.iscoroutinefunction(client.request) is (kind == "async")
        assert vars(client) != before
        assert uninstrument(client) is client
        assert vars(client) == before
        assert client.with_options is mine
        assert client._client.event_hooks == {"request": [], "response": []}
        assert uninstrument(client) is client

    with_client(kind, server, use)


def test_a_wrapper_put_on_later_stays(sink: Sink, server: FakeOpenRouter) -> None:
    """Somebody who wrapped our hook keeps the wrapper; it leads past us from then on."""

    async def use(client: Any) -> None:
        instrument(client)
        client.request = functools.partial(client.request)
        await create(client)
        instrument(client)
        await create(client)
        uninstrument(client)
        await create(client)

    with_client("sync", server, use)
    assert len(sink.records) == 2


def test_only_what_creates_something_is_recorded(sink: Sink, server: FakeOpenRouter) -> None:
    """Listing models costs nothing and leaves no record."""

    async def use(client: Any) -> None:
        instrument(client)
        with pytest.raises(openai.NotFoundError):
            client.models.list()
        with pytest.raises(openai.NotFoundError):
            client.get("/chat/completions/gen-1", cast_to=object)

    with_client("sync", server, use)
    assert not sink.records


def test_a_request_that_was_never_sent_leaves_no_record(sink: Sink, server: FakeOpenRouter) -> None:
    """Arguments that the SDK refuses are no call."""
    with pytest.raises(TypeError):
        with_client("sync", server, lambda client: got(instrument(client).chat.completions.create()))
    assert not sink.records
    assert not server.requests


@pytest.mark.parametrize("kind", KINDS)
def test_who_asks_comes_from_the_body_then_from_around(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """The SDK's user, extra_body, bind and the client's default; headers never."""

    async def use(client: Any) -> None:
        instrument(client, user_id="default", metadata={"team": "desk"})
        await create(client)
        with bind(user_id="bound", session_id="s-0"):
            await create(client)
            await create(
                client,
                user="u-1",
                extra_body={"session_id": "s-1", "metadata": {"case": "7"}, "model": "fake/free"},
                extra_headers={"X-Secret": "hunter2-in-a-header"},
            )

    with_client(kind, server, use)
    assert [r.user_id for r in sink.records] == ["default", "bound", "u-1"]
    assert [r.session_id for r in sink.records] == [None, "s-0", "s-1"]
    assert sink.records[2].metadata == {"team": "desk", "case": "7"}
    assert sink.records[2].model_requested == "fake/free"
    assert server.requests[2].headers["x-secret"] == "hunter2-in-a-header"
    assert "hunter2" not in repr([r.to_dict() for r in sink.records])


def test_extract_reads_what_is_sent(sink: Sink, server: FakeOpenRouter) -> None:
    """It gets the body, and what it returns goes before; where it fails, the call goes on without."""

    async def use(client: Any) -> None:
        await create(instrument(client, extract=lambda body: {"user_id": body["seed"]}), seed=7)
        await create(instrument(client, extract=lambda body: {"user_id": body["no such"]}))

    with_client("sync", server, use)
    assert [r.user_id for r in sink.records] == ["7", None]


def test_the_prompt_hash_is_that_of_the_wire(sink: Sink, server: FakeOpenRouter) -> None:
    """Iterators reach the API, SDK objects are hashed as they are sent, later changes do not count."""

    async def use(client: Any) -> None:
        instrument(client)
        chat = client.chat.completions
        answer = chat.create(model="fake/tool", messages=iter(MESSAGES)).choices[0].message
        calls = [{"role": "tool", "tool_call_id": answer.tool_calls[0].id, "content": "yes"}]
        chat.create(model="fake/ok", messages=[*MESSAGES, answer, *calls])

    with_client("sync", server, use)
    sent = [prompt_digest(request.body["messages"], KEY) for request in server.requests]
    assert [r.prompt_hash for r in sink.records] == sent
    assert server.requests[0].body["messages"] == MESSAGES


def test_the_facts_are_the_answers(sink: Sink, server: FakeOpenRouter) -> None:
    """Cost with the wire's digits, BYOK included; the hash is that of the text."""

    async def use(client: Any) -> list[Any]:
        instrument(client)
        return [await create(client, "fake/byok"), await create(client), await create(client, "fake/free")]

    byok, ok, free = with_client("sync", server, use)
    first, second, third = sink.records
    assert (
        first.total_cost
        == first.upstream_cost
        == Decimal(repr(byok.usage.cost_details["upstream_inference_cost"]))
    )
    assert second.total_cost == Decimal(repr(ok.usage.cost))
    assert second.response_hash == response_digest([choice_digest(ok.choices[0].message.content) or b""], KEY)
    assert (third.total_cost, free.usage.cost) == (Decimal(0), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_router_metadata_adds_one_header(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """Nothing else, and only where it is asked for; the caller's own headers win."""

    async def use(client: Any) -> None:
        await create(client)
        instrument(client, router_metadata=True)
        await create(client)
        await create(client, extra_headers={"X-OpenRouter-Metadata": "disabled"})
        await create(client.copy())

    with_client(kind, server, use)
    bare, asking, not_asking, of_a_copy = (request.headers for request in server.requests)
    assert asking == bare | {"x-openrouter-metadata": "enabled"}
    assert not_asking["x-openrouter-metadata"] == "disabled"
    assert of_a_copy["x-openrouter-metadata"] == "enabled"
    assert len(sink.records) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorated_function_around_makes_one_record(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """The decorator owns it, and the call inside supplies what a text alone does not say."""

    async def use(client: Any) -> None:
        instrument(client)

        @audited
        async def ask(messages: Any, *, user_id: str) -> str:
            answer = await got(client.chat.completions.create(model="fake/retry1", messages=messages))
            return str(answer.choices[0].message.content)

        @audited
        async def response(messages: Any, *, user_id: str) -> Any:
            return await got(client.chat.completions.create(model="fake/ok", messages=messages))

        assert await ask(MESSAGES, user_id="u-1")
        assert await response(MESSAGES, user_id="u-2")

    with_client(kind, server, use, max_retries=1)
    text_only, whole = sink.records
    assert (text_only.user_id, text_only.status, text_only.attempts) == ("u-1", "success", 2)
    assert text_only.model_requested == "fake/retry1"
    assert text_only.generation_id == server.requests[1].generation_id
    assert text_only.total_cost
    assert (whole.user_id, whole.attempts) == ("u-2", 1)
    assert whole.total_cost


def test_a_decorated_stream_of_an_instrumented_client_makes_one_record(
    sink: Sink, server: FakeOpenRouter
) -> None:
    """Whoever finishes first, it ends once."""

    async def use(client: Any) -> None:
        instrument(client)

        @audited
        def ask(messages: Any) -> Any:
            return client.chat.completions.create(model="fake/ok", messages=messages, stream=True)

        for _ in ask(MESSAGES):
            pass

    with_client("sync", server, use)
    assert (sink.only.status, sink.only.attempts) == ("success", 1)
    assert sink.only.total_cost


def test_twenty_concurrent_calls_do_not_mix(sink: Sink, server: FakeOpenRouter) -> None:
    """Each record has its own user, prompt, answer and attempt."""

    async def use(client: Any) -> list[Any]:
        instrument(client)

        async def one(n: int) -> Any:
            messages = [{"role": "user", "content": f"question {n}"}]
            with bind(user_id=f"u-{n}"):
                answer = await client.chat.completions.create(model="fake/echo", messages=messages)
            return f"u-{n}", answer.id, prompt_digest(messages, KEY), 1

        return await asyncio.gather(*(one(n) for n in range(20)))

    expected = with_client("async", server, use)
    found = [(r.user_id, r.generation_id, r.prompt_hash, r.attempts) for r in sink.records]
    assert sorted(found) == sorted(expected)


def test_a_cancelled_task(sink: Sink, server: FakeOpenRouter) -> None:
    """CancelledError passes and is recorded; the same for a time limit of asyncio's."""

    async def use(client: Any) -> None:
        instrument(client)
        task = asyncio.create_task(create(client, "fake/timeout"))
        await asked(server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await limited(create(client, "fake/timeout"))

    async def limited(call: Any) -> None:
        async with asyncio.timeout(None) as limit:
            sent = asyncio.ensure_future(asked(server, 2))
            sent.add_done_callback(lambda _: limit.reschedule(0))
            await call

    with_client("async", server, use)
    assert [(r.status, r.error_type, r.attempts) for r in sink.records] == [
        ("cancelled", "CancelledError", 1)
    ] * 2


def test_a_keyboard_interrupt(sink: Sink, server: FakeOpenRouter) -> None:
    """It passes as it is, and the call is recorded as cancelled."""
    interrupt = KeyboardInterrupt()

    def interrupted(request: Any) -> None:
        raise interrupt

    async def use(client: Any) -> None:
        client._client.event_hooks["request"].append(interrupted)
        client.chat.completions.create(model="fake/ok", messages=MESSAGES)

    def main() -> None:
        with_client("sync", server, lambda client: use(instrument(client)))

    with pytest.raises(KeyboardInterrupt) as caught:
        main()
    assert caught.value is interrupt
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "KeyboardInterrupt")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_sent_when_the_log_cannot_be_written(
    sink: Sink, server: FakeOpenRouter, kind: str
) -> None:
    """Failing closed: the probe comes before the request."""
    sink.fail_closed()
    sink.probing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError, match="disk is full"):
        with_client(kind, server, lambda client: create(instrument(client)))
    assert not server.requests
    assert not sink.records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [create, raw], ids=lambda surface: surface.__name__)
def test_a_paid_answer_is_not_lost_with_its_record(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """Failing closed after the call: the error carries what the SDK returned."""
    sink.fail_closed()
    sink.writing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError) as caught:
        with_client(kind, server, lambda client: surface(instrument(client)))
    answer: Any = caught.value.response
    assert (answer if surface is create else answer.parse()).choices[0].message.content


def test_the_exception_is_the_very_one(sink: Sink, server: FakeOpenRouter) -> None:
    """The object that the SDK raised, nothing added."""
    raised: list[BaseException] = []

    async def use(client: Any) -> None:
        send = client.request

        def kept(*args: Any, **kwargs: Any) -> Any:
            try:
                return send(*args, **kwargs)
            except BaseException as error:
                raised.append(error)
                raise

        client.request = kept
        await create(instrument(client), "fake/e429")

    with pytest.raises(openai.RateLimitError) as caught:
        with_client("sync", server, use)
    assert caught.value is raised[0]
    assert not hasattr(caught.value, "__notes__")


def test_our_own_failures_stay_ours(
    sink: Sink, server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks in reading requests, headers, bodies and results, the call goes on, and is recorded."""
    import or_audit_logging.capture.entrance as entrance_module
    import or_audit_logging.capture.openai_client as module
    import or_audit_logging.capture.through as through_module
    import or_audit_logging.capture.transport as transport_module

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("of ours")

    monkeypatch.setattr(module, "_bodies", broken)
    for name in ("is_data", "http_of", "follow", "owned"):
        monkeypatch.setattr(through_module, name, broken)
    monkeypatch.setattr(entrance_module, "request_in", broken)
    monkeypatch.setattr(transport_module, "text", broken)
    for kind in KINDS:
        answer = with_client(kind, server, lambda client: create(instrument(client)))
        assert answer.choices[0].message.content
        chunks = with_client(kind, server, lambda client: stream(instrument(client)))
        assert len(chunks) > 2
    assert len(sink.records) == 4


def test_copying_the_client_works_as_before(sink: Sink, server: FakeOpenRouter) -> None:
    """A shallow copy asks for itself, unrecorded; what could not be pickled still cannot, for one reason."""
    asks_through_the_original = []  # where the SDK makes `client.chat` at once, copies share it

    async def use(client: Any) -> None:
        asks_through_the_original.append("chat" in vars(client))
        reasons = []
        for _ in range(2):
            for copying in (copy.deepcopy, pickle.dumps):
                with pytest.raises(TypeError) as caught:
                    copying(client._client._transport)
                reasons.append(str(caught.value))
            assert copy.copy(client).chat.completions.create(model="fake/ok", messages=MESSAGES)
            instrument(client)
        assert reasons[:2] == reasons[2:]

    with_client("sync", server, use)
    assert len(sink.records) == sum(asks_through_the_original)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("used", [False, True])
def test_a_shallow_copy_is_bare(sink: Sink, server: FakeOpenRouter, *, used: bool, kind: str) -> None:
    """Only what it shares with the original is recorded: the APIs that the SDK had loaded by then."""

    async def made(client: Any) -> tuple[int, int]:
        """Return how many records two calls leave: one of an API that may be shared, one of the client."""
        before = len(sink.records)
        await create(client)
        between = len(sink.records)
        await posted(client)
        return between - before, len(sink.records) - between

    async def use(client: Any) -> None:
        instrument(client)
        if used:
            await create(client)
        shared = "chat" in vars(client)
        assert shared or not used
        assert await made(copy.copy(client)) == (shared, False)
        assert await made(copy.copy(client).with_options(timeout=4)) == (False, False)
        copied = instrument(copy.copy(client))
        assert await made(copied) == (True, True)
        assert await made(copied.copy()) == (True, True)
        assert await made(client) == (True, True)
        uninstrument(copied)
        assert await made(copied) == (shared, False)
        assert await made(client) == (True, True)

    with_client(kind, server, use)
    assert {record.status for record in sink.records} == {"success"}
    assert not counts().get("internal")


@pytest.mark.parametrize("client", [None, object(), types.SimpleNamespace(request=print), "openai"])
def test_an_unknown_client_is_refused(client: Any) -> None:
    """With a message that says what is supported."""
    for function in (instrument, uninstrument):
        with pytest.raises(ConfigError, match=r"openai SDK.*openrouter SDK.*audit_transport"):
            function(client)


@pytest.mark.parametrize(
    "options",
    [
        {"logger": ""},
        {"event_type": "log.mine"},
        {"user_id": 7},
        {"metadata": "x"},
        {"hash": "md5"},
        {"extract": "user"},
    ],
)
def test_wrong_options_are_refused(server: FakeOpenRouter, options: dict[str, Any]) -> None:
    """When the client is instrumented, not when it is used; and the client is left alone."""

    async def use(client: Any) -> None:
        before = dict(vars(client))
        with pytest.raises(ConfigError):
            instrument(client, **options)
        assert vars(client) == before

    with_client("sync", server, use)


def test_subclasses_are_known(sink: Sink, server: FakeOpenRouter) -> None:
    """A class of the user's own is a client like any other."""

    class Mine(openai.OpenAI):  # type: ignore[misc]
        pass

    with Mine(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:
        instrument(client, event_type="mine").chat.completions.create(model="fake/ok", messages=MESSAGES)
    assert sink.only.event_type == "mine"
