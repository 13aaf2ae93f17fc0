"""Streams of the real openai SDK against FakeOpenRouter: one true record, however they end."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, TypeVar

import pytest
from driving import KINDS, completions_of, each, entered, following, got, module_server, server
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink, attached

from or_audit_logging.capture import trouble
from or_audit_logging.capture.decorator import audited
from or_audit_logging.capture.streams import follow
from or_audit_logging.digest import choice_digest, response_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")

__all__ = ["module_server", "server"]

T = TypeVar("T")


@pytest.fixture
def sink(watched_sink: Sink) -> Sink:
    return watched_sink


class Asker:
    """One audited function around a client of either kind, driven alike."""

    def __init__(self, kind: str, server: FakeOpenRouter) -> None:
        make = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
        self.client = make(
            base_url=server.base_url,
            api_key=API_KEY,
            max_retries=0,
            timeout=30,
        )
        self.type = openai.Stream if kind == "sync" else openai.AsyncStream
        if kind == "sync":

            @audited
            def ask(messages: Any, model: str, **kwargs: Any) -> Any:
                return self.client.chat.completions.create(
                    model=model, messages=messages, stream=True, **kwargs
                )

        else:

            @audited
            async def ask(messages: Any, model: str, **kwargs: Any) -> Any:
                return await self.client.chat.completions.create(
                    model=model, messages=messages, stream=True, **kwargs
                )

        self._ask = ask

    async def stream(self, scenario: str = "ok", **kwargs: Any) -> Any:
        return await got(self._ask(MESSAGES, f"fake/{scenario}", **kwargs))

    async def whole(self, scenario: str, **kwargs: Any) -> Any:
        return await got(
            self.client.chat.completions.create(model=f"fake/{scenario}", messages=MESSAGES, **kwargs)
        )


def drive(kind: str, server: FakeOpenRouter, main: Callable[[Asker], Awaitable[T]]) -> T:
    """Return what *main* returns, in an event loop of its own, its client closed behind it."""

    async def run() -> T:
        asker = Asker(kind, server)
        try:
            return await main(asker)
        finally:
            gc.collect()  # so that what was dropped is collected while the loop runs
            await asyncio.sleep(0)
            await got(asker.client.close())

    return asyncio.run(run())


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest, server: FakeOpenRouter) -> Any:
    """Runs `main(asker)` for each kind of client."""
    return functools.partial(drive, request.param, server)


# --- what it says


def test_a_whole_stream(run: Any, sink: Sink) -> None:
    """The same object and type as without us; all facts, and the hash of the text it brought."""

    async def main(asker: Asker) -> tuple[str, Any]:
        stream = await asker.stream("ok", user="u-42")
        assert type(stream) is asker.type
        assert stream.response.headers["x-generation-id"]
        seen = [chunk async for chunk in each(stream)]
        return "".join(chunk.choices[0].delta.content or "" for chunk in seen), seen[-1]

    text, last = run(main)
    record = sink.only
    assert (record.status, record.streamed, record.finish_reason) == ("success", True, "stop")
    assert (record.generation_id, record.model_used, record.provider) == (last.id, last.model, last.provider)
    assert record.total_tokens == last.usage.total_tokens
    assert float(record.total_cost or 0) == last.usage.cost
    assert (record.native_finish_reason, record.service_tier) == ("completed", "default")
    assert record.user_id == "u-42"
    assert record.response_hash == response_digest([choice_digest(text) or b""], KEY)
    assert record.ttft_ms is not None
    assert record.latency_ms is not None
    assert record.ttft_ms <= record.latency_ms


@pytest.mark.parametrize(
    ("scenario", "options"),
    [
        ("ok", {"n": 3}),
        ("json", {}),
        ("reasoning", {}),
        ("length", {}),
        ("filter", {}),
        ("gzip", {}),
        ("free", {}),
        ("byok", {}),
        ("hit", {}),
        ("usageempty", {}),
    ],
)
def test_the_same_answer_in_one_piece(run: Any, sink: Sink, scenario: str, options: dict[str, Any]) -> None:
    """Hash, tokens, cost and finish reason are those of the answer that is not streamed."""

    async def main(asker: Asker) -> None:
        async for _ in each(await asker.stream(scenario, **options)):
            pass
        whole = audited(lambda messages, model: answer)
        answer = await asker.whole(scenario, **options)
        whole(MESSAGES, f"fake/{scenario}")

    run(main)
    streamed, whole = sink.records
    assert streamed.status == whole.status == "success"
    for name in ("response_hash", "total_cost", "total_tokens", "is_byok", "finish_reason", "cached_tokens"):
        assert getattr(streamed, name) == getattr(whole, name), name


def test_streamed_tool_calls(run: Any, sink: Sink) -> None:
    """Fragments are put together: the names, and the hash that the calls have in one piece."""
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("a", "b")]

    async def main(asker: Asker) -> list[Any]:
        return [chunk async for chunk in each(await asker.stream("tool", tools=tools))]

    calls: dict[int, dict[str, Any]] = {}
    for chunk in run(main):
        for part in chunk.choices[0].delta.tool_calls or ():
            call = calls.setdefault(part.index, {"index": part.index, "function": {"arguments": ""}})
            call.update({name: getattr(part, name) for name in ("id", "type") if getattr(part, name)})
            call["function"]["name"] = part.function.name or call["function"]["name"]
            call["function"]["arguments"] += part.function.arguments or ""
    assert sink.only.tool_names == ("a", "b")
    assert sink.only.finish_reason == "tool_calls"
    assert sink.only.response_hash == response_digest([choice_digest("", list(calls.values())) or b""], KEY)


@pytest.mark.parametrize(
    ("scenario", "status", "error_type", "error_code"),
    [
        ("nousage", "success", None, None),
        ("eof", "incomplete", None, None),
        ("blank", "incomplete", None, None),
        ("nullchoices", "error", "unmapped", None),
        ("choiceerr", "error", "provider_unavailable", 502),
        ("midstream", "error", "provider_unavailable", 502),
        ("midstr", "error", "APIError", "server_error"),
        ("midusage", "error", "APIError", 400),
        ("midempty", "error", "provider_unavailable", 502),
        ("reset", "error", None, None),
        ("e429", "error", "rate_limit_exceeded", 429),
    ],
)
def test_every_way_a_provider_ends_a_stream(
    run: Any,
    sink: Sink,
    scenario: str,
    *,
    status: str,
    error_type: str | None,
    error_code: int | str | None,
) -> None:
    """The record says what the SDK may hide, and the caller gets the SDK's own exception, unchanged."""

    async def consume(make: Any) -> tuple[list[Any], BaseException | None]:
        seen: list[Any] = []
        try:
            async for chunk in each(await make()):
                seen.append(chunk)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises
            return seen, error
        return seen, None

    async def main(asker: Asker) -> None:
        seen, error = await consume(lambda: asker.stream(scenario))
        bare_seen, bare_error = await consume(lambda: asker.whole(scenario, stream=True))
        assert type(error) is type(bare_error)
        assert str(error) == str(bare_error)
        assert len(seen) == len(bare_seen)
        if error is not None:
            assert not hasattr(error, "__notes__")

    run(main)
    record = sink.only
    assert (record.status, record.error_code) == (status, error_code)
    assert scenario == "reset" or record.error_type == error_type
    assert record.generation_id
    assert (record.total_cost is None) == (scenario not in ("nullchoices", "choiceerr"))


