"""Inclusion proofs as text."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import TreeHead, note_text
from or_audit_logging.sealing.merkle import Frontier, InclusionPath
from or_audit_logging.sealing.proof import HEADER, InclusionProof, parse_proof

LEAVES = [hashlib.sha256(bytes([number])).digest() for number in range(13)]


def proof(index: int = 5) -> InclusionProof:
    path, tree = InclusionPath(index, Frontier()), Frontier()
    for leaf in LEAVES:
        path.append(leaf)
        tree.append(leaf)
    note = note_text("audit.example/audit/0001020304050607", TreeHead(tree.size, tree.root()))
    return InclusionProof(index, path.path(), note)


def test_a_proof_is_read_as_it_was_written() -> None:
    """With and without extra data, for a leaf with siblings and for an only one."""
    alone = InclusionProof(0, (), note_text("a/b", TreeHead(1, bytes(32))))
    for one in (
        proof(),
        alone,
        InclusionProof(0, (), alone.note, b"\0 extra"),
        InclusionProof(0, (), alone.note, b""),
    ):
        assert parse_proof(str(one)) == one


def test_a_proof_is_the_text_that_the_specification_shows() -> None:
    """Header, index, hashes, an empty line, the note."""
    lines = str(proof(12)).split("\n")
    assert lines[:2] == [HEADER, "index 12"]
    assert lines[4:6] == ["", "audit.example/audit/0001020304050607"]


def test_a_proof_includes_its_leaf_and_no_other() -> None:
    """Nor does it with a hash missing or one too many."""
    for index in range(13):
        one = proof(index)
        assert [one.includes(leaf) for leaf in LEAVES] == [index == at for at in range(13)]
        assert not InclusionProof(index, one.path[:-1], one.note).includes(LEAVES[index])
        assert not InclusionProof(index, (*one.path, bytes(32)), one.note).includes(LEAVES[index])
        assert not InclusionProof(13, one.path, one.note).includes(LEAVES[index])


def test_proofs_are_judged_as_the_vectors_say(vectors: Any) -> None:
    """Each row holds for its line, does not, or is no proof."""
    for row in vectors("proofs.json"):
        try:
            found: bool | str = parse_proof(row["proof"]).includes(leaf_hash(row["line"].encode()))
        except FormatError:
            found = "no proof"
        assert found == row["holds"], row["desc"]


TEXT = str(proof())
NEAR = (HEADER, "\n", "\n\n", "index ", "extra ", "5", "-1", "AAAA", " ", *TEXT.split("\n"))
PIECES = st.sampled_from(NEAR)


@given(
    st.text(max_size=200)
    | st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join)
    | st.tuples(st.integers(0, len(TEXT) - 1), st.characters()).map(
        lambda change: TEXT[: change[0]] + change[1] + TEXT[change[0] + 1 :]
    )
)
def test_the_parser_raises_nothing_but_its_own_error(text: str) -> None:
    """Any text gives a proof that is written as it was read, or FormatError."""
    try:
        parsed = parse_proof(text)
    except FormatError:
        return
    assert str(parsed) == text
    parsed.includes(LEAVES[5])


def test_no_changed_character_leaves_a_proof_that_holds() -> None:
    """In index, path or root; origin and size are for the signature."""
    text = str(proof())
    start = text.index("\n\n") + 2
    end = text.index("\n13\n", start) + 3
    for position in range(len(text)):
        if start <= position < end:
            continue
        for character in ("0", "A", "\n", "=", ""):
            changed = text[:position] + character + text[position + 1 :]
            try:
                assert changed == text or not parse_proof(changed).includes(LEAVES[5]), position
            except FormatError:
                pass


def test_a_proof_that_is_too_long_is_refused() -> None:
    """In hashes and in characters."""
    one = proof()
    with pytest.raises(FormatError):
        parse_proof(str(InclusionProof(5, (bytes(32),) * 65, one.note)))
    with pytest.raises(FormatError):
        parse_proof(str(InclusionProof(5, one.path, one.note, bytes(2_000_000))))
