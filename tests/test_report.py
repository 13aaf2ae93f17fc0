"""The figures of a log: exact, equal on both engines and on a store, and named as published."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from books import HOSTILE, Raw, line, odd_log, write_segment
from conftest import first
from log_builder import LogBuilder, key

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.books.opening import has_duckdb
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.making import report
from or_audit_logging.evidence.reporting.writing import to_json

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DUCKDB = pytest.mark.skipif(not has_duckdb(), reason="DuckDB is not installed: pip install duckdb")
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("duckdb", marks=DUCKDB)])


def figures(made: Report) -> dict[str, Any]:
    """Return all of a report but what it was made with."""
    return {k: v for k, v in made.to_dict().items() if k not in ("engine", "path")}


def call(seq: int, **members: Any) -> bytes:
    return line(seq, **({"timestamp": f"2026-11-22T10:00:{seq:02}.000000Z"} | members))


def plain_log(folder: Path) -> Path:
    """Write the calls that the figures below were worked out for by hand."""
    served = {"model_requested": "a/b", "model_used": "a/b"}
    failed = {"model_requested": "a/b", "status": "error", "error_type": "rate_limit", "error_code": 429}
    tenth, tokens = Raw("0.1"), {"total_tokens": 10, "prompt_tokens": 7, "completion_tokens": 3}
    facts = {"metadata": {"feature": "faq"}, "redactions": {"EMAIL": 2}, "provider": "P"}
    byok = {"is_byok": True, "total_cost": Raw("0.2"), "total_tokens": 5, "model_used": "c/d"}
    started = {"event_type": "chat_completion.started", "status": None}
    late = {"event_type": "generation", "total_cost": Raw("0.000000000001"), "cost_source": "generation"}
    lines = [
        call(
            0,
            user_id="u-1",
            generation_id="gen-1",
            total_cost=tenth,
            latency_ms=100.0,
            **served,
            **tokens,
            **facts,
        ),
        call(1, user_id="u-1", generation_id="gen-2", latency_ms=200.0, ttft_ms=50.5, **(served | byok)),
        call(2, user_id=None, latency_ms=300.0, **failed),
        call(3, user_id="u-2", **failed),
        call(4, user_id="u-2", generation_id="gen-3", model_requested="a/b", status="cancelled"),
        call(5, generation_id="gen-3", **late),
        call(6, user_id="u-2", generation_id="gen-1", model_used="a/b", total_cost=tenth),
        call(7, **started),
        call(8, **started),
        call(9, user_id="u-2", started_id="id-8", model_requested="e/f", status="timeout"),
        call(10, event_type="log.lost", status=None, count=4, reason="disk"),
        call(11, event_type="log", level="INFO", message="no call", status=None),
    ]
    write_segment(folder, "2026-11-22", lines)
    return folder


@BOTH
def test_the_figures_are_those_worked_out_by_hand(tmp_path: Path, engine: Any) -> None:
    """Each of them."""
    made = report(plain_log(tmp_path), engine=engine, now=NOW)
    whole = made.summary
    assert (whole.total_requests, whole.successful, whole.failed) == (7, 3, 4)
    assert whole.success_rate == 3 / 7
    assert whole.cost == Decimal("0.300000000001")
    assert (whole.unpriced, whole.uncounted, whole.total_tokens) == (3, 5, 15)
    assert (whole.byok, whole.byok_cost) == (1, Decimal("0.2"))
    assert whole.avg_latency_ms == 200.0
    assert [(one.name, one.requests, one.failed) for one in made.by_status] == [
        *(("success", 3, 0), ("error", 2, 2)),
        *(("cancelled", 1, 1), ("timeout", 1, 1)),
    ]
    assert [(one.name, one.requests, one.cost) for one in made.by_user] == [
        *(("u-2", 4, Decimal("0.000000000001")), ("u-1", 2, Decimal("0.3"))),
        (None, 1, Decimal(0)),
    ]
    assert [(one.name, one.requests) for one in made.by_model] == [("a/b", 5), ("c/d", 1), ("e/f", 1)]
    assert [one.name for one in made.by_feature] == [None, "faq"]
    assert [one.requests for one in made.by_day] == [0, 0, 0, 0, 0, 0, 7]
    assert [one.user_id for one in made.top_spenders] == ["u-1", "u-2"]
    assert made.daily_cost[0].day == date(2026, 11, 22)
    assert made.error_breakdown == {"rate_limit": 2, "cancelled": 1, "timeout": 1}
    assert "too many requests" in (made.errors[0].hint or "")
    assert (made.latency.p50, made.latency.p95, made.latency.longest) == (200.0, 300.0, 300.0)
    assert (made.ttft.count, made.ttft.p50) == (1, 50.5)
    assert [(one.requested, one.served) for one in made.substitutions] == [("a/b", "c/d")]
    assert [(one.name, one.count) for one in made.redactions] == [("EMAIL", 2)]
    assert (made.unfinished, made.without_facts, made.late_costs, made.records_lost) == (1, 3, 1, 4)
    assert [(one.generation_id, one.records) for one in made.repeated] == [("gen-1", 2)]
    assert made.error_rates[0].model == "e/f"
    assert made.integrity is None


@DUCKDB
@pytest.mark.parametrize("seed", first(3, range(20, 28)))
def test_both_engines_give_equal_reports(tmp_path: Path, seed: int) -> None:
    """Of logs with all oddities, to the last digit."""
    odd_log(tmp_path, seed, strangeness=seed % 3 / 5)
    reports = [report(tmp_path, engine=engine, now=NOW) for engine in ("sqlite", "duckdb")]  # type: ignore[arg-type]
    assert figures(reports[0]) == figures(reports[1])
    assert to_json(figures(reports[0])) == to_json(figures(reports[1]))


def test_a_store_says_what_its_log_says(tmp_path: Path) -> None:
    """The same figures from the folder and from its copy."""
    log, copy = tmp_path / "log", tmp_path / "copy.db"
    builder = LogBuilder()
    for number in range(9):
        stamp = f"2026-11-21T11:00:0{number}.000000Z"
        body = line(
            0, timestamp=stamp, id=f"r{number}", user_id=f"u{number % 2}", total_cost=Raw(f"0.{number}1")
        )
        builder.seal(body.split(b',"log":')[0] + b"}")
    builder.checkpoint()
    builder.save(log)
    import_log(log, copy, key=key())
    now = datetime(2026, 11, 21, 23, tzinfo=UTC)
    mine, other = report(log, engine="sqlite", now=now), report(copy, now=now)
    assert mine.summary.total_requests == 9
    assert figures(mine) == figures(other)


def test_the_published_names_are_there(tmp_path: Path) -> None:
    """Under them, true counts; money is a JSON number with a fraction."""
    text = to_json(report(plain_log(tmp_path), now=NOW).to_dict())
    found = json.loads(text)
    assert found["report_period"] == {
        "start": "2026-11-16T00:00:00.000000Z",
        "end": "2026-11-23T00:00:00.000000Z",
        "days": 7,
    }
    names = ("total_requests", "successful", "failed", "success_rate", "total_tokens", "avg_latency_ms")
    assert tuple(found["summary"])[:6] == names
    assert found["by_user"]["u-1"]["requests"] == 2
    assert found["by_model"]["a/b"]["requests"] == 5
    assert found["error_breakdown"] == {"rate_limit": 2, "cancelled": 1, "timeout": 1}
    assert '"cost": 0.300000000001' in text
    assert '"cost": 0.0' in text


def test_no_text_passes_for_a_number() -> None:
    """Money is marked by what no log can know."""
    value = {"a": Decimal("1E-12"), "b": "0.5", "c": [Decimal(3), float("nan")], "d": "\x00"}
    assert json.loads(to_json(value)) == {"a": 1e-12, "b": "0.5", "c": [3.0, None], "d": "\x00"}
    assert to_json(Decimal("12345678.123456789012")) == "12345678.123456789012"


def test_sums_are_exact_where_floats_are_not(tmp_path: Path) -> None:
    """A thousand times a tenth is a hundred."""
    stamp = "2026-11-22T10:00:00.000000Z"
    lines = [line(n, timestamp=stamp, total_cost=Raw("0.1")) for n in range(1000)]
    write_segment(tmp_path, "2026-11-22", lines)
    assert report(tmp_path, engine="sqlite", now=NOW).summary.cost == Decimal(100)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"days": 0}, "days is a number"),
        ({"days": 3, "since": "2026-11-01"}, "either days"),
        ({"since": "yesterday"}, "since is a UTC date"),
        ({"until": "2026-13-01"}, "until is a UTC date"),
        ({"since": "2026-11-03", "until": "2026-11-01"}, "later than until"),
        ({"since": "2020-01-01", "until": "2020-01-31"}, "no call was recorded"),
        ({"engine": "oracle"}, "engine is one of"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(tmp_path: Path, options: Any, says: str) -> None:
    """As a ConfigError."""
    plain_log(tmp_path)
    with pytest.raises(ConfigError, match=says):
        report(tmp_path, now=NOW, **options)


def test_until_alone_begins_with_the_first_call(tmp_path: Path) -> None:
    """And since alone ends today."""
    plain_log(tmp_path)
    assert report(tmp_path, until="2026-11-22", now=NOW).period.days == 1
    assert report(tmp_path, since="2026-11-21T23:00:00Z", now=NOW).period.days == 2


def test_with_a_key_the_log_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its verdict stands in the report; a tampered log makes the command exit with 1."""
    builder = LogBuilder()
    builder.user(1)
    builder.checkpoint()
    builder.save(tmp_path / "log")
    made = report(tmp_path / "log", since="2026-11-21", key=key(), now=NOW)
    assert made.integrity is not None
    assert made.integrity.verdict == "unanchored"
    (segment,) = (tmp_path / "log").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"status":"success"', b'"status":"blocked"', 1))
    (tmp_path / "key").write_bytes(b"a secret of more than thirty-two bytes")
    (tmp_path / "key").chmod(0o600)
    arguments = [
        "report",
        str(tmp_path / "log"),
        "--since",
        "2026-11-21",
        "--key",
        f"file:{tmp_path / 'key'}",
    ]
    assert main(arguments) == 1
    assert "TAMPERED" in capsys.readouterr().out


