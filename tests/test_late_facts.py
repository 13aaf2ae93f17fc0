"""Late facts: `query`, a store's view, and SQLite and DuckDB on a folder say the same of every call."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import first
from log_builder import DAY, NEXT_DAY, THIRD_DAY, key
from test_query import Calls

from or_audit_logging import query, report
from or_audit_logging.evidence import asking, late_facts
from or_audit_logging.evidence.books import opening
from or_audit_logging.evidence.books.opening import open_books
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.late_facts import FILLED, SUMMED
from or_audit_logging.pricing import pico
from or_audit_logging.record import AuditRecord
from or_audit_logging.store.schema import FILLED as STORE_FILLED
from or_audit_logging.store.schema import MONEY, PICO, SUMS

DAYS = (DAY, NEXT_DAY, THIRD_DAY)
FIVE_DAYS = (*DAYS, "2026-11-24", "2026-11-25")
OTHERS = tuple(name for name in FILLED if name not in ("total_cost", "upstream_cost"))
EVER = Period()
SAME = (*OTHERS, "cost_source")
_TOLD = {
    "model_used": ("fake/a", "fake/b"),
    "provider": ("P", "Q"),
    "prompt_tokens": (0, 5, 70),
    "completion_tokens": (3,),
    "total_tokens": (8, 73),
    "cached_tokens": (0, 2),
    "reasoning_tokens": (1,),
    "is_byok": (True, False),
    "latency_ms": (812.5,),
    "finish_reason": ("stop", "error"),
    "native_finish_reason": ("end_turn",),
    "service_tier": ("default",),
    "upstream_cost": (Decimal("0.5"), Decimal("0.0")),
}


def some(chance: random.Random) -> dict[str, Any]:
    """Return fields that a record may tell or leave out."""
    return {name: chance.choice((None, *values)) for name, values in _TOLD.items()}


def written(folder: Path, seed: int, *, days: Sequence[str] = DAYS, old: bool = False) -> Path:
    """Write a log of three days, the first of them archived: calls of one or several generations, and facts
    about all of these, some or none, once or more often, or that nobody knows; those that stand before a
    call are no older than the day before, unless *old*.
    """
    chance = random.Random(seed)
    log = Calls(day=days[0])
    known: list[str] = []
    ids: list[str] = []
    for day in days:
        ids = [*(known if old else ids[-10:]), *(f"gen-{day}-{number}" for number in range(10))]
        known += ids[-10:]
        if day != days[0]:
            log.open(day)
            log.clock = log.clock.replace(day=int(day[-2:]))
        for _ in range(40):
            if chance.random() < 0.4:
                cost = chance.choice((None, "0.1", "0.25", "0.000000000001", "0.0"))
                status = "success" if cost else chance.choice(("success", "unresolved"))
                source = "generation" if cost else None
                log.fact(
                    chance.choice(known), cost, **some(chance) | {"status": status, "cost_source": source}
                )
                continue
            several = chance.choice(
                (None, None, (), tuple(chance.choices(ids, k=chance.randrange(1, 4))), (ids[-1], ids[-1]))
            )
            one = chance.choice((None, chance.choice(ids), several[-1] if several else chance.choice(ids)))
            cost = chance.choice((None, None, None, Decimal("0.75")))
            source = "response" if cost is not None else None
            log.call(
                **some(chance)
                | {"generation_id": one, "generation_ids": several, "user_id": chance.choice(("u-1", "u-2"))}
                | {"total_cost": cost, "cost_source": source}
            )
    log.save(folder)
    log.archive(folder, f"audit_{days[0]}.jsonl")
    return folder


def asked(path: Path, **criteria: Any) -> list[tuple[Any, ...]]:
    """Return what `query` says of each call, oldest first."""
    return [said_of(record) for record in query(path, **criteria)]


def said_of(record: AuditRecord) -> tuple[Any, ...]:
    amounts = (record.total_cost, record.upstream_cost)
    return (
        record.id,
        *(getattr(record, name) for name in SAME),
        *(None if one is None else pico(one) for one in amounts),
    )


def booked(path: Path, engine: Any, period: Period = EVER) -> list[tuple[Any, ...]]:
    """Return what the view says of each call, oldest first."""
    byok = 1 + SAME.index("is_byok")
    with open_books(path, engine=engine, period=period) as books:
        rows = books.ask(f"SELECT id, {', '.join(SAME)}, {PICO}, upstream_cost FROM audit_log ORDER BY seq")
    out = []
    for *said, upstream in rows.rows:
        said[byok] = None if said[byok] is None else bool(said[byok])
        out.append((*said, None if upstream is None else round(upstream * 10**12)))
    return out


def counted_once(path: Path, **criteria: Any) -> list[tuple[Any, ...]]:
    """Return what `query` says, as the view puts it: what a generation cost belongs to its first call."""
    rows, counted = [], set()
    for record in query(path, **criteria):
        *said, cost, upstream = said_of(record)
        if record.generation_id in counted:
            cost, upstream = (0 if cost is not None else None), (0 if upstream is not None else None)
        elif record.generation_id is not None and record.total_cost is not None:
            counted.add(record.generation_id)
        rows.append((*said, cost, upstream))
    return rows


@pytest.mark.parametrize("seed", first(3, range(8)))
def test_every_way_of_asking_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Forward, from the end, of the store, in SQL; with few calls held back, and with many."""
    log = written(tmp_path / "log", seed)
    store = tmp_path / "audit.db"
    import_log(log, store, key=key())
    whole = asked(log)
    assert len(whole) > 50
    for place in (log, store):
        assert asked(place) == asked(place, limit=1000) == whole
        assert asked(place, limit=7) == whole[-7:]
        of_one = asked(place, user="u-1")
        assert of_one == asked(place, user="u-1", limit=1000)
        assert set(of_one) == {said_of(one) for one in query(log) if one.user_id == "u-1"}
        for criteria in ({"provider": "P"}, {"model": "fake/a"}, {"min_cost": "0.2"}):
            expected = [one for one in whole if _is_asked(one, criteria)]
            assert asked(place, **criteria) == asked(place, limit=1000, **criteria) == expected
    monkeypatch.setattr(asking, "MOST_HELD", 3)
    assert asked(log) == asked(store) == whole
    view = counted_once(log)
    assert booked(store, "auto") == view
    assert booked(log, "sqlite") == view
    if opening.has_duckdb():
        assert booked(log, "duckdb") == view


