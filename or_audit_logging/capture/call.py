"""`Call`: one call to a model, from before it is sent to its one record. Every entrance drives it alike.

    call = Call(options)
    call.begin(request)                 # may raise AuditWriteError: nothing was sent yet
    try:
        result = send()
    except BaseException as error:
        call.error(error)
        call.finish()
        raise
    call.response(result)
    call.finish()                       # may raise AuditWriteError, which carries the result

Whatever happens in between, `finish` makes exactly one record. The call's own outcome is never changed:
what cannot be read is None and counted, and only AuditWriteError leaves here, where a sink must write.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Literal
from uuid import UUID, uuid4

from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.delivery import Route, Source, default_redactor, deliver, delivering, route_to
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.failures import failure_facts
from or_audit_logging.capture.read import text
from or_audit_logging.capture.response import response_facts, stream_facts
from or_audit_logging.capture.trouble import guarded, report
from or_audit_logging.context import current
from or_audit_logging.digest import prompt_digest, response_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.record import AuditRecord, utc_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How calls through one entrance are recorded; `user_id` and `metadata` are its own, for every call."""

    logger: str = "openrouter.audit"
    event_type: str = "chat_completion"
    user_id: str | None = None
    metadata: Mapping[str, object] | None = None
    hash: Literal["hmac", "sha256"] = "hmac"
    source: Source = Source()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is known of a call before it is sent, fit for a record."""

    user_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    model: str | None = None
    prompt_hash: str | None = None
    metadata: dict[str, object] | None = None
    streamed: bool | None = None
    trace_id: str | None = None
    span_id: str | None = None


class Call:
    """One call; `begin`, then `response` or `error`, then `finish`. Not for use by several threads at once."""

    __slots__ = ("_asked", "_began", "_cleaner", "_ended", "_facts", "_options", "_raised", "_result", "_route")

    def __init__(self, options: Options) -> None:
        self._options = options
        self._route: Route | None = None
        self._cleaner: Cleaner | None = None
        self._asked = _Asked()
        self._facts = Facts(status="incomplete")
        self._raised: BaseException | None = None
        self._result: object = None
        self._began = self._ended = 0.0

    def begin(self, request: Request) -> None:
        """Take what is asked, before anyone can change it, and start the clock.

        Raises `AuditWriteError` where a sink that must write could not.
        """
        if delivering():
            name = self._options.logger
            report("nested", name, "audit: a handler of %s calls a model; its calls are not recorded", name)
            return
        self._route = _route(self._options.logger)
        self._cleaner = guarded("the redactor", Cleaner, self._route.redactor, self._route.digest_key)
        self._asked = guarded("reading the request", self._ask, request) or _Asked()
        self._began = perf_counter()

    def response(self, result: object) -> None:
        """Take what the call returned; it is only read."""
        self._ended = perf_counter()
        if self._route is None:
            return
        self._result = result
        facts = guarded("reading the response", _response_facts, result)
        if facts is None:
            name, kind = self._options.source.function or "the call", type(result).__name__
            report(
                "no-facts",
                name,
                "audit: %s returned %s, which says nothing about the call; "
                "audit the function that returns the SDK's response object or its JSON",
                name,
                kind,
            )
            facts = Facts(status="success")
        self._facts = facts

    def error(self, error: BaseException) -> None:
        """Take what the call raised; the caller raises it again."""
        self._ended = perf_counter()
        if self._route is None:
            return
        self._raised = error
        self._facts = guarded("reading the exception", failure_facts, error) or Facts(
            status="error" if isinstance(error, Exception) else "cancelled", error_type=type(error).__name__
        )

    def finish(self) -> None:
        """Make the record and hand it over, the first time this is called.

        Raises `AuditWriteError` where a sink had to write and did not: with the result in `response`, or, if
        the call itself had failed, not at all: the call's own exception then says so in a note.
        """
        route, self._route = self._route, None
        if route is None:
            return
        try:
            deliver(route, self._record(route), self._options.source)
        except AuditWriteError as failure:
            if self._raised is None:
                failure.response = self._result
                raise
            guarded("adding a note", self._raised.add_note, f"its audit record was not written: {failure}")
        finally:
            self._raised = self._result = None
            self._facts = Facts(status=self._facts.status)

    def _ask(self, request: Request) -> _Asked:
        bound, options, clean = current(), self._options, self._cleaner
        metadata = {**(options.metadata or {}), **bound.metadata}
        if isinstance(request.metadata, Mapping):
            metadata.update(request.metadata)
        trace_id, span_id = guarded("reading the trace", _trace) or (None, None)
        asked = _Asked(
            prompt_hash=guarded("hashing the prompt", self._prompt_hash, request.prompt),
            streamed=request.streamed,
            trace_id=trace_id,
            span_id=span_id,
        )
        if clean is None:
            return asked
        return _Asked(
            user_id=guarded(
                "redaction", clean.person, _identifier(request.user_id, bound.user_id, options.user_id)
            ),
            session_id=guarded("redaction", clean.person, _identifier(request.session_id, bound.session_id)),
            request_id=guarded("redaction", clean.label, _identifier(request.request_id, bound.request_id)),
            model=guarded("redaction", clean.label, request.model),
            metadata=guarded("redaction", clean.metadata, metadata) if metadata else None,
            prompt_hash=asked.prompt_hash,
            streamed=asked.streamed,
            trace_id=trace_id,
            span_id=span_id,
        )
