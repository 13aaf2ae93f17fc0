"""`or-audit report DIR|DB`: what was called, by whom, what it cost, what failed, does the log hold?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import destination, paint, printable, table
from or_audit_logging.cli.values import positive
from or_audit_logging.evidence.books.opened import ENGINES
from or_audit_logging.evidence.html.page import page
from or_audit_logging.evidence.reporting.making import DAYS, report
from or_audit_logging.evidence.reporting.rows import GROUPS, write_csv
from or_audit_logging.evidence.reporting.values import Group, Report, Times
from or_audit_logging.evidence.reporting.writing import to_json
from or_audit_logging.sealing.text import money

HELP = "calls, costs, latencies and errors of some days"
FORMATS = ("text", "json", "csv", "html")

_LISTED = 10
_WIDEST = 48


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "report",
        help=HELP,
        description="Report on a log: calls by status, model, user, provider, feature and day, costs to the "
        "last digit, latencies, errors and what to do about them, and what of the log is missing or "
        "could not be read. With a key, a public key or an anchor the whole log is verified as well.",
        epilog="exit codes: 0 done, 1 verification has findings, 2 could not, also where no call was "
        "recorded in the time asked for. "
        "example: or-audit report audit_logs --days 30 --format json -o november.json",
    )
    parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or a store")
    parser.add_argument("--days", metavar="N", type=positive, help=f"UTC days up to today (default: {DAYS})")
    parser.add_argument("--since", metavar="WHEN", help="a UTC date, or a time such as 2026-11-21T10:30:00Z")
    parser.add_argument("--until", metavar="WHEN", help="likewise; a date is included as a whole")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="default: duckdb where it is installed"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")
    add_key_argument(parser)
    parser.add_argument(
        "--public-key",
        metavar="FILE|KEY",
        action="append",
        help="who signs the log's checkpoints; may be given again",
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE|DIR",
        action="append",
        default=[],
        help="a checkpoint kept elsewhere, or a folder of them; may be given again",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Report."""
    made = report(
        options.log,
        days=options.days,
        since=options.since,
        until=options.until,
        engine=options.engine,
        key=options.key,
        public_key=options.public_key,
        anchors=options.anchor,
    )
    with destination(options.output) as out:
        if options.format == "json":
            out.write(to_json(made.to_dict()) + "\n")
        elif options.format == "csv":
            write_csv(made, out)
        elif options.format == "html":
            out.write(page(made))
        else:
            out.write("\n\n".join(text_of(made)) + "\n")
    return 1 if made.integrity is not None and made.integrity.verdict == "tampered" else 0


def text_of(made: Report) -> list[str]:
    """Return the report as paragraphs and tables for a terminal."""
    parts = [_head(made), _summary(made)]
    parts += [
        _groups(title, groups(made)) for section, title, groups in GROUPS if _is_worth(section, groups(made))
    ]
    if made.top_spenders:
        rows = [
            [_name(one.user_id), f"{one.requests:,}", _usd(one.cost), _share(one.share)]
            for one in made.top_spenders
        ]
        parts.append(table([["top spenders", "calls", "USD", "share"], *rows], right=(1, 2, 3)))
    if made.errors:
        parts.append(_errors(made))
    if any(one.failed for one in made.error_rates):
        failing = [one for one in made.error_rates if one.failed]
        rows = [
            [_name(one.model), f"{one.requests:,}", f"{one.failed:,}", _share(one.rate)] for one in failing
        ]
        parts.append(_table(["failing, last 24 h", "calls", "failed", "rate"], rows, right=(1, 2, 3)))
    if made.substitutions:
        rows = [
            [_name(one.requested), _name(one.served), f"{one.requests:,}", _usd(one.cost)]
            for one in made.substitutions
        ]
        parts.append(_table(["requested", "served", "calls", "USD"], rows, right=(2, 3)))
    parts.append("\n".join(_notes(made)))
    return parts


def _head(made: Report) -> str:
    period = made.period
    days = f"{period.days} {'day' if period.days == 1 else 'days'}"
    said = f"{period.first_day} to {period.last_day} (UTC, {days})"
    return f"{paint('LLM calls', 'bold')}  {said}  {printable(made.path)}"


