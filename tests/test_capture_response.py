"""Facts from what a call returned: the right ones from a good answer, none too many from a bad one."""

import hashlib
import json
from collections import OrderedDict, UserDict
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from samples import namespaces

from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.http import header_members
from or_audit_logging.capture.response import NO_CHOICES, response_facts, stream_facts

BODY: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0001",
    "provider": "OpenAI",
    "model": "openai/gpt-4o-mini-2024-07-18",
    "object": "chat.completion",
    "created": 1795277414,
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "native_finish_reason": "completed",
            "message": {"role": "assistant", "content": "Hello there"},
        }
    ],
    "usage": {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "cost": 0.00042,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "cost_details": {"upstream_inference_cost": 0.00042},
    },
}
CALLS = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}},
    {"index": 1, "id": "call_2", "type": "function", "function": {"name": "book", "arguments": "{}"}},
]


class Unset:
    """Like the openrouter SDK's UNSET: false, and not None."""

    def __bool__(self) -> bool:
        return False


UNSET = Unset()


def facts_of(response: object) -> Facts:
    facts = response_facts(response)
    assert facts is not None
    return facts


def with_choice(**changes: Any) -> dict[str, Any]:
    return {**BODY, "choices": [{**BODY["choices"][0], **changes}]}


def test_every_fact_of_a_good_answer() -> None:
    """All members of a complete body, under the record's names."""
    assert facts_of(BODY) == Facts(
        status="success",
        model_used="openai/gpt-4o-mini-2024-07-18",
        provider="OpenAI",
        generation_id="gen-1795277414-fakeFAKEfakeFAKE0001",
        prompt_tokens=11,
        completion_tokens=7,
        total_tokens=18,
        cached_tokens=3,
        reasoning_tokens=2,
        total_cost=Decimal("0.00042"),
        is_byok=False,
        upstream_cost=Decimal("0.00042"),
        streamed=False,
        finish_reason="stop",
        native_finish_reason="completed",
        service_tier="default",
        choices=(("Hello there", None),),
        choice_digests=(hashlib.sha256(b"Hello there").digest(),),
    )


@pytest.mark.parametrize(
    "response",
    [
        namespaces(BODY),
        OrderedDict(BODY),
        UserDict(BODY),
    ],
    ids=["attributes", "ordered", "mapping"],
)
def test_objects_and_mappings_say_the_same_as_the_dict(response: object) -> None:
    """Attribute objects and mappings of any kind give equal facts."""
    assert facts_of(response) == facts_of(BODY)


@pytest.mark.parametrize("make", ["model_construct", "model_validate"])
def test_an_openai_object_says_the_same_as_the_dict(make: str) -> None:
    """Whether its members were validated or not."""
    model = pytest.importorskip("openai.types.chat").ChatCompletion
    response = model.model_construct(**BODY) if make == "model_construct" else model.model_validate(BODY)
    assert facts_of(response) == facts_of(BODY)
    assert stream_facts(response) is None


def test_an_sdk_that_drops_fields_leaves_them_unknown() -> None:
    """Members that are UNSET, as the openrouter SDK has them, are None."""
    response = namespaces(BODY)
    del response.provider
    response.service_tier = UNSET
    response.error = UNSET
    response.usage.cost = UNSET
    response.usage.is_byok = UNSET
    facts = facts_of(response)
    assert (facts.status, facts.provider, facts.service_tier, facts.total_cost, facts.is_byok) == (
        "success",
        None,
        None,
        None,
        None,
    )


def test_byok_cost_includes_the_provider() -> None:
    """With the customer's own key the total is fee plus upstream cost."""
    usage = {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0042}}
    facts = facts_of({**BODY, "usage": usage})
    assert (facts.total_cost, facts.upstream_cost, facts.is_byok) == (
        Decimal("0.0042"),
        Decimal("0.0042"),
        True,
    )


def test_an_answer_without_usage_has_unknown_tokens_and_cost() -> None:
    """Unknown is None, never zero."""
    facts = facts_of({**BODY, "usage": None})
    assert (facts.status, facts.prompt_tokens, facts.total_cost) == ("success", None, None)


def test_a_free_answer_costs_zero() -> None:
    """Zero is a price of its own."""
    assert facts_of({**BODY, "usage": {"cost": 0}}).total_cost == 0


def test_an_error_in_a_200_is_an_error() -> None:
    """The stable error_type of OpenRouter is taken, and the body's code."""
    error = {"code": 502, "message": "Provider returned error", "metadata": {"error_type": "server"}}
    facts = facts_of({"error": error, "user_id": "user_fake"})
    assert (facts.status, facts.error_type, facts.error_code, facts.error_message) == (
        "error",
        "server",
        502,
        "Provider returned error",
    )


