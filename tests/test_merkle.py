"""The Merkle tree against RFC 6962's definition and its published root."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.checkpoint import decode_root, encode_root
from or_audit_logging.sealing.merkle import EMPTY_ROOT, Frontier, InclusionPath, root_from_inclusion

PUBLISHED = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
"""The eight leaves that RFC 6962 implementations share."""


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
    tree = Frontier()
    for text in PUBLISHED:
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


LEAVES = [hashlib.sha256(b"\0" + bytes([n])).digest() for n in range(70)]


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """The recursive definition of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*defined_path(index, leaves[:split]), defined_root(leaves[split:])]
    return [*defined_path(index - split, leaves[split:]), defined_root(leaves[:split])]


def test_every_leaf_of_every_tree_up_to_70_has_the_defined_proof() -> None:
    """Made in one go over the leaves, asked for at every size, and leading to the defined root."""
    roots = [defined_root(LEAVES[:size]) for size in range(len(LEAVES) + 1)]
    for index in range(len(LEAVES)):
        proof = InclusionPath(index, Frontier())
        for size, leaf in enumerate(LEAVES, 1):
            proof.append(leaf)
            assert proof.size == size
            if size <= index:
                continue
            path = proof.path()
            assert proof.leaf == LEAVES[index]
            assert list(path) == defined_path(index, LEAVES[:size])
            assert root_from_inclusion(LEAVES[index], index, size, path) == roots[size]


def test_a_proof_goes_on_from_the_frontier_at_any_leaf_before_its_own() -> None:
    """What came before a log's first present line need not be there."""
    size = 45
    frontiers = [Frontier()]
    for leaf in LEAVES[:size]:
        frontiers.append(frontiers[-1].copy())
        frontiers[-1].append(leaf)
    for index in range(size):
        for base in range(index + 1):
            proof = InclusionPath(index, frontiers[base])
            for leaf in LEAVES[base:size]:
                proof.append(leaf)
            assert list(proof.path()) == defined_path(index, LEAVES[:size])
        with pytest.raises(FormatError):
            InclusionPath(index, frontiers[index + 1])
    assert [tree.size for tree in frontiers] == list(range(size + 1))


def test_a_proof_is_asked_for_too_early() -> None:
    """Before its leaf was added there is none."""
    proof = InclusionPath(1, Frontier())
    for _ in range(2):
        for ask in (proof.path, lambda: proof.leaf):
            with pytest.raises(FormatError, match="no leaf 1"):
                ask()
        if not proof.size:
            proof.append(LEAVES[0])


def test_no_changed_proof_leads_to_the_root() -> None:
    """Another leaf or index, a hash changed, dropped, doubled, added or swapped."""
    for size in range(1, 34):
        root = defined_root(LEAVES[:size])
        for index in range(size):
            path = defined_path(index, LEAVES[:size])
            leaf = LEAVES[index]
            paths = [
                [*path, bytes(32)],
                [*path, root],
                [bytes(32), *path],
                [*path, b""],
                *(path[:at] + path[at + 1 :] for at in range(len(path))),
                *(path[:at] + path[at : at + 1] + path[at:] for at in range(len(path))),
                *([*path[:at], bytes(32), *path[at + 1 :]] for at in range(len(path))),
                *(path[:at] + path[at : at + 2][::-1] + path[at + 2 :] for at in range(len(path) - 1)),
            ]
            wrong = [
                (LEAVES[(index + 1) % 70], index, size, path),
                *((leaf, other, size, path) for other in range(-1, size + 1) if other != index),
                *((leaf, index, size, other) for other in paths),
                (leaf, index, 0, path),
            ]
            for number, arguments in enumerate(wrong):
                try:
                    found = root_from_inclusion(*arguments)
                except FormatError:
                    continue
                assert found != root, (index, size, number)


def test_the_published_proof_of_certificate_transparency() -> None:
    """Leaf 0 of the tree of eight, as RFC 6962 implementations share it."""
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(text)).digest() for text in PUBLISHED]
    proof = InclusionPath(0, Frontier())
    for leaf in leaves:
        proof.append(leaf)
    assert [sibling.hex() for sibling in proof.path()] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@given(st.integers(0, 70), st.lists(st.integers(0, 40), max_size=4))
def test_leaves_added_together_make_the_same_tree(size: int, additions: list[int]) -> None:
    """From any size on, in any portions."""
    leaves = [bytes([number % 256]) * 32 for number in range(size + sum(additions))]
    one_by_one, together = Frontier(), Frontier()
    for leaf in leaves:
        one_by_one.append(leaf)
    for leaf in leaves[:size]:
        together.append(leaf)
    for count in additions:
        together.extend(leaves[together.size : together.size + count])
    assert (together.size, together.subtrees) == (one_by_one.size, one_by_one.subtrees)


@given(
    st.integers(0, 9) | st.integers(),
    st.lists(JSON | st.just("ab" * 32) | st.text("0 a", min_size=64), max_size=4),
)
def test_a_stated_tree_is_read_or_refused(size: int, frontier: list[object]) -> None:
    """Any size and any list give a tree of that size or FormatError; so does any root."""
    try:
        assert Frontier.from_hex(size, frontier).to_hex() == frontier
    except FormatError:
        pass
    for stated in frontier:
        try:
            assert encode_root(decode_root(stated)) == stated
        except FormatError:
            pass
