"""FakeOpenRouter, seen through the real openai SDK and through the standard library's HTTP client."""

import doctest
import gzip
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakes import (
    FINISH_REASONS,
    KEY,
    MESSAGES,
    STATUS_ERRORS,
    client,
    connect,
    events,
    eventually,
    fetch,
    generation,
    sdk,
    shared_client,
)

from or_audit_logging.testing.openrouter import FakeOpenRouter, replies
from or_audit_logging.testing.openrouter import server as server_module
from or_audit_logging.testing.openrouter.endpoints import ENDPOINTS
from or_audit_logging.testing.openrouter.scenarios import SCENARIOS, scenario_table

__all__ = ["client", "sdk", "shared_client"]

OTHER_KEY = "sk-or-v1-fake-bob"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("get_weather", "get_time", "get_news")
]

CONNECTION_ERRORS = {"timeout": "APITimeoutError", "drop": "APIConnectionError"}
DECODE_ERRORS = {"notjson", "blank"}
NO_CHOICES = {"nullchoices", "e200body"}
STREAM_ERRORS = {"midstream": 502, "midstr": "server_error", "midusage": 400, "midempty": 502}
BROKEN_STREAMS = {  # openai 3 wraps what openai 1 and 2 let through from httpx
    "reset": ("APIConnectionError", "ReadError"),
    "stall": ("APITimeoutError", "ReadTimeout"),
}


@pytest.fixture
def server() -> Iterator[FakeOpenRouter]:
    """Return a running server with short pauses."""
    with FakeOpenRouter(slow_seconds=0.002, stall_seconds=0.05) as running:
        yield running


def ask(client: Any, model: str, **more: Any) -> Any:
    """Return what the SDK makes of a call."""
    return client.chat.completions.create(**{"model": model, "messages": MESSAGES, **more})


def chat(server: FakeOpenRouter, model: str, **more: Any) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return status, headers and body of one chat completion."""
    return fetch(server, "/chat/completions", {"model": model, "messages": MESSAGES, **more})


def said(chunks: list[Any]) -> str:
    """Return the text of the SDK's chunks."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# The table.


def test_the_docstring_shows_the_table() -> None:
    """The documentation of FakeOpenRouter holds every scenario of the code, line by line, and no other."""
    paragraphs = (server_module.__doc__ or "").split("\n\n")
    documented = next(p for p in paragraphs if p.lstrip().startswith("ok "))
    assert [line[4:] for line in documented.splitlines()] == scenario_table().splitlines()


def test_the_docstring_names_the_endpoints() -> None:
    """The documentation of FakeOpenRouter holds every endpoint, and no other."""
    documented = re.findall(r"^    (GET|POST) (/\S+)", server_module.__doc__ or "", re.MULTILINE)
    assert [(method, f"/api/v1{path}") for method, path in documented] == list(ENDPOINTS)


def test_every_scenario_is_tested() -> None:
    """Each row of the table stands in one of the expectations of this file."""
    tested = {
        *STATUS_ERRORS,
        *CONNECTION_ERRORS,
        *DECODE_ERRORS,
        *FINISH_REASONS,
        *NO_CHOICES,
        *STREAM_ERRORS,
        *BROKEN_STREAMS,
    }
    assert tested | {"eof"} == set(SCENARIOS)


def test_doc_examples_hold() -> None:
    """The examples in the docstrings give what they say."""
    assert doctest.testmod(replies).failed == 0


# Replies that are not streamed.


def test_an_ordinary_reply_has_cost_and_provider(client: Any) -> None:
    """The SDK sees usage with cost, the provider, and the dated model that served."""
    reply = ask(client, "openai/gpt-4o-mini")
    assert reply.model == "openai/gpt-4o-mini-2024-07-18"
    assert reply.provider == "OpenAI"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.cost == reply.usage.cost_details["upstream_inference_cost"] > 0
    assert reply.usage.is_byok is False
    assert reply.choices[0].native_finish_reason == "completed"


def test_the_headers_name_generation_and_provider(client: Any) -> None:
    """X-Generation-Id equals the body's id, which looks like `gen-<unix>-<20 characters>`."""
    raw = client.chat.completions.with_raw_response.create(model="openai/gpt-4o", messages=MESSAGES)
    assert raw.headers["x-generation-id"] == raw.parse().id
    assert [len(part) for part in raw.parse().id.split("-")] == [3, 10, 20]
    assert raw.headers["x-provider-name"] == "OpenAI"
    assert raw.headers["cf-ray"]


def test_replies_are_deterministic(client: Any) -> None:
    """Another server gives the same request the same text, tokens and cost, under another id."""
    with FakeOpenRouter() as other:
        other_client = client.with_options(base_url=other.base_url, api_key=OTHER_KEY)
        one, two = ask(client, "openai/gpt-4o-mini"), ask(other_client, "openai/gpt-4o-mini")
    assert (one.choices, one.usage, one.model) == (two.choices, two.usage, two.model)
    assert one.id != two.id


