"""Where a log ends, and up to where this process has checked it.

    tail = take_up(file, find_keys)             # the segment's end, checked since its last checkpoint
    if not follow(tail, read, size):            # another process wrote: its last line says where to go on
        catch_up(tail, file, find_keys)         # every line checked, and taken into the tree

The end is where the next line goes: it is all that a write needs. The tree is what a checkpoint needs, and a
line enters it only after its MAC was checked: a writer that signs must never launder somebody's edit. So the
two move apart while others write, and come together when a checkpoint is made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from or_audit_logging.errors import FormatError
from or_audit_logging.log.folder import Torn
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.control import FORMAT_VERSION, parse_control
from or_audit_logging.sealing.line import (
    MAC_TAIL,
    MAX_LINE_BYTES,
    SealedLine,
    close_suffix,
    line_start,
    open_suffix,
    parse_line,
)
from or_audit_logging.sealing.merkle import Frontier

FindKeys = Callable[[bytes, str], LogKeys]
"""Return the keys for (log id, key check value); raises `KeyNotFoundError`."""


class ReadAt(Protocol):
    """Returns so many bytes of the segment from an offset."""

    def __call__(self, length: int, *, at: int) -> bytes: ...


_CHECKPOINT = b"\n" + line_start("log.checkpoint")
_ENDS_SEGMENT = (line_start("log.rotate"), line_start("log.policy"))
"""What follows such a line stands in a new segment, whose first line says what is in force."""
_BLOCK = 1 << 18
_LAST_BLOCK = 1 << 16


@dataclass(slots=True)
class Tail:
    """The state a writer goes on from."""

    log_id: bytes
    log: str
    """The log id as each line bears it: its first 16 hex digits."""
    origin: str
    kid: int
    kcv: str
    keys: LogKeys
    vkey: str | None
    """The verifier key of whoever signs checkpoints, None where they are not signed."""

    seq: int
    """The number of the next line."""
    prev: bytes
    """The leaf hash of the last line."""
    offset: int
    """The end of the last line in the segment, its newline included."""
    ending: bytes
    """The last line's MAC as it stands in the file, with its newline: tells whether the line is there."""

    tree: Frontier | None
    """Of all checked lines. None once a line did not chain: no checkpoint is made over an edit."""
    checked_seq: int
    checked_prev: bytes
    checked_offset: int

    policy: object = None
    """The retention policy in force, as a log.policy stated it; None where none did."""

    ends_segment: bool = False
    """Whether a log.policy was met, and the segment whose first line is to state it is not there."""

    checkpoint_at: datetime | None = None
    torn: Torn | None = None
    newline_missing: bool = False
    unchained: int = 0
    """Lines met whose MAC or number does not follow; to be reported once as lost."""

    @property
    def is_checked(self) -> bool:
        """Whether every line was checked, so that the tree is that of the whole log."""
        return self.checked_seq == self.seq and self.checked_offset == self.offset

    def seal(self, body: bytes) -> bytes:
        """Return the JSON object *body* sealed as the next line; nothing is moved yet."""
        part = open_suffix(body, log=self.log, seq=self.seq, kid=self.kid)
        return close_suffix(part, self.keys.mac(self.prev, part))

    def rotated(self, keys: LogKeys | None, vkey: str | None) -> None:
        """Go on under the next kid, after a log.rotate to *keys* and *vkey*; None leaves what is in force."""
        self.kid += 1
        if keys is not None:
            self.keys, self.kcv = keys, keys.kcv
        self.vkey = vkey or self.vkey

    def begins_segment(self) -> None:
        """Take the beginning of a new segment for the place where the next line goes."""
        self.offset = self.checked_offset = 0
        self.checked_seq, self.checked_prev = self.seq, self.prev
        self.ending, self.torn, self.newline_missing = b"", None, False
        self.ends_segment = False

    def wrote(self, line: bytes, size: int) -> None:
        """Take *line*, sealed here and written with *size* bytes, as the last one."""
        leaf = leaf_hash(line)
        if self.checked_offset == self.offset:
            if self.tree is not None:
                self.tree.append(leaf)
            self.checked_seq = self.seq + 1
            self.checked_prev = leaf
            self.checked_offset += size
        self.seq += 1
        self.prev = leaf
        self.offset += size
        self.ending = line[-MAC_TAIL:] + b"\n"

    def passed_over(self, size: int) -> None:
        """Take *size* bytes that are no line as written."""
        if self.checked_offset == self.offset:
            self.checked_offset += size
        self.offset += size

    def accept(self, line: SealedLine) -> None:
        """Take *line* as the next one after those that were checked, and check it."""
        leaf = leaf_hash(line.raw)
        if self._follows(line):
            if self.tree is not None:
                self.tree.append(leaf)
        else:
            self.unchained += 1
            self.tree = None
        self.checked_seq = line.seq + 1
        self.checked_prev = leaf

    def _follows(self, line: SealedLine) -> bool:
        return (
            line.seq == self.checked_seq
            and line.kid == self.kid
            and line.log == self.log
            and self.keys.check(self.checked_prev, line.sealed_part, line.mac)
        )


