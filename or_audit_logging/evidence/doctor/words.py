"""How a length of time is said."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


def ago(age: timedelta) -> str:
    """Return *age* in the unit that it has at least two of; nothing is said of one that is negative."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
