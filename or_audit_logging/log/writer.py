"""`LogWriter`: the one way to add lines to a log on disk.

    writer = LogWriter(LogLayout.from_filename("audit_logs/audit.jsonl"), ring, limit=8000)
    writer.append(body)                      # seals and writes one record
    for line in writer.take_checkpoints(): ...   # checkpoints made meanwhile, to be handed out
    writer.stop()

Each write holds the lock between processes, looks whether the log moved since the last one, opens the
day's segment, seals, and writes the line with one call. The state is advanced only after success, and
all of it is derivable from the segments. A writer is used by one thread at a time: its handler's lock
sees to that.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from or_audit_logging.errors import AuditWriteError, ConfigError, FormatError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.folder import (
    LEAST_FREE_BYTES,
    check_folder,
    free_bytes,
    give_to_owner_of,
    undescribed_fragments,
)
from or_audit_logging.log.lock import OPEN_FLAGS, ProcessLock
from or_audit_logging.log.segments import LOCK_NAME, LogLayout, Segment
from or_audit_logging.log.tail import Tail, advance, take_up
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.control import FORMAT_VERSION, LOST_REASONS, control_body, first_line_body
from or_audit_logging.sealing.line import close_suffix, open_suffix
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.version import __version__

CLOCK_RAN_AHEAD = timedelta(hours=26)
"""A date this much before the active segment's day means that the clock had run ahead."""

MAX_CHECKPOINT_EVERY = 10_000

_fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class LogWriter:
    """Adds sealed lines to one log; knows its end, its open segment and its last checkpoint."""

    def __init__(
        self,
        layout: LogLayout,
        ring: KeyRing,
        *,
        config_digest: Callable[[], str | None] = lambda: None,
        sync_every_line: bool = False,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        lock_timeout: float = 5,
    ) -> None:
        """Check that the log can be written; raises `ConfigError`. Nothing but the lock file is made."""
        if not (
            1 <= checkpoint_every <= MAX_CHECKPOINT_EVERY
            and 0 < checkpoint_seconds < 1e9
            and 0 <= lock_timeout < 1e9
        ):
            raise ConfigError(
                f"checkpoint_every is 1 to {MAX_CHECKPOINT_EVERY}, checkpoint_seconds more than 0, "
                "lock_timeout not negative"
            )
        self._layout = layout
        self._ring = ring
        self._config_digest = config_digest
        self._sync_every_line = sync_every_line
        self._checkpoint_every = checkpoint_every
        self._checkpoint_age = timedelta(seconds=checkpoint_seconds)
        self._lock = ProcessLock(layout.folder / LOCK_NAME, timeout=lock_timeout)
        self._tail: Tail | None = None
        self._segment: Segment | None = None
        self._descriptor: int | None = None
        self._inode: tuple[int, int] | None = None
        self._generation = -1
        self._first_seq = 0
        self._pid = os.getpid()
        self._started = False
        self._doubtful = False
        """Whether something was interrupted, so that only the files say where the log ends."""
        self._fresh: list[str] = []
        self._due = False
        self._lost: Counter[tuple[str, str | None]] = Counter()
        check_folder(layout)
        try:
            with self._locked():
                self._check_log()
        except OSError as error:
            raise ConfigError(
                f"the log in {layout.folder} cannot be opened: {error.filename}: {error.strerror}"
            ) from error

    def append(self, body: bytes) -> None:
        """Seal the JSON object *body* and add it as the log's next line.

        Raises `OSError` or `AuditWriteError` where it could not be written, or not be made durable.
        """
        with self._locked():
            self._go_to_end()
            self._enter(datetime.now(UTC))
            self._start()
            self._say_lost()
            self._write(body)
            if self._due or self._checkpoint_is_old():
                self._checkpoint_if_possible()
            if self._sync_every_line and self._descriptor is not None:
                _fdatasync(self._descriptor)

    def lost(self, count: int = 1, *, reason: str = "other", detail: str | None = None) -> None:
        """Remember records that could not be written; the next success writes them down as log.lost."""
        if reason not in LOST_REASONS:
            raise ValueError(f"{reason} is no reason that log.lost states")
        self._lost[reason, detail] += count

    def probe(self) -> None:
        """Raise `OSError` or `AuditWriteError` if a line could not be added now.

        Where an earlier write failed, this is found out by writing down the loss.
        """
        with self._locked():
            self._go_to_end()
            folder = self._layout.folder
            if self._descriptor is None and not os.access(folder, os.W_OK | os.X_OK):
                raise AuditWriteError(f"the folder {folder} cannot be written")
            if free_bytes(folder) < LEAST_FREE_BYTES:
                raise AuditWriteError(f"less than {LEAST_FREE_BYTES:,} bytes are free in {folder}")
            if self._lost:
                self._enter(datetime.now(UTC))
                self._say_lost()

    def checkpoint(self) -> str:
        """Add a checkpoint and return its line; raises `AuditWriteError` on a log that has none to give."""
        with self._locked():
            self._go_to_end()
            if self._tail is None:
                raise AuditWriteError("the log has no lines yet, so there is nothing to make a checkpoint of")
            self._enter(datetime.now(UTC))
            if not self._checkpoint():
                raise AuditWriteError(
                    "the log does not chain, so no checkpoint is made of it; run 'or-audit verify'"
                )
        return self.take_checkpoints()[-1]

    @property
    def has_checkpoints(self) -> bool:
        """Whether `take_checkpoints` has any to return."""
        return bool(self._fresh)

    def take_checkpoints(self) -> list[str]:
        """Return the checkpoint lines made since the last call, once what they cover is on disk."""
        self._sync_fresh()
        fresh, self._fresh = self._fresh, []
        return fresh

    def stop(self) -> None:
        """Write log.stop and a last checkpoint if this process wrote anything, and close the files."""
        try:
            if self._started and self._pid == os.getpid():
                with self._locked():
                    self._go_to_end()
                    self._enter(datetime.now(UTC))
                    self._say_lost()
                    self._write_control("log.stop", pid=os.getpid())
                    self._checkpoint()
        finally:
            self._started = False
            self._sync_fresh()
            self._forget_segment()
            self._lock.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock between processes; after an interruption only the files are to be trusted."""
        if self._pid != os.getpid():  # a forked child: it starts, stops and loses on its own account
            self._pid, self._started, self._doubtful = os.getpid(), False, True
            self._lost.clear()
            self._fresh.clear()
        with self._lock:
            try:
                yield
            except BaseException:
                self._doubtful = True
                raise

    def _check_log(self) -> None:
        """Raise `ConfigError` where the log that is there cannot be continued, or not with this key."""
        try:
            self._go_to_end()
            undescribed_fragments(self._layout, self._segment)
        except KeyNotFoundError as error:
            raise ConfigError(f"the key does not fit the log in {self._layout.folder}: {error}") from error
        except FormatError as error:
            raise ConfigError(f"the log in {self._layout.folder} cannot be continued: {error}") from error

    def _go_to_end(self) -> None:
        """Bring the tail to the end of the log, wherever other processes have moved it."""
        if self._doubtful:
            self._forget_segment()
            self._due = self._doubtful = False
        if self._tail is None or self._segment is None or self._generation != self._lock.generation:
            self._open_newest()
        else:
            self._follow(self._tail, self._segment)
        if self._tail is not None and self._tail.unchained:
            self.lost(
                self._tail.unchained, reason="chain", detail=self._segment.name if self._segment else None
            )
            self._tail.unchained = 0

    def _open_newest(self) -> None:
        known = self._tail
        ordered = [pair for pair in self._layout.segments() if not pair[1].archived]
        if not ordered:
            if known is not None:
                self._segment_is_gone(known)
            self._generation = self._lock.generation
            return
        self._first_seq, segment = ordered[-1]
        self._use(segment)
        with segment.open() as file:
            self._tail = take_up(file, self._find_keys)
        if known is not None and self._tail.seq < known.seq:
            self.lost(known.seq - self._tail.seq, reason="rollback", detail=segment.name)
        self._generation = self._lock.generation

    def _follow(self, tail: Tail, segment: Segment) -> None:
        try:
            status = os.stat(segment.path)
        except FileNotFoundError:
            self._segment_is_gone(tail)
            return
        if (status.st_dev, status.st_ino) != self._inode:
            self._segment_is_gone(tail)
        elif status.st_size < tail.offset:
            self.lost(0, reason="shrunk", detail=segment.name)
            self._close_segment()
        elif status.st_size > tail.offset:
            with segment.open() as file:
                advance(tail, file, self._find_keys)

    def _segment_is_gone(self, tail: Tail) -> None:
        self.lost(0, reason="gone", detail=self._segment.name if self._segment else None)
        tail.torn, tail.newline_missing = None, False
        self._close_segment()

    def _find_keys(self, log_id: bytes, kcv: str) -> LogKeys:
        try:
            return self._ring.log_keys(log_id, kcv=kcv)
        except KeyNotFoundError:
            self._ring.reload()
            return self._ring.log_keys(log_id, kcv=kcv)

    def _enter(self, now: datetime) -> None:
        """Make the segment of the day the open one, and mend what a crash left at its end."""
        if self._tail is None:
            self._open_segment(now, self._genesis_tail(), "log.genesis")
            return
        if self._descriptor is None and self._segment is not None:
            day_is_over = True  # the segment vanished or shrank under us: go on in a new one
        else:
            day = self._segment.day if self._segment else now.date()
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            day_is_over = now.date() > day or midnight - now > CLOCK_RAN_AHEAD
        if self._descriptor is not None:
            self._mend(self._tail)
        if day_is_over:
            self._open_segment(now, self._tail, "log.open")

    def _genesis_tail(self) -> Tail:
        log_id = secrets.token_bytes(16)
        host = "".join(
            c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in socket.gethostname()
        )
        origin = f"{host[:120] or 'localhost'}/{self._layout.stem[:60]}/{log_id.hex()[:16]}"
        keys = self._ring.new_log_keys(log_id)
        return Tail(log_id, origin, 0, keys.kcv, keys, 0, genesis_prev(origin, log_id), Frontier())

    def _open_segment(self, now: datetime, tail: Tail, event_type: str) -> None:
        """Open the next segment with its first line and a checkpoint."""
        previous = self._segment.name if self._segment else None
        segment = self._next_free(now)
        members: dict[str, object] = {
            "segment": segment.name,
            "day": segment.day.isoformat(),
            "log_id": tail.log_id.hex(),
            "origin": tail.origin,
            "format": FORMAT_VERSION,
            "kcv": tail.kcv,
            "library": __version__,
        }
        if event_type == "log.open":
            frontier = tail.tree.to_hex() if tail.tree is not None else None
            members |= {"prev_segment": previous, "base_leaf": tail.prev.hex(), "frontier": frontier}
        body = first_line_body(
            event_type,
            record_id=str(uuid.uuid4()),
            timestamp=utc_timestamp(now),
            seq=tail.seq,
            kid=tail.kid,
            **members,
        )
        self._use(segment, create=True)
        if self._sync_every_line:
            _sync_folder(self._layout.folder)
        tail.offset, tail.torn, tail.newline_missing = 0, None, False
        self._first_seq = tail.seq
        self._tail = tail
        try:
            self._write(body)
        except BaseException:
            self._forget_segment()
            raise
        self._lock.count_segment()
        self._generation = self._lock.generation
        self._checkpoint()
        self._describe_fragments()

    def _describe_fragments(self) -> None:
        """Describe files in which a crash cut the first line: by the number before this segment's own."""
        after = self._first_seq - 1 if self._first_seq else None
        for name, torn in undescribed_fragments(self._layout, self._segment):
            self._write_control(
                "log.recover", segment=name, after_seq=after, length=torn.length, sha256=torn.sha256
            )

    def _next_free(self, now: datetime) -> Segment:
        day, number = now.date(), 0
        while True:
            name, path = self._layout.name_for(day, number), self._layout.path_for(day, number)
            if not self._layout.archive_for(name).exists() and (
                not path.exists() or path.stat().st_size == 0
            ):
                return Segment(path, name, day, number)
            number += 1

    def _mend(self, tail: Tail) -> None:
        """End what a crash cut: the newline alone for a whole line, else a newline and log.recover."""
        if tail.torn is not None:
            torn, after = tail.torn, tail.seq - 1
            segment = self._segment.name if self._segment else None
            tail.offset += torn.length
            try:
                self._write_control(
                    "log.recover",
                    before=b"\n",
                    segment=segment,
                    after_seq=after,
                    length=torn.length,
                    sha256=torn.sha256,
                )
            except BaseException:
                tail.offset -= torn.length
                raise
            tail.torn = None
        elif tail.newline_missing:
            self._write_bytes(b"\n")
            tail.offset += 1
            tail.newline_missing = False

    def _start(self) -> None:
        if not self._started:
            self._describe_fragments()
            self._write_control(
                "log.start",
                pid=os.getpid(),
                host=socket.gethostname(),
                library=__version__,
                config=self._config_digest(),
            )
            self._started = True

    def _say_lost(self) -> None:
        for (reason, detail), count in list(self._lost.items()):
            self._write_control("log.lost", count=count, reason=reason, detail=detail)
            del self._lost[reason, detail]

    def _checkpoint_is_old(self) -> bool:
        made = self._tail.checkpoint_at if self._tail is not None else None
        return made is None or not timedelta(0) <= datetime.now(UTC) - made <= self._checkpoint_age

    def _checkpoint_if_possible(self) -> None:
        """Make a checkpoint that is due; where that fails, the next line does it: no record is lost."""
        try:
            self._checkpoint()
        except OSError:
            self._due = True

    def _checkpoint(self) -> bool:
        tail = self._tail
        if tail is None or tail.tree is None:
            return False
        now = datetime.now(UTC)
        root, frontier = encode_root(tail.tree.root()), tail.tree.to_hex()
        line = self._write_control(
            "log.checkpoint", moment=now, size=tail.tree.size, root=root, frontier=frontier
        )
        tail.checkpoint_at = now
        self._due = False
        self._fresh.append(line.decode("ascii"))
        return True

    def _write_control(
        self, event_type: str, *, before: bytes = b"", moment: datetime | None = None, **members: object
    ) -> bytes:
        timestamp = utc_timestamp(moment or datetime.now(UTC))
        return self._write(
            control_body(event_type, record_id=str(uuid.uuid4()), timestamp=timestamp, **members), before
        )

    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        """Seal *body* as the next line, write it with one call, and advance the tail."""
        tail = self._open_tail()
        part = open_suffix(body, log=tail.log_id.hex()[:16], seq=tail.seq, kid=tail.kid)
        line = close_suffix(part, tail.keys.mac(tail.prev, part))
        self._write_bytes(before + line + b"\n")
        tail.offset += len(before) + len(line) + 1
        tail.prev = leaf_hash(line)
        if tail.tree is not None:
            tail.tree.append(tail.prev)
        tail.seq += 1
        self._due = self._due or tail.seq % self._checkpoint_every == 0
        return line

    def _write_bytes(self, data: bytes) -> None:
        descriptor, tail = self._descriptor, self._open_tail()
        if descriptor is None:
            raise AuditWriteError("no segment of the log is open")
        written = os.write(descriptor, data)
        if written != len(data):
            os.ftruncate(descriptor, tail.offset)
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")

    def _open_tail(self) -> Tail:
        if self._tail is None:
            raise AuditWriteError("no segment of the log is open")
        return self._tail

    def _use(self, segment: Segment, *, create: bool = False) -> None:
        self._close_segment()
        flags = os.O_WRONLY | os.O_APPEND | (OPEN_FLAGS if create else OPEN_FLAGS & ~os.O_CREAT)
        descriptor = os.open(segment.path, flags, 0o600)
        if create:
            give_to_owner_of(self._layout.folder, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise AuditWriteError(f"{segment.path} is not a regular file")
        self._descriptor, self._inode = descriptor, (status.st_dev, status.st_ino)
        self._segment = segment

    def _close_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _forget_segment(self) -> None:
        self._close_segment()
        self._tail, self._segment, self._generation = None, None, -1

    def _sync_fresh(self) -> None:
        if self._fresh and self._descriptor is not None:
            _fdatasync(self._descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
