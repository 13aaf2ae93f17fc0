"""Lines that may matter, taken out of blocks of lines without parsing the others. No I/O.

    sieve = Sieve(((b'"u-42"',),))
    sieve.lines(block)             -> the lines that hold what is looked for
    sieve.stubs, sieve.bad         -> how many redacted lines, and how many that are none, have passed

A search for bytes runs over a block at memory speed; parsing each line takes ten times as long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from or_audit_logging.sealing.line import STUB, STUB_START

_START = b'{"event_type":"'
_BETWEEN = b"\n" + _START
_SEQ = b',"seq":'
_DIGITS = re.compile(rb"[0-9]{1,19}")
_SUFFIX = 200
"""The end of a sealed line, from `seq` on, is shorter."""


class Sieve:
    """Looks for lines that have one of each group's byte strings; without groups, for all lines."""

    def __init__(self, groups: Sequence[Sequence[bytes]] = ()) -> None:
        self._groups = tuple(groups)
        self.stubs = self.bad = 0

    def lines(self, block: bytes, *, also: bytes | None = None) -> list[bytes]:
        """Return the lines in *block* that have what is looked for, or have *also*, in their order.

        Stubs and pieces that are no line are counted, and none of them is returned.
        """
        is_sound = _is_sound(block)
        if not is_sound:
            self._count(block)
        if not self._groups:
            found = block.split(b"\n")
        else:
            first, *others = self._groups
            found = lines_with(block, first if also is None else (*first, also))
            if others or also is not None:
                found = [
                    line
                    for line in found
                    if (also is not None and also in line)
                    or all(any(needle in line for needle in group) for group in self._groups)
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
    if not block.startswith(_START) or not block.endswith(b"}\n"):
        return False
    first, last = _seq(block, end), _seq(block, len(block))
    return first is not None and last is not None and block.count(_BETWEEN) == last - first


def _seq(block: bytes, end: int) -> int | None:
    at = block.rfind(_SEQ, max(0, end - _SUFFIX), end)
    match = _DIGITS.match(block, at + len(_SEQ)) if at >= 0 else None
    return int(match[0]) if match is not None else None
