"""Which calls have no cost yet, when to ask for it, and what is written about the answer. No I/O.

    costs = OpenCosts()
    costs.take(record)                          # every record of the log, in any order
    costs.pending                               # {"gen-...": when the call ended}
    next_ask(ended, now)                        # 5, 10, 20, 40, ... seconds after the call, later every 6 h
    generation_record(generation, ...)          # the late fact, under the names that the call's record has

A call is open while its total_cost is null and no `generation` record bears its id, so a restart finds the
same calls again. Those that cannot have cost anything (a cache hit, a request that was refused) are not.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.openrouter.answers import Generation
from or_audit_logging.record import (
    GENERATION,
    UNRESOLVED,
    AuditRecord,
    is_call_event,
    moment,
    utc_timestamp,
)

FIRST_ASK = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=6)

_NO_COST = b'"total_cost":null'
_LATE = b'"event_type":"generation"'
_ID = re.compile(r"gen-[A-Za-z0-9_-]{8,120}")
_ID_SPACE = uuid.UUID("3f2c9d0e-8f0b-5a53-9a4e-6b1f6e0d7c21")
_REFUSING = range(400, 500)
_MAYBE_BILLED = frozenset({408, 499})
_SIGNS_OF_AN_ANSWER = (
    "model_used",
    "provider",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "ttft_ms",
)


class OpenCosts:
    """The calls whose cost is not known, along the records of one log.

    Held are the ids of calls that had no cost, settled or not, and of no others.
    """

    def __init__(self) -> None:
        self.pending: dict[str, datetime] = {}
        """The ids to ask for, and when the call of each ended."""
        self.unidentified = 0
        """Calls without a cost that bear no id of OpenRouter's: nobody can be asked."""
        self._settled: set[str] = set()

    def take_block(self, block: bytes, *, now: datetime) -> list[str]:
        """Take in whole lines; return the ids that are newly pending."""
        new: list[str] = []
        if _NO_COST in block or _LATE in block:
            for line in block.split(b"\n"):
                if _NO_COST in line or _LATE in line:
                    record = parse_record(line)
                    if record is not None:
                        new += self.take(record, now=now)
        return new

    def take(self, record: Mapping[str, object], *, now: datetime) -> list[str]:
        """Take in one record; return the ids that it makes pending.

        *now* stands for a timestamp that cannot be read.
        """
        if record.get("event_type") == GENERATION:
            self.settle(record.get("generation_id"))
            return []
        if not is_call(record) or record.get("total_cost") is not None or not may_have_cost(record):
            return []
        ids = [one for one in generation_ids(record) if _ID.fullmatch(one)]
        self.unidentified += not ids
        new = [one for one in ids if one not in self._settled and one not in self.pending]
        since = moment(record.get("timestamp")) or now
        self.pending |= dict.fromkeys(new, since)
        return new

    def settle(self, generation_id: object) -> None:
        """Take note that a `generation` record of *generation_id* is in the log."""
        if isinstance(generation_id, str):
            self.pending.pop(generation_id, None)
            self._settled.add(generation_id)


def is_call(record: Mapping[str, object]) -> bool:
    """Return whether *record* is that of a call that ended, whatever came of it."""
    event = record.get("event_type")
    return isinstance(event, str) and is_call_event(event)


def may_have_cost(record: Mapping[str, object]) -> bool:
    """Return whether the call of *record* may have been billed.

    Not where the cache answered, nor where a request was refused (4xx, before any provider began).
    """
    if record.get("cache_status") == "HIT":
        return False
    if record.get("status") not in ("error", "blocked"):
        return True
    code = record.get("error_code")
    refused = isinstance(code, int) and code in _REFUSING and code not in _MAYBE_BILLED
    return not refused or any(record.get(name) is not None for name in _SIGNS_OF_AN_ANSWER)


def generation_ids(record: Mapping[str, object]) -> tuple[str, ...]:
    """Return OpenRouter's ids of what *record* tells of: mostly one, several where a call made several."""
    several = record.get("generation_ids")
    ids = several if isinstance(several, list) and several else [record.get("generation_id")]
    return tuple(dict.fromkeys(one for one in ids if isinstance(one, str) and one))


def next_ask(ended: datetime, now: datetime) -> datetime:
    """Return when to ask again about a call that *ended* then and has no generation *now*.

    Pauses double, from 5 seconds to 6 hours, on a scale that starts with the end of the call: a process that
    starts anew goes on where another one stopped.
    """
    age = now - ended
    if age < timedelta(0):  # a clock ran ahead
        return now + FIRST_ASK
    doubled = FIRST_ASK
    while doubled <= age and doubled < LONGEST_PAUSE:
        doubled *= 2
    regular = (age // LONGEST_PAUSE + 1) * LONGEST_PAUSE
    return ended + (min(doubled, regular) if doubled > age else regular)


def generation_record(
    generation: Generation, *, now: datetime, clean: Callable[[str], str] = str
) -> AuditRecord:
    """Return what *generation* says as a record; *clean* redacts its texts.

    Its status is how the call ended in OpenRouter's eyes. Whoever makes this record twice gives it the same
    id, so that a store keeps it once.
    """

    def cleaned(text: str | None) -> str | None:
        return None if text is None else clean(text)

    ended_badly = "error" if generation.finish_reason == "error" else "success"
    return AuditRecord(
        event_type=GENERATION,
        id=_record_id(generation.id, str(generation.total_cost)),
        timestamp=utc_timestamp(now),
        status="cancelled" if generation.cancelled else ended_badly,
        model_used=cleaned(generation.model),
        provider=cleaned(generation.provider),
        generation_id=generation.id,
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
        total_tokens=generation.total_tokens,
        cached_tokens=generation.cached_tokens,
        reasoning_tokens=generation.reasoning_tokens,
        total_cost=generation.total_cost,
        cost_source=None if generation.total_cost is None else "generation",
        is_byok=generation.is_byok,
        upstream_cost=generation.upstream_cost,
        latency_ms=generation.latency_ms,
        streamed=generation.streamed,
        finish_reason=cleaned(generation.finish_reason),
        native_finish_reason=cleaned(generation.native_finish_reason),
        service_tier=cleaned(generation.service_tier),
        cache_status="HIT" if generation.cache_source_id else None,
    )


def unresolved_record(generation_id: str, *, code: int | None, now: datetime) -> AuditRecord:
    """Return the record that says nobody will be asked any more; *code* is the last HTTP status."""
    return AuditRecord(
        event_type=GENERATION,
        id=_record_id(generation_id, UNRESOLVED),
        timestamp=utc_timestamp(now),
        status=UNRESOLVED,
        generation_id=generation_id,
        error_code=code,
    )


def _record_id(generation_id: str | None, outcome: str) -> str:
    return str(uuid.uuid5(_ID_SPACE, f"{generation_id} {outcome}"))
