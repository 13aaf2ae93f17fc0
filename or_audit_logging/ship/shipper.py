"""`Shipper`: brings a log's lines to a target, each at least once, in their order, and remembers how far.

    with Shipper("audit_logs", "cloudwatch:audit:host-1") as shipper:
        shipped = shipper.run()             # what is there now
        shipper.follow()                    # and what comes, until stop()

The segments are the spool: an outage of the target costs time, not records. The cursor moves once the target
has confirmed; what it refuses for good stands among the dead letters by then. Lines are held against each
other on the way, without any secret: a break stops shipping, or is sent along, by choice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from or_audit_logging.errors import ChainBrokenError, ConfigError
from or_audit_logging.projections import encoder
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.batches import Batch, unfit
from or_audit_logging.ship.beginning import beginning, begun, locked
from or_audit_logging.ship.continuity import Continuity, parsed
from or_audit_logging.ship.cursor import (
    STATE_FOLDER,
    Cursor,
    beside,
    cursor_path,
    make_state_folder,
    read_cursor,
    write_cursor,
)
from or_audit_logging.ship.dead_letters import DeadLetters
from or_audit_logging.ship.delivery import MOST_REFUSED, Delivery, StoppedError
from or_audit_logging.ship.items import ItemMaker
from or_audit_logging.ship.spool import Piece, Spool
from or_audit_logging.ship.stopping import Stop
from or_audit_logging.ship.target import Item, TargetOptions
from or_audit_logging.ship.targets import open_target

PATIENCE = 300.0
_POLL = 0.25
_LONGEST_WAIT_FOR_MORE = 1.0
"""Seconds that a line waits, while the log is followed, for others to go out with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What came of it: how many lines (and notices) the target has taken now, how many it refused for good.

    `deleted`: lines that retention had deleted before they were shipped. `breaks`: what does not follow.
    `is_complete`: whether it was not stopped while something waited to be sent. The line that is next to be
    shipped is `next_seq`.
    """

    delivered: int = 0
    dead_letters: int = 0
    deleted: int = 0
    breaks: tuple[str, ...] = ()
    next_seq: int = 0
    is_complete: bool = True

    @property
    def exit_code(self) -> int:
        """0: the target has all; 1: there are dead letters, deletions or breaks; 2: not all was shipped."""
        if not self.is_complete:
            return 2
        return 1 if self.dead_letters or self.deleted or self.breaks else 0


class Shipper:
    """One log, one target. Use it from one thread; `stop` may be called from any, and by signal handlers."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str,
        *,
        state: str | os.PathLike[str] | None = None,
        format: str | None = None,  # noqa: A002 - what it is
        original: bool = False,
        since: date | None = None,
        on_break: Literal["stop", "flag"] = "stop",
        patience: float | None = PATIENCE,
        most_refused: int = MOST_REFUSED,
        options: TargetOptions | None = None,
        told: Callable[[str], None] = lambda message: None,
        progress: Callable[[int], None] = lambda count: None,
        wait: Callable[[float], bool | None] | None = None,
    ) -> None:
        """Open the log in the folder *path* and the target that is written *target*; nothing is sent yet.

        *state*: the folder for cursor and dead letters (default: `ship` in the log's folder). *format*:
        native, ecs, google or datadog (default: the target's own); *original*: other formats carry each
        sealed line as it is, too. *since*: where nothing was shipped yet, begin with that day's segment.
        *on_break*: whether lines that do not follow stop shipping, or are sent along with a notice.
        *patience*: seconds of failures in a row before giving up, None for never. *most_refused*: so many
        lines refused in a row, and none taken, end shipping. *told* is called with what a person may want to
        know meanwhile, *progress* with the number of lines shipped so far. *wait* is there to be replaced in
        tests: it waits so many seconds until the next try.

        Raises `ConfigError` (`NotBegunError` where the log has no line yet), `MissingExtraError`, `OSError`
        where the folder cannot be read, and `DeliveryError` where another process ships it to this target.
        """
        if on_break not in ("stop", "flag"):
            raise ConfigError("on_break is stop or flag")
        layout, log = begun(path)
        options = replace(options or TargetOptions(), log_folder=layout.folder)
        self._target = open_target(target, options)
        settings = getattr(self._target, "settings", None)
        encode = encoder(format or self._target.format, original=original, settings=settings)
        self._stops_at_breaks = on_break == "stop"
        self._told = told
        self._progress = progress
        self._stopping = Stop()
        self._delivery = Delivery(
            self._target,
            patience=patience,
            most_refused=most_refused,
            wait=wait or self._stopping.wait,
            told=told,
        )
        self._batch = Batch(self._target.limits)
        self._batch_began = 0.0
        self._unsent: list[tuple[Item, str]] = []
        """What the target would not keep, with the reasons."""
        self._breaks: list[str] = []
        self._delivered = self._refused_for_good = self._deleted = 0

        state_folder = Path(state) if state is not None else layout.folder / STATE_FOLDER
        make_state_folder(state_folder)
        self._maker = ItemMaker(log, encode)
        named = self._target.name if target.startswith("file:") else target  # a path may be relative
        self._cursor_path = cursor_path(state_folder, target=named, log=log)
        self._dead_letters = DeadLetters(beside(self._cursor_path, ".dead.jsonl"), target=self._target.name)
        self._lock = locked(beside(self._cursor_path, ".lock"), self._target.name)
        try:
            found = read_cursor(self._cursor_path)
            self._is_new = found is None or found.delivered_at is None
            if found is None or self._is_new:
                found = Cursor(target=self._target.name, position=beginning(layout, log, since))
            # a target that is never reached is seen to lag, and a full disk before anything is sent again
            write_cursor(self._cursor_path, found)
        except BaseException:
            self.close()
            raise
        self._begun = self._cursor = found
        self._continuity = Continuity(found.position)
        self._spool = Spool(layout, self._continuity)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the target and of the lock."""
        self._lock.close()
        self._target.close()

    def stop(self) -> None:
        """Let `run` or `follow` end once the batch that is on its way has arrived."""
        self._stopping.set()

    def run(self) -> Shipped:
        """Ship what is there now; return what came of it.

        Raises `DeliveryError` where the target does not take it, `ChainBrokenError` where a line does not
        follow (and that is to stop), `OSError`, `ConfigError`. What had arrived by then is remembered.
        """
        try:
            self._take_all()
            self._send()
        except StoppedError:
            return replace(self._result(), is_complete=False)
        return self._result()

    def follow(self) -> Shipped:
        """Ship what is there and what comes, until `stop`; return what came of it. Raises as `run` does."""
        try:
            while not self._stopping.wait(_POLL):
                self._take_all()
                if time.monotonic() - self._batch_began >= _LONGEST_WAIT_FOR_MORE:
                    self._send()
            self._send()
        except StoppedError:
            return replace(self._result(), is_complete=False)
        return self._result()

    def _result(self) -> Shipped:
        return Shipped(
            delivered=self._delivered,
            dead_letters=self._refused_for_good,
            deleted=self._deleted,
            breaks=tuple(self._breaks),
            next_seq=self._cursor.position.next_seq,
        )

    def _take_all(self) -> None:
        """Put what is there now into batches, and send those that are full."""
        while True:
            try:
                for piece in self._spool.pieces():
                    self._take(piece)
                return
            except ChainBrokenError as error:
                self._report_break(error)
                self._spool.pass_break()

    def _take(self, piece: Piece) -> None:
        if self._stopping.is_set():
            raise StoppedError
        line = parsed(piece.raw)
        if line is None:
            self._continuity.take_piece(piece.raw, is_ended=piece.is_ended)
            return
        self._note_deleted()
        item = self._maker.of(line)
        if (
            not self._batch.has_room_for(item)
            or len(self._unsent) >= self._target.limits.items
            or self._delivery.seems_early(item)  # what stands before it is not to wait as well
        ):
            self._send()
        try:
            self._continuity.take(line, segment=piece.segment, end=piece.end)
        except ChainBrokenError as error:
            self._report_break(error)
            if not self._batch.has_room_for(item):
                self._send()
            self._continuity.resume(line, segment=piece.segment, end=piece.end)
        self._add(item)

    def _add(self, item: Item) -> None:
        reason = unfit(item, self._target.limits)
        if reason is not None:
            self._unsent.append((item, reason))
            return
        if not self._batch.items:
            self._batch_began = time.monotonic()
        self._batch.add(item)

    def _send(self) -> None:
        """Deliver the batch, put aside what is refused, and move the cursor."""
        items, position = self._batch.items, self._continuity.position
        if not items and not self._unsent:
            return
        unkept = self._delivery.unkept(items) if items else {}
        unsent = [*self._unsent, *((items[index], reason) for index, reason in unkept.items())]
        unsent.sort(key=lambda pair: pair[0].seq)
        items = [item for index, item in enumerate(items) if index not in unkept]
        answer = self._delivery.deliver(items) if items else {}
        refused = [(items[index], reason) for index, reason in sorted(answer.items())]
        if refused or unsent:
            self._put_aside(refused, unsent)
        self._delivered += len(items) - len(answer)
        self._refused_for_good += len(refused) + len(unsent)
        self._batch, self._unsent = Batch(self._target.limits), []
        self._cursor = replace(
            self._begun,
            position=position,
            delivered=self._begun.delivered + self._delivered,
            dead_letters=self._begun.dead_letters + self._refused_for_good,
            deleted=self._begun.deleted + self._deleted,
            breaks=self._begun.breaks + len(self._breaks),
            delivered_at=utc_timestamp(datetime.now(UTC)),
        )
        write_cursor(self._cursor_path, self._cursor)
        self._progress(self._delivered)

    def _put_aside(self, refused: list[tuple[Item, str]], unsent: list[tuple[Item, str]]) -> None:
        """Add what is refused, and what was not sent, to the dead letters, and say so."""
        self._dead_letters.add(refused, unsent=unsent)
        for found, why in (
            (refused, "refused"),
            (unsent, f"not sent: {unsent[0][1]}" if unsent else ""),
        ):
            if found:
                lines = "1 line" if len(found) == 1 else f"{len(found):,} lines"
                self._told(f"{lines} from seq {found[0][0].seq} on, {why}; see {self._dead_letters.path}")

    def _report_break(self, error: ChainBrokenError) -> None:
        """Send what stands before a break; then raise *error*, or go on with a notice in its place."""
        if self._stops_at_breaks:
            self._send()
            raise error
        self._breaks.append(str(error))
        self._told(str(error))
        self._add_notice("break", str(error))

    def _note_deleted(self) -> None:
        """Say which lines retention had deleted before they could be shipped."""
        count, is_new = self._spool.deleted - self._deleted, self._is_new
        self._is_new = False
        if not count:
            return
        if is_new:
            self._told(f"the log begins at seq {self._continuity.next_seq}: what stood before was deleted")
            self._spool.deleted = 0
            return
        self._deleted += count
        message = f"{count} lines before seq {self._continuity.next_seq} were deleted before they were sent"
        self._told(message)
        self._add_notice("deleted", message)

    def _add_notice(self, kind: Literal["break", "deleted"], message: str) -> None:
        """Put a line of our own into the stream, unsealed: so that a gap at the target explains itself."""
        item = self._maker.notice(kind, message, seq=self._continuity.next_seq, now=datetime.now(UTC))
        if not self._batch.has_room_for(item):
            self._send()
        self._add(item)
