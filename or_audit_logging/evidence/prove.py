"""One record's proof, made from the log's files without a key (FORMAT 5).

    proven = prove("audit_logs", 41)
    str(proven.proof), proven.line        what is handed over: a tlog-proof and the line's bytes

A proof shows one line and hashes, so whoever checks it learns nothing of the other records.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from or_audit_logging.errors import (
    ChainBrokenError,
    CheckpointMismatchError,
    ConfigError,
    FormatError,
    ProofError,
)
from or_audit_logging.evidence.arguments import PathText, Target, find_log
from or_audit_logging.evidence.identity import identify
from or_audit_logging.evidence.sources import Source, survey
from or_audit_logging.evidence.streams import LineStream
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import CheckpointNote, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier, InclusionPath
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.sealing.proof import InclusionProof
from or_audit_logging.signing_keys import as_public_key

_CHECKPOINT_START = b'{"event_type":"log.checkpoint",'


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
        lines = _lines_of(path, seq, stack)
        return _proven(lines, seq, public, latest=latest)


def _proven(lines: _Lines, seq: int, public: PublicKey | None, *, latest: bool) -> Proven:
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


def _lines_of(path: PathText, seq: int, stack: contextlib.ExitStack) -> _Lines:
    """Return the log's lines from some before *seq* on; raises `ConfigError`, `ProofError`, `FormatError`."""
    target = find_log(path)
    if target.store is not None:
        return _stored_lines(target.store, seq, stack)
    log, sources = _segments(path, target)
    start, tree = _start(sources, seq)
    return _Lines(_pieces(sources[start:]), log=log, tree=tree)


def _pieces(sources: Sequence[Source]) -> Iterator[tuple[str, Iterable[bytes]]]:
    for source in sources:
        with LineStream(source.segment, source.size) as stream:
            yield source.name, stream


def _stored_lines(path: Path, seq: int, stack: contextlib.ExitStack) -> _Lines:
    from or_audit_logging.store.reader import StoreReader  # brings sqlite3

    store = stack.enter_context(StoreReader(path))
    raw = next((line for _, line in store.lines()), None)
    try:
        first = parse_line(raw or b"")
    except FormatError:
        raise ProofError(f"the first line in {path} is no sealed line; run or-audit verify") from None
    tree = _tree_before(first)
    if not first.seq <= seq or tree is None:
        raise ProofError(f"line {seq} is not there: the log's first line is seq {first.seq}")
    return _Lines([(path.name, (line + b"\n" for _, line in store.lines()))], log=first.log, tree=tree)


def _segments(path: PathText, target: Target) -> tuple[str, list[Source]]:
    """Return the log's id in its lines, and its segments in the order of seq; raises `ConfigError`."""
    if target.trouble is not None:
        raise ConfigError(target.trouble)
    sources = survey(target.layout).sources if target.layout is not None and not target.is_export else ()
    for source in sources:
        if source.kind == "unreadable":
            raise ProofError(f"{source.name} cannot be read: {source.trouble}")
    identity = identify(sources)
    if identity is None:
        raise ConfigError(f"there is no audit log in {os.fspath(path)}; a proof is made from a log's folder")
    return identity.log, [source for source in sources if identity.log in source.logs]


def _start(sources: Sequence[Source], seq: int) -> tuple[int, Frontier]:
    """Return the number and tree of the last segment up to *seq* that states the tree before it."""
    if seq < 0:
        raise ProofError("lines are numbered from seq 0")
    if seq < sources[0].first_seq:
        raise ProofError(f"line {seq} is not there: the log's first line is seq {sources[0].first_seq}")
    for number in reversed(range(len(sources))):
        tree = _tree_before(sources[number].first)
        if tree is not None and tree.size <= seq:
            return number, tree
    raise ProofError(f"no segment up to line {seq} states the tree before it; run or-audit verify")


def _tree_before(first: SealedLine | None) -> Frontier | None:
    if first is None or not first.is_control:
        return None
    try:
        members = parse_control(first.raw)
        frontier = [] if first.seq == 0 else members.get("frontier")
        return Frontier.from_hex(first.seq, frontier) if isinstance(frontier, list) else None
    except FormatError:
        return None


class _Lines:
    """A log's lines with their leaf hashes; of a redacted line the leaf alone. Torn bytes are none.

    *parts* are files and the pieces in them, *tree* that of what stands before the first line. `segment` and
    `number` say where a line is. Raises `ChainBrokenError` where it is not the one that is due.
    """

    def __init__(self, parts: Iterable[tuple[str, Iterable[bytes]]], *, log: str, tree: Frontier) -> None:
        self.tree = tree
        self.segment = ""
        self.number = 0
        self._log = log
        self._parts = parts
        self._seq = tree.size

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes]]:
        for segment, pieces in self._parts:
            self.segment, self.number = segment, 0
            for piece in pieces:
                self.number += 1
                found = _taken_apart(piece[:-1], self._log) if piece.endswith(b"\n") else None
                if found is None:
                    continue
                seq, raw, leaf = found
                if seq != self._seq:
                    message = f"seq {seq} stands where seq {self._seq} is due; run or-audit verify"
                    raise ChainBrokenError(message, segment=self.segment, line=self.number)
                self._seq += 1
                yield raw, leaf


def _taken_apart(raw: bytes, log: str) -> tuple[int, bytes | None, bytes] | None:
    try:
        line = parse_line(raw)
        return (line.seq, raw, leaf_hash(raw)) if line.log == log else None
    except FormatError:
        pass
    try:
        stub = parse_stub(raw)
    except FormatError:
        return None
    return (stub.seq, None, stub.leaf) if stub.log == log else None


def _note(raw: bytes, lines: _Lines) -> CheckpointNote | None:
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


def _proof(inclusion: InclusionPath, raw: bytes, lines: _Lines) -> InclusionProof:
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
