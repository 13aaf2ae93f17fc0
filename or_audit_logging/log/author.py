"""`Author`: what every writer of a log says in it on its own account, and when a checkpoint is due.

Where the lines go is a subclass's business: it knows the log's end and how to write a line there.
"""

from __future__ import annotations

import os
import socket
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.losses import Losses
from or_audit_logging.log.tail import Tail
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.control import control_body
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.signing_keys import SigningKeys
from or_audit_logging.version import __version__

MAX_CHECKPOINT_EVERY = 10_000


class Author(ABC):
    """Writes the log's own lines; used by one thread at a time."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        config_digest: Callable[[], str | None],
        checkpoint_every: int,
        checkpoint_seconds: float,
        signing: SigningKeys | None,
    ) -> None:
        """Raises `ConfigError` for checkpoints that would come never, or hardly ever."""
        if not (1 <= checkpoint_every <= MAX_CHECKPOINT_EVERY and 0 < checkpoint_seconds < 1e9):
            raise ConfigError(
                f"checkpoint_every is 1 to {MAX_CHECKPOINT_EVERY}, checkpoint_seconds more than 0"
            )
        self._ring = ring
        self._config_digest = config_digest
        self._checkpoint_every = checkpoint_every
        self._checkpoint_age = timedelta(seconds=checkpoint_seconds)
        self._pid = os.getpid()
        self._started = False
        self.checkpoints = Checkpoints(signing)
        """Those made and not handed out yet; put on disk what they cover (`sync_for_checkpoints`) before."""
        self.losses = Losses()
        """Records that this process could not write, or found gone."""

    @property
    @abstractmethod
    def tail(self) -> Tail | None:
        """Where the log ends; None where it has no lines yet."""

    @abstractmethod
    def _write(self, body: bytes, before: bytes = b"") -> bytes:
        """Seal *body* as the next line, write it behind the bytes *before*, and return the line."""

    def _write_control(
        self, event_type: str, *, before: bytes = b"", moment: datetime | None = None, **members: Any
    ) -> bytes:
        timestamp = utc_timestamp(moment or datetime.now(UTC))
        return self._write(
            control_body(event_type, record_id=str(uuid.uuid4()), timestamp=timestamp, **members), before
        )

    def _say_started(self) -> None:
        self._write_control(
            "log.start",
            pid=os.getpid(),
            host=socket.gethostname(),
            library=__version__,
            config=self._config_digest(),
        )
        self._started = True

    def _say_lost(self) -> None:
        for count, reason, detail in self.losses.to_state():
            self._write_control("log.lost", count=count, reason=reason, detail=detail)

    def _say_stopped(self) -> None:
        self._write_control("log.stop", pid=os.getpid())

    def _checkpoint_is_old(self, now: datetime) -> bool:
        made = self.tail.checkpoint_at if self.tail is not None else None
        return made is None or abs(now - made) > self._checkpoint_age

    def _write_checkpoint(self, tail: Tail, tree: Frontier) -> None:
        now = datetime.now(UTC)
        members = self.checkpoints.members(tail, tree)
        self.checkpoints.keep(self._write_control("log.checkpoint", moment=now, **members))
        tail.checkpoint_at = now

    def _forget_parent(self) -> None:
        """Begin anew in a forked child: it starts, stops and loses on its own account."""
        self._pid, self._started = os.getpid(), False
        self.losses.clear()
        self.checkpoints.forget()
