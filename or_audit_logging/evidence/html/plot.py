"""What the charts share: the figure around a plot, its frame of axes, its legend.

    +- figure -------------------------+
    | title, what it shows             |
    | legend                           |
    | plot (svg, role=img, title, desc)|
    | the numbers (details, table)     |
    +----------------------------------+

A plot is as wide as the page lets it be, and its text keeps its size: places along it are percentages of its
width, heights are pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from or_audit_logging.evidence.html.markup import Child, Element, tag
from or_audit_logging.evidence.html.scale import at, coordinate, labelled, pixels

HEIGHT = 190
"""Pixels from the highest mark of an axis to its foot; the style sheet knows it as well."""
_FOOT = 24
"""Pixels below it, for the labels."""

Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class Slot:
    """A day or a week: its label at the foot, and its name in a tooltip."""

    label: str
    name: str


def figure(
    title: str,
    about: str | None,
    *drawn: Child,
    numbers: Element | None = None,
    note: Element | None = None,
) -> Element:
    """Return a chart with its title, what is said of it, its table; what is *drawn* stays on one sheet."""
    heading = tag("figcaption", tag("h3", title), tag("p", about, class_="about") if about else None)
    held = tag("div", *drawn, class_="whole") if drawn else None
    return tag("figure", heading, held, numbers, note)


def picture(key: str, title: str, description: str, *parts: Child, class_: str, height: int) -> Element:
    """Return an svg that is read out as its title and description; *key* is an id of its own on the page."""
    return tag(
        "svg",
        tag("title", title, id=f"{key}-t"),
        tag("desc", description, id=f"{key}-d"),
        *parts,
        class_=class_,
        width="100%",
        height=height,
        role="img",
        aria_labelledby=f"{key}-t {key}-d",
    )


def frame(marks: Sequence[Decimal], label: Callable[[Decimal], str], slots: Sequence[str]) -> list[Element]:
    """Return the lines and labels of the value axis, and the labels of the slots along the foot."""
    parts = []
    for mark in marks:
        y = pixels(HEIGHT - at(mark, marks[-1], HEIGHT))
        parts.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_="grid" if mark else "base"))
        parts.append(tag("text", label(mark), x="-8", y=y, dy="4", text_anchor="end"))
    for n in labelled(len(slots)):
        parts.append(
            tag("text", slots[n], x=f"{middle(n, len(slots))}%", y=HEIGHT + 19, text_anchor="middle")
        )
    return parts


def middle(slot: int, slots: int) -> str:
    """Return where the middle of a slot is, in percent."""
    return coordinate((slot + 0.5) * 100 / slots)


def hit(slot: int, slots: int) -> Element:
    """Return what a pointer meets all over a slot."""
    left, width = coordinate(slot * 100 / slots), coordinate(100 / slots)
    return tag("rect", x=f"{left}%", width=f"{width}%", class_="hit")


def whole_height() -> int:
    """Return the height of a plot with its labels."""
    return HEIGHT + _FOOT


def legend(entries: Sequence[tuple[Child, str]]) -> Element:
    """Return the keys of the series, with a number beside each, in the order of their colours."""
    return tag("ul", *(_entry(n, *entry) for n, entry in enumerate(entries)), class_="legend")


def _entry(n: int, label: Child, number: str) -> Element:
    key = tag("span", class_=f"key s{n}", aria_hidden="true")
    return tag("li", key, tag("span", label), tag("span", number, class_="soft") if number else None)
