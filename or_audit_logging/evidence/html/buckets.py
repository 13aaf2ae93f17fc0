"""A period cut into columns: days while they can be told apart, weeks or more beyond that.

buckets(Period(..., days=30)).step                   -> 1
buckets(Period(..., days=400)).words                 -> "week"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from or_audit_logging.evidence.html.plot import Slot
from or_audit_logging.evidence.html.quantities import day, day_short, days
from or_audit_logging.evidence.reporting.values import Period

_MOST = 100
"""So many columns are told apart on a page."""
_WORDS = {1: "day", 7: "week", 28: "four weeks"}


@dataclass(frozen=True, slots=True)
class Buckets:
    """The columns of a period: from `first` on, `step` days each; the last may be shorter."""

    first: date
    days: int
    step: int

    @property
    def words(self) -> str:
        """What one column stands for."""
        return _WORDS.get(self.step, f"{self.step} days")

    @property
    def slots(self) -> list[Slot]:
        """The columns with their names."""
        return [self._slot(start) for start in range(0, self.days, self.step)]

    def _slot(self, start: int) -> Slot:
        first = self.first + timedelta(start)
        last = self.first + timedelta(min(start + self.step, self.days) - 1)
        label = day_short(first) if self.days <= 366 else day(first)[-8:]
        return Slot(label, day(first) if self.step == 1 else days(first, last))

    def add_up(self, values: Iterable[tuple[date, Decimal | int]]) -> list[Decimal]:
        """Return the sum of each column; what is of no day of the period is in none."""
        sums = [Decimal(0)] * -(-self.days // self.step)
        for when, value in values:
            n = (when - self.first).days
            if 0 <= n < self.days:
                sums[n // self.step] += value
        return sums


def buckets(period: Period) -> Buckets:
    """Return the columns for *period*."""
    step = next((step for step in _WORDS if period.days <= _MOST * step), -(-period.days // _MOST))
    return Buckets(period.first_day, period.days, step)
