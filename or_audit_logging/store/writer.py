"""`StoreWriter`: adding lines to a log of its own in a SQLite store.

    writer = StoreWriter(Path("audit.db"), ring)
    writer.append(body)                      # seals and inserts one record, in a transaction of its own
    for line in writer.checkpoints.take(): ...
    writer.stop()

What all writers to a shared log do stands in `SharedWriter`. `BEGIN IMMEDIATE` is the lock between processes,
and the last row says where the chain goes on. What a transaction wrote is there altogether or not at all, so
nothing is torn; where it is rolled back, what was to be said in it is said by the next one.
"""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.errors import AuditWriteError, ConfigError, FormatError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.folder import LEAST_FREE_BYTES, check_mount, free_bytes, make_folder
from or_audit_logging.log.keys_used import KeysUsed, named_keys
from or_audit_logging.log.opening import first_line, genesis_tail
from or_audit_logging.log.patience import Patience
from or_audit_logging.log.shared_writer import SharedWriter
from or_audit_logging.log.tail import Tail
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.signing_keys import SigningKeys
from or_audit_logging.store.columns import ID, columns_of
from or_audit_logging.store.connection import Connection
from or_audit_logging.store.end import StoreEnd
from or_audit_logging.store.schema import INSERT

_SUFFIX_START = ',"log":"'


