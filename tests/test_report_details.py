"""What a report lists beyond sums: percentiles by day and model, calls that never ended, what was cut."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from books import HOSTILE, Raw, line, write_segment
from log_builder import LogBuilder, key
from test_report import BOTH, NOW, call, plain_log

from or_audit_logging.cli.report_text import text_of
from or_audit_logging.evidence.books.opening import has_duckdb
from or_audit_logging.evidence.books.percentiles import Percentiles
from or_audit_logging.evidence.html import page
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.reporting import making
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.making import report
from or_audit_logging.evidence.reporting.rows import write_csv
from or_audit_logging.evidence.reporting.writing import to_json
from or_audit_logging.evidence.verify import verify


def nearest_rank(values: list[float], percent: int) -> float:
    """Return the smallest of *values* that *percent* of them do not exceed, by the definition."""
    return next(v for v in sorted(values) if sum(one <= v for one in values) * 100 >= percent * len(values))


# --- percentiles


@BOTH
def test_percentiles_by_day_and_model_are_those_of_the_definition(tmp_path: Path, engine: Any) -> None:
    """For groups of every size up to 41, and with ties; calls that do not say are left out."""
    chance = random.Random(5)
    seq, said = 0, dict[str, list[float]]()
    for number in range(3):
        lines = []
        for size in range(number, 42, 3):
            for _ in range(size):
                ms = round(chance.choice((7.25, chance.random() * 3000)), 3)
                said.setdefault(f"m/{size}", []).append(ms)
                said.setdefault(f"2026-11-{20 + number}", []).append(ms)
                stamp = f"2026-11-{20 + number}T10:00:00.{seq:06}Z"
                lines.append(line(seq, timestamp=stamp, model_used=f"m/{size}", latency_ms=ms))
                seq += 1
            lines.append(line(seq, timestamp=f"2026-11-{20 + number}T11:00:00.000000Z", model_used="m/none"))
            seq += 1
        write_segment(tmp_path, f"2026-11-{20 + number}", lines, archived=number == 0)
    made = report(tmp_path, engine=engine, now=NOW)
    found = {one.name: one.latency for one in (*made.by_model, *made.by_day) if one.latency}
    assert found.pop("m/none").count == 0
    assert set(found) == set(said)
    for name, values in said.items():
        times = found[name]
        assert (times.count, times.longest) == (len(values), max(values)), name
        assert (times.p50, times.p95, times.p99) == tuple(nearest_rank(values, n) for n in (50, 95, 99))
    everything = [one for name, values in said.items() if name.startswith("m/") for one in values]
    assert made.latency.p95 == nearest_rank(everything, 95)
    assert all(one.latency is None for one in (*made.by_user, *made.by_provider, *made.by_status))


def test_percentiles_of_nothing_are_null() -> None:
    """And what is no whole number is not counted."""
    found = Percentiles()
    for value in (None, "7", 1.5):
        found.step(value)
    assert found.finalize() is None
    found.step(3)
    assert found.finalize() == "[3, 3, 3]"


# --- calls that never ended


def write_ahead(builder: LogBuilder, number: int, stamp: str, *, ends: int | None = None) -> None:
    """Add the record that a call began, or the one of a call that ended, the *ends*-th that began."""
    members: dict[str, Any] = {"id": f"r{number}", "timestamp": stamp, "user_id": f"u{number}"}
    if ends is None:
        members |= {
            "event_type": "chat_completion.started",
            "status": None,
            "model_requested": HOSTILE[number],
        }
    else:
        members |= {"started_id": f"r{ends}"}
    body = line(0, **members).split(b',"log":')[0] + b"}"
    builder.seal(body)


def log_with_open_calls(folder: Path) -> Path:
    """Write calls of 2026-11-21: one ended soon, one after midnight, one eight days later, two never did."""
    builder = LogBuilder()
    for number in range(1, 6):
        write_ahead(builder, number, f"2026-11-21T23:59:5{number}.000000Z")
    write_ahead(builder, 6, "2026-11-21T23:59:59.000000Z", ends=1)
    builder.open("2026-11-22")
    write_ahead(builder, 7, "2026-11-22T00:00:01.000000Z", ends=2)
    builder.open("2026-11-29")
    write_ahead(builder, 8, "2026-11-29T12:00:00.000000Z", ends=3)
    builder.checkpoint()
    return builder.save(folder)


@BOTH
def test_calls_that_never_ended_are_listed(tmp_path: Path, engine: Any) -> None:
    """One that ended after the period did end; folder, store and `verify` say the same."""
    log = log_with_open_calls(tmp_path / "log")
    made = report(log, since="2026-11-21", until="2026-11-21", engine=engine)
    assert [(one.id, one.user_id, one.model) for one in made.unfinished_calls] == [
        ("r4", "u4", HOSTILE[4]),
        ("r5", "u5", HOSTILE[5]),
    ]
    assert made.unfinished_calls[0].began == datetime(2026, 11, 21, 23, 59, 54, tzinfo=UTC)
    assert made.unfinished == 2
    whole = report(log, since="2026-11-21", until="2026-11-30", engine=engine)
    assert whole.unfinished_calls == made.unfinished_calls
    assert verify(log, key=key()).unfinished == 2
    assert verify(log, key=key()).unfinished == whole.unfinished
    import_log(log, tmp_path / "copy.db", key=key())
    store = report(tmp_path / "copy.db", since="2026-11-21", until="2026-11-21")
    assert store.unfinished_calls == made.unfinished_calls
    (found,) = (one for one in json.loads(to_json(made.to_dict()))["unfinished_calls"] if one["id"] == "r4")
    assert found["began"] == "2026-11-21T23:59:54.000000Z"


@BOTH
def test_a_clock_that_was_set_back_leaves_no_call_open(tmp_path: Path, engine: Any) -> None:
    """A call may end before it began, by the clock; by the log's order it ended. In a store as well."""
    builder = LogBuilder()
    write_ahead(builder, 1, "2026-11-21T12:00:00.000000Z")
    write_ahead(builder, 2, "2026-11-21T11:59:59.000000Z", ends=1)
    write_ahead(builder, 3, "2026-11-21T12:00:01.000000Z", ends=9)
    builder.checkpoint()
    log = builder.save(tmp_path / "log")
    import_log(log, tmp_path / "copy.db", key=key())
    for made in (
        report(log, since="2026-11-21T12:00:00Z", engine=engine, now=NOW),
        report(tmp_path / "copy.db", since="2026-11-21T12:00:00Z", now=NOW),
    ):
        assert (made.summary.total_requests, made.unfinished) == (1, 0)


