"""A wrong clock on this machine loses no lines: where a date is out of bounds, the target's counts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_cloudwatch import GROUP, STREAM, FakeCloudWatch
from freezegun import freeze_time
from log_builder import DAY, LogBuilder
from ship_sites import SITES
from shipping import LIMITS, MemoryTarget, real_time, set_servers_clock, ship

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship import Item, Shipper, TargetOptions
from or_audit_logging.ship import ages as ages_module
from or_audit_logging.ship.ages import Ages, http_date
from or_audit_logging.ship.target import Limits, TryLaterError
from or_audit_logging.ship.targets import open_target

DATED = replace(LIMITS, oldest=timedelta(days=14), newest=timedelta(hours=2))
DAYS_400 = timedelta(days=400)
HOUR = timedelta(hours=1)


def log_of(folder: Path, *ages: timedelta) -> Path:
    """Return the folder of a log with a record of each of *ages*, by the real time."""
    builder = LogBuilder(day=None)
    for age in ages:
        builder.clock = real_time() - age
        if not builder.name:
            builder.open(DAY)
        builder.user(1)
    return builder.save(folder)


def letters_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in (folder / "ship").glob("*.dead.jsonl")
        for line in path.read_text("ascii").splitlines()
    ]


@pytest.mark.parametrize("wrong_by", [DAYS_400, timedelta(days=20), -DAYS_400])
def test_a_wrong_clock_loses_nothing(tmp_path: Path, wrong_by: timedelta) -> None:
    """Ahead or behind: all arrives, and it is said once that the clock is wrong."""
    folder = log_of(tmp_path / "log", 3 * HOUR, HOUR, HOUR)
    target, told = MemoryTarget(limits=replace(DATED, items=2)), list[str]()
    with freeze_time(real_time() + wrong_by, tick=True):
        shipped = ship(folder, target, told=told.append)
    assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (5, 0, 0)
    side, days = "ahead of" if wrong_by > timedelta(0) else "behind", abs(wrong_by).days
    said = [text for text in told if "this machine's clock is" in text]
    assert len(said) == 1
    span = f"({days - 1}|{days}) days"  # the last moments of a day pass meanwhile
    assert re.search(f"clock is {span} {side} that of memory, which counts here: set it right", said[0])
    assert target.asked == 1


def test_what_is_too_old_by_the_targets_clock_is_put_aside(tmp_path: Path) -> None:
    """As after a month in which the host was off; only what is too old."""
    folder = log_of(tmp_path / "log", timedelta(days=30), timedelta(days=30), HOUR)
    told = list[str]()
    target = MemoryTarget(limits=DATED)
    shipped = ship(folder, target, told=told.append)
    assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (1, 4, 1)
    (letter,) = letters_of(folder)
    assert (letter["seq"], letter["last_seq"], letter["count"]) == (0, 3, 4)
    assert any("not sent: older than 14 days, which the target does not keep" in text for text in told)
    assert target.asked == 1


def test_a_target_is_not_asked_where_nothing_is_in_doubt(tmp_path: Path) -> None:
    target = MemoryTarget(limits=DATED)
    assert ship(log_of(tmp_path / "log", HOUR), target).exit_code == 0
    assert target.asked == 0


def test_a_target_that_does_not_answer_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has said what time it is, nothing is put aside, and the cursor stands."""
    folder = log_of(tmp_path / "log", timedelta(days=30), HOUR)
    target = MemoryTarget(limits=DATED)
    errors: list[Exception] = [TryLaterError("503")] * 3

    def time() -> datetime:
        if errors:
            raise errors.pop()
        return real_time()

    monkeypatch.setattr(target, "time", time)
    with pytest.raises(DeliveryError, match="503; given up"):
        ship(folder, target, patience=0.0)
    errors[:] = [DeliveryError("the certificate has expired")]
    with pytest.raises(DeliveryError, match="expired"):
        ship(folder, target)
    assert letters_of(folder) == []
    errors[:] = [TryLaterError("503")] * 3
    assert ship(folder, target).dead_letters == 3
    assert len(target.lines) == 1


class Machine:
    """A machine's clocks, which `pass_time` moves on; `set` sets the one that people see."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic_now = real_time(), 5.0
        machine = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return machine.wall

        patch.setattr(ages_module, "datetime", Now)
        patch.setattr(ages_module, "time", self)

    def time(self) -> float:
        return self.wall.timestamp()

    def monotonic(self) -> float:
        return self.monotonic_now

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic_now += seconds

    def set(self, ahead: timedelta) -> None:
        self.wall = real_time() + ahead


def test_a_clock_that_is_set_while_the_log_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target's word holds for a while, and no longer than our clock goes on as it did."""
    machine, target, told = Machine(monkeypatch), MemoryTarget(limits=DATED), list[str]()
    ages = Ages(target, told=told.append)
    item = Item(0, "a", real_time() - HOUR, b"x", b"x")
    asked = []
    for step in (
        lambda: None,
        lambda: machine.set(DAYS_400),
        lambda: machine.pass_time(100),
        lambda: machine.pass_time(601),
        lambda: machine.set(timedelta(days=20)),
        lambda: machine.set(-DAYS_400),
        lambda: machine.set(timedelta(0)),
    ):
        step()
        assert ages.unkept([item]) == {}
        asked.append(target.asked)
    assert asked == [0, 1, 1, 2, 3, 4, 4]
    assert len([text for text in told if "clock is 399 days" in text or "clock is 400 days" in text]) == 3


