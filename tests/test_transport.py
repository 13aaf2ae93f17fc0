"""`audit_transport`: calls made with httpx, httpx2 and requests themselves."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from driving import each, entered, got, module_server, run, server
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink, failing

from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.capture.transport import audit_transport, release_transport
from or_audit_logging.capture.trouble import counts
from or_audit_logging.capture.wire import Wire
from or_audit_logging.digest import prompt_digest
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.testing import FakeOpenRouter

__all__ = ["module_server", "server"]

CLIENTS = ("httpx.Client", "httpx.AsyncClient", "httpx2.Client", "httpx2.AsyncClient", "requests.Session")
HEADERS = {"Authorization": f"Bearer {API_KEY}", "X-Secret": "hunter2-in-a-header"}


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Any]:
    module, _, cls = name.partition(".")
    make = getattr(pytest.importorskip(module), cls)
    if module != "requests":
        make = functools.partial(make, verify=False)
    async with entered(make()) as client:
        client.headers.update(HEADERS)
        yield client


def with_http(name: str, use: Callable[[Any], Any]) -> Any:
    """Return what *use* makes of an HTTP client."""

    async def main() -> Any:
        async with opened(name) as client:
            return await use(client)

    return run(main)


async def post(client: Any, server: FakeOpenRouter, model: str = "fake/ok", **body: Any) -> Any:
    url = f"{server.base_url}/chat/completions"
    patience = 0.1 if model.endswith("timeout") else 10.0
    response = await got(
        client.post(url, json={"model": model, "messages": MESSAGES, **body}, timeout=patience)
    )
    return response.status_code, response.content


async def lines(client: Any, server: FakeOpenRouter, model: str = "fake/ok", stop: int = 10_000) -> list[Any]:
    """Stream, and return at most *stop* lines that say something."""
    url = f"{server.base_url}/chat/completions"
    body = {"model": model, "messages": MESSAGES, "stream": True}
    found: list[Any] = []
    if type(client).__module__.startswith("requests"):
        with client.post(url, json=body, stream=True, timeout=2) as response:
            for line in response.iter_lines():
                found += [line] if line else []
                if len(found) >= stop:
                    break
        return found
    async with entered(client.stream("POST", url, json=body, timeout=2)) as response:
        async for line in each(
            response.aiter_lines() if "Async" in type(client).__name__ else response.iter_lines()
        ):
            found += [line] if line else []
            if len(found) >= stop:
                break
    return found


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        ("ok", "success", None),
        ("gzip", "success", None),
        ("byok", "success", None),
        ("e200body", "error", 502),
        ("choiceerr", "error", 502),
        ("notjson", "error", None),
        ("blank", "error", None),
        ("html502", "error", 502),
        ("e402", "error", 402),
        ("e403", "blocked", 403),
        ("e429", "error", 429),
        ("drop", "error", None),
        ("timeout", "timeout", None),
    ],
)
def test_every_ending_leaves_one_record(
    sink: Sink, server: FakeOpenRouter, name: str, scenario: str, *, status: str, code: int | None
) -> None:
    """What the caller gets, and what is sent, is as without us."""

    async def one(client: Any) -> Any:
        try:
            return await post(client, server, f"fake/{scenario}")
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            return type(error)

    async def use(client: Any) -> tuple[Any, Any]:
        bare = await one(client)
        return bare, await one(audit_transport(client))

    bare, audited_ = with_http(name, use)
    assert type(audited_) is type(bare)
    assert audited_ == bare if isinstance(bare, type) else audited_[0] == bare[0]
    assert not counts().get("internal")
    first, second = server.requests
    assert (first.body, first.path, first.headers) == (second.body, second.path, second.headers)
    record = sink.only
    assert (record.event_type, record.status, record.error_code) == ("chat_completion", status, code)
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    if scenario not in ("html502", "drop", "timeout"):
        assert record.generation_id == second.generation_id
        assert record.attempts == 1
    if status == "success":
        assert record.total_cost
        assert record.provider
    assert "f4ke" not in repr(record.to_dict())
    assert "hunter2" not in repr(record.to_dict())


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("scenario", "status", "cost"),
    [
        ("ok", "success", True),
        ("gzip", "success", True),
        ("tool", "success", True),
        ("midusage", "error", True),
        ("eof", "incomplete", False),
        ("reset", "error", False),
        ("e200body", "error", False),
    ],
)
def test_streams_are_read_along(
    sink: Sink, server: FakeOpenRouter, name: str, scenario: str, *, status: str, cost: bool
) -> None:
    """The receiver reads; we learn the same."""

    async def use(client: Any) -> None:
        bare: Any = None
        for hooked in (lambda c: c, audit_transport):
            try:
                read: Any = len(await lines(hooked(client), server, f"fake/{scenario}"))
            except Exception as error:  # noqa: BLE001
                read = type(error)
            bare = bare or read
        assert read == bare

    with_http(name, use)
    assert not counts().get("internal")
    record = sink.only
    assert (record.status, bool(record.total_cost)) == (status, cost)
    assert record.generation_id == server.requests[-1].generation_id
    if status == "success":
        assert record.streamed is True
        assert record.response_hash
        assert record.ttft_ms is not None


@pytest.mark.parametrize("name", CLIENTS)
def test_a_stream_that_is_left(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """Incomplete, with its id."""
    with_http(name, lambda client: lines(audit_transport(client), server, "fake/slow", stop=2))
    gc.collect()
    assert sink.only.status == "incomplete"
    assert sink.only.generation_id == server.requests[0].generation_id


@pytest.mark.parametrize("name", CLIENTS)
def test_other_requests_are_no_calls(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """Neither other methods nor other paths."""

    async def use(client: Any) -> None:
        audit_transport(client)
        await got(client.get(f"{server.base_url}/key"))
        await got(client.post(f"{server.base_url}/models", json={"model": "x"}))

    with_http(name, use)
    assert not sink.records


@pytest.mark.parametrize("name", CLIENTS)
def test_twice_and_back(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """The same object; the later options hold; and in the end it is as before."""

    async def use(client: Any) -> None:
        before = dict(vars(client))
        assert audit_transport(client) is client
        assert audit_transport(client, user_id="u-2") is client
        await post(client, server)
        assert release_transport(client) is client
        assert vars(client).keys() == before.keys()
        assert getattr(client, "event_hooks", {"response": []})["response"] == []
        await post(client, server)

    with_http(name, use)
    assert sink.only.user_id == "u-2"


@pytest.mark.parametrize("name", CLIENTS)
def test_a_decorated_function_around(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """One record, also where the function returns only the text."""

    async def use(client: Any) -> None:
        audit_transport(client)

        @audited
        async def ask(messages: Any, *, user_id: str) -> str:
            return str((await post(client, server))[1])

        await ask(MESSAGES, user_id="u-1")

    with_http(name, use)
    assert (sink.only.user_id, sink.only.model_requested) == ("u-1", "fake/ok")
    assert sink.only.total_cost


@pytest.mark.parametrize("name", CLIENTS)
def test_failing_closed(sink: Sink, server: FakeOpenRouter, name: str) -> None:
    """Nothing is sent where nothing can be written; and a paid answer is in the error."""
    sink.fail_closed()
    sink.probing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError):
        with_http(name, lambda client: post(audit_transport(client), server))
    assert not server.requests
    sink.probing, sink.writing = lambda: None, failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError) as caught:
        with_http(name, lambda client: post(audit_transport(client), server))
    answer: Any = caught.value.response
    assert answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
def test_with_an_sdk_on_top_it_is_still_one_record(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """The SDK's attempts are no calls of their own, whichever was hooked first."""
    openai = pytest.importorskip("openai")
    transport = "DefaultHttpxClient" if kind == "OpenAI" else "DefaultAsyncHttpxClient"

    async def main() -> None:
        for first in (instrument, audit_transport):
            http = getattr(openai, transport)(verify=False)
            settings = {"base_url": server.base_url, "api_key": API_KEY, "max_retries": 2}
            async with entered(getattr(openai, kind)(http_client=http, **settings)) as sdk:
                if first is audit_transport:
                    audit_transport(http)
                instrument(sdk)
                audit_transport(http)
                chat = sdk.chat.completions
                await got(chat.create(model=f"{first.__name__}/retry1", messages=MESSAGES))
                async for _ in each(await got(chat.create(model="fake/ok", messages=MESSAGES, stream=True))):
                    pass

    run(main)
    assert [(r.status, r.attempts) for r in sink.records] == [("success", 2), ("success", 1)] * 2


