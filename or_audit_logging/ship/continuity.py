"""`Continuity`: do the lines follow one another? As far as that can be told without any secret.

    continuity = Continuity(Position())
    for raw in lines: continuity.take(parsed(raw), segment=..., end=...)      # raises ChainBrokenError
    continuity.position                     # where to go on: put into the cursor once all before it arrived

Sequence numbers have no gap, a segment's first line states the hash of the line before it, and each
checkpoint the root of the tree over all lines before it. MACs are not checked: that takes the key, and is
`verify`'s business. What a crash cut is passed by where a log.recover line describes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from or_audit_logging.errors import ChainBrokenError, FormatError
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import decode_root
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import STUB_START, SealedLine, Stub, line_start, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier

_OPENS = line_start("log.open")
_CHECKPOINT = line_start("log.checkpoint")
_RECOVER = line_start("log.recover")


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines: behind `next_seq` - 1, at byte `offset` of `segment`.

    `leaf` is the hash of the line before, `tree` that over all lines before; None where they are not known.
    """

    log: str | None = None
    next_seq: int = 0
    segment: str | None = None
    offset: int = 0
    leaf: bytes | None = None
    tree: Frontier | None = None


@dataclass(slots=True)
class _Pieces:
    """Bytes that are no lines, until a log.recover line speaks of them."""

    count: int = 0
    length: int = 0
    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    last: bytes = b""

    def add(self, piece: bytes) -> None:
        self.sha256.update(self.last)
        self.last = piece
        self.count += 1
        self.length += len(self.last)

    def are_described(self, members: dict[str, object]) -> bool:
        """Return whether *members* of a log.recover line speak of these bytes; the newline was its own."""
        digest = self.sha256.copy()
        digest.update(self.last[:-1])
        return (members["length"], members["sha256"]) == (self.length - 1, digest.hexdigest())


class Continuity:
    """Takes one line after the other."""

    def __init__(self, position: Position) -> None:
        tree = position.tree
        self._at = position
        self._tree = tree.copy() if tree is not None else Frontier() if not position.next_seq else None
        self._leaves: list[bytes] = []
        self._pieces = _Pieces()

    @property
    def position(self) -> Position:
        """Where the last line that was taken ends."""
        self._settle()
        return replace(self._at, tree=self._tree.copy() if self._tree is not None else None)

    @property
    def next_seq(self) -> int:
        """The seq that is due."""
        return self._at.next_seq

    def take_piece(self, raw: bytes, *, is_ended: bool = True) -> None:
        """Take in bytes that are no line: the next line says whether a crash has cut them.

        *is_ended*: whether a newline follows them; pieces of what is longer than any line have none.
        """
        self._pieces.add(raw + b"\n" if is_ended else raw)

    def take(self, line: SealedLine | Stub, *, segment: str, end: int) -> None:
        """Take *line*, which ends at byte *end* of *segment*.

        Raises `ChainBrokenError` where it does not follow; then nothing was taken.
        """
        members = self._control_members(line.raw, segment)
        if self._at.log not in (None, line.log):
            raise self._broken(f"seq {line.seq} is a line of another log, {line.log}", segment)
        if line.seq != self._at.next_seq:
            raise self._broken(f"seq {line.seq} stands where seq {self._at.next_seq} is due", segment)
        if self._pieces.count and not (
            members is not None
            and members["event_type"] == "log.recover"
            and self._pieces.are_described(members)
        ):
            what = f"{self._pieces.count} pieces that are no lines, and no log.recover describes them"
            raise self._broken(f"before seq {line.seq} stand {what}", segment)
        if members is not None:
            self._compare(line, members, segment)
        self._accept(line, segment, end)

    def resume(self, line: SealedLine | Stub, *, segment: str, end: int) -> None:
        """Take *line* whatever stood before it, and go on from there."""
        self._tree, self._leaves, self._pieces = None, [], _Pieces()
        self._at = Position(log=line.log, next_seq=line.seq, segment=segment)
        try:
            members = self._control_members(line.raw, segment)
            if members is not None:
                self._compare(line, members, segment)
        except ChainBrokenError:
            self._tree = None
        self._accept(line, segment, end)

    def pass_deleted(self, first_seq: int) -> None:
        """Go on at *first_seq*: a log.delete says that what stood before was deleted."""
        self._tree, self._leaves, self._pieces = None, [], _Pieces()
        self._at = Position(log=self._at.log, next_seq=first_seq)

    def pass_by_to(self, segment: str | None, offset: int) -> None:
        """Go on at another place, where the same seq is due: what stood before it is not looked at."""
        self._pieces = _Pieces()
        self._at = replace(self._at, segment=segment, offset=offset)

    def _accept(self, line: SealedLine | Stub, segment: str, end: int) -> None:
        leaf = leaf_hash(line.raw) if isinstance(line, SealedLine) else line.leaf
        if self._tree is not None:
            self._leaves.append(leaf)
        self._pieces = _Pieces() if self._pieces.count else self._pieces
        self._at = Position(line.log, line.seq + 1, segment, end, leaf)

    def _control_members(self, raw: bytes, segment: str) -> dict[str, object] | None:
        """Return the members of a control line that says something about the lines before it."""
        if not raw.startswith((_OPENS, _CHECKPOINT, _RECOVER)):
            return None
        try:
            return parse_control(raw)
        except FormatError as error:
            raise self._broken(str(error), segment) from None

    def _compare(self, line: SealedLine | Stub, members: dict[str, object], segment: str) -> None:
        """Hold what a control line states against what came before; raises `ChainBrokenError`."""
        event, frontier = members["event_type"], members.get("frontier")
        if event == "log.open" and self._at.leaf is not None and members["base_leaf"] != self._at.leaf.hex():
            raise self._broken(f"the line before seq {line.seq} is not the one that stood there", segment)
        if event == "log.recover" or not isinstance(frontier, list):
            return
        self._settle()
        try:
            stated = Frontier.from_hex(line.seq, frontier)
            root = decode_root(members["root"]) if event == "log.checkpoint" else stated.root()
        except FormatError as error:
            raise self._broken(f"seq {line.seq}: {error}", segment) from None
        known = self._tree
        if stated.root() != root or (known is not None and known.root() != root):
            raise self._broken(f"seq {line.seq} states another tree than the lines before it give", segment)
        if known is None:
            self._tree = stated

    def _settle(self) -> None:
        """Put into the tree the leaves that came since the last time: many at once cost half."""
        if self._tree is not None and self._leaves:
            self._tree.extend(self._leaves)
            self._leaves = []

    def _broken(self, message: str, segment: str) -> ChainBrokenError:
        return ChainBrokenError(f"{segment}: {message}; run or-audit verify", segment=segment)


def parsed(raw: bytes) -> SealedLine | Stub | None:
    """Return *raw* (no newline) taken apart, None where it is neither a sealed line nor a stub."""
    try:
        return parse_stub(raw) if raw.startswith(STUB_START) else parse_line(raw)
    except FormatError:
        return None
