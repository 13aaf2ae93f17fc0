"""Redaction of text and values."""

from __future__ import annotations

import dataclasses
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction import Finding, Redactor
from or_audit_logging.redaction.redactor import FAILED

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail ann@example.com now", "mail [EMAIL] now"),
        ("<o'brien@corp.ie>, m\u00fcller@b\u00fccher.de", "<[EMAIL]>, [EMAIL]"),
        ("call +1 415 555 2671 or (415) 555-2671", "call [PHONE] or [PHONE]"),
        ("SSN 536-90-4399", "SSN [SSN]"),
        ("card 4111 1111 1111 1111.", "card [CARD]."),
        ("amex 378282246310005", "amex [CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [IBAN]"),
        ("from 192.168.1.10 and fe80::1ff:fe23:4567:890a", "from [IP_ADDRESS] and [IP_ADDRESS]"),
        ("sk-or-v1-0123456789abcdef", "[API_KEY]"),
        ("key: sk-ant-api03-fakefakefakefake, sk-proj-fakefakefakefakefake", "key: [API_KEY], [API_KEY]"),
        ("ghp_" + "a1B2" * 9, "[API_KEY]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [SECRET]"),
        ("with bearer a1b2.c3d4-e5f6", "with bearer [SECRET]"),
        ('said {\\"password\\": \\"two words\\"}', 'said {\\"password\\": \\"[SECRET]\\"}'),
        (
            "AWS_SECRET_ACCESS_KEY=fake0KEY1fake2 refresh_token=fake3TOKEN4fake5",
            "AWS_SECRET_ACCESS_KEY=[API_KEY] refresh_token=[SECRET]",
        ),
        ("Cookie: sid=1; theme=dark\nnext", "Cookie: [SECRET]\nnext"),
        ("https://u:p@ss/word@host/x", "https://u:[SECRET]@host/x"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nabcd\n-----END RSA PRIVATE KEY-----",
            "[SECRET]",
        ),
        ("card 4111\u00a01111\u00a01111\u00a01111", "card [CARD]"),
        ("postgres://bob:s3cret@db/x", "postgres://bob:[SECRET]@db/x"),
        ('{"password": "hunter22!"}', '{"password": "[SECRET]"}'),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2Qfake", "[SECRET]"),
    ],
)
def test_what_is_personal_or_secret_is_replaced(text: str, redacted: str) -> None:
    """Each by its type in brackets; the rest stays."""
    assert REDACTOR.redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "gen-1718900000-abcdefghijklmnopqrst",
        '{"created":1718900000,"cost":0.1234567890,"prompt_tokens":1234567}',
        "550e8400-e29b-41d4-a716-446655440000",
        "2026-11-21T10:30:45.123456Z took 12.5 ms",
        "logo@2x.png, git@ and react@18.2.0",
        "a[::2] std::vector 12:30:45",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "1234 5678 9012 3456",
        "max_tokens=4096 prompt_tokens: 11",
        "000-12-3456 and 666-12-3456",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    """Ids, times, costs, counts and code are not touched."""
    assert REDACTOR.redact(text).text == text


def test_findings_say_what_stood_where() -> None:
    """Offsets in the original text; the vendor of a key where it is known."""
    text = "ann@example.com sk-or-v1-0123456789abcdef"
    findings = REDACTOR.redact(text).findings
    assert findings == (
        Finding("EMAIL", "contact", 0, 15),
        Finding("API_KEY", "credential", 16, len(text), "openrouter"),
    )


@given(st.text(max_size=200) | st.text(alphabet=string.digits + "+-() .@a:/", max_size=120))
def test_redaction_is_idempotent(text: str) -> None:
    """What was redacted is not redacted again."""
    once = REDACTOR.redact(text).text
    assert REDACTOR.redact(once).text == once


