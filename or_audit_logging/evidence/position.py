"""Where a walk along a log stands: the next seq, the hash to follow, the tree, the key in force.

The tree is `true` while it is that of the very lines present, from seq 0, and nothing has spoken against
them; `adopted` once it had to be taken up from what a line states; `off` once a line is known to be
another than the one that was sealed. Only a true tree matches an anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.sealing.merkle import Frontier


@dataclass(slots=True)
class Position:
    """A walk's state between two lines. `prev`, `tree` and `keys` are None where they are not known."""

    seq: int
    prev: bytes | None
    tree: Frontier | None
    kid: int
    keys: LogKeys | None
    tree_is: Literal["true", "adopted", "off"] = "true"

    def fits(self, line: SealedLine, log: str) -> bool:
        """Return whether *line* is the next one: its log, seq and kid, and with the key its MAC."""
        if line.seq != self.seq or line.kid != self.kid or line.log != log:
            return False
        return self.keys is None or self.seals(line, self.keys)

    def seals(self, line: SealedLine, keys: LogKeys) -> bool:
        """Return whether *line* was sealed with *keys* behind the line before."""
        return self.prev is not None and keys.check(self.prev, line.sealed_part, line.mac)

    def take(self, leaf: bytes) -> None:
        """Go on behind the line with leaf hash *leaf*."""
        if self.tree is not None:
            self.tree.append(leaf)
        self.prev = leaf
        self.seq += 1

    def jump(self, seq: int, leaf: bytes) -> None:
        """Go on behind a line that stands out of order: *seq* is its own. The tree is lost."""
        self.seq, self.prev, self.tree, self.tree_is = seq + 1, leaf, None, "off"

    def adopt(self, tree: Frontier) -> None:
        """Take up the tree that a line states, after the walk's own was lost or contradicted."""
        self.tree, self.tree_is = tree, "adopted"

    def copy(self) -> Position:
        """Return an independent copy."""
        tree = self.tree.copy() if self.tree is not None else None
        return Position(self.seq, self.prev, tree, self.kid, self.keys, self.tree_is)
