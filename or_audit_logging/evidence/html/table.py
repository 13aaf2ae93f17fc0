"""A table of numbers, and the fold that holds it under its chart.

fold("Cost per day", table("Cost per day, US dollars", ["Day", "Cost"], [["1 Nov 2026", "$1.50"]]))
"""

from __future__ import annotations

from collections.abc import Sequence

from or_audit_logging.evidence.html.markup import Element, shortened, tag, visible

Cell = str | Element

NAME_LIMIT = 160
"""So many characters of a name are shown in a table; the JSON report has them all."""


def name(text: str | None, limit: int = NAME_LIMIT) -> Element:
    """Return a name out of the log, apart from the direction of the text around it."""
    if text is None:
        return tag("span", "not stated", class_="soft")
    if not text:
        return tag("span", "(empty)", class_="soft")
    return tag("bdi", shortened(visible(text), limit))


def table(
    caption: str,
    headings: Sequence[Cell],
    rows: Sequence[Sequence[Cell]],
    *,
    words: frozenset[int] = frozenset(),
    total: Sequence[str] | None = None,
) -> Element:
    """Return a table. The first column names its row; the others are numbers, except those in *words*."""

    def place(column: int) -> str | None:
        return "w" if column in words else None

    def row(cells: Sequence[Cell]) -> Element:
        first, *others = cells
        return tag(
            "tr",
            tag("th", first, scope="row"),
            *(tag("td", cell, class_=place(n)) for n, cell in enumerate(others, 1)),
        )

    head = [tag("th", heading, scope="col", class_=place(n)) for n, heading in enumerate(headings)]
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *map(row, rows)),
        tag("tfoot", row(total)) if total else None,
    )
    return tag("div", inner, class_="scroll", role="region", tabindex="0", aria_label=caption)


def fold(words: str, held: Element) -> Element:
    """Return a table that is opened with a click; on paper it is open."""
    return tag("details", tag("summary", words), held)


ROWS = 100
"""So many rows a table has; the JSON report has all that are listed."""


def left_out(shown: int, total: int) -> Element | None:
    """Return what is said where a table does not show all there are."""
    if total <= shown:
        return None
    return tag("p", f"The table shows {shown:,} of {total:,}; the report as JSON lists more.", class_="note")


def label(text: str | None) -> str:
    """Return a name as plain text on one line, for a chart."""
    return "not stated" if text is None else visible(text) or "(empty)"
