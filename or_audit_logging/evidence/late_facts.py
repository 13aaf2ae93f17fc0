"""A line's members as an `AuditRecord`, and calls completed by what the provider said later. No I/O.

    record = record_of(parse_record(line))      -> AuditRecord, or None where the members make none
    facts = LateFacts()
    facts.take(generation_record)               # event type `generation`
    facts.complete(call)                        -> the call, its cost and other nulls filled

A call is completed only where its cost is unknown: that is what is asked for later (`or-audit settle`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from typing import Any

from or_audit_logging.evidence.settlement import is_call
from or_audit_logging.pricing import usd
from or_audit_logging.record import GENERATION, NAMES, AuditRecord
from or_audit_logging.sealing.line import SEALED_NAMES

FILLED = (
    *("model_used", "provider", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"),
    *("reasoning_tokens", "is_byok", "latency_ms", "finish_reason", "native_finish_reason", "service_tier"),
    *("total_cost", "upstream_cost", "cost_source"),
)
"""What a later fact says of a call that said nothing of it itself."""

_DEEPEST = 64
"""No record nests so deep (`sealing.text.MAX_DEPTH`)."""


def record_of(members: Mapping[str, Any]) -> AuditRecord | None:
    """Return the record that a line's *members* are, None where they lack what every record has.

    A value of another type than its field's counts as unknown. Members that are no field of a record (the
    message of a plain log record, fields of a later version) stand in its metadata; the seal is left out.
    """
    for name in _NEEDED:
        if not isinstance(members.get(name), str):
            return None
    values: dict[str, Any] = {}
    others: dict[str, object] = {}
    for name, value in members.items():
        if value is None:
            continue
        kind = type(value)
        if kind is _KINDS.get(name):
            values[name] = value
        elif name in _KINDS:
            values[name] = _SPECIAL[name](value) if name in _SPECIAL else None
        elif name not in SEALED_NAMES:
            others[name] = _plain(value)
    if others:
        values["metadata"] = others | (values.get("metadata") or {})
    if values.get("v", 1) is None:
        del values["v"]
    return AuditRecord(**values)


class LateFacts:
    """What `generation` records say, by the id of the call; the newest one that states a cost counts."""

    def __init__(self) -> None:
        self._facts: dict[str, AuditRecord] = {}

    def take(self, record: AuditRecord, *, among: Container[str] | None = None) -> None:
        """Take in a `generation` record that is newer than those before; with *among*, of those ids only."""
        if record.event_type != GENERATION or record.generation_id is None:
            return
        known = self._facts.get(record.generation_id)
        if (among is None or record.generation_id in among) and (
            known is None or record.total_cost is not None or known.total_cost is None
        ):
            self._facts[record.generation_id] = record

    def take_older(self, record: AuditRecord) -> None:
        """Take in a `generation` record that is older than those before."""
        known = self._facts.get(record.generation_id) if record.generation_id is not None else None
        if known is None or (known.total_cost is None and record.total_cost is not None):
            self.take(record)

    def take_all_older(self, others: LateFacts) -> None:
        """Take in what *others* hold, all of it older."""
        for record in others._facts.values():
            self.take_older(record)

    def complete(self, call: AuditRecord) -> AuditRecord:
        """Return *call* with what is known of it by now."""
        if not awaits_facts(call) or call.generation_id is None:
            return call
        fact = self._facts.get(call.generation_id)
        if fact is None:
            return call
        found = {name: getattr(fact, name) for name in FILLED if getattr(call, name) is None}
        return dataclasses.replace(call, **found)


def awaits_facts(record: AuditRecord) -> bool:
    """Return whether *record* is that of a call whose cost may have been said later."""
    return record.total_cost is None and record.generation_id is not None and is_call_event(record.event_type)


@functools.lru_cache(maxsize=64)
def is_call_event(event_type: str) -> bool:
    """Return whether *event_type* is that of a call that ended."""
    return is_call({"event_type": event_type})


def _number(value: object) -> float | None:
    if type(value) not in (int, float, Decimal):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _code(value: object) -> str | int | None:
    return value if isinstance(value, str) or type(value) is int else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _mapping(value: object) -> dict[str, object] | None:
    plain = _plain(value)
    return plain if isinstance(plain, dict) else None


def _plain(value: object, depth: int = 0) -> Any:
    """Return *value* as JSON has it, where numbers with a fraction are floats."""
    if isinstance(value, Decimal):
        return _number(value)
    if depth > _DEEPEST:
        return "[TOO DEEP]"
    if isinstance(value, dict):
        return {name: _plain(item, depth + 1) for name, item in value.items()}
    return [_plain(item, depth + 1) for item in value] if isinstance(value, list) else value


_NEEDED = ("event_type", "id", "timestamp")
_INTEGERS = (
    *("v", "attempts", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cached_tokens", "reasoning_tokens"),
)
_SPECIAL: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(("total_cost", "upstream_cost"), usd),
    **dict.fromkeys(("latency_ms", "ttft_ms"), _number),
    **dict.fromkeys(("generation_ids", "tool_names"), _texts),
    **dict.fromkeys(("router", "metadata", "redactions", "content"), _mapping),
    "error_code": _code,
}
_KINDS: dict[str, type] = {
    **dict.fromkeys(NAMES, str),
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(("is_byok", "streamed"), bool),
    **dict.fromkeys(set(_SPECIAL) - {"error_code"}, object),
}
"""The type that a field's value has in JSON as it has here; object: none, it is converted."""
