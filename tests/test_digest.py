"""Digests of prompts and answers, and pseudonyms: exact inputs, and never an exception."""

import collections
import dataclasses
import datetime
import hashlib
import hmac
import json
import uuid
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.digest import (
    ChoiceDigest,
    canonical_json,
    choice_digest,
    prompt_digest,
    pseudonym,
    response_digest,
)
from or_audit_logging.sealing.chain import digest_key

KEY = digest_key(b"correct horse battery staple, thirty-two bytes+")


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


class Broken:
    def model_dump(self, **options: Any) -> Any:
        raise RuntimeError("no")


def test_the_prompt_digest_of_the_published_vector() -> None:
    """The known answer: HMAC-SHA-256 under the digest key over canonical JSON."""
    assert prompt_digest([{"role": "user", "content": "h\u00e9llo"}], KEY) == (
        "hmac-sha256:b31f1a44:3da17762aee880b9b79c9a2fab4e31689938da9280bc7d1ef1e7be5dc010f1be"
    )


def test_sha256_is_the_plain_hash_of_the_same_bytes() -> None:
    """With "sha256" instead of a key anyone can compute the digest."""
    expected = hashlib.sha256(b'[{"a":1,"b":"\xc3\xa9"}]').hexdigest()
    assert prompt_digest([{"b": "\u00e9", "a": 1}], "sha256") == f"sha256:{expected}"


def test_a_prompt_that_is_text_is_hashed_as_a_json_string() -> None:
    """`prompt="hi"` enters with its quotes, as json.dumps writes it."""
    assert canonical_json("hi") == b'"hi"'


def test_lone_surrogates_are_passed() -> None:
    """Text that UTF-8 cannot hold is hashed all the same."""
    assert canonical_json(["\ud800"]) == b'["\xed\xa0\x80"]'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), b"NaN"),
        ((1, [2]), b"[1,[2]]"),
        (b"\x00\xff", b'"AP8="'),
        ({"b", "a"}, b'["a","b"]'),
        (frozenset({(2, 1), (1, 2)}), b"[[1,2],[2,1]]"),
        (collections.deque([1, 2]), b"[1,2]"),
        (range(3), b"[0,1,2]"),
        ({"b": 1, "a": 2}.keys(), b'["b","a"]'),
        (MappingProxyType({"b": 1, "a": 2}), b'{"a":2,"b":1}'),
        (Colour.RED, b'"red"'),
        (Point(3), b'{"x":3}'),
        (datetime.date(2026, 11, 21), b'"2026-11-21"'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), b'"1.50"'),
        (PurePosixPath("a/b"), b'"a/b"'),
    ],
)
def test_what_json_does_not_know_has_one_form(value: object, expected: bytes) -> None:
    """Each kind of value that json refuses is written the way the docstring says."""
    assert canonical_json({"v": value}) == b'{"v":' + expected + b"}"


def test_an_iterator_is_not_consumed() -> None:
    """A one-shot iterator has no digest, and still yields everything to the SDK."""
    messages = iter([{"role": "user", "content": "hi"}])
    assert prompt_digest(messages, KEY) is None
    assert list(messages) == [{"role": "user", "content": "hi"}]


def test_a_pydantic_message_is_taken_as_an_sdk_sends_it() -> None:
    """What was not set is not there."""
    message = pytest.importorskip("pydantic").create_model(
        "Message", role=(str, ...), content=(str, ...), refusal=(str | None, None)
    )
    assert canonical_json(message(role="user", content="hi")) == b'{"content":"hi","role":"user"}'
    assert canonical_json(message) is None


@pytest.mark.parametrize("value", [object(), Broken(), {1: "a", "b": 2}, [(x for x in ())], Point])
def test_what_has_no_json_has_no_digest(value: object) -> None:
    """Unknown is None: a digest that left something out would call two prompts equal."""
    assert prompt_digest(value, KEY) is None


def test_a_value_that_contains_itself_has_no_digest() -> None:
    """A cycle ends in None, not in a loop."""
    cycle: list[object] = []
    cycle.append(cycle)
    assert prompt_digest(cycle, KEY) is None


