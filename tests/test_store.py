"""`SQLiteAuditHandler`: a sealed log in a SQLite store."""

from __future__ import annotations

import gc
import json
import logging
import logging.config
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import run_python
from samples import REPOSITORY, SECRET, audit_record
from stores import call, events, filled, log_record, opened, rows, secret, store_handler

import or_audit_logging
from or_audit_logging import SQLiteAuditHandler, configure, verify
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.record import NAMES
from or_audit_logging.store.columns import COLUMNS, IN_THE_LINE, PICO
from or_audit_logging.store.reader import stored_lines
from or_audit_logging.store.schema import SCHEMA, VIEW_COLUMNS
from or_audit_logging.store.writer import StoreWriter

posix_only = pytest.mark.skipif(os.name != "posix", reason="forks, modes and signals of POSIX")
OTHER = b"another secret of more than 32 bytes, for tests"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


# What is in it.


def test_a_store_holds_a_sealed_log_and_its_records_as_rows(path: Path) -> None:
    """Genesis, checkpoint, start, the record, stop, checkpoint; the chain holds, the view has the call."""
    filled(path, {"user_id": "u-1", "total_cost": Decimal("0.00042")})
    kinds = ["genesis", "checkpoint", "start", "chat_completion", "stop", "checkpoint"]
    assert [event.removeprefix("log.") for event in events(path)] == kinds
    report = verify(path, key=secret)
    assert (report.verdict, report.findings, report.lines) == ("unanchored", (), 6)
    assert rows(path, "SELECT user_id, total_cost, total_cost_pico, seq FROM audit_log") == [
        ("u-1", 0.00042, 420_000_000, 3)
    ]
    genesis = json.loads(next(line for _, line in stored_lines(path)))
    assert (genesis["segment"], genesis["origin"].split("/")[1]) == (None, "audit")
    assert dict(rows(path, "SELECT name, value FROM meta")) == {
        "kind": "own",
        "log_id": genesis["log_id"],
        "schema_version": "1",
    }


def test_the_view_has_the_record_s_fields_by_name(path: Path) -> None:
    """All of them, in the schema's order, and three more."""
    filled(path)
    with opened(path) as database:
        names = [column[0] for column in database.execute("SELECT * FROM audit_log").description]
    assert names == list(VIEW_COLUMNS)
    assert [name for name in names if name not in (PICO, "repeat_of", "seq")] == list(NAMES)
    assert sorted((*COLUMNS, *IN_THE_LINE)) == sorted((*NAMES, PICO))


def test_sqlite_keeps_the_schema_as_it_is_written(path: Path) -> None:
    """So that a store can be held against it."""
    filled(path)
    found = dict(rows(path, "SELECT name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'"))
    assert found == SCHEMA


def test_every_field_comes_back_as_it_was_logged(path: Path) -> None:
    """Text of all scripts, flags, lists and objects, a numeric error code."""
    fields: dict[str, Any] = {
        "user_id": "\U0001f600 \u00e9",
        "is_byok": True,
        "streamed": False,
        "error_code": 429,
        "generation_ids": ("gen-1", "gen-2"),
        "metadata": {"feature": "faq", "total_cost": 7},
        "redactions": {"EMAIL": 2},
        "latency_ms": 812.5,
        "total_cost": Decimal("1.25"),
    }
    filled(path, fields)
    wanted = ("user_id", "is_byok", "streamed", "error_code", "latency_ms", "total_cost_pico")
    (found,) = rows(path, f"SELECT {', '.join(wanted)} FROM audit_log")
    assert found == ("\U0001f600 \u00e9", 1, 0, "429", 812.5, 1_250_000_000_000)
    (parts,) = rows(path, "SELECT generation_ids, metadata, redactions FROM audit_log")
    assert [json.loads(part) for part in parts] == [["gen-1", "gen-2"], fields["metadata"], {"EMAIL": 2}]
    assert rows(path, "SELECT count(*) FROM audit_log WHERE error_code = 429") == [(1,)]
    assert verify(path, key=secret).findings == ()


