"""One record's proof, made from the log's files without a key (FORMAT 5).

    proven = prove("audit_logs", 41)
    str(proven.proof), proven.line        what is handed over: a tlog-proof and the line's bytes

A proof shows one line and hashes, so whoever checks it learns nothing of the other records.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from or_audit_logging.errors import CheckpointMismatchError, FormatError, ProofError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.leaves import LeafLines, lines_from
from or_audit_logging.sealing.checkpoint import CheckpointNote, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import line_start
from or_audit_logging.sealing.merkle import InclusionPath
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.sealing.proof import InclusionProof
from or_audit_logging.signing_keys import as_public_key

_CHECKPOINT_START = line_start("log.checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A line and its proof. `line` (no newline) is None where it was redacted and only its leaf is there."""

    proof: InclusionProof
    line: bytes | None
    segment: str

    @property
    def size(self) -> int:
        """How many lines the proof's checkpoint covers."""
        return self.proof.checkpoint.head.size


def prove(
    path: PathText, seq: int, *, public_key: PublicKey | PathText | None = None, latest: bool = False
) -> Proven:
    """Return the proof that line *seq* is in the log in the folder or store *path*.

    Its checkpoint is the first signed one that covers the line (*latest*: the last one), with a *public_key*
    the first that this key signed. No MAC is checked, but the line leads to the root that was signed: where
    it does not, or a line on the way is missing, `VerificationError` says where. Raises `ProofError` where
    the line or a signed checkpoint behind it is not there, `ConfigError`, `OSError`.
    """
    public = as_public_key(public_key) if public_key is not None else None
    with contextlib.ExitStack() as stack:
        lines = lines_from(path, seq, stack)
        return _proven(lines, seq, public, latest=latest)


def _proven(lines: LeafLines, seq: int, public: PublicKey | None, *, latest: bool) -> Proven:
    inclusion = InclusionPath(seq, lines.tree)
    target: tuple[str, bytes | None] | None = None
    proof: InclusionProof | None = None
    unsigned = others = 0
    for raw, leaf in lines:
        if target is not None and raw is not None and raw.startswith(_CHECKPOINT_START):
            note = _note(raw, lines)
            if note is None:
                unsigned += 1
            elif not _is_signed(note, public):
                others += 1
            else:
                proof = _proof(inclusion, raw, lines)
                if not latest:
                    break
        elif inclusion.size == seq:
            target = lines.segment, raw
        inclusion.append(leaf)
    if target is None:
        raise ProofError(f"the log has no line {seq}: its last one is seq {inclusion.size - 1}")
    if proof is None:
        raise ProofError(_no_checkpoint(seq, unsigned=unsigned, others=others))
    return Proven(proof=proof, segment=target[0], line=target[1])


def _note(raw: bytes, lines: LeafLines) -> CheckpointNote | None:
    """Return the note in a checkpoint line, None where there is none."""
    try:
        note = parse_control(raw)["note"]
        return None if note is None else parse_note(str(note))
    except FormatError as error:
        message = f"a checkpoint that is none: {error}"
        raise CheckpointMismatchError(message, segment=lines.segment, line=lines.number) from None


def _is_signed(note: CheckpointNote, public: PublicKey | None) -> bool:
    if public is not None:
        return public.is_signed(note)
    return any(signature.name == note.origin for signature in note.signatures)


def _proof(inclusion: InclusionPath, raw: bytes, lines: LeafLines) -> InclusionProof:
    note = str(parse_control(raw)["note"])
    proof = InclusionProof(inclusion.index, inclusion.path(), note)
    if proof.checkpoint.head.size != inclusion.size or not proof.includes(inclusion.leaf):
        message = "the lines before this checkpoint are not those that were signed; run or-audit verify"
        raise CheckpointMismatchError(message, segment=lines.segment, line=lines.number)
    return proof


def _no_checkpoint(seq: int, *, unsigned: int, others: int) -> str:
    if others:
        return f"no checkpoint behind line {seq} is signed by this key (by other keys: {others})"
    if unsigned:
        return (
            f"no checkpoint behind line {seq} is signed: give the handler a signing_key "
            "('or-audit init DIR --signing-key FILE' makes one), and then run 'or-audit checkpoint DIR'"
        )
    return f"no checkpoint covers line {seq} yet; 'or-audit checkpoint DIR' makes one"
