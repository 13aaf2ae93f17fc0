"""POST /responses: output items, a status in place of a finish reason, and events that are numbered.

    stop, tool_calls         status completed, response.completed
    length, content_filter   status incomplete, incomplete_details.reason, response.incomplete
    error                    status failed, error, error_type, response.failed

As captured, the stream has no `event:` lines; the type stands in the data. Not here: stored responses.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Step
from or_audit_logging.testing.openrouter.replies import Json, Reply, digest, pieces, tool_arguments
from or_audit_logging.testing.openrouter.skin import (
    DONE,
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

Event = tuple[Json, int]  # and the tokens of output in it

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "context_length_exceeded": "invalid_prompt",
    "invalid_request": "invalid_prompt",
    "content_policy_violation": "image_content_policy_violation",
}
"""The API's own code for an error type; all others are a server_error."""


class Responses(Skin):
    """POST /responses."""

    parts: frozenset[Part] = frozenset(("streams", "text", "tools"))
    content = "output"

    def document(self, call: Call) -> Json:
        reason = _INCOMPLETE.get(call.reply.finish_reason or "")
        return _shell(call) | {
            "completed_at": None if reason else int(call.created),
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": _output(call),
            "usage": _usage(call.reply),
            **router_metadata(call),
        }

    def failed(self, call: Call, failure: Failure) -> Json:
        error = {"code": _code(failure), "message": failure.message}
        end = {"status": "failed", "completed_at": None, "error": error, "error_type": failure.error_type}
        return self.document(call) | end

    def opening(self, call: Call) -> list[Step]:
        return commented(_numbered(_said(call)))

    def ending(self, call: Call, last: Last = "usual") -> list[Step]:
        body = self.document(call)
        if last == "unbilled":
            del body["usage"]
        if last == "null":
            body["output"] = None
        end = {"type": f"response.{body['status']}", "response": body}
        return [*_numbered([(end, 0)], after=0 if last == "null" else len(_said(call))), DONE]

    def failing(self, call: Call, failure: Failure, how: Break) -> list[Step]:
        error = {"code": _code(failure), "message": failure.message}
        if how == "coded":  # as in the schema
            end: Json = {"type": "error", "code": failure.code, "message": failure.message, "param": None}
        elif how == "bare":  # as in the documentation; the openai SDK raises for it
            end = {"type": "response.error", "error": error}
        else:
            bill = {} if how in ("choice", "billed") else {"usage": None}
            end = {"type": "response.failed", "response": self.failed(call, failure) | bill}
        steps = _numbered([(end, 0)], after=len(_said(call)))
        return [*steps, DONE] if how in ("choice", "billed") else steps

    def refusal(self, failure: Failure, generation_id: str | None) -> Json:
        body = super().refusal(replace(failure, untyped=True), generation_id)
        return body | {"error_type": failure.error_type}


def _shell(call: Call) -> Json:
    """Return a response in progress: what is known, or repeated from the request, before the model speaks."""
    body = call.body
    return {
        "id": call.generation_id,
        "object": "response",
        "created_at": int(call.created),
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": call.reply.model,
        "output": [],
        "parallel_tool_calls": True,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "previous_response_id": None,
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": False,
        "temperature": body.get("temperature", 1),
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1),
        "truncation": "disabled",
        "usage": None,
        "user": body.get("user"),
    }


def _output(call: Call) -> list[Json]:
    """Return the output items: the reasoning, then the text or the calls of tools."""
    reply = call.reply
    status = "completed" if reply.finish_reason in ("stop", "tool_calls") else "incomplete"
    items: list[Json] = []
    if reply.reasoning:
        summary = {"type": "summary_text", "text": reply.reasoning}
        items.append({"type": "reasoning", "id": _item_id(call, "rs"), "summary": [summary]})
    if not reply.tool_names:
        content = [{"type": "output_text", "text": "".join(reply.texts), "annotations": [], "logprobs": []}]
        items.append(
            {"type": "message", "id": _item_id(call, "msg"), "role": "assistant", "content": content}
        )
    for number, name in enumerate(reply.tool_names):
        ids = {"id": _item_id(call, "fc", number), "call_id": _item_id(call, "call", number)}
        items.append({"type": "function_call", **ids, "name": name, "arguments": tool_arguments(name)})
    return [{**item, "status": status} for item in items]


def _said(call: Call) -> list[Event]:
    """Return the events up to the end of the last item, or the middle of it where the reply breaks off."""
    events: list[Event] = [
        ({"type": f"response.{state}", "response": _shell(call)}, 0) for state in ("created", "in_progress")
    ]
    for index, item in enumerate(_output(call)):
        place = {"item_id": item["id"], "output_index": index}
        events.append((_item_event("added", index, _emptied(item)), 4 * ("arguments" in item)))
        events += _arguments(item, place) if "arguments" in item else _text(item, place)
        events.append((_item_event("done", index, item), 0))
    if call.reply.finish_reason in (None, "error"):
        return [(document, tokens) for document, tokens in events if not document["type"].endswith(".done")]
    return events


_KINDS = {  # of an item: the member that holds its text, and the words for that in the types of events
    "message": ("content", "content_part", "output_text"),
    "reasoning": ("summary", "reasoning_summary_part", "reasoning_summary_text"),
}


def _text(item: Json, place: Json) -> Iterator[Event]:
    """Yield the events inside a message, or inside the summary of a reasoning."""
    member, part_name, text_name = _KINDS[item["type"]]
    [part] = item[member]
    place = {**place, f"{member}_index": 0}
    extra: Json = {"logprobs": []} if "logprobs" in part else {}
    yield {"type": f"response.{part_name}.added", **place, "part": {**part, "text": ""}}, 0
    for piece in pieces(part["text"]):
        yield {"type": f"response.{text_name}.delta", **place, **extra, "delta": piece}, 1
    yield {"type": f"response.{text_name}.done", **place, **extra, "text": part["text"]}, 0
    yield {"type": f"response.{part_name}.done", **place, "part": part}, 0


def _arguments(item: Json, place: Json) -> Iterator[Event]:
    """Yield the events inside a call of a tool."""
    kind = "response.function_call_arguments"
    for piece in pieces(item["arguments"]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}, 1
    yield {"type": f"{kind}.done", **place, "name": item["name"], "arguments": item["arguments"]}, 0


def _item_event(state: str, index: int, item: Json) -> Json:
    return {"type": f"response.output_item.{state}", "output_index": index, "item": item}


def _emptied(item: Json) -> Json:
    nothing: Json = {"content": [], "summary": [], "arguments": ""}
    return item | {name: nothing[name] for name in nothing.keys() & item.keys()} | {"status": "in_progress"}


def _numbered(events: Iterable[Event], after: int = 0) -> list[Step]:
    return [
        event(document | {"sequence_number": number}, tokens)
        for number, (document, tokens) in enumerate(events, after)
    ]


def _usage(reply: Reply) -> Json:
    return {
        "input_tokens": reply.prompt_tokens,
        "input_tokens_details": {"cached_tokens": reply.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": reply.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        **costs(reply, ("input", "output")),
    }


def _code(failure: Failure) -> str:
    return _CODES.get(failure.error_type, "server_error")


def _item_id(call: Call, kind: str, number: int = 0) -> str:
    return f"{kind}_{digest([call.generation_id, kind, number]):016x}"
