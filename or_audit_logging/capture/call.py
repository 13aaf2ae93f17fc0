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

`finish` makes exactly one record, however the block was left and whichever thread comes first. The outermost
call owns the record: a call that begins while another is active (an instrumented client inside a decorated
function) makes none and hands what it learnt to the other. The call's own outcome is never changed: what
cannot be read is None and counted as trouble.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import replace
from time import perf_counter

from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.asked import Asked, amended, asked, completed, sent
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.delivery import Route, deliver, delivering, route_or_default
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.failures import failure_facts
from or_audit_logging.capture.making import Clock, bare_record, make_record, started_record
from or_audit_logging.capture.nesting import NO_END, Inbox, Said, failed_after, joined, with_attempts
from or_audit_logging.capture.options import Options
from or_audit_logging.capture.pending import begins, ends
from or_audit_logging.capture.read import is_data
from or_audit_logging.capture.response import response_facts, stream_facts
from or_audit_logging.capture.trouble import guarded, report
from or_audit_logging.context import current
from or_audit_logging.digest import DigestBy
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.record import AuditRecord

__all__ = ["Call", "Options", "active_call"]

_NOT_ASKED = Asked()
_NO_FACTS = Facts(status="success")

_active: ContextVar[Call | None] = ContextVar("or_audit_logging.active_call", default=None)


def active_call() -> Call | None:
    """Return the call that what happens here belongs to, if there is one and it has no record yet."""
    call = _active.get()
    return call if call is not None and call.is_open else None


