"""India: Aadhaar numbers and permanent account numbers.

    2341 2341 2346, PAN ABCPE1234F      -> AADHAAR, PAN

Aadhaar: UIDAI, twelve digits that do not begin with 0 or 1, the last Verhoeff's check digit. PAN: Income Tax
Department, five letters of which the fourth tells the kind of holder, four digits, a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher
from or_audit_logging.redaction.words import vocabulary, words_before

_AADHAAR = re.compile(
    r"[2-9](?<![0-9A-Za-z_.][0-9])(?<![0-9][ -][0-9])[0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}"
    r"(?![0-9A-Za-z_]|[ .-][0-9])"
)
_AADHAAR_WORDS = vocabulary("aadhaar aadhar adhar uid uidai आधार")
_PAN = re.compile(
    r"[0-9](?<=[A-Za-z]{5}[0-9])(?<![0-9A-Za-z_][A-Za-z]{5}[0-9])[0-9]{3}[A-Za-z](?![0-9A-Za-z_])"
)
_HOLDERS = frozenset("ABCFGHJLPT")

_TIMES = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_PERMUTED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
"""The multiplication of the dihedral group of order ten, and Verhoeff's permutation with its powers."""


def find_aadhaars(text: str) -> Iterator[Finding]:
    """Yield the Aadhaar numbers in *text*; without grouping only beside a word for them."""
    for match in _AADHAAR.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        named = match[1] or not _AADHAAR_WORDS.isdisjoint(words_before(text, match.start()))
        if named and verhoeff(digits):
            yield Finding("AADHAAR", "government", *match.span())


def verhoeff(digits: str) -> bool:
    """Return whether *digits* end in Verhoeff's check digit."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_TIMES[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def find_pans(text: str) -> Iterator[Finding]:
    """Yield the permanent account numbers in *text*, in upper case or, beside the word, in any."""
    for match in _PAN.finditer(text):
        start, end = match.start() - 5, match.end()
        pan = text[start:end]
        if pan[3].upper() in _HOLDERS and (pan.isupper() or "pan" in words_before(text, start)):
            yield Finding("PAN", "government", start, end)


MATCHERS = (
    Matcher(
        "aadhaar",
        find_aadhaars,
        may_match=lambda look: b"000000000000" in look.digits,
        needle="[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}",
    ),
    Matcher(
        "pan",
        find_pans,
        may_match=lambda look: b"0000" in look.digits and b"xxxxxxxxxx" in look.tokens,
        needle="[A-Za-z]{5}[0-9]{4}[A-Za-z]",
    ),
)
