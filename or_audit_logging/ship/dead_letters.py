"""`DeadLetters`: lines that a target refuses for good, kept with the reason, beside the cursor.

Each is a JSON object in a line: seq, id, target, reason, refused_at, and the line itself. They are in the
file, on disk, before the cursor moves past them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.target import Item


class DeadLetters:
    """A file that refused lines are added to; it is made when the first is."""

    def __init__(self, path: Path, *, target: str) -> None:
        self.path = path
        self._target = target

    def add(self, refused: Iterable[tuple[Item, str]]) -> None:
        """Add items with the reasons why they were refused; raises `OSError`."""
        now = utc_timestamp(datetime.now(UTC))
        data = b"".join(self._letter(item, reason, now) for item, reason in refused)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | OPEN_FLAGS, 0o600)
        try:
            give_to_owner_of(self.path.parent, descriptor)
            if not _ends_in_newline(descriptor):  # a full disk has cut the last one
                data = b"\n" + data
            while data:  # mostly once
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _letter(self, item: Item, reason: str, now: str) -> bytes:
        members = {
            "seq": item.seq,
            "id": item.id,
            "target": self._target,
            "reason": reason,
            "refused_at": now,
            "line": item.line.decode("ascii", "replace"),
        }
        return json.dumps(members).encode("ascii") + b"\n"


def _ends_in_newline(descriptor: int) -> bool:
    """Return whether a line may be added as it is: also to a file that is empty."""
    size = os.fstat(descriptor).st_size
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
    return not size or os.read(descriptor, 1) == b"\n"
