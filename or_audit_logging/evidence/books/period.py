"""`Period`: the time that is asked about, in UTC.

Period.of_days(7, now=now)                   today and the six days before
Period.parse("2026-11-01", "2026-11-07")     whole days, both included; or moments, both included
period.has("2026-11-03T10:30:45.123456Z")    whether a record's timestamp is in it
period.is_past(day), period.is_ahead(day)    whether a segment can have no lines of it
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from or_audit_logging.errors import ConfigError
from or_audit_logging.record import moment, utc_timestamp

When: TypeAlias = str | date | datetime

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LATE = timedelta(hours=26)
"""A line may stand in a segment whose day begins so much later than the line was made (FORMAT 1)."""
_LATEST = datetime.max.replace(tzinfo=UTC) - 2 * _LATE
_MOST_DAYS = 36_525
_NO_END = "9999-12-31T23:59:59.999999Z"


@dataclass(frozen=True, slots=True)
class Period:
    """From *first* to *last*, both included; None: from the log's beginning, to its end."""

    first: datetime | None = None
    last: datetime | None = None
    first_text: str = field(init=False, repr=False, compare=False)
    """Its first moment as timestamps are written; less than all of them where it has no beginning."""
    last_text: str = field(init=False, repr=False, compare=False)
    """Its last moment as timestamps are written; more than all of them where it has no end."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_text", "" if self.first is None else utc_timestamp(self.first))
        object.__setattr__(self, "last_text", _NO_END if self.last is None else utc_timestamp(self.last))

    @classmethod
    def of_days(cls, days: int, *, now: datetime) -> Period:
        """Return the UTC day of *now* and those before it, *days* in all; raises `ConfigError`."""
        if type(days) is not int or not 1 <= days <= _MOST_DAYS:
            raise ConfigError(f"days is a number of UTC days from 1 to {_MOST_DAYS}, today included")
        today = now.astimezone(UTC).date()
        return cls(_midnight(today - timedelta(days=days - 1)), _last_moment(today))

    @classmethod
    def parse(cls, since: When | None = None, until: When | None = None) -> Period:
        """Return what *since* and *until* say; raises `ConfigError`."""
        first, last = _bound(since, "since"), _bound(until, "until", is_end=True)
        if first is not None and last is not None and first > last:
            raise ConfigError(f"since ({utc_timestamp(first)}) is later than until ({utc_timestamp(last)})")
        return cls(first, last)

    def has(self, timestamp: str) -> bool:
        """Return whether *timestamp*, in any ISO form, is in it; what is no time is in all time alone."""
        if self.first is None and self.last is None:
            return True
        if len(timestamp) != len(_NO_END) or timestamp[-1] != "Z":
            found = moment(timestamp)
            if found is None:
                return False
            timestamp = utc_timestamp(found)
        return self.first_text <= timestamp <= self.last_text

    def is_past(self, day: date) -> bool:
        """Return whether lines in the segment of *day* are all from before this time."""
        return self.first is not None and day < self.first.date()

    def is_ahead(self, day: date) -> bool:
        """Return whether lines in the segment of *day* are all from after this time."""
        return self.last is not None and _midnight(day) > min(self.last, _LATEST) + _LATE


def _bound(value: When | None, name: str, *, is_end: bool = False) -> datetime | None:
    if value is None:
        return None
    found: datetime | None = None
    if isinstance(value, datetime):
        found = value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        return _last_moment(value) if is_end else _midnight(value)
    elif isinstance(value, str):
        found = moment(value)
        if found is not None and _DAY.fullmatch(value.strip()):
            return _last_moment(found.date()) if is_end else _midnight(found.date())
    if found is None:
        raise ConfigError(
            f"{name} is a UTC date such as 2026-11-21, or a time such as 2026-11-21T10:30:00Z, not {value!r}"
        )
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _last_moment(day: date) -> datetime:
    return datetime.combine(day, time.max, tzinfo=UTC)
