"""What a call must not change: how long a response lives, whose exception comes, which object is given."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import json
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from driving import KINDS, entered, got, module_server, run, server
from samples import MESSAGES
from sinks import API_KEY, Sink

from or_audit_logging.capture import pending
from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.capture.transport import audit_transport
from or_audit_logging.capture.trouble import counts
from or_audit_logging.testing import FakeOpenRouter

__all__ = ["module_server", "server"]

openai = pytest.importorskip("openai")
HEADERS = {"Authorization": f"Bearer {API_KEY}"}
STREAMED = {"model": "fake/ok", "messages": MESSAGES, "stream": True}


_kept: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    gc.collect()
    yield
    while _kept:
        _kept.pop().close()


def kept(client: Any) -> Any:
    _kept.append(client)
    return client


def url(server: FakeOpenRouter) -> str:
    return f"{server.base_url}/chat/completions"


def sdk(server: FakeOpenRouter, kind: str = "sync", **options: Any) -> Any:
    make = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
    client = make(base_url=server.base_url, api_key=API_KEY, max_retries=0, **options)
    return kept(client) if kind == "sync" else client


def http_client(name: str) -> Any:
    """Return a client that is closed after the test."""
    module = pytest.importorskip(name)
    return kept(module.Session() if name == "requests" else module.Client(verify=False))


def posted(name: str, server: FakeOpenRouter, client: Any, **body: Any) -> Any:
    """Return a response with its body still to be read."""
    sent = {**STREAMED, **body}
    if name == "requests":
        return client.post(url(server), json=sent, headers=HEADERS, stream=True)
    return client.send(client.build_request("POST", url(server), json=sent, headers=HEADERS), stream=True)


# --- how long it lives


def of_requests(server: FakeOpenRouter) -> Callable[[], Any]:
    session = audit_transport(http_client("requests"))
    return lambda: posted("requests", server, session)


def of_httpx(server: FakeOpenRouter) -> Callable[[], Any]:
    client = audit_transport(http_client("httpx"))
    return lambda: posted("httpx", server, client)


def of_raw_responses(server: FakeOpenRouter) -> Callable[[], Any]:
    client = instrument(sdk(server))
    return lambda: client.chat.completions.with_raw_response.create(**STREAMED).parse().response


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the sockets that are dropped
@pytest.mark.parametrize("opener", [of_requests, of_httpx, of_raw_responses])
def test_a_response_that_is_dropped_is_collected(
    sink: Sink, server: FakeOpenRouter, opener: Callable[[FakeOpenRouter], Callable[[], Any]]
) -> None:
    """Nothing of ours keeps a half-read response, and its record is made when it goes."""
    opened = opener(server)
    dropped = [weakref.ref(opened()) for _ in range(5)]
    gc.collect()
    assert [response() for response in dropped] == [None] * 5
    assert [record.status for record in sink.records] == ["incomplete"] * 5
    assert not pending._pending


# --- whose exception


class Once:
    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("way", ["decorated", "instrumented"])
def test_a_coroutine_that_is_closed_in_another_context(sink: Sink, server: FakeOpenRouter, way: str) -> None:
    """Its GeneratorExit is not replaced by an error of a context variable."""

    @audited
    async def ask(messages: Any) -> None:
        await Once()

    async def send(*args: Any, **kwargs: Any) -> None:
        await Once()

    coroutine = ask(MESSAGES)
    if way == "instrumented":
        coroutine.close()
        client = sdk(server, "async")
        client.request = send
        coroutine = instrument(client).chat.completions.create(model="fake/ok", messages=MESSAGES)
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "GeneratorExit")


# --- which object


class Peekable:
    """An iterator of somebody's own, with more than an iterator has."""

    def __init__(self) -> None:
        self.items = [1, 2]

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self.items:
            raise StopIteration
        return self.items.pop(0)

    def __len__(self) -> int:
        return len(self.items)


@pytest.mark.parametrize("make", [Peekable, MagicMock])
def test_an_iterator_of_somebodys_own_is_handed_through(sink: Sink, make: Any) -> None:
    """The very object, as an answer that says nothing of the call."""
    made = make()

    @audited
    def ask(messages: Any) -> Any:
        return made

    assert ask(MESSAGES) is made
    assert (sink.only.status, sink.only.streamed) == ("success", None)
    assert counts() == {"no-facts": 1}


@pytest.mark.parametrize("instrumented", [False, True])
@pytest.mark.parametrize("scenario", ["ok", "e429"])
def test_a_function_that_returns_a_coroutine(
    sink: Sink, server: FakeOpenRouter, *, instrumented: bool, scenario: str
) -> None:
    """The call goes on until that is awaited: one record, the same result or exception."""

    async def main() -> Any:
        client = sdk(server, "async")
        if instrumented:
            instrument(client)

        @audited(user_id="u-1")
        def ask(messages: Any) -> Any:
            return client.chat.completions.create(model=f"fake/{scenario}", messages=messages)

        answer = ask(MESSAGES)
        assert asyncio.iscoroutine(answer)
        assert not sink.records
        async with client:
            return await answer

    if scenario == "ok":
        answer = run(main)
        assert (sink.only.status, sink.only.generation_id) == ("success", answer.id)
    else:
        with pytest.raises(openai.RateLimitError):
            run(main)
        assert (sink.only.status, sink.only.error_code) == ("error", 429)
    assert sink.only.user_id == "u-1"


