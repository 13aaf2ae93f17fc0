"""Payment cards and IBANs, each with its check digits.

    card 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00      -> CARD, IBAN

Cards follow ISO/IEC 7812 (issuer ranges, lengths and Luhn's check digit) and begin in the pass over all
numbers, `numbers`; IBANs follow ISO 13616 (lengths by country, remainder 1 modulo 97) and are found here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher, kinds_of
from or_audit_logging.redaction.words import vocabulary, words_before

_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = tuple(
    (low, high, frozenset(lengths))
    for low, high, lengths in (
        (1800, 1800, (15,)),  # JCB
        (2131, 2131, (15,)),
        (2200, 2205, range(16, 20)),  # Mir, Borica
        (2221, 2720, (16,)),  # Mastercard
        (3000, 3059, range(14, 20)),  # Diners Club
        (3095, 3095, range(14, 20)),
        (3400, 3499, (15,)),  # American Express
        (3528, 3589, range(16, 20)),  # JCB
        (3600, 3699, range(14, 20)),  # Diners Club
        (3700, 3799, (15,)),
        (3800, 3999, range(14, 20)),
        (4000, 4999, (13, 16, 19)),  # Visa
        (5000, 5099, range(16, 20)),  # Maestro, Dankort, Elo, Verve
        (5100, 5599, (16,)),
        (5600, 5899, range(16, 20)),  # Maestro
        (6000, 6099, range(16, 20)),  # Discover, RuPay, Hipercard
        (6200, 6299, range(16, 20)),  # UnionPay
        (6304, 6304, range(16, 20)),
        (6360, 6399, range(16, 20)),  # InterPayment, InstaPayment, Elo
        (6440, 6599, range(16, 20)),  # Discover, Troy, RuPay
        (6700, 6799, range(16, 20)),
        (8100, 8299, range(16, 20)),  # UnionPay, RuPay
        (8600, 8600, (16,)),  # Uzcard
        (9792, 9792, (16,)),  # Troy
        (9860, 9860, (16,)),  # Humo
    )
)
"""First and last value of the first four digits, and the lengths issued.

Maestro's short numbers and ranges of local issuers are left out, as ids look like them; beside a word for a
card the check digit alone decides.
"""

_PLAIN = re.compile(r"[0-9]{12,19}(?![0-9A-Za-z_]|\.[0-9])")
_GROUPED = re.compile(
    r"(?:"
    r"[0-9]{4}( {1,2}|[.-])[0-9]{4}\1[0-9]{4}(?:\1[0-9]{4}(?:\1[0-9]{1,3})?|\1[0-9]{1,3})"
    r"|[0-9]{4}( {1,2}|[.-])(?:[0-9]{6}\2[0-9]{4,5}|[0-9]{5}\2[0-9]{6})"
    r"|[0-9]{6}( {1,2}|[.-])[0-9]{6,13}"
    r")(?![0-9A-Za-z_]|[.][0-9])"
)
_FOUR_FOURS = re.compile(r"[0-9]{4}( {1,2}|[.-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?![0-9A-Za-z_])")
_CARDS = vocabulary(
    "amex card cardno cardnumber cards carta carte cartão cartao cc credit creditcard debit diners "
    "karte kreditkarte maestro mastercard pan tarjeta visa"
)

_LENGTHS = {
    country: int(length)
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FK FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "AO CV GW LY MZ PT ST"),
        (26, "DZ IR IS TR"),
        (27, "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD"),
        (28, "AL AZ BF BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    )
    for country in countries.split()
}
"""Length of an IBAN by country: the registry of ISO 13616, and the countries that use the form without it."""

_IBAN_START = b"aa00"


def card_at(text: str, start: int) -> Finding | None:
    """Return the card number that begins at *start*."""
    plain = _PLAIN.match(text, start)
    if plain:
        return Finding("CARD", "financial", *plain.span()) if _is_card(text, plain) else None
    for pattern in (_GROUPED, _FOUR_FOURS):
        match = pattern.match(text, start)
        if match and _is_card(text, match):
            return Finding("CARD", "financial", *match.span())
    return None


def _is_card(text: str, match: re.Match[str]) -> bool:
    digits = "".join(filter(str.isdigit, match[0]))
    if not luhn(digits):
        return False
    prefix, length = int(digits[:4]), len(digits)
    if any(low <= prefix <= high and length in lengths for low, high, lengths in _ISSUERS):
        return True
    return not _CARDS.isdisjoint(words_before(text, match.start()))


def luhn(digits: str) -> bool:
    """Return whether *digits* end in the check digit of ISO/IEC 7812-1, annex B."""
    ones, twos = digits[-1::-2].encode(), digits[-2::-2].encode()
    return (sum(ones) - 48 * len(ones) + sum(twos.translate(_DOUBLED))) % 10 == 0


_DOUBLED = bytes(sum(divmod(2 * (byte - 48), 10)) if 48 <= byte <= 57 else 0 for byte in range(256))


def find_ibans(text: str) -> Iterator[Finding]:
    """Yield the IBANs in *text*, in upper or lower case, together or in groups."""
    kinds = kinds_of(text)
    start = kinds.find(_IBAN_START)
    while start >= 0:
        after = start + 1
        length = _LENGTHS.get(text[start : start + 2].upper())
        if length and kinds[start - 1 : start] not in (b"a", b"0"):
            match = _of_length(length).match(text, start)
            if match and iban_checks(match[0].replace(" ", "").replace("-", "")):
                after = match.end()
                yield Finding("IBAN", "financial", start, after)
        start = kinds.find(_IBAN_START, after)


@functools.lru_cache(maxsize=64)
def _of_length(length: int) -> re.Pattern[str]:
    """Return the pattern of an IBAN of *length* letters and digits, single separators aside."""
    return re.compile(rf"[A-Za-z]{{2}}[0-9]{{2}}(?:[ -]?[0-9A-Za-z]){{{length - 4}}}(?!\w)")


def iban_checks(iban: str) -> bool:
    """Return whether *iban*, letters and digits only, leaves 1 modulo 97 as ISO 13616 asks."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


MATCHERS = (
    Matcher(
        "iban",
        find_ibans,
        may_match=lambda look: _IBAN_START in look.kinds,
        needle="(?:^|[^0-9A-Za-z])[A-Za-z]{2}[0-9]{2}",
    ),
)
