"""One walk along the whole log: the lines to hand over, what proves them, and the log's history.

    gathered = gather("audit_logs", chosen, folder)
    gathered.checkpoint.size, gathered.redacted          and files in *folder*, one for each name

The checkpoint is the last signed one that covers the lines, and the log.delete and log.redact that let lines
be missing from them; where no such one is signed, the last one. All proofs
lead to its root. Nothing is verified but that: lines that do not lead there are not handed over.
"""

from __future__ import annotations

import contextlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from or_audit_logging.errors import CheckpointMismatchError, FormatError, ProofError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.leaves import LeafLines, lines_of
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.choosing import Chosen
from or_audit_logging.evidence.package.tree import StoredTree
from or_audit_logging.sealing.chain import genesis_prev
from or_audit_logging.sealing.checkpoint import decode_root, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, line_start
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.sealing.note import VerifierKey

_CHECKPOINT = line_start("log.checkpoint")
_ROTATE = line_start("log.rotate")
_DELETE = line_start("log.delete")
_REDACT = line_start("log.redact")
_HISTORY = tuple(map(line_start, sorted(names.HISTORY_EVENTS)))
_ABOUT_OTHERS = tuple(map(line_start, sorted(names.ABOUT_OTHERS)))
_MOST_TAIL = 10_000
"""No more lines than these stand between two checkpoints (FORMAT 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A sealed checkpoint, the leaf hash of the line before it, and who signed it, by verifier key."""

    raw: bytes
    prev: bytes
    size: int
    root: str
    note: str | None
    signed_by: VerifierKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a package is about, besides the files that were written."""

    log_id: str
    origin: str
    starts_at: int
    checkpoint: Checkpoint
    redacted: int
    history: int


def gather(
    path: PathText,
    chosen: Chosen,
    folder: Path,
    *,
    recorded: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Gathered:
    """Write the lines *chosen*, their proofs, the checkpoint and the history to *folder*.

    *recorded* is the seq of the log.export that says so. Beside one user's lines, the history has no other
    export, no hold and no redaction: these can name others.

    Raises `ProofError` where no checkpoint covers the lines and what lets lines be missing,
    `VerificationError` where they do not lead to its root or a line is missing, `FormatError`, `OSError`.
    """
    with contextlib.ExitStack() as stack:
        lines = lines_of(path, stack, may_hold=lambda _: True)
        tree = stack.enter_context(StoredTree(lines.tree))
        walk = _Walk(lines, tree, chosen, recorded)
        with open(folder / names.LINES, "wb") as out, open(folder / names.HISTORY, "wb") as history:
            for write, text in walk.texts():
                (out if write == names.LINES else history).write(text + b"\n")
                if progress is not None and tree.size % 10_000 == 0:
                    progress(tree.size)
        return walk.finish(folder)


class _Walk:
    """The state along the lines; the tree holds those that lie behind."""

    def __init__(self, lines: LeafLines, tree: StoredTree, chosen: Chosen, recorded: int | None) -> None:
        self._lines = lines
        self._tree = tree
        self._chosen = chosen
        self._recorded = recorded
        self._first: dict[str, object] = {}
        self._vkey: VerifierKey | None = None
        self._prev = self._prev_of_range = b""
        self._frontier = Frontier()
        self._tail: list[bytes] = []
        self._tail_is_open = True
        self._redacted = 0
        self._unexplained: set[tuple[int, str]] = set()
        self._is_head_explained = tree.start == 0
        self._explained_by = -1
        self._history = array("Q")
        self._history_ends = array("Q", [0])
        self._signed: Checkpoint | None = None
        self._unsigned: Checkpoint | None = None

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Go along the log; yield each line to hand over, and each of the history, with its file's name."""
        chosen, tree, next_one = self._chosen, self._tree, 0
        for raw, leaf in self._lines:
            seq = tree.size
            if seq == tree.start:
                self._begin(raw)
            if seq == chosen.first:
                self._prev_of_range, self._frontier = self._prev, tree.frontier()
            if raw is not None and raw.startswith(_CHECKPOINT) and seq > chosen.last:
                self._take_checkpoint(raw)
            if raw is not None and raw.startswith(_HISTORY) and self._is_told(seq, raw):
                self._take_history(seq, raw)
                yield names.HISTORY, raw
            if chosen.seqs is None:
                is_chosen = chosen.first <= seq <= chosen.last
            else:
                is_chosen = next_one < len(chosen.seqs) and chosen.seqs[next_one] == seq
                next_one += is_chosen
            if is_chosen:
                if raw is None:
                    self._redacted += 1
                    self._unexplained.add((seq, leaf.hex()))
                yield names.LINES, self._lines.text
            elif seq > chosen.last and self._tail_is_open:
                self._tail.append(leaf)
                self._tail_is_open = len(self._tail) <= _MOST_TAIL
            tree.append(leaf)
            self._prev = leaf

    def _is_told(self, seq: int, raw: bytes) -> bool:
        """Return whether the history has the line *raw*."""
        if raw.startswith(FIRST_LINE_STARTS):
            return seq == self._tree.start
        return self._chosen.seqs is None or seq == self._recorded or not raw.startswith(_ABOUT_OTHERS)

    def _begin(self, raw: bytes | None) -> None:
        try:
            self._first = parse_control(raw or b"")
            log_id, origin = str(self._first["log_id"]), str(self._first["origin"])
            if raw is None or not raw.startswith(FIRST_LINE_STARTS):
                raise FormatError("a log begins with a segment's first line")
            if self._tree.start:
                self._prev = bytes.fromhex(str(self._first["base_leaf"]))
            else:
                self._prev = genesis_prev(origin, bytes.fromhex(log_id))
        except (FormatError, ValueError, KeyError):
            raise ProofError("the log's first line does not say whose it is; run or-audit verify") from None

    def _take_checkpoint(self, raw: bytes) -> None:
        members = parse_control(raw)
        note = members["note"]
        made = Checkpoint(
            raw=raw,
            prev=self._prev,
            size=self._tree.size,
            root=str(members["root"]),
            note=note if isinstance(note, str) else None,
            signed_by=self._signer_of(note),
        )
        if self._tail_is_open:  # its size is its own number: the lines before it are those it covers
            self._tail_is_open = False
        if decode_root(members["root"]) != self._tree.frontier().root() or members["size"] != made.size:
            message = "the lines before this checkpoint are not those it was made of; run or-audit verify"
            raise CheckpointMismatchError(message, segment=self._lines.segment, line=self._lines.number)
        if made.signed_by is not None:
            self._signed = made
        else:
            self._unsigned = made

    def _signer_of(self, note: object) -> VerifierKey | None:
        """Return the log's key if *note* bears a signature that claims to be by it. It is not checked."""
        if self._vkey is None or not isinstance(note, str):
            return None
        own = (self._vkey.name, self._vkey.key_hash)
        signed = any((one.name, one.key_hash) == own for one in parse_note(note).signatures)
        return self._vkey if signed else None

    def _take_history(self, seq: int, raw: bytes) -> None:
        self._history.append(seq)
        self._history_ends.append(self._history_ends[-1] + len(raw) + 1)
        if raw.startswith((*FIRST_LINE_STARTS, _ROTATE)):
            members = parse_control(raw)
            vkey = members["next_vkey" if raw.startswith(_ROTATE) else "vkey"]
            self._vkey = VerifierKey.parse(str(vkey)) if vkey is not None else self._vkey
        elif raw.startswith(_REDACT) and self._unexplained:
            members = parse_control(raw)
            target = members["target"], members["leaf"]
            if target in self._unexplained:
                self._unexplained.remove(target)
                self._explained_by = seq
        elif raw.startswith(_DELETE) and not self._is_head_explained:
            base = parse_control(raw)["base"]
            if isinstance(base, int) and base >= self._tree.start:
                self._is_head_explained, self._explained_by = True, seq

    def finish(self, folder: Path) -> Gathered:
        """Write what is known only now; raises `ProofError` where no checkpoint covers what has to be."""
        checkpoint = self._signed
        if checkpoint is None or checkpoint.size <= self._explained_by:
            checkpoint = self._unsigned
        if checkpoint is None or checkpoint.size <= self._explained_by:
            last = max(self._chosen.last, self._explained_by)
            raise ProofError(
                f"no checkpoint covers line {last} yet: give the log's key, "
                "or run 'or-audit checkpoint' before"
            )
        size, kept = checkpoint.size, bisect_left(self._history, checkpoint.size)
        (folder / names.CHECKPOINT).write_bytes(checkpoint.raw + b"\n")
        if checkpoint.signed_by is not None and checkpoint.note is not None:
            (folder / names.NOTE).write_bytes(checkpoint.note.encode())
        with open(folder / names.HISTORY, "r+b") as history:
            history.truncate(self._history_ends[kept])
        self._write_proofs(folder / names.HISTORY_PROOFS, self._history[:kept], size)
        if self._chosen.seqs is None:
            self._write_range(folder / names.RANGE, size)
        else:
            self._write_proofs(folder / names.PROOFS, self._chosen.seqs, size)
        return Gathered(
            log_id=str(self._first["log_id"]),
            origin=str(self._first["origin"]),
            starts_at=self._tree.start,
            checkpoint=checkpoint,
            redacted=self._redacted,
            history=kept,
        )

    def _write_proofs(self, file: Path, seqs: array[int], size: int) -> None:
        with open(file, "w", encoding="ascii", newline="\n") as out:
            for seq in seqs:
                path = [one.hex() for one in self._tree.path(seq, size=size)]
                out.write(json.dumps({"seq": seq, "path": path}, separators=(",", ":")) + "\n")

    def _write_range(self, file: Path, size: int) -> None:
        """Write what leads from the lines to the root: the tree before them, and what stands behind them."""
        tail = (
            self._tail if len(self._tail) <= _MOST_TAIL and self._chosen.last + len(self._tail) < size else []
        )
        end = self._chosen.last + len(tail)
        path = list(self._tree.path(end, size=size))
        right = []
        for level in range((size - 1).bit_length()):
            place = end >> level
            if place & 1:
                path.pop(0)
            elif (place + 1) << level < size:
                right.append(path.pop(0).hex())
        members = {
            "prev": self._prev_of_range.hex(),
            "frontier": self._frontier.to_hex(),
            "tail": [leaf.hex() for leaf in tail],
            "right": right,
        }
        file.write_text(json.dumps(members, indent=1) + "\n", encoding="ascii")
