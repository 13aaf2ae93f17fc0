"""The fast part of a walk: users' lines that simply follow one another, with nothing to decide.

    found = stride(position, lines, log=b"0001020304050607", stop=50_000)

The rules are those of `Position.fits` and `parse_line`, in the order of what is cheapest; whatever they
do not accept is handed back for a closer look, so a difference could cost time but no finding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from hmac import compare_digest

from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.shape import PRINTABLE
from or_audit_logging.sealing.line import CONTROL_START, MAC_TAIL

_MAC_AND_END = re.compile(rb',"mac":"[0-9a-f]{64}"\}\n')
_LEAVES = 1024
"""So many leaves enter the tree together."""
_MAC_FORM = b',"mac":"%b"}\n'


def stride(position: Position, lines: Iterator[bytes], *, log: str, stop: int) -> bytes | None:
    """Take lines from *lines* into *position* up to seq *stop*.

    Return the first line that is a control line, or does not follow, or has another shape: it is not taken.
    None where there are no more lines, or the stop is reached.
    """
    tree, leaf, seq = position.tree, position.prev, position.seq
    if tree is None or leaf is None or seq >= stop:
        return next(lines, None)
    sha256 = hashlib.sha256
    leaves: list[bytes] = []
    pause = min(stop, seq + _LEAVES)
    before_seq, after_seq = b',"log":"%b","seq":' % log.encode(), b',"kid":%d' % position.kid
    mac = position.keys.mac if position.keys is not None else None
    found = None
    for raw in lines:
        part = raw[: -MAC_TAIL - 1]
        if (
            not part.endswith(b"%b%d%b" % (before_seq, seq, after_seq))
            or part[:1] != b"{"
            or part[1:2] == b","
            or raw.startswith(CONTROL_START)
            or raw.translate(None, PRINTABLE) != b"\n"
            or (
                not compare_digest(raw[-MAC_TAIL - 1 :], _MAC_FORM % mac(leaf, part).hex().encode())
                if mac is not None
                else _MAC_AND_END.fullmatch(raw, len(part)) is None
            )
        ):
            found = raw
            break
        leaf = sha256(b"\0" + raw[:-1]).digest()
        leaves.append(leaf)
        seq += 1
        if seq == pause:
            tree.extend(leaves)
            leaves.clear()
            if seq == stop:
                break
            pause = min(stop, seq + _LEAVES)
    tree.extend(leaves)
    position.seq, position.prev = seq, leaf
    return found
