"""Where a log ends: the next seq, the chain value, the tree, and whatever a crash left behind.

A tail is taken up at a segment's last checkpoint (or its first line) and advanced line by line. A line
enters the tree only after its MAC was checked: a writer that signs must never launder somebody's edit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from or_audit_logging.errors import FormatError
from or_audit_logging.log.folder import Torn
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.control import FORMAT_VERSION, parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, SealedLine, parse_line
from or_audit_logging.sealing.merkle import Frontier

FindKeys = Callable[[bytes, str], LogKeys]
"""Return the keys for (log id, key check value); raises `KeyNotFoundError`."""

_CHECKPOINT = b'\n{"event_type":"log.checkpoint",'
_BLOCK = 1 << 18


@dataclass(slots=True)
class Tail:
    """The state a writer goes on from. `offset` is the end of the last line, its newline included."""

    log_id: bytes
    origin: str
    kid: int
    kcv: str
    keys: LogKeys
    seq: int
    prev: bytes
    tree: Frontier | None
    """None once a line did not chain: no checkpoint is made over an edit."""
    offset: int = 0
    checkpoint_at: datetime | None = None
    torn: Torn | None = None
    newline_missing: bool = False
    unchained: int = 0
    """Lines met whose MAC or number does not follow; to be reported once as lost."""

    def accept(self, line: SealedLine) -> None:
        """Take *line* as the next one, checked."""
        leaf = leaf_hash(line.raw)
        if self._follows(line):
            if self.tree is not None:
                self.tree.append(leaf)
        else:
            self.unchained += 1
            self.tree = None
        self.seq = line.seq + 1
        self.prev = leaf

    def _follows(self, line: SealedLine) -> bool:
        return (
            line.seq == self.seq
            and line.kid == self.kid
            and line.log == self.log_id.hex()[:16]
            and self.keys.check(self.prev, line.sealed_part, line.mac)
        )


def take_up(file: BinaryIO, find_keys: FindKeys) -> Tail:
    """Return the tail of the segment *file*, advanced to its end.

    Raises `FormatError` where the first line is not one that starts a segment, `KeyNotFoundError` where
    no key fits it.
    """
    file.seek(0)
    first = parse_line(file.readline(MAX_LINE_BYTES).removesuffix(b"\n"))
    tail = _from_first_line(first, find_keys)
    tail.offset = 0
    if (resumed := _last_checkpoint(file)) is not None:
        before, checkpoint, end = resumed
        _resume_at(tail, before, checkpoint, end)
    advance(tail, file, find_keys)
    return tail


def advance(tail: Tail, file: BinaryIO, find_keys: FindKeys) -> None:
    """Take every line from the tail's offset to the end of *file* into the tail.

    Bytes at the end that are no line are left in `tail.torn`; torn bytes further up are passed over, since
    the log.recover line behind them says what they were.
    """
    file.seek(tail.offset)
    tail.torn, tail.newline_missing = None, False
    torn_length, torn_hash = 0, hashlib.sha256()
    while raw := file.readline(MAX_LINE_BYTES):
        try:
            line = parse_line(raw.removesuffix(b"\n"))
        except FormatError:
            torn_length += len(raw)
            torn_hash.update(raw)
            continue
        if not raw.endswith(b"\n") and not tail.keys.check(tail.prev, line.sealed_part, line.mac):
            torn_length += len(raw)
            torn_hash.update(raw)
            continue
        tail.accept(line)
        if line.is_control:
            _note_control(tail, line, find_keys)
        tail.offset += torn_length + len(raw)
        torn_length, torn_hash = 0, hashlib.sha256()
        tail.newline_missing = not raw.endswith(b"\n")
    if torn_length:
        tail.torn = Torn(torn_length, torn_hash.hexdigest())


def parse_timestamp(text: object) -> datetime | None:
    """Return the moment a line states, None where it states none."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _from_first_line(first: SealedLine, find_keys: FindKeys) -> Tail:
    head = parse_control(first.raw)
    if head["event_type"] not in ("log.genesis", "log.open") or head["format"] != FORMAT_VERSION:
        raise FormatError("a segment starts with log.genesis or log.open of a format this version knows")
    origin, kcv, log_id = str(head["origin"]), str(head["kcv"]), _unhex(head["log_id"], 16)
    keys = find_keys(log_id, kcv)
    tree: Frontier | None = Frontier()
    prev = genesis_prev(origin, log_id)
    if head["event_type"] == "log.open":
        prev = _unhex(head["base_leaf"], 32)
        frontier = head["frontier"]
        tree = Frontier.from_hex(first.seq, frontier) if isinstance(frontier, list) else None
    return Tail(log_id, origin, first.kid, kcv, keys, first.seq, prev, tree)


def _last_checkpoint(file: BinaryIO) -> tuple[bytes, bytes, int] | None:
    """Return the line before the last checkpoint, the checkpoint, and the offset behind it."""
    start = file.seek(0, os.SEEK_END)
    later = b""
    while start > 0:
        start, block_end = max(0, start - _BLOCK), start
        file.seek(start)
        later = file.read(block_end - start) + later[: MAX_LINE_BYTES + len(_CHECKPOINT)]
        at = later.rfind(_CHECKPOINT)
        end = later.find(b"\n", at + 1)
        if at < 0 or end < 0:
            continue
        file.seek(max(0, start + at - MAX_LINE_BYTES))
        before = file.read(min(start + at, MAX_LINE_BYTES)).rsplit(b"\n", 1)[-1]
        return before, later[at + 1 : end], start + end + 1
    return None


def _resume_at(tail: Tail, before: bytes, checkpoint: bytes, end: int) -> None:
    """Move the tail behind a checkpoint whose MAC holds; otherwise leave it, and every line is read."""
    try:
        line = parse_line(checkpoint)
        head = parse_control(checkpoint)
        frontier = head["frontier"]
        tree = Frontier.from_hex(line.seq, frontier if isinstance(frontier, list) else [None])
    except FormatError:
        return
    prev = leaf_hash(before)
    if (
        line.kid != tail.kid
        or head["size"] != line.seq
        or not tail.keys.check(prev, line.sealed_part, line.mac)
    ):
        return
    tail.seq, tail.prev, tail.tree, tail.offset = line.seq, prev, tree, end
    tail.accept(line)
    tail.checkpoint_at = parse_timestamp(head["timestamp"])


def _note_control(tail: Tail, line: SealedLine, find_keys: FindKeys) -> None:
    try:
        members = parse_control(line.raw)
    except FormatError:
        return
    if members["event_type"] == "log.checkpoint":
        tail.checkpoint_at = parse_timestamp(members["timestamp"])
    elif members["event_type"] == "log.rotate":
        tail.kid += 1
        if members["next_kcv"] is not None:
            tail.kcv = str(members["next_kcv"])
            tail.keys = find_keys(tail.log_id, tail.kcv)


def _unhex(text: object, length: int) -> bytes:
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        value = b""
    if len(value) != length:
        raise FormatError(f"{length} bytes in hex are expected")
    return value
