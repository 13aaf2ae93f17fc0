"""The segments as a queue: read while they are written, rotated, archived, deleted, redacted and damaged."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import lines_of
from log_builder import DAY, NEXT_DAY, THIRD_DAY, LogBuilder, key, three_segments
from retaining import LivedLog, lived
from shipping import LIMITS, NOTICE, MemoryTarget, ship, shipper_to

from or_audit_logging.errors import ChainBrokenError, ConfigError, RetentionError
from or_audit_logging.log import streams
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.retention import redact_record
from or_audit_logging.ship import Limits, Shipped, Shipper
from or_audit_logging.ship import listing as listing_module

FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a log of three segments of five lines."""
    return three_segments().save(tmp_path / "log")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LivedLog]:
    """A log that the real writer writes, and a clock that is set."""
    with lived(tmp_path / "log") as log:
        yield log


def few(count: int) -> Limits:
    """Return limits under which so many lines go out at once."""
    return Limits(items=count, bytes=1 << 20, item_bytes=1 << 20)


def ship_a_few(folder: Path, target: MemoryTarget, count: int) -> Shipped:
    """Ship the first *count* lines, one by one."""
    with shipper_to(target, folder, progress=lambda done: done < count or shipper.stop()) as shipper:
        return shipper.run()


def once_flagged(folder: Path, target: MemoryTarget) -> Shipped:
    """Ship with notices, twice: the second run has nothing to say."""
    shipped = ship(folder, target, on_break="flag")
    again = ship(folder, target, on_break="flag")
    assert (again.breaks, again.delivered) == ((), 0)
    assert len(target.notices) == len(shipped.breaks)
    return shipped


# while it is written


def test_lines_come_as_they_are_written(log: LivedLog) -> None:
    """One shipper, polled while a writer writes over midnight: every line once, in order, byte for byte."""
    log.write(1)
    target = MemoryTarget()
    with shipper_to(target, log.folder) as shipper:
        for _ in range(3):
            log.write(3)
            shipper.run()
            log.pass_days(1)
            log.write(2)
            shipper.run()
            assert target.lines == lines_of(log.folder)


def test_a_clock_that_had_run_ahead_opens_a_segment_with_a_suffix(log: LivedLog) -> None:
    """Segments are read in the order of their seq, whatever their names."""
    log.write(2)
    target = MemoryTarget()
    with shipper_to(target, log.folder) as shipper:
        log.pass_days(9)
        log.write(2)
        shipper.run()
        log.pass_days(-9)
        log.write(2)
        shipper.run()
        log.write(2)
        shipper.run()
    assert "audit_2026-01-01.1.jsonl" in log.names()
    assert [item.seq for item in target.items] == list(range(len(target.items)))
    assert set(target.lines) == set(lines_of(log.folder))
    assert ship(log.folder, MemoryTarget(), state=log.folder.parent / "later").breaks == ()


def test_bytes_that_no_newline_ends_wait(folder: Path) -> None:
    """A line that arrives in two writes is shipped once it is whole."""
    last = folder / THIRD
    whole = last.read_bytes()
    target = MemoryTarget()
    last.write_bytes(whole[:-1])
    with shipper_to(target, folder) as shipper:
        for size in (len(whole) - 1, len(whole) - 1, len(whole)):
            last.write_bytes(whole[:size])
            assert len(target.lines) == (0 if not target.lines else 14)
            shipper.run()
        assert len(target.lines) == 15
    assert target.lines == lines_of(folder)


@pytest.mark.parametrize("size", [0, 1, 500, 1099])
def test_a_new_segment_that_has_no_line_yet_is_waited_for(tmp_path: Path, size: int) -> None:
    """The file is made before its first line is in it: whoever looks in between does not pass it over."""
    log = three_segments()
    newest = log.segments.pop(THIRD)
    folder = log.save(tmp_path / "log")
    target = MemoryTarget()
    with shipper_to(target, folder) as shipper:
        (folder / THIRD).write_bytes(newest[:size])
        for _ in range(3):
            shipper.run()
        assert len(target.lines) == 10
        (folder / THIRD).write_bytes(newest)
        assert shipper.run().delivered == 15
    assert target.lines == lines_of(folder)


