"""A list of bars, the longest first: a name, its value, a bar under both.

Names out of the log are cut to what fits on a phone; the table under the chart has them in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from or_audit_logging.evidence.html.markup import Element, shortened, tag
from or_audit_logging.evidence.html.plot import Number, picture
from or_audit_logging.evidence.html.scale import at, coordinate, pixels

_ROW = 36
_NAME = 36
_TIP = 160


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: whose it is, how much (None: unknown), and what its tooltip adds."""

    name: str
    value: Number | None
    more: str = ""


def bars(
    key: str,
    title: str,
    description: str,
    rows: Sequence[Bar],
    *,
    says: Callable[[Number | None], str],
    colour: int = 0,
    full: Number | None = None,
) -> Element:
    """Return the chart; a bar as long as the page stands for *full*, or for the greatest value."""
    greatest = max((Decimal(row.value) for row in rows if row.value is not None), default=Decimal(0))
    top = Decimal(full) if full is not None else greatest
    drawn = [_row(n, row, top if top > 0 else Decimal(1), says, colour) for n, row in enumerate(rows)]
    return picture(key, title, description, *drawn, class_="bars", height=_ROW * len(rows))


def _row(n: int, row: Bar, top: Decimal, says: Callable[[Number | None], str], colour: int) -> Element:
    y = n * _ROW
    said = says(row.value)
    length = at(row.value, top, 100)
    tip = f"{shortened(row.name, _TIP)}\n{said}" + (f"\n{row.more}" if row.more else "")
    return tag(
        "g",
        tag("title", tip),
        tag("rect", y=y, width="100%", class_="hit"),
        tag("text", shortened(row.name, _NAME), y=y + 15, class_="name"),
        tag("text", said, x="100%", y=y + 15, text_anchor="end", class_="value"),
        tag("rect", y=y + 22, width="100%", height="7", rx="2", class_="track"),
        tag("rect", x="0", y=y + 22, width=f"{coordinate(length)}%", height="7", rx="2", class_=f"s{colour}")
        if length
        else None,
    )


def sparkline(
    key: str, title: str, description: str, values: Sequence[Number | None], *, colour: int = 0
) -> Element:
    """Return thin columns without axes, for a tile."""
    height = 34
    known = [Decimal(value) for value in values if value is not None]
    top = max([*known, Decimal(0)])
    pitch = 100 / max(1, len(values))
    parts = []
    for n, value in enumerate(values):
        tall = at(value, top, height) if top > 0 else 0.0
        if tall:
            place = {"x": f"{coordinate((n + 0.1) * pitch)}%", "width": f"{coordinate(pitch * 0.8)}%"}
            shape = {"y": pixels(height - tall), "height": pixels(tall)}
            parts.append(tag("rect", **place, **shape, class_=f"s{colour}"))
    parts.append(tag("line", x1="0", x2="100%", y1=height, y2=height, class_="grid"))
    return picture(key, title, description, *parts, class_="spark", height=height)
