"""A log as tables: SQLite and DuckDB see the same calls, and neither can do anything but read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from books import HOSTILE, LOG, Raw, line, odd_log, write_segment
from conftest import first
from test_query import Calls

from or_audit_logging import query
from or_audit_logging.errors import AuditError, ConfigError, MissingExtraError, SQLError
from or_audit_logging.evidence.books import opening
from or_audit_logging.evidence.books.columns import ALL, ALWAYS, needed
from or_audit_logging.evidence.books.opened import Books, Engine
from or_audit_logging.evidence.books.opening import open_books
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.store.schema import VIEW_COLUMNS

DUCKDB = pytest.mark.skipif(not opening.has_duckdb(), reason="DuckDB is not installed: pip install duckdb")
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("duckdb", marks=DUCKDB)])
TEXTS = ", ".join(
    name
    for name in VIEW_COLUMNS
    if name not in ("total_cost", "upstream_cost", "router", "metadata", "redactions", "content")
)


def ask(path: Path, sql: str, engine: Engine = "sqlite", **options: Any) -> list[tuple[Any, ...]]:
    with open_books(path, engine=engine, **options) as books:
        return list(books.ask(sql).rows)


@DUCKDB
@pytest.mark.parametrize("seed", first(4, range(12)))
def test_both_engines_see_the_same_calls(tmp_path: Path, seed: int) -> None:
    """Every column of every call (money down to 1e-12 USD), and every problem, of logs with all oddities."""
    odd_log(tmp_path, seed, strangeness=seed % 4 / 8)
    seen = []
    for engine in ("sqlite", "duckdb"):
        with open_books(tmp_path, engine=engine) as books:  # type: ignore[arg-type]
            rows = books.ask(f"SELECT {TEXTS} FROM audit_log ORDER BY seq").rows
            money = books.ask("SELECT total_cost, upstream_cost FROM audit_log ORDER BY seq").rows
            amounts = [tuple(None if one is None else round(float(one), 12) for one in row) for row in money]
            nested = books.ask("SELECT metadata, redactions FROM audit_log ORDER BY seq").rows
            values = [tuple(None if one is None else _loaded(one) for one in row) for row in nested]
            seen.append((rows, amounts, values, books.problems.bad_lines, books.problems.unreadable))
    assert len(seen[0][0]) > 100
    for mine, other in zip(seen[0], seen[1], strict=True):
        assert mine == other


def _loaded(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


@BOTH
def test_a_part_of_the_time_and_of_the_columns_is_the_same_part(tmp_path: Path, engine: Engine) -> None:
    """What is left out is not asked for; late facts behind the period are joined."""
    calls = [line(n, timestamp=f"2026-11-1{n}T12:00:00.000000Z", generation_id=f"gen-{n}") for n in range(3)]
    for number, one in enumerate(calls):
        write_segment(tmp_path, f"2026-11-1{number}", [one])
    fact = line(
        3,
        event_type="generation",
        timestamp="2026-11-20T00:00:00.000000Z",
        generation_id="gen-1",
        total_cost=Raw("0.5"),
    )
    write_segment(tmp_path, "2026-11-20", [fact, line(4, timestamp="2026-11-20T00:00:00.000000Z")])
    sql = "SELECT seq, total_cost_pico FROM audit_log"
    period = Period.parse("2026-11-11", "2026-11-11")
    found = ask(tmp_path, sql, engine, period=period, columns=needed(sql))
    assert found == [(1, 500_000_000_000)]


@BOTH
def test_what_cannot_be_read_is_counted_by_segment(tmp_path: Path, engine: Engine) -> None:
    """A torn line, no JSON, a twin; an archive that ends early gives what it holds."""
    stamp = "2026-11-21T00:00:00.000000Z"
    whole = line(0, timestamp=stamp)
    stub = f'{{"log":"{LOG}","seq":7,"leaf":"{"a" * 64}"   }}'.encode()
    write_segment(
        tmp_path, "2026-11-21", [whole, b"{no json", stub, b"", whole, line(1, timestamp=stamp)[:-30]]
    )
    rows = [
        line(10 + n, timestamp="2026-11-20T00:00:00.000000Z", user_id=os.urandom(20).hex())
        for n in range(2000)
    ]
    archive = write_segment(tmp_path, "2026-11-20", rows, archived=True)
    archive.write_bytes(archive.read_bytes()[:-2000])
    write_segment(tmp_path, "2026-11-19", [], archived=True).write_bytes(b"")
    with open_books(tmp_path, engine=engine) as books:
        ((count,),) = books.ask("SELECT COUNT(*) FROM audit_log").rows
        assert 1000 < count < 2001
        assert books.problems.bad_lines["audit_2026-11-21.jsonl"] == 3
        assert set(books.problems.unreadable) >= {"audit_2026-11-20.jsonl"}


@BOTH
@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((b'"seq":%d,' % seq, b'"seq":%s,' % bad) for seq in (1, 2, 3) for bad in (b"null", b'"2"', b"2.5")),
        *((b'"seq":3,', b'"seq":%d,' % bad) for bad in (-1, 1 << 63)),
        (b'"seq":3,', b'"sep":3,'),
        (b'"id":', b'"ie":'),
        (b'"timestamp":', b'"timestanp":'),
        (b'"event_type":"chat_completion"', b'"event_type":5'),
        (b'{"event_type":"chat_completion",', b"{"),
        (b'"event_type":"generation",', b'"event_type":"generation";'),
        (b'"event_type":"log.checkpoint",', b'"event_type":"log.checkpoint";'),
        (b'{"log":"', b'{"lof":"'),
        (b'"seq":5,"leaf":"', b'"seq":5,"leaf":"g'),
    ],
)
def test_a_query_counts_as_many_bad_lines(tmp_path: Path, engine: Engine, old: bytes, new: bytes) -> None:
    """What is no record to SQL is none to `query`, be it a call, a fact, a control line, a stub."""
    log = Calls()
    log.call()
    log.fact("gen-0", "1")
    log.calls(3)
    log.redact(5)
    log.save(tmp_path)
    path = tmp_path / log.name
    content = path.read_bytes()
    changed = sum(old in one for one in content.splitlines())
    assert changed
    path.write_bytes(content.replace(old, new))
    for limit in (None, 99):
        found = query(tmp_path, limit=limit)
        list(found)
        assert found.skipped.bad == {log.name: changed}
    with open_books(tmp_path, engine=engine) as books:
        assert books.problems.bad_lines == {log.name: changed}


@BOTH
@pytest.mark.parametrize("doubtful", [0, 1])
def test_of_two_lines_with_one_seq_the_first_counts(tmp_path: Path, engine: Engine, doubtful: int) -> None:
    """Also where they stand in two files, whichever of these is read in which way."""
    for number in range(2):
        user = Raw("5") if number == doubtful else "u-1"
        stamp = f"2026-11-2{number}T00:00:00.000000Z"
        lines = [
            line(7, timestamp=stamp, id=f"of-file-{number}"),
            line(8 + number, timestamp=stamp, user_id=user),
        ]
        write_segment(tmp_path, f"2026-11-2{number}", lines)
    with open_books(tmp_path, engine=engine) as books:
        found = books.ask("SELECT id, user_id FROM audit_log ORDER BY seq").rows
        users = ["u-1", None] if doubtful else [None, "u-1"]
        assert found == [("of-file-0", None), ("id-8", users[0]), ("id-9", users[1])]
        assert books.problems.bad_lines == {"audit_2026-11-21.jsonl": 1}


@BOTH
def test_a_line_longer_than_any_is_read_as_well(tmp_path: Path, engine: Engine) -> None:
    """It is for `verify` to say what it is worth."""
    stamp = "2026-11-21T00:00:00.000000Z"
    lengths = (MAX_LINE_BYTES, 5, 3 * MAX_LINE_BYTES, 5)
    lines = [line(n, timestamp=stamp, prompt="x" * length) for n, length in enumerate(lengths)]
    write_segment(tmp_path, "2026-11-21", lines)
    assert ask(tmp_path, "SELECT seq FROM audit_log ORDER BY seq", engine) == [(0,), (1,), (2,), (3,)]


@BOTH
def test_names_are_only_names(tmp_path: Path, engine: Engine) -> None:
    """Whatever stands in a record comes back as it stands there, halves of characters aside."""
    lines = [
        line(n, timestamp="2026-11-21T00:00:00.000000Z", user_id=name, model_used=name)
        for n, name in enumerate(HOSTILE)
    ]
    write_segment(tmp_path, "2026-11-21", lines)
    found = ask(tmp_path, "SELECT user_id, model_used FROM audit_log ORDER BY seq", engine)
    assert found == [(name.replace("\ud83d", "\ufffd"),) * 2 for name in HOSTILE]


@pytest.fixture(scope="module")
def one_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a segment of one line."""
    lines = [line(0, timestamp="2026-11-21T00:00:00.000000Z")]
    return write_segment(tmp_path_factory.mktemp("log"), "2026-11-21", lines)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("duckdb", marks=DUCKDB)])
