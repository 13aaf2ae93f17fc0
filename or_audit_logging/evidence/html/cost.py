"""What calls cost: per day and model, by user, model, provider and feature."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from or_audit_logging.evidence.html.bars import Bar, bars
from or_audit_logging.evidence.html.buckets import Buckets, buckets
from or_audit_logging.evidence.html.columns import Series, columns
from or_audit_logging.evidence.html.markup import Element, shortened, tag
from or_audit_logging.evidence.html.plot import figure, legend
from or_audit_logging.evidence.html.quantities import (
    count,
    counted,
    exact,
    milliseconds,
    money,
    money_column,
    percent,
)
from or_audit_logging.evidence.html.style import SERIES
from or_audit_logging.evidence.html.table import ROWS, Cell, fold, label, left_out, name, table
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import Group, Substitution

_BARS = 10
_NAME = 60


def cost_of(group: Group | Substitution) -> Decimal | None:
    """Return what the calls of a group cost; None where none of them has a price."""
    return None if group.requests and group.unpriced >= group.requests else group.cost


def cost_section(report: Report) -> Element:
    """Return the section on money."""
    features = any(one.name is not None for one in report.by_feature)
    return tag(
        "section",
        tag("h2", "Cost", id="cost"),
        tag("p", _sum(report), class_="about"),
        _daily(report),
        tag(
            "div",
            _spenders(report),
            _groups(report, "model", report.by_model),
            class_="pair",
        ),
        tag(
            "div",
            _groups(report, "provider", report.by_provider),
            _groups(report, "feature", report.by_feature) if features else None,
            class_="pair",
        ),
        aria_labelledby="cost",
    )


def _sum(report: Report) -> str:
    summary = report.summary
    if not summary.total_requests or summary.unpriced >= summary.total_requests:
        return "US dollars, as the providers stated them."
    said = f"{exact(summary.cost)} in all, as the providers stated it. Charts round, tables have every digit."
    if summary.unpriced:
        verb = "has no known price and is" if summary.unpriced == 1 else "have no known price and are"
        said += f" {counted(summary.unpriced, 'call')} {verb} in no sum, so what was spent may be more."
    return said


def _daily(report: Report) -> Element:
    when = buckets(report.period)
    slots, series = when.slots, _series(report, when)
    title = f"Cost per {when.words} by model"
    days = [(date.fromisoformat(one.name), one) for one in report.by_day if one.name]
    known = when.add_up((day, one.cost) for day, one in days)
    calls = when.add_up((day, one.requests) for day, one in days)
    unpriced = [int(number) for number in when.add_up((day, one.unpriced) for day, one in days)]
    chart = columns(
        "cost-by-day",
        title,
        f"{len(slots)} columns, {slots[0].name} to {slots[-1].name}; {money(report.summary.cost)} in all.",
        slots,
        series,
        says=money,
        axis=money,
        more=[f"unpriced calls: {count(number)}" if number else "" for number in unpriced],
    )
    total = [None if n and n <= m else cost for cost, n, m in zip(known, calls, unpriced, strict=True)]
    written = [money_column(column) for column in (total, *(one.values for one in series))]
    rows = [
        [slot.name, *(column[n] for column in written), count(unpriced[n])] for n, slot in enumerate(slots)
    ]
    names = [tag("bdi", shortened(one.name, _NAME)) for one in series]
    sums = [sum(one.values, Decimal(0)) for one in series]
    heads: list[Cell] = [when.words.capitalize(), "All models", *names, "Unpriced calls"]
    foot = ["All", *map(exact, [sum(known, Decimal(0)), *sums]), count(sum(unpriced))]
    keys = [(held, money(cost)) for held, cost in zip(names, sums, strict=True)]
    numbers = table(f"{title}, US dollars", heads, rows, total=foot)
    return figure(title, _cut(report), legend(keys), chart, numbers=fold("The numbers", numbers))


def money_or_unknown(value: Decimal | int | float | None) -> str:
    """Return money for a tooltip."""
    return money(None if value is None else Decimal(value))


def _cut(report: Report) -> str | None:
    if report.counts.get("daily_cost", 0) <= len(report.daily_cost):
        return None
    return "Days by model beyond those that the report lists count as other."


def _day_costs(report: Report) -> list[tuple[date, Decimal]]:
    return [(date.fromisoformat(one.name), one.cost) for one in report.by_day if one.name]


def _series(report: Report, when: Buckets) -> list[Series]:
    """Return the models that cost most, and what is left of each day's cost as one more."""
    ranked = sorted(report.by_model, key=lambda one: (-one.cost, one.name or ""))
    shown = [one for one in ranked if one.cost][: SERIES - 1]
    rest = when.add_up(_day_costs(report))
    series = []
    for colour, model in enumerate(shown):
        sums = when.add_up((one.day, one.cost) for one in report.daily_cost if one.model == model.name)
        rest = [left - sum_ for left, sum_ in zip(rest, sums, strict=True)]
        series.append(Series(label(model.name), sums, colour))
    others = report.counts.get("by_model", len(report.by_model)) - len(shown)
    if others > 0 and any(rest):
        series.append(Series(f"other ({counted(others, 'model')})", rest, SERIES - 1))
    return series


