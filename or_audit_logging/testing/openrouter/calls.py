"""What reaches the fake: the request as recorded, the server's options, and one call to a model."""

import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from or_audit_logging.testing.openrouter.replies import Json, Reply

if TYPE_CHECKING:
    from or_audit_logging.testing.openrouter.skin import Skin

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class RecordedRequest:
    """A request that arrived, header names in lower case.

    *body* is parsed where it is JSON, else bytes, or None where there was none. *generation_id* is what the
    server called this attempt, whether or not the client got to see it.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    generation_id: str | None

    @property
    def key(self) -> str | None:
        """Return the API key of `Authorization: Bearer <key>`, or else of `X-Api-Key`."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        bearer = key.strip() if scheme.lower() == "bearer" else ""
        return bearer or self.headers.get("x-api-key") or None


@dataclass(frozen=True)
class Options:
    """How a FakeOpenRouter behaves; its constructor explains each."""

    generation_delay: float = 0.0
    require_key: bool = True
    reply: str | None = None
    slow_seconds: float = 0.02
    stall_seconds: float = 10.0
    keys: frozenset[str] | None = None
    management_key: str | None = None
    clock: Callable[[], float] = time.time


@dataclass(frozen=True)
class Call:
    """One attempt to get a reply: what was asked and what will be answered. *attempt* counts from 1."""

    skin: "Skin"
    generation_id: str
    created: float
    request: RecordedRequest
    reply: Reply
    attempt: int
    options: Options

    @property
    def body(self) -> Mapping[str, Any]:
        """Return the request's JSON object."""
        body: Json = self.request.body
        return body

    @property
    def requested(self) -> str:
        """Return the model that was asked for."""
        return str(self.body["model"])

    @property
    def streamed(self) -> bool:
        """Return whether the answer is to be a stream."""
        return "streams" in self.skin.parts and self.body.get("stream") is True

    @property
    def wants_router_metadata(self) -> bool:
        """Return whether `openrouter_metadata` was asked for; a reply from the cache never has it."""
        headers = self.request.headers
        asked = headers.get("x-openrouter-metadata") or headers.get("x-openrouter-experimental-metadata")
        return asked == "enabled" and self.reply.cache_source is None


def new_generation_id(now: float) -> str:
    """Return an unused id, `gen-<unix seconds>-<20 letters and digits>`."""
    return f"gen-{int(now)}-" + "".join(secrets.choice(_ALPHABET) for _ in range(20))
