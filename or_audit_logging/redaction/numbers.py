"""Telephone numbers, cards, SSNs, ITINs and IPv4 addresses, in one pass over the digits of a text.

    call +1 415 555 2671, card 4111 1111 1111 1111      -> PHONE, CARD

The pass finds runs of digits and the places in them where a number may begin; what begins there, the rules of
`network`, `financial`, `government` and `contact` say. ISO dates and times are stepped over, and digits glued
to letters, decimals and the inner groups of UUIDs never begin anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from or_audit_logging.redaction.contact import bare_phone_at, named_phone_at, phone_at
from or_audit_logging.redaction.financial import card_at
from or_audit_logging.redaction.finding import Finding, Matcher
from or_audit_logging.redaction.government import bare_tax_number_at, tax_number_at
from or_audit_logging.redaction.network import ipv4_at
from or_audit_logging.redaction.words import words_before

_RUN = re.compile(
    # A digit first, by itself: a pattern that begins with a set of characters is searched fastest. Then what
    # rules out most digits: too little behind them for any number, letters and decimals before them.
    r"[0-9](?=[0-9 .()/-]{6})(?<![0-9A-Za-mo-qsu-z_][0-9])(?<!(?<!\\)[nrt][0-9])(?<![0-9]\.[0-9])(?:"
    r"((?<=[12])[09][0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])"
    r"(?:[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?(?:[+-][0-9]{2}:?[0-9]{2})?)?)"
    r"|((?:(?<!0)[0-9]{1,2})?(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9]))"
    r"|(?=(?:[ .()/-]{0,3}[0-9]){6})[0-9]{0,63}(?:[ .()/-]{1,3}[0-9]{1,64}){0,15}"
    r")"
)
"""Group 1 is a date, group 2 what looks like an IPv4 address; the rest are runs of at least seven digits."""

_GROUP = re.compile(r"[0-9]+")


def find_numbers(text: str) -> Iterator[Finding]:
    """Yield the numbers in *text* from left to right, without overlaps."""
    for run in _RUN.finditer(text):
        kind = run.lastindex
        if kind == 1 or not _begins(text, start := run.start()):
            continue
        digits = run[0]
        if kind == 2:
            found = ipv4_at(text, start)
        elif digits.isdigit():
            found = _bare(text, start, run.end())
        elif digits.replace(".", "", 1).isdigit() and text[start - 1 : start] != "+":
            continue  # a decimal
        else:
            yield from _grouped(text, start, run.end())
            continue
        if found:
            yield found


def _bare(text: str, start: int, end: int) -> Finding | None:
    """Return what the digits from *start* to *end*, without separators, are."""
    length = end - start
    after = text[end : end + 1]
    if length > 19 or ((after.isalnum() or after == "_") and after not in "xX"):
        return None
    if length >= 12:
        found = card_at(text, start)
        if found or length > 15:
            return found
    words = words_before(text, start)
    if length == 9:
        found = bare_tax_number_at(text, start, end, words)
        if found:
            return found
    return bare_phone_at(text, start, end, words)


def _grouped(text: str, start: int, end: int) -> list[Finding]:
    """Return the numbers that begin at a group of the run from *start* to *end*."""
    spans = [group.span() for group in _GROUP.finditer(text, start, end)]
    lengths = [stop - at for at, stop in spans] + [0]
    findings: list[Finding] = []
    done, fresh = start, True
    for index, (at, _) in enumerate(spans):
        if at < done or not (at == start or _begins(text, at)):
            continue
        found = _formed(text, at, lengths[index], lengths[index + 1])
        if not found and fresh:  # words speak for the first number of a run, and for the next after one found
            found = named_phone_at(text, at, end)
        fresh = found is not None
        if found:
            done = found.end
            findings.append(found)
    return findings


def _formed(text: str, start: int, length: int, following: int) -> Finding | None:
    """Return what shows by its form that it begins at *start*, from the lengths of its first two groups."""
    found = None
    if length <= 3 and text[start + length : start + length + 1] == ".":
        found = ipv4_at(text, start)
    elif length >= 12 or (length == 4 and 4 <= following <= 6) or (length == 6 and following >= 6):
        found = card_at(text, start)
    if not found and (length, following) in _TAX_NUMBERS:
        found = tax_number_at(text, start)
    if not found and (
        (length == 3 and following in (3, 7))
        or text[start] == "0"
        or (length == 1 and text[start] == "1")
        or (start and text[start - 1] in "+(")
    ):
        found = phone_at(text, start)
    return found


_TAX_NUMBERS = frozenset([(3, 2), (3, 6), (5, 4)])


def _begins(text: str, start: int) -> bool:
    """Return whether a number may begin at *start*: not inside a word, a decimal, a UUID or a version."""
    if not start:
        return True
    before, two_before = text[start - 1], text[start - 2] if start > 1 else " "
    if before.isalnum() or before == "_":
        return before in "nrt" and two_before == "\\"  # an escaped line end
    if before == "-":
        return not two_before.isalnum()
    return before not in "./" or not two_before.isdigit()


MATCHERS = (
    Matcher(
        "numbers",
        find_numbers,
        may_match=lambda look: b"0000000" in look.digits or (b"0.0" in look.kinds and b"0000" in look.digits),
        needle=r"[0-9](?:[ .()/-]*[0-9]){6}|[0-9]\.[0-9]+\.[0-9]+\.[0-9]",
    ),
)