def test_replies_vary_with_model_and_messages(client: Any) -> None:
    """Different questions and models have different costs, so that a demo looks real."""
    models = ("openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-opus-4", "google/gemini-2.5-flash")
    questions = [[{"role": "user", "content": f"Question number {n}"}] for n in range(5)]
    costs = [{ask(client, model, messages=question).usage.cost for question in questions} for model in models]
    assert all(len(per_model) > 1 for per_model in costs)
    assert len(set.union(*costs)) == sum(len(per_model) for per_model in costs)


def test_cost_is_written_with_all_its_digits(server: FakeOpenRouter) -> None:
    """The wire's digits are exact: prompt and completion cost add up as decimals."""
    usage = json.loads(chat(server, "openai/gpt-4o-mini")[2], parse_float=Decimal)["usage"]
    parts = usage["cost_details"]
    total = parts["upstream_inference_prompt_cost"] + parts["upstream_inference_completions_cost"]
    assert usage["cost"] == total
    assert len(usage["cost"].as_tuple().digits) > 4


@pytest.mark.parametrize(("name", "finish"), FINISH_REASONS.items())
def test_finish_reasons(client: Any, name: str, finish: str) -> None:
    """Each scenario that is a reply ends, streamed or not, with the finish reason of its kind."""
    assert ask(client, f"fake/{name}").choices[0].finish_reason == finish
    chunks = list(ask(client, f"fake/{name}", stream=True))
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert [reason for reason in reasons if reason][-1] == finish


def test_tool_calls_name_the_tools_on_offer(client: Any) -> None:
    """A reply that calls tools has no content and calls the first two that were offered."""
    choice = ask(client, "fake/tool", tools=TOOLS).choices[0]
    assert choice.message.content is None
    assert [call.function.name for call in choice.message.tool_calls] == ["get_weather", "get_time"]
    assert json.loads(choice.message.tool_calls[0].function.arguments)["limit"]


def test_tool_call_fragments_join(client: Any) -> None:
    """Streamed, each call has its name once and its arguments in fragments that join to JSON."""
    arguments: dict[int, str] = {}
    names = []
    for chunk in ask(client, "fake/tool", tools=TOOLS, stream=True):
        for part in chunk.choices[0].delta.tool_calls or ():
            arguments[part.index] = arguments.get(part.index, "") + part.function.arguments
            names += [part.function.name] if part.function.name else []
    assert names == ["get_weather", "get_time"]
    assert all(json.loads(text) for text in arguments.values())


def test_fallback_names_the_model_that_served(client: Any, server: FakeOpenRouter) -> None:
    """Another model and provider answer; the generation keeps the trail."""
    reply = ask(
        client, "openai/fallback", extra_body={"models": ["openai/fallback", "anthropic/claude-haiku-4.5"]}
    )
    assert (reply.model, reply.provider) == ("anthropic/claude-haiku-4.5-20251001", "Anthropic")
    trail = generation(server, reply.id)["provider_responses"]
    assert [(step["provider_name"], step["status"]) for step in trail] == [
        ("OpenAI", 503),
        ("Anthropic", 200),
    ]


def test_byok_costs_nothing_here_but_something_upstream(client: Any, server: FakeOpenRouter) -> None:
    """With the caller's own provider key the bill is 0 and the upstream cost stands beside it."""
    reply = ask(client, "fake/byok")
    assert reply.usage.is_byok is True
    assert reply.usage.cost == 0
    assert reply.usage.cost_details["upstream_inference_cost"] > 0
    data = generation(server, reply.id)
    assert data["total_cost"] == 0
    assert data["upstream_inference_cost"] == reply.usage.cost_details["upstream_inference_cost"]


@pytest.mark.parametrize("model", ["fake/free", "google/gemma-3-27b:free"])
def test_free_is_the_integer_zero(server: FakeOpenRouter, model: str) -> None:
    """A free reply says `"cost":0`, not 0.0, and still counts its tokens."""
    body = chat(server, model)[2]
    assert b'"cost":0,' in body
    assert json.loads(body)["usage"]["completion_tokens"] > 0


def test_a_cache_hit_has_no_tokens(server: FakeOpenRouter) -> None:
    """A hit has its own id, empty usage, cache headers, and names its source."""
    _, headers, raw = chat(server, "fake/hit")
    body = json.loads(raw)
    assert headers["X-OpenRouter-Cache-Status"] == "HIT"
    assert (body["usage"]["total_tokens"], body["usage"]["cost"]) == (0, 0)
    source = generation(server, body["id"])["response_cache_source_id"]
    assert source == headers["X-OpenRouter-Cache-Source-Id"] != body["id"]


