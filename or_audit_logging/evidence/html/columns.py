"""Columns over time, one per day or week, each a stack of series.

A column is one group with one tooltip that lists its parts: nothing smaller than a column has to be met
with a pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from or_audit_logging.evidence.html.markup import Element, shortened, tag
from or_audit_logging.evidence.html.plot import HEIGHT, Slot, frame, hit, picture, whole_height
from or_audit_logging.evidence.html.scale import at, coordinate, pixels, ticks

_FILLED = 0.78
"""How much of its slot a column takes."""
_WIDEST = 9.0
"""Percent of the width that a column takes at most, where there are few."""
_TIP = 48
"""So many characters of a name stand in a tooltip."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a stack: its name, and a value for every slot."""

    name: str
    values: Sequence[Decimal]
    colour: int


def columns(
    key: str,
    title: str,
    description: str,
    slots: Sequence[Slot],
    series: Sequence[Series],
    *,
    says: Callable[[Decimal], str],
    axis: Callable[[Decimal], str],
    whole: bool = False,
    more: Sequence[str] = (),
) -> Element:
    """Return the chart.

    *says* writes a value in a tooltip, *axis* a mark of the axis; *more* is what each tooltip says besides.
    Nothing is drawn of a value below zero; its tooltip has it.
    """
    sums = [sum(max(Decimal(0), one.values[n]) for one in series) for n in range(len(slots))]
    marks = ticks(max(sums, default=Decimal(0)), whole=whole)
    drawn = [
        tag(
            "g",
            tag("title", "\n".join([slot.name, *_tip(n, series, says), *more[n : n + 1]]).rstrip()),
            hit(n, len(slots)),
            *_column(n, len(slots), series, marks[-1]),
        )
        for n, slot in enumerate(slots)
    ]
    return picture(
        key,
        title,
        description,
        *frame(marks, axis, [slot.label for slot in slots]),
        *drawn,
        class_="plot",
        height=whole_height(),
    )


def _column(n: int, slots: int, series: Sequence[Series], top: Decimal) -> list[Element]:
    pitch = 100 / slots
    wide = min(_FILLED * pitch, _WIDEST)
    x, width = f"{coordinate((n + 0.5) * pitch - wide / 2)}%", f"{coordinate(wide)}%"
    parts, below = [], Decimal(0)
    for one in series:
        value = one.values[n]
        if value <= 0:
            continue
        foot, below = at(below, top, HEIGHT), below + value
        tall = at(below, top, HEIGHT) - foot
        gap = 1.0 if foot and tall > 2 else 0.0
        y, height = pixels(HEIGHT - foot - tall), pixels(max(tall - gap, 0.5))
        parts.append(tag("rect", x=x, y=y, width=width, height=height, class_=f"s{one.colour}"))
    return parts


def _tip(n: int, series: Sequence[Series], says: Callable[[Decimal], str]) -> list[str]:
    shown = [one for one in reversed(series) if one.values[n]]
    parts = [f"{shortened(one.name, _TIP)}: {says(one.values[n])}" for one in shown]
    if len(series) > 1:
        parts.insert(0, f"total: {says(sum((one.values[n] for one in series), Decimal(0)))}")
    return parts or ["none"]
