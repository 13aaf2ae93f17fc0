"""`content="redacted"`: prompt and answer in the record, redacted and bounded, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of, records_of
from driving import openai_client
from sinks import API_KEY, Sink

from or_audit_logging import audit_call, audited, configure, instrument
from or_audit_logging.capture.content import CONTENT_LIMIT, answers, excerpt

SECRETIVE = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": f"Mail ann@example.com the key {API_KEY}"},
]
CLEAN = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "Mail [EMAIL] the key [API_KEY]"},
]
CALLS = [
    {
        "id": "call_1",
        "type": "function",
        "function": {"name": "mail", "arguments": '{"to":"eve@example.com"}'},
    }
]


def answer(*contents: str | None, calls: Any = None) -> dict[str, Any]:
    return {
        "id": "gen-1795277414-fakeFAKEfakeFAKE0001",
        "model": "fake/served",
        "choices": [
            {"index": n, "message": {"role": "assistant", "content": content, "tool_calls": calls}}
            for n, content in enumerate(contents)
        ],
    }


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with openai_client() as client:
        yield client


def test_without_the_option_there_is_none(sink: Sink) -> None:
    """Off by default, in every part of the record."""
    with audit_call(messages=SECRETIVE) as call:
        call.response(answer("write to bob@example.com"))
    assert "content" not in sink.only.to_dict()
    assert "briefly" not in repr(sink.only)
    assert "bob" not in repr(sink.only)


def test_prompt_and_answer(sink: Sink) -> None:
    """Redacted, counted, and the caller's objects as they were."""
    given = [dict(message) for message in SECRETIVE]
    with audit_call(messages=given, content="redacted") as call:
        call.response(answer("I wrote to bob@example.com"))
    assert sink.only.content == {"prompt": CLEAN, "response": [{"text": "I wrote to [EMAIL]"}]}
    assert sink.only.redactions == {"EMAIL": 2, "API_KEY": 1}
    assert given == SECRETIVE


def test_tool_calls_and_several_choices(sink: Sink) -> None:
    """One entry for each choice; arguments of tool calls are text, and redacted as such."""
    with audit_call(messages="hello", content="redacted") as call:
        call.response(answer("a", "b", calls=CALLS))
    assert sink.only.content is not None
    response: Any = sink.only.content["response"]
    assert [choice["text"] for choice in response] == ["a", "b"]
    assert response[0]["tool_calls"][0]["function"]["arguments"] == '{"to":"[EMAIL]"}'


def test_the_prompt_is_that_of_the_beginning(sink: Sink) -> None:
    """A list that grows during the call does not."""
    messages = [{"role": "user", "content": "first"}]
    with audit_call(messages=messages, content="redacted") as call:
        messages.append({"role": "user", "content": "second"})
        call.response(answer("x"))
    assert sink.only.content is not None
    assert sink.only.content["prompt"] == [{"role": "user", "content": "first"}]


def test_a_failed_call_has_its_prompt(sink: Sink) -> None:
    """And no answer."""
    with pytest.raises(LookupError), audit_call(messages="hello", content="redacted"):
        raise LookupError
    assert sink.only.content == {"prompt": "hello", "response": None}


def test_it_is_asked_of_any_of_the_calls_within_each_other(sink: Sink) -> None:
    """The function asks for content, the call inside knows it; or the other way round."""
    for outer_content, inner_content in (("redacted", None), (None, "redacted")):

        @audited(content=inner_content)  # type: ignore[arg-type]
        def ask(messages: Any) -> Any:
            return answer("yes")

        @audited(content=outer_content)  # type: ignore[arg-type]
        def outer(question: str, *, ask: Any = ask) -> str:
            ask([{"role": "user", "content": question}])
            return "text"

        outer("hello")
        assert sink.records[-1].content == {
            "prompt": [{"role": "user", "content": "hello"}],
            "response": [{"text": "yes"}],
        }
    assert len(sink.records) == 2


def test_an_sdk_s_response_and_history(sink: Sink, client: Any) -> None:
    """The SDK's own message object among the messages is kept as it is sent."""

    @audited(content="redacted")
    def ask(messages: Any) -> Any:
        return client.chat.completions.create(model="fake/echo", messages=messages)

    first = ask([{"role": "user", "content": "hello"}]).choices[0].message
    ask([first, {"role": "user", "content": "mail ann@example.com"}])
    content = sink.records[1].content
    assert content is not None
    prompt: Any = content["prompt"]
    assert (prompt[0]["role"], prompt[0]["content"]) == ("assistant", "hello")
    assert content["response"] == [{"text": "mail [EMAIL]"}]


