"""`or-audit import`: a log's files copied into a store, again and again."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from log_builder import OTHER_SECRET, THIRD_DAY, LogBuilder, key
from samples import REPOSITORY
from stores import behind_the_guards, filled, opened, rows

from or_audit_logging import verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import (
    AuditWriteError,
    ChainBrokenError,
    CheckpointMismatchError,
    ConfigError,
    SegmentMissingError,
    VerificationError,
)
from or_audit_logging.evidence.importing import Imported, import_log
from or_audit_logging.store.reader import stored_lines

NEXT = "2026-11-22"


@pytest.fixture
def log() -> LogBuilder:
    """Two segments: genesis, checkpoint, 5 records, checkpoint; open, checkpoint, 5 records."""
    made = LogBuilder()
    made.user(5)
    made.checkpoint()
    made.open(NEXT)
    made.user(5)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def lines_of(log: LogBuilder) -> list[bytes]:
    return [line for name in log.segments for line in log.segments[name].splitlines()]


def copied(copy: Path) -> list[bytes]:
    return [line for _, line in stored_lines(copy)]


def imported(log: LogBuilder, folder: Path, copy: Path, secret: Any = key()) -> Imported:  # noqa: B008
    """Save the log as it is by now, and bring the copy up to it."""
    if folder.exists():
        for file in folder.rglob("*.jsonl"):
            file.unlink()
    log.save(folder)
    return import_log(folder, copy, key=secret)


def assert_same(log: LogBuilder, copy: Path) -> None:
    """The same lines, and a copy that verifies."""
    assert copied(copy) == lines_of(log)
    report = verify(copy, key=[key(), key(OTHER_SECRET)])
    assert [finding.message for finding in report.findings] == []


def test_a_log_is_copied_line_by_line(log: LogBuilder, folder: Path, copy: Path) -> None:
    """All segments; the copy says that it is one, of which log, and verifies as the log does."""
    done = imported(log, folder, copy)
    assert (done.lines, done.last_seq, done.key_checked) == (15, 14, True)
    assert_same(log, copy)
    assert dict(rows(copy, "SELECT name, value FROM meta"))["kind"] == "copy"
    assert rows(copy, "SELECT count(*) FROM audit_log") == [(10,)]


def test_a_later_import_brings_what_is_new(log: LogBuilder, folder: Path, copy: Path) -> None:
    """However often; nothing, where there is nothing."""
    imported(log, folder, copy)
    assert imported(log, folder, copy).lines == 0
    for _ in range(3):
        log.user(2)
        log.checkpoint()
        assert imported(log, folder, copy).lines == 3
    log.open(THIRD_DAY)
    assert imported(log, folder, copy).lines == 2
    assert_same(log, copy)


@pytest.mark.parametrize("end", range(1, 15))
def test_it_goes_on_wherever_it_ended(log: LogBuilder, folder: Path, copy: Path, end: int) -> None:
    """Behind every line; keys and tree are those of the copy's own lines."""
    whole = dict(log.segments)
    cut, left = {}, end
    for name, content in whole.items():
        lines = content.splitlines(keepends=True)[:left]
        left -= len(lines)
        if lines:
            cut[name] = b"".join(lines)
    log.segments.clear()
    log.segments.update(cut)
    assert imported(log, folder, copy).lines == end
    log.segments.update(whole)
    assert imported(log, folder, copy).lines == 15 - end
    assert_same(log, copy)


