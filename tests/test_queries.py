"""docs/queries.md: every statement runs as it stands, and the trap that it warns of is one."""

from __future__ import annotations

import re
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import REPOSITORY
from stores import filled, opened

PAGE = (REPOSITORY / "docs" / "queries.md").read_text("utf-8")
STATEMENTS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
BOUND = {"since": "2026-11-20T00:00:00.000000Z", "until": "2026-11-22"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Calls of two days, three users and two models, one of which fails; one generation comes twice."""
    cheap = {"model_requested": "a/cheap", "model_used": "a/cheap", "total_cost": Decimal("8.41005e-05")}
    dear: dict[str, Any] = {
        "model_requested": "b/dear",
        "model_used": "c/other",
        "total_cost": Decimal("0.5"),
    }
    day = {"timestamp": "2026-11-21T10:00:00.000000Z"}
    return filled(
        tmp_path / "audit.db",
        cheap | {"timestamp": "2026-11-20T23:59:59.999999Z", "user_id": "u-1", "generation_id": "gen-1"},
        cheap | day | {"user_id": "u-1", "generation_id": "gen-1"},
        cheap | day | {"user_id": "u-2", "metadata": {"feature": "faq"}, "total_tokens": 7},
        dear | day | {"user_id": "u-3"},
        {"model_requested": "b/dear", "status": "error", "error_code": 429, "user_id": "u-3"} | day,
    )


def asked(path: Path, number: int) -> list[dict[str, Any]]:
    """Return the answer to the page's statement with that number."""
    with opened(path) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(STATEMENTS[number], BOUND)]


@pytest.mark.parametrize("number", range(len(STATEMENTS)))
def test_every_statement_runs(path: Path, number: int) -> None:
    """As it stands on the page."""
    asked(path, number)


def test_the_answers_are_what_one_would_count(path: Path) -> None:
    """Daily cost, error rate, spenders, errors, fallbacks, repetitions, features."""
    daily, errors, spenders, wrong, fallbacks, repeats, features = (asked(path, n) for n in range(1, 8))
    assert [(r["day"], r["model"], r["calls"], r["pico_usd"], r["unpriced"]) for r in daily] == [
        ("2026-11-20", "a/cheap", 1, 84_100_500, 0),
        ("2026-11-21", "c/other", 1, 500_000_000_000, 0),
        ("2026-11-21", "a/cheap", 2, 84_100_500, 0),
        ("2026-11-21", "b/dear", 1, None, 1),
    ]
    assert [(r["model"], r["percent"]) for r in errors] == [
        ("b/dear", 100.0),
        ("a/cheap", 0.0),
        ("c/other", 0.0),
    ]
    assert spenders[0]["user_id"] == "u-3"
    assert {r["user_id"]: r["usd"] for r in spenders} == {"u-3": 0.5, "u-1": 8.41005e-05, "u-2": 8.41005e-05}
    assert [(r["error_code"], r["calls"]) for r in wrong] == [("429", 1)]
    assert [(r["model_requested"], r["model_used"]) for r in fallbacks] == [("b/dear", "c/other")]
    assert [(r["generation_id"], r["rows"]) for r in repeats] == [("gen-1", 2)]
    assert {r["feature"]: r["calls"] for r in features} == {None: 4, "faq": 1}


def test_the_trap_is_one(path: Path) -> None:
    """A space comes before a T: with datetime() a day's early hours count that should not."""
    with opened(path) as database:
        wrong = "SELECT count(*) FROM audit_log WHERE timestamp >= datetime('2026-11-21 23:00:00', '-1 hour')"
        right = (
            "SELECT count(*) FROM audit_log WHERE timestamp >= "
            "strftime('%Y-%m-%dT%H:%M:%fZ', '2026-11-21 23:00:00', '-1 hour')"
        )
        assert database.execute(wrong).fetchone() == (4,)
        assert database.execute(right).fetchone() == (0,)


def test_the_index_on_time_is_used(path: Path) -> None:
    """Also through the view."""
    with opened(path) as database:
        for column in ("timestamp", "user_id", "generation_id"):
            plan = database.execute(
                f"EXPLAIN QUERY PLAN SELECT total_cost FROM audit_log WHERE {column} = ?", ("x",)
            ).fetchall()
            assert any(f"SEARCH c USING INDEX audit_line_{column}" in row[3] for row in plan)
