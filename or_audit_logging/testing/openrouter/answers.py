"""How the answer is sent in each scenario: a `Call` in, an `Answer` out, in whatever skin was called.

`ordinary` is what OpenRouter does on a good day; the rest are the ways in which a day can go wrong.
"""

import zlib
from collections.abc import Callable
from dataclasses import replace

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.errors import ERRORS, JSON_TYPE, api_error
from or_audit_logging.testing.openrouter.http import Answer, Cut, Pause, Send, Step
from or_audit_logging.testing.openrouter.replies import Json, digest
from or_audit_logging.testing.openrouter.skin import Break, Failure, encode


def ordinary(call: Call) -> Answer:
    """Return the ordinary answer, streamed where that was asked for."""
    if call.streamed:
        return _stream(call, _whole(call))
    return _document(call, call.skin.document(call))


def compressed(call: Call) -> Answer:
    """Return the ordinary answer gzip-encoded, each Send flushed so that a stream still comes in pieces."""
    answer = ordinary(call)
    packer = zlib.compressobj(wbits=31)  # 31: with a gzip header
    *early, last = [step.data for step in answer.steps if isinstance(step, Send)]
    packed = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in early]
    packed.append(packer.compress(last) + packer.flush())
    rest = iter(packed)
    steps = [replace(step, data=next(rest)) if isinstance(step, Send) else step for step in answer.steps]
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"}, steps=tuple(steps))


# 200, and yet something is missing or wrong.


def without_usage(call: Call) -> Answer:
    """Return an answer that does not say what it cost."""
    if call.streamed:
        return _stream(call, [*call.skin.opening(call), *call.skin.ending(call, "unbilled")])
    body = call.skin.document(call)
    del body["usage"]
    return _document(call, body)


def error_in_place(call: Call) -> Answer:
    """Return an answer with the error where the skin keeps it in a reply: in the choices, in the status."""
    if call.streamed:
        return broken_off(_UNAVAILABLE, "choice")(call)
    return _document(call, call.skin.failed(call, _UNAVAILABLE))


def null_content(call: Call) -> Answer:
    """Return an answer with null for what the model said, but with the bill."""
    if call.streamed:
        return _stream(call, call.skin.ending(call, "null"))
    return _document(call, call.skin.document(call) | {call.skin.content: None})


def error_with_200(call: Call) -> Answer:
    """Return an error object under a status that says success."""
    metadata = {"raw": '{"detail":"upstream failed"}', "provider_name": "Together"}
    failure = Failure("Provider returned error", 502, "provider_unavailable", metadata, untyped=True)
    body = encode(call.skin.refusal(failure, call.generation_id))
    return Answer(200, {**JSON_TYPE, **_router_headers(call)}, (Send(body),))


def not_json(call: Call) -> Answer:
    """Return something else under the content type of JSON."""
    return _document(call, b"upstream said: <oops>")


def blank(call: Call) -> Answer:
    """Return nothing at all, successfully."""
    return _document(call, b"")


# No 200.


def http_error(name: str) -> Callable[[Call], Answer]:
    """Return what answers with the row *name* of ERRORS."""
    return lambda call: api_error(call, ERRORS[name], _router_headers(call))


def failing_first(times: int) -> Callable[[Call], Answer]:
    """Return what answers with a 500 to the first *times* attempts.

    The header retry-after-ms is not OpenRouter's: it makes the SDK's pause between attempts short.
    """

    def answer(call: Call) -> Answer:
        if call.attempt > times:
            return ordinary(call)
        return api_error(call, ERRORS["e500"], {**_router_headers(call), "retry-after-ms": "5"})

    return answer


def html_502(call: Call) -> Answer:
    """Return the page of a proxy in front of OpenRouter."""
    page = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body></body></html>\n"
    headers = {"Content-Type": "text/html; charset=UTF-8", "cf-ray": _router_headers(call)["cf-ray"]}
    return Answer(502, headers, (Send(page),))


def silence(call: Call) -> Answer:
    """Return an answer that does not begin before the client has gone."""
    return replace(_document(call, call.skin.document(call)), before=Pause(None))


def drop(call: Call) -> Answer:
    """Return no answer: the connection ends."""
    return replace(_document(call, call.skin.document(call)), before=Cut())


# Streams.


def bare_usage(call: Call) -> Answer:
    """Return a stream whose usage comes as documented, with `choices: []`."""
    return _stream(call, [*call.skin.opening(call), *call.skin.ending(call, "bare")])


def slow(call: Call) -> Answer:
    """Return a stream with a pause before each event that carries output."""
    steps: list[Step] = []
    for step in _whole(call):
        if isinstance(step, Send) and step.tokens:
            steps.append(Pause(call.options.slow_seconds))
        steps.append(step)
    return _stream(call, steps)


def stall(call: Call) -> Answer:
    """Return a stream with one long pause."""
    steps = _whole(call)
    half = len(steps) // 2
    return _stream(call, [*steps[:half], Pause(call.options.stall_seconds), *steps[half:]])


def eof(call: Call) -> Answer:
    """Return a stream that ends in good order but too early."""
    return _stream(call, call.skin.opening(call))


def reset(call: Call) -> Answer:
    """Return a stream that a TCP reset ends; the pause lets the client read what came before it."""
    return _stream(call, [*call.skin.opening(call), Pause(0.05), Cut(reset=True)])


def broken_off(failure: Failure, how: Break) -> Callable[[Call], Answer]:
    """Return what answers with a stream in which the model fails."""
    return lambda call: _stream(call, [*call.skin.opening(call), *call.skin.failing(call, failure, how)])


_UNAVAILABLE = Failure("Provider disconnected", 502, "provider_unavailable")

midstream = broken_off(_UNAVAILABLE, "plain")
midstream_string_code = broken_off(replace(_UNAVAILABLE, code="server_error", untyped=True), "coded")
midstream_usage = broken_off(Failure("Token limit reached", 400, "unmapped", untyped=True), "billed")
midstream_bare = broken_off(_UNAVAILABLE, "bare")


def _whole(call: Call) -> list[Step]:
    return [*call.skin.opening(call), *call.skin.ending(call)]


def _document(call: Call, body: Json | bytes) -> Answer:
    data = body if isinstance(body, bytes) else encode(body)
    return Answer(200, {**JSON_TYPE, **_served_headers(call)}, (Send(data),))


def _stream(call: Call, steps: list[Step]) -> Answer:
    """Return an answer that streams *steps*. The type names no charset, and text is UTF-8 all the same."""
    headers = {"Content-Type": "text/event-stream", **_served_headers(call)}
    return Answer(200, headers, tuple(steps), chunked=True)


def _router_headers(call: Call) -> dict[str, str]:
    """Return the headers of every reply that the router wrote, errors too."""
    return {
        "X-Generation-Id": call.generation_id,
        "cf-ray": f"{digest(call.generation_id):016x}-FRA",
        "access-control-expose-headers": "X-Generation-Id,X-Provider-Name,cf-ray",
    }


def _served_headers(call: Call) -> dict[str, str]:
    """Return the headers of a reply that a provider, or the cache, served."""
    headers = {**_router_headers(call), "X-Provider-Name": call.reply.provider}
    if call.reply.cache_source:
        headers |= {
            "X-OpenRouter-Cache-Status": "HIT",
            "X-OpenRouter-Cache-Age": "42",
            "X-OpenRouter-Cache-TTL": "258",
            "X-OpenRouter-Cache-Source-Id": call.reply.cache_source,
        }
    return headers
