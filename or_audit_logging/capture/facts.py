"""`Facts`: what the end of one call says, read off a response or an exception, not yet redacted."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The outcome of a call in the record's own terms; None is unknown.

    Text is as the provider sent it: it goes through `clean` before it enters a record, and never into a
    repr. `choices` are the texts and tool calls that the response hash is made of.
    """

    status: str
    model_used: str | None = field(default=None, repr=False)
    provider: str | None = field(default=None, repr=False)
    generation_id: str | None = field(default=None, repr=False)
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
    error_type: str | None = field(default=None, repr=False)
    error_code: str | int | None = field(default=None, repr=False)
    error_message: str | None = field(default=None, repr=False)
    choices: tuple[tuple[str, object], ...] | None = field(default=None, repr=False)