def test_missing_usage_is_known_to_the_generation(client: Any, server: FakeOpenRouter) -> None:
    """Without usage in the reply, streamed or not, the cost can be had later."""
    reply = ask(client, "fake/nousage")
    assert reply.usage is None
    assert generation(server, reply.id)["total_cost"] > 0
    assert all(chunk.usage is None for chunk in ask(client, "fake/nousage", stream=True))


def test_reasoning_is_counted(client: Any) -> None:
    """Reasoning stands in the message and among the completion tokens, streamed or not."""
    reply = ask(client, "fake/reasoning")
    *_, last = ask(client, "fake/reasoning", stream=True)
    assert reply.choices[0].message.reasoning
    assert 0 < reply.usage.completion_tokens_details.reasoning_tokens < reply.usage.completion_tokens
    assert last.usage == reply.usage


def test_long_prompts_are_cached_at_half_price(client: Any) -> None:
    """Tokens from the provider's prompt cache are counted and cost less."""
    long = ask(client, "openai/gpt-4o", messages=[{"role": "user", "content": "word " * 2000}]).usage
    short = ask(client, "openai/gpt-4o").usage
    assert long.prompt_tokens_details.cached_tokens > short.prompt_tokens_details.cached_tokens == 0
    prices = [u.cost_details["upstream_inference_prompt_cost"] / u.prompt_tokens for u in (long, short)]
    assert prices[0] < prices[1]


def test_n_gives_n_choices(client: Any) -> None:
    """Several choices are numbered, differ, and are streamed side by side."""
    whole = ask(client, "openai/gpt-4o", n=3)
    texts = [choice.message.content for choice in whole.choices]
    streamed = {0: "", 1: "", 2: ""}
    for chunk in ask(client, "openai/gpt-4o", n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert list(streamed.values()) == texts
    assert len(set(texts)) > 1


def test_content_can_be_chosen(client: Any) -> None:
    """`reply=` replaces the invented text; `echo` says what it was told."""
    with FakeOpenRouter(reply="x@example.com") as server:
        scripted = client.with_options(base_url=server.base_url)
        assert ask(scripted, "openai/gpt-4o").choices[0].message.content == "x@example.com"
        assert ask(scripted, "fake/echo").choices[0].message.content == MESSAGES[0]["content"]


def test_text_is_utf8_on_the_wire(server: FakeOpenRouter) -> None:
    """Text is UTF-8 although the content type names no charset; a lone surrogate is sent as its escape."""
    question = [{"role": "user", "content": [{"type": "text", "text": "Zürich ✓ \ud800"}]}]
    for stream in (False, True):
        _, headers, raw = chat(server, "fake/echo", messages=question, stream=stream)
        assert "Zürich".encode() in raw
        assert b"\\ud800" in raw
        assert "charset" not in headers["Content-Type"]


def test_router_metadata_on_request(client: Any) -> None:
    """The opt-in header adds openrouter_metadata to replies, last chunks and errors; not to 500s or hits."""
    asked = {"extra_headers": {"X-OpenRouter-Metadata": "enabled"}}
    assert ask(client, "fake/fallback", **asked).openrouter_metadata["attempt"] == 2
    *_, last = ask(client, "openai/gpt-4o", stream=True, **asked)
    assert last.openrouter_metadata["strategy"] == "direct"
    for name, there in {"e503": True, "e500": False}.items():
        with pytest.raises(Exception, match="Error code") as caught:
            ask(client, f"fake/{name}", **asked)
        error: Any = caught.value
        assert ("openrouter_metadata" in error.response.json()) is there
    assert not hasattr(ask(client, "fake/hit", **asked), "openrouter_metadata")
    assert not hasattr(ask(client, "openai/gpt-4o"), "openrouter_metadata")


# Errors.


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "expected"), STATUS_ERRORS.items())
def test_status_errors(sdk: Any, client: Any, name: str, expected: tuple[str, int], stream: bool) -> None:
    """The SDK raises exactly the class that belongs to the status, streamed or not."""
    with pytest.raises(sdk.APIStatusError) as caught:
        ask(client, f"fake/{name}", stream=stream)
    assert (type(caught.value).__name__, caught.value.status_code) == expected
    assert (caught.value.response.headers.get("x-generation-id") is None) is (name == "html502")


def test_error_bodies_have_their_metadata(server: FakeOpenRouter) -> None:
    """The metadata of each kind of error stands where OpenRouter puts it."""
    bodies = {
        name: json.loads(chat(server, f"fake/{name}")[2]) for name in STATUS_ERRORS if name != "html502"
    }
    errors = {name: body["error"] for name, body in bodies.items()}
    assert all(body["user_id"].startswith("user_") for body in bodies.values())
    assert errors["e403"]["metadata"]["flagged_input"] == MESSAGES[0]["content"]
    assert errors["e403"]["metadata"]["model_slug"] == "fake/e403"
    assert errors["e403guardrail"]["metadata"]["patterns"]
    assert errors["e502"]["metadata"]["raw"]
    assert errors["e529"]["metadata"]["error_type"] == "provider_overloaded"
    assert errors["e404"] == {"message": "No endpoints found for fake/e404.", "code": 404}
    assert "code" not in errors["e400nocode"]


