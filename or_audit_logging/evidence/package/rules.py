"""How lines lead to a root, in the order in which a package has them. No I/O.

root_beyond(tree, size, right) == root           a range: what the lines give, and what stands behind them
check_stated_tree(members, tree, prev)           what a checkpoint among them says of those before it
"""

from __future__ import annotations

from collections.abc import Mapping

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import SealedLine, Stub, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier, node_hash


def leaf_of(line: SealedLine | Stub) -> bytes:
    """Return the leaf hash of a line; of a stub, that of the line that was there."""
    if isinstance(line, Stub):
        return line.leaf
    return leaf_hash(line.raw)


def root_beyond(tree: Frontier, size: int, right: list[bytes]) -> bytes:
    """Return the root of *size* leaves: those of *tree*, and behind them subtrees, the smallest first.

    *right* are the right siblings on the path from the last leaf of *tree*. Raises `FormatError` where they
    are too few or too many.
    """
    left, behind = list(tree.subtrees), iter(right)
    node, last = left.pop(), tree.size - 1
    level = (tree.size & -tree.size).bit_length() - 1
    try:
        for height in range(level, (size - 1).bit_length()):
            place = last >> height
            if place & 1:
                node = node_hash(left.pop(), node)
            elif (place + 1) << height < size:
                node = node_hash(node, next(behind))
    except StopIteration:
        raise FormatError("too few hashes stand behind the lines") from None
    if next(behind, None) is not None:
        raise FormatError("more hashes stand behind the lines than the tree has")
    return node


def check_stated_tree(members: Mapping[str, object], tree: Frontier, prev: bytes) -> None:
    """Hold what a checkpoint, or a segment's first line, says of the lines before it against them."""
    if members["event_type"] == "log.checkpoint":
        if (members["size"], members["frontier"]) != (tree.size, tree.to_hex()):
            raise FormatError("the lines before this checkpoint are not those that stood there")
    elif members["event_type"] == "log.open":
        frontier = None if members["frontier"] is None else tree.to_hex()
        if (members["base_leaf"], members["frontier"]) != (prev.hex(), frontier):
            raise FormatError("the lines before this segment are not those that stood there")


def line_or_stub(raw: bytes) -> SealedLine | Stub:
    """Return the line that *raw* is, or the stub in its place; raises `FormatError`."""
    try:
        return parse_line(raw)
    except FormatError:
        return parse_stub(raw)
