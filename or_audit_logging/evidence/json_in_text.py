r"""JSON values out of text: of a line with other text around them, or of a document too long to hold.

    [piece.value for piece in pieces_of('10:00 INFO {"a":1} and [2]')]        -> [{"a": 1}, [2]]
    pieces_of('{"events":[\n {"message":"x"},\n ...', read=file.read)         the whole document, or else
                                                                              the values that it consists of

A value is looked at up to the length of the window. Of a longer one, which is a container of entries, its
members come one by one. What is no JSON comes as text, so that nothing is passed over unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 4 << 20
"""Characters: more than any line of a log, each character of it escaped."""

_START = re.compile(r"[\[{]")
_CONTAINER = re.compile(r'\s*(?:\{\s*(?:"|$)|\[\s*(?:[\[{"]|$))')
_JSON = json.JSONDecoder()
_ATTEMPT, _DEEP = 1_000, 20_000
"""What an attempt costs beside the characters it has looked at, and one on brackets without end."""
_FUNDS = 32
"""Windows that attempts may look at in vain, such as at a document's containers, before more is read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: a `value` where it `is_json`, an object or array or the whole text's string."""

    text: str
    line: int
    is_json: bool = False
    value: object = None


def pieces_of(start: str, *, read: Callable[[int], str] | None = None) -> Iterator[Piece]:
    """Yield what *start*, and what *read* returns after it, consists of; `line` counts from 1."""
    if read is None and start.lstrip()[:1] == '"':
        decoded = _decode(start, start.index('"'))
        if not isinstance(decoded, _Failed) and not start[decoded[1] :].strip():
            yield Piece(start, 1, is_json=True, value=decoded[0])
            return
    funds = _FUNDS * WINDOW if read is not None else 100 * _ATTEMPT + 8 * len(start)
    yield from _Pieces(start, read or (lambda _: ""), funds).run()


def begins_document(line: str) -> bool:
    """Return whether *line*, a file's first one, begins a JSON value that does not end in it."""
    if not _CONTAINER.match(line):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Failed:
    cost: int


def _decode(text: str, at: int) -> tuple[object, int] | _Failed:
    """Return the value at *at* and where it ends, or what it cost to find that there is none."""
    try:
        return _JSON.raw_decode(text, at)
    except json.JSONDecodeError as error:
        return _Failed(error.pos - at + error.pos // 32 + _ATTEMPT)  # the error counts the lines before it
    except (ValueError, RecursionError):  # a number of too many digits, brackets too deep
        return _Failed(_DEEP)


class _Pieces:
    """Goes through a text of any length and holds two windows of it at most.

    Attempts are paid for: text made to fail at each of its brackets is given up on, window by window.
    """

    def __init__(self, start: str, read: Callable[[int], str], funds: int) -> None:
        self._text, self._read, self._is_end = start, read, False
        self._line = 1
        self._funds = self._most = funds

    def run(self) -> Iterator[Piece]:
        done = at = 0
        while True:
            if not self._is_end and len(self._text) - at < WINDOW:
                yield from self._skipped(done, at)
                self._go_on(at)
                done = at = 0
                continue
            match = _START.search(self._text, at)
            if match is None:
                at = len(self._text)
                if self._is_end:
                    break
                continue
            at = match.start()
            if not self._is_end and len(self._text) - at < WINDOW:
                continue
            decoded = _decode(self._text, at)
            if isinstance(decoded, _Failed):
                self._funds -= decoded.cost
                at = at + 1 if self._funds > 0 else len(self._text)
                continue
            yield from self._skipped(done, at)
            value, end = decoded
            yield self._piece(at, end, is_json=True, value=value)
            done = at = end
        yield from self._skipped(done, len(self._text))

    def _go_on(self, at: int) -> None:
        """Let the text begin at *at* and be two windows long, if there is as much."""
        more = self._read(2 * WINDOW - (len(self._text) - at))
        self._is_end = not more
        self._text = self._text[at:] + more
        self._funds = self._most

    def _skipped(self, start: int, end: int) -> Iterator[Piece]:
        if end > start:
            yield self._piece(start, end)

    def _piece(self, start: int, end: int, *, is_json: bool = False, value: object = None) -> Piece:
        text = self._text[start:end]
        line = self._line
        self._line += text.count("\n")
        return Piece(text, line, is_json, value)
