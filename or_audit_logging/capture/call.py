"""`Call`: one call to a model, from before it is sent to its one record. Every entrance drives it alike.

    call = Call(options)
    call.begin(request)                     # may raise AuditWriteError: nothing is sent, nothing paid
    try:
        with call.active():                 # calls made in here belong to this one
            result = send()
        call.response(result)
        return result
    except BaseException as error:
        call.error(error)
        raise
    finally:
        call.finish()                       # may raise AuditWriteError, which carries the result

`finish` makes exactly one record, however the block was left. The outermost call owns the record: a call that
begins while another is active (an instrumented client inside a decorated function) makes none and hands what
it learnt to the other. The call's own outcome is never changed: what cannot be read is None and counted as
trouble.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Literal
from uuid import uuid4

from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.asked import Asked, Defaults, asked, completed
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.delivery import Route, Source, default_redactor, deliver, delivering, route_to
from or_audit_logging.capture.facts import Facts, filled, together
from or_audit_logging.capture.failures import failure_facts
from or_audit_logging.capture.response import response_facts, stream_facts
from or_audit_logging.capture.trouble import guarded, report
from or_audit_logging.context import current
from or_audit_logging.digest import DigestBy, response_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.record import AuditRecord, utc_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the calls through one entrance are recorded."""

    logger: str = "openrouter.audit"
    event_type: str = "chat_completion"
    hash: Literal["hmac", "sha256"] = "hmac"
    defaults: Defaults = field(default_factory=Defaults)
    source: Source = field(default_factory=Source)


_NOT_ASKED = Asked()
_NO_END = Facts(status="incomplete")
_NO_FACTS = Facts(status="success")

_active: ContextVar[Call | None] = ContextVar("or_audit_logging.active_call", default=None)


def active_call() -> Call | None:
    """Return the call that what happens here belongs to, if there is one and it has no record yet."""
    call = _active.get()
    return call if call is not None and call.is_open else None


