"""Where the logs below a folder are: folders that hold segments, copies from object storage, stores.

    found = find_logs(Path("logs"))
    found.logs           -> (Target(Path("logs/web1")), Target(Path("logs/web2"), store=...))
    found.unreadable     -> {Path("logs/web3"): "Permission denied"}
    found.not_followed   -> (Path("logs/web1/old"),)

Links are followed, and each folder and file is looked at once, however many ways lead to it. Links to folders
that stand in a log's folder, or below, are not: whoever writes the log would say where to look.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from or_audit_logging.evidence.anchors import is_inside
from or_audit_logging.evidence.arguments import Target, find_log, looks_like_store
from or_audit_logging.log.segments import DAY, HOST, layouts_in

_NO_STORES = (".gz", ".json", ".jsonl")
"""What is called so is not opened: a copy from object storage may have very many checkpoints."""
_STORE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""What cannot be read and is called so may be a store."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where logs are, in the order of their paths, and what could not be looked into and why.

    `not_followed`: links out of the directory that were not followed since they stand in a log's folder.
    """

    logs: tuple[Target, ...]
    unreadable: dict[Path, str]
    not_followed: tuple[Path, ...] = ()


def find_logs(directory: Path, *, leave_out: Collection[str] = ()) -> Places:
    """Return the places of logs in *directory* and below; *leave_out*: real paths that are not entered.

    A folder is a log's where it holds segments, plain or archived. Where they are of several logs, and in a
    copy from object storage (`dt=2026-11-21/host=h1/...`), each is named by its handler's filename.
    """
    search = _Search(leave_out)
    search.enter(directory)
    search.logs.sort(key=lambda target: target.store or target.folder)
    outside = [path for path in search.not_followed if not is_inside(path, directory)]
    return Places(tuple(search.logs), search.unreadable, tuple(sorted(outside)))


class _Search:
    def __init__(self, leave_out: Collection[str]) -> None:
        self.logs: list[Target] = []
        self.unreadable: dict[Path, str] = {}
        self.not_followed: list[Path] = []
        self._leave_out = leave_out
        self._seen: set[tuple[int, int]] = set()

    def enter(self, directory: Path) -> None:
        """Look through *directory* and all folders below it."""
        pending = [(directory, False)]
        while pending:
            folder, is_in_log = pending.pop()
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                self._cannot_read(folder, error)
                continue
            found = len(self.logs)
            segments = self._find_segments(folder)
            has_log = bool(segments) or (len(self.logs) > found and self.logs[-1].layout is None)
            is_in_log = is_in_log or has_log or _is_copied_place(folder)
            below = [
                (folder / name, is_in_log)
                for name in names
                if name not in segments and self._is_folder_to_enter(folder / name, is_in_log=is_in_log)
            ]
            pending += reversed(below)

    def _find_segments(self, folder: Path) -> set[str]:
        """Keep the logs whose segments stand in *folder*; return the names of the plain ones."""
        try:
            layouts = layouts_in(folder)
            own = [layout for layout in layouts if layout.host is None]
            names = {segment.name for layout in own for segment in layout.files()}
        except OSError:
            self.logs.append(find_log(folder))  # which says why
            return set()
        for layout in layouts:
            place = folder if own == [layout] else layout.filename
            self.logs.append(Target(place, layout, refuse=folder))
        return names

    def _is_folder_to_enter(self, path: Path, *, is_in_log: bool) -> bool:
        """Return whether *path* is a folder that is to be looked into; where it is a store, keep it."""
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):  # a link into nowhere, or to itself
                self._cannot_read(path, error)
            return False
        if not stat.S_ISDIR(status.st_mode):
            if stat.S_ISREG(status.st_mode) and path.suffix not in _NO_STORES:
                self._look_at_file(path, status)
            return False
        if is_in_log and path.is_symlink():
            self.not_followed.append(path)
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


def _is_copied_place(folder: Path) -> bool:
    """Return whether *folder* is where a host's segments of a day stand in a copy from object storage."""
    return folder.name.startswith(HOST) and folder.parent.name.startswith(DAY)
