"""What stands among the dead letters is sent again on request, as the log has it, and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import lines_of
from hypothesis import given
from hypothesis import strategies as st
from log_builder import LogBuilder, three_segments
from ship_sites import WebhookSite
from shipping import LIMITS, NOTICE, MemoryTarget, ship, shipper_to

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship import Answer, Item
from or_audit_logging.ship.again import Named, letters_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a log of three segments of five lines."""
    return three_segments().save(tmp_path / "log")


def refusing(*seqs: int) -> Callable[[Sequence[Item]], Answer]:
    """Return what refuses the lines of these *seqs*."""
    return lambda items: Answer({at: "no" for at, item in enumerate(items) if item.seq in seqs})


def letters_of(folder: Path) -> Path:
    """Return the one file of dead letters, moved out of the way."""
    (path,) = (folder / "ship").glob("*.dead.jsonl")
    return path.rename(folder.parent / "again.jsonl")


def cursors_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "ship").glob("*.cursor.json"))]


def test_what_was_refused_arrives(folder: Path) -> None:
    """Byte for byte, once, out of plain segments; the cursor stays where it is."""
    ship(folder, MemoryTarget(refusing(3, 7, 8)))
    letters, before = letters_of(folder), cursors_of(folder)
    target = MemoryTarget()
    with shipper_to(target, folder) as shipper:
        shipped = shipper.again(letters)
    assert (shipped.delivered, shipped.dead_letters, shipped.deleted, shipped.exit_code) == (3, 0, 0, 0)
    assert target.lines == [lines_of(folder)[seq] for seq in (3, 7, 8)]
    assert cursors_of(folder) == before
    assert not list((folder / "ship").glob("*.dead.jsonl"))


def test_what_is_refused_again_is_a_dead_letter_again(folder: Path) -> None:
    """Counted, exit code 1; also where the letters are those that the target has."""
    ship(folder, MemoryTarget(refusing(3, 7, 8)))
    (path,) = (folder / "ship").glob("*.dead.jsonl")
    with shipper_to(MemoryTarget(refusing(7)), folder) as shipper:
        shipped = shipper.again(path)
    assert (shipped.delivered, shipped.dead_letters, shipped.exit_code) == (2, 1, 1)
    seqs = [json.loads(letter)["seq"] for letter in path.read_text("ascii").splitlines()]
    assert seqs == [3, 7, 8, 7]


def test_a_range_of_what_was_not_sent(folder: Path) -> None:
    """Also of many lines, in as many batches as it takes."""
    old = MemoryTarget(limits=replace(LIMITS, oldest=timedelta(seconds=1)))
    assert ship(folder, old).dead_letters == 15
    letters = letters_of(folder)
    target = MemoryTarget(limits=replace(LIMITS, items=4))
    with shipper_to(target, folder) as shipper:
        assert shipper.again(letters).delivered == 15
    assert target.lines == lines_of(folder)
    assert max(map(len, target.batches)) == 4


