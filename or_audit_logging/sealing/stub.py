"""What stands in a redacted line's place: its number and its leaf hash, in as many bytes (FORMAT 4).

    {"log":"0001020304050607","seq":17,"leaf":"5f1d...c4"                                              }

The chain and the tree go on with the leaf, so the lines around it, the proofs and the anchors still hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import SealedLine

STUB_START = b'{"log":"'

STUB = re.compile(rb'\{"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"leaf":"([0-9a-f]{64})" *\}')


@dataclass(frozen=True, slots=True)
class Stub:
    """A stub taken apart. `raw` is all of it without its newline, `leaf` the hash of the line it replaced."""

    raw: bytes
    log: str
    seq: int
    leaf: bytes


def stub_of(line: SealedLine) -> bytes:
    """Return the stub that takes the place of *line*: the same length, no newline."""
    start = f'{{"log":"{line.log}","seq":{line.seq},"leaf":"{leaf_hash(line.raw).hex()}"'
    return start.encode("ascii").ljust(len(line.raw) - 1) + b"}"


def parse_stub(raw: bytes) -> Stub:
    """Return *raw* (no newline) taken apart; raises `FormatError` where it has another shape."""
    match = STUB.fullmatch(raw)
    if match is None:
        raise FormatError("not a stub: it does not hold log, seq and leaf alone")
    log, seq, leaf = match.groups()
    return Stub(raw, log.decode(), int(seq), bytes.fromhex(leaf.decode()))
