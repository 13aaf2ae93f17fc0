"""`DeadLetters`: lines that a target refuses for good, kept with the reason, beside the cursor.

Each is a JSON object in a line: seq, id, log, target, reason, refused_at, and the line itself. Of lines that
were not sent, since the target would not have kept them: seq, last_seq and count in place of id and line.
They are in the file, on disk, before the cursor moves past them.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.log.appending import append_lines
from or_audit_logging.log.folder import OPEN_FLAGS, give_to_owner_of
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.target import Item

START = b'{"seq": '
"""The first bytes of each letter."""


class DeadLetters:
    """A file that refused lines are added to; it is made when the first is."""

    def __init__(self, path: Path, *, log: str, target: str) -> None:
        """*log*: the log's 16 hex digits."""
        self.path = path
        self._log = log
        self._target = target

    def add(self, refused: Iterable[tuple[Item, str]], *, unsent: Sequence[tuple[Item, str]] = ()) -> None:
        """Add items with the reasons why they were refused; raises `OSError`, which names the file.

        Those that were not even sent stand in the log, and may be many (all that is older than a service
        keeps): one letter says it of each run of neighbours, and does not repeat the lines.
        """
        now = utc_timestamp(datetime.now(UTC))
        data = b"".join(self._letters_of_runs(unsent, now))
        data += b"".join(self._letter(item, reason, now) for item, reason in refused)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | OPEN_FLAGS, 0o600)
        try:
            give_to_owner_of(self.path.parent, descriptor)
            append_lines(descriptor, data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
        finally:
            os.close(descriptor)

    def _letters_of_runs(self, unsent: Sequence[tuple[Item, str]], now: str) -> Iterator[bytes]:
        numbered = [(reason, item.seq - number, item.seq) for number, (item, reason) in enumerate(unsent)]
        for (reason, _), run in itertools.groupby(numbered, key=lambda one: one[:2]):
            seqs = [seq for *_, seq in run]
            place = {"seq": seqs[0], "last_seq": seqs[-1], "count": len(seqs)}
            yield _written(place | self._said(reason, now))

    def _letter(self, item: Item, reason: str, now: str) -> bytes:
        line = {"line": item.line.decode("ascii", "replace")}
        return _written({"seq": item.seq, "id": item.id} | self._said(reason, now) | line)

    def _said(self, reason: str, now: str) -> dict[str, object]:
        return {"log": self._log, "target": self._target, "reason": reason, "refused_at": now}


def _written(members: Mapping[str, object]) -> bytes:
    return json.dumps(members).encode("ascii") + b"\n"
