"""`Checkpoints`: what a log's checkpoints state, signed where a key is at hand; kept to be handed out.

checkpoints = Checkpoints(signing_keys)
members = checkpoints.members(tail)          # size, root, frontier and note of a log.checkpoint line
checkpoints.keep(line)
for line in checkpoints.take(): ...
"""

from __future__ import annotations

from typing import Any

from or_audit_logging.log.tail import Tail
from or_audit_logging.sealing.checkpoint import TreeHead, encode_root
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.signing_keys import SigningKeys


class Checkpoints:
    """The checkpoints that one writer makes."""

    def __init__(self, signing: SigningKeys | None) -> None:
        self._signing = signing
        self._fresh: list[str] = []
        self.unsigned = 0
        """How many are not signed although there are signing keys: none of them is the log's. Whoever tells
        of it may set it back."""

    def __bool__(self) -> bool:
        """Whether `take` has any to return."""
        return bool(self._fresh)

    def vkey(self, origin: str) -> str | None:
        """Return the verifier key that a new log of *origin* states, None where nothing is signed."""
        return str(self._signing.first.verifier_key(origin)) if self._signing is not None else None

    def fit(self, vkey: str) -> bool:
        """Return whether the log's verifier key is that of a signing key, if there are any at all."""
        return self._signing is None or self.sign(vkey)

    def sign(self, vkey: str) -> bool:
        """Return whether there is the signing key that belongs to the log's verifier key."""
        return self._signing is not None and self._signing.find(vkey) is not None

    def members(self, tail: Tail, tree: Frontier) -> dict[str, Any]:
        """Return what a checkpoint of *tree*, all of the log's lines, states."""
        root, note = tree.root(), None
        if self._signing is not None and tail.vkey is not None:
            key = self._signing.find(tail.vkey)
            if key is not None:
                note = key.sign_note(tail.origin, TreeHead(tree.size, root))
            else:
                self.unsigned += 1
        return {"size": tree.size, "root": encode_root(root), "frontier": tree.to_hex(), "note": note}

    def keep(self, line: bytes) -> None:
        """Keep the sealed checkpoint *line* until it is handed out."""
        self._fresh.append(line.decode("ascii"))

    def take(self) -> list[str]:
        """Return the lines kept since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def give_back(self, lines: list[str]) -> None:
        """Take back what could not be handed out."""
        self._fresh[:0] = lines

    def drop_last(self, count: int) -> None:
        """Drop the *count* lines kept last: they were not written after all."""
        del self._fresh[len(self._fresh) - count :]

    def forget(self) -> None:
        """In a forked child: its parent hands out what it made."""
        self._fresh.clear()
