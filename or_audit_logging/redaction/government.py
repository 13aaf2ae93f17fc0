"""Numbers that a state gives to a person: the SSN and the ITIN of the United States.

    SSN 536-90-4399, ITIN 911-70-1234      -> SSN, ITIN

The areas that the Social Security Administration never issues (000, 666, 900 to 999), group 00 and serial 0000
are not SSNs; in area 9xx the groups of the IRS make an ITIN. Nine digits without separators count only beside a
word for them. Both begin in the pass over all numbers, `numbers`. Other countries' numbers are in `packs`.
"""

from __future__ import annotations

import re

from or_audit_logging.redaction.finding import Finding

_TAX_NUMBER = re.compile(r"([0-9]{3})([ .-])([0-9]{2})\2([0-9]{4})(?![0-9A-Za-z_]|[.-][0-9])")
_UNEVEN = re.compile(r"([0-9]{3})[ .-]?([0-9]{2})[ .-]?([0-9]{4})(?![0-9A-Za-z_]|[.-][0-9])")
_NAMED = re.compile(r"ssn|s\.s\.n|social|\bi?tin\b|taxpayer|tax[ _-]?id|\bss ?(?:#|no|num)")
_NOT_IN_LIST = re.compile(r"[0-9] $")
_OTHER = re.compile(r"(?:sku|part|item|model|order|invoice|serial|product|ref)(?: (?:no\.?|number|id))?[ :#=]{0,3}$")


def tax_number_at(text: str, start: int) -> Finding | None:
    """Return the SSN or ITIN, in groups, that begins at *start*."""
    match = _TAX_NUMBER.match(text, start)
    if match is None:
        match = _UNEVEN.match(text, start)
        return _judged(*match.groups(), *match.span()) if match and _is_named(text, start) else None
    area, separator, group, serial = match.groups()
    end = match.end()
    if separator == " " and not _is_named(text, start):
        if _NOT_IN_LIST.search(text[max(0, start - 2) : start]) or re.match(r" [0-9]", text[end : end + 2]):
            return None  # part of a row of numbers
    if _OTHER.search(text[max(0, start - 20) : start].lower()):
        return None
    return _judged(area, group, serial, start, end)


def bare_tax_number_at(text: str, start: int, end: int) -> Finding | None:
    """Return the SSN or ITIN that the nine digits from *start* are, where a word before them says so."""
    if not _is_named(text, start):
        return None
    return _judged(text[start : start + 3], text[start + 3 : start + 5], text[start + 5 : end], start, end)


def _is_named(text: str, start: int) -> bool:
    return _NAMED.search(text[max(0, start - 40) : start].lower()) is not None


def _judged(area: str, group: str, serial: str, start: int, end: int) -> Finding | None:
    if serial == "0000":
        return None
    if area >= "900":
        second = int(group)
        issued = 50 <= second <= 65 or 70 <= second <= 99 and second not in (89, 93)
        return Finding("ITIN", "government", start, end) if issued else None
    if area in ("000", "666") or group == "00":
        return None
    return Finding("SSN", "government", start, end)
