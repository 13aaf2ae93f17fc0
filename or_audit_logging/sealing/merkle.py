"""The Merkle tree over all leaf hashes (RFC 6962/9162), kept as its frontier.

    tree = Frontier()
    tree.append(leaf)                 # amortised two hashes
    tree.size, tree.root()            # the tree head that a checkpoint states

The frontier is the list of complete subtrees, largest first: one hash per bit set in the size. It is all
that is needed to go on, and what an open line and a checkpoint carry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from or_audit_logging.errors import FormatError

EMPTY_ROOT = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """A tree head that leaves can be added to."""

    __slots__ = ("_subtrees", "size")

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        """Resume at *size* leaves; raises `FormatError` where *subtrees* cannot be that tree's."""
        if size < 0 or len(subtrees) != size.bit_count() or any(len(h) != 32 for h in subtrees):
            raise FormatError(f"a tree of {size} leaves has another number of complete subtrees")
        self.size = size
        self._subtrees = list(subtrees)

    @classmethod
    def from_hex(cls, size: int, subtrees: Iterable[object]) -> Frontier:
        """Return the frontier a line states in hex; raises `FormatError`."""
        hashes = []
        for text in subtrees:
            if not isinstance(text, str) or len(text) != 64 or text != text.lower():
                raise FormatError("a frontier is a list of hashes of 64 lower-case hex digits")
            try:
                hashes.append(bytes.fromhex(text))
            except ValueError:
                raise FormatError("a frontier is a list of hashes of 64 lower-case hex digits") from None
        return cls(size, hashes)

    @property
    def subtrees(self) -> tuple[bytes, ...]:
        """Hashes of the complete subtrees, largest first."""
        return tuple(self._subtrees)

    def to_hex(self) -> list[str]:
        """Return the frontier as a line states it."""
        return [subtree.hex() for subtree in self._subtrees]

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        merges = (~self.size & (self.size + 1)).bit_length() - 1
        for _ in range(merges):
            leaf = node_hash(self._subtrees.pop(), leaf)
        self._subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree (of no leaves: SHA-256 of nothing)."""
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_hash(subtree, root)
        return root

    def copy(self) -> Frontier:
        """Return an independent copy."""
        return Frontier(self.size, self._subtrees)
