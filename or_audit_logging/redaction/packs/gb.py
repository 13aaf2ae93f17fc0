"""United Kingdom: National Insurance numbers and NHS numbers.

    AB 12 34 56 C, NHS 943 476 5919      -> NINO, NHS_NUMBER

NINO: HMRC's manual NIM39110. NHS number: the NHS Data Dictionary, ten digits, the last a check digit
modulo 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher
from or_audit_logging.redaction.words import vocabulary, words_before

_DIGITS = re.compile(r"([0-9]{2})[ -]?([0-9]{2})[ -]?([0-9]{2})[ -]?([A-Da-d])(?![0-9A-Za-z_])")
_PREFIX = re.compile(r"([A-CEGHJ-PR-TW-Z])([A-CEGHJ-NPR-TW-Z])[ -]?$")
_NEVER = vocabulary("BG GB KN NK NT TN ZZ")
_NHS = re.compile(r"[0-9](?<![0-9A-Za-z_.][0-9])[0-9]{2}([ -]?)[0-9]{3}\1[0-9]{4}(?![0-9A-Za-z_]|[.-][0-9])")
_NHS_WORDS = frozenset(["nhs", "patient"])


def find_ninos(text: str) -> Iterator[Finding]:
    """Yield the National Insurance numbers in *text*, with their suffix letter."""
    for digits in _DIGITS.finditer(text):
        at = digits.start()
        prefix = _PREFIX.search(text[max(0, at - 3) : at].upper())
        if prefix is None or prefix[1] + prefix[2] in _NEVER:
            continue
        start = at - len(prefix[0])
        if not text[start - 1 : start].isalnum():
            yield Finding("NINO", "government", start, digits.end())


def find_nhs_numbers(text: str) -> Iterator[Finding]:
    """Yield the NHS numbers in *text*; without grouping only beside a word for them."""
    for match in _NHS.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if nhs_checks(digits) and (match[1] or not _NHS_WORDS.isdisjoint(words_before(text, match.start()))):
            yield Finding("NHS_NUMBER", "government", *match.span())


def nhs_checks(digits: str) -> bool:
    """Return whether the last of ten *digits* is the check digit modulo 11 of the others."""
    return sum(weight * int(digit) for weight, digit in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0


MATCHERS = (
    Matcher(
        "nino",
        find_ninos,
        may_match=lambda look: b"000000" in look.digits,
        needle="[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-Da-d]",
    ),
    Matcher(
        "nhs",
        find_nhs_numbers,
        may_match=lambda look: b"0000000000" in look.digits,
        needle="[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
    ),
)
