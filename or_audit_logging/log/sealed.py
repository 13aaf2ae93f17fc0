"""`is_sealed`: whether one line stands in its segment as the log's key has sealed it.

    is_sealed(segment, line, find_keys)

The segment's first line says of which log it is, under which key, and which hash its own MAC follows; the
others are hashed up to the line in question, and of that the MAC is checked. So it says who has written the
line, and what stood before it: not that the other lines hold, which is `verify`'s business.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from or_audit_logging.errors import FormatError
from or_audit_logging.log.segments import Segment
from or_audit_logging.log.streams import LineStream
from or_audit_logging.log.tail import FindKeys, note_control, tail_before
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import STUB_START, SealedLine, Stub, line_start, parse_line, parse_stub

_ROTATE = line_start("log.rotate")


def is_sealed(segment: Segment, line: SealedLine, find_keys: FindKeys) -> bool:
    """Return whether *line* stands in *segment*, plain or archived, and its MAC holds there.

    Raises `KeyNotFoundError` where no key is the one that the segment states, and `OSError`.
    """
    with LineStream(segment, sys.maxsize) as stream:
        lines = _lines(stream)
        first = next(lines, None)
        if not isinstance(first, SealedLine):
            return False
        try:
            tail = tail_before(first, find_keys)
        except FormatError:
            return False
        if first.log != tail.log or not tail.keys.check(tail.prev, first.sealed_part, first.mac):
            return False
        if first.raw == line.raw:
            return True
        prev = leaf_hash(first.raw)
        for one in lines:
            if isinstance(one, Stub):
                prev = one.leaf
                continue
            is_rotation = one.raw.startswith(_ROTATE)
            if is_rotation or one.raw == line.raw:
                holds = one.kid == tail.kid and tail.keys.check(prev, one.sealed_part, one.mac)
                if not holds or one.raw == line.raw:
                    return holds
                note_control(tail, one, find_keys)
            prev = leaf_hash(one.raw)
        return False


def _lines(stream: LineStream) -> Iterator[SealedLine | Stub]:
    """Yield what is a line, or the stub of one; what a crash has cut is passed by."""
    for raw in stream:
        bare = raw.removesuffix(b"\n")
        try:
            yield parse_stub(bare) if bare.startswith(STUB_START) else parse_line(bare)
        except FormatError:
            continue
