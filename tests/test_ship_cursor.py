"""The cursor: damaged, cut off in the middle, shared by nobody, and what becomes of lines meanwhile."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of
from hypothesis import given
from hypothesis import strategies as st
from log_builder import LogBuilder, three_segments
from retaining import Killed, ending_at, killed
from samples import REPOSITORY
from shipping import NOTICE, MemoryTarget, ship, shipper_to

from or_audit_logging.errors import ChainBrokenError, ConfigError, DeliveryError
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.ship import Answer, Limits, ship_status
from or_audit_logging.ship.continuity import Position
from or_audit_logging.ship.cursor import Cursor, cursor_path, cursor_paths, read_cursor, write_cursor

ONE = Limits(items=1, bytes=1 << 20, item_bytes=1 << 20)
TREE = Frontier()
for _number in range(6):
    TREE.append(bytes([_number]) * 32)
WHOLE = Cursor(
    target="webhook:https://collector.example/audit",
    position=Position("0123456789abcdef", 6, "audit_2026-11-21.jsonl", 4_711, b"\7" * 32, TREE),
    delivered=5,
    dead_letters=1,
    deleted=2,
    breaks=3,
    delivered_at="2026-11-21T10:00:00.000000Z",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a log of three segments of five lines."""
    return three_segments().save(tmp_path / "log")


@pytest.fixture
def cursor(folder: Path) -> Path:
    """Return the cursor of a target that has the whole log."""
    ship(folder, MemoryTarget())
    (path,) = cursor_paths(folder / "ship")
    return path


def same(one: Cursor, other: Cursor) -> bool:
    """Return whether two cursors say the same; trees are compared by their roots."""
    trees = [cursor.position.tree for cursor in (one, other)]
    roots = [tree.root() if tree is not None else None for tree in trees]
    texts = [repr(cursor).replace(repr(tree), "") for cursor, tree in zip((one, other), trees, strict=True)]
    return roots[0] == roots[1] and texts[0] == texts[1]


@pytest.mark.parametrize(
    "position",
    [
        WHOLE.position,
        Position("0123456789abcdef", 6),
        Position("0123456789abcdef", 0, None, 0, None, Frontier()),
        Position("0123456789abcdef", 9, "a.jsonl", 1 << 50, b"\0" * 32, None),
    ],
)
def test_what_is_written_is_read(tmp_path: Path, position: Position) -> None:
    """Also the position behind lines that were deleted, which stands in no segment."""
    written = Cursor(target="file:/\udcff\n", position=position)
    write_cursor(tmp_path / "c", written)
    read = read_cursor(tmp_path / "c")
    assert read is not None
    assert same(read, written)
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["c"]


def test_without_one_nothing_was_shipped(tmp_path: Path) -> None:
    assert read_cursor(tmp_path / "none") is None


def read_or_refuse(path: Path, content: bytes) -> Cursor | None:
    """Return the cursor that *content* is; None where it was refused, with advice."""
    path.write_bytes(content)
    try:
        return read_cursor(path)
    except ConfigError as error:
        said = str(error)
    assert str(path) in said
    assert "Nothing is lost: move it away" in said
    return None


def test_every_byte_of_it_may_be_another(tmp_path: Path) -> None:
    """Flipped or cut, it is refused with advice, or says something else; nothing else happens."""
    write_cursor(tmp_path / "c", WHOLE)
    content = (tmp_path / "c").read_bytes()
    for at in range(len(content)):
        for changed in (0, 255, content[at] ^ 1, ord("-"), ord("9"), ord('"')):
            read_or_refuse(tmp_path / "d", content[:at] + bytes([changed]) + content[at + 1 :])
        if at < len(content) - 2:
            assert read_or_refuse(tmp_path / "d", content[:at]) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["target", "delivered", "dead_letters", "deleted", "breaks", "delivered_at", "version"]
        ),
        _JSON,
        max_size=2,
    ),
    st.dictionaries(
        st.sampled_from(["log", "next_seq", "segment", "offset", "leaf", "frontier"]), _JSON, max_size=3
    ),
)
def test_members_of_any_type(
    tmp_path_factory: pytest.TempPathFactory, outer: dict[str, Any], inner: dict[str, Any]
) -> None:
    """Each member may be anything that JSON has; what passes can be used."""
    path = tmp_path_factory.getbasetemp() / "any"
    write_cursor(path, WHOLE)
    members = json.loads(path.read_bytes()) | outer
    members["position"] |= inner
    read = read_or_refuse(path, json.dumps(members).encode())
    if read is not None:
        at = read.position
        assert isinstance(at.log, str)
        assert at.segment is None or "/" not in at.segment
        assert at.leaf is None or len(at.leaf) == 32
        assert min(at.next_seq, at.offset, read.delivered, read.breaks) >= 0
        assert read.delivered_at is None or isinstance(read.delivered_at, str)
        write_cursor(path, read)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"7", b'"x"', b"[" * 100_000, b"9" * 5_000])
