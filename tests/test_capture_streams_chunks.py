"""`StreamReader`: chunks of every shape, whole and malformed, give facts and never an exception."""

import hashlib
import json
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from samples import namespaces

from or_audit_logging.capture.chunks import NO_CHOICES, StreamReader
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.response import response_facts
from or_audit_logging.digest import choice_digest

USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.5, "is_byok": False}
ERROR = {"code": 502, "message": "gone", "metadata": {"error_type": "provider_unavailable"}}


def chunk(content: Any = "", finish: Any = None, **members: Any) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "gen-1", "model": "m", "provider": "P", "choices": [choice], **members}


WHOLE = [chunk("Hello "), chunk("there"), chunk(finish="stop"), chunk(finish="stop", usage=USAGE)]


def facts_of(pieces: Iterable[object], *, ended: bool = True, **options: Any) -> Facts:
    reader = StreamReader(**options)
    for piece in pieces:
        reader.feed(piece)
    return reader.facts(ended=ended)


def lines(events: Iterable[Any]) -> list[bytes]:
    """Return what `requests` gives in iter_lines()."""
    out = [b": OPENROUTER PROCESSING", b""]
    for event in events:
        out += [b"data: " + json.dumps(event).encode(), b""]
    return [*out, b"data: [DONE]", b""]


@pytest.mark.parametrize(
    "pieces",
    [
        WHOLE,
        [namespaces(piece) for piece in WHOLE],
        lines(WHOLE),
        [line.decode() for line in lines(WHOLE)],
        [{"type": "chunk", "chunk": piece} for piece in WHOLE],
        [*WHOLE[:3], {**WHOLE[3], "choices": []}],
    ],
    ids=["dicts", "objects", "lines", "text lines", "sdk events", "usage without choices"],
)
def test_a_whole_stream(pieces: list[object]) -> None:
    """Whatever the pieces are made of, the facts are the same; a repeated role adds nothing."""
    assert facts_of(pieces) == Facts(
        status="success",
        model_used="m",
        provider="P",
        generation_id="gen-1",
        prompt_tokens=3,
        completion_tokens=1,
        total_tokens=4,
        total_cost=Decimal("0.5"),
        is_byok=False,
        streamed=True,
        finish_reason="stop",
        choice_digests=(hashlib.sha256(b"Hello there").digest(),),
    )


@pytest.mark.parametrize("at", range(5))
def test_at_any_time(at: int) -> None:
    """Before its end a stream is incomplete, until finish reason and usage have come."""
    facts = facts_of(WHOLE[:at], ended=False)
    assert facts.status == ("success" if at == 4 else "incomplete")
    assert facts.generation_id == ("gen-1" if at else None)


def test_the_headers_come_first() -> None:
    """Before any chunk the id, provider and cache are known; what a chunk says goes before them."""
    headers = {"x-generation-id": "gen-0", "x-provider-name": "Q", "x-openrouter-cache-status": "HIT"}
    facts = facts_of([], headers=headers, ended=False)
    assert (facts.generation_id, facts.provider, facts.cache_status) == ("gen-0", "Q", "HIT")
    assert facts_of(WHOLE, headers=headers).generation_id == "gen-1"


@pytest.mark.parametrize(
    ("last", "error_type", "code", "usage"),
    [
        (chunk(finish="error", error=ERROR), "provider_unavailable", 502, None),
        (
            chunk(finish="error", error={"code": "server_error", "message": "x"}),
            "unmapped",
            "server_error",
            None,
        ),
        (chunk(error={"code": 400, "message": "x"}, usage=USAGE), "unmapped", 400, 4),
        ({"id": "gen-1", "choices": [], "error": ERROR}, "provider_unavailable", 502, None),
        (
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": ERROR}]},
            "provider_unavailable",
            502,
            None,
        ),
        (chunk(finish="error"), "unmapped", None, None),
        ({"error": ERROR}, "provider_unavailable", 502, None),
        (b'data: {"error": {"code": 502, "message": "gone"}}', "unmapped", 502, None),
    ],
)
def test_errors_in_the_middle(last: Any, error_type: str, code: Any, usage: int | None) -> None:
    """All shapes of an error mid-stream; what it cost is kept where it came along."""
    facts = facts_of([chunk("Hel"), last, chunk("late")])
    assert (facts.status, facts.error_type, facts.error_code) == ("error", error_type, code)
    assert facts.total_tokens == usage


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([], "success"),
        (["Hel", "lo"], "success"),
        ([chunk("Hel")], "incomplete"),
        ([chunk("a", "stop"), {"choices": [{"index": 1, "delta": {"content": "b"}}]}], "incomplete"),
        ([chunk(None, usage=USAGE) | {"choices": []}], "incomplete"),
        ([object(), 3, None, []], "success"),
    ],
)
def test_how_it_ended(pieces: list[object], status: str) -> None:
    """Chunks must say that they finish, every choice of them; text need not."""
    assert facts_of(pieces).status == status


