"""The target cloudwatch: real boto3, against a strict service on loopback."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from or_audit_logging.errors import ConfigError, DeliveryError, MissingExtraError
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

pytest.importorskip("boto3", reason="needs the extra aws")

from fake_cloudwatch import GROUP, STREAM, FakeCloudWatch

NOW = datetime.now(UTC)


def item(seq: int, made: datetime | None = NOW, body: bytes | None = None) -> Item:
    """Return an item that says who it is."""
    line = json.dumps({"seq": seq}).encode() if body is None else body
    return Item(seq=seq, id=f"id-{seq}", time=made, line=line, body=line)


def seqs(fake: FakeCloudWatch) -> list[int]:
    """Return what arrived, in its order."""
    return [json.loads(event["message"])["seq"] for event in fake.events(GROUP, STREAM)]


def target_of(fake: FakeCloudWatch, **options: Any) -> Target:
    """Return a target that sends to *fake*."""
    return open_target(fake.text, TargetOptions(**{"timeout": 5.0} | options))


def visited(fake: FakeCloudWatch, monkeypatch: pytest.MonkeyPatch) -> FakeCloudWatch:
    """Return *fake*, to which boto3 goes now."""
    for name, value in fake.environment.items():
        monkeypatch.setenv(name, value)
    return fake


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCloudWatch]:
    """A service with the group, without the stream."""
    with FakeCloudWatch(tmp_path) as running:
        yield visited(running, monkeypatch)


@pytest.fixture
def target(fake: FakeCloudWatch) -> Iterator[Target]:
    opened = target_of(fake)
    yield opened
    opened.close()


def test_lines_arrive_as_they_are(fake: FakeCloudWatch, target: Target) -> None:
    """A message is the body, byte for byte; its timestamp is the record's time in milliseconds."""
    made = datetime.now(UTC).replace(microsecond=123_999)
    body = '{"seq":1,"name":"Grüße, 世界 \\u0000 \U0001f600"}'.encode()
    assert target.send([item(1, made, body)]) == Answer()
    (event,) = fake.events(GROUP, STREAM)
    assert event["message"].encode() == body
    assert event["timestamp"] == int(made.replace(microsecond=123_000).timestamp() * 1000)


def test_opening_sends_nothing(fake: FakeCloudWatch, target: Target) -> None:
    """A target can be opened, named and closed where there is no network."""
    assert target.name == f"cloudwatch:{GROUP}:{STREAM}"
    target.close()
    assert fake.operations == []


def test_events_go_in_the_order_of_their_times(fake: FakeCloudWatch, target: Target) -> None:
    """CloudWatch refuses other orders; lines of one time stay in the order of the log."""
    later = NOW + timedelta(seconds=1)
    target.send([item(1, later), item(2, NOW), item(3, later), item(4, NOW)])
    assert seqs(fake) == [2, 4, 1, 3]


def test_a_stub_takes_the_time_of_its_neighbour(fake: FakeCloudWatch, target: Target) -> None:
    """A redacted line says no time: that of the line before it, else of the next, else now."""
    week = NOW - timedelta(days=7)
    target.send([item(1, None), item(2, week), item(3, None), item(4, week + timedelta(hours=1))])
    first, second, third, fourth = fake.events(GROUP, STREAM)
    assert first["timestamp"] == second["timestamp"] == third["timestamp"] < fourth["timestamp"]
    before = int(time.time() * 1000)
    target.send([item(5, None)])
    assert before <= fake.events(GROUP, STREAM)[-1]["timestamp"] <= time.time() * 1000


def test_the_stream_is_made(fake: FakeCloudWatch, target: Target) -> None:
    """Once, where the service says that it is not there."""
    target.send([item(1)])
    target.send([item(2)])
    assert fake.operations == ["PutLogEvents", "CreateLogStream", "PutLogEvents", "PutLogEvents"]
    assert seqs(fake) == [1, 2]


def test_a_stream_that_another_makes_meanwhile_is_taken(fake: FakeCloudWatch, target: Target) -> None:
    """ResourceAlreadyExistsException is no failure."""
    fake.groups[GROUP][STREAM] = []
    fake.answer_with("ResourceNotFoundException")
    target.send([item(1)])
    assert fake.operations == ["PutLogEvents", "CreateLogStream", "PutLogEvents"]
    assert seqs(fake) == [1]


