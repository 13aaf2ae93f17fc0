"""`Entrance`: how the calls that go through one client are recorded.

    call = entrance.call_for("POST", "/chat/completions", [{"model": ..., "messages": ...}])
    result = through(call, carrying(call), send, take)

Only requests that create something are calls: other paths and methods give None, and are left alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from or_audit_logging.capture.arguments import Names, Request, request_in
from or_audit_logging.capture.call import Call, Inside, active_call
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.options import Options
from or_audit_logging.capture.tee import Tee
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.capture.wire import Wire, completed
from or_audit_logging.errors import ConfigError

Body: TypeAlias = Mapping[str, object]
Extract: TypeAlias = Callable[[Body], Body | None]

_EVENTS = {
    "completions": "completion",
    "embeddings": "embeddings",
    "messages": "messages",
    "responses": "responses",
}
_PARENTS = frozenset({"", "alpha", "api", "beta", "openai", "v1"})

_carried: ContextVar[ClientCall | None] = ContextVar("or_audit_logging.carried_call", default=None)


@dataclass(frozen=True, slots=True)
class Entrance:
    """How calls are recorded; an *event_type* of None follows from the path, *extract* reads the body."""

    options: Options
    event_type: str | None = None
    extract: Extract | None = field(default=None, repr=False)
    by_event: dict[str, Options] = field(default_factory=dict, init=False, repr=False, compare=False)

    def call_for(self, method: str, path: str, bodies: list[Names]) -> ClientCall | None:
        """Return a call that has begun, or None for a request that is none.

        *bodies* are the members of the body as it will be sent, the first that has a name settles it. Raises
        `AuditWriteError` where a sink that must write could not.
        """
        event = event_of(path) if method.upper() == "POST" else None
        if event is None:
            return None
        call = self.new_call(event)
        self.begin(call, bodies)
        return call

    def new_call(self, event: str) -> ClientCall:
        """Return a call that has not begun."""
        return ClientCall(self._options_for(self.event_type or event))

    def begin(self, call: ClientCall, bodies: list[Names]) -> None:
        """Begin *call* with what its body asks."""
        call.begin(guarded("reading the request's body", self._request, bodies) or Request())

    def _options_for(self, event: str) -> Options:
        known = self.by_event.get(event)
        if known is None:
            known = self.by_event[event] = replace(self.options, event_type=event)
        return known

    def _request(self, bodies: list[Names]) -> Request:
        if self.extract is not None:
            whole = {name: value for body in reversed(bodies) for name, value in body.items()}
            if found := guarded("extract", self.extract, whole):
                bodies = [dict(found), *bodies]
        return request_in(bodies)


class ClientCall(Call):
    """A call that we see being sent: its attempts, and on the wire what the SDK's object does not say."""

    __slots__ = ("_wires", "http")

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.http: object = None
        """The HTTP response, where the SDK's object does not hold it."""
        self._wires: list[Wire] = []

    def answered(self, generation_id: str | None) -> None:
        """Take the generation id of the attempt noted last."""
        if self._attempts:
            self._attempts[-1] = generation_id
        else:
            self._attempts.append(generation_id)

    def reads(self, tee: Tee | None) -> None:
        """Take what *tee* reads for what the SDK's object will not say."""
        if tee is not None:
            self._wires.append(tee.wire)

    def _all_facts(self) -> Facts:
        for wire in self._wires:
            facts = wire.facts()
            self._facts = facts if self._facts is None else completed(self._facts, facts)
        return super()._all_facts()


def entrance(options: Options, *, event_type: str | None, extract: Extract | None) -> Entrance:
    """Return an entrance with *options*; raises `ConfigError` where *extract* is no function."""
    if extract is not None and not callable(extract):
        raise ConfigError("extract is a function that takes the request's body and returns a dict")
    return Entrance(options, event_type, extract)


@functools.lru_cache(maxsize=1024)
def event_of(path: str) -> str | None:
    """Return the event type of a POST to *path* (a path or a URL), or None where it creates nothing."""
    parts = path.partition("?")[0].rstrip("/").split("/")
    parent = parts[-2] if len(parts) > 1 else ""
    if parts[-1] == "completions" and parent == "chat":
        return "chat_completion"
    if parts[-1] == "messages" and parent not in _PARENTS:
        return None  # of an assistant's thread
    return _EVENTS.get(parts[-1])


class carrying(Inside):  # noqa: N801 - a context manager, named like the function it is used as
    """Makes requests inside belong to *call*: they are its attempts, no calls of their own."""

    __slots__ = ("_carried", "_carried_token")

    def __init__(self, call: ClientCall) -> None:
        super().__init__(call)
        self._carried = call

    def __enter__(self) -> None:
        super().__enter__()
        self._carried_token = _carried.set(self._carried)

    def __exit__(self, *error: object) -> None:
        try:  # noqa: SIM105 - as in `Inside`
            _carried.reset(self._carried_token)
        except ValueError:
            pass
        super().__exit__(*error)


def carried_call() -> ClientCall | None:
    """Return the call whose client is sending here, if it is one that we entered through its client."""
    call = _carried.get()
    return call if call is not None and call is active_call() else None


def sending_call() -> ClientCall | None:
    """Return the call whose client's method is running here; it may not have begun."""
    return _carried.get()
