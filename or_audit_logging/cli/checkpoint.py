"""`or-audit checkpoint DIR`: make a checkpoint now and put a copy where the log's writers cannot reach."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, open_shared_writer, warn_if_unsigned
from or_audit_logging.cli.output import printable
from or_audit_logging.log.anchor_file import AnchorFile

HELP = "add a checkpoint to a log and print it, or keep it in a file elsewhere"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "checkpoint",
        help=HELP,
        description=HELP.capitalize() + ". A copy kept elsewhere is an anchor: it lets verify find a log "
        "that was cut short, rolled back or replaced.",
        epilog="example: or-audit checkpoint audit_logs -o /mnt/elsewhere/audit.anchors. "
        "Exit codes: 0 done, 2 could not.",
    )
    add_log_arguments(parser, or_store=True)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="append the checkpoint to FILE, outside DIR; a folder gets STEM.anchors (default: stdout)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the checkpoint and hand it over."""
    writer, folder, stem = open_shared_writer(options)
    output = Path(options.output).expanduser() if options.output else None
    if output is not None and output.is_dir():
        output /= f"{stem}.anchors"
    anchors = AnchorFile(output, log_folder=folder) if output is not None else None
    if anchors is not None:
        anchors.path.parent.mkdir(parents=True, exist_ok=True)
    warn_if_unsigned(writer)
    line = writer.checkpoint()
    if anchors is None:
        print(line)
    else:
        anchors.append([line])
        print(f"checkpoint kept in {printable(str(anchors.path))}", file=sys.stderr)
    writer.stop()
    return 0
