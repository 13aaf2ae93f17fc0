"""Verify an export: the sealed lines of one log or several, as a collector wrote them to a file.

    verify_export(Path("pod.log"), Asked(ring, signers, anchors, pin, oldest=None), observations)

The lines of each log are put in the order of seq, and then they go through the same chain as those of a
segment. What a folder shows and an export does not: the names of files, torn bytes, which other logs were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.arguments import STANDARD_INPUT, Pin
from or_audit_logging.evidence.bounds import Bounds, missing_lines
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.collected import Collected, Found, LogLines
from or_audit_logging.evidence.identity import Identity, identity_by
from or_audit_logging.evidence.judgement import (
    anchors_of,
    examine,
    meant,
    note_other_anchors,
    nothing_there,
    report_on,
)
from or_audit_logging.evidence.report import Observations, Place, VerificationReport
from or_audit_logging.evidence.several import several
from or_audit_logging.evidence.signers import Signers
from or_audit_logging.evidence.unfinished import OpenCalls
from or_audit_logging.keys import KeyRing
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, SealedLine, Stub

_STRIDE = 50_000
"""So many lines pass between two reports of progress."""
_PROJECTED = "stand here in another format"
_TRIED = 64
"""So many genesis and open lines are looked at to say whose log it is."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the lines are held against: secrets, public keys, anchors, the log that is meant, an age."""

    ring: KeyRing | None
    signers: Signers
    anchors: Sequence[Anchor]
    pin: Pin
    oldest: datetime | None


def verify_export(
    file: Path | None,
    asked: Asked,
    observations: Observations,
    *,
    progress: Progress | None = None,
) -> VerificationReport:
    """Return what can be said of the logs in *file* (None: standard input).

    The report on one log if its lines are of one, or if a pin names one; else `logs` holds one for each.
    """
    pin, anchors = asked.pin, asked.anchors
    path = str(file) if file is not None else STANDARD_INPUT
    try:
        collected = Collected.open(file)
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror or type(error).__name__}"
        return nothing_there(path, observations, reason, is_export=True)
    with collected:
        observations.note(*collected.notes())
        if not collected.logs:
            observations.find(*missing_lines(meant(anchors, pin.log), 0))
            reason = f"there is no sealed line in {path}"
            reason += f": {collected.hint}" if collected.hint else ""
            return nothing_there(path, observations, reason, is_export=True)
        chosen = list(collected.logs.values())
        if pin.log in collected.logs:
            chosen = [lines for lines in chosen if lines.log == pin.log]
            others = sum(len(lines) for lines in collected.logs.values()) - len(chosen[0])
            if others:
                said = f"sealed lines of other logs, passed over: {others:,}"
                observations.note(Place(collected.name).note("other-logs", said))
        done = 0
        reports = []
        used: list[Anchor] = []
        for lines in chosen:
            one = _OneLog(collected, lines, asked, is_only=len(chosen) == 1)
            own = anchors_of(lines.log, anchors, origin=one.identity.origin)
            used += own
            reports.append(one.verify(path, own, progress=_from(done, progress)))
            done += len(lines)
        note_other_anchors(anchors, used, observations)
        if len(reports) > 1 and pin != Pin():
            message = "the log that was asked for is not among these"
            expected = pin.log_id or pin.origin
            observations.find(Place(collected.name).finding("log-id", message, expected=expected))
    return several(path, reports, observations)


