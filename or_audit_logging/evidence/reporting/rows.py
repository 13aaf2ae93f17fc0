"""A report as rows of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from or_audit_logging.evidence.reporting.values import Group, Report
from or_audit_logging.sealing.text import money

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
GROUPS: tuple[tuple[str, str, Callable[[Report], Sequence[Group]]], ...] = (
    ("by_status", "status", lambda made: made.by_status),
    ("by_model", "model", lambda made: made.by_model),
    ("by_user", "user", lambda made: made.by_user),
    ("by_provider", "provider", lambda made: made.by_provider),
    ("by_feature", "feature", lambda made: made.by_feature),
    ("by_day", "day (UTC)", lambda made: made.by_day),
)
_CSV = (
    *("section", "day", "name", "requests", "successful", "failed"),
    *("total_tokens", "avg_latency_ms", "cost_usd", "unpriced"),
)


def write_csv(made: Report, out: TextIO) -> None:
    """Write the sums of each group, of all of them, and of each model on each day, one row each."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_CSV)
    whole = made.summary
    sums = [whole.total_requests, whole.successful, whole.failed, whole.total_tokens]
    writer.writerow(
        ["summary", "", "", *sums, _or_blank(whole.avg_latency_ms), money(whole.cost), whole.unpriced]
    )
    for section, _, groups in GROUPS:
        for one in groups(made):
            name = csv_cell(one.name or "")
            place = [name, ""] if section == "by_day" else ["", name]
            sums = [one.requests, one.successful, one.failed, one.total_tokens]
            writer.writerow(
                [section, *place, *sums, _or_blank(one.avg_latency_ms), money(one.cost), one.unpriced]
            )
    for row in made.daily_cost:
        cells = [row.day.isoformat(), csv_cell(row.model or ""), row.requests, "", "", "", ""]
        writer.writerow(["daily_cost", *cells, money(row.cost), row.unpriced])


def csv_cell(text: str) -> str:
    """Return *text* for a CSV file: what a spreadsheet would compute gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _or_blank(value: float | None) -> Any:
    return "" if value is None else value
