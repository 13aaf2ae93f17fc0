"""Prompt and answer as a record may hold them, where `content="redacted"` asks for it: bounded and plain.

    excerpt([{"role": "user", "content": "mail ann@example.com"}])      the same, as new lists and dicts
    answers((("Hello", None),))                                         [{"text": "Hello"}]

Redaction comes afterwards, over whole texts: a text that does not fit is left out as a whole and its length
said, since half of it could hide half of a secret. Images and other data in base64 are left out too: no
redactor can see into them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CONTENT_LIMIT = 65_536
"""Characters of text in one prompt or one answer; a handler's own limit on lines may be lower."""

_NODES = 10_000
_DEPTH = 32
_DATA_URL = "data:"
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{256,}\s*")


def excerpt(value: object) -> object:
    """Return a copy of *value* in plain JSON types, of at most `CONTENT_LIMIT` characters.

    SDK objects are copied as they are sent; iterators are not consumed, and named by their type.
    """
    return _Excerpt().copy(value, _DEPTH)


def answers(choices: Iterable[tuple[str, object]]) -> list[dict[str, object]]:
    """Return one dict for each choice: its text, and its tool calls where there are any."""
    return [{"text": text} | ({"tool_calls": calls} if calls else {}) for text, calls in choices]


class _Excerpt:
    __slots__ = ("_characters", "_nodes")

    def __init__(self) -> None:
        self._characters, self._nodes = CONTENT_LIMIT, _NODES

    def copy(self, value: object, depth: int) -> object:
        self._nodes -= 1
        if self._nodes < 0 or depth < 0:
            return "[left out]"
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"[{len(value)} bytes left out]"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._list(value, depth)
        dump: Any = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return self.copy(dump(mode="json", exclude_unset=True), depth - 1)
        return f"[{type(value).__name__}]"

    def _mapping(self, value: Mapping[Any, object], depth: int) -> dict[str, object]:
        out: dict[str, object] = {}
        for key, item in value.items():
            if self._nodes <= 0:
                out["..."] = "[left out]"
                break
            out[self._text(key if isinstance(key, str) else str(key))] = self.copy(item, depth - 1)
        return out

    def _list(self, value: Iterable[object], depth: int) -> list[object]:
        out: list[object] = []
        for item in value:
            out.append(self.copy(item, depth - 1))
            if self._nodes < 0:
                break
        return out

    def _text(self, text: str) -> str:
        length = len(text)
        if length > self._characters:
            return f"[{length} characters left out]"
        if text.startswith(_DATA_URL) or (length >= 256 and _BLOB.fullmatch(text)):
            return f"[{length} characters of data left out]"
        self._characters -= length
        return str.__str__(text)
