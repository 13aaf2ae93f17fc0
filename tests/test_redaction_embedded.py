"""JSON inside a text: keys count as they do in dicts, and JSON stays JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.redactor import FAILED

REDACTOR = Redactor(deny_keys=["pin", "password"], safe_keys=["ticket_no"])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"pin": 12, "to": "ann@example.com"}', '{"pin": "[SECRET]", "to": "[EMAIL]"}'),
        ('{"pin": {"a": [1, {"b": 2}]}, "x":1}', '{"pin": "[SECRET]", "x":1}'),
        ('{"pin": null, "Pass-Word": "open"}', '{"pin": null, "Pass-Word": "[SECRET]"}'),
        ('[{"pin": "1"}, {"pin": "2"}]', '[{"pin": "[SECRET]"}, {"pin": "[SECRET]"}]'),
        ('{"card": 4111111111111111, "n": [4111111111111111]}', '{"card": "[CARD]", "n": ["[CARD]"]}'),
        (
            '{"phone": 4155552671, "cost": 0.10, "tiny": 1e-05}',
            '{"phone": "[PHONE]", "cost": 0.10, "tiny": 1e-05}',
        ),
        (
            '{"ticket_no": "+1 415 555 2671", "a": "+1 415 555 2671"}',
            '{"ticket_no": "+1 415 555 2671", "a": "[PHONE]"}',
        ),
        ('{"ticket_no": ["+1 415 555 2671", {"x": "ann@example.com"}]}', None),
        (
            '{"id": "ann@example.com", "created": 4111111111111111}',
            '{"id": "[EMAIL]", "created": 4111111111111111}',
        ),
        ('{"generation_id": "gen-1718900000-abcdefghijklmnopqrst", "total_cost": 1234567890.10}', None),
        (
            '{"ann@example.com": 1, "caf\\u00e9": "\\ud83d\\ude00"}',
            '{"[EMAIL]": 1, "caf\\u00e9": "\\ud83d\\ude00"}',
        ),
        ('  {"pin": 1}\n', '  {"pin": "[SECRET]"}\n'),
        ('{"pin": "a\\"b", "x": "hi\\nbob@corp.com"}', '{"pin": "[SECRET]", "x": "hi\\n[EMAIL]"}'),
        ('{"phone": -4155552671, "tel": 4155552671.5}', '{"phone": "-[PHONE]", "tel": 4155552671.5}'),
        ('{"pin": 1', None),
        ("[pin: 1]", None),
        ('"pin"', None),
        ("[EMAIL] {}", None),
    ],
)
def test_keys_count_inside_texts(text: str, redacted: str | None) -> None:
    """Denied values go whole, safe ones stay, numbers become strings; spacing and digits stay."""
    out = REDACTOR.redact_value({"arguments": text})[0]
    assert out == {"arguments": text if redacted is None else redacted}
    if redacted is not None:
        json.loads(redacted)
        assert REDACTOR.redact_value(redacted)[0] == redacted
    assert REDACTOR.redact_value(text.encode())[0] == (text if redacted is None else redacted)


def test_what_is_hidden_is_counted() -> None:
    """By type, as in dicts."""
    text = json.dumps([{"password": "x", "pin": 1}, {"to": "ann@example.com"}])
    assert REDACTOR.redact_value(text)[1] == {"SECRET": 2, "EMAIL": 1}


def test_a_text_that_cannot_be_redacted_does_not_pass() -> None:
    """The marker stands for the whole of it."""
    failing = Redactor(recognizers=[lambda text: 1 / 0])  # type: ignore[list-item, return-value]
    assert failing.redact_value('{"a": 1}')[0] == FAILED
    assert failing.redact_value('{"id": 1}')[0] == FAILED


@pytest.mark.parametrize("make", [
    lambda n: '{"' + '\\"' * n + "}",
    lambda n: '{"a":"' + '\\"' * n + '", "pin": 1, "c": 4111111111111111}',
    lambda n: "{" + '"pin":' * n + "1}",
    lambda n: "[" + "1," * n + "4111111111111111]",
    lambda n: "[" + '"id":[{' * n + "}]",
])  # fmt: skip
def test_what_only_resembles_json_is_read(make: Any) -> None:
    """To its end, and no card in it stays."""
    assert "4111" not in str(REDACTOR.redact_value(make(20_000))[0])


def test_deep_json_is_read() -> None:
    """As a text, where it goes too deep for a parser."""
    deep = '{"pin": ' + "[" * 50_000 + '"ann@example.com"' + "]" * 50_000 + "}"
    assert "example.com" not in str(REDACTOR.redact_value(deep)[0])


def test_a_key_says_what_a_number_is() -> None:
    """In dicts as in texts: what only a word tells from an order number."""
    value: dict[str, Any] = {
        "phone": "4155552671",
        "mobile_number": 4155552671,
        "ssn": "536904399",
        "order": "4155552671",
        "count": 4155552671,
        "phones": 2,
    }
    copy, counts = Redactor().redact_value(value)
    assert copy == value | {"phone": "[PHONE]", "mobile_number": "[PHONE]", "ssn": "[SSN]"}
    assert counts == {"PHONE": 2, "SSN": 1}


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
LEAVES |= st.sampled_from(
    ["ann@example.com", 4111111111111111, "[SECRET]", "[KEPT:json:0000000000000000]", "\ud800"]
)
KEYS = st.text(max_size=6) | st.sampled_from(["pin", "id", "ticket_no", "phone", "ann@example.com", "model"])
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(KEYS, v, max_size=4), max_leaves=12
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_json_stays_json(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Whatever is in it; nothing personal stays, and redacting again changes nothing."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    redacted = REDACTOR.redact_value(text)[0]
    assert isinstance(redacted, str)
    if text[0] in "{[":
        json.loads(redacted)
        assert REDACTOR.redact_value(redacted)[0] == redacted


@pytest.mark.parametrize("space", [" " * 40, "\n\t", ""])
@pytest.mark.parametrize("before", ["", "\t", "\r\n"])
def test_space_around_a_key_does_not_hide_it(space: str, before: str) -> None:
    """As much as JSON allows."""
    copy, _ = REDACTOR.redact_value(f'{before}{{"pin"{space}: 12}}')
    assert copy == f'{before}{{"pin"{space}: "[SECRET]"}}'


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"card": 4111111111111111, "to": "ann@example.com"}', {"card": "", "to": '"<ann>"\n'}),
        ("[4111111111111111, 5]", ["", 5]),
        (
            '{"a": {"b": "-----BEGIN PRIVATE KEY-----"}, "c": "-----END PRIVATE KEY-----"}',
            {"a": {"b": "[SECRET]"}, "c": "-----END PRIVATE KEY-----"},
        ),
    ],
)
def test_what_would_break_json_does_not(text: str, redacted: object) -> None:
    """An action that leaves nothing, or quotation marks; a finding that reaches over members."""
    redactor = Redactor(actions={"CARD": "drop", "EMAIL": lambda finding, text: '"<ann>"\n'})
    copy, counts = redactor.redact_value(text)
    assert json.loads(str(copy)) == redacted
    assert set(counts.values()) == {1}


def test_a_name_tells_what_its_list_holds() -> None:
    """As it tells what a number is; a list that contains itself ends."""
    value: dict[str, Any] = {"phones": ["4155552671", 4155552672, True], "order": ["4155552671"]}
    assert Redactor().redact_value(value)[0] == value | {"phones": ["[PHONE]", "[PHONE]", True]}
    value["phones"].append(value["phones"])
    copy, counts = Redactor().redact_value(value)
    assert copy == value | {"phones": ["[PHONE]", "[PHONE]", True, FAILED]}
    assert counts == {"PHONE": 2, "REDACTION_FAILED": 1}