def test_concurrent_calls_do_not_mix(sink: Sink, server: FakeOpenRouter) -> None:
    """Twenty at once through one client."""
    name = next((n for n in ("httpx2", "httpx") if importlib.util.find_spec(n)), "httpx2")

    async def use(client: Any) -> None:
        audit_transport(client)
        await asyncio.gather(*(post(client, server, "fake/echo", user=f"u-{n}") for n in range(20)))

    with_http(f"{name}.AsyncClient", use)
    assert {r.user_id for r in sink.records} == {f"u-{n}" for n in range(20)}
    assert len({r.generation_id for r in sink.records}) == 20
    assert {r.attempts for r in sink.records} == {1}


@pytest.mark.parametrize("client", [None, "httpx", SimpleNamespace(send=print)])
def test_an_unknown_client_is_refused(client: Any) -> None:
    """With a message that says what is supported."""
    with pytest.raises(ConfigError, match=r"httpx or httpx2.*requests\.Session"):
        audit_transport(client)


EVENTS = b"".join(
    b"data: " + event + b"\r\n\r\n"
    for event in (
        b'{"id":"gen-1","provider":"P","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":null}]}',
        b'{"id":"gen-1","choices":[{"delta":{"content":"b"},"finish_reason":null}]}',
        b'{"id":"gen-1","choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":3,"cost":0.1}}',
        b"[DONE]",
    )
)


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("everything", [True, False])
def test_bytes_cut_anywhere_say_the_same(size: int, encoding: str, everything: bool) -> None:
    """Whatever the pieces, and compressed as well."""
    wbits = {"gzip": 31, "deflate": 15}.get(encoding)
    data = EVENTS if wbits is None else zlib.compress(EVENTS, wbits=wbits)
    wire = Wire({"content-type": "text/event-stream; charset=utf-8", "content-encoding": encoding})
    if everything:
        wire.read_all(keep_text=True)
    for at in range(0, len(data), size):
        wire.feed(data[at : at + size])
    wire.end()
    facts = wire.facts(ended=True)
    assert (facts.status, facts.generation_id, facts.provider) == ("success", "gen-1", "P")
    assert (facts.total_tokens, str(facts.total_cost)) == (3, "0.1")
    assert (facts.choice_digests is not None) is everything
    assert facts.choices == ((("ab", None),) if everything else None)


def test_what_is_too_long_or_unreadable_is_passed_over() -> None:
    """Memory stays flat, and the rest counts."""
    wire = Wire({"content-type": "text/event-stream"})
    for _ in range(40):
        wire.feed(b"data: " + b"x" * 100_000)
    wire.feed(b"\n\xff\xfe\n" + EVENTS)
    assert wire.facts().total_tokens == 3
    wire = Wire({"content-type": "application/json"})
    for _ in range(40):
        wire.feed(b" " * 1_000_000)
    wire.end()
    assert wire.facts(ended=True).status == "incomplete"
    wire = Wire({"content-type": "text/event-stream", "content-encoding": "compress"})
    wire.feed(b"?")
    assert wire.facts().status == "incomplete"
