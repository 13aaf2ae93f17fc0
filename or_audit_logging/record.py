"""`AuditRecord`: what one call was, in the names that JSON, SQL and Python share (schema version 1).

    AuditRecord(event_type="chat_completion", id=str(uuid4()), timestamp=utc_timestamp(now), status="success",
                model_requested="openai/gpt-4o-mini", ...)

A record is a frozen value. `None` means unknown, never zero. The core fields are always written, as
null when unknown; the rare ones (`RARE_FIELDS`) are left out when there is nothing to say. Content is
redacted before a record is made; this module only holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Literal

from or_audit_logging.errors import ConfigError

SCHEMA_VERSION = 1

STATUSES = ("success", "error", "timeout", "cancelled", "incomplete", "blocked")
"""The six ways a call ends. `incomplete`: a stream cut or left; `blocked`: guardrail or moderation."""

CONTROL_PREFIX = "log."
"""Event types with this prefix belong to the log itself (FORMAT 4); no user record bears one."""

GENERATION = "generation"
"""The event type of what the provider said about a call later."""

UNRESOLVED = "unresolved"
"""The status of a `generation` record where the provider never said anything."""

STARTED_SUFFIX = ".started"
"""Event types with this suffix are of write-ahead records: the call has begun."""

NOT_CALLS = frozenset({"log", GENERATION})
"""Event types that no call has: a plain LogRecord, and a late fact."""


def utc_timestamp(moment: datetime) -> str:
    """Return *moment* as `YYYY-MM-DDTHH:MM:SS.ffffffZ`; raises ValueError where it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def moment(value: object) -> datetime | None:
    """Return the ISO 8601 date or time *value* in UTC; one without a zone is UTC."""
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def summary(event_type: str, status: str | None, model: str | None) -> str:
    """Return a record in three words, as the message of its LogRecord has it: no content."""
    return f"{event_type} {status or '-'} {model or '-'}"


def level_name(status: str | None) -> str:
    """Return the logging level's name for a record's *status*; None is that of a write-ahead record."""
    return _LEVELS.get(status, "ERROR")


def is_call_event(event_type: str) -> bool:
    """Return whether *event_type* is that of a call that ended, whatever came of it."""
    return not (
        event_type in NOT_CALLS
        or event_type.startswith(CONTROL_PREFIX)
        or event_type.endswith(STARTED_SUFFIX)
    )