@posix_only
def test_a_store_is_for_its_owner_alone(path: Path) -> None:
    """The database, and what SQLite keeps beside it."""
    handler = store_handler(path.parent / "new" / "audit.db")
    handler.handle(call())
    for file in (path.parent / "new").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    handler.close()


# Who may change what.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_line SET user_id = 'x'",
        "UPDATE audit_line SET line = '{}' WHERE seq = 3",
        "UPDATE OR REPLACE audit_line SET seq = 1 WHERE seq = 3",
        "DELETE FROM audit_line",
        "DELETE FROM audit_line WHERE seq = 3",
        "INSERT OR REPLACE INTO audit_line (seq, line) VALUES (3, 'x')",
        "INSERT OR REPLACE INTO audit_line (seq, line, id) SELECT 99, 'x', id FROM audit_line WHERE seq = 3",
        "REPLACE INTO meta VALUES ('kind', 'copy')",
        "UPDATE meta SET value = 'copy'",
        "DELETE FROM meta",
    ],
)
def test_plain_sqlite_is_refused_every_change(path: Path, statement: str) -> None:
    """Whoever comes with sqlite3 and no ill will."""
    filled(path, {})
    before = rows(path, "SELECT * FROM audit_line")
    with opened(path) as database, pytest.raises(sqlite3.IntegrityError, match=r"append-only|not changed"):
        database.execute(statement)
    assert rows(path, "SELECT * FROM audit_line") == before


def test_a_record_written_again_is_there_once(path: Path) -> None:
    """By another handler, as after a failure of which nobody knows how far it came."""
    audit = audit_record(id="7d5e8f9e-6a7e-4dd4-8d6a-7b6f3f4f9b11", user_id="u-1")
    for _ in range(2):
        writer = StoreWriter(path, KeyRing.from_sources(secret))
        writer.append(_body(audit))
        writer.append(_body(audit))
        writer.stop()
    assert rows(path, "SELECT count(*) FROM audit_log") == [(1,)]
    assert verify(path, key=secret).findings == ()


def test_another_record_with_the_same_id_is_kept(path: Path) -> None:
    """It is lost to nobody: its id column is empty, and verification knows why."""
    filled(path, {"id": "same", "user_id": "u-1"}, {"id": "same", "user_id": "u-2"})
    found = rows(path, "SELECT id, user_id FROM audit_log ORDER BY seq")
    assert found == [("same", "u-1"), (None, "u-2")]
    assert verify(path, key=secret).findings == ()


def _body(audit: Any) -> bytes:
    from or_audit_logging.sealing.text import written_record

    return written_record(audit)


# As the file handler.


