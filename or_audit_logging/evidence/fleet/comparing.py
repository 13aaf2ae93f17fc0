"""Two copies of one log, line by line: is one the beginning of the other, or are there two histories?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from or_audit_logging.evidence.arguments import Target
from or_audit_logging.evidence.leaves import taken_apart
from or_audit_logging.log.sources import survey
from or_audit_logging.log.streams import LineStream


@dataclass(frozen=True, slots=True)
class Line:
    """A line's number and leaf hash, and where it stands; a redacted line has the hash of what was there."""

    seq: int
    leaf: bytes
    segment: str
    number: int


def first_difference(one: Target, other: Target, log: str) -> tuple[Line, Line] | None:
    """Return the first two lines of *log* with one number that are not the same; None where there are none.

    Only what both copies have is compared. Raises `OSError`, `ConfigError` and `FormatError` where one of
    them cannot be read.
    """
    ours, theirs = _lines(one, log), _lines(other, log)
    left, right = next(ours, None), next(theirs, None)
    while left is not None and right is not None:
        if left.seq < right.seq:
            left = next(ours, None)
        elif left.seq > right.seq:
            right = next(theirs, None)
        elif left.leaf != right.leaf:
            return left, right
        else:
            left, right = next(ours, None), next(theirs, None)
    return None


def _lines(target: Target, log: str) -> Iterator[Line]:
    for segment, number, raw in _pieces(target, log):
        found = taken_apart(raw, log)
        if found is not None:
            seq, _, leaf = found
            yield Line(seq, leaf, segment, number)


def _pieces(target: Target, log: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield what may be a line of *log*, without its newline, and where it stands."""
    if target.store is not None:
        from or_audit_logging.store.reader import StoreReader  # brings sqlite3

        with StoreReader(target.store) as store:
            for number, (_, raw) in enumerate(store.lines(), 1):
                yield target.store.name, number, raw
    elif target.layout is not None:
        for source in survey(target.layout).sources:
            if log not in source.logs:
                continue
            with LineStream(source.segment, source.size) as stream:
                for number, raw in enumerate(stream, 1):
                    yield source.name, number, raw.removesuffix(b"\n")