def test_archives_are_read_as_well(log: LogBuilder, folder: Path, copy: Path) -> None:
    """A damaged one is named, and what came before it stays."""
    log.save(folder)
    name = next(iter(log.segments))
    (folder / "archive").mkdir()
    archive = folder / "archive" / f"{name}.gz"
    archive.write_bytes(gzip.compress((folder / name).read_bytes()))
    (folder / name).unlink()
    import_log(folder, copy, key=key())
    assert_same(log, copy)
    archive.write_bytes(archive.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(VerificationError, match=name):
        import_log(folder, copy.with_name("other.db"), key=key())


def test_a_rotated_log_is_copied_under_both_keys(log: LogBuilder, folder: Path, copy: Path) -> None:
    """And with the old key alone as far as that goes, which is said."""
    log.rotate(OTHER_SECRET)
    log.open(THIRD_DAY)
    log.user(3)
    assert imported(log, folder, copy, [key(), key(OTHER_SECRET)]).key_checked
    log.user(3)
    assert imported(log, folder, copy, [key(OTHER_SECRET)]).lines == 3
    assert_same(log, copy)
    assert not imported(log, folder, copy.with_name("old.db"), [key()]).key_checked


def test_without_a_key_numbers_and_trees_are_checked(log: LogBuilder, folder: Path, copy: Path) -> None:
    """An edited line is found where the next checkpoint comes."""
    assert not imported(log, folder, copy, None).key_checked
    assert_same(log, copy)
    name = next(iter(log.segments))
    log.segments[name] = log.segments[name].replace(b"plain", b"edits", 1)
    with pytest.raises(CheckpointMismatchError, match="are not those that stood there"):
        imported(log, folder, copy.with_name("other.db"), None)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b"plain", b"edits"), *lines[4:]], "line 3, or the one"),
        (lambda lines: [*lines[:3], *lines[4:]], "seq 4 stands where seq 3"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "seq 4 stands where seq 3"),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], None),
        (lambda lines: [*lines[:3], b'{"x":1}', *lines[3:]], None),
    ],
)
def test_a_log_that_does_not_chain_is_refused(
    log: LogBuilder, folder: Path, copy: Path, damage: Any, says: str | None
) -> None:
    """It says where; what is no line is passed over, as is one that comes twice."""
    name = next(iter(log.segments))
    log.segments[name] = b"".join(line + b"\n" for line in damage(log.segments[name].splitlines()))
    if says is None:
        assert imported(log, folder, copy).lines == 15
        return
    with pytest.raises(ChainBrokenError, match=says) as caught:
        imported(log, folder, copy)
    assert caught.value.segment == name
    assert caught.value.line in (4, 5)


def test_a_log_that_no_longer_has_what_the_copy_has_is_refused(
    log: LogBuilder, folder: Path, copy: Path
) -> None:
    """Cut short, or another line in the last one's place."""
    imported(log, folder, copy)
    last = list(log.segments)[-1]
    whole = log.segments[last]
    log.segments[last] = b"".join(whole.splitlines(keepends=True)[:-1])
    with pytest.raises(SegmentMissingError, match="ends before seq 14"):
        imported(log, folder, copy)
    log.segments[last] = whole[:-400] + whole[-400:].replace(b"plain", b"other")
    with pytest.raises(ChainBrokenError, match="line 14 of the log is not the one"):
        imported(log, folder, copy)
    del log.segments[last]
    with pytest.raises(SegmentMissingError, match="ends before seq 14"):
        imported(log, folder, copy)


def test_a_segment_that_is_missing_is_refused(log: LogBuilder, folder: Path, copy: Path) -> None:
    """Unless a log.delete says that it was deleted."""
    del log.segments[next(iter(log.segments))]
    with pytest.raises(SegmentMissingError, match=r"before seq 8 are missing"):
        imported(log, folder, copy)
    log.delete(next(iter(log.segments)), remove=False)
    assert imported(log, folder, copy).lines == 8
    assert_same(log, copy)


def test_what_the_log_deletes_goes_from_the_copy(log: LogBuilder, folder: Path, copy: Path) -> None:
    """Also where lines were added and deleted between two imports."""
    imported(log, folder, copy)
    log.open(THIRD_DAY)
    log.user(4)
    log.open("2026-11-24")
    log.delete(f"audit_{THIRD_DAY}.jsonl")
    done = imported(log, folder, copy)
    assert (done.lines, done.deleted) == (9, 15)
    assert_same(log, copy)
    log.open("2026-11-25")
    log.delete("audit_2026-11-25.jsonl")
    assert imported(log, folder, copy).deleted > 0
    assert_same(log, copy)


