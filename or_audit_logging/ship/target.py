"""`Target`: who else gets the lines. One small module in `targets/` for each kind.

    target = open_target("webhook:https://collector.example/audit")
    answer = target.send(items)             # returns once the target has them
    answer.refused                          # {2: "an item of more than 262,144 bytes"}: for good

What is sent, when, and when again is `Delivery`'s business; a target says what became of one batch, and
raises one of the three answers below where that holds for the whole of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from or_audit_logging.errors import DeliveryError
from or_audit_logging.keys import KeySources


@dataclass(frozen=True, slots=True)
class Item:
    """One line on its way: `line` is the sealed line (or the stub of a redacted one), without its newline.

    `id` names it at the target, so that a second delivery can be told from a second record; `time` (UTC) is
    when the record was made, None where the line does not say; `body` is the line in the target's format,
    empty where it cannot be written in that.
    """

    seq: int
    id: str
    time: datetime | None
    line: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a target takes at most in one request, and of one item; from its own documentation.

    Bytes are those of the bodies, `overhead` for each item added. An item older than `oldest`, or dated
    further ahead than `newest`, would be refused or silently dropped; `span` is the longest time between
    the first and the last item of a batch. None is no limit.
    """

    items: int
    bytes: int
    item_bytes: int
    overhead: int = 0
    oldest: timedelta | None = None
    newest: timedelta | None = None
    span: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch: items by their index in it. Those that are not mentioned were taken.

    `refused` will never be taken, each with the reason; `again` may be taken later, not before
    `retry_after` seconds have passed where the target says so.
    """

    refused: Mapping[int, str] = field(default_factory=dict)
    again: Sequence[int] = ()
    retry_after: float | None = None


class TryLaterError(DeliveryError):
    """Nothing of the batch was confirmed: no connection, no answer in time, 408, 429, 5xx."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class TooLargeError(DeliveryError):
    """The batch is too large (413): its halves may be taken."""


class RefusedError(DeliveryError):
    """Something in the batch is refused for good, and the target does not say what (400, 422).

    `said` is what the target said of it: it may repeat what is in a line, and so stands in no message, but
    among the dead letters, beside the line.
    """

    def __init__(self, message: str, *, said: str = "") -> None:
        self.said = said
        super().__init__(message)


class Target(Protocol):
    """Where lines are shipped to. `send` raises `DeliveryError` where no later try will do (401, 404).

    One that is told more for its format in its address has that as `settings` (`projections.Settings`).
    """

    @property
    def name(self) -> str:
        """What the target is called in messages: without credentials and without a query string."""

    @property
    def limits(self) -> Limits:
        """What it takes."""

    @property
    def format(self) -> str:
        """The format that it takes where none is asked for."""

    def send(self, items: Sequence[Item], /) -> Answer:
        """Return once the target has confirmed what it has taken of *items* (at least one)."""

    def close(self) -> None:
        """Let go of connections and files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """What the user chose besides the address. Credentials are in the environment, or in files it names."""

    log_folder: Path | None = None
    """The folder of the log that is shipped, where a target has no business."""
    create: bool = False
    """Whether what the lines are kept in may be made where that would cost or last (a log group)."""
    ca_file: Path | None = None
    """Certificates that vouch for the target, instead of the usual ones."""
    hides_address: bool = False
    """Whether the address came from where secrets stand, and is not to be named."""
    timeout: float = 30.0
    """Seconds to wait for an answer."""
    key: KeySources = None
    """The log's key, read by those targets alone that act on what lines order; None: the environment's, if
    there is one."""
