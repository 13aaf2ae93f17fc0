"""FakeOpenRouter's other APIs: what all of them share, then /responses, /completions and /embeddings.

They are seen through the real openai SDK, and on the wire. What /chat/completions does stands in
test_fake_openrouter.py, and /messages has a file of its own.
"""

import http.client
import json
from typing import Any

import pytest
from driving import responses_of
from fakes import (
    KEY,
    STATUS_ERRORS,
    client,
    connect,
    events,
    eventually,
    fetch,
    generation,
    sdk,
    server,
    shared_client,
    shared_server,
)

from or_audit_logging.testing.openrouter import FakeOpenRouter
from or_audit_logging.testing.openrouter.scenarios import SCENARIOS

__all__ = ["client", "sdk", "server", "shared_client", "shared_server"]

PROMPT = "How do I export the totals?"
REQUESTS: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [{"role": "user", "content": PROMPT}]},
    "/completions": {"prompt": PROMPT},
    "/responses": {"input": PROMPT},
    "/messages": {"max_tokens": 99, "messages": [{"role": "user", "content": PROMPT}]},
    "/embeddings": {"input": PROMPT},
}
STREAMING = [path for path in REQUESTS if path != "/embeddings"]
CONTENT = dict(zip(REQUESTS, ("choices", "choices", "output", "content", "data"), strict=True))
TOOLS = [{"type": "function", "name": name, "parameters": {}} for name in ("get_weather", "get_time")]
CUT_OFF = {"timeout", "drop", "reset"}  # scenarios without a whole answer

every_api = pytest.mark.parametrize("path", REQUESTS)
every_stream = pytest.mark.parametrize("path", STREAMING)


