"""`Cursor`: how far one target has one log; a small file, replaced once the target has confirmed.

    cursor = read_cursor(path)              # None where nothing was shipped yet
    write_cursor(path, cursor)

The file is replaced as a whole, so a kill leaves the old one or the new one. After the old one, lines are
sent again that the target has: its `id`s are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of, make_folder
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.ship.continuity import Position

STATE_FOLDER = "ship"
"""Where cursors stand by default, in the log's folder."""

_VERSION = 1
_LARGEST = 1 << 16
"""Bytes: many times what a cursor holds."""
_ENDING = ".cursor.json"
_LOG = re.compile(r"[0-9a-f]{16}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^/\\\0]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far *target* has the log: all before the position was confirmed, or stands among the dead letters.

    `delivered`, `dead_letters`, `deleted` (lines that retention removed before they were shipped) and
    `breaks` count from the beginning; `delivered_at` is when the last batch was confirmed (UTC).
    """

    target: str
    position: Position
    delivered: int = 0
    dead_letters: int = 0
    deleted: int = 0
    breaks: int = 0
    delivered_at: str | None = None


def cursor_path(state: Path, *, target: str, log: str) -> Path:
    """Return where the cursor of the target that is written *target* stands for the log *log* (16 hex)."""
    kind = target.partition(":")[0]
    named = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return state / f"{kind}-{named}-{log}{_ENDING}"


def cursor_paths(state: Path, *, log: str = "*") -> list[Path]:
    """Return the cursors in the folder *state*, those of one *log* or all, by name."""
    return sorted(state.glob(f"*-{log}{_ENDING}"))


def beside(path: Path, ending: str) -> Path:
    """Return the file for *ending* that belongs to the cursor at *path*."""
    return path.with_name(path.name.removesuffix(_ENDING) + ending)


def read_cursor(path: Path) -> Cursor | None:
    """Return the cursor in *path*, None where there is none.

    Raises `ConfigError` for one that is damaged, and `OSError` for a link.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        return None
    try:
        return _from_members(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"{path} is damaged. Nothing is lost: move it away, and the log is shipped again from its "
            "beginning (--since DATE: from that day), or put back an older copy"
        ) from None


def write_cursor(path: Path, cursor: Cursor) -> None:
    """Put *cursor* into *path*, on disk, in place of the one that is there; raises `OSError`."""
    members = asdict(cursor) | {"position": _position_members(cursor.position)}
    data = json.dumps({"version": _VERSION, **members}, indent=1).encode("ascii") + b"\n"
    unfinished = None
    try:
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".cursor-")
        with open(descriptor, "wb") as file:
            give_to_owner_of(path.parent, file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        if unfinished is not None:
            with suppress(OSError):
                os.unlink(unfinished)
        if isinstance(error, OSError):
            reason = f"{error.strerror}; what was sent since it was written last is sent again"
            raise OSError(error.errno, reason, os.fspath(path)) from error
        raise


def make_state_folder(folder: Path) -> None:
    """Make the folder for cursors (0700) where it is missing; raises `ConfigError`."""
    try:
        if not folder.is_dir():
            make_folder(folder)
            if os.name == "posix":  # Windows opens no folders
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | OPEN_FLAGS)
                try:
                    give_to_owner_of(folder.parent, descriptor)
                finally:
                    os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            f"{folder}, where the cursors stand, cannot be made: {error.strerror}; name another with --state"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}, where the cursors stand, cannot be written; name another with --state")


def _read(path: Path) -> bytes:
    """Return what is in *path*, nothing where that is no cursor: a pipe, or more than one ever holds."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | OPEN_FLAGS)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        is_cursor = stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST
        return file.read(_LARGEST) if is_cursor else b""


def _position_members(position: Position) -> dict[str, object]:
    return {
        "log": position.log,
        "next_seq": position.next_seq,
        "segment": position.segment,
        "offset": position.offset,
        "leaf": position.leaf.hex() if position.leaf is not None else None,
        "frontier": position.tree.to_hex() if position.tree is not None else None,
    }


def _from_members(members: dict[str, object]) -> Cursor:
    """Raises what comes of members that are not as `write_cursor` writes them."""
    version, at = members["version"], members["position"]
    if version != _VERSION or not isinstance(at, dict):
        raise FormatError("a cursor of another version")
    names = ("delivered", "dead_letters", "deleted", "breaks")
    counts = {name: members[name] for name in names}
    numbers = [at["next_seq"], at["offset"], *counts.values()]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise FormatError("a number that is none")
    log, segment, leaf, frontier = at["log"], at["segment"], at["leaf"], at["frontier"]
    delivered_at = members["delivered_at"]
    if not isinstance(members["target"], str) or not isinstance(delivered_at, str | None):
        raise FormatError("a text that is none")
    if not _LOG.fullmatch(log) or (segment is not None and not _NAME.fullmatch(segment)):
        raise FormatError("a name that is none")
    if leaf is not None and not _HASH.fullmatch(leaf):
        raise FormatError("a hash that is none")
    position = Position(
        log=log,
        next_seq=at["next_seq"],
        segment=segment,
        offset=at["offset"],
        leaf=bytes.fromhex(leaf) if leaf is not None else None,
        tree=Frontier.from_hex(at["next_seq"], frontier) if frontier is not None else None,
    )
    return Cursor(
        target=members["target"],
        position=position,
        delivered_at=delivered_at,
        **counts,  # type: ignore[arg-type]
    )
