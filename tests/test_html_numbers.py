"""Numbers in words, axes, columns of time."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.evidence.html.buckets import buckets
from or_audit_logging.evidence.html.quantities import (
    count_short,
    counted,
    days,
    exact,
    money,
    money_column,
    percent,
    seconds,
)
from or_audit_logging.evidence.html.scale import at, labelled, ticks
from or_audit_logging.evidence.reporting.values import Period

PICO = st.integers(-(10**30), 10**30).map(lambda n: Decimal(n).scaleb(-12))


def amount(text: str) -> Decimal:
    """Return the amount that a table says."""
    return Decimal(text.replace("$", "").replace(",", "").replace("\N{MINUS SIGN}", "-"))


@given(PICO)
def test_exact_money_loses_nothing(value: Decimal) -> None:
    """What a table says is the sum that the report has, to the last digit."""
    assert amount(exact(value)) == value


@given(st.lists(st.none() | PICO, max_size=6))
def test_a_column_of_money_lines_up(values: list[Decimal | None]) -> None:
    """All amounts have as many decimals, and unknown ones say so."""
    written = money_column(values)
    assert len({len(text.partition(".")[2]) for text in written if text != "unknown"}) <= 1
    assert [None if text == "unknown" else amount(text) for text in written] == values


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "$0.00"),
        ("0.00001234", "$0.000012"),
        ("0.01", "$0.01"),
        ("12.345", "$12.34"),
        ("999.99", "$999.99"),
        ("1234.5", "$1,234"),
        ("12345678", "$12.3M"),
        ("-3.5", "\N{MINUS SIGN}$3.50"),
    ],
)
def test_money_for_reading(value: str, said: str) -> None:
    """Charts and tiles round."""
    assert money(Decimal(value)) == said


def test_unknown_is_not_zero() -> None:
    """None is said to be unknown."""
    assert money(None) == percent(None) == seconds(None) == count_short(None) == "unknown"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.999999, "> 99.99%"),
        (0.9996, "99.96%"),
        (0.5, "50.0%"),
        (0.00001, "< 0.01%"),
        (0.004, "0.40%"),
    ],
)
def test_percent_keeps_the_ends_honest(share: float, said: str) -> None:
    """Only all is 100%, only none is 0%."""
    assert percent(share) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (4_560_000, "4.56M"), (10**13, "10.0T")],
)
def test_short_counts(number: int, said: str) -> None:
    """Large counts have a suffix."""
    assert count_short(number) == said


def test_times_and_nouns() -> None:
    """Durations and plurals read naturally."""
    assert [seconds(value) for value in (0.4, 830, 1834.0, 61_000)] == ["0 ms", "830 ms", "1.8 s", "61 s"]
    assert [counted(n, "call") for n in (0, 1, 1200)] == ["0 calls", "1 call", "1,200 calls"]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 11, 1), date(2026, 11, 1), "1 Nov 2026"),
        (date(2026, 11, 1), date(2026, 11, 30), "1 to 30 Nov 2026"),
        (date(2026, 11, 25), date(2026, 12, 1), "25 Nov to 1 Dec 2026"),
        (date(2026, 12, 25), date(2027, 1, 1), "25 Dec 2026 to 1 Jan 2027"),
    ],
)
def test_periods_in_words(first: date, last: date, said: str) -> None:
    """A period says no more of its first day than is needed."""
    assert days(first, last) == said


@given(st.floats(0, 1e18) | PICO, st.booleans())
def test_axes_have_few_round_marks(highest: Decimal | float, whole: bool) -> None:
    """An axis begins at zero, ends at or above the greatest value, and has 2 to 7 marks evenly apart."""
    marks = ticks(highest, whole=whole)
    assert marks[0] == 0
    assert 2 <= len(marks) <= 7
    assert marks[-1] >= highest or float(marks[-1]) == highest
    assert len({b - a for a, b in itertools.pairwise(marks)}) == 1
    assert not whole or all(mark == mark.to_integral_value() for mark in marks)


def test_values_outside_an_axis_stay_on_the_page() -> None:
    """Nothing is drawn below zero or beyond the top."""
    assert [at(value, Decimal(10), 100) for value in (None, -5, 0, 5, 10, 99)] == [0, 0, 0, 50, 100, 100]


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 30, 100])
def test_few_labels(length: int) -> None:
    """At most six labels stand under a chart, the first under the first column."""
    places = labelled(length)
    assert len(places) <= 6
    assert not length or places[0] == 0


@pytest.mark.parametrize(
    ("number", "words", "columns"),
    [
        (1, "day", 1),
        (30, "day", 30),
        (100, "day", 100),
        (101, "week", 15),
        (400, "week", 58),
        (701, "four weeks", 26),
    ],
)
def test_long_periods_have_wider_columns(number: int, words: str, columns: int) -> None:
    """There are never more than 100 columns."""
    when = _buckets(number)
    assert (when.words, len(when.slots)) == (words, columns)


@given(st.integers(1, 20_000), st.lists(st.integers(-30, 21_000), max_size=8))
def test_every_day_is_in_one_column(number: int, offsets: list[int]) -> None:
    """Sums over columns are sums over the days of the period."""
    when = _buckets(number)
    dates = [date(2000, 1, 1) + timedelta(offset) for offset in offsets]
    sums = when.add_up((day, 1) for day in dates)
    assert len(sums) == len(when.slots) <= 100
    assert sum(sums) == sum(0 <= offset < number for offset in offsets)


def _buckets(number: int):  # type: ignore[no-untyped-def]
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return buckets(Period(start, start + timedelta(number), number))
