"""Text as it comes: escapes, entities, odd digits and signs, invisible characters."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.plain import Remapped, plain_text

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ann%40example.com", "ann@example.com"),
        ("m%C3%BCller", "m\u00fcller"),
        ("\u00e9 %e2%82%ac", "\u00e9 \u20ac"),
        (r"ann\u0040example.com", "ann@example.com"),
        (r"ann\\\\u0040example.com", "ann@example.com"),
        ("a&#64;b &#x40; &commat; &amp;", "a@b @ @ &"),
        (r"a\nb\"c\/d", 'a\nb"c/d'),
        ("al\u00adi\u200bce\ufeff", "alice"),
        ("\uff14\uff11 \u0664\u0661 \U0001d7d2", "41 41 4"),
        ("ann\uff20example\uff0ecom \ufe6b", "ann@example.com @"),
        ("415\u2011555\u2013\u22121", "415-555--1"),
        ("4111\u00a01111\u202f1111\u30001111", "4111 1111 1111 1111"),
    ],
)
def test_what_is_written_oddly_is_read_as_meant(text: str, meant: str) -> None:
    """Each kind of escape, form and invisible character."""
    plain = plain_text(text)
    assert plain is not None
    assert plain.text == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "100% of it & more",
        "C:\\Windows",
        "caf\u00e9 \u2014 \u4f60\u597d\uff0c\u4e16\u754c\uff01",
        "\U0001f600",
        "&nosuch;",
        "%4",
        "&#0;",
        "&#9999999;",
    ],
)
def test_what_means_itself_costs_nothing_more(text: str) -> None:
    """Ordinary prose, in other scripts too, is not read twice."""
    assert plain_text(text) is None


def test_every_decimal_digit_is_a_digit() -> None:
    """Of every script that this Python's Unicode knows, wherever its run of ten stands."""
    for code in range(0x80, sys.maxunicode + 1):
        value = unicodedata.decimal(chr(code), -1)
        if value >= 0:
            plain = plain_text(chr(code))
            assert plain is not None, hex(code)
            assert plain.text == str(value)


@given(
    st.text(
        alphabet=st.sampled_from("ab%4\\u0&#6;n\u200b\uff11\u00a0\u2011C3B") | st.characters(), max_size=60
    )
)
def test_the_way_back_leads_to_the_same_characters(text: str) -> None:
    """A piece of the text as meant is read, by itself, out of the place that it came from."""
    plain = plain_text(text)
    if plain is None:
        return
    length = len(plain.text)
    for start in range(length):
        low, high = plain.original(start, start + 1)
        assert 0 <= low < high <= len(text)
    assert plain.original(0, length)[1] <= len(text)
    starts = [plain.original(n, n + 1)[0] for n in range(length)]
    assert starts == sorted(starts)


def test_replaced_places_map_back_whole() -> None:
    """Into, out of, around and between places, empty ones included."""
    text = Remapped("0123456789", [(2, 4, "X"), (4, 5, ""), (6, 8, "YZW")])
    assert text.text == "01X5YZW89"
    assert text.original(0, 2) == (0, 2)
    assert text.original(2, 3) == (2, 4)
    assert text.original(3, 4) == (5, 6)
    assert text.original(1, 4) == (1, 6)
    assert text.original(5, 6) == (6, 8)
    assert text.original(7, 9) == (8, 10)
    assert text.widened(3, 7) == (2, 8)
    assert text.widened(4, 6) == (4, 6)


@pytest.mark.parametrize(
    "text",
    [
        "ann%40example.com",
        r"ann\u0040example.com",
        "ann&#64;example.com",
        "a\u00adnn@example.com",
        "ann\uff20example.com",
        "card \uff14111 1111 1111 1111",
        "+1\u2011415\u2011555\u20112671",
    ],
)
def test_offsets_are_those_of_the_original(text: str) -> None:
    """What is found in the text as meant is cut out of the text as it stands."""
    redacted = REDACTOR.redact(f"<{text}>")
    (finding,) = redacted.findings
    assert (finding.start, finding.end) == (text.startswith("card") * 5 + 1, len(text) + 1)
    assert redacted.text == f"<{'card ' * text.startswith('card')}[{finding.type}]>"


@pytest.mark.parametrize("before", ["hi\n", 'say "', "tab\t", "slash\\", "\u2028"])
def test_json_stays_json(before: str) -> None:
    """An escape in front of an address is not cut in two, in serialised JSON nor in JSON inside JSON."""
    line = json.dumps({"m": f"{before}bob@example.com", "n": 1})
    for text in (line, json.dumps(line)):
        redacted = REDACTOR.redact(text).text
        assert "bob" not in redacted
        json.loads(redacted)


def test_an_escape_of_an_escape_stays_one() -> None:
    """Each is read once, which bounds the work."""
    assert REDACTOR.redact("ann%2540example.com").text == "ann%2540example.com"