def test_no_choices_at_all() -> None:
    """`choices: null` is the failure it is in one piece."""
    facts = facts_of([{"id": "gen-1", "choices": None, "usage": USAGE}])
    assert (facts.status, facts.error_message, facts.total_tokens) == ("error", NO_CHOICES, 4)


def test_text_counts_where_nothing_better_is_known() -> None:
    """Pieces of text make up the answer, unless chunks do."""
    assert facts_of(["Hel", b"lo"]).choice_digests == (choice_digest("Hello"),)
    assert facts_of(["x", *WHOLE]).choice_digests == (choice_digest("Hello there"),)


def test_tool_calls_in_fragments() -> None:
    """The same hash as the calls in one piece, a name that is repeated is said once."""

    def part(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function}

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "a", "arguments": ""}}
    second = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "b", "arguments": "{}"}}
    fragments = [first, part(0, arguments='{"x"'), second, part(0, name="a", arguments=":1}")]
    pieces = [{"choices": [{"index": 0, "delta": {"tool_calls": [one]}}]} for one in fragments]
    calls = [{**first, "function": {"name": "a", "arguments": '{"x":1}'}}, second]
    answer = {"choices": [{"message": {"content": None, "tool_calls": calls}}]}
    whole = response_facts(answer)
    assert whole is not None
    for made in (pieces, [namespaces(piece) for piece in pieces]):
        facts = facts_of(made)
        assert facts.tool_names == whole.tool_names == ("a", "b")
        assert facts.choice_digests == whole.choice_digests


def test_tool_calls_without_index() -> None:
    """A gateway that forgets the index: an id begins a call, anything else continues the last."""
    fragments: list[Any] = [
        {"function": {"arguments": "{"}},
        {"id": "1", "function": {"name": "a", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "2", "function": {"name": "b", "arguments": "{}"}},
        "odd",
        {"index": None, "function": "odd"},
        {"index": -1, "function": {"name": "c"}},
    ]
    pieces = [{"choices": [{"index": 0, "delta": {"tool_calls": fragments}}]}]
    assert facts_of(pieces).tool_names == ("a", "b")


def test_the_texts_are_kept_only_where_asked_for() -> None:
    """For a record with content."""
    assert facts_of(WHOLE).choices is None
    assert facts_of(WHOLE, keep_text=True).choices == (("Hello there", None),)
    assert facts_of(["a", "b"], keep_text=True).choices == (("ab", None),)


def test_legacy_completions() -> None:
    """Their choices have `text`."""
    pieces = [
        {"choices": [{"index": 0, "text": t, "finish_reason": f}]} for t, f in (("a", None), ("b", "stop"))
    ]
    facts = facts_of(pieces)
    assert (facts.status, facts.choice_digests) == ("success", (choice_digest("ab"),))


RESPONSE = {
    "id": "gen-2",
    "object": "response",
    "model": "m",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4, "cost": 0.5},
}


def events(last: str | None, **members: Any) -> list[dict[str, Any]]:
    started = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    out: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.output_text.delta", "delta": "Hel", "output_index": 0},
        {"type": "response.output_text.delta", "delta": "lo", "output_index": 0},
    ]
    return out if last is None else [*out, {"type": last, "response": {**RESPONSE, **members}}]


