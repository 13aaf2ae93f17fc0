"""Whatever a provider answers and a caller passes: the call is not touched, and one sound record is made."""

import logging
import types
import typing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from samples import namespaces
from sinks import NAME, Sink

from or_audit_logging.capture import trouble
from or_audit_logging.capture.decorator import audited
from or_audit_logging.context import bind
from or_audit_logging.record import STATUSES, AuditRecord

WHOLE: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0001",
    "object": "chat.completion",
    "provider": "Fake",
    "model": "fake/served",
    "service_tier": "default",
    "error": {"code": 403, "message": "no", "metadata": {"error_type": "server", "reasons": ["x"]}},
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "native_finish_reason": "completed",
            "error": {"code": "server_error"},
            "message": {"content": "Hello", "tool_calls": [{"function": {"name": "look_up"}}]},
            "text": "Hello",
        }
    ],
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 1,
        "total_tokens": 4,
        "cost": 0.5,
        "is_byok": True,
        "cost_details": {"upstream_inference_cost": 0.1},
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["error", "1e999", "\ud800", "a\nb", "x" * 300, 10**40, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
HINTS: dict[str, Any] = typing.get_type_hints(AuditRecord)


class SoleSink(Sink):
    """Keeps the records of one example, as the only handler of its logger."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger(NAME).handlers[:] = [self]
        trouble.forget()

    def only_sound_record(self) -> AuditRecord:
        record = self.only
        assert "internal" not in trouble.counts(), "a reader failed and only its guard saved the call"
        fields = {name: getattr(record, name) for name in HINTS}
        assert {name: value for name, value in fields.items() if not fits(value, HINTS[name])} == {}
        assert record.status in STATUSES
        for name, value in fields.items():
            if isinstance(value, str) and name != "error_message":
                assert value.isprintable(), name
                assert len(value) <= 200, name
        return record


def fits(value: object, hint: Any) -> bool:
    """Return whether *value* is of the type that the record declares."""
    if typing.get_origin(hint) is types.UnionType:
        return any(fits(value, option) for option in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def spoiled(value: Any) -> st.SearchStrategy[Any]:
    """Return values like *value*, with parts of it missing or replaced by anything."""
    if isinstance(value, dict):
        return JSON | st.fixed_dictionaries({}, optional={key: spoiled(item) for key, item in value.items()})
    if isinstance(value, list):
        return JSON | st.lists(spoiled(value[0]), max_size=3)
    return JSON | st.just(value)


class SdkError(Exception):
    """An SDK's exception with anything in its attributes."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.__dict__.update(members)


@given(spoiled(WHOLE), st.booleans())
def test_any_answer(body: Any, typed: bool) -> None:
    """The same object is returned, and its record has every field of its type."""
    sink = SoleSink()
    answer = namespaces(body) if typed else body
    assert audited(lambda messages: answer)("hi") is answer
    sink.only_sound_record()


@given(
    spoiled(
        {
            "status_code": 403,
            "status": 500,
            "code": "x",
            "body": WHOLE["error"],
            "data": {"error": WHOLE["error"]},
            "headers": {"x-generation-id": "gen-1"},
            "completion": WHOLE,
            "response": {"status_code": 403, "headers": {"x-generation-id": "gen-1"}},
        }
    ),
    st.booleans(),
)
def test_any_exception(members: Any, typed: bool) -> None:
    """The same exception is raised, and its record has every field of its type."""
    sink = SoleSink()
    members = members if isinstance(members, dict) else {"body": members}
    error = SdkError({key: namespaces(item) if typed else item for key, item in members.items()})

    def fail(messages: str) -> None:
        raise error

    caught: BaseException | None = None
    try:
        audited(fail)("hi")
    except SdkError as raised:
        caught = raised
    assert caught is error
    sink.only_sound_record()


CHUNK: dict[str, Any] = {
    "id": "gen-1795277414-fakeFAKEfakeFAKE0001",
    "provider": "Fake",
    "model": "fake/served",
    "type": "response.completed",
    "error": WHOLE["error"],
    "usage": WHOLE["usage"],
    "choices": [
        {
            "index": 1,
            "finish_reason": "stop",
            "error": {"code": "server_error"},
            "delta": {
                "content": "Hello",
                "tool_calls": [{"index": 0, "id": "1", "function": {"name": "look_up", "arguments": "{}"}}],
            },
        }
    ],
    "response": {"status": "failed", "output": [{"type": "message", "content": [{"text": "x"}]}]},
    "delta": "Hello",
}
KINDS = ("response.created", "response.output_text.delta", "message_start", "message_delta", "error", "chunk")


@given(
    st.lists(spoiled(CHUNK) | st.fixed_dictionaries({"type": st.sampled_from(KINDS)}) | JSON, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_any_chunks(pieces: list[Any], typed: bool, generator: bool) -> None:
    """The same objects arrive, and the record has every field of its type, however far they were read."""
    sink = SoleSink()
    made = [namespaces(piece) if typed else piece for piece in pieces]

    def chunks(messages: str) -> Any:
        yield from made

    ask = audited(chunks) if generator else audited(lambda messages: iter(made))
    arrived = list(ask("hi"))
    assert len(arrived) == len(made)
    assert all(one is other for one, other in zip(arrived, made, strict=True))
    sink.only_sound_record()


@given(
    spoiled({"id": "x", "object": "response", "status": "failed", "output": [CHUNK["response"]]}),
    st.booleans(),
)
def test_any_answer_of_the_other_skins(body: Any, typed: bool) -> None:
    """Responses and Messages objects, as odd as they come."""
    for kind in ({"object": "response"}, {"type": "message"}, {"type": "error"}):
        sink = SoleSink()
        answer = {**body, **kind} if isinstance(body, dict) else body
        answer = namespaces(answer) if typed else answer
        assert audited(lambda messages, answer=answer: answer)("hi") is answer
        sink.only_sound_record()


@given(JSON)
def test_any_argument(value: Any) -> None:
    """Anything under the names that are looked at reaches the function, and is recorded soundly."""
    sink = SoleSink()
    given_names = ("messages", "model", "user", "session_id", "metadata", "extra_body", "stream")
    arguments = dict.fromkeys(given_names, value)
    seen: list[Any] = []

    def call(**kwargs: Any) -> Any:
        seen.append(kwargs)
        return WHOLE

    with bind(user_id=value, request_id=value, anything=value):
        audited(call)(**arguments)
    assert all(item is value for item in seen[0].values())
    sink.only_sound_record()