def post(
    server: FakeOpenRouter, path: str, model: str, **more: Any
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return status, headers and body of the API's usual request to *model*."""
    return fetch(server, path, {"model": model, **REQUESTS[path], **more})


def body_of(server: FakeOpenRouter, path: str, model: str, **more: Any) -> dict[str, Any]:
    """Return the JSON object that the API's usual request gets."""
    body: dict[str, Any] = json.loads(post(server, path, model, **more)[2])
    return body


def bill(server: FakeOpenRouter, path: str, model: str) -> dict[str, Any]:
    """Return the last `usage` of a stream, wherever the API puts it."""
    for event in reversed(events(post(server, path, model, stream=True)[2])):
        usage: dict[str, Any] | None = event.get("usage") or event.get("response", {}).get("usage")
        if usage:
            return usage
    return {}


# Of every API.


@every_api
def test_every_scenario_has_an_answer(server: FakeOpenRouter, path: str) -> None:
    """Status and id are those of a chat, streamed or not, and what was billed can be looked up."""
    for name in SCENARIOS.keys() - CUT_OFF:
        for stream in (False, True):
            server.reset()
            status, headers, _ = post(server, path, f"fake/{name}", stream=stream)
            expected = STATUS_ERRORS.get(name, ("", http.client.OK))[1]
            seen = headers["X-Generation-Id"]
            assert (name, status) == (name, expected)
            assert seen == (None if name == "html502" else server.requests[0].generation_id)
            known = fetch(server, f"/generation?id={seen}")[0] == http.client.OK
            assert known is (status == http.client.OK and name != "e200body")


@every_api
def test_body_header_request_and_generation_agree(server: FakeOpenRouter, path: str) -> None:
    """The id, the model, the provider and the cost are the same wherever they stand."""
    _, headers, raw = post(server, path, "openai/gpt-4o-mini", user="u-1")
    body = json.loads(raw)
    data = generation(server, body["id"])
    assert body["id"] == headers["X-Generation-Id"] == server.requests[0].generation_id
    assert body["model"] == data["model"] == "openai/gpt-4o-mini-2024-07-18"
    assert headers["X-Provider-Name"] == data["provider_name"] == "OpenAI"
    assert body["usage"]["cost"] == data["total_cost"] > 0
    assert (data["api_type"], data["external_user"]) == (
        "embeddings" if path == "/embeddings" else "completions",
        "u-1",
    )
    assert data["native_tokens_prompt"] > 0


@every_api
def test_the_same_request_costs_the_same(server: FakeOpenRouter, path: str) -> None:
    """A reply follows from the request, and from all of its text."""
    one, two = (body_of(server, path, "openai/gpt-4o")["usage"] for _ in range(2))
    with FakeOpenRouter(reply="x") as scripted:
        other = body_of(scripted, path, "anthropic/claude-opus-4")["usage"]
    assert one == two != other


@every_stream
def test_streams_cost_the_same(server: FakeOpenRouter, path: str) -> None:
    """The bill of a stream is that of the reply in one piece, and its type names no charset."""
    assert bill(server, path, "openai/gpt-4o") == body_of(server, path, "openai/gpt-4o")["usage"]
    headers = post(server, path, "openai/gpt-4o", stream=True)[1]
    assert headers["Content-Type"] == "text/event-stream"


@every_api
def test_byok_free_and_hit(server: FakeOpenRouter, path: str) -> None:
    """With the caller's own key the price stands upstream; free is the integer 0; a hit has no tokens."""
    byok, hit = (body_of(server, path, f"fake/{name}")["usage"] for name in ("byok", "hit"))
    assert (byok["cost"], byok["is_byok"]) == (0, True)
    assert byok["cost_details"]["upstream_inference_cost"] > 0
    assert b'"cost":0,' in post(server, path, "fake/free")[2]
    assert [value for name, value in hit.items() if name.endswith("_tokens") and value] == []
    assert post(server, path, "fake/hit")[1]["X-OpenRouter-Cache-Status"] == "HIT"


@every_api
def test_a_missing_bill_is_known_to_the_generation(server: FakeOpenRouter, path: str) -> None:
    """Without usage in the reply, streamed or not, the cost can be had later."""
    body = body_of(server, path, "fake/nousage")
    assert "usage" not in body
    assert generation(server, body["id"])["total_cost"] > 0
    if path in STREAMING:
        assert "cost" not in bill(server, path, "fake/nousage")


@every_api
def test_content_can_be_null(server: FakeOpenRouter, path: str) -> None:
    """`nullchoices` leaves the bill and takes away what was said."""
    body = body_of(server, path, "fake/nullchoices")
    assert body[CONTENT[path]] is None
    assert body["usage"]["cost"] > 0


@every_api
def test_attempts_are_counted_per_endpoint(server: FakeOpenRouter, path: str) -> None:
    """The first attempt at each endpoint fails, whatever was tried elsewhere."""
    post(server, "/chat/completions" if path != "/chat/completions" else "/responses", "fake/retry1")
    statuses = [post(server, path, "fake/retry1")[0] for _ in range(2)]
    assert statuses == [http.client.INTERNAL_SERVER_ERROR, http.client.OK]


@every_stream
def test_breaking_a_stream_cancels_the_generation(server: FakeOpenRouter, path: str) -> None:
    """A client that leaves early is billed for what it got, and the generation says so."""
    full = body_of(server, path, "fake/slow")["usage"]["cost"]
    connection = connect(server)
    body = json.dumps({"model": "fake/slow", "stream": True, **REQUESTS[path]})
    connection.request("POST", f"/api/v1{path}", body, {"X-Api-Key": KEY})
    response = connection.getresponse()
    response.read(400)
    response.close()
    connection.close()
    data = generation(server, response.headers["X-Generation-Id"])
    assert data["cancelled"] is True
    assert 0 < data["total_cost"] < full


# POST /responses.


def respond(client: Any, model: str, **more: Any) -> Any:
    """Return what the SDK makes of a call of the Responses API."""
    return responses_of(client).create(**{"model": model, "input": PROMPT, **more})


def test_responses_have_their_own_words(client: Any) -> None:
    """Usage speaks of input and output, in tokens and in costs, and keeps cost and is_byok."""
    reply = respond(client, "openai/gpt-4o", instructions="Be brief.", metadata={"team": "a"})
    usage, parts = reply.usage, reply.usage.cost_details
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens_details.reasoning_tokens == usage.input_tokens_details.cached_tokens == 0
    assert parts["upstream_inference_cost"] == usage.cost
    assert parts["upstream_inference_input_cost"] + parts["upstream_inference_output_cost"] == pytest.approx(
        usage.cost
    )
    assert usage.is_byok is False
    assert (reply.status, reply.error, reply.service_tier) == ("completed", None, "default")
    assert (reply.instructions, reply.metadata) == ("Be brief.", {"team": "a"})
    assert reply.id.startswith("gen-")
    assert reply.output_text


def test_responses_read_items_and_instructions(client: Any) -> None:
    """Input items are read like messages, and instructions count as input."""
    items = [{"role": "user", "content": [{"type": "input_text", "text": "Zürich ✓"}]}]
    short, long = (
        respond(client, "fake/echo", input=items, instructions=text) for text in ("a", "many words " * 9)
    )
    assert short.output_text == long.output_text == "Zürich ✓"
    assert short.usage.input_tokens < long.usage.input_tokens


def test_the_wire_of_a_response_stream(server: FakeOpenRouter) -> None:
    """Comments, numbered events without `event:` lines, the whole response last, then [DONE]."""
    raw = post(server, "/responses", "openai/gpt-4o", stream=True)[2]
    sent = events(raw)
    assert raw.startswith(b": OPENROUTER PROCESSING\n\n")
    assert raw.endswith(b"data: [DONE]\n\n")
    assert b"event: " not in raw
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert [sent[n]["type"] for n in (0, 1, 2, -2, -1)] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.completed",
    ]
    assert sent[0]["response"]["status"] == "in_progress"
    assert sent[0]["response"]["usage"] is None


