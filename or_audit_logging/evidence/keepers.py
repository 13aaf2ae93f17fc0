"""When a keeper recorded what it kept: the time that log services state beside a message they export.

    kept_at({"message": "...", "timestamp": 1795255200000, "ingestionTime": 1795255201500}, None)
    -> datetime(2026, 11, 21, 10, 0, 1, 500000, UTC)          CloudWatch: when it arrived there

The time at which a message says that it was sent is its sender's word and is passed over. Of entries within
entries the outermost counts: what stands in a message was written by whoever sent it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

KEPT_AT: Final = "kept_at"
CHECKPOINT: Final = "checkpoint"
HOST: Final = "host"
"""The members of a line of a file that `anchor_files` writes; the host where a bucket's key states it."""

IS_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What a host is called in the keys of a bucket."""

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value: object) -> datetime | None:
    """Return the moment that an RFC 3339 text, with or without a zone (UTC), states; None for all else."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    text = f"{day}T{clock}.{fraction or '0':0<6}{zone or 'Z'}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def leading_time(text: str) -> datetime | None:
    """Return the moment that *text* begins with, None where it begins with something else."""
    match = _TIME.match(text)
    return parse_time(match[0]) if match is not None else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of one kind of export: told by its `marks`; its keeper's time stands at one of `paths`."""

    marks: frozenset[str]
    paths: Sequence[Sequence[str]] = ()
    parse: Callable[[object], datetime | None] = parse_time


def _milliseconds(value: object) -> datetime | None:
    return _since_epoch(value / 1000) if type(value) is int and 0 <= value < 1 << 53 else None


def _seconds(value: object) -> datetime | None:
    text = str(value) if type(value) in (int, float, str) else ""
    return _since_epoch(float(text)) if _SECONDS.fullmatch(text) else None


def _since_epoch(seconds: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


_INGESTED = (("event", "ingested"), ("event.ingested",))

_OWN = _Entry(frozenset((KEPT_AT, CHECKPOINT)), ((KEPT_AT,),))
"""A line of our own; the time is null where nobody knows."""

_ENTRIES = (
    _OWN,
    # CloudWatch, filter-log-events and get-log-events
    _Entry(frozenset(("message", "ingestionTime")), (("ingestionTime",),), _milliseconds),
    # CloudWatch Logs Insights, asked for @ingestionTime
    _Entry(frozenset(("@message",)), (("@ingestionTime",),)),
    # Google's LogEntry
    _Entry(frozenset(("logName", "insertId")), (("receiveTimestamp",),)),
    # Splunk, asked for _indextime
    _Entry(frozenset(("_raw",)), (("_indextime",), ("indextime",)), _seconds),
    # Elasticsearch and OpenSearch, where an ingest pipeline sets event.ingested
    _Entry(frozenset(("_source",)), tuple(("_source", *path) for path in _INGESTED)),
    _Entry(frozenset(("event.ingested",)), _INGESTED),
    # Datadog does not state when a log arrived
    _Entry(frozenset(("id", "type", "attributes"))),
)


def states_time(entry: Mapping[str, object]) -> bool:
    """Return whether *entry* is one of an export's, so that no file's time is its time."""
    return _kind_of(entry) is not None


def kept_at(entry: Mapping[str, object]) -> datetime | None:
    """Return when the keeper recorded *entry* (UTC), None where it does not say so."""
    kind = _kind_of(entry)
    if kind is None:
        return None
    for path in kind.paths:
        value: object = entry
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if (moment := kind.parse(value)) is not None:
            return moment
    return None


def host(entry: Mapping[str, object]) -> str | None:
    """Return the host that *entry*, a line of our own, states; None for all else."""
    stated = entry.get(HOST) if _kind_of(entry) is _OWN else None
    return stated if isinstance(stated, str) and IS_HOST.fullmatch(stated) else None


def as_entry(items: Sequence[object]) -> dict[str, object] | None:
    """Return the row of an Insights result, a list of fields and values, as one entry; None for all else."""
    row: dict[str, object] = {}
    for item in items:
        if not isinstance(item, dict) or item.keys() != {"field", "value"}:
            return None
        row[str(item["field"])] = item["value"]
    return row if "@message" in row else None


def _kind_of(entry: Mapping[str, object]) -> _Entry | None:
    names = entry.keys()
    for kind in _ENTRIES:
        if kind.marks <= names:
            return kind
    event = entry.get("event")
    return _ENTRIES[-2] if isinstance(event, dict) and "ingested" in event else None
