"""`or-audit query DIR|DB`: which calls were made, by whom, to which model, at what cost."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import destination, printable, progress, warn
from or_audit_logging.cli.rows import FIELDS, FORMATS, Columns, RowWriter, write_table
from or_audit_logging.cli.values import amount, positive
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.asking import Found, Query, Skipped
from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.parts import parts_of
from or_audit_logging.evidence.query import follow, spellings
from or_audit_logging.record import AuditRecord

HELP = "list calls: by user, model, status, time, cost"

_LAST = 20
_LAST_FOLLOWED = 10
_NO_TERMINAL = 160
_LISTED = 10


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "query",
        help=HELP,
        description="List the calls in a log that all options given apply to, oldest first; as a table, the "
        f"last {_LAST} of them. Costs that were learned later are filled in. Nothing is verified here: see "
        "or-audit verify.",
        epilog="exit codes: 0 done, found or not, 2 could not. "
        "example: or-audit query audit_logs --user u-42 --since 2026-11-01 --format csv -o u-42.csv",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or a store")
    parser.add_argument(
        "--user", metavar="ID", help="as the call had it; an e-mail address also finds its pseudonym"
    )
    parser.add_argument("--session", metavar="ID", help="likewise")
    parser.add_argument("--model", metavar="NAME", help="requested or served")
    parser.add_argument("--provider", metavar="NAME", help="who served the call")
    parser.add_argument(
        "--status",
        metavar="STATUS",
        help="success, error, timeout, cancelled, incomplete, blocked; of late facts also unresolved",
    )
    parser.add_argument(
        "--event", metavar="TYPE", help="an event type, such as embeddings or generation (default: any call)"
    )
    parser.add_argument("--since", metavar="WHEN", help="a UTC date, or a time such as 2026-11-21T10:30:00Z")
    parser.add_argument("--until", metavar="WHEN", help="likewise; a date is included as a whole")
    parser.add_argument("--generation-id", metavar="ID", help="OpenRouter's id of the answer")
    parser.add_argument("--min-cost", metavar="USD", type=amount, help="calls that cost so much or more")
    parser.add_argument("--limit", metavar="N", type=positive, help="the last N only")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.add_argument(
        "--fields",
        metavar="NAME,...",
        help="only these fields of the record, in this order; seq is the number of its line",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help=f"the last {_LAST_FOLLOWED}, and what is written from now on, until SIGTERM or SIGINT",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")
    add_key_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask and print the answer."""
    fields = _fields(options.fields)
    criteria = Criteria.parse(
        users=None if options.user is None else spellings(options.user, options.key, name="user"),
        model=options.model,
        provider=options.provider,
        status=options.status,
        event=options.event,
        since=options.since,
        until=options.until,
        generation_id=options.generation_id,
        session=None if options.session is None else spellings(options.session, options.key, name="session"),
        min_cost=options.min_cost,
    )
    if options.follow:
        return _follow(options, criteria, fields)
    is_table = options.format == "table"
    limit = options.limit or (_LAST if is_table else None)
    rows: list[tuple[AuditRecord, int | None]] = []
    is_empty = True
    with destination(options.output, log=options.log) as out:
        with progress("bytes read") if is_table or not out.isatty() else contextlib.nullcontext() as say:
            asked = Query(
                parts_of(options.log, criteria),
                criteria,
                limit=limit + 1 if is_table and limit else limit,
                progress=say,
            )
            if is_table:
                rows = [(found.record, found.seq) for found in asked.found()]
                is_empty = not rows
            else:
                writer = RowWriter(options.format, out, fields=fields)
                for found in asked.found():
                    writer.write(found.record, found.seq)
                    is_empty = False
                writer.close()
        if rows and limit:
            _write_last(rows, limit, out, fields)
    _say_skipped(asked.skipped)
    if is_empty and _asks_for_a_period(options):
        raise ConfigError(f"no call was recorded in {options.log} in that time")
    if is_empty and is_table:
        print("no record is as asked for", file=sys.stderr)
    return 0


def _asks_for_a_period(options: argparse.Namespace) -> bool:
    """Return whether all of a period is asked for: that it has nothing is no answer, but a mistake."""
    others = ("user", "session", "model", "provider", "status", "event", "generation_id", "min_cost")
    is_any = all(getattr(options, name) is None for name in others)
    return is_any and (options.since is not None or options.until is not None)


def _write_last(
    rows: list[tuple[AuditRecord, int | None]], limit: int, out: TextIO, fields: list[str] | None
) -> None:
    write_table(rows[-limit:], out, width=_width(out), fields=fields)
    if len(rows) > limit:
        print(f"the last {limit}; --limit N shows more, other formats all", file=sys.stderr)


def _follow(options: argparse.Namespace, criteria: Criteria, fields: list[str] | None) -> int:
    if options.output is not None or options.format == "json":
        raise ConfigError("--follow writes to stdout, as a table, csv or jsonl")
    if options.until is not None:
        raise ConfigError("--follow has no end: leave --until out")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    last = options.limit or _LAST_FOLLOWED
    try:
        with destination(None, log=options.log) as out:
            records = follow(options.log, criteria, last=last, sleep=_sleep)
            _print_as_it_comes(options.format, records, out, fields)
    except (KeyboardInterrupt, BrokenPipeError):
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print_as_it_comes(form: Any, records: Iterator[Found], out: TextIO, fields: list[str] | None) -> None:
    if form == "table":
        layout = Columns(_width(out), fields=fields)
        layout.squeeze()
        print(layout.head(), file=out, flush=True)
        for found in records:
            print(layout.text(found.record, found.seq, out), file=out, flush=True)
    else:
        writer = RowWriter(form, out, fields=fields)
        out.flush()
        for found in records:
            writer.write(found.record, found.seq)
            out.flush()


def _sleep(seconds: float) -> None:
    """Wait, and raise `BrokenPipeError` where nobody reads stdout any more."""
    if not hasattr(select, "poll") or sys.stdout.isatty():
        time.sleep(seconds)
        return
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # only errors and hang-ups
    if any(
        event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(seconds * 1000)
    ):
        raise BrokenPipeError


def _width(out: TextIO) -> int:
    return shutil.get_terminal_size().columns if out.isatty() or os.environ.get("COLUMNS") else _NO_TERMINAL


def _fields(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FIELDS:
            raise ConfigError(f"there is no field {name!r}; there are {', '.join(FIELDS)}")
    return names


def _say_skipped(skipped: Skipped) -> None:
    if skipped.redacted:
        lines = "line was" if skipped.redacted == 1 else "lines were"
        warn(f"{skipped.redacted} {lines} redacted and cannot be looked into")
    for name, count in itertools.islice(skipped.bad.items(), _LISTED):
        pieces = "piece that is no record" if count == 1 else "pieces that are no records"
        warn(f"{name}: {count} {pieces}, torn or damaged, left out")
    if len(skipped.bad) > _LISTED:
        warn(f"so are pieces of {len(skipped.bad) - _LISTED} more segments")
    for name, trouble in skipped.unreadable.items():
        warn(f"{printable(name)} was not read to its end: {trouble}")
