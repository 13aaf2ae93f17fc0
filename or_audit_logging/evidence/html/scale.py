"""Where the marks of an axis stand: round numbers from zero on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


def ticks(highest: Decimal | float, *, whole: bool = False, parts: int = 5) -> list[Decimal]:
    """Return about *parts* round numbers above zero and zero itself, the last at or above *highest*.

    *whole*: only whole numbers, for what is counted. Nothing above zero: 0 and 1.
    """
    top = Decimal(highest) if isinstance(highest, Decimal) else Decimal(repr(float(highest)))
    if not top.is_finite() or top <= 0:
        return [Decimal(0), Decimal(1)]
    rough = top / parts
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(factor * power for factor in _STEPS if factor * power >= rough)
    if whole:
        step = max(Decimal(1), step if step == step.to_integral_value() else step.to_integral_value() + 1)
    marks = [Decimal(0)]
    while marks[-1] < top:
        marks.append(marks[-1] + step)
    return marks


def labelled(length: int, most: int = 6) -> Sequence[int]:
    """Return the places of 0 to *length* - 1 that get a label: evenly apart, the first among them."""
    return range(0, length, max(1, -(-length // most)))


def at(value: Decimal | float | None, top: Decimal, length: float) -> float:
    """Return where *value* stands on an axis of *length* that ends at *top*; below zero is at zero."""
    if value is None:
        return 0.0
    share = float(value) / float(top)
    return max(0.0, min(1.0, share)) * length


def coordinate(share: float) -> str:
    """Return a percentage of the width of a page in as few digits as the eye needs."""
    return f"{share:.2f}".rstrip("0").rstrip(".")


def pixels(value: float) -> str:
    """Return a height in as few digits as the eye needs."""
    return f"{value:.1f}".removesuffix(".0")