def test_what_is_no_cursor_at_all(tmp_path: Path, content: bytes) -> None:
    assert read_or_refuse(tmp_path / "c", content) is None


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices")
@pytest.mark.parametrize("put", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_what_would_never_come_to_an_end(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """Whoever may write to the log's folder can put it there; it is neither followed nor waited for."""
    path = tmp_path / "webhook-0123456789ab-0123456789abcdef.cursor.json"
    put(path)
    with pytest.raises((ConfigError, OSError)):
        read_cursor(path)


def test_one_that_is_far_too_long(tmp_path: Path) -> None:
    path = tmp_path / "webhook-0123456789ab-0123456789abcdef.cursor.json"
    write_cursor(path, WHOLE)
    with path.open("ab") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError, match="is damaged"):
        read_cursor(path)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("segment", "../../secret"),
        ("segment", "/etc/hostname"),
        ("segment", "no such file"),
        ("offset", 10**30),
        ("next_seq", 10**30),
        ("next_seq", 3),
        ("leaf", "00" * 32),
        ("frontier", ["00" * 32]),
    ],
)
def test_one_that_says_something_else_loses_nothing(
    cursor: Path, folder: Path, member: str, value: Any
) -> None:
    """It is refused, or a break; flagged, what may be missing is sent again."""
    with open(folder / "audit_2026-11-23.jsonl", "ab") as file:
        file.write(more(folder))
    members = json.loads(cursor.read_bytes())
    members["position"][member] = value
    cursor.write_text(json.dumps(members))
    target = MemoryTarget()
    with suppress(ConfigError, ChainBrokenError):
        ship(folder, target)
    with suppress(ConfigError):
        ship(folder, target, on_break="flag")
        ship(folder, target, on_break="flag")
        assert set(lines_of(folder)[15:]) <= set(target.lines)


def more(folder: Path) -> bytes:
    """Return lines that follow those of the log in *folder*."""
    log = three_segments()
    before = len(log.segments[log.name])
    log.user(2)
    log.checkpoint()
    return log.segments[log.name][before:]


# written


def test_a_kill_at_any_call_loses_nothing(tmp_path: Path) -> None:
    """Ended before or after every call that changes a file: the cursor is the old one or the new one."""
    built = three_segments()
    lines = b"".join(built.segments.values()).splitlines()
    call = 0
    while True:
        call += 1
        folder = built.save(tmp_path / str(call))
        target = MemoryTarget(limits=Limits(items=4, bytes=1 << 20, item_bytes=1 << 20))
        with ending_at(call, killed) as made, suppress(Killed):
            ship(folder, target)
        had = list(target.lines)
        shipped = ship(folder, target)
        assert shipped.breaks == ()
        assert list(dict.fromkeys(target.lines)) == lines
        assert len(target.lines) - len(had) == shipped.delivered
        assert len(target.lines) <= len(lines) + 4
        if len(made) <= call:
            break
        shutil.rmtree(folder)
    assert call > 8


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_full_disk_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """The cursor cannot be written: shipping ends; the next run sends again what the target has."""
    target, real, calls = MemoryTarget(limits=ONE), os.fsync, list[int]()

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 1:  # the first is of the cursor without a delivery
            raise OSError(error, os.strerror(error))
        real(descriptor)

    with shipper_to(target, folder) as shipper, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(error)) as caught:
            shipper.run()
    assert str(caught.value.filename).endswith(".cursor.json")
    assert len(target.lines) == 1
    assert not [name for name in os.listdir(folder / "ship") if name.startswith(".cursor")]
    assert ship(folder, target).delivered == 15
    assert target.lines[1:] == lines_of(folder)


