"""`instrument` on the real openrouter SDK: `chat.send` and its kin, streams, sync and async."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from driving import KINDS, asked, each, entered, module_server, run, same_requests, server
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink, failing

from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.instrument import instrument, uninstrument
from or_audit_logging.digest import prompt_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.testing import FakeOpenRouter

openrouter = pytest.importorskip("openrouter")
httpx = pytest.importorskip("httpx")

__all__ = ["module_server", "server"]


@asynccontextmanager
async def opened(kind: str, server: FakeOpenRouter, **options: Any) -> AsyncIterator[Any]:
    """Yield a bare SDK object; its clients skip loading the certificates, which takes long."""
    with httpx.Client(verify=False) as client:
        async with httpx.AsyncClient(verify=False) as async_client:
            yield openrouter.OpenRouter(
                **{
                    "api_key": API_KEY,
                    "server_url": server.base_url,
                    "client": client,
                    "async_client": async_client,
                    "retry_config": None,
                    "timeout_ms": 10_000,
                }
                | options
            )


def with_sdk(kind: str, server: FakeOpenRouter, use: Callable[[Any], Any], **options: Any) -> Any:
    """Return what *use* makes of an SDK object."""

    async def main() -> Any:
        async with opened(kind, server, **options) as sdk:
            return await use(sdk)

    return run(main)


async def send(sdk: Any, kind: str, model: str = "fake/ok", **kwargs: Any) -> Any:
    if kind == "sync":
        return sdk.chat.send(model=model, messages=MESSAGES, **kwargs)
    return await sdk.chat.send_async(model=model, messages=MESSAGES, **kwargs)


async def stream(sdk: Any, kind: str, model: str = "fake/ok", **kwargs: Any) -> Any:
    async with entered(await send(sdk, kind, model, stream=True, **kwargs)) as events:
        return [event async for event in each(events)]


def plain(value: Any) -> Any:
    """Return what a result is made of, without what differs from call to call."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, BaseException):
        return type(value), vars(value).keys()
    return type(value), value.model_dump(mode="json", exclude={"id", "created"})


