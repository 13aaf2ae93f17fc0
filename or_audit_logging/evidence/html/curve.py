"""A line over time: one point per day, a gap where nothing is known.

It is drawn in a picture of its own that is stretched to the width of the page, with a stroke that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from or_audit_logging.evidence.html.markup import Element, tag
from or_audit_logging.evidence.html.plot import HEIGHT, Number, Slot, frame, hit, picture, whole_height
from or_audit_logging.evidence.html.scale import at, pixels, ticks

_TIPS = 120
"""So many days have tooltips; of more, each would be too narrow to be met."""


def curve(
    key: str,
    title: str,
    description: str,
    slots: Sequence[Slot],
    values: Sequence[Number | None],
    *,
    says: Callable[[Number | None], str],
    axis: Callable[[Decimal], str],
) -> Element:
    """Return the chart; *says* writes a value in a tooltip, *axis* a mark of the axis."""
    marks = ticks(max((float(value) for value in values if value is not None), default=0.0))
    line = tag(
        "svg",
        tag("path", d=_path(values, marks[-1]), vector_effect="non-scaling-stroke", class_="curve"),
        width="100%",
        height=HEIGHT,
        viewBox=f"0 0 {max(1, len(slots))} {HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    tips = [
        tag("g", tag("title", f"{slot.name}\n{says(value)}"), hit(n, len(slots)))
        for n, (slot, value) in enumerate(zip(slots, values, strict=True))
    ]
    return picture(
        key,
        title,
        description,
        *frame(marks, axis, [slot.label for slot in slots]),
        line,
        *(tips if len(slots) <= _TIPS else ()),
        class_="plot",
        height=whole_height(),
    )


def _path(values: Sequence[Number | None], top: Decimal) -> str:
    steps, pen_down = [], False
    for n, value in enumerate(values):
        if value is not None:
            place = f"{n + 0.5} {pixels(HEIGHT - at(value, top, HEIGHT))}"
            steps.append(f"L{place}" if pen_down else f"M{place}h0")  # a line of no length is a dot
        pen_down = value is not None
    return "".join(steps)