def test_nothing_is_sent_while_the_cursor_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each start, from cron or systemd, would send the same batch once more until somebody makes room."""
    target = MemoryTarget(limits=ONE)
    with shipper_to(target, folder, progress=lambda count: shipper.stop()) as shipper:
        assert shipper.run().delivered == 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_disk)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                ship(folder, target)
    assert len(target.batches) == 1
    assert ship(folder, target).delivered == 14


def full_disk(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_and_dead_letters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter that was cut off does not spoil the next one, and the cursor has not moved past it."""

    def refuse(items: Any) -> Answer:
        return Answer(refused={index: "no" for index, item in enumerate(items) if item.seq % 5 == 3})

    target = MemoryTarget(refuse, limits=ONE)
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if data.startswith(b'{"seq": ') and len(data) > 100:
            return real(descriptor, data[:100])
        if data.startswith(b"{"):
            return real(descriptor, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space left") as caught:
            ship(folder, target)
    assert str(caught.value.filename).endswith(".dead.jsonl")
    shipped = ship(folder, target)
    assert (shipped.dead_letters, shipped.exit_code) == (3, 1)
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    torn, *whole = letters.read_bytes().splitlines()
    assert len(torn) == 100
    assert [json.loads(line)["seq"] for line in whole] == [3, 8, 13]
    kept = {json.loads(line)["line"].encode() for line in whole}
    assert kept | set(target.lines) == set(lines_of(folder))
    assert letters.stat().st_mode & 0o777 == 0o600


# the folder


def test_a_second_shipper_of_the_same_is_refused(folder: Path) -> None:
    """In this process and in another one; to another target it may."""
    with shipper_to(MemoryTarget(), folder) as first:
        with pytest.raises(DeliveryError, match="another process ships this log to memory"):
            shipper_to(MemoryTarget(), folder)
        elsewhere = "file:" + str(folder.parent / "shipped.jsonl")
        done = run_ship(folder, elsewhere)
        assert done.returncode == 0
        assert done.stderr.endswith("/ship: shipping from the beginning\n")
        assert first.run().delivered == 15
    assert ship(folder, MemoryTarget()).delivered == 0


def run_ship(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Ship in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "or_audit_logging", "ship", str(folder), "--to", target],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_log_in_the_same_state_folder(folder: Path, tmp_path: Path) -> None:
    """Each has a cursor of its own, and so has a log that takes another one's place."""
    state = tmp_path / "state"
    other = LogBuilder(log_id=b"\5" * 16)
    other.user(2)
    target = MemoryTarget()
    ship(folder, target, state=state)
    ship(other.save(tmp_path / "other"), target, state=state)
    assert len(target.lines) == 15 + 4
    for path in folder.glob("*.jsonl"):
        path.unlink()
    third = LogBuilder(log_id=b"\6" * 16)
    third.user(1)
    third.save(folder)
    assert ship(folder, target, state=state).delivered == 3
    assert len(cursor_paths(state)) == 3
    assert [status.behind for status in ship_status(folder, state=state)] == [0]


def test_a_cursor_under_another_logs_name(folder: Path, tmp_path: Path) -> None:
    """Copied by hand, it does not make lines pass for shipped: a break, and not more."""
    other = LogBuilder(log_id=b"\5" * 16)
    other.user(30)
    ship(other.save(tmp_path / "other"), MemoryTarget(), state=tmp_path / "state")
    (path,) = cursor_paths(tmp_path / "state")
    right = cursor_path(tmp_path / "state", target="memory:", log=LogBuilder().log_id.hex()[:16])
    path.rename(right)
    target = MemoryTarget()
    with pytest.raises(ChainBrokenError):
        ship(folder, target, state=tmp_path / "state")
    assert ship(folder, target, state=tmp_path / "state", on_break="flag").breaks
    assert ship(folder, target, state=tmp_path / "state", on_break="flag").breaks == ()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be written; name another with --state"):
        shipper_to(MemoryTarget(), folder, state=tmp_path / "state")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give files away")
def test_what_root_has_tried_by_hand_the_service_goes_on_with(folder: Path) -> None:
    """The folder, too, belongs to whom the log does."""
    os.chown(folder, 65534, 65534)
    ship(folder, MemoryTarget(lambda items: Answer(refused={0: "no"})))
    made = [folder / "ship", *(folder / "ship").iterdir()]
    assert len(made) == 4
    assert {path.stat().st_uid for path in made} == {65534}


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/null")])
def test_a_state_folder_that_is_none(folder: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "state")
    with pytest.raises(ConfigError, match="name another with --state"):
        shipper_to(MemoryTarget(), folder, state=tmp_path / "state")


def test_it_tells_nothing_that_is_secret(folder: Path) -> None:
    """Files beside the cursor bear a hash of how the target is written."""
    assert cursor_path(Path("x"), target="webhook:https://h/?token=t", log="0" * 16).name == (
        "webhook-46b2964caf90-0000000000000000.cursor.json"
    )


def test_kills_leave_no_litter_that_is_taken_for_a_cursor(folder: Path) -> None:
    """What a kill leaves of a cursor that was being written."""
    ship(folder, MemoryTarget())
    for number in range(3):
        (folder / "ship" / f".cursor-{number}").write_bytes(b"{")
    assert ship(folder, MemoryTarget()).delivered == 0
    assert len(ship_status(folder)) == 1


def test_random_stops_lose_and_repeat_nothing(folder: Path) -> None:
    """A stop between batches, over and over."""
    chance = random.Random(7)
    target = MemoryTarget(limits=ONE)
    for _ in range(40):
        stop = chance.randrange(1, 4)
        with shipper_to(target, folder, progress=lambda n, stop=stop: n < stop or it.stop()) as it:
            it.run()
    assert [item.line for item in target.items if not item.line.startswith(NOTICE)] == lines_of(folder)