def test_a_group_is_made_only_where_that_was_asked_for(fake: FakeCloudWatch, target: Target) -> None:
    """A group costs, and is kept for ever unless somebody says otherwise."""
    del fake.groups[GROUP]
    with pytest.raises(
        DeliveryError, match=r"no log group /audit/llm#1.a-b_c in eu-central-1.*--create"
    ) as raised:
        target.send([item(1)])
    assert not isinstance(raised.value, TryLaterError)
    assert fake.groups == {}
    target_of(fake, create=True).send([item(1)])
    assert seqs(fake) == [1]


def test_what_is_made_may_not_be_there_at_once(fake: FakeCloudWatch, target: Target) -> None:
    """The next try will find it."""
    fake.answer_with(
        "ResourceNotFoundException", "ResourceAlreadyExistsException", "ResourceNotFoundException"
    )
    with pytest.raises(TryLaterError):
        target.send([item(1)])


def test_a_name_that_is_refused_is_no_line_that_is_refused(fake: FakeCloudWatch, target: Target) -> None:
    """Lines must not be set aside because the stream cannot be made."""
    fake.answer_with("ResourceNotFoundException", "InvalidParameterException")
    with pytest.raises(DeliveryError) as raised:
        target.send([item(1)])
    assert type(raised.value) is DeliveryError


def test_rejected_events_are_told_by_the_callers_index(fake: FakeCloudWatch, target: Target) -> None:
    """Events that are too old or too new are in the answer, not in the log; the others are kept."""
    old, new = NOW - timedelta(days=15), NOW + timedelta(hours=3)
    answer = target.send([item(0, new), item(1), item(2, old), item(3, None), item(4, new), item(5)])
    old_reason, new_reason = "more than 14 days old", "dated more than 2 hours ahead"
    assert answer == Answer({0: new_reason, 2: old_reason, 3: old_reason, 4: new_reason})
    assert seqs(fake) == [1, 5]


def test_events_older_than_the_groups_retention_are_told(fake: FakeCloudWatch, target: Target) -> None:
    """A group that keeps events for three days refuses older ones."""
    fake.retention[GROUP] = 3
    answer = target.send([item(age, NOW - timedelta(days=age, hours=-1)) for age in [0, 4, 15]])
    assert answer == Answer({1: "older than the log group keeps events", 2: "more than 14 days old"})
    assert seqs(fake) == [0]


def test_bytes_that_are_no_text_are_refused(fake: FakeCloudWatch, target: Target) -> None:
    """A damaged line is set aside, not mended; the others go. An empty one is refused by boto3 itself."""
    answer = target.send([item(1), item(2, body=b'{"seq":\xff}'), item(3)])
    assert answer == Answer({1: "not UTF-8, as a message has to be"})
    assert target.send([item(2, body=b"\xff")]).refused.keys() == {0}
    with pytest.raises(RefusedError):
        target.send([item(2, body=b"")])
    assert seqs(fake) == [1, 3]