def test_it_is_on_disk_before_it_is_shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No target has a line that a power cut takes from the log."""
    synced: list[str] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc")
    monkeypatch.setattr("or_audit_logging.ship.spool._sync_data", sync)
    target = MemoryTarget(limits=few(1))
    seen: list[int] = []
    real_send = target.send
    monkeypatch.setattr(target, "send", lambda items: (seen.append(len(set(synced))), real_send(items))[1])
    ship(folder, target)
    assert seen == [1] * 4 + [2] * 5 + [3] * 6
    assert [Path(name).name for name in synced] == [FIRST, SECOND, THIRD]


# archives


def test_a_cursor_stands_in_an_archive_as_in_its_segment(tmp_path: Path) -> None:
    """The bytes are the same: stopped after each line, with everything archived meanwhile, it goes on."""
    log = three_segments()
    for stop in range(1, 14):
        folder = log.save(tmp_path / f"log{stop}")
        lines = lines_of(folder)
        target = MemoryTarget(limits=few(1))
        assert ship_a_few(folder, target, stop).delivered == stop
        for name in (FIRST, SECOND):
            log.archive(folder, name)
        assert ship(folder, target).breaks == ()
        assert target.lines == lines


def test_a_segment_is_archived_while_it_is_read(folder: Path) -> None:
    """The place is found again in the archive."""
    lines, log = lines_of(folder), three_segments()

    def archive(count: int) -> None:
        if count == 2:
            log.archive(folder, FIRST)
        if count == 7:
            log.archive(folder, SECOND)

    target = MemoryTarget(limits=few(1))
    with shipper_to(target, folder, progress=archive) as shipper:
        assert shipper.run().breaks == ()
        assert target.lines == lines
        assert shipper.run().delivered == 15


def test_lines_that_came_just_before_their_segment_was_archived_are_read(tmp_path: Path) -> None:
    """Read to its end as it was, then added to and archived, before the next file is looked for."""
    log = three_segments()
    folder, target = tmp_path / "log", MemoryTarget()
    second, third = log.segments.pop(SECOND), log.segments.pop(THIRD)
    cut = len(log.segments[FIRST].splitlines(keepends=True)[-1])
    whole = log.segments[FIRST]
    log.segments[FIRST] = whole[:-cut]
    log.save(folder)
    with shipper_to(target, folder) as shipper:
        spool = shipper._spool
        real = spool._following

        def following() -> object:
            if not (folder / SECOND).exists():
                (folder / FIRST).write_bytes(whole)
                log.archive(folder, FIRST)
                (folder / SECOND).write_bytes(second)
                (folder / THIRD).write_bytes(third)
            return real()

        spool._following = following  # type: ignore[method-assign, assignment]
        assert shipper.run().breaks == ()
    assert [item.seq for item in target.items] == list(range(15))


def test_an_archive_that_ends_in_half_a_line_is_a_break(folder: Path) -> None:
    """In a segment that others follow, nothing will end it."""
    path = three_segments().archive(folder, FIRST)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b'{"half'))
    target = MemoryTarget()
    with pytest.raises(ChainBrokenError, match="no newline ends"):
        ship(folder, target)
    assert len(once_flagged(folder, target).breaks) == 1
    assert [item.seq for item in target.items if not item.line.startswith(NOTICE)] == list(range(15))


# retention and redaction


def test_what_was_shipped_may_be_archived_and_deleted(log: LivedLog) -> None:
    """Nothing is said of it."""
    target = MemoryTarget()
    for _ in range(9):
        log.write(2)
        assert ship(log.folder, target).exit_code == 0
        log.pass_days(1)
        log.retain()
    assert ship(log.folder, target).exit_code == 0
    assert "audit_2026-01-01.jsonl" not in log.names() + log.archives()
    assert target.notices == []
    assert [item.seq for item in target.items] == list(range(len(target.items)))


@pytest.mark.parametrize("restarted", [True, False])
def test_what_was_deleted_before_it_was_shipped_is_counted(log: LivedLog, restarted: bool) -> None:
    """The target lacks it, so the run is no success, and a notice stands where it is missing."""
    target = MemoryTarget()
    log.write(2)
    with shipper_to(target, log.folder) as shipper:
        had = shipper.run().delivered
        log.pass_days(1)
        log.write_days(8)
        log.retain()
        if not restarted:
            shipped = shipper.run()
    if restarted:
        shipped = ship(log.folder, target)
    first = json.loads(lines_of_all(log.folder)[0])["seq"]
    assert (shipped.deleted, shipped.exit_code, shipped.breaks) == (first - had, 1, ())
    (notice,) = target.notices
    assert (notice["kind"], notice["seq"]) == ("deleted", first)
    assert notice["message"] == f"{first - had} lines before seq {first} were deleted before they were sent"
    assert target.lines[had:] == lines_of_all(log.folder)
    again = ship(log.folder, target)
    assert (again.deleted, again.exit_code) == (0, 0)


def lines_of_all(folder: Path) -> list[bytes]:
    """Return every line of archives and segments in their order."""
    archived = [gzip.decompress(path.read_bytes()) for path in folder.glob("archive/*.gz")]
    lines = b"".join(archived).splitlines() + lines_of(folder)
    return sorted(lines, key=lambda line: int(json.loads(line)["seq"]))


def test_the_notice_fits_into_a_full_batch(log: LivedLog) -> None:
    """It goes out with the next one; a stop right there is no damage."""
    log.write(2)
    target = MemoryTarget(limits=few(1))
    ship(log.folder, target)
    log.pass_days(1)
    log.write_days(8)
    log.retain()
    ship_a_few(log.folder, target, 1)
    ship(log.folder, target)
    assert max(map(len, target.batches)) == 1
    assert len(target.notices) == 1
    seqs = [item.seq for item in target.items if not item.line.startswith(NOTICE)]
    assert (
        seqs[-len(lines_of_all(log.folder)) :] == list(range(seqs[-1] + 1))[-len(lines_of_all(log.folder)) :]
    )


def test_a_log_that_begins_later_is_shipped_from_there(log: LivedLog) -> None:
    """Where nothing was shipped before, nothing is missing at the target."""
    log.write_days(8)
    log.retain()
    target, said = MemoryTarget(), list[str]()
    shipped = ship(log.folder, target, told=said.append)
    assert (shipped.deleted, shipped.exit_code) == (0, 0)
    assert target.lines == lines_of_all(log.folder)
    assert "what stood before was deleted" in said[-1]
    assert len(said) == 2


def test_without_a_log_delete_it_is_a_break(log: LivedLog) -> None:
    """Files that are simply gone, shipped before or not, first of all or not."""
    target = MemoryTarget()
    log.write(2)
    ship(log.folder, target)
    log.pass_days(1)
    log.write_days(3)
    (log.folder / "audit_2026-01-02.jsonl").unlink()
    with pytest.raises(ChainBrokenError, match=r"no log\.delete says why"):
        ship(log.folder, target)
    shutil.rmtree(log.folder / "ship")
    (log.folder / "audit_2026-01-01.jsonl").unlink()
    with pytest.raises(ChainBrokenError, match=r"no log\.delete says why"):
        ship(log.folder, target)
    assert len(once_flagged(log.folder, target).breaks) == 1


def test_a_redaction_is_shipped_as_the_log_has_it(log: LivedLog) -> None:
    """A line that was shipped stays at the target; one that was not arrives as its stub."""
    log.write(2)
    log.pass_days(1)
    log.write(2)
    lines = lines_of(log.folder)
    users = [number for number, line in enumerate(lines) if b'"n":' in line]
    target = MemoryTarget(limits=few(1))
    ship_a_few(log.folder, target, users[0] + 1)
    log.pass_days(1)
    log.write(1)
    redact_record(log.folder, users[:3], reason="request 7", actor="dpo", key=key())
    assert ship(log.folder, target).breaks == ()
    now = lines_of(log.folder)
    assert target.lines == lines[: users[0] + 1] + now[users[0] + 1 :]
    assert now[users[1]].startswith(b'{"log":')


def test_a_segment_is_replaced_by_its_redaction_while_it_is_read(log: LivedLog) -> None:
    """Both forms are as long as each other, so the place holds."""
    log.write(6)
    log.pass_days(1)
    log.write(1)
    users = [number for number, line in enumerate(lines_of(log.folder)) if b'"n":' in line]
    target = MemoryTarget(limits=few(1))

    def redact(count: int) -> None:
        if count == users[2]:
            redact_record(log.folder, users[:5], reason="request 7", actor="dpo", key=key())

    with shipper_to(target, log.folder, progress=redact) as shipper:
        shipper.run()
        assert shipper.run().breaks == ()
    assert [item.seq for item in target.items] == list(range(len(lines_of(log.folder))))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_to_an_honest_log_everything_arrives(log: LivedLog, seed: int) -> None:
    """Written, archived, deleted, redacted, stopped, started: each line once and in order, or counted."""
    chance = random.Random(seed)
    log.write(1)
    target, written = MemoryTarget(limits=few(3)), dict[int, set[bytes]]()
    state = log.folder.parent / "state"
    shipper: Shipper | None = None

    def note() -> None:
        for line in lines_of_all(log.folder):
            written.setdefault(json.loads(line)["seq"], set()).add(line)

    for _ in range(30):
        act = chance.choice(("write", "write", "day", "retain", "redact", "ship", "ship", "stop"))
        if act == "write":
            log.write(chance.randrange(1, 5))
        elif act == "day":
            log.pass_days(chance.randrange(1, 3))
        elif act == "retain":
            log.retain()
        elif act == "redact":
            closed = (log.folder / log.names()[0]).read_bytes().splitlines() if log.names()[1:] else []
            users = [json.loads(line)["seq"] for line in closed if b'"n":' in line]
            if users:
                with suppress(RetentionError):  # of a segment that is open yet
                    redact_record(log.folder, users[:1], reason="7", actor="dpo", key=key())
        elif act == "ship":
            shipper = shipper or shipper_to(target, log.folder, state=state)
            shipper.run()
        elif shipper is not None:
            shipper.close()
            shipper = None
        note()
    if shipper is not None:
        shipper.close()
    ship(log.folder, target, state=state)
    seqs = [item.seq for item in target.items if not item.line.startswith(NOTICE)]
    assert seqs == sorted(set(seqs))
    assert all(line in written[seq] for seq, line in zip(seqs, target.lines, strict=True))
    missing = set(range(seqs[0], max(written) + 1)) - set(seqs)
    told = sum(int(notice["message"].split()[0]) for notice in target.notices)
    assert told == len(missing)
    assert all(notice["kind"] == "deleted" for notice in target.notices)


# what breaks it, and how it goes on


def shrink(folder: Path) -> None:
    path = folder / THIRD
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


def shrink_within_a_line(folder: Path) -> None:
    path = folder / THIRD
    path.write_bytes(path.read_bytes()[:-30])


def empty(folder: Path) -> None:
    (folder / THIRD).write_bytes(b"")


def roll_back(folder: Path) -> None:
    (folder / THIRD).unlink()


def roll_back_within_a_day(folder: Path) -> None:
    (folder / THIRD).unlink()
    path = folder / SECOND
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


@pytest.mark.parametrize(
    "damage",
    [shrink, shrink_within_a_line, empty, roll_back, roll_back_within_a_day],
    ids=lambda it: it.__name__,
)
@pytest.mark.parametrize("restarted", [True, False])
def test_lines_that_were_shipped_and_are_gone(
    folder: Path, damage: Callable[[Path], None], restarted: bool
) -> None:
    """They stop shipping, each time; once flagged it goes on, also with what is written then."""
    target = MemoryTarget()
    with shipper_to(target, folder) as shipper:
        shipper.run()
        damage(folder)
        for _ in range(2):
            with pytest.raises(ChainBrokenError, match=r"shorter than it was|the log ends at seq"):
                shipper.run() if not restarted else ship_again(shipper, folder, target)
    once_flagged(folder, target)
    later = LogBuilder()
    later.seq, later.prev = 30, b"\1" * 32
    later.open("2026-11-30", checkpoint=False)
    later.user(2)
    (folder / later.name).write_bytes(later.segments[later.name])
    assert ship(folder, target, on_break="flag").breaks
    assert target.lines[-3:] == later.segments[later.name].splitlines()


def ship_again(shipper: Shipper, folder: Path, target: MemoryTarget) -> None:
    """Ship in a shipper of its own."""
    shipper.close()
    ship(folder, target)


def test_after_a_roll_back_the_new_lines_are_not_passed_over(folder: Path) -> None:
    """They have numbers that were there before, in files of their own."""
    target = MemoryTarget()
    ship(folder, target)
    (folder / THIRD).unlink()
    again = LogBuilder()
    again.user(3)
    again.open(NEXT_DAY)
    again.user(3)
    again.open("2026-11-24")
    again.user(2)
    (folder / again.name).write_bytes(again.segments[again.name])
    with pytest.raises(ChainBrokenError):
        ship(folder, target)
    once_flagged(folder, target)
    assert target.lines[15:] == again.segments[again.name].splitlines()


def test_a_log_that_is_gone_and_comes_back(folder: Path, tmp_path: Path) -> None:
    """It is said once, and nothing goes round in circles; lines that come later are shipped."""
    away, target = tmp_path / "away", MemoryTarget()
    with shipper_to(target, folder, on_break="flag", state=tmp_path / "state") as shipper:
        shipper.run()
        folder.rename(away)
        folder.mkdir()
        assert shipper.run().breaks == ("the log is not there any more; run or-audit verify",)
        assert len(shipper.run().breaks) == 1
        for path in away.glob("*.jsonl"):
            path.rename(folder / path.name)
        with open(folder / THIRD, "ab") as file:
            file.write(more_of_the_third_day())
        assert len(shipper.run().breaks) == 1
    assert [item.seq for item in target.items if not item.line.startswith(NOTICE)] == list(range(17))


def more_of_the_third_day() -> bytes:
    """Return two lines that follow those of `three_segments`."""
    log = three_segments()
    before = len(log.segments[THIRD])
    log.user(2)
    return log.segments[THIRD][before:]


@pytest.mark.parametrize("restarted", [True, False])
def test_half_a_line_in_a_segment_that_others_follow(folder: Path, restarted: bool) -> None:
    """No newline will come: a break, once."""
    with open(folder / FIRST, "ab") as file:
        file.write(b'{"event_type":"chat_comp')
    target = MemoryTarget()
    with pytest.raises(ChainBrokenError, match=f"{FIRST} ends in bytes that no newline ends"):
        ship(folder, target)
    assert len(target.lines) == 5
    if restarted:
        with pytest.raises(ChainBrokenError):
            ship(folder, target)
    assert len(once_flagged(folder, target).breaks) == 1
    assert target.lines == [line for line in lines_of(folder) if line.endswith(b"}")]


def test_bytes_without_end_are_read_in_pieces(folder: Path) -> None:
    """Megabytes without a newline do not have to fit into memory, and are one break."""
    with open(folder / FIRST, "ab") as file:
        file.writelines(b"x" * 100_000 for _ in range(40))
        file.write(b"\n")
    target = MemoryTarget()
    assert len(once_flagged(folder, target).breaks) == 1
    assert len(target.lines) == 15


def test_breaks_at_the_limit_of_a_batch(tmp_path: Path) -> None:
    """A notice and its line do not make a batch longer than the target takes."""
    log = LogBuilder()
    log.user(30)
    lines = log.lines()
    folder = log.save(tmp_path / "log")
    (folder / FIRST).write_bytes(b"".join(line for n, line in enumerate(lines) if n % 3))
    for size in (1, 2, 3, 7):
        target = MemoryTarget(limits=few(size))
        shipped = ship(folder, target, on_break="flag", state=tmp_path / str(size))
        assert max(map(len, target.batches)) == size
        assert len(shipped.breaks) == len(target.notices) == 11
        assert len(target.lines) == 21


# files


def test_many_segments_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of 400 days opens each file a few times, and polling opens none."""
    log = LogBuilder()
    for number in range(400):
        log.open(
            date.fromordinal(date.fromisoformat(NEXT_DAY).toordinal() + number).isoformat(), checkpoint=False
        )
    folder = log.save(tmp_path / "log")
    opened: list[Path] = []
    real = streams._open
    monkeypatch.setattr(streams, "_open", lambda path: (opened.append(path), real(path))[1])
    target = MemoryTarget()
    with shipper_to(target, folder) as shipper:
        shipper.run()
        assert len(target.lines) == log.seq
        assert len(opened) < 4 * 401
        opened.clear()
        for _ in range(20):
            shipper.run()
        assert opened == []
        with open(folder / log.name, "ab") as file:
            file.write(b'{"half a line')
        shipper.run()
        assert len(opened) == 1