async def outcome(use: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return plain(await use(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises
        return plain(error)


ENDINGS = [
    ("ok", "success"),
    ("byok", "success"),
    ("free", "success"),
    ("nousage", "success"),
    ("choiceerr", "error"),
    ("nullchoices", "error"),
    ("e200body", "error"),
    ("notjson", "error"),
    ("blank", "error"),
    ("html502", "error"),
    ("drop", "error"),
    ("timeout", "timeout"),
    ("e400nocode", "error"),
    ("e403", "blocked"),
    ("e429", "error"),
    ("e500", "error"),
    ("midusage", None),
    ("midstr", None),
]


def in_pairs() -> Iterator[Any]:
    """Yield each ending with both surfaces and both kinds, but not all of these together, or slowly."""
    for number, (scenario, status) in enumerate(ENDINGS):
        for surface, kind in itertools.product((send, stream), KINDS):
            is_slow = (number + (surface is stream) + KINDS.index(kind)) % 2
            yield pytest.param(
                scenario,
                status,
                surface,
                kind,
                id=f"{scenario}-{surface.__name__}-{kind}",
                marks=[pytest.mark.slow] * is_slow,
            )


@pytest.mark.parametrize(("scenario", "status", "surface", "kind"), list(in_pairs()))
def test_every_ending_reaches_the_caller_as_without_us(
    sink: Sink,
    server: FakeOpenRouter,
    surface: Callable[..., Any],
    scenario: str,
    *,
    status: str | None,
    kind: str,
) -> None:
    """The same result and request, and one record that knows what the SDK's object drops."""

    async def use(sdk: Any) -> tuple[Any, Any]:
        timeout = 100 if scenario == "timeout" else 10_000
        bare = await outcome(surface, sdk, kind, f"fake/{scenario}", timeout_ms=timeout)
        instrument(sdk)
        return bare, await outcome(surface, sdk, kind, f"fake/{scenario}", timeout_ms=timeout)

    bare, audited_ = with_sdk(kind, server, use)
    assert audited_ == bare
    second = same_requests(server)
    record = sink.only
    status = status or ("error" if surface is stream else "success")
    assert (record.event_type, record.status) == ("chat_completion", status)
    assert record.model_requested == f"fake/{scenario}"
    assert record.prompt_hash == prompt_digest(second.body["messages"], KEY)
    assert record.attempts == 1
    if scenario not in ("html502", "drop", "timeout"):
        assert record.generation_id == second.generation_id
    if status == "success":
        assert record.provider
        assert record.native_finish_reason
        assert (record.total_cost is None) is (scenario == "nousage")
    if status == "error":
        assert record.error_type
    if scenario == "midusage":
        assert record.total_cost
    assert API_KEY not in repr(record.to_dict())


def test_a_choice_error_that_the_sdk_drops(sink: Sink, server: FakeOpenRouter) -> None:
    """The object says finish_reason error and no more; the record knows which."""
    with_sdk("sync", server, lambda sdk: send(instrument(sdk), "sync", "fake/choiceerr"))
    assert (sink.only.error_type, sink.only.error_code) == ("provider_unavailable", 502)


@pytest.mark.parametrize("kind", KINDS)
def test_who_asks(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """User, session and metadata come from the body; values that are not given are no values."""

    async def use(sdk: Any) -> None:
        instrument(sdk, user_id="default")
        await send(sdk, kind, user="u-1", session_id="s-1", metadata={"case": "7"})
        await send(sdk, kind, http_headers={"X-Secret": "hunter2-in-a-header"})

    with_sdk(kind, server, use)
    first, second = sink.records
    assert (first.user_id, first.session_id, first.metadata) == ("u-1", "s-1", {"case": "7"})
    assert (second.user_id, second.session_id, second.metadata) == ("default", None, None)
    assert "hunter2" not in repr([r.to_dict() for r in sink.records])


@pytest.mark.parametrize("kind", KINDS)
def test_retries_are_one_record(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """Two failed attempts and a good one."""
    from openrouter.utils import BackoffStrategy, RetryConfig

    retries = RetryConfig("backoff", BackoffStrategy(1, 5, 1.0, 5000), True)
    with_sdk(kind, server, lambda sdk: send(instrument(sdk), kind, "fake/retry2"), retry_config=retries)
    ids = tuple(request.generation_id for request in server.requests)
    record = sink.only
    assert (record.status, record.attempts, record.generation_ids) == ("success", 3, ids)


def test_twice_and_back(sink: Sink, server: FakeOpenRouter) -> None:
    """The same object, once, and as before; parts that were loaded before and later."""

    async def use(sdk: Any) -> None:
        chat = sdk.chat
        before, of_chat = dict(vars(sdk)), dict(vars(chat))
        assert instrument(sdk) is instrument(sdk) is sdk
        assert type(sdk.embeddings).__name__ == "Embeddings"
        assert sdk.chat is chat
        await send(sdk, "sync")
        assert uninstrument(sdk) is sdk
        assert vars(chat) == of_chat
        assert vars(sdk.embeddings).keys() == {"sdk_configuration", "parent_ref"}
        del sdk.__dict__["embeddings"]
        assert vars(sdk) == before
        client = sdk.sdk_configuration.client
        assert client.event_hooks == {"request": [], "response": []}
        await send(sdk, "sync")

    with_sdk("sync", server, use)
    assert len(sink.records) == 1


def test_without_transport(sink: Sink, server: FakeOpenRouter) -> None:
    """No hooks on the HTTP client; what the body said is still known."""

    async def use(sdk: Any) -> None:
        instrument(sdk, transport=False)
        await send(sdk, "sync")
        await stream(sdk, "sync")

    with_sdk("sync", server, use)
    assert [(r.status, r.attempts) for r in sink.records] == [("success", None)] * 2
    assert sink.records[0].provider


@pytest.mark.parametrize("kind", KINDS)
def test_router_metadata_adds_one_header(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """And nothing else."""

    async def use(sdk: Any) -> None:
        await send(sdk, kind)
        await send(instrument(sdk, router_metadata=True), kind)

    with_sdk(kind, server, use)
    bare, asking = (request.headers for request in server.requests)
    assert asking == bare | {"x-openrouter-metadata": "enabled"}


def test_arguments_that_the_sdk_refuses_are_no_call(sink: Sink, server: FakeOpenRouter) -> None:
    """Nothing was sent."""
    with pytest.raises(Exception, match="valid"):
        with_sdk("sync", server, lambda sdk: send(instrument(sdk), "sync", temperature="hot"))
    assert not sink.records
    assert not server.requests


@pytest.mark.parametrize("kind", KINDS)
def test_failing_closed(sink: Sink, server: FakeOpenRouter, kind: str) -> None:
    """Nothing is sent where nothing can be written; and a paid answer is in the error."""
    sink.fail_closed()
    sink.probing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError):
        with_sdk(kind, server, lambda sdk: send(instrument(sdk), kind))
    assert not server.requests
    sink.probing, sink.writing = lambda: None, failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError) as caught:
        with_sdk(kind, server, lambda sdk: send(instrument(sdk), kind))
    answer: Any = caught.value.response
    assert answer.choices[0].message.content


def test_a_decorated_function_around_makes_one_record(sink: Sink, server: FakeOpenRouter) -> None:
    """It returns only the text."""

    async def use(sdk: Any) -> None:
        instrument(sdk)

        @audited
        def ask(messages: Any, *, user_id: str) -> str:
            return str(sdk.chat.send(model="fake/ok", messages=messages).choices[0].message.content)

        assert ask(MESSAGES, user_id="u-1")

    with_sdk("sync", server, use)
    assert (sink.only.user_id, sink.only.model_requested) == ("u-1", "fake/ok")
    assert sink.only.total_cost


def test_concurrent_calls_do_not_mix(sink: Sink, server: FakeOpenRouter) -> None:
    """Twenty at once, each with its own id."""

    async def use(sdk: Any) -> list[Any]:
        instrument(sdk)

        async def one(n: int) -> Any:
            answer = await sdk.chat.send_async(
                model="fake/echo", messages=[{"role": "user", "content": f"q {n}"}], user=f"u-{n}"
            )
            return f"u-{n}", answer.id

        return await asyncio.gather(*(one(n) for n in range(20)))

    expected = with_sdk("async", server, use)
    assert sorted((r.user_id, r.generation_id) for r in sink.records) == sorted(expected)


def test_a_cancelled_task(sink: Sink, server: FakeOpenRouter) -> None:
    """It passes and is recorded."""

    async def use(sdk: Any) -> None:
        task = asyncio.create_task(send(instrument(sdk), "async", "fake/timeout"))
        await asked(server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with_sdk("async", server, use)
    assert (sink.only.status, sink.only.attempts) == ("cancelled", 1)


@pytest.mark.parametrize("used", [False, True])
def test_a_shallow_copy_is_bare(sink: Sink, server: FakeOpenRouter, *, used: bool) -> None:
    """Only what it shares with the original is recorded: the parts that the SDK had loaded by then."""

    async def use(sdk: Any) -> None:
        instrument(sdk)
        if used:
            await send(sdk, "sync")
        await send(copy.copy(sdk), "sync")

    with_sdk("sync", server, use)
    assert len(sink.records) == (2 if used else 0)


@pytest.mark.parametrize("used", [False, True])
def test_a_shallow_copy_that_is_instrumented_too(sink: Sink, server: FakeOpenRouter, *, used: bool) -> None:
    """One record for each call, also of parts that the two share."""

    async def use(sdk: Any) -> None:
        instrument(sdk)
        if used:
            await send(sdk, "sync")
        await send(instrument(copy.copy(sdk)), "sync")
        await send(sdk, "sync")

    with_sdk("sync", server, use)
    assert len(sink.records) == (3 if used else 2)
