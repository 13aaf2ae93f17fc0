"""Where the logs below a folder are: folders that hold segments, and stores.

    found = find_logs(Path("logs"))
    found.logs           -> (Target(Path("logs/web1")), Target(Path("logs/web2"), store=...))
    found.unreadable     -> {Path("logs/web3"): "Permission denied"}

Links are followed, and each folder and file is looked at once, however many ways lead to it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import Target, find_log, looks_like_store
from or_audit_logging.log.segments import LogLayout

_STORE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""What cannot be read and is called so may be a store."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where logs are, in the order of their paths, and what could not be looked into and why."""

    logs: tuple[Target, ...]
    unreadable: dict[Path, str]


def find_logs(directory: Path, *, leave_out: Collection[str] = ()) -> Places:
    """Return the places of logs in *directory* and below; *leave_out*: real paths that are not entered.

    A folder is a log's where it holds segments, plain or archived, of one log or by mistake of several.
    """
    search = _Search(leave_out)
    search.enter(directory)
    search.logs.sort(key=lambda target: target.store or target.folder)
    return Places(tuple(search.logs), search.unreadable)


class _Search:
    def __init__(self, leave_out: Collection[str]) -> None:
        self.logs: list[Target] = []
        self.unreadable: dict[Path, str] = {}
        self._leave_out = leave_out
        self._seen: set[tuple[int, int]] = set()

    def enter(self, directory: Path) -> None:
        """Look through *directory* and all folders below it."""
        pending = [directory]
        while pending:
            folder = pending.pop()
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                self._cannot_read(folder, error)
                continue
            segments = _segments_in(folder)
            if segments is None or segments:
                self.logs.append(find_log(folder))
            below = [
                folder / name
                for name in names
                if name not in (segments or ()) and self._is_folder_to_enter(folder / name)
            ]
            pending += reversed(below)

    def _is_folder_to_enter(self, path: Path) -> bool:
        """Return whether *path* is a folder that is to be looked into; where it is a store, keep it."""
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):  # a link into nowhere, or to itself
                self._cannot_read(path, error)
            return False
        if not stat.S_ISDIR(status.st_mode):
            if stat.S_ISREG(status.st_mode) and path.suffix != ".gz":
                self._look_at_file(path, status)
            return False
        return os.path.realpath(path) not in self._leave_out and self._is_new(status)

    def _look_at_file(self, path: Path, status: os.stat_result) -> None:
        if looks_like_store(path):
            if self._is_new(status):
                self.logs.append(find_log(path))
        elif path.suffix in _STORE_SUFFIXES and not os.access(path, os.R_OK):
            self.unreadable[path] = f"{path} cannot be read, and may be a store"

    def _is_new(self, status: os.stat_result) -> bool:
        found = (status.st_dev, status.st_ino)
        if found in self._seen:
            return False
        self._seen.add(found)
        return True

    def _cannot_read(self, path: Path, error: OSError) -> None:
        self.unreadable[path] = f"{path} cannot be read: {error.strerror or type(error).__name__}"


def _segments_in(folder: Path) -> frozenset[str] | None:
    """Return the names of the segments in *folder*; None where `verify` has to say what is wrong with it."""
    try:
        layout = LogLayout.discover(folder)
        return frozenset(segment.name for segment in layout.files()) if layout is not None else frozenset()
    except (ConfigError, OSError):
        return None
