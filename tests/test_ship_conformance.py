"""What every target promises: order, nothing lost over faults, refused items visible, stop and resume."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY, NEXT_DAY, LogBuilder
from ship_sites import SITES, Site

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship import Shipped, Shipper, TargetOptions
from or_audit_logging.ship import shipper as shipper_module
from or_audit_logging.ship.cursor import cursor_paths, read_cursor
from or_audit_logging.ship.targets import TARGETS

WITHOUT_A_SITE = {"stdout", "s3"}
"""Standard output; and S3, which keeps segments and not lines: test_ship_s3.py holds it to the same."""
LINES = 40
FEW = 10
"""Items in a batch here, so that there are several."""


@pytest.fixture(params=sorted(SITES))
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield each target's other end in turn; its library may be missing."""
    folder = tmp_path / "site"
    folder.mkdir()
    with SITES[request.param](folder) as site:
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        yield site


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, list[str]]:
    """Return the folder of a log of two days, and the ids of its lines in their order."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - timedelta(hours=1)  # targets look at how old a line is
    builder.open(DAY)
    builder.user(LINES // 2)
    builder.checkpoint()
    builder.open(NEXT_DAY)
    builder.user(LINES // 2)
    builder.save(tmp_path / "log")
    lines = b"".join(builder.segments.values()).splitlines()
    return tmp_path / "log", [json.loads(line)["id"] for line in lines]


def ship(site: Site, folder: Path, **options: Any) -> Shipped:
    """Ship all of the log to *site* in small batches, without waiting between tries."""
    with open_shipper(site, folder, **options) as shipper:
        return shipper.run()


def open_shipper(site: Site, folder: Path, **options: Any) -> Shipper:
    """Return a shipper to *site* that does not wait between tries."""
    defaults: dict[str, Any] = {"wait": lambda pause: None, "options": TargetOptions(timeout=site.timeout)}
    return Shipper(folder, site.text, **(defaults | options))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each target take a few items at once."""
    opened: Callable[..., Any] = shipper_module.open_target

    def open_small(*arguments: Any) -> Any:
        target = opened(*arguments)
        target.limits = dataclasses.replace(target.limits, items=FEW)
        return target

    monkeypatch.setattr(shipper_module, "open_target", open_small)


def once(ids: list[str]) -> list[str]:
    """Return *ids* without repetitions."""
    return list(dict.fromkeys(ids))


def test_every_target_has_a_site() -> None:
    """No target goes untested."""
    assert set(SITES) | WITHOUT_A_SITE == set(TARGETS)


def test_all_arrives_once_and_in_order(site: Site, log: tuple[Path, list[str]]) -> None:
    """Every line, control lines included, in the log's order."""
    folder, ids = log
    shipped = ship(site, folder)
    assert site.ids() == ids
    assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (len(ids), 0, 0)
    assert ship(site, folder).delivered == 0
    assert site.ids() == ids


@pytest.mark.parametrize("times", [1, 2])
def test_a_fault_loses_nothing(site: Site, log: tuple[Path, list[str]], times: int) -> None:
    """Whatever goes wrong with a request, it is made again; what comes twice has the same id."""
    folder, ids = log
    site.fail(*(fault for fault in site.faults for _ in range(times)))
    shipped = ship(site, folder)
    assert shipped.delivered == len(ids)
    arrived = site.ids()
    assert once(arrived) == ids
    if site.deduplicates:
        assert arrived == ids


def test_what_is_not_there_is_waited_for(site: Site, log: tuple[Path, list[str]]) -> None:
    """Connections that are refused cost time; shipping goes on where it was."""
    if not site.faults:
        pytest.skip("it is always there")
    folder, ids = log
    site.stop()
    timer = threading.Timer(0.3, site.start)
    timer.start()
    try:
        shipped = ship(site, folder, wait=lambda pause: threading.Event().wait(0.05))
    finally:
        timer.join()
    assert shipped.delivered == len(ids)
    assert once(site.ids()) == ids


def test_patience_ends_and_nothing_is_lost(site: Site, log: tuple[Path, list[str]]) -> None:
    """Given up, the next run delivers what is left."""
    if not site.faults:
        pytest.skip("it is always there")
    folder, ids = log
    site.stop()
    with pytest.raises(DeliveryError, match="given up"):
        ship(site, folder, patience=0.0)
    site.start()
    assert ship(site, folder).delivered == len(ids)
    assert once(site.ids()) == ids


def test_what_is_refused_is_kept_and_said(site: Site, log: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Items that are refused for good stand among the dead letters, with a reason; the others arrive."""
    folder, ids = log
    bad = [ids[3], ids[4], ids[25]]
    site.refuse(*bad)
    shipped = ship(site, folder)
    assert site.ids() == [name for name in ids if name not in bad]
    assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (len(ids) - 3, 3, 1)
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    kept = [json.loads(line) for line in letters.read_text("ascii").splitlines()]
    assert [letter["id"] for letter in kept] == bad
    assert all(letter["reason"] and json.loads(letter["line"])["id"] == letter["id"] for letter in kept)


def test_a_target_that_refuses_everything_is_not_fed(site: Site, log: tuple[Path, list[str]]) -> None:
    """So many in a row are the target's fault: shipping ends, the cursor stands, nothing is put aside."""
    folder, ids = log
    site.refuse(*ids)
    with pytest.raises(DeliveryError, match="taken none"):
        ship(site, folder, most_refused=5)
    assert not list((folder / "ship").glob("*.dead.jsonl"))
    (cursor,) = cursor_paths(folder / "ship")
    found = read_cursor(cursor)
    assert found is not None
    assert (found.position.next_seq, found.delivered_at) == (0, None)


def test_it_goes_on_where_it_was_stopped(site: Site, log: tuple[Path, list[str]]) -> None:
    """A stop between batches loses nothing and repeats nothing."""
    folder, ids = log
    with open_shipper(site, folder, progress=lambda count: shipper.stop()) as shipper:
        shipped = shipper.run()
    assert shipped.delivered == FEW
    assert (shipped.is_complete, shipped.exit_code) == (False, 2)
    assert ship(site, folder).delivered == len(ids) - FEW
    assert site.ids() == ids


def test_what_comes_is_followed(site: Site, log: tuple[Path, list[str]]) -> None:
    """`follow` delivers what is there, and ends by `stop`."""
    folder, ids = log

    def end(count: int) -> None:
        if count == len(ids):
            threading.Timer(0.1, shipper.stop).start()

    with open_shipper(site, folder, progress=end) as shipper:
        shipped = shipper.follow()
    assert shipped.delivered == len(ids)
    assert site.ids() == ids
