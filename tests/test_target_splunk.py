"""The target splunk against a collector that refuses what Splunk's refuses (fake_splunk.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_splunk import BUSY, DISABLED, INTERNAL_ERROR, TOKEN, FakeSplunk
from log_builder import LogBuilder

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship import Shipper
from or_audit_logging.ship.target import (
    Answer,
    Item,
    RefusedError,
    Target,
    TargetOptions,
    TooLargeError,
    TryLaterError,
)
from or_audit_logging.ship.targets import open_target

EXAMPLES = Path(__file__).parent.parent / "examples" / "shipping" / "splunk"
MADE = datetime(2026, 11, 21, 10, 30, 45, 123_456, tzinfo=UTC)
LINE = b'{"event_type":"chat_completion","note":"Gr\\u00fc\\u00dfe, \\"quoted\\"","seq":%d}'


def item(seq: int, body: bytes | None = None, time: datetime | None = MADE) -> Item:
    """Return an item that says who it is."""
    line = LINE % seq if body is None else body
    return Item(seq=seq, id=f"id-{seq}", time=time, line=line, body=line)


def opened(splunk: FakeSplunk, monkeypatch: pytest.MonkeyPatch, text: str = "", *, waits: float = 5.0) -> Any:
    """Return a target that sends to *splunk*, and waits so many seconds at a time for an acknowledgment."""
    for name, value in splunk.environment.items():
        monkeypatch.setenv(name, value)
    target: Any = open_target(text or splunk.text, TargetOptions(timeout=5.0))
    target._timeout = waits
    return target


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    with FakeSplunk() as running:
        yield running


@pytest.fixture
def acknowledging() -> Iterator[FakeSplunk]:
    with FakeSplunk(polls=3) as running:
        yield running


@pytest.fixture
def target(splunk: FakeSplunk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    target = opened(splunk, monkeypatch)
    yield target
    target.close()


def test_raw_is_the_line(splunk: FakeSplunk, target: Target) -> None:
    """Byte for byte, whatever is quoted in it; time is a number of seconds, the id an indexed field."""
    assert target.send([item(1), item(2)]) == Answer()
    assert [raw.encode() for raw in splunk.raw()] == [LINE % 1, LINE % 2]
    event = splunk.events[0]
    assert b'"time":1795257045.123456,' in splunk.bodies[0]
    assert event["fields"] == {"id": "id-1", "seq": "1"}
    assert (event["index"], event["source"], event["sourcetype"]) == ("audit", "or-audit", "or_audit")
    assert event["host"]


def test_a_stub_has_no_time(splunk: FakeSplunk, target: Target) -> None:
    """None is invented: Splunk takes that of its arrival."""
    target.send([item(1, time=None)])
    assert "time" not in splunk.events[0]


def test_the_address_names_host_source_sourcetype(
    splunk: FakeSplunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands behind the question mark; the index may be left to the token."""
    target = opened(splunk, monkeypatch, f"splunk:{splunk.base}?host=web-1&source=app&sourcetype=_json")
    target.send([item(1)])
    event = splunk.events[0]
    assert (event["host"], event["source"], event["sourcetype"]) == ("web-1", "app", "_json")
    assert "index" not in event