def new_tail(log_id: bytes, origin: str, keys: LogKeys, *, vkey: str | None = None) -> Tail:
    """Return the tail of a log without lines."""
    tail = _tail(log_id, origin, keys, kid=0, seq=0, prev=genesis_prev(origin, log_id), tree=Frontier())
    tail.vkey = vkey
    return tail


def take_up(file: BinaryIO, find_keys: FindKeys) -> Tail:
    """Return the tail of the segment *file*, every line since its last checkpoint checked.

    A first line that somebody changed leaves no checkpoint to go on from, whatever it states. Raises
    `FormatError` where it is not one that starts a segment, `KeyNotFoundError` where no key fits it.
    """
    file.seek(0)
    first = parse_line(file.readline(MAX_LINE_BYTES).removesuffix(b"\n"))
    tail = tail_before(first, find_keys)
    if tail.keys.check(tail.prev, first.sealed_part, first.mac):
        resume(tail, file, until=file.seek(0, os.SEEK_END))
    catch_up(tail, file, find_keys)
    return tail


def follow(tail: Tail, read: ReadAt, size: int) -> bool:
    """Move the end to that of the segment, now *size* bytes long, by what its last line says; unchecked.

    False, and nothing is moved, where every line has to be read: the last one is cut, is of another log or
    key, or steps back. Where our own last line is not what it was, somebody has edited it: no checkpoint is
    made any more.
    """
    if read(len(tail.ending), at=tail.offset - len(tail.ending)) != tail.ending:
        tail.unchained += 1
        tail.tree = None
        return False
    grown = size - tail.offset
    block = read(min(grown, _LAST_BLOCK), at=size - min(grown, _LAST_BLOCK))
    begins = block.rfind(b"\n", 0, -1) + 1
    if not block.endswith(b"\n") or (begins == 0 and grown > _LAST_BLOCK):
        return False
    try:
        line = parse_line(block[begins:-1])
    except FormatError:
        return False
    if (
        line.kid != tail.kid
        or line.log != tail.log
        or line.seq < tail.seq
        or line.raw.startswith(_ENDS_SEGMENT)
    ):
        return False
    tail.seq, tail.prev, tail.offset = line.seq + 1, leaf_hash(line.raw), size
    tail.ending = block[-MAC_TAIL - 1 :]
    tail.torn, tail.newline_missing = None, False
    return True


def catch_up(tail: Tail, file: BinaryIO, find_keys: FindKeys, *, until: int | None = None) -> None:
    """Check every line that was not, up to the offset *until* or the end of *file*; the end is there then.

    Bytes at the end that are no line are left in `tail.torn`; torn bytes further up are passed over, since
    the log.recover line behind them says what they were.
    """
    file.seek(tail.checked_offset)
    tail.torn, tail.newline_missing = None, False
    torn_length, torn_hash = 0, hashlib.sha256()
    while until is None or tail.checked_offset + torn_length < until:
        raw = file.readline(MAX_LINE_BYTES)
        if not raw:
            break
        line = _whole_line(raw, tail)
        if line is None:
            torn_length += len(raw)
            torn_hash.update(raw)
            continue
        tail.accept(line)
        if line.is_control:
            note_control(tail, line, find_keys)
        tail.checked_offset += torn_length + len(raw)
        torn_length, torn_hash = 0, hashlib.sha256()
        tail.newline_missing = not raw.endswith(b"\n")
        tail.ending = raw[-MAC_TAIL - 1 :]
    if torn_length:
        tail.torn = Torn(torn_length, torn_hash.hexdigest())
    tail.seq, tail.prev, tail.offset = tail.checked_seq, tail.checked_prev, tail.checked_offset


