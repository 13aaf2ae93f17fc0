"""Which columns a question needs: what it does not name is not loaded.

    needed("SELECT user_id, COUNT(*) FROM audit_log GROUP BY 1")      -> {"user_id", ...}
    needed("SELECT * FROM audit_log")                                 -> every column

A name counts wherever it stands in the text. Where a statement may mean columns that it does not name, all
of them are needed.
"""

from __future__ import annotations

import re

from or_audit_logging.store.columns import COLUMNS, IN_THE_LINE, PICO

LOSS = ("loss_count", "loss_reason")
"""How many records a log.lost says are lost, and why: columns in DuckDB; in SQLite they stay in the line."""
ALL = frozenset((*COLUMNS, *IN_THE_LINE, *LOSS))
ALWAYS = frozenset(
    ("event_type", "status", "timestamp", "generation_id", "generation_ids", "total_cost", PICO)
)
"""What the view itself goes by."""
STARTED = frozenset(("event_type", "id", "started_id", "timestamp"))

_COUNT_ALL = re.compile(r"count\s*\(\s*\*\s*\)")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_UNNAMED = frozenset(
    "columns describe exclude natural pivot replace show struct summarize table unnest unpivot".split()  # noqa: SIM905
)
_VIEW_ITSELF = re.compile(
    r"(?<!from)(?<!join)\s+\"?audit_log\b(?!\s*\"?\s*\.)|\baudit_l(og|ine)\"?(\s+as)?\s+\"?\w+\"?\s*\("
)


def needed(sql: str) -> frozenset[str]:
    """Return the columns that *sql* may read, with those that the view always reads."""
    text = _COUNT_ALL.sub(" ", sql.lower())
    words = set(_WORD.findall(text))
    if (
        "*" in text
        or words & _UNNAMED
        or len(re.findall(r"\bfrom\b", text)) > len(re.findall(r"\bselect\b", text))
        or "line" in words
        or _VIEW_ITSELF.search(re.sub(r"\s+", " ", text))
    ):
        return ALL
    return ALWAYS | (ALL & words)
