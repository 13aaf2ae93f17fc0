"""POST /messages, the Anthropic skin: content blocks, a stop reason, and named events.

Its SDK adds `/v1` itself, so it wants a base URL that ends in `/api`. The bill stands in `usage`, in a stream
in that of `message_delta`; errors are `{"type": "error", "error": {"type", "message", "error_type"}}`. Left
out: the event named `data` with `[DONE]` that was seen after message_stop, on which anthropic 2.12 chokes.
"""

import json
from collections.abc import Iterator
from typing import Any

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Send, Step
from or_audit_logging.testing.openrouter.replies import Json, Reply, digest, pieces, tool_arguments
from or_audit_logging.testing.openrouter.skin import (
    Break,
    Failure,
    Last,
    Part,
    Skin,
    commented,
    costs,
    event,
    router_metadata,
)

_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_TYPES = {
    "authentication": "authentication_error",
    "rate_limit_exceeded": "rate_limit_error",
    "context_length_exceeded": "invalid_request_error",
    "content_policy_violation": "invalid_request_error",
    "invalid_request": "invalid_request_error",
    "permission_denied": "permission_error",
    "provider_overloaded": "overloaded_error",
}
"""Anthropic's own word for an error type; all others are an api_error."""


class Messages(Skin):
    """POST /messages."""

    parts: frozenset[Part] = frozenset(("streams", "text", "tools"))
    content = "content"

    def document(self, call: Call) -> Json:
        return {
            "id": call.generation_id,
            "type": "message",
            "role": "assistant",
            "container": None,
            "content": _blocks(call),
            "model": call.reply.model,
            "provider": call.reply.provider,
            **_stop(call.reply),
            "usage": _usage(call.reply) | costs(call.reply),
            **router_metadata(call),
        }

    def opening(self, call: Call) -> list[Step]:
        whole = call.reply.finish_reason not in (None, "error")
        said = [_start(call)]
        for index, block in enumerate(_blocks(call)):
            said += _block_events(index, block)
            if whole:
                said.append(_event("content_block_stop", index=index))
        return commented(said)

    def ending(self, call: Call, last: Last = "usual") -> list[Step]:
        bill: Json = {} if last == "unbilled" else {"usage": _usage(call.reply) | costs(call.reply)}
        start = [_start(call)] if last == "null" else []
        delta = {"container": None, **_stop(call.reply)}
        return [
            *start,
            _event("message_delta", delta=delta, **bill),
            _event("message_stop", **router_metadata(call)),
        ]

    def failing(self, call: Call, failure: Failure, how: Break) -> list[Step]:
        bill = self.ending(call)[:1] if how in ("choice", "billed") else []
        return [*bill, _event("error", error=_error(failure))]

    def refusal(self, failure: Failure, generation_id: str | None) -> Json:
        return {"type": "error", "error": _error(failure), "request_id": generation_id}


def _error(failure: Failure) -> Json:
    kind = _TYPES.get(failure.error_type, "api_error")
    return {"type": kind, "message": failure.message, "error_type": failure.error_type}


def _stop(reply: Reply) -> Json:
    reason = _STOPS.get(reply.finish_reason or "")
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": None}


def _usage(reply: Reply, tokens: int | None = None) -> Json:
    """Return the tokens; those from the prompt cache are no input tokens here."""
    return {
        "input_tokens": reply.prompt_tokens - reply.cached_tokens,
        "output_tokens": reply.completion_tokens if tokens is None else tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.cached_tokens,
        "cache_creation": None,
        "output_tokens_details": {"thinking_tokens": reply.reasoning_tokens} if tokens is None else None,
        "server_tool_use": None,
        "service_tier": "standard",
    }


def _blocks(call: Call) -> list[Json]:
    """Return the content blocks: the thoughts, then the text or the calls of tools."""
    reply = call.reply
    blocks: list[Json] = []
    if reply.reasoning:
        signature = f"{digest(reply.reasoning):016x}"
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": signature})
    if not reply.tool_names:
        blocks.append({"type": "text", "text": "".join(reply.texts), "citations": None})
    for number, name in enumerate(reply.tool_names):
        block_id = f"toolu_{digest([call.generation_id, number]):016x}"
        arguments = json.loads(tool_arguments(name))
        blocks.append({"type": "tool_use", "id": block_id, "name": name, "input": arguments})
    return blocks


def _block_events(index: int, block: Json) -> Iterator[Send]:
    """Yield the start and the pieces of one content block."""
    kind = block["type"]
    if kind == "tool_use":
        yield _event("content_block_start", 4, index=index, content_block=block | {"input": {}})
        for piece in pieces(tool_arguments(block["name"])):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _event("content_block_delta", 1, index=index, delta=delta)
        return
    hollow = block | {kind: ""} | ({"signature": ""} if "signature" in block else {})
    yield _event("content_block_start", index=index, content_block=hollow)
    for piece in pieces(block[kind]):
        yield _event("content_block_delta", 1, index=index, delta={"type": f"{kind}_delta", kind: piece})
    if "signature" in block:
        signature = {"type": "signature_delta", "signature": block["signature"]}
        yield _event("content_block_delta", index=index, delta=signature)


def _start(call: Call) -> Send:
    """Return message_start: the message without content, and nothing yet about its cost."""
    begun = call.skin.document(call) | {"content": [], "stop_reason": None, "usage": _usage(call.reply, 1)}
    begun.pop("openrouter_metadata", None)
    return _event("message_start", message=begun)


def _event(kind: str, tokens: int = 0, **members: Any) -> Send:
    return event({"type": kind, **members}, tokens, name=kind)
