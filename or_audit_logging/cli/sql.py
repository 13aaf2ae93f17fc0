"""`or-audit sql DIR|DB "SELECT ..."`: a question in SQL to the view `audit_log`, which can only read."""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any, TextIO

from or_audit_logging.cli.output import destination, printable, table, warn
from or_audit_logging.cli.values import positive, seconds
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.books.columns import needed
from or_audit_logging.evidence.books.opened import ENGINES, Answer, Books
from or_audit_logging.evidence.books.opening import open_books
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.reporting.rows import csv_cell
from or_audit_logging.evidence.reporting.writing import to_json

HELP = "ask a log in SQL"
FORMATS = ("table", "json", "csv", "jsonl")

_ROWS = 100_000
_SECONDS = 300.0
_WIDEST = 60


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "sql",
        help=HELP,
        description="Answer one SELECT over the view audit_log, which has a row for each call and the "
        "record's fields as columns; costs that were learned later are filled in. Money is total_cost "
        "(USD) and, for exact sums, total_cost_pico (units of 1e-12 USD). Nothing is verified here: see "
        "or-audit verify.",
        epilog="exit codes: 0 done, 2 could not. "
        'example: or-audit sql audit_logs "SELECT model_used, COUNT(*) FROM audit_log GROUP BY model_used"',
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or a store")
    parser.add_argument("sql", metavar="SELECT", help="one statement that reads")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="default: duckdb where it is installed"
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a text for $NAME; may be given again",
    )
    parser.add_argument("--since", metavar="WHEN", help="a UTC date, or a time such as 2026-11-21T10:30:00Z")
    parser.add_argument("--until", metavar="WHEN", help="likewise; a date is included as a whole")
    parser.add_argument(
        "--limit", metavar="N", type=positive, default=_ROWS, help=f"rows, at most (default: {_ROWS:,})"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=_SECONDS, help=f"default: {_SECONDS:g}"
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask and print the answer."""
    values = dict(_param(text) for text in options.param)
    period = Period.parse(options.since, options.until)
    with open_books(options.log, engine=options.engine, period=period, columns=needed(options.sql)) as books:
        answer = books.ask(options.sql, values, limit=options.limit, timeout=options.timeout)
        say_problems(books)
    with destination(options.output, log=options.log) as out:
        _write(answer, out, options.format)
    if answer.has_more:
        first = (
            "this is the first row" if options.limit == 1 else f"these are the first {options.limit:,} rows"
        )
        warn(f"{first}; --limit N gives more")
    return 0


def say_problems(books: Books) -> None:
    """Say what of the log could not be read."""
    for name, count in sorted(books.problems.bad_lines.items()):
        warn(
            f"{name}: {count:,} lines are no record and were left out"
            if count > 1
            else f"{name}: 1 line is no record and was left out"
        )
    for name, why in sorted(books.problems.unreadable.items()):
        warn(f"{name} could not be read to its end: {why}")


def _param(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError(f"--param takes NAME=VALUE, not {text!r}")
    return name, value


def _write(answer: Answer, out: TextIO, form: str) -> None:
    if form == "table":
        if answer.rows:
            cells = [[_short(_text(value)) for value in row] for row in answer.rows]
            right = [
                at
                for at in range(len(answer.columns))
                if all(isinstance(row[at], (int, float, Decimal, type(None))) for row in answer.rows)
            ]
            out.write(table([[printable(name) for name in answer.columns], *cells], right=right) + "\n")
        else:
            out.write("no rows\n")
    elif form == "csv":
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([csv_cell(name) for name in answer.columns])
        writer.writerows(
            [csv_cell(_text(value)) if not _is_number(value) else _text(value) for value in row]
            for row in answer.rows
        )
    else:
        twice = [name for name, count in Counter(answer.columns).items() if count > 1]
        if twice:
            raise ConfigError(f"two columns are called {twice[0]}; JSON has room for one: rename one with AS")
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        if form == "json":
            out.write(to_json(rows) + "\n")
        else:
            out.writelines(to_json(row, indent=None) + "\n" for row in rows)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal))


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value.isoformat() if isinstance(value, date) else str(value)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}\u2026"
