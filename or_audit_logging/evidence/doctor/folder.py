"""The log's folder: may it be written, who else may, on what does it stand, is there room?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from or_audit_logging.evidence.arguments import looks_like_store
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.log.folder import LEAST_FREE_BYTES, free_bytes
from or_audit_logging.log.mounts import DOUBTFUL, REFUSED, mount_here
from or_audit_logging.log.segments import LOCK_NAME, LogLayout

_LITTLE_ROOM = 1 << 30
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH


def check_place(folder: Path) -> list[Check]:
    """Look at the folder itself."""
    if not folder.exists():
        return [
            Check(
                "folder",
                "warning",
                f"there is no folder {folder}; the handler makes it with the first record",
                "if records should be there, compare the handler's filename with this path",
            )
        ]
    if folder.is_file() and looks_like_store(folder):
        return [
            Check(
                "folder",
                "unknown",
                f"{folder} is a store, and doctor looks at folders",
                "'or-audit verify' checks a store, its tables and columns included",
            )
        ]
    if not folder.is_dir():
        return [
            Check(
                "folder",
                "problem",
                f"{folder} is not a folder",
                "filename names a file in a folder of its own",
            )
        ]
    return [_access(folder), *_mode(folder), _file_system(folder), _room(folder)]


def check_files(layout: LogLayout) -> list[Check]:
    """Look at who may write the log's files, and whether this process may."""
    open_to_others, closed_to_us = [], []
    for path in _files(layout):
        status = path.lstat()
        if os.name == "posix" and status.st_mode & _OTHERS_WRITE:
            open_to_others.append(path.name)
        if path.suffix != ".gz" and not os.access(path, os.R_OK | os.W_OK):
            closed_to_us.append(path.name)
    checks = []
    if open_to_others:
        checks.append(
            Check(
                "file-modes",
                "problem",
                f"{_some(open_to_others)} can be written by others",
                f"chmod go-w {layout.folder}/*",
            )
        )
    if closed_to_us:
        checks.append(
            Check(
                "file-owner",
                "warning",
                f"{_some(closed_to_us)} cannot be written by this user",
                "run doctor as the user that the application runs as; if that was this one, chown the files",
            )
        )
    return checks or [Check("file-modes", "ok", "the log's files are written by nobody else")]


def _files(layout: LogLayout) -> Iterator[Path]:
    lock = layout.folder / LOCK_NAME
    if lock.exists():
        yield lock
    yield from (segment.path for segment in layout.files())


def _access(folder: Path) -> Check:
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check("folder", "ok", f"{folder} can be written by this user")
    return Check(
        "folder",
        "problem",
        f"{folder} cannot be read and written by this user",
        "run doctor as the user that the application runs as; if that is this one, chown the folder",
    )


def _mode(folder: Path) -> list[Check]:
    if os.name != "posix":
        return []
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _OTHERS_WRITE:
        return [
            Check(
                "folder-mode",
                "problem",
                f"the folder's mode is {mode:04o}: others can delete and replace the log's files",
                f"chmod 700 {folder}",
            )
        ]
    if mode & _OTHERS_READ:
        return [
            Check(
                "folder-mode",
                "warning",
                f"the folder's mode is {mode:04o}: others can list it or read in it",
                f"chmod 700 {folder}, unless a group of readers is meant",
            )
        ]
    return [Check("folder-mode", "ok", f"the folder's mode is {mode:04o}")]


def _file_system(folder: Path) -> Check:
    name, mount = "file-system", mount_here(folder)
    if mount is None:
        return Check(
            name, "unknown", "the system does not say on which kind of file system the folder stands"
        )
    if mount.kind in REFUSED:
        return Check(
            name,
            "problem",
            f"the folder is on a network file system ({mount.kind}, mounted on {mount.place}), "
            "which handlers refuse",
            "keep the log on a local disk and ship it",
        )
    if mount.kind in DOUBTFUL:
        return Check(
            name,
            "warning",
            f"the folder is shared with another system ({mount.kind}, mounted on {mount.place})",
            "let one side only write the log: locks may not hold between the two",
        )
    return Check(name, "ok", f"the folder is on a local file system ({mount.kind})")


def _room(folder: Path) -> Check:
    name, free = "free-space", free_bytes(folder)
    if free < LEAST_FREE_BYTES:
        return Check(name, "problem", f"{free:,.0f} bytes are free: records are being lost", "make room")
    if free < _LITTLE_ROOM:
        return Check(
            name,
            "warning",
            f"{free / (1 << 20):,.0f} MiB are free",
            "make room, or archive closed segments: a million records take about 900 MiB",
        )
    if free == float("inf"):
        return Check(name, "unknown", "the system does not say how much room is left")
    return Check(name, "ok", f"{free / (1 << 30):,.1f} GiB are free")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
