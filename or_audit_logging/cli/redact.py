"""`or-audit redact < IN > OUT`: personal data and secrets out of text or JSON lines, as a filter."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import Any

from or_audit_logging.cli.output import complain
from or_audit_logging.errors import ConfigError
from or_audit_logging.exact_json import Written, decoder, quoted_ascii, write
from or_audit_logging.handlers.redactors import redactor_from
from or_audit_logging.policy import Redacts
from or_audit_logging.redaction.matchers import PACKS

HELP = "take personal data and secrets out of what comes on stdin"

_decoder = decoder(constant=Written)  # NaN passes as it came
_PIECE = 500_000
"""Characters that are read at once."""


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "redact",
        help=HELP,
        description=HELP.capitalize() + ". Text is read in large pieces, since a secret may go over several "
        "lines; with --json each line is one value. What was found is counted on stderr.",
        epilog="example: or-audit redact --action CARD=mask --pack gb < app.log > shared.log. "
        "Exit codes: 0 done, 1 some of it could not be looked at and was replaced, 2 could not.",
    )
    parser.add_argument("--json", action="store_true", help="JSON lines: redact the values in them")
    parser.add_argument("--quiet", action="store_true", help="no counts")
    parser.add_argument(
        "--action",
        metavar="TYPE=ACTION",
        action="append",
        default=[],
        help="replace, mask, pseudonym, drop or keep, for a type (EMAIL) or category (contact); repeatable",
    )
    parser.add_argument(
        "--pack",
        metavar="NAME",
        action="append",
        default=[],
        help=f"look for what is in this pack, too: {', '.join(PACKS)}; repeatable",
    )
    parser.add_argument("--allow", metavar="VALUE", action="append", default=[], help="what stays")
    parser.add_argument(
        "--known-secret", metavar="env:NAME", action="append", default=[], help="a variable's value goes"
    )
    parser.add_argument("--key", metavar="KEY", help="env:NAME or file:PATH of the audit key, for pseudonyms")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Redact stdin to stdout; 1 where something could not be read or redacted and is left out."""
    redactor = redactor_from(_redaction(options))
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
    counts: Counter[str] = Counter()
    for line in _json_lines(redactor, counts) if options.json else _text(redactor, counts):
        sys.stdout.write(line)
    if not options.quiet:
        found = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
        print(found or "nothing found", file=sys.stderr)
    return 1 if counts["REDACTION_FAILED"] else 0


def _redaction(options: argparse.Namespace) -> dict[str, Any]:
    actions = {}
    for given in options.action:
        name, equals, action = given.partition("=")
        if not equals:
            raise ConfigError(f"--action is TYPE=ACTION, such as CARD=mask, not {given}")
        actions[name] = action
    if any(not secret.startswith("env:") for secret in options.known_secret):
        raise ConfigError("--known-secret is env:NAME: a value on the command line is seen by others")
    return {
        "packs": options.pack,
        "actions": actions,
        "allow": options.allow,
        "known_secrets": options.known_secret,
        "key": options.key,
    }


def _text(redactor: Redacts, counts: Counter[str]) -> Any:
    """Yield the text in pieces that end with a line; what goes over such an end is seen from both sides."""
    rest = ""
    while piece := sys.stdin.read(_PIECE):
        text = rest + piece
        cut = text.rfind("\n\n") + 2 if "\n\n" in text else text.rfind("\n") + 1
        rest = text[cut:] if cut else ("" if len(text) > _PIECE else text)
        yield _redacted(redactor, text[: len(text) - len(rest)], counts)
    yield _redacted(redactor, rest, counts)


def _redacted(redactor: Redacts, text: str, counts: Counter[str]) -> str:
    redacted = redactor.redact(text)
    counts.update(str(getattr(finding, "type", "")) for finding in redacted.findings)
    return redacted.text


def _json_lines(redactor: Redacts, counts: Counter[str]) -> Any:
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            yield line
            continue
        try:
            value = _decoder.decode(line)
        except (ValueError, RecursionError):
            complain(f"line {number} is no JSON; it is left out")
            counts["REDACTION_FAILED"] += 1
            yield '"[REDACTION_FAILED]"\n'
            continue
        copy, found = redactor.redact_value(value)
        counts.update(found)
        yield write(copy, quoted=_quoted) + "\n"


def _quoted(text: str) -> str:
    """Return *text* as JSON with its letters as they are, unless UTF-8 has no bytes for them."""
    return json.dumps(text, ensure_ascii=False) if _is_utf8(text) else quoted_ascii(text)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
