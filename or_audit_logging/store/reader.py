"""Reading a store, and changing nothing: for verification, for copies, for whoever asks.

    for seq, line in stored_lines("audit.db"): ...
    with StoreReader(path) as store: store.kind, store.log_id, store.rows()

What is read is the store as it was when reading began; others may write meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.store.columns import COLUMNS, Row
from or_audit_logging.store.meta import META_NAMES, Kind, get_meta, is_store, kind_of
from or_audit_logging.store.schema import SCHEMA

_ROWS = f"SELECT seq, CAST(line AS BLOB), {', '.join(COLUMNS)} FROM audit_line ORDER BY seq"  # noqa: S608
_LINES = "SELECT seq, CAST(line AS BLOB) FROM audit_line WHERE seq >= ? ORDER BY seq"
_LINE = "SELECT CAST(line AS BLOB) FROM audit_line WHERE seq = ?"


def stored_lines(path: str | os.PathLike[str], *, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield seq and bytes (no newline) of each line in the store at *path*, from *start* on.

    A line that was redacted is there as its stub. Raises `ConfigError` where *path* is no store that this
    version knows, `OSError` and `FormatError` where it cannot be read.
    """
    with StoreReader(Path(path)) as store:
        yield from store.lines(start=start)


def looks_like_store(path: Path) -> bool:
    """Return whether the file at *path* says in its first bytes that it is a store of ours.

    SQLite looks itself: opening the file otherwise would let go of locks that this process holds on it.
    """
    try:
        sqlite = _connect(path)
    except sqlite3.Error:
        return False
    try:
        return is_store(sqlite)
    except sqlite3.Error:
        return False
    finally:
        sqlite.close()


class StoreReader:
    """A store, opened for reading; close it, or use it in a with block."""

    def __init__(self, path: Path) -> None:
        """Raises `ConfigError` where *path* is no store that this version knows, `OSError`, `FormatError`."""
        self.path = path
        os.stat(path)
        try:
            self._sqlite = _connect(path)
        except sqlite3.Error as error:
            raise FormatError(f"{path} cannot be read: {error}") from error
        try:
            self._sqlite.execute("BEGIN")
            kind = kind_of(self._sqlite, path)
            if kind is None:
                raise ConfigError(f"{path} is no store: there is nothing in it")
            self.kind: Kind = kind
            self.log_id = get_meta(self._sqlite, "log_id")
            """Of the log in it; None where it has no lines yet."""
        except BaseException as error:
            self._sqlite.close()
            if isinstance(error, sqlite3.Error):
                raise FormatError(f"{path} cannot be read: {error}") from error
            raise

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection itself, which cannot write; it is in the transaction that reading began with."""
        return self._sqlite

    def close(self) -> None:
        """Close it."""
        self._sqlite.close()

    def lines(self, *, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield seq and bytes of each line, from *start* on; raises `FormatError` for a damaged database."""
        try:
            for seq, line in self._sqlite.execute(_LINES, (start,)):
                yield seq, _bytes(line)
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error

    def lines_at(self, seqs: Iterable[int]) -> Iterator[bytes]:
        """Yield the bytes of the lines *seqs*, as far as they are there; raises `FormatError`."""
        try:
            for seq in seqs:
                for (line,) in self._sqlite.execute(_LINE, (seq,)):
                    yield _bytes(line)
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error

    def end(self) -> int:
        """Return the seq behind that of the last line, 0 where there is none; raises `FormatError`."""
        try:
            (last,) = self._sqlite.execute("SELECT max(seq) FROM audit_line").fetchone()
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error
        return 0 if last is None else int(last) + 1

    def rows(self) -> Iterator[tuple[int, bytes, Row]]:
        """Yield seq, bytes and columns of each line; raises `FormatError` for a damaged database."""
        try:
            for seq, line, *columns in self._sqlite.execute(_ROWS):
                yield seq, _bytes(line), tuple(columns)
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error

    def has_id_before(self, seq: int, record_id: object) -> bool:
        """Return whether a row before *seq* has the record's id; raises `FormatError`."""
        try:
            row = self._sqlite.execute(
                "SELECT 1 FROM audit_line WHERE id = ? AND seq < ?", (record_id, seq)
            ).fetchone()
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error
        return row is not None

    def altered(self) -> list[str]:
        """Return the names of what is not as a store of this version has it: tables, triggers, view, meta."""
        try:
            found = dict(
                self._sqlite.execute("SELECT name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'")
            )
            said = [str(name) for (name,) in self._sqlite.execute("SELECT name FROM meta ORDER BY name")]
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error
        wrong = [name for name in SCHEMA if found.get(name) != SCHEMA[name]]
        wrong += sorted(set(found) - set(SCHEMA))
        return wrong + [f"the row {name} of meta" for name in said if name not in META_NAMES]

    def damage(self) -> str | None:
        """Return what SQLite itself finds wrong first, such as an index that lacks rows; else None."""
        try:
            (said,) = self._sqlite.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            raise FormatError(f"{self.path} cannot be read: {error}") from error
        return None if said == "ok" else str(said)


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write; raises `sqlite3.Error`.

    A store that nobody has open may stand where SQLite cannot make the index of its write-ahead log.
    """
    uri = path.absolute().as_uri()
    sqlite = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=5)
    try:
        sqlite.text_factory = _lenient
        sqlite.execute("PRAGMA trusted_schema=OFF")
        sqlite.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        sqlite.close()
        if os.path.exists(f"{path}-wal") or not path.is_file():
            raise
        sqlite = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
        sqlite.text_factory = _lenient
    except sqlite3.Error:
        sqlite.close()
        raise
    return sqlite


def _lenient(text: bytes) -> str:
    """Return *text*, whatever somebody put there."""
    return text.decode("utf-8", "surrogateescape")


def _bytes(line: object) -> bytes:
    return line if isinstance(line, bytes) else b""