def _spenders(report: Report) -> Element:
    title = "Who spent most"
    rows = [Bar(label(one.user_id), one.cost, _share(one.requests, one.share)) for one in report.top_spenders]
    users = report.counts.get("by_user", len(report.by_user))
    about = f"The first {len(rows)} of {counted(users, 'user')}." if users > len(rows) else None
    if not rows:
        return figure(title, "No calls.")
    amounts = money_column([one.cost for one in report.top_spenders])
    numbers: list[list[Cell]] = [
        [name(one.user_id), amount, percent(one.share), count(one.requests)]
        for one, amount in zip(report.top_spenders, amounts, strict=True)
    ]
    return figure(
        title,
        about,
        bars("spenders", title, f"{counted(len(rows), 'bar')}, one per user.", rows, says=money_or_unknown),
        numbers=fold(
            "The numbers", table(f"{title}, US dollars", ["User", "Cost", "Share", "Calls"], numbers)
        ),
    )


def _share(requests: int, share: float | None) -> str:
    return f"{percent(share)} of the cost, {counted(requests, 'call')}"


def _groups(report: Report, kind: str, groups: Sequence[Group]) -> Element:
    title = f"Cost by {kind}"
    if not groups:
        return figure(title, "No calls.")
    ranked = sorted(groups, key=lambda one: (-one.cost, -one.requests, one.name or ""))
    rows = [Bar(label(one.name), cost_of(one), _calls(one)) for one in ranked[:_BARS]]
    total = report.counts.get(f"by_{kind}", len(groups))
    about = f"The first {_BARS} of {counted(total, kind)}." if total > _BARS else None
    shown = ranked[:ROWS]
    heads = [kind.capitalize(), "Cost", "Unpriced", "Calls", "Failed", "Tokens", "Average time"]
    amounts = money_column([cost_of(one) for one in shown])
    numbers: list[list[Cell]] = [
        [
            name(one.name),
            amount,
            count(one.unpriced),
            count(one.requests),
            count(one.failed),
            count(one.total_tokens),
            milliseconds(one.avg_latency_ms),
        ]
        for one, amount in zip(shown, amounts, strict=True)
    ]
    return figure(
        title,
        about,
        bars(
            f"by-{kind}", title, f"{counted(len(rows), 'bar')}, one per {kind}.", rows, says=money_or_unknown
        ),
        numbers=fold("The numbers", table(f"{title}, US dollars", heads, numbers)),
        note=left_out(len(shown), total),
    )


def _calls(group: Group) -> str:
    unpriced = f", {count(group.unpriced)} of them unpriced" if group.unpriced else ""
    return f"{counted(group.requests, 'call')}{unpriced}"
