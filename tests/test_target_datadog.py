"""The target datadog against an intake that refuses, cuts and drops what Datadog's does (fake_datadog.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_datadog import KEY, FakeDatadog
from log_builder import DAY, LogBuilder
from shipping import set_servers_clock

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship import Shipped, Shipper
from or_audit_logging.ship import ages as ages_module
from or_audit_logging.ship.target import (
    Item,
    RefusedError,
    Target,
    TargetOptions,
    TooLargeError,
    TryLaterError,
)
from or_audit_logging.ship.targets import open_target


def item(seq: int, text: str = "") -> Item:
    """Return an item of now that says who it is."""
    now = datetime.now(UTC)
    members = {"timestamp": now.isoformat(), "message": text, "or_audit": {"id": f"id-{seq}", "seq": seq}}
    body = json.dumps(members, separators=(",", ":")).encode()
    return Item(seq=seq, id=f"id-{seq}", time=now, line=b"{}", body=body)


@pytest.fixture
def datadog(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDatadog]:
    with FakeDatadog() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def target(datadog: FakeDatadog) -> Iterator[Target]:
    target = open_target(datadog.text, TargetOptions(timeout=5.0))
    yield target
    target.close()


def log_of(folder: Path, *ages: timedelta, text: str = "plain") -> Path:
    """Return the folder of a log with a record of each of *ages*."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - ages[0]
    builder.open(DAY)
    for age in ages:
        builder.clock = datetime.now(UTC) - age
        builder.user(text=text)
    builder.save(folder)
    return folder


def ship(datadog: FakeDatadog, folder: Path, **options: Any) -> Shipped:
    """Ship the log in *folder* to *datadog*, without waiting between tries."""
    settings: dict[str, Any] = {"wait": lambda pause: None, "options": TargetOptions(timeout=5.0)}
    with Shipper(folder, datadog.text, **(settings | options)) as shipper:
        return shipper.run()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("datadoghq.eu", "https://http-intake.logs.datadoghq.eu/api/v2/logs"),
        ("us3.datadoghq.com", "https://http-intake.logs.us3.datadoghq.com/api/v2/logs"),
        ("app.datadoghq.com?service=x", "https://http-intake.logs.datadoghq.com/api/v2/logs"),
        ("http-intake.logs.datadoghq.eu", "https://http-intake.logs.datadoghq.eu/api/v2/logs"),
        ("https://proxy.example/dd/", "https://proxy.example/dd/api/v2/logs"),
        ("https://proxy.example/api/v2/logs", "https://proxy.example/api/v2/logs"),
    ],
)
def test_a_site_has_an_intake(datadog: FakeDatadog, address: str, url: str) -> None:
    """As the API reference lists them."""
    target: Any = open_target(f"datadog:{address}")
    assert target._sender.url == url
    assert KEY not in f"{target.name} {target._sender!r}"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "eu",
        "datadoghq.eu/x",
        "datadoghq.eu?host=x",
        "datadoghq.eu?tags=",
        "datadoghq.eu?tags=a&tags=b",
        "datadoghq.eu?api_key=secret",
        "http://proxy.example",
        "https://u:p@proxy.example",
    ],
)
def test_an_address_is_checked(datadog: FakeDatadog, address: str) -> None:
    """What is no site is said before anything is sent."""
    with pytest.raises(ConfigError):
        open_target(f"datadog:{address}")


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, or the one that Datadog's own tools read; the first wins."""
    for name in ("OR_AUDIT_DATADOG_API_KEY", "DD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="OR_AUDIT_DATADOG_API_KEY"):
        open_target("datadog:datadoghq.eu")
    with FakeDatadog() as datadog:
        monkeypatch.setenv("DD_API_KEY", KEY)
        open_target(datadog.text).send([item(1)])
        monkeypatch.setenv("OR_AUDIT_DATADOG_API_KEY", "another")
        with pytest.raises(DeliveryError, match="403"):
            open_target(datadog.text).send([item(1)])
        assert datadog.ids() == ["id-1"]


def test_service_and_tags_stand_in_the_address(datadog: FakeDatadog, tmp_path: Path) -> None:
    """On every line, those of the log itself included; a record's own service stays."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC)
    builder.open(DAY)
    builder.user()
    builder.seal(b'{"event_type":"chat_completion","v":1,"service":"billing","environment":"test"}')
    builder.save(tmp_path / "log")
    ship(datadog, tmp_path / "log")
    assert [item["service"] for item in datadog.items] == ["checkout", "checkout", "checkout", "billing"]
    assert [item["ddtags"] for item in datadog.items] == [
        *["team:llm,env:prod"] * 3,
        "env:test,team:llm,env:prod",
    ]


def test_what_is_too_large_together_is_cut_into_batches(datadog: FakeDatadog, tmp_path: Path) -> None:
    """5 MB and 1,000 items a request: the intake never has to refuse one."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - timedelta(hours=1)
    builder.open(DAY)
    builder.user(1_100)
    builder.user(7, text="x" * 900_000)
    builder.save(tmp_path / "log")
    told: list[str] = []
    assert ship(datadog, tmp_path / "log", told=told.append).exit_code == 0
    assert (len(datadog.items), datadog.cut, datadog.dropped) == (1_109, 0, 0)
    assert not [text for text in told if "shipping from the beginning" not in text]


def test_the_limits_are_the_intakes(datadog: FakeDatadog, target: Target) -> None:
    """A batch that just fits is taken; one byte more is not."""
    limits = target.limits
    room = limits.item_bytes - limits.overhead - len(item(0).body)
    items = [item(seq, "x" * room) for seq in range(5)]
    assert sum(len(item.body) + limits.overhead for item in items) > limits.bytes
    with pytest.raises(TooLargeError):
        target.send(items)
    target.send(items[:4])
    assert (len(datadog.items), datadog.cut) == (4, 0)


def test_what_would_be_cut_is_a_dead_letter(datadog: FakeDatadog, tmp_path: Path) -> None:
    """Datadog would answer 202 and cut it: it is never let to."""
    folder = log_of(tmp_path / "log", timedelta(0), text="x" * 1_020_000)
    shipped = ship(datadog, folder, format="native")
    assert (shipped.dead_letters, shipped.exit_code, datadog.cut) == (1, 1, 0)
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    assert "1,000,000 at most" in json.loads(letters.read_text("ascii"))["reason"]


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=50)])
def test_what_would_be_dropped_is_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """Datadog answers 202 and drops what is older than 18 hours by its clock, which is not ours."""
    ages = [timedelta(hours=hours) for hours in (19, 17.5, 16.9, 1)]
    folder = log_of(tmp_path / "log", *ages)
    with FakeDatadog(ahead=ahead) as datadog:
        for name, value in datadog.environment.items():
            monkeypatch.setenv(name, value)
        shipped = ship(datadog, folder)
        assert (shipped.delivered, shipped.dead_letters, datadog.dropped) == (2, 4, 0)
        assert len(datadog.items) == 2


