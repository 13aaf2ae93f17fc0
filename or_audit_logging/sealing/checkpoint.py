"""A tree head as text: the C2SP tlog-checkpoint that leaves the machine (FORMAT 5).

    audit.example/audit/0001020304050607        origin
    3                                           size: covers seq 0..2
    E7k4Q8xonSJnqAwRJIVANzqQ1VEiQUx+Xzzx49+h04c=   root

A signed note adds an empty line and signature lines; signatures are not checked here.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from or_audit_logging.errors import FormatError

ORIGIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint states: the root of the tree over the first `size` lines."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class CheckpointNote:
    """A checkpoint note taken apart; `signatures` are its signature lines as they stand."""

    origin: str
    head: TreeHead
    signatures: tuple[str, ...]


def encode_root(root: bytes) -> str:
    """Return *root* as standard base64 with padding."""
    return base64.b64encode(root).decode("ascii")


def decode_root(text: object) -> bytes:
    """Return the 32 bytes that *text* states; raises `FormatError`."""
    try:
        root = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != 32 or encode_root(root) != text:
        raise FormatError("a root is 32 bytes in standard base64 with padding")
    return root


def note_text(origin: str, head: TreeHead) -> str:
    """Return the text that a checkpoint's signature covers."""
    return f"{origin}\n{head.size}\n{encode_root(head.root)}\n"


def parse_note(text: str) -> CheckpointNote:
    """Return a checkpoint note taken apart; raises `FormatError`. Signatures are not checked."""
    body, separator, tail = text.partition("\n\n")
    lines = body.split("\n") if separator else body.removesuffix("\n").split("\n")
    if len(lines) < 3 or not ORIGIN.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):
        raise FormatError("not a checkpoint: its lines are origin, size and root")
    signatures = tuple(tail.removesuffix("\n").split("\n")) if tail else ()
    if any(not line.startswith("\u2014 ") for line in signatures):
        raise FormatError("a signature line starts with an em dash and a space")
    return CheckpointNote(lines[0], TreeHead(int(lines[1]), decode_root(lines[2])), signatures)
