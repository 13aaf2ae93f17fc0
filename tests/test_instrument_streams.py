"""Streams of instrumented clients, as SDK objects and raw: read along on the wire, whichever way they end."""

from __future__ import annotations

import gc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from driving import KINDS, completions_of, each, entered, got, module_server, server
from samples import MESSAGES
from sinks import KEY, Sink, failing
from test_instrument import create, raw, raw_stream, stream, stream_helper, streaming_stream, with_client

from or_audit_logging.capture.instrument import instrument
from or_audit_logging.capture.trouble import counts
from or_audit_logging.digest import choice_digest, response_digest
from or_audit_logging.errors import AuditWriteError
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")

__all__ = ["module_server", "server"]


class LeavesError(Exception):
    """Leaves a with block."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [stream, streaming_stream], ids=lambda s: s.__name__)
@pytest.mark.parametrize(
    ("scenario", "status", "cost"),
    [
        ("usageempty", "success", True),
        ("tool", "success", True),
        ("gzip", "success", True),
        ("eof", "incomplete", False),
        ("reset", "error", False),
        ("midstream", "error", False),
        ("midstr", "error", False),
        ("midusage", "error", True),
        ("midempty", "error", False),
    ],
)
def test_every_end_of_a_stream(
    sink: Sink,
    server: FakeOpenRouter,
    surface: Callable[..., Any],
    scenario: str,
    *,
    status: str,
    cost: bool,
    kind: str,
) -> None:
    """What the SDK's exception drops, the wire has: the cost of an answer that broke, its id and provider."""

    async def use(client: Any) -> None:
        try:
            await surface(instrument(client), f"fake/{scenario}")
        except Exception:  # noqa: BLE001 - of the SDK or of httpx, by version
            pass

    with_client(kind, server, use)
    assert not counts().get("internal")
    record = sink.only
    assert (record.status, record.streamed, record.attempts) == (status, True, 1)
    assert record.generation_id == server.requests[0].generation_id
    assert record.provider
    assert bool(record.total_cost) is cost
    assert record.ttft_ms is not None
    if scenario == "tool":
        assert record.tool_names == ("look_up",)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [stream, raw_stream, streaming_stream], ids=lambda s: s.__name__)
def test_the_hash_of_a_stream_is_that_of_its_text(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """Whoever reads it: the SDK's chunks, or the bytes."""
    chunks = with_client(kind, server, lambda client: surface(instrument(client)))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert sink.only.response_hash == response_digest([choice_digest(said, None)], KEY)


async def _broken_off(client: Any) -> None:
    async for _ in each(await create(client, "fake/slow", stream=True)):
        break
    gc.collect()


async def _raw_broken_off(client: Any) -> None:
    chunks = (await raw(client, "fake/slow", stream=True)).parse()
    async for _ in each(chunks):
        break
    await got(chunks.close())


async def _streaming_left(client: Any) -> None:
    surface = client.chat.completions.with_streaming_response
    async with entered(surface.create(model="fake/slow", messages=MESSAGES, stream=True)) as response:
        async for _ in each(response.iter_lines()):
            break


async def _helper_left(client: Any) -> None:
    async with entered(completions_of(client).stream(model="fake/slow", messages=MESSAGES)) as events:
        async for _ in each(events):
            break


async def _never_read(client: Any) -> None:
    del (await raw(client, "fake/slow", stream=True)).http_response
    gc.collect()


async def _unread_body(client: Any) -> None:
    surface = client.chat.completions.with_streaming_response
    async with entered(surface.create(model="fake/ok", messages=MESSAGES)) as response:
        assert response.status_code == 200


LEFT = (_broken_off, _raw_broken_off, _streaming_left, _helper_left, _unread_body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_a_stream_that_is_left(
    sink: Sink, server: FakeOpenRouter, leave: Callable[..., Any], kind: str
) -> None:
    """It is incomplete, and its id is known."""
    with_client(kind, server, lambda client: leave(instrument(client)))
    gc.collect()
    record = sink.only
    assert (record.status, record.error_type) == ("incomplete", None)
    assert record.generation_id == server.requests[0].generation_id


def test_a_raw_stream_that_is_dropped(sink: Sink, server: FakeOpenRouter) -> None:
    """It is recorded when it is collected."""
    with_client("sync", server, lambda client: _never_read(instrument(client)))
    gc.collect()
    assert sink.only.status == "incomplete"
    assert sink.only.generation_id == server.requests[0].generation_id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_exception_that_leaves_the_with_block(
    sink: Sink, server: FakeOpenRouter, kind: str, streamed: bool
) -> None:
    """The caller's own error cancels the call."""

    async def use(client: Any) -> None:
        surface = instrument(client).chat.completions.with_streaming_response
        async with entered(surface.create(model="fake/slow", messages=MESSAGES, stream=streamed)):
            raise LeavesError

    with pytest.raises(LeavesError):
        with_client(kind, server, use)
    assert (sink.only.status, sink.only.error_type) == ("cancelled", "LeavesError")


def test_a_stream_inside_an_except_block(sink: Sink, server: FakeOpenRouter) -> None:
    """An exception that was there before has nothing to do with it."""

    async def use(client: Any) -> None:
        instrument(client)
        try:
            raise LeavesError
        except LeavesError:
            await _streaming_left(client)

    with_client("sync", server, use)
    assert sink.only.status == "incomplete"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", [stream, raw_stream, stream_helper], ids=lambda s: s.__name__)
def test_a_paid_stream_that_cannot_be_recorded(
    sink: Sink, server: FakeOpenRouter, surface: Callable[..., Any], kind: str
) -> None:
    """Failing closed: the error comes at the end of the stream."""
    sink.fail_closed()
    sink.writing = failing(AuditWriteError("the disk is full"))
    with pytest.raises(AuditWriteError, match="disk is full"):
        with_client(kind, server, lambda client: surface(instrument(client)))


def test_the_same_answer_in_every_form(sink: Sink, server: FakeOpenRouter) -> None:
    """Chunks, events and bytes give one and the same record."""

    async def use(client: Any) -> None:
        instrument(client)
        for surface in (stream, raw_stream, streaming_stream, stream_helper):
            await surface(client)

    with_client("sync", server, use)
    first, *others = [
        {
            name: value
            for name, value in record.to_dict().items()
            if name not in ("id", "timestamp", "latency_ms", "ttft_ms", "generation_id")
        }
        for record in sink.records
    ]
    assert others == [first] * 3
    assert isinstance(first["total_cost"], Decimal)
