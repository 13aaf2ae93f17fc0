"""`or-audit reconcile DIR --date D`: hold the log's costs against OpenRouter's own figures."""

from __future__ import annotations

import argparse
import json
from typing import Any

from or_audit_logging.cli.output import complain, paint, printable, table
from or_audit_logging.cli.values import amount, day
from or_audit_logging.evidence.reconcile import reconcile
from or_audit_logging.evidence.reconciliation import Amount, Reconciliation, money
from or_audit_logging.openrouter import BASE_URL

HELP = "hold the log's costs against what OpenRouter says was spent"

_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "reconcile",
        help=HELP,
        description="Hold the log's costs against what OpenRouter says was spent: for UTC days that are over "
        "its activity (management key) or a file exported from https://openrouter.ai/activity, for the "
        "current day what the key has spent. Sums are exact.",
        epilog="example: or-audit reconcile audit_logs --date 2026-11-20 --activity activity.csv. "
        "Exit codes: 0 both agree, 1 they differ, 2 could not.",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or its store")
    parser.add_argument("--date", metavar="DAY", type=day, required=True, help="UTC day, such as 2026-11-20")
    parser.add_argument("--until", metavar="DAY", type=day, help="the last of several days, included")
    parser.add_argument("--activity", metavar="FILE", help="OpenRouter's figures as CSV or JSON")
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="env:NAME or file:PATH of the OpenRouter key (default: env:OPENROUTER_API_KEY)",
    )
    parser.add_argument("--base-url", metavar="URL", default=BASE_URL, help=f"default: {BASE_URL}")
    parser.add_argument(
        "--tolerance",
        metavar="USD",
        type=amount,
        default="0",
        help="by how much a line may differ (default: 0)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare and say what was found."""
    result = reconcile(
        options.log,
        since=options.date,
        until=options.until,
        activity=options.activity,
        api_key=options.api_key,
        base_url=options.base_url,
        tolerance=options.tolerance,
    )
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        _print(result)
    for name, trouble in result.unreadable.items():
        complain(f"{name} could not be read, so the sums are not whole: {trouble}")
    return result.exit_code


def _print(result: Reconciliation) -> None:
    rows = [["day", "model", "requests here", "there", "USD here", "USD there", "difference"]]
    for line in result.lines:
        rows.append([str(line.day), printable(line.model), *_columns(line.here, line.there)])
    rows.append(["", "total", *_columns(result.here, result.there)])
    print(table(rows, right=(2, 3, 4, 5, 6)))
    for one in result.differences[:_LISTED]:
        what = printable(one.generation_id or one.model)
        here, there = ("-" if cost is None else f"{money(cost):f}" for cost in (one.here, one.there))
        print(f"  {paint(one.kind, 'red')}  {one.day}  {what}  here {here}  there {there}")
    if len(result.differences) > _LISTED:
        print(f"  ... {len(result.differences) - _LISTED} more differences (--json lists them)")
    for note in result.notes:
        print(f"  note  {printable(note)}")
    if not result.differences:
        print(paint("both agree", "green"))


def _columns(here: Amount | None, there: Amount | None) -> list[str]:
    known = [one if one is not None else Amount() for one in (here, there)]
    return [
        *("-" if one is None or one.requests is None else str(one.requests) for one in (here, there)),
        f"{money(here.cost):f}" if here else "-",
        f"{money(there.cost):f}" if there else "-",
        f"{money(known[0].cost - known[1].cost):f}",
    ]
