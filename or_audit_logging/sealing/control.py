"""The log's own lines (FORMAT 4): what each one holds, in which order.

    control_body("log.stop", record_id=..., timestamp=..., pid=4711)

Every member of a control line is present, null if there is nothing to say. The first line of a segment
is padded with spaces to 1,100 bytes, so that shippers which tell files apart by their first kilobyte
see a new file at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from or_audit_logging.errors import FormatError
from or_audit_logging.record import SCHEMA_VERSION
from or_audit_logging.sealing.encode import encode
from or_audit_logging.sealing.line import MAC_TAIL, MAX_LINE_BYTES

FORMAT_VERSION = 1
FIRST_LINE_BYTES = 1100
"""Length of a segment's first line with its newline (more only where its members need more)."""

LOST_REASONS = ("disk", "gone", "shrunk", "chain", "rollback", "other")

_HEAD = ("segment", "day", "log_id", "origin", "format", "kcv", "vkey", "policy", "library")

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "log.genesis": (*_HEAD, "pad"),
    "log.open": (*_HEAD, "prev_segment", "base_leaf", "frontier", "pad"),
    "log.checkpoint": ("size", "root", "frontier", "note"),
    "log.start": ("pid", "host", "library", "config"),
    "log.stop": ("pid",),
    "log.recover": ("segment", "after_seq", "length", "sha256"),
    "log.lost": ("count", "reason", "detail"),
    "log.rotate": ("next_kcv", "next_vkey"),
    "log.policy": ("name", "policy", "from", "until", "renews", "actor", "reason"),
    "log.hold": ("name", "policy", "from", "until", "renews", "actor", "reason"),
    "log.release": ("name", "policy", "from", "until", "renews", "actor", "reason"),
    "log.delete": ("base", "base_leaf", "root", "past", "actor", "reason"),
    "log.redact": ("target", "leaf", "actor", "reason"),
    "log.export": ("first", "last", "filter", "actor", "reason"),
}
"""Members of each control line after event_type, v, id and timestamp, in order."""

COMMON = ("event_type", "v", "id", "timestamp")
SUFFIX = ("log", "seq", "kid", "mac")


def control_body(event_type: str, *, record_id: str, timestamp: str, **members: object) -> bytes:
    """Return the body of a control line, not yet sealed; a member that is not given is null."""
    names = MEMBERS[event_type]
    unknown = set(members) - set(names)
    if unknown:
        raise TypeError(f"{event_type} has no member {min(unknown)}")
    head = {"event_type": event_type, "v": SCHEMA_VERSION, "id": record_id, "timestamp": timestamp}
    return encode(head | {name: members.get(name) for name in names}, limit=MAX_LINE_BYTES)


def first_line_body(
    event_type: str,
    *,
    record_id: str,
    timestamp: str,
    seq: int,
    kid: int,
    **members: object,
) -> bytes:
    """Return the body of a genesis or open line, padded so that the sealed line has `FIRST_LINE_BYTES`."""
    bare = control_body(event_type, record_id=record_id, timestamp=timestamp, pad="", **members)
    sealed = len(bare) - 1 + len(f',"log":"{"0" * 16}","seq":{seq},"kid":{kid}') + MAC_TAIL + 1
    pad = " " * max(0, FIRST_LINE_BYTES - sealed)
    return control_body(event_type, record_id=record_id, timestamp=timestamp, pad=pad, **members)


def parse_control(raw: bytes) -> dict[str, object]:
    """Return the members of a control line; raises `FormatError`.

    Members that are missing, out of order, twice or too many are refused; so is an event type that this
    version does not know. The MAC is not checked.
    """
    try:
        members = json.loads(raw, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"a control line that is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise FormatError("a control line is one JSON object")
    event_type = members.get("event_type")
    if not isinstance(event_type, str) or event_type not in MEMBERS:
        raise FormatError("a control line of an unknown event type")
    if tuple(members) != (*COMMON, *MEMBERS[event_type], *SUFFIX):
        raise FormatError(f"a {event_type} line has other members than format {FORMAT_VERSION} gives it")
    return members


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_constants(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
