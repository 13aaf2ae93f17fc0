"""FakeOpenRouter, seen through OpenRouter's own SDK, which checks every field that it reads."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import FINISH_REASONS, KEY, MESSAGES, unproxied

from or_audit_logging.testing.openrouter import FakeOpenRouter

sdk = pytest.importorskip("openrouter")

STATUS_ERRORS = {
    "e400": ("BadRequestResponseError", 400),
    "e401": ("UnauthorizedResponseError", 401),
    "e402": ("PaymentRequiredResponseError", 402),
    "e403": ("ForbiddenResponseError", 403),
    "e404": ("NotFoundResponseError", 404),
    "e408": ("RequestTimeoutResponseError", 408),
    "e413": ("PayloadTooLargeResponseError", 413),
    "e422": ("UnprocessableEntityResponseError", 422),
    "e429": ("TooManyRequestsResponseError", 429),
    "e500": ("InternalServerResponseError", 500),
    "e502": ("BadGatewayResponseError", 502),
    "e503": ("ServiceUnavailableResponseError", 503),
    "e524": ("EdgeNetworkTimeoutResponseError", 524),
    "e529": ("ProviderOverloadedResponseError", 529),
    "html502": ("OpenRouterDefaultError", 502),
    "e400nocode": ("ResponseValidationError", 400),
    "e200body": ("ResponseValidationError", 200),
    "nullchoices": ("ResponseValidationError", 200),
    "blank": ("ResponseValidationError", 200),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenRouter]:
    """Return a running server with short pauses, one for all tests."""
    with FakeOpenRouter(slow_seconds=0.001, stall_seconds=0.01) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: FakeOpenRouter) -> Iterator[Any]:
    """Return an SDK client that does not retry, as it otherwise would for an hour."""
    with unproxied(sdk.OpenRouter, server_url=server.base_url, retry_config=retries("none")) as made:
        yield made


def retries(strategy: str) -> Any:
    """Return the SDK's settings for retries, with pauses of a millisecond."""
    from openrouter.utils import BackoffStrategy, RetryConfig

    return RetryConfig(strategy, BackoffStrategy(1, 1, 1.0, 1000, jitter_ms=0), True)


def said(chunks: list[Any]) -> str:
    """Return the text of the SDK's chunks."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_chat(client: Any) -> None:
    """A reply passes the SDK's checks and has its cost; the stream says and costs the same."""
    whole = client.chat.send(model="openai/gpt-4o", messages=MESSAGES)
    chunks = list(client.chat.send(model="openai/gpt-4o", messages=MESSAGES, stream=True))
    assert whole.usage.cost == whole.usage.cost_details.upstream_inference_cost > 0
    assert said(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage.cost == whole.usage.cost


def test_async_calls(server: FakeOpenRouter) -> None:
    """The same holds for send_async, and vectors come from generate_async."""

    async def talk() -> tuple[Any, list[Any], Any]:
        async with sdk.OpenRouter(api_key=KEY, server_url=server.base_url) as client:
            whole = await client.chat.send_async(model="openai/gpt-4o", messages=MESSAGES)
            stream = await client.chat.send_async(model="openai/gpt-4o", messages=MESSAGES, stream=True)
            chunks = [chunk async for chunk in stream]
            return whole, chunks, await client.embeddings.generate_async(model="a/b", input=["a", "b"])

    whole, chunks, vectors = asyncio.run(talk())
    assert len(vectors.data) == 2
    assert said(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage.cost == whole.usage.cost > 0


@pytest.mark.parametrize("name", sorted(FINISH_REASONS.keys() - {"usageempty"}))
def test_chat_scenarios(client: Any, name: str) -> None:
    """Each reply passes the SDK's checks, streamed or not; usageempty ends with a chunk without choices."""
    finish = FINISH_REASONS[name]
    assert client.chat.send(model=f"fake/{name}", messages=MESSAGES).choices[0].finish_reason == finish
    *_, last = client.chat.send(model=f"fake/{name}", messages=MESSAGES, stream=True)
    assert last.choices[0].finish_reason == finish


@pytest.mark.parametrize(("name", "expected"), STATUS_ERRORS.items())
def test_status_errors(client: Any, name: str, expected: tuple[str, int]) -> None:
    """The SDK raises the class that belongs to the status, or refuses a body that it cannot read."""
    with pytest.raises(sdk.errors.OpenRouterError) as caught:
        client.chat.send(model=f"fake/{name}", messages=MESSAGES)
    assert (type(caught.value).__name__, caught.value.status_code) == expected


@pytest.mark.parametrize("name", ["midstream", "midusage", "midempty"])
def test_errors_in_streams_raise_nothing(client: Any, name: str) -> None:
    """The last chunk has the error, and the loop ends in peace."""
    *_, last = client.chat.send(model=f"fake/{name}", messages=MESSAGES, stream=True)
    assert last.error.message


def test_retries(client: Any, server: FakeOpenRouter) -> None:
    """The SDK's own retry gets through; each attempt has an id of its own."""
    server.reset()
    reply = client.chat.send(model="fake/retry2", messages=MESSAGES, retries=retries("backoff"))
    ids = [request.generation_id for request in server.requests]
    assert (len(set(ids)), ids[-1]) == (3, reply.id)


def test_embeddings(client: Any) -> None:
    """Vectors and their cost pass the SDK's checks, in either encoding."""
    model = "openai/text-embedding-3-small"
    plain = client.embeddings.generate(model=model, input=["a", "b"])
    coded = client.embeddings.generate(model=model, input="a", encoding_format="base64")
    assert [len(item.embedding) for item in plain.data] == [8, 8]
    assert isinstance(coded.data[0].embedding, str)
    assert plain.usage.cost > coded.usage.cost > 0


def test_responses(client: Any) -> None:
    """A response and every event of its stream are of a type that the SDK knows."""
    for name in ("ok", "tool", "reasoning", "length", "choiceerr"):
        whole = client.responses.send(model=f"fake/{name}", input="Hello")
        sent = list(client.responses.send(model=f"fake/{name}", input="Hello", stream=True))
        assert "UNKNOWN" not in {event.type for event in sent}
        assert sent[-1].response.usage.cost == whole.usage.cost
        assert sent[-1].type == f"response.{whole.status}"
    assert (whole.error_type, whole.status) == ("provider_unavailable", "failed")


def test_generations(client: Any) -> None:
    """The record of a call passes the SDK's checks, which are strict."""
    reply = client.chat.send(model="openai/gpt-4o", messages=MESSAGES)
    data = client.generations.get_generation(id=reply.id).data
    assert (data.total_cost, data.api_type) == (reply.usage.cost, "completions")