def _summary(made: Report) -> str:
    whole = made.summary
    tokens = f"{whole.total_tokens:,} ({whole.prompt_tokens:,} in, {whole.completion_tokens:,} out)"
    cost = f"{_usd(whole.cost)} USD" + (f"; {whole.unpriced:,} calls have no cost" if whole.unpriced else "")
    succeeded = f"{whole.successful:,} succeeded ({_share(whole.success_rate)})"
    lines = [
        f"calls      {whole.total_requests:,}, {succeeded}, {whole.failed:,} did not",
        f"cost       {cost}",
        f"tokens     {tokens}",
    ]
    if whole.byok:
        lines.append(f"own keys   {whole.byok:,} calls, {_usd(whole.byok_cost)} USD of the cost")
    lines += _times("latency", made.latency) + _times("to first", made.ttft)
    return "\n".join(lines)


def _times(title: str, times: Times) -> list[str]:
    if not times.count:
        return []
    said = ", ".join(f"{name} {getattr(times, name):,.0f}" for name in ("p50", "p95", "p99", "longest"))
    return [f"{title:<9}  {said} ms (of {times.count:,} calls, by nearest rank)"]


def _is_worth(section: str, groups: Sequence[Group]) -> bool:
    return section in ("by_status", "by_model", "by_user", "by_day") or any(
        one.name is not None for one in groups
    )


def _groups(title: str, groups: Sequence[Group]) -> str:
    rows = [
        [
            _name(one.name),
            f"{one.requests:,}",
            f"{one.failed:,}",
            f"{one.total_tokens:,}",
            "" if one.avg_latency_ms is None else f"{one.avg_latency_ms:,.0f}",
            _usd(one.cost),
        ]
        for one in groups
    ]
    listed = rows[-31:] if title.startswith("day") else rows
    limit = 31 if title.startswith("day") else _LISTED
    return _table(
        [title, "calls", "failed", "tokens", "avg ms", "USD"], listed, right=(1, 2, 3, 4, 5), limit=limit
    )


def _errors(made: Report) -> str:
    rows, below = [], []
    for one in made.errors[:_LISTED]:
        rows.append([one.status, _name(one.error_type, ""), _name(one.error_code, ""), f"{one.requests:,}"])
        if one.hint is not None and (said := f"{one.error_code}: {one.hint}") not in below:
            below.append(said)
    more = len(made.errors) - _LISTED
    lines = [table([["failed", "type", "code", "calls"], *rows], right=(3,))]
    lines += [f"... {more:,} more kinds"] if more > 0 else []
    return "\n".join([*lines, *(f"  {printable(said)}" for said in below)])


def _notes(made: Report) -> list[str]:
    lines = []
    if made.redactions:
        said = ", ".join(f"{printable(one.name)} {one.count:,}" for one in made.redactions[:_LISTED])
        lines.append(f"redacted     {said}")
    for count, said in (
        (made.unfinished, "calls began and never ended"),
        (
            made.without_facts,
            "calls of which neither tokens nor cost are known (or-audit settle asks for them)",
        ),
        (made.counts.get("repeated", 0), "generation ids borne by several calls; each cost is counted once"),
        (made.records_lost, "records lost, as the log itself says"),
        (made.bad_lines, "lines that are no record"),
    ):
        if count:
            lines.append(f"{paint('note', 'yellow')}         {count:,} {said}")
    for one in made.problems:
        why = one.message or f"{one.bad_lines:,} lines are no record"
        lines.append(f"{paint('unread', 'red')}       {printable(one.segment)}: {printable(why)}")
    if made.integrity is None:
        lines.append("integrity    not verified; give --key, --public-key or --anchor")
    else:
        style = "green" if made.integrity.verdict == "verified" else "red"
        lines.append(f"integrity    {paint(made.integrity.verdict.upper(), style)}")
        lines += [f"             {printable(said)}" for said in made.integrity.summary.splitlines()]
    return lines


def _table(head: list[str], rows: list[list[str]], *, right: Sequence[int], limit: int = _LISTED) -> str:
    text = table([head, *rows[:limit]], right=right)
    return (
        text if len(rows) <= limit else f"{text}\n... {len(rows) - limit:,} more (--format json lists them)"
    )


def _name(name: str | None, unknown: str = "(unknown)") -> str:
    text = printable(name) if name else unknown
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}\u2026"


def _usd(amount: Decimal) -> str:
    return money(amount) or "0.0"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
