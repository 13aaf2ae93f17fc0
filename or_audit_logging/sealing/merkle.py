"""The Merkle tree over all leaf hashes (RFC 6962/9162), kept as its frontier.

    tree = Frontier()
    tree.append(leaf)                 # amortised two hashes
    tree.size, tree.root()            # the tree head that a checkpoint states

    proof = InclusionPath(41, tree)   # before leaf 41 is added
    proof.append(leaf)                # leaf 41 and those behind it
    root_from_inclusion(leaf, 41, proof.size, proof.path()) == root

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

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add *leaves* in their order, at half the cost of adding each by itself."""
        sha256, nodes, left_over, height = hashlib.sha256, list(leaves), [], 0
        while nodes:
            if self.size >> height & 1:
                nodes.insert(0, self._subtrees.pop())
            if len(nodes) & 1:
                left_over.append(nodes.pop())
            pairs = iter(nodes)
            nodes = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            height += 1
        self._subtrees += reversed(left_over)
        self.size += len(leaves)

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


class InclusionPath:
    """The inclusion proof of one leaf (RFC 9162 section 2.1.3.1), made while leaves go by.

    It holds at most 64 hashes, however large the tree.
    """

    __slots__ = ("_leaf_and_left", "_right", "_tree", "index", "size")

    def __init__(self, index: int, tree: Frontier) -> None:
        """Start with *tree*, over some of the leaves before *index*; raises `FormatError` otherwise."""
        if tree.size > index:
            raise FormatError(f"the tree already covers leaf {index}")
        self.index = index
        self.size = tree.size
        self._tree = tree.copy()
        self._leaf_and_left: tuple[bytes, tuple[bytes, ...]] | None = None
        self._right: list[Frontier] = []

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash: those before `index`, the one at it, those behind it."""
        if self.size < self.index:
            self._tree.append(leaf)
        elif self.size == self.index:
            # The complete subtrees before a leaf are its left siblings, whatever the tree's size.
            self._leaf_and_left = leaf, self._tree.subtrees
        else:
            self._append_right(leaf)
        self.size += 1

    def _append_right(self, leaf: bytes) -> None:
        """Add a leaf to the right siblings, which follow one another: one for each bit that `index` lacks."""
        if not self._right or self._right[-1].size == 1 << self._level(len(self._right) - 1):
            self._right.append(Frontier())
        self._right[-1].append(leaf)

    def _level(self, number: int) -> int:
        """Return the height of the *number*-th right sibling: the place of a zero among the index's bits."""
        level = 0
        while number or self.index >> level & 1:
            number -= not self.index >> level & 1
            level += 1
        return level

    @property
    def leaf(self) -> bytes:
        """The leaf at `index`; raises `FormatError` before it was added."""
        return self._found[0]

    def path(self) -> tuple[bytes, ...]:
        """Return the proof in the tree of `size` leaves, from the leaf's sibling to the root's child.

        Raises `FormatError` where the tree does not reach to the leaf.
        """
        left, right = list(self._found[1]), [tree.root() for tree in self._right]
        out = []
        for level in range(max(self.index.bit_length(), self.size.bit_length())):
            if self.index >> level & 1:
                out.append(left.pop())
            elif right:
                out.append(right.pop(0))
        return tuple(out)

    @property
    def _found(self) -> tuple[bytes, tuple[bytes, ...]]:
        if self._leaf_and_left is None:
            raise FormatError(f"a tree of {self.size} leaves has no leaf {self.index}")
        return self._leaf_and_left


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that *path* leads to from *leaf* (RFC 9162 section 2.1.3.2).

    The root does not vouch for *size*: trees of several sizes have paths of the same shape. Raises
    `FormatError` where a tree of *size* leaves has no such leaf, or a path of another length.
    """
    if not 0 <= index < size or any(len(sibling) != 32 for sibling in path):
        raise FormatError(f"a tree of {size} leaves has no leaf {index}")
    number, last, root = index, size - 1, leaf
    for sibling in path:
        if not last:
            raise FormatError("the inclusion proof is longer than the tree is high")
        if number & 1 or number == last:
            root = node_hash(sibling, root)
            while number and not number & 1:  # on the right edge, levels without a sibling are passed over
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        number, last = number >> 1, last >> 1
    if last:
        raise FormatError("the inclusion proof is shorter than the tree is high")
    return root
