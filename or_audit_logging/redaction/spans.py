"""Findings put in order: windows over long texts, overlaps made one, our own placeholders left alone.

united([Finding("IBAN", ..., 0, 22), Finding("CARD", ..., 5, 21)])        -> (Finding("IBAN", ..., 0, 22),)
in_windows(text, find)                  -> what `find` finds in parts of the text, with offsets in the whole
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from or_audit_logging.redaction.finding import Finding

WINDOW = 28_672
"""Characters that are searched at once; a finding that begins in them may reach `BEYOND` further."""
BEYOND = 4_096
WHOLE = WINDOW + BEYOND
"""A text up to this length is searched as a whole."""
_FURTHER = 65_536
_BEFORE = 128

PLACEHOLDER = re.compile(
    r"\[[A-Z][A-Z_]{1,39}(?::(?:\*[0-9A-Z]{4}|[a-z][a-z0-9_-]{1,30}|[0-9A-Za-z_-]{1,16}:[0-9a-f]{16}))?\]"
)
"""What stands in the place of a finding: [TYPE], [CARD:*1111], [API_KEY:openrouter] or a pseudonym."""

_KIND_OF_RANK = (
    ("credential", None),
    ("financial", "IBAN"),
    ("financial", "CARD"),
    ("financial", None),
    ("contact", "EMAIL"),
    ("government", None),
    ("network", None),
    ("contact", None),
)


def rank(finding: Finding) -> tuple[int, int]:
    """Return how high a finding stands where several overlap: the lowest names them all.

    Credentials, IBAN, card, e-mail, national identifiers, network, telephone; of credentials those whose
    vendor is known, and keys, come first.
    """
    for place, (category, kind) in enumerate(_KIND_OF_RANK):
        if category == finding.category and kind in (None, finding.type):
            return place, (finding.vendor is None) * 2 + (finding.type != "API_KEY")
    return len(_KIND_OF_RANK), 0


def united(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in the text's order, those that overlap as one that covers them all."""
    out: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, rank(f), f.type)):
        if not out or finding.start >= out[-1].end:
            out.append(finding)
            continue
        last = out[-1]
        first = min(last, finding, key=rank)
        out[-1] = first._replace(start=last.start, end=max(last.end, finding.end))
    return tuple(out)


def in_windows(text: str, find: Callable[[str], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what *find* finds in *text*, which it is given whole or, where that is long, in parts.

    Each part overlaps the next, and a finding counts for the part that it begins in.
    """
    if len(text) <= WHOLE:
        yield from find(text)
        return
    for begin in range(0, len(text), WINDOW):
        at = max(begin - _BEFORE, 0)
        found = _found_in(text, find, at, begin + WINDOW + BEYOND)
        if any(at + f.end == begin + WINDOW + BEYOND and at + f.start < begin + WINDOW for f in found):
            found = _found_in(text, find, at, begin + WINDOW + _FURTHER)
        for finding in found:
            if begin <= at + finding.start < begin + WINDOW:
                yield finding._replace(start=at + finding.start, end=at + finding.end)


def _found_in(text: str, find: Callable[[str], Iterable[Finding]], start: int, end: int) -> Sequence[Finding]:
    return list(find(text[start:end]))


def beside_placeholders(text: str, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings that are more than placeholders and punctuation; none cuts a placeholder in two."""
    if not findings or "[" not in text:
        return findings
    places = [match.span() for match in PLACEHOLDER.finditer(text)]
    if not places:
        return findings
    out: list[Finding] = []
    first = 0
    for finding in sorted(findings, key=lambda f: f.start):
        while first < len(places) and places[first][1] <= finding.start:
            first += 1
        start, end = finding.start, finding.end
        rest, at, index = [], start, first
        while index < len(places) and places[index][0] < end:
            rest.append(text[at : places[index][0]])
            start, end, at = min(start, places[index][0]), max(end, places[index][1]), places[index][1]
            index += 1
        rest.append(text[at:end])
        if index == first:
            out.append(finding)
        elif any(c.isalnum() for piece in rest for c in piece):
            out.append(finding._replace(start=start, end=end))
    return out
