"""JSON inside a text, such as a tool call's arguments: what keys say of their values holds there as well.

    redacted_json('{"pin": 12, "note": "to ann@example.com"}', redact, keys, counts)
    -> '{"pin": "[SECRET]", "note": "to [EMAIL]"}'

The text keeps its spacing, its escapes and the digits of its numbers. A number that goes becomes a string, so
JSON stays JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from or_audit_logging.redaction.actions import FAILED
from or_audit_logging.redaction.spans import PLACEHOLDER

HIDDEN = "[SECRET]"

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_KEY = re.compile(r'"([^"\\]{0,100}(?:\\.[^"\\]{0,100}){0,24})"\s*:')
"""A key of some length; what `Said` speaks of are words."""
_TOKEN = re.compile(rf'{_STRING}|[{{}}\[\]:,]|[^\s{{}}\[\]:,"]+')
_DIGITS = "[0-9.eE+-]{0,40}"
_BARE = re.compile(
    rf"{_STRING[:-1]}(?:\"|\Z)|({_DIGITS}{PLACEHOLDER.pattern}(?:{PLACEHOLDER.pattern}|[0-9.eE+-]){{0,40}})"
)
"""A string, or what is left of a number in which something was found."""
_KEPT = re.compile(r'"\[KEPT:json:([0-9a-f]{16})\]"')
"""Stands for what is not scanned, in the form of a placeholder, which is left alone."""
_NULL = "null"


class Said(Protocol):
    """What a key says of its value: it is hidden, kept, or kept where it looks like our own."""

    @property
    def denied(self) -> bool: ...
    @property
    def safe(self) -> bool: ...
    @property
    def own(self) -> bool: ...


class _Part(NamedTuple):
    start: int
    end: int
    denied: bool


def redacted_json(
    text: str,
    redact: Callable[[str], str],
    says: Callable[[str], Said],
    is_own: Callable[[object], bool],
    counts: Counter[str],
) -> str | None:
    """Return *text* redacted, None where it is no JSON object or list.

    *says* tells what a key says of its value, *is_own* whether a value looks like one of our own; what is
    hidden is counted in *counts*.
    """
    shape = text if not (text[-1:].isspace() or text[:1].isspace()) else text.strip()
    if shape[:1] + shape[-1:] not in ("{}", "[]") or len(shape) == 2:
        return None
    concerned = any("\\" in key or _counts(says(key)) for key in _KEY.findall(text))
    if concerned and not is_json(text):
        return None
    kept: dict[str, str] = {}
    scanned = _without(_parts(text, says, is_own), text, kept, counts) if concerned else text
    redacted = redact(scanned)
    if redacted == FAILED:
        return FAILED
    if redacted != scanned and (concerned or is_json(text)):
        redacted = _BARE.sub(lambda found: found[0] if found[1] is None else f'"{found[1]}"', redacted)
    return _KEPT.sub(lambda found: kept.get(found[1], found[0]), redacted) if kept else redacted


def _counts(said: Said) -> bool:
    return said.denied or said.safe or said.own


def is_json(text: str) -> bool:
    """Return whether *text* is JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _without(parts: Iterable[_Part], text: str, kept: dict[str, str], counts: Counter[str]) -> str:
    """Return *text* with what is denied hidden, and stand-ins for what goes into *kept*, unscanned."""
    taken = set(_KEPT.findall(text))
    out: list[str] = []
    number = at = 0
    for start, end, denied in parts:
        out.append(text[at:start])
        if denied:
            counts["SECRET"] += 1
            out.append(f'"{HIDDEN}"')
        else:
            while (name := f"{number:016x}") in taken:
                number += 1
            out.append(f'"[KEPT:json:{name}]"')
            kept[name] = text[start:end]
            number += 1
        at = end
    return "".join([*out, text[at:]])


def _parts(text: str, says: Callable[[str], Said], is_own: Callable[[object], bool]) -> Iterator[_Part]:
    """Yield the values in *text*, which is valid JSON, that are hidden or not scanned, from left to right."""
    objects: list[bool] = []  # of each container that is open: whether it is an object
    is_key = False
    said: Said | None = None
    held: tuple[int, int, bool] | None = None  # how deep a container stands, where it begins, and what it is
    for token in _TOKEN.finditer(text):
        sign = text[token.start()]
        if sign in "{[":
            if held is None and said is not None and (said.denied or said.safe):
                held = len(objects), token.start(), said.denied
            objects.append(sign == "{")
            is_key, said = sign == "{", None
        elif sign in "}]":
            objects.pop()
            if held is not None and held[0] == len(objects):
                yield _Part(held[1], token.end(), held[2])
                held = None
            is_key, said = False, None
        elif sign == ",":
            is_key, said = objects[-1], None
        elif sign == ":" or held is not None:
            is_key = False
        elif is_key:
            is_key, said = False, says(json.loads(token[0]))
        elif said is not None:
            if said.denied and token[0] != _NULL:
                yield _Part(token.start(), token.end(), True)
            elif said.safe or (said.own and is_own(json.loads(token[0]))):
                yield _Part(token.start(), token.end(), False)
            said = None
