"""Numbers that a state gives to a person: the SSN and the ITIN of the United States.

    SSN 536-90-4399, ITIN 911-70-1234      -> SSN, ITIN

The areas that the Social Security Administration never issues (000, 666, 900 to 999), group 00 and serial
0000 are not SSNs; in area 9xx the groups of the IRS make an ITIN. Nine digits without separators count only
beside a word for them. Both begin in the pass over all numbers, `numbers`. Other countries are in `packs`.
"""

from __future__ import annotations

import re

from or_audit_logging.redaction.finding import Finding
from or_audit_logging.redaction.words import label, vocabulary, words_before

_TAX_NUMBER = re.compile(r"([0-9]{3})([ .-]?)([0-9]{2})([ .-]?)([0-9]{4})(?![0-9A-Za-z_]|[.-][0-9])")
_ROW_BEFORE, _ROW_AFTER = re.compile(r"[0-9] "), re.compile(r" [0-9]")
_NAMES = vocabulary("itin social ss ssn taxid taxpayer tin")
_OTHERWISE = vocabulary("invoice item model order part product ref serial sku")


def tax_number_at(text: str, start: int) -> Finding | None:
    """Return the SSN or ITIN, in groups, that begins at *start*."""
    match = _TAX_NUMBER.match(text, start)
    if match is None:
        return None
    area, separator, group, other, serial = match.groups()
    words, end = words_before(text, start), match.end()
    if _NAMES.isdisjoint(words):
        if separator != other or label(words) in _OTHERWISE:
            return None
        if separator == " " and (_ROW_BEFORE.match(text, start - 2) or _ROW_AFTER.match(text, end)):
            return None
    return _judged(area, group, serial, start, end)


def bare_tax_number_at(text: str, start: int, end: int, words: list[str]) -> Finding | None:
    """Return the SSN or ITIN that the nine digits from *start* are, where *words* before them say so."""
    if _NAMES.isdisjoint(words):
        return None
    return _judged(text[start : start + 3], text[start + 3 : start + 5], text[start + 5 : end], start, end)


def _judged(area: str, group: str, serial: str, start: int, end: int) -> Finding | None:
    if serial == "0000":
        return None
    if area >= "900":
        second = int(group)
        issued = 50 <= second <= 65 or (70 <= second <= 99 and second not in (89, 93))
        return Finding("ITIN", "government", start, end) if issued else None
    if area in ("000", "666") or group == "00":
        return None
    return Finding("SSN", "government", start, end)
