"""An inclusion proof as text: C2SP's tlog-proof (https://c2sp.org/tlog-proof).

    c2sp.org/tlog-proof@v1
    index 41                                             the line's seq
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=         its siblings, from the leaf's to the root's child
    ...

    audit.example/audit/0001020304050607                 the signed checkpoint, as it stands in the log
    1000
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

    — audit.example/audit/0001020304050607 icK6AaNabWKA...

A line `extra` with base64 may stand before the index; nothing vouches for it. That the path leads from a
line to the checkpoint's root, and that the checkpoint is signed, is for the caller to check.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.checkpoint import (
    CheckpointNote,
    decode_base64,
    decode_root,
    encode_root,
    parse_note,
)
from or_audit_logging.sealing.merkle import root_from_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF = 2_000_000
"""A proof of more characters is refused."""

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MAX_PATH = 64


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a leaf stands at `index` of the tree of a checkpoint; `note` is the checkpoint's whole text."""

    index: int
    path: tuple[bytes, ...]
    note: str
    extra: bytes | None = None

    @property
    def checkpoint(self) -> CheckpointNote:
        """The checkpoint taken apart; raises `FormatError`."""
        return parse_note(self.note)

    def includes(self, leaf: bytes) -> bool:
        """Return whether *leaf* leads to the checkpoint's root; its signature vouches for root and size."""
        head = self.checkpoint.head
        try:
            return root_from_inclusion(leaf, self.index, head.size, self.path) == head.root
        except FormatError:
            return False

    def __str__(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode('ascii')}")
        lines.append(f"index {self.index}")
        lines += map(encode_root, self.path)
        return "\n".join(lines) + f"\n\n{self.note}"


def parse_proof(text: str) -> InclusionProof:
    """Return the proof that *text* states, taken apart; raises `FormatError`. Nothing in it is checked."""
    head, separator, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if len(text) > MAX_PROOF or not separator or header != HEADER:
        raise FormatError(f"not an inclusion proof: it starts with {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if index is None or len(lines) - 1 > _MAX_PATH:
        raise FormatError("an inclusion proof states an index, and then at most 64 hashes")
    parse_note(note)
    return InclusionProof(int(index[1]), tuple(map(decode_root, lines[1:])), note, extra)