def test_an_error_without_type_is_unmapped() -> None:
    """An error object without error_type gets the vocabulary's own word."""
    facts = facts_of({**BODY, "error": {"message": "no"}})
    assert (facts.status, facts.error_type, facts.error_code) == ("error", "unmapped", None)


@pytest.mark.parametrize("error", ["overloaded", {"code": "server_error"}, namespaces({"code": 502})])
def test_errors_come_in_several_shapes(error: object) -> None:
    """Text, a dict with a code of text, an SDK's object."""
    assert facts_of({**BODY, "error": error}).status == "error"


@pytest.mark.parametrize("error", [None, {}, "", False, 0, UNSET])
def test_an_empty_error_member_is_none(error: object) -> None:
    """`error: null` and SDKs' marks for absence are no error."""
    assert facts_of({**BODY, "error": error}).status == "success"


@pytest.mark.parametrize("key", ["reasons", "flagged_input", "patterns"])
def test_moderation_in_a_200_is_blocked(key: str) -> None:
    """Code 403 with moderation or guardrail metadata is a status of its own."""
    error = {"code": 403, "message": "flagged", "metadata": {key: ["violence"]}}
    assert facts_of({"error": error}).status == "blocked"


@pytest.mark.parametrize("choices", [None, [], {}, "none", 3])
def test_no_choices_are_an_error(choices: object) -> None:
    """An answer that promises choices and has none failed, and its usage is kept."""
    facts = facts_of({**BODY, "choices": choices})
    assert (facts.status, facts.error_message, facts.prompt_tokens) == ("error", NO_CHOICES, 11)


def test_a_chat_completion_without_the_member_is_an_error() -> None:
    """A body that calls itself chat.completion promises choices."""
    assert facts_of({key: value for key, value in BODY.items() if key != "choices"}).status == "error"


def test_an_embedding_needs_no_choices() -> None:
    """Other answers have none, and succeed."""
    facts = facts_of({"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 3}})
    assert (facts.status, facts.choices) == ("success", None)


def test_an_error_in_a_choice_is_an_error() -> None:
    """The choice's error object counts like the body's."""
    facts = facts_of(with_choice(error={"code": 502, "message": "cut off"}, finish_reason="error"))
    assert (facts.status, facts.error_code, facts.error_message, facts.finish_reason) == (
        "error",
        502,
        "cut off",
        "error",
    )


def test_the_finish_reason_error_is_an_error() -> None:
    """SDKs drop the choice's error object; the finish reason remains."""
    facts = facts_of(with_choice(finish_reason="error"))
    assert (facts.status, facts.error_type) == ("error", "unmapped")


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls", None])
def test_other_finish_reasons_are_a_success(reason: str | None) -> None:
    """A cut or filtered answer was delivered; the reason says how."""
    facts = facts_of(with_choice(finish_reason=reason))
    assert (facts.status, facts.finish_reason) == ("success", reason)


def test_tool_calls_are_named_and_part_of_the_answer() -> None:
    """Names are facts; the calls themselves only go into the hash."""
    facts = facts_of(with_choice(message={"content": None, "tool_calls": CALLS}))
    assert facts.tool_names == ("look_up", "book")
    assert facts.choices == (("", CALLS),)


def test_choices_are_taken_by_index() -> None:
    """Two choices in the wrong order are put right; the first by index gives the finish reason."""
    choices = [
        {"index": 1, "finish_reason": "length", "message": {"content": "b"}},
        {"index": 0, "finish_reason": "stop", "message": {"content": "a"}},
    ]
    facts = facts_of({**BODY, "choices": choices})
    assert facts.choices == (("a", None), ("b", None))
    assert facts.finish_reason == "stop"


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]}}, "ab"),
        ({"text": "legacy"}, "legacy"),
        ({"message": None}, ""),
        ({"message": "odd"}, ""),
        ({"message": {"content": 3}}, ""),
        ("odd", ""),
        (None, ""),
    ],
)
def test_the_text_of_a_choice(choice: object, text: str) -> None:
    """Parts are joined, legacy completions have `text`, everything else is empty."""
    assert facts_of({**BODY, "choices": [choice]}).choices == ((text, None),)


@pytest.mark.parametrize("response", ["Hello", b"Hello", 3, None, [], (1, 2), object(), {}, {"answer": 42}])
def test_what_is_no_answer_has_no_facts(response: object) -> None:
    """Text and foreign objects say nothing, rather than success without facts."""
    assert response_facts(response) is None


def test_a_property_that_raises_is_unknown() -> None:
    """A response object whose property fails leaves that fact None."""

    class Lazy:
        model = "m"

        @property
        def usage(self) -> object:
            raise RuntimeError("not loaded")

    assert facts_of(Lazy()).prompt_tokens is None


