"""`or-audit export DIR|DB`: hand over a part of a log, with what proves it, and leave a record of that."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, warn_unsigned
from or_audit_logging.cli.output import complain, printable, warn
from or_audit_logging.errors import VerificationError
from or_audit_logging.evidence.package.exporting import FORMATS, Exported, export

HELP = "hand over lines of a log as a package that proves itself"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "export",
        help=HELP,
        description="Write the lines of some time to a ZIP file for an auditor: the sealed lines as they "
        "are, what proves them, the log's history, a report, a text that explains it all and a program that "
        "checks it with nothing but Python. With the log's key the export is recorded in the log "
        "(log.export), with actor and reason as they are given. or-audit verify FILE checks a package too.",
        epilog="exit codes: 0 done, 1 the lines are not those that the log's checkpoints were made of, "
        "2 could not, also where no record was written in the time asked for. "
        "example: or-audit export audit_logs --since 2026-11-01 --until 2026-11-30 "
        "--reason 'audit 2026' -o november.zip",
    )
    add_log_arguments(parser, or_store=True)
    parser.add_argument("--since", metavar="WHEN", help="a UTC date, or a time such as 2026-11-21T10:30:00Z")
    parser.add_argument("--until", metavar="WHEN", help="likewise; a date is included as a whole")
    parser.add_argument("--user", metavar="ID", help="only this user's records, each with its own proof")
    parser.add_argument("--session", metavar="ID", help="likewise, of a session")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="where to write, outside DIR")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="zip",
        help="zip: the package (default); json: a plain document of the records, without proofs",
    )
    parser.add_argument("--actor", metavar="NAME", help="who hands it over (default: the login name)")
    parser.add_argument("--reason", metavar="TEXT", help="why; it stands in the log and in the package")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, and say what was handed over."""
    shows_progress = sys.stderr.isatty()
    try:
        done = export(
            options.log,
            options.output,
            since=options.since,
            until=options.until,
            user=options.user,
            session=options.session,
            format=options.format,
            key=options.key,
            signing_key=options.signing_key,
            actor=options.actor,
            reason=options.reason,
            progress=_progress if shows_progress else None,
        )
    except VerificationError as error:
        complain(f"{error.segment}:{error.line}: {error}" if error.segment else str(error))
        return 1
    finally:
        if shows_progress:
            sys.stderr.write("\r\x1b[K")
    if done.not_recorded is not None:
        warn(f"not recorded in the log: {done.not_recorded}")
    if done.unsigned is not None:
        warn_unsigned(done.unsigned)
    print(json.dumps(done.to_dict(), indent=2) if options.json else _said(done))
    return 0


def _said(done: Exported) -> str:
    lines = [f"{printable(done.path)}  {done.bytes:,} bytes, SHA-256 {done.sha256}"]
    lines_are = "1 line" if done.lines == 1 else f"{done.lines:,} lines"
    records_are = "1 record" if done.records == 1 else f"{done.records:,} records"
    counted = f"{lines_are} ({records_are}) of log {done.log}"
    lines.append(f"{counted}, seq {done.first_seq} to {done.last_seq}")
    if done.recorded is not None:
        lines.append(f"recorded in the log as seq {done.recorded}")
    if done.format == "zip":
        by = f"signed by {printable(done.signed_by)}" if done.signed_by else "not signed"
        lines.append(f"checkpoint over {done.size:,} lines, {by}")
    return "\n".join(lines)


def _progress(lines: int) -> None:
    sys.stderr.write(f"\r{lines:,} lines")
    sys.stderr.flush()
