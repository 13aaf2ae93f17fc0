"""`StreamWriter`: a log of its own for each process, written to a stream that somebody else keeps.

    writer = StreamWriter(lambda: sys.stdout, ring)
    writer.append(body)                      # the first one brings log.genesis, a checkpoint and log.start

There is nothing to read back and nothing to lock: the chain lives in this process. A line is written with one
call, and on a pipe one of at most 4,096 bytes does not mix with those of other processes (PIPE_BUF, POSIX).
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.author import Author
from or_audit_logging.log.opening import first_line, genesis_tail
from or_audit_logging.log.tail import Tail
from or_audit_logging.signing_keys import SigningKeys

_PATIENCE = 5.0
"""Seconds to wait for a reader that does not read, where the descriptor itself does not wait."""


class StreamWriter(Author):
    """Adds sealed lines to a stream; used by one thread at a time."""

    def __init__(
        self,
        stream: Callable[[], Any],
        ring: KeyRing,
        *,
        config_digest: Callable[[], str | None] = lambda: None,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        signing: SigningKeys | None = None,
    ) -> None:
        super().__init__(
            ring,
            config_digest=config_digest,
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            signing=signing,
        )
        self._stream = stream
        self._tail: Tail | None = None
        self._is_cut = False
        """Whether the last line was written in part only."""
        self.syncs = 0
        """None: what becomes of a stream's lines is the business of whoever reads it."""

    def append(self, body: bytes) -> int:
        """Seal the JSON object *body* and write it as the next line; raises `OSError`, `AuditWriteError`."""
        self._forget_parent()
        now = datetime.now(UTC)
        try:
            tail = self._tail or self._begin(now)
            if not self._started:
                self._say_started()
            self._say_lost()
            self._write(body)
        except (OSError, AuditWriteError):
            raise
        except BaseException:  # nobody knows whether the line is out: the next one begins another log
            self._tail = None
            raise
        if tail.seq % self._checkpoint_every == 0 or self._checkpoint_is_old(now):
            with suppress(OSError):  # the record is written; the next one brings the checkpoint
                self._checkpoint(tail)
        return 0

    def sync(self, ticket: int) -> None:
        """Do nothing."""

    def probe(self) -> None:
        """Raise `OSError` or `AuditWriteError` if a line could not be written now."""
        if getattr(self._stream(), "closed", False):
            raise AuditWriteError("the stream of the audit log is closed")
        self._forget_parent()
        if self._tail is not None:
            self._say_lost()

    def sync_for_checkpoints(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Write log.stop and a last checkpoint, if this process wrote anything; a later line begins anew."""
        tail = self._tail
        try:
            if tail is not None and self._pid == os.getpid():
                self._say_stopped()
                self._checkpoint(tail)
        finally:
            self._tail = None

    @property
    def tail(self) -> Tail | None:
        """Where this process's log ends; None where it has no lines yet."""
        return self._tail

    def _forget_parent(self) -> None:
        """Begin anew in a forked child, which has a log of its own."""
        if self._pid != os.getpid():
            super()._forget_parent()
            self._tail = None

    def _begin(self, now: datetime) -> Tail:
        self._tail = tail = genesis_tail(self._ring, self.checkpoints, stem="stream")
        self._started = False
        try:
            self._write(first_line(tail, None, now))
        except BaseException:
            self._tail = None
            raise
        self._checkpoint(tail)
        return tail

    def _checkpoint(self, tail: Tail) -> None:
        if tail.tree is not None:
            self._write_checkpoint(tail, tail.tree)

    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        tail = self._tail
        if tail is None:
            raise AuditWriteError("the stream's log has not begun")
        line = tail.seal(body)
        data = before + line + b"\n"
        self._write_bytes(b"\n" + data if self._is_cut else data)
        tail.wrote(line, len(data))
        return line

    def _write_bytes(self, data: bytes) -> None:
        """Write *data* with one call where the stream has a descriptor, behind what it still holds back."""
        stream = self._stream()
        if getattr(stream, "closed", False):
            raise AuditWriteError("the stream of the audit log is closed")
        stream.flush()
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError):  # in memory, or a stand-in, as test runners and notebooks have
            stream.write(data.decode("ascii"))
            stream.flush()
            return
        self._is_cut = not _write_all(descriptor, data, before=self._mark_cut)

    def _mark_cut(self) -> None:
        self._is_cut = True


def _write_all(descriptor: int, data: bytes, *, before: Callable[[], None]) -> bool:
    """Write *data*, mostly with one call; *before* is called where more are needed. Raises `OSError`.

    A write may be short when a signal comes, or when the descriptor does not wait; that is waited for here.
    False for a line that lacks nothing but its newline: it is written, and the next one begins with that.
    """
    deadline = 0.0
    while data:
        try:
            written = os.write(descriptor, data)
        except OSError as error:
            if data == b"\n":
                return False
            deadline = deadline or monotonic() + _PATIENCE
            left = deadline - monotonic()
            waits = isinstance(error, BlockingIOError)
            if not waits or not select.select([], [descriptor], [], max(0.0, left))[1]:
                raise
            continue
        data = data[written:]
        if data:
            before()
    return True
