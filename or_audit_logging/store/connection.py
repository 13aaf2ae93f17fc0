"""`Connection`: one process's way into a store, for one write at a time.

    connection = Connection(path, patience, full=False)
    with connection.exclusive():                 # BEGIN IMMEDIATE ... COMMIT, or ROLLBACK
        connection.execute("SELECT ...")

SQLite must not be carried over a fork: a child would share the parent's locks without holding them. So all
connections are closed just before a fork, and parent and child open their own when they next need one. Nor
may a store's file be opened other than by SQLite while it is in use: closing it would let go of the locks.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of, sync_folder
from or_audit_logging.log.patience import Patience
from or_audit_logging.store.meta import Kind, create_store, kind_of

_FORK_PATIENCE = 60.0
"""Seconds that a fork waits for a write of another thread to end."""
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_ERRNO = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_CANTOPEN": errno.ENOENT,
    "SQLITE_IOERR": errno.EIO,
    "SQLITE_PERM": errno.EACCES,
}

T = TypeVar("T")

_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


class Connection:
    """A store opened for writing; made where it is missing. Any thread may use it, one at a time."""

    def __init__(
        self,
        path: Path,
        patience: Patience,
        *,
        kind: Kind,
        full: bool = False,
    ) -> None:
        """*full*: a transaction is on disk when it is committed (`synchronous=FULL`)."""
        self.path = path
        self.file: tuple[int, int] | None = None
        """Device and inode of the file that was opened last."""
        self.openings = 0
        """How many times it was opened: what was known of a file holds for that opening of it."""
        self._kind: Kind = kind
        self._full = full
        self._patience = patience
        self._sqlite: sqlite3.Connection | None = None
        self._gate = threading.RLock()
        self._is_gate_held = False
        self._is_inherited = False
        """Whether a fork came in the middle of a write: then the child cannot use the store."""
        _connections.add(self)

    def __del__(self) -> None:
        """Leave nothing open where a handler is dropped without being closed."""
        with suppress(Exception):  # at the interpreter's end there may be nothing left to close it with
            self.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store for one transaction, committed at the end, rolled back where that raises.

        Raises `OSError` and `AuditWriteError` in the place of SQLite's errors.
        """
        self.begin()
        try:
            yield
        except BaseException as error:
            self.roll_back()
            if isinstance(error, sqlite3.Error):
                raise self.meaning(error) from error
            raise
        self.commit()

    def begin(self) -> None:
        """Take the store for this thread and process; raises `OSError`, `AuditWriteError`."""
        self._gate.acquire()
        if self.in_transaction:  # this very thread's: whoever began it ends it
            self._gate.release()
            raise AuditWriteError("the store is in the middle of a write")
        try:
            self._ensure()
            self._patiently(lambda: self.execute("BEGIN IMMEDIATE"))
        except BaseException as error:
            self._roll_back()
            self._gate.release()
            if isinstance(error, sqlite3.Error):
                raise self.meaning(error) from error
            raise

    def commit(self) -> None:
        """Keep what was written, or roll it back; raises `OSError`, `AuditWriteError`."""
        try:
            self.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise self.meaning(error) from error
            raise
        finally:
            self._gate.release()

    def roll_back(self) -> None:
        """Drop what was written since `begin`."""
        try:
            self._roll_back()
        finally:
            self._gate.release()

    @property
    def is_held(self) -> bool:
        """Whether this thread has the store."""
        return self._gate._is_owned()  # type: ignore[attr-defined,no-any-return]

    def let_go(self) -> None:
        """Drop what an interrupt left behind in this thread, which no other thread could."""
        while self.is_held:
            self._roll_back()
            self._gate.release()

    @contextmanager
    def leaving_nothing(self) -> Iterator[None]:
        """Leave nothing of what is deleted within in the file, nor in the write-ahead log."""
        with self._gate:
            self.open()
            self.execute("PRAGMA secure_delete = ON")
            yield
            try:
                self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise self.meaning(error) from error

    @property
    def in_transaction(self) -> bool:
        """Whether what was written may still be rolled back."""
        return self._sqlite is not None and self._sqlite.in_transaction

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement inside `exclusive`; raises `sqlite3.Error`."""
        if self._sqlite is None:  # closed by a fork, from within this very write
            raise AuditWriteError("the store was closed for a fork")
        return self._sqlite.execute(sql, values)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each of *rows*, inside `exclusive`; raises `sqlite3.Error`."""
        if self._sqlite is None:
            raise AuditWriteError("the store was closed for a fork")
        self._sqlite.executemany(sql, rows)

    def scalar(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the first value of the first row, None where there is none."""
        row = self.execute(sql, values).fetchone()
        return row[0] if row is not None else None

    def open(self) -> None:
        """Open the store now, if it is not; raises `ConfigError`, `OSError`, `AuditWriteError`."""
        with self._gate:
            try:
                self._ensure()
            except sqlite3.Error as error:
                raise self.meaning(error) from error

    def close(self) -> None:
        """Close it; the next use opens it again."""
        with self._gate:
            sqlite, self._sqlite = self._sqlite, None
            if sqlite is not None:
                sqlite.close()

    def sync(self) -> None:
        """Put on disk what was committed; raises `OSError`. Any thread, with no lock held."""
        if self._full:
            return
        try:
            descriptor = os.open(f"{self.path}-wal", os.O_RDWR | OPEN_FLAGS)
        except FileNotFoundError:  # all of it is in the database by now, which SQLite has synced
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _ensure(self) -> None:
        if self._is_inherited:
            raise AuditWriteError(
                "the process was forked in the middle of a write to the store, or by a program that does not "
                "tell Python of it; open the store in the child"
            )
        if self._sqlite is None or self._file_now() != self.file:
            self.close()
            self._open()

    def _open(self) -> None:
        if not self.path.exists():
            self._make_file()
        before = self._file_now()
        self._sqlite = sqlite = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            kind = self._patiently(lambda: kind_of(sqlite, self.path))
            if kind not in (None, self._kind):
                raise ConfigError(_OTHER_KIND[self._kind].format(self.path))
            if self._patiently(lambda: self.scalar("PRAGMA journal_mode=WAL")) != "wal":
                raise ConfigError(f"{self.path} is where SQLite can keep no write-ahead log (WAL)")
            self.execute(f"PRAGMA synchronous={'FULL' if self._full else 'NORMAL'}")
            if kind is None:
                self._create(sqlite)
        except BaseException:
            self.close()
            raise
        self.file = before if before == self._file_now() else None
        self.openings += 1

    def _create(self, sqlite: sqlite3.Connection) -> None:
        self._patiently(lambda: self.execute("BEGIN IMMEDIATE"))
        if kind_of(sqlite, self.path) is None:  # nobody else has made it meanwhile
            create_store(sqlite, self._kind)
        self.execute("COMMIT")

    def _make_file(self) -> None:
        """Make the file (0600), since SQLite would let others read it, and clear away what a former one left.

        A write-ahead log or its index without a database belongs to one that was removed.
        """
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self.path}{suffix}")
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        except FileExistsError:
            return
        give_to_owner_of(self.path.parent, descriptor)
        os.close(descriptor)
        sync_folder(self.path.parent)

    def _file_now(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _patiently(self, work: Callable[[], T]) -> T:
        """Return what *work* does, which waits for other processes; `AuditWriteError` after the timeout."""
        try:
            done = work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            for _ in self._patience.tries():
                try:
                    done = work()
                except sqlite3.OperationalError as busy:
                    if not _is_busy(busy):
                        raise
                else:
                    break
            else:
                raise AuditWriteError(
                    f"another process has held {self.path.name} for {self._patience.timeout:g} s; "
                    "end it, or raise lock_timeout"
                ) from error
        self._patience.succeeded()
        return done

    def _roll_back(self) -> None:
        if self.in_transaction:
            with suppress(sqlite3.Error, AuditWriteError):
                self.execute("ROLLBACK")

    def meaning(self, error: sqlite3.Error) -> OSError | AuditWriteError:
        """Return what an error of SQLite means; a damaged file is opened anew next time."""
        name = _name_of(error)
        for start, number in _ERRNO.items():
            if name.startswith(start):
                return OSError(number, f"{os.strerror(number)} ({error})", os.fspath(self.path))
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            self.close()
            return AuditWriteError(
                f"the store {self.path.name} is damaged ({error}); move it away to begin another, "
                "and run 'or-audit verify' on it"
            )
        return AuditWriteError(f"the store {self.path.name}: {error}")

    # Forks.

    def before_fork(self) -> None:
        """Close the connection, once a write of another thread has ended."""
        if self._gate.acquire(timeout=_FORK_PATIENCE):
            self._is_gate_held = True
            if not self.in_transaction:  # else this very thread forks in the middle of a write
                with suppress(sqlite3.Error):
                    self.close()

    def after_fork_in_parent(self) -> None:
        """Let others in again."""
        if self._is_gate_held:
            self._is_gate_held = False
            self._gate.release()

    def after_fork_in_child(self) -> None:
        """Begin anew; what is open all the same is the parent's, and is kept from ever being closed."""
        self._gate, self._is_gate_held = threading.RLock(), False
        if self._sqlite is not None:
            self._is_inherited = True
            _leak(self._sqlite)
            self._sqlite = None


_OTHER_KIND: dict[Kind, str] = {
    "own": "{0} is a copy of a log ('or-audit import'); a handler writes a store of its own",
    "copy": "{0} is a log's own store; a copy of another log needs a store for itself",
}


def _name_of(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", None)
    return name if isinstance(name, str) else ""


def _is_busy(error: sqlite3.Error) -> bool:
    return _name_of(error).startswith(_BUSY)


def _leak(sqlite: sqlite3.Connection) -> None:
    """Let *sqlite* never be closed: that would act on files and mutexes that are the parent's."""
    with suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(sqlite))


def _before_fork() -> None:
    for connection in list(_connections):
        connection.before_fork()


def _after_fork_in_parent() -> None:
    for connection in list(_connections):
        connection.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for connection in list(_connections):
        connection.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
