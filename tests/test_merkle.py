"""The Merkle tree against RFC 6962's definition and its published root."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.merkle import EMPTY_ROOT, Frontier


def defined_root(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def test_every_tree_up_to_130_leaves_has_the_defined_root() -> None:
    """The frontier's root is the definition's, at every size."""
    leaves = [hashlib.sha256(b"\0" + bytes([n])).digest() for n in range(130)]
    tree = Frontier()
    assert tree.root() == EMPTY_ROOT
    for size, leaf in enumerate(leaves, 1):
        tree.append(leaf)
        assert tree.size == size
        assert len(tree.subtrees) == size.bit_count()
        assert tree.root() == defined_root(leaves[:size])


def test_the_published_root_of_certificate_transparency() -> None:
    """The eight-leaf tree that RFC 6962 implementations share as a known answer."""
    data = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree = Frontier()
    for text in data:
        tree.append(hashlib.sha256(b"\0" + bytes.fromhex(text)).digest())
    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_a_frontier_goes_on_where_it_was_left(vectors: Any) -> None:
    """Resumed from its hashes at any size, a tree ends at the same root."""
    log = vectors("log.json")
    leaves = [bytes.fromhex(leaf) for leaf in log["leaves"]]
    for size, frontier in enumerate(log["frontiers"]):
        tree = Frontier.from_hex(size, frontier)
        assert encode_root(tree.root()) == log["roots"][size]
        for leaf in leaves[size:]:
            tree.append(leaf)
        assert encode_root(tree.root()) == log["roots"][-1]
        assert tree.to_hex() == log["frontiers"][-1]


def test_a_copy_goes_its_own_way() -> None:
    """Adding to a copy leaves the original as it is."""
    tree = Frontier()
    tree.append(bytes(32))
    other = tree.copy()
    other.append(bytes(32))
    assert (tree.size, other.size) == (1, 2)


@pytest.mark.parametrize(
    ("size", "frontier"),
    [
        (1, []),
        (0, ["00" * 32]),
        (3, ["00" * 32]),
        (1, ["00" * 31]),
        (1, ["0G" * 32]),
        (1, ["AB" * 32]),
        (1, [None]),
        (-1, []),
    ],
)
def test_an_impossible_frontier_is_refused(size: int, frontier: list[Any]) -> None:
    """Number and shape of the hashes must fit the size."""
    with pytest.raises(FormatError):
        Frontier.from_hex(size, frontier)
