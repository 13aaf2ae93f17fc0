"""`or-audit redact-record DIR --seq N`: take records out of a log, and leave their hashes."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, warn_unsigned
from or_audit_logging.cli.output import complain, paint, printable, table
from or_audit_logging.errors import ConfigError, RetentionError
from or_audit_logging.evidence.retention.person import lines_of_person
from or_audit_logging.evidence.retention.redacting import Redacted, redact_record

HELP = "take records out of a log for good; their hashes stay, and so does the log's proof"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "redact-record",
        help=HELP,
        description="Take records out of a log for good, because somebody must be forgotten. Each line is "
        "replaced by a stub of the same length that holds its hash, and a log.redact line says who did it "
        "and why; the log, its anchors and the proofs of all other records still verify. Only in segments "
        "that are closed, and not under a legal hold. With --user instead of --seq nothing is changed: the "
        "lines of that person are listed. At a terminal it asks before it redacts. docs/privacy.md says what "
        "remains elsewhere.",
        epilog="example: or-audit redact-record audit_logs --seq 41 --seq 57 --reason 'erasure request 7'. "
        "Exit codes: 0 redacted, now or before, 1 refused and nothing changed, 2 could not.",
    )
    add_log_arguments(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--seq", metavar="N", type=int, action="append", help="the record's seq; may be given again"
    )
    which.add_argument(
        "--user",
        metavar="ID",
        help="only list the lines of this user, and what belongs to them; an e-mail address also finds its "
        "pseudonym",
    )
    parser.add_argument(
        "--actor", metavar="WHO", help="who does it, as it shall stand in the log (default: the login name)"
    )
    parser.add_argument(
        "--reason",
        metavar="WHY",
        help="why, as it shall stand in the log: name the request, not the person (needed with --seq)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and touch nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Redact and say what came of it, or list a person's lines."""
    if options.user is not None:
        return _list(options)
    if options.reason is None:
        raise ConfigError("give --reason, which stands in the log; name the request, not the person")
    try:
        result = redact_record(
            options.log,
            options.seq,
            actor=options.actor,
            reason=options.reason,
            key=options.key,
            signing_key=options.signing_key,
            dry_run=options.dry_run,
            confirm=_confirm if not options.yes and sys.stdin.isatty() and sys.stderr.isatty() else None,
            progress=_progress if sys.stderr.isatty() else None,
        )
    except RetentionError as error:
        _clear()
        complain(str(error))
        return 1
    _clear()
    if not result.done and not options.dry_run:
        complain("nothing was done")
        return 1
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        _print(result)
    if result.unsigned is not None:
        warn_unsigned(result.unsigned)
    return 0


def _confirm(planned: Redacted) -> bool:
    _clear()
    lines = f"line{'' if len(planned.redacted) == 1 else 's'} {', '.join(map(str, planned.redacted))}"
    sys.stderr.write(f"Redact {lines} for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _list(options: argparse.Namespace) -> int:
    lines = lines_of_person(options.log, options.user, key=options.key)
    if options.json:
        print(json.dumps({"lines": [asdict(line) for line in lines]}, indent=2))
        return 0
    if not lines:
        print("no line is of this user", file=sys.stderr)
        return 0
    rows = [("seq", "timestamp", "event_type", "generation_id", "")]
    rows += [
        (
            str(line.seq),
            printable(line.timestamp),
            printable(line.event_type),
            printable(line.generation_id or ""),
            "" if line.is_closed else "in the open segment",
        )
        for line in lines
    ]
    print(table(rows, right=[0]))
    print(" ".join(f"--seq {line.seq}" for line in lines if line.is_closed))
    return 0


def _print(result: Redacted) -> None:
    word = "redacted" if result.done else "would be redacted"
    for seq in result.redacted:
        by = f", under the log.redact at seq {result.certificates[seq]}" if seq in result.certificates else ""
        print(f"{paint(word, 'green' if result.done else 'yellow')}  seq {seq}{by}")
    for seq in result.already:
        print(f"redacted before  seq {seq}")
    if result.segments and result.done:
        print(f"changed   {', '.join(map(printable, result.segments))}")


def _progress(lines: int) -> None:
    sys.stderr.write(f"\rverified {lines:,} lines")
    sys.stderr.flush()


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
