"""Does a proof hold, with nothing else at hand than the line and the signer's public key?

    check_proof(text, line, public_key="signing.pem.pub").holds

It stands or falls with the signature of its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from or_audit_logging.errors import FormatError, SignatureError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import CheckpointNote
from or_audit_logging.sealing.line import parse_line
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.sealing.proof import InclusionProof, parse_proof
from or_audit_logging.signing_keys import as_public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProof:
    """Whether a proof holds for a line, and of which log it speaks; `problem` says why it does not."""

    problem: str | None
    seq: int
    origin: str
    size: int
    root: bytes

    @property
    def holds(self) -> bool:
        return self.problem is None

    def to_dict(self) -> dict[str, object]:
        """Return it for `json.dumps`."""
        return {
            "holds": self.holds,
            "problem": self.problem,
            "seq": self.seq,
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
        }


def check_proof(
    proof: str, line: bytes, *, public_key: PublicKey | PathText, origin: str | None = None
) -> CheckedProof:
    """Return whether *proof*, the text of a tlog-proof, holds for *line* under *public_key*.

    *line* is the record's line with or without its newline. With *origin* the proof must be of that log.
    Raises `FormatError` where the proof is none, `ConfigError` where the key is none, `MissingExtraError`.
    """
    public = as_public_key(public_key)
    parsed = parse_proof(proof)
    note = parsed.checkpoint
    problem = _problem(parsed, note, line.removesuffix(b"\n"), public, origin)
    return CheckedProof(
        problem=problem, seq=parsed.index, origin=note.origin, size=note.head.size, root=note.head.root
    )


def _problem(
    proof: InclusionProof, note: CheckpointNote, raw: bytes, public: PublicKey, origin: str | None
) -> str | None:
    if origin not in (None, note.origin):
        return f"the proof is of the log {note.origin}, not of {origin}"
    try:
        if not public.is_signed(note):
            return f"its checkpoint is not signed by this public key for {note.origin}"
    except SignatureError:
        return "its checkpoint's signature does not hold: the checkpoint was changed after it was signed"
    try:
        line = parse_line(raw)
    except FormatError:
        return "what was given as the line is no sealed line; it is to be the bytes as they stand in the log"
    if line.log != note.origin.rpartition("/")[2]:
        return f"the line is of the log {line.log}, the proof of {note.origin}"
    if line.seq != proof.index:
        return f"the line is seq {line.seq}, and the proof is for seq {proof.index}"
    if not proof.includes(leaf_hash(raw)):
        return "the line does not lead to the checkpoint's root: line or proof was changed"
    return None
