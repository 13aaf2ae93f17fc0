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

from or_audit_logging.errors import FormatError
from or_audit_logging.record import CONTROL_PREFIX, GENERATION
from or_audit_logging.store.columns import as_column
from or_audit_logging.store.reader import StoreReader

_SEQS = "SELECT seq FROM audit_line WHERE"
_DIGIT = "[0-9]"
_ORDINARY = f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2}T{_DIGIT * 2}:{_DIGIT * 2}:{_DIGIT * 2}.{_DIGIT * 6}Z"


def seqs_of(
    store: StoreReader,
    *,
    end: int,
    users: Collection[str] | None = None,
    event: str | None = None,
    times: tuple[str, str] | None = None,
) -> array[int] | None:
    """Return the seqs below *end* of all lines that are asked for, in order, and perhaps of some others.

    None where no index helps. *event*: that type, None: any call. *times*: the first and the last,
    as our timestamps are written; those that are written otherwise are among the others. Raises `FormatError`
    for a damaged database.
    """
    if users is not None:
        asked, values = f"user_id IN ({', '.join('?' * len(users))})", [as_column(user) for user in users]
    elif event == GENERATION:
        asked, values = f"event_type = '{GENERATION}'", []
    elif event is not None and event.startswith(CONTROL_PREFIX):
        asked, values = f"event_type GLOB '{CONTROL_PREFIX}*' AND event_type = ?", [as_column(event)]
    elif times is not None:
        asked = f"timestamp BETWEEN ? AND ? UNION {_SEQS} timestamp NOT GLOB '{_ORDINARY}'"
        values = list(times)
    else:
        return None
    statement = f"""WITH asked AS ({_SEQS} {asked}), unpriced AS (
        SELECT c.generation_id, c.line FROM asked CROSS JOIN audit_line AS c ON c.seq = asked.seq
        WHERE c.total_cost IS NULL)
      SELECT seq FROM (
        SELECT seq FROM asked
        UNION {_SEQS} id IS NULL
        UNION {_SEQS} event_type = '{GENERATION}' AND generation_id IN (
          SELECT generation_id FROM unpriced
          UNION SELECT e.value FROM unpriced AS u,
          json_each(CASE WHEN json_valid(u.line) THEN u.line ELSE '{{}}' END, '$.generation_ids') AS e))
      WHERE seq < ? ORDER BY seq"""  # noqa: S608 - of our own texts
    try:
        found = array("q", (seq for (seq,) in store.connection.execute(statement, [*values, end])))
    except sqlite3.Error as error:
        raise FormatError(f"{store.path} cannot be read: {error}") from error
    return found if len(found) < end // 2 else None