def test_who_does_not_say_what_time_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our clock counts, where there is no other."""
    target = MemoryTarget(limits=DATED)
    monkeypatch.setattr(target, "time", lambda: None)
    folder = log_of(tmp_path / "log", timedelta(days=30), HOUR)
    assert ship(folder, target).dead_letters == 3


# ahead


def test_what_is_dated_ahead_is_waited_for(tmp_path: Path) -> None:
    """What stands before it does not wait, and is not sent twice."""
    folder = log_of(tmp_path / "log", HOUR, -5 * HOUR, HOUR)
    target, told = MemoryTarget(limits=DATED), list[str]()
    for _ in range(2):
        with pytest.raises(DeliveryError, match=r"seq \d is dated more than 2 hours ahead.*given up"):
            ship(folder, target, told=told.append, patience=10.0)
        first = [item.seq for item in target.items]
        assert first
        assert first == list(range(len(first)))
    assert letters_of(folder) == []
    with freeze_time(real_time() + 4 * HOUR, tick=True):
        target.ahead = 4 * HOUR
        shipped = ship(folder, target)
    assert (shipped.exit_code, [item.seq for item in target.items]) == (0, list(range(5)))


def test_waiting_follows_the_targets_clock(tmp_path: Path) -> None:
    folder = log_of(tmp_path / "log", -5 * HOUR)
    target, pauses = MemoryTarget(limits=DATED), list[float]()

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        target.ahead += timedelta(seconds=seconds)
        clock.tick(seconds)

    with freeze_time(real_time()) as clock:
        assert ship(folder, target, wait=wait, patience=None).delivered == 3
    assert sum(pauses) == pytest.approx(3 * 3600, abs=120)


def test_a_date_that_is_none_holds_nobody_up(tmp_path: Path) -> None:
    """More than a day beyond what the target takes: a dead letter, and the others go on."""
    folder = log_of(tmp_path / "log", HOUR, -DAYS_400, HOUR)
    target = MemoryTarget(limits=DATED)
    shipped = ship(folder, target)
    assert shipped.exit_code == 1
    assert {letter["reason"] for letter in letters_of(folder)} == {"dated more than 26 hours ahead"}
    assert (shipped.delivered, shipped.dead_letters) == (4, 1)


# the services


@pytest.fixture(params=["cloudwatch", "datadog", "gcp"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a service that has the right time."""
    set_servers_clock(monkeypatch)
    with SITES[request.param](tmp_path) as site:
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        if isinstance(site, FakeCloudWatch):
            site.clock = lambda: real_time().timestamp()
        yield site


def test_each_service_says_what_time_it_is(site: Any) -> None:
    """And keeps nothing for it."""
    target: Any = open_target(site.text, TargetOptions(timeout=5.0))
    try:
        with freeze_time(real_time() + DAYS_400):
            said = target.time()
    finally:
        target.close()
    assert abs(said - real_time()) < timedelta(seconds=30)
    assert site.ids() == []


def test_what_is_shipped_with_a_wrong_clock_arrives(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = log_of(tmp_path / "log", 3 * HOUR, HOUR)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + DAYS_400

    monkeypatch.setattr(ages_module, "datetime", Ahead)
    with Shipper(folder, site.text, wait=lambda pause: None) as shipper:
        shipped = shipper.run()
    assert (shipped.delivered, shipped.dead_letters) == (4, 0)
    assert len(site.ids()) == 4


def test_a_refusal_tells_the_time_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write to the stream and make none ships all that is young enough; no answer is no time."""
    pytest.importorskip("boto3", reason="needs the extra aws")
    with FakeCloudWatch(tmp_path) as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        fake.groups[GROUP][STREAM] = []
        folder = log_of(tmp_path / "log", timedelta(days=30), HOUR)
        fake.answer_with("AccessDeniedException")
        with Shipper(folder, fake.text) as shipper:
            shipped = shipper.run()
        assert (shipped.delivered, shipped.dead_letters) == (1, 3)
        assert fake.operations == ["CreateLogStream", "PutLogEvents"]
        target: Any = open_target(fake.text, TargetOptions(timeout=5.0))
        fake.answer_with("ThrottlingException")
        with pytest.raises(TryLaterError):
            target.time()
        fake.stop()
        with pytest.raises(TryLaterError):
            target.time()
        target.close()


@pytest.mark.parametrize("value", [None, "", "soon", "Sun, 99 Nov 2026 08:49:37 GMT", "0", "\x00", "Z" * 999])
def test_a_date_header_that_is_none(value: str | None) -> None:
    assert http_date(value) is None


def test_a_date_header() -> None:
    said = http_date("Sun, 22 Nov 2026 08:49:37 GMT")
    assert said == datetime(2026, 11, 22, 8, 49, 37, tzinfo=UTC)


def test_limits_without_dates_ask_nobody() -> None:
    target = MemoryTarget(limits=Limits(items=1, bytes=10, item_bytes=10))
    ages = Ages(target)
    item = Item(0, "a", datetime(1970, 1, 1, tzinfo=UTC), b"x", b"x")
    assert ages.unkept([item]) == {}
    ages.refuse_early([item])
    assert target.asked == 0
