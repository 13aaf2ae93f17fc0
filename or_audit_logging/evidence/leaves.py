"""A log's lines with their leaf hashes, from its files or its store, without a key.

with contextlib.ExitStack() as stack:
    lines = lines_from("audit_logs", 41, stack)       # begins at line 41 or somewhat before
    for raw, leaf in lines: ...                       # raw: None where the line was redacted
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from or_audit_logging.errors import ChainBrokenError, ConfigError, FormatError, ProofError
from or_audit_logging.evidence.arguments import PathText, Target, find_log
from or_audit_logging.evidence.identity import identify
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine, parse_line, parse_stub
from or_audit_logging.sealing.merkle import Frontier


def lines_from(path: PathText, seq: int, stack: contextlib.ExitStack) -> LeafLines:
    """Return the log's lines from some before *seq* on; raises `ConfigError`, `ProofError`, `FormatError`."""
    target = find_log(path)
    if target.store is not None:
        return _stored_lines(target.store, seq, stack)
    log, sources = _segments(path, target)
    start, tree = _start(sources, seq)
    return LeafLines(_pieces(sources[start:]), log=log, tree=tree)


def lines_of(
    path: PathText, stack: contextlib.ExitStack, *, may_hold: Callable[[date], bool], to_end: bool = False
) -> LeafLines:
    """Return the log's lines from the first to the last segment whose day *may_hold* what is looked for.

    *to_end*: and all behind them. Of a store, all lines. Raises as `lines_from` does.
    """
    target = find_log(path)
    if target.store is not None:
        return _stored_lines(target.store, None, stack)
    log, sources = _segments(path, target)
    wanted = [number for number, source in enumerate(sources) if may_hold(source.segment.day)]
    if not wanted:
        return LeafLines((), log=log, tree=Frontier())
    start, tree = _start(sources, sources[wanted[0]].first_seq)
    return LeafLines(_pieces(sources[start : None if to_end else wanted[-1] + 1]), log=log, tree=tree)


def _pieces(sources: Sequence[Source]) -> Iterator[tuple[str, Iterable[bytes]]]:
    for source in sources:
        with LineStream(source.segment, source.size) as stream:
            yield source.name, stream


def _stored_lines(path: Path, seq: int | None, stack: contextlib.ExitStack) -> LeafLines:
    from or_audit_logging.store.reader import StoreReader  # brings sqlite3

    store = stack.enter_context(StoreReader(path))
    raw = next((line for _, line in store.lines()), None)
    try:
        first = parse_line(raw or b"")
    except FormatError:
        raise ProofError(f"the first line in {path} is no sealed line; run or-audit verify") from None
    tree = _tree_before(first)
    if tree is None or (seq is not None and seq < first.seq):
        raise ProofError(f"line {seq} is not there: the log's first line is seq {first.seq}")
    return LeafLines([(path.name, (line + b"\n" for _, line in store.lines()))], log=first.log, tree=tree)


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


class LeafLines:
    """A log's lines with their leaf hashes; of a redacted line the leaf alone. Torn bytes are none.

    *parts* are files and the pieces in them, *tree* that of what stands before the first line. `segment` and
    `number` say where a line is, `text` what stands there, of a redacted line its stub. Raises
    `ChainBrokenError` where it is not the one that is due.
    """

    def __init__(self, parts: Iterable[tuple[str, Iterable[bytes]]], *, log: str, tree: Frontier) -> None:
        self.tree = tree
        self.log = log
        self.segment = ""
        self.number = 0
        self.text = b""
        self._parts = parts
        self._seq = tree.size

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes]]:
        for segment, pieces in self._parts:
            self.segment, self.number = segment, 0
            for piece in pieces:
                self.number += 1
                found = taken_apart(piece[:-1], self.log) if piece.endswith(b"\n") else None
                if found is None:
                    continue
                seq, raw, leaf = found
                if seq != self._seq:
                    message = f"seq {seq} stands where seq {self._seq} is due; run or-audit verify"
                    raise ChainBrokenError(message, segment=self.segment, line=self.number)
                self._seq += 1
                self.text = piece[:-1]
                yield raw, leaf


def taken_apart(raw: bytes, log: str) -> tuple[int, bytes | None, bytes] | None:
    """Return seq, bytes (None: redacted) and leaf hash of the line *raw*; None where it is none of *log*."""
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