def books(one_line: Path, request: pytest.FixtureRequest) -> Iterator[Books]:
    """Yield books that nothing changes, whatever they are asked."""
    with open_books(one_line.parent, engine=request.param) as opened:
        yield opened


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM audit_line",
        "CREATE TABLE t (x INTEGER)",
        "INSERT INTO audit_line (seq) VALUES (1)",
        "SELECT 1; SELECT 2",
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only",
        "VACUUM",
        "SELECT no_such_column FROM audit_log",
        "SELECT",
        "",
        "-- nothing",
        "WITH gone AS (DELETE FROM audit_line RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM audit_line",
        "SELECT $missing",
    ],
)
def test_a_statement_reads_or_is_refused(books: Books, sql: str) -> None:
    """Nothing but one SELECT; mistakes are told in a sentence."""
    with pytest.raises(SQLError):
        books.ask(sql)
    assert books.ask("SELECT COUNT(*) FROM audit_log").rows == [(1,)]


@pytest.mark.parametrize("books", [pytest.param("duckdb", marks=DUCKDB)], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{}')",
        "SELECT * FROM read_csv('{}')",
        "SELECT * FROM '{}'",
        "COPY audit_line TO '{}'",
        "COPY (SELECT 1) TO '{}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM read_json('https://example.com/x.json')",
        "EXPORT DATABASE '{}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'",
    ],
)
def test_duckdb_is_locked(one_line: Path, books: Books, sql: str) -> None:
    """No file, not even the log's, no network, no extension, no change of that."""
    before = one_line.read_bytes()
    with pytest.raises(SQLError):
        books.ask(sql.format(one_line))
    assert one_line.read_bytes() == before


