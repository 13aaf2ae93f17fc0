"""How calls ended: per day, by status, by kind of error, by model in the last day; who answered for whom."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from or_audit_logging.evidence.html.bars import Bar, bars
from or_audit_logging.evidence.html.buckets import buckets
from or_audit_logging.evidence.html.columns import Series, columns
from or_audit_logging.evidence.html.cost import cost_of
from or_audit_logging.evidence.html.markup import Element, tag
from or_audit_logging.evidence.html.plot import Number, figure, legend
from or_audit_logging.evidence.html.quantities import (
    count,
    count_short,
    counted,
    milliseconds,
    moment,
    money_column,
    percent,
)
from or_audit_logging.evidence.html.table import ROWS, Cell, fold, label, left_out, name, table
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import Group

_BARS = 10


def outcomes_section(report: Report) -> Element:
    """Return the section on success and failure."""
    return tag(
        "section",
        tag("h2", "Calls and how they ended", id="calls"),
        _daily(report),
        tag("div", _failures(report), _statuses(report), class_="pair"),
        tag("div", _rates(report), _substitutions(report), class_="pair"),
        _errors(report),
        aria_labelledby="calls",
    )


def says_count(value: Number | None) -> str:
    """Return a count for a tooltip."""
    return count(None if value is None else int(value))


def _whole(value: Decimal) -> str:
    return count(int(value))


def _short(value: Decimal) -> str:
    return count_short(int(value))


def _per_day(report: Report, member: str) -> list[Decimal]:
    days = ((date.fromisoformat(one.name), int(getattr(one, member))) for one in report.by_day if one.name)
    return buckets(report.period).add_up(days)


def _daily(report: Report) -> Element:
    when = buckets(report.period)
    slots = when.slots
    title = f"Calls per {when.words}"
    good, bad = _per_day(report, "successful"), _per_day(report, "failed")
    series = [Series("succeeded", good, 0), Series("failed", bad, 1)]
    summary = report.summary
    chart = columns(
        "calls-by-day",
        title,
        f"{len(slots)} columns: {count(summary.successful)} succeeded, {count(summary.failed)} failed.",
        slots,
        series,
        says=_whole,
        axis=_short,
        whole=True,
    )
    rows = [
        [
            slot.name,
            count(int(a + b)),
            count(int(a)),
            count(int(b)),
            percent(float(a / (a + b)) if a + b else None),
        ]
        for slot, a, b in zip(slots, good, bad, strict=True)
    ]
    heads = [when.words.capitalize(), "Calls", "Succeeded", "Failed", "Success rate"]
    total = [
        "All",
        count(summary.total_requests),
        count(summary.successful),
        count(summary.failed),
        percent(summary.success_rate),
    ]
    keys: list[tuple[str, str]] = [
        ("succeeded", count(summary.successful)),
        ("failed", count(summary.failed)),
    ]
    return figure(
        title, None, legend(keys), chart, numbers=fold("The numbers", table(title, heads, rows, total=total))
    )


def _failures(report: Report) -> Element:
    when = buckets(report.period)
    slots = when.slots
    title = f"Failed calls per {when.words}"
    bad = _per_day(report, "failed")
    chart = columns(
        "failed-by-day",
        title,
        f"{len(slots)} columns, at most {says_count(max(bad))}.",
        slots,
        [Series("failed", bad, 1)],
        says=_whole,
        axis=_short,
        whole=True,
    )
    rows = [[slot.name, says_count(value)] for slot, value in zip(slots, bad, strict=True)]
    numbers = table(title, [when.words.capitalize(), "Failed"], rows)
    return figure(
        title,
        "The upper part of the columns above, on a scale of its own.",
        chart,
        numbers=fold("The numbers", numbers),
    )


def _statuses(report: Report) -> Element:
    title = "How calls ended"
    if not report.by_status:
        return figure(title, "No calls.")

    def share(one: Group) -> str:
        return percent(
            one.requests / report.summary.total_requests if report.summary.total_requests else None
        )

    rows = [Bar(label(one.name), one.requests, share(one)) for one in report.by_status[:_BARS]]
    shown = report.by_status[:ROWS]
    amounts = money_column([cost_of(one) for one in shown])
    numbers: list[list[Cell]] = [
        [name(one.name), count(one.requests), share(one), milliseconds(one.avg_latency_ms), amount]
        for one, amount in zip(shown, amounts, strict=True)
    ]
    heads = ["Status", "Calls", "Share", "Average time", "Cost"]
    return figure(
        title,
        None,
        bars("by-status", title, f"{counted(len(rows), 'bar')}, one per status.", rows, says=says_count),
        numbers=fold("The numbers", table(title, heads, numbers)),
        note=left_out(len(shown), report.counts.get("by_status", len(report.by_status))),
    )


def _rates(report: Report) -> Element:
    title = "Error rate by model, last 24 hours"
    shown = [one for one in report.error_rates if one.failed][:_BARS]
    since = f"From {moment(report.error_rates_from)} on." if report.error_rates_from else None
    if not report.error_rates:
        return figure(title, since, tag("p", "No calls.", class_="note"))
    rows = [
        Bar(label(one.model), one.rate, f"{count(one.failed)} of {counted(one.requests, 'call')}")
        for one in shown
    ]
    numbers: list[list[Cell]] = [
        [name(one.model), count(one.requests), count(one.failed), percent(one.rate)]
        for one in report.error_rates[:ROWS]
    ]
    return figure(
        title,
        " ".join(filter(None, [since, "A full bar is 100%." if shown else "No call failed."])),
        None
        if not shown
        else bars(
            "error-rates",
            title,
            f"{counted(len(rows), 'bar')}, one per model.",
            rows,
            says=says_rate,
            colour=1,
            full=1,
        ),
        numbers=fold("The numbers", table(title, ["Model", "Calls", "Failed", "Rate"], numbers)),
        note=left_out(len(numbers), len(report.error_rates)),
    )


def says_rate(value: Number | None) -> str:
    """Return a share for a bar."""
    return percent(None if value is None else float(value))


def _substitutions(report: Report) -> Element:
    title = "Answered by another model than asked for"
    shown = report.substitutions[:ROWS]
    about = "Fallbacks, routers and dated versions."
    if not shown:
        return figure(title, about, tag("p", "None.", class_="note"))
    amounts = money_column([cost_of(one) for one in shown])
    rows: list[list[Cell]] = [
        [name(one.requested), name(one.served), count(one.requests), amount]
        for one, amount in zip(shown, amounts, strict=True)
    ]
    numbers = table(title, ["Asked for", "Answered", "Calls", "Cost"], rows, words=frozenset([1]))
    total = report.counts.get("substitutions", len(report.substitutions))
    return figure(title, about, numbers=numbers, note=left_out(len(shown), total))


def _errors(report: Report) -> Element:
    title = "What went wrong"
    shown = report.errors[:ROWS]
    if not shown:
        return figure(title, "No call failed.")
    rows: list[list[Cell]] = [
        [name(one.error_type), count(one.requests), name(one.status), name(one.error_code), one.hint or ""]
        for one in shown
    ]
    heads = ["Error", "Calls", "Status", "Code", "What it means"]
    numbers = table(title, heads, rows, words=frozenset([2, 3, 4]))
    return figure(
        title,
        None,
        numbers=numbers,
        note=left_out(len(shown), report.counts.get("errors", len(report.errors))),
    )
