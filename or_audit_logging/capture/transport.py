"""`audit_transport`: calls made with an HTTP client itself, httpx, httpx2 or requests; and hooks for SDKs'.

    client = audit_transport(httpx.Client(base_url="https://openrouter.ai/api/v1"))       # the same object
    client.post("/chat/completions", json={"model": ..., "messages": [...]})              # one record

Every request that creates something leaves a record (the path decides), also where it fails or its body is
left half-read. A request that an instrumented SDK sends is one of its attempts, no call of its own.
`listen` is for those SDKs: it notes each attempt, and its generation id as soon as the headers arrive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from or_audit_logging.capture.call import active_call
from or_audit_logging.capture.entrance import (
    ClientCall,
    Entrance,
    Extract,
    carried_call,
    carrying,
    entrance,
)
from or_audit_logging.capture.options import options_for
from or_audit_logging.capture.patches import MARK, Patches, hook_on
from or_audit_logging.capture.read import read, text
from or_audit_logging.capture.tee import owned
from or_audit_logging.capture.through import athrough, through
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.errors import ConfigError

C = TypeVar("C")


def audit_transport(
    http_client: C,
    *,
    logger: str = "openrouter.audit",
    event_type: str | None = None,
    user_id: str | None = None,
    metadata: Mapping[str, object] | None = None,
    hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
    content: Literal["redacted"] | None = None,
    write_ahead: bool = False,
    extract: Extract | None = None,
) -> C:
    """Return *http_client*, with an audit record for each call made with it; the options are `instrument`'s.

    Raises `ConfigError` for wrong options, and for what is no client of httpx, httpx2 or requests.
    """
    options = options_for(
        "audit_transport",
        logger=logger,
        event_type=event_type,
        user_id=user_id,
        metadata=metadata,
        hash=hash,
        content=content,
        write_ahead=write_ahead,
    )
    kind = _kind(http_client)
    if kind is None:
        raise ConfigError(
            f"audit_transport takes a Client or AsyncClient of httpx or httpx2, or a requests.Session; "
            f"this is {type(http_client).__name__}"
        )
    way = entrance(options, event_type=event_type, extract=extract)
    sender = hook_on(http_client, _Sender)
    if sender is not None:
        sender.entrance = way
    elif kind == "async":
        _AsyncSender(http_client, way)
    else:
        _Sender(http_client, way)
    return http_client


def release_transport(http_client: C) -> C:
    """Return *http_client* as it was before `audit_transport`."""
    if (sender := hook_on(http_client, _Sender)) is not None:
        sender.patches.undo()
        unlisten(http_client, sender)
    return http_client


def listen(http_client: Any, user: object) -> None:
    """Note the attempts of the calls that *user* makes with *http_client*.

    A client without event hooks (requests, or one of somebody's own) is left as it is.
    """
    hooks = _hooks_of(http_client)
    if hooks is None:
        return
    ears = _ears_of(hooks)
    if ears is None:
        ears = _AsyncEars() if _kind(http_client) == "async" else _Ears()
        hooks.setdefault("request", []).append(ears.on_request)
        hooks.setdefault("response", []).append(ears.on_response)
    ears.users.add(user)


def unlisten(http_client: Any, user: object) -> None:
    """Undo `listen`, once the last user is gone."""
    hooks = _hooks_of(http_client)
    ears = _ears_of(hooks) if hooks is not None else None
    if ears is None or hooks is None:
        return
    ears.users.discard(user)
    if not ears.users:
        hooks["request"].remove(ears.on_request)
        hooks["response"].remove(ears.on_response)


class _Ears:
    """The event hooks of one HTTP client, and who uses them."""

    def __init__(self) -> None:
        self.users: WeakSet[Any] = WeakSet()

    def on_request(self, request: Any) -> None:
        _note_request()

    def on_response(self, response: Any) -> None:
        guarded("reading the headers", _note_response, response)


class _AsyncEars(_Ears):
    async def on_request(self, request: Any) -> None:  # type: ignore[override]
        _note_request()

    async def on_response(self, response: Any) -> None:  # type: ignore[override]
        guarded("reading the headers", _note_response, response)


def _note_request() -> None:
    call = active_call()
    if isinstance(call, ClientCall):
        call.attempt()


def _note_response(response: Any) -> None:
    call = active_call()
    if call is None:
        return
    generation_id = text(response.headers.get("x-generation-id"))
    if isinstance(call, ClientCall):
        call.answered(generation_id)
    else:
        call.attempt(generation_id)


class _Sender:
    """`send` of one HTTP client: every way of making a request with it goes through there."""

    def __init__(self, http_client: Any, way: Entrance) -> None:
        self.entrance = way
        self.patches = Patches(http_client)
        self._send: Callable[..., Any] = http_client.send
        self.patches.put("send", self.send)
        self.patches.put(MARK, self)
        listen(http_client, self)

    def send(self, request: Any, **kwargs: Any) -> Any:
        call = self._call_for(request)
        if call is None:
            return self._send(request, **kwargs)
        return through(call, carrying(call), partial(self._send, request, **kwargs), self._take)

    def _call_for(self, request: Any) -> ClientCall | None:
        """Return a call that has begun; None for a request that is none, or is an SDK's attempt."""
        if carried_call() is not None or not self.patches.are_on:
            return None
        path = urlsplit(str(request.url)).path
        return self.entrance.call_for(str(request.method), path, guarded("reading", _bodies, request) or [])

    def _take(self, call: ClientCall, response: Any) -> object | None:
        if _kind(self.patches.target) == "requests":
            call.attempt(text(response.headers.get("x-generation-id")))
        unread = owned(response, call)
        if not unread:
            call.response(response)
        return response if unread else None


class _AsyncSender(_Sender):
    async def send(self, request: Any, **kwargs: Any) -> Any:
        call = self._call_for(request)
        if call is None:
            return await self._send(request, **kwargs)
        return await athrough(call, carrying(call), partial(self._send, request, **kwargs), self._take)


def _bodies(request: Any) -> list[Mapping[str, object]]:
    """Return the JSON object in *request*, where its body is in memory."""
    content = read(request, "body") if "body" in request.__dict__ else read(request, "_content")
    parsed = json.loads(content) if isinstance(content, (bytes, str)) else None
    return [parsed] if isinstance(parsed, Mapping) else []


def _hooks_of(http_client: object) -> dict[str, list[Any]] | None:
    hooks = read(http_client, "event_hooks")
    return hooks if isinstance(hooks, dict) else None


def _ears_of(hooks: dict[str, list[Any]]) -> _Ears | None:
    for hook in hooks.get("response", ()):
        ears = getattr(hook, "__self__", None)
        if isinstance(ears, _Ears):
            return ears
    return None


_KINDS = {
    ("httpx", "Client"): "sync",
    ("httpx", "AsyncClient"): "async",
    ("httpx2", "Client"): "sync",
    ("httpx2", "AsyncClient"): "async",
    ("requests", "Session"): "requests",
}


def _kind(http_client: object) -> str | None:
    """Return what kind of client it is, by the names of its classes: nothing is imported for that."""
    for cls in type(http_client).__mro__:
        if kind := _KINDS.get((cls.__module__.partition(".")[0], cls.__name__)):
            return kind
    return None