def test_a_timeout_in_the_middle(run: Any, sink: Sink) -> None:
    """The SDK gives up waiting for the next chunk."""

    async def main(asker: Asker) -> None:
        stream = await asker.stream("stall", timeout=0.5)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - APITimeoutError or the HTTP client's own
            async for _ in each(stream):
                pass
        assert "imeout" in type(caught.value).__name__

    run(main)
    assert sink.only.status == "timeout"
    assert sink.only.response_hash


# --- how its consumer leaves it


class GaveUpError(Exception):
    """The consumer's own."""


async def breaks_and_drops(asker: Asker) -> None:
    async for _ in each(await asker.stream()):
        break


async def closes(asker: Asker) -> None:
    stream = await asker.stream()
    await following(stream)
    await got(stream.close())


async def closes_twice(asker: Asker) -> None:
    await closes(asker)
    stream = await asker.stream("free")
    await got(stream.close())
    await got(stream.close())


async def leaves_the_block(asker: Asker) -> None:
    async with entered(await asker.stream()) as stream:
        await following(stream)


async def never_iterates(asker: Asker) -> None:
    await asker.stream()


async def keeps_a_bound_close(asker: Asker) -> None:
    close = (await asker.stream()).close
    gc.collect()
    await got(close())


async def breaks_and_closes(asker: Asker) -> None:
    stream = await asker.stream()
    try:
        async for _ in each(stream):
            break
    finally:
        await got(stream.close())


