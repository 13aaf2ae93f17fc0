"""Datadog's attributes (https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/).

    {"ddsource":"or-audit","ddtags":"env:prod","hostname":"h1","service":"checkout","status":"info",
     "message":"chat_completion success openai/gpt-4o-mini","timestamp":"...","duration":812500000,
     "gen_ai":{"request":{"model":"..."},...},"or_audit":{"id":"...","seq":17,"mac":"<64 hex>",...}}

Datadog asks for fewer than 256 attributes in a log, names under 50 characters and fewer than 10 levels.
Metadata that keeps to its share of that stands under `metadata`; any other is one attribute of JSON text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from or_audit_logging.projections.kinds import (
    control_names,
    fields,
    fitted,
    json_text,
    nanoseconds,
    structure,
)
from or_audit_logging.projections.reading import REDACTED, Reading, Settings

SOURCE = "or-audit"
MOST_ATTRIBUTES = 80
"""Of metadata, and again of what is left over; a record itself has fewer than 70."""
LONGEST_NAME = 49
"""Characters of an attribute's name, with the names of what it stands in and the dots between."""
DEEPEST = 6

STATUSES = {
    "DEBUG": "debug",
    "INFO": "info",
    "NOTICE": "notice",
    "WARN": "warning",
    "WARNING": "warning",
    "ERROR": "error",
    "CRITICAL": "critical",
    "FATAL": "critical",
    "ALERT": "alert",
    "EMERGENCY": "emergency",
}
"""By a level's name; info, as Datadog has it, for any other."""

NAMES = {
    "timestamp": "timestamp",
    "event_type": "evt.name",
    "v": "or_audit.v",
    "id": "or_audit.id",
    "started_id": "or_audit.started_id",
    "status": "or_audit.status",
    "user_id": "usr.id",
    "session_id": "session.id",
    "request_id": "http.request_id",
    "model_requested": "gen_ai.request.model",
    "model_used": "gen_ai.response.model",
    "provider": "gen_ai.provider.name",
    "generation_id": "gen_ai.response.id",
    "generation_ids": "or_audit.generation_ids",
    "attempts": "or_audit.attempts",
    "prompt_hash": "or_audit.prompt_hash",
    "response_hash": "or_audit.response_hash",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "total_tokens": "or_audit.total_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "total_cost": "or_audit.total_cost",
    "cost_source": "or_audit.cost_source",
    "is_byok": "or_audit.is_byok",
    "upstream_cost": "or_audit.upstream_cost",
    "latency_ms": "duration",
    "ttft_ms": "or_audit.ttft_ms",
    "streamed": "gen_ai.request.stream",
    "finish_reason": "or_audit.finish_reason",
    "native_finish_reason": "or_audit.native_finish_reason",
    "tool_names": "or_audit.tool_names",
    "service_tier": "or_audit.service_tier",
    "cache_status": "or_audit.cache_status",
    "router": "or_audit.router",
    "error_type": "error.kind",
    "error_code": "error.code",
    "error_message": "error.message",
    "redactions": "or_audit.redactions",
    "service": "service",
    "environment": "env",
    "host": "hostname",
    "trace_id": "or_audit.trace_id",
    "span_id": "or_audit.span_id",
    "content": "or_audit.content",
    "truncated": "or_audit.truncated",
    "original_bytes": "or_audit.original_bytes",
    "logger": "logger.name",
    "exception": "error.stack",
    "stack": "or_audit.stack",
    "log": "or_audit.log",
    "seq": "or_audit.seq",
    "kid": "or_audit.kid",
    "mac": "or_audit.mac",
}

CONTROL_NAMES = control_names(NAMES, prefix="or_audit.")

STUB_NAMES = {"log": "or_audit.log", "seq": "or_audit.seq", "leaf": "or_audit.leaf"}

_FIELDS = fields(NAMES, latency_ms=nanoseconds, router=structure, redactions=structure, content=structure)
_CONTROL_FIELDS = fields(CONTROL_NAMES)
_STUB_FIELDS = fields(STUB_NAMES)
_HEX = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")


def project(reading: Reading, settings: Settings) -> dict[str, object]:
    """Return the members of *reading* as Datadog's attributes."""
    named, rest = fitted(
        reading.members, reading.choose(record=_FIELDS, control=_CONTROL_FIELDS, stub=_STUB_FIELDS)
    )
    environment = named.pop("env", None)
    if settings.service is not None:
        named.setdefault("service", settings.service)
    tags = [f"env:{environment}"] if environment is not None else []
    tags += [settings.tags] if settings.tags else []
    out: dict[str, object] = {"ddsource": SOURCE}
    if tags:
        out["ddtags"] = ",".join(tags)
    out["status"] = STATUSES.get(reading.level.upper(), "info")
    if reading.summary is not None:
        out["message"] = reading.summary
    if reading.event == REDACTED:
        named["evt.name"] = REDACTED
    if reading.outcome is not None:
        named["evt.outcome"] = reading.outcome
    named |= _trace(reading.members)
    if "or_audit.kid" in named:  # last: what ends in a mac would pass for a sealed line itself
        named["or_audit.kid"] = named.pop("or_audit.kid")
    if reading.original is not None:
        named["or_audit.original"] = reading.original
    for name, value in named.items():
        above, last = _path(name)
        place = out
        for step in above:
            place = place.setdefault(step, {})  # type: ignore[assignment]
        place[last] = value
    if not reading.is_control:
        rest.pop("message", None)
        if reading.level.upper() in STATUSES:
            rest.pop("level", None)
        _add(out, "metadata", rest.pop("metadata", None))
        _add(out, "extra", rest or None)
    return out


@lru_cache(maxsize=256)
def _path(name: str) -> tuple[tuple[str, ...], str]:
    """Return the names above an attribute, and its own."""
    *above, last = name.split(".")
    return tuple(above), last


def _trace(members: dict[str, object]) -> dict[str, object]:
    """Return OpenTelemetry's ids as Datadog correlates by them: the lower 64 bits, in decimal, as text."""
    return {
        f"dd.{name}": str(int(value[-16:], 16))
        for name in ("trace_id", "span_id")
        if isinstance(value := members.get(name), str) and _HEX.fullmatch(value)
    }


def _add(out: dict[str, object], name: str, value: object) -> None:
    """Add *value* under *name*, or where it is more than Datadog takes, as JSON text under `or_audit`."""
    if value is None:
        return
    if isinstance(value, dict) and _count(value, len(name), 1) <= MOST_ATTRIBUTES:
        out[name] = value
    else:
        place = out.setdefault("or_audit", {})
        place[name] = json_text(value)  # type: ignore[index]


def _count(members: dict[str, object], above: int, depth: int) -> int:
    """Return how many attributes *members* are; more than are allowed where names or levels are too long."""
    if depth > DEEPEST:
        return MOST_ATTRIBUTES + 1
    count = 0
    for name, value in members.items():
        length = above + 1 + len(name)
        if length > LONGEST_NAME or not name or count > MOST_ATTRIBUTES:
            return MOST_ATTRIBUTES + 1
        if type(value) is dict:
            count += _count(value, length, depth + 1)
        elif type(value) is list and any(type(item) in (dict, list) for item in value):
            return MOST_ATTRIBUTES + 1
        else:
            count += 1
    return count
