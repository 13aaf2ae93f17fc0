"""What a database is: a store, of which kind and which log, or something else.

kind_of(sqlite, path)       "own": the log of a handler; "copy": of a log elsewhere; None: nothing yet
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from or_audit_logging.errors import ConfigError
from or_audit_logging.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from or_audit_logging.version import __version__

Kind = Literal["own", "copy"]
META_NAMES = frozenset(["kind", "log_id", "schema_version"])
"""What `meta` says of a store."""


def create_store(sqlite: sqlite3.Connection, kind: Kind) -> None:
    """Make the tables of a store in an empty database, inside a transaction; raises `sqlite3.Error`."""
    sqlite.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in SCHEMA.values():
        sqlite.execute(statement)
    set_meta(sqlite, "kind", kind)
    set_meta(sqlite, "schema_version", str(SCHEMA_VERSION))


def set_meta(sqlite: sqlite3.Connection, name: str, value: str) -> None:
    """Say once and for all what a store is; raises `sqlite3.Error`."""
    sqlite.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value))


def get_meta(sqlite: sqlite3.Connection, name: str) -> str | None:
    """Return what was said, None where nothing was; raises `sqlite3.Error`."""
    row = sqlite.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row is not None else None


def is_store(sqlite: sqlite3.Connection) -> bool:
    """Return whether the database says that it is a store; raises `sqlite3.Error`, also for no database."""
    return bool(sqlite.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def kind_of(sqlite: sqlite3.Connection, path: Path) -> Kind | None:
    """Return which kind of store the database at *path* is, None where it is empty.

    Raises `ConfigError` for another program's database and for a newer schema than this version knows.
    """
    try:
        if not is_store(sqlite):
            if sqlite.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
                return None
            if not is_store(sqlite):  # nor made by another process since the first look
                raise ConfigError(
                    f"{path} is a database of something else; name a file of its own for the store"
                )
        version, kind = get_meta(sqlite, "schema_version"), get_meta(sqlite, "kind")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise ConfigError(f"{path} is there and is no SQLite database") from None
        raise
    check_schema_version(path, version)
    if kind not in ("own", "copy"):
        raise ConfigError(f"{path} is damaged: it does not say what kind of store it is")
    return "own" if kind == "own" else "copy"


def check_schema_version(path: Path, version: str | None) -> None:
    """Raise `ConfigError` where a store's schema is not one that this version knows."""
    if version is not None and version.isdecimal() and int(version) > SCHEMA_VERSION:
        raise ConfigError(
            f"{path} has store schema {version}, and or-audit-logging {__version__} knows schema "
            f"{SCHEMA_VERSION}; upgrade or-audit-logging"
        )
    if version != str(SCHEMA_VERSION):
        raise ConfigError(f"{path} is damaged: it does not say which schema it has")
