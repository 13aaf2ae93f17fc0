"""What the log says of itself: what was redacted, what never ended, what was lost, what could not be read."""

from __future__ import annotations

from or_audit_logging.evidence.html.bars import Bar, bars
from or_audit_logging.evidence.html.markup import Element, tag, visible
from or_audit_logging.evidence.html.outcomes import says_count
from or_audit_logging.evidence.html.plot import figure
from or_audit_logging.evidence.html.quantities import count, counted, moment
from or_audit_logging.evidence.html.table import ROWS, Cell, fold, label, left_out, name, table
from or_audit_logging.evidence.reporting.figures import Report

_BARS = 10


def keeping_section(report: Report) -> Element:
    """Return the section on the record itself."""
    return tag(
        "section",
        tag("h2", "The record itself", id="record"),
        tag("div", _facts(report), _redactions(report), class_="pair"),
        _unfinished(report),
        _repeated(report),
        _lost(report),
        _problems(report),
        aria_labelledby="record",
    )


def _facts(report: Report) -> Element:
    repeated = report.counts.get("repeated", len(report.repeated))
    facts = [
        ("First call", moment(report.first) if report.first else "none"),
        ("Last call", moment(report.last) if report.last else "none"),
        ("Calls begun that nothing ended", count(report.unfinished)),
        ("Calls of which neither tokens nor cost are known", count(report.without_facts)),
        ("Calls whose cost a later record brought", count(report.late_costs)),
        ("Generation ids that several calls bear", count(repeated)),
        ("Records that the log says it lost", count(report.records_lost)),
        ("Lines that are no record", count(report.bad_lines)),
    ]
    rows: list[list[Cell]] = [[key, value] for key, value in facts]
    return figure("What was counted", None, numbers=table("Facts on the log", ["Fact", "Value"], rows))


def _redactions(report: Report) -> Element:
    title = "What was redacted, by type"
    if not report.redactions:
        return figure(title, "Nothing was redacted.")
    ranked = sorted(report.redactions, key=lambda one: (-one.count, one.name))
    rows = [Bar(label(one.name), one.count) for one in ranked[:_BARS]]
    about = f"{counted(sum(one.count for one in ranked), 'finding')} taken out before they were written."
    numbers: list[list[Cell]] = [[name(one.name), count(one.count)] for one in ranked[:ROWS]]
    return figure(
        title,
        about,
        bars("redactions", title, about, rows, says=says_count, colour=2),
        numbers=fold("The numbers", table(title, ["Type", "Redacted"], numbers)),
        note=left_out(len(numbers), len(ranked)),
    )


def _unfinished(report: Report) -> Element | None:
    if not report.unfinished_calls:
        return None
    title = "Calls begun and never finished"
    shown = report.unfinished_calls[:ROWS]
    rows: list[list[Cell]] = [
        [
            moment(one.began) if one.began else "unknown",
            name(one.user_id),
            name(one.model),
            tag("code", visible(one.id)),
        ]
        for one in shown
    ]
    numbers = table(title, ["Begun", "User", "Model", "Record"], rows, words=frozenset([1, 2, 3]))
    about = "Still running when the log was read, or their process was killed. They may have cost something."
    return figure(title, about, numbers=numbers, note=left_out(len(shown), report.unfinished))


def _repeated(report: Report) -> Element | None:
    if not report.repeated:
        return None
    title = "Generation ids that several calls bear"
    shown = report.repeated[:ROWS]
    rows: list[list[Cell]] = [[name(one.generation_id), count(one.records)] for one in shown]
    total = report.counts.get("repeated", len(report.repeated))
    numbers = fold("The ids", table(title, ["Generation id", "Calls"], rows))
    about = "The cost of each is counted once. In a folder, calls before the period are not looked at."
    return figure(title, about, numbers=numbers, note=left_out(len(shown), total))


def _lost(report: Report) -> Element | None:
    if not report.lost:
        return None
    title = "Records lost, by reason"
    rows: list[list[Cell]] = [[name(one.name), count(one.count)] for one in report.lost[:ROWS]]
    return figure(
        title,
        None,
        numbers=table(title, ["Reason", "Records"], rows),
        note=left_out(len(rows), len(report.lost)),
    )


def _problems(report: Report) -> Element | None:
    if not report.problems:
        return None
    title = "Segments that could not be read in full"
    rows: list[list[Cell]] = [
        [name(one.segment), count(one.bad_lines), one.message or ""] for one in report.problems[:ROWS]
    ]
    numbers = table(title, ["Segment", "Bad lines", "Why"], rows, words=frozenset([2]))
    return figure(
        title, "The figures are of the rest.", numbers=numbers, note=left_out(len(rows), len(report.problems))
    )
