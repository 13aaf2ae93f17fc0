"""`StoreEnd`: where a store's log ends right now, and up to where this process has checked it.

    end.go_to_end()                         # inside a transaction: wherever others have moved it
    end.tail                                # None: a log without lines

A tail counts bytes in a segment; in a store it counts lines. What is found wrong on the way (a file that
vanished, a last line that stepped back or was changed) goes into the losses, which the next line states.
"""

from __future__ import annotations

from collections.abc import Iterator

from or_audit_logging.errors import FormatError
from or_audit_logging.log.losses import Losses
from or_audit_logging.log.tail import FindKeys, Tail, new_tail, note_control, parse_timestamp, tail_before
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import (
    MAC_TAIL,
    STUB_START,
    SealedLine,
    Stub,
    line_start,
    parse_line,
    parse_stub,
)
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.store.connection import Connection
from or_audit_logging.store.head import CONTROL, Head, as_bytes, head_of

_LAST = "SELECT seq, line FROM audit_line ORDER BY seq DESC LIMIT 1"
_LINE = "SELECT line FROM audit_line WHERE seq = ?"
_ROTATE = line_start("log.rotate")
_MANY_LINES = 1000
"""Where others have written more than this, one of them may have made a checkpoint."""


class StoreEnd:
    """The end of one store's log; used inside a transaction, but for `read_ahead`."""

    def __init__(self, connection: Connection, find_keys: FindKeys, losses: Losses) -> None:
        self._connection = connection
        self._find_keys = find_keys
        self._losses = losses
        self._seen: tuple[object, object] | None = None
        """The opening and SQLite's `data_version` when the tail was right: others if somebody else wrote."""
        self.tail: Tail | None = None
        self.is_empty = True
        """Whether the store has no lines: its first one is to be written, also of a log that had some."""
        self.is_doubtful = False

    @property
    def is_checked(self) -> bool:
        """Whether every line up to the end was checked."""
        return self.tail is not None and self.tail.is_checked

    def go_to_end(self) -> None:
        """Bring the tail to the end of the log."""
        seen = (self._connection.openings, self._connection.scalar("PRAGMA data_version"))
        if seen != self._seen or self.is_doubtful:
            self._look(is_reopened=self._seen is not None and self._seen[0] != seen[0])
            self.is_doubtful, self._seen = False, seen
        if self.tail is not None and self.tail.unchained:
            self._losses.add(self.tail.unchained, reason="chain", detail=self._connection.path.name)
            self.tail.unchained = 0

    def check_rest(self) -> None:
        """Check the lines that were not."""
        tail = self.tail
        if tail is None:
            return
        if tail.tree is not None and tail.seq - tail.checked_seq > _MANY_LINES:
            self._resume(tail)
        _catch_up(tail, self._lines_from(tail.checked_seq), self._find_keys)

    def read_ahead(self) -> None:
        """Do nothing: a store's transactions are short, and what a checkpoint has to read is as well."""

    def begin(self, tail: Tail) -> None:
        """Take *tail* as that of the store, which has no lines yet."""
        if not tail.is_checked:  # what was not checked is gone
            tail.tree = None
        tail.checked_seq, tail.checked_prev = tail.seq, tail.prev
        tail.offset = tail.checked_offset = tail.seq
        tail.ending = b""
        self.tail, self.is_empty = tail, False

    def forget(self) -> None:
        """Look for the end anew next time."""
        self.tail, self._seen, self.is_empty, self.is_doubtful = None, None, True, False

    def _look(self, *, is_reopened: bool) -> None:
        last = self._connection.execute(_LAST).fetchone()
        self.is_empty = last is None
        tail = self.tail
        if last is None:
            if tail is not None:
                self._losses.add(0, reason="gone", detail=self._connection.path.name)
        elif tail is None or self.is_doubtful or is_reopened or not self._follow(tail, *last):
            self._take_up(known=None if self.is_doubtful else tail)

    def _follow(self, tail: Tail, seq: int, last_line: object) -> bool:
        """Move the end to the store's last line, by what that says; False where all has to be read."""
        own = self._connection.scalar(_LINE, (tail.seq - 1,))
        if own is None or as_bytes(own)[-MAC_TAIL:] + b"\n" != tail.ending:
            if own is not None:
                tail.unchained += 1
                tail.tree = None
            return False
        if seq == tail.seq - 1:
            return True
        line = as_bytes(last_line)
        try:
            last = parse_line(line)
        except FormatError:
            return False
        if last.kid != tail.kid or last.log != tail.log or line.startswith(_ROTATE):
            return False
        tail.seq, tail.prev, tail.ending = seq + 1, leaf_hash(line), line[-MAC_TAIL:] + b"\n"
        tail.offset = tail.seq
        return True

    def _take_up(self, *, known: Tail | None) -> None:
        """Find the end by the log's own lines, every line since the last checkpoint checked."""
        head = head_of(self._connection)
        if head is None:
            return
        self.tail = tail = self._tail_in_force(head)
        if not self._resume(tail):
            self.tail = tail = self._tail_at_start(head)
        self.check_rest()
        if known is not None and known.log_id == tail.log_id:
            if tail.seq < known.seq:
                self._losses.add(known.seq - tail.seq, reason="rollback", detail=self._connection.path.name)
            elif known.unchained:
                tail.unchained, tail.tree = known.unchained, None

    def _tail_at_start(self, head: Head) -> Tail:
        """Return the tail before the store's first line."""
        tail = tail_before(head.first, self._find_keys)
        tail.offset = tail.checked_offset = tail.seq
        return tail

    def _tail_in_force(self, head: Head) -> Tail:
        """Return a tail under the key in force; its place is not known yet."""
        tail = new_tail(head.log_id, head.origin, self._find_keys(head.log_id, head.kcv), vkey=head.vkey)
        tail.kid = head.kid
        return tail

    def _resume(self, tail: Tail) -> bool:
        """Go on behind the last checkpoint, where its MAC holds under the key in force."""
        row = self._connection.execute(CONTROL + "DESC LIMIT 1", ("log.checkpoint",)).fetchone()
        before = self._connection.scalar(_LINE, (row[0] - 1,)) if row is not None else None
        if row is None or before is None:
            return False
        try:
            line, prev = parse_line(as_bytes(row[1])), _leaf(_parsed(as_bytes(before)))
            head = parse_control(line.raw)
            frontier = head["frontier"]
            tree = Frontier.from_hex(line.seq, frontier if isinstance(frontier, list) else [None])
        except FormatError:
            return False
        holds = tail.keys.check(prev, line.sealed_part, line.mac)
        if line.kid != tail.kid or head["size"] != line.seq or not holds:
            return False
        tail.checked_seq, tail.checked_prev, tail.tree = line.seq, prev, tree
        tail.accept(line)
        tail.ending = line.raw[-MAC_TAIL:] + b"\n"
        tail.checkpoint_at = parse_timestamp(head["timestamp"])
        tail.seq, tail.prev = tail.checked_seq, tail.checked_prev
        tail.offset = tail.checked_offset = tail.seq
        return True

    def _lines_from(self, seq: int) -> Iterator[bytes]:
        for (line,) in self._connection.execute(
            "SELECT line FROM audit_line WHERE seq >= ? ORDER BY seq", (seq,)
        ):
            yield as_bytes(line)


def _catch_up(tail: Tail, lines: Iterator[bytes], find_keys: FindKeys) -> None:
    for raw in lines:
        try:
            found = _parsed(raw)
        except FormatError:
            tail.unchained += 1
            tail.tree = None
            continue
        if isinstance(found, Stub):
            if tail.tree is not None:
                tail.tree.append(found.leaf)
            tail.checked_seq, tail.checked_prev = found.seq + 1, found.leaf
        else:
            tail.accept(found)
            if found.is_control:
                note_control(tail, found, find_keys)
        tail.ending = raw[-MAC_TAIL:] + b"\n"
    tail.seq, tail.prev = tail.checked_seq, tail.checked_prev
    tail.offset = tail.checked_offset = tail.seq


def _parsed(raw: bytes) -> SealedLine | Stub:
    return parse_stub(raw) if raw.startswith(STUB_START) else parse_line(raw)


def _leaf(line: SealedLine | Stub) -> bytes:
    return line.leaf if isinstance(line, Stub) else leaf_hash(line.raw)
