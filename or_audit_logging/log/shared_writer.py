"""`SharedWriter`: adding lines to a log that other processes write as well, wherever it is kept.

    ticket = writer.append(body)             # seals and writes one record
    writer.sync(ticket)                      # returns when it is on disk, where that is waited for
    for line in writer.checkpoints.take(): ...   # made meanwhile, to be handed out
    writer.stop()

Each write holds the lock between processes, looks whether the log moved since the last one, seals, and
writes. The state is advanced only after success, and all of it is derivable from the log. A writer is used
by one thread at a time: its handler's lock sees to that. Only `sync` may be called by many.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from or_audit_logging.errors import AuditError, AuditWriteError, ConfigError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.author import Author
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.keys_used import KeysUsed
from or_audit_logging.log.tail import Tail
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.signing_keys import SigningKeys


class End(Protocol):
    """Where a log ends right now. The lock is held, but for `read_ahead`."""

    tail: Tail | None
    is_doubtful: bool
    """Whether something was interrupted, so that only the log itself says where it ends."""

    @property
    def is_checked(self) -> bool: ...

    def check_rest(self) -> None:
        """Check the lines that were not."""

    def read_ahead(self) -> None:
        """Check what others wrote, as far as its end is known, without the lock: there may be much of it."""


class SharedWriter(Author):
    """Adds sealed lines to one log under a lock between processes."""

    _end: End
    _exclusive: AbstractContextManager[None]
    """Holds the lock between processes; `_forget_parent` was called where there was a fork."""
    _due = False

    @abstractmethod
    def _go_to_end(self) -> None:
        """Bring `_end` to where other processes have moved it. The lock is held."""

    @abstractmethod
    def _enter(self, now: datetime) -> None:
        """Make ready for the next line: begin the log where it has no lines. The lock is held."""

    @abstractmethod
    def _go_on(self, tail: Tail, now: datetime) -> None:
        """Go on behind a log.rotate or log.policy, and make a checkpoint. The lock is held."""

    @abstractmethod
    def _keys_used(self) -> KeysUsed:
        """Return the keys that the log has named so far."""

    @abstractmethod
    def sync_for_checkpoints(self) -> None:
        """Put on disk what the checkpoints cover; raises `OSError`. Any thread, with no lock held."""

    @abstractmethod
    def stop(self) -> None:
        """Write log.stop and a last checkpoint if this process wrote anything, and close what is open."""

    def _write_record(self, body: bytes) -> None:
        self._write(body)

    def _ticket(self) -> int:
        return 0

    @property
    def tail(self) -> Tail | None:
        """Where the log ended when it was last looked at; None where it had no lines."""
        return self._end.tail

    def append(self, body: bytes) -> int:
        """Seal the JSON object *body* and add it as the log's next line; return its ticket for `sync`.

        Raises `OSError` or `AuditWriteError` where it could not be written.
        """
        with self._exclusive:
            self._go_to_end()
            now = datetime.now(UTC)  # with the lock held: the day in a segment's name is the one it begins on
            self._enter(now)
            if not self._started:
                self._start()
            if self.losses:
                self._say_lost()
            self._write_record(body)
            ticket = self._ticket()
            due = self._due or self._checkpoint_is_old(now)
            if due and self._checkpoint_beside_record():
                due = False
        if due:
            self._read_and_checkpoint()
        return ticket

    @property
    def leaves_unsigned(self) -> str | None:
        """The verifier key that the log's checkpoints are signed by, where this writer has no such key."""
        vkey = self._end.tail.vkey if self._end.tail is not None else None
        return vkey if vkey is not None and not self.checkpoints.sign(vkey) else None

    def checkpoint(self) -> str:
        """Add a checkpoint and return its line; raises `AuditWriteError` on a log that has none to give."""
        with self._exclusive:
            self._go_to_end()
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

    def act(
        self, *acts: tuple[str, Mapping[str, Any]], check: Callable[[datetime], None] | None = None
    ) -> int:
        """Write control lines (event type, members) behind each other, and a checkpoint; on disk on return.

        Returns the seq of the first of them. Raises `AuditWriteError`, with nothing written, for a log that
        has no lines or does not chain: a checkpoint of it would launder an edit. *check* is called with the
        moment that they will bear, before the first of them; where it raises, none is written.
        """
        with self._exclusive:
            self._go_to_end()
            tail, now = self._end.tail, datetime.now(UTC)
            if tail is None:
                raise AuditWriteError("the log has no lines yet")
            self._enter(now)
            self._sign_from_now_on()
            if not tail.is_checked:
                self._end.check_rest()
            if tail.tree is None or not tail.is_checked:
                raise AuditWriteError("the log does not chain, so nothing is added; run 'or-audit verify'")
            if check is not None:
                check(now)
            first = tail.seq
            for event_type, members in acts:
                self._write_control(event_type, moment=now, **members)
                if event_type == "log.policy":
                    tail.policy = members["policy"]
            if any(event_type == "log.policy" for event_type, _ in acts):
                self._go_on(tail, now)
            else:
                self._checkpoint()
        self.sync_for_checkpoints()
        return first

    def rotate(self, *, ring: KeyRing | None = None, signing: SigningKeys | None = None) -> None:
        """Change to the first key of *ring*, to the first of *signing*, or both; raises `ConfigError`.

        All writers must hold the new keys by now: from this line on nothing else seals and signs. A key that
        the log has named before is refused. Raises `AuditWriteError` for a log that has no lines.
        """
        used = self._keys_used()
        with self._exclusive:
            self._go_to_end()
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

    def _say_end(self) -> None:
        """Write log.stop and a last checkpoint, if this process wrote anything."""
        if (self._started or self.losses) and self._pid == os.getpid():
            self._end.read_ahead()
            with self._exclusive:
                self._go_to_end()
                self._enter(datetime.now(UTC))
                if not self._started:
                    self._start()
                self._say_lost()
                self._say_stopped()
                self._checkpoint()

    def _find_keys(self, log_id: bytes, kcv: str) -> LogKeys:
        try:
            return self._ring.log_keys(log_id, kcv=kcv)
        except KeyNotFoundError:
            self._ring.reload()
            return self._ring.log_keys(log_id, kcv=kcv)

    def _check_signing_key(self, where: str) -> None:
        """Raise `ConfigError` where the log *where* is signed by another key than ours."""
        tail = self._end.tail
        if tail is not None and tail.vkey is not None and not self.checkpoints.fit(tail.vkey):
            raise ConfigError(
                f"the signing key does not fit the log in {where}: its checkpoints are signed "
                f"by {tail.vkey}; 'or-audit rotate-key' changes that"
            )

    # The log's own lines. The lock is held, but for `_read_and_checkpoint`.

    def _start(self) -> None:
        self._sign_from_now_on()
        self._say_started()

    def _sign_from_now_on(self) -> None:
        """Name the signing key, where there is one and the log has none so far."""
        tail = self._end.tail
        if tail is not None and tail.vkey is None:
            vkey = self.checkpoints.vkey(tail.origin)
            if vkey is not None:
                self._rotate(tail, None, vkey, datetime.now(UTC))

    def _rotate(self, tail: Tail, keys: LogKeys | None, vkey: str | None, now: datetime) -> None:
        """Go on under the next kid."""
        if not tail.is_checked:
            self._end.check_rest()
        self._write_control("log.rotate", next_kcv=keys.kcv if keys else None, next_vkey=vkey)
        tail.rotated(keys, vkey)
        self._go_on(tail, now)

    def _checkpoint_beside_record(self) -> bool:
        """Make a checkpoint that is due, if nothing is left to be read for it; return whether that was so.

        Where that fails, the next line does it: no record is lost.
        """
        if not self._end.is_checked:
            return False
        try:
            self._checkpoint()
        except OSError:
            self._due = True
        return True

    def _read_and_checkpoint(self) -> None:
        """Make a checkpoint that is due, unless another process has: what others wrote is read first."""
        self._end.read_ahead()
        try:
            with self._exclusive:
                self._go_to_end()
                if self._is_open():
                    self._end.check_rest()
                    if self._due or self._checkpoint_is_old(datetime.now(UTC)):
                        self._checkpoint()
        except (OSError, AuditError):
            self._due = True

    def _is_open(self) -> bool:
        return self._end.tail is not None

    def _checkpoint(self) -> bool:
        tail = self._end.tail
        if tail is None:
            return False
        if not tail.is_checked:
            self._end.check_rest()
        if tail.tree is None or not tail.is_checked:
            return False
        self._write_checkpoint(tail, tail.tree)
        self._due = False
        return True

    def _wrote(self, tail: Tail, line: bytes, size: int) -> None:
        """Take *line*, written with *size* bytes, as the last one."""
        tail.wrote(line, size)
        if tail.seq % self._checkpoint_every == 0:
            self._due = True

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._due = False
