"""Several copies of one log, such as a host's own and what was shipped: do they tell one history?

A copy that is the beginning of another is noted, and held against the anchors that it reaches to: what comes
behind stands in the other one. Two different lines with one number are a finding against the copy with less
to vouch for it, or against both: whoever holds the key has written two histories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from or_audit_logging.errors import AuditError
from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.arguments import Target
from or_audit_logging.evidence.export import Asked
from or_audit_logging.evidence.fleet.comparing import Line, first_difference
from or_audit_logging.evidence.report import LISTED, Finding, Note, Observations, Place, VerificationReport


class Again(Protocol):
    """Verifies the log at its place once more, held against something else."""

    def __call__(self, asked: Asked, observations: Observations, /) -> VerificationReport: ...


@dataclass(slots=True)
class Copy:
    """A log at one place: what it was held against, and the report on it, which gets what copies show."""

    target: Target
    asked: Asked
    again: Again
    report: VerificationReport
    behind: int = 0
    """So many lines are proven to be behind the last one here: by another copy, or by a recent anchor."""

    @property
    def end(self) -> int:
        """The seq behind that of the last line."""
        return self.report.last_seq + 1 if self.report.last_seq is not None else 0

    @property
    def lacks_lines(self) -> bool:
        """Whether an anchor proves lines behind the last one here."""
        return any(finding.kind == "anchor-size" for finding in self.report.findings)

    def vouched(self, seq: int) -> int:
        """Return how much vouches for the line *seq*: an anchor (2), that nothing is wrong (1), nothing."""
        if self.report.finding_count:
            return 0
        anchored = self.report.anchored_to
        return 2 if anchored is not None and anchored >= seq else 1

    def find(self, finding: Finding) -> None:
        """Add a finding, before all others."""
        report = self.report
        self.report = replace(
            report,
            verdict="tampered",
            findings=(finding, *report.findings)[:LISTED],
            finding_count=report.finding_count + 1,
        )

    def note(self, note: Note) -> None:
        """Add a note, before all others."""
        report = self.report
        self.report = replace(report, notes=(note, *report.notes)[:LISTED], note_count=report.note_count + 1)


def let_lag(copy: Copy, arrived: datetime) -> None:
    """Hold *copy* against no anchor beyond its end that was kept after *arrived*: lines may be on their way.

    Such an anchor says that the log goes on, so that an older one is not too old.
    """
    ahead: list[Anchor] = []
    within: list[Anchor] = []
    for anchor in copy.asked.anchors:
        is_ahead = anchor.size > copy.end and is_since(anchor, arrived)
        (ahead if is_ahead else within).append(anchor)
    if not copy.lacks_lines or not ahead:
        return
    oldest = copy.asked.oldest
    if oldest is not None and any(is_since(anchor, oldest) for anchor in ahead):
        oldest = None
    copy.asked = replace(copy.asked, anchors=within, oldest=oldest)
    copy.report = copy.again(copy.asked, Observations())
    copy.behind = max(anchor.size for anchor in ahead) - copy.end
    said = f"{copy.behind:,} more lines are proven by checkpoints of late, and may be on their way"
    copy.note(Place().note("lag", said))


def is_since(anchor: Anchor, arrived: datetime) -> bool:
    """Return whether *anchor* is known to have been kept after *arrived*."""
    return anchor.kept_at is not None and anchor.kept_at > arrived


def judge_copies(copies: Sequence[Copy]) -> None:
    """Add to the reports of *copies* what those of one log show beside each other."""
    by_log: dict[str, list[Copy]] = {}
    for copy in copies:
        if copy.report.log is not None:
            by_log.setdefault(copy.report.log, []).append(copy)
    for log, same in by_log.items():
        longest = max(same, key=lambda copy: (copy.end, copy.report.lines))
        for copy in same:
            if copy is not longest:
                _judge(copy, longest, log)


def _judge(copy: Copy, longest: Copy, log: str) -> None:
    """Hold *copy* against the *longest* copy of the log."""
    try:
        difference = first_difference(copy.target, longest.target, log)
    except (OSError, AuditError) as error:
        said = f"it could not be compared with the copy of this log in {longest.report.path}: {error}"
        copy.note(Place().note("copy-not-compared", said))
        return
    if difference is not None:
        _find_two_histories(copy, longest, *difference)
        return
    if copy.lacks_lines and longest.report.verdict in ("verified", "unanchored"):
        within = [anchor for anchor in copy.asked.anchors if anchor.size <= copy.end]
        copy.report = copy.again(replace(copy.asked, anchors=within, oldest=None), Observations())
    copy.behind = max(copy.behind, longest.end - copy.end)
    goes_on = f", which goes on to seq {longest.end - 1}" if longest.end > copy.end else ""
    copy.note(Place().note("copy", f"a copy of the log in {longest.report.path}{goes_on}"))


def _find_two_histories(one: Copy, other: Copy, in_one: Line, in_other: Line) -> None:
    seq = in_one.seq
    for_one, for_other = one.vouched(seq), other.vouched(seq)
    places = ((one, in_one, other, in_other), (other, in_other, one, in_one))
    blamed = [place for place in places if place[0].vouched(seq) == min(for_one, for_other)]
    for copy, here, beside, there in blamed:
        message = f"line {seq} of this log is another one in {beside.report.path}: two histories of one log"
        place = Place(here.segment, here.number, seq)
        copy.find(place.finding("conflict", message, expected=there.leaf.hex(), found=here.leaf.hex()))
