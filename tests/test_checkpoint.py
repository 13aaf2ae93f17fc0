"""Checkpoint notes as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.checkpoint import (
    Signature,
    TreeHead,
    decode_root,
    encode_root,
    note_text,
    parse_note,
)


def test_notes_are_accepted_and_refused_as_the_vectors_say(vectors: Any) -> None:
    """Each row is read, or refused with FormatError."""
    for row in vectors("checkpoints.json"):
        if row["right"]:
            note = parse_note(row["note"])
            assert row["note"].startswith(note_text(note.origin, note.head)), row["desc"]
        else:
            with pytest.raises(FormatError):
                parse_note(row["note"])


def test_a_note_says_what_it_was_made_of() -> None:
    """Origin, size and root come back."""
    head = TreeHead(3, b"\x07" * 32)
    note = parse_note(note_text("audit.example/audit/0001020304050607", head) + "\n\u2014 a AAAAAGI=\n")
    assert (note.origin, note.head) == ("audit.example/audit/0001020304050607", head)
    assert note.signatures == (Signature("a", bytes(4), b"b"),)


@given(st.binary(min_size=32, max_size=32))
def test_roots_survive_base64(root: bytes) -> None:
    """A root is read back from its text."""
    assert decode_root(encode_root(root)) == root


@given(st.text(max_size=200))
def test_the_parser_raises_nothing_but_its_own_error(text: str) -> None:
    """Any text gives a note or FormatError."""
    try:
        parse_note(text)
    except FormatError:
        pass
