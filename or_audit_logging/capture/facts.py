"""`Facts`: what the end of one call says, read off a response or an exception, not yet redacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The outcome of a call in the record's own terms; None is unknown.

    Text is as the provider sent it: it goes through `clean` before it enters a record, and never into a
    repr. `choice_digests` is what the response hash is made of, one for each choice. `choices` holds the
    texts and tool calls themselves; of a stream only where somebody asked for them.
    """

    status: str
    model_used: str | None = field(default=None, repr=False)
    provider: str | None = field(default=None, repr=False)
    generation_id: str | None = field(default=None, repr=False)
    generation_ids: tuple[str, ...] | None = field(default=None, repr=False)
    attempts: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_cost: Decimal | None = None
    is_byok: bool | None = None
    upstream_cost: Decimal | None = None
    streamed: bool | None = None
    finish_reason: str | None = field(default=None, repr=False)
    native_finish_reason: str | None = field(default=None, repr=False)
    tool_names: tuple[str, ...] | None = field(default=None, repr=False)
    service_tier: str | None = field(default=None, repr=False)
    cache_status: str | None = field(default=None, repr=False)
    router: Mapping[str, object] | None = field(default=None, repr=False)
    error_type: str | None = field(default=None, repr=False)
    error_code: str | int | None = field(default=None, repr=False)
    error_message: str | None = field(default=None, repr=False)
    choice_digests: tuple[bytes, ...] | None = field(default=None, repr=False)
    choices: tuple[tuple[str, object], ...] | None = field(default=None, repr=False)


_ADDED_UP = (
    "attempts",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "total_cost",
    "upstream_cost",
)


def filled(facts: Facts, by: Facts) -> Facts:
    """Return *facts* with what is None in it taken from *by*; the status is that of *facts*."""
    missing = {
        f.name: getattr(by, f.name)
        for f in fields(facts)
        if getattr(facts, f.name) is None and getattr(by, f.name) is not None
    }
    return replace(facts, **missing) if missing else facts


def together(parts: Sequence[Facts]) -> Facts:
    """Return the facts of several calls as those of one: the last one's, counts and costs added up.

    A sum is known where every part of it is. All generation ids are kept, in order.
    """
    last = parts[-1]
    if len(parts) == 1:
        return last
    ids = [i for part in parts for i in (part.generation_ids or (part.generation_id,)) if i is not None]
    sums: dict[str, Any] = {name: _sum([getattr(part, name) for part in parts]) for name in _ADDED_UP}
    return replace(last, generation_ids=tuple(dict.fromkeys(ids)) or None, **sums)


def _sum(values: list[int | Decimal | None]) -> int | Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if len(known) == len(values) else None
