"""Numbers in words: exact for tables, rounded for charts and tiles. None is "unknown", never zero.

money_column([Decimal("1.5"), None])   -> ["$1.50", "unknown"]
money(Decimal("1234.567"))             -> "$1,235"
seconds(1834.0)                        -> "1.8 s"
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

UNKNOWN = "unknown"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WIDE = Context(prec=200, rounding=ROUND_HALF_EVEN)
"""Digits enough for any sum of costs: nothing is rounded that was not asked to be."""
_MINUS = "\N{MINUS SIGN}"
_CENT = Decimal("0.01")
_SUFFIXES = ((10**12, "T"), (10**9, "bn"), (10**6, "M"), (10**3, "k"))


def exact(amount: Decimal, places: int = 2) -> str:
    """Return US dollars with every digit, at least *places* behind the point."""
    digits = max(places, decimals(amount))
    return _dollars(f"{_WIDE.quantize(amount, Decimal(1).scaleb(-digits)):,f}")


def decimals(amount: Decimal) -> int:
    """Return how many digits behind the point *amount* needs."""
    exponent = _WIDE.normalize(amount).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def money_column(amounts: Sequence[Decimal | None]) -> list[str]:
    """Return *amounts* exactly, with as many decimals as the longest needs: the points line up."""
    places = max((decimals(amount) for amount in amounts if amount is not None), default=2)
    return [UNKNOWN if amount is None else exact(amount, max(2, places)) for amount in amounts]


def money(amount: Decimal | None) -> str:
    """Return US dollars rounded for reading: dollars from 1,000 on, else cents, below those two digits."""
    if amount is None:
        return UNKNOWN
    size = abs(amount)
    if size >= 10**6:
        return _dollars(f"{_scaled(amount)}")
    if size >= 1000:
        return _dollars(f"{amount:,.0f}")
    if size >= _CENT or not size:
        return _dollars(f"{amount:,.2f}")
    return _dollars(f"{Context(prec=2).plus(amount):f}")


def _dollars(digits: str) -> str:
    return f"{_MINUS}${digits[1:]}" if digits.startswith("-") else f"${digits}"


def count(number: int | None) -> str:
    """Return a number with its thousands apart."""
    return UNKNOWN if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 call", "2 calls"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def count_short(number: int | None) -> str:
    """Return a number in at most four digits and a suffix: 12.3k, 4.56M."""
    if number is None:
        return UNKNOWN
    return f"{number:,}" if abs(number) < 10**4 else _scaled(Decimal(number))


def _scaled(number: Decimal) -> str:
    for size, suffix in _SUFFIXES:
        if abs(number) >= size:
            value = number / size
            digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
            return f"{value:,.{digits}f}{suffix}"
    return f"{number:,f}"


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 in percent; what is not all never becomes 100, what is not none never 0."""
    if share is None:
        return UNKNOWN
    value = share * 100
    if 0 < value < 0.01:
        return "< 0.01%"
    if 99.99 < value < 100:
        return "> 99.99%"
    digits = 1 if 1 <= value <= 99 or value in (0, 100) else 2
    return (
        f"{value:.{digits}f}".rstrip("0").rstrip(".") + "%" if value in (0, 100) else f"{value:.{digits}f}%"
    )


def seconds(milliseconds: float | None) -> str:
    """Return a duration, given in milliseconds, rounded for reading."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 9_950:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds / 1000:,.0f} s"


def milliseconds(value: float | None) -> str:
    """Return a duration with the digits it was reported with."""
    return UNKNOWN if value is None else f"{value:,} ms"


def day(when: date) -> str:
    """Return "3 Nov 2026"."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def day_short(when: date) -> str:
    """Return "3 Nov"."""
    return f"{when.day} {_MONTHS[when.month - 1]}"


def days(first: date, last: date) -> str:
    """Return "1 to 30 Nov 2026", and no more of the first day than is needed."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    return f"{day_short(first) if first.year == last.year else day(first)} to {day(last)}"


def moment(when: datetime) -> str:
    """Return "3 Nov 2026, 14:05 UTC"; *when* is in UTC."""
    return f"{day(when)}, {when:%H:%M} UTC"