def test_an_archive_that_cannot_be_read_hides_no_call(tmp_path: Path) -> None:
    """Where the later segment is damaged, the call it ended counts as never finished: nobody knows better."""
    log = log_with_open_calls(tmp_path)
    later = log / "audit_2026-11-29.jsonl"
    later.write_bytes(b"\xff" + later.read_bytes()[:40])
    made = report(log, since="2026-11-21", until="2026-11-21", engine="sqlite")
    assert [one.id for one in made.unfinished_calls] == ["r3", "r4", "r5"]


# --- what is cut


def log_of_many(folder: Path) -> Path:
    """Write two days of nine models and users each."""
    seq = 0
    for day in (21, 22):
        lines = []
        for number in range(9):
            for _ in range(number + 1):
                cost = Raw(f"0.{number + day:03}000000001")
                stamp = f"2026-11-{day}T10:00:00.{seq:06}Z"
                members = {"user_id": f"u{number}", "model_used": f"m/{number}", "total_cost": cost}
                members |= {"total_tokens": number, "status": "error" if number == 2 else "success"}
                lines.append(line(seq, timestamp=stamp, **members))
                seq += 1
        lines.append(line(seq, timestamp=f"2026-11-{day}T11:00:00.000000Z", model_used="m/0"))
        seq += 1
        write_segment(folder, f"2026-11-{day}", lines)
    return folder


