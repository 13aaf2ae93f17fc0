"""What OpenRouter answers, as values: missing members are None, new ones are passed over, nothing raises.

    parse_json(b'{"data":{"usage":8.41005e-05}}')      -> {"data": {"usage": Decimal("8.41005E-05")}}
    Generation.from_data(data)                         -> Generation(cost=Decimal("8.41005E-05"), ...)

Money is a Decimal with the digits of the wire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from or_audit_logging.pricing import all_in_cost, usd
from or_audit_logging.record import moment

_LABEL_LIMIT = 200
_COUNT_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What GET /generation says of one call.

    `cost` is OpenRouter's charge, `upstream_cost` the provider's to the customer's own key (BYOK; None
    otherwise), `total_cost` both together, all in USD. Tokens are the provider's own (native) counts, which
    are the billed ones. `cancelled`: the client left before the end. `cache_source_id`: the generation that
    a cached answer came from.
    """

    id: str | None
    model: str | None
    provider: str | None
    cost: Decimal | None
    upstream_cost: Decimal | None
    is_byok: bool | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    latency_ms: float | None
    generation_ms: float | None
    streamed: bool | None
    cancelled: bool | None
    finish_reason: str | None
    native_finish_reason: str | None
    service_tier: str | None
    cache_source_id: str | None
    created_at: datetime | None

    @property
    def total_cost(self) -> Decimal | None:
        """What was paid for the call, None where a part of it is unknown."""
        return all_in_cost(cost=self.cost, upstream=self.upstream_cost, is_byok=self.is_byok)

    @property
    def total_tokens(self) -> int | None:
        """Prompt and completion tokens together, None where one is unknown."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Generation:
        """Return what the `data` object of the answer says."""
        is_byok = flag(data.get("is_byok"))
        cost = usd(data.get("total_cost"))
        return cls(
            id=label(data.get("id")),
            model=label(data.get("model")),
            provider=label(data.get("provider_name")),
            cost=usd(data.get("usage")) if cost is None else cost,
            upstream_cost=usd(data.get("upstream_inference_cost")) if is_byok else None,
            is_byok=is_byok,
            prompt_tokens=count(data.get("native_tokens_prompt")),
            completion_tokens=count(data.get("native_tokens_completion")),
            cached_tokens=count(data.get("native_tokens_cached")),
            reasoning_tokens=count(data.get("native_tokens_reasoning")),
            latency_ms=_milliseconds(data.get("latency")),
            generation_ms=_milliseconds(data.get("generation_time")),
            streamed=flag(data.get("streamed")),
            cancelled=flag(data.get("cancelled")),
            finish_reason=label(data.get("finish_reason")),
            native_finish_reason=label(data.get("native_finish_reason")),
            service_tier=label(data.get("service_tier")),
            cache_source_id=label(data.get("response_cache_source_id")),
            created_at=moment(data.get("created_at")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage:
    """What GET /key says the asking key has spent, in USD; daily is the current UTC day.

    `byok_...` is what providers charged the customer's own keys, which is not contained in the others.
    """

    usage: Decimal | None
    usage_daily: Decimal | None
    usage_weekly: Decimal | None
    usage_monthly: Decimal | None
    byok_usage: Decimal | None
    byok_usage_daily: Decimal | None
    byok_usage_weekly: Decimal | None
    byok_usage_monthly: Decimal | None
    limit: Decimal | None
    limit_remaining: Decimal | None
    is_management_key: bool | None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> KeyUsage:
        """Return what the `data` object of the answer says."""
        money = {name: usd(data.get(name)) for name in cls.__slots__ if name != "is_management_key"}
        return cls(**money, is_management_key=flag(data.get("is_management_key")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """One row of GET /activity: a UTC day, a model, an endpoint (a provider's offer of it).

    `usage` is OpenRouter's charge, `byok_usage` what the provider charged the customer's own key, in USD.
    """

    date: date | None
    model: str | None
    model_permaslug: str | None
    provider: str | None
    endpoint_id: str | None
    requests: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    usage: Decimal | None
    byok_usage: Decimal | None

    @property
    def cost(self) -> Decimal | None:
        """Both charges together; None where OpenRouter's is unknown."""
        return all_in_cost(cost=self.usage, upstream=self.byok_usage or Decimal(0), is_byok=True)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ActivityRow:
        """Return what one row of the answer says."""
        day = moment(data.get("date"))
        return cls(
            date=day.date() if day is not None else None,
            model=label(data.get("model")),
            model_permaslug=label(data.get("model_permaslug")),
            provider=label(data.get("provider_name")),
            endpoint_id=label(data.get("endpoint_id")),
            requests=count(data.get("requests")),
            prompt_tokens=count(data.get("prompt_tokens")),
            completion_tokens=count(data.get("completion_tokens")),
            reasoning_tokens=count(data.get("reasoning_tokens")),
            usage=usd(data.get("usage")),
            byok_usage=usd(data.get("byok_usage_inference")),
        )


def parse_json(content: bytes | str) -> Any:
    """Return JSON with its numbers' digits kept, None where *content* is none."""
    try:
        return json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None


def label(value: object) -> str | None:
    """Return *value* where it is printable text of at most 200 characters, and not empty."""
    fits = isinstance(value, str) and 0 < len(value) <= _LABEL_LIMIT and value.isprintable()
    return str(value) if fits else None


def count(value: object) -> int | None:
    """Return *value* where it is, or spells, a whole number that is not negative."""
    amount = usd(value)
    if amount is None or amount != amount.to_integral_value() or not 0 <= amount < _COUNT_LIMIT:
        return None
    return int(amount)


def flag(value: object) -> bool | None:
    """Return *value* where it is a bool."""
    return value if isinstance(value, bool) else None


def _milliseconds(value: object) -> float | None:
    amount = usd(value)
    return float(amount) if amount is not None and amount >= 0 else None
