"""A report as a page: one file, no script, nothing to fetch.

    Path("report.html").write_text(page(report), encoding="utf-8", newline="")

The same report gives the same page. Nothing on it comes from elsewhere; names from the log stay text.
"""

from __future__ import annotations

from or_audit_logging.evidence.html.cost import cost_section
from or_audit_logging.evidence.html.document import document
from or_audit_logging.evidence.html.header import header, title
from or_audit_logging.evidence.html.keeping import keeping_section
from or_audit_logging.evidence.html.markup import Element, tag
from or_audit_logging.evidence.html.outcomes import outcomes_section
from or_audit_logging.evidence.html.quantities import moment
from or_audit_logging.evidence.html.speed import speed_section
from or_audit_logging.evidence.reporting.figures import Report

_FIGURES = (cost_section, outcomes_section, speed_section)
"""What there is to say of calls, if there are any."""
_METHOD = {
    "Period": "Days are UTC days. A call belongs to the day on which its record was made.",
    "Calls": (
        "Records that tell how a call ended. What was written before a call, and facts that came later, "
        "are not counted by themselves."
    ),
    "Success": (
        "The status success. All others (error, timeout, cancelled, incomplete, blocked) count as failed."
        " The success rate is the share of calls that succeeded."
    ),
    "Cost": (
        "The provider's own figure in US dollars, added up without rounding; with what a provider charged"
        " to the customer's own key where one was used. A cost that came later counts for its call, and a"
        " generation id that several calls bear counts once. A call without a known cost is unpriced: it "
        "is in no sum, and is not taken to be free."
    ),
    "Model": "The model that answered, or the one asked for where none is known to have answered.",
    "Percentiles": (
        "By nearest rank, over the calls that say how long they took: the smallest time that so many "
        "percent of them do not exceed."
    ),
    "Rounding": "Charts, tiles and tooltips round for reading. Tables have every digit of the report.",
    "Names": (
        "As they stand in the log. Characters that do not show, or that turn the direction of text, are "
        "spelled out as [U+202E]. Long names are cut in the middle."
    ),
}


def page(report: Report) -> str:
    """Return *report* as an HTML page; to be written in UTF-8.

    It takes about 120 KB for 30 days and ten models, twice that for a year: longer periods are drawn in
    weeks or more. Charts show the ten largest of a kind, tables the first hundred.
    """
    return document(
        f"LLM calls and their cost, {title(report)}",
        tag("a", "Skip to the figures", href="#figures", class_="skip"),
        tag(
            "div",
            header(report),
            tag(
                "main",
                *(sections(report) for sections in _FIGURES if report.summary.total_requests),
                keeping_section(report),
                _method(),
                id="figures",
            ),
            tag("footer", _end(report), class_="end"),
            class_="page",
        ),
    )


def _method() -> Element:
    terms = [part for term, words in _METHOD.items() for part in (tag("dt", term), tag("dd", words))]
    return tag(
        "section",
        tag("h2", "How it was counted", id="method"),
        tag("dl", *terms),
        class_="method",
        aria_labelledby="method",
    )


def _end(report: Report) -> str:
    return (
        f"Made by or-audit report on {moment(report.generated_at)} with {report.engine}. "
        "This page runs no program and fetches nothing."
    )
