"""Changing keys with processes running: `or-audit rotate-key`, key rings, and who may not go on."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import members_of
from samples import SECRET
from stress import Puppet, names

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter

NEW = b"another fake key for tests, not a secret: 0123456789"


def key_file(folder: Path, name: str, secret: bytes) -> str:
    """Make a key file and return the source that names it."""
    path = folder / name
    path.write_bytes(secret)
    path.chmod(0o600)
    return f"file:{path}"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    """The sources of the old key and of the new one."""
    return key_file(tmp_path, "old.key", SECRET), key_file(tmp_path, "new.key", NEW)


def rotate(folder: Path, old: str, new: str) -> int:
    return main(["rotate-key", str(folder), "--key", old, "--new-key", new])


def in_order(folder: Path) -> list[dict[str, Any]]:
    return sorted(members_of(folder), key=lambda members: members["seq"])


def kids(folder: Path) -> list[int]:
    return [m["kid"] for m in in_order(folder) if not m["event_type"].startswith("log.")]


def test_old_and_new_workers_stand_side_by_side(tmp_path: Path, keys: tuple[str, str]) -> None:
    """One that holds both keys goes on without a restart; so does one that starts with the new one first."""
    folder, (old, new) = tmp_path / "log", keys
    with Puppet(folder, key=[old, new]) as before:
        before.write("a", "b")
        assert rotate(folder, old, new) == 0
        before.write("c")
        with Puppet(folder, key=[new, old]) as after:
            after.write("d")
            before.write("e")
            after.write("f")
            after.stop()
        before.stop()
    assert names(folder) == ["a", "b", "c", "d", "e", "f"]
    assert kids(folder) == [0, 0, 1, 1, 1, 1]
    report = verify(folder, key=[old, new])
    assert report.findings == ()
    assert report.key_checked
    assert main(["verify", str(folder), "--key", new, "--key", old, "--unanchored-ok"]) == 0
    assert main(["verify", str(folder), "--key", new, "--unanchored-ok"]) == 2


def test_who_holds_the_old_key_only_stops_writing_and_says_so(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Its records are counted as lost; nothing that it sealed enters the log."""
    folder, (old, new) = tmp_path / "log", keys
    with Puppet(folder, key=[old, new]) as informed, Puppet(folder, key=old) as forgotten:
        informed.write("a")
        forgotten.write("b")
        assert rotate(folder, old, new) == 0
        assert forgotten.do("write", "lost-1") == "OSError: reported"
        informed.write("c")
        assert forgotten.do("write", "lost-2") == "OSError: reported"
        assert forgotten.do("stats")["lost"] == 2
        assert "key check value" in forgotten.stop()
        informed.stop()
    assert names(folder) == ["a", "b", "c"]
    assert verify(folder, key=[old, new]).findings == ()


def test_a_key_file_that_was_replaced_is_read_once_more(tmp_path: Path, keys: tuple[str, str]) -> None:
    """A worker with one source goes on as soon as that holds the new key, and states what it lost before."""
    folder, (old, new) = tmp_path / "log", keys
    own = key_file(tmp_path, "worker.key", SECRET)
    with Puppet(folder, key=own) as worker:
        worker.write("a")
        assert rotate(folder, old, new) == 0
        assert worker.do("write", "lost") == "OSError: reported"
        key_file(tmp_path, "worker.key", NEW)
        worker.write("b")
        worker.stop()
    assert names(folder) == ["a", "b"]
    assert [m["count"] for m in members_of(folder) if m["event_type"] == "log.lost"] == [1]
    assert verify(folder, key=[old, new]).findings == ()


def test_a_rotated_log_is_taken_up_under_its_last_key(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Whatever the order of the ring; and with the old key alone it is not."""
    folder, (old, new) = tmp_path / "log", keys
    for ring in ([old], [new, old]):
        log = LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(ring))
        log.append(b'{"event_type":"x"}')
        log.stop()
        if ring == [old]:
            assert rotate(folder, old, new) == 0
    assert kids(folder) == [0, 1]
    lines = len(members_of(folder))
    with pytest.raises(ConfigError, match="the key does not fit"):
        LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(old))
    assert len(members_of(folder)) == lines


def test_a_key_that_was_rotated_out_never_returns(
    tmp_path: Path, keys: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the one in force nor one before it; nothing is written."""
    folder, (old, new) = tmp_path / "log", keys
    log = LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(old))
    log.append(b'{"event_type":"x"}')
    log.stop()
    assert rotate(folder, old, old) == 2
    assert rotate(folder, old, new) == 0
    lines = len(members_of(folder))
    assert rotate(folder, new, old) == 2
    assert rotate(folder, new, new) == 2
    assert "sealed under the new key before" in capsys.readouterr().err
    assert len(members_of(folder)) == lines


