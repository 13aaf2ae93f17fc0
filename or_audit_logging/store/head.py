"""What a store's log states of itself: its id, its origin, and the key in force at its end."""

from __future__ import annotations

from dataclasses import dataclass

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, SealedLine, parse_line
from or_audit_logging.store.connection import Connection

CONTROL = "SELECT seq, line FROM audit_line WHERE event_type GLOB 'log.*' AND event_type = ? ORDER BY seq "
"""The log's own lines of one kind; what follows orders and limits them."""


@dataclass(frozen=True, slots=True)
class Head:
    """Stated, not checked: whoever goes on checks a MAC under the key that has this check value."""

    first: SealedLine
    log_id: bytes
    origin: str
    kid: int
    kcv: str
    vkey: str | None


def head_of(connection: Connection) -> Head | None:
    """Return what the log states, None where it has no lines; inside a transaction. Raises `FormatError`."""
    row = connection.execute("SELECT line FROM audit_line ORDER BY seq LIMIT 1").fetchone()
    if row is None:
        return None
    first = parse_line(as_bytes(row[0]))
    if not first.raw.startswith(FIRST_LINE_STARTS):
        raise FormatError("a log starts with log.genesis or log.open")
    members = parse_control(first.raw)
    kid, kcv, vkey = first.kid, str(members["kcv"]), text_or_none(members["vkey"])
    for _, raw in connection.execute(CONTROL, ("log.rotate",)):
        rotated = parse_control(as_bytes(raw))
        kid += 1
        kcv, vkey = text_or_none(rotated["next_kcv"]) or kcv, text_or_none(rotated["next_vkey"]) or vkey
    try:
        log_id = bytes.fromhex(str(members["log_id"]))
    except ValueError:
        raise FormatError("a log's first line states its id in hex") from None
    return Head(first, log_id, str(members["origin"]), kid, kcv, vkey)


def as_bytes(line: object) -> bytes:
    """Return a line as SQLite hands it out as bytes."""
    return line.encode() if isinstance(line, str) else line if isinstance(line, bytes) else b""


def text_or_none(value: object) -> str | None:
    """Return *value* where it is text."""
    return value if isinstance(value, str) else None
