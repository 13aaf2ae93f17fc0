"""What a store consists of, as SQL: `audit_line`, what guards it, and the view `audit_log`.

    for statement in STATEMENTS: ...        # of an empty database
    SCHEMA                                  # {name: SQL} as SQLite keeps it, to hold a store against

Lines are added and never changed. The triggers let a row go only below the base of a log.delete in the store,
and let one be replaced only by the stub that a log.redact in it asks for. They keep honest programs from
mistakes; whoever edits the file itself is found by `or-audit verify`.
"""

from __future__ import annotations

from or_audit_logging.record import NAMES
from or_audit_logging.store.columns import COLUMNS, FLAGS, IN_THE_LINE, INTEGERS, PICO, REALS, TEXTS

SCHEMA_VERSION = 1
APPLICATION_ID = 0x6F726175
"""What SQLite's header says the database is (`PRAGMA application_id`): "orau"."""

_TYPES = {
    **dict.fromkeys(TEXTS, "TEXT"),
    **dict.fromkeys((*INTEGERS, *FLAGS, PICO), "INTEGER"),
    **dict.fromkeys(REALS, "REAL"),
}

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"

_LINE = f"""CREATE TABLE audit_line (
  seq INTEGER PRIMARY KEY,
  line TEXT NOT NULL,
  {", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in COLUMNS)}
)"""

_INDEXES = {
    "audit_line_id": "CREATE UNIQUE INDEX audit_line_id ON audit_line (id)",
    "audit_line_timestamp": "CREATE INDEX audit_line_timestamp ON audit_line (timestamp)",
    "audit_line_user_id": (
        "CREATE INDEX audit_line_user_id ON audit_line (user_id) WHERE user_id IS NOT NULL"
    ),
    "audit_line_generation_id": (
        "CREATE INDEX audit_line_generation_id ON audit_line (generation_id) WHERE generation_id IS NOT NULL"
    ),
    "audit_line_generation": (
        "CREATE INDEX audit_line_generation ON audit_line (generation_id) WHERE event_type = 'generation'"
    ),
    "audit_line_control": (
        "CREATE INDEX audit_line_control ON audit_line (event_type) WHERE event_type GLOB 'log.*'"
    ),
}

_ONCE = """CREATE TRIGGER audit_line_once BEFORE INSERT ON audit_line
WHEN NEW.seq <= (SELECT max(seq) FROM audit_line) OR EXISTS (SELECT 1 FROM audit_line WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'audit_line is append-only: a line with this seq or id is there'); END"""

_KEPT = """CREATE TRIGGER audit_line_kept BEFORE DELETE ON audit_line
WHEN NOT EXISTS (
  SELECT 1 FROM audit_line AS d
  WHERE d.event_type GLOB 'log.*' AND d.event_type = 'log.delete' AND json_extract(d.line, '$.base') > OLD.seq
)
BEGIN SELECT RAISE(ABORT, 'audit_line is append-only: no log.delete covers this row'); END"""

_UNCHANGED = f"""CREATE TRIGGER audit_line_unchanged BEFORE UPDATE ON audit_line
WHEN NEW.seq IS NOT OLD.seq OR coalesce({", ".join(f"NEW.{name}" for name in COLUMNS)}) IS NOT NULL
OR NOT EXISTS (
  SELECT 1 FROM audit_line AS d
  WHERE d.event_type GLOB 'log.*' AND d.event_type = 'log.redact'
  AND json_extract(d.line, '$.target') = OLD.seq
  AND NEW.line = printf('%-*s}}', length(OLD.line) - 1, printf('{{"log":"%s","seq":%d,"leaf":"%s"',
    json_extract(d.line, '$.log'), OLD.seq, json_extract(d.line, '$.leaf')))
)
BEGIN SELECT RAISE(ABORT, 'audit_line is append-only: no log.redact asks for this'); END"""

_META_GUARDS = {
    f"meta_{name}": f"CREATE TRIGGER meta_{name} BEFORE {event} ON meta{when}\n"
    "BEGIN SELECT RAISE(ABORT, 'what meta says of a store is not changed'); END"
    for name, event, when in (
        ("once", "INSERT", "\nWHEN EXISTS (SELECT 1 FROM meta WHERE name = NEW.name)"),
        ("kept", "DELETE", ""),
        ("unchanged", "UPDATE", ""),
    )
}


