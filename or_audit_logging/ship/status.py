"""How far each target has a log, and by how much it lags.

ship_status("audit_logs")  -> [TargetStatus(target="webhook:https://...", next_seq=4800, end_seq=5000, ...)]
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.errors import ChainBrokenError, ConfigError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream
from or_audit_logging.record import moment
from or_audit_logging.ship.beginning import layout_at
from or_audit_logging.ship.continuity import Continuity, Position, parsed
from or_audit_logging.ship.cursor import STATE_FOLDER, Cursor, cursor_paths, read_cursor
from or_audit_logging.ship.items import time_of
from or_audit_logging.ship.listing import Listing
from or_audit_logging.ship.spool import Spool

_LAST = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """One target of a log: it has all lines before `next_seq`, of `end_seq` that there are.

    Where `next_seq` is greater than `end_seq`, the log has lost lines that were shipped.

    `oldest_unshipped` is the time of the first line that it lacks (UTC), None where it has all; `lag_seconds`
    how long ago that was. `delivered`, `dead_letters`, `deleted` and `breaks` count from the beginning.
    """

    target: str
    cursor: str
    """The name of its cursor's file, which tells targets of one name apart."""
    log: str
    next_seq: int
    end_seq: int
    oldest_unshipped: str | None
    lag_seconds: float
    last_delivery: str | None
    delivered: int
    dead_letters: int
    deleted: int
    breaks: int
    problem: str | None = None
    """Why its cursor cannot be read: then `target` is the cursor's name, and the counts say nothing."""

    @property
    def behind(self) -> int:
        """How many lines the target lacks."""
        return max(0, self.end_seq - self.next_seq)


def ship_status(
    path: str | os.PathLike[str], *, state: str | os.PathLike[str] | None = None, now: datetime | None = None
) -> list[TargetStatus]:
    """Return the status of every target that the log in the folder *path* was shipped to, by name.

    *state*: the folder of the cursors (default: `ship` in the log's folder). A cursor that cannot be read has
    its `problem` in its status, and the others are told as ever. Raises `ConfigError`, `OSError`.
    """
    layout = layout_at(path)
    folder = Path(state) if state is not None else layout.folder / STATE_FOLDER
    sources = Listing(layout).sources()
    log = next((source.first.log for source in sources if source.first is not None), "")
    end, moment_now = _end(sources), now or datetime.now(UTC)
    cursors = {file.name: _read(file) for file in cursor_paths(folder, log=log)}
    if any(isinstance(cursor, Cursor) and cursor.position.next_seq > end for cursor in cursors.values()):
        end = _end(Listing(layout).sources())  # lines may have been shipped meanwhile
    found = [
        _status(name, cursor, layout=layout, log=log, end=end, now=moment_now)
        for name, cursor in cursors.items()
        if cursor is not None
    ]
    return sorted(found, key=lambda status: (status.target, status.cursor))


def _read(file: Path) -> Cursor | str | None:
    """Return the cursor in *file*; why it cannot be read, if so; None where it went away meanwhile."""
    try:
        return read_cursor(file)
    except ConfigError as error:
        return str(error)
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"


def _status(
    name: str, cursor: Cursor | str, *, layout: LogLayout, log: str, end: int, now: datetime
) -> TargetStatus:
    problem = None
    if isinstance(cursor, str):
        problem, cursor = cursor, Cursor(target=name, position=Position(log=log, next_seq=end))
    oldest = _time_at(layout, cursor.position) if cursor.position.next_seq < end else None
    since = moment(oldest)
    return TargetStatus(
        target=cursor.target,
        cursor=name,
        log=log,
        next_seq=cursor.position.next_seq,
        end_seq=end,
        oldest_unshipped=oldest,
        lag_seconds=max(0.0, (now - since).total_seconds()) if since is not None else 0.0,
        last_delivery=cursor.delivered_at,
        delivered=cursor.delivered,
        dead_letters=cursor.dead_letters,
        deleted=cursor.deleted,
        breaks=cursor.breaks,
        problem=problem,
    )


def _end(sources: list[Source]) -> int:
    """Return the seq behind that of the last line."""
    for source in reversed(sources):
        with LineStream(source.segment, source.size) as stream:
            if not stream.is_archive:
                stream.skip_to(max(0, source.size - _LAST))
            last = None
            for raw in stream:
                last = parsed(raw.removesuffix(b"\n")) or last
        if last is not None:
            return last.seq + 1
    return 0


def _time_at(layout: LogLayout, position: Position) -> str | None:
    """Return the time of the first line behind *position* that says one."""
    spool = Spool(layout, Continuity(position))
    while True:
        try:
            return next((said for piece in spool.pieces() if (said := time_of(piece.raw)) is not None), None)
        except ChainBrokenError:  # shipping will say so
            spool.pass_break()
