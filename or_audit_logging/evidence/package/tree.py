"""A log's Merkle tree in a temporary file: inclusion proofs for any number of lines, in constant memory.

    with StoredTree(Frontier()) as tree:
        tree.append(leaf)                    # one after the other
        tree.path(41, size=1000)             # the proof of leaf 41 in the tree of the first 1,000

Hashes stand in the order in which they become known: a leaf, then each subtree that it completes. So the
place of each can be computed (as in golang.org/x/mod/sumdb/tlog, StoredHashIndex). A leaf takes 64 bytes.
"""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import IO

from or_audit_logging.sealing.merkle import Frontier, node_hash

_HASH = 32
_BUFFER = 1 << 20


class StoredTree:
    """A tree that goes on behind a frontier; leaves before it have no proofs."""

    def __init__(self, start: Frontier) -> None:
        """Raises `OSError` where there is no temporary file."""
        self.start = self.size = start.size
        """The leaves before its start, and how many it has, those included."""
        self._subtrees = list(start.subtrees)
        self._before: dict[tuple[int, int], bytes] = {}
        subtrees = iter(start.subtrees)
        for level in reversed(range(start.size.bit_length())):
            if start.size >> level & 1:
                self._before[level, (start.size >> level) - 1] = next(subtrees)
        self._offset = _place(0, start.size)
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> StoredTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def frontier(self) -> Frontier:
        """Return the tree's frontier as it is now."""
        return Frontier(self.size, self._subtrees)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash; raises `OSError`."""
        self._file.write(leaf)
        node, left = leaf, self.size
        while left & 1:
            node, left = node_hash(self._subtrees.pop(), node), left >> 1
            self._file.write(node)
        self._subtrees.append(node)
        self.size += 1

    def path(self, index: int, *, size: int) -> tuple[bytes, ...]:
        """Return the inclusion proof of leaf *index* in the tree of the first *size*; raises `OSError`."""
        if not self.start <= index < size <= self.size:
            raise ValueError(f"no proof of leaf {index} in a tree of {size}")
        siblings = ((level, (index >> level) ^ 1) for level in range((size - 1).bit_length()))
        return tuple(self._node(level, number, size) for level, number in siblings if number << level < size)

    def _node(self, level: int, number: int, size: int) -> bytes:
        """Return the hash of a subtree, of what there is of it in a tree of *size* leaves."""
        while level and (2 * number + 1) << (level - 1) >= size:  # it has a left half only
            level, number = level - 1, 2 * number
        if (number + 1) << level <= size:
            return self._complete(level, number)
        left, right = self._complete(level - 1, 2 * number), self._node(level - 1, 2 * number + 1, size)
        return node_hash(left, right)

    def _complete(self, level: int, number: int) -> bytes:
        if (number + 1) << level <= self.start:
            return self._before[level, number]
        self._file.seek((_place(level, number) - self._offset) * _HASH, os.SEEK_SET)
        return self._file.read(_HASH)


def _place(level: int, number: int) -> int:
    """Return how many hashes stand before that of the *number*-th complete subtree of *level*."""
    last = ((number + 1) << level) - 1 if level else number
    return 2 * last - last.bit_count() + level
