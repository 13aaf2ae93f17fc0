"""`verify` of a store: its chain, its columns, its guards."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stores import behind_the_guards, events, filled, opened, rows, secret

from or_audit_logging import verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import FormatError
from or_audit_logging.store.columns import COLUMNS
from or_audit_logging.store.reader import StoreReader, looks_like_store, stored_lines
from or_audit_logging.store.schema import SCHEMA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with five calls, seq 3 to 7, and a stop."""
    every: dict[str, Any] = {"user_id": "u-1", "total_cost": None, "is_byok": False, "error_code": 404}
    return filled(tmp_path / "audit.db", *(every | {"prompt_tokens": n} for n in range(5)))


def kinds(path: Path, **options: Any) -> set[tuple[str, int | None]]:
    """Return kind and seq of what is found."""
    return {(finding.kind, finding.seq) for finding in verify(path, **({"key": secret} | options)).findings}


def test_an_honest_store_holds(path: Path) -> None:
    """With the key, with a pinned log id, and under an anchor alone."""
    genesis = json.loads(next(line for _, line in stored_lines(path)))
    report = verify(path, key=secret, log_id=genesis["log_id"])
    assert (report.verdict, report.findings, report.log_id) == ("unanchored", (), genesis["log_id"])
    checkpoint = [line for _, line in stored_lines(path)][-1]
    anchor = path.with_name("anchor.json")
    anchor.write_bytes(checkpoint)
    report = verify(path, anchors=[anchor])
    assert (report.verdict, report.findings) == ("verified", ())
    assert kinds(path, log_id="0" * 32) == {("log-id", None)}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_was_edited_is_found(path: Path, name: str) -> None:
    """Each of them, with its seq and its name; the message quotes nothing."""
    with behind_the_guards(path) as database:
        database.execute(f"UPDATE audit_line SET {name} = '77.5' WHERE seq = 5")
    (finding,) = verify(path, key=secret).findings
    assert (finding.kind, finding.segment, finding.seq, finding.line) == ("column", "audit.db", 5, 6)
    assert f"the column {name} " in finding.message
    assert "77" not in repr(finding).replace("audit", "")


def test_a_value_that_was_taken_away_or_is_of_another_type_is_found(path: Path) -> None:
    """NULL for 0, text for a number."""
    with behind_the_guards(path) as database:
        database.execute("UPDATE audit_line SET is_byok = NULL WHERE seq = 3")
        database.execute("UPDATE audit_line SET prompt_tokens = 'one' WHERE seq = 4")
        database.execute("UPDATE audit_line SET user_id = CAST('u-1' AS BLOB) WHERE seq = 5")
    assert kinds(path) == {("column", 3), ("column", 4), ("column", 5)}


def test_an_index_that_hides_rows_is_found(path: Path) -> None:
    """Filled as a partial one and named as it was: whoever asks by user finds nothing."""
    name, honest = "audit_line_user_id", SCHEMA["audit_line_user_id"]
    with opened(path) as database:
        database.execute(f"DROP INDEX {name}")
        database.execute(honest.replace("user_id IS NOT NULL", "seq < 0"))
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (honest, name))
    assert rows(path, "SELECT count(*) FROM audit_log WHERE user_id = 'u-1'") == [(0,)]
    (finding,) = verify(path, key=secret).findings
    assert (finding.kind, "audit_line_user_id" in finding.message) == ("schema", True)


def test_an_id_that_was_taken_away_is_found(path: Path) -> None:
    """It is missing lawfully only where another line has it."""
    with behind_the_guards(path) as database:
        database.execute("UPDATE audit_line SET id = NULL WHERE seq = 4")
    assert kinds(path) == {("column", 4)}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE audit_line SET line = replace(line, 'u-1', 'u-2'), user_id = 'u-2' WHERE seq = 5", "mac"),
        ("DELETE FROM audit_line WHERE seq = 5", "missing-lines"),
        ("UPDATE audit_line SET seq = 99 WHERE seq = 5", "missing-lines"),
        ("UPDATE audit_line SET line = 'x' WHERE seq = 5", "torn"),
        ("UPDATE audit_line SET line = 5 WHERE seq = 5", "torn"),
        ("UPDATE audit_line SET line = CAST(x'ff00' AS TEXT) WHERE seq = 5", "shape"),
    ],
)
def test_a_line_that_was_changed_is_found(path: Path, statement: str, kind: str) -> None:
    """As in a folder."""
    with behind_the_guards(path) as database:
        database.execute(statement)
    assert kind in {found for found, _ in kinds(path)}


def test_rows_that_changed_places_are_found(path: Path) -> None:
    """Lines and columns moved together."""
    with behind_the_guards(path) as database:
        for old, new in ((4, 100), (5, 4), (100, 5)):
            database.execute("UPDATE audit_line SET seq = ? WHERE seq = ?", (new, old))
    assert ("column", 4) in kinds(path)


