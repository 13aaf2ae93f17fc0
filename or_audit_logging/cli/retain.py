"""`or-audit retain DIR`: archive and delete old segments as the policy says, and seal that it was done."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, warn_unsigned
from or_audit_logging.cli.output import complain, paint, printable
from or_audit_logging.errors import ConfigError, RetentionError
from or_audit_logging.evidence.retention.policies import PROFILES
from or_audit_logging.evidence.retention.retain import Retained, retain

HELP = "archive and delete old segments as a retention policy says"

_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "retain",
        help=HELP,
        description=HELP.capitalize() + ". The log is verified first, and nothing is done to one that fails. "
        "The policy is sealed in it, and so is what was deleted, before files go: verify tells it from what "
        "is missing. Works beside the processes that write the log; may be run twice, or killed. At a "
        "terminal it asks before it deletes or seals a policy; without one, in cron, it goes ahead, unless "
        "nobody has ever named a policy.",
        epilog="example: or-audit retain audit_logs --policy operational --dry-run. "
        "Exit codes: 0 done, also where a legal hold keeps segments; 1 refused; 2 could not.",
    )
    add_log_arguments(parser)
    parser.add_argument(
        "--policy",
        metavar="NAME|FILE",
        action="append",
        help=f"{', '.join(PROFILES)}, or a JSON or TOML file; may be given again, and the longest wins "
        "(default: the one sealed in the log; without one operational, if you agree to it)",
    )
    parser.add_argument(
        "--replace-policy",
        action="store_true",
        help="put this policy in the place of the sealed one, also a shorter one; lines that are there "
        "keep what they were promised",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_who_and_why(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def add_who_and_why(parser: argparse.ArgumentParser) -> None:
    """Add what goes into the log of whoever acts."""
    parser.add_argument(
        "--actor", metavar="WHO", help="who does it; sealed as it is given (default: the login name)"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; sealed as it is given")


def run(options: argparse.Namespace) -> int:
    """Say what is planned, and do it."""
    asked = _Asked(options)
    try:
        result = retain(
            options.log,
            options.policy,
            key=options.key,
            signing_key=options.signing_key,
            actor=options.actor,
            reason=options.reason,
            dry_run=options.dry_run,
            replace_policy=options.replace_policy,
            confirm=asked.confirm,
            progress=_progress if sys.stderr.isatty() else None,
        )
    except RetentionError as error:
        _clear_progress()
        complain(str(error))
        return 1
    _clear_progress()
    if options.json:
        print(json.dumps(result, indent=2))
    elif options.dry_run:
        print_plan(result)
    elif result["done"]:
        print(_outcome(result))
    if result["unsigned"] is not None:
        warn_unsigned(result["unsigned"])
    if asked.refused:
        complain("nothing was done")
        return 1
    return 0


def print_plan(planned: Retained) -> None:
    """Print what is to be done."""
    policy = planned["policy"]
    state = "to be sealed" if planned["sealed"] else "sealed"
    terms = f"archive {_at(policy['archive_after_days'])}, delete {_at(policy['delete_after_days'])}"
    print(f"{paint('policy', 'bold')}   {printable(policy['name'])} ({state}): {terms}")
    print(f"         promises {policy['min_days']:,} days at least")
    for note in planned["notes"]:
        print(f"{paint('note', 'yellow')}     {printable(note)}")
    _print_names("archive", "green", planned["archived"])
    _print_names("delete", "red", planned["deleted"])
    for kept in planned["kept"]:
        _print_names("keep", "yellow", kept["segments"], why=kept["why"])
    if not planned["archived"] and not planned["deleted"]:
        print("nothing to archive, nothing to delete")


class _Asked:
    """Shows the plan and, at a terminal, asks whether to go ahead."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._is_quiet = options.json
        self._named = bool(options.policy) or options.yes
        self._may_ask = not options.yes and sys.stdin.isatty() and sys.stderr.isatty()
        self.refused = False

    def confirm(self, planned: Retained) -> bool:
        _clear_progress()
        if planned["sealed"] and not self._named and not self._may_ask:
            raise ConfigError(
                "the log has no sealed policy, and nothing is deleted under one that nobody named: "
                f"give --policy NAME, one of {', '.join(PROFILES)}, or --policy FILE"
            )
        if not self._is_quiet:
            print_plan(planned)
            sys.stdout.flush()
        questions = []
        if planned["deleted"]:
            questions.append(f"delete {_count(planned['deleted'])} for good")
        if planned["sealed"]:
            questions.append(f"seal the policy {printable(planned['policy']['name'])} in the log")
        if questions and self._may_ask:
            question = " and ".join(questions)
            sys.stderr.write(f"{question[:1].upper()}{question[1:]}? [y/N] ")
            sys.stderr.flush()
            self.refused = sys.stdin.readline().strip().lower() not in ("y", "yes")
        return not self.refused


def _print_names(what: str, style: str, names: Sequence[str], *, why: str | None = None) -> None:
    reason = f"  ({printable(why)})" if why is not None else ""
    for name in names[:_LISTED]:
        print(f"{paint(f'{what:7}', style)}  {printable(name)}{reason}")
    if len(names) > _LISTED:
        print(f"         ... {len(names) - _LISTED} more, up to {printable(names[-1])} (--json lists them)")


def _outcome(result: Retained) -> str:
    said = f"archived {_count(result['archived'])}, deleted {_count(result['deleted'])}"
    kept = [name for kept in result["kept"] for name in kept["segments"]]
    return f"{paint('done', 'green')}     {said}{f', kept {_count(kept)}' if kept else ''}"


def _at(days: int | None) -> str:
    return "never" if days is None else f"after {days:,} days"


def _count(names: Sequence[str]) -> str:
    return f"{len(names):,} segment{'' if len(names) == 1 else 's'}"


def _progress(lines: int) -> None:
    sys.stderr.write(f"\rverifying: {lines:,} lines")
    sys.stderr.flush()


def _clear_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