def test_what_an_outage_made_too_old_is_a_dead_letter(
    datadog: FakeDatadog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Age is looked at again before every try: it may be hours since the first."""
    folder = log_of(tmp_path / "log", timedelta(hours=16), timedelta(hours=1))
    datadog.fail("500")

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=3)

    monkeypatch.setattr(ages_module, "datetime", Later)
    monkeypatch.setattr(datadog, "_ahead", timedelta(hours=3))
    set_servers_clock(monkeypatch, timedelta(hours=3))
    shipped = ship(datadog, folder)
    assert (shipped.delivered, shipped.dead_letters, datadog.dropped) == (1, 3, 0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("408", TryLaterError),
        ("429", TryLaterError),
        ("500", TryLaterError),
        ("400", RefusedError),
        ("413", TooLargeError),
        ("403", DeliveryError),
    ],
)
def test_a_status_says_what_becomes_of_the_batch(
    datadog: FakeDatadog, target: Target, status: str, error: type[Exception]
) -> None:
    """As the API reference lists them."""
    datadog.fail(status)
    with pytest.raises(DeliveryError) as caught:
        target.send([item(1)])
    assert type(caught.value) is error
    target.send([item(1)])
    assert datadog.ids() == ["id-1"]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_what_is_not_202_is_no_delivery(
    datadog: FakeDatadog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A login page answers 200: nothing was taken, and nothing passes for delivered."""
    folder, real = log_of(tmp_path / "log", timedelta(0)), datadog.answer
    monkeypatch.setattr(datadog, "answer", lambda path, headers, body: (status, b""))
    with pytest.raises(DeliveryError, match="check the address") as caught:
        ship(datadog, folder)
    assert type(caught.value) is DeliveryError
    monkeypatch.setattr(datadog, "answer", real)
    assert (ship(datadog, folder).exit_code, len(datadog.items)) == (0, 3)
