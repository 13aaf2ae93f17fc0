"""Calls that began and never ended: write-ahead records (`<event>.started`) that no later record names.

    unfinished_calls(segments)            -> Unfinished(count=1, first=("audit_2026-11-21.jsonl", 17))

A killed process leaves such a record. Blocks of lines are looked through for two byte patterns, and only
lines that have one are parsed; memory grows with the calls that are open at the same time, not with the log.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream

_STARTED = b'.started",'
_ENDED = b'"started_id":"'
_COMMON = b"started"
_WITHIN = 160
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How many calls never finished, and segment and line of the first."""

    count: int
    first: tuple[str, int] | None


class OpenCalls:
    """The calls that began and have not ended, along the lines of one log."""

    def __init__(self) -> None:
        self._open: dict[object, tuple[str, int]] = {}

    def take(self, raw: bytes, name: str, number: int) -> None:
        """Take in the line *raw*, which stands in the file *name* at *number*, by whatever is counted."""
        begins = _STARTED in raw[:_WITHIN]
        if not begins and _ENDED not in raw:
            return
        try:
            record = json.loads(raw)
        except (ValueError, RecursionError):
            return
        if not isinstance(record, dict):
            return
        if begins and str(record.get("event_type")).endswith(".started"):
            self._open[str(record.get("id"))] = (name, number)
        else:
            self._open.pop(str(record.get("started_id")), None)

    def count(self) -> Unfinished:
        """Return what is open now."""
        return Unfinished(len(self._open), min(self._open.values(), default=None))


def unfinished_calls(sources: Iterable[Source]) -> Unfinished:
    """Return the calls that never finished in *sources*, segments in the order of their lines."""
    calls, by_name = OpenCalls(), {}
    for source in sources:
        by_name[source.name] = source
        try:
            with LineStream(source.segment, source.size) as stream:
                _take_all(calls, stream, source.name)
        except OSError:  # the walk says so
            continue
    found = calls.count()
    if found.first is None:
        return found
    name, offset = found.first
    return Unfinished(found.count, (name, _number_at(by_name[name], offset)))


def is_quiet(stream: LineStream, end: int) -> bool:
    """Return whether no line of *stream* that begins before the byte *end* has one of the patterns."""
    while stream.tell() < end and (block := _whole_lines(stream)):
        if _may_hold_calls(block):
            return False
    return True


def _take_all(calls: OpenCalls, stream: LineStream, name: str) -> None:
    """Take in all lines of *stream*, by their offset; a block of them without a pattern is passed over."""
    offset = 0
    while block := _whole_lines(stream):
        if _may_hold_calls(block):
            at = offset
            for raw in block.split(b"\n"):
                calls.take(raw, name, at)
                at += len(raw) + 1
        offset += len(block)


def _whole_lines(stream: LineStream) -> bytes:
    block = stream.read_block(_BLOCK)
    return block if block.endswith(b"\n") else block + stream.read_line()


def _may_hold_calls(block: bytes) -> bool:
    return _COMMON in block and (_STARTED in block or _ENDED in block)


def _number_at(source: Source, offset: int) -> int:
    """Return the number of the line that begins at *offset*."""
    number = 1
    with contextlib.suppress(OSError), LineStream(source.segment, source.size) as stream:
        while offset > 0 and (block := stream.read_block()):
            number += block[:offset].count(b"\n")
            offset -= len(block)
    return number
