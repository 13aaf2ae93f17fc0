"""Calls that began and never ended: write-ahead records (`<event>.started`) that no later record names.

    unfinished_calls(segments)            -> Unfinished(count=1, first=("audit_2026-11-21.jsonl", 17))

A killed process leaves such a record. Lines are looked through for two byte patterns and only those that have
one are parsed; memory grows with the calls that are open at the same time, not with the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from or_audit_logging.evidence.sources import Source
from or_audit_logging.evidence.streams import LineStream

_STARTED = b'.started",'
_ENDED = b'"started_id":"'
_WITHIN = 160


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How many calls never finished, and segment and line of the first."""

    count: int
    first: tuple[str, int] | None


def unfinished_calls(sources: Iterable[Source]) -> Unfinished:
    """Return the calls that never finished in *sources*, segments in the order of their lines."""
    open_calls: dict[object, tuple[str, int]] = {}
    for source in sources:
        try:
            _look_through(source, open_calls)
        except OSError:  # the walk has said so
            continue
    return Unfinished(len(open_calls), min(open_calls.values(), default=None))


def _look_through(source: Source, open_calls: dict[object, tuple[str, int]]) -> None:
    with LineStream(source.segment, source.size) as lines:
        for number, raw in enumerate(lines, 1):
            begins = _STARTED in raw[:_WITHIN]
            if not begins and _ENDED not in raw:
                continue
            try:
                record = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if not isinstance(record, dict):
                continue
            if begins and str(record.get("event_type")).endswith(".started"):
                open_calls[record.get("id")] = (source.name, number)
            else:
                open_calls.pop(record.get("started_id"), None)
