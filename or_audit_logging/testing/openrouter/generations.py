"""What the fake remembers of past calls: the ledger behind GET /generation and GET /key.

A generation is entered once its outcome is known, and shown when `generation_delay` has passed since.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from or_audit_logging.testing.openrouter.calls import Call, Options
from or_audit_logging.testing.openrouter.replies import Json, digest, usd


@dataclass(frozen=True)
class Generation:
    """One finished call. *left_after*: tokens sent when the client broke the stream; None: it did not."""

    call: Call
    left_after: int | None
    entered: float

    @property
    def cancelled(self) -> bool:
        """Return whether the client broke the stream."""
        return self.left_after is not None

    @property
    def tokens(self) -> int:
        """Return the completion tokens that were made and billed."""
        full = self.call.reply.completion_tokens
        return full if self.left_after is None else min(self.left_after, full)


class Ledger:
    """One server's generations, and the attempts per endpoint and model. Safe to use from many threads."""

    def __init__(self) -> None:
        self._generations: dict[str, Generation] = {}
        self._attempts: dict[str, int] = {}
        self._lock = threading.Lock()

    def next_attempt(self, target: str) -> int:
        """Return 1 for the first call to *target*, an endpoint and a model, 2 for the second, and so on."""
        with self._lock:
            self._attempts[target] = self._attempts.get(target, 0) + 1
            return self._attempts[target]

    def enter(self, call: Call, left_after: int | None) -> None:
        """Remember how *call* ended."""
        generation = Generation(call, left_after, time.monotonic())
        with self._lock:
            self._generations[call.generation_id] = generation

    def find(self, generation_id: str) -> Generation | None:
        """Return a generation whose delay has passed."""
        with self._lock:
            found = self._generations.get(generation_id)
        if found is None or time.monotonic() - found.entered < found.call.options.generation_delay:
            return None
        return found

    def of_key(self, key: str | None) -> list[Generation]:
        """Return every generation paid with *key*, delayed or not."""
        with self._lock:
            return [g for g in self._generations.values() if g.call.request.key == key]

    def all(self) -> list[Generation]:
        """Return every generation of the account, delayed or not."""
        with self._lock:
            return list(self._generations.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._generations.clear()
            self._attempts.clear()


def generation_document(generation: Generation) -> Json:
    """Return the `data` object of GET /generation: all 45 fields."""
    call, tokens = generation.call, generation.tokens
    reply, headers, body = call.reply, call.request.headers, call.body
    number = digest(call.generation_id)
    latency = 180 + number % 700
    upstream_id = f"chatcmpl-fake{number:016x}"
    cost = usd(reply.cost(tokens))
    finish, native = reply.finish_reason, reply.native_finish_reason
    if generation.cancelled:
        finish = native = None
    return {
        "api_type": call.skin.api_type,
        "app_id": None,
        "cache_discount": usd(reply.cached_tokens * reply.prompt_price // 2) if reply.cached_tokens else None,
        "cancelled": generation.cancelled,
        "created_at": _moment(call.created).isoformat(),
        "data_region": "global",
        "external_user": body.get("user"),
        "finish_reason": finish,
        "generation_time": 12 * tokens,
        "http_referer": headers.get("http-referer"),
        "id": call.generation_id,
        "is_byok": reply.is_byok,
        "latency": latency,
        "model": reply.model,
        "moderation_latency": None,
        "native_finish_reason": native,
        "native_tokens_cached": reply.cached_tokens,
        "native_tokens_completion": tokens,
        "native_tokens_completion_images": None,
        "native_tokens_prompt": reply.prompt_tokens,
        "native_tokens_reasoning": min(reply.reasoning_tokens, tokens),
        "num_fetches": None,
        "num_input_audio_prompt": None,
        "num_media_completion": None,
        "num_media_prompt": None,
        "num_search_results": None,
        "origin": headers.get("http-referer", ""),
        "preset_id": None,
        "provider_name": reply.provider,
        "provider_responses": _provider_responses(generation, upstream_id, latency),
        "request_id": f"req-fake-{number:016x}",
        "response_cache_source_id": reply.cache_source,
        "router": None,
        "service_tier": "default",
        "session_id": body.get("session_id") or headers.get("x-session-id"),
        "streamed": call.streamed,
        "tokens_completion": tokens,
        "tokens_prompt": reply.prompt_tokens,
        "total_cost": cost,
        "upstream_id": upstream_id,
        "upstream_inference_cost": usd(reply.prompt_cost + reply.completion_cost(tokens))
        if reply.is_byok
        else 0,
        "usage": cost,
        "user_agent": headers.get("user-agent"),
        "web_search_engine": None,
        "workspace_id": None,
    }


def key_document(key: str | None, generations: list[Generation], options: Options) -> Json:
    """Return the `data` object of GET /key: what *key* has spent, per UTC day, ISO week and month."""
    now = _moment(options.clock())
    cost, upstream = dict.fromkeys(_PERIODS, 0), dict.fromkeys(_PERIODS, 0)
    for generation in generations:
        reply, tokens = generation.call.reply, generation.tokens
        when = _moment(generation.call.created)
        for name, period in _PERIODS.items():
            if period(when) == period(now):
                cost[name] += reply.cost(tokens)
                if reply.is_byok:
                    upstream[name] += reply.prompt_cost + reply.completion_cost(tokens)
    return {
        "label": f"{key[:12]}...{key[-3:]}" if key else None,
        "limit": 100,
        "limit_remaining": usd(100 * 10**12 - cost["usage"]),
        "limit_reset": None,
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": key is not None and key == options.management_key,
        **{name: usd(pico) for name, pico in cost.items()},
        **{f"byok_{name}": usd(pico) for name, pico in upstream.items()},
        "expires_at": None,
    }


def activity_rows(generations: list[Generation], day: str | None, now: float) -> list[Json]:
    """Return the `data` list of GET /activity: the last 30 completed UTC days, by day, model and endpoint."""
    today = _moment(now).date()
    sums: dict[tuple[str, str, str], Json] = {}
    for generation in generations:
        reply, tokens = generation.call.reply, generation.tokens
        when = _moment(generation.call.created).date()
        if not 1 <= (today - when).days <= _ACTIVITY_DAYS or (day is not None and when.isoformat() != day):
            continue
        model = reply.model if generation.call.requested.startswith("fake/") else generation.call.requested
        row = sums.setdefault(
            (when.isoformat(), reply.model, reply.provider),
            {
                "date": f"{when.isoformat()} 00:00:00",
                "model": model,
                "model_permaslug": reply.model,
                "endpoint_id": f"endpoint-fake-{digest([reply.provider, reply.model]):016x}",
                "provider_name": reply.provider,
                "usage": 0,
                "byok_usage_inference": 0,
                "requests": 0,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "reasoning_tokens": 0,
            },
        )
        row["usage"] += reply.cost(tokens)
        row["byok_usage_inference"] += (
            reply.prompt_cost + reply.completion_cost(tokens) if reply.is_byok else 0
        )
        row["requests"] += 1
        row["prompt_tokens"] += reply.prompt_tokens
        row["completion_tokens"] += tokens
        row["reasoning_tokens"] += min(reply.reasoning_tokens, tokens)
    money = ("usage", "byok_usage_inference")
    return [row | {name: usd(row[name]) for name in money} for _, row in sorted(sums.items(), reverse=True)]


_ACTIVITY_DAYS = 30

_PERIODS: dict[str, Any] = {
    "usage": lambda when: None,
    "usage_daily": lambda when: when.date(),
    "usage_weekly": lambda when: when.isocalendar()[:2],
    "usage_monthly": lambda when: (when.year, when.month),
}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _provider_responses(generation: Generation, upstream_id: str, latency: int) -> list[Json]:
    """Return the fallback trail, the provider that served last."""
    call = generation.call
    served = {
        "status": 200,
        "endpoint_id": f"endpoint-fake-{digest(call.reply.provider):016x}",
        "id": upstream_id,
        "is_byok": call.reply.is_byok,
        "latency": latency,
        "model_permaslug": call.reply.model,
        "provider_name": call.reply.provider,
        "routed_service_tier": "default",
    }
    if call.reply.skipped is None:
        return [served]
    failed = {
        "status": 503,
        "id": None,
        "model_permaslug": call.requested,
        "provider_name": call.reply.skipped,
    }
    return [served | failed, served]