@BOTH
def test_an_answer_has_a_limit_and_a_time(tmp_path: Path, engine: Engine) -> None:
    """More rows are said to be there; a statement that goes on for ever is ended."""
    stamp = "2026-11-21T00:00:00.000000Z"
    write_segment(tmp_path, "2026-11-21", [line(n, timestamp=stamp) for n in range(3)])
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"
    with open_books(tmp_path, engine=engine) as books:
        some = books.ask("SELECT seq FROM audit_log ORDER BY seq", limit=2)
        assert (some.rows, some.has_more) == ([(0,), (1,)], True)
        assert not books.ask("SELECT seq FROM audit_log", limit=3).has_more
        assert books.ask("SELECT $a AS x", {"a": "b", "unused": "c"}).rows == [("b",)]
        with pytest.raises(SQLError, match="longer than"):
            books.ask(endless, timeout=0.2)
        assert books.ask("SELECT COUNT(*) FROM audit_log", timeout=60).rows == [(3,)]


@DUCKDB
def test_what_was_not_loaded_cannot_be_asked_for(tmp_path: Path) -> None:
    """It is no column, rather than one full of NULL."""
    write_segment(tmp_path, "2026-11-21", [line(0, timestamp="2026-11-21T00:00:00.000000Z", user_id="u-1")])
    with pytest.raises(SQLError, match="user_id"):
        ask(tmp_path, "SELECT user_id FROM audit_log", "duckdb", columns=ALWAYS)


