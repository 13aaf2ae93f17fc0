"""A tree head as text: the C2SP tlog-checkpoint that leaves the machine (FORMAT 5).

    audit.example/audit/0001020304050607        origin
    3                                           size: covers seq 0..2
    E7k4Q8xonSJnqAwRJIVANzqQ1VEiQUx+Xzzx49+h04c=   root

    — audit.example/audit/0001020304050607 icK6AaNabWKAJCURnGPh...

A signed note (https://c2sp.org/signed-note) adds the empty line and the signature lines. They are taken
apart here and checked in `note`.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from or_audit_logging.errors import FormatError

ORIGIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")
SIGNATURE_START = "\u2014 "
"""What a signature line starts with: an em dash and a space."""
MAX_SIGNATURES = 100
"""A note with more signature lines is refused, so that checking one has a bounded cost."""
MAX_NOTE = 1_000_000
"""A note of more characters is refused."""

_KEY_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""What no note holds: ASCII control characters other than the newline, and what UTF-8 has no bytes for."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint states: the root of the tree over the first `size` lines."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line taken apart: whose key, its 4-byte hash, and the signature's bytes."""

    name: str
    key_hash: bytes
    value: bytes

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Return the signature line *line* (no newline) taken apart; raises `FormatError`."""
        name, _, encoded = line.removeprefix(SIGNATURE_START).partition(" ")
        if not line.startswith(SIGNATURE_START) or not is_key_name(name):
            raise FormatError("a signature line is an em dash, a space, a key's name, a space and base64")
        value = decode_base64(encoded)
        if len(value) < 5:
            raise FormatError("a signature is four bytes of key hash and the signature's own, in base64")
        return cls(name, value[:4], value[4:])

    def __str__(self) -> str:
        encoded = base64.b64encode(self.key_hash + self.value).decode("ascii")
        return f"{SIGNATURE_START}{self.name} {encoded}"


@dataclass(frozen=True, slots=True)
class CheckpointNote:
    """A checkpoint note taken apart. `text` is all that its signatures cover; no signature is checked."""

    origin: str
    head: TreeHead
    text: str
    signatures: tuple[Signature, ...]


def is_key_name(name: str) -> bool:
    """Return whether *name* may name a key: not empty, no space of any kind, no plus sign."""
    return _KEY_NAME.fullmatch(name) is not None


def decode_base64(text: str) -> bytes:
    """Return what *text* holds in standard base64 with padding; raises `FormatError`."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if base64.b64encode(value).decode("ascii") != text:  # stray bits in the last digit
        raise FormatError("not standard base64 with padding")
    return value


def encode_root(root: bytes) -> str:
    """Return *root* as standard base64 with padding."""
    return base64.b64encode(root).decode("ascii")


def decode_root(text: object) -> bytes:
    """Return the 32 bytes that *text* states; raises `FormatError`."""
    try:
        root = decode_base64(text) if isinstance(text, str) else b""
    except FormatError:
        root = b""
    if len(root) != 32:
        raise FormatError("a root is 32 bytes in standard base64 with padding")
    return root


def note_text(origin: str, head: TreeHead) -> str:
    """Return the text that a checkpoint's signature covers."""
    return f"{origin}\n{head.size}\n{encode_root(head.root)}\n"


def split_note(note: str) -> tuple[str, tuple[Signature, ...]]:
    """Return the text and the signatures of any signed note; raises `FormatError`. None is checked.

    The text, which ends in a newline, is separated from the signature lines by the last empty line. A note
    without one has no signatures.
    """
    if len(note) > MAX_NOTE or not note.endswith("\n") or _CONTROL.search(note):
        raise FormatError("a note is text in lines without control characters, and its last line ends too")
    body, separator, tail = note.rpartition("\n\n")
    if not separator:
        return note, ()
    lines = tail.split("\n")[:-1]
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise FormatError(f"after its empty line a note has 1 to {MAX_SIGNATURES} signature lines")
    return body + "\n", tuple(Signature.parse(line) for line in lines)


def parse_note(note: str) -> CheckpointNote:
    """Return a checkpoint note, signed or not, taken apart; raises `FormatError`. No signature is checked."""
    text, signatures = split_note(note)
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or not ORIGIN.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]) or "" in lines:
        raise FormatError("not a checkpoint: its lines are origin, size and root")
    head = TreeHead(int(lines[1]), decode_root(lines[2]))
    return CheckpointNote(lines[0], head, text, signatures)