def test_lines_that_came_and_went_between_two_imports_are_no_gap(
    log: LogBuilder, folder: Path, copy: Path
) -> None:
    """The copy ends before the first line that is left."""
    imported(log, folder, copy)
    log.user(5)
    log.open(THIRD_DAY)
    log.delete(f"audit_{THIRD_DAY}.jsonl")
    done = imported(log, folder, copy)
    assert done.deleted == 15
    assert_same(log, copy)


def test_what_the_log_redacts_is_redacted_in_the_copy(log: LogBuilder, folder: Path, copy: Path) -> None:
    """In line and columns, and nothing of it is left in the files."""
    log.seal(b'{"event_type":"log","id":"x-1","message":"a word that goes: shibboleth"}')
    log.open(THIRD_DAY)
    imported(log, folder, copy)
    assert b"shibboleth" in copy.read_bytes()
    log.redact(15)
    done = imported(log, folder, copy)
    assert (done.lines, done.redacted) == (1, 1)
    assert_same(log, copy)
    assert rows(copy, "SELECT id, event_type FROM audit_line WHERE seq = 15") == [(None, None)]
    assert not any(b"shibboleth" in file.read_bytes() for file in copy.parent.glob("copy.db*"))
    assert imported(log, folder, copy).redacted == 0
    assert imported(log, folder, copy.with_name("other.db")).redacted == 0
    assert_same(log, copy.with_name("other.db"))


def test_nothing_is_deleted_or_redacted_without_the_key(log: LogBuilder, folder: Path, copy: Path) -> None:
    """Anybody can write a log.delete that no key has sealed."""
    imported(log, folder, copy, None)
    log.open(THIRD_DAY)
    log.redact(3)
    log.delete(f"audit_{NEXT}.jsonl")
    done = imported(log, folder, copy, None)
    assert (done.deleted, done.redacted) == (0, 0)
    assert len(copied(copy)) == 19
    assert imported(log, folder, copy).deleted == 8


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_line WHERE seq >= 8",
        "UPDATE audit_line SET line = '{}' WHERE seq = 9",
        "UPDATE audit_line SET user_id = 'x' WHERE seq = 10",
    ],
)
def test_certificates_allow_what_they_say_and_no_more(
    log: LogBuilder, folder: Path, copy: Path, statement: str
) -> None:
    """Other rows are kept by the triggers as before."""
    import sqlite3

    log.open(THIRD_DAY)
    log.redact(9)
    log.delete(f"audit_{NEXT}.jsonl")
    imported(log, folder, copy, None)
    with opened(copy) as database, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    with opened(copy) as database:
        database.execute("DELETE FROM audit_line WHERE seq < 8")


def test_a_certificate_without_a_seal_deletes_nothing(log: LogBuilder, folder: Path, copy: Path) -> None:
    """It was copied while no key was at hand; that a later line holds says nothing of it."""
    certificate = log.delete(f"audit_{NEXT}.jsonl", remove=False)
    log.user(2)
    log.save(folder)
    last = folder / list(log.segments)[-1]
    mac = json.loads(certificate)["mac"].encode()
    last.write_bytes(last.read_bytes().replace(mac, b"0" * len(mac)))
    import_log(folder, copy)
    done = import_log(folder, copy, key=key())
    assert (done.key_checked, done.deleted, len(copied(copy))) == (True, 0, 18)


def test_two_lines_with_one_id_are_both_copied(folder: Path, copy: Path) -> None:
    """The log is what it is: the second has no id column."""
    log = LogBuilder()
    for user in ("u-1", "u-2", "u-1"):
        log.seal(b'{"event_type":"x","id":"same","status":"success","user_id":"%b"}' % user.encode())
    imported(log, folder, copy)
    assert rows(copy, "SELECT id, user_id FROM audit_log ORDER BY seq") == [
        ("same", "u-1"),
        (None, "u-2"),
        (None, "u-1"),
    ]
    assert_same(log, copy)


