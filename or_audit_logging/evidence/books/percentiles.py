"""`Percentiles`: p50, p95 and p99 for SQLite, which has no such function.

    sqlite.create_aggregate("percentiles", 1, Percentiles)
    SELECT percentiles(latency_us) FROM calls          -> "[1187402, 4210900, 9876003]"

By nearest rank, as DuckDB's quantile_disc has them.
"""

from __future__ import annotations

import json
from array import array

PERCENTS = (50, 95, 99)


class Percentiles:
    """An aggregate of whole numbers below 2^63; of none of them, NULL."""

    def __init__(self) -> None:
        self._values = array("q")

    def step(self, value: object) -> None:
        """Take in a value; what is no whole number is left out."""
        if isinstance(value, int):
            self._values.append(value)

    def finalize(self) -> str | None:
        """Return the percentiles as a JSON array."""
        values = sorted(self._values)
        if not values:
            return None
        return json.dumps([values[place(len(values), percent) - 1] for percent in PERCENTS])


def place(count: int, percent: int) -> int:
    """Return which of *count* values, from 1 on, the smallest first, is the percentile."""
    return -(-count * percent // 100)
