"""What each of OpenRouter's API skins spells in its own way, and the shapes that they share.

A scenario says what happens; a skin says how that looks on the wire. `Skin` lists the questions: the document
of a reply, the events before and after its end, and what takes their place when it fails.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Send, Step
from or_audit_logging.testing.openrouter.replies import Json, Reply, usd

ACCOUNT = "user_2fakeFAKEfakeFAKEfakeFAKE"
COMMENT = Send(b": OPENROUTER PROCESSING\n\n")
DONE = Send(b"data: [DONE]\n\n")

Part = Literal["streams", "text", "tools", "choices"]
"""What a scenario may need of an API, and an API may have no room for."""

Last = Literal["usual", "unbilled", "bare", "null"]
"""How a stream ends: as usual; without usage; with `choices: []` beside the usage, or with null."""

Break = Literal["choice", "plain", "coded", "billed", "bare"]
"""How a reply fails: inside a choice; beside it; with a code of letters; with usage; with `choices: []`."""


@dataclass(frozen=True)
class Failure:
    """What went wrong, before a skin words it; *code* None: the error object has none.

    *untyped*: one of the shapes in which chat's metadata does not repeat the *error_type*.
    """

    message: str
    code: int | str | None
    error_type: str
    metadata: Json = field(default_factory=dict)
    untyped: bool = False


class Skin:
    """One API. The methods for streams return nothing where *parts* has no "streams"."""

    api_type = "completions"
    """What GET /generation calls it."""
    parts: frozenset[Part] = frozenset()
    content = "choices"
    """The member of a document that holds what the model said."""

    def choices(self, body: Mapping[str, Any]) -> int:
        """Return how many texts the request *body* asks for."""
        return 1

    def document(self, call: Call) -> Json:
        """Return the body of a reply that is not streamed."""
        raise NotImplementedError

    def failed(self, call: Call, failure: Failure) -> Json:
        """Return the body that tells of *failure* under the status 200."""
        return self.refusal(failure, call.generation_id)

    def opening(self, call: Call) -> list[Step]:
        """Return all that the model says, comments in between, up to the end of its last text."""
        return []

    def ending(self, call: Call, last: Last = "usual") -> list[Step]:
        """Return what follows the opening: how it ended, and the bill."""
        return []

    def failing(self, call: Call, failure: Failure, how: Break) -> list[Step]:
        """Return what follows the opening where the model fails."""
        return []

    def refusal(self, failure: Failure, generation_id: str | None) -> Json:
        """Return the body of an HTTP error; None: it never got as far as the router."""
        body: Json = {"error": error_object(failure)}
        return body if generation_id is None else body | {"user_id": ACCOUNT}


def encode(document: Any) -> bytes:
    """Return *document* as OpenRouter writes JSON: compact, UTF-8, a lone surrogate as its escape."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def event(document: Json, tokens: int = 0, *, name: str = "") -> Send:
    """Return *document* as one server-sent event that carries *tokens* of output; most have no *name*."""
    line = f"event: {name}\n".encode() if name else b""
    return Send(line + b"data: " + encode(document) + b"\n\n", tokens)


def commented(said: Iterable[Step]) -> list[Step]:
    """Return what is *said* with keep-alive comments before and in between."""
    steps = list(said)
    return [COMMENT, COMMENT, *steps[:2], COMMENT, *steps[2:]]


def error_object(failure: Failure) -> Json:
    """Return the `error` of a chat completion, which other skins make theirs from."""
    document: Json = {"message": failure.message}
    if failure.code is not None:
        document["code"] = failure.code
    typed = {} if failure.untyped else {"error_type": failure.error_type}
    metadata = typed | failure.metadata
    return document | ({"metadata": metadata} if metadata else {})


def costs(reply: Reply, sides: tuple[str, str] = ("prompt", "completions")) -> Json:
    """Return the members of `usage` that are about money; *sides* are the API's words for in and out."""
    into, out = (f"upstream_inference_{side}_cost" for side in sides)
    return {
        "cost": usd(reply.cost()),
        "is_byok": reply.is_byok,
        "cost_details": {
            "upstream_inference_cost": usd(reply.prompt_cost + reply.completion_cost()),
            into: usd(reply.prompt_cost),
            out: usd(reply.completion_cost()),
        },
    }


def router_metadata(call: Call, *, status: int = 200) -> Json:
    """Return `{"openrouter_metadata": ...}` where the request opted in, else an empty dict."""
    if not call.wants_router_metadata:
        return {}
    reply = call.reply
    attempts = [{"provider": reply.provider, "model": reply.model, "status": status}]
    if reply.skipped:
        attempts.insert(0, {"provider": reply.skipped, "model": call.requested, "status": 503})
    return {
        "openrouter_metadata": {
            "requested": call.requested,
            "strategy": "fallback" if reply.skipped else "direct",
            "region": "global",
            "summary": f"{reply.model} by {reply.provider}",
            "attempt": len(attempts),
            "is_byok": reply.is_byok,
            "endpoints": {
                "total": len(attempts),
                "available": [
                    {"provider": a["provider"], "model": a["model"], "selected": a is attempts[-1]}
                    for a in attempts
                ],
            },
            "attempts": attempts,
            "params": {},
            "pipeline": [],
            "generation_time": 12 * reply.completion_tokens,
        }
    }
