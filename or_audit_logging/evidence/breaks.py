"""Where the chain breaks: a run of pieces that do not follow, until a line follows again.

A line that was altered is found by its MAC. The MAC of the line after it fails with it, since it covers
the hash of the altered one; that line is `doubtful`, and cleared if the next one follows it as it stands.
Otherwise one of the two was altered as well, and it is listed. What a run turns out to be is known at its
end: lines put in (the next line follows what stood before the run), or lines altered or taken away.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import LISTED, Finding, Observations

_MISPLACED = ("missing-lines", "seq", "mac", "kid")


class Torn:
    """Bytes that are no line, as a log.recover describes them: without the newline that its writer put."""

    def __init__(self) -> None:
        self._length = 0
        self._hash = hashlib.sha256()
        self._ended = False

    def add(self, raw: bytes) -> None:
        """Add a piece as it was read, with its newline if it has one."""
        if self._ended:
            self._hash.update(b"\n")
        self._ended = raw.endswith(b"\n")
        self._hash.update(raw[:-1] if self._ended else raw)
        self._length += len(raw)

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return self._length - self._ended

    @property
    def sha256(self) -> str:
        """Their SHA-256 in hex."""
        return self._hash.hexdigest()


class Run:
    """Pieces that do not follow, since the position *sure*, when *met* anchors had been compared."""

    def __init__(self, sure: Position, met: int) -> None:
        self.sure = sure
        self.met = met
        self.doubtful: Finding | None = None
        """The MAC of this line fails, and the line before it is known to be wrong."""
        self.strays = 0
        """Lines that have the shape and do not follow."""
        self.pieces = 0
        """Pieces without a line's shape since the last line that has it."""
        self.torn: Torn | None = Torn()
        """All bytes since the sure position; None where they are not all in one segment."""
        self.torn_since_line: Torn | None = Torn()
        self._findings: list[Finding] = []
        self._unlisted = 0
        self._before_pieces = (0, 0)

    def find(self, *findings: Finding) -> None:
        """Keep findings until it is known what the run is."""
        room = max(0, LISTED - len(self._findings))
        self._findings += findings[:room]
        self._unlisted += len(findings[room:])

    def add_piece(self, raw: bytes, finding: Finding | None) -> None:
        """Take in a piece that has not the shape of a line; one without a finding belongs to the last."""
        if finding is not None:
            self.find(finding)
            self.pieces += raw != b"\n"
        for torn in (self.torn, self.torn_since_line):
            if torn is not None:
                torn.add(raw)

    def add_line(self, raw: bytes) -> None:
        """Take in a line that has its shape and does not follow; its findings have been added."""
        if self.torn is not None:
            self.torn.add(raw)
        self.torn_since_line = Torn()
        self.strays += 1
        self.pieces = 0
        self._before_pieces = (len(self._findings), self._unlisted)

    def doubt(self, finding: Finding) -> None:
        """Take the line of *finding* as doubtful, since the one before it is wrong or unknown."""
        if self.doubtful is not None:
            self.find(self.doubtful)
        self.doubtful = finding

    def enter_segment(self) -> None:
        """Another segment begins: no log.recover describes bytes of two."""
        self.torn = self.torn_since_line = None

    def forgive_pieces(self) -> None:
        """Drop what was found since the last line: a log.recover explains it."""
        listed, self._unlisted = self._before_pieces
        del self._findings[listed:]
        self.pieces = 0

    def settle(self, observations: Observations) -> None:
        """Hand over the findings: lines were altered, or taken away."""
        observations.find(*self._findings, unlisted=self._unlisted)

    def settle_as_put_in(self, observations: Observations) -> None:
        """Hand over the findings: the chain goes on behind the run, so its lines were put in."""
        if self.doubtful is not None:
            self.find(self.doubtful)
        put_in = {
            (finding.segment, finding.line): _put_in(finding)
            for finding in self._findings
            if finding.kind != "anchor-root"
        }
        observations.find(*put_in.values(), unlisted=self._unlisted)


def _put_in(finding: Finding) -> Finding:
    if finding.kind not in _MISPLACED:
        return finding
    message = "a line stands here that does not belong here: the chain goes on without it"
    return replace(finding, kind="inserted", message=message, expected=None, found=finding.seq)
