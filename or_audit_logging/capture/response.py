"""How a call ended that returned: facts from a response object of any SDK or HTTP client, or from the JSON.

    response_facts(client.chat.completions.create(...))        # openai 1 to 3, openrouter; also raw responses
    response_facts(requests.post(...).json())                  # a dict
    response_facts(requests.post(...))                         # an HTTP response, as far as it has been read

A 200 is not a success: an `error` member, choices that are null or empty, an error in a choice and the
finish reason "error" are errors, though no SDK raises. Malformed answers give None where something is
missing or of the wrong type; nothing raises. Answers of the Responses and Messages APIs are read in `skins`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from dataclasses import replace

from or_audit_logging.capture.chunks import NO_CHOICES, StreamReader, joined
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.http import Reply, header_members, http_reply
from or_audit_logging.capture.provider_error import UNMAPPED, ProviderError, provider_error
from or_audit_logging.capture.read import Members, count, has, items, members, read, text
from or_audit_logging.capture.router import router_members, router_provider
from or_audit_logging.capture.skins import is_messages, is_responses, messages_facts, responses_facts
from or_audit_logging.capture.usage import usage_members
from or_audit_logging.digest import choice_digest

NO_ANSWER = "the response is no JSON object"

_FACTLESS = (str, bytes, bytearray, int, float, list, tuple, set, frozenset, type(None))
_MEMBERS_OF_ANSWERS = ("usage", "object", "error", "output", "choices")
_ERROR = 400


def response_facts(response: object) -> Facts | None:
    """Return what *response* says, or None where it is nothing that a model's answer could be."""
    if isinstance(response, _FACTLESS):
        return None
    if isinstance(response, Reply):
        return _reply_facts(response)
    said = members(response)
    if said.get("choices") is not None:  # no other kind of answer has any
        return _chat_facts(response, said)
    if not isinstance(response, Mapping) and (reply := http_reply(response)) is not None:
        return _reply_facts(reply)
    if is_responses(response):
        return responses_facts(response)
    if is_messages(response):
        return messages_facts(response)
    return _chat_facts(response, said)


def stream_facts(result: object) -> Facts | None:
    """Return what is known of *result* where its answer is still to come: a stream, iterator or awaitable.

    Nothing of it is consumed; an SDK's stream has already received its headers, and the id stands there.
    """
    if isinstance(result, Awaitable):
        return Facts(status="incomplete")
    if not isinstance(result, (Iterator, AsyncIterator)):
        return None
    headers = read(read(result, "response"), "headers")
    return Facts(status="incomplete", streamed=True, **header_members(headers))


def _chat_facts(response: object, said: Members) -> Facts | None:
    """Return what *said*, the members of a chat completion, a legacy completion or an embedding, says."""
    choices = _in_order([members(choice) for choice in items(said.get("choices")) or ()])
    error = _error_of(response, said, choices)
    first = choices[0] if choices else members(None)
    answers = tuple(map(_answer, choices)) if choices else None
    digests = [choice_digest(*answer) for answer in answers or ()]
    metadata = said.get("openrouter_metadata")
    facts = Facts(
        status=error.status() if error else "success",
        model_used=text(said.get("model")),
        provider=text(said.get("provider")) or router_provider(metadata),
        generation_id=text(said.get("id")),
        streamed=False,
        finish_reason=text(first.get("finish_reason")),
        native_finish_reason=text(first.get("native_finish_reason")),
        tool_names=_tool_names(answers or ()),
        service_tier=text(said.get("service_tier")),
        router=router_members(metadata),
        error_type=(error.error_type or UNMAPPED) if error else None,
        error_code=error.code if error else None,
        error_message=error.message if error else None,
        choices=answers,
        choice_digests=tuple(digest for digest in digests if digest) if digests and all(digests) else None,
        **usage_members(said.get("usage")),
    )
    return facts if _says_anything(response, said, facts) else None


def _reply_facts(reply: Reply) -> Facts:
    """Return what an HTTP response says: its body as far as it has been read, then its headers and status."""
    body = reply.body if reply.content is not None and not reply.is_stream else None
    if isinstance(body, Mapping):
        facts = response_facts(body) or Facts(status="success")
    elif reply.content is None:
        facts = Facts(status="incomplete", streamed=reply.is_stream or None)
    elif reply.is_stream:
        facts = _events_facts(reply.content)
    else:
        facts = Facts(status="error", error_type=UNMAPPED, error_message=NO_ANSWER)
    missing = {name: value for name, value in reply.headers.items() if getattr(facts, name) is None}
    facts = replace(facts, **missing, attempts=None if reply.retries is None else reply.retries + 1)
    if reply.status < _ERROR:
        return facts
    error = provider_error(read(body, "error"))
    return replace(
        facts,
        status=error.status(reply.status) if error else "error",
        streamed=None,
        error_type=(error.error_type if error else None) or UNMAPPED,
        error_code=reply.status,
    )


def _events_facts(content: bytes) -> Facts:
    """Return what a stream says that the client has read as one body."""
    reader = StreamReader()
    for line in content.splitlines():
        if line.startswith(b"data:"):
            reader.feed(line)
    return reader.facts(ended=True, whole=True)


def _in_order(choices: list[Members]) -> list[Members]:
    """Return the choices by their index; one without keeps the number of its place."""

    def place(numbered: tuple[int, Members]) -> int:
        index = count(numbered[1].get("index"))
        return numbered[0] if index is None else index

    if len(choices) <= 1:
        return choices
    return [choice for _, choice in sorted(enumerate(choices), key=place)]


def _error_of(response: object, said: Members, choices: list[Members]) -> ProviderError | None:
    if error := provider_error(said.get("error")):
        return error
    for choice in choices:
        if error := provider_error(choice.get("error")):
            return error
    for choice in choices:
        if choice.get("finish_reason") == "error":
            return ProviderError(None, None, None)
    if choices:
        return None
    promised = has(response, "choices") or said.get("object") == "chat.completion"
    return ProviderError(None, None, NO_CHOICES) if promised else None


def _answer(choice: Members) -> tuple[str, list[object] | None]:
    """Return the text and the tool calls of one choice, which is what its hash is made of."""
    message = choice.get("message")
    if message is None:
        return _content_text(choice.get("text")), None
    said = members(message)
    return _content_text(said.get("content")), items(said.get("tool_calls")) or None


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return str.__str__(content)
    return joined(items(content) or ())


def _tool_names(answers: Iterable[tuple[str, list[object] | None]]) -> tuple[str, ...] | None:
    names = [
        text(read(read(call, "function"), "name")) or text(read(read(call, "custom"), "name"))
        for _, calls in answers
        for call in calls or ()
    ]
    return tuple(name for name in names if name) or None


def _says_anything(response: object, said: Members, facts: Facts) -> bool:
    """Return whether there is one fact beside the status; that a mapping promises choices is one.

    A model and an id alone are none: the application's own objects have them as well.
    """
    if facts.choices is not None or (isinstance(response, Mapping) and has(response, "choices")):
        return True
    kind = type(response)  # whose property may be there, though it raises
    if not any(said.get(name) is not None or hasattr(kind, name) for name in _MEMBERS_OF_ANSWERS):
        return False
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