@pytest.mark.parametrize(
    "address",
    [
        "",
        "HOST:8088",
        "https://h:8088/services/collector/raw",
        "https://h?indx=a",
        "https://h?index=",
        "https://h?index=a&index=b",
        "https://h?token=secret",
        "https://u:p@h:8088",
        "http://splunk.example:8088",
        "https://[h",
        "https://h?host=a%0Ab",
        "https://h?host=" + "x" * 257,
    ],
)
def test_an_address_is_checked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What is no address of a collector is said before anything is sent."""
    monkeypatch.setenv("OR_AUDIT_SPLUNK_TOKEN", "token")
    with pytest.raises(ConfigError):
        open_target(f"splunk:{address}")


def test_a_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where it is looked for."""
    monkeypatch.delenv("OR_AUDIT_SPLUNK_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="OR_AUDIT_SPLUNK_TOKEN"):
        open_target("splunk:https://splunk.example:8088")


@pytest.mark.parametrize(("token", "said"), [("another", "invalid token"), (DISABLED, "token disabled")])
def test_a_wrong_token_ends_it(
    splunk: FakeSplunk, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    """No later try will do."""
    monkeypatch.setenv("OR_AUDIT_SPLUNK_TOKEN", token)
    target = open_target(splunk.text)
    with pytest.raises(DeliveryError, match=said) as caught:
        target.send([item(1)])
    assert type(caught.value) is DeliveryError
    assert token not in str(caught.value)


def test_an_index_that_the_token_may_not_write_ends_it(
    splunk: FakeSplunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is so for every line: none of them is put aside. Splunk counts these from one."""
    target = opened(splunk, monkeypatch, f"splunk:{splunk.base}?index=secret")
    with pytest.raises(DeliveryError, match=r"incorrect index \(code 7\)") as caught:
        target.send([item(1), item(2)])
    assert type(caught.value) is DeliveryError


@pytest.mark.parametrize("keeps_before", [False, True])
def test_one_bad_event_does_not_take_others_with_it(
    monkeypatch: pytest.MonkeyPatch, keeps_before: bool
) -> None:
    """Whether Splunk has kept those before it or not: the others are sent again."""
    with FakeSplunk(keeps_before=keeps_before) as splunk:
        target = opened(splunk, monkeypatch)
        splunk.refuse("id-2")
        items = [item(1), item(2), item(3)]
        answer = target.send(items)
        assert list(answer.refused) == [1]
        assert "code 15" in answer.refused[1]
        assert target.send([items[index] for index in answer.again]) == Answer()
        assert splunk.ids() == ["id-1"] * keeps_before + ["id-1", "id-3"]


def test_an_empty_event_is_refused(splunk: FakeSplunk, target: Target) -> None:
    """Code 13, by its number."""
    assert list(target.send([item(1), item(2, b" ")]).refused) == [1]


def test_too_much_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """413, whatever it says besides."""
    with FakeSplunk(most_bytes=300) as splunk, pytest.raises(TooLargeError):
        opened(splunk, monkeypatch).send([item(1), item(2)])


@pytest.mark.parametrize("status", ["429", "500", "503"])
def test_a_busy_server_is_asked_later(splunk: FakeSplunk, target: Target, status: str) -> None:
    """With what Retry-After says."""
    splunk.fail(status)
    with pytest.raises(TryLaterError) as caught:
        target.send([item(1)])
    assert caught.value.retry_after == 0.0
    assert target.send([item(1)]) == Answer()


@pytest.mark.parametrize("polls", [None, 1])
@pytest.mark.parametrize(("code", "status"), [(BUSY, 503), (INTERNAL_ERROR, 500)])
def test_a_server_in_trouble_is_asked_later(
    monkeypatch: pytest.MonkeyPatch, code: int, status: int, polls: int | None
) -> None:
    """Codes 9 and 8 speak of no event: none is put aside, and the whole batch is sent again."""
    with FakeSplunk(polls=polls) as splunk:
        splunk.troubles = [code, code]
        target = opened(splunk, monkeypatch)
        for _ in range(2):
            with pytest.raises(TryLaterError, match=f"answered {status}") as caught:
                target.send([item(1), item(2)])
            assert caught.value.retry_after is None
        assert splunk.events == []
        assert target.send([item(1), item(2)]) == Answer()
        assert splunk.ids() == ["id-1", "id-2"]


@pytest.mark.parametrize("keeps_before", [False, True])
def test_a_log_arrives_through_troubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_before: bool
) -> None:
    """No line is lost or a dead letter; twice are only those that Splunk kept before its error."""
    log = LogBuilder()
    log.user(3)
    folder = log.save(tmp_path / "log")
    with FakeSplunk(keeps_before=keeps_before) as splunk:
        monkeypatch.setenv("OR_AUDIT_SPLUNK_TOKEN", TOKEN)
        splunk.troubles = [BUSY, INTERNAL_ERROR, BUSY]
        waits: list[float] = []
        with Shipper(folder, splunk.text, wait=waits.append) as shipper:
            shipped = shipper.run()
        assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (log.seq, 0, 0)
        assert len(splunk.ids()) == log.seq * (2 if keeps_before else 1)
        assert len(set(splunk.ids())) == log.seq
        assert len(waits) == 3


@pytest.mark.parametrize("said", [b"", b"<html>", b"[]", b'{"text":"Success"}', b'{"code":true}'])
def test_a_200_that_is_not_hecs_is_no_delivery(
    splunk: FakeSplunk, target: Target, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A login page answers 200, too."""
    monkeypatch.setattr(splunk, "answer", lambda path, headers, body: (200, said))
    with pytest.raises(DeliveryError, match="check the address"):
        target.send([item(1)])


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"<html>", DeliveryError),
        (b'{"text":"Data channel is missing","code":10}', DeliveryError),
        (b'{"text":"Invalid data format","code":6}', RefusedError),
        (b'{"text":"Invalid data format","code":6,"invalid-event-number":9}', RefusedError),
        (b'{"text":"Invalid data format","code":6,"invalid-event-number":-1}', RefusedError),
    ],
)
def test_a_400_without_a_number(
    splunk: FakeSplunk, target: Target, monkeypatch: pytest.MonkeyPatch, said: bytes, error: type[Exception]
) -> None:
    """What is wrong with an event is found by halves; what is wrong with the request ends it."""
    monkeypatch.setattr(splunk, "answer", lambda path, headers, body: (400, said))
    with pytest.raises(DeliveryError) as caught:
        target.send([item(1), item(2)])
    assert type(caught.value) is error


