"""`AnchorFile`: copies of checkpoints in a file that stands elsewhere than the log, one sealed line each.

    AnchorFile("/mnt/elsewhere/audit.anchors", log_folder=folder).append(lines)

It is opened anew each time: its mount may come and go, and whoever rotates it is not in the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.log.appending import append_lines
from or_audit_logging.log.folder import sync_folder

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class AnchorFile:
    """A file that checkpoints are added to."""

    def __init__(self, path: str | os.PathLike[str], *, log_folder: Path | None = None) -> None:
        """Take the file *path*, which need not be there yet; raises `ConfigError` for one in *log_folder*."""
        try:
            self.path = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
        except TypeError:
            raise ConfigError(f"an anchor file is a path, not {path!r}") from None
        if log_folder is not None and self.path.resolve().is_relative_to(log_folder.resolve()):
            raise ConfigError(f"{self.path} is inside the log's folder; an anchor is a copy kept elsewhere")
        if self.path.exists() and not self.path.is_file():
            raise ConfigError(f"{self.path} is not a regular file")

    def append(self, lines: Iterable[str]) -> None:
        """Add *lines* with one call, and return when they are on disk; raises `OSError`.

        A folder that is not there is not made: it may be the place of a mount that is missing.
        """
        is_new = not self.path.exists()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS
        descriptor = os.open(self.path, flags, 0o600)
        try:
            append_lines(descriptor, "".join(f"{line}\n" for line in lines).encode("ascii"))
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)
