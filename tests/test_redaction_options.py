"""What a policy may say: actions, allow lists, known secrets, recognizers, keys; and what it may not."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from or_audit_logging.digest import pseudonym
from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction import Finding, Redactor
from or_audit_logging.redaction.cost import MOST_WAYS, compiled, ways
from or_audit_logging.redaction.redactor import FAILED, LONGEST
from or_audit_logging.sealing.chain import digest_key

KEY = digest_key(b"a visibly fake secret of 32 bytes or more")
MAIL, CARD, PHONE = "ann@example.com", "4111 1111 1111 1111", "+1 415 555 2671"
IBAN, OPENROUTER = "DE89 3704 0044 0532 0130 00", "sk-or-v1-" + "f4ke" * 16


@pytest.mark.parametrize(
    ("actions", "text", "redacted"),
    [
        ({"CARD": "mask"}, CARD, "[CARD:*1111]"),
        ({"financial": "mask"}, IBAN, "[IBAN:*3000]"),
        ({"credential": "mask"}, OPENROUTER, "[API_KEY:openrouter]"),
        ({"credential": "mask"}, "password=hunter22!", "password=[SECRET]"),
        ({"EMAIL": "mask"}, MAIL, "[EMAIL]"),
        ({"EMAIL": "drop"}, f"<{MAIL}>", "<>"),
        ({"contact": "keep"}, f"{MAIL} {CARD}", f"{MAIL} [CARD]"),
        ({"contact": "keep", "EMAIL": "replace"}, f"{MAIL} {PHONE}", f"[EMAIL] {PHONE}"),
        ({"EMAIL": lambda finding, text: f"<{finding.type} of {len(text)}>"}, MAIL, "<EMAIL of 15>"),
    ],
)
def test_each_type_has_its_action(actions: dict[str, Any], text: str, redacted: str) -> None:
    """By type, else by category, else the type in brackets; no mask shows a character of a key."""
    redactor = Redactor(actions=actions)
    assert redactor.redact(text).text == redacted
    if not callable(next(iter(actions.values()))):
        assert redactor.redact(redacted).text == redacted


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        ("EMAIL", ["ann@example.com", "Ann@Example.COM", "ann%40example.com"]),
        ("PHONE", ["+1 415 555 2671", "+1 (415) 555-2671", "+1\u2011415\u2011555\u20112671"]),
        ("CARD", ["4111 1111 1111 1111", "4111111111111111"]),
    ],
)
def test_a_pseudonym_is_the_same_for_every_spelling(kind: str, spellings: list[str]) -> None:
    """Under the digest key, as `or-audit token` computes it; another key gives another one."""
    redactor = Redactor(actions={kind: "pseudonym"}, key=KEY)
    expected = pseudonym(kind, spellings[0], KEY)
    for spelling in spellings:
        redacted = redactor.redact(f"<{spelling}>").text
        assert redacted == f"<{expected}>"
        assert redactor.redact(redacted).text == redacted


@pytest.mark.parametrize("action", [lambda finding, text: 1 / 0, lambda finding, text: None])
def test_a_callable_that_fails_lets_nothing_through(action: Any) -> None:
    """The marker stands there, and the failure is counted beside the finding."""
    redactor = Redactor(actions={"EMAIL": action})
    assert redactor.redact(f"<{MAIL}>").text == f"<{FAILED}>"
    assert redactor.redact_value([MAIL]) == ([FAILED], {"EMAIL": 1, "REDACTION_FAILED": 1})


def test_what_is_allowed_stays() -> None:
    """Exact values, the addresses of a domain but not of those around it, networks, patterns."""
    redactor = Redactor(
        allow=["Support@example.com", "@example.org", "example.net", "10.0.0.0/8", r"re:\+1 415 555 [0-9]{4}"]
    )
    for text in (
        "support@EXAMPLE.com",
        "ann@example.org",
        "ann%40example.net",
        "10.1.2.3",
        "+1 415 555 2671",
    ):
        assert redactor.redact(text).text == text
    for text in ("ann@example.com", "ann@sub.example.org", "ann@badexample.net", "11.1.2.3", "fe80::1:2:3"):
        assert redactor.redact(text).text != text
    assert redactor.redact("password: ann@example.org").text == "password: [SECRET]"


def test_a_known_secret_is_found_however_it_is_written() -> None:
    """As it is, percent-encoded, escaped in JSON, and inside base64 at any offset."""
    secret = 'tr0ub/"dor&3\u00e9'
    redactor = Redactor(known_secrets=[secret])
    forms = [
        secret,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        json.dumps(secret)[1:-1],
    ]
    for form in forms:
        assert redactor.redact(f"<{form}>").text == "<[SECRET]>", form
    for offset in range(6):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"u" * offset + secret.encode() + b":x").decode()
            core = base64.b64encode(secret.encode()).decode()[4:12]
            redacted = redactor.redact(f"<{encoded}>").text
            assert "[SECRET]" in redacted
            assert core not in redacted


class Names:
    """A recognizer as a callable: what a language model for names would be."""

    def __call__(self, text: str) -> Iterator[Finding]:
        start = text.find("Ann Example")
        if start >= 0:
            yield Finding("PERSON", "contact", start, start + 11)


def test_recognizers_add_types() -> None:
    """A callable, and patterns with context, a named group and a validator."""
    redactor = Redactor(
        recognizers=[
            Names(),
            {"type": "STAFF_NUMBER", "pattern": "EMP-[0-9]{6}"},
            {"type": "ROOM", "pattern": r"\b[0-9]{3}\b", "context": ["room"], "category": "network"},
            {"type": "LOYALTY", "pattern": "LC(?P<value>[0-9]{12})", "validator": "luhn"},
            {"type": "ODD", "pattern": "odd [0-9]", "validator": lambda text: int(text[-1]) % 2 == 1},
        ],
        actions={"PERSON": "mask"},
    )
    text = "Ann Example, EMP-123456, Room 123, LC512345678902 LC512345678903, odd 3 odd 4"
    redacted = redactor.redact(text)
    assert redacted.text == "[PERSON], [STAFF_NUMBER], Room [ROOM], LC[LOYALTY] LC512345678903, [ODD] odd 4"
    assert redactor.redact("score 123, shelf").text == "score 123, shelf"
    assert redactor.redact(redacted.text).text == redacted.text


@pytest.mark.parametrize(
    "recognizer",
    [
        lambda text: 1 / 0,
        lambda text: [Finding("X_X", "contact", 0, len(text) + 1)],
        lambda text: [Finding("lower", "contact", 0, 1)],
        lambda text: ["no finding"],
        lambda text: None,
    ],
)
def test_a_recognizer_that_fails_lets_nothing_through(recognizer: Any) -> None:
    """The text becomes the marker."""
    assert Redactor(recognizers=[recognizer]).redact("some text").text == FAILED


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\w+\s?)*$",
        r"(a|aa){1,30}b",
        r"(a{1,9}){1,9}",
        r"a+",
        r".*secret",
        r"\d{1,600}\d{1,50}x",
        r"a{1,5000}b",
        r"(x{0,20}){20}y",
        "a?" * 25 + "a" * 25,
        r"(?:(?:a{1,20}b?){1,20}c?){1,20}",
        r"(?=(a+)+b)c",
        r"(?i:A{1,900}a{1,900})b",
        "x" * 2_000,
        "(",
        "",
        "a{0,5}",
    ],
)
def test_a_slow_or_mistaken_pattern_is_refused(pattern: str) -> None:
    """When it is loaded, with what to do about it."""
    for options in ({"recognizers": [{"type": "X_X", "pattern": pattern}]}, {"allow": [f"re:{pattern}"]}):
        with pytest.raises(ConfigError):
            Redactor(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pattern",
    [
        r"EMP-[0-9]{6}",
        r"\b[A-Z]{2}\d{6,10}\b",
        r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,10}",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"(?:[ .-]?\d){12,18}",
        r"(?i)(?:order|invoice)[ #:]{1,3}(?P<value>[A-Z0-9]{4,12})",
        r"(?<![\w.])[A-Z]\d{8}(?!\w)",
    ],
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    """With bounded repeats, each told apart from what follows."""
    assert ways(pattern) <= MOST_WAYS
    assert compiled(pattern, name="x").pattern == pattern


@pytest.mark.parametrize(
    "options",
    [
        {"actions": {"EMAIL": "hide"}},
        {"actions": {"email": "mask"}},
        {"actions": ["mask"]},
        {"actions": {"EMAIL": "pseudonym"}},
        {"packs": ["xx"]},
        {"packs": "gb"},
        {"recognizers": [{"type": "lower", "pattern": "x"}]},
        {"recognizers": [{"type": "X_X", "pattern": "x", "category": "other"}]},
        {"recognizers": [{"type": "X_X", "pattern": "x", "score": 1}]},
        {"recognizers": [{"type": "X_X", "pattern": "x", "validator": "nope"}]},
        {"recognizers": [{"type": "X_X", "pattern": "x", "context": 3}]},
        {"recognizers": [{"type": "X_X"}]},
        {"recognizers": {"type": "X_X", "pattern": "x"}},
        {"recognizers": ["x"]},
        {"safe_keys": [1]},
        {"known_secrets": ["env:HOME"]},
    ],
)
def test_mistakes_are_refused(options: dict[str, Any]) -> None:
    """At construction, as ConfigError."""
    with pytest.raises(ConfigError):
        Redactor(**options)


def test_the_digest_covers_every_option() -> None:
    """Two policies that differ in anything have different digests, and no secret is in one."""
    options: list[dict[str, Any]] = [
        {},
        {"actions": {"EMAIL": "mask"}},
        {"actions": {"EMAIL": "pseudonym"}, "key": KEY},
        {"actions": {"EMAIL": "pseudonym"}, "key": digest_key(b"another visibly fake secret of 32 bytes")},
        {"actions": {"EMAIL": Names.__call__}},
        {"allow": ["a"]},
        {"deny_keys": ["a"]},
        {"safe_keys": ["a"]},
        {"recognizers": [Names()]},
        {"recognizers": [{"type": "X_X", "pattern": "x"}]},
        {"recognizers": [{"type": "X_X", "pattern": "y"}]},
        {"known_secrets": ["12345678"]},
    ]
    assert len({Redactor(**given).digest for given in options}) == len(options)
    for given in options:
        assert Redactor(**given).digest == Redactor(**given).digest


def test_values_under_safe_keys_are_not_read() -> None:
    """Those that the policy names whatever they are; our own where they look like what belongs there."""
    redactor = Redactor(safe_keys=["Ticket-No"])
    value = {
        "ticket_no": ["+1 415 555 2671", {"deep": MAIL}],
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "generation_id": "gen-1718900000-abcdefghijklmnopqrst",
        "model": "openai/gpt-4o-mini",
        "created": 4111111111111111,
        "user": 4111111111111111,
        "request_id": MAIL,
        "trace_id": OPENROUTER,
    }
    copy, counts = redactor.redact_value(value)
    assert copy == value | {"user": "[CARD]", "request_id": "[EMAIL]", "trace_id": "[API_KEY]"}
    assert counts == {"CARD": 1, "EMAIL": 1, "API_KEY": 1}
    assert redactor.redact_value({"span_id": "4111111111111111"})[0] == {"span_id": "[CARD]"}
    assert redactor.redact_value({"span_id": "4111111111111112"})[0] == {"span_id": "4111111111111112"}
    assert redactor.redact_value({"password": 1})[0] == {"password": "[SECRET]"}


def test_what_is_beyond_the_budget_does_not_pass() -> None:
    """A text that is too long, and what comes after as much in a value; both are counted."""
    redactor = Redactor()
    assert redactor.redact("x" * (LONGEST + 1)).text == FAILED
    third = "x " * (LONGEST // 5)
    copy, counts = redactor.redact_value([third, third, third, MAIL])
    assert copy == [third, third, FAILED, FAILED]
    assert counts == {"REDACTION_FAILED": 2}
