"""One report on several logs: what each came to, and the worst of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from or_audit_logging.evidence.judgement import verdict_of
from or_audit_logging.evidence.report import LISTED, Observations, VerificationReport


def several(
    path: str, reports: Sequence[VerificationReport], observations: Observations
) -> VerificationReport:
    """Return a report on all of *reports*, with the *observations* that are of no single log.

    Findings and notes of each log are also those of all, and numbers are added up. Of one log it is that
    log's report.
    """
    for report in reports:
        observations.find(*report.findings, unlisted=report.finding_count - len(report.findings))
        observations.note(*report.notes)
        observations.note_count += report.note_count - len(report.notes)
    if len(reports) == 1:
        together = reports[0]
    else:
        together = VerificationReport(
            path=path,
            verdict="verified",
            reasons=tuple(f"log {report.log}: {why}" for report in reports for why in report.reasons)[
                :LISTED
            ],
            is_export=True,
            logs=tuple(reports[:LISTED]),
            log_count=len(reports),
            lines=sum(report.lines for report in reports),
            user_lines=sum(report.user_lines for report in reports),
            control_lines=sum(report.control_lines for report in reports),
            key_checked=all(report.key_checked for report in reports),
            anchor_too_old=any(report.anchor_too_old for report in reports),
            records_lost=sum(report.records_lost for report in reports),
            unstopped=sum(report.unstopped for report in reports),
            unfinished=sum(report.unfinished for report in reports),
            redacted=sum(report.redacted for report in reports),
            redactions=dict(sum((Counter(report.redactions) for report in reports), Counter())),
        )
    unanchored = any(report.verdict == "unanchored" for report in reports)
    return replace(
        together,
        verdict=verdict_of(observations, together.reasons, unanchored=unanchored),
        findings=tuple(observations.findings),
        finding_count=observations.finding_count,
        notes=tuple(observations.notes),
        note_count=observations.note_count,
    )