async def leaves_by_exception(asker: Asker) -> None:
    with suppress(GaveUpError):
        async with entered(await asker.stream()) as stream:
            await following(stream)
            raise GaveUpError


async def leaves_by_interrupt(asker: Asker) -> None:
    try:
        async with entered(await asker.stream()) as stream:
            await following(stream)
            raise SystemExit
    except SystemExit:
        pass


async def closes_in_finally(asker: Asker) -> None:
    stream = await asker.stream()
    with suppress(GaveUpError):
        try:
            async for _ in each(stream):
                raise GaveUpError
        finally:
            await got(stream.close())


async def breaks_inside_a_handler(asker: Asker) -> None:
    try:
        raise GaveUpError
    except GaveUpError:
        async with entered(await asker.stream()) as stream:
            await following(stream)


async def leaves_when_all_is_said(asker: Asker) -> None:
    async with entered(await asker.stream()) as stream:
        async for chunk in each(stream):
            if chunk.usage:
                break


async def exhausts_and_closes(asker: Asker) -> None:
    stream = await asker.stream()
    async with entered(stream):
        async for _ in each(stream):
            pass
    await got(stream.close())
    assert await following(stream) is None


async def peeks_and_goes_on(asker: Asker) -> None:
    stream = await asker.stream()
    async for _ in each(stream):
        break
    async for _ in each(stream):
        pass


async def fails_after_the_end(asker: Asker) -> None:
    with suppress(GaveUpError):
        async with entered(await asker.stream()) as stream:
            async for _ in each(stream):
                pass
            raise GaveUpError


@pytest.mark.parametrize(
    ("consumer", "status", "error_type"),
    [
        (breaks_and_drops, "incomplete", None),
        (closes, "incomplete", None),
        (closes_twice, "incomplete", None),
        (leaves_the_block, "incomplete", None),
        (never_iterates, "incomplete", None),
        (keeps_a_bound_close, "incomplete", None),
        (breaks_and_closes, "incomplete", None),
        (leaves_by_exception, "cancelled", "GaveUpError"),
        (leaves_by_interrupt, "cancelled", "SystemExit"),
        (closes_in_finally, "incomplete", None),
        (breaks_inside_a_handler, "incomplete", None),
        (leaves_when_all_is_said, "success", None),
        (exhausts_and_closes, "success", None),
        (peeks_and_goes_on, "success", None),
        (fails_after_the_end, "success", None),
    ],
)
def test_every_way_a_consumer_leaves_a_stream(
    run: Any, sink: Sink, consumer: Any, *, status: str, error_type: str | None
) -> None:
    """One record each, whatever is done to the stream afterwards; the id is known from the headers on."""
    run(consumer)
    gc.collect()
    assert len(sink.records) == (2 if consumer is closes_twice else 1)
    for record in sink.records:
        assert (record.status, record.error_type, record.streamed) == (status, error_type, True)
        assert record.generation_id
        assert record.provider


def test_contextlib_closing(server: FakeOpenRouter, sink: Sink) -> None:
    """An exception that leaves the block of another context manager is seen as well."""

    async def main(asker: Asker) -> None:
        with suppress(GaveUpError), closing(await asker.stream()) as stream:
            next(stream)
            raise GaveUpError

    drive("sync", server, main)
    assert sink.only.status == "cancelled"


