"""What does not follow is seen without the key, as far as that goes; and may be shipped with a notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the extra sign")

from attacks import ATTACKS, Attack, Case
from hypothesis import given
from hypothesis import strategies as st
from log_builder import DAY, NEXT_DAY, THIRD_DAY, LogBuilder, three_segments
from shipping import MemoryTarget, ship

from or_audit_logging.errors import ChainBrokenError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.continuity import Continuity, Position, parsed

FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))

UNSEEN = {
    # whoever has no key cannot tell one tree from another, nor a true line from one that nothing covers yet
    "log replaced by another",
    "log rewritten under another key",
    "rewritten with the line key",
    "rewritten and signed with another key",
    "cut off and continued with the line key",
    "continued and signed with another key",
    "rewritten with line key and signing key",
    "another version shown to another auditor",
    "rewritten with the line key behind the last anchor",
    "redaction forged behind the last anchor",
    "deletion forged behind the last anchor",
    "redaction sealed behind the last anchor",
    "deletion sealed behind the last anchor",
    "deleted before the policy allows it",
    "deleted under a legal hold",
    "policy lowered first, behind the last anchor",
    "redacted without certificate",
    "edited before the next checkpoint",  # its writer saw it and made no checkpoint over it
    # an end is bound by what was shipped before (test_ship_spool) and by anchors
    "end cut off",
    "end cut off within a line",
    "end cut off behind the last anchor",
    "newest segment emptied",
    "last day deleted",
    "older state put back",
    "bytes added at the end as by a crash",
    "newest anchors withheld and the end cut off",
    # names of files, and archives beside their segments, are for verify
    "two days swapped",
    "day renamed to another date",
    "archive unlike its segment",
    # nothing was done to the log
    "logging switched off",
    "anchor forged by its keeper",
    "clock set back",
    "record never written",
}


def lines_there(folder: Path) -> set[bytes]:
    """Return every sealed line and stub that can be read in the log's files."""
    found = set()
    layout = LogLayout.discover(folder)
    assert layout is not None
    for segment in layout.files():
        try:
            found.update(raw[:-1] for raw in segment.lines() if raw.endswith(b"\n"))
        except OSError:
            assert segment.archived
    return {raw for raw in found if parsed(raw) is not None}


def is_json(line: bytes) -> bool:
    """Two lines that were joined bear the second one's seal, and go to the dead letters."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """An honest log of three days."""
    return Case(tmp_path)


@pytest.mark.parametrize(
    "attack",
    [pytest.param(attack, id=attack.name) for attack in ATTACKS if attack.name != "everything deleted"],
)
def test_of_what_is_done_to_a_log(case: Case, attack: Attack, tmp_path: Path) -> None:
    """What can be seen stops shipping in its place; by choice all that is there is shipped, and says so."""
    attack.commit(case)
    stopped, flagged = MemoryTarget(), MemoryTarget()
    if attack.name in UNSEEN:
        assert ship(case.folder, stopped, state=tmp_path / "stop").breaks == ()
    else:
        with pytest.raises(ChainBrokenError, match="run or-audit verify"):
            ship(case.folder, stopped, state=tmp_path / "stop")
        with pytest.raises(ChainBrokenError):
            ship(case.folder, stopped, state=tmp_path / "stop")
    shipped = ship(case.folder, flagged, state=tmp_path / "flag", on_break="flag")
    assert bool(shipped.breaks) == (attack.name not in UNSEEN)
    assert shipped.exit_code == (1 if shipped.breaks or shipped.dead_letters else 0)
    assert [notice["message"] for notice in flagged.notices] == list(shipped.breaks)
    if attack.name != "archive unlike its segment":
        assert set(flagged.lines) >= {line for line in lines_there(case.folder) if is_json(line)}
    assert flagged.lines[: len(stopped.lines)] == stopped.lines
    again = ship(case.folder, flagged, state=tmp_path / "flag", on_break="flag")
    assert (again.delivered, again.breaks) == (0, ())


def test_the_table_names_attacks() -> None:
    """No attack is called unseen that there is not."""
    assert {attack.name for attack in ATTACKS} >= UNSEEN


@pytest.mark.parametrize("at", range(20))
def test_a_break_is_shipped_up_to(case: Case, at: int, tmp_path: Path) -> None:
    """What stands before a missing line arrives, and nothing behind it; the notice stands in its place."""
    honest = [line for name in (FIRST, SECOND, THIRD) for line in case.lines(name)]
    missing = honest[at]
    for name in (FIRST, SECOND, THIRD):
        case.write(name, [line for line in case.lines(name) if line != missing])
    target = MemoryTarget()
    with pytest.raises(ChainBrokenError):
        ship(case.folder, target, state=tmp_path / "state")
    assert [line + b"\n" for line in target.lines] == honest[:at]
    shipped = ship(case.folder, target, state=tmp_path / "state", on_break="flag")
    assert len(shipped.breaks) == 1
    assert [line + b"\n" for line in target.lines] == honest[:at] + honest[at + 1 :]
    assert [item.seq for item in target.items].index(at) == at
    assert target.notices[0]["kind"] == "break"
    assert target.notices[0]["seq"] == at


def edited(old: bytes, new: bytes, *, of: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Return what replaces *old* in the first line that begins an event *of*."""

    def edit(lines: list[bytes]) -> list[bytes]:
        at = next(n for n, line in enumerate(lines) if line.startswith(b'{"event_type":"' + of))
        assert old in lines[at]
        return [*lines[:at], lines[at].replace(old, new, 1), *lines[at + 1 :]]

    return edit


