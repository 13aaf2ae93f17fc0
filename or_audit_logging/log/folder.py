"""A log's folder before it is written to: may it be, and what did a crash leave in it?"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.log.mounts import DOUBTFUL, REFUSED, mount_here
from or_audit_logging.log.segments import LOCK_NAME, LogLayout, Segment, copied_hosts
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, line_start, parse_line

OPEN_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Of every file that is opened in a log's folder: not inherited, not through a link, not translated."""

_log = logging.getLogger("or_audit_logging")
_RECOVER = line_start("log.recover")
_warned: set[Path] = set()

LEAST_FREE_BYTES = 1 << 20
"""With less room than this, a record is not expected to be written."""


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no line: what a crash cut."""

    length: int
    sha256: str


def check_folder(layout: LogLayout) -> None:
    """Make the folder (0700) where it is missing; raises `ConfigError` where no log can be kept in it."""
    folder = layout.folder
    try:
        make_folder(folder)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(
            f"{folder} is not a folder; filename names a file in the log's own folder"
        ) from None
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {folder} cannot be written by this process")
    check_mount(folder)
    check_original(folder)
    for path in (folder / LOCK_NAME, *(segment.path for segment in layout.files())):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise ConfigError(f"{path} is not a regular file; a log's files are")
    present = LogLayout.discover(folder)
    if present is not None and (present.stem, present.suffix) != (layout.stem, layout.suffix):
        raise ConfigError(
            f"{folder} already holds the log {present.stem}{present.suffix}; one folder holds one log, "
            f"so give {layout.stem}{layout.suffix} a folder of its own"
        )


def check_original(folder: Path) -> None:
    """Refuse (`ConfigError`) a copy of a log from object storage, which is there to be read."""
    if copied_hosts(folder):
        raise ConfigError(f"{folder} holds a copy of a log from object storage, which is read, not written")


def check_mount(folder: Path) -> None:
    """Refuse (`ConfigError`) or warn of a file system that other machines write to as well."""
    mount = mount_here(folder)
    if mount is not None and mount.kind in REFUSED:
        raise ConfigError(
            f"{folder} is on a network file system ({mount.kind}, mounted on {mount.place}), where locks and "
            "appends of several machines cannot be relied on; keep the log on a local disk and ship it"
        )
    if mount is not None and mount.kind in DOUBTFUL and folder not in _warned:
        _warned.add(folder)
        _log.warning(
            "%s is on a shared file system (%s, mounted on %s): one side only may write the log",
            folder,
            mount.kind,
            mount.place,
        )


def make_folder(folder: Path) -> None:
    """Make *folder* (0700) and those above it where they are missing; raises `OSError`."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def free_bytes(folder: Path) -> float:
    """Return how much this process may still write in *folder*; infinite where the system does not say."""
    if not hasattr(os, "statvfs"):
        return math.inf
    status = os.statvfs(folder)
    blocks = status.f_bfree if os.geteuid() == 0 else status.f_bavail
    return blocks * status.f_frsize


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Give a file that root makes in somebody's folder to that somebody, who has to go on writing it."""
    if os.name == "posix" and os.geteuid() == 0 and (owner := os.stat(folder)).st_uid != 0:
        with suppress(PermissionError):  # root in a container may not
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def torn_files(layout: LogLayout, newest: Segment | None) -> dict[str, Torn]:
    """Return, by name, the files that a crash left without a first line.

    Raises `FormatError` where such a file would come after *newest* and yet holds whole lines: then it is
    damaged, not torn, and going on from an older segment would use sequence numbers twice.
    """
    found = {}
    for segment in layout.files():
        if segment.archived or not segment.path.stat().st_size or segment.first_line() is not None:
            continue
        torn = _describe(segment)
        if torn is not None:
            found[segment.name] = torn
        elif newest is None or (segment.day, segment.number) > (newest.day, newest.number):
            raise FormatError(
                f"the first line of {segment.name} is damaged; run 'or-audit verify' and move it away"
            )
    return found


def _describe(segment: Segment) -> Torn | None:
    """Return what *segment* holds, or None where it holds whole lines."""
    digest, length = hashlib.sha256(), 0
    with segment.open() as file:
        while piece := file.readline(MAX_LINE_BYTES):
            digest.update(piece)
            length += len(piece)
            try:
                parse_line(piece.removesuffix(b"\n"))
            except FormatError:
                continue
            return None
    return Torn(length, digest.hexdigest())


def described_files(layout: LogLayout) -> set[object]:
    """Return the names of files that log.recover lines describe; reads the whole log."""
    names = set()
    for _, segment in layout.segments():
        for line in segment.lines():
            if line.startswith(_RECOVER):
                with suppress(FormatError):
                    names.add(parse_control(line)["segment"])
    return names
