"""HTTP responses as functions return them: httpx, httpx2, requests, and the openai SDK's raw responses.

    reply = http_reply(requests.post(...))
    reply.status, reply.body            # 200, {"id": "gen-...", ...}

Nothing is read that the client has not read already, and nothing of the caller's is parsed in place: a body
counts where its bytes are there. They are looked up where the client keeps them, since the properties of a
response may read from the socket, or raise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from or_audit_logging.capture.read import count, read, text

_KEPT = ("_content", "_body")  # httpx, httpx2, requests; aiohttp
_KNOW_NO_CASE = ("httpx", "requests", "urllib3")
_STATUSES = range(100, 600)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over HTTP; `content` is None where it has not been read."""

    status: int
    headers: dict[str, Any] = field(repr=False)
    """Members of `Facts` that the headers give."""
    content: bytes | None = field(repr=False)
    is_stream: bool = False
    retries: int | None = None

    @property
    def body(self) -> object:
        """The JSON value that the content is, or None."""
        return parsed(self.content)


def http_reply(result: object) -> Reply | None:
    """Return what *result* received, or None where it is no HTTP response."""
    raw = read(result, "http_response")
    response = result if raw is None else raw
    status = count(read(response, "status_code"))
    if status is None:
        status = count(read(response, "status"))
    headers = read(response, "headers")
    if status is None or status not in _STATUSES or not isinstance(headers, Mapping):
        return None
    members = getattr(response, "__dict__", {})
    kept = next((content for name in _KEPT if isinstance(content := members.get(name), bytes)), None)
    kind = _header(headers, "Content-Type")
    return Reply(
        status,
        header_members(headers),
        kept,
        is_stream=kind is not None and kind.startswith("text/event-stream"),
        retries=None if raw is None else count(read(result, "retries_taken")),
    )


def header_members(headers: object) -> dict[str, Any]:
    """Return what OpenRouter's response headers say as members of `Facts`; only what is there."""
    if headers is None:
        return {}
    known = {
        "generation_id": _header(headers, "X-Generation-Id"),
        "provider": _header(headers, "X-Provider-Name"),
        "cache_status": _header(headers, "X-OpenRouter-Cache-Status"),
    }
    return {name: value for name, value in known.items() if value is not None}


def parsed(content: bytes | str | None) -> object:
    """Return the value of JSON text; None for any other."""
    if content is None:
        return None
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value


def _header(headers: object, name: str) -> str | None:
    if type(headers) is dict:
        return text(headers.get(name)) or text(headers.get(name.lower()))
    value = text(read(headers, name))
    if value is None and not type(headers).__module__.startswith(_KNOW_NO_CASE):
        value = text(read(headers, name.lower()))
    return value
