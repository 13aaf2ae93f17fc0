"""`Ledger`: what a log says that calls cost, by UTC day and model, each generation once. No I/O.

    ledger = Ledger(date(2026, 11, 20), date(2026, 11, 20))
    for block in reader.blocks(): ledger.take_block(block)
    ledger.entries                      # one for each call of those days, late facts filled in
    ledger.repeated                     # records whose generation had been counted before

A call belongs to the day on which it began: OpenRouter's generation ids hold the second, and the day of its
own figures follows from that; without one, it is our end of the call less its latency. Sums are whole
numbers of 1e-12 USD.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.evidence.settlement import (
    generation_ids,
    is_call,
    may_have_cost,
)
from or_audit_logging.openrouter.answers import label
from or_audit_logging.pricing import pico, usd
from or_audit_logging.record import GENERATION, UNRESOLVED, moment

_LATE = b'"event_type":"generation"'
_SECOND = re.compile(r"gen-([0-9]{9,11})-")
_NEAR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MOST_PATTERNS = 8


@dataclass(slots=True)
class Entry:
    """One call: the ids of its generations, mostly one, and what they cost in 1e-12 USD (None: unknown)."""

    day: date
    ids: tuple[str, ...]
    model_used: str | None
    model_requested: str | None
    cost: int | None
    is_unresolved: bool = False


@dataclass(frozen=True, slots=True)
class _Fact:
    cost: int | None
    model: str | None
    is_unresolved: bool


class Ledger:
    """The calls of the days from *since* to *until*, both included."""

    def __init__(self, since: date, until: date) -> None:
        self.since = since
        self.until = until
        self.repeated = 0
        self.undated = 0
        """Calls of which no day is known; they are in no sum."""
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}
        self._facts: dict[str, _Fact] = {}
        days = (until - since).days + 3
        self._patterns = [
            f'"timestamp":"{since + (number - 1) * _DAY}'.encode() for number in range(days)
        ] * (days <= _MOST_PATTERNS)

    @property
    def entries(self) -> list[Entry]:
        """The calls, with what was known late."""
        for entry in self._entries:
            self._fill(entry)
        return self._entries

    def take_block(self, block: bytes) -> None:
        """Take in whole lines."""
        if not self._concerns(block):
            return
        for line in block.split(b"\n"):
            if self._concerns(line):
                record = parse_record(line)
                if record is not None:
                    self.take(record)

    def take(self, record: Mapping[str, object]) -> None:
        """Take in one record, those of a call before its late facts."""
        if record.get("event_type") == GENERATION:
            for one in generation_ids(record):
                if one in self._by_id:
                    self._facts[one] = _fact(record)
            return
        if not is_call(record):
            return
        cost = usd(record.get("total_cost"))
        if cost is None and not may_have_cost(record):
            return
        began = call_began(record)
        if began is None:
            self.undated += 1
        elif self.since <= began.date() <= self.until:
            self._enter(record, began.date(), cost)

    def _enter(self, record: Mapping[str, object], day: date, cost: Decimal | None) -> None:
        ids = generation_ids(record)
        entry = Entry(
            day=day,
            ids=ids,
            model_used=_name(record.get("model_used")),
            model_requested=_name(record.get("model_requested")),
            cost=None if cost is None else pico(cost),
        )
        known = next((self._by_id[one] for one in ids if one in self._by_id), None)
        if known is None:
            self._entries.append(entry)
            self._by_id.update(dict.fromkeys(ids, entry))
            return
        self.repeated += 1
        if known.cost is None and known.ids == ids:
            known.cost = entry.cost

    def _fill(self, entry: Entry) -> None:
        facts = [self._facts[one] for one in entry.ids if one in self._facts]
        if entry.cost is None and facts and len(facts) == len(entry.ids):
            costs = [fact.cost for fact in facts if fact.cost is not None]
            entry.cost = sum(costs) if len(costs) == len(facts) else None
            entry.is_unresolved = any(fact.is_unresolved for fact in facts)
        if entry.model_used is None and facts:
            entry.model_used = facts[-1].model

    def _concerns(self, raw: bytes) -> bool:
        return not self._patterns or _LATE in raw or any(pattern in raw for pattern in self._patterns)


def call_began(record: Mapping[str, object]) -> datetime | None:
    """Return when the call of *record* began, by OpenRouter's clock where its id tells and is plausible."""
    ended = moment(record.get("timestamp"))
    latency = usd(record.get("latency_ms"))
    began = ended
    if ended is not None and latency is not None and 0 <= latency < Decimal(10**9):
        began = ended - timedelta(milliseconds=float(latency))
    for one in generation_ids(record):
        match = _SECOND.match(one)
        if match is None:
            continue
        said = datetime.fromtimestamp(int(match[1]), UTC)
        if began is None or abs(said - began) < _NEAR:
            return said
    return began


def _name(value: object) -> str | None:
    """Return a model's name, the same object for the same name: there are few, and many calls."""
    name = label(value)
    return None if name is None else sys.intern(name)


def _fact(record: Mapping[str, object]) -> _Fact:
    cost = usd(record.get("total_cost"))
    return _Fact(
        cost=None if cost is None else pico(cost),
        model=label(record.get("model_used")),
        is_unresolved=record.get("status") == UNRESOLVED,
    )