def _whole_line(raw: bytes, tail: Tail) -> SealedLine | None:
    """Return *raw* as a line, None where it is torn; without a newline its MAC tells whether it is whole."""
    try:
        line = parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return None
    whole = raw.endswith(b"\n") or tail.keys.check(tail.checked_prev, line.sealed_part, line.mac)
    return line if whole else None


def resume(tail: Tail, file: BinaryIO, *, until: int) -> None:
    """Move what is checked behind the last checkpoint before *until*, where there is one further on.

    Whoever made it has checked every line up to it; its own MAC is checked here.
    """
    if tail.tree is not None and (found := _last_checkpoint(file, since=tail.checked_offset, until=until)):
        _resume_at(tail, *found)


def parse_timestamp(text: object) -> datetime | None:
    """Return the moment a line states, None where it states none."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _tail(
    log_id: bytes, origin: str, keys: LogKeys, *, kid: int, seq: int, prev: bytes, tree: Frontier | None
) -> Tail:
    """Return the tail of an empty segment whose first line will have the number *seq*."""
    return Tail(
        log_id=log_id,
        log=log_id.hex()[:16],
        origin=origin,
        kid=kid,
        kcv=keys.kcv,
        keys=keys,
        vkey=None,
        seq=seq,
        prev=prev,
        offset=0,
        ending=b"",
        tree=tree,
        checked_seq=seq,
        checked_prev=prev,
        checked_offset=0,
    )


def tail_before(first: SealedLine, find_keys: FindKeys) -> Tail:
    """Return the tail before *first*, a segment's first line; raises `FormatError`, `KeyNotFoundError`."""
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
    tail = _tail(log_id, origin, keys, kid=first.kid, seq=first.seq, prev=prev, tree=tree)
    tail.vkey = _text(head["vkey"])
    tail.policy = head["policy"]
    return tail


def _last_checkpoint(file: BinaryIO, *, since: int, until: int) -> tuple[bytes, bytes, int] | None:
    """Return the line before the last checkpoint, the checkpoint, and the offset behind it."""
    start, later = until, b""
    while start > since:
        start, block_end = max(since, start - _BLOCK), start
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
    """Move what is checked behind a checkpoint whose MAC holds; otherwise every line is read."""
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
    tail.checked_seq, tail.checked_prev, tail.tree, tail.checked_offset = line.seq, prev, tree, end
    tail.accept(line)
    tail.ending = checkpoint[-MAC_TAIL:] + b"\n"
    tail.checkpoint_at = parse_timestamp(head["timestamp"])


def note_control(tail: Tail, line: SealedLine, find_keys: FindKeys) -> None:
    """Take in what a control line changes: the key or policy in force, when the last checkpoint was made."""
    try:
        members = parse_control(line.raw)
    except FormatError:
        return
    if members["event_type"] == "log.checkpoint":
        tail.checkpoint_at = parse_timestamp(members["timestamp"])
    elif members["event_type"] == "log.rotate":
        kcv = _text(members["next_kcv"])
        keys = find_keys(tail.log_id, kcv) if kcv is not None else None
        tail.rotated(keys, _text(members["next_vkey"]))
    elif members["event_type"] == "log.policy":
        tail.policy = members["policy"]
        tail.ends_segment = True


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _unhex(text: object, length: int) -> bytes:
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        value = b""
    if len(value) != length:
        raise FormatError(f"{length} bytes in hex are expected")
    return value
