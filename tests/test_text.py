"""Members as JSON text: whatever the values are, the record is written."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.record import AuditRecord
from or_audit_logging.sealing import text
from or_audit_logging.sealing.encode import encode, encode_record
from or_audit_logging.sealing.text import MAX_DEPTH, UNREADABLE, money

ROOM = 100_000


def written(members: dict[str, Any], limit: int = ROOM) -> dict[str, Any]:
    """Return what a strict JSON reader makes of the encoded members."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a name stands twice"
        return dict(pairs)

    raw = encode(members, limit=limit)
    assert len(raw) <= limit
    assert all(0x20 <= byte <= 0x7E for byte in raw)
    out = json.loads(raw, parse_constant=refuse, object_pairs_hook=unique)
    assert isinstance(out, dict)
    return out


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Counter(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def cycle() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


def deep() -> Any:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (b"caf\xc3\xa9 \xff", "caf\u00e9 \\xff"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (cycle(), [1, "[CYCLE]"]),
        ("\ud800 \x7f \u00e9 \U0001f600", "\ud800 \x7f \u00e9 \U0001f600"),
        ({2: "a", None: "b", True: "c", (1, "x"): "d"}, {"2": "a", "null": "b", "true": "c", "(1,x)": "d"}),
        ({1: "a", "1": "b"}, {"1": "a", "1_2": "b"}),
        ([Decimal("0.1"), Decimal("NaN")], ["0.1", None]),
        (2**64, str(2**64)),
        (2**63, 2**63),
        (Unprintable(), "[Unprintable]"),
        (Counter(a=1), "[Counter]"),
        (("a", 1), ["a", 1]),
        (1e-7, 1e-7),
        (True, True),
    ],
)
def test_a_value_json_cannot_hold_is_written_as_documented(value: Any, expected: Any) -> None:
    """None of them loses the record; each has one written form."""
    out = written({"id": "1", "value": value})
    assert out == {"id": "1", "value": expected}


def test_a_huge_integer_is_written() -> None:
    """Beyond the interpreter's limit for decimal digits it is written in hex."""
    value = 1 << (4 * sys.get_int_max_str_digits())
    assert written({"value": value})["value"] == hex(value)


def test_depth_is_bounded() -> None:
    """A list nested 5,000 deep ends in a marker."""
    out = written({"value": deep()})["value"]
    levels = 0
    while isinstance(out, list):
        out, levels = out[0], levels + 1
    assert (out, levels) == ("[TOO DEEP]", MAX_DEPTH)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.0"),
        ("0.00", "0.00"),
        ("8.41005e-05", "0.0000841005"),
        ("12", "12.0"),
        ("-0.5", "-0.5"),
        ("1E+3", "1000.0"),
        ("1e-31", None),
        ("1e31", None),
        ("NaN", None),
        ("-Infinity", None),
    ],
)
def test_money_keeps_its_digits_and_has_a_fraction(amount: str, text: str | None) -> None:
    """Never an exponent, never the integer 0; beyond 30 digits either way it is unknown."""
    assert money(Decimal(amount)) == text
    raw = encode({"a": 1, "total_cost": Decimal(amount), "b": 2}, limit=ROOM)
    assert raw == f'{{"a":1,"total_cost":{text or "null"},"b":2}}'.encode()


JSONISH = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
        | st.sets(st.text(), max_size=3)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=20), JSONISH, max_size=8))
def test_any_members_give_valid_json(members: dict[str, Any]) -> None:
    """A strict reader accepts the result, and no name stands twice."""
    written(members)


def record(**changes: Any) -> dict[str, Any]:
    return {"event_type": "chat_completion", "id": "1", "timestamp": "t", "status": "error"} | changes


def test_a_short_record_is_not_cut() -> None:
    """At exactly the limit nothing happens."""
    raw = encode(record(), limit=ROOM)
    assert encode(record(), limit=len(raw)) == raw


def test_content_is_cut_first() -> None:
    """Metadata and the error message stay whole while content can give way."""
    out = written(
        record(content={"prompt": "x" * 9000}, metadata={"m": "y" * 500}, error_message="z" * 500), 4000
    )
    assert out["truncated"] is True
    assert out["original_bytes"] > 10_000
    assert (len(out["metadata"]["m"]), len(out["error_message"])) == (500, 500)
    assert 0 < len(out["content"]["prompt"]) < 9000


def test_metadata_is_cut_before_the_error_message() -> None:
    """Second in the order."""
    out = written(record(metadata={"m": "y" * 9000, "n": 1}, error_message="z" * 500), 4000)
    assert len(out["error_message"]) == 500
    assert out["metadata"]["n"] == 1


def test_the_cut_falls_between_characters() -> None:
    """No escape is split: a cut text is a head of the original."""
    text = "\u00e9\U0001f600\ud800\n" * 2000
    out = written(record(error_message=text), 4000)
    assert text.startswith(out["error_message"])
    assert len(encode(out, limit=ROOM)) > 3900