RESPONSE: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0002",
    "object": "response",
    "status": "completed",
    "model": "openai/gpt-4o-mini",
    "error": None,
    "output": [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello "}]},
        {"type": "message", "content": [{"type": "output_text", "text": "there"}]},
    ],
    "usage": {
        "input_tokens": 11,
        "output_tokens": 7,
        "total_tokens": 18,
        "cost": 0.00042,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 2},
    },
}
MESSAGE: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0003",
    "type": "message",
    "model": "anthropic/claude-haiku-4.5",
    "provider": "Anthropic",
    "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}],
    "usage": {
        "input_tokens": 11,
        "output_tokens": 7,
        "cache_read_input_tokens": 3,
        "service_tier": "standard",
        "cost": 0.00042,
    },
}


@pytest.mark.parametrize("make", [dict, namespaces])
@pytest.mark.parametrize(
    ("body", "finish", "total", "reasoning"),
    [(RESPONSE, "completed", 18, 2), (MESSAGE, "end_turn", None, None)],
    ids=["responses", "messages"],
)
def test_the_other_api_skins(
    make: Any, body: dict[str, Any], finish: str, total: int | None, reasoning: int | None
) -> None:
    """The same facts under other names, and the same hash for the same text."""
    facts = facts_of(make(body))
    assert (facts.status, facts.finish_reason, facts.generation_id) == ("success", finish, body["id"])
    assert (facts.prompt_tokens, facts.completion_tokens, facts.total_tokens) == (11, 7, total)
    assert (facts.cached_tokens, facts.reasoning_tokens) == (3, reasoning)
    assert facts.total_cost == Decimal("0.00042")
    assert facts.choice_digests == facts_of(BODY).choice_digests


@pytest.mark.parametrize(
    ("changes", "status", "error_type", "finish"),
    [
        ({"status": "failed", "error_type": "server"}, "error", "server", "failed"),
        (
            {"status": "failed", "error": {"code": "server_error", "message": "no"}},
            "error",
            "unmapped",
            "failed",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "success",
            None,
            "length",
        ),
        ({"status": "cancelled"}, "cancelled", None, "cancelled"),
        ({"status": "queued"}, "incomplete", None, "queued"),
        ({"status": ["odd"]}, "success", None, None),
    ],
)
def test_how_a_response_ended(
    changes: dict[str, Any], status: str, error_type: str | None, finish: str | None
) -> None:
    """Its own status, which no HTTP status shows."""
    facts = facts_of({**RESPONSE, **changes})
    assert (facts.status, facts.error_type, facts.finish_reason) == (status, error_type, finish)


def test_the_tools_of_the_other_skins() -> None:
    """Called tools are named; what they are given only goes into the hash."""
    call = {"type": "function_call", "name": "look_up", "arguments": "{}"}
    facts = facts_of({**RESPONSE, "output": [call]})
    assert (facts.tool_names, facts.choices) == (("look_up",), (("", [call]),))
    use = {"type": "tool_use", "name": "book", "input": {}}
    assert facts_of({**MESSAGE, "content": [use]}).tool_names == ("book",)


def test_an_error_of_the_messages_skin() -> None:
    """Its object stands under `error`, its stable type beside the message."""
    error = {"type": "overloaded_error", "message": "no", "error_type": "provider_overloaded"}
    facts = facts_of({"type": "error", "error": error})
    assert (facts.status, facts.error_type, facts.error_message) == ("error", "provider_overloaded", "no")


def test_router_metadata_is_kept_small() -> None:
    """The way that was taken; and the provider, where the SDK drops the answer's own word."""
    metadata = {
        "strategy": "fallback",
        "attempt": 2,
        "attempts": [{"provider": "A", "model": "m", "status": 503, "more": "x"}] * 99,
        "endpoints": {"available": [{"provider": "A"}, {"provider": "B", "selected": True}]},
        "params": {"stop": ["words of the caller"]},
    }
    facts = facts_of({**BODY, "provider": None, "openrouter_metadata": metadata})
    assert facts.provider == "B"
    assert facts.router is not None
    assert facts.router["attempts"] == [{"provider": "A", "model": "m", "status": 503}] * 8
    assert "words" not in str(facts.router)


# --- HTTP responses


class HttpResponse:
    """Like httpx and requests: the bytes once read are in `_content`; reading more would touch the socket."""

    def __init__(self, content: object, status: int = 200, **headers: str) -> None:
        self.status_code, self._content = status, content
        self.headers = {"X-Generation-Id": "gen-9", "X-Provider-Name": "P", **headers}

    @property
    def content(self) -> bytes:
        raise AssertionError("read")

    def json(self) -> object:
        raise AssertionError("read")