@pytest.mark.parametrize(
    ("old", "new", "of", "message"),
    [
        (b'"base_leaf":"', b'"base_leaf":"f', b"log.open", "is not the one that stood there"),
        (b'"base_leaf":"', b'"base_leaf":7,"x":"', b"log.open", "other members"),
        (b'"frontier":["', b'"frontier":["0', b"log.open", "frontier"),
        (b'"frontier":[', b'"frontier":["' + b"0" * 64 + b'",', b"log.open", "seq 5"),
        (b'"frontier":[', b'"frontier":[' + b"[" * 5000, b"log.open", "not JSON"),
        (b'"root":"', b'"root":"A', b"log.checkpoint", "seq 6"),
        (b'"root":"', b'"root":7,"note":"', b"log.checkpoint", "twice|members"),
        (b'"size":6', b'"size":1e999', b"log.checkpoint", "another tree"),
    ],
)
def test_what_control_lines_state_is_held_against_the_lines(
    tmp_path: Path, old: bytes, new: bytes, of: bytes, message: str
) -> None:
    """Edited, it is a break: at that line, or at the next checkpoint, whose tree has another leaf."""
    log = three_segments()
    lines = log.segments[SECOND].splitlines(keepends=True)
    log.segments[SECOND] = b"".join(edited(old, new, of=of)(lines))
    log.save(tmp_path / "log")
    with pytest.raises(ChainBrokenError, match=message):
        ship(tmp_path / "log", MemoryTarget())


@pytest.mark.parametrize("value", ["7", "null", "[]", "{}", "true", '"' + "A" * 44 + '"', '""'])
@pytest.mark.parametrize("member", ["root", "frontier", "base_leaf", "size"])
def test_members_of_any_type_are_breaks_and_no_crashes(tmp_path: Path, member: str, value: str) -> None:
    """A control line is parsed before its seal is checked, so anything may stand in it."""
    log = three_segments()
    lines = []
    for line in log.segments[SECOND].splitlines(keepends=True):
        members = json.loads(line)
        if member in members and members["event_type"] in ("log.open", "log.checkpoint"):
            members[member] = json.loads(value)
            line = json.dumps(members, separators=(",", ":")).encode() + b"\n"  # noqa: PLW2901
        lines.append(line)
    log.segments[SECOND] = b"".join(lines)
    log.save(tmp_path / "log")
    target = MemoryTarget()
    shipped = ship(tmp_path / "log", target, on_break="flag")
    assert shipped.breaks
    assert len(target.lines) == 15


@pytest.mark.parametrize("known", [True, False])
def test_a_wrong_root_is_seen_whether_or_not_the_tree_is_known(tmp_path: Path, known: bool) -> None:
    """A checkpoint's frontier vouches for its own root; what came before vouches for both."""
    log = LogBuilder()
    log.user(3)
    other = encode_root(b"\1" * 32)
    log.control("log.checkpoint", size=log.seq, root=other, frontier=log.tree.to_hex(), note=None)
    position = Position() if known else Position(log=log.log_id.hex()[:16], next_seq=3)
    continuity = Continuity(position)
    lines = [line[:-1] for line in log.lines()][position.next_seq :]
    for raw in lines[:-1]:
        line = parsed(raw)
        assert line is not None
        continuity.take(line, segment="s", end=0)
    last = parsed(lines[-1])
    assert last is not None
    with pytest.raises(ChainBrokenError, match="another tree"):
        continuity.take(last, segment="s", end=0)


