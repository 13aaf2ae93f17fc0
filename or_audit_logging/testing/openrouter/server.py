"""A FakeOpenRouter: a real HTTP server on loopback that speaks OpenRouter's API, for tests without a network.

    with FakeOpenRouter() as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="sk-or-v1-fake-key")
        client.chat.completions.create(model="fake/e429", messages=[...])       # raises RateLimitError
        server.requests[0].headers["authorization"]

Any HTTP client or SDK will do. A reply follows from the request alone, cost included; ids and dates are new.
Served are, under /api/v1, these and nothing else:

    POST /chat/completions
    POST /completions       text in place of messages; never calls tools
    POST /responses         length, filter: status incomplete; choiceerr: status failed; both are events too,
                            while midstr is an event `error`, and midempty one named `response.error`
    POST /messages          stop_reason; errors are {"type": "error"}, in streams an event `error`;
                            anthropic's base_url is server.base_url.removesuffix("/v1")
    POST /embeddings        never streamed; says nothing, so choiceerr is a mere error object
    GET /generation
    GET /key
    GET /activity           the last 30 completed UTC days, to the management key alone

The part of the model's name after the last slash picks the scenario. This is how each looks in a chat; other
APIs put it in their own words, and answer in the ordinary way where they have none for it:

    ok            an ordinary reply, as for every name that is not in this table
    echo          says the text of the last message
    json          says a JSON object
    reasoning     reasons first: message.reasoning and reasoning_tokens
    tool          calls the first two tools of the request, or look_up
    length        stops half-way, finish_reason length
    filter        stops half-way, finish_reason content_filter
    fallback      another model and provider serve, after the first provider failed
    byok          the caller's own provider key: is_byok, cost 0, the price in cost_details
    free          cost is the integer 0, as for every model that ends in :free
    hit           from the response cache: no tokens, cost 0, cache headers
    gzip          ordinary, gzip-encoded
    nousage       200, no usage; the generation knows the cost
    choiceerr     200, error in choices[0], finish_reason error, cost 0
    nullchoices   200, choices null, usage kept
    e200body      200, the body is an error object
    notjson       200, JSON by its content type only
    blank         200, empty body
    html502       502, an HTML page, no X-Generation-Id
    timeout       silence until the client gives up; billed
    drop          connection closed without an answer; billed
    e400          context_length_exceeded
    e401          authentication: the key is not known
    e402          payment_required
    e403          moderation, with up to 100 characters of the prompt in flagged_input
    e403guardrail a guardrail's patterns
    e404          no endpoints for the model; no metadata
    e408          timeout, before a provider answered
    e413          payload_too_large
    e422          unprocessable
    e429          rate_limit_exceeded, with Retry-After and X-RateLimit-*
    e500          server: masked
    e502          the older shape: provider_name, raw text of the provider, previous_errors
    e503          provider_unavailable, with Retry-After
    e524          timeout at the edge
    e529          provider_overloaded
    e400nocode    400, an error object without code
    retry1        500 to the first attempt at the endpoint, then ordinary
    retry2        500 to the first two attempts
    retry3        500 to the first three attempts
    usageempty    stream: the usage chunk has choices []
    slow          stream: slow_seconds before each chunk; the one to break
    stall         stream: stall_seconds without a byte, half-way
    eof           stream: ends half-way, no finish reason, no [DONE]
    reset         stream: TCP reset half-way
    midstream     stream: error half-way, finish_reason error
    midstr        stream: error half-way, its code a string
    midusage      stream: error half-way, with usage, then [DONE]
    midempty      stream: error half-way, choices []

`stream:` scenarios give an ordinary reply to a request that did not ask for a stream. A client that breaks a
stream is found out at the next pause or failing write: use `slow` or `stall` where the generation is to say
`cancelled`; an ordinary one is complete before the client can leave it. Not here: real prices, routing.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from or_audit_logging.testing.openrouter.calls import Options, RecordedRequest, new_generation_id
from or_audit_logging.testing.openrouter.endpoints import ENDPOINTS
from or_audit_logging.testing.openrouter.errors import plain_error
from or_audit_logging.testing.openrouter.generations import Ledger
from or_audit_logging.testing.openrouter.http import Answer, LoopbackServer

__all__ = ["FakeOpenRouter", "RecordedRequest"]

_STATUSES = frozenset(HTTPStatus)


class FakeOpenRouter:
    """A server for the length of a `with` block, or from start() to close().

    generation_delay: seconds for which GET /generation answers 404 after a call has ended.
    require_key: answer 401 to requests without `Authorization: Bearer` or `X-Api-Key`; any key will do.
    reply: the text of every ordinary reply, in place of an invented one.
    slow_seconds, stall_seconds: the pauses of the scenarios `slow` (before each chunk) and `stall` (once).
    keys: the keys that are known; any other is answered 401. None: every key is.
    management_key: the key to which GET /activity answers; 403 to the others.
    clock: the time in seconds since the epoch, for ids, dates and days.
    """

    def __init__(
        self,
        *,
        generation_delay: float = 0.0,
        require_key: bool = True,
        reply: str | None = None,
        slow_seconds: float = 0.02,
        stall_seconds: float = 10.0,
        keys: Collection[str] | None = None,
        management_key: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = Options(
            generation_delay=generation_delay,
            require_key=require_key,
            reply=reply,
            slow_seconds=slow_seconds,
            stall_seconds=stall_seconds,
            keys=frozenset(keys) if keys is not None else None,
            management_key=management_key,
            clock=clock,
        )
        self._failures: dict[str, list[Answer]] = {}
        self._ledger = Ledger()
        self._requests: list[RecordedRequest] = []
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None

    def start(self) -> Self:
        """Begin to answer, on a free port; return the server itself. A server that runs stays as it is."""
        if self._server is None:
            self._server = LoopbackServer(self._answer)
            self._server.start()
        return self

    def close(self) -> None:
        """Stop, and break every connection that is still open. What was recorded stays readable."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Return what a client takes as its base URL, such as `http://127.0.0.1:40123/api/v1`."""
        if self._server is None:
            raise RuntimeError(
                "FakeOpenRouter is not running: use it in a with statement, or call start() first"
            )
        return f"http://127.0.0.1:{self._server.server_port}/api/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Return every request so far, in the order of arrival; the list is a copy."""
        with self._lock:
            return list(self._requests)

    def fail(
        self, path: str, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer the next *times* requests to *path* (such as `/generation`) with *status* and *headers*.

        What was ordered before is answered before. Such a request reaches no model and costs nothing.
        """
        answer = plain_error(status, HTTPStatus(status).phrase if status in _STATUSES else "Error")
        answer = replace(answer, headers={**answer.headers, **(headers or {})})
        with self._lock:
            self._failures.setdefault("/api/v1" + path, []).extend([answer] * times)

    def reset(self) -> None:
        """Forget all requests, generations, counted attempts and ordered failures, as if newly started."""
        with self._lock:
            self._requests.clear()
            self._failures.clear()
        self._ledger.clear()

    def _answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Answer:
        path, _, query = target.partition("?")
        endpoint = ENDPOINTS.get((method, path))
        request = RecordedRequest(method, path, dict(parse_qsl(query)), headers, _parsed(raw), None)
        admitted = request.key is not None or not self._options.require_key
        if endpoint is not None and endpoint.skin is not None and admitted:
            request = replace(request, generation_id=new_generation_id(self._options.clock()))
        with self._lock:
            self._requests.append(request)
            ordered = self._failures.get(path)
            failure = ordered.pop(0) if ordered else None
        if endpoint is None:
            return plain_error(404, f"Not found: {method} {path}")
        if not admitted:
            return plain_error(401, "No auth credentials found", endpoint.skin)
        keys = self._options.keys
        if keys is not None and request.key not in keys | {self._options.management_key}:
            return plain_error(401, "User not found.", endpoint.skin)
        if failure is not None:
            return failure
        return endpoint.answer(request, self._ledger, self._options)


def _parsed(raw: bytes) -> Any:
    """Return JSON as values, anything else as the bytes it is, and None for nothing."""
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw
