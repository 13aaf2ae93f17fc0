"""FakeOpenRouter's POST /messages, the Anthropic skin: on the wire, and through the real anthropic SDK."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import KEY, MESSAGES, events, eventually, fetch, reusable, server, shared_server

from or_audit_logging.testing.openrouter import FakeOpenRouter

__all__ = ["server", "shared_server"]

ERRORS = {
    "e400": (400, "invalid_request_error", "context_length_exceeded"),
    "e401": (401, "authentication_error", "authentication"),
    "e403": (403, "invalid_request_error", "content_policy_violation"),
    "e403guardrail": (403, "permission_error", "permission_denied"),
    "e404": (404, "api_error", "not_found"),
    "e429": (429, "rate_limit_error", "rate_limit_exceeded"),
    "e500": (500, "api_error", "server"),
    "e529": (529, "overloaded_error", "provider_overloaded"),
}


@pytest.fixture(scope="module")
def sdk() -> Any:
    """Return the module anthropic."""
    return pytest.importorskip("anthropic")


@pytest.fixture(scope="module")
def shared_client(sdk: Any) -> Iterator[Any]:
    """Return one SDK client for all tests."""
    with reusable(sdk.Anthropic) as made:
        yield made


@pytest.fixture
def client(shared_client: Any, server: FakeOpenRouter) -> Any:
    """Return an SDK client of the server that does not retry."""
    return shared_client.with_options(base_url=server.base_url.removesuffix("/v1"))


def raw_message(server: FakeOpenRouter, model: str, **more: Any) -> Any:
    """Return the body of one message, or the events of its stream."""
    body = {"model": model, "max_tokens": 99, "messages": MESSAGES, **more}
    raw = fetch(server, "/messages", body)[2]
    return events(raw) if more.get("stream") else json.loads(raw)


def create(client: Any, model: str, **more: Any) -> Any:
    """Return what the SDK makes of a call."""
    return client.messages.create(**{"model": model, "max_tokens": 99, "messages": MESSAGES, **more})


# On the wire.


def test_a_message_has_cost_and_provider(server: FakeOpenRouter) -> None:
    """Usage has Anthropic's tokens and tier, and OpenRouter's cost, is_byok and cost_details."""
    body = raw_message(server, "anthropic/claude-haiku-4.5", system="Be brief.")
    usage = body["usage"]
    assert (body["type"], body["role"], body["provider"]) == ("message", "assistant", "Anthropic")
    assert (body["stop_reason"], body["content"][0]["type"]) == ("end_turn", "text")
    assert usage["cost"] == usage["cost_details"]["upstream_inference_cost"] > 0
    assert (usage["service_tier"], usage["is_byok"]) == ("standard", False)
    assert usage["input_tokens"] > raw_message(server, "anthropic/claude-haiku-4.5")["usage"]["input_tokens"]


def test_tokens_from_the_prompt_cache_are_no_input_tokens(server: FakeOpenRouter) -> None:
    """Cached tokens stand beside the input tokens, not among them."""
    long = [{"role": "user", "content": "word " * 2000}]
    usage = raw_message(server, "anthropic/claude-haiku-4.5", messages=long)["usage"]
    chat = json.loads(fetch(server, "/chat/completions", {"model": "a/b", "messages": long})[2])["usage"]
    assert usage["cache_read_input_tokens"] == chat["prompt_tokens_details"]["cached_tokens"] > 0
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == chat["prompt_tokens"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ok", "end_turn"), ("length", "max_tokens"), ("filter", "refusal"), ("tool", "tool_use")],
)
def test_stop_reasons(server: FakeOpenRouter, name: str, reason: str) -> None:
    """Each kind of end has Anthropic's word for it, streamed or not."""
    assert raw_message(server, f"fake/{name}")["stop_reason"] == reason
    *_, delta, stop = raw_message(server, f"fake/{name}", stream=True)
    assert (delta["delta"]["stop_reason"], stop) == (reason, {"type": "message_stop"})


def test_the_wire_of_a_message_stream(server: FakeOpenRouter) -> None:
    """Events are named as their type; the bill comes in message_delta, message_start has none."""
    body = {"model": "a/b", "max_tokens": 9, "messages": MESSAGES, "stream": True}
    raw = fetch(server, "/messages", body)[2]
    sent = events(raw)
    names = [line[7:] for line in raw.decode().splitlines() if line.startswith("event: ")]
    assert raw.startswith(b": OPENROUTER PROCESSING\n\n")
    assert names == [event["type"] for event in sent]
    assert [names[n] for n in (0, 1, 2, -3, -2, -1)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "cost" not in sent[0]["message"]["usage"]
    assert sent[0]["message"]["id"] == server.requests[0].generation_id
    assert sent[-2]["usage"] == raw_message(server, "a/b")["usage"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "expected"), ERRORS.items())
