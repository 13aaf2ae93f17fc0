"""A line's members as an `AuditRecord`, and calls completed by what the provider said later. No I/O.

    record = record_of(parse_record(line))      -> AuditRecord, or None where the members make none
    facts = LateFacts()
    facts.wait_for(call)
    facts.take(line, part=3)                    # in the log's order; True for a late fact
    facts.complete(call, part=4)                -> the call, its cost and other nulls filled

A call is completed only where its cost is unknown: that is what is asked for later (`or-audit settle`). One
that made several generations costs what they cost together, once that is known of each.

A fact stands behind its call. One before it counts where it stands in the same part of the log or in the one
before: it was settled for an inner call while the outer one still ran, so it is older by that time at most.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from operator import itemgetter
from typing import Any, NamedTuple

from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.pricing import usd
from or_audit_logging.record import GENERATION, NAMES, AuditRecord, is_call_event
from or_audit_logging.sealing.line import SEALED_NAMES, line_start

FILLED = (
    *("model_used", "provider", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"),
    *("reasoning_tokens", "is_byok", "latency_ms", "finish_reason", "native_finish_reason", "service_tier"),
    *("total_cost", "upstream_cost"),
)
"""What a later fact says of a call that said nothing of it itself, beside where the cost is from."""
SUMMED = (
    *("total_cost", "upstream_cost", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cached_tokens", "reasoning_tokens"),
)
"""What adds up where a call made several generations."""

MOST_RECENT = 20_000
"""So many late facts of calls that nobody waits for yet are kept."""

_EXACT = Context(prec=128)
_FACT_START = line_start(GENERATION)
_ID = re.compile(rb'"generation_id":"([A-Za-z0-9_.:-]+)"')
_COST = re.compile(rb'"total_cost": ?[-0-9]')

_DEEPEST = 64
"""No record nests so deep (`sealing.text.MAX_DEPTH`)."""


def record_of(members: Mapping[str, Any]) -> AuditRecord | None:
    """Return the record that a line's *members* are, None where they lack what every record has.

    A value of another type than its field's counts as unknown. Members that are no field of a record (the
    message of a plain log record, fields of a later version) stand in its metadata; the seal is left out.
    """
    if (quick := _record_as_written(members)) is not None:
        return quick
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


class _Fact(NamedTuple):
    part: int
    line: bytes
    has_cost: bool


class LateFacts:
    """What `generation` records say, by the id of the generation; the newest one that states a cost counts.

    Of each generation at most two are held: that one, and a newer one that states no cost and counts where
    the other is too old. Kept are the lines that tell of calls that wait, and the last `MOST_RECENT` others:
    a fact may stand before a call that it completes, where a generation belongs to several calls.
    """

    def __init__(self, *, all_calls: bool = False) -> None:
        """With *all_calls*, what is said of any call is kept."""
        self.all_calls = all_calls
        self._kept: dict[str, tuple[_Fact, ...]] = {}
        self._recent: dict[str, tuple[_Fact, ...]] = {}
        self._awaited: set[str] = set()

    def wait_for(self, call: AuditRecord) -> None:
        """From now on, keep what is said of *call*."""
        for one in _ids_of(call):
            self._awaited.add(one)
            if one in self._recent:
                self._kept[one] = self._recent.pop(one)

    def keep_all(self) -> None:
        """From now on, keep what is said of any call."""
        self.all_calls = True
        self._kept, self._recent = self._recent | self._kept, {}

    def take(self, line: bytes, *, part: int = 0) -> bool:
        """Take in a line of *part* that is newer than those before; return whether it is a late fact's."""
        one = _id_in(line)
        if one is None:
            return False
        place = self._kept if self.all_calls or one in self._awaited else self._recent
        fact = _Fact(part, line, _states_cost(line))
        older = () if fact.has_cost else place.get(one, ())
        place[one] = (fact, *(other for other in older if other.has_cost))
        if len(self._recent) > MOST_RECENT:
            del self._recent[next(iter(self._recent))]
        return True

    def take_older(self, line: bytes, *, part: int = 0) -> bool:
        """Take in a line of *part* that is older than those before; return whether it is a late fact's."""
        one = _id_in(line)
        if one is None:
            return False
        self._put_older(one, _Fact(part, line, _states_cost(line)))
        return True

    def take_all_older(self, others: LateFacts) -> None:
        """Take in what *others* keep, all of it older."""
        for one, facts in others._kept.items():
            for fact in facts:
                self._put_older(one, fact)

    def _put_older(self, one: str, fact: _Fact) -> None:
        newer = self._kept.get(one, ())
        if not newer or (fact.has_cost and not newer[-1].has_cost):
            self._kept[one] = (*newer, fact)

    def lacks(self, call: AuditRecord) -> bool:
        """Return whether more may be said of *call* than is known."""
        return awaits_facts(call) and not all(
            one in self._kept and self._kept[one][-1].has_cost for one in _ids_of(call)
        )

    def complete(self, call: AuditRecord, *, part: int = 0) -> AuditRecord:
        """Return *call*, which stands in *part*, with what is known of it by now."""
        if not awaits_facts(call):
            return call
        fact = self._fact(call.generation_id, part)
        found = {name: getattr(fact, name) for name in FILLED} if fact is not None else {}
        if call.generation_ids is not None:
            found |= self._sums(call.generation_ids, part)
        known = {name: value for name, value in found.items() if getattr(call, name) is None}
        is_priced = known.get("total_cost") is not None
        source = fact.cost_source if fact is not None and is_priced else None
        return dataclasses.replace(call, **known | {"cost_source": source})

    def _fact(self, generation_id: str | None, part: int) -> AuditRecord | None:
        known = self._kept.get(generation_id or "") or self._recent.get(generation_id or "", ())
        line = next((fact.line for fact in reversed(known) if fact.part >= part - 1), None)
        return record_of(parse_record(line) or {}) if line is not None else None

    def _sums(self, ids: Sequence[str], part: int) -> dict[str, Any]:
        """Return what adds up over the generations *ids*; None where that of one of them is unknown."""
        facts = [self._fact(one, part) for one in dict.fromkeys(ids)]
        sums = {name: _sum([getattr(fact, name, None) for fact in facts]) for name in SUMMED}
        upstream = [fact.upstream_cost for fact in facts if fact and fact.upstream_cost is not None]
        sums["upstream_cost"] = _sum(upstream) if sums["total_cost"] is not None else None
        return sums