def test_a_letter_names_no_line_that_was_sent(folder: Path) -> None:
    """Ranges end where a line in between has arrived."""
    lengths = sorted({len(line) for line in lines_of(folder)})
    limits = replace(LIMITS, item_bytes=lengths[len(lengths) // 2])
    first = MemoryTarget(limits=limits)
    ship(folder, first)
    letters, second = letters_of(folder), MemoryTarget()
    with shipper_to(second, folder) as shipper:
        shipper.again(letters)
    assert sorted(first.lines + second.lines) == sorted(lines_of(folder))
    assert second.lines


def test_lines_that_the_log_has_no_more(folder: Path) -> None:
    """Are counted as deleted, exit code 1."""
    ship(folder, MemoryTarget(refusing(1, 12)))
    letters = letters_of(folder)
    (folder / "audit_2026-11-21.jsonl").unlink()
    told: list[str] = []
    target = MemoryTarget()
    with shipper_to(target, folder, told=told.append) as shipper:
        shipped = shipper.again(letters)
    assert (shipped.delivered, shipped.deleted, shipped.exit_code) == (1, 1, 1)
    assert told == ["the log has 1 of these lines no more"]


def test_a_target_that_still_refuses_everything(folder: Path) -> None:
    """Exit code 2, and the letters stay as they are."""
    ship(folder, MemoryTarget(refusing(*range(12))))
    letters = letters_of(folder)
    with (
        shipper_to(MemoryTarget(refusing(*range(12))), folder, most_refused=5) as shipper,
        pytest.raises(DeliveryError, match="refused 12 lines"),
    ):
        shipper.again(letters)
    assert not list((folder / "ship").glob("*.dead.jsonl"))


@pytest.mark.parametrize(
    "target", [MemoryTarget(refusing(3)), MemoryTarget(limits=replace(LIMITS, oldest=timedelta(seconds=1)))]
)
def test_letters_of_another_log(folder: Path, tmp_path: Path, target: MemoryTarget) -> None:
    """Also those that name lines by their numbers alone."""
    other = LogBuilder(log_id=b"\5" * 16)
    other.user(5)
    ship(other.save(tmp_path / "other"), target)
    letters = letters_of(tmp_path / "other")
    with shipper_to(MemoryTarget(), folder) as shipper, pytest.raises(ConfigError, match="another log, 0505"):
        shipper.again(letters)


def test_a_notice_is_no_line_of_the_log(folder: Path) -> None:
    """The one before a break was refused: the line behind it arrived, and is not sent twice."""
    (folder / "audit_2026-11-22.jsonl").unlink()

    def answer(items: Sequence[Item]) -> Answer:
        return Answer({at: "no" for at, item in enumerate(items) if item.line.startswith(NOTICE)})

    assert ship(folder, MemoryTarget(answer), on_break="flag").dead_letters == 1
    target = MemoryTarget()
    with shipper_to(target, folder) as shipper:
        shipped = shipper.again(letters_of(folder))
    assert (shipped.delivered, shipped.deleted, shipped.exit_code) == (0, 0, 0)
    assert target.items == []


@pytest.mark.parametrize("zeros", [b"", bytes(9)])
def test_a_letter_that_was_cut(folder: Path, zeros: bytes) -> None:
    """By a full disk or a crash, wherever: the others are sent, and its line goes as any that was not."""
    ship(folder, MemoryTarget(refusing(3, 7)))
    letters = letters_of(folder)
    first, second = letters.read_bytes().splitlines(keepends=True)
    for length in range(len(second) - 2):
        for behind in (b"", b"\n" + first):
            letters.write_bytes(first + second[:length] + zeros + behind)
            assert [seq for seq in range(15) if seq in letters_in(letters, log="0001020304050607")] == [3]


def test_a_damaged_archive_is_not_taken_for_a_deletion(tmp_path: Path) -> None:
    """What is damaged may be put back, so the letters are still of use."""
    log = three_segments()
    folder = log.save(tmp_path / "log")
    ship(folder, MemoryTarget(refusing(3)))
    letters = letters_of(folder)
    log.archive(folder, "audit_2026-11-21.jsonl")
    archive = folder / "archive" / "audit_2026-11-21.jsonl.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-20])
    with shipper_to(MemoryTarget(), folder) as shipper, pytest.raises(OSError, match="archive ends early"):
        shipper.again(letters)
    archive.write_bytes(whole)
    with shipper_to(MemoryTarget(), folder) as shipper:
        assert shipper.again(letters).exit_code == 0


def test_a_line_that_stands_twice_is_there(folder: Path) -> None:
    """As in a log that was written by two who did not know of each other."""
    ship(folder, MemoryTarget(refusing(3)))
    letters = letters_of(folder)
    path = folder / "audit_2026-11-21.jsonl"
    path.write_bytes(path.read_bytes() + lines_of(folder)[3] + b"\n")
    with shipper_to(MemoryTarget(), folder) as shipper:
        shipped = shipper.again(letters)
    assert (shipped.delivered, shipped.deleted, shipped.exit_code) == (2, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("{]", "[]", "{}", "1", '"x"', "\0x", "[" * 100_000),
        *('{"seq":-1}', '{"seq":"1"}', '{"seq":true}', '{"seq":1.0}'),
        '{ "seq":1}',
        *('{"seq":2,"last_seq":1}', '{"seq":1,"last_seq":null}', '{"seq":1,"line":7}'),
    ],
)
def test_what_is_no_dead_letter(tmp_path: Path, text: str) -> None:
    log = f'"log":"{"0" * 16}",'
    text = text.replace('{"', "{" + log + '"')
    (tmp_path / "x").write_text("{" + log + '"seq":0}\n' + text + "\n")
    with pytest.raises(ConfigError, match="line 2 is no dead letter"):
        letters_in(tmp_path / "x", log="0" * 16)


@given(st.binary(max_size=60))
def test_whatever_stands_in_the_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "letters"
    path.write_bytes(data)
    try:
        letters_in(path, log="0" * 16)
    except ConfigError:
        pass


def test_named() -> None:
    """Ranges in any order, one over the other; a range of all there could be takes no room."""
    chance = random.Random(5)
    for _ in range(200):
        ranges = [(first, first + chance.randrange(4)) for first in (chance.randrange(40) for _ in range(9))]
        named, seqs = Named(ranges), {seq for first, last in ranges for seq in range(first, last + 1)}
        assert {seq for seq in range(50) if seq in named} == seqs
        assert len(named) == len(seqs)
        for first in range(50):
            end = first + chance.randrange(1, 9)
            assert named.any_between(first, end) == bool(seqs & set(range(first, end)))
    assert 5 in Named([(0, 1 << 62)])


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0, 1 and 2; it says how many, and takes no option that means something else."""

    def run(*options: str) -> int:
        return main(["ship", str(folder), "--to", site.text, *options])

    with WebhookSite() as site:
        site.refuse("00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000007")
        assert run() == 1
        letters = letters_of(folder)
        capsys.readouterr()
        assert run("--again", str(letters)) == 1
        assert capsys.readouterr().out == "delivered  0 lines\nrefused    2 lines\n"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site, "_refused", set())
            assert run("--again", str(letters)) == 0
        assert capsys.readouterr().out == "delivered  2 lines\n"
        assert len(site.items) == 15
        assert run("--again", str(folder / "none")) == 2
        assert f"{folder / 'none'}: No such file" in capsys.readouterr().err
        for options in (("--follow",), ("--since", "2026-11-22")):
            assert run("--again", str(letters), *options) == 2
            assert "leave --follow and --since out" in capsys.readouterr().err
