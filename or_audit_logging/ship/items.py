"""`ItemMaker`: a line as a target gets it, and what the shipper itself has to say as a line of its own.

maker = ItemMaker("0001020304050607", encoder("native"))
maker.of(line)                                  # Item(seq=17, id="9b2f...", ...)
maker.notice("break", "seq 20 stands where ...", seq=18, now=...)
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from or_audit_logging.errors import FormatError
from or_audit_logging.record import SCHEMA_VERSION, moment, utc_timestamp
from or_audit_logging.sealing.line import SealedLine, Stub
from or_audit_logging.sealing.text import written
from or_audit_logging.ship.target import Item

NOTICE = "ship.notice"
"""The event type of a line of the shipper's own, which is not sealed."""

_ID = re.compile(
    rb'\{"event_type":"[^"\\]*","v":[0-9]+,'
    rb'"id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"'
)
_TIME = re.compile(rb'"timestamp":"([0-9T:.Z-]{20,27})"')


class ItemMaker:
    """Makes the items of one log in one format."""

    def __init__(self, log: str, encode: Callable[[bytes], bytes]) -> None:
        self._log = log
        self._encode = encode

    def of(self, line: SealedLine | Stub) -> Item:
        """Return *line* as an item; its id is the record's own where that is a UUID, as ours are.

        What other formatters call an id may be that of a user, which would be one for all of that user's
        records: so it counts only where our records have theirs.
        """
        named = _ID.match(line.raw)
        item_id = named[1].decode("ascii") if named is not None else f"{line.log}-{line.seq}"
        try:
            body = self._encode(line.raw)
        except FormatError:  # somebody has written it: no line of ours is other than JSON
            body = b""
        return Item(line.seq, item_id, moment(time_of(line.raw)), line.raw, body)

    def notice(self, kind: Literal["break", "deleted"], message: str, *, seq: int, now: datetime) -> Item:
        """Return a notice that stands before *seq*, so that a gap at the target explains itself."""
        name = str(uuid.uuid4())
        members = {
            "event_type": NOTICE,
            "v": SCHEMA_VERSION,
            "id": name,
            "timestamp": utc_timestamp(now),
            "kind": kind,
            "message": message,
            "log": self._log,
            "seq": seq,
        }
        line = written(members)
        return Item(seq, name, now, line, self._encode(line))


def time_of(line: bytes) -> str | None:
    """Return the timestamp that *line* bears; None where it has none, as the stub of a redacted line."""
    said = _TIME.search(line)
    return said[1].decode("ascii") if said is not None else None