def awaits_facts(record: AuditRecord) -> bool:
    """Return whether *record* is that of a call whose cost may have been said later."""
    return (
        record.total_cost is None
        and (record.generation_id is not None or bool(record.generation_ids))
        and is_call_event(record.event_type)
    )


def _ids_of(call: AuditRecord) -> set[str]:
    return {one for one in (call.generation_id, *(call.generation_ids or ())) if one is not None}


def _id_in(line: bytes) -> str | None:
    """Return the id of the generation that *line* tells of, None where it is no late fact."""
    found = _ID.search(line) if line.startswith(_FACT_START) and line.endswith(b"}") else None
    if found is not None:
        return found[1].decode("ascii")
    members = parse_record(line) or {}
    one = members.get("generation_id") if members.get("event_type") == GENERATION else None
    return one if isinstance(one, str) else None


def _states_cost(line: bytes) -> bool:
    return _COST.search(line) is not None


def _sum(values: Sequence[Any]) -> Any:
    """Return the exact sum of numbers; None where there are none, or one is unknown."""
    if not values or None in values:
        return None
    with localcontext(_EXACT):
        return sum(values[1:], values[0])


def _record_as_written(members: Mapping[str, Any]) -> AuditRecord | None:
    """Return what `record_of` does, in less time; None where a member is not as our writer writes it."""
    values = _values_in({**_NOTHING, **members})
    shape = tuple(map(type, values))
    fits = _fits.get(shape)
    if fits is None:
        fits = all(kind in kinds for kind, kinds in zip(shape, _AS_WRITTEN, strict=True))
        if len(_fits) < _MOST_SHAPES:
            _fits[shape] = fits
    if not fits or not members.keys() <= _KNOWN:
        return None
    record: AuditRecord = object.__new__(AuditRecord)  # its __init__ takes three times as long
    for put, value in zip(_PUTTING, values, strict=True):
        put(record, value)
    _put_redacted_under(record, None)
    for at, put, convert in _CONVERTED:
        if values[at] is not None:
            put(record, convert(values[at]))
    return record


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

_MOST_SHAPES = 1024
_fits: dict[tuple[type, ...], bool] = {}
"""Whether values of these types are as our writer writes them: records mostly have the same few."""
_NOTHING: dict[str, Any] = dict.fromkeys(NAMES)
_KNOWN = {*NAMES, *SEALED_NAMES}
_values_in = itemgetter(*NAMES)
_PUTTING = [getattr(AuditRecord, name).__set__ for name in NAMES]
_put_redacted_under = vars(AuditRecord)["redacted_under"].__set__
_TYPES_OF_SPECIAL: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("total_cost", "upstream_cost", "latency_ms", "ttft_ms"), (Decimal,)),
    **dict.fromkeys(("generation_ids", "tool_names"), (list,)),
    **dict.fromkeys(("router", "metadata", "redactions", "content"), (dict,)),
    "error_code": (str, int),
}
_AS_WRITTEN = [
    {_KINDS[name]} if name in (*_NEEDED, "v") else {type(None), *_TYPES_OF_SPECIAL.get(name, (_KINDS[name],))}
    for name in NAMES
]
_CONVERTED = [(NAMES.index(name), _PUTTING[NAMES.index(name)], convert) for name, convert in _SPECIAL.items()]
