"""`or-audit close-day DIR`: open today's segment of an idle log, so that the day it ends in is closed."""

from __future__ import annotations

import argparse
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, find_layout, open_writer, warn_if_unsigned
from or_audit_logging.cli.output import printable

HELP = "open today's segment of a log that nobody writes to"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "close-day",
        help=HELP,
        description=HELP.capitalize() + ", so that the day it ends in is closed. A log that is written to "
        "does so by itself; for an idle one, call this some minutes after midnight (UTC).",
        epilog="example: or-audit close-day audit_logs. Exit codes: 0 done, 2 could not.",
    )
    add_log_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Close the day where it is over."""
    writer = open_writer(options, find_layout(options))
    warn_if_unsigned(writer)
    closed = writer.close_day()
    writer.stop()
    print(f"closed {printable(closed)}" if closed else "nothing to close: the last segment is today's")
    return 0