_LEVELS = {
    None: "INFO",
    "success": "INFO",
    "incomplete": "WARNING",
    "cancelled": "WARNING",
    UNRESOLVED: "WARNING",
}
_LONGEST_TIME = 200
_RARE = {"rare": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One event of the audit trail.

    Times: `timestamp` is UTC and says when the record was made; `latency_ms` and `ttft_ms` (time to the
    first chunk of a stream) come from a monotonic clock, in milliseconds. Money is USD as `Decimal` with
    the provider's own digits; `total_cost` is OpenRouter's charge plus, for calls with the customer's own
    provider key (BYOK), the provider's. `prompt_hash` and `response_hash` are `hmac-sha256:<key id>:<hex>`
    or `sha256:<hex>`. `redactions` counts what was redacted, by type. `started_id` names the write-ahead
    record of the same call.
    """

    event_type: str
    v: int = SCHEMA_VERSION
    id: str
    started_id: str | None = field(default=None, metadata=_RARE)
    timestamp: str
    status: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    model_requested: str | None = None
    model_used: str | None = None
    provider: str | None = None
    generation_id: str | None = None
    generation_ids: tuple[str, ...] | None = field(default=None, metadata=_RARE)
    attempts: int | None = field(default=None, metadata=_RARE)
    prompt_hash: str | None = None
    response_hash: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = field(default=None, metadata=_RARE)
    reasoning_tokens: int | None = field(default=None, metadata=_RARE)
    total_cost: Decimal | None = None
    cost_source: str | None = None
    is_byok: bool | None = field(default=None, metadata=_RARE)
    upstream_cost: Decimal | None = field(default=None, metadata=_RARE)
    latency_ms: float | None = None
    ttft_ms: float | None = field(default=None, metadata=_RARE)
    streamed: bool | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = field(default=None, metadata=_RARE)
    tool_names: tuple[str, ...] | None = field(default=None, metadata=_RARE)
    service_tier: str | None = field(default=None, metadata=_RARE)
    cache_status: str | None = field(default=None, metadata=_RARE)
    router: Mapping[str, object] | None = field(default=None, metadata=_RARE)
    error_type: str | None = None
    error_code: str | int | None = None
    error_message: str | None = None
    metadata: Mapping[str, object] | None = field(default=None, metadata=_RARE)
    redactions: Mapping[str, int] | None = field(default=None, metadata=_RARE)
    service: str | None = field(default=None, metadata=_RARE)
    environment: str | None = field(default=None, metadata=_RARE)
    host: str | None = field(default=None, metadata=_RARE)
    trace_id: str | None = field(default=None, metadata=_RARE)
    span_id: str | None = field(default=None, metadata=_RARE)
    content: Mapping[str, object] | None = field(default=None, metadata=_RARE)

    redacted_under: str | None = field(default=None, repr=False, compare=False, metadata={"internal": True})
    """Digest of the redaction policy this record was made under; never written, lets a filter pass it by."""

    def to_dict(self) -> dict[str, object]:
        """Return the record's members in schema order, ready to be encoded; the record is not shared."""
        return {
            name: value
            for name, value, rare in zip(NAMES, values_of(self), IS_RARE, strict=True)
            if value is not None or not rare
        }

    @classmethod
    def build(
        cls,
        *,
        model: str | None = None,
        prompt: object = None,
        response: object = None,
        user_id: str | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        status: str | None = None,
        latency_ms: float | None = None,
        error: BaseException | str | None = None,
        event_type: str = "chat_completion",
        metadata: Mapping[str, object] | None = None,
        streamed: bool | None = None,
        hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
        content: Literal["redacted"] | None = None,
        logger: str = "openrouter.audit",
    ) -> AuditRecord:
        """Return the record of a call made elsewhere, hashed and redacted as `@audited` does; not logged yet.

        Hashes, pseudonyms and redaction follow the policy of the handlers of *logger*. *prompt*: the
        messages or text as sent. *response*: an SDK's response, its JSON as a dict, or the answer's text.
        *error*: the exception, or a text. *status* is one of the six; without it the error or else the
        response says it, and without those the call is `incomplete`. What a `bind` block says holds here.

        Pass the result to `or_audit_logging.emit`. Raises `ConfigError` for values that no record may have.
        """
        if _builder is None:
            raise ConfigError("AuditRecord.build: import AuditRecord from or_audit_logging, which brings it")
        return _builder(
            model=model,
            prompt=prompt,
            response=response,
            user_id=user_id,
            session_id=session_id,
            request_id=request_id,
            status=status,
            latency_ms=latency_ms,
            error=error,
            event_type=event_type,
            metadata=metadata,
            streamed=streamed,
            hash=hash,
            content=content,
            logger=logger,
        )


_builder: Callable[..., AuditRecord] | None = None


def register_builder(builder: Callable[..., AuditRecord]) -> None:
    """Make *builder* what `AuditRecord.build` calls, with the same parameters.

    Building takes redaction, keys and handlers, which stand on upper floors: capture registers itself here
    when it is imported.
    """
    global _builder  # noqa: PLW0603 - the one thing that is handed down to this floor
    _builder = builder


_members = [f for f in fields(AuditRecord) if not f.metadata.get("internal")]
NAMES = tuple(f.name for f in _members)
"""A record's members in schema order."""
IS_RARE = tuple(bool(f.metadata.get("rare")) for f in _members)
"""Of each member, whether it is left out where it is None."""
values_of = attrgetter(*NAMES)
"""Return a record's values, one for each of `NAMES`."""
CORE_FIELDS = tuple(f.name for f in _members if not f.metadata.get("rare"))
RARE_FIELDS = tuple(f.name for f in _members if f.metadata.get("rare"))
