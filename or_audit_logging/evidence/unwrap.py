"""Sealed lines out of what a log shipper made of them: found again as the bytes that were sealed.

    sealed_lines(b'2026-11-21T10:00:00Z stdout F {"event_type":...,"mac":"0014...e2"}')  -> [SealedLine(...)]
    sealed_lines(rb'{"log":"{\\"event_type\\":...,\\"mac\\":...}\\n","stream":"stdout"}')          -> the same

A line may stand behind and before other text, or in a string of a JSON value, that string again in another.
Whatever shipped it must have kept its text: JSON that was taken apart and written anew is another line.
Of a line in another format (ecs, google, datadog) only the text of the sealed line counts, if it is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.projected import MARK, Projected, projected, seals_within, walk
from or_audit_logging.sealing.line import EVENT_START, STUB, SealedLine, Stub, parse_line, parse_stub

MAX_WRAPPED = 4 << 20
"""A line of an export is looked into up to this length: the longest sealed line, each byte of it escaped."""

_SEAL = re.compile(
    rb',"log":"[0-9a-f]{16}","seq":(?:0|[1-9][0-9]{0,18}),"kid":(?:0|[1-9][0-9]{0,9}),"mac":"[0-9a-f]{64}"\}'
)
_HASH = re.compile(rb"[0-9a-f]{64}")
_TRACE = re.compile(rb'\{\\*"event_type\\*": ?\\*"|"mac\\*": ?\\*"[0-9a-f]{64}')
_ANY_START = re.compile(r'[\[{"]')
_TRIES = 64
"""So many places in a line are tried as the start of an object, and as that of a JSON value."""
_MAX_DEPTH = 4
"""Strings in strings are looked into so far."""
_JSON = json.JSONDecoder()


def sealed_lines(raw: bytes, *, _depth: int = 0) -> list[SealedLine | Stub]:
    """Return the sealed lines in *raw*, one line of an export, in their order; or else the stubs in it."""
    whole = _parsed(raw.rstrip(b"\r\n"))
    if whole is not None and raw.startswith(EVENT_START) and raw.find(EVENT_START, 1) < 0:
        return [whole]
    found: list[SealedLine | Stub] = [*_in_text(raw)]
    values = list(_values(raw)) if MARK.search(raw) else []
    projections = [one for value in values for one in walk(value) if isinstance(one, Projected)]
    if projections:
        content = {seal for one in projections for seal in seals_within(one)}
        found = [line for line in _in_text(raw) if (line.log, line.seq, line.mac.hex()) not in content]
    elif not found and b'"leaf":"' in raw:
        found = [parse_stub(match[0]) for match in STUB.finditer(raw)]
    if not projections and (found or not (b"mac" in raw or b"leaf" in raw) or not _HASH.search(raw)):
        return found
    if _depth < _MAX_DEPTH:
        for text in _strings(values or _values(raw)):
            found += sealed_lines(text.encode("utf-8", "surrogatepass"), _depth=_depth + 1)
    return found


def projected_lines(raw: bytes) -> list[Projected]:
    """Return the lines that stand in *raw* in another format and without the sealed line."""
    if not MARK.search(raw) or _parsed(raw.rstrip(b"\r\n")) is not None:
        return []
    return [one for value in _values(raw) for one in projections_within(value) if one.original is None]


def holds_projection(raw: bytes) -> bool:
    """Return whether a line stands in *raw* in another format, with or without the sealed line."""
    if not MARK.search(raw) or _parsed(raw.rstrip(b"\r\n")) is not None:
        return False
    return any(True for value in _values(raw) for _ in projections_within(value))


def projections_within(value: object, *, _depth: int = 0) -> Iterator[Projected]:
    """Yield the lines in another format in a JSON *value* and in its strings, with the sealed line or not."""
    for one in walk(value):
        if isinstance(one, Projected):
            yield one
        elif _depth < _MAX_DEPTH:
            raw = one.encode("utf-8", "surrogatepass")
            if MARK.search(raw) and _parsed(raw.rstrip(b"\r\n")) is None:
                for inner in _values(raw):
                    yield from projections_within(inner, _depth=_depth + 1)


def has_trace(raw: bytes) -> bool:
    """Return whether *raw*, in which no sealed line was found, looks as if it had held one."""
    return _TRACE.search(raw) is not None


def _in_text(raw: bytes) -> Iterator[SealedLine]:
    """Yield the sealed lines that stand in *raw* as they are."""
    begin = 0
    for seal in _SEAL.finditer(raw):
        line = _parsed(_object_at_end(raw[begin : seal.end()]))
        begin = seal.end()
        if line is not None:
            yield line


def _object_at_end(piece: bytes) -> bytes:
    """Return the JSON object that *piece* ends in; if none does, from where a record seems to start."""
    text = piece.decode("latin-1")  # a byte is a character, whatever it means
    at = text.find("{")
    for _ in range(_TRIES):
        if at < 0:
            break
        try:
            _, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        if end == len(text):
            return piece[at:]
        at = text.find("{", end)
    return piece[max(0, piece.find(EVENT_START)) :]


def _values(raw: bytes) -> Iterator[object]:
    """Yield the JSON values that stand in *raw*."""
    text, at = raw.decode("utf-8", "replace"), 0
    for _ in range(_TRIES):
        start = _ANY_START.search(text, at)
        if start is None:
            return
        try:
            value, at = _JSON.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
        else:
            yield value


def _strings(values: Iterable[object]) -> Iterator[str]:
    """Yield the strings in JSON *values*; of a line in another format, the sealed line alone."""
    for value in values:
        yield from _strings_of(value)


def _strings_of(value: object) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            line = projected(item)
            pending += reversed(item.values()) if line is None else [line.original]
        elif isinstance(item, list):
            pending += reversed(item)


def _parsed(raw: bytes) -> SealedLine | None:
    try:
        return parse_line(raw)
    except FormatError:
        return None
