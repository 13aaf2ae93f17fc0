"""The openrouter SDK: `chat.send`, `embeddings.generate`, `responses.send`, and their `_async` forms.

    hook_openrouter(sdk, entrance)

The methods give the result, `do_request` beneath them the body as it goes out. What the result object drops
(provider, choice errors) comes from the reply's JSON or, of a stream, from its bytes. Parts of the SDK that
are not loaded yet are hooked when they are: loading them all takes most of a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from or_audit_logging.capture.entrance import (
    ClientCall,
    Entrance,
    carrying,
    sending_call,
)
from or_audit_logging.capture.patches import MARK, Patches, hook_on
from or_audit_logging.capture.read import read
from or_audit_logging.capture.response import response_facts
from or_audit_logging.capture.streams import follow
from or_audit_logging.capture.tee import read_along
from or_audit_logging.capture.through import athrough, through
from or_audit_logging.capture.transport import listen, unlisten
from or_audit_logging.capture.trouble import guarded

_METHODS = {"Chat": "send", "Embeddings": "generate", "Responses": "send", "BetaResponses": "send"}
_EVENTS = {
    "Chat": "chat_completion",
    "Embeddings": "embeddings",
    "Responses": "responses",
    "BetaResponses": "responses",
}
_LOADED = ("chat", "embeddings", "responses", "beta")


def is_openrouter(sdk: object) -> bool:
    """Return whether *sdk* is an `openrouter.OpenRouter`, or made from one."""
    return any(
        cls.__name__ == "OpenRouter" and cls.__module__.partition(".")[0] == "openrouter"
        for cls in type(sdk).__mro__
    )


def hook_openrouter(sdk: Any, way: Entrance, *, transport: bool, router_metadata: bool) -> None:
    """Record the calls of *sdk*; where they are recorded already, in this way from now on."""
    hook = hook_on(sdk, _Hook) or _Hook(sdk)
    hook.entrance, hook.listens, hook.router_metadata = way, transport, router_metadata
    change = listen if transport else unlisten
    for http_client in hook.http_clients():
        guarded("the HTTP client's hooks", change, http_client, sdk)


def unhook_openrouter(sdk: Any) -> None:
    """Undo `hook_openrouter`."""
    if (hook := hook_on(sdk, _Hook)) is not None:
        hook.undo()
        for http_client in hook.http_clients():
            guarded("the HTTP client's hooks", unlisten, http_client, sdk)


class _Hook:
    """What is hooked of one SDK object: its parts, now or when they are loaded."""

    entrance: Entrance
    listens: bool
    router_metadata: bool

    def __init__(self, sdk: Any) -> None:
        self.patches = Patches(sdk)
        self._parts: list[_Part] = []
        self.patches.put(MARK, self)
        for name in _LOADED:
            if (part := sdk.__dict__.get(name)) is not None:
                self._also(part)
        self._import: Callable[..., Any] = sdk.dynamic_import
        self.patches.put("dynamic_import", self.dynamic_import)

    def dynamic_import(self, *args: Any, **kwargs: Any) -> Any:
        """Return a module of the SDK, the classes of which make hooked parts."""
        return _Module(self._import(*args, **kwargs), self._also)

    def http_clients(self) -> list[Any]:
        """Return the HTTP clients underneath."""
        configuration = self.patches.target.sdk_configuration
        return [c for c in (read(configuration, "client"), read(configuration, "async_client")) if c]

    def undo(self) -> None:
        """Take everything off."""
        for patches in (self.patches, *(part.patches for part in self._parts)):
            patches.undo()

    def _also(self, part: Any) -> Any:
        if self.patches.are_on:
            for each in (part, part.__dict__.get("responses")):
                if (method := _METHODS.get(type(each).__name__)) is not None:
                    self._parts.append(_Part(self, each, method))
        return part


class _Module:
    """A module as the SDK looks at it: its classes, called."""

    def __init__(self, module: Any, hooked: Callable[[Any], Any]) -> None:
        self._module, self._hooked = module, hooked

    def __getattr__(self, name: str) -> Callable[..., Any]:
        made = getattr(self._module, name)
        return lambda *args, **kwargs: self._hooked(made(*args, **kwargs))


class _Part:
    """The hooks on one part of the SDK, such as `sdk.chat`."""

    def __init__(self, hook: _Hook, part: Any, method: str) -> None:
        self._hook = hook
        self._event = _EVENTS[type(part).__name__]
        self.patches = Patches(part)
        self._send: Callable[..., Any] = getattr(part, method)
        self._send_async: Callable[..., Any] = getattr(part, f"{method}_async")
        self._do: Callable[..., Any] = part.do_request
        self._do_async: Callable[..., Any] = part.do_request_async
        self.patches.put(method, self.send)
        self.patches.put(f"{method}_async", self.send_async)
        self.patches.put("do_request", self.do_request)
        self.patches.put("do_request_async", self.do_request_async)

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK's method, recorded."""
        call = self._hook.entrance.new_call(self._event)
        return through(call, carrying(call), partial(self._send, *args, **kwargs), self._take)

    async def send_async(self, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK's method, recorded."""
        call = self._hook.entrance.new_call(self._event)
        return await athrough(call, carrying(call), partial(self._send_async, *args, **kwargs), self._take)

    def do_request(self, *args: Any, **kwargs: Any) -> Any:
        """Send the request that the SDK has built; here the call begins."""
        call = self._begin(kwargs)
        if call is None:
            return self._do(*args, **kwargs)
        with carrying(call):
            call.http = self._do(*args, **kwargs)
        return call.http

    async def do_request_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send the request that the SDK has built; here the call begins."""
        call = self._begin(kwargs)
        if call is None:
            return await self._do_async(*args, **kwargs)
        with carrying(call):
            call.http = await self._do_async(*args, **kwargs)
        return call.http

    def _take(self, call: ClientCall, result: object) -> object | None:
        """Take what a method returned; an object to hand out where the end is still to come."""
        if self._hook.listens and (stream := read(result, "response")) is not None:
            call.reads(read_along(stream))
        if (followed := follow(call, result)) is not None:
            return followed
        call.response(result, response_facts(call.http))
        return None

    def _begin(self, kwargs: dict[str, Any]) -> ClientCall | None:
        call, request = sending_call(), kwargs.get("request")
        if call is None or call.is_open or not self.patches.are_on:
            return None  # it has begun where a copy of the SDK object is hooked as well
        if self._hook.router_metadata and request is not None:
            request.headers.setdefault("X-OpenRouter-Metadata", "enabled")
        self._hook.entrance.begin(call, guarded("reading the body", _bodies, request) or [])
        return call


def _bodies(request: Any) -> list[Mapping[str, object]]:
    body = json.loads(request.content)
    return [body] if isinstance(body, Mapping) else []