class Call:
    """One call: `begin`, then `response`, `outcome` or `error`, then `finish`; by one thread at a time."""

    __slots__ = (
        "_asked",
        "_attempts",
        "_began",
        "_clean",
        "_ended",
        "_facts",
        "_first_chunk",
        "_inner",
        "_options",
        "_outer",
        "_raised",
        "_result",
        "_route",
    )

    def __init__(self, options: Options) -> None:
        self._options = options
        self._route: Route | None = None
        self._outer: Call | None = None
        self._inner: list[tuple[Asked, Facts]] = []
        self._clean: Cleaner | None = None
        self._asked = _NOT_ASKED
        self._facts: Facts | None = _NO_END
        self._attempts: list[str | None] = []
        self._raised: BaseException | None = None
        self._result: object = None
        self._began: float | None = None
        self._ended: float | None = None
        self._first_chunk: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the record is still to be made."""
        return self._route is not None

    def begin(self, request: Request) -> None:
        """Take what is asked, before anyone can change it, and start the clock.

        Raises `AuditWriteError` where a sink that must write could not. A call that a handler makes while a
        record is handed to it is not recorded, since that would never end.
        """
        name = self._options.logger
        if delivering():
            report("nested", name, "audit: a handler of %s calls a model; its calls are not recorded", name)
            return
        self._outer = outer = active_call()
        self._route = route = outer._route if outer is not None and outer._route else _route(name)
        self._clean = clean = guarded("the redactor", Cleaner, route.redactor, route.digest_key)
        if clean is not None:
            self._asked = (
                guarded(
                    "reading the request",
                    asked,
                    request,
                    bound=current(),
                    defaults=self._options.defaults,
                    clean=clean,
                    digest_by=self._digest_by(route),
                )
                or self._asked
            )
        self._began = perf_counter()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make calls and attempts that happen inside belong to this call."""
        if self._route is None:
            yield
            return
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def attempt(self, generation_id: str | None = None) -> None:
        """Take note of one request that was answered; the answer's generation id where it has one."""
        self._attempts.append(generation_id)

    def first_chunk(self) -> None:
        """Take the time of a stream's first chunk; later ones do not count."""
        if self._first_chunk is None:
            self._first_chunk = perf_counter()

    def response(self, result: object) -> None:
        """Take what the call returned; it is only read, and a stream not even that."""
        self._ended = perf_counter()
        if self._route is None:
            return
        self._result = result
        self._facts = guarded("reading the response", _facts_of, result)

    def outcome(self, facts: Facts) -> None:
        """Take what a stream said, now that it has ended or was left."""
        self._ended = perf_counter()
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
        """Make the record and hand it over, the first time this is called; an inner call's to the outer one.

        Raises `AuditWriteError`, with what the call returned as its `response`, where a sink had to write
        and did not. Where the call itself had failed, its own exception stands, and a note on it says so.
        """
        route, self._route = self._route, None
        if route is None:
            return
        try:
            facts = guarded("putting the facts together", self._all_facts) or self._facts or _NO_FACTS
            if self._outer is not None and self._outer.is_open:
                self._outer._inner.append((self._asked, facts))
                return
            record = guarded("making the record", self._record, route, facts) or self._bare_record(facts)
            deliver(route, record, self._options.source)
        except AuditWriteError as failure:
            if self._raised is None:
                failure.response = self._result
                raise
            guarded("noting the loss", self._raised.add_note, f"its audit record was not written: {failure}")
        finally:
            self._raised = self._result = self._outer = None
            self._inner = []
            self._facts = _NO_END

    def _all_facts(self) -> Facts:
        """Return what the call itself said, completed by the calls made inside it and by its attempts.

        Where the call said nothing (a function that returns only the text), the calls inside it speak: as
        the last of them ended, so did this one, unless it raised.
        """
        own, inside = self._facts, together([facts for _, facts in self._inner]) if self._inner else None
        if inside is None:
            if own is None:
                self._report_no_facts(self._result)
                own = _NO_FACTS
        elif own is None:
            own = inside
        elif own.generation_id in (None, inside.generation_id):
            own = filled(own, inside)
        else:
            own = replace(inside, status=own.status)
        ids = [i for i in self._attempts if i is not None]
        if self._attempts and own.attempts is None:
            own = replace(own, attempts=len(self._attempts))
        if len(ids) > 1 and own.generation_ids is None:
            own = replace(own, generation_ids=tuple(dict.fromkeys(ids)))
        if ids and own.generation_id is None:
            own = replace(own, generation_id=ids[-1])
        return own

    def _asked_in_all(self) -> Asked:
        """Return what was asked, completed by what the first call inside asked."""
        return completed(self._asked, self._inner[0][0]) if self._inner else self._asked

    def _digest_by(self, route: Route) -> DigestBy | None:
        return "sha256" if self._options.hash == "sha256" else route.digest_key

    def _report_no_facts(self, result: object) -> None:
        name = self._options.source.function or "a call"
        report(
            "no-facts",
            name,
            "audit: %s returned %s, which says nothing about the call: return the SDK's response or its JSON "
            "from the audited function, or instrument(client) the client that it calls",
            name,
            type(result).__name__,
        )

    def _record(self, route: Route, facts: Facts) -> AuditRecord:
        known, clean, by = self._asked_in_all(), self._clean, self._digest_by(route)
        if clean is None:
            return self._bare_record(facts)

        label = clean.label
        names = [name for name in map(label, facts.tool_names or ()) if name]
        code = facts.error_code
        ids = tuple(i for i in map(label, facts.generation_ids or ()) if i)
        return AuditRecord(
            event_type=self._options.event_type,
            id=str(uuid4()),
            timestamp=utc_timestamp(datetime.now(UTC)),
            status=facts.status,
            user_id=known.user_id,
            session_id=known.session_id,
            request_id=known.request_id,
            model_requested=known.model,
            model_used=label(facts.model_used),
            provider=label(facts.provider),
            generation_id=label(facts.generation_id),
            generation_ids=ids if len(ids) > 1 else None,
            attempts=facts.attempts,
            prompt_hash=known.prompt_hash,
            response_hash=guarded("hashing the response", response_digest, facts.choices, by)
            if facts.choices and by
            else None,
            prompt_tokens=facts.prompt_tokens,
            completion_tokens=facts.completion_tokens,
            total_tokens=facts.total_tokens,
            cached_tokens=facts.cached_tokens,
            reasoning_tokens=facts.reasoning_tokens,
            total_cost=facts.total_cost,
            cost_source=None if facts.total_cost is None else "response",
            is_byok=facts.is_byok,
            upstream_cost=facts.upstream_cost,
            latency_ms=self._milliseconds(self._ended or perf_counter()),
            ttft_ms=self._milliseconds(self._first_chunk),
            streamed=known.streamed if facts.streamed is None else facts.streamed,
            finish_reason=label(facts.finish_reason),
            native_finish_reason=label(facts.native_finish_reason),
            tool_names=tuple(names) or None,
            service_tier=label(facts.service_tier),
            error_type=label(facts.error_type),
            error_code=label(code) if isinstance(code, str) else code,
            error_message=clean.message(facts.error_message),
            metadata=known.metadata,
            redactions=dict(clean.counts) or None,  # complete: everything that is redacted stands above
            host=guarded("reading the host's name", _host),
            trace_id=known.trace_id,
            span_id=known.span_id,
            redacted_under=route.redactor.digest,
        )

    def _bare_record(self, facts: Facts) -> AuditRecord:
        """Return the record of a call of which nothing else could be said."""
        return AuditRecord(
            event_type=self._options.event_type,
            id=str(uuid4()),
            timestamp=utc_timestamp(datetime.now(UTC)),
            status=facts.status,
            latency_ms=self._milliseconds(self._ended or perf_counter()),
        )

    def _milliseconds(self, moment: float | None) -> float | None:
        if self._began is None or moment is None:
            return None
        return round((moment - self._began) * 1000, 3)


def _route(name: str) -> Route:
    try:
        return route_to(name)
    except AuditWriteError:
        raise
    except Exception as error:  # noqa: BLE001 - a sink of somebody's own; the record is made all the same
        kind = type(error).__name__
        report("internal", f"route {kind}", "audit: looking up the handlers of %s failed (%s)", name, kind)
        return Route(logging.getLogger(name), default_redactor(), None)


def _facts_of(result: object) -> Facts | None:
    return stream_facts(result) or response_facts(result)


@functools.cache
def _host() -> str:
    import socket  # here, since it takes longer to import than the rest of this module

    return socket.gethostname()
