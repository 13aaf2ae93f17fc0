"""Where shipping begins: the log that a path names, the first line to be sent, and one process alone."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from or_audit_logging.errors import AuditWriteError, ConfigError, DeliveryError
from or_audit_logging.log.folder import check_original
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.ship.continuity import Position
from or_audit_logging.ship.listing import Listing


class NotBegunError(ConfigError):
    """There is no line of a log in that place yet; a handler may make it the next moment."""


def begun(path: str | os.PathLike[str]) -> tuple[LogLayout, str]:
    """Return the layout of the log at *path* and its id (16 hex); raises as `layout_at`."""
    layout = layout_at(path)
    log = Listing(layout).log()
    if log is None:
        raise NotBegunError(f"there is no sealed line in {layout.folder} yet")
    return layout, log


def layout_at(path: str | os.PathLike[str]) -> LogLayout:
    """Return the layout of the log at *path*, its folder or a handler's filename; raises `ConfigError`.

    That is `NotBegunError` where a handler could write to *path*: the folder above it is there.
    """
    place = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
    layout = LogLayout.discover(place) if place.is_dir() else None
    if layout is None and place.parent.is_dir() and place.suffix:
        layout = LogLayout.from_filename(place)
    if layout is None or not layout.files():
        kind = NotBegunError if place.parent.is_dir() and not place.is_file() else ConfigError
        raise kind(f"there is no audit log in {place}; give the folder that a handler writes to")
    check_original(layout.folder)
    return layout


def beginning(layout: LogLayout, log: str, since: date | None) -> Position:
    """Return where a log that was not shipped yet begins: with the first line, or a day's first."""
    if since is None:
        return Position(log=log)
    source = Listing(layout).first_since(since)
    if source is None:
        raise ConfigError(f"the log has no segment of {since} or later")
    return Position(log=log, next_seq=source.first_seq)


def locked(path: Path, target: str) -> ProcessLock:
    """Return the lock *path*, taken; raises `DeliveryError` where another process has it."""
    lock = ProcessLock(path, timeout=0)
    try:
        lock.acquire()
    except AuditWriteError:
        raise DeliveryError(f"another process ships this log to {target} (it holds {path})") from None
    return lock
