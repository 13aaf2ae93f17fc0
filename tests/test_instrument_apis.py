"""Instrumented clients of the other APIs: legacy completions, responses, embeddings, messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from driving import KINDS, each, entered, got, module_server, responses_of, same_requests, server
from samples import MESSAGES
from sinks import KEY, Sink
from test_instrument import Answer, outcomes, with_client

from or_audit_logging.capture.entrance import event_of
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.digest import prompt_digest
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")

__all__ = ["module_server", "server"]

QUESTION = "Is the library open today?"


async def completion(client: Any, model: str = "fake/ok") -> Any:
    return await got(client.completions.create(model=model, prompt=QUESTION))


async def completion_stream(client: Any, model: str = "fake/ok") -> Any:
    chunks = await got(client.completions.create(model=model, prompt=QUESTION, stream=True))
    return [chunk async for chunk in each(chunks)]


async def embeddings(client: Any, model: str = "fake/ok") -> Any:
    return await got(client.embeddings.create(model=model, input=[QUESTION, "And tomorrow?"]))


async def responses(client: Any, model: str = "fake/ok") -> Any:
    return await got(responses_of(client).create(model=model, input=QUESTION))


async def responses_parse(client: Any, model: str = "fake/json") -> Any:
    return await got(responses_of(client).parse(model=model, input=QUESTION, text_format=Answer))


async def responses_raw(client: Any, model: str = "fake/ok") -> Any:
    return await got(responses_of(client).with_raw_response.create(model=model, input=QUESTION))


async def responses_stream(client: Any, model: str = "fake/ok") -> Any:
    events = await got(responses_of(client).create(model=model, input=QUESTION, stream=True))
    return [event async for event in each(events)]


async def responses_raw_stream(client: Any, model: str = "fake/ok") -> Any:
    surface = responses_of(client).with_streaming_response
    async with entered(surface.create(model=model, input=QUESTION, stream=True)) as response:
        return [event async for event in each(await got(response.parse()))]


async def responses_helper(client: Any, model: str = "fake/ok") -> Any:
    async with entered(responses_of(client).stream(model=model, input=QUESTION)) as events:
        return [event async for event in each(events)]


async def messages(client: Any, model: str = "fake/ok") -> Any:
    body = {"model": model, "messages": MESSAGES, "max_tokens": 100}
    return await got(client.post("/messages", cast_to=object, body=body))


SURFACES = {
    completion: "completion",
    completion_stream: "completion",
    embeddings: "embeddings",
    responses: "responses",
    responses_parse: "responses",
    responses_raw: "responses",
    responses_stream: "responses",
    responses_raw_stream: "responses",
    responses_helper: "responses",
    messages: "messages",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
def test_every_surface_leaves_one_true_record(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """The same result and the same request as from the bare client, and one record that says it all."""

    (bare_type, *_), (audited_type, *_) = map(_kind, with_client(kind, server, partial(outcomes, surface)))
    assert audited_type is bare_type
    second = same_requests(server)
    record = sink.only
    prompt = second.body.get("messages") or second.body.get("input") or second.body.get("prompt")
    assert (record.event_type, record.status) == (SURFACES[surface], "success")
    assert record.prompt_hash == prompt_digest(prompt, KEY)
    assert record.model_requested == second.body["model"]
    assert record.generation_id == second.generation_id
    assert record.attempts == 1
    assert record.prompt_tokens
    assert record.total_cost
    if surface is not embeddings:
        assert record.completion_tokens
        assert record.response_hash


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [completion, embeddings, responses, messages], ids=lambda s: s.__name__)
def test_an_error_of_every_api(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """It reaches the caller, and the record."""
    with pytest.raises(openai.RateLimitError):
        with_client(kind, server, lambda client: surface(instrument(client), "fake/e429"))
    assert (sink.only.event_type, sink.only.status, sink.only.error_code) == (SURFACES[surface], "error", 429)


def _kind(value: Any) -> tuple[Any, ...]:
    return tuple(type(item) for item in value) if isinstance(value, list) else tuple(value)


@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("/chat/completions", "chat_completion"),
        ("/api/v1/chat/completions", "chat_completion"),
        ("https://openrouter.ai/api/v1/chat/completions?x=1", "chat_completion"),
        ("/openai/deployments/gpt/chat/completions", "chat_completion"),
        ("/chat/completions/", "chat_completion"),
        ("/completions", "completion"),
        ("/responses", "responses"),
        ("/api/alpha/responses", "responses"),
        ("/embeddings", "embeddings"),
        ("/messages", "messages"),
        ("/api/v1/messages", "messages"),
        ("/threads/t-1/messages", None),
        ("/chat/completions/gen-1", None),
        ("/responses/gen-1/cancel", None),
        ("/responses/input_tokens", None),
        ("/messages/count_tokens", None),
        ("/messages/batches", None),
        ("/models", None),
        ("/", None),
        ("", None),
    ],
)
def test_the_path_decides(path: str, event: str | None) -> None:
    """Only what creates an answer is a call."""
    assert event_of(path) == event
