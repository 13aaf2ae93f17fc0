"""The short way through `StreamReader.feed` says what the long way says, for whatever chunks there are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_capture_fuzz import JSON

from or_audit_logging.capture.chunks import StreamReader
from or_audit_logging.capture.facts import Facts

ChatCompletionChunk = pytest.importorskip("openai.types.chat").ChatCompletionChunk

USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.5}
ERROR = {"code": 502, "message": "gone"}
CALLS = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{"}}]


class LongWay(StreamReader):
    """Takes no chunk the short way."""

    __slots__ = ()

    def _only_adds_text(self, chunk: Any) -> bool:
        return False


def facts_of(reader: StreamReader, chunks: list[Any], *, ended: bool) -> Facts:
    for chunk in chunks:
        reader.feed(chunk)
    return reader.facts(ended=ended, whole=True)


def chunk(content: object = "", **choice: Any) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content}
    return {"id": "gen-1", "model": "m", "choices": [{"index": 0, "delta": delta, **choice}]}


def sdk(value: dict[str, Any]) -> Any:
    """Return *value* as the openai SDK makes it of the same JSON, which it does not check."""
    return ChatCompletionChunk.construct(**value)


PLAIN = st.text(max_size=3).map(chunk)
DELTAS = st.fixed_dictionaries(
    {}, optional={"content": st.text(max_size=3) | JSON, "tool_calls": st.just(CALLS) | JSON, "role": JSON}
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, 2, True, 1.0, "0", -1, None, [0]]),
        "delta": DELTAS | JSON,
        "text": JSON,
        "finish_reason": st.sampled_from(["stop", "error", "", 1, None]),
        "native_finish_reason": JSON,
        "error": st.just(ERROR) | JSON,
    },
)
ODD = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("gen-2") | JSON,
        "model": JSON,
        "provider": JSON,
        "service_tier": JSON,
        "choices": st.lists(CHOICES, max_size=3) | JSON,
        "usage": st.just(USAGE) | JSON,
        "error": st.just(ERROR) | JSON,
        "openrouter_metadata": JSON,
        "type": st.just("chunk") | JSON,
    },
)
STREAMS = st.lists(PLAIN | PLAIN | ODD, max_size=12)


@given(STREAMS, st.booleans(), st.booleans())
def test_any_chunks(chunks: list[dict[str, Any]], ended: bool, keep_text: bool) -> None:
    """The SDK's objects give the same facts both ways, digests and kept texts too."""
    objects = [sdk(value) for value in chunks]
    short = facts_of(StreamReader(keep_text=keep_text), objects, ended=ended)
    assert short == facts_of(LongWay(keep_text=keep_text), objects, ended=ended)


@given(st.lists(st.text(max_size=3), max_size=200), st.sampled_from([None, USAGE]))
def test_objects_say_what_their_json_says(texts: list[str], usage: object) -> None:
    """A whole answer: the SDK's objects, and the dicts that they are made of."""
    chunks = [*map(chunk, texts), chunk(finish_reason="stop") | {"usage": usage, "provider": "P"}]
    objects = [sdk(value) for value in chunks]
    assert facts_of(StreamReader(), objects, ended=True) == facts_of(StreamReader(), chunks, ended=True)


def test_a_chunk_that_only_adds_text_goes_the_short_way() -> None:
    """The tests above are not empty."""
    reader = StreamReader()
    for text in ("Hel", "lo"):
        reader.feed(sdk(chunk(text)))
    assert reader._only_adds_text(sdk(chunk("!") | {"provider": "P"}))


@pytest.mark.parametrize(
    "said",
    [
        chunk("!", finish_reason="stop"),
        chunk("!", error=ERROR),
        chunk("!", index=1),
        chunk("!", index=False),
        chunk(["!"]),
        chunk(None),
        chunk("!") | {"usage": USAGE},
        chunk("!") | {"error": ERROR},
        chunk("!") | {"choices": []},
        chunk("!") | {"choices": chunk()["choices"] * 2},
        chunk("!") | {"choices": [{"index": 0, "delta": {"content": "!", "tool_calls": CALLS}}]},
        chunk("!") | {"choices": [{"index": 0, "delta": None, "text": "!"}]},
    ],
)
def test_what_says_more_does_not(said: dict[str, Any]) -> None:
    """One thing more, or another type, and the chunk is read in full."""
    reader = StreamReader()
    for text in ("Hel", "lo"):
        reader.feed(sdk(chunk(text)))
    assert not reader._only_adds_text(sdk(said))
    assert not reader._only_adds_text(said)


def test_an_error_that_the_type_declares() -> None:
    """Other SDKs have models whose `error` is a member that they know."""

    class Declared(ChatCompletionChunk):
        error: object = None

    reader = StreamReader()
    for text in ("Hel", "lo"):
        reader.feed(Declared.construct(**chunk(text)))
    assert reader._only_adds_text(Declared.construct(**chunk("!")))
    assert not reader._only_adds_text(Declared.construct(**chunk("!"), error=ERROR))
