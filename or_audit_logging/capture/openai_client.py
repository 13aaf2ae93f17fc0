"""The openai SDK's clients, 1.x to 3.x, sync and async: one hook where every request passes.

    hook_openai(client, entrance)           # client.request, .copy and .with_options are ours

`client.request` is public, is called once for each call whatever its retries, and is given the final body
in `options.json_data`: messages dumped, iterators used up, `extra_body` beside it. Chat, parse, the stream
helpers, responses, embeddings and both raw forms go through it. Copies of the client are hooked as well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from or_audit_logging.capture.arguments import Names
from or_audit_logging.capture.entrance import ClientCall, Entrance, carrying
from or_audit_logging.capture.patches import MARK, Patches, hook_on
from or_audit_logging.capture.read import is_data, read, text
from or_audit_logging.capture.tee import read_along
from or_audit_logging.capture.through import athrough, take, through
from or_audit_logging.capture.transport import listen, unlisten
from or_audit_logging.capture.trouble import guarded

ROUTER_METADATA = {"X-OpenRouter-Metadata": "enabled"}


def is_openai(client: object) -> bool:
    """Return whether *client* is an OpenAI or AsyncOpenAI, or made from one."""
    return _kind(client) is not None


def hook_openai(client: Any, way: Entrance, *, transport: bool, router_metadata: bool) -> None:
    """Record the calls of *client*; where they are recorded already, in this way from now on."""
    hook = hook_on(client, _Hook)
    if hook is None:
        hook = _AsyncHook(client) if _kind(client) == "AsyncOpenAI" else _Hook(client)
    hook.set(way, transport=transport, router_metadata=router_metadata)


def unhook_openai(client: Any) -> None:
    """Undo `hook_openai`."""
    if (hook := hook_on(client, _Hook)) is not None:
        hook.patches.undo()
        guarded("the HTTP client's hooks", unlisten, hook.http_client, client)


class _Hook:
    """What stands in one client's place for `request`, `copy` and `with_options`."""

    entrance: Entrance

    def __init__(self, client: Any) -> None:
        self.patches = Patches(client)
        self._request: Callable[..., Any] = client.request
        self._copy: Callable[..., Any] = client.copy
        self._with_options: Callable[..., Any] = client.with_options
        self._listens = self._router_metadata = False
        self.patches.put("request", self.request)
        self.patches.put("copy", self.copy)
        self.patches.put("with_options", self.with_options)
        self.patches.put(MARK, self)

    def set(self, way: Entrance, *, transport: bool, router_metadata: bool) -> None:
        """Take the options."""
        self.entrance, self._listens, self._router_metadata = way, transport, router_metadata
        change = listen if transport else unlisten
        guarded("the HTTP client's hooks", change, self.http_client, self.patches.target)

    @property
    def http_client(self) -> Any:
        """The HTTP client underneath."""
        return read(self.patches.target, "_client")

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request, recorded where it is a call."""
        call, args, kwargs = self._begin(args, kwargs)
        if call is None:
            return self._request(*args, **kwargs)
        return through(call, carrying(call), partial(self._request, *args, **kwargs), self._take)

    def _take(self, call: ClientCall, result: object) -> object | None:
        """Take what a call returned; an object to hand out where the end is still to come."""
        if self._listens and not is_data(result) and (stream := read(result, "response")) is not None:
            call.reads(read_along(stream))
        return take(call, result)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        """Return a copy of the client, whose calls are recorded too."""
        return self._also(self._copy(*args, **kwargs))

    def with_options(self, *args: Any, **kwargs: Any) -> Any:
        """Return a copy of the client, whose calls are recorded too."""
        return self._also(self._with_options(*args, **kwargs))

    def _also(self, client: Any) -> Any:
        if self.patches.are_on:
            guarded("the copied client", self._hook_copy, client)
        return client

    def _hook_copy(self, client: Any) -> None:
        hook_openai(client, self.entrance, transport=self._listens, router_metadata=self._router_metadata)

    def _begin(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[ClientCall | None, tuple[Any, ...], dict[str, Any]]:
        """Return a call that has begun, or None; and the arguments to go on with."""
        options = kwargs.get("options", args[1] if len(args) > 1 else None)
        method, path = text(read(options, "method")), text(read(options, "url"))
        if not self.patches.are_on or method is None or path is None:
            return None, args, kwargs
        call = self.entrance.call_for(method, path, guarded("reading the body", _bodies, options) or [])
        if call is not None and self._router_metadata:
            asking = guarded("asking for router metadata", _with_router_metadata, options) or options
            if "options" in kwargs:
                kwargs = {**kwargs, "options": asking}
            else:
                args = (args[0], asking, *args[2:])
        return call, args, kwargs


class _AsyncHook(_Hook):
    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request, recorded where it is a call."""
        call, args, kwargs = self._begin(args, kwargs)
        if call is None:
            return await self._request(*args, **kwargs)
        return await athrough(call, carrying(call), partial(self._request, *args, **kwargs), self._take)


def _bodies(options: Any) -> list[Names]:
    """Return the request's body as two layers: what extra_body says goes before, as in the SDK."""
    layers = (read(options, "extra_json"), read(options, "json_data"))
    return [layer for layer in layers if isinstance(layer, Mapping)]


def _with_router_metadata(options: Any) -> Any:
    asking = copy.copy(options)
    given = options.headers
    asking.headers = {**ROUTER_METADATA, **(given if isinstance(given, Mapping) else {})}
    return asking


def _kind(client: object) -> str | None:
    for cls in type(client).__mro__:
        if cls.__name__ in ("OpenAI", "AsyncOpenAI") and cls.__module__.partition(".")[0] == "openai":
            return cls.__name__
    return None