class _OneLog:
    """One log's lines in an export."""

    def __init__(self, collected: Collected, lines: LogLines, asked: Asked, *, is_only: bool) -> None:
        self._name = collected.name
        self._lines = lines
        self._asked = asked
        self._ring = asked.ring
        self._pin = asked.pin if is_only else Pin()
        self._observations = Observations()
        self._calls = OpenCalls()
        first = next(lines.in_order(), None)
        self._start = first[0] if first else None
        self._is_segment = first is not None and any(_is_of_segment(found, self._name) for found in first)
        self.identity = self._identify()

    def verify(
        self, path: str, anchors: Sequence[Anchor], *, progress: Progress | None
    ) -> VerificationReport:
        """Return the report on this log."""
        if self._pin != Pin():
            self._observations.find(*self._pin.mismatches(self.identity))

        def follow(chain: Chain, _: Bounds, observations: Observations) -> list[str]:
            return self._follow(chain, observations, path, progress)

        outcome = examine(
            self.identity,
            self._ring,
            anchors,
            signers=self._asked.signers,
            sealed=self._sealed_lines(),
            start=Place(self._name, self._start.number, self._start.line.seq) if self._start else Place(),
            follow=follow,
        )
        return report_on(
            outcome,
            self._observations,
            path=path,
            oldest=self._asked.oldest,
            unfinished=self._calls.count(),
            is_export=True,
        )

    def _identify(self) -> Identity:
        """Return what the log's first line says: one that its key sealed, or one that is of this log.

        Where there is none, a pinned log id says what keys there are.
        """
        log, pinned = self._lines.log, self._pin.log_id
        known = pinned if pinned is not None and pinned.startswith(log) else None
        stated = []
        for _, found in zip(range(_TRIED), self._lines.starts(), strict=False):
            identity = identity_by(_line_of(found), log=log)
            if isinstance(found.line, SealedLine) and self._sealed(identity, found.line):
                return identity
            stated.append(identity)
        fitting = [one for one in stated if one.log_id is not None and one.log_id.hex()[:16] == log]
        if fitting or (stated and known is None):
            return (fitting or stated)[0]
        return identity_by(None, log=log, log_id=known)

    def _sealed_lines(self) -> Iterator[SealedLine]:
        for copies in self._lines.in_order():
            for found in copies:
                if isinstance(found.line, SealedLine):
                    yield found.line

    def _sealed(self, identity: Identity, line: SealedLine) -> bool:
        prev = identity.genesis_prev
        if self._ring is None or identity.log_id is None or prev is None or line.seq:
            return False
        keys = self._ring.candidates(identity.log_id)
        return any(candidate.check(prev, line.sealed_part, line.mac) for candidate in keys)

    def _follow(
        self, chain: Chain, observations: Observations, path: str, progress: Progress | None
    ) -> list[str]:
        """Take the chain along the log's lines; return why they could not all be read."""
        gap = "stand in the log's other segments" if self._is_segment else None
        chain.enter_export(self._name, gap=gap)
        for count, copies in enumerate(self._lines.in_order(), 1):
            seq = copies[0].line.seq
            is_behind_projected = self._lines.are_projected(chain.end, seq)
            if is_behind_projected and not copies[0].line.raw.startswith(FIRST_LINE_STARTS):
                chain.pass_over(seq)
            found = self._choose(chain, copies, observations)
            if found.line.raw.startswith(FIRST_LINE_STARTS):
                before = _PROJECTED if is_behind_projected else gap if count == 1 else None
                chain.enter_export(self._name, gap=before)
            chain.number = found.number
            chain.take(found.line)
            self._calls.take(found.line.raw, self._name, found.number)
            if progress is not None and count % _STRIDE == 0:
                progress(count)
        if progress is not None:
            progress(chain.lines)
        return list(self._afterwards(chain, path))

    def _choose(self, chain: Chain, copies: list[Found], observations: Observations) -> Found:
        """Return that one of the lines with one seq which follows; the others are found."""
        chosen = next((found for found in copies if chain.follows(found.line)), copies[0])
        for found in copies:
            if found is not chosen and not _says_the_same(found.line, chosen.line):
                message = (
                    f"another line with this number stands at line {chosen.number}, and one is not the log's"
                )
                place = Place(self._name, found.number, found.line.seq)
                observations.find(place.finding("conflict", message))
        return chosen

    def _afterwards(self, chain: Chain, path: str) -> Iterator[str]:
        """Note what was seen along the way, and yield why lines could not be read."""
        repeated = self._lines.repeated
        if count := self._lines.projected:
            yield f"{_projected(count)}; ship with --format native or --original"
        if chain.first_seq and not self._is_segment and self._start is not None:
            by = "with the key" if chain.sealed else "by number and checkpoint alone"
            said = f"the log's beginning is not there; the lines behind this one were checked {by}"
            self._observations.note(Place(self._name, self._start.number).note("no-beginning", said))
        if repeated.count:
            said = f"delivered more than once, and the same each time: {repeated}"
            self._observations.note(Place(self._name, repeated.first).note("repeated", said))
        if self._lines.changed:
            yield f"{path} changed while it was read"
        if self._is_segment:
            yield f"{self._name} is one segment of a log; verify its folder, {Path(path).parent}"


def _is_of_segment(found: Found, name: str) -> bool:
    """Return whether *found* is the first line of the segment called *name*, just as it stands there."""
    start = b'"segment":"%b",' % name.encode("utf-8", "surrogateescape")
    return found.bare and found.line.raw.startswith(FIRST_LINE_STARTS) and start in found.line.raw[:256]


def _projected(count: int) -> str:
    lines = "1 projected line" if count == 1 else f"{count:,} projected lines"
    return f"{lines}: in another format (ecs, google, datadog), without the sealed line that can be checked"


def _line_of(found: Found) -> SealedLine | None:
    return found.line if isinstance(found.line, SealedLine) else None


def _says_the_same(one: SealedLine | Stub, other: SealedLine | Stub) -> bool:
    """Return whether one of two lines is the stub of the other, or both are stubs of one line."""
    if isinstance(one, SealedLine) and isinstance(other, SealedLine):
        return False
    return _leaf(one) == _leaf(other)


def _leaf(line: SealedLine | Stub) -> bytes:
    return line.leaf if isinstance(line, Stub) else leaf_hash(line.raw)


def _from(done: int, progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda lines: progress(done + lines)
