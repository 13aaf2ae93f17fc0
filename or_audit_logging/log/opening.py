"""What a new segment begins with, and what it is called.

genesis_tail(ring, checkpoints, stem="audit")   # of a log that has no lines yet
next_free(layout, now)                          # audit_2026-11-21.jsonl, or .1 where that is taken
first_line(tail, segment, now, previous)        # the body of log.genesis or log.open
"""

from __future__ import annotations

import os
import secrets
import socket
import uuid
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from or_audit_logging.keys import KeyRing
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.segments import LogLayout, Segment
from or_audit_logging.log.tail import Tail, new_tail
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.control import FORMAT_VERSION, first_line_body
from or_audit_logging.version import __version__


def genesis_tail(ring: KeyRing, checkpoints: Checkpoints, *, stem: str) -> Tail:
    """Return the tail of a new log: a random id, and an origin that names host and stem (FORMAT 1)."""
    log_id = secrets.token_bytes(16)
    host = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in socket.gethostname())
    origin = f"{host[:120] or 'localhost'}/{stem[:60]}/{log_id.hex()[:16]}"
    return new_tail(log_id, origin, ring.new_log_keys(log_id), vkey=checkpoints.vkey(origin))


def next_free(layout: LogLayout, now: datetime) -> Segment:
    """Return the segment to open at *now*: of that day, with the first number that nothing was written to."""
    day, number = now.date(), 0
    while True:
        name, path = layout.name_for(day, number), layout.path_for(day, number)
        is_free = not os.path.lexists(path) or (
            path.is_file() and not path.is_symlink() and path.stat().st_size == 0
        )
        if is_free and not layout.archive_for(name).exists():
            return Segment(path, name, day, number)
        number += 1


def first_line(tail: Tail, segment: Segment | None, now: datetime, *, previous: str | None = None) -> bytes:
    """Return the body of the first line of *segment*, or of a stream: log.genesis at seq 0, else log.open.

    An open line says where the chain and the tree go on. The frontier is null where not every line before
    was checked: nothing is stated of the tree then.
    """
    members: dict[str, object] = {
        "segment": segment.name if segment is not None else None,
        "day": (segment.day if segment is not None else now.date()).isoformat(),
        "log_id": tail.log_id.hex(),
        "origin": tail.origin,
        "format": FORMAT_VERSION,
        "kcv": tail.kcv,
        "vkey": tail.vkey,
        "policy": tail.policy,
        "library": __version__,
    }
    if tail.seq:
        frontier = tail.tree.to_hex() if tail.tree is not None else None
        members |= {"prev_segment": previous, "base_leaf": tail.prev.hex(), "frontier": frontier}
    return first_line_body(
        "log.open" if tail.seq else "log.genesis",
        record_id=str(uuid.uuid4()),
        timestamp=utc_timestamp(now),
        seq=tail.seq,
        kid=tail.kid,
        **members,
    )


def point_at(link: Path, segment: Segment) -> None:
    """Let the symbolic link *link* lead to *segment*, in one step; raises `OSError`."""
    target = os.path.relpath(segment.path, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    new = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(FileNotFoundError):  # a crash may have left one
        os.unlink(new)
    os.symlink(target, new)
    os.replace(new, link)