def test_a_stream(sink: Sink, client: Any) -> None:
    """Its text is kept only where it is asked for, and is that of the chunks."""

    @audited(content="redacted")
    def ask(messages: Any) -> Any:
        return client.chat.completions.create(model="fake/echo", messages=messages, stream=True)

    stream = ask([{"role": "user", "content": "hello ann@example.com"}])
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "hello ann@example.com"
    assert sink.only.content == {
        "prompt": [{"role": "user", "content": "hello [EMAIL]"}],
        "response": [{"text": "hello [EMAIL]"}],
    }


def test_an_instrumented_client(sink: Sink, client: Any) -> None:
    """The option of every entrance."""
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=client.base_url, api_key=API_KEY) as own:
        instrument(own, content="redacted")
        own.chat.completions.create(model="fake/echo", messages=[{"role": "user", "content": "hello"}])
    assert sink.only.content is not None
    assert sink.only.content["response"] == [{"text": "hello"}]


@pytest.mark.usefixtures("audit_key")
def test_from_the_call_to_the_disk(tmp_path: Path) -> None:
    """No personal data and no key in any line, the line within its limit though the content is not."""
    handler = configure(tmp_path)
    long = [*SECRETIVE, {"role": "user", "content": "and so on, " * 3000}]
    with audit_call(messages=long, content="redacted") as call:
        call.response(answer("write to bob@example.com"))
    handler.finish()
    (written,) = records_of(tmp_path)
    assert written["truncated"] is True
    assert written["content"]
    whole = b"".join(lines_of(tmp_path))
    assert max(map(len, lines_of(tmp_path))) <= 8000
    for secret in (b"example.com", b"f4ke"):
        assert secret not in whole


# --- bounds


def test_a_text_beyond_the_limit_is_left_out_whole() -> None:
    """A cut before redaction could leave half a secret; later texts that fit are kept."""
    long = "word " * (CONTENT_LIMIT // 4)
    assert excerpt([long, "short"]) == [f"[{len(long)} characters left out]", "short"]


def test_the_limit_is_for_all_texts_together() -> None:
    """A thousand messages are not a thousand limits."""
    texts = ["some words " * 500 for _ in range(1000)]
    kept = excerpt(texts)
    assert isinstance(kept, list)
    assert sum(len(text) for text in kept if not text.endswith("left out]")) <= CONTENT_LIMIT


@pytest.mark.parametrize(
    "blob", ["data:image/png;base64,iVBORw0KGgo=", "QUJD" * 100, "QUJD" * 100 + "\n"], ids=len
)
def test_data_is_left_out(blob: str) -> None:
    """Nobody can redact what stands in an image."""
    image = [{"type": "image_url", "image_url": {"url": blob}}]
    assert excerpt(image) == [
        {"type": "image_url", "image_url": {"url": f"[{len(blob)} characters of data left out]"}}
    ]


def test_many_members_are_bounded() -> None:
    """A list of a million numbers does not become a record."""
    kept = excerpt([[1] * 1000] * 1000)
    assert isinstance(kept, list)
    assert sum(len(part) for part in kept if isinstance(part, list)) <= 10_001
    assert len(excerpt({str(n): n for n in range(50_000)})) <= 10_001  # type: ignore[arg-type]


def test_iterators_are_not_consumed() -> None:
    """They are named by their type; so is every object that is no data."""
    numbers = iter([1, 2])
    assert excerpt({"input": numbers, "other": object()}) == {"input": "[list_iterator]", "other": "[object]"}
    assert list(numbers) == [1, 2]
    assert excerpt(b"abc") == "[3 bytes left out]"


def test_what_contains_itself_ends() -> None:
    """A cycle is as deep as we look."""
    loop: list[Any] = []
    loop.append(loop)
    assert "left out" in repr(excerpt(loop))


def test_answers() -> None:
    """Text, and tool calls where there are any."""
    assert answers([("a", None), ("", [{"id": "c"}])]) == [
        {"text": "a"},
        {"text": "", "tool_calls": [{"id": "c"}]},
    ]
