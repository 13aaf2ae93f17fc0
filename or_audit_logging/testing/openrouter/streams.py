"""The server-sent events of a streamed completion, as steps that a scenario puts together.

    stream(headers, [*opening(call), *ending(call)])       an ordinary stream
    stream(headers, opening(call))                         one that just ends

An ordinary stream is keep-alive comments, one chunk per token, a chunk with the finish reason, one with the
usage, and `data: [DONE]`.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import zip_longest

from or_audit_logging.testing.openrouter.bodies import chunk, delta, encode, router_metadata, tool_call, usage
from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Answer, Pause, Send, Step
from or_audit_logging.testing.openrouter.replies import Json, pieces

COMMENT = Send(b": OPENROUTER PROCESSING\n\n")
DONE = Send(b"data: [DONE]\n\n")


def stream(headers: Mapping[str, str], steps: Iterable[Step]) -> Answer:
    """Return an answer that streams *steps*. The type names no charset, and text is UTF-8 all the same."""
    return Answer(200, {"Content-Type": "text/event-stream", **headers}, tuple(steps), chunked=True)


def event(document: Json, tokens: int = 0) -> Send:
    """Return *document* as one server-sent event that carries *tokens* of output."""
    return Send(b"data: " + encode(document) + b"\n\n", tokens)


def opening(call: Call) -> list[Step]:
    """Return all that the model says, comments in between, up to and without the finish reason."""
    reply = call.reply
    said: list[Step] = []
    for index in range(len(reply.texts)):
        for piece in pieces(reply.reasoning):
            said.append(event(chunk(call, [delta(index, reasoning=piece)]), 1))
    for column in zip_longest(*(pieces(text) for text in reply.texts)):
        for index, piece in enumerate(column):
            if piece is not None:
                said.append(event(chunk(call, [delta(index, content=piece)]), 1))
    for index in range(len(reply.texts)):
        said += [
            step for number in range(len(reply.tool_names)) for step in _tool_deltas(call, index, number)
        ]
    return [COMMENT, COMMENT, *said[:2], COMMENT, *said[2:]]


def ending(call: Call, *, with_usage: bool = True, empty_choices: bool = False) -> list[Step]:
    """Return finish reason, usage and `[DONE]`; *empty_choices* writes the usage chunk as documented."""
    reply = call.reply
    last = [
        delta(index, finish=reply.finish_reason, native=reply.native_finish_reason)
        for index in range(len(reply.texts))
    ]
    steps: list[Step] = [event(chunk(call, [choice])) for choice in last]
    if with_usage:
        choices = [] if empty_choices else last
        extra = {"service_tier": "default", "usage": usage(reply), **router_metadata(call)}
        steps.append(event(chunk(call, choices, **extra)))
    return [*steps, DONE]


def slowly(steps: Iterable[Step], seconds: float) -> list[Step]:
    """Return *steps* with a pause before each that carries output."""
    paced: list[Step] = []
    for step in steps:
        if isinstance(step, Send) and step.tokens:
            paced.append(Pause(seconds))
        paced.append(step)
    return paced


def compress(answer: Answer) -> Answer:
    """Return *answer* gzip-encoded, each Send flushed so that a stream still arrives piece by piece."""
    packer = zlib.compressobj(wbits=31)  # 31: with a gzip header
    *early, last = [step.data for step in answer.steps if isinstance(step, Send)]
    packed = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in early]
    packed.append(packer.compress(last) + packer.flush())
    rest = iter(packed)
    steps = [replace(step, data=next(rest)) if isinstance(step, Send) else step for step in answer.steps]
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"}, steps=tuple(steps))


def _tool_deltas(call: Call, index: int, number: int) -> list[Step]:
    """Return one tool call of choice *index*: its name first, then the arguments in fragments."""
    whole = tool_call(call, number)
    function = whole["function"]
    first = {**whole, "function": {"name": function["name"], "arguments": ""}}
    fragments = [
        {"index": number, "function": {"arguments": piece}} for piece in pieces(function["arguments"])
    ]
    tokens = [4] + [1] * len(fragments)
    return [
        event(chunk(call, [delta(index, content=None, tool_calls=[part])]), count)
        for part, count in zip([first, *fragments], tokens, strict=True)
    ]
