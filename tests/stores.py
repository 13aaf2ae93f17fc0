"""Stores for tests: a handler on one, records in it, and what stands in it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from samples import SECRET, audit_record

from or_audit_logging import SQLiteAuditHandler
from or_audit_logging.record import AuditRecord


def secret() -> bytes:
    return SECRET


def store_handler(path: Path | str, **options: Any) -> SQLiteAuditHandler:
    """Return a handler on the store at *path* that waits long for its turn on a busy machine."""
    return SQLiteAuditHandler(path, **({"lock_timeout": 60, "key": secret} | options))


def log_record(message: str, audit: AuditRecord | None = None) -> logging.LogRecord:
    made = logging.LogRecord("openrouter.audit", logging.INFO, __file__, 1, message, (), None)
    if audit is not None:
        made.audit = audit
    return made


def call(**fields: Any) -> logging.LogRecord:
    """Return the LogRecord of a call."""
    return log_record("call", audit_record(**fields))


def filled(path: Path, *records: dict[str, Any], **options: Any) -> Path:
    """Make a store at *path* with the calls *records* and return the path."""
    handler = store_handler(path, **options)
    for fields in records:
        handler.handle(call(**fields))
    handler.close()
    return path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database as anybody may, and commit what was done."""
    with closing(sqlite3.connect(path)) as database:
        yield database
        database.commit()


def rows(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what a question is answered."""
    with opened(path) as database:
        return database.execute(sql, values).fetchall()


def events(path: Path) -> list[str]:
    """Return the event types of all lines, in order."""
    return [event for (event,) in rows(path, "SELECT event_type FROM audit_line ORDER BY seq")]


def without_guards(database: sqlite3.Connection) -> None:
    """Take the triggers away, as somebody does who wants to change what they guard; see `with_guards`."""
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {name}")


def with_guards(database: sqlite3.Connection) -> None:
    """Put the triggers back as if nothing had happened."""
    from or_audit_logging.store.schema import SCHEMA

    for name, sql in SCHEMA.items():
        if sql.startswith("CREATE TRIGGER"):
            assert name
            database.execute(sql)


@contextmanager
def behind_the_guards(path: Path) -> Iterator[sqlite3.Connection]:
    """Change the store at *path* behind its triggers' back."""
    with opened(path) as database:
        without_guards(database)
        yield database
        with_guards(database)
