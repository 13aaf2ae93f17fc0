"""`or-audit import DIR DB`: copy a log into a SQLite store, or bring a copy up to date."""

from __future__ import annotations

import argparse
import json
from typing import Any

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import complain, printable, progress
from or_audit_logging.errors import VerificationError

HELP = "copy a log into a SQLite store, for questions in SQL"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "import",
        help=HELP,
        description=HELP.capitalize() + "; called again, it adds what is new. Each line must follow the one "
        "before it, with the key by its seal. What the log has deleted or redacted goes from the copy as "
        "well, if the key is at hand.",
        epilog="example: or-audit import audit_logs copy.db. Exit codes: 0 copied, 1 the log does not chain, "
        "2 could not.",
    )
    parser.add_argument("log", metavar="DIR", help="the log's folder")
    parser.add_argument("database", metavar="DB", help="the store; made where it is missing")
    add_key_argument(parser)
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import and say what was done."""
    from or_audit_logging.evidence.importing import import_log  # brings sqlite3

    try:
        with progress("lines") as say:
            done = import_log(options.log, options.database, key=options.key, progress=say)
    except VerificationError as error:
        complain(f"{error.segment}:{error.line}: {error}" if error.segment else str(error))
        return 1
    if options.json:
        print(json.dumps(done.to_dict(), indent=2))
        return 0
    print(f"{done.lines:,} lines copied into {printable(options.database)}, up to seq {done.last_seq}")
    if done.deleted or done.redacted:
        print(f"deleted from the copy as from the log: {done.deleted:,} lines; redacted: {done.redacted:,}")
    if not done.key_checked:
        print("no key of this log was given: numbers and trees were checked, seals were not")
    return 0
