"""How long answers took: percentiles over the period, per day and by model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from or_audit_logging.evidence.html.bars import Bar, bars
from or_audit_logging.evidence.html.curve import curve
from or_audit_logging.evidence.html.markup import Element, tag
from or_audit_logging.evidence.html.plot import Number, Slot, figure
from or_audit_logging.evidence.html.quantities import (
    count,
    counted,
    day,
    day_short,
    milliseconds,
    seconds,
)
from or_audit_logging.evidence.html.table import ROWS, Cell, fold, label, left_out, name, table
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import Times

_BARS = 10
_HEADS = ("p50", "p95", "p99", "Longest", "Average", "Calls")


def speed_section(report: Report) -> Element:
    """Return the section on time."""
    return tag(
        "section",
        tag("h2", "Response time", id="time"),
        _by_day(report),
        tag("div", _percentiles(report), _by_model(report), class_="pair"),
        aria_labelledby="time",
    )


def _percentiles(report: Report) -> Element:
    title = "How long answers took"
    times, ttft = report.latency, report.ttft
    names = ("half within (p50)", "95% within (p95)", "99% within (p99)")
    values = (times.p50, times.p95, times.p99)
    firsts = (ttft.p50, ttft.p95, ttft.p99)
    about = f"Of {counted(times.count, 'call')} that say so."
    drawn = [Bar(*pair) for pair in zip(names, values, strict=True)]
    if ttft.count:
        about += f" {counted(ttft.count, 'stream')} say when the first token came."
        drawn += [Bar(f"first token, {one}", first) for one, first in zip(names, firsts, strict=True)]
    chart = bars("latency", title, about, drawn, says=says_time)
    rows = [[n, milliseconds(a), milliseconds(b)] for n, a, b in zip(names, values, firsts, strict=True)]
    rows.append(["longest", milliseconds(times.longest), milliseconds(ttft.longest)])
    rows.append(["average", milliseconds(times.average), milliseconds(ttft.average)])
    rows.append(["calls that say so", count(times.count), count(ttft.count)])
    numbers = table(title, ["", "Whole answer", "First token (streams)"], rows)
    return figure(title, about, chart, numbers=fold("The numbers, and time to first token", numbers))


def _by_day(report: Report) -> Element:
    title = "95% of answers within, per day"
    days = [
        (date.fromisoformat(one.name), one.latency or Times(average=one.avg_latency_ms))
        for one in report.by_day
        if one.name
    ]
    slots = [Slot(day_short(when), day(when)) for when, _ in days]
    values = [times.p95 for _, times in days]
    known = [value for value in values if value is not None]
    if not known:
        return figure(title, "No call says how long it took.")
    about = f"p95, between {seconds(min(known))} and {seconds(max(known))}."
    chart = curve("daily-time", title, about, slots, values, says=says_time, axis=_mark)
    rows: list[list[Cell]] = [
        [slot.name, *_numbers(times)] for slot, (_, times) in zip(slots, days, strict=True)
    ]
    numbers = table("Response time per day", ["Day", *_HEADS], rows)
    return figure(title, about, chart, numbers=fold("The numbers, with p50 and p99", numbers))


def _by_model(report: Report) -> Element | None:
    """Return the models that answer most calls with their percentiles."""
    timed = [(one.name, one.latency) for one in report.by_model if one.latency and one.latency.count]
    if not timed:
        return None
    title = "95% of answers within, by model"
    which = f"The {_BARS} models with most calls." if len(timed) > _BARS else "Most calls first."
    about = f"p95. {which}"
    rows = [Bar(label(model), times.p95, _tip(times)) for model, times in timed[:_BARS]]
    shown = timed[:ROWS]
    numbers: Sequence[Sequence[Cell]] = [[name(model), *_numbers(times)] for model, times in shown]
    total = report.counts.get("by_model", len(report.by_model))
    return figure(
        title,
        about,
        bars("model-time", title, f"{counted(len(rows), 'bar')}, one per model.", rows, says=says_time),
        numbers=fold(
            "The numbers, with p50 and p99", table("Response time by model", ["Model", *_HEADS], numbers)
        ),
        note=left_out(len(shown), max(total, len(timed))) if total > ROWS else None,
    )


def _tip(times: Times) -> str:
    return f"p50 {seconds(times.p50)}, p99 {seconds(times.p99)}, {counted(times.count, 'call')}"


def _numbers(times: Times) -> list[str]:
    values = (times.p50, times.p95, times.p99, times.longest, times.average)
    return [*map(milliseconds, values), count(times.count)]


def _mark(value: Decimal) -> str:
    return f"{value:f} ms" if 0 < value < 1000 else f"{(value / 1000).normalize():,f} s"


def says_time(value: Number | None) -> str:
    """Return a duration for a tooltip or an axis."""
    return seconds(None if value is None else float(value))