def test_an_interrupt_while_waiting(server: FakeOpenRouter, sink: Sink) -> None:
    """KeyboardInterrupt comes out of the socket, where a program spends its time."""

    def interrupted() -> Any:
        raise KeyboardInterrupt
        yield

    async def main(asker: Asker) -> None:
        stream = await asker.stream()
        next(stream)
        stream._iterator._advance = interrupted().__next__
        with pytest.raises(KeyboardInterrupt):
            next(stream)

    drive("sync", server, main)
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "KeyboardInterrupt")


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_a_task_that_is_cancelled_while_it_waits(server: FakeOpenRouter, sink: Sink, way: str) -> None:
    """task.cancel() and asyncio.timeout reach the stream as CancelledError."""

    async def main(asker: Asker) -> None:
        stream = await asker.stream("stall")

        async def consume() -> None:
            async for _ in stream:
                pass

        if way == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await consume()
            return
        task = asyncio.create_task(consume())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    drive("async", server, main)
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "CancelledError")


def test_twenty_streams_at_once(server: FakeOpenRouter, sink: Sink) -> None:
    """Each with its own text and id."""

    async def main(asker: Asker) -> set[tuple[str, str | None]]:
        async def one(n: int) -> tuple[str, str | None]:
            messages: Any = [{"role": "user", "content": f"words number {n} of a reply"}]
            text, name = "", ""
            async for chunk in await asker._ask(messages, "fake/echo"):
                text, name = text + (chunk.choices[0].delta.content or ""), chunk.id
            return name, response_digest([choice_digest(text) or b""], KEY)

        return set(await asyncio.gather(*(one(n) for n in range(20))))

    expected = drive("async", server, main)
    assert {(record.generation_id, record.response_hash) for record in sink.records} == expected
    assert {record.status for record in sink.records} == {"success"}


# --- the helpers of the SDK


def test_the_event_stream_of_a_stream_manager(run: Any, sink: Sink) -> None:
    """`client.chat.completions.stream()` gives events that hold chunks; its final completion still works."""
    answer: list[Any] = []

    async def main(asker: Asker) -> None:
        manager = completions_of(asker.client).stream(model="fake/ok", messages=MESSAGES)
        async with entered(manager) as events:
            handed = audited(lambda messages: events)(MESSAGES)
            assert handed is events
            async for _ in each(handed):
                pass
            answer.append(await got(handed.get_final_completion()))

    run(main)
    text = answer[0].choices[0].message.content
    assert (sink.only.status, sink.only.finish_reason) == ("success", "stop")
    assert sink.only.response_hash == response_digest([choice_digest(text) or b""], KEY)
    assert sink.only.generation_id == answer[0].id


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # the SDK's, where it is never entered
@pytest.mark.parametrize("instrumented", [False, True])
@pytest.mark.parametrize(
    ("way", "status"),
    [("end", "success"), ("break", "incomplete"), ("raise", "cancelled"), ("never", "incomplete")],
)
def test_a_function_that_returns_a_stream_manager(
    run: Any, sink: Sink, instrumented: bool, *, way: str, status: str
) -> None:
    """The request is sent when it is entered; the record is the function's."""
    instrument = pytest.importorskip("or_audit_logging.capture.instrument").instrument

    async def main(asker: Asker) -> None:
        if instrumented:
            instrument(asker.client)

        @audited(user_id="u-1")
        def ask(messages: Any, model: str) -> Any:
            return completions_of(asker.client).stream(model=model, messages=messages)

        manager = ask(MESSAGES, "fake/ok")
        assert not sink.records
        if way == "never":
            return
        with suppress(GaveUpError):
            async with entered(manager) as events:
                async for _ in each(events):
                    if way == "break":
                        break
                    if way == "raise":
                        raise GaveUpError
                if way == "end":
                    assert await got(events.get_final_completion())

    run(main)
    gc.collect()
    assert (sink.only.status, sink.only.user_id) == (status, "u-1")
    assert sink.only.generation_id or way == "never"


def test_an_instrumented_client_inside(run: Any, sink: Sink) -> None:
    """The inner call follows the stream, the outer one is finished with it: one record, the outer one's."""
    instrument = pytest.importorskip("or_audit_logging.capture.instrument").instrument

    async def main(asker: Asker) -> None:
        instrument(asker.client)
        stream = await asker.stream("ok", user="u-42")
        await following(stream)
        assert not sink.records
        async for _ in each(stream):
            pass
        await got((await asker.stream("free")).close())
        await breaks_and_drops(asker)

    run(main)
    gc.collect()
    assert [record.status for record in sink.records] == ["success", "incomplete", "incomplete"]
    assert sink.records[0].user_id == "u-42"
    assert all(record.generation_id for record in sink.records)


