"""`LogWriter`: the one way to add lines to a log on disk.

    writer = LogWriter(LogLayout.from_filename("audit_logs/audit.jsonl"), ring)
    ticket = writer.append(body)             # seals and writes one record
    writer.sync(ticket)                      # with sync_every_line: returns when it is on disk
    for line in writer.checkpoints.take(): ...   # made meanwhile, to be handed out
    writer.stop()

Each write holds the lock between processes, looks whether the log moved since the last one, opens the
day's segment, seals, and writes the line with one call. The state is advanced only after success, and
all of it is derivable from the segments. A writer is used by one thread at a time: its handler's lock
sees to that. Only `sync` may be called by many.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from or_audit_logging.errors import AuditError, AuditWriteError, ConfigError, FormatError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.commit import GroupCommit
from or_audit_logging.log.end import LogEnd
from or_audit_logging.log.folder import (
    LEAST_FREE_BYTES,
    check_folder,
    free_bytes,
    sync_folder,
    undescribed_fragments,
)
from or_audit_logging.log.keys_used import keys_used
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.losses import Losses
from or_audit_logging.log.opening import first_line, genesis_tail, next_free
from or_audit_logging.log.segments import LOCK_NAME, LogLayout
from or_audit_logging.log.tail import Tail
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.control import control_body
from or_audit_logging.signing_keys import SigningKeys
from or_audit_logging.version import __version__

MAX_CHECKPOINT_EVERY = 10_000


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
        link: Path | None = None,
        signing: SigningKeys | None = None,
    ) -> None:
        """Check that the log can be written; raises `ConfigError`. Nothing but the lock file is made.

        *link*: a symbolic link that is kept leading to the open segment. *signing*: keys for checkpoints; a
        log whose checkpoints are not signed is signed from then on.
        """
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
        self._exclusive = _Exclusive(self)
        self._commit = GroupCommit(self._sync_file)
        self._pid = os.getpid()
        self._started = False
        self._due = False
        self.checkpoints = Checkpoints(signing)
        """Those made and not handed out yet; put on disk what they cover (`sync_for_checkpoints`) before."""
        self.losses = Losses()
        """Records that this process could not write, or found gone."""
        self._end = LogEnd(layout, self._find_keys, self.losses, before_close=self._sync_all, link=link)
        check_folder(layout)
        try:
            with self._exclusive:
                self._check_log()
        except OSError as error:
            raise ConfigError(
                f"the log in {layout.folder} cannot be opened: "
                f"{error.filename or layout.folder}: {error.strerror}"
            ) from error

    def append(self, body: bytes) -> int:
        """Seal the JSON object *body* and add it as the log's next line; return its ticket for `sync`.

        Raises `OSError` or `AuditWriteError` where it could not be written.
        """
        with self._exclusive:
            self._end.go_to(self._lock.generation)
            now = datetime.now(UTC)  # with the lock held: the day in a segment's name is the one it begins on
            self._enter(now)
            if not self._started:
                self._start()
            if self.losses:
                self._say_lost()
            self._write(body)
            ticket = self._commit.latest
            due = self._due or self._checkpoint_is_old(now)
            if due and self._end.is_checked:
                self._checkpoint_if_possible()
                due = False
        if due:
            self._read_and_checkpoint()
        return ticket if self._sync_every_line else 0

    def sync(self, ticket: int) -> None:
        """Return when the line with *ticket* is on disk; raises `OSError`. Any thread, with no lock held."""
        try:
            self._commit.wait(ticket)
        except OSError:
            self._end.is_doubtful = True  # the system may have dropped what it could not write
            raise

    @property
    def leaves_unsigned(self) -> str | None:
        """The verifier key that the log's checkpoints are signed by, where this writer has no such key."""
        vkey = self._end.tail.vkey if self._end.tail is not None else None
        return vkey if vkey is not None and not self.checkpoints.sign(vkey) else None

    @property
    def syncs(self) -> int:
        """How many times the disk was asked to keep what it was given."""
        return self._commit.syncs

    def probe(self) -> None:
        """Raise `OSError` or `AuditWriteError` if a line could not be added now.

        Where an earlier write failed, this is found out by writing down the loss.
        """
        with self._exclusive:
            self._end.go_to(self._lock.generation)
            folder = self._layout.folder
            if self._end.file is None and not os.access(folder, os.W_OK | os.X_OK):
                raise AuditWriteError(f"the folder {folder} cannot be written")
            if free_bytes(folder) < LEAST_FREE_BYTES:
                raise AuditWriteError(f"less than {LEAST_FREE_BYTES:,} bytes are free in {folder}")
            if self.losses:
                self._enter(datetime.now(UTC))
                self._say_lost()

    def checkpoint(self) -> str:
        """Add a checkpoint and return its line; raises `AuditWriteError` on a log that has none to give."""
        with self._exclusive:
            self._end.go_to(self._lock.generation)
            if self._end.tail is None:
                raise AuditWriteError("the log has no lines yet, so there is nothing to make a checkpoint of")
            self._enter(datetime.now(UTC))
            self._sign_from_now_on()
            if not self._checkpoint():
                raise AuditWriteError(
                    "the log does not chain, so no checkpoint is made of it; run 'or-audit verify'"
                )
        self.sync_for_checkpoints()
        return self.checkpoints.take()[-1]

    def rotate(self, *, ring: KeyRing | None = None, signing: SigningKeys | None = None) -> None:
        """Change to the first key of *ring*, to the first of *signing*, or both; raises `ConfigError`.

        All writers must hold the new keys by now: from this line on nothing else seals and signs. A key that
        the log has named before is refused. Raises `AuditWriteError` for a log that has no lines.
        """
        used = keys_used(self._layout)
        with self._exclusive:
            self._end.go_to(self._lock.generation)
            tail = self._end.tail
            if tail is None:
                raise AuditWriteError("the log has no lines yet; give its writers the key to begin with")
            now = datetime.now(UTC)
            self._enter(now)
            keys = ring.new_log_keys(tail.log_id) if ring is not None else None
            if keys is not None and keys.kcv in used.kcvs | {tail.kcv}:
                raise ConfigError("the log was sealed under the new key before; make another one")
            vkey = str(signing.first.verifier_key(tail.origin)) if signing is not None else None
            if vkey is not None and vkey in used.vkeys | {tail.vkey}:
                raise ConfigError("the log was signed by the new signing key before; make another one")
            if signing is not None:
                self.checkpoints = Checkpoints(signing)
            self._rotate(tail, keys, vkey, now)
        self.sync_for_checkpoints()

    def close_day(self) -> str | None:
        """Open a segment for today where the log still ends in an earlier day's; return that one's name."""
        with self._exclusive:
            self._end.go_to(self._lock.generation)
            if self._end.tail is None or self._end.segment is None:
                return None
            closed = self._end.segment.name
            self._enter(datetime.now(UTC))
            return closed if closed != self._end.segment.name else None

    def sync_for_checkpoints(self) -> None:
        """Put on disk what the checkpoints cover; raises `OSError`. Any thread, with no lock held."""
        self.sync(self._commit.latest)

    def stop(self) -> None:
        """Write log.stop and a last checkpoint if this process wrote anything, and close the files."""
        try:
            if (self._started or self.losses) and self._pid == os.getpid():
                self._end.read_ahead()
                with self._exclusive:
                    self._end.go_to(self._lock.generation)
                    self._enter(datetime.now(UTC))
                    if not self._started:
                        self._start()
                    self._say_lost()
                    self._write_control("log.stop", pid=os.getpid())
                    self._checkpoint()
        finally:
            self._started = False
            if self._end.file is not None:
                with suppress(OSError):  # whoever waits for it is told
                    self._sync_all()
            self._end.forget()
            self._lock.close()

    def _check_log(self) -> None:
        """Raise `ConfigError` where the log that is there cannot be continued, or not with this key."""
        try:
            self._end.go_to(self._lock.generation)
            undescribed_fragments(self._layout, self._end.segment)
        except KeyNotFoundError as error:
            raise ConfigError(f"the key does not fit the log in {self._layout.folder}: {error}") from error
        except FormatError as error:
            raise ConfigError(f"the log in {self._layout.folder} cannot be continued: {error}") from error
        tail = self._end.tail
        if tail is not None and tail.vkey is not None and not self.checkpoints.fit(tail.vkey):
            raise ConfigError(
                f"the signing key does not fit the log in {self._layout.folder}: its checkpoints are signed "
                f"by {tail.vkey}; 'or-audit rotate-key' changes that"
            )

    def _find_keys(self, log_id: bytes, kcv: str) -> LogKeys:
        try:
            return self._ring.log_keys(log_id, kcv=kcv)
        except KeyNotFoundError:
            self._ring.reload()
            return self._ring.log_keys(log_id, kcv=kcv)

    # The open segment. The lock is held.

    def _enter(self, now: datetime) -> None:
        """Make the segment of the day the open one, and mend what a crash left at its end.

        Where the file vanished or shrank under us there is none open, and the next one is begun.
        """
        tail = self._end.tail
        if tail is None:
            self._open_segment(now, genesis_tail(self._ring, self.checkpoints, stem=self._layout.stem))
            return
        if tail.torn is not None or tail.newline_missing:
            self._mend(tail)
        if self._end.file is None or not self._end.not_before <= now < self._end.day_ends:
            self._open_segment(now, tail)

    def _open_segment(self, now: datetime, tail: Tail) -> None:
        """Open the next segment with its first line and a checkpoint."""
        if not tail.is_checked:
            self._end.check_rest()
        if tail.checked_seq != tail.seq:  # what was not checked is gone
            tail.tree = None
        previous = self._end.segment.name if self._end.segment else None
        segment = next_free(self._layout, now)
        body = first_line(tail, segment, now, previous=previous)
        self._end.begin(tail, segment)
        sync_folder(self._layout.folder)
        try:
            self._lock.count_segment()  # before the line: the others look for it, also if we end here
            self._write(body)
        except BaseException:
            self._end.forget()
            raise
        self._end.begun(self._lock.generation)
        self._checkpoint()
        self._describe_fragments()

    def _sync_all(self) -> None:
        """Return when nothing is left to be put on disk; raises `OSError`, where nobody was told before."""
        try:
            self._commit.wait_for_all()
        except OSError:
            self._end.is_doubtful = True
            raise

    def _sync_file(self) -> None:
        """Put the open segment on disk; one that was closed is there already."""
        if (file := self._end.file) is not None:
            file.sync()

    def _describe_fragments(self) -> None:
        """Describe files in which a crash cut the first line: by the number before this segment's own."""
        after = self._end.first_seq - 1 if self._end.first_seq else None
        for name, torn in undescribed_fragments(self._layout, self._end.segment):
            self._write_control(
                "log.recover", segment=name, after_seq=after, length=torn.length, sha256=torn.sha256
            )

    def _mend(self, tail: Tail) -> None:
        """End what a crash cut: the newline alone for a whole line, else a newline and log.recover."""
        if self._end.file is None:
            tail.torn, tail.newline_missing = None, False
        elif tail.torn is not None:
            torn, after = tail.torn, tail.seq - 1
            tail.passed_over(torn.length)
            try:
                self._write_control(
                    "log.recover",
                    before=b"\n",
                    segment=self._end.file.segment.name,
                    after_seq=after,
                    length=torn.length,
                    sha256=torn.sha256,
                )
            except BaseException:
                tail.passed_over(-torn.length)
                raise
            tail.torn = None
        else:
            self._end.file.append(b"\n", at=tail.offset)
            tail.passed_over(1)
            tail.ending = (tail.ending + b"\n")[1:]
            tail.newline_missing = False

    # Lines. The lock is held.

    def _start(self) -> None:
        self._describe_fragments()
        self._sign_from_now_on()
        self._write_control(
            "log.start",
            pid=os.getpid(),
            host=socket.gethostname(),
            library=__version__,
            config=self._config_digest(),
        )
        self._started = True

    def _sign_from_now_on(self) -> None:
        """Name the signing key, where there is one and the log has none so far."""
        tail = self._end.tail
        if tail is not None and tail.vkey is None:
            vkey = self.checkpoints.vkey(tail.origin)
            if vkey is not None:
                self._rotate(tail, None, vkey, datetime.now(UTC))

    def _rotate(self, tail: Tail, keys: LogKeys | None, vkey: str | None, now: datetime) -> None:
        """Go on under the next kid, in a new segment, so that whoever opens that needs no key before it."""
        if not tail.is_checked:
            self._end.check_rest()
        self._write_control("log.rotate", next_kcv=keys.kcv if keys else None, next_vkey=vkey)
        tail.rotated(keys, vkey)
        self._open_segment(now, tail)

    def _say_lost(self) -> None:
        for count, reason, detail in self.losses.to_state():
            self._write_control("log.lost", count=count, reason=reason, detail=detail)

    def _checkpoint_is_old(self, now: datetime) -> bool:
        made = self._end.tail.checkpoint_at if self._end.tail is not None else None
        return made is None or abs(now - made) > self._checkpoint_age

    def _checkpoint_if_possible(self) -> None:
        """Make a checkpoint that is due; where that fails, the next line does it: no record is lost."""
        try:
            self._checkpoint()
        except OSError:
            self._due = True

    def _read_and_checkpoint(self) -> None:
        """Make a checkpoint that is due, unless another process has: what others wrote is read first."""
        self._end.read_ahead()
        try:
            with self._exclusive:
                self._end.go_to(self._lock.generation)
                if self._end.tail is not None and self._end.file is not None:
                    self._end.check_rest()
                    if self._due or self._checkpoint_is_old(datetime.now(UTC)):
                        self._checkpoint()
        except (OSError, AuditError):
            self._due = True

    def _checkpoint(self) -> bool:
        tail = self._end.tail
        if tail is None:
            return False
        if not tail.is_checked:
            self._end.check_rest()
        if tail.tree is None or not tail.is_checked:
            return False
        now = datetime.now(UTC)
        members = self.checkpoints.members(tail, tail.tree)
        self.checkpoints.keep(self._write_control("log.checkpoint", moment=now, **members))
        tail.checkpoint_at = now
        self._due = False
        return True

    def _write_control(
        self, event_type: str, *, before: bytes = b"", moment: datetime | None = None, **members: Any
    ) -> bytes:
        timestamp = utc_timestamp(moment or datetime.now(UTC))
        return self._write(
            control_body(event_type, record_id=str(uuid.uuid4()), timestamp=timestamp, **members), before
        )

    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        """Seal *body* as the next line, write it with one call, and advance the tail."""
        tail, file = self._end.tail, self._end.file
        if tail is None or file is None:
            raise AuditWriteError("no segment of the log is open")
        line = tail.seal(body)
        data = before + line + b"\n"
        file.append(data, at=tail.offset)
        tail.wrote(line, len(data))
        self._commit.wrote()
        if tail.seq % self._checkpoint_every == 0:
            self._due = True
        return line

    def _forget_parent(self) -> None:
        """Begin anew in a forked child: it starts, stops and loses on its own account."""
        self._pid, self._started, self._due = os.getpid(), False, False
        self.losses.clear()
        self.checkpoints.forget()
        self._end.abandon()


class _Exclusive:
    """Holds the lock between processes; after an interruption only the files are to be trusted."""

    __slots__ = ("_writer",)

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        writer = self._writer
        if writer._pid != os.getpid():
            writer._forget_parent()
        try:
            writer._lock.acquire()
        except BaseException:  # an interrupt may come when the lock is taken already
            writer._lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._writer._end.is_doubtful = True
        self._writer._lock.release()