def log_of_today(folder: Path) -> Path:
    """Write calls of today with names that mean harm."""
    today = datetime.now(UTC).date().isoformat()
    lines = [
        line(n, timestamp=f"{today}T00:00:00.000000Z", user_id=name, model_used=name, error_code=402,
             status="error", total_cost=Raw("0.25"))
        for n, name in enumerate(HOSTILE)
    ]  # fmt: skip
    write_segment(folder, today, lines)
    return folder


@pytest.mark.parametrize("form", ["text", "json", "csv", "html"])
def test_the_command_writes_each_format(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """To stdout, or to a file; no control character of a log's reaches a terminal."""
    log = log_of_today(tmp_path / "log")
    assert main(["report", str(log), "--format", form]) == 0
    out = capsys.readouterr().out
    assert form in ("csv", "html") or not {"\u202e", "\x00"} & set(out)
    assert main(["report", str(log), "--format", form, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text("utf-8") != ""


def test_no_cell_of_a_csv_file_is_a_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither of a report nor of an answer; numbers stay numbers."""
    log = log_of_today(tmp_path)
    sql = "SELECT user_id, -1 AS n, total_cost FROM audit_log ORDER BY seq"
    for arguments in (["report", str(log)], ["sql", str(log), sql]):
        assert main([*arguments, "--format", "csv"]) == 0
        rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        cells = [cell for row in rows for cell in row]
        assert "'=cmd|' /C calc'!A0" in cells
        assert all(cell == "-1" or not cell.startswith(("=", "+", "-", "@")) for cell in cells)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_sql_writes_each_format(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what was left out."""
    log = log_of_today(tmp_path)
    (segment,) = log.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b"{torn")
    arguments = ["sql", str(log), "SELECT user_id, total_cost FROM audit_log WHERE user_id = $u"]
    assert main([*arguments, "--param", "u=null", "--format", form, "--since", "2020-01-01"]) == 0
    said = capsys.readouterr()
    assert "0.25" in said.out
    assert "1 line is no record" in said.err
    assert main([*arguments, "--param", "u=nobody", "--format", form]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["SELECT nothing FROM audit_log"],
        ["DROP TABLE audit_line"],
        ["SELECT 1", "--since", "soon"],
        ["SELECT 1", "--param", "no equals sign"],
        ["SELECT $missing"],
        ["SELECT 1", "--engine", "oracle"],
        ["SELECT 1", "--timeout", "0"],
    ],
)
def test_mistakes_in_sql_exit_with_2(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sentence on stderr, and no traceback."""
    log = log_of_today(tmp_path)
    assert main(["sql", str(log), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err != ""


def test_a_report_on_nothing_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder, a file of another program, a time without calls, a newer store."""
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE t (x)")
    log = log_of_today(tmp_path / "log")
    for arguments in (
        ["report", str(tmp_path / "empty")],
        ["report", str(other)],
        ["report", str(log), "--since", "2020-01-01", "--until", "2020-01-02"],
        ["report", str(log), "--days", "x"],
    ):
        assert main(arguments) == 2
        assert capsys.readouterr().err != ""
