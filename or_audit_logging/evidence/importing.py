"""Copy a log from its files into a store, for questions in SQL; again and again, each time what is new.

    import_log("audit_logs", "copy.db", key="file:audit.key")   -> Imported(lines=120000, ...)

What is copied is checked as it comes: each line must follow the one before it, by its number and by the trees
that checkpoints and open lines state, and with a key by its MAC. Where the copy ends is all there is to know
to go on, so an import that was killed is simply repeated. The whole judgement on a log is `verify`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from or_audit_logging.errors import (
    ChainBrokenError,
    CheckpointMismatchError,
    ConfigError,
    FormatError,
    SegmentMissingError,
    VerificationError,
)
from or_audit_logging.evidence.arguments import PathText, find_log, open_ring
from or_audit_logging.evidence.identity import Identity, identify
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.starts import stated_position
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.chain import LogKeys, leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import STUB_START, SealedLine, Stub, line_start, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.store.copy import CopyStore
from or_audit_logging.store.head import text_or_none

_BATCH = 5000
"""So many lines are one transaction: what a kill costs, and how long others wait."""
_DELETE = line_start("log.delete")

Line = SealedLine | Stub
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: `lines` were added; rows went, or were replaced, as the log's own were.

    `key_checked`: MACs were checked; without that, nothing in the copy is deleted or redacted.
    """

    log_id: str
    lines: int
    last_seq: int
    deleted: int
    redacted: int
    key_checked: bool

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON's types."""
        return asdict(self)


def import_log(
    path: PathText,
    database: PathText,
    *,
    key: KeySources | KeyRing = None,
    progress: Progress | None = None,
) -> Imported:
    """Bring the copy in the store *database* up to the log in the folder *path*; return what was done.

    *key* names the secrets as everywhere; None takes what the environment names, or none. *progress* is
    called with the number of lines added so far. Raises `ConfigError` where there is no log, or the store is
    of something else; `VerificationError` where the log does not chain, or no longer holds what the copy
    does: what was copied before stays; `OSError` and `AuditWriteError` where the store cannot be written.
    """
    ring = open_ring(key)
    target = find_log(path)
    if target.layout is None or target.is_export:
        raise ConfigError(target.trouble or f"there is no audit log in {path}; a log's folder is imported")
    if Path(database).is_dir():
        raise ConfigError(f"{database} is a folder; the store is a file")
    sources = survey(target.layout).sources
    identity = identify(sources)
    if identity is None or identity.log_id is None:
        raise ConfigError(
            f"there is no audit log in {path}, or its first line is damaged; run or-audit verify"
        )
    unread = next((source for source in sources if source.kind == "unreadable"), None)
    if unread is not None:
        raise ConfigError(f"{unread.name} cannot be read: {unread.trouble}")
    own = [source for source in sources if identity.log in source.logs]
    with CopyStore(Path(database).absolute(), identity.log_id) as store:
        return _Import(own, identity, ring, store, progress).run()


