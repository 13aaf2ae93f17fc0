"""`or-audit prove DIR --seq N`: the proof that a record is in a log, for somebody who shall see no other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from or_audit_logging.cli.output import complain, printable
from or_audit_logging.errors import ConfigError, ProofError, VerificationError
from or_audit_logging.evidence.arguments import find_log
from or_audit_logging.evidence.prove import prove

HELP = "write the proof that one record is in a log"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "prove",
        help=HELP,
        description=HELP.capitalize() + ", as a tlog-proof (c2sp.org/tlog-proof). With it, the record's line "
        "and the public key, or-audit check-proof convinces anyone, and shows no other record. The log needs "
        "signed checkpoints.",
        epilog="example: or-audit prove audit_logs --seq 41 -o 41.tlog-proof --line 41.jsonl. "
        "Exit codes: 0 written, 1 the log is not what was signed, 2 no proof can be made.",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or a store")
    parser.add_argument("--seq", metavar="N", type=int, required=True, help="the record's seq")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the proof (default: stdout)")
    parser.add_argument("--line", metavar="FILE", help="where to write the record's line as well")
    parser.add_argument(
        "--public-key", metavar="FILE|TEXT", help="take a checkpoint that this key signed (default: any)"
    )
    parser.add_argument(
        "--latest", action="store_true", help="take the last signed checkpoint, not the first behind the line"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the proof and hand it over."""
    target = find_log(options.log)
    for output in filter(None, (options.output, options.line)):
        if target.store is None and Path(output).resolve().is_relative_to(target.folder.resolve()):
            raise ConfigError(f"{output} is inside the log's folder; write it elsewhere")
        if target.store is not None and Path(output).resolve() == target.store.resolve():
            raise ConfigError(f"{output} is the store itself; write it elsewhere")
    try:
        proven = prove(options.log, options.seq, public_key=options.public_key, latest=options.latest)
    except VerificationError as error:
        complain(f"{error.segment}:{error.line}: {error}" if error.segment else str(error))
        return 1
    if options.line is not None:
        if proven.line is None:
            raise ProofError(f"line {options.seq} was redacted: its proof can be made, the line is gone")
        Path(options.line).write_bytes(proven.line + b"\n")
    text = str(proven.proof).encode()
    if options.output is None:
        sys.stdout.buffer.write(text)
        return 0
    Path(options.output).write_bytes(text)
    said = f"proof of seq {options.seq}, in the checkpoint over {proven.size:,} lines, written to"
    print(f"{said} {printable(options.output)}", file=sys.stderr)
    return 0
