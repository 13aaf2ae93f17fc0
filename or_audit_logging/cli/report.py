"""`or-audit report DIR|DB`: what was called, by whom, what it cost, what failed, does the log hold?"""

from __future__ import annotations

import argparse
from typing import Any

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import destination
from or_audit_logging.cli.report_text import text_of
from or_audit_logging.cli.values import positive
from or_audit_logging.evidence.books.opened import ENGINES
from or_audit_logging.evidence.html.page import page
from or_audit_logging.evidence.reporting.making import DAYS, report
from or_audit_logging.evidence.reporting.rows import write_csv
from or_audit_logging.evidence.reporting.writing import to_json

HELP = "calls, costs, latencies and errors of some days"
FORMATS = ("text", "json", "csv", "html")


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "report",
        help=HELP,
        description="Report on a log: calls by status, model, user, provider, feature and day, costs to the "
        "last digit, latencies, errors and what to do about them, and what of the log is missing or "
        "could not be read. With --verify, --key, --public-key or --anchor the whole log is verified as "
        "well, which takes time on a long one.",
        epilog="exit codes: 0 done, 1 verification has findings, 2 could not, also where no call was "
        "recorded in the time asked for. "
        "example: or-audit report audit_logs --days 30 --format json -o november.json",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or a store")
    parser.add_argument("--days", metavar="N", type=positive, help=f"UTC days up to today (default: {DAYS})")
    parser.add_argument("--since", metavar="WHEN", help="a UTC date, or a time such as 2026-11-21T10:30:00Z")
    parser.add_argument("--until", metavar="WHEN", help="likewise; a date is included as a whole")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="default: duckdb where it is installed"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="verify the log as well, with the key of the environment unless another is given",
    )
    add_key_argument(parser)
    parser.add_argument(
        "--public-key",
        metavar="FILE|KEY",
        action="append",
        help="who signs the log's checkpoints; may be given again",
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE|DIR",
        action="append",
        default=[],
        help="a checkpoint kept elsewhere, or a folder of them; may be given again",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Report."""
    made = report(
        options.log,
        days=options.days,
        since=options.since,
        until=options.until,
        engine=options.engine,
        verify=options.verify,
        key=options.key,
        public_key=options.public_key,
        anchors=options.anchor,
    )
    with destination(options.output, log=options.log) as out:
        if options.format == "json":
            out.write(to_json(made.to_dict()) + "\n")
        elif options.format == "csv":
            write_csv(made, out)
        elif options.format == "html":
            out.write(page(made))
        else:
            out.write(text_of(made))
    return 1 if made.integrity is not None and made.integrity.verdict == "tampered" else 0