def is_call(row: str) -> str:
    """Return the condition that *row* of `audit_line` tells how a call ended."""
    return (
        f"{row}.status IS NOT NULL AND {row}.event_type NOT IN ('log', 'generation') "
        f"AND NOT ({row}.event_type GLOB 'log.*' OR {row}.event_type GLOB '*.started')"
    )


FILLED = (
    *("model_used", "provider", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"),
    *("reasoning_tokens", "is_byok", "latency_ms", "finish_reason", "native_finish_reason", "service_tier"),
)
"""What a later fact says of a call that knew no cost and said nothing of it itself."""
MONEY = ("total_cost", PICO, "upstream_cost")
SUMS = (*MONEY, "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
"""What adds up where a call made several generations."""


def _newest_fact(generation_id: str) -> str:
    return f"""(
  SELECT f.seq FROM audit_line AS f WHERE f.event_type = 'generation' AND f.generation_id = {generation_id}
  ORDER BY f.total_cost IS NULL, f.seq DESC LIMIT 1)"""


def _known(name: str, row: str) -> str:
    """Return what is known of *row*: what it says, or a later fact, or the sum over all its generations.

    Later facts complete calls that knew no cost themselves; only their lines are parsed, which takes long.
    """
    certain = "total_cost" if name == "upstream_cost" else name
    return f"""coalesce({row}.{name}, CASE
    WHEN {row}.total_cost IS NOT NULL THEN NULL
    WHEN json_type({row}.line, '$.generation_ids') IS NOT 'array' THEN g.{name}
    ELSE (SELECT CASE WHEN count(*) = count(s.{certain}) THEN sum(s.{name}) END
    FROM (SELECT DISTINCT value FROM json_each({row}.line, '$.generation_ids')) AS e
    LEFT JOIN audit_line AS s ON s.seq = {_newest_fact("e.value")}) END)"""


_COUNTED_BEFORE = f"""EXISTS (
    SELECT 1 FROM audit_line AS p WHERE p.generation_id = c.generation_id AND p.seq < c.seq
    AND {is_call("p")} AND {_known("total_cost", "p")} IS NOT NULL)"""

_REPEAT_OF = f"""(
    SELECT min(p.seq) FROM audit_line AS p WHERE p.generation_id = c.generation_id AND p.seq < c.seq
    AND {is_call("p")})"""


def _view_column(name: str) -> str:
    if name in MONEY:
        cost = _known(name, "c")
        nothing = "0" if name == PICO else "0.0"
        return f"CASE WHEN {cost} IS NOT NULL AND {_COUNTED_BEFORE} THEN {nothing} ELSE {cost} END AS {name}"
    if name == "cost_source":
        known = _known("total_cost", "c")
        return f"""CASE WHEN c.total_cost IS NOT NULL THEN c.cost_source
    WHEN {known} IS NOT NULL THEN g.cost_source END AS cost_source"""
    if name in SUMS:
        return f"{_known(name, 'c')} AS {name}"
    if name in FILLED:
        return f"coalesce(c.{name}, CASE WHEN c.total_cost IS NULL THEN g.{name} END) AS {name}"
    if name in IN_THE_LINE:
        return f"json_extract(c.line, '$.{name}') AS {name}"
    return f"c.{name} AS {name}"


VIEW_COLUMNS = (
    *(each for name in NAMES for each in ((name, PICO) if name == "total_cost" else (name,))),
    "repeat_of",
    "seq",
)
"""The columns of the view `audit_log`: the record's fields, and three of its own."""

_VIEW = f"""CREATE VIEW audit_log AS SELECT
  {", ".join(map(_view_column, VIEW_COLUMNS[:-2]))},
  {_REPEAT_OF} AS repeat_of,
  c.seq AS seq
FROM audit_line AS c LEFT JOIN audit_line AS g ON g.seq = {_newest_fact("c.generation_id")}
WHERE {is_call("c")}"""

SCHEMA: dict[str, str] = {
    "meta": _META,
    "audit_line": _LINE,
    **_INDEXES,
    "audit_line_once": _ONCE,
    "audit_line_kept": _KEPT,
    "audit_line_unchanged": _UNCHANGED,
    **_META_GUARDS,
    "audit_log": _VIEW,
}
"""Every table, index, trigger and view of a store by name, as `sqlite_master` has it."""

INSERT = f"INSERT INTO audit_line (seq, line, {', '.join(COLUMNS)}) VALUES (?, ?{', ?' * len(COLUMNS)})"