def test_a_tail_that_was_cut_is_found_by_an_anchor(path: Path) -> None:
    """And by nothing else."""
    anchor = path.with_name("anchor.json")
    anchor.write_bytes([line for _, line in stored_lines(path)][-1])
    with behind_the_guards(path) as database:
        database.execute("DELETE FROM audit_line WHERE seq > 5")
    assert kinds(path) == set()
    assert {kind for kind, _ in kinds(path, anchors=[anchor])} == {"anchor-size"}
    with behind_the_guards(path) as database:
        database.execute("DELETE FROM audit_line")
    assert verify(path, key=secret).verdict == "cannot verify"
    assert verify(path, key=secret, anchors=[anchor]).verdict == "tampered"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_line_kept",
        "DROP VIEW audit_log",
        "DROP INDEX audit_line_id",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER mine AFTER INSERT ON audit_line BEGIN SELECT 1; END",
    ],
)
def test_guards_and_views_that_were_changed_are_found(path: Path, statement: str) -> None:
    """A view may lie where every line is true."""
    with opened(path) as database:
        database.execute(statement)
    assert kinds(path) == {("schema", None)}


def test_a_view_that_lies_is_found(path: Path) -> None:
    """One of another text."""
    with opened(path) as database:
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_log'").fetchone()
        database.execute("DROP VIEW audit_log")
        database.execute(sql + " AND c.user_id <> 'u-1'")
    assert rows(path, "SELECT count(*) FROM audit_log") == [(0,)]
    assert kinds(path) == {("schema", None)}


def test_what_meta_says_is_held_against_the_lines(path: Path) -> None:
    """A log id of another log."""
    with behind_the_guards(path) as database:
        database.execute("UPDATE meta SET value = ? WHERE name = 'log_id'", ("0" * 32,))
    assert kinds(path) == {("log-id", None)}


def test_a_row_of_meta_that_nobody_wrote(path: Path) -> None:
    """Is no part of a store."""
    with behind_the_guards(path) as database:
        database.execute("INSERT INTO meta (name, value) VALUES ('note', 'x')")
    assert kinds(path) == {("schema", None)}


def test_a_newer_schema_is_not_judged(path: Path) -> None:
    """It is named."""
    with behind_the_guards(path) as database:
        database.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")
    report = verify(path, key=secret)
    assert report.verdict == "cannot verify"
    assert "store schema 2" in report.reasons[0]


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_database_never_makes_it_raise(path: Path, at: float) -> None:
    """A kilobyte of something else, anywhere: it is found, or nobody can read it."""
    filled(path, *({"user_id": f"u-{n}"} for n in range(60)))
    damaged = bytearray(path.read_bytes())
    start = max(4096, int(len(damaged) * at))
    damaged[start : start + 1024] = b"\xaa" * 1024
    path.write_bytes(damaged)
    assert verify(path, key=secret).verdict in ("tampered", "cannot verify", "unanchored")


def test_a_store_is_verified_while_it_is_written(path: Path) -> None:
    """As it was when reading began."""
    from stores import call, store_handler

    handler = store_handler(path)
    handler.handle(call())
    with StoreReader(path) as store:
        lines = store.lines()
        next(lines)
        handler.handle(call())
        seen = 1 + sum(1 for _ in lines)
    assert seen == len(events(path)) - 1
    assert verify(path, key=secret).findings == ()
    handler.close()


def test_a_store_nobody_may_write_is_read(path: Path) -> None:
    """In a folder without rights to write, once nobody has it open."""
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert len(list(stored_lines(path))) == 10
    finally:
        path.parent.chmod(0o700)


def test_what_is_a_store_is_told_by_what_it_holds(path: Path, tmp_path: Path) -> None:
    """Not by its name; another file is an export as ever."""
    other = tmp_path / "export.db"
    other.write_bytes(b"".join(line + b"\n" for _, line in stored_lines(path)))
    assert looks_like_store(path)
    assert not looks_like_store(other)
    report = verify(other, key=secret)
    assert (report.findings, report.lines) == ((), 10)
    empty = tmp_path / "empty.db"
    empty.touch()
    assert verify(empty, key=secret).verdict == "cannot verify"
    sqlite3.connect(tmp_path / "orders.db").execute("CREATE TABLE orders (id)").connection.close()
    assert not looks_like_store(tmp_path / "orders.db")


def test_reading_what_is_no_store_says_so(tmp_path: Path) -> None:
    """Three ways."""
    with pytest.raises(FileNotFoundError):
        next(stored_lines(tmp_path / "none.db"))
    (tmp_path / "text.db").write_text("words " * 1000)
    with pytest.raises((FormatError, ValueError), match=r"no SQLite database|cannot be read"):
        next(stored_lines(tmp_path / "text.db"))


def test_the_command_verifies_a_store(
    path: Path, capsys: pytest.CaptureFixture[str], audit_key: bytes
) -> None:
    """With its exit codes."""
    assert main(["verify", str(path), "--unanchored-ok"]) == 0
    with behind_the_guards(path) as database:
        database.execute("UPDATE audit_line SET total_cost = 0 WHERE seq = 5")
    assert main(["verify", str(path)]) == 1
    assert "audit.db:6" in capsys.readouterr().out
