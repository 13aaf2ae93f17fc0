"""How a call ended that returned: facts from a response object of any SDK, or from the parsed JSON.

    response_facts(client.chat.completions.create(...))        # openai 1 to 3, openrouter
    response_facts(requests.post(...).json())                  # a dict

A 200 is not a success: an `error` member, choices that are null or empty, an error in a choice and the
finish reason "error" are errors, though no SDK raises. Malformed answers give None where something is
missing or of the wrong type; nothing raises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping

from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.provider_error import UNMAPPED, ProviderError, provider_error
from or_audit_logging.capture.read import count, flag, has, items, read, text
from or_audit_logging.pricing import all_in_cost, usd

NO_CHOICES = "the response has no choices"

_FACTLESS = (str, bytes, bytearray, int, float, list, tuple, set, frozenset, type(None))


def response_facts(response: object) -> Facts | None:
    """Return what *response* says, or None where it is nothing that a model's answer could be."""
    if isinstance(response, _FACTLESS):
        return None
    choices = _in_order(items(read(response, "choices")))
    usage = read(response, "usage")
    error = _error_of(response, choices)
    first = choices[0] if choices else None
    cost = usd(read(usage, "cost"))
    upstream = usd(read(read(usage, "cost_details"), "upstream_inference_cost"))
    is_byok = flag(read(usage, "is_byok"))
    facts = Facts(
        status=error.status() if error else "success",
        model_used=text(read(response, "model")),
        provider=text(read(response, "provider")),
        generation_id=text(read(response, "id")),
        prompt_tokens=count(read(usage, "prompt_tokens")),
        completion_tokens=count(read(usage, "completion_tokens")),
        total_tokens=count(read(usage, "total_tokens")),
        cached_tokens=count(read(read(usage, "prompt_tokens_details"), "cached_tokens")),
        reasoning_tokens=count(read(read(usage, "completion_tokens_details"), "reasoning_tokens")),
        total_cost=all_in_cost(cost=cost, upstream=upstream, is_byok=is_byok),
        is_byok=is_byok,
        upstream_cost=upstream,
        streamed=False,
        finish_reason=text(read(first, "finish_reason")),
        native_finish_reason=text(read(first, "native_finish_reason")),
        tool_names=_tool_names(choices),
        service_tier=text(read(response, "service_tier")),
        error_type=(error.error_type or UNMAPPED) if error else None,
        error_code=error.code if error else None,
        error_message=error.message if error else None,
        choices=tuple(map(_answer, choices)) if choices else None,
    )
    return facts if _says_anything(response, facts) else None


def stream_facts(result: object) -> Facts | None:
    """Return what is known of *result* where its answer is still to come: a stream, iterator or awaitable.

    Nothing of it is consumed; an SDK's stream has already received its headers, and the id stands there.
    """
    if isinstance(result, Awaitable):
        return Facts(status="incomplete")
    if not isinstance(result, (Iterator, AsyncIterator)):
        return None
    headers = read(read(result, "response"), "headers")
    return Facts(status="incomplete", streamed=True, generation_id=text(read(headers, "x-generation-id")))


def _in_order(choices: list[object] | None) -> list[object]:
    """Return the choices by their index; one without keeps the number of its place."""

    def place(numbered: tuple[int, object]) -> int:
        index = count(read(numbered[1], "index"))
        return numbered[0] if index is None else index

    if not choices or len(choices) == 1:
        return choices or []
    return [choice for _, choice in sorted(enumerate(choices), key=place)]


def _error_of(response: object, choices: list[object]) -> ProviderError | None:
    if error := provider_error(read(response, "error")):
        return error
    for choice in choices:
        if error := provider_error(read(choice, "error")):
            return error
    if any(read(choice, "finish_reason") == "error" for choice in choices):
        return ProviderError(None, None, None)
    if choices:
        return None
    promised = has(response, "choices") or read(response, "object") == "chat.completion"
    return ProviderError(None, None, NO_CHOICES) if promised else None


def _answer(choice: object) -> tuple[str, object]:
    """Return the text and the tool calls of one choice, which is what its hash is made of."""
    message = read(choice, "message")
    content = read(message, "content") if message is not None else read(choice, "text")
    calls = items(read(message, "tool_calls"))
    return _content_text(content), calls or None


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return str.__str__(content)
    return "".join(text(read(part, "text")) or "" for part in items(content) or ())


def _tool_names(choices: Iterable[object]) -> tuple[str, ...] | None:
    names = (
        text(read(read(call, "function"), "name"))
        for choice in choices
        for call in items(read(read(choice, "message"), "tool_calls")) or ()
    )
    return tuple(name for name in names if name) or None


def _says_anything(response: object, facts: Facts) -> bool:
    """Return whether there is one fact beside the status; that a mapping promises choices is one."""
    if facts.choices is not None or (isinstance(response, Mapping) and has(response, "choices")):
        return True
    known: tuple[object, ...] = (
        facts.generation_id,
        facts.model_used,
        facts.provider,
        facts.prompt_tokens,
        facts.completion_tokens,
        facts.total_tokens,
        facts.total_cost,
        facts.error_code,
    )
    return any(value is not None for value in known) or facts.error_message not in (None, NO_CHOICES)
