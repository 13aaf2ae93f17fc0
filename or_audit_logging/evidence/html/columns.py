"""Columns over time, one per day or week, each a stack of series.

A column is one group with one tooltip that lists its parts: nothing smaller than a column has to be met
with a pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from or_audit_logging.evidence.html.markup import Element, shortened, tag
from or_audit_logging.evidence.html.plot import HEIGHT, Number, Slot, frame, hit, picture, whole_height
from or_audit_logging.evidence.html.scale import at, coordinate, pixels, ticks

_FILLED = 0.78
"""How much of its slot a column takes."""
_TIP = 48
"""So many characters of a name stand in a tooltip."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a stack: its name, and a value for every slot (None: unknown, not drawn)."""

    name: str
    values: Sequence[Number | None]
    colour: int


def columns(
    key: str,
    title: str,
    description: str,
    slots: Sequence[Slot],
    series: Sequence[Series],
    *,
    says: Callable[[Number | None], str],
    axis: Callable[[Decimal], str],
    whole: bool = False,
) -> Element:
    """Return the chart; *says* writes a value in a tooltip, *axis* a mark of the axis."""
    sums = [sum(_known(one.values[n]) for one in series) for n in range(len(slots))]
    marks = ticks(max(sums, default=Decimal(0)), whole=whole)
    drawn = [
        tag(
            "g",
            tag("title", _tip(slot.name, n, series, says)),
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


def _known(value: Number | None) -> Decimal:
    """Return what is drawn of a value: nothing of an unknown one, and nothing below zero."""
    return Decimal(0) if value is None else max(Decimal(0), Decimal(value))


def _column(n: int, slots: int, series: Sequence[Series], top: Decimal) -> list[Element]:
    pitch = 100 / slots
    x, width = f"{coordinate((n + (1 - _FILLED) / 2) * pitch)}%", f"{coordinate(_FILLED * pitch)}%"
    parts, below = [], Decimal(0)
    for one in series:
        value = _known(one.values[n])
        if not value:
            continue
        foot, below = at(below, top, HEIGHT), below + value
        tall = at(below, top, HEIGHT) - foot
        gap = 1.0 if foot and tall > 2 else 0.0
        y, height = pixels(HEIGHT - foot - tall), pixels(max(tall - gap, 0.5))
        parts.append(tag("rect", x=x, y=y, width=width, height=height, class_=f"s{one.colour}"))
    return parts


def _tip(name: str, n: int, series: Sequence[Series], says: Callable[[Number | None], str]) -> str:
    lines = [
        f"{shortened(one.name, _TIP)}: {says(one.values[n])}"
        for one in reversed(series)
        if one.values[n] is None or one.values[n]
    ]
    if len(series) > 1:
        known = [value for one in series if (value := one.values[n]) is not None]
        lines.insert(0, f"total: {says(sum(map(Decimal, known)) if known else None)}")
    return "\n".join([name, *(lines or ["none"])])
