"""Overlaps, windows, placeholders, and that redaction is idempotent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.redaction import Finding, Redactor
from or_audit_logging.redaction.redactor import FAILED
from or_audit_logging.redaction.spans import BEYOND, WINDOW, in_windows, united

REDACTOR = Redactor()
IN_ORDER = (
    Finding("API_KEY", "credential", 0, 9, "openrouter"),
    Finding("SECRET", "credential", 0, 9, "github"),
    Finding("SECRET", "credential", 0, 9),
    Finding("IBAN", "financial", 0, 9),
    Finding("CARD", "financial", 0, 9),
    Finding("EMAIL", "contact", 0, 9),
    Finding("SSN", "government", 0, 9),
    Finding("IP_ADDRESS", "network", 0, 9),
    Finding("PHONE", "contact", 0, 9),
)


def test_the_higher_kind_names_what_overlaps() -> None:
    """Credential, IBAN, card, e-mail, national identifier, network, telephone; whatever comes first."""
    for place, high in enumerate(IN_ORDER):
        for low in IN_ORDER[place + 1 :]:
            assert united([low, high]) == united([high, low]) == (high,)


def test_overlaps_are_covered_whole() -> None:
    """A chain of overlaps is one finding from the first start to the last end; neighbours stay apart."""
    phone, card, mail = (
        Finding("PHONE", "contact", 0, 12),
        Finding("CARD", "financial", 10, 20),
        Finding("EMAIL", "contact", 20, 30),
    )
    assert united([mail, card, phone]) == (Finding("CARD", "financial", 0, 20), mail)


@pytest.mark.parametrize("edge", [WINDOW, WINDOW + BEYOND, 2 * WINDOW])
@pytest.mark.parametrize("offset", [-20, -15, -1, 0, 1])
def test_what_stands_across_an_edge_is_found_once(edge: int, offset: int) -> None:
    """Wherever windows begin and end."""
    text = "x " * ((edge + offset) // 2) + "ann@example.com" + " y" * WINDOW
    redacted = REDACTOR.redact(text)
    assert [finding.type for finding in redacted.findings] == ["EMAIL"]
    assert "ann" not in redacted.text


def test_a_window_s_edge_makes_no_number() -> None:
    """A longer number, cut at an edge, does not become a card or a telephone number."""
    text = "9" * 41 + " "
    long = text * (3 * WINDOW // len(text))
    assert REDACTOR.redact(long).text == long


def test_a_long_secret_is_followed_beyond_its_window() -> None:
    """A private key that is longer than windows overlap goes as a whole."""
    key = "-----BEGIN PRIVATE KEY-----\n" + "QUJD\n" * 2_000 + "-----END PRIVATE KEY-----"
    assert REDACTOR.redact("x " * (WINDOW // 2 - 10) + key + " y" * WINDOW).text.count("QUJD") == 0


def test_windows_cover_a_text_once() -> None:
    """Every finding counts for one window."""
    text = "ab " * WINDOW

    def each(piece: str) -> list[Finding]:
        return [Finding("A", "contact", n, n + 1) for n, c in enumerate(piece) if c == "a"]

    assert [finding.start for finding in in_windows(text, each)] == list(range(0, len(text), 3))


@pytest.mark.parametrize(
    "text",
    [
        "[EMAIL] [CARD:*1111] [API_KEY:openrouter] [EMAIL:b31f1a44:0123456789abcdef] [REDACTION_FAILED]",
        "password=[SECRET] token: [API_KEY:openrouter], Cookie: [SECRET]",
        "Authorization: [SECRET]",
        "call [PHONE:b31f1a44:4155552671415555] or [PHONE:b31f1a44:4111111111111111]",
        "https://u:[SECRET]@host/",
    ],
)
def test_what_was_redacted_stays(text: str) -> None:
    """By whatever action."""
    assert REDACTOR.redact(text).text == text


@pytest.mark.parametrize(
    "text", ["[ann@example.com]", "[EMAIL:ann@example.com]", "[CARD:4111111111111111]", "[X:+14155552671]"]
)
def test_nothing_hides_in_brackets(text: str) -> None:
    """What only resembles a placeholder is read like any text."""
    assert REDACTOR.redact(text).findings


PIECES = [
    *("ann@example.com", "+1 415 555 2671", "(415) 555-2671", "4111 1111 1111 1111", "536-90-4399"),
    *("192.168.1.10", "fe80::1ff:fe23:4567:890a", "DE89 3704 0044 0532 0130 00", "sk-or-v1-0123456789abcdef"),
    *("password=", "hunter22!", "Bearer ", "Cookie: ", "https://u:", "@", "/", "-", ".", ":", " ", ",", '"'),
    *("\\n", "\\", "%40", "&#64;", "\\u0040", "\n", "x", "7", "415", "555", "2671", "[", "]", "token: "),
    *(
        "[EMAIL]",
        "[SECRET]",
        "[CARD:*1111]",
        "[EMAIL:b31f1a44:0123456789abcdef]",
        "\u200b",
        "\u2011",
        "\uff14",
    ),
]
POLICIES = (
    REDACTOR,
    Redactor(actions={"CARD": "mask", "contact": "drop", "credential": "mask"}),
    Redactor(actions={"EMAIL": "keep"}, allow=["192.168.0.0/16"]),
)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_redacting_again_changes_nothing(text: str) -> None:
    """Under every policy: no finding hides another, and none cuts what was put in its place."""
    for redactor in POLICIES:
        once = redactor.redact(text)
        assert FAILED not in once.text
        assert redactor.redact(once.text).text == once.text
        at = 0
        for finding in once.findings:
            assert at <= finding.start < finding.end <= len(text)
            at = finding.end
