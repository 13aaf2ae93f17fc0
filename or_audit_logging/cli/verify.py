"""`or-audit verify DIR|FILE`: is this what was written, all of it, and who else vouches for it?"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from or_audit_logging.cli import verify_all
from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import progress
from or_audit_logging.cli.values import age
from or_audit_logging.cli.verdicts import finding_text, note_text, verdict_text
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify

HELP = "check chain, seals and anchors of a log"

_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "verify",
        help=HELP,
        description="Check that a log's lines are those that were written: shape, order, chain, seals and "
        "checkpoints with the key; lines up to an anchor without it. A FILE is a SQLite store, whose "
        "columns are held against its lines, or an export: sealed lines that a collector gathered, in any "
        "order, of one log or several, among other text or inside JSON. With --all, DIR holds the logs of "
        "many hosts.",
        epilog="exit codes: 0 verified, 1 tampered, 2 cannot verify, 3 intact but unanchored; of many logs "
        "the worst: 1 before 2 before 3. "
        "example: or-audit verify audit_logs --anchor /mnt/elsewhere/audit.anchors. "
        "Of an export: kubectl logs POD | or-audit verify -. "
        "Of many hosts: or-audit verify --all logs --anchor anchors",
    )
    parser.add_argument("log", metavar="DIR|FILE", help="a log's folder, a store or an export (- for stdin)")
    parser.add_argument(
        "--all",
        action="store_true",
        help="verify every log in DIR and below, folders and stores, and find anchored ones that are gone",
    )
    add_key_argument(parser)
    parser.add_argument(
        "--public-key",
        metavar="FILE|KEY",
        action="append",
        help="who signs the log's checkpoints: a PEM file or a verifier key; may be given again",
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE|DIR",
        action="append",
        default=[],
        help="a checkpoint kept elsewhere, or a folder of them; may be given again",
    )
    parser.add_argument("--log-id", metavar="ID", help="the log id or origin that this log must have")
    parser.add_argument(
        "--max-age", metavar="AGE", type=age, help="how old the newest anchor may be: 30m, 1h, 7d"
    )
    parser.add_argument(
        "--lag",
        metavar="AGE",
        type=age,
        help="with --all: anchors kept within that time may be of lines that have not arrived yet",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_jobs,
        default=1,
        help="processes that share the work on a long log (default: 1); the report is the same",
    )
    parser.add_argument("--unanchored-ok", action="store_true", help="exit 0 where only an anchor is missing")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify and say what was found."""
    if options.all:
        return verify_all.run(options)
    if options.lag is not None:
        raise ConfigError("--lag goes with --all")
    with progress("lines") as say:
        report = verify(
            options.log,
            key=options.key,
            public_key=options.public_key,
            anchors=options.anchor,
            log_id=options.log_id,
            max_age=options.max_age,
            jobs=options.jobs,
            progress=say,
        )
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        _print(report)
    return 0 if report.verdict == "unanchored" and options.unanchored_ok else report.exit_code


def _print(report: VerificationReport) -> None:
    print(verdict_text(report))
    for finding in report.findings[:_LISTED]:
        print(f"  {finding_text(finding)}")
    if report.finding_count > _LISTED:
        print(f"  ... {report.finding_count - _LISTED} more findings (--json lists more)")
    for note in report.notes[:_LISTED]:
        print(f"  {note_text(note)}")
    if len(report.notes) > _LISTED:
        print(f"  ... {len(report.notes) - _LISTED} more notes (--json lists them)")


def _jobs(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; give 1 or more")
    return int(text)
