"""Which lines of a store may be asked for: found by its indexes, instead of reading them all.

    with StoreReader(path) as store:
        seqs_of(store, users=["u-42"], end=store.end())      -> array of seqs, or None: read all lines

An index only narrows what is looked at. Among the seqs are those of the late facts about the calls that may
be asked for, and of every line that is no record, so that it can be counted.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection
from datetime import datetime, timedelta

from or_audit_logging.errors import FormatError
from or_audit_logging.record import CONTROL_PREFIX, GENERATION
from or_audit_logging.store.columns import as_column
from or_audit_logging.store.reader import StoreReader

_SLACK = timedelta(days=2)
"""Timestamps are compared as text, and some may bear another zone."""
_ORDINARY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"


def seqs_of(
    store: StoreReader,
    *,
    end: int,
    users: Collection[str] | None = None,
    event: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> array[int] | None:
    """Return the seqs below *end* of all lines that are asked for, in order, and perhaps of some others.

    None where no index helps. *event*: that type, None: any call. Raises `FormatError` for a damaged
    database.
    """
    if users is not None:
        where, values = f"user_id IN ({', '.join('?' * len(users))})", [as_column(user) for user in users]
    elif event == GENERATION:
        where, values = f"event_type = '{GENERATION}'", []
    elif event is not None and event.startswith(CONTROL_PREFIX):
        where, values = f"event_type GLOB '{CONTROL_PREFIX}*' AND event_type = ?", [as_column(event)]
    elif first is not None or last is not None:
        where, values = _in_time(first, last)
    else:
        return None
    statement = f"""
      SELECT seq FROM (
        SELECT seq FROM audit_line WHERE {where}
        UNION SELECT seq FROM audit_line WHERE id IS NULL
        UNION SELECT seq FROM audit_line WHERE event_type = '{GENERATION}' AND generation_id IN (
          SELECT generation_id FROM audit_line WHERE ({where}) AND total_cost IS NULL
          UNION SELECT e.value FROM (SELECT line FROM audit_line WHERE ({where}) AND total_cost IS NULL) AS c,
          json_each(CASE WHEN json_valid(c.line) THEN c.line ELSE '{{}}' END, '$.generation_ids') AS e))
      WHERE seq < ? ORDER BY seq"""  # noqa: S608 - of our own texts
    try:
        found = array("q", (seq for (seq,) in store.connection.execute(statement, [*values * 3, end])))
    except sqlite3.Error as error:
        raise FormatError(f"{store.path} cannot be read: {error}") from error
    return found if len(found) < end // 2 else None


def _in_time(first: datetime | None, last: datetime | None) -> tuple[str, list[str]]:
    conditions, values = [], []
    for moment, sign, slack in ((first, ">=", -_SLACK), (last, "<=", _SLACK)):
        if moment is not None:
            conditions.append(f"timestamp {sign} ?")
            try:
                values.append((moment + slack).date().isoformat())
            except OverflowError:
                values.append(moment.date().isoformat())
    ordinary = f"SELECT seq FROM audit_line WHERE {' AND '.join(conditions)}"  # noqa: S608
    others = f"SELECT seq FROM audit_line WHERE timestamp NOT GLOB '{_ORDINARY}'"  # noqa: S608
    return f"seq IN ({ordinary} UNION {others})", values
