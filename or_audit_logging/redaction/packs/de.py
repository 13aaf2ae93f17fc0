"""Germany: tax identification numbers and pension insurance numbers.

    Steuer-ID 86 095 742 719, 65 170839 J 003      -> TAX_ID, PENSION_NUMBER

Steuerliche Identifikationsnummer: section 139b AO, eleven digits, one of the first ten twice or thrice, check
digit of ISO 7064 modulo 11, 10. Rentenversicherungsnummer: section 147 SGB VI and the VKVV, check digit
modulo 10.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher
from or_audit_logging.redaction.words import vocabulary, words_before

_TAX_ID = re.compile(
    r"[1-9](?<![0-9A-Za-z_.][0-9])[0-9](?:[0-9]{9}|(?:[ /][0-9]{3}){3})(?![0-9A-Za-z_]|[.-][0-9])"
)
_TAX_WORDS = vocabulary(
    "idnr identifikationsnummer steuer steueridentifikationsnummer steuerid steuernummer tax taxid tin"
)
_PENSION = re.compile(
    r"[0-9](?<![0-9A-Za-z_][0-9])[0-9] ?[0-9]{6} ?[A-Za-z] ?[0-9]{2} ?[0-9](?![0-9A-Za-z_]|[.-][0-9])"
)
_WEIGHTS = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)


def find_tax_ids(text: str) -> Iterator[Finding]:
    """Yield the tax identification numbers in *text*; without grouping only beside a word for them."""
    for match in _TAX_ID.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        grouped = len(digits) < len(match[0])
        named = grouped or not _TAX_WORDS.isdisjoint(words_before(text, match.start()))
        if named and tax_id_checks(digits):
            yield Finding("TAX_ID", "government", *match.span())


def tax_id_checks(digits: str) -> bool:
    """Return whether eleven *digits* repeat one of the first ten, as they must, and check."""
    if sorted(Counter(digits[:10]).values())[-2:] not in ([1, 2], [1, 3]):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def find_pension_numbers(text: str) -> Iterator[Finding]:
    """Yield the pension insurance numbers in *text*."""
    for match in _PENSION.finditer(text):
        if pension_number_checks(match[0].replace(" ", "").upper()):
            yield Finding("PENSION_NUMBER", "government", *match.span())


def pension_number_checks(number: str) -> bool:
    """Return whether *number*, eight digits, a letter and three digits, holds a birthday and checks."""
    if not (1 <= int(number[2:4]) % 50 <= 31 and 1 <= int(number[4:6]) <= 12):
        return False
    digits = number[:8] + f"{ord(number[8]) - 64:02}" + number[9:11]
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return total % 10 == int(number[11])


MATCHERS = (
    Matcher(
        "tax_id",
        find_tax_ids,
        may_match=lambda look: b"00000000000" in look.digits,
        needle="[1-9][0-9][ /]?[0-9]{3}[ /]?[0-9]{3}[ /]?[0-9]{3}",
    ),
    Matcher(
        "pension_number",
        find_pension_numbers,
        may_match=lambda look: b"00000000" in look.digits,
        needle="[0-9]{2} ?[0-9]{6} ?[A-Za-z] ?[0-9]{2}",
    ),
)