def test_nesting_beyond_the_stack_has_no_digest() -> None:
    """A prompt nested too deep ends in None, not in RecursionError."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert prompt_digest(deep, KEY) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(JSON)
def test_the_digest_is_what_the_format_says(value: Any) -> None:
    """For every JSON value the input is json.dumps with FORMAT 3's options."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = hmac.digest(KEY.secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()
    assert prompt_digest(value, KEY) == f"hmac-sha256:{KEY.key_id}:{expected}"


def test_the_response_digest_joins_the_digests_of_the_choices() -> None:
    """Each choice's text is hashed on its own, so that "ab","c" differs from "a","bc"."""
    joined = hashlib.sha256(b"ab").digest() + hashlib.sha256(b"c").digest()
    assert response_digest([_digest("ab"), _digest("c")], "sha256") == (
        f"sha256:{hashlib.sha256(joined).hexdigest()}"
    )
    assert response_digest([_digest("a"), _digest("bc")], KEY) != response_digest(
        [_digest("ab"), _digest("c")], KEY
    )


def test_tool_calls_follow_the_text_as_json() -> None:
    """Tool calls are part of the answer: the same canonical JSON, appended to the text."""
    calls = [{"id": "call_1", "function": {"name": "f", "arguments": "{}"}}]
    assert choice_digest("hi", calls) == (
        hashlib.sha256(b'hi[{"function":{"arguments":"{}","name":"f"},"id":"call_1"}]').digest()
    )


def test_tool_calls_without_json_leave_no_digest() -> None:
    """A malformed tool call makes the digest unknown."""
    assert choice_digest("hi", [object()]) is None


@given(st.lists(st.text(st.characters() | st.sampled_from("\ud83d\ude00"))))
def test_the_digest_does_not_depend_on_the_cuts(pieces: list[str]) -> None:
    """Fed piece by piece, also through the middle of a surrogate pair, a text has the digest of the whole."""
    choice = ChoiceDigest()
    for piece in pieces:
        choice.text(piece)
        choice.digest()  # asking changes nothing
    assert choice.digest([{"a": 1}]) == choice_digest("".join(pieces), [{"a": 1}])


@given(st.text("a\u00e9\ud83d\ude00", min_size=1, max_size=9), st.integers(1, 3), st.integers(30, 300))
def test_the_digest_of_many_pieces(text: str, size: int, times: int) -> None:
    """However many pieces are hashed at a time, the digest is that of the UTF-8 of the whole."""
    whole = text * times
    choice = ChoiceDigest()
    for at in range(0, len(whole), size):
        choice.text(whole[at : at + size])
    pairs = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert choice.digest() == hashlib.sha256(pairs.encode("utf-8", "surrogatepass")).digest()


def test_halves_of_a_character_make_the_character() -> None:
    """A gateway that cuts by UTF-16 units sends an emoji in two chunks; its digest is the emoji's."""
    choice = ChoiceDigest()
    choice.text("\ud83d")
    choice.text("\ude00")
    assert choice.digest() == hashlib.sha256("\U0001f600".encode()).digest()


def _digest(text: str) -> bytes:
    digest = choice_digest(text)
    assert digest is not None
    return digest


def test_a_pseudonym_is_labelled_keyed_and_normalised() -> None:
    """The exact input, and that spellings of one address are one person."""
    data = b"or-audit/v1/pseudonym\0EMAIL\0ann@example.com"
    expected = f"[EMAIL:b31f1a44:{hmac.digest(KEY.secret, data, 'sha256')[:8].hex()}]"
    assert pseudonym("EMAIL", " Ann@Example.COM\n", KEY) == expected


def test_pseudonyms_are_separated_by_type() -> None:
    """The same text as another type is another pseudonym, and only e-mail addresses lose their case."""
    assert pseudonym("EMAIL", "x", KEY)[-18:] != pseudonym("PHONE", "x", KEY)[-18:]
    assert pseudonym("IBAN", "ab", KEY) != pseudonym("IBAN", "AB", KEY)
