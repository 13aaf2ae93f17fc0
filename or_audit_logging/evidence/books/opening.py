"""`open_books`: a folder or a store as tables, on the engine that is there.

open_books("audit_logs")                         DuckDB where it is installed, else SQLite
open_books("audit_logs", engine="sqlite")
open_books("audit.db")                           a store is read by SQLite, as it is
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection

from or_audit_logging.errors import ConfigError, MissingExtraError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.books.columns import ALL
from or_audit_logging.evidence.books.opened import ENGINES, Books, Engine
from or_audit_logging.evidence.books.pages import Problems, pages_of
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.reading import layout_of

_EVER = Period()


def open_books(
    path: PathText, *, engine: Engine = "auto", period: Period = _EVER, columns: Collection[str] = ALL
) -> Books:
    """Return the calls of *period* in the log at *path*, a folder or a store, as the view `audit_log`.

    *columns*: those that will be asked for, so that no others are loaded. A generation id that a call before
    the period bears as well does not count as repeated where *path* is a folder. Late facts count from the
    segment before the period on.

    Raises `ConfigError` where there is no log or the engine does not fit, `MissingExtraError` where DuckDB is
    asked for and not installed, `FormatError` and `OSError` for a store that cannot be read.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine is one of {', '.join(ENGINES)}, not {engine!r}")
    target = find_log(path)
    if target.store is not None:
        from or_audit_logging.evidence.books.sqlite import open_store

        if engine == "duckdb":
            raise ConfigError(f"{os.fspath(path)} is a store, which SQLite reads; leave the engine out")
        return open_store(target.store, period)
    problems = Problems()
    pages = pages_of(layout_of(path), period, problems)
    if engine == "duckdb" or (engine == "auto" and has_duckdb()):
        if not has_duckdb():
            raise MissingExtraError(extra="query", needed_for="the engine duckdb")
        from or_audit_logging.evidence.books import duckdb

        return duckdb.load(pages, columns, problems, period)
    from or_audit_logging.evidence.books import sqlite

    return sqlite.load(pages, columns, problems, period)


def has_duckdb() -> bool:
    """Return whether DuckDB is installed."""
    return importlib.util.find_spec("duckdb") is not None
