"""`or-audit token --type EMAIL VALUE`: the pseudonym, or prompt hash, that records have for a value."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.digest import prompt_digest, pseudonym
from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.policy import DigestKey
from or_audit_logging.redaction import Redactor

HELP = "compute what stands in records for a person or a prompt"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "token",
        help=HELP,
        description=HELP.capitalize() + ", under the audit key. Without VALUE it is read from stdin, so that "
        "it does not stand in the shell's history.",
        epilog="example: or-audit token --type USER < address.txt. Exit codes: 0 done, 2 could not.",
    )
    parser.add_argument(
        "--type",
        metavar="TYPE",
        required=True,
        help="EMAIL, PHONE or another type: the pseudonym; USER: what user_id becomes; PROMPT: prompt_hash "
        "of a text, or of messages as JSON",
    )
    parser.add_argument("value", metavar="VALUE", nargs="?", help="default: what comes on stdin")
    add_key_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print one token for each key, the newest first."""
    value = options.value if options.value is not None else sys.stdin.read().removesuffix("\n")
    kind = options.type.upper()
    if not value.strip():
        raise ConfigError("there is no value to compute a token of")
    if not kind.replace("_", "").isalpha() or not kind.isascii():
        raise ConfigError(f"--type is EMAIL, PHONE, USER, PROMPT or another type, not {options.type!r}")
    for key in KeyRing.from_sources(options.key).digest_keys:
        print(_token(kind, value, key))
    return 0


def _token(kind: str, value: str, key: DigestKey) -> str:
    if kind == "USER":
        return Cleaner(Redactor(), key).person(value) or ""
    if kind == "PROMPT":
        return prompt_digest(_prompt(value), key) or ""
    return pseudonym(kind, value, key)


def _prompt(value: str) -> object:
    """Return messages where *value* is a JSON list of them, else the text."""
    if value.lstrip()[:1] == "[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
    return value
