"""`Facts`: what the end of one call says, read off a response or an exception, not yet redacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Context, Decimal
from typing import Any


@dataclass(slots=True, kw_only=True)
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


_OF_ANSWERS = ("completion_tokens", "cached_tokens", "reasoning_tokens")
"""What embeddings have none of, and do not speak of."""

_EXACT = Context(prec=128)

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


def together(parts: Sequence[Facts], *, outcome: Facts) -> Facts:
    """Return *outcome*, how several calls ended as one, with the counts and costs of all *parts* added up.

    A sum is known where every part of it is; a request that was refused costs nothing. All generation ids
    are kept, in order.
    """
    ids = [i for part in parts for i in (part.generation_ids or (part.generation_id,)) if i is not None]
    sums: dict[str, Any] = {name: _sum(parts, name) for name in _ADDED_UP}
    last = outcome.generation_id or (ids[-1] if ids else None)  # without any, a cost is never found out
    return replace(outcome, generation_id=last, generation_ids=tuple(dict.fromkeys(ids)) or None, **sums)


def _sum(parts: Sequence[Facts], name: str) -> int | Decimal | None:
    """Return the exact sum, whatever decimal context the application has set; None where it is unknown."""
    amounts: list[Any] = [getattr(part, name) for part in parts if not _adds_nothing(part, name)]
    if not amounts or None in amounts:
        return None
    total = amounts[0]
    for amount in amounts[1:]:
        total = _EXACT.add(total, amount) if isinstance(amount, Decimal) else total + amount
    return total  # type: ignore[no-any-return]


def _adds_nothing(part: Facts, name: str) -> bool:
    """Return whether *part* need not state *name* for a sum: embeddings, or a request that was refused."""
    if getattr(part, name) is not None:
        return False
    embeds = part.total_tokens is not None and part.total_tokens == part.prompt_tokens
    return (embeds and name in _OF_ANSWERS) or _is_refused(part)


def _is_refused(part: Facts) -> bool:
    """Return whether nothing was billed: an error without usage and without the beginning of an answer."""
    billed = (part.total_cost, part.total_tokens, part.prompt_tokens, part.completion_tokens)
    return part.status in ("error", "blocked") and not part.streamed and all(one is None for one in billed)