def test_flagged_input_is_cut(server: FakeOpenRouter) -> None:
    """Moderation repeats no more than 100 characters of the prompt."""
    raw = chat(server, "fake/e403", messages=[{"role": "user", "content": "a" * 300}])[2]
    assert json.loads(raw)["error"]["metadata"]["flagged_input"] == "a" * 100


def test_rate_limits_say_when_to_come_back(server: FakeOpenRouter) -> None:
    """429 and 503 have Retry-After, 429 also X-RateLimit-*; successes have none of it."""
    limited, unavailable, fine = (chat(server, model)[1] for model in ("fake/e429", "fake/e503", "fake/ok"))
    assert limited["Retry-After"] == unavailable["Retry-After"] == "1"
    assert limited["X-RateLimit-Remaining"] == "0"
    assert fine["Retry-After"] is fine["X-RateLimit-Limit"] is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "kind"), CONNECTION_ERRORS.items())
def test_connection_errors(sdk: Any, client: Any, name: str, kind: str, stream: bool) -> None:
    """Silence and a dropped connection reach the caller as the SDK's own errors."""
    with pytest.raises(sdk.APIConnectionError) as caught:
        ask(client, f"fake/{name}", stream=stream, timeout=0.1 if name == "timeout" else 30)
    assert type(caught.value).__name__ == kind


@pytest.mark.parametrize("name", sorted(DECODE_ERRORS))
def test_bodies_that_are_not_json(client: Any, name: str) -> None:
    """A 200 without JSON raises a bare JSONDecodeError, and a stream of it has no chunks."""
    with pytest.raises(json.JSONDecodeError):
        ask(client, f"fake/{name}")
    assert list(ask(client, f"fake/{name}", stream=True)) == []


@pytest.mark.parametrize("name", sorted(NO_CHOICES))
def test_success_without_choices(client: Any, name: str) -> None:
    """A 200 with an error body or without choices raises nothing."""
    reply = ask(client, f"fake/{name}")
    assert reply.choices is None
    assert (reply.usage is None) is (name == "e200body")
    assert hasattr(reply, "error") is (name == "e200body")


def test_an_error_inside_a_choice(client: Any) -> None:
    """The choice carries the error as a dict, streamed or not."""
    assert ask(client, "fake/choiceerr").choices[0].error["code"] == http.client.BAD_GATEWAY
    errors = [chunk.choices[0] for chunk in ask(client, "fake/choiceerr", stream=True)]
    assert errors[-1].error["code"] == http.client.BAD_GATEWAY


@pytest.mark.parametrize("failures", [1, 2])
def test_retries_have_a_generation_id_each(
    sdk: Any, client: Any, server: FakeOpenRouter, failures: int
) -> None:
    """The SDK's own retries get through after n failures; each attempt is recorded under its own id."""
    reply = ask(client.with_options(max_retries=2), f"fake/retry{failures}")
    counts = [request.headers["x-stainless-retry-count"] for request in server.requests]
    ids = [request.generation_id for request in server.requests]
    assert counts == ["0", "1", "2"][: failures + 1]
    assert len(set(ids)) == failures + 1
    assert ids[-1] == reply.id


def test_a_body_without_a_model_is_refused(server: FakeOpenRouter) -> None:
    """What is not a chat request gets a 400, and is recorded as it came."""
    bodies: list[Any] = [b"not json \xff", b"[1]", {"messages": []}]
    for body in bodies:
        assert fetch(server, "/chat/completions", body)[0] == http.client.BAD_REQUEST
    assert [request.body for request in server.requests] == [b"not json \xff", [1], {"messages": []}]


# Streams.


def test_the_wire_of_a_stream(server: FakeOpenRouter) -> None:
    """Comments, chunks that repeat the role, the finish, the usage with choices, [DONE]; chunked."""
    _, headers, raw = chat(server, "openai/gpt-4o", stream=True)
    assert headers["Transfer-Encoding"] == "chunked"
    assert headers["Content-Type"] == "text/event-stream"
    assert raw.startswith(b": OPENROUTER PROCESSING\n\n")
    assert raw.endswith(b"data: [DONE]\n\n")
    chunks = events(raw)
    assert {chunk["id"] for chunk in chunks} == {headers["X-Generation-Id"]}
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in chunks)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-3:]] == [None, "stop", "stop"]
    assert ["usage" in chunk for chunk in chunks[-3:]] == [False, False, True]


