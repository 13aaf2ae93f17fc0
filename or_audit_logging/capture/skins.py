"""Answers in OpenRouter's two other API skins, as one choice each: Responses (openai), Messages (anthropic).

responses_facts({"object": "response", "status": "completed", "output": [...], "usage": {...}})
messages_facts({"type": "message", "content": [...], "stop_reason": "end_turn", "usage": {...}})
"""

from __future__ import annotations

from typing import Any

from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.provider_error import UNMAPPED, ProviderError, provider_error
from or_audit_logging.capture.read import items, read, text
from or_audit_logging.capture.router import router_members, router_provider
from or_audit_logging.capture.usage import usage_members
from or_audit_logging.digest import choice_digest

_STATUS = {
    "completed": "success",
    "failed": "error",
    "incomplete": "incomplete",
    "cancelled": "cancelled",
    "in_progress": "incomplete",  # asked for in the background: nobody has seen its end yet
    "queued": "incomplete",
}

_CUT_SHORT = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an answer may be incomplete and yet be one; and the finish reason of a chat completion for it."""


def is_responses(answer: object) -> bool:
    """Return whether *answer* is an object of the Responses API."""
    return text(read(answer, "object")) == "response"


def is_messages(answer: object) -> bool:
    """Return whether *answer* is an object of the Messages API, which may be an error."""
    kind = text(read(answer, "type"))
    answers = any(read(answer, name) is not None for name in ("usage", "stop_reason"))
    return (kind == "message" and answers) or (kind == "error" and read(answer, "error") is not None)


def responses_facts(response: object) -> Facts:
    """Return what a Responses object says."""
    output = items(read(response, "output")) or []
    calls = [item for item in output if _is_call(item)]
    texts = (
        text(read(part, "text")) or ""
        for item in output
        if text(read(item, "type")) in ("message", None)
        for part in items(read(item, "content")) or ()
    )
    state = text(read(response, "status"))
    error = provider_error(read(response, "error"))
    error = _typed(error, response) if error else None
    if error is None and state == "failed":
        error = _typed(ProviderError(None, None, None), response)
    status = error.status() if error else _STATUS.get(state or "", "success")
    reason = text(read(read(response, "incomplete_details"), "reason"))
    if status == "incomplete" and reason in _CUT_SHORT:
        status, reason = "success", _CUT_SHORT[reason]
    return Facts(
        status=status,
        **_members(response, error),
        **usage_members(read(response, "usage")),
        finish_reason=reason or state,
        **answer_members("".join(texts), calls),
    )


def messages_facts(message: object) -> Facts:
    """Return what a Messages object says, or the error object of that skin."""
    content = items(read(message, "content")) or []
    error = provider_error(read(message, "error"))
    error = _typed(error, read(message, "error")) if error else None
    texts = (text(read(part, "text")) or "" for part in content)
    calls = [part for part in content if text(read(part, "type")) in ("tool_use", "server_tool_use")]
    usage = read(message, "usage")
    known = _members(message, error)
    known["service_tier"] = known["service_tier"] or text(read(usage, "service_tier"))
    return Facts(
        status=error.status() if error else "success",
        **known,
        **usage_members(usage),
        finish_reason=text(read(message, "stop_reason")),
        **(answer_members("".join(texts), calls) if content else {}),
    )


def answer_members(answer: str, calls: list[object]) -> dict[str, Any]:
    """Return the members of `Facts` that an answer of one choice gives."""
    digest = choice_digest(answer, calls or None)
    names = tuple(name for call in calls if (name := text(read(call, "name"))))
    return {
        "tool_names": names or None,
        "choices": ((answer, calls or None),),
        "choice_digests": None if digest is None else (digest,),
    }


def _is_call(item: object) -> bool:
    return (text(read(item, "type")) or "").endswith("_call")


def _typed(error: ProviderError, source: object) -> ProviderError:
    """Return *error* with the `error_type` that these skins put beside the error object."""
    known = error.error_type or text(read(source, "error_type"))
    return ProviderError(known, error.code, error.message, error.blocked)


def _members(answer: object, error: ProviderError | None) -> dict[str, Any]:
    metadata = read(answer, "openrouter_metadata")
    return {
        "model_used": text(read(answer, "model")),
        "provider": text(read(answer, "provider")) or router_provider(metadata),
        "generation_id": text(read(answer, "id")),
        "service_tier": text(read(answer, "service_tier")),
        "router": router_members(metadata),
        "streamed": False,
        "error_type": (error.error_type or UNMAPPED) if error else None,
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
    }
