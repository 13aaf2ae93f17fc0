"""What a log says of its own running: processes started and stopped, records lost, clocks set back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.report import Note, Place, brief

CLOCK_STEP = timedelta(seconds=60)
"""A clock that went back by more than this is noted."""

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


class Tally:
    """Counts along the control lines; nothing here is evidence of a change."""

    def __init__(self) -> None:
        self.records_lost = 0
        self._killed = 0
        self._running: set[str | int | None] = set()
        self._clock: datetime | None = None

    @property
    def unstopped(self) -> int:
        """Processes that wrote log.start and no log.stop."""
        return self._killed + len(self._running)

    def count(self, members: dict[str, object], place: Place) -> list[Note]:
        """Take one control line into account; raises `FormatError` where it bears no timestamp."""
        notes = self._look_at_clock(members["timestamp"], place)
        event = members["event_type"]
        if event == "log.start":
            pid = brief(members["pid"])
            self._killed += pid in self._running  # its number was given out again
            self._running.add(pid)
        elif event == "log.stop":
            self._running.discard(brief(members["pid"]))
        elif event == "log.lost":
            count, reason = members["count"], brief(members["reason"])
            if type(count) is int and count > 0 and reason != "chain":
                self.records_lost += count
            notes.append(place.note("lost", f"the writer reported a loss: {brief(count)}, reason {reason}"))
        return notes

    def _look_at_clock(self, text: object, place: Place) -> list[Note]:
        moment = timestamp_of(text)
        before, self._clock = self._clock, moment
        if before is None or before - moment <= CLOCK_STEP:
            return []
        return [place.note("clock", f"the clock stepped back by {(before - moment).total_seconds():,.0f} s")]


def timestamp_of(text: object) -> datetime:
    """Return the moment that a control line's timestamp states; raises `FormatError`."""
    try:
        if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise FormatError("a control line's timestamp has not the form that the log uses") from None