def test_a_function_that_hides_the_stream(server: FakeOpenRouter, sink: Sink) -> None:
    """What it returns says nothing: its call goes on as long as the stream that was opened inside it."""
    instrument = pytest.importorskip("or_audit_logging.capture.instrument").instrument

    async def main(asker: Asker) -> None:
        instrument(asker.client)

        @audited(user_id="u-1")
        def ask(messages: Any) -> dict[str, Any]:
            stream = asker.client.chat.completions.create(model="fake/ok", messages=messages, stream=True)
            return {"later": stream}

        found = ask(MESSAGES)
        assert not sink.records
        list(found["later"])

    drive("sync", server, main)
    assert (sink.only.status, sink.only.user_id, sink.only.finish_reason) == ("success", "u-1", "stop")
    assert sink.only.ttft_ms is not None
    assert trouble.counts() == {}


def test_a_function_that_fails_after_it_opened_a_stream(server: FakeOpenRouter, sink: Sink) -> None:
    """Its exception ends the call; what the open stream had said by then is in the record."""
    instrument = pytest.importorskip("or_audit_logging.capture.instrument").instrument

    async def main(asker: Asker) -> None:
        instrument(asker.client)
        kept: list[Any] = []

        @audited
        def ask(messages: Any) -> None:
            kept.append(asker.client.chat.completions.create(model="fake/ok", messages=messages, stream=True))
            raise GaveUpError

        with pytest.raises(GaveUpError):
            ask(MESSAGES)
        assert (sink.only.status, sink.only.error_type) == ("error", "GaveUpError")
        assert sink.only.generation_id == kept[0].response.headers["x-generation-id"]
        assert list(kept[0])

    drive("sync", server, main)
    assert sink.only


# --- the openrouter SDK


@asynccontextmanager
async def entered_as(kind: str, client: Any) -> AsyncIterator[Any]:
    if kind == "async":
        async with client:
            yield client
            gc.collect()
            await asyncio.sleep(0)
    else:
        with client:
            yield client


@pytest.mark.parametrize(
    ("scenario", "status", "error_code"),
    [
        ("ok", "success", None),
        ("eof", "incomplete", None),
        ("midstream", "error", 502),
        ("break", "incomplete", None),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_openrouter_sdk(
    server: FakeOpenRouter, sink: Sink, kind: str, *, scenario: str, status: str, error_code: int | None
) -> None:
    """Its EventStream stays itself; errors that it does not raise are seen; the headers say what it drops."""
    sdk = pytest.importorskip("openrouter")

    async def main() -> None:
        async with entered_as(kind, sdk.OpenRouter(api_key=API_KEY, server_url=server.base_url)) as client:
            send = client.chat.send if kind == "sync" else client.chat.send_async

            @audited
            def ask(messages: Any, model: str) -> Any:
                return followable

            followable = await got(send(model=f"fake/{scenario}", messages=MESSAGES, stream=True))
            stream = ask(MESSAGES, f"fake/{scenario}")
            assert stream is followable
            with suppress(Exception):
                async with entered(stream):
                    async for _ in each(stream):
                        if scenario == "break":
                            break

    asyncio.run(main())
    record = sink.only
    assert (record.status, record.error_code, record.streamed) == (status, error_code, True)
    assert record.generation_id
    assert record.provider
    assert record.response_hash
    assert (record.total_cost is not None) == (scenario == "ok")


def test_a_record_that_must_be_written(run: Any) -> None:
    """Failing closed: the loss reaches the consumer where the stream ends."""

    def full() -> None:
        raise AuditWriteError("the disk is full")

    sink = attached(Sink("raise"))

    async def main(asker: Asker) -> None:
        stream = await asker.stream()
        sink.writing = full
        with pytest.raises(AuditWriteError, match="the disk is full"):
            async for _ in each(stream):
                pass

    run(main)


def test_what_is_no_stream_is_not_followed() -> None:
    """Answers, text, lists and files are read otherwise, or not at all."""
    from io import BytesIO

    from or_audit_logging.capture.call import Call, Options

    call = Call(Options())
    assert [follow(call, value) for value in ({}, "text", [1], None, BytesIO(), object())] == [None] * 6