def test_an_http_response_is_read_as_its_body() -> None:
    """As if the function had returned .json(); what the body does not say is in the headers."""
    facts = facts_of(HttpResponse(json.dumps(BODY).encode(), **{"X-OpenRouter-Cache-Status": "HIT"}))
    assert (facts.status, facts.generation_id, facts.provider) == ("success", BODY["id"], "OpenAI")
    assert facts.choice_digests == facts_of(BODY).choice_digests
    assert facts.cache_status == "HIT"


@pytest.mark.parametrize(
    ("content", "status", "error_type", "message"),
    [
        (b'{"error": {"code": 429, "message": "slow down"}}', 429, "unmapped", "slow down"),
        (b"<html>", 502, "unmapped", "the response is no JSON object"),
        (b"", 200, "unmapped", "the response is no JSON object"),
        (b"[1]", 200, "unmapped", "the response is no JSON object"),
        (False, 500, "unmapped", None),
    ],
)
def test_an_http_response_that_failed(content: object, status: int, error_type: str, message: str) -> None:
    """Nobody called raise_for_status; the record says error all the same."""
    facts = facts_of(HttpResponse(content, status))
    assert (facts.status, facts.error_type, facts.error_message) == ("error", error_type, message)
    assert facts.error_code == (status if status >= 400 else None)
    assert facts.generation_id == "gen-9"


def test_a_refusal_over_http_is_blocked() -> None:
    """Moderation answers 403 and says why."""
    body = {"error": {"message": "no", "metadata": {"reasons": ["violence"]}}}
    assert facts_of(HttpResponse(json.dumps(body).encode(), 403)).status == "blocked"


def test_a_body_not_read_is_not_read() -> None:
    """A response whose body is still on its way is incomplete; its id is known."""
    facts = facts_of(HttpResponse(False, **{"Content-Type": "text/event-stream; charset=utf-8"}))
    assert (facts.status, facts.streamed, facts.generation_id) == ("incomplete", True, "gen-9")


def test_a_stream_that_was_read_as_one_body() -> None:
    """requests without stream=True reads all events; they are read as a stream."""
    chunk = {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "Hello there"}}]}
    last = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    content = "".join(f": hold on\n\ndata: {json.dumps(event)}\n\n" for event in (chunk, last)).encode()
    facts = facts_of(HttpResponse(content, **{"Content-Type": "text/event-stream"}))
    assert (facts.status, facts.streamed, facts.generation_id) == ("success", True, "gen-1")
    assert facts.choice_digests == facts_of(BODY).choice_digests


def test_a_raw_response_of_the_openai_sdk() -> None:
    """with_raw_response counts its retries; nothing is parsed in its place."""

    class Raw:
        http_response = HttpResponse(json.dumps(BODY).encode())
        retries_taken = 2

        def parse(self) -> object:
            raise AssertionError("parsed")

    facts = facts_of(Raw())
    assert (facts.status, facts.attempts, facts.generation_id) == ("success", 3, BODY["id"])


async def numbers() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("result", [generator(), numbers(), iter([1]), map(str, [1])])
def test_streams_and_iterators_are_still_to_come(result: object) -> None:
    """An iterator is incomplete when it is returned, and stays untouched."""
    assert stream_facts(result) == Facts(status="incomplete", streamed=True)


def test_a_stream_knows_its_generation_id_from_the_headers() -> None:
    """The headers have arrived when an SDK returns its stream."""

    class Stream:
        response = SimpleNamespace(headers={"x-generation-id": "gen-1"})

        def __iter__(self) -> Iterator[object]:
            raise AssertionError("touched")

        def __next__(self) -> object:
            raise AssertionError("touched")

    facts = stream_facts(Stream())
    assert facts is not None
    assert facts.generation_id == "gen-1"


def test_an_awaitable_is_still_to_come() -> None:
    """A sync function that returns a coroutine has not called anything yet."""

    async def later() -> None: ...

    coroutine = later()
    facts = stream_facts(coroutine)
    coroutine.close()
    assert facts == Facts(status="incomplete")


@pytest.mark.parametrize("response", [BODY, namespaces(BODY), [1], "text", None])
def test_a_finished_answer_is_no_stream(response: object) -> None:
    """Responses and plain values are read as such."""
    assert stream_facts(response) is None


def test_text_of_the_provider_stays_out_of_a_repr() -> None:
    """Facts are not redacted yet, so their repr shows none of it."""
    facts = facts_of(with_choice(error={"message": "secret words"}))
    assert "secret" not in repr(facts)
    assert "Hello" not in repr(facts)


@pytest.mark.parametrize("kind", [dict, MappingProxyType, UserDict])
def test_headers_in_a_mapping_that_knows_case(kind: Any) -> None:
    """They are found by either spelling."""
    for name in ("X-Generation-Id", "x-generation-id"):
        assert header_members(kind({name: "gen-9"})) == {"generation_id": "gen-9"}
