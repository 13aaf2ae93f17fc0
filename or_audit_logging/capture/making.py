"""The record of one call, made of what was asked, how it ended, and the clock. No handler is asked here.

    make_record(options, asked, facts, clean, digest_by=key, redacted_under=redactor.digest, clock=Clock(...))

Everything that comes from outside goes through the `Cleaner`; `redactions` is read last, when all is said.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter

from or_audit_logging.capture.asked import Asked
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.content import answers
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.options import CHAT_COMPLETION, Options
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.digest import DigestBy, choice_digest, response_digest
from or_audit_logging.record import AuditRecord, utc_timestamp

STARTED = ".started"
"""What the event type of a write-ahead record ends in."""


@dataclass(slots=True)
class Clock:
    """When a call began, had its first chunk, and ended, in seconds of the monotonic clock."""

    began: float | None = None
    first_chunk: float | None = None
    ended: float | None = None

    def latency(self) -> float | None:
        """Return milliseconds from beginning to end; to now where it has not ended."""
        return self._milliseconds(perf_counter() if self.ended is None else self.ended)

    def time_to_first_chunk(self) -> float | None:
        """Return milliseconds to the first chunk, where there was one."""
        return self._milliseconds(self.first_chunk)

    def _milliseconds(self, moment: float | None) -> float | None:
        if self.began is None or moment is None:
            return None
        return round((moment - self.began) * 1000, 3)


def make_record(
    options: Options,
    known: Asked,
    facts: Facts,
    clean: Cleaner,
    *,
    digest_by: DigestBy | None,
    redacted_under: str,
    latency_ms: float | None,
    ttft_ms: float | None = None,
    with_content: bool = False,
    started_id: str | None = None,
) -> AuditRecord:
    """Return the record of a call that has ended; its values are redacted and counted on the way."""
    label = clean.label
    names = [name for name in map(label, facts.tool_names) if name] if facts.tool_names else None
    ids = [i for i in map(label, facts.generation_ids) if i] if facts.generation_ids else ()
    code = facts.error_code
    return AuditRecord(
        event_type=options.event_type or CHAT_COMPLETION,
        id=_new_id(),
        started_id=started_id,
        timestamp=utc_timestamp(datetime.now(UTC)),
        status=facts.status,
        user_id=known.user_id,
        session_id=known.session_id,
        request_id=known.request_id,
        model_requested=known.model,
        model_used=label(facts.model_used),
        provider=label(facts.provider),
        generation_id=label(facts.generation_id),
        generation_ids=tuple(ids) if len(ids) > 1 else None,
        attempts=facts.attempts,
        prompt_hash=known.prompt_hash,
        response_hash=_response_hash(facts, digest_by) if digest_by else None,
        prompt_tokens=facts.prompt_tokens,
        completion_tokens=facts.completion_tokens,
        total_tokens=facts.total_tokens,
        cached_tokens=facts.cached_tokens,
        reasoning_tokens=facts.reasoning_tokens,
        total_cost=facts.total_cost,
        cost_source=None if facts.total_cost is None else "response",
        is_byok=facts.is_byok,
        upstream_cost=facts.upstream_cost,
        latency_ms=latency_ms,
        ttft_ms=ttft_ms,
        streamed=known.streamed if facts.streamed is None else facts.streamed,
        finish_reason=label(facts.finish_reason),
        native_finish_reason=label(facts.native_finish_reason),
        tool_names=tuple(names) if names else None,
        service_tier=label(facts.service_tier),
        cache_status=label(facts.cache_status),
        router=clean.metadata(facts.router) if facts.router else None,
        error_type=label(facts.error_type),
        error_code=label(code) if isinstance(code, str) else code,
        error_message=clean.message(facts.error_message),
        metadata=known.metadata,
        content=guarded("the content", _content, known, facts, clean) if with_content else None,
        redactions=dict(clean.counts) or None,  # complete: everything that is redacted stands above
        host=_host(),
        trace_id=known.trace_id,
        span_id=known.span_id,
        redacted_under=redacted_under,
    )


def started_record(options: Options, known: Asked, clean: Cleaner, *, redacted_under: str) -> AuditRecord:
    """Return the record that says a call is about to be made: what is asked, and no status yet."""
    return AuditRecord(
        event_type=(options.event_type or CHAT_COMPLETION) + STARTED,
        id=_new_id(),
        timestamp=utc_timestamp(datetime.now(UTC)),
        user_id=known.user_id,
        session_id=known.session_id,
        request_id=known.request_id,
        model_requested=known.model,
        prompt_hash=known.prompt_hash,
        streamed=known.streamed,
        metadata=known.metadata,
        content=None if known.content is None else {"prompt": known.content},
        redactions=dict(clean.counts) or None,
        host=_host(),
        trace_id=known.trace_id,
        span_id=known.span_id,
        redacted_under=redacted_under,
    )


def bare_record(
    options: Options, facts: Facts, *, latency_ms: float | None, started_id: str | None = None
) -> AuditRecord:
    """Return the record of a call of which nothing else could be said."""
    return AuditRecord(
        event_type=options.event_type or CHAT_COMPLETION,
        id=_new_id(),
        started_id=started_id,
        timestamp=utc_timestamp(datetime.now(UTC)),
        status=facts.status,
        latency_ms=latency_ms,
    )


def _response_hash(facts: Facts, by: DigestBy) -> str | None:
    digests = facts.choice_digests
    if digests is None and facts.choices:
        made = [choice_digest(text, calls) for text, calls in facts.choices]
        digests = None if None in made else tuple(digest for digest in made if digest is not None)
    return response_digest(digests, by) if digests else None


def _content(known: Asked, facts: Facts, clean: Cleaner) -> Mapping[str, object] | None:
    """Return prompt and answer, redacted; None where neither is known."""
    response = clean.content(answers(facts.choices)) if facts.choices else None
    if known.content is None and response is None:
        return None
    return {"prompt": known.content, "response": response}


def _new_id() -> str:
    """Return a new UUID of version 4 (RFC 9562, section 5.4); `str(uuid4())` takes twice as long."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@functools.cache
def _host() -> str | None:
    import socket  # here, since it takes longer to import than the rest of this module

    try:
        return socket.gethostname()
    except OSError:
        return None