def test_a_stream_says_and_costs_the_same(client: Any) -> None:
    """Streamed or not, a reply has the same text and usage."""
    whole, chunks = ask(client, "openai/gpt-4o"), list(ask(client, "openai/gpt-4o", stream=True))
    assert said(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


def test_usage_can_come_without_choices(client: Any) -> None:
    """`usageempty` writes the last chunk as the documentation has it."""
    *_, last = ask(client, "fake/usageempty", stream=True)
    assert last.choices == []
    assert last.usage.cost > 0


def test_gzip_streams_are_compressed(client: Any, server: FakeOpenRouter) -> None:
    """The wire has gzip, the SDK's user plain text."""
    _, headers, raw = chat(server, "fake/gzip", stream=True)
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw).endswith(b"data: [DONE]\n\n")
    assert (
        said(list(ask(client, "fake/gzip", stream=True))) == ask(client, "fake/ok").choices[0].message.content
    )


def test_eof_ends_without_a_word(client: Any, server: FakeOpenRouter) -> None:
    """A truncated stream ends the loop normally: no finish reason, no usage, half the text."""
    with ask(client, "fake/eof", stream=True) as stream:
        chunks = list(stream)
    assert all(chunk.choices[0].finish_reason is None and chunk.usage is None for chunk in chunks)
    assert 0 < len(said(chunks)) < len(ask(client, "fake/ok").choices[0].message.content)
    data = generation(server, chunks[0].id)
    assert (data["cancelled"], data["finish_reason"]) == (False, None)
    assert data["native_tokens_completion"] == len(chunks)


@pytest.mark.parametrize(("name", "code"), STREAM_ERRORS.items())
def test_errors_in_streams(sdk: Any, client: Any, name: str, code: int | str) -> None:
    """After some text the SDK raises a plain APIError, which has the body but no status."""
    chunks: list[Any] = []
    with pytest.raises(sdk.APIError) as caught:
        chunks.extend(ask(client, f"fake/{name}", stream=True))
    assert type(caught.value) is sdk.APIError
    assert caught.value.body["code"] == code
    assert not hasattr(caught.value, "status_code")
    assert said(chunks)


@pytest.mark.parametrize(("name", "kinds"), BROKEN_STREAMS.items())
def test_broken_streams(sdk: Any, client: Any, name: str, kinds: tuple[str, str]) -> None:
    """A reset reaches the caller as connection error, silence as timeout, both after some text."""
    chunks: list[Any] = []
    with FakeOpenRouter() as patient:
        hasty = client.with_options(base_url=patient.base_url, timeout=1 if name == "stall" else 30)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its type differs by version
            chunks.extend(ask(hasty, f"fake/{name}", stream=True))
    assert type(caught.value).__name__ == kinds[int(sdk.VERSION.partition(".")[0]) < 3]
    assert said(chunks)


def test_the_shapes_of_errors_in_streams(server: FakeOpenRouter) -> None:
    """The four shapes differ in finish reason, usage, choices and [DONE]."""
    raw = {name: chat(server, f"fake/{name}", stream=True)[2] for name in STREAM_ERRORS}
    last = {name: events(text)[-1] for name, text in raw.items()}
    assert last["midstream"]["choices"][0]["finish_reason"] == "error"
    assert last["midstr"]["error"]["code"] == "server_error"
    assert last["midusage"]["choices"][0]["finish_reason"] is None
    assert last["midusage"]["usage"]["cost"] > 0
    assert last["midempty"]["choices"] == []
    assert [name for name, text in raw.items() if b"[DONE]" in text] == ["midusage"]


# GET /generation and GET /key.


def test_generation_repeats_what_the_reply_said(client: Any, server: FakeOpenRouter) -> None:
    """The generation has the reply's cost, tokens, model and provider, and the caller's own fields."""
    reply = ask(
        client,
        "openai/gpt-4o-mini",
        user="u-42",
        extra_body={"session_id": "s-1"},
        extra_headers={"HTTP-Referer": "https://app.example"},
    )
    data = generation(server, reply.id)
    assert data["id"] == reply.id
    assert data["total_cost"] == data["usage"] == reply.usage.cost
    assert (data["native_tokens_prompt"], data["native_tokens_completion"]) == (
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
    )
    assert (data["model"], data["provider_name"]) == (reply.model, reply.provider)
    assert (data["external_user"], data["session_id"]) == ("u-42", "s-1")
    assert data["origin"] == "https://app.example"
    assert (data["streamed"], data["cancelled"], data["finish_reason"]) == (False, False, "stop")


def test_generation_has_all_fields(client: Any, server: FakeOpenRouter) -> None:
    """The data object has the documented 45 fields, and those that may not be null are not."""
    data = generation(server, ask(client, "openai/gpt-4o-mini").id)
    required = ("created_at", "id", "is_byok", "model", "origin", "total_cost", "usage", "data_region")
    assert len(data) == 45
    assert all(data[name] is not None for name in required)