@pytest.mark.parametrize("instrumented", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("way", "status"), [("read", "success"), ("leave", "incomplete"), ("never", "incomplete")]
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # the SDK's, where it is never entered
def test_a_function_that_returns_the_manager_of_a_streaming_response(
    sink: Sink, server: FakeOpenRouter, *, instrumented: bool, kind: str, way: str, status: str
) -> None:
    """The call goes on in the body of the response that entering it gives: one record."""

    async def main() -> None:
        client = sdk(server, kind)
        if instrumented:
            instrument(client)

        @audited(user_id="u-1")
        def ask(messages: Any) -> Any:
            return client.chat.completions.with_streaming_response.create(model="fake/ok", messages=messages)

        manager = ask(MESSAGES)
        assert not sink.records
        if way != "never":
            async with entered(manager) as response:
                if way == "read":
                    assert await got(response.read())
        del manager
        gc.collect()
        await got(client.close())

    run(main)
    assert (sink.only.status, sink.only.user_id) == (status, "u-1")
    assert (sink.only.total_cost is not None) == (way == "read")


# --- what is said of it


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["requests", "httpx"])
def test_a_complete_body_is_no_trouble(
    sink: Sink, server: FakeOpenRouter, caplog: pytest.LogCaptureFixture, *, name: str, streamed: bool
) -> None:
    """A body that told everything leaves no warning that the call said nothing."""
    client = audit_transport(http_client(name))
    with caplog.at_level(logging.WARNING, "or_audit_logging"):
        for _ in posted(name, server, client, stream=streamed).iter_lines():
            pass
    assert sink.only.status == "success"
    assert sink.only.total_cost
    assert "says nothing" not in caplog.text
    assert counts() == {}


@pytest.mark.parametrize("way", ["sdk", "generator", "requests", "httpx"])
def test_close_in_the_handler_of_something_else(sink: Sink, server: FakeOpenRouter, way: str) -> None:
    """Who closes a stream while another error is handled has left it, and not been cancelled."""
    if way == "sdk":
        stream = instrument(sdk(server)).chat.completions.create(**STREAMED)
    elif way == "generator":
        stream = audited(lambda messages: (piece for piece in "abc"))(MESSAGES)
    else:
        stream = (of_requests if way == "requests" else of_httpx)(server)()
    try:
        int("x")
    except ValueError:
        stream.close()
    assert (sink.only.status, sink.only.error_type) == ("incomplete", None)


# --- HTTP responses


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("name", ["requests", "httpx"])
def test_a_function_that_returns_an_unread_http_response(
    sink: Sink, server: FakeOpenRouter, *, name: str, inner: bool
) -> None:
    """The same response; the record is made when its body ends, also where an audited client sent it."""
    client = http_client(name)
    if inner:
        audit_transport(client)

    @audited(user_id="u-1")
    def ask(messages: Any) -> Any:
        return posted(name, server, client, messages=messages)

    response = ask(MESSAGES)
    assert type(response).__module__.startswith(name)
    assert not sink.records
    assert list(response.iter_lines())
    assert (sink.only.status, sink.only.user_id, sink.only.finish_reason) == ("success", "u-1", "stop")
    assert sink.only.total_cost


@pytest.mark.parametrize("amount", [None, 64])
@pytest.mark.parametrize("scenario", ["ok", "gzip"])
def test_the_raw_body_of_requests(
    sink: Sink, server: FakeOpenRouter, scenario: str, *, amount: int | None
) -> None:
    """`raw.read()` is read along like every other way to the body."""
    response = posted(
        "requests",
        server,
        audit_transport(http_client("requests")),
        model=f"fake/{scenario}",
        stream=False,
    )
    body = b""
    while data := response.raw.read(amount, decode_content=True):
        body += data
    response.close()
    assert sink.only.generation_id == json.loads(body)["id"]
    assert sink.only.status == "success"


# --- copies


@pytest.mark.parametrize("name", ["openai", "requests", "httpx"])
def test_a_copy_sends_for_itself(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """`copy.copy` of a client that is audited gives one that is not, and that bears its own key."""
    if name == "openai":
        client = copy.copy(instrument(sdk(server)))
        if "chat" in vars(client):
            pytest.skip("in this version of the openai SDK copies share `chat` from the beginning")
        client.api_key = "sk-or-v1-visibly-another"
        client.chat.completions.create(model="fake/ok", messages=MESSAGES)
        assert server.requests[-1].headers["authorization"].endswith("another")
    else:
        client = copy.copy(audit_transport(http_client(name)))
        assert client.send.__func__ is type(client).send
    assert not sink.records