def test_a_response_stream_says_the_same(client: Any) -> None:
    """The deltas join to the text of the reply in one piece."""
    whole, sent = respond(client, "openai/gpt-4o"), list(respond(client, "openai/gpt-4o", stream=True))
    text = "".join(event.delta for event in sent if event.type == "response.output_text.delta")
    assert text == sent[-1].response.output_text == whole.output_text
    assert sent[-1].response.usage == whole.usage


def test_responses_call_tools(client: Any) -> None:
    """Tool calls are items with a name, a call id and JSON arguments, streamed in fragments."""
    items = respond(client, "fake/tool", tools=TOOLS).output
    assert [(item.type, item.name) for item in items] == [
        ("function_call", "get_weather"),
        ("function_call", "get_time"),
    ]
    assert len({item.call_id for item in items}) == 2
    sent = list(respond(client, "fake/tool", tools=TOOLS, stream=True))
    parts = [e for e in sent if e.type == "response.function_call_arguments.delta"]
    joined = ["".join(e.delta for e in parts if e.output_index == index) for index in (0, 1)]
    assert joined == [item.arguments for item in items]
    assert all(json.loads(text) for text in joined)


def test_responses_reason_in_an_item_of_their_own(client: Any) -> None:
    """Reasoning comes before the message and counts among the output tokens."""
    reply = respond(client, "fake/reasoning")
    *_, last = respond(client, "fake/reasoning", stream=True)
    assert [item.type for item in reply.output] == ["reasoning", "message"]
    assert reply.output[0].summary[0].text
    assert 0 < reply.usage.output_tokens_details.reasoning_tokens < reply.usage.output_tokens
    assert last.response.usage == reply.usage


@pytest.mark.parametrize(("name", "reason"), [("length", "max_output_tokens"), ("filter", "content_filter")])
def test_responses_can_be_incomplete(client: Any, name: str, reason: str) -> None:
    """A reply cut short has the status incomplete and says why; its stream ends with response.incomplete."""
    reply = respond(client, f"fake/{name}")
    *_, last = respond(client, f"fake/{name}", stream=True)
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", reason)
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == reason
    assert last.response.usage == reply.usage


def test_responses_can_fail_with_200(client: Any) -> None:
    """The status is failed, the code coarse, error_type exact, and half a text costs nothing."""
    reply = respond(client, "fake/choiceerr")
    *_, last = respond(client, "fake/choiceerr", stream=True)
    assert last.type == "response.failed"
    for failed in (reply, last.response):
        assert (failed.status, failed.error.code) == ("failed", "server_error")
        assert failed.error_type == "provider_unavailable"
        assert failed.usage.cost == 0
        assert failed.output_text