def test_generation_is_late(client: Any) -> None:
    """A generation answers 404 until the delay has passed, then 200."""
    with FakeOpenRouter(generation_delay=0.2) as server:
        reply = ask(client.with_options(base_url=server.base_url), "openai/gpt-4o")
        status, headers, raw = fetch(server, f"/generation?id={reply.id}")
        assert (status, headers["X-Generation-Id"]) == (404, None)
        assert json.loads(raw)["error"]["code"] == http.client.NOT_FOUND
        assert generation(server, reply.id)["id"] == reply.id


def test_generation_is_there_when_the_reply_is(server: FakeOpenRouter) -> None:
    """Without a delay the generation is known before the client can ask for it, streamed or not."""
    for number in range(40):
        _, headers, _ = chat(server, "openai/gpt-4o", stream=number % 2 == 0)
        assert fetch(server, f"/generation?id={headers['X-Generation-Id']}")[0] == http.client.OK


@pytest.mark.parametrize("name", ["e500", "e429", "html502", "e200body"])
def test_failed_calls_have_no_generation(server: FakeOpenRouter, name: str) -> None:
    """What no model answered is not found, like an unknown id."""
    chat(server, f"fake/{name}")
    assert fetch(server, f"/generation?id={server.requests[0].generation_id}")[0] == http.client.NOT_FOUND
    assert fetch(server, "/generation?id=gen-0-unknown")[0] == http.client.NOT_FOUND


def test_generation_asks_for_the_right_key(client: Any, server: FakeOpenRouter) -> None:
    """No key gets a 401, another's key a 403."""
    path = f"/generation?id={ask(client, 'openai/gpt-4o').id}"
    assert fetch(server, path, Authorization="")[0] == http.client.UNAUTHORIZED
    assert fetch(server, path, Authorization=f"Bearer {OTHER_KEY}")[0] == http.client.FORBIDDEN
    assert fetch(server, path)[0] == http.client.OK


@pytest.mark.parametrize("name", ["slow", "stall"])
def test_breaking_a_stream_cancels_the_generation(client: Any, server: FakeOpenRouter, name: str) -> None:
    """A client that leaves early is billed for what it got, and the generation says so."""
    full = ask(client, f"fake/{name}").usage
    with FakeOpenRouter(slow_seconds=0.01) as slower:
        broken = client.with_options(base_url=slower.base_url)
        with ask(broken, f"fake/{name}", stream=True) as stream:
            generation_id = next(iter(stream)).id
        data = generation(slower, generation_id)
    assert data["cancelled"] is True
    assert data["finish_reason"] is None
    assert 0 < data["native_tokens_completion"] < full.completion_tokens
    assert 0 < data["total_cost"] < full.cost


def test_a_timeout_is_billed_in_full(sdk: Any, client: Any, server: FakeOpenRouter) -> None:
    """A call that was not streamed is paid for even if nobody waited for it; only the server knows its id."""
    with pytest.raises(sdk.APITimeoutError):
        ask(client, "fake/timeout", timeout=0.1)
    eventually(lambda: len(server.requests) == 1)
    data = generation(server, server.requests[0].generation_id)
    assert data["cancelled"] is False
    assert data["total_cost"] > 0


def test_key_adds_up_what_was_spent(client: Any, server: FakeOpenRouter) -> None:
    """GET /key sums this key's generations, own provider keys apart, and no other key's."""
    replies = [ask(client, model) for model in ("openai/gpt-4o", "openai/gpt-4o-mini")]
    ask(client.with_options(api_key=OTHER_KEY), "openai/gpt-4o")
    byok = ask(client, "fake/byok")
    data = json.loads(fetch(server, "/key")[2], parse_float=Decimal)["data"]
    spent = sum(Decimal(repr(reply.usage.cost)) for reply in replies)
    assert data["usage"] == data["usage_daily"] == spent
    assert data["byok_usage"] == Decimal(repr(byok.usage.cost_details["upstream_inference_cost"]))
    assert KEY not in data["label"]


# The server.


def test_requests_are_recorded_whole(client: Any, server: FakeOpenRouter) -> None:
    """Method, path, query, lower-case headers and the body with OpenRouter's own fields are kept."""
    extras = {"session_id": "s-1", "metadata": {"team": "a"}, "provider": {"order": ["Azure"]}}
    reply = ask(client, "openai/gpt-4o", user="u-42", extra_body=extras)
    generation(server, reply.id)
    first, *_, last = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/api/v1/chat/completions", {})
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body == {"model": "openai/gpt-4o", "messages": MESSAGES, "user": "u-42", **extras}
    assert first.generation_id == reply.id
    assert (last.path, last.query, last.body) == ("/api/v1/generation", {"id": reply.id}, None)
    assert last.generation_id is None


def test_recorded_requests_are_frozen(server: FakeOpenRouter) -> None:
    """A recorded request cannot be changed, and the list is the caller's own."""
    chat(server, "openai/gpt-4o")
    with pytest.raises(FrozenInstanceError):
        server.requests[0].path = "/"  # type: ignore[misc]
    server.requests.clear()
    assert len(server.requests) == 1