def test_the_limits_are_those_that_the_service_holds(fake: FakeCloudWatch, target: Target) -> None:
    """At each limit a batch is taken, one byte, item or millisecond over it is not."""
    limits = target.limits
    target.send([item(1, body=b"x" * limits.item_bytes)])
    with pytest.raises(TooLargeError):
        target.send([item(1, body=b"x" * (limits.item_bytes + 1))])
    half = limits.bytes // 2 - limits.overhead
    target.send([item(1, body=b"x" * half), item(2, body=b"x" * half)])
    with pytest.raises(TooLargeError):
        target.send([item(1, body=b"x" * half), item(2, body=b"x" * (half + 1))])
    many = [item(seq, body=b"%d" % seq) for seq in range(limits.items + 1)]
    target.send(many[1:])
    with pytest.raises(RefusedError):
        target.send(many)
    assert limits.span is not None
    target.send([item(1, NOW - limits.span), item(2)])
    with pytest.raises(RefusedError, match="cannot span more than 24 hours"):
        target.send([item(1, NOW - limits.span - timedelta(milliseconds=1)), item(2)])
    assert limits.oldest is not None
    assert limits.newest is not None
    minute = timedelta(minutes=1)
    for made, taken in (
        (-limits.oldest + minute, True),
        (-limits.oldest - minute, False),
        (limits.newest - minute, True),
        (limits.newest + minute, False),
    ):
        assert (not target.send([item(1, datetime.now(UTC) + made)]).refused) is taken


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut"])
def test_what_passes_is_to_be_tried_later(fake: FakeCloudWatch, target: Target, fault: str) -> None:
    """Nothing was kept, nothing is tried again by the SDK, and the next try is taken."""
    target.send([item(1)])
    fake.requests.clear()
    fake.fail(fault)
    with pytest.raises(TryLaterError) as raised:
        target.send([item(2)])
    assert fake.operations == ["PutLogEvents"]
    assert raised.value.retry_after == (0.0 if fault.isdigit() else None)
    assert target.send([item(2)]) == Answer()
    assert seqs(fake) == [1, 2]


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailableException"])
def test_a_service_that_asks_for_time_gets_it(fake: FakeCloudWatch, target: Target, code: str) -> None:
    """AWS says so with status 400 too."""
    fake.answer_with(code)
    with pytest.raises(TryLaterError, match=code):
        target.send([item(1)])
    assert fake.operations == ["PutLogEvents"]


def test_an_answer_that_does_not_come_is_waited_for_once(fake: FakeCloudWatch) -> None:
    """The timeout is the caller's."""
    target = target_of(fake, timeout=0.2)
    fake.fail("slow")
    with pytest.raises(TryLaterError, match=r"did not answer in 0\.2 s"):
        target.send([item(1)])
    assert fake.operations == ["PutLogEvents"]


def test_an_answer_that_is_lost_leads_to_a_second_event(fake: FakeCloudWatch, target: Target) -> None:
    """CloudWatch does not deduplicate: what was kept and not confirmed is kept twice."""
    target.send([item(1)])
    fake.fail("lost answer")
    with pytest.raises(TryLaterError):
        target.send([item(2)])
    target.send([item(2)])
    assert seqs(fake) == [1, 2, 2]


def test_a_refused_connection_is_to_be_tried_later(fake: FakeCloudWatch, target: Target) -> None:
    """Also where the connection was open before."""
    target.send([item(1)])
    fake.stop()
    for _ in range(2):
        with pytest.raises(TryLaterError, match="could not be reached") as raised:
            target.send([item(2)])
    assert "nobody answers there; if the network is up, check AWS_REGION" in str(raised.value)
    fake.start()
    target.send([item(2)])
    assert seqs(fake) == [1, 2]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "allow it in the policy"),
        ("ExpiredTokenException", "renew"),
        ("UnrecognizedClientException", "access key"),
        ("InvalidSignatureException", "clock"),
        ("LimitExceededException", "credentials"),
        ("InvalidSequenceTokenException", "endpoint"),
    ],
)
def test_what_does_not_pass_says_what_to_do(
    fake: FakeCloudWatch, target: Target, code: str, advice: str
) -> None:
    """Waiting mends no credentials."""
    fake.answer_with(code)
    with pytest.raises(DeliveryError, match=advice) as raised:
        target.send([item(1)])
    assert type(raised.value) is DeliveryError
    assert code in str(raised.value)


def test_what_the_service_has_already_is_delivered(fake: FakeCloudWatch, target: Target) -> None:
    """DataAlreadyAcceptedException, of endpoints that use sequence tokens, confirms."""
    fake.answer_with("DataAlreadyAcceptedException")
    assert target.send([item(1)]) == Answer()


def test_one_that_is_refused_refuses_the_batch(fake: FakeCloudWatch, target: Target) -> None:
    """The service does not say which."""
    fake.refuse('"seq": 2')
    with pytest.raises(RefusedError, match="Log event too large"):
        target.send([item(1), item(2), item(3)])


