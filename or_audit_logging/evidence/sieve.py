"""Lines that may matter, taken out of blocks of lines without parsing the others. No I/O.

    sieve = Sieve([Needles.of("u-42", fields=["user_id"])])
    sieve.lines(block)             -> the lines that hold what is looked for, and perhaps some others
    sieve.stubs, sieve.bad         -> how many redacted lines, and how many that are none, have passed

A search for bytes runs over a block at memory speed; parsing each line takes ten times as long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from or_audit_logging.sealing.line import EVENT_START, STUB, STUB_START

_BETWEEN = b"\n" + EVENT_START
_SEQ = b',"seq":'
_DIGITS = re.compile(rb"[0-9]{1,19}")
_SUFFIX = 200
"""The end of a sealed line, from `seq` on, is shorter."""
_AS_IT_IS = re.compile(r"[A-Za-z0-9 ._:@+\-]+")
"""Characters that stand in JSON as themselves, whoever wrote it."""
_WRITTEN_IN_ONE_WAY = re.compile(r"[^\x00-\x1f\x7f\"\\/]+")
"""Other characters have several forms in JSON, these at most two: hex digits in lower and in upper case."""
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_ENOUGH = 4


@dataclass(frozen=True, slots=True)
class Needles:
    """Byte strings of which one stands in every line looked for.

    `tight` are for lines without spaces between members, as ours are; the longer, the faster they are found.
    """

    tight: tuple[bytes, ...]
    loose: tuple[bytes, ...]

    @classmethod
    def of(cls, *values: str, fields: Sequence[str] = (), also: Sequence[bytes] = ()) -> Needles | None:
        """Return the needles of one of *values* in one of *fields*, or of *also*; None: there are none.

        Without *fields* the values may stand anywhere.
        """
        tight, loose = list(also), list(also)
        for value in values:
            found = _loose(value)
            if not found:
                return None
            loose += found
            tight += _tight(value, fields) or found
        return cls(tuple(tight), tuple(loose))


def _tight(value: str, fields: Iterable[str]) -> list[bytes]:
    match = _AS_IT_IS.match(value)
    plain = match[0] if match is not None else ""
    if plain == value:
        plain += '"'
    elif len(plain) < _ENOUGH:
        return []
    return [f'"{field}":"{plain}'.encode("ascii") for field in fields]


def _loose(value: str) -> list[bytes]:
    if _AS_IT_IS.fullmatch(value):
        return [f'"{value}"'.encode("ascii")]
    longest = max(_AS_IT_IS.findall(value), key=len, default="")
    if len(longest) >= _ENOUGH:
        return [longest.encode("ascii")]
    if _WRITTEN_IN_ONE_WAY.fullmatch(value):
        escaped = json.dumps(value)
        upper = _ESCAPE.sub(lambda match: rf"\u{match[1].upper()}", escaped)
        return [escaped.encode("ascii"), upper.encode("ascii")]
    return []


class Sieve:
    """Looks for lines that have one of each group's byte strings; without groups, for all lines."""

    def __init__(self, groups: Sequence[Needles] = ()) -> None:
        self._tight = tuple(group.tight for group in groups)
        self._loose = tuple(group.loose for group in groups)
        self.stubs = self.bad = 0

    def lines(self, block: bytes, *, also: bytes | None = None) -> list[bytes]:
        """Return the lines in *block* that have what is looked for, or have *also*, in their order.

        Stubs and pieces that are no line are counted, and none of them is returned.
        """
        is_sound = _is_sound(block)
        if not is_sound:
            self._count(block)
        groups = self._tight if is_sound else self._loose
        if not groups:
            found = block.split(b"\n")
        else:
            first, *others = groups
            found = lines_with(block, first if also is None else (*first, also))
            if others or also is not None:
                found = [
                    line
                    for line in found
                    if (also is not None and also in line)
                    or all(any(needle in line for needle in group) for group in groups)
                ]
        return [line for line in found if line] if is_sound else [line for line in found if is_shaped(line)]

    def _count(self, block: bytes) -> None:
        for line in block.split(b"\n"):
            if line.startswith(STUB_START) and STUB.fullmatch(line):
                self.stubs += 1
            elif line and not is_shaped(line):
                self.bad += 1


def lines_with(block: bytes, needles: Sequence[bytes]) -> list[bytes]:
    """Return the lines in *block* that have one of *needles*, in their order."""
    found: dict[int, bytes] = {}
    for needle in needles:
        at = block.find(needle)
        while at >= 0:
            start = block.rfind(b"\n", 0, at) + 1
            end = block.find(b"\n", at)
            if end < 0:
                end = len(block)
            found[start] = block[start:end]
            at = block.find(needle, end)
    return [found[start] for start in sorted(found)] if len(needles) > 1 else list(found.values())


def is_shaped(line: bytes) -> bool:
    """Return whether *line* can be a record, as far as its ends tell."""
    return line.startswith(b"{") and line.endswith(b"}") and not line.startswith(STUB_START)


def _is_sound(block: bytes) -> bool:
    """Return whether *block* has as many lines that start as ours do as its first and last seq say.

    Then none of them is torn or a stub, and nothing stands between them.
    """
    end = block.find(b"\n")
    if not block.startswith(EVENT_START) or not block.endswith(b"}\n"):
        return False
    first, last = _seq(block, end), _seq(block, len(block))
    return first is not None and last is not None and block.count(_BETWEEN) == last - first


def _seq(block: bytes, end: int) -> int | None:
    at = block.rfind(_SEQ, max(0, end - _SUFFIX), end)
    match = _DIGITS.match(block, at + len(_SEQ)) if at >= 0 else None
    return int(match[0]) if match is not None else None