class StoreWriter(SharedWriter):
    """Adds sealed lines to the log in one store."""

    _end: StoreEnd

    def __init__(
        self,
        path: Path,
        ring: KeyRing,
        *,
        config_digest: Callable[[], str | None] = lambda: None,
        sync_every_line: bool = False,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        lock_timeout: float = 5,
        signing: SigningKeys | None = None,
    ) -> None:
        """Open the store, or make it; raises `ConfigError` where it cannot be written.

        *sync_every_line*: a record is on disk when `append` returns. The others are those of `LogWriter`.
        """
        super().__init__(
            ring,
            config_digest=config_digest,
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            signing=signing,
        )
        self._path = path
        self._full = sync_every_line
        self._connection = Connection(path, Patience(lock_timeout), kind="own", full=sync_every_line)
        self._end = StoreEnd(self._connection, self._find_keys, self.losses)
        self._exclusive = _Exclusive(self)
        self._said = _Said()
        self.syncs = 0
        """How many times the disk was asked to keep what it was given."""
        self._open()

    def sync(self, ticket: int) -> None:
        """Do nothing: a record that has to be on disk is so when `append` returns."""

    def sync_for_checkpoints(self) -> None:
        """Put on disk what the checkpoints cover; raises `OSError`. Any thread, with no lock held."""
        if not self._full:
            self.syncs += 1
            self._connection.sync()

    def probe(self) -> None:
        """Raise `OSError` or `AuditWriteError` if a line could not be added now."""
        with self._exclusive:
            self._go_to_end()
            if free_bytes(self._path.parent) < LEAST_FREE_BYTES:
                raise AuditWriteError(f"less than {LEAST_FREE_BYTES:,} bytes are free in {self._path.parent}")
            if self.losses:
                self._enter(datetime.now(UTC))
                self._say_lost()

    def stop(self) -> None:
        """Write log.stop and a last checkpoint if this process wrote anything, and close the store."""
        try:
            self._say_end()
        finally:
            self._started = False
            self._end.forget()
            self._connection.close()

    def _open(self) -> None:
        path = self._path
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is not a regular file; a store is")
        try:
            make_folder(path.parent)
            check_mount(path.parent)
            self._connection.open()
            with self._exclusive:
                self._go_to_end()
        except OSError as error:
            raise ConfigError(f"the store {path} cannot be opened: {error.strerror or error}") from error
        except KeyNotFoundError as error:
            raise ConfigError(f"the key does not fit the log in {path}: {error}") from error
        except FormatError as error:
            raise ConfigError(f"the log in {path} cannot be continued: {error}") from error
        except AuditWriteError as error:
            raise ConfigError(str(error)) from error
        self._check_signing_key(str(path))

    # Inside a transaction.

    def _go_to_end(self) -> None:
        self._end.go_to_end()

    def _enter(self, now: datetime) -> None:
        """Begin the log where it has no lines; one that had some goes on in a store that has none."""
        if not self._end.is_empty:
            return
        tail = self._end.tail
        self._said.began = True
        self._said.tail = _copied(tail) if tail is not None else None
        if tail is None:
            stem = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self._path.stem)
            tail = genesis_tail(self._ring, self.checkpoints, stem=stem or "audit")
        self._name_log(tail.log_id.hex())
        self._end.begin(tail)
        self._write(first_line(tail, None, now))
        self._checkpoint()

    def _name_log(self, log_id: str) -> None:
        """Say whose log the store holds; raises `AuditWriteError` where that is another one's."""
        named = self._connection.scalar("SELECT value FROM meta WHERE name = 'log_id'")
        if named is None:
            self._connection.execute("INSERT INTO meta (name, value) VALUES ('log_id', ?)", (log_id,))
        elif named != log_id:
            raise AuditWriteError(
                f"the store {self._path.name} held the log {named}, and its lines are gone; move it away to "
                "begin another, and run 'or-audit verify' on it"
            )

    def _go_on(self, tail: Tail, now: datetime) -> None:
        """Make a checkpoint under the new key, so that whoever opens the store needs no key before it."""
        self._checkpoint()

    def _keys_used(self) -> KeysUsed:
        with self._exclusive:
            rows = self._connection.execute("SELECT line FROM audit_line WHERE event_type GLOB 'log.*'")
            return named_keys(line.encode() for (line,) in rows)

    def _checkpoint_beside_record(self) -> bool:
        return False  # a transaction that fails takes all of its lines with it

    def _write_record(self, body: bytes) -> None:
        try:
            self._write(body)
        except sqlite3.IntegrityError:
            if not self._is_there(body):
                self._insert(body, with_id=False)  # another record that bears the same id

    def _is_there(self, body: bytes) -> bool:
        """Return whether *body*, whose id is taken, is the very record that bears it: written once more."""
        found = self._connection.scalar("SELECT line FROM audit_line WHERE id = ?", (columns_of(body)[ID],))
        return isinstance(found, str) and f"{found[: found.rfind(_SUFFIX_START)]}}}".encode() == body

    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        return self._insert(body)

    def _insert(self, body: bytes, *, with_id: bool = True) -> bytes:
        tail = self._end.tail
        if tail is None:
            raise AuditWriteError("the log in the store has not begun")
        line = tail.seal(body)
        values = columns_of(line)
        if not with_id:
            values = (*values[:ID], None, *values[ID + 1 :])
        self._connection.execute(INSERT, (tail.seq, line.decode("ascii"), *values))
        self._wrote(tail, line, 1)
        return line

    # What a transaction says is kept until it is committed.

    def _say_lost(self) -> None:
        for count, reason, detail in self.losses.to_state():
            self._write_control("log.lost", count=count, reason=reason, detail=detail)
            self._said.losses.append((count, reason, detail))

    def _write_checkpoint(self, tail: Tail, tree: Frontier) -> None:
        super()._write_checkpoint(tail, tree)
        self._said.checkpoints += 1

    def _begin(self) -> None:
        if self._pid != os.getpid():
            self._forget_parent()
        self._connection.begin()
        self._said.clear(started=self._started)

    def _rolled_back(self) -> None:
        said, end = self._said, self._end
        for loss in said.losses:
            self.losses.give_back(*loss)
        if said.checkpoints:
            self.checkpoints.drop_last(said.checkpoints)
            self._due = True
        self._started = said.started
        end.is_doubtful = True
        if said.began:
            end.tail, end.is_empty = said.tail, True


class _Said:
    """What the transaction at hand has changed in memory."""

    __slots__ = ("began", "checkpoints", "losses", "started", "tail")

    def __init__(self) -> None:
        self.losses: list[tuple[int, str, str | None]] = []
        self.clear(started=False)

    def clear(self, *, started: bool) -> None:
        self.losses.clear()
        self.checkpoints = 0
        self.started = started
        self.began = False
        self.tail: Tail | None = None


class _Exclusive(AbstractContextManager[None]):
    """A transaction of the writer's, and its memory's."""

    __slots__ = ("_writer",)

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        is_outermost = not self._writer._connection.is_held
        try:
            self._writer._begin()
        except BaseException:
            if is_outermost:
                self._writer._connection.let_go()  # an interrupt may come at any point
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            self._end(kind, error)
        finally:
            self._writer._connection.let_go()

    def _end(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        writer = self._writer
        if kind is None:
            try:
                writer._connection.commit()
            except BaseException:
                writer._rolled_back()
                raise
            return
        writer._connection.roll_back()
        writer._rolled_back()
        if isinstance(error, sqlite3.Error):
            raise writer._connection.meaning(error) from error


def _copied(tail: Tail) -> Tail:
    return dataclasses.replace(tail, tree=tail.tree.copy() if tail.tree is not None else None)
