"""Anchors met along a walk: does the tree over the first lines have the root that somebody else kept?"""

from __future__ import annotations

from collections.abc import Iterable

from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import Finding, Place, lines_are

_NEVER = 1 << 64
"""More than any seq."""


class Bounds:
    """The anchors of one log, smallest first. `matched` is the largest one so far whose root is the log's."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self._anchors = sorted(anchors, key=_size_and_age)
        self.met = 0
        """How many lie behind the walk; set back with the walk where it turns back."""
        self.matched: Anchor | None = None
        self.trees_held = 0
        """How many roots were the walk's, an adopted tree's included."""
        self._contradicted = False

    @property
    def next_size(self) -> int:
        """The size at which the next comparison is due."""
        return self._anchors[self.met].size if self.met < len(self._anchors) else _NEVER

    def check(self, position: Position, place: Place) -> list[Finding]:
        """Compare the anchors that are due. Of a tree known to be off, the first contradiction is enough."""
        findings = []
        while self.next_size <= position.seq:
            anchor = self._anchors[self.met]
            self.met += 1
            if anchor.size != position.seq or position.tree is None:
                continue
            root = position.tree.root()
            if root == anchor.root:
                self.trees_held += anchor.size > 0
                if position.tree_is == "true" and anchor.size:
                    self.matched = anchor
            elif position.tree_is != "off" or not self._contradicted:
                self._contradicted = True
                position.tree_is = "off"
                message = (
                    f"the first {anchor.size:,} lines are not those of the checkpoint kept in {anchor.where}"
                )
                expected, found = anchor.root.hex(), root.hex()
                findings.append(place.finding("anchor-root", message, expected=expected, found=found))
        return findings

    def skip(self, size: int) -> None:
        """Leave out the anchors up to *size*: there is no tree to compare them with."""
        while self.next_size <= size:
            self.met += 1

    def beyond(self, size: int) -> list[Finding]:
        """Return the finding that anchors cover more than the *size* lines there are."""
        return missing_lines(self._anchors, size)


def missing_lines(anchors: Iterable[Anchor], size: int) -> list[Finding]:
    """Return the finding that the largest of *anchors* covers more than *size* lines, if it does."""
    largest = max(anchors, key=_size_and_age, default=None)
    if largest is None or largest.size <= size:
        return []
    message = (
        f"{lines_are(largest.size - size)} missing at the end: "
        f"the checkpoint kept in {largest.where} covers {largest.size:,}"
    )
    return [Place().finding("anchor-size", message, expected=largest.size, found=size)]


def _size_and_age(anchor: Anchor) -> tuple[int, float]:
    """Order by size, and copies of one checkpoint so that the one kept first comes last.

    It is as old as that: whoever sends an old one again makes it no newer.
    """
    return anchor.size, -anchor.kept_at.timestamp() if anchor.kept_at is not None else float("-inf")
