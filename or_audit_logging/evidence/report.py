"""What a verification found, as values: to print, to compare, to keep.

    report.verdict, report.exit_code         -> "tampered", 1
    report.findings[0]                       -> Finding("audit_2026-11-21.jsonl", line=12, seq=11, ...)

A finding is evidence that something was changed, taken away or added. A note is worth knowing and speaks
against nobody. No message quotes a user's record.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from or_audit_logging.errors import (
    ChainBrokenError,
    CheckpointMismatchError,
    SegmentMissingError,
    VerificationError,
)
from or_audit_logging.evidence.summary import summary_of

Verdict = Literal["verified", "tampered", "cannot verify", "unanchored"]
Tail = Literal["anchored", "chain-only", "unchecked"]

EXIT_CODES: dict[Verdict, int] = {"verified": 0, "tampered": 1, "cannot verify": 2, "unanchored": 3}
_ERRORS: dict[str, type[VerificationError]] = {
    **dict.fromkeys(("mac", "seq", "kid", "log", "inserted", "conflict"), ChainBrokenError),
    **dict.fromkeys(
        ("checkpoint-root", "checkpoint-size", "frontier", "anchor-root", "signature"),
        CheckpointMismatchError,
    ),
    **dict.fromkeys(("missing-lines", "missing-log", "anchor-size", "vanished"), SegmentMissingError),
}
LISTED = 1000
"""So many findings (and notes) are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence of a change. `line` counts from 1 within `segment`; `kind` is a stable word for programs."""

    segment: str | None
    line: int | None
    seq: int | None
    kind: str
    message: str
    expected: str | int | None = None
    found: str | int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing that is no evidence of a change."""

    segment: str | None
    line: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where findings and notes are made: the segment, the line in it, its seq."""

    segment: str | None = None
    line: int | None = None
    seq: int | None = None

    def finding(self, kind: str, message: str, *, expected: object = None, found: object = None) -> Finding:
        """Return a finding here; values that are no numbers or short texts are cut."""
        return Finding(self.segment, self.line, self.seq, kind, message, brief(expected), brief(found))

    def note(self, kind: str, message: str) -> Note:
        """Return a note here."""
        return Note(self.segment, self.line, kind, message)


def brief(value: object) -> str | int | None:
    """Return *value* as something to print beside another."""
    if value is None or (type(value) is int and abs(value) < 1 << 64):
        return value
    text = value if isinstance(value, str) else f"[{type(value).__name__}]"
    return text if len(text) <= 200 else f"{text[:200]}..."


class Observations:
    """Findings and notes in the order they are made: listed up to a limit, counted without one."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Note] = []
        self.finding_count = 0
        self.note_count = 0

    def find(self, *findings: Finding, unlisted: int = 0) -> None:
        """Add *findings*, and count *unlisted* more that were not kept."""
        for finding in findings:
            self.finding_count += 1
            if len(self.findings) < LISTED:
                self.findings.append(finding)
        self.finding_count += unlisted

    def find_first(self, finding: Finding) -> None:
        """Add a finding that stands before all others, although it was made after them."""
        self.finding_count += 1
        self.findings.insert(0, finding)
        del self.findings[LISTED:]

    def note(self, *notes: Note) -> None:
        """Add *notes*."""
        for note in notes:
            self.note_count += 1
            if len(self.notes) < LISTED:
                self.notes.append(note)

    def absorb(self, other: Observations) -> None:
        """Add what *other* holds."""
        self.find(*other.findings, unlisted=other.finding_count - len(other.findings))
        self.note(*other.notes)
        self.note_count += other.note_count - len(other.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """The outcome of one verification.

    `reasons` say why a log could not be verified. `anchored_to` is the last seq that an anchor covers,
    `anchored_at` when its keeper recorded it; `tail` says what holds for the lines after it. `findings` and
    `notes` list at most 1,000 each; `finding_count` and `note_count` count all. `records_lost` adds up what
    log.lost lines state; `unstopped` counts processes that wrote log.start and no log.stop; `unfinished`
    counts calls that began (a write-ahead record says so) and have no end. `log` is what the log's lines
    bear, the first 16 hex digits of `log_id`. `is_copy`: of a copy from object storage, which is not written.

    `signed_to` is the last seq that a checkpoint in the log covers whose signature was checked and holds.
    `deleted_to` is the last seq that a log.delete lets be missing, None where the log is there from its
    beginning; `deletions` are the rows in which the newest log.delete says what went, when, under which
    policy and by whom. `redacted` counts the lines that a log.redact lets stand as their hash only, and
    `redactions` says for whom how many.

    Of several logs in one export, the verdict is the worst, numbers are added up, findings and notes are
    those of all, what only one log can have is None, and `logs` has the report on each (the first 1,000 of
    `log_count`). Otherwise `logs` is empty.
    """

    path: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0
    notes: tuple[Note, ...] = ()
    note_count: int = 0
    log: str | None = None
    log_id: str | None = None
    origin: str | None = None
    is_export: bool = False
    is_copy: bool = False
    segments: int = 0
    lines: int = 0
    user_lines: int = 0
    control_lines: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    key_checked: bool = False
    anchored_to: int | None = None
    anchored_at: datetime | None = None
    anchor_too_old: bool = False
    signed_to: int | None = None
    tail: Tail | None = None
    records_lost: int = 0
    unstopped: int = 0
    unfinished: int = 0
    deleted_to: int | None = None
    deletions: tuple[dict[str, Any], ...] = ()
    redacted: int = 0
    redactions: dict[str, int] = field(default_factory=dict)
    logs: tuple[VerificationReport, ...] = ()
    log_count: int = 1

    @property
    def exit_code(self) -> int:
        """The exit status of `or-audit verify`: 0 verified, 1 tampered, 2 cannot verify, 3 unanchored."""
        return EXIT_CODES[self.verdict]

    def raise_for_findings(self) -> None:
        """Raise the first finding, if there is one, as a `VerificationError` with segment and line.

        `ChainBrokenError`: a line does not follow; `CheckpointMismatchError`: a checkpoint or anchor states
        another tree; `SegmentMissingError`: lines that were there are gone.
        """
        for first in self.findings[:1]:
            error = _ERRORS.get(first.kind, VerificationError)
            raise error(f"{self.path}: {first.message}", segment=first.segment, line=first.line)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values, ready for `json.dumps`."""
        members = {"exit_code": self.exit_code} | asdict(self)
        members["anchored_at"] = self.anchored_at.isoformat() if self.anchored_at else None
        members["logs"] = [report.to_dict() for report in self.logs]
        return members

    def summary(self) -> str:
        """Return the outcome in a few plain sentences, one per line."""
        return summary_of(self)


def lines_are(number: int) -> str:
    """Return the beginning of a sentence on so many lines."""
    return f"{number:,} line is" if number == 1 else f"{number:,} lines are"
