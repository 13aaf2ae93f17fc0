"""Elastic Common Schema (https://www.elastic.co/docs/reference/ecs): flat dotted names, one type each.

    {"@timestamp":"...","log.level":"info","message":"chat_completion success openai/gpt-4o-mini",
     "ecs.version":"9.3.0","event.action":"chat_completion","event.hash":"<mac>","event.sequence":17,...}

What ECS has no name for stands under `or_audit.`. An index maps a field by the first value it sees, and each
name it sees takes a place in the mapping: so objects whose members can't be foreseen are JSON text, and of
metadata only short texts under simple names are `labels`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from or_audit_logging.projections.kinds import (
    control_names,
    fields,
    fitted,
    json_text,
    nanoseconds,
    structure,
)
from or_audit_logging.projections.reading import REDACTED, Reading, Settings
from or_audit_logging.record import GENERATION, STARTED_SUFFIX

VERSION = "9.3.0"
"""The ECS version that the names are of."""

MOST_LABELS = 64
LONGEST_LABEL = 1_024
"""Characters of a label's text; ECS indexes no more of a keyword."""

OPERATIONS = {
    "chat_completion": "chat",
    "responses": "chat",
    "messages": "chat",
    "completion": "text_completion",
    "embeddings": "embeddings",
}
"""OpenTelemetry's word for an event type; another event type is its own."""

NAMES = {
    "timestamp": "@timestamp",
    "event_type": "event.action",
    "v": "or_audit.v",
    "id": "event.id",
    "started_id": "or_audit.started_id",
    "status": "or_audit.status",
    "user_id": "user.id",
    "session_id": "session.id",
    "request_id": "http.request.id",
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
    "latency_ms": "event.duration",
    "ttft_ms": "or_audit.ttft_ms",
    "streamed": "gen_ai.request.stream",
    "finish_reason": "or_audit.finish_reason",
    "native_finish_reason": "or_audit.native_finish_reason",
    "tool_names": "or_audit.tool_names",
    "service_tier": "or_audit.service_tier",
    "cache_status": "or_audit.cache_status",
    "router": "or_audit.router",
    "error_type": "error.type",
    "error_code": "error.code",
    "error_message": "error.message",
    "redactions": "or_audit.redactions",
    "service": "service.name",
    "environment": "service.environment",
    "host": "host.name",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "content": "or_audit.content",
    "truncated": "or_audit.truncated",
    "original_bytes": "or_audit.original_bytes",
    "logger": "log.logger",
    "exception": "error.stack_trace",
    "stack": "or_audit.stack",
    "log": "or_audit.log",
    "seq": "event.sequence",
    "kid": "or_audit.kid",
    "mac": "event.hash",
}

CONTROL_NAMES = control_names(NAMES, prefix="or_audit.") | {"pid": "process.pid"}

STUB_NAMES = {"log": "or_audit.log", "seq": "event.sequence", "leaf": "or_audit.leaf"}

_FIELDS = fields(NAMES, latency_ms=nanoseconds, router=structure, redactions=structure, content=structure)
_CONTROL_FIELDS = fields(CONTROL_NAMES)
_STUB_FIELDS = fields(STUB_NAMES)
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def project(reading: Reading, settings: Settings) -> dict[str, object]:
    """Return the members of *reading* as ECS fields."""
    named, rest = fitted(
        reading.members, reading.choose(record=_FIELDS, control=_CONTROL_FIELDS, stub=_STUB_FIELDS)
    )
    out: dict[str, object] = {}
    if "@timestamp" in named:
        out["@timestamp"] = named["@timestamp"]
    out["log.level"] = reading.level.lower()
    if reading.summary is not None:
        out["message"] = reading.summary
    out["ecs.version"] = VERSION
    out["event.kind"] = "event"
    out |= _category(reading) | named
    if reading.original is not None:
        out["event.original"] = reading.original
    if not reading.is_control:
        rest.pop("message", None)
        if rest.get("level") == reading.level:
            del rest["level"]
        out |= _left_over(rest)
    return out


def _category(reading: Reading) -> dict[str, object]:
    event = reading.event
    out: dict[str, object] = {}
    if event == REDACTED:
        out["event.action"] = REDACTED
    started = event is not None and event.endswith(STARTED_SUFFIX)
    if reading.is_call or started:
        out["event.category"] = ["api"]
        denied = ["denied"] if reading.members.get("status") == "blocked" else []
        out["event.type"] = ["start"] if started else ["access", *denied]
        operation = str(event).removesuffix(STARTED_SUFFIX)
        out["gen_ai.operation.name"] = OPERATIONS.get(operation, operation)
    elif event == GENERATION:
        out["event.category"], out["event.type"] = ["api"], ["info"]
    if reading.outcome is not None:
        out["event.outcome"] = reading.outcome
    return out


def _left_over(rest: dict[str, object]) -> dict[str, object]:
    """Return metadata and what no field takes: short texts as labels, and all of it if that is not all."""
    metadata = rest.pop("metadata", None)
    labels: dict[str, object] = {}
    out: dict[str, object] = {}
    if metadata is not None and not _as_labels(metadata, labels):
        out["or_audit.metadata"] = json_text(metadata)
    if rest and not _as_labels(rest, labels):
        out["or_audit.extra"] = json_text(rest)
    if labels:
        out["labels"] = labels
    return out


def _as_labels(members: object, labels: dict[str, object]) -> bool:
    """Add to *labels* what of *members* can be a label; return whether that was all of it."""
    if not isinstance(members, Mapping):
        return False
    complete = True
    for name, value in members.items():
        short = type(value) is str and len(value) <= LONGEST_LABEL
        if short and len(labels) < MOST_LABELS and name not in labels and _LABEL.fullmatch(name):
            labels[name] = value
        else:
            complete = False
    return complete
