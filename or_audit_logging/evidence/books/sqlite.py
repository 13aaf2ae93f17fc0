"""Questions answered by SQLite: of a store as it is, of a folder's lines loaded into a database for a while.

The database stands in a private folder for temporary files and is removed with it. A statement can read and
do nothing else: SQLite asks before each thing that it is about to do.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError, SQLError
from or_audit_logging.evidence.books.opened import Answer
from or_audit_logging.evidence.books.pages import Page, Problems, Row, Rows
from or_audit_logging.evidence.books.percentiles import Percentiles
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.store.reader import StoreReader
from or_audit_logging.store.schema import SCHEMA

_BATCH = 1000
_OPCODES = 20_000
"""So many steps of SQLite's machine pass between two looks at the clock."""
_READING = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
_TABLES = ("audit_line",)
_INDEXES = ("audit_line_generation_id", "audit_line_generation")
_PRAGMAS = (
    "journal_mode = OFF",
    "synchronous = OFF",
    "page_size = 16384",
    "cache_size = -8192",
    "temp_store = FILE",
)

DIALECT = {
    "latency_us": "CAST(latency_ms * 1000 + 0.5 AS INTEGER)",
    "ttft_us": "CAST(ttft_ms * 1000 + 0.5 AS INTEGER)",
    "micro": "total_cost_pico / 1000000",
    "rest": "total_cost_pico % 1000000",
    "percentiles": "percentiles(latency_us)",
    "feature": "CASE WHEN metadata LIKE '{%' AND instr(metadata, '\\u0000') = 0 AND json_valid(metadata) "
    "THEN CASE json_type(metadata, '$.feature') WHEN 'text' "
    "THEN json_extract(metadata, '$.feature') END END",
    "lost_count": "json_extract(line, '$.count')",
    "lost_reason": "json_extract(line, '$.reason')",
}


class SQLiteBooks:
    """A connection that reads, and what it stands on."""

    engine = "sqlite"
    dialect: Mapping[str, str] = DIALECT

    def __init__(
        self, sqlite: sqlite3.Connection, problems: Problems, period: Period, *, owned: contextlib.ExitStack
    ) -> None:
        """Take over *sqlite*, and *owned*, which is closed with it."""
        self.problems = problems
        self._sqlite = sqlite
        self._owned = owned
        sqlite.create_aggregate("percentiles", 1, Percentiles)  # type: ignore[arg-type]  # typeshed: of int only
        if period != Period():
            first, last = period.first_text, period.last_text
            sqlite.execute(
                "CREATE TEMP VIEW audit_log AS SELECT * FROM main.audit_log "
                f"WHERE timestamp >= '{first}' AND timestamp <= '{last}'"
            )

    def __enter__(self) -> SQLiteBooks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, and remove what was made for it."""
        self._sqlite.close()
        self._owned.close()

    def ask(
        self,
        sql: str,
        values: Mapping[str, object] | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Return the answer to one statement that reads; raises `SQLError`."""
        sqlite = self._sqlite
        end = None if timeout is None else time.monotonic() + timeout
        sqlite.set_authorizer(_only_reading)
        sqlite.set_progress_handler(None if end is None else lambda: time.monotonic() > end, _OPCODES)
        try:
            cursor = sqlite.execute(sql, dict(values or {}))
            if cursor.description is None:
                raise SQLError("give one statement that reads, such as SELECT status FROM audit_log")
            columns = tuple(str(column[0]) for column in cursor.description)
            if limit is None:
                return Answer(columns, cursor.fetchall())
            rows = cursor.fetchmany(limit + 1)
            return Answer(columns, rows[:limit], has_more=len(rows) > limit)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
            is_interrupted = getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
            if is_interrupted and (end is None or time.monotonic() <= end):
                raise KeyboardInterrupt from error  # of a signal, swallowed while SQLite looked at the clock
            raise SQLError(_said(error, timeout)) from error
        finally:
            sqlite.set_authorizer(None)
            sqlite.set_progress_handler(None, 0)

    def keep(self, sql: str, values: Mapping[str, object]) -> None:
        """Run a statement of ours that makes a temporary table."""
        try:
            self._sqlite.execute(sql, dict(values))
        except sqlite3.Error as error:
            raise FormatError(f"the log cannot be put in a table: {error}") from error


def open_store(path: Path, period: Period) -> SQLiteBooks:
    """Return the store at *path*; raises `ConfigError`, `FormatError`, `OSError`."""
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(StoreReader(path))
        if altered := {"audit_line", "audit_log"} & set(reader.altered()):
            names = " and ".join(sorted(altered))
            raise ConfigError(f"{names} in {path} is not as a store has it; run 'or-audit verify' on it")
        reader.connection.execute("PRAGMA trusted_schema = ON")  # the view is ours, and uses json_extract
        return SQLiteBooks(reader.connection, Problems(), period, owned=stack.pop_all())


def load(pages: Sequence[Page], columns: Collection[str], problems: Problems, period: Period) -> SQLiteBooks:
    """Return the lines of *pages* in a database for a while; raises `ConfigError` where there is no room."""
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="or-audit-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        sqlite = sqlite3.connect(Path(folder) / "books.db", isolation_level=None)
        stack.callback(sqlite.close)
        try:
            for pragma in _PRAGMAS:
                sqlite.execute(f"PRAGMA {pragma}")
            _fill(sqlite, pages, Rows(columns, problems), problems)
        except sqlite3.Error as error:
            raise ConfigError(f"the log cannot be loaded into a database in {folder}: {error}") from error
        return SQLiteBooks(sqlite, problems, period, owned=stack.pop_all())


def _fill(sqlite: sqlite3.Connection, pages: Sequence[Page], rows: Rows, problems: Problems) -> None:
    sqlite.execute("BEGIN")
    for name in _TABLES:
        sqlite.execute(SCHEMA[name])
    names = ("seq", "line", *rows.names)
    places = ", ".join("?" * len(names))
    insert = f"INSERT OR IGNORE INTO audit_line ({', '.join(names)}) VALUES ({places})"
    for page in pages:
        problems.bad(page.name, sum(_insert(sqlite, insert, batch) for batch in _batches(rows.of(page))))
    for name in (*_INDEXES, "audit_log"):
        sqlite.execute(SCHEMA[name])
    sqlite.execute("COMMIT")


def _insert(sqlite: sqlite3.Connection, insert: str, batch: list[Row]) -> int:
    """Insert *batch*; return how many lines bear a seq that another line bears."""
    return len(batch) - sqlite.executemany(insert, batch).rowcount


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _only_reading(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _said(error: Exception, timeout: float | None) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_INTERRUPT":
        return f"the answer took longer than {timeout:g} s; raise --timeout, or ask for less"
    if name == "SQLITE_AUTH":
        return "a statement can only read here, and this one would do something else"
    if "binding" in str(error):
        return f"SQLite says: {error}; give each with --param NAME=VALUE"
    return f"SQLite says: {error}"