def test_a_folder_that_did_not_change_is_not_listed_for_each_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing takes as long as files are many: a backlog would take the square of that."""
    log = LogBuilder()
    for number in range(400):
        log.open(date.fromordinal(date.fromisoformat(NEXT_DAY).toordinal() + number).isoformat())
    folder = log.save(tmp_path / "log")
    ticks, listed = itertools.count(), list[int]()
    monkeypatch.setattr(listing_module, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    real = LogLayout.files
    monkeypatch.setattr(LogLayout, "files", lambda self: (listed.append(1), real(self))[1])
    target = MemoryTarget()
    ship(folder, target)
    assert len(target.lines) == log.seq
    assert len(listed) < 100


@pytest.mark.parametrize("is_told", [True, False])
def test_what_comes_and_goes_is_seen_on_whatever_file_system(
    log: LivedLog, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    """Where a folder does not tell the time of its change, it is listed before anything is called missing."""
    if not is_told:
        monkeypatch.setattr(listing_module, "_changed_at", lambda folder: 1)
    ticks = itertools.count(step=3)
    monkeypatch.setattr(listing_module, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    target = MemoryTarget()
    log.write_days(3)
    with shipper_to(target, log.folder) as shipper:
        for _ in range(9):
            log.write_days(2)
            log.retain()
            for _ in range(5):
                shipped = shipper.run()
            assert target.lines[-1] == lines_of_all(log.folder)[-1]
    assert (shipped.breaks, shipped.deleted, target.notices) == ((), 0, [])


def test_since_begins_with_a_day(folder: Path) -> None:
    """That of the segment, or the next one that there is."""
    target = MemoryTarget()
    assert ship(folder, target, since=date.fromisoformat(NEXT_DAY)).breaks == ()
    assert [item.seq for item in target.items] == list(range(5, 15))
    (folder / FIRST).unlink()
    (folder / SECOND).unlink()
    for number, day in enumerate((DAY, NEXT_DAY, THIRD_DAY)):
        target = MemoryTarget()
        ship(folder, target, since=date.fromisoformat(day), state=folder.parent / str(number))
        assert [item.seq for item in target.items] == list(range(10, 15))
    with pytest.raises(ConfigError, match="no segment of 2026-11-24 or later"):
        shipper_to(target, folder, since=date(2026, 11, 24), state=folder.parent / "none")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
@pytest.mark.parametrize("name", [FIRST, THIRD, "audit_2026-11-24.jsonl"])
@pytest.mark.parametrize("running", [True, False])
def test_what_is_no_file_is_named(
    folder: Path, make: Callable[[Path], None], name: str, running: bool
) -> None:
    """A pipe is not waited for."""
    with shipper_to(MemoryTarget(), folder, state=folder.parent / "state") as shipper:
        shipper.run()
        (folder / name).unlink(missing_ok=True)
        make(folder / name)
        if running and name == FIRST:
            return  # it was read
        with pytest.raises(OSError, match="not a regular file") as raised:
            shipper.run() if running else ship(folder, MemoryTarget())
        assert raised.value.filename == str(folder / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(folder: Path) -> None:
    (folder / SECOND).chmod(0)
    with pytest.raises(OSError, match="Permission denied") as raised:
        ship(folder, MemoryTarget())
    assert raised.value.filename == str(folder / SECOND)


def test_a_line_goes_out_whole_or_to_the_dead_letters(folder: Path) -> None:
    """One that is too long for the target is refused before it is sent; the others arrive."""
    target = MemoryTarget(limits=Limits(items=4, bytes=3_000, item_bytes=1_000, overhead=1))
    shipped = ship(folder, target)
    assert shipped.dead_letters == 3
    assert len(target.lines) == 12
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    kept = [json.loads(line) for line in letters.read_text("ascii").splitlines()]
    assert [letter["seq"] for letter in kept] == [0, 5, 10]
    assert all("takes 1,000 at most" in letter["reason"] for letter in kept)
    assert LIMITS.items > 4
