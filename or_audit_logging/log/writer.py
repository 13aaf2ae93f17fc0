"""`LogWriter`: the one way to add lines to a log on disk.

    writer = LogWriter(LogLayout.from_filename("audit_logs/audit.jsonl"), ring)
    ticket = writer.append(body)             # seals and writes one record
    writer.sync(ticket)                      # with sync_every_line: returns when it is on disk
    writer.stop()

What all writers to a shared log do stands in `SharedWriter`. Here are the segments: a write opens the day's
segment, mends what a crash left at its end, and writes its line with one call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.errors import AuditWriteError, ConfigError, FormatError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.commit import GroupCommit
from or_audit_logging.log.end import LogEnd
from or_audit_logging.log.folder import (
    LEAST_FREE_BYTES,
    check_folder,
    described_files,
    free_bytes,
    sync_folder,
    torn_files,
)
from or_audit_logging.log.keys_used import KeysUsed, keys_used
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.opening import first_line, genesis_tail, next_free
from or_audit_logging.log.segments import LOCK_NAME, LogLayout, Segment
from or_audit_logging.log.shared_writer import SharedWriter
from or_audit_logging.log.tail import Tail
from or_audit_logging.signing_keys import SigningKeys


class LogWriter(SharedWriter):
    """Adds sealed lines to one log; knows its end, its open segment and its last checkpoint."""

    _end: LogEnd

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
        super().__init__(
            ring,
            config_digest=config_digest,
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            signing=signing,
        )
        self._layout = layout
        self._sync_every_line = sync_every_line
        self._lock = ProcessLock(layout.folder / LOCK_NAME, timeout=lock_timeout)
        self._exclusive = _Exclusive(self)
        self._commit = GroupCommit(self._sync_file)
        self._described: set[object] = set()
        self._looked_beside: Segment | None = None
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

    def sync(self, ticket: int) -> None:
        """Return when the line with *ticket* is on disk; raises `OSError`. Any thread, with no lock held."""
        try:
            self._commit.wait(ticket)
        except OSError:
            self._end.is_doubtful = True  # the system may have dropped what it could not write
            raise

    @property
    def syncs(self) -> int:
        """How many times the disk was asked to keep what it was given."""
        return self._commit.syncs

    def probe(self) -> None:
        """Raise `OSError` or `AuditWriteError` if a line could not be added now.

        Where an earlier write failed, this is found out by writing down the loss.
        """
        with self._exclusive:
            self._go_to_end()
            folder = self._layout.folder
            if self._end.file is None and not os.access(folder, os.W_OK | os.X_OK):
                raise AuditWriteError(f"the folder {folder} cannot be written")
            if free_bytes(folder) < LEAST_FREE_BYTES:
                raise AuditWriteError(f"less than {LEAST_FREE_BYTES:,} bytes are free in {folder}")
            if self.losses:
                self._enter(datetime.now(UTC))
                self._say_lost()

    def close_day(self) -> str | None:
        """Open a segment for today where the log still ends in an earlier day's; return that one's name."""
        with self._exclusive:
            self._go_to_end()
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
            self._say_end()
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
            self._go_to_end()
            torn_files(self._layout, self._end.segment)
        except KeyNotFoundError as error:
            raise ConfigError(f"the key does not fit the log in {self._layout.folder}: {error}") from error
        except FormatError as error:
            raise ConfigError(f"the log in {self._layout.folder} cannot be continued: {error}") from error
        self._check_signing_key(str(self._layout.folder))

    # The open segment. The lock is held.

    def _go_to_end(self) -> None:
        self._end.go_to(self._lock.generation)

    def _keys_used(self) -> KeysUsed:
        return keys_used(self._layout)

    def _enter(self, now: datetime) -> None:
        """Make the segment of the day the open one, and mend what a crash left at its end.

        Where the file vanished or shrank under us there is none open, and the next one is begun.
        """
        tail = self._end.tail
        if tail is None:
            self._open_segment(now, genesis_tail(self._ring, self.checkpoints, stem=self._layout.stem))
        else:
            if tail.torn is not None or tail.newline_missing:
                self._mend(tail)
            is_its_day = self._end.not_before <= now < self._end.day_ends
            if self._end.file is None or not is_its_day or tail.ends_segment:
                self._open_segment(now, tail)
        if self._looked_beside != self._end.segment:  # whoever opened it may have been stopped before that
            self._describe_torn_files()

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

    def _describe_torn_files(self) -> None:
        """Describe files in which a crash cut the first line: by the number before this segment's own."""
        after = self._end.first_seq - 1 if self._end.first_seq else None
        found = torn_files(self._layout, self._end.segment)
        if not self._described.issuperset(found):
            with suppress(OSError):  # rather said twice than a record lost because an archive is damaged
                self._described |= described_files(self._layout)
        for name in [name for name in found if name not in self._described]:
            torn = found[name]
            self._write_control(
                "log.recover", segment=name, after_seq=after, length=torn.length, sha256=torn.sha256
            )
            self._described.add(name)
        self._looked_beside = self._end.segment

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

    def _go_on(self, tail: Tail, now: datetime) -> None:
        """Open a new segment, so that whoever opens that needs no key before it."""
        self._open_segment(now, tail)

    def _is_open(self) -> bool:
        return super()._is_open() and self._end.file is not None

    def _ticket(self) -> int:
        return self._commit.latest if self._sync_every_line else 0

    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        """Seal *body* as the next line, write it with one call, and advance the tail."""
        tail, file = self._end.tail, self._end.file
        if tail is None or file is None:
            raise AuditWriteError("no segment of the log is open")
        line = tail.seal(body)
        data = before + line + b"\n"
        file.append(data, at=tail.offset)
        self._wrote(tail, line, len(data))
        self._commit.wrote()
        return line

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._end.abandon()


class _Exclusive(AbstractContextManager[None]):
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