@pytest.mark.parametrize("make", [dict, namespaces])
@pytest.mark.parametrize(
    ("pieces", "status", "error_type", "tokens"),
    [
        (events("response.completed"), "success", None, 4),
        (events("response.incomplete", status="incomplete"), "incomplete", None, 4),
        (
            events(
                "response.failed", status="failed", error={"code": "server_error", "message": "x"}, usage=None
            ),
            "error",
            "unmapped",
            None,
        ),
        (events(None), "incomplete", None, None),
        (
            [*events(None), {"type": "error", "code": "x", "message": "y", "error_type": "server"}],
            "error",
            "server",
            None,
        ),
    ],
)
def test_events_of_the_responses_api(
    make: Any, pieces: list[Any], status: str, error_type: str | None, tokens: int | None
) -> None:
    """The last event holds the answer; a stream that is cut has the hash of what came."""
    facts = facts_of(map(make, pieces))
    assert (facts.status, facts.error_type, facts.total_tokens) == (status, error_type, tokens)
    assert (facts.generation_id, facts.model_used, facts.streamed) == ("gen-2", "m", True)
    assert facts.choice_digests == (choice_digest("Hello"),)


def test_events_of_the_messages_api() -> None:
    """Text in deltas, usage in two places, the end in an event of its own."""
    start = {"id": "gen-3", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 0}}
    pieces = [
        {"type": "message_start", "message": start},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 1, "cost": 0.5},
        },
        {"type": "message_stop"},
    ]
    facts = facts_of(pieces)
    assert (facts.status, facts.finish_reason, facts.generation_id) == ("success", "end_turn", "gen-3")
    assert (facts.prompt_tokens, facts.completion_tokens, facts.total_cost) == (3, 1, Decimal("0.5"))
    assert facts.choice_digests == (choice_digest("Hello"),)
    assert facts_of(pieces[:3]).status == "incomplete"
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    assert facts_of([*pieces[:3], error]).status == "error"


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": "odd"},
        {"choices": [None, 3, "odd", []]},
        {"choices": [{"index": "0", "delta": "odd"}]},
        {"choices": [{"index": -1, "delta": {"content": "x"}}]},
        {"choices": [{"index": 10**40, "delta": None}]},
        {"choices": [{"index": 0, "delta": {"content": ["x", {"text": 3}]}}]},
        {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": "odd"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [None, 3, {"function": 3}, {"index": "x"}]}}]},
        {"choices": [], "usage": "many"},
        {"choices": [], "usage": None, "error": None},
        {"choices": [], "usage": {"prompt_tokens": "3", "cost": "free"}},
        {"type": 3},
        {"type": "response.completed", "response": None},
        {"type": "response.created"},
        {"type": "message_delta", "usage": 3},
        {"type": "chunk", "chunk": {"type": "chunk"}},
        b"data: {",
        b"data: [[[[",
        b"\xff\xfe",
        "",
        "\ud800",
        None,
        3,
    ],
)
def test_malformed_chunks_are_passed_over(odd: Any) -> None:
    """What is wrong in one chunk takes nothing from the others, wherever it stands."""
    for at in range(3):
        facts = facts_of([*WHOLE[:at], odd, *WHOLE[at:]])
        if not isinstance(odd, dict) or "type" not in odd:
            assert facts.generation_id == "gen-1"
            assert facts.total_tokens == 4


def test_a_flood_of_choices_is_bounded() -> None:
    """Nobody's gateway makes us hold a hash for each of a million indexes."""
    reader = StreamReader()
    for index in range(10_000):
        reader.feed({"choices": [{"index": index, "delta": {"content": "x"}}]})
    digests = reader.facts(ended=True).choice_digests
    assert digests is not None
    assert len(digests) == 256


def test_memory_stays_flat() -> None:
    """100,000 chunks leave a few hashes behind, not a list."""
    reader = StreamReader()
    piece = chunk("some words of an answer ")
    for _ in range(100):
        reader.feed(piece)
    tracemalloc.start()
    for _ in range(100_000):
        reader.feed(piece)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2_000
    assert peak < 20_000