@pytest.mark.parametrize("seed", first(3, range(8)))
def test_a_part_of_the_days_has_the_facts_of_the_day_before(tmp_path: Path, seed: int) -> None:
    """What is said of a call does not change with the first day asked for."""
    log = written(tmp_path / "log", seed)
    whole = {one[0]: one for one in asked(log)}
    for since in DAYS:
        found = asked(log, since=since)
        assert found == asked(log, since=since, limit=1000) == [whole[one[0]] for one in found]
        view = counted_once(log, since=since)
        assert booked(log, "sqlite", Period.parse(since)) == view
        if opening.has_duckdb():
            assert booked(log, "duckdb", Period.parse(since)) == view


@pytest.mark.parametrize("seed", first(2, range(4)))
def test_older_facts_count_for_no_call_with_a_limit_or_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Those that stand two segments before it, or more; newer ones do."""
    log = written(tmp_path / "log", seed, days=FIVE_DAYS, old=True)
    for most in (asking.MOST_HELD, 3):
        monkeypatch.setattr(asking, "MOST_HELD", most)
        for period in ({}, {"since": THIRD_DAY}, {"since": NEXT_DAY, "until": THIRD_DAY}):
            whole = asked(log, **period)
            assert asked(log, limit=1000, **period) == whole
            for criteria in ({"provider": "P"}, {"model": "fake/a"}, {"min_cost": "0.2"}):
                expected = [one for one in whole if _is_asked(one, criteria)]
                assert asked(log, **criteria, **period) == expected
                for limit in (1, 5, 1000):
                    assert asked(log, limit=limit, **criteria, **period) == expected[-limit:]


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_fact_of_the_day_before_the_period_is_not_missed(tmp_path: Path, is_archived: bool) -> None:
    """One in a segment further back is; and no other line of that day is in the answer."""
    log = Calls()
    log.fact("gen-old", "0.5")
    log.open(NEXT_DAY)
    log.fact("gen-1", "0.25", cost_source="generation")
    log.call(metadata={"event_type": "generation"}, generation_id="gen-1", generation_ids=("gen-1",))
    log.open(THIRD_DAY)
    log.clock = log.clock.replace(day=23)
    for one in ("gen-1", "gen-old"):
        log.call(generation_id=one, generation_ids=(one,), total_cost=None, cost_source=None)
    log.save(tmp_path)
    if is_archived:
        log.archive(tmp_path, f"audit_{NEXT_DAY}.jsonl")
    for limit in (None, 9):
        assert [one.total_cost for one in query(tmp_path, since=THIRD_DAY, limit=limit)] == [
            Decimal("0.25"),
            None,
        ]
    for engine in ("sqlite", "duckdb") if opening.has_duckdb() else ("sqlite",):
        made = report(tmp_path, since=THIRD_DAY, until=THIRD_DAY, engine=engine)  # type: ignore[arg-type]
        assert (made.summary.total_requests, made.summary.cost, made.summary.unpriced) == (
            2,
            Decimal("0.25"),
            1,
        )
        assert (made.repeated, made.late_costs) == ((), 1)


def _is_asked(said: tuple[Any, ...], criteria: dict[str, str]) -> bool:
    members = dict(zip(("id", *SAME, "cost", "upstream"), said, strict=True))
    return (
        criteria.get("provider") in (None, members["provider"])
        and criteria.get("model") in (None, members["model_used"])
        and ("min_cost" not in criteria or (members["cost"] or 0) >= 2 * 10**11)
    )


def test_the_same_is_filled_and_summed() -> None:
    """What the view does has the same names here."""
    assert set(FILLED) == {*STORE_FILLED, "total_cost", "upstream_cost"}
    assert {*SUMMED, PICO} == set(SUMS)
    assert set(MONEY) - {PICO} == set(FILLED) - set(STORE_FILLED)


def test_all_generations_of_a_call_have_to_be_known(tmp_path: Path) -> None:
    """For all of them their sum, for some or none of them nothing; one named twice counts once."""
    log = Calls()
    open_call = {"total_cost": None, "prompt_tokens": None, "cost_source": None}
    for ids in (("a", "b"), ("a", "c"), ("d",), ("a", "a", "b"), ("e", "a")):
        log.call(**open_call, generation_ids=ids, generation_id=ids[-1])
    log.fact("a", "0.1000000000000000000000000000001", prompt_tokens=1, cost_source="generation")
    log.fact("b", "100", upstream_cost=Decimal(90), is_byok=True, cost_source="generation")
    log.fact("e", None, status="unresolved")
    log.save(tmp_path)
    found = [(one.total_cost, one.upstream_cost, one.prompt_tokens, one.is_byok) for one in query(tmp_path)]
    both = Decimal("100.1000000000000000000000000000001")
    assert found == [
        (both, Decimal(90), None, True),
        (None, None, None, None),
        (None, None, None, None),
        (both, Decimal(90), None, True),
        (None, None, None, None),
    ]
    assert [one.cost_source for one in query(tmp_path)] == ["generation", None, None, "generation", None]


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("is_archived", [False, True])
def test_a_fact_may_stand_before_its_call(tmp_path: Path, limit: int | None, is_archived: bool) -> None:
    """An inner call was settled before the outer one ended, and they tell of the same generation."""
    log = Calls()
    log.call(generation_id="gen-1", total_cost=None, user_id="inner")
    log.fact("gen-1", "0.5")
    log.open(NEXT_DAY)
    log.calls(3)
    log.call(
        generation_id="gen-1", generation_ids=("gen-1",), total_cost=None, provider=None, user_id="outer"
    )
    log.save(tmp_path)
    if is_archived:
        for name in list(log.segments):
            log.archive(tmp_path, name)
    for criteria in ({"user": "outer"}, {"min_cost": "0.3"}):
        (*_, found) = query(tmp_path, limit=limit, **criteria)  # type: ignore[arg-type]
        assert (found.user_id, found.total_cost) == ("outer", Decimal("0.5"))


def test_only_so_many_facts_of_others_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that calls wait for are; of the rest, the last ones."""
    monkeypatch.setattr(late_facts, "MOST_RECENT", 2)
    log = Calls()
    log.call(generation_id="gen-0", total_cost=None)
    for number in range(5):
        log.fact(f"gen-{number}", "0.1")
    for number in range(5):
        log.call(generation_id=f"gen-{number}", total_cost=None)
    log.save(tmp_path)
    costs = [record.total_cost is not None for record in query(tmp_path)]
    assert costs == [True, True, False, False, True, True]
