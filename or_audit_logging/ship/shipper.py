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
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from or_audit_logging.errors import ChainBrokenError
from or_audit_logging.keys import KeySources
from or_audit_logging.projections import encoder
from or_audit_logging.ship.again import letters_in, lines_named
from or_audit_logging.ship.arguments import check_arguments
from or_audit_logging.ship.beginning import begun
from or_audit_logging.ship.continuity import Continuity, parsed
from or_audit_logging.ship.dead_letters import DeadLetters
from or_audit_logging.ship.delivery import MOST_REFUSED, Delivery, StoppedError
from or_audit_logging.ship.held import HeldCursor
from or_audit_logging.ship.items import ItemMaker
from or_audit_logging.ship.outgoing import Outgoing
from or_audit_logging.ship.shipped import Shipped
from or_audit_logging.ship.spool import Piece, Spool
from or_audit_logging.ship.stopping import Stop
from or_audit_logging.ship.target import TargetOptions
from or_audit_logging.ship.targets import open_target

PATIENCE = 300.0
_POLL = 0.25
_LONGEST_WAIT_FOR_MORE = 1.0
"""Seconds that a line waits, while the log is followed, for others to go out with it."""


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
        key: KeySources = None,
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
        *key*: the log's, `env:NAME` or `file:PATH`, one or several; None: the environment's, if there is one.
        It is read for `s3` with a lock alone, which lifts no hold without it.
        *on_break*: whether lines that do not follow stop shipping, or are sent along with a notice.
        *patience*: seconds of failures in a row before giving up, None for never. *most_refused*: so many
        lines refused in a row, and none taken, end shipping. *told* is called with what a person may want to
        know meanwhile, *progress* with the number of lines shipped so far. *wait* is there to be replaced in
        tests: it waits so many seconds until the next try.

        Raises `ConfigError` (`NotBegunError` where the log has no line yet), `MissingExtraError`, `OSError`
        where the folder cannot be read, and `DeliveryError` where another process ships it to this target.
        """
        check_arguments(since=since, on_break=on_break, patience=patience, most_refused=most_refused)
        layout, log = begun(path)
        options = options or TargetOptions()
        options = replace(options, log_folder=layout.folder, key=key if key is not None else options.key)
        self._target = open_target(target, options)
        settings = getattr(self._target, "settings", None)
        encode = encoder(format or self._target.format, original=original, settings=settings)
        self._stops_at_breaks = on_break == "stop"
        self._told = told
        self._progress = progress
        self._stopping = Stop()
        delivery = Delivery(
            self._target,
            patience=patience,
            most_refused=most_refused,
            wait=wait or self._stopping.wait,
            told=told,
        )
        self._breaks: list[str] = []
        self._deleted = 0

        named = self._target.name if target.startswith("file:") else target  # a path may be relative
        try:
            self._held = HeldCursor(
                layout, log, target=named, name=self._target.name, state=state, since=since
            )
        except BaseException:
            self._target.close()
            raise
        self._is_new = self._held.is_new
        letters = DeadLetters(self._held.letters, log=log, target=self._target.name)
        self._outgoing = Outgoing(self._target.limits, delivery=delivery, letters=letters, told=told)
        self._maker = ItemMaker(log, encode)
        self._layout, self._log = layout, log
        self._continuity = Continuity(self._held.position)
        self._spool = Spool(layout, self._continuity)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the target and of the lock."""
        self._held.close()
        self._target.close()

    def stop(self) -> None:
        """Let `run` or `follow` end once the batch that is on its way has arrived."""
        self._stopping.set()

    def run(self) -> Shipped:
        """Ship what is there now; return what came of it.

        Raises `DeliveryError` where the target does not take it, `ChainBrokenError` where a line does not
        follow (and that is to stop), `OSError`, `ConfigError`. What had arrived by then is remembered.
        """
        self._held.begin(self._told)
        try:
            self._take_all()
            self._send()
        except StoppedError:
            return replace(self.shipped, is_complete=False)
        return self.shipped

    def follow(self) -> Shipped:
        """Ship what is there and what comes, until `stop`; return what came of it. Raises as `run` does."""
        self._held.begin(self._told)
        try:
            while not self._stopping.wait(_POLL):
                self._take_all()
                if time.monotonic() - self._outgoing.began >= _LONGEST_WAIT_FOR_MORE:
                    self._send()
            self._send()
        except StoppedError:
            return replace(self.shipped, is_complete=False)
        return self.shipped

    def again(self, letters: str | os.PathLike[str]) -> Shipped:
        """Send the lines that the dead letters in the file *letters* name, as the log has them now.

        What is refused again is added to the target's dead letters; the cursor stays where it is. `deleted`
        are those that the log does not have any more. Raises as `run` does, and `ConfigError` where the file
        holds no dead letters of this log.
        """
        named = letters_in(Path(letters), log=self._log)
        found, newest = 0, -1
        try:
            for line in lines_named(named, self._layout, self._log):
                if self._stopping.is_set():
                    raise StoppedError
                if line.seq > newest:  # a seq stands twice in a log that does not follow
                    found, newest = found + 1, line.seq
                item = self._maker.of(line)
                if not self._outgoing.has_room_for(item):
                    self._outgoing.send()
                    self._progress(self._outgoing.delivered)
                self._outgoing.add(item)
            self._outgoing.send()
        except StoppedError:
            return replace(self.shipped, is_complete=False)
        if missing := len(named) - found:
            self._told(f"the log has {missing:,} of these lines no more")
        return replace(self.shipped, deleted=missing)

    @property
    def shipped(self) -> Shipped:
        """What came of it so far."""
        return Shipped(
            delivered=self._outgoing.delivered,
            dead_letters=self._outgoing.dead_letters,
            deleted=self._deleted,
            breaks=tuple(self._breaks),
            next_seq=self._held.position.next_seq,
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
        if not self._outgoing.has_room_for(item):
            self._send()
        try:
            self._continuity.take(line, segment=piece.segment, end=piece.end)
        except ChainBrokenError as error:
            self._report_break(error)
            if not self._outgoing.has_room_for(item):
                self._send()
            self._continuity.resume(line, segment=piece.segment, end=piece.end)
        self._outgoing.add(item)

    def _send(self) -> None:
        """Deliver what waits, and move the cursor."""
        position = self._continuity.position
        if not self._outgoing.send():
            return
        self._held.move(
            position,
            delivered=self._outgoing.delivered,
            dead_letters=self._outgoing.dead_letters,
            deleted=self._deleted,
            breaks=len(self._breaks),
        )
        self._progress(self._outgoing.delivered)

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
        if not self._outgoing.has_room_for(item):
            self._send()
        self._outgoing.add(item)