def test_error_bodies(
    server: FakeOpenRouter, name: str, expected: tuple[int, str, str], stream: bool
) -> None:
    """The envelope is Anthropic's; error_type keeps what its type loses."""
    body = {"model": f"fake/{name}", "messages": MESSAGES, "stream": stream}
    status, headers, raw = fetch(server, "/messages", body)
    error = json.loads(raw)
    assert (status, error["error"]["type"], error["error"]["error_type"]) == expected
    assert (error["type"], error["request_id"]) == ("error", headers["X-Generation-Id"])
    assert "code" not in error["error"]


def test_errors_before_the_router_have_no_request_id(server: FakeOpenRouter) -> None:
    """Without a key, or without a model, the envelope is the same."""
    status, headers, raw = fetch(server, "/messages", {"model": "a/b"}, Authorization="")
    assert (status, headers["X-Generation-Id"]) == (401, None)
    assert json.loads(raw)["request_id"] is None
    assert json.loads(raw)["error"]["type"] == "authentication_error"
    assert json.loads(fetch(server, "/messages", {})[2])["error"]["error_type"] == "invalid_request"


def test_router_metadata_comes_with_the_last_event(server: FakeOpenRouter) -> None:
    """The opt-in header adds openrouter_metadata to the message, and to message_stop."""
    body = {"model": "fake/fallback", "messages": MESSAGES}
    asked = {"X-OpenRouter-Metadata": "enabled"}
    whole = json.loads(fetch(server, "/messages", body, **asked)[2])
    first, *_, last = events(fetch(server, "/messages", {**body, "stream": True}, **asked)[2])
    assert whole["openrouter_metadata"]["attempt"] == last["openrouter_metadata"]["attempt"] == 2
    assert "openrouter_metadata" not in first["message"]


# Through the SDK.


@pytest.mark.parametrize("credential", ["api_key", "auth_token"])
def test_the_sdk_sees_the_cost(
    sdk: Any, server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch, credential: str
) -> None:
    """Cost survives as an extra field, and the key is recorded by whichever header it came."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    base_url = server.base_url.removesuffix("/v1")
    with sdk.Anthropic(base_url=base_url, max_retries=0, **{credential: KEY}) as client:
        reply = create(client, "anthropic/claude-haiku-4.5")
    assert reply.usage.model_extra["cost"] > 0
    assert reply.content[0].text
    assert (server.requests[0].path, server.requests[0].key) == ("/api/v1/messages", KEY)


def test_the_sdk_reads_streams(client: Any) -> None:
    """Raw events have text and cost, the helper puts tools together."""
    sent = list(create(client, "openai/gpt-4o", stream=True))
    text = "".join(event.delta.text for event in sent if event.type == "content_block_delta")
    assert text == create(client, "openai/gpt-4o").content[0].text
    assert sent[-2].usage.model_extra["cost"] > 0
    tools = [{"name": "get_weather", "input_schema": {"type": "object"}}]
    asked = {"model": "fake/tool", "max_tokens": 9, "messages": MESSAGES, "tools": tools}
    with client.messages.stream(**asked) as stream:
        block = stream.get_final_message().content[0]
    assert (block.type, block.name, block.input["limit"]) == ("tool_use", "get_weather", 3)


def test_the_sdk_reads_thoughts(client: Any) -> None:
    """Reasoning is a thinking block with a signature, before the text."""
    whole = create(client, "fake/reasoning")
    with client.messages.stream(model="fake/reasoning", max_tokens=9, messages=MESSAGES) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [(b.thinking, b.signature) for b in (whole.content[0], streamed.content[0])] == [
        (whole.content[0].thinking, whole.content[0].signature)
    ] * 2


@pytest.mark.parametrize("name", ["midstream", "midstr", "midusage", "midempty", "choiceerr"])
def test_errors_in_message_streams(sdk: Any, client: Any, name: str) -> None:
    """After some text the SDK raises for the event `error`, whose body it keeps."""
    sent: list[Any] = []
    with pytest.raises(sdk.APIStatusError) as caught:
        sent.extend(create(client, f"fake/{name}", stream=True))
    assert caught.value.body["error"]["error_type"] in ("provider_unavailable", "unmapped")
    assert "content_block_delta" in {event.type for event in sent}
    assert any(event.type == "message_delta" for event in sent) is (name in ("midusage", "choiceerr"))


def test_message_streams_can_break(client: Any) -> None:
    """A truncated stream ends without message_stop, and nobody says a word."""
    sent = list(create(client, "fake/eof", stream=True))
    assert sent[-1].type == "content_block_delta"


def test_the_sdk_raises_by_status(sdk: Any, client: Any, server: FakeOpenRouter) -> None:
    """An error of each class reaches the caller, and the SDK's own retry gets through."""
    with pytest.raises(sdk.RateLimitError):
        create(client, "fake/e429")
    with pytest.raises(sdk.APITimeoutError):
        create(client, "fake/timeout", timeout=0.1)
    eventually(lambda: len(server.requests) == 2)
    assert create(client.with_options(max_retries=1), "fake/retry1").stop_reason == "end_turn"
    assert len({request.generation_id for request in server.requests}) == 4