@pytest.mark.parametrize(
    ("name", "kind", "billed"),
    [
        ("midstream", "response.failed", False),
        ("midusage", "response.failed", True),
        ("midstr", "error", False),
    ],
)
def test_failures_in_response_streams_raise_nothing(
    client: Any, name: str, kind: str, *, billed: bool
) -> None:
    """After some text the SDK hands out a last event that tells of the failure, and ends in peace."""
    *said, last = respond(client, f"fake/{name}", stream=True)
    usage = last.response.usage if kind == "response.failed" else None
    assert last.type == kind
    assert (usage is not None and usage.cost > 0) is billed
    assert {event.type for event in said} >= {"response.created", "response.output_text.delta"}
    assert not any(event.type.endswith(".done") for event in said)


def test_the_flat_error_event(client: Any) -> None:
    """`midstr` is the event of the schema: code and message at the top, the code a string."""
    *_, last = respond(client, "fake/midstr", stream=True)
    assert (last.code, last.message, last.param) == ("server_error", "Provider disconnected", None)


def test_the_nested_error_event(sdk: Any, client: Any) -> None:
    """`midempty` is the event of the documentation, `response.error`, for which the SDK raises."""
    sent: list[Any] = []
    with pytest.raises(sdk.APIError) as caught:
        sent.extend(respond(client, "fake/midempty", stream=True))
    assert caught.value.body == {"code": "server_error", "message": "Provider disconnected"}
    assert sent


def test_response_streams_can_break(client: Any) -> None:
    """A truncated stream ends without a terminal event, and a reset raises."""
    sent = list(respond(client, "fake/eof", stream=True))
    assert sent[-1].type == "response.output_text.delta"
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its type differs by version
        list(respond(client, "fake/reset", stream=True))
    assert type(caught.value).__name__ in ("APIConnectionError", "ReadError")


def test_responses_that_hang(sdk: Any, client: Any, server: FakeOpenRouter) -> None:
    """Silence times out and is billed; a dropped connection is an error of the SDK's own."""
    with pytest.raises(sdk.APITimeoutError):
        respond(client, "fake/timeout", timeout=0.1)
    eventually(lambda: len(server.requests) == 1)
    with pytest.raises(sdk.APIConnectionError):
        respond(client, "fake/drop")
    assert generation(server, server.requests[0].generation_id)["total_cost"] > 0


def test_errors_of_responses_have_their_type_at_the_top(server: FakeOpenRouter) -> None:
    """Every HTTP error has a top-level error_type, and it is not repeated in the metadata."""
    for name in STATUS_ERRORS.keys() - {"html502"}:
        body = body_of(server, "/responses", f"fake/{name}")
        assert isinstance(body["error_type"], str)
        assert "error_type" not in body["error"].get("metadata", {})
        assert body["user_id"].startswith("user_")
    flagged = body_of(server, "/responses", "fake/e403")
    assert flagged["error"]["metadata"]["flagged_input"] == PROMPT
    assert flagged["error_type"] == "content_policy_violation"


def test_router_metadata_of_responses(client: Any) -> None:
    """The opt-in header adds openrouter_metadata to the reply and to the last event alone."""
    asked = {"extra_headers": {"X-OpenRouter-Metadata": "enabled"}}
    first, *_, last = respond(client, "openai/gpt-4o", stream=True, **asked)
    assert respond(client, "fake/fallback", **asked).openrouter_metadata["attempt"] == 2
    assert last.response.openrouter_metadata["strategy"] == "direct"
    assert not hasattr(first.response, "openrouter_metadata")


# POST /completions.


def complete(client: Any, model: str, **more: Any) -> Any:
    """Return what the SDK makes of a call of the completions API."""
    return client.completions.create(**{"model": model, "prompt": PROMPT, **more})


