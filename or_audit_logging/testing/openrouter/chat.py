"""POST /chat/completions, and the older POST /completions, which differs in how it writes a choice.

A stream is keep-alive comments, one chunk per token, a chunk with the finish reason, one with the usage, and
`data: [DONE]`.
"""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

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
    error_object,
    event,
    router_metadata,
)

_MOST_CHOICES = 128


class Chat(Skin):
    """POST /chat/completions."""

    parts: frozenset[Part] = frozenset(("streams", "text", "tools", "choices"))
    kind, chunk_kind = "chat.completion", "chat.completion.chunk"

    def choices(self, body: Mapping[str, Any]) -> int:
        wanted = body.get("n")
        return wanted if isinstance(wanted, int) and 1 <= wanted <= _MOST_CHOICES else 1

    def document(self, call: Call) -> Json:
        return {
            **self._identity(call, self.kind),
            "service_tier": "default",
            "system_fingerprint": "fp_fake",
            "choices": [
                {"index": index, "logprobs": None, **self.choice(call, text), **_finish(call.reply)}
                for index, text in enumerate(call.reply.texts)
            ],
            "usage": usage(call.reply),
            **router_metadata(call),
        }

    def failed(self, call: Call, failure: Failure) -> Json:
        body = self.document(call)
        return body | {"choices": [c | {"error": error_object(failure)} for c in body["choices"]]}

    def opening(self, call: Call) -> list[Step]:
        reply = call.reply
        choices = range(len(reply.texts))
        said: list[Step] = []
        for index in choices:
            for piece in pieces(reply.reasoning):
                said.append(event(self.chunk(call, [self.delta(index, reasoning=piece)]), 1))
        for column in zip_longest(*(pieces(text) for text in reply.texts)):
            for index, piece in enumerate(column):
                if piece is not None:
                    said.append(event(self.chunk(call, [self.delta(index, piece)]), 1))
        for index in choices:
            for number in range(len(reply.tool_names)):
                said += self._tool_deltas(call, index, number)
        return commented(said)

    def ending(self, call: Call, last: Last = "usual") -> list[Step]:
        finishes = [self.delta(index) | _finish(call.reply) for index in range(len(call.reply.texts))]
        steps: list[Step] = [event(self.chunk(call, [choice])) for choice in finishes if last != "null"]
        if last != "unbilled":
            # The real one repeats the finish reason beside the usage; the documentation has `choices: []`.
            choices = {"bare": [], "null": None}.get(last, finishes)
            bill = {"service_tier": "default", "usage": usage(call.reply), **router_metadata(call)}
            steps.append(event(self.chunk(call, choices, **bill)))
        return [*steps, DONE]

    def failing(self, call: Call, failure: Failure, how: Break) -> list[Step]:
        error, bill = error_object(failure), {"usage": usage(call.reply)}
        if how == "choice":
            choice = self.delta() | _finish(call.reply) | {"error": error}
            return [event(self.chunk(call, [choice], **bill)), DONE]
        if how == "billed":
            return [event(self.chunk(call, [self.delta()], error=error, **bill)), DONE]
        choices = [] if how == "bare" else [self.delta() | {"finish_reason": "error"}]
        return [event(self.chunk(call, choices, error=error))]

    def choice(self, call: Call, text: str) -> Json:
        """Return what is particular to this API in a choice that says *text*."""
        calls = [_tool_call(call, number) for number in range(len(call.reply.tool_names))]
        message = {
            "role": "assistant",
            "content": text or (None if calls else ""),
            "refusal": None,
            "reasoning": call.reply.reasoning or None,
        }
        return {"message": message | ({"tool_calls": calls} if calls else {})}

    def delta(self, index: int = 0, content: str | None = "", **fields: Any) -> Json:
        """Return one choice of a chunk. The role is repeated in every one, as it is on the real wire."""
        said = {"content": content, "role": "assistant", **fields}
        return {"index": index, "delta": said, "finish_reason": None, "native_finish_reason": None}

    def chunk(self, call: Call, choices: list[Json] | None, **extra: Any) -> Json:
        """Return one chunk of a stream; *extra* goes to its top level."""
        return {**self._identity(call, self.chunk_kind), "choices": choices, **extra}

    def _identity(self, call: Call, kind: str) -> Json:
        return {
            "id": call.generation_id,
            "provider": call.reply.provider,
            "model": call.reply.model,
            "object": kind,
            "created": int(call.created),
        }

    def _tool_deltas(self, call: Call, index: int, number: int) -> list[Step]:
        """Return one tool call of choice *index*: its name first, then the arguments in fragments."""
        whole = _tool_call(call, number)
        function = whole["function"]
        parts: list[tuple[Json, int]] = [({**whole, "function": {**function, "arguments": ""}}, 4)]
        for piece in pieces(function["arguments"]):
            parts.append(({"index": number, "function": {"arguments": piece}}, 1))
        return [
            event(self.chunk(call, [self.delta(index, None, tool_calls=[part])]), tokens)
            for part, tokens in parts
        ]


class Completions(Chat):
    """POST /completions: a choice has a text in place of a message, and calls no tools."""

    parts = frozenset(("streams", "text", "choices"))
    kind = chunk_kind = "text_completion"

    def choice(self, call: Call, text: str) -> Json:
        return {"text": text, "reasoning": call.reply.reasoning or None}

    def delta(self, index: int = 0, content: str | None = "", **fields: Any) -> Json:
        finish = {"logprobs": None, "finish_reason": None, "native_finish_reason": None}
        return {"index": index, "text": content, **fields, **finish}


def usage(reply: Reply) -> Json:
    """Return the `usage` object of either API."""
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        **costs(reply),
        "prompt_tokens_details": {
            "cached_tokens": reply.cached_tokens,
            "cache_write_tokens": 0,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": reply.reasoning_tokens,
            "image_tokens": 0,
            "audio_tokens": 0,
        },
    }


def _finish(reply: Reply) -> Json:
    return {"finish_reason": reply.finish_reason, "native_finish_reason": reply.native_finish_reason}


def _tool_call(call: Call, number: int) -> Json:
    name = call.reply.tool_names[number]
    return {
        "index": number,
        "id": f"call_{digest([call.generation_id, number]):016x}",
        "type": "function",
        "function": {"name": name, "arguments": tool_arguments(name)},
    }
