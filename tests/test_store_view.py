"""The view `audit_log`: calls alone, what is known later filled in, money exact."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import call, filled, log_record, opened, rows, secret, store_handler

from or_audit_logging import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.sealing import text
from or_audit_logging.store import columns
from or_audit_logging.store.columns import COLUMNS, columns_of
from or_audit_logging.store.schema import INSERT, SCHEMA
from or_audit_logging.store.writer import StoreWriter

COST = Decimal("8.41005e-05")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


def fact(generation_id: str, **fields: Any) -> dict[str, Any]:
    """Return what the provider said later of a generation."""
    return {"event_type": "generation", "generation_id": generation_id, "cost_source": "generation"} | fields


def costs(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "SELECT total_cost, total_cost_pico, repeat_of FROM audit_log ORDER BY seq")


def test_only_calls_are_in_it(path: Path) -> None:
    """No control line, no plain log record, no write-ahead record, no late fact."""
    handler = store_handler(path)
    handler.handle(log_record("plain"))
    handler.handle(call(event_type="chat_completion.started", status=None))
    handler.handle(call(**fact("gen-1")))
    handler.handle(call(status="error", event_type="embeddings"))
    handler.handle(log_record("forged", None))
    handler.close()
    assert rows(path, "SELECT event_type, status FROM audit_log") == [("embeddings", "error")]


def test_late_facts_fill_what_the_call_did_not_know(path: Path) -> None:
    """The cost of a cut stream, its tokens, who served it; what the call said itself stays."""
    filled(
        path,
        {"generation_id": "gen-1", "status": "incomplete", "model_used": "said/by-the-call"},
        fact("gen-1", total_cost=COST, upstream_cost=Decimal("0.5"), is_byok=True, provider="OpenAI"),
        fact("gen-1", model_used="late/model", prompt_tokens=5, status=None, total_cost=COST),
        fact("gen-2", total_cost=Decimal(1)),
    )
    wanted = "status, model_used, provider, prompt_tokens, total_cost_pico, cost_source, is_byok"
    assert rows(path, f"SELECT {wanted} FROM audit_log") == [
        ("incomplete", "said/by-the-call", None, 5, 84_100_500, "generation", None)
    ]


def test_the_newest_fact_wins_and_one_without_a_cost_does_not(path: Path) -> None:
    """A correction replaces what was said before; that nothing could be found out replaces nothing."""
    filled(
        path,
        {"generation_id": "gen-1"},
        fact("gen-1", total_cost=Decimal("0.25")),
        fact("gen-1", total_cost=Decimal("0.5")),
        fact("gen-1", status="error", error_code=404, cost_source=None),
    )
    assert costs(path) == [(0.5, 500_000_000_000, None)]


def test_a_repeated_generation_costs_once(path: Path) -> None:
    """Retries and cached answers stay rows, are reported, and add nothing to a sum; a null stays unknown."""
    filled(
        path,
        {"generation_id": "gen-1", "total_cost": COST},
        {"generation_id": "gen-1", "total_cost": COST},
        {"generation_id": "gen-2", "total_cost": None},
        {"generation_id": "gen-2", "total_cost": Decimal("0.5")},
        {"generation_id": "gen-2", "total_cost": None},
        {"generation_id": None, "total_cost": Decimal("0.5")},
        {"generation_id": None, "total_cost": Decimal("0.5")},
    )
    assert costs(path) == [
        (8.41005e-05, 84_100_500, None),
        (0.0, 0, 3),
        (None, None, None),
        (0.5, 500_000_000_000, 5),
        (None, None, 5),
        (0.5, 500_000_000_000, None),
        (0.5, 500_000_000_000, None),
    ]


def test_a_repeated_generation_that_was_settled_late_costs_once(path: Path) -> None:
    """The first row has it."""
    filled(
        path,
        {"generation_id": "gen-1"},
        {"generation_id": "gen-1"},
        fact("gen-1", total_cost=Decimal(2), upstream_cost=Decimal(1)),
    )
    assert rows(path, "SELECT sum(total_cost), sum(total_cost_pico), sum(upstream_cost) FROM audit_log") == [
        (2.0, 2 * 10**12, 1.0)
    ]


def test_a_call_of_several_generations_costs_their_sum_once_all_are_known(path: Path) -> None:
    """Until then nobody knows; whichever of them the call bears as its generation_id, if any."""
    several = ("gen-1", "gen-2", "gen-3")
    filled(
        path,
        {"generation_id": "gen-3", "generation_ids": several, "prompt_tokens": 7},
        {"generation_id": "gen-3", "generation_ids": several},
        {"generation_id": None, "generation_ids": ("gen-1", "gen-4")},
        {"generation_id": "gen-5", "generation_ids": ("gen-5", "gen-6"), "status": "error"},
        *(fact(f"gen-{n}", total_cost=COST, prompt_tokens=n, upstream_cost=COST) for n in (1, 2, 3, 4, 6)),
        fact("gen-1", status="unresolved", cost_source=None),
    )
    wanted = "total_cost_pico, round(upstream_cost * 1e12), prompt_tokens, cost_source"
    assert rows(path, f"SELECT {wanted} FROM audit_log ORDER BY seq") == [
        (3 * 84_100_500, 3 * 84_100_500, 7, "generation"),
        (0, 0, 6, "generation"),
        (2 * 84_100_500, 2 * 84_100_500, 5, None),
        (None, None, None, None),
    ]
    assert rows(path, "SELECT sum(total_cost_pico) FROM audit_log") == [(5 * 84_100_500,)]
    assert verify(path, key=secret).findings == ()


@pytest.mark.parametrize(
    ("fields", "pico"),
    [
        (
            {"total_cost": Decimal("0.0042"), "is_byok": True, "upstream_cost": Decimal("0.0042")},
            4_200_000_000,
        ),
        ({"total_cost": Decimal(0), "is_byok": False}, 0),
        ({"total_cost": Decimal("0.0")}, 0),
        ({"total_cost": Decimal(0), "cache_status": "hit"}, 0),
        ({"total_cost": None, "prompt_tokens": None}, None),
        ({"total_cost": Decimal("-0.25")}, -250_000_000_000),
        ({"total_cost": Decimal("0.1234567890125")}, 123_456_789_012),
        ({"total_cost": Decimal("0.1234567890135")}, 123_456_789_014),
        ({"total_cost": Decimal("0.000000000001")}, 1),
        ({"total_cost": Decimal("1e-20")}, 0),
        ({"total_cost": Decimal("9223372.036854775807")}, 2**63 - 1),
        ({"total_cost": Decimal("9223372.036854775808")}, None),
        ({"total_cost": COST, "metadata": {"total_cost": 5.5, "deep": {"total_cost": 1}}}, 84_100_500),
        ({"total_cost": None, "metadata": {"total_cost": 5.5}}, None),
        ({"total_cost": COST, "error_message": 'says "total_cost":7,'}, 84_100_500),
    ],
)
def test_the_cost_is_that_of_the_sealed_digits(path: Path, fields: dict[str, Any], pico: int | None) -> None:
    """Own key, free, cached, unknown, refunded; halves go to the even neighbour."""
    filled(path, fields)
    assert rows(path, "SELECT total_cost_pico FROM audit_log") == [(pico,)]
    assert verify(path, key=secret).findings == ()


@pytest.mark.parametrize("count", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_small_costs_add_up_exactly(tmp_path: Path, count: int) -> None:
    """As integers; the floats do not, which is why there are integers."""
    with opened(tmp_path / "sums.db") as database:
        for statement in SCHEMA.values():
            database.execute(statement)
        line = text.written({"event_type": "chat_completion", "status": "success", "total_cost": COST})
        values = columns_of(line)
        database.executemany(INSERT, ((seq, line.decode(), *values) for seq in range(count)))
        (exact, rough) = database.execute(
            "SELECT sum(total_cost_pico), sum(total_cost) FROM audit_log"
        ).fetchone()
    assert exact == count * 84_100_500
    assert Decimal(exact).scaleb(-12) == count * COST
    assert rough == pytest.approx(8.41005e-05 * count)


def test_a_sum_beyond_sixty_four_bits_is_an_error_and_never_wrong(path: Path) -> None:
    """SQLite says so itself."""
    import sqlite3

    filled(path, *({"total_cost": Decimal(9000000)} for _ in range(2)))
    with pytest.raises(sqlite3.OperationalError, match="overflow"):
        rows(path, "SELECT sum(total_cost_pico) FROM audit_log")


def test_a_cost_beyond_sixty_four_bits_takes_nothing_from_a_later_fact(path: Path) -> None:
    """Units of another amount would contradict the amount beside them."""
    filled(
        path,
        {"generation_id": "gen-1", "total_cost": Decimal(10_000_000)},
        fact("gen-1", total_cost=Decimal(1)),
    )
    assert rows(path, "SELECT total_cost, total_cost_pico FROM audit_log") == [(1e7, None)]


# What a column takes.


@pytest.mark.parametrize("with_orjson", [True, False])
@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b'{"user_id":"u-1"}', "user_id", "u-1"),
        (b'{"user_id":17}', "user_id", None),
        (b'{"user_id":{"a":1}}', "user_id", None),
        (b'{"user_id":"\\ud800x"}', "user_id", "\ufffdx"),
        (b'{"user_id":"\\ud83d\\ude00"}', "user_id", "\U0001f600"),
        (b'{"prompt_tokens":18446744073709551615}', "prompt_tokens", None),
        (b'{"prompt_tokens":1180591620717411303424}', "prompt_tokens", None),
        (b'{"prompt_tokens":true}', "prompt_tokens", None),
        (b'{"prompt_tokens":1.5}', "prompt_tokens", None),
        (b'{"latency_ms":3}', "latency_ms", 3.0),
        (b'{"latency_ms":1e999}', "latency_ms", None),
        (b'{"latency_ms":"3"}', "latency_ms", None),
        (b'{"is_byok":1}', "is_byok", None),
        (b'{"is_byok":true}', "is_byok", True),
        (b'{"error_code":1180591620717411303424}', "error_code", None),
        (b'{"error_code":404}', "error_code", "404"),
        (b'{"total_cost":7}', "total_cost_pico", 7 * 10**12),
        (b'{"total_cost": 0.5 }', "total_cost_pico", 500_000_000_000),
        (b'{"total_cost":1e300}', "total_cost_pico", None),
        (b'{"total_cost":"0.5"}', "total_cost_pico", None),
        (b'{"total_cost":NaN}', "total_cost_pico", None),
        (b'{"metadata":{"total_cost":1}}', "total_cost_pico", None),
        (b"[1]", "user_id", None),
        (b"no JSON", "user_id", None),
        (b"[" * 100_000, "user_id", None),
        (b'{"log":"0001020304050607","seq":1,"leaf":"00"   }', "event_type", None),
    ],
)
def test_a_column_takes_what_has_its_type(
    monkeypatch: pytest.MonkeyPatch, line: bytes, name: str, value: object, with_orjson: bool
) -> None:
    """Whichever parser reads the line; anything else is NULL, and no line makes it fail."""
    if with_orjson:
        pytest.importorskip("orjson")
    monkeypatch.setattr(columns, "orjson", text.orjson if with_orjson else None)
    found = dict(zip(COLUMNS, columns_of(line), strict=True))
    assert found.pop(name) == value
    assert name.startswith("total_cost") or set(found.values()) == {None}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*COLUMNS, "metadata"]), _VALUES))
def test_both_parsers_make_the_same_of_a_line(members: dict[str, Any]) -> None:
    """Of whatever the writer writes; and SQLite takes it."""
    line = text.written(members)
    quick = columns_of(line)
    former, columns.orjson = columns.orjson, None
    try:
        slow = columns_of(line)
    finally:
        columns.orjson = former
    assert quick == slow
    assert [type(value) for value in quick] == [type(value) for value in slow]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    """Lines of others, and what is none."""
    assert len(columns_of(b'{"total_cost":' + raw + b"}")) == len(COLUMNS)


def test_lines_of_another_formatter_have_the_columns_that_they_have(path: Path) -> None:
    """Its members are taken as they are; what it calls otherwise stays in the line."""
    writer = StoreWriter(path, KeyRing.from_sources(secret))
    writer.append(b'{"message":"hello","timestamp":"2026-11-21T10:00:00Z"}')
    writer.stop()
    assert rows(path, "SELECT timestamp, event_type FROM audit_line WHERE seq = 3") == [
        ("2026-11-21T10:00:00Z", None)
    ]
    (line,) = rows(path, "SELECT line FROM audit_line WHERE seq = 3")
    assert json.loads(line[0])["message"] == "hello"
    assert rows(path, "SELECT count(*) FROM audit_log") == [(0,)]
