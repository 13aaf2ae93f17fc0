"""A report in words: the outcome in a few plain sentences, one per line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from or_audit_logging.evidence.report import VerificationReport

GRAVITY = ("tampered", "cannot verify", "unanchored", "verified")
"""The worst first."""
_NAMED = 20
"""So many logs of an export are named."""
_SAID = 3
"""So many reasons are said."""


def summary_of(report: VerificationReport) -> str:
    """Return the outcome of *report* in words."""
    say = {
        "verified": _verified,
        "tampered": _tampered,
        "cannot verify": _cannot_verify,
        "unanchored": _unanchored,
    }[report.verdict]
    return "\n".join([*say(report), *_each_log(report), *_missing(report), *_losses(report)])


def _verified(report: VerificationReport) -> list[str]:
    if report.logs:
        return [f"verified: {_extent(report)}; anchors hold for each."]
    if report.anchored_to is None:  # a package: what it covers does not go on
        return [f"verified: {_extent(report)}; the public key that was given signed their checkpoint."]
    if report.key_checked:
        held = f"{_extent(report)}; chain, seals and anchor hold"
    else:
        covered = (report.anchored_to or 0) + 1 - (report.first_seq or 0)
        held = f"{covered:,} of {_extent(report)} are those that the anchor covers"
    return [f"verified: {held}.", _anchor(report), *_after_the_anchor(report), *_signed(report)]


def _tampered(report: VerificationReport) -> list[str]:
    first = report.findings[0]
    where = f"{first.segment} line {first.line}" if first.line else first.segment
    said = [f"tampered: {_count(report.finding_count, 'finding')} in {_extent(report)}."]
    said.append(f"First: {f'{where}: ' if where else ''}{first.message}.")
    if report.reasons:
        said.append(f"Not checked: {_reasons(report)}.")
    return said if report.anchored_to is None else [*said, _anchor(report)]


def _cannot_verify(report: VerificationReport) -> list[str]:
    return [f"cannot verify: {_reasons(report)}."]


def _unanchored(report: VerificationReport) -> list[str]:
    held = f"intact: {_extent(report)}"
    if report.key_checked:
        held += ", chain and seals hold"
    elif report.signed_to is not None:
        held = (
            f"signed: {_extent(report)}, up to seq {report.signed_to} vouched for by checkpoints in the log"
        )
        left = (report.last_seq or 0) - report.signed_to
        held += f"; {_count(left, 'line')} after that unchecked" if left else ""
    if report.anchor_too_old:
        anchor = [] if report.logs else [_anchor(report)]
        return [f"{held}.", *anchor, "That is longer ago than the age allowed, or not known."]
    if report.is_export:
        end = "the end" if not report.logs else "the end of some"
        how = "keep checkpoints where nobody who can change this can change them"
        return [f"{held}; nothing outside it vouches for {end}.", f"To anchor: {how}."]
    if report.is_copy:  # the log it is a copy of may be on another machine, and gone
        how = "or-audit anchors --from s3:BUCKET/PREFIX --stored -o ELSEWHERE"
        return [
            f"{held}; nothing outside this copy vouches for the end.",
            f"To anchor: {how}, and then verify with --anchor ELSEWHERE",
        ]
    return [
        f"{held}; nothing outside this machine vouches for the end.",
        f"To anchor: or-audit checkpoint {report.path} -o ELSEWHERE/audit.anchors",
    ]


def _reasons(report: VerificationReport) -> str:
    left = len(report.reasons) - _SAID
    return "; ".join([*report.reasons[:_SAID], *([f"and {left:,} more"] if left > 0 else [])])


def _extent(report: VerificationReport) -> str:
    lines = _count(report.lines, "line")
    if report.logs:
        return f"{lines} of {_count(report.log_count, 'log')}"
    of = "of one log" if report.is_export else f"in {_count(report.segments, 'segment')}"
    return f"{lines} {of}, {_seqs(report)}" if report.lines else f"{lines} {of}"


def _seqs(report: VerificationReport) -> str:
    return f"seq {report.first_seq} to {report.last_seq}"


def _each_log(report: VerificationReport) -> list[str]:
    """Return a line on each log, the worst first."""
    ranked = sorted(report.logs, key=lambda one: GRAVITY.index(one.verdict))
    said = [
        f"  {one.verdict}: log {one.log}, {_seqs(one) if one.lines else 'no sealed line'}, "
        f"origin {one.origin or 'unknown'}{_anchored(one)}"
        for one in ranked[:_NAMED]
    ]
    left = report.log_count - len(said)
    return [*said, f"  and {_count(left, 'log')} more"] if report.logs and left else said


def _anchor(report: VerificationReport) -> str:
    kept = report.anchored_at.isoformat(timespec="seconds") if report.anchored_at else "an unknown time"
    return f"Anchored up to seq {report.anchored_to} by a checkpoint kept elsewhere at {kept}."


def _signed(report: VerificationReport) -> list[str]:
    if report.signed_to is None:
        return []
    return [f"Signed up to seq {report.signed_to} by checkpoints in the log itself."]


def _after_the_anchor(report: VerificationReport) -> list[str]:
    after = (report.last_seq or 0) - (report.anchored_to or 0)
    lines = "The line after it is" if after == 1 else f"The {after} lines after it are"
    if report.tail == "chain-only":
        return [f"{lines} chain-only: whoever holds the key could have written them anew."]
    if report.tail == "unchecked":
        return [f"{lines} unchecked: that takes the key, or a later anchor."]
    return []


def _missing(report: VerificationReport) -> list[str]:
    """Return what is lawfully not there any more."""
    said = []
    if report.deleted_to is not None:
        lines = "The line at" if report.deleted_to == 0 else "The lines up to"
        were = "was" if report.deleted_to == 0 else "were"
        gone = f"{lines} seq {report.deleted_to} {were} deleted under certificate"
        said.append(f"{gone}; present: {_seqs(report)}.")
        said += [_deletion(row) for row in report.deletions[-_SAID:]]
    if report.redacted:
        were = "was" if report.redacted == 1 else "were"
        by = ", ".join(f"{_count(number, 'line')} by {actor}" for actor, number in _most(report.redactions))
        said.append(f"{_count(report.redacted, 'line')} {were} redacted under certificate: {by}.")
    return said


def _deletion(row: dict[str, Any]) -> str:
    """Return what a certificate says of deletions under one policy by one actor."""
    by = f", by {row['actor']}" if row["actor"] is not None else ""
    runs = "in one run" if row["runs"] == 1 else f"in {row['runs']:,} runs, the last"
    return (
        f"  seq {row['seqs'][0]} to {row['seqs'][1]}, of {row['days'][0]} to {row['days'][1]}: "
        f"policy {row['policy']}{by}, {runs} on {row['time'][:10]}."
    )


def _most(redactions: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(redactions.items(), key=lambda pair: (-pair[1], pair[0]))[:_SAID]


def _losses(report: VerificationReport) -> list[str]:
    said = []
    if report.records_lost:
        lost = _count(report.records_lost, "record")
        said.append(f"The log itself says that {lost} could not be written.")
    if report.unfinished:
        calls = _count(report.unfinished, "call")
        said.append(f"{calls} began and never finished: still running, or killed.")
    if report.unstopped:
        said.append(
            f"{_count(report.unstopped, 'process')} wrote no log.stop: still running, or ended by force."
        )
    return said


def _anchored(report: VerificationReport) -> str:
    if report.anchored_to is None:
        return ""
    behind = "" if report.tail == "anchored" else f", {report.tail} behind it"
    return f", anchored up to seq {report.anchored_to}{behind}"


def _count(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number:,} {word if number == 1 else plural}"
