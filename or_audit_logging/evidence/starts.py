"""What the first line of a segment states of the log and of the segment before it (FORMAT 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.identity import Identity
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import Finding, Place
from or_audit_logging.log.sources import Source
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.checkpoint import ORIGIN
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.sealing.merkle import Frontier

Members = dict[str, object]

_LEAF = re.compile(r"[0-9a-f]{64}")

START_RULE = "a log starts with log.genesis, each later segment with log.open, and neither stands elsewhere"


def check_start(
    members: Members,
    *,
    source: Source | None,
    identity: Identity,
    keys: tuple[object, object],
    place: Place,
) -> Iterator[Finding]:
    """Yield what a genesis or open line states that is not so; *keys* are the kcv and vkey in force.

    Where the lines do not stand in the segment's file, *source* is None and its name says nothing.
    """
    if source is not None:
        yield from _check_name(members, source, place)
    log_id = identity.log_id.hex() if identity.log_id is not None else identity.log
    if members["log_id"] != log_id or log_id[:16] != identity.log:
        message = "the segment's first line states another log id than the log has"
        expected = log_id if log_id[:16] == identity.log else identity.log
        yield place.finding("log-id", message, expected=expected, found=members["log_id"])
    origin = members["origin"]
    if origin != identity.origin or not _is_origin(origin, identity.log):
        message = "the segment's first line states another origin than the log has"
        yield place.finding("origin", message, expected=identity.origin, found=origin)
    if members["format"] != identity.format:
        message = "the segment's first line states another format than the log's first"
        yield place.finding("format", message, expected=identity.format, found=members["format"])
    if (members["kcv"], members["vkey"]) != keys:
        message = "the segment's first line states other keys than the lines before it"
        yield place.finding("kcv", message, expected=keys[0], found=members["kcv"])


def check_link(members: Members, *, prev: bytes | None, previous: object, place: Place) -> Iterator[Finding]:
    """Yield what an open line states of the segment before it that is not so."""
    leaf = prev.hex() if prev is not None else None
    if members["base_leaf"] != leaf:
        message = "the line before this segment is not the one that stood there when it was opened"
        yield place.finding("base-leaf", message, expected=members["base_leaf"], found=leaf)
    if members["prev_segment"] != previous and previous is not None:
        message = "the segment before this one is another than it states"
        yield place.finding("prev-segment", message, expected=members["prev_segment"], found=previous)


def stated_position(line: SealedLine, keys: Sequence[LogKeys] = ()) -> Position | None:
    """Return where an open line says that its segment starts; None for any other line.

    `keys` of the position is the one of *keys* under which the line's MAC holds behind the base_leaf that it
    states, None where it holds under none.
    """
    if not line.is_control:
        return None
    try:
        members = parse_control(line.raw)
        base, frontier = members.get("base_leaf"), members.get("frontier")
        if members["event_type"] != "log.open" or not isinstance(base, str) or not _LEAF.fullmatch(base):
            return None
        tree = Frontier.from_hex(line.seq, frontier) if isinstance(frontier, list) else None
    except FormatError:
        return None
    start = Position(line.seq, bytes.fromhex(base), tree, line.kid, None, "adopted")
    start.keys = next((candidate for candidate in keys if start.seals(line, candidate)), None)
    return start


def _check_name(members: Members, source: Source, place: Place) -> Iterator[Finding]:
    day = source.segment.day.isoformat()
    if members["segment"] != source.name:
        message = "the segment was sealed under another name than it bears"
        yield place.finding("segment-name", message, expected=members["segment"], found=source.name)
    elif members["day"] != day:
        message = "the segment was sealed for another day than its name says"
        yield place.finding("segment-name", message, expected=members["day"], found=day)


def _is_origin(text: object, log: str) -> bool:
    return isinstance(text, str) and bool(ORIGIN.fullmatch(text)) and text.endswith(f"/{log}")