def test_torn_bytes_are_no_lines(log: LogBuilder, folder: Path, copy: Path) -> None:
    """Those that a log.recover describes, and those at the end."""
    log.torn(b'{"event_type":"chat_comp')
    log.user(2)
    log.save(folder)
    with open(folder / list(log.segments)[-1], "ab") as file:
        file.write(b'{"event_type":"half a l')
    assert import_log(folder, copy, key=key()).lines == 18
    assert len(copied(copy)) == 18
    assert verify(copy, key=key()).findings == ()


def test_what_cannot_be_imported_is_refused(
    log: LogBuilder, folder: Path, copy: Path, tmp_path: Path
) -> None:
    """No log, no folder, another log's copy, a handler's own store, a copy that was changed."""
    with pytest.raises(ConfigError, match="there is no audit log"):
        import_log(tmp_path / "none", copy, key=key())
    imported(log, folder, copy)
    with pytest.raises(ConfigError, match="is a folder"):
        import_log(folder, tmp_path, key=key())
    other = LogBuilder(log_id=bytes(16))
    other.save(tmp_path / "other")
    with pytest.raises(ConfigError, match=f"is a copy of the log {log.log_id.hex()}"):
        import_log(tmp_path / "other", copy, key=key())
    with pytest.raises(ConfigError, match="is a log's own store"):
        import_log(folder, filled(tmp_path / "own.db", {}), key=key())
    with behind_the_guards(copy) as database:
        database.execute("UPDATE audit_line SET line = replace(line, 'plain', 'edits') WHERE seq = 14")
    with pytest.raises(ChainBrokenError, match="the copy's last line does not hold"):
        import_log(folder, copy, key=key())


def test_a_copy_that_somebody_holds_is_waited_for(
    log: LogBuilder, folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not for ever."""
    monkeypatch.setattr("or_audit_logging.store.copy._LOCK_TIMEOUT", 0.05)
    imported(log, folder, copy)
    log.user(1)
    with opened(copy) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditWriteError, match="another process has held"):
            imported(log, folder, copy)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_an_import_that_is_killed_is_repeated(folder: Path, copy: Path) -> None:
    """Killed wherever it was: the copy holds whole batches, and the next import brings the rest."""
    log = LogBuilder()
    for _ in range(10):
        log.user(100)
        log.checkpoint()
    log.save(folder)
    program = (
        "import sys; from or_audit_logging.evidence import importing; from log_builder import key; "
        "importing._BATCH = 100; importing.import_log(sys.argv[1], sys.argv[2], key=key(), "
        "progress=lambda n: print(n, flush=True))"
    )
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"}
    for batches in (1, 2, 1):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(copy)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for _ in range(batches):
            assert child.stdout.readline()
        time.sleep(0.002 * batches)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert [seq for seq, _ in stored_lines(copy)] == list(range(len(copied(copy))))
    import_log(folder, copy, key=key())
    assert_same(log, copy)


def test_the_command_says_what_it_did(
    log: LogBuilder, folder: Path, copy: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In words or as JSON; 1 for a log that does not chain, 2 for none."""
    log.save(folder)
    secret = tmp_path / "audit.key"
    secret.write_bytes(key()())
    secret.chmod(0o600)
    arguments = ["import", str(folder), str(copy), "--key", f"file:{secret}"]
    assert main(arguments) == 0
    assert "15 lines copied" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == 0
    assert main(["import", str(folder), str(copy.with_name("unkeyed.db"))]) == 0
    assert "seals were not" in capsys.readouterr().out
    first = folder / next(iter(log.segments))
    first.write_bytes(first.read_bytes().replace(b"plain", b"edits", 1))
    assert main(["import", str(folder), str(copy.with_name("new.db")), "--key", f"file:{secret}"]) == 1
    assert main(["import", str(tmp_path / "none"), str(copy)]) == 2