class Inside:
    """What `Call.active` returns; a class, since it is entered for every item of a stream."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._token: Token[Call | None] | None = None

    def __enter__(self) -> None:
        if self._call._open:
            self._token = _active.set(self._call)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            try:  # noqa: SIM105 - `suppress` takes three calls more
                _active.reset(self._token)
            except ValueError:  # left in another context, as by a coroutine that is closed elsewhere
                pass


class Call:
    """One call: `begin`, then `response`, `outcome` or `error`, then `finish`."""

    __slots__ = (
        "_asked",
        "_attempts",
        "_clean",
        "_clock",
        "_end",
        "_facts",
        "_inner",
        "_open",
        "_options",
        "_outer",
        "_put_off",
        "_raised",
        "_result",
        "_started_id",
        "_streams",
        "_vague",
        "record",
        "wants_content",
    )

    def __init__(self, options: Options) -> None:
        self._options = options
        self._open: list[Route] = []  # one route while the record is still to be made; pop() is atomic
        self._outer: Call | None = None
        self._inner = Inbox()
        self._clean: Cleaner | None = None
        self._clock = Clock()
        self._asked = _NOT_ASKED
        self._facts: Facts | None = NO_END
        self._attempts: list[str | None] = []
        self._raised: BaseException | None = None
        self._result: object = None
        self._started_id: str | None = None
        self._streams: dict[Call, Callable[[], None]] = {}  # of calls inside this one, and what ends them
        self._end: Callable[[], None] | None = None  # of the stream that this call goes on in
        self._put_off = self._vague = False
        self.record: AuditRecord | None = None
        """The record that `finish` made, once it has; an inner call has none."""
        self.wants_content = options.content is not None
        """Whether the texts of prompt and answer will be wanted for the record."""

    @property
    def is_open(self) -> bool:
        """Whether the call has begun and its record is still to be made."""
        return bool(self._open)

    def begin(self, request: Request) -> None:
        """Take what is asked, before anyone can change it, and start the clock.

        Raises `AuditWriteError` where a sink that must write could not, and `ConfigError` where such a sink
        stands behind a queue. A call that a handler makes while a record is handed to it is not recorded,
        since that would never end.
        """
        name = self._options.logger
        if delivering():
            report("nested", name, "audit: a handler of %s calls a model; its calls are not recorded", name)
            return
        outer = active_call()
        routes = outer._open[:] if outer is not None and outer is not self else []
        if routes:
            self._outer, route = outer, routes[0]
            self._share_content()
        else:
            route = route_or_default(name)
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
                    with_content=self.wants_content,
                )
                or self._asked
            )
        if self._options.write_ahead:
            self._announce(route)
        self._clock.began = perf_counter()
        self._open.append(route)
        begins(self)

    def active(self) -> Inside:
        """Return a context manager: calls and attempts that happen inside belong to this call."""
        return Inside(self)

    def amend(self, request: Request) -> None:
        """Take what became known of the request after it began; what is None in it stays as it was."""
        if (routes := self._open[:]) and self._clean is not None:
            self._asked = (
                guarded(
                    "reading the request",
                    amended,
                    self._asked,
                    request,
                    clean=self._clean,
                    digest_by=self._digest_by(routes[0]),
                    with_content=self.wants_content,
                )
                or self._asked
            )

    def attempt(self, generation_id: str | None = None) -> None:
        """Take note of one request that was answered; the answer's generation id where it has one."""
        self._attempts.append(generation_id)

    def first_chunk(self) -> None:
        """Take the time of a stream's first chunk; later ones do not count."""
        if self._clock.first_chunk is None:
            self._clock.first_chunk = perf_counter()
            if self._outer is not None:
                self._outer.first_chunk()

    def response(self, result: object, facts: Facts | None = None) -> None:
        """Take what the call returned; it is only read, and a stream not even that. *facts*: what it says."""
        self.returned(result)
        if self._open:
            self._facts = facts or guarded("reading the response", _facts_of, result)

    def returned(self, result: object) -> None:
        """Take that the call returned *result*, which says nothing about it."""
        self._clock.ended = perf_counter()
        if self._open:
            self._result, self._raised, self._facts = result, None, None

    def outcome(
        self,
        facts: Facts,
        *,
        ended: float | None = None,
        raised: BaseException | None = None,
        vague: bool = False,
    ) -> None:
        """Take what a stream said, now that it has ended, at *ended*, or was left.

        *raised*: the exception that is on its way to the caller. *vague*: it said no more than that it came
        to its end; what the calls inside say goes before that.
        """
        self._clock.ended = perf_counter() if ended is None else ended
        self._facts, self._raised, self._vague = facts, raised, vague

    def keeps_open(self, end: Callable[[], None]) -> None:
        """Take note that this call goes on in a stream, and that *end* takes it as it is by then.

        The call around it then waits for the stream, if it says nothing itself; else it ends the stream.
        """
        self._end = end
        if self._outer is not None:
            self._outer._streams[self] = end

    def leave_stream(self) -> None:
        """Take the stream that this call goes on in as it is now: an exception leaves the block around it."""
        if self._end is not None:
            self._end()

    def error(self, error: BaseException, *, leaves: bool = True) -> None:
        """Take what the call raised. An answer that had come before is not forgotten: it was paid.

        *leaves*: the exception is on its way to the caller, and stands where the record cannot be written.
        """
        self._clock.ended = perf_counter()
        if not self._open:
            return
        self._raised = error if leaves else None
        failed = guarded("reading the exception", failure_facts, error) or Facts(
            status="error" if isinstance(error, Exception) else "cancelled", error_type=type(error).__name__
        )
        self._facts = failed_after(failed, self._facts)

    def finish(self) -> None:
        """Make the record and hand it over, the first time this is called; an inner call's to the outer one.

        Raises `AuditWriteError`, with what the call returned as its `response`, where a sink had to write
        and did not. Where the call itself had failed, its own exception stands, and a note on it says so.
        """
        if self._streams and self._open:
            if self._facts is None and self._raised is None:
                self._put_off = True
                self._result = None  # the stream may be in it, and has to be collected if it is dropped
                return
            for end in list(self._streams.values()):
                end()
        try:
            route = self._open.pop()
        except IndexError:
            return
        ends(self)
        outer = self._outer
        try:
            facts = guarded("putting the facts together", self._all_facts) or self._facts or _NO_FACTS
            if outer is not None:
                counts = self._clean.counts if self._clean else Counter[str]()
                said = Said(self._asked, facts, counts, self._options.event_type)
                if outer._inner.add(said, still_open=lambda: outer.is_open):
                    return
            self.record = record = guarded("making the record", self._record, route, facts) or bare_record(
                self._options, facts, latency_ms=self._clock.latency(), started_id=self._started_id
            )
            deliver(route, record, self._options.source)
        except AuditWriteError as failure:
            if self._raised is None:
                failure.response = self._result
                raise
            guarded("noting the loss", self._raised.add_note, f"its audit record was not written: {failure}")
        finally:
            self._raised = self._result = self._outer = self._end = None
            self._facts = NO_END
            if outer is not None:
                outer._ends_in(self)

    def end_at_exit(self) -> None:
        """Make the record of what is known by now: the interpreter exits."""
        self.finish()

    def leave_to_parent(self) -> None:
        """Make no record: this is a forked child's copy of its parent's call."""
        self._open.clear()

    def withdraw(self) -> None:
        """Make no record: what was to make the call never did."""
        self._open.clear()
        ends(self)

    def _ends_in(self, inner: Call) -> None:
        """Take note that a call inside has ended: where this one waited only for its stream, so does it."""
        self._streams.pop(inner, None)
        if self._put_off and not self._streams:
            self._clock.ended = inner._clock.ended
            self.finish()

    def _share_content(self) -> None:
        """Where one of the calls within each other wants the texts, all of them provide them."""
        calls, at = [self], self._outer
        while at is not None:
            calls.append(at)
            at = at._outer
        wanted = any(call.wants_content for call in calls)
        for call in calls:
            call.wants_content = wanted

    def _announce(self, route: Route) -> None:
        """Deliver the write-ahead record of the call that owns this one, if that has none yet."""
        owner, known = self, self._asked
        while owner._outer is not None:
            owner = owner._outer
            known = completed(owner._asked, known)
        if owner._started_id is not None or self._clean is None:
            return
        record = guarded(
            "making the record",
            started_record,
            owner._options,
            known,
            self._clean,
            redacted_under=route.redactor.digest,
        )
        if record is not None and deliver(route, record, owner._options.source):
            owner._started_id = record.id

    def _all_facts(self) -> Facts:
        """Return what the call itself said, completed by the calls made inside it and by its attempts."""
        own, said = self._facts, self._inner.empty() if self._inner else []
        if said:
            own, teller = joined(own, said, vague=self._vague)
            asked_by = teller or said[0]
            self._asked = (sent if teller else completed)(self._asked, asked_by.asked)
            if self._clean is not None:
                self._clean.counts |= asked_by.redactions  # the greater: both may have redacted one user id
            if teller and self._options.event_type is None:
                self._options = replace(self._options, event_type=teller.event_type)
        elif own is None or self._vague:
            self._report_no_facts(self._result)
        return with_attempts(own or _NO_FACTS, self._attempts)

    def _digest_by(self, route: Route) -> DigestBy | None:
        return "sha256" if self._options.hash == "sha256" else route.digest_key

    def _report_no_facts(self, result: object) -> None:
        name = self._options.source.function or "a call"
        report(
            "no-facts",
            name,
            "audit: %s %s, which says nothing about the call: return the SDK's response or its JSON "
            "from the audited function, or instrument(client) the client that it calls",
            name,
            "yielded texts or objects" if self._vague else f"returned {type(result).__name__}",
        )

    def _record(self, route: Route, facts: Facts) -> AuditRecord | None:
        if self._clean is None:
            return None
        return make_record(
            self._options,
            self._asked,
            facts,
            self._clean,
            digest_by=self._digest_by(route),
            redacted_under=route.redactor.digest,
            latency_ms=self._clock.latency(),
            ttft_ms=self._clock.time_to_first_chunk(),
            with_content=self.wants_content,
            started_id=self._started_id,
        )


def _facts_of(result: object) -> Facts | None:
    return (None if is_data(result) else stream_facts(result)) or response_facts(result)
