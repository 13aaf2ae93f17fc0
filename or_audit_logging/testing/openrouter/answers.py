"""How the answer is sent in each scenario: a `Call` in, an `Answer` out.

`ordinary` is what OpenRouter does on a good day; the rest are the ways in which a day can go wrong.
"""

from collections.abc import Callable
from dataclasses import replace

from or_audit_logging.testing.openrouter.bodies import chunk, completion, delta, encode, usage
from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.errors import ACCOUNT, ERRORS, JSON_TYPE, api_error
from or_audit_logging.testing.openrouter.http import Answer, Cut, Pause, Send, Step
from or_audit_logging.testing.openrouter.replies import Json, digest
from or_audit_logging.testing.openrouter.streams import DONE, compress, ending, event, opening, slowly, stream


def ordinary(call: Call) -> Answer:
    """Return the ordinary answer, streamed where that was asked for."""
    if call.streamed:
        return _stream(call, [*opening(call), *ending(call)])
    return _document(call, completion(call))


def compressed(call: Call) -> Answer:
    """Return the ordinary answer, gzip-encoded."""
    return compress(ordinary(call))


# 200, and yet something is missing or wrong.


def without_usage(call: Call) -> Answer:
    """Return an answer that does not say what it cost."""
    if call.streamed:
        return _stream(call, [*opening(call), *ending(call, with_usage=False)])
    body = completion(call)
    del body["usage"]
    return _document(call, body)


def choice_error(call: Call) -> Answer:
    """Return an answer whose choices carry the error."""
    if call.streamed:
        choice = {**delta(finish="error", native="error"), "error": _UNAVAILABLE}
        return _stream(call, [*opening(call), event(chunk(call, [choice], usage=usage(call.reply))), DONE])
    body = completion(call)
    return _document(call, body | {"choices": [c | {"error": _UNAVAILABLE} for c in body["choices"]]})


def null_choices(call: Call) -> Answer:
    """Return an answer without choices, but with the bill."""
    if call.streamed:
        return _stream(call, [event(chunk(call, None, usage=usage(call.reply))), DONE])
    return _document(call, completion(call) | {"choices": None})


def error_with_200(call: Call) -> Answer:
    """Return an error object under a status that says success."""
    metadata = {"raw": '{"detail":"upstream failed"}', "provider_name": "Together"}
    error = {"message": "Provider returned error", "code": 502, "metadata": metadata}
    body = encode({"error": error, "user_id": ACCOUNT})
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
    return replace(_document(call, completion(call)), before=Pause(None))


def drop(call: Call) -> Answer:
    """Return no answer: the connection ends."""
    return replace(_document(call, completion(call)), before=Cut())


# Streams.


def empty_usage_choices(call: Call) -> Answer:
    """Return a stream whose usage comes as documented, with `choices: []`."""
    return _stream(call, [*opening(call), *ending(call, empty_choices=True)])


def slow(call: Call) -> Answer:
    """Return a stream with a pause before each chunk."""
    return _stream(call, slowly([*opening(call), *ending(call)], call.options.slow_seconds))


def stall(call: Call) -> Answer:
    """Return a stream with one long pause."""
    steps = [*opening(call), *ending(call)]
    half = len(steps) // 2
    return _stream(call, [*steps[:half], Pause(call.options.stall_seconds), *steps[half:]])


def eof(call: Call) -> Answer:
    """Return a stream that ends in good order but too early."""
    return _stream(call, opening(call))


def reset(call: Call) -> Answer:
    """Return a stream that a TCP reset ends; the pause lets the client read what came before it."""
    return _stream(call, [*opening(call), Pause(0.05), Cut(reset=True)])


def midstream(call: Call) -> Answer:
    """Return a stream that ends with an error, as documented."""
    return _stream(call, [*opening(call), _error_event(call, _UNAVAILABLE, [delta(finish="error")])])


def midstream_string_code(call: Call) -> Answer:
    """Return a stream that ends with an error whose code is a string."""
    error = {"code": "server_error", "message": "Provider disconnected"}
    return _stream(call, [*opening(call), _error_event(call, error, [delta(finish="error")])])


def midstream_usage(call: Call) -> Answer:
    """Return a stream with an error that brings the bill along; no finish reason, but `[DONE]`."""
    error = {"code": 400, "message": "Token limit reached"}
    last = _error_event(call, error, [delta()], usage=usage(call.reply))
    return _stream(call, [*opening(call), last, DONE])


def midstream_empty(call: Call) -> Answer:
    """Return a stream that ends with an error and `choices: []`."""
    return _stream(call, [*opening(call), _error_event(call, _UNAVAILABLE, [])])


_UNAVAILABLE: Json = {
    "code": 502,
    "message": "Provider disconnected",
    "metadata": {"error_type": "provider_unavailable"},
}


def _error_event(call: Call, error: Json, choices: list[Json], **extra: Json) -> Step:
    return event(chunk(call, choices, error=error, **extra))


def _document(call: Call, body: Json | bytes) -> Answer:
    data = body if isinstance(body, bytes) else encode(body)
    return Answer(200, {**JSON_TYPE, **_served_headers(call)}, (Send(data),))


def _stream(call: Call, steps: list[Step]) -> Answer:
    return stream(_served_headers(call), steps)


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
