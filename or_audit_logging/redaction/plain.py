"""Text as it comes and text as it is meant: escapes, entities, odd digits and signs, invisible characters.

    plain = plain_text("call 415\u2011555\u20112671, ann%40example.com")
    plain.text                      -> "call 415-555-2671, ann@example.com"
    plain.original(19, 34)          -> (19, 36)          where that stands in the original

Every piece that is read otherwise becomes one character or none, so time and size grow with the text alone.
Each is read once: a percent sign escaped twice stays an escape.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from html.entities import html5


class Remapped:
    """A text with some places of an original replaced, and the way back."""

    __slots__ = ("_after", "_before", "text")

    def __init__(self, original: str, places: Iterable[tuple[int, int, str]]) -> None:
        """Replace each (start, end, new) of *places*, which are in order and do not overlap."""
        self._before: list[tuple[int, int]] = []
        """Start and end of each place in the original."""
        self._after: list[int] = []
        """Start of each place in the text, followed by its end."""
        pieces: list[str] = []
        at = length = 0
        for start, end, new in places:
            pieces += (original[at:start], new)
            length += start - at
            if end - start != 1 or len(new) != 1:  # one character for another moves nothing
                self._before.append((start, end))
                self._after += (length, length + len(new))
            length, at = length + len(new), end
        pieces.append(original[at:])
        self.text = "".join(pieces)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return where `text[start:end]` stands in the original; replaced places belong to it whole."""
        return self._position(start, upper=0), self._position(end, upper=1)

    def widened(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of the original with the places whole that it begins or ends within."""
        before = self._before
        first, last = (bisect_right(before, (position, -1)) - 1 for position in (start, end))
        if first >= 0 and before[first][1] > start:
            start = before[first][0]
        if last >= 0 and before[last][1] > end:
            end = before[last][1]
        return start, end

    def _position(self, position: int, *, upper: int) -> int:
        """Return the original's position; within a place its end (*upper*) or its start."""
        after = self._after
        # What begins where a place ends comes after it, and what ends where a place begins before it.
        index = bisect_right(after, position) if not upper else bisect_right(after, position - 1)
        if index == 0:
            return position
        place = (index - 1) // 2
        if index % 2:
            return self._before[place][upper]
        return self._before[place][1] + position - after[index - 1]


def plain_text(text: str) -> Remapped | None:
    """Return *text* as it is meant; None where it is meant as it stands."""
    is_odd = not text.isascii() and _ODD.search(_beyond_ascii(text)) is not None
    if not (is_odd or "%" in text or "\\" in text or "&" in text):
        return None
    pattern = _ANYWHERE if is_odd else _ESCAPES
    places = []
    for match in pattern.finditer(text):
        new = _meant(match[0])
        if new is not None:
            places.append((*match.span(), new))
    return Remapped(text, places) if places else None


_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
_BYTE = "%[89ABab][0-9A-Fa-f]"
_ESCAPED = (
    rf"(?:(?<=%)(?:[2-7][0-9A-Fa-f]|(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f]){_BYTE}|[Ee][0-9A-Fa-f](?:{_BYTE}){{2}})"
    r"|(?<=\\)(?:\\{0,7}(?:u[0-9A-Fa-f]{4}|[nrtbf/\"])|\\{1,7})"
    r"|(?<=&)(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
    rf"|(?<=[{_INVISIBLE}])[{_INVISIBLE}]{{1,64}})?"
)
"""What follows a sign that escapes, or an invisible one, which comes first: sets are searched fastest."""
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u2010-\u2013\u2212"
_FORMS = "\ufe50-\ufe6b\uff02-\uff0b\uff0d-\uff1a\uff1c-\uff1e\uff20-\uff5e\uff61"
"""Small and full-width forms of ASCII, but for , ; ! and ?, which are all over Chinese prose."""
_DIGITS = "".join(
    f"{chr(code)}-{chr(code + 9)}"
    for code in range(0x80, 0xFF00)
    if code & 15 in (0, 6) and unicodedata.decimal(chr(code), -1) == 0
)
"""The decimal digits of other scripts, which stand in runs from 0 to 9 at such places."""
_BEYOND = "\U00010000-\U0001ffff"  # more digits, among others: one range, since many are searched slowly

_SIGNS = f"{_INVISIBLE}{_SPACES}{_DASHES}{_FORMS}{_DIGITS}{_BEYOND}"

_ODD = re.compile(f"[{_SIGNS}]")
_ESCAPES = re.compile(rf"[%\\&]{_ESCAPED}")
_ANYWHERE = re.compile(rf"[%\\&{_SIGNS}]{_ESCAPED}")

_ASCII = bytes(range(0x80))


def _beyond_ascii(text: str) -> str:
    """Return the characters of *text* that are not ASCII: most often few, which are searched sooner."""
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "/": "/", '"': '"', "": "\\"}
"""What follows backslashes; JSON in JSON has several."""
_IDEOGRAPHIC_STOP = "\uff61"


@functools.lru_cache(maxsize=4_096)
def _meant(piece: str) -> str | None:
    """Return the character that *piece* means, empty for an invisible one; None where it means itself."""
    first = piece[0]
    if len(piece) == 1:
        new = first if first.isascii() else _character(first)
        return None if new == first else new
    if first == "%":
        return _character(bytes.fromhex(piece.replace("%", "")).decode("utf-8", "replace"))
    if first == "\\":
        escaped = piece.lstrip("\\")
        return _LETTERS[escaped] if len(escaped) < 2 else _character(chr(int(escaped[1:], 16)))
    return _entity(piece[1:-1]) if first == "&" else ""


def _entity(name: str) -> str | None:
    if name[0] != "#":
        meant = html5.get(f"{name};")
        return None if meant is None or len(meant) != 1 else _character(meant)
    code = int(f"0{name[1:]}", 16 if name[1] in "xX" else 10)
    return _character(chr(code)) if 0 < code < 0x110000 else None


def _character(character: str) -> str:
    """Return an ASCII character for one that looks or counts like it, otherwise *character*."""
    if character.isascii():
        return character
    if (digit := unicodedata.decimal(character, -1)) >= 0:
        return str(digit)
    if _is_invisible(character):
        return ""
    if _is_dash(character):
        return "-"
    if character == _IDEOGRAPHIC_STOP:
        return "."
    form = unicodedata.normalize("NFKC", character)
    return form if len(form) == 1 and form.isascii() else character


_is_invisible = re.compile(f"[{_INVISIBLE}]").match
_is_dash = re.compile(f"[{_DASHES}\ufe58\ufe63\uff0d]").match
