"""How commands say a verdict, a finding and a note."""

from __future__ import annotations

from or_audit_logging.cli.output import paint, printable
from or_audit_logging.evidence.report import Finding, Note, Verdict, VerificationReport

STYLES: dict[Verdict, str] = {
    "verified": "green",
    "unanchored": "yellow",
    "tampered": "red",
    "cannot verify": "red",
}


def verdict_text(report: VerificationReport) -> str:
    """Return the verdict on a line of its own and what it rests on below."""
    summary = report.summary().removeprefix(f"{report.verdict}: ")
    said = "\n".join(printable(line) for line in summary.splitlines())
    return f"{paint(report.verdict.upper(), STYLES[report.verdict])}\n{said[:1].upper()}{said[1:]}"


def finding_text(finding: Finding) -> str:
    """Return a line that names the place and what is wrong there."""
    return f"{paint('finding', 'red')}  {_place(finding)}  {printable(finding.message)}"


def note_text(note: Note) -> str:
    """Return a line that names the place and what is to be known."""
    return f"note     {_place(note)}  {printable(note.message)}"


def _place(said: Finding | Note) -> str:
    return printable(f"{said.segment}:{said.line}" if said.line else said.segment or "log")