def test_a_long_text_is_read_in_windows() -> None:
    """Secrets on either side of a window's edge, and across it, are found."""
    for edge in (16_384, 32_768):
        for offset in (-30, -5, 0, 5):
            text = "x " * ((edge + offset) // 2) + "ann@example.com" + " y" * 20_000
            redacted = REDACTOR.redact(text)
            assert "example.com" not in redacted.text
            assert [f.type for f in redacted.findings] == ["EMAIL"]


@pytest.mark.parametrize(
    "seed", ["a.", "1.", "a-", "%41", "a@", "1 ", "sk-or-v1-", "+1", "key=", "eyJ", "-----BEGIN "]
)
def test_adversarial_text_is_read(seed: str) -> None:
    """Repetitions that make careless patterns explode come back, unharmed or redacted."""
    text = seed * (64_000 // len(seed))
    assert REDACTOR.redact(text).text != FAILED


def test_allow_known_secrets_and_deny_keys() -> None:
    """Exact values to spare, exact values to hide, keys whose values never show."""
    redactor = Redactor(allow=["support@example.com"], known_secrets=["tr0ub4dor&3"], deny_keys=["pin"])
    redacted = redactor.redact("support@example.com tr0ub4dor&3")
    assert redacted.text == "support@example.com [SECRET]"
    assert redactor.redact_value({"PIN": "1234", "password": "open"}) == (
        {"PIN": "[SECRET]", "password": "open"},
        {"SECRET": 1},
    )


def test_the_digest_tells_policies_apart() -> None:
    """And holds no known secret."""
    digests = {
        Redactor(**options).digest for options in ({}, {"allow": ["a"]}, {"known_secrets": ["12345678"]})
    }
    assert len(digests) == 3
    assert Redactor().digest == Redactor().digest


@pytest.mark.parametrize(
    "options", [{"allow": "one text"}, {"known_secrets": ["short"]}, {"deny_keys": [1]}, {"allow": [None]}]
)
def test_mistaken_options_are_refused(options: dict[str, Any]) -> None:
    """At construction."""
    with pytest.raises(ConfigError):
        Redactor(**options)


@dataclasses.dataclass
class Person:
    mail: str


class Opaque:
    def __str__(self) -> str:
        return "opaque ann@example.com"


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_values_are_copied_redacted() -> None:
    """Keys, bytes, dataclasses, objects, sets, numbers that are cards; the original stays."""
    value = {
        "ann@example.com": b"bob@example.com",
        "person": Person("c@example.com"),
        "opaque": Opaque(),
        "hostile": Hostile(),
        "set": {"d@example.com"},
        "card": 4111111111111111,
        "count": 17,
        "Api-Key": "anything",
        "prompt_tokens": 5,
        "nothing": None,
    }
    copy, counts = REDACTOR.redact_value(value)
    assert copy == {
        "[EMAIL]": "[EMAIL]",
        "person": {"mail": "[EMAIL]"},
        "opaque": "opaque [EMAIL]",
        "hostile": "[Hostile]",
        "set": ["[EMAIL]"],
        "card": "[CARD]",
        "count": 17,
        "Api-Key": "[SECRET]",
        "prompt_tokens": 5,
        "nothing": None,
    }
    assert counts == {"EMAIL": 5, "CARD": 1, "SECRET": 1}
    ends = {
        "openai_api_key": "abc",
        "db_password": b"abc",
        b"password": "abc",
        "dbPwd": "abc",
        "max_tokens": 4,
        "keyboard": "qwerty",
    }
    hidden = {"openai_api_key", "db_password", "password", "dbPwd"}
    assert {key for key, item in REDACTOR.redact_value(ends)[0].items() if item == "[SECRET]"} == hidden  # type: ignore[attr-defined]
    assert value["ann@example.com"] == b"bob@example.com"
    json.dumps(copy)


def test_many_items_and_colliding_names_are_no_burden() -> None:
    """6,000 addresses as keys keep their values; a value without end is cut off, shared parts included."""
    copy, _ = REDACTOR.redact_value({f"a{n}@example.com": n for n in range(6000)})
    assert isinstance(copy, dict)
    assert sorted(copy.values()) == list(range(6000))
    shared: Any = ["x"]
    for _ in range(25):
        shared = [shared, shared]
    for value in (shared, [["a"] * 1000] * 1000):
        cut, counts = REDACTOR.redact_value(value)
        assert FAILED in json.dumps(cut)
        assert counts == {"REDACTION_FAILED": 1}


def test_a_cycle_and_a_deep_value_end() -> None:
    """Where a value contains itself, or goes too deep, the marker stands, and is counted."""
    value: list[Any] = ["ann@example.com"]
    value.append(value)
    assert REDACTOR.redact_value(value) == (["[EMAIL]", FAILED], {"EMAIL": 1, "REDACTION_FAILED": 1})
    deep: Any = "ann@example.com"
    for _ in range(1000):
        deep = [deep]
    copy, counts = REDACTOR.redact_value(deep)
    assert FAILED in json.dumps(copy)
    assert "example.com" not in json.dumps(copy)
    assert counts == {"REDACTION_FAILED": 1}


def test_what_cannot_be_redacted_does_not_pass() -> None:
    """A failure inside gives the marker, never the text, never an exception."""

    class Broken(Redactor):
        def _find(self, text: str) -> Any:
            raise RuntimeError(text)

    redacted = Broken().redact("ann@example.com")
    assert redacted.text == FAILED
    assert [finding.type for finding in redacted.findings] == ["REDACTION_FAILED"]