def test_what_a_crash_cut_is_passed_by_where_it_is_described(tmp_path: Path) -> None:
    """A log.recover line speaks of it, whatever the bytes were."""
    log = LogBuilder()
    log.user(2)
    for fragment in (b'{"event_type":"chat_comp', b"\xff\0", b"", b'{"a":1}\n{"b":', b"\n\n"):
        log.torn(fragment)
        log.user(1)
    log.torn_file(NEXT_DAY, 0, b'{"event_type":"log.op')
    log.open(NEXT_DAY, 1)
    log.user(1)
    log.save(tmp_path / "log")
    target = MemoryTarget()
    assert ship(tmp_path / "log", target).breaks == ()
    assert len(target.lines) == log.seq


@pytest.mark.parametrize("length", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3_000_000])
def test_what_a_power_cut_left_may_be_longer_than_any_line(tmp_path: Path, length: int) -> None:
    """Some file systems leave zeros, as many as were to be written."""
    log = LogBuilder()
    log.user(2)
    log.torn(bytes(length))
    log.user(1)
    log.save(tmp_path / "log")
    target = MemoryTarget()
    assert ship(tmp_path / "log", target).breaks == ()
    assert len(target.lines) == log.seq


@pytest.mark.parametrize("damage", [b"x", b"x\n", b"\n"])
def test_what_a_crash_cut_is_a_break_where_it_is_described_otherwise(tmp_path: Path, damage: bytes) -> None:
    """One byte more is not what the log.recover line speaks of."""
    log = LogBuilder()
    log.user(2)
    log.torn(b'{"event_type":"chat_comp')
    log.user(2)
    log.segments[FIRST] = log.segments[FIRST].replace(b"chat_comp\n", b"chat_comp" + damage + b"\n")
    log.save(tmp_path / "log")
    with pytest.raises(ChainBrokenError, match=r"no log\.recover describes them"):
        ship(tmp_path / "log", MemoryTarget())


def test_without_its_description_it_is_a_break(tmp_path: Path) -> None:
    """Pieces of a line are there, and the next line is an ordinary one."""
    log = LogBuilder()
    log.user(2)
    log.segments[FIRST] += b'{"event_type":"chat_comp\n'
    log.user(2)
    log.save(tmp_path / "log")
    with pytest.raises(ChainBrokenError, match="1 pieces that are no lines"):
        ship(tmp_path / "log", MemoryTarget())


def test_stubs_follow_as_the_lines_did(tmp_path: Path) -> None:
    """A redaction changes no leaf; an edited stub does."""
    log = three_segments()
    log.redact(3)
    log.redact(7)
    log.checkpoint()
    log.save(tmp_path / "log")
    target = MemoryTarget()
    assert ship(tmp_path / "log", target).breaks == ()
    stub = target.items[3]
    assert (stub.id, stub.time) == ("0001020304050607-3", None)
    assert stub.line.startswith(b'{"log":"0001020304050607","seq":3,"leaf":"')
    other = stub.line.replace(b'"leaf":"', b'"leaf":"0')[:-2] + b"}"
    log.segments[FIRST] = log.segments[FIRST].replace(stub.line, other[: other.rindex(b'"') - 1] + b'"}')
    log.save(tmp_path / "log")
    with pytest.raises(ChainBrokenError):
        ship(tmp_path / "log", MemoryTarget(), state=tmp_path / "other")


PIECES = three_segments().segments[FIRST].splitlines()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from(PIECES),
            st.tuples(
                st.sampled_from(PIECES),
                st.integers(0, 2000),
                st.binary(max_size=3),
                st.integers(0, 3),
            ).map(lambda it: it[0][: it[1]] + it[2] + it[0][it[1] + it[3] :]),
        ),
        max_size=12,
    )
)
def test_whatever_is_read_is_a_piece_a_line_or_a_break(raws: list[bytes]) -> None:
    """Nothing else is raised, and after a break it goes on from the line that came."""
    continuity = Continuity(Position())
    for number, raw in enumerate(raws):
        line = parsed(raw.replace(b"\n", b""))
        if line is None:
            continuity.take_piece(raw)
            continue
        before = continuity.position
        try:
            continuity.take(line, segment="s", end=number)
        except ChainBrokenError:
            assert (continuity.next_seq, continuity.position.offset) == (before.next_seq, before.offset)
            continuity.resume(line, segment="s", end=number)
        assert continuity.next_seq == line.seq + 1
        assert continuity.position.offset == number
