"""`HeldCursor`: the cursor of one target and one log, for the one process that moves it.

held = HeldCursor(layout, log, target="webhook:https://...", name="webhook:https://...")
held.begin(told)                        # on disk before anything is sent
held.move(position, delivered=5)        # once the target has confirmed
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from or_audit_logging.log.segments import LogLayout
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.beginning import beginning, locked
from or_audit_logging.ship.continuity import Position
from or_audit_logging.ship.cursor import (
    STATE_FOLDER,
    Cursor,
    beside,
    cursor_path,
    make_state_folder,
    read_cursor,
    write_cursor,
)


class HeldCursor:
    """A cursor under a lock, from `HeldCursor(...)` to `close`."""

    def __init__(
        self,
        layout: LogLayout,
        log: str,
        *,
        target: str,
        name: str,
        state: str | os.PathLike[str] | None = None,
        since: date | None = None,
    ) -> None:
        """Take the lock and read the cursor of *target* (as it is written; *name*: as it is called).

        Raises `ConfigError`, `DeliveryError` where another process has it, and `OSError`.
        """
        folder = Path(state) if state is not None else layout.folder / STATE_FOLDER
        make_state_folder(folder)
        self._path = cursor_path(folder, target=target, log=log)
        self._lock = locked(beside(self._path, ".lock"), name)
        try:
            found = read_cursor(self._path)
            self.is_new = found is None or found.delivered_at is None
            """Whether nothing was delivered yet."""
            self._is_missing, self._has_begun = found is None and since is None, False
            if found is None or self.is_new:
                found = Cursor(target=name, position=beginning(layout, log, since))
        except BaseException:
            self.close()
            raise
        self._before = self._now = found

    @property
    def position(self) -> Position:
        """Where the target stands."""
        return self._now.position

    @property
    def letters(self) -> Path:
        """The file for the target's dead letters."""
        return beside(self._path, ".dead.jsonl")

    def begin(self, told: Callable[[str], None]) -> None:
        """Write the cursor, once; *told* is called where there was none: its folder may not be mounted yet.

        So a target that is never reached is seen to lag, and a full disk before anything is sent.
        """
        if not self._has_begun:
            self._has_begun = True
            if self._is_missing:
                told(f"no cursor of {self._now.target} in {self._path.parent}: shipping from the beginning")
            write_cursor(self._path, self._now)

    def move(
        self, position: Position, *, delivered: int, dead_letters: int, deleted: int, breaks: int
    ) -> None:
        """Write that all before *position* is done with; the numbers count since the cursor was taken."""
        self._now = replace(
            self._before,
            position=position,
            delivered=self._before.delivered + delivered,
            dead_letters=self._before.dead_letters + dead_letters,
            deleted=self._before.deleted + deleted,
            breaks=self._before.breaks + breaks,
            delivered_at=utc_timestamp(datetime.now(UTC)),
        )
        write_cursor(self._path, self._now)

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()