@DUCKDB
def test_money_is_decimal_in_duckdb(tmp_path: Path) -> None:
    """And adds up exactly."""
    stamp = "2026-11-21T00:00:00.000000Z"
    write_segment(tmp_path, "2026-11-21", [line(n, timestamp=stamp, total_cost=Raw("0.1")) for n in range(3)])
    assert ask(tmp_path, "SELECT SUM(total_cost) FROM audit_log", "duckdb") == [(Decimal("0.3"),)]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT COUNT(*) FROM audit_log", ALWAYS),
        ("select User_ID, count( * ) from audit_log group by 1", ALWAYS | {"user_id"}),
        ("SELECT * FROM audit_log", ALL),
        ("SELECT a.* FROM audit_log a", ALL),
        ("FROM audit_log", ALL),
        ("SELECT audit_log FROM audit_log", ALL),
        ("SELECT x FROM audit_log AS t(a, x)", ALL),
        ("SELECT x FROM audit_log t (a, x)", ALL),
        ("SELECT line FROM audit_line", ALL),
        ("SUMMARIZE audit_log", ALL),
        ("SELECT COLUMNS('u.*') FROM audit_log", ALL),
        ("SELECT audit_log.provider FROM audit_log JOIN audit_log b ON true", ALWAYS | {"provider"}),
    ],
)
def test_only_named_columns_are_loaded(sql: str, names: frozenset[str]) -> None:
    """All of them where a statement may mean some that it does not name."""
    assert needed(sql) == names


def test_what_is_no_log_is_told_in_a_sentence(tmp_path: Path) -> None:
    """An empty folder, none, a file of something else, an engine that does not fit."""
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="no audit log"):
            open_books(place)
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(ConfigError, match="no audit log"):
        open_books(tmp_path / "x.txt")
    with pytest.raises(ConfigError, match="engine is one of"):
        open_books(tmp_path, engine="oracle")  # type: ignore[arg-type]


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And auto takes SQLite."""
    write_segment(tmp_path, "2026-11-21", [line(0, timestamp="2026-11-21T00:00:00.000000Z")])
    monkeypatch.setattr(opening, "has_duckdb", lambda: False)
    with pytest.raises(MissingExtraError, match="query"):
        open_books(tmp_path, engine="duckdb")
    with open_books(tmp_path) as books:
        assert books.engine == "sqlite"


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database for a while goes with the books."""
    log, temporary = tmp_path / "log", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    write_segment(log, "2026-11-20", [line(0, timestamp="2026-11-20T00:00:00.000000Z")], archived=True)
    for engine in ("sqlite", "duckdb") if opening.has_duckdb() else ("sqlite",):
        with open_books(log, engine=engine):  # type: ignore[arg-type]
            (private,) = temporary.iterdir()
            assert private.stat().st_mode & 0o077 == 0
        assert list(temporary.iterdir()) == []


def test_a_store_with_another_view_is_refused(tmp_path: Path) -> None:
    """Its answers would be somebody else's; so is a newer schema, by its number."""
    from or_audit_logging.store.meta import create_store

    path = tmp_path / "audit.db"
    database = sqlite3.connect(path)
    create_store(database, "own")
    database.commit()
    assert ask(path, "SELECT COUNT(*) FROM audit_log") == [(0,)]
    with pytest.raises(ConfigError, match="store"):
        open_books(path, engine="duckdb")
    database.execute("DROP VIEW audit_log")
    database.execute("CREATE VIEW audit_log AS SELECT 1 AS seq, '' AS timestamp")
    database.commit()
    with pytest.raises(ConfigError, match="verify"):
        open_books(path)
    database.execute("DROP TRIGGER meta_unchanged")
    database.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    database.commit()
    database.close()
    with pytest.raises(AuditError, match="schema 99"):
        open_books(path)
