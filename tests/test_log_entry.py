"""What of a body becomes which field of Cloud Logging's LogEntry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.ship.log_entry import log_entry
from or_audit_logging.ship.target import Item

TIME = datetime(2026, 11, 21, 10, 30, 45, 123456, tzinfo=UTC)
LINE = b'{"event_type":"log","note":"caf\\u00e9 \\ud800","log":"0001020304050607","seq":7,"kid":0,"mac":"ab"}'


def entry_of(body: bytes | dict[str, Any], time: datetime | None = TIME) -> dict[str, Any]:
    """Return the entry that *body* becomes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return log_entry(Item(7, "id-7", time, LINE, raw), project="acme-prod")


def test_special_members_become_fields() -> None:
    """What Google's agent takes out of a JSON line is taken out; the rest is the payload."""
    entry = entry_of(
        {
            "severity": "WARNING",
            "message": "chat_completion incomplete",
            "time": "2026-11-21T10:30:45.123456Z",
            "logging.googleapis.com/insertId": "another",
            "logging.googleapis.com/labels": {"service": "faq"},
            "logging.googleapis.com/trace": "4bf92f3577b34da6a3ce929d0e0e4736",
            "logging.googleapis.com/spanId": "00f067aa0ba902b7",
            "logging.googleapis.com/trace_sampled": True,
            "total_cost": 0.25,
        }
    )
    assert entry == {
        "insertId": "id-7",
        "timestamp": "2026-11-21T10:30:45.123456Z",
        "severity": "WARNING",
        "labels": {"service": "faq"},
        "trace": "projects/acme-prod/traces/4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "traceSampled": True,
        "jsonPayload": {"message": "chat_completion incomplete", "total_cost": 0.25},
    }


def test_the_resource_name_of_a_trace_stays() -> None:
    """A trace that is kept in another project is not moved into this one."""
    name = "projects/elsewhere/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    assert entry_of({"logging.googleapis.com/trace": name})["trace"] == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("severity", "FATAL"),
        ("severity", ["INFO"]),
        ("logging.googleapis.com/labels", {"tokens": 7}),
        ("logging.googleapis.com/labels", {f"label-{number}": "" for number in range(65)}),
        ("logging.googleapis.com/labels", {"k" * 513: ""}),
        ("logging.googleapis.com/labels", {"key": "v" * 64_001}),
        ("logging.googleapis.com/trace", 7),
        ("logging.googleapis.com/spanId", "7"),
        ("logging.googleapis.com/trace_sampled", "yes"),
    ],
)
def test_what_does_not_fit_its_field_stays_in_the_payload(name: str, value: object) -> None:
    """It would be refused there, or cut, and the record with it."""
    assert entry_of({name: value}) == {
        "insertId": "id-7",
        "timestamp": "2026-11-21T10:30:45.123456Z",
        "jsonPayload": {name: value},
    }


def test_the_sealed_line_is_text() -> None:
    """In the native format the bytes come back as they are, so that a checkpoint is an anchor."""
    entry = entry_of(LINE)
    assert entry["textPayload"].encode() == LINE
    assert "jsonPayload" not in entry


@pytest.mark.parametrize("body", [b"[1]", b"7", b"{", b"\xff", b'{"a":' * 31 + b"1" + b"}" * 31])
def test_what_is_no_payload_is_text(body: bytes) -> None:
    """Whatever the body is, nothing is lost of it but what no text can hold."""
    assert entry_of(body)["textPayload"] == body.decode("utf-8", "replace")


def test_an_item_without_a_time_gets_that_of_its_arrival() -> None:
    """The stub of a redacted line has none; a time that nobody vouches for is not lifted either."""
    entry = entry_of({"time": "whenever"}, time=None)
    assert entry == {"insertId": "id-7", "jsonPayload": {"time": "whenever"}}


@pytest.mark.parametrize(
    "digits", ["0.25", "0.000042", "9007199254740992", "-0.1", "1e3", "123456789.012345"]
)
def test_numbers_that_a_double_holds_are_numbers(digits: str) -> None:
    """So that they can be summed in queries and metrics."""
    value = entry_of(f'{{"n":{digits}}}'.encode())["jsonPayload"]["n"]
    assert isinstance(value, (int, float))
    assert Decimal(repr(float(value))) == Decimal(digits)


@pytest.mark.parametrize(
    "digits",
    [
        "9007199254740993",
        "9223372036854775807",
        "0.12345678901234567891",
        "1e400",
        "1E-400",
        "1e99999999999999999999",
    ],
)
def test_numbers_that_a_double_would_change_are_strings(digits: str) -> None:
    """An auditor reads the digits that were sealed."""
    assert entry_of(f'{{"n":{digits}}}'.encode())["jsonPayload"]["n"] == digits


def test_half_a_surrogate_pair_is_replaced() -> None:
    """Google refuses the whole request for one; whole pairs stay."""
    payload = entry_of(b'{"k\\ud800":["\\udc00x","\\ud83d\\ude00"]}')["jsonPayload"]
    assert payload == {"k\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}x", "\N{GRINNING FACE}"]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps({"a": value}).encode()))
def test_every_body_becomes_an_entry_that_can_be_sent(body: bytes) -> None:
    """JSON without NaN, in UTF-8."""
    entry = entry_of(body)
    json.dumps(entry, allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert ("jsonPayload" in entry) != ("textPayload" in entry)