def test_start_stop_and_checkpoints_are_as_in_files(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One every so many lines; each is handed out, and a second process's handler has its own start."""
    with caplog.at_level(logging.INFO, CHECKPOINT_LOGGER):
        handler = store_handler(path, checkpoint_every=10)
        for number in range(25):
            handler.handle(log_record(str(number)))
        handler.finish()
    handed = [r.getMessage() for r in caplog.records if r.name == CHECKPOINT_LOGGER]
    kept = [line.decode() for _, line in stored_lines(path) if b'"log.checkpoint"' in line[:40]]
    assert handed == kept
    assert [json.loads(line)["size"] for line in kept] == [1, 10, 20, 30, 32]
    anchor = path.parent / "elsewhere.json"
    anchor.write_text(handed[-1])
    report = verify(path, key=secret, anchors=[anchor])
    assert (report.verdict, report.findings) == ("verified", ())
    store_handler(path).close()
    assert events(path)[-1] == "log.checkpoint"


def test_a_store_is_signed_and_its_lines_are_proven(path: Path) -> None:
    """A log that began without a signing key names it later; a line leads to the signed root."""
    pytest.importorskip("cryptography")
    from or_audit_logging.evidence.prove import prove
    from or_audit_logging.sealing.note import SigningKey

    key = SigningKey.generate()
    pem = path.parent / "signing.pem"
    pem.write_bytes(key.to_pem())
    pem.chmod(0o600)
    filled(path, {})
    filled(path, {}, signing_key=f"file:{pem}")
    assert "log.rotate" in events(path)
    report = verify(path, public_key=str(key.public.to_pem()))
    assert (report.findings, report.signed_to) == ((), report.last_seq - 1 if report.last_seq else None)
    proven = prove(path, 3)
    assert proven.line is not None
    assert json.loads(proven.line)["seq"] == 3


def test_a_rotated_key_is_honoured(path: Path) -> None:
    """The log goes on under the new key; the old one alone opens it no more; both verify it."""
    writer = StoreWriter(path, KeyRing.from_sources(secret))
    writer.append(_body(audit_record()))
    writer.rotate(ring=KeyRing.from_sources(lambda: OTHER))
    writer.stop()
    filled(path, {}, key=[secret, lambda: OTHER])
    filled(path, {}, key=[lambda: OTHER])
    with pytest.raises(ConfigError, match="the key does not fit"):
        store_handler(path)
    report = verify(path, key=[secret, lambda: OTHER])
    assert (report.findings, report.key_checked) == ((), True)
    assert {json.loads(line)["kid"] for _, line in stored_lines(path)} == {0, 1}


def test_the_command_that_changes_a_key_takes_a_store(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it takes a folder."""
    from or_audit_logging.cli.main import main

    filled(path, {})
    monkeypatch.setenv("OLD", SECRET.decode())
    monkeypatch.setenv("NEW", OTHER.decode())
    assert main(["rotate-key", str(path), "--key", "env:OLD", "--new-key", "env:NEW"]) == 0
    filled(path, {}, key=[lambda: OTHER])
    assert verify(path, key=[secret, lambda: OTHER]).findings == ()
    assert main(["rotate-key", str(path), "--key", "env:NEW", "--new-key", "env:OLD"]) == 2


def test_what_was_written_by_others_is_followed(path: Path) -> None:
    """Two handlers in turn, checkpoints over the lines of both."""
    one, two = store_handler(path, checkpoint_every=7), store_handler(path, checkpoint_every=5)
    for number in range(40):
        (one, two)[number % 3 == 0].handle(log_record(str(number)))
    one.close()
    two.close()
    assert verify(path, key=secret).findings == ()
    assert [
        m
        for (m,) in rows(
            path,
            "SELECT json_extract(line, '$.message') FROM audit_line WHERE event_type = 'log' ORDER BY seq",
        )
    ] == [str(n) for n in range(40)]


def test_nobody_signs_over_an_edit(path: Path) -> None:
    """A line that another changed under a writer's eyes: no checkpoint is made any more, and it is said."""
    from stores import behind_the_guards

    handler = store_handler(path, checkpoint_every=5)
    other = store_handler(path)
    handler.handle(call())
    other.handle(call(user_id="u-1"))
    with behind_the_guards(path) as database:
        database.execute("UPDATE audit_line SET line = replace(line, 'u-1', 'u-2')")
    for _ in range(9):
        handler.handle(call())
    handler.close()
    found = [json.loads(line) for _, line in stored_lines(path)]
    assert [m["reason"] for m in found if m["event_type"] == "log.lost"] == ["chain"]
    assert [m["seq"] for m in found if m["event_type"] == "log.checkpoint"] == [1]
    assert verify(path, key=secret).verdict == "tampered"


def test_the_command_makes_a_checkpoint_of_an_idle_store(
    path: Path, tmp_path: Path, audit_key: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kept elsewhere, it is an anchor; in the store's own folder it is refused."""
    from or_audit_logging.cli.main import main

    filled(path, {})
    kept = tmp_path.parent / f"{tmp_path.name}.anchors"
    assert main(["checkpoint", str(path), "-o", str(kept)]) == 0
    assert main(["verify", str(path), "--anchor", str(kept)]) == 0
    assert events(path)[-1] == "log.checkpoint"
    assert main(["checkpoint", str(path), "-o", str(tmp_path / "here")]) == 2
    assert "VERIFIED" in capsys.readouterr().out


# When it goes wrong.


def test_a_lock_that_is_held_too_long_is_a_loss_that_is_told(path: Path) -> None:
    """Reported or raised, as the configuration says; the next record brings the count."""
    handler = store_handler(path, lock_timeout=0.05)
    handler.handle(log_record("before"))
    with opened(path) as database:
        database.execute("BEGIN IMMEDIATE")
        handler.handle(log_record("lost"))
        with pytest.raises(AuditWriteError, match=r"another process has held audit\.db"):
            handler._writer.probe()
    assert handler.stats()["failed"] == 1
    handler.handle(log_record("after"))
    handler.close()
    lost = [json.loads(line) for _, line in stored_lines(path) if b'"log.lost"' in line[:40]]
    assert [(m["count"], m["reason"]) for m in lost] == [(1, "other")]
    assert verify(path, key=secret).records_lost == 1


def test_raise_fails_closed(path: Path) -> None:
    """The caller hears of it, and nothing is left in the store."""
    handler = store_handler(path, lock_timeout=0, on_failure="raise")
    handler.handle(log_record("before"))
    with opened(path) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditWriteError, match="another process"):
            handler.handle(log_record("refused"))
    handler.close()


def test_a_full_disk_loses_a_counted_record_and_tears_nothing(path: Path) -> None:
    """SQLite has no page left; later there is room, and the loss is in the log."""
    handler = store_handler(path, checkpoint_seconds=1e6)
    handler.handle(log_record("before"))
    writer: Any = handler._writer
    (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
    writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(20):
        handler.handle(log_record(f"{number} " + "x" * 4000))
    failed = handler.stats()["failed"]
    assert failed > 0
    writer._connection.execute("PRAGMA max_page_count = 1000000")
    handler.handle(log_record("after"))
    handler.close()
    lost = [json.loads(line) for _, line in stored_lines(path) if b'"log.lost"' in line[:40]]
    assert [(m["count"], m["reason"]) for m in lost] == [(failed, "disk")]
    report = verify(path, key=secret)
    assert (report.findings, report.records_lost) == ((), failed)
    written = rows(path, "SELECT count(*) FROM audit_line WHERE event_type = 'log'")
    assert written == [(22 - failed,)]


def test_a_checkpoint_that_is_rolled_back_is_not_handed_out(path: Path) -> None:
    """What a transaction said is taken back with it: the checkpoint, the start, the loss."""
    writer = StoreWriter(path, KeyRing.from_sources(secret))
    writer.losses.add(3, reason="disk")

    def interrupted() -> None:
        with writer._exclusive:
            writer._go_to_end()
            writer._enter(datetime.now(UTC))
            writer._start()
            writer._say_lost()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert (writer.checkpoints.take(), writer._started, writer.tail) == ([], False, None)
    assert list(writer.losses.to_state()) == [(3, "disk", None)]
    writer.append(_body(audit_record()))
    writer.stop()
    assert verify(path, key=secret).findings == ()
    assert events(path).count("log.genesis") == 1


@posix_only
def test_a_store_that_is_deleted_goes_on_in_a_new_one_and_says_so(path: Path) -> None:
    """The chain continues: whoever took the lines away cannot make the log begin anew."""
    handler = store_handler(path)
    handler.handle(log_record("before"))
    for file in path.parent.glob("audit.db*"):
        file.unlink()
    handler.handle(log_record("after"))
    handler.close()
    found = [json.loads(line) for _, line in stored_lines(path)]
    assert (found[0]["event_type"], found[0]["seq"]) == ("log.open", 4)
    assert [m["reason"] for m in found if m["event_type"] == "log.lost"] == ["gone"]
    report = verify(path, key=secret)
    assert {finding.kind for finding in report.findings} == {"missing-lines", "vanished"}
    filled(path, {})
    assert {finding.kind for finding in verify(path, key=secret).findings} == {"missing-lines", "vanished"}


def test_a_store_that_was_emptied_does_not_begin_another_log(path: Path) -> None:
    """A running writer goes on behind what is gone; one that comes later is told."""
    from stores import behind_the_guards

    handler = store_handler(path)
    handler.handle(log_record("before"))
    with behind_the_guards(path) as database:
        database.execute("DELETE FROM audit_line")
    with pytest.raises(AuditWriteError, match="its lines are gone"):
        store_handler(path, on_failure="raise").handle(log_record("refused"))
    handler.handle(log_record("after"))
    handler.close()
    assert events(path)[0] == "log.open"
    assert {finding.kind for finding in verify(path, key=secret).findings} == {"missing-lines", "vanished"}


def test_an_interrupt_behind_a_commit_leaves_the_writer_usable(path: Path) -> None:
    """Nobody knows whether the first lines are there: the store is looked at again."""
    writer: Any = StoreWriter(path, KeyRing.from_sources(secret))
    commit = writer._connection.commit

    def interrupted() -> None:
        commit()
        raise KeyboardInterrupt

    writer._connection.commit = interrupted
    with pytest.raises(KeyboardInterrupt):
        writer.append(_body(audit_record()))
    writer._connection.commit = commit
    writer.append(_body(audit_record()))
    writer.stop()
    assert verify(path, key=secret).findings == ()
    assert events(path).count("chat_completion") == 2


@posix_only
def test_a_store_that_is_put_back_is_a_rollback(path: Path) -> None:
    """An older copy in its place: the log goes on behind it, and says how many lines are gone."""
    handler = store_handler(path)
    handler.handle(log_record("old"))
    with opened(path) as database:
        database.execute("VACUUM INTO ?", (str(path.with_name("backup.db")),))
    for number in range(3):
        handler.handle(log_record(str(number)))
    for file in path.parent.glob("audit.db*"):
        file.unlink()
    path.with_name("backup.db").rename(path)
    handler.handle(log_record("after"))
    handler.close()
    lost = [json.loads(line) for _, line in stored_lines(path) if b'"log.lost"' in line[:40]]
    assert [(m["count"], m["reason"]) for m in lost] == [(3, "rollback")]


def test_a_damaged_store_is_an_error_that_says_so(path: Path) -> None:
    """Pages of something else: no record is written into it, and none is thought to be."""
    filled(path, *({} for _ in range(50)))
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\x55" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(ConfigError, match="damaged"):
        store_handler(path)


@posix_only
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written_is_refused(path: Path) -> None:
    """At construction."""
    filled(path, {})
    path.chmod(0o400)
    with pytest.raises(ConfigError, match="cannot be opened"):
        store_handler(path)


def _other_database(path: Path) -> None:
    with opened(path) as database:
        database.execute("CREATE TABLE orders (id)")


def _newer(path: Path) -> None:
    filled(path, {})
    with opened(path) as database:
        database.execute("DROP TRIGGER meta_unchanged")
        database.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")
        database.execute("PRAGMA journal_mode = DELETE")


def _copy(path: Path) -> None:
    from or_audit_logging.store.copy import CopyStore

    with CopyStore(path, bytes(16)):
        pass
    with opened(path) as database:
        database.execute("PRAGMA journal_mode = DELETE")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: path.write_text("no database at all, but a text of some length " * 20), "no SQLite"),
        (lambda path: path.mkdir(), "not a regular file"),
        (_other_database, "something else"),
        (_newer, "store schema 2, and or-audit-logging"),
        (_copy, "is a copy of a log"),
    ],
)
def test_what_is_no_store_of_ours_is_refused(path: Path, prepare: Any, says: str) -> None:
    """And left as it is."""
    prepare(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ConfigError, match=says):
        store_handler(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"database": ":memory:"}, "path of a file"),
        ({"database": 7}, "path of a file"),
        ({"durability": "maybe"}, "durability"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"lock_timeout": -1}, "not negative"),
        ({"filename": "x"}, "has no parameter filename"),
        ({"key": lambda: b"short"}, "at least 32"),
    ],
)
def test_mistakes_are_refused_at_construction(path: Path, options: dict[str, Any], says: str) -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match=says):
        SQLiteAuditHandler(**({"database": path, "key": secret} | options))