def test_requests_without_a_key_do_not_reach_the_router(server: FakeOpenRouter) -> None:
    """401 without X-Generation-Id for no key or another scheme; the request is recorded all the same."""
    for value in ("", "Basic abc", "Bearer "):
        status, headers, raw = fetch(
            server, "/chat/completions", {"model": "openai/gpt-4o"}, Authorization=value
        )
        assert (status, headers["X-Generation-Id"]) == (401, None)
        assert json.loads(raw)["error"]["code"] == http.client.UNAUTHORIZED
    assert [request.generation_id for request in server.requests] == [None, None, None]


def test_only_known_keys_are_let_in_where_there_are_such() -> None:
    """Another is answered 401 in OpenRouter's words; the management key is known as well."""
    with FakeOpenRouter(keys=[KEY], management_key="sk-or-v1-manager") as server:
        assert fetch(server, "/key")[0] == 200
        assert fetch(server, "/key", Authorization="Bearer sk-or-v1-manager")[0] == 200
        status, _, raw = fetch(server, "/key", Authorization="Bearer sk-or-v1-other")
    assert (status, json.loads(raw)["error"]["message"]) == (401, "User not found.")


def test_a_failure_is_ordered_for_the_next_requests(server: FakeOpenRouter) -> None:
    """To one path, as often as was said, one order after the other."""
    server.fail("/key", 429, headers={"Retry-After": "3"})
    server.fail("/key", 503, times=2)
    assert fetch(server, "/generation?id=gen-1")[0] == 404
    status, headers, raw = fetch(server, "/key")
    assert (status, headers["Retry-After"], json.loads(raw)["error"]["code"]) == (429, "3", 429)
    assert [fetch(server, "/key")[0] for _ in range(3)] == [503, 503, 200]
    server.fail("/chat/completions", 529)
    server.reset()
    assert fetch(server, "/chat/completions", {"model": "fake/ok", "messages": []})[0] == 200


def test_activity_has_the_days_that_are_over() -> None:
    """The last 30, by day and model and provider, for the management key."""
    now = [1_795_305_600.0]  # a day begins
    with FakeOpenRouter(management_key="sk-or-v1-manager", clock=lambda: now[0]) as server:
        manager = {"Authorization": "Bearer sk-or-v1-manager"}
        for model in ("openai/gpt-4o", "openai/gpt-4o", "fake/byok"):
            fetch(server, "/chat/completions", {"model": model, "messages": []})

        def rows(query: str = "") -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = json.loads(fetch(server, "/activity" + query, **manager)[2])["data"]
            return found

        assert rows() == []
        now[0] += 86_400
        assert {(row["model"], row["requests"]) for row in rows()} == {
            ("openai/gpt-4o", 2),
            ("openai/gpt-4o-mini-2024-07-18", 1),
        }
        assert {row["date"] for row in rows("?date=2026-11-22")} == {"2026-11-22 00:00:00"}
        assert rows("?date=2026-11-21") == []
        byok = next(row for row in rows() if row["usage"] == 0)
        assert byok["byok_usage_inference"] > 0
        now[0] += 30 * 86_400
        assert rows() == []
        assert fetch(server, "/activity")[0] == 403


def test_keys_can_be_left_out() -> None:
    """With require_key=False anybody is served."""
    with FakeOpenRouter(require_key=False) as server:
        body = {"model": "openai/gpt-4o", "messages": MESSAGES}
        assert fetch(server, "/chat/completions", body, Authorization="")[0] == http.client.OK


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/rerank"), ("DELETE", "/key")])
def test_unknown_paths_are_not_found(server: FakeOpenRouter, method: str, path: str) -> None:
    """What is not served answers with a JSON 404."""
    status, headers, raw = fetch(server, path, method=method)
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert json.loads(raw)["error"]["code"] == http.client.NOT_FOUND


