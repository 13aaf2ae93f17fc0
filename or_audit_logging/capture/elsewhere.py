"""Calls made elsewhere: a record from what is known of them, and a finished record to the log.

    record = AuditRecord.build(model="openai/gpt-4o-mini", prompt=messages, response=response, user_id="u-42")
    emit(record)

`AuditRecord.build` is `build` here. Both take the policy of the logger's handlers, as a call through
`@audited` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.asked import Defaults, asked
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.delivery import AUDIT_LOGGER, Source, deliver, delivering, route_to
from or_audit_logging.capture.facts import Facts, filled
from or_audit_logging.capture.failures import failure_facts
from or_audit_logging.capture.making import make_record
from or_audit_logging.capture.options import CHAT_COMPLETION, Content, Hash, options_for
from or_audit_logging.capture.response import response_facts
from or_audit_logging.capture.trouble import report
from or_audit_logging.context import current
from or_audit_logging.errors import ConfigError
from or_audit_logging.record import STATUSES, AuditRecord
from or_audit_logging.redaction.records import redacted_record


def emit(record: AuditRecord, *, logger: str = AUDIT_LOGGER) -> None:
    """Log *record* as capture logs its own: level by status, whatever the logger's level, redacted before.

    A record that was not redacted under the policy of the logger's handlers is redacted in a copy. Raises
    `AuditWriteError` where a handler with `on_failure="raise"` cannot write it, and `ConfigError` where such
    a handler stands behind a queue. A handler that emits while it is handed a record is not served.
    """
    if not isinstance(record, AuditRecord):
        raise TypeError(f"emit takes an AuditRecord, not {type(record).__name__}")
    if delivering():
        report("nested", logger, "audit: a handler of %s emits a record; it is not logged", logger)
        return
    route = route_to(logger)
    deliver(route, redacted_record(record, route.redactor), Source(function="emit"))


def build(
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
    event_type: str = CHAT_COMPLETION,
    metadata: Mapping[str, object] | None = None,
    streamed: bool | None = None,
    hash: Hash = "hmac",  # noqa: A002 - what it is
    content: Content | None = None,
    logger: str = AUDIT_LOGGER,
) -> AuditRecord:
    """Return a record of what is said; see `AuditRecord.build`."""
    options = options_for(
        "AuditRecord.build",
        logger=logger,
        event_type=event_type,
        hash=hash,
        content=content,
        metadata=metadata,
    )
    if status is not None and status not in STATUSES:
        raise ConfigError(f"AuditRecord.build: status is one of {', '.join(STATUSES)}")
    if latency_ms is not None and (isinstance(latency_ms, bool) or not isinstance(latency_ms, (int, float))):
        raise ConfigError("AuditRecord.build: latency_ms is a number of milliseconds")
    route = route_to(logger, check=False)
    clean = Cleaner(route.redactor, route.digest_key)
    by: Literal["sha256"] | None = "sha256" if hash == "sha256" else None
    digest_by = by or route.digest_key
    known = asked(
        Request(
            model=model,
            prompt=prompt,
            user_id=user_id,
            session_id=session_id,
            request_id=request_id,
            metadata=metadata,
            streamed=streamed,
        ),
        bound=current(),
        defaults=Defaults(),
        clean=clean,
        digest_by=digest_by,
        with_content=content is not None,
    )
    return make_record(
        options,
        known,
        _facts(response, error, status),
        clean,
        digest_by=digest_by,
        redacted_under=route.redactor.digest,
        latency_ms=None if latency_ms is None else round(float(latency_ms), 3),
        with_content=content is not None,
    )


def _facts(response: object, error: BaseException | str | None, status: str | None) -> Facts:
    """Return how the call ended: as *status* says, else the error, else the response."""
    if isinstance(response, str):
        facts = Facts(status="success", choices=((response, None),))
    else:
        facts = response_facts(response) or Facts(status="incomplete" if response is None else "success")
    if isinstance(error, str):
        facts = replace(facts, status="error", error_message=error)
    elif error is not None:
        facts = filled(failure_facts(error), facts)
    return facts if status is None else replace(facts, status=status)