def test_what_rotate_key_says_where_there_is_nothing_to_do(
    tmp_path: Path, keys: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No new key, no log, the wrong key: exit 2, and the log's folder stays as it is."""
    old, new = keys
    assert main(["rotate-key", str(tmp_path), "--key", old]) == 2
    assert "--new-key" in capsys.readouterr().err
    assert rotate(tmp_path / "none", old, new) == 2
    assert "no audit log" in capsys.readouterr().err
    folder = tmp_path / "log"
    log = LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(old))
    log.append(b'{"event_type":"x"}')
    log.stop()
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    assert rotate(folder, new, old) == 2
    assert "does not fit" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before


def test_a_checkpoint_follows_the_change_of_keys_at_once(tmp_path: Path, keys: tuple[str, str]) -> None:
    """The last lines are log.rotate under the old key and a checkpoint under the new one."""
    folder, (old, new) = tmp_path / "log", keys
    log = LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(old))
    log.append(b'{"event_type":"x"}')
    log.stop()
    assert rotate(folder, old, new) == 0
    last = [(m["event_type"], m["kid"]) for m in in_order(folder)[-3:]]
    assert last == [("log.rotate", 0), ("log.open", 1), ("log.checkpoint", 1)]


def writer(folder: Path, *sources: str) -> LogWriter:
    return LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(list(sources)))


def test_what_others_wrote_is_checked_before_the_key_changes(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Lines that stand unread before a log.rotate are those of the key before it."""
    folder, (old, new) = tmp_path / "log", keys
    rotating = writer(folder, old, new)
    with Puppet(folder, key=[old, new]) as other:
        other.write("a")
        rotating.append(b'{"event_type":"x"}')
        other.write(*(f"b{number}" for number in range(20)))
        rotating.rotate(ring=KeyRing.from_sources(new))
        other.write("c")
        other.stop()
    rotating.stop()
    assert verify(folder, key=[old, new]).findings == ()
    assert {m["kid"] for m in members_of(folder)} == {0, 1}
    assert not [m for m in members_of(folder) if m["event_type"] == "log.lost"]


def test_the_new_key_alone_opens_the_log_at_once(tmp_path: Path, keys: tuple[str, str]) -> None:
    """The change begins a segment, whose first line and checkpoint are sealed under the new key."""
    folder, (old, new) = tmp_path / "log", keys
    log = writer(folder, old)
    log.append(b'{"event_type":"x"}')
    log.stop()
    assert rotate(folder, old, new) == 0
    log = writer(folder, new)
    log.append(b'{"event_type":"x"}')
    log.stop()
    assert len(list(folder.glob("audit_*.jsonl"))) == 2
    assert kids(folder) == [0, 1]
    assert verify(folder, key=[old, new]).findings == ()


def test_a_crash_between_the_change_and_its_segment_is_made_up_for(
    tmp_path: Path, keys: tuple[str, str]
) -> None:
    """Whoever comes next needs both keys, and goes on under the new one."""
    folder, (old, new) = tmp_path / "log", keys
    log = writer(folder, old, new)
    log.append(b'{"event_type":"x"}')
    log.rotate(ring=KeyRing.from_sources(new))
    newest = max(folder.glob("audit_*.jsonl"), key=lambda path: len(path.name))
    newest.unlink()
    (folder / "audit.lock").unlink()
    for _ in range(2):
        log = writer(folder, old, new)
        log.append(b'{"event_type":"x"}')
        log.stop()
    assert kids(folder) == [0, 1, 1]
    assert verify(folder, key=[old, new]).findings == ()


def test_a_damaged_archive_keeps_a_key_from_being_changed(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Nobody knows which keys it names: a plain error, and nothing is written."""
    folder, (old, new) = tmp_path / "log", keys
    log = writer(folder, old)
    log.append(b'{"event_type":"x"}')
    log.stop()
    (segment,) = folder.glob("audit_*.jsonl")
    (folder / "archive").mkdir()
    archive = folder / "archive" / "audit_2020-01-01.jsonl.gz"
    archive.write_bytes(gzip.compress(segment.read_bytes())[:-20])
    before = segment.read_bytes()
    assert rotate(folder, old, new) == 2
    assert segment.read_bytes() == before