def test_connections_are_kept_alive(server: FakeOpenRouter) -> None:
    """Answers of every kind leave the connection usable for the next request."""
    connection = connect(server)
    connection.connect()
    port = connection.sock.getsockname()
    for model, stream in [
        ("a/b", False),
        ("a/b", True),
        ("fake/e500", False),
        ("fake/blank", False),
        ("a/b", False),
    ]:
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": stream})
        connection.request("POST", "/api/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        connection.getresponse().read()
        assert connection.sock.getsockname() == port
    connection.close()


def test_close_does_not_wait_for_idle_connections(server: FakeOpenRouter) -> None:
    """An open, idle connection is ended by close()."""
    connection = connect(server)
    connection.request("GET", "/api/v1/key")
    connection.getresponse().read()
    server.close()
    assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize("body", [{"model": "fake/timeout"}, {"model": "fake/stall", "stream": True}])
def test_close_ends_requests_that_hang(body: dict[str, Any]) -> None:
    """close() returns while a request hangs, and its client sees the connection end."""
    ended: list[BaseException] = []
    server = FakeOpenRouter(stall_seconds=60).start()

    def hang() -> None:
        try:
            fetch(server, "/chat/completions", body)
        except (OSError, http.client.HTTPException) as error:
            ended.append(error)

    waiting = threading.Thread(target=hang)
    waiting.start()
    eventually(lambda: len(server.requests) == 1)
    server.close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert len(ended) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loopback")]


def test_close_is_idempotent() -> None:
    """A server can be closed twice, and before it was started; what it recorded stays."""
    server = FakeOpenRouter()
    server.close()
    with server:
        chat(server, "openai/gpt-4o")
        server.close()
    assert len(server.requests) == 1
    with pytest.raises(RuntimeError, match="start"):
        _ = server.base_url


def test_a_client_that_leaves_in_mid_request_harms_nobody(
    server: FakeOpenRouter, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a request is dropped without a word, and the next one is served."""
    half = socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0))
    half.sendall(b"POST /api/v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    half.close()
    assert chat(server, "openai/gpt-4o")[0] == http.client.OK
    server.close()
    assert len(server.requests) == 1
    assert capfd.readouterr().err == ""


def post_raw(server: FakeOpenRouter, framing: bytes, body: bytes) -> bytes:
    """Return what the server says to a chat request with *framing* among its headers, until it closes."""
    head = b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0), 5) as raw:
        raw.sendall(head + framing + b"\r\n\r\n" + body)
        raw.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: raw.recv(65_536), b""))


def test_a_request_body_may_come_in_chunks(server: FakeOpenRouter) -> None:
    """A body of unknown length is read whole, and the connection stays usable."""
    connection = connect(server)
    for _ in range(2):
        body = [b'{"model": "fake/echo", "messages": [{"role": "user", "content": ', '"Zürich"}]}'.encode()]
        connection.request("POST", "/api/v1/chat/completions", iter(body), {"X-Api-Key": KEY})
        assert json.load(connection.getresponse())["choices"][0]["message"]["content"] == "Zürich"
    connection.close()
    assert server.requests[0].headers["transfer-encoding"] == "chunked"
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Zürich"}]


def test_extensions_and_trailers_are_no_part_of_the_body(server: FakeOpenRouter) -> None:
    """Chunk extensions, upper-case sizes and trailers are read over."""
    chunks = b'B;name=value\r\n{"model": "\r\n00a\r\nfake/ok"} \r\n0\r\nTrailer: x\r\n\r\n'
    answer = post_raw(server, b"Transfer-Encoding: chunked", chunks)
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.requests[0].body == {"model": "fake/ok"}


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        (b"xyz\r\n{}\r\n0\r\n\r\n", b"HTTP/1.1 400"),
        (b"-1\r\n", b"HTTP/1.1 400"),
        (b"5\r\n{}", b""),
        (b"5", b""),
    ],
)
def test_broken_chunks_are_no_request(server: FakeOpenRouter, chunks: bytes, says: bytes) -> None:
    """Sizes that are none get a 400, half a body gets nothing, and neither is recorded."""
    answer = post_raw(server, b"Transfer-Encoding: chunked", chunks)
    assert answer[:12] == says
    assert server.requests == []


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """No scenario writes to the terminal or to a log, whatever becomes of the connection."""
    with FakeOpenRouter(slow_seconds=0.001, stall_seconds=0.01) as server:
        for name in SCENARIOS.keys() - {"timeout"}:
            try:
                chat(server, f"fake/{name}", stream=True)
            except (OSError, http.client.HTTPException):
                continue
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_eight_threads_lose_no_request(server: FakeOpenRouter) -> None:
    """Every request of eight threads is recorded once, with an id of its own that its client also saw."""

    def work(number: int) -> list[str]:
        return [
            chat(server, f"a/model-{number}", stream=turn % 2 == 0)[1]["X-Generation-Id"]
            for turn in range(10)
        ]

    with ThreadPoolExecutor(8) as pool:
        seen = [generation_id for ids in pool.map(work, range(8)) for generation_id in ids]
    recorded = [request.generation_id for request in server.requests]
    assert len(set(recorded)) == len(recorded) == len(seen)
    assert set(recorded) == set(seen)


def test_reset_forgets_everything(client: Any, server: FakeOpenRouter) -> None:
    """After reset() there are no requests, no generations and no counted attempts."""
    reply = ask(client, "openai/gpt-4o")
    assert chat(server, "fake/retry1")[0] == http.client.INTERNAL_SERVER_ERROR
    assert chat(server, "fake/retry1")[0] == http.client.OK
    server.reset()
    assert server.requests == []
    assert fetch(server, f"/generation?id={reply.id}")[0] == http.client.NOT_FOUND
    assert chat(server, "fake/retry1")[0] == http.client.INTERNAL_SERVER_ERROR