def test_no_message_repeats_what_an_answer_quotes(fake: FakeCloudWatch, target: Target) -> None:
    """Validation errors quote lines, and those of signatures the session token."""
    with pytest.raises(RefusedError) as raised:
        target.send([item(seq) for seq in range(10_001)])  # "Value at 'logEvents' ..."
    assert "logEvents" not in str(raised.value)


def test_a_wrong_clock_is_said(fake: FakeCloudWatch, target: Target) -> None:
    """A machine that is an hour late signs with a date that the service does not take."""
    fake.clock = lambda: time.time() + 3_600
    with pytest.raises(DeliveryError, match="this machine's clock"):
        target.send([item(1)])


@pytest.mark.parametrize(
    ("made", "reason"), [(timedelta(hours=3), "ahead"), (-timedelta(days=20), "14 days old")]
)
def test_lines_of_a_wrong_clock_are_refused(
    fake: FakeCloudWatch, target: Target, made: timedelta, reason: str
) -> None:
    """Every line of the batch, each with the reason."""
    answer = target.send([item(seq, NOW + made) for seq in range(3)])
    assert answer.refused.keys() == {0, 1, 2}
    assert all(reason in why for why in answer.refused.values())
    assert seqs(fake) == []


def test_only_certificates_that_hold_are_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not nobody's certificate, one for another name, an expired one; waiting is no use."""
    certificates = pytest.importorskip("certificates", reason="cryptography is not installed")
    for number, (options, vouched) in enumerate(
        [({}, False), ({"address": "127.0.0.2"}, True), ({"days": -1}, True), ({}, True)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        context, certificate = certificates.self_signed(folder, **options)
        with visited(FakeCloudWatch(folder, tls=context), monkeypatch) as fake:
            target = target_of(fake, ca_file=certificate if vouched else None)
            if vouched and not options:
                assert target.send([item(1)]) == Answer()
                assert seqs(fake) == [1]
            else:
                with pytest.raises(DeliveryError, match=r"not trusted.*--ca") as raised:
                    target.send([item(1)])
                assert type(raised.value) is DeliveryError
                assert fake.operations == []
            target.close()


def test_lines_do_not_travel_in_clear(
    monkeypatch: pytest.MonkeyPatch, fake: FakeCloudWatch, target: Target
) -> None:
    """An endpoint over http is this machine's alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://logs.example")
    with pytest.raises(DeliveryError, match="AWS_ENDPOINT_URL has to begin with https"):
        target.send([item(1)])


def test_credentials_are_needed(monkeypatch: pytest.MonkeyPatch, fake: FakeCloudWatch) -> None:
    """They are looked for at the first send, and what is missing is said."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(DeliveryError, match="found no credentials"):
        target_of(fake).send([item(1)])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7ELSEWHERE")
    with pytest.raises(DeliveryError, match="access key is not known"):
        target_of(fake).send([item(1)])


def test_set_up_mistakes_surface_at_opening(monkeypatch: pytest.MonkeyPatch, fake: FakeCloudWatch) -> None:
    """No region, no such profile."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(ConfigError, match="AWS_REGION"):
        target_of(fake)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert target_of(fake).send([item(1)]) == Answer()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        target_of(fake)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "audit",
        "audit:",
        ":host",
        "audit:a*",
        "au dit:host",
        "a" * 513 + ":host",
        "audit:host\n",
        "a:b:c",
        "audit:" + "h" * 513,
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    """A group's and a stream's name are those that CloudWatch allows."""
    with pytest.raises(ConfigError, match="GROUP:STREAM"):
        open_target(f"cloudwatch:{address}")


def test_boto3_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the message names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"or-audit-logging\[aws\]"):
        open_target("cloudwatch:audit:host")


def test_nothing_of_lines_and_keys_is_logged(
    fake: FakeCloudWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at DEBUG on the root logger either, where botocore would tell requests with all they hold."""
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.NOTSET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
    caplog.set_level(logging.DEBUG)
    fake.fail("500")
    target = target_of(fake)
    with pytest.raises(TryLaterError):
        target.send([item(1, body=b'{"seq":1,"what":"nobody-else"}')])
    target.send([item(1, body=b'{"seq":1,"what":"nobody-else"}')])
    for secret in ("nobody-else", "a-session-token", os.environ["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in caplog.text
