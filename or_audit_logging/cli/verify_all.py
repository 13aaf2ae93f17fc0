"""`or-audit verify --all DIR`: the logs of many hosts in a table, and what is wrong with them below it."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections import Counter
from datetime import UTC, datetime

from or_audit_logging.cli.output import complain, paint, printable, progress, table
from or_audit_logging.cli.verdicts import STYLES, finding_text, note_text
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.doctor.words import ago
from or_audit_logging.evidence.fleet.verifying import Fleet, HostLog, verify_all
from or_audit_logging.evidence.summary import GRAVITY

_HEAD = (
    *("host", "log_id", "verdict", "lines", "anchored to", "kept at", "after", "behind", "newest line"),
    "log",
)
_RIGHT = (3, 4, 6, 7)
_LISTED = 3
"""So many findings of a log are listed, and so many reasons why one could not be verified."""
_NOTED = 20


def run(options: argparse.Namespace) -> int:
    """Verify all logs and say what was found; *options* are those of `or-audit verify`."""
    if options.log_id is not None:
        raise ConfigError("--log-id names one log, and --all verifies all of them; leave one out")
    with progress("lines") as say:
        fleet = verify_all(
            options.log,
            key=options.key,
            public_key=options.public_key,
            anchors=options.anchor,
            max_age=options.max_age,
            lag=options.lag,
            jobs=options.jobs,
            progress=say,
        )
    if options.json:
        print(json.dumps([log.to_dict() for log in fleet.logs], indent=2))
    elif fleet.logs:
        _print(fleet, options)
    if not fleet.logs:
        complain(f"there is no log in {options.log} or below")
    return 0 if fleet.exit_code == 3 and options.unanchored_ok else fleet.exit_code


def _print(fleet: Fleet, options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    root = os.path.abspath(os.path.expanduser(options.log))
    head, *rows = table([_HEAD, *(_row(log, root, now) for log in fleet.logs)], right=_RIGHT).splitlines()
    print(head)
    for row, log in zip(rows, fleet.logs, strict=True):
        print(row if log.report.verdict == "verified" else paint(row, STYLES[log.report.verdict]))
    for log in fleet.logs:
        _print_troubles(log, root, options)
    for note in fleet.notes[:_NOTED]:
        print(note_text(note))
    if len(fleet.notes) > _NOTED:
        print(f"... {len(fleet.notes) - _NOTED} more notes")
    counts: Counter[str] = Counter(log.report.verdict for log in fleet.logs)
    said = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in GRAVITY if verdict in counts)
    print(f"{len(fleet.logs):,} log{'' if len(fleet.logs) == 1 else 's'}: {said}")


def _row(log: HostLog, root: str, now: datetime) -> tuple[str, ...]:
    report = log.report
    kept = f"{report.anchored_at.astimezone(UTC):%Y-%m-%d %H:%MZ}" if report.anchored_at is not None else "-"
    cells = (
        log.host or "-",
        report.log_id or report.log or "-",
        report.verdict,
        f"{report.lines:,}",
        f"{report.anchored_to:,}" if report.anchored_to is not None else "-",
        kept,
        f"{log.after_anchor:,}",
        f"{log.behind:,}",
        f"{ago(now - log.newest_at)} ago" if log.newest_at is not None else "-",
        _place(log, root),
    )
    return tuple(printable(cell) for cell in cells)


def _place(log: HostLog, root: str) -> str:
    if log.report.path == root:
        return "-" if log.is_missing else "."
    return os.path.relpath(log.report.path, root)


def _print_troubles(log: HostLog, root: str, options: argparse.Namespace) -> None:
    """Say why a log is tampered or could not be verified, and that it is a copy of another."""
    report = log.report
    said = [finding_text(finding) for finding in report.findings[:_LISTED]]
    if report.verdict == "cannot verify":
        said += [f"reason   {printable(reason)}" for reason in report.reasons[:_LISTED]]
    said += [note_text(note) for note in report.notes if note.kind in ("copy", "copy-not-compared")]
    if not said:
        return
    left = report.finding_count - min(report.finding_count, _LISTED)
    if left:
        said.append(f"... {left:,} more: {_command(report.path, options)}")
    name = " ".join(part for part in (log.host or report.log, _place(log, root)) if part not in (None, "-"))
    print(f"\n{paint(printable(name), 'bold')}")
    print("\n".join(f"  {line}" for line in said))


def _command(path: str, options: argparse.Namespace) -> str:
    """Return the command that verifies the log at *path* as it was verified here."""
    words = ["or-audit", "verify", path]
    for option, values in (
        ("--key", options.key),
        ("--public-key", options.public_key),
        ("--anchor", options.anchor),
    ):
        words += [word for value in values or () for word in (option, value)]
    return printable(shlex.join(words))