class _Import:
    """One import."""

    def __init__(
        self,
        sources: Sequence[Source],
        identity: Identity,
        ring: KeyRing | None,
        store: CopyStore,
        progress: Progress | None,
    ) -> None:
        self._sources = sources
        self._log = identity.log
        self._identity = identity
        log_id = identity.log_id or b""
        self._keys = ring.candidates(log_id) if ring is not None else ()
        self._store = store
        self._progress = progress
        self._leaves: list[bytes] = []
        """Of lines that are taken and not in the position's tree yet: many at once take less time."""
        self._added = 0
        self._place = ("", 0)

    def run(self) -> Imported:
        position = self._resume()
        lines = self._lines(position)
        while batch := list(itertools.islice(lines, _BATCH)):
            self._store.add(batch)
            self._added += len(batch)
            if self._progress is not None:
                self._progress(self._added)
        deleted = redacted = 0
        if position.keys is not None:
            deleted, redacted = self._store.apply_certificates(self._keys)
        return Imported(
            log_id=(self._identity.log_id or b"").hex(),
            lines=self._added,
            last_seq=position.seq - 1,
            deleted=deleted,
            redacted=redacted,
            key_checked=position.keys is not None,
        )

    def _resume(self) -> Position:
        """Return where the copy ends, or where the log begins."""
        end = self._store.end()
        if end is None:
            return self._start()
        tree = None if end.frontier is None else Frontier.from_hex(end.frontier_size, list(end.frontier))
        if tree is not None:
            tree.extend(end.leaves)
        position = Position(end.seq, end.prev, tree, end.kid, self._keys_by(end.kcv))
        if position.keys is not None and not end.is_sealed_by(position.keys):
            raise ChainBrokenError(
                f"the copy's last line does not hold; run or-audit verify {self._store.path}"
            )
        return position

    def _start(self) -> Position:
        first = self._sources[0].first
        keys = self._keys_by(self._identity.kcv)
        if first is None:
            raise ConfigError("the log has no line")
        if first.seq == 0:
            return Position(0, self._identity.genesis_prev, Frontier(), first.kid, keys)
        return self._position_at(first)

    def _position_at(self, first: SealedLine) -> Position:
        """Return the position before the open line with which the log now begins, if a log.delete says so."""
        start = stated_position(first, self._keys)
        if start is None:
            message = f"the log begins at seq {first.seq}, and not with a segment's first line"
            raise ChainBrokenError(message, segment=self._sources[0].name, line=1)
        if not self._is_deleted_up_to(first.seq):
            message = f"the lines before seq {first.seq} are missing, and no log.delete speaks of them"
            raise SegmentMissingError(message, segment=self._sources[0].name, line=1)
        if start.keys is None and self._keys_by(text_or_none(parse_control(first.raw)["kcv"])) is not None:
            message = "the log's first line is not the one that was sealed: its MAC does not hold"
            raise ChainBrokenError(message, segment=self._sources[0].name, line=1)
        return start

    def _is_deleted_up_to(self, seq: int) -> bool:
        for source in self._sources:
            with LineStream(source.segment, source.size) as stream:
                for raw in stream:
                    if raw.startswith(_DELETE) and _base(raw) >= seq:
                        return True
        return False

    def _keys_by(self, kcv: str | None) -> LogKeys | None:
        return next((keys for keys in self._keys if keys.kcv == kcv), None)

    def _lines(self, position: Position) -> Iterator[tuple[int, bytes]]:
        """Yield seq and bytes of each new line, checked, and take *position* along."""
        first = self._sources[0].first
        if first is not None and first.seq > position.seq:  # deleted since the last import
            start = self._position_at(first)
            position.seq, position.prev, position.tree = start.seq, start.prev, start.tree
            position.kid = start.kid
            position.keys = self._keys_by(text_or_none(parse_control(first.raw)["kcv"]))
        is_joined, joint = position.seq == self._start_seq(first), position.seq - 1
        for source in self._from(position.seq):
            for number, line in self._lines_of(source):
                self._place = (source.name, number)
                if line.seq < position.seq:
                    if line.seq == joint and not is_joined:
                        is_joined = _leaf(line) == position.prev
                        if not is_joined:
                            self._broken(f"line {joint} of the log is not the one that the copy has")
                    continue
                if not is_joined:
                    self._broken(f"line {joint}, with which the copy ends, is not in the log any more")
                self._take(position, line)
                yield line.seq, line.raw
        self._grow(position)
        if not is_joined:
            raise SegmentMissingError(
                f"the log ends before seq {joint}, which the copy has: lines are missing"
            )

    def _start_seq(self, first: SealedLine | None) -> int:
        return first.seq if first is not None else 0

    def _from(self, seq: int) -> Sequence[Source]:
        """Return the sources from the one on that holds the line before *seq*."""
        at = max((n for n, s in enumerate(self._sources) if s.first_seq < max(seq, 1)), default=0)
        return self._sources[at:]

    def _lines_of(self, source: Source) -> Iterator[tuple[int, Line]]:
        """Yield number and line; what a crash cut is no line and is passed over."""
        with LineStream(source.segment, source.size) as stream:
            for number, raw in enumerate(stream, 1):
                if raw.endswith(b"\n") and (line := _parsed(raw[:-1])) is not None:
                    yield number, line
            if stream.problem is not None:
                raise VerificationError(f"{source.name}: {stream.problem}", segment=source.name)

    def _take(self, position: Position, line: Line) -> None:
        if isinstance(line, Stub):
            if line.log != self._log or line.seq != position.seq:
                self._broken(f"seq {line.seq} stands where seq {position.seq} is due")
            leaf = line.leaf
        else:
            if not position.fits(line, self._log):
                self._does_not_follow(position, line)
            leaf = leaf_hash(line.raw)
            if line.is_control:
                self._grow(position)
                self._check_control(position, line)
        self._leaves.append(leaf)
        position.prev = leaf
        position.seq += 1

    def _grow(self, position: Position) -> None:
        if position.tree is not None:
            position.tree.extend(self._leaves)
        self._leaves.clear()

    def _does_not_follow(self, position: Position, line: SealedLine) -> None:
        if line.log != self._log:
            self._broken("a line of another log")
        if line.seq != position.seq:
            self._broken(f"seq {line.seq} stands where seq {position.seq} is due")
        if line.kid != position.kid:
            self._broken(f"line {line.seq} names another key than the one in force")
        self._broken(f"line {line.seq}, or the one before it, is not the one that was sealed")

    def _check_control(self, position: Position, line: SealedLine) -> None:
        try:
            members = parse_control(line.raw)
        except FormatError as error:
            self._broken(str(error))
        event = members["event_type"]
        if event == "log.open":
            prev = position.prev.hex() if position.prev is not None else None
            if members["base_leaf"] != prev:
                self._broken("the line before this segment is not the one that stood there")
        if event == "log.rotate":
            position.kid += 1
            if (kcv := text_or_none(members["next_kcv"])) is not None:
                position.keys = self._keys_by(kcv)
        frontier = members.get("frontier")
        if isinstance(frontier, list):
            self._check_tree(position, line.seq, frontier)

    def _check_tree(self, position: Position, seq: int, frontier: list[object]) -> None:
        try:
            stated = Frontier.from_hex(seq, frontier)
        except FormatError as error:
            self._broken(f"line {seq} contradicts itself: {error}")
        if position.tree is None:
            position.tree = stated
        elif position.tree.subtrees != stated.subtrees:
            name, number = self._place
            message = f"lines before seq {seq} are not those that stood there when it was written"
            raise CheckpointMismatchError(f"{message}; run or-audit verify", segment=name, line=number)

    def _broken(self, message: str) -> NoReturn:
        name, number = self._place
        raise ChainBrokenError(f"{message}; run or-audit verify", segment=name, line=number)


def _parsed(raw: bytes) -> Line | None:
    try:
        return parse_stub(raw) if raw.startswith(STUB_START) else parse_line(raw)
    except FormatError:
        return None


def _leaf(line: Line) -> bytes:
    return line.leaf if isinstance(line, Stub) else leaf_hash(line.raw)


def _base(raw: bytes) -> int:
    try:
        base = parse_control(raw)["base"]
    except FormatError:
        return 0
    return base if type(base) is int else 0