def test_a_200_comes_before_indexing(acknowledging: FakeSplunk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With acknowledgment, `send` returns when the index has it: as often as it must, it asks."""
    target = opened(acknowledging, monkeypatch)
    assert target.send([item(1)]) == Answer()
    assert acknowledging.questions == 3
    assert target.send([item(2)]) == Answer()
    assert acknowledging.ids() == ["id-1", "id-2"]


def test_what_is_never_acknowledged_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that was answered with 200 and lost arrives in the end; it is not sent anew at every try."""
    with FakeSplunk(polls=1) as splunk:
        splunk.loses = 1
        target = opened(splunk, monkeypatch, waits=0.15)
        for _ in range(4):
            with pytest.raises(TryLaterError, match="indexed"):
                target.send([item(1)])
        assert len(splunk.bodies) == 1
        assert target.send([item(1)]) == Answer()
        assert (len(splunk.bodies), splunk.ids()) == (2, ["id-1"])


def test_an_indexer_that_lags_gets_a_batch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgment that takes longer than the timeout is waited for by the next try."""
    with FakeSplunk(polls=3) as splunk:
        target = opened(splunk, monkeypatch, waits=0.15)
        with pytest.raises(TryLaterError):
            target.send([item(1)])
        while splunk.questions < 3:
            with suppress(TryLaterError):
                target.send([item(1)])
        assert (len(splunk.bodies), splunk.ids()) == (1, ["id-1"])


def test_another_batch_does_not_wait_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgment of one batch confirms no other."""
    with FakeSplunk(polls=1) as splunk:
        splunk.loses = 1
        target = opened(splunk, monkeypatch, waits=0.15)
        with pytest.raises(TryLaterError):
            target.send([item(1), item(2)])
        assert target.send([item(1)]) == Answer()
        assert splunk.ids() == ["id-1"]


def test_a_lost_acknowledgment_costs_a_second_sending(
    acknowledging: FakeSplunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acknowledgments are told once: where the answer is lost, the batch is sent again."""
    target = opened(acknowledging, monkeypatch)
    real = acknowledging.answer

    def answer(path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        return (503, b"") if "/ack" in path else real(path, headers, body)

    monkeypatch.setattr(acknowledging, "answer", answer)
    with pytest.raises(TryLaterError):
        target.send([item(1)])
    monkeypatch.setattr(acknowledging, "answer", real)
    assert target.send([item(1)]) == Answer()
    assert acknowledging.ids() == ["id-1", "id-1"]


def test_acknowledgment_may_be_switched_off_meanwhile(
    acknowledging: FakeSplunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 14: what was not confirmed is sent again, and nobody is asked any more."""
    target = opened(acknowledging, monkeypatch)
    real = acknowledging._acknowledge

    def switched_off(channel: str, body: bytes) -> tuple[int, bytes]:
        acknowledging.polls = None
        return real(channel, body)

    monkeypatch.setattr(acknowledging, "_acknowledge", switched_off)
    with pytest.raises(TryLaterError):
        target.send([item(1)])
    assert target.send([item(1)]) == Answer()


def test_the_example_keeps_long_lines_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splunk cuts an event at 10,000 bytes where its sourcetype says nothing; the example's says it."""
    body = b'{"note":"%s"}' % (b"x" * 100_000)
    props = ConfigParser(interpolation=None, delimiters=("=",))
    props.read_string((EXAMPLES / "props.conf").read_text("ascii"))
    truncate = {name: int(props[name]["TRUNCATE"]) for name in props.sections()}
    for settings, is_whole in ((truncate, True), ({}, False)):
        with FakeSplunk(truncate=settings) as splunk:
            opened(splunk, monkeypatch).send([item(1, body)])
            assert (splunk.raw() == [body.decode()]) is is_whole


def test_the_example_of_an_input_is_for_this_target() -> None:
    """The same sourcetype, with acknowledgment."""
    inputs = ConfigParser(interpolation=None, delimiters=("=",))
    inputs.read_string((EXAMPLES / "inputs.conf").read_text("ascii"))
    assert inputs["http://or_audit"]["sourcetype"] == "or_audit"
    assert inputs["http://or_audit"]["useACK"] == "1"


def test_large_batches_are_compressed(splunk: FakeSplunk, target: Target) -> None:
    """And small questions are not."""
    target.send([item(seq) for seq in range(20)])
    target.send([item(20)])
    assert [request.get("content-encoding") for request in splunk.requests] == ["gzip", None]
    assert [json.loads(raw)["seq"] for raw in splunk.raw()] == list(range(21))
