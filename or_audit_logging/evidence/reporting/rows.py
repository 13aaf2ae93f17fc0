"""A report as CSV: the sums of each group, and of each model on each day, one row each.

Text that a spreadsheet would compute gets an apostrophe in front. Where groups are left out, a row of the
section `<section>.rest` has their sums, so that a section adds up to the summary.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TextIO

from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import Group, Summary, Times
from or_audit_logging.sealing.text import money

GROUPS: tuple[tuple[str, str, Callable[[Report], Sequence[Group]]], ...] = (
    ("by_status", "status", lambda made: made.by_status),
    ("by_model", "model", lambda made: made.by_model),
    ("by_user", "user", lambda made: made.by_user),
    ("by_provider", "provider", lambda made: made.by_provider),
    ("by_feature", "feature", lambda made: made.by_feature),
    ("by_day", "day (UTC)", lambda made: made.by_day),
)
"""The groups of a report: section, title, which they are."""

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet compute a cell, full-width forms too (OWASP, CSV injection)."""
_HEAD = (
    *("section", "day", "name", "requests", "successful", "failed"),
    *("total_tokens", "avg_latency_ms", "cost_usd", "unpriced", "p50_ms", "p95_ms", "p99_ms"),
)
_Cell = object


def write_csv(made: Report, out: TextIO) -> None:
    """Write *made* to *out*."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_HEAD)
    whole = made.summary
    times = [*_sums(whole, whole.total_requests), *_percentiles(made.latency)]
    writer.writerow(["summary", "", "", *times])
    for section, _, groups in GROUPS:
        listed = groups(made)
        for one in listed:
            name = csv_cell(one.name or "")
            place = [name, ""] if section == "by_day" else ["", name]
            writer.writerow([section, *place, *_sums(one, one.requests), *_percentiles(one.latency)])
        left = made.counts.get(section, len(listed)) - len(listed)
        if left > 0:
            rest = [*_rest(whole, listed), *_percentiles(None)]
            writer.writerow([f"{section}.rest", "", f"{left} not listed", *rest])
    _write_daily_cost(made, writer.writerow)


def csv_cell(text: str) -> str:
    """Return *text* for a CSV file: what a spreadsheet would compute gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_daily_cost(made: Report, write: Callable[[Sequence[_Cell]], object]) -> None:
    for row in made.daily_cost:
        cells = [row.day.isoformat(), csv_cell(row.model or ""), row.requests, None, None, None, None]
        write(["daily_cost", *cells, money(row.cost), row.unpriced, *_percentiles(None)])
    if made.counts.get("daily_cost", 0) <= len(made.daily_cost):
        return
    for day in made.by_day:
        rows = [row for row in made.daily_cost if row.day.isoformat() == day.name]
        requests = day.requests - sum(row.requests for row in rows)
        if requests:
            cost = day.cost - sum((row.cost for row in rows), Decimal(0))
            unpriced = day.unpriced - sum(row.unpriced for row in rows)
            cells = [day.name, "models not listed", requests, None, None, None, None]
            write(["daily_cost.rest", *cells, money(cost.normalize()), unpriced, *_percentiles(None)])


def _sums(one: Group | Summary, requests: int) -> list[_Cell]:
    counted = [requests, one.successful, one.failed, one.total_tokens]
    return [*counted, one.avg_latency_ms, money(one.cost), one.unpriced]


def _rest(whole: Summary, listed: Sequence[Group]) -> list[_Cell]:
    """Return the sums of the calls that are in none of the groups *listed*."""
    requests = whole.total_requests - sum(one.requests for one in listed)
    successful = whole.successful - sum(one.successful for one in listed)
    tokens = whole.total_tokens - sum(one.total_tokens for one in listed)
    cost = whole.cost - sum((one.cost for one in listed), Decimal(0))
    unpriced = whole.unpriced - sum(one.unpriced for one in listed)
    return [requests, successful, requests - successful, tokens, None, money(cost.normalize()), unpriced]


def _percentiles(times: Times | None) -> list[_Cell]:
    return [None] * 3 if times is None else [times.p50, times.p95, times.p99]
