"""`or-audit close-day DIR`: open today's segment of an idle log, so that the day it ends in is closed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from or_audit_logging.cli.output import printable
from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter

HELP = "open today's segment of a log that nobody writes to"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "close-day",
        help=HELP,
        description=HELP.capitalize() + ", so that the day it ends in is closed. A log that is written to "
        "does so by itself; for an idle one, call this some minutes after midnight (UTC).",
        epilog="example: or-audit close-day audit_logs",
    )
    parser.add_argument("log", metavar="DIR", help="the log's folder")
    parser.add_argument("--key", help="env:NAME or file:PATH (default: OR_AUDIT_KEY, or OR_AUDIT_KEY_FILE)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Close the day where it is over."""
    folder = Path(options.log)
    layout = LogLayout.discover(folder) if folder.is_dir() else None
    if layout is None:
        raise ConfigError(f"there is no audit log in {folder}")
    writer = LogWriter(layout, KeyRing.from_sources(options.key))
    closed = writer.close_day()
    writer.stop()
    print(f"closed {printable(closed)}" if closed else "nothing to close: the last segment is today's")
    return 0
