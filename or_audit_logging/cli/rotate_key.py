"""`or-audit rotate-key DIR|DB`: from here on another secret seals the log, or another key signs it."""

from __future__ import annotations

import argparse
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, open_shared_writer, warn_if_unsigned
from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.signing_keys import SigningKeys

HELP = "change the key that seals a log, or the one that signs its checkpoints"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "rotate-key",
        help=HELP,
        description=HELP.capitalize() + ", also while processes write to it. First give all of them both "
        "keys (key: [file:old.key, file:new.key]) and restart them; then run this, which begins a new "
        "segment (in a store: a checkpoint); then the old key is no longer needed for writing. "
        "Keep it for verifying what it sealed.",
        epilog="example: or-audit rotate-key audit_logs --key file:old.key --new-key file:new.key. "
        "Exit codes: 0 done, 2 could not.",
    )
    add_log_arguments(parser, or_store=True)
    parser.add_argument("--new-key", metavar="KEY", help="env:NAME or file:PATH of the secret from now on")
    parser.add_argument(
        "--new-signing-key", metavar="KEY", help="env:NAME or file:PATH of the signing key from now on"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write log.rotate and a checkpoint."""
    if options.new_key is None and options.new_signing_key is None:
        raise ConfigError("nothing to change: give --new-key, --new-signing-key or both")
    ring = KeyRing.from_sources(options.new_key) if options.new_key is not None else None
    signing = SigningKeys.from_sources(options.new_signing_key)
    writer, _, _ = open_shared_writer(options)
    if signing is None:
        warn_if_unsigned(writer)
    writer.rotate(ring=ring, signing=signing)
    writer.stop()
    changed = [
        *(["sealed under the new key"] if ring is not None else []),
        *(["signed by the new signing key"] if signing is not None else []),
    ]
    print(f"from here on the log is {' and '.join(changed)}")
    return 0
