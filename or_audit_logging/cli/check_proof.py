"""`or-audit check-proof FILE --line FILE --public-key ...`: does a proof hold, with nothing else at hand?"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from or_audit_logging.cli.output import paint, printable
from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.check_proof import check_proof
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.sealing.proof import MAX_PROOF

HELP = "check the proof that one record is in a log"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "check-proof",
        help=HELP,
        description=HELP.capitalize() + ": with the proof, the record's line and the signer's public key, "
        "without the log and without its secret. Have the public key from somewhere else than the proof.",
        epilog="example: or-audit check-proof 41.tlog-proof --line 41.jsonl --public-key signing.pem.pub. "
        "Exit codes: 0 it holds, 1 it does not, 2 it could not be checked.",
    )
    parser.add_argument("proof", metavar="FILE", help="the proof (- for stdin)")
    parser.add_argument(
        "--line", metavar="FILE", required=True, help="the record's line as it stands in the log"
    )
    parser.add_argument(
        "--public-key", metavar="FILE|TEXT", required=True, help="a PEM file, or a verifier key NAME+HASH+KEY"
    )
    parser.add_argument("--origin", help="the log's origin, if the proof must be of that log")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the proof and say what it shows."""
    try:
        proof = _read(options.proof, 4 * MAX_PROOF).decode()
    except UnicodeDecodeError:
        raise FormatError(f"{options.proof} is no inclusion proof: it is not UTF-8") from None
    line = _read(options.line, MAX_LINE_BYTES)
    checked = check_proof(proof, line, public_key=options.public_key, origin=options.origin)
    if options.json:
        print(json.dumps(checked.to_dict(), indent=2))
    elif checked.holds:
        print(paint("HOLDS", "green"))
        print(f"The line is seq {checked.seq} of the log {printable(checked.origin)}, whose first", end=" ")
        print(f"{checked.size:,} lines were signed.")
    else:
        print(paint("DOES NOT HOLD", "red"))
        print(printable(str(checked.problem)))
    return 0 if checked.holds else 1


def _read(path: str, limit: int) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(limit + 1)
    with open(path, "rb") as file:
        return file.read(limit + 1)
