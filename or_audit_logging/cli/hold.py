"""`or-audit hold add|release|list DIR`: records that must stay, whatever the retention policy says."""

from __future__ import annotations

import argparse
import json
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, warn_unsigned
from or_audit_logging.cli.output import complain, paint, printable, table, warn
from or_audit_logging.cli.retain import add_who_and_why
from or_audit_logging.cli.values import day
from or_audit_logging.errors import RetentionError
from or_audit_logging.evidence.retention.holds import add_hold, holds_of, release_hold
from or_audit_logging.evidence.retention.opened import segments_of
from or_audit_logging.sealing.keeping import Hold

HELP = "put records under a legal hold, release one, list them"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "hold",
        help=HELP,
        description="A legal hold keeps records of its days from redaction, and the first segment that may "
        "hold one of them, with all that come after, from deletion, until it is released. It is a line of "
        "the log.",
        epilog="example: or-audit hold add audit_logs --name case-7 --since 2026-10-01 --reason litigation. "
        "Exit codes: 0 done, 1 refused, 2 could not.",
    )
    acts = parser.add_subparsers(title="what to do", metavar="ACT", required=True)
    _add_add(acts)
    _add_release(acts)
    _add_list(acts)


def _add_add(acts: Any) -> None:
    parser = acts.add_parser(
        "add",
        help="hold records",
        description="Put the records made on some UTC days under a legal hold.",
        epilog="example: or-audit hold add audit_logs --name case-7 --since 2026-10-01 --reason litigation. "
        "Exit codes: 0 done, 1 refused, 2 could not.",
    )
    add_log_arguments(parser)
    parser.add_argument("--name", metavar="CASE", required=True, help="what the hold is called from now on")
    parser.add_argument("--since", metavar="DAY", type=day, help="the first day (default: the beginning)")
    parser.add_argument("--until", metavar="DAY", type=day, help="the last day (default: without end)")
    add_who_and_why(parser)
    parser.set_defaults(run=_run_add)


def _add_release(acts: Any) -> None:
    parser = acts.add_parser(
        "release",
        help="release a hold",
        description="Release a hold: what only it kept goes with the next run of retain.",
        epilog="example: or-audit hold release audit_logs --name case-7 --reason settled. "
        "Exit codes: 0 done, 1 refused, 2 could not.",
    )
    add_log_arguments(parser)
    parser.add_argument("--name", metavar="CASE", required=True, help="the hold's name")
    add_who_and_why(parser)
    parser.set_defaults(run=_run_release)


def _add_list(acts: Any) -> None:
    parser = acts.add_parser(
        "list",
        help="list the holds in force",
        description="List the holds in force. No key is needed, and nothing is checked: verify does that.",
        epilog="example: or-audit hold list audit_logs. Exit codes: 0 done, 2 could not.",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or its store")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.set_defaults(run=_run_list)


def _run_add(options: argparse.Namespace) -> int:
    try:
        hold = add_hold(
            options.log,
            options.name,
            since=options.since,
            until=options.until,
            key=options.key,
            signing_key=options.signing_key,
            actor=options.actor,
            reason=options.reason,
            unsigned=warn_unsigned,
        )
    except RetentionError as error:
        return _refused(error)
    print(f"{paint('held', 'green')}  {printable(hold.name)}: {_days(hold)}, sealed at seq {hold.seq}")
    first = segments_of(options.log)[0]
    if first.first_seq and (hold.since is None or hold.since < first.day):
        warn(f"the log begins with the segment of {first.day}: what stood before it was deleted already")
    return 0


def _run_release(options: argparse.Namespace) -> int:
    try:
        hold = release_hold(
            options.log,
            options.name,
            key=options.key,
            signing_key=options.signing_key,
            actor=options.actor,
            reason=options.reason,
            unsigned=warn_unsigned,
        )
    except RetentionError as error:
        return _refused(error)
    print(f"{paint('released', 'green')}  {printable(hold.name)}: {_days(hold)}")
    return 0


def _run_list(options: argparse.Namespace) -> int:
    try:
        holds = holds_of(options.log)
    except RetentionError as error:
        complain(str(error))
        return 2
    if options.json:
        print(json.dumps([_plain(hold) for hold in holds], indent=2))
    elif not holds:
        print("no legal hold is in force")
    else:
        rows = [["name", "since", "until", "seq", "actor", "reason"]]
        rows += [["" if cell is None else printable(str(cell)) for cell in _plain(h).values()] for h in holds]
        print(table(rows, right=[3]))
    return 0


def _refused(error: RetentionError) -> int:
    complain(str(error))
    return 1


def _plain(hold: Hold) -> dict[str, object]:
    return {
        "name": hold.name,
        "since": hold.since.isoformat() if hold.since is not None else None,
        "until": hold.until.isoformat() if hold.until is not None else None,
        "seq": hold.seq,
        "actor": hold.actor,
        "reason": hold.reason,
    }


def _days(hold: Hold) -> str:
    since = f"from {hold.since}" if hold.since is not None else "from the beginning"
    return f"records made {since} {f'to {hold.until}' if hold.until is not None else 'on'}"
