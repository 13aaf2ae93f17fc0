"""`or-audit checkpoint DIR`: make a checkpoint now and put a copy where the log's writers cannot reach."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from or_audit_logging.cli.output import printable
from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter

HELP = "add a checkpoint to a log and print it, or keep it in a file elsewhere"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "checkpoint",
        help=HELP,
        description=HELP.capitalize() + ". A copy kept elsewhere is an anchor: it lets verify find a log "
        "that was cut short, rolled back or replaced.",
        epilog="example: or-audit checkpoint audit_logs -o /mnt/elsewhere/audit.anchors",
    )
    parser.add_argument("log", metavar="DIR", help="the log's folder")
    parser.add_argument("--key", help="env:NAME or file:PATH (default: OR_AUDIT_KEY, or OR_AUDIT_KEY_FILE)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="append the checkpoint to FILE, outside DIR; a folder gets STEM.anchors (default: stdout)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the checkpoint and hand it over."""
    folder = Path(options.log)
    output = Path(options.output) if options.output else None
    if output is not None and output.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{output} is inside the log's folder; an anchor is a copy kept elsewhere")
    layout = LogLayout.discover(folder) if folder.is_dir() else None
    if layout is None:
        raise ConfigError(f"there is no audit log in {folder}")
    writer = LogWriter(layout, KeyRing.from_sources(options.key))
    if output is None:
        print(writer.checkpoint())
        writer.stop()
        return 0
    if output.is_dir():
        output /= f"{layout.stem}.anchors"
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "a", encoding="ascii") as file:
        file.write(writer.checkpoint() + "\n")
        file.flush()
        os.fsync(file.fileno())
    writer.stop()
    print(f"checkpoint kept in {printable(str(output))}", file=sys.stderr)
    return 0
