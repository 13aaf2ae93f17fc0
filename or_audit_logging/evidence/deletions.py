"""What a log.delete says of all deletions so far: its `past`, a list of rows (FORMAT 4).

    {"days": ["2026-01-01", "2026-08-20"], "seqs": [0, 48120], "policy": "operational",
     "cut_off": "2026-08-23", "actor": "cron", "time": "2026-11-21T03:00:00.000000Z", "runs": 232}

The lines from the first to the second of `seqs`, both included, stood in segments of these `days`. They
went under that policy, by that actor, in so many runs: the last one at `time`, when a segment could go
once the next one had begun on or before the `cut_off`. The rows stand behind each other without a gap,
from seq 0 to the base. A run that goes on under the policy and by the actor of the one before it makes
that row longer, so that years of daily runs stay one row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, TypeAlias

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.tally import timestamp_of

Row: TypeAlias = dict[str, Any]

MOST_ROWS = 20
"""A `past` is kept at so many rows: beyond that the two oldest become one."""

MOST_BYTES = 4_000
"""And at so many bytes of JSON, so that the log.delete is a line like others: 8,000 bytes at most."""

SEVERAL = "(several)"
"""Stands for the policies, or the actors, of rows that became one."""

_NAMES = ("days", "seqs", "policy", "cut_off", "actor", "time", "runs")


def parse_past(past: object, *, base: int) -> tuple[Row, ...]:
    """Return the rows of a log.delete with this *base*; raises `FormatError` where they are not as above."""
    if not isinstance(past, list) or not past:
        raise FormatError("its past is no list of what was deleted")
    rows, expected = [], 0
    for row in past:
        if not isinstance(row, dict) or tuple(row) != _NAMES:
            raise FormatError("a row of its past has other members than it should")
        first, last = _pair(row["seqs"])
        if type(first) is not int or type(last) is not int or first != expected or last < first:
            raise FormatError("the rows of its past do not follow each other")
        if _day(_pair(row["days"])[0]) > _day(_pair(row["days"])[1]):
            raise FormatError("a row of its past ends before it begins")
        _day(row["cut_off"])
        timestamp_of(row["time"])
        is_text = isinstance(row["policy"], str) and isinstance(row["actor"], (str, type(None)))
        if not is_text or type(row["runs"]) is not int or row["runs"] < 1:
            raise FormatError("a row of its past does not say who deleted what under which policy")
        rows.append(row)
        expected = last + 1
    if expected != base:
        raise FormatError("its past ends elsewhere than before its base")
    return tuple(rows)


def continued(past: Sequence[Row], row: Row) -> list[Row]:
    """Return *past* with *row*, a single run, behind it: as a part of its last row where that may be."""
    rows = [*past, row]
    if past and all(past[-1][name] == row[name] for name in ("policy", "actor")):
        rows[-2:] = [_joined(past[-1], row)]
    while len(rows) > MOST_ROWS or (len(rows) > 1 and _size(rows) > MOST_BYTES):
        rows[:2] = [_joined(rows[0], rows[1])]
    return rows


def _size(rows: Sequence[Row]) -> int:
    return len(json.dumps(rows, separators=(",", ":")))


def _joined(first: Row, second: Row) -> Row:
    """Return the two rows as one."""
    return {
        "days": [min(first["days"][0], second["days"][0]), max(first["days"][1], second["days"][1])],
        "seqs": [first["seqs"][0], second["seqs"][1]],
        "policy": second["policy"] if first["policy"] == second["policy"] else SEVERAL,
        "cut_off": second["cut_off"],
        "actor": second["actor"] if first["actor"] == second["actor"] else SEVERAL,
        "time": second["time"],
        "runs": first["runs"] + second["runs"],
    }


def _pair(value: object) -> tuple[object, object]:
    if not isinstance(value, list) or len(value) != 2:
        raise FormatError("a row of its past has no first and last")
    return value[0], value[1]


def _day(value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:
        raise FormatError("a row of its past states a day that is none")
    return day