def csv_of(made: Report) -> list[dict[str, str]]:
    """Return the rows of a report as CSV."""
    out = io.StringIO()
    write_csv(made, out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_a_cut_list_is_said_and_still_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each format: the costs of the models that are listed on each day and what is said of the others."""
    log = log_of_many(tmp_path)
    whole = report(log, engine="sqlite", now=NOW)
    monkeypatch.setattr(making, "DAILY_LISTED", 5)
    monkeypatch.setattr(making, "LISTED", 4)
    made = report(log, engine="sqlite", now=NOW)
    assert made.counts["daily_cost"] == 18
    assert [(one.day.day, one.model) for one in made.daily_cost] == [
        *((21, "m/8"), (21, "m/7"), (21, "m/6")),
        *((22, "m/8"), (22, "m/7")),
    ]
    assert made.by_day == whole.by_day
    rows = csv_of(made)
    assert all(None not in row.values() for row in rows)
    for section in ("by_status", "by_model", "by_user", "by_provider", "by_day", "daily_cost"):
        some = [row for row in rows if row["section"] in (section, f"{section}.rest")]
        assert sum(Decimal(row["cost_usd"]) for row in some) == made.summary.cost, section
        assert sum(int(row["requests"]) for row in some) == made.summary.total_requests, section
        assert sum(int(row["unpriced"]) for row in some) == made.summary.unpriced, section
        if section != "daily_cost":
            assert sum(int(row["failed"]) for row in some) == made.summary.failed, section
            assert sum(int(row["total_tokens"]) for row in some) == made.summary.total_tokens, section
    assert {row["section"] for row in rows if row["section"].endswith(".rest")} == {
        *("by_model.rest", "by_user.rest", "daily_cost.rest")
    }
    assert "lists 5 of 18 days by model; what is cut is in others" in text_of(made)
    assert "... 5 more (--format json lists them)" in text_of(made)
    assert "Days by model beyond those that the report lists count as other." in page(made)
    assert "what is cut" not in text_of(whole)
    assert not any(row["section"].endswith(".rest") for row in csv_of(whole))


def test_a_month_of_sixty_models_is_listed_whole(tmp_path: Path) -> None:
    """Every day by every model."""
    lines = [
        line(60 * day + n, timestamp=f"2026-10-{day + 1:02}T10:00:00.000000Z", model_used=f"m/{n}")
        for day in range(31)
        for n in range(60)
    ]
    write_segment(tmp_path, "2026-10-31", lines)
    made = report(tmp_path, since="2026-10-01", until="2026-10-31", engine="sqlite")
    assert len(made.daily_cost) == made.counts["daily_cost"] == 31 * 60


# --- text


def test_the_text_has_all_that_was_found(tmp_path: Path) -> None:
    """Own keys, streams, fallbacks, costs that came later, repeated ids, losses, calls that never ended."""
    log = plain_log(tmp_path)
    with open(log / "audit_2026-11-22.jsonl", "ab") as file:
        file.write(call(12, user_id="\x1b[31mu\u202e", model_used="a/\u202eb", status="error") + b"\n{torn")
    text = text_of(report(log, engine="sqlite", now=NOW))
    for said in (
        "8, 3 succeeded (37.5%), 5 failed",
        "0.300000000001 USD; 4 calls without a known cost not in it",
        "15 (7 in, 3 out); 6 calls without a count",
        "own keys   1 call, 0.2 USD of the cost",
        "latency    p50 200, p95 300, p99 300, longest 300 ms (of 3 calls, by nearest rank)",
        "1st token  p50 50, p95 50, p99 50, longest 50 ms (of 1 call, by nearest rank)",
        "429: too many requests",
        "begun, never finished",
        "id-7",
        "redacted     EMAIL 2",
        "1 call begun and never finished",
        "4 calls without tokens and cost",
        "1 generation id of several calls (gen-1); each cost is counted once; in a folder, calls before the",
        "4 records lost, as the log itself says: disk 4",
        "1 line not a record, left out",
        "late facts   1 call priced by a later record",
        "audit_2026-11-22.jsonl: 1 line not a record",
        f"or-audit verify {log}",
        r"\x1b[31mu\u202e",
    ):
        assert said in text
    assert all(one.isprintable() for one in text.splitlines())


def test_amounts_stand_below_each_other_and_unknown_is_not_zero(tmp_path: Path) -> None:
    """The points of a table's amounts are in one column; a group without any price costs an unknown sum."""
    stamp = {"timestamp": "2026-11-22T10:00:00.000000Z"}
    costs = (Raw("1.5"), Raw("0.000000000001"), Raw("12.25"), None)
    lines = [line(n, user_id=f"u{n}", total_cost=cost, **stamp) for n, cost in enumerate(costs)]
    write_segment(tmp_path, "2026-11-22", lines)
    text = text_of(report(tmp_path, engine="sqlite", now=NOW))
    rows = [row for row in text.split("\nuser ")[1].split("\n\n")[0].splitlines() if row.startswith("u")]
    assert len({row.index(".") for row in rows[:3]}) == 1
    assert rows[3].split() == ["u3", "1", "0", "0", "unknown", "1"]


# --- several generations


def test_a_call_of_several_generations_costs_their_sum(tmp_path: Path) -> None:
    """Where facts on all of them came later; on some of them only, the cost stays unknown. In a store too."""
    builder = LogBuilder()
    stamp = "2026-11-21T10:00:00.000000Z"

    def add(**members: Any) -> None:
        builder.seal(line(0, timestamp=stamp, **members).split(b',"log":')[0] + b"}")

    add(id="r1", generation_id="gen-1", generation_ids=["gen-1", "gen-2"])
    add(id="r2", generation_id="gen-3", generation_ids=["gen-3", "gen-4"])
    for name, cost in (("gen-1", "0.1"), ("gen-2", "0.000000000002"), ("gen-3", "5.0")):
        fact = {"event_type": "generation", "cost_source": "generation", "total_tokens": 5}
        add(id=f"fact-{name}", generation_id=name, total_cost=Raw(cost), **fact)
    builder.checkpoint()
    log = builder.save(tmp_path / "log")
    import_log(log, tmp_path / "copy.db", key=key())
    engines: list[Any] = ["sqlite", "duckdb"] if has_duckdb() else ["sqlite"]
    reports = [report(log, since="2026-11-21", now=NOW, engine=engine) for engine in engines]
    for made in (*reports, report(tmp_path / "copy.db", since="2026-11-21", now=NOW)):
        assert (made.summary.cost, made.summary.unpriced) == (Decimal("0.100000000002"), 1)
        assert (made.summary.total_tokens, made.late_costs) == (10, 1)