def test_completions_have_texts(client: Any) -> None:
    """A choice has a text in place of a message; usage, provider and native reason are those of a chat."""
    reply = complete(client, "openai/gpt-4o", n=2)
    assert reply.object == "text_completion"
    assert len({choice.text for choice in reply.choices}) == 2
    assert not hasattr(reply.choices[0], "message")
    assert (reply.choices[0].finish_reason, reply.choices[0].native_finish_reason) == ("stop", "completed")
    assert reply.usage.cost == reply.usage.cost_details["upstream_inference_cost"] > 0
    assert reply.provider == "OpenAI"


def test_a_completion_stream_says_the_same(client: Any) -> None:
    """The texts of the chunks join to the text of the reply in one piece; usage comes last."""
    whole, chunks = complete(client, "openai/gpt-4o"), list(complete(client, "openai/gpt-4o", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_completions_fail_like_chats(sdk: Any, client: Any) -> None:
    """An error stands in the choice; one in mid-stream raises."""
    assert complete(client, "fake/choiceerr").choices[0].error["code"] == http.client.BAD_GATEWAY
    with pytest.raises(sdk.APIError, match="Provider disconnected"):
        list(complete(client, "fake/midstream", stream=True))
    with pytest.raises(sdk.RateLimitError):
        complete(client, "fake/e429")


def test_completions_call_no_tools(client: Any) -> None:
    """`tool` has nothing to show here, so the reply is an ordinary one."""
    assert complete(client, "fake/tool").choices[0].finish_reason == "stop"


# POST /embeddings.


def embed(client: Any, model: str, **more: Any) -> Any:
    """Return what the SDK makes of a call of the embeddings API."""
    return client.embeddings.create(**{"model": model, "input": PROMPT, **more})


def test_embeddings_have_a_price(client: Any) -> None:
    """Usage has prompt and total tokens and the cost; id and provider stand beside the data."""
    reply = embed(client, "openai/text-embedding-3-small")
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0
    assert reply.usage.cost == reply.usage.cost_details["upstream_inference_prompt_cost"] > 0
    assert (reply.provider, reply.object, reply.id[:4]) == ("OpenAI", "list", "gen-")


def test_embeddings_follow_from_the_text(client: Any) -> None:
    """Each input gets a vector of its own, the same in either encoding and as long as was asked for."""
    coded = embed(client, "fake/ok", input=["a", "b", "a"], dimensions=3)  # the SDK asks for base64
    plain = embed(client, "fake/ok", input=["a", "b", "a"], dimensions=3, encoding_format="float")
    first, second, third = (item.embedding for item in plain.data)
    assert first == third != second
    assert [item.embedding for item in coded.data] == [first, second, third]
    assert ([len(first), *(item.index for item in plain.data)]) == [3, 0, 1, 2]


def test_embeddings_take_tokens(client: Any) -> None:
    """A list of numbers is one input, a list of such lists several."""
    one, several = (embed(client, "fake/ok", input=value) for value in ([1, 2, 3], [[1, 2], [3]]))
    assert (len(one.data), len(several.data)) == (1, 2)
    assert one.usage.prompt_tokens > 3


def test_embeddings_are_not_streamed(server: FakeOpenRouter) -> None:
    """Whoever asks for a stream gets a document, and no scenario of streams applies."""
    status, headers, raw = post(server, "/embeddings", "fake/eof", stream=True)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert generation(server, json.loads(raw)["id"])["streamed"] is False


@pytest.mark.parametrize("name", ["choiceerr", "nullchoices", "e200body"])
def test_embeddings_without_data(client: Any, name: str) -> None:
    """A 200 without data is a ValueError of the SDK, and was a TypeError before."""
    with pytest.raises((ValueError, TypeError), match=r"No embedding data|'NoneType' object is not iterable"):
        embed(client, f"fake/{name}")


def test_embeddings_are_retried(client: Any, server: FakeOpenRouter) -> None:
    """The SDK's own retry gets through, under an id of its own."""
    reply = embed(client.with_options(max_retries=1), "fake/retry1")
    assert [request.headers["x-stainless-retry-count"] for request in server.requests] == ["0", "1"]
    assert server.requests[1].generation_id == reply.id != server.requests[0].generation_id