def test_a_key_of_another_log_is_refused(path: Path) -> None:
    """Before the first record."""
    filled(path, {})
    with pytest.raises(ConfigError, match="the key does not fit"):
        store_handler(path, key=lambda: OTHER)


# Threads, signals, forks.


def test_threads_share_a_store(path: Path) -> None:
    """Eight of them: nothing lost, nothing twice."""
    handler = store_handler(path)

    def work(name: int) -> None:
        for number in range(40):
            handler.handle(log_record(f"{name}-{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    found = rows(path, "SELECT json_extract(line, '$.message') FROM audit_line WHERE event_type = 'log'")
    assert sorted(m for (m,) in found) == sorted(f"{a}-{b}" for a in range(8) for b in range(40))
    assert verify(path, key=secret).findings == ()


@posix_only
def test_a_signal_handler_that_logs_in_the_middle_of_a_write_does_not_hang(path: Path) -> None:
    """Its record is written after the one that it interrupted."""
    handler = store_handler(path)
    writer: Any = handler._writer
    seal = writer._end
    original = writer._connection.execute
    came = []

    def execute(sql: str, values: Any = ()) -> Any:
        if sql.startswith("INSERT INTO audit_line") and not came:
            came.append(1)
            signal.raise_signal(signal.SIGUSR1)
        return original(sql, values)

    handler.handle(log_record("first"))
    writer._connection.execute = execute
    former = signal.signal(signal.SIGUSR1, lambda *_: handler.handle(log_record("from the signal")))
    try:
        handler.handle(log_record("interrupted"))
    finally:
        signal.signal(signal.SIGUSR1, former)
    handler.close()
    assert seal is writer._end
    found = rows(path, "SELECT json_extract(line, '$.message') FROM audit_line WHERE event_type = 'log'")
    assert [m for (m,) in found] == ["first", "interrupted", "from the signal"]


@posix_only
def test_a_forked_child_writes_on_its_own_account(path: Path) -> None:
    """Its own start and stop; what the parent goes on writing chains with it."""
    handler = store_handler(path)
    handler.handle(log_record("parent before"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for number in range(20):
                handler.handle(log_record(f"child {number}"))
            handler.close()
            code = 0
        finally:
            os._exit(code)
    for number in range(20):
        handler.handle(log_record(f"parent {number}"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handler.handle(log_record("parent after"))
    handler.close()
    kinds = events(path)
    assert (kinds.count("log.start"), kinds.count("log.stop"), kinds.count("log")) == (2, 2, 42)
    assert verify(path, key=secret).findings == ()


@posix_only
def test_a_fork_in_the_middle_of_a_write_leaves_the_child_without_the_store(path: Path) -> None:
    """It says so; the parent's write goes on."""
    handler = store_handler(path, on_failure="raise")
    handler.handle(log_record("before"))
    writer: Any = handler._writer
    with writer._exclusive:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                handler.handle(log_record("child"))
            except AuditWriteError as error:
                code = 0 if "forked in the middle of a write" in str(error) else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handler.handle(log_record("after"))
    handler.close()
    assert events(path).count("log") == 2
    assert verify(path, key=secret).findings == ()


def test_a_handler_that_is_dropped_leaves_nothing_open(path: Path) -> None:
    """And nothing lost."""
    handler = store_handler(path)
    handler.handle(call())
    del handler
    gc.collect()
    assert rows(path, "SELECT count(*) FROM audit_log") == [(1,)]


# How it is set up.


def test_configure_writes_to_a_store_as_well(
    tmp_path: Path, audit_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same record, redacted, in both; called again it replaces both handlers."""
    for _ in range(2):
        configure(tmp_path / "logs", database=tmp_path / "audit.db")
    logger = logging.getLogger("openrouter.audit")
    assert [type(h).__name__ for h in logger.handlers] == ["AuditFileHandler", "SQLiteAuditHandler"]
    logger.info("mail to %s", "ann@example.com")
    for handler in logger.handlers:
        handler.close()
    found = rows(tmp_path / "audit.db", "SELECT line FROM audit_line WHERE event_type = 'log'")
    assert [json.loads(line)["message"] for (line,) in found] == ["mail to [EMAIL]"]
    assert verify(tmp_path / "audit.db", key=secret).findings == ()
    assert verify(tmp_path / "logs", key=secret).user_lines == 1


def test_configure_with_a_mistaken_database_leaves_what_was(tmp_path: Path, audit_key: bytes) -> None:
    """Neither handler is attached."""
    (tmp_path / "audit.db").mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        configure(tmp_path / "logs", database=tmp_path / "audit.db")
    assert logging.getLogger("openrouter.audit").handlers == []


def test_dictconfig_takes_it_by_class(tmp_path: Path, audit_key: bytes) -> None:
    """With numbers as text, as YAML may bring them."""
    store = {
        "class": "or_audit_logging.SQLiteAuditHandler",
        "database": str(tmp_path / "audit.db"),
        "checkpoint_every": "100",
        "durability": "fsync",
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"store": store},
            "loggers": {"openrouter.audit": {"level": "INFO", "handlers": ["store"], "propagate": False}},
        }
    )
    logging.getLogger("openrouter.audit").info("hello")
    assert rows(tmp_path / "audit.db", "SELECT count(*) FROM audit_line WHERE event_type = 'log'") == [(1,)]


def test_sqlite_is_not_imported_before_it_is_needed(tmp_path: Path) -> None:
    """Neither with the package nor with the file handler."""
    program = (
        "import sys, or_audit_logging as o; o.configure; o.AuditFileHandler; o.verify; o.audited; "
        "assert 'sqlite3' not in sys.modules; o.SQLiteAuditHandler; assert 'sqlite3' in sys.modules"
    )
    done = run_python("-c", program, cwd=tmp_path, environment=os.environ | {"PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == 0, done.stderr


def test_the_log_is_stopped_at_exit(tmp_path: Path) -> None:
    """By our own atexit callback, with a last checkpoint."""
    program = (
        "import logging, or_audit_logging as o; h = o.SQLiteAuditHandler('audit.db'); "
        "logging.getLogger('openrouter.audit').addHandler(h); "
        "logging.getLogger('openrouter.audit').warning('hello')"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OR_AUDIT_KEY": SECRET.decode()}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert events(tmp_path / "audit.db")[-2:] == ["log.stop", "log.checkpoint"]


def test_the_package_s_names_are_few(path: Path) -> None:
    """The handler is one of them."""
    assert "SQLiteAuditHandler" in or_audit_logging.__all__


@pytest.mark.parametrize("place", ["begin", "clear", "commit", "roll_back"])
def test_an_interrupt_leaves_the_store_to_others(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Wherever Ctrl-C came, other threads write on: nobody else could let go of the lock."""
    handler = store_handler(path)
    handler.handle(call())
    writer = handler._writer
    part = writer._said if place == "clear" else writer._connection
    work = getattr(type(part), place)

    def interrupted(self: Any, *args: Any, **options: Any) -> None:
        if place == "begin":
            work(self, *args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(part), place, interrupted)
        if place == "roll_back":
            patch.setattr(type(writer), "_write_record", lambda *_: 1 / 0)
        with pytest.raises(KeyboardInterrupt):
            handler.handle(call())
    other = threading.Thread(target=handler.handle, args=(call(),), daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()
    handler.close()
    assert verify(path, key=secret).findings == ()
