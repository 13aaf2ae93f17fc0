"""How long answers took: percentiles over the period, the average per day."""

from __future__ import annotations

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
from or_audit_logging.evidence.html.table import fold, table
from or_audit_logging.evidence.reporting.figures import Report


def speed_section(report: Report) -> Element:
    """Return the section on time."""
    return tag(
        "section",
        tag("h2", "Response time", id="time"),
        tag("div", _percentiles(report), _average(report), class_="pair"),
        aria_labelledby="time",
    )


def _percentiles(report: Report) -> Element:
    title = "How long answers took"
    times, ttft = report.latency, report.ttft
    names = ("half within (p50)", "95% within (p95)", "99% within (p99)")
    values = (times.p50, times.p95, times.p99)
    about = f"Of {counted(times.count, 'call')} that say so."
    chart = bars(
        "latency", title, about, [Bar(*pair) for pair in zip(names, values, strict=True)], says=says_time
    )
    firsts = (ttft.p50, ttft.p95, ttft.p99)
    rows = [[n, milliseconds(a), milliseconds(b)] for n, a, b in zip(names, values, firsts, strict=True)]
    rows.append(["longest", milliseconds(times.longest), milliseconds(ttft.longest)])
    rows.append(["average", milliseconds(times.average), milliseconds(ttft.average)])
    rows.append(["calls that say so", count(times.count), count(ttft.count)])
    numbers = table(title, ["", "Whole answer", "First token (streams)"], rows)
    return figure(title, about, chart, numbers=fold("The numbers, and time to first token", numbers))


def _average(report: Report) -> Element:
    title = "Average time per day"
    days = [(date.fromisoformat(one.name), one.avg_latency_ms) for one in report.by_day if one.name]
    slots = [Slot(day_short(when), day(when)) for when, _ in days]
    values = [value for _, value in days]
    known = [value for value in values if value is not None]
    if not known:
        return figure(title, "No call says how long it took.")
    about = f"Between {seconds(min(known))} and {seconds(max(known))}."
    chart = curve("average-time", title, about, slots, values, says=says_time, axis=_mark)
    rows = [[slot.name, milliseconds(value)] for slot, value in zip(slots, values, strict=True)]
    return figure(
        title, about, chart, numbers=fold("The numbers", table(title, ["Day", "Average time"], rows))
    )


def _mark(value: Decimal) -> str:
    return f"{value:f} ms" if 0 < value < 1000 else f"{(value / 1000).normalize():,f} s"


def says_time(value: Number | None) -> str:
    """Return a duration for a tooltip or an axis."""
    return seconds(None if value is None else float(value))
