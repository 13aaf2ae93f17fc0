"""`CopyStore`: the store that a log elsewhere is copied into, batch by batch.

    with CopyStore(path, log_id) as store:
        store.end()                          # None: nothing is copied yet
        store.add([(0, line), (1, line)])    # one transaction
        store.apply_certificates()           # what the log has deleted and redacted goes from the copy

That the lines chain is for the caller to check.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from or_audit_logging.errors import AuditWriteError, ConfigError, FormatError
from or_audit_logging.log.folder import make_folder
from or_audit_logging.log.patience import Patience
from or_audit_logging.sealing.chain import LogKeys, leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import STUB_START, parse_line, parse_stub, stub_of
from or_audit_logging.store.columns import COLUMNS, ID, columns_of
from or_audit_logging.store.connection import Connection
from or_audit_logging.store.head import CONTROL, as_bytes, head_of
from or_audit_logging.store.schema import INSERT

_LOCK_TIMEOUT = 30.0
_PRAGMAS = ("cache_size = -65536", "wal_autocheckpoint = 16384")
"""Of 64 MiB each: the indexes are filled in no order."""
_LAST = "SELECT seq FROM audit_line ORDER BY seq DESC LIMIT 1"
_LINE = "SELECT line FROM audit_line WHERE seq = ?"
_ID_IS_TAKEN = "SELECT 1 FROM audit_line WHERE id = ?"
_REPLACE = f"UPDATE audit_line SET line = ?, {', '.join(f'{name} = NULL' for name in COLUMNS)} WHERE seq = ?"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyEnd:
    """Where a copy ends: `seq` is the next line's, `prev` the hash to follow, `kcv` names the key in force.

    `frontier` is the tree of the first `frontier_size` lines as a line in the copy states it, None where none
    does; `leaves` are those of the lines behind.
    """

    seq: int
    prev: bytes
    kid: int
    kcv: str
    frontier: tuple[object, ...] | None
    frontier_size: int
    leaves: tuple[bytes, ...]
    last: bytes
    before_last: bytes | None

    def is_sealed_by(self, keys: LogKeys) -> bool:
        """Return whether the MAC of the last line holds; of a stub, and of a first line, nothing is known."""
        if self.before_last is None or self.last.startswith(STUB_START):
            return True
        line = parse_line(self.last)
        return keys.check(self.before_last, line.sealed_part, line.mac)


class CopyStore:
    """A store of kind copy, opened for one import."""

    def __init__(self, path: Path, log_id: bytes) -> None:
        """Open or make it; raises `ConfigError` where it is another log's, or no copy."""
        self.path = path
        make_folder(path.parent)
        self._connection = Connection(path, Patience(_LOCK_TIMEOUT), kind="copy")
        try:
            self._connection.open()
            with self._connection.exclusive():
                found = self._connection.scalar("SELECT value FROM meta WHERE name = 'log_id'")
                if found is None:
                    self._connection.execute(
                        "INSERT INTO meta (name, value) VALUES ('log_id', ?)", (log_id.hex(),)
                    )
                elif found != log_id.hex():
                    raise ConfigError(f"{path} is a copy of the log {found}, and this is {log_id.hex()}")
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> CopyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def end(self) -> CopyEnd | None:
        """Return where the copy ends, None where it has no lines; raises `FormatError` for a damaged one."""
        with self._connection.exclusive():
            head = head_of(self._connection)
            if head is None:
                return None
            seq = self._connection.scalar(_LAST)
            size, frontier = self._last_tree(head.first.seq)
            rows = self._connection.execute(
                "SELECT line FROM audit_line WHERE seq >= ? ORDER BY seq",
                (seq if frontier is None else size,),
            )
            leaves = tuple(_leaf(as_bytes(line)) for (line,) in rows)
            before = self._connection.scalar(_LINE, (seq - 1,))
            return CopyEnd(
                seq=seq + 1,
                prev=leaves[-1],
                kid=head.kid,
                kcv=head.kcv,
                frontier=frontier,
                frontier_size=size,
                leaves=leaves,
                last=as_bytes(self._connection.scalar(_LINE, (seq,))),
                before_last=_leaf(as_bytes(before)) if before is not None else None,
            )

    def add(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Add *lines* behind the last one, all or none."""
        rows = [(seq, line.decode("ascii"), *columns_of(line)) for seq, line in lines]
        try:
            with self._connection.exclusive():
                self._check_is_next(lines[0][0])
                self._connection.execute_many(INSERT, rows)
        except AuditWriteError as error:
            if not isinstance(error.__cause__, sqlite3.IntegrityError):
                raise
            self._add_one_by_one(rows)

    def apply_certificates(self, keys: Sequence[LogKeys]) -> tuple[int, int]:
        """Delete and redact what log.delete and log.redact lines name and *keys* sealed; return how many.

        Some may have been copied without a key at hand, so each is checked here.
        """
        execute = self._connection.execute
        with self._connection.exclusive():
            bases = [_integer(raw, "base") for raw in self._sealed("log.delete", keys)]
            targets = [_integer(raw, "target") for raw in self._sealed("log.redact", keys)]
        if not bases and not targets:
            return 0, 0
        with self._connection.leaving_nothing(), self._connection.exclusive():
            deleted = execute("DELETE FROM audit_line WHERE seq < ?", (max(bases, default=0),)).rowcount
            redacted = sum(self._redact(target) for target in targets)
        return deleted, redacted

    def _sealed(self, event: str, keys: Sequence[LogKeys]) -> Iterator[bytes]:
        for seq, raw in self._connection.execute(CONTROL, (event,)).fetchall():
            line, before = parse_line(as_bytes(raw)), self._connection.scalar(_LINE, (seq - 1,))
            prev = _leaf(as_bytes(before)) if before is not None else b""
            if any(each.check(prev, line.sealed_part, line.mac) for each in keys):
                yield line.raw

    def _redact(self, seq: int) -> bool:
        found = self._connection.scalar(_LINE, (seq,))
        if found is None or as_bytes(found).startswith(STUB_START):
            return False
        stub = stub_of(parse_line(as_bytes(found)))
        self._connection.execute(_REPLACE, (stub.decode("ascii"), seq))
        return True

    def _last_tree(self, first_seq: int) -> tuple[int, tuple[object, ...] | None]:
        """Return size and frontier that the last line states which states any."""
        found: tuple[int, tuple[object, ...] | None] = (first_seq, () if first_seq == 0 else None)
        for event in ("log.checkpoint", "log.open"):
            row = self._connection.execute(f"{CONTROL} DESC LIMIT 1", (event,)).fetchone()
            frontier = parse_control(as_bytes(row[1]))["frontier"] if row is not None else None
            if isinstance(frontier, list) and row[0] > found[0]:
                found = row[0], tuple(frontier)
        return found

    def _check_is_next(self, seq: int) -> None:
        last = self._connection.scalar(_LAST)
        if last is not None and last >= seq:
            raise ConfigError(f"another import into {self.path} is under way")

    def _add_one_by_one(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Add rows of which some bear an id that is taken: of these the column is left empty."""
        with self._connection.exclusive():
            for row in rows:
                is_taken = self._connection.scalar(_ID_IS_TAKEN, (row[2 + ID],))
                kept = (*row[: 2 + ID], None, *row[3 + ID :]) if is_taken else row
                self._connection.execute(INSERT, kept)


def _leaf(raw: bytes) -> bytes:
    return parse_stub(raw).leaf if raw.startswith(STUB_START) else leaf_hash(raw)


def _integer(raw: object, name: str) -> int:
    try:
        value = parse_control(as_bytes(raw))[name]
    except FormatError:
        return 0
    return value if type(value) is int else 0