def test_numbers_without_end_are_dropped_with_their_metadata() -> None:
    """Where cutting text is not enough, content and metadata go."""
    out = written(record(metadata={"n": list(range(5000))}), 4000)
    assert "metadata" not in out
    assert out["status"] == "error"


@given(
    st.dictionaries(
        st.sampled_from(["user_id", "model_used", "tool_names", "metadata", "content", "x"]), JSONISH
    )
)
def test_any_record_fits_the_shortest_line(changes: dict[str, Any]) -> None:
    """At the least limit allowed every record is written, and keeps its id."""
    big = {key: [value] * 100 for key, value in changes.items()}
    out = written(record(**big, more="\U0001f600" * 3000), 3900)
    assert out["id"] == "1"
    assert out["truncated"] is True


class Unnamed(type):
    """A class of objects that cannot even be named."""

    @property
    def __name__(cls) -> str:
        raise ValueError("no name")


class Nameless(metaclass=Unnamed):
    """Fails when it is asked for its class."""

    @property
    def __class__(self) -> type:
        raise ValueError("no class")


def test_a_value_that_fails_when_it_is_looked_at() -> None:
    """The rest of the record is written."""
    released = memoryview(b"gone")
    released.release()
    members = {"a": 1, "b": Nameless(), "c": released, "d": [Nameless(), released, {"e": Nameless()}]}
    assert json.loads(encode(members, limit=4096)) == {
        "a": 1,
        "b": UNREADABLE,
        "c": UNREADABLE,
        "d": [UNREADABLE, UNREADABLE, {"e": UNREADABLE}],
    }


def test_members_whose_names_are_no_text() -> None:
    """They are named by their text, as deeper inside."""
    members: Any = {1: "a", None: "b", (1, "x"): "c", b"d": Decimal("0.5")}
    assert json.loads(encode(members, limit=4096)) == {"1": "a", "null": "b", "(1,x)": "c", "d": 0.5}


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


ODD = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20),
    st.uuids(),
    st.dates(),
    st.sampled_from([Colour.RED, Level.LOW, float("nan"), 1 << 70, b"bytes", "\ud800", "caf\u00e9", "\x7f"]),
)
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), ODD),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=4), inner, max_size=3),
        st.tuples(inner, inner),
    ),
    max_leaves=12,
)


@pytest.mark.skipif(text.orjson is None, reason="orjson is not installed")
@given(members=st.dictionaries(st.text(max_size=6), ANY, max_size=8))
def test_orjson_writes_what_is_written_without_it(members: dict[str, Any]) -> None:
    """The same values, whatever they are: what orjson would write otherwise is not left to it."""
    by_orjson = encode(members, limit=8000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "orjson", None)
        without = encode(members, limit=8000)
    assert json.loads(by_orjson) == json.loads(without)
    assert by_orjson.isascii()
    assert b"\x7f" not in by_orjson


@pytest.mark.skipif(text.orjson is None, reason="orjson is not installed")
def test_orjson_is_used() -> None:
    """A plain record goes by it, a Decimal member as a number with its own digits."""
    members = {"event_type": "x", "total_cost": Decimal("0.000420"), "metadata": {"a": [1, Decimal("0.5")]}}
    expected = b'{"event_type":"x","total_cost":0.000420,"metadata":{"a":[1,"0.5"]}}'
    assert text._by_orjson(members) == expected == encode(members, limit=8000)


@given(
    model=st.one_of(st.none(), st.text(max_size=30)),
    cost=st.one_of(st.none(), st.decimals(allow_nan=True, allow_infinity=True)),
    latency=st.one_of(st.none(), st.floats()),
    tokens=st.one_of(st.none(), st.integers()),
    metadata=st.one_of(st.none(), st.dictionaries(st.text(max_size=6), ANY, max_size=4)),
    names=st.one_of(st.none(), st.tuples(st.text(max_size=9), st.text(max_size=9))),
    without_orjson=st.booleans(),
)
def test_a_record_is_written_as_its_members_are(
    *, model: Any, cost: Any, latency: Any, tokens: Any, metadata: Any, names: Any, without_orjson: bool
) -> None:
    """In one pass, and with nothing else in it: the same names, in the same order, with the same values."""
    record = AuditRecord(
        event_type="chat_completion",
        id="1",
        timestamp="2026-11-21T12:00:00.000000Z",
        model_used=model,
        total_cost=cost,
        upstream_cost=cost,
        latency_ms=latency,
        prompt_tokens=tokens,
        streamed=True,
        metadata=metadata,
        tool_names=names,
    )
    with pytest.MonkeyPatch.context() as patch:
        if without_orjson:
            patch.setattr(text, "orjson", None)
        quick, usual = encode_record(record, limit=8000), encode(record.to_dict(), limit=8000)
    assert json.loads(quick) == json.loads(usual)
    assert list(json.loads(quick)) == list(json.loads(usual))


def test_names_that_become_one_text() -> None:
    """No name stands twice in a JSON object."""
    members: Any = {1: "a", "1": "b", None: "c", "null": "d"}
    body = encode(members, limit=4096)
    pairs = json.loads(body, object_pairs_hook=list)
    assert len({name for name, _ in pairs}) == 4
