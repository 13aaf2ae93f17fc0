"""`reconcile` and `or-audit reconcile`: the ledger, OpenRouter's figures, and what sets them apart."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON
from samples import audit_record

from or_audit_logging import AuditFileHandler
from or_audit_logging.capture.response import response_facts
from or_audit_logging.cli.main import main
from or_audit_logging.errors import AccessDeniedError, ConfigError, FormatError
from or_audit_logging.evidence.figures import Figure, read_figures
from or_audit_logging.evidence.ledger import Ledger, call_began
from or_audit_logging.evidence.reconcile import compare, reconcile
from or_audit_logging.openrouter import OpenRouterAPI
from or_audit_logging.pricing import from_pico, pico
from or_audit_logging.record import AuditRecord, utc_timestamp
from or_audit_logging.sealing.encode import encode_record
from or_audit_logging.testing import FakeOpenRouter

KEY, MANAGER = "sk-or-v1-fake", "sk-or-v1-manager"
DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Days:
    """The fake's clock."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def server(days: Days) -> Iterator[FakeOpenRouter]:
    with FakeOpenRouter(keys=[KEY], management_key=MANAGER, clock=days) as server:
        yield server


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, audit_key: bytes) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", MANAGER)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


def write_records(log: Path, *records: AuditRecord) -> None:
    handler = AuditFileHandler(log / "audit.jsonl")
    for record in records:
        made = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "", (), None)
        made.audit = record
        handler.handle(made)
    handler.close()


def call(
    server: FakeOpenRouter, days: Days, model: str = "openai/gpt-4o-mini", key: str = KEY
) -> AuditRecord:
    """Make a call and return its record, as capture makes it."""
    reply = requests.post(
        f"{server.base_url}/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": f"Ready, {model}?"}]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    facts = response_facts(reply.json())
    assert facts is not None
    names = (
        "status",
        "model_used",
        "provider",
        "generation_id",
        "total_cost",
        "prompt_tokens",
        "completion_tokens",
    )
    return audit_record(
        timestamp=utc_timestamp(days.now + timedelta(seconds=2)),
        latency_ms=2000.0,
        model_requested=model,
        **{name: getattr(facts, name) for name in names},
    )


def record(number: int, cost: str | None, **fields: Any) -> AuditRecord:
    """Return the record of a call at noon of the day."""
    defaults: dict[str, Any] = {
        "generation_id": f"gen-{int(NOON.timestamp())}-fake{number:016}",
        "timestamp": utc_timestamp(NOON),
        "model_used": "openai/gpt-4o",
        "total_cost": None if cost is None else Decimal(cost),
    }
    return audit_record(**defaults | fields)


def ledger_of(*records: AuditRecord, since: date = DAY, until: date = DAY) -> Ledger:
    ledger = Ledger(since, until)
    ledger.take_block(b"".join(encode_record(one, limit=8000) + b"\n" for one in records))
    return ledger


def figure(cost: str, **fields: Any) -> Figure:
    defaults: dict[str, Any] = {"day": DAY, "model": "openai/gpt-4o", "permaslug": None, "requests": 1}
    return Figure(cost=pico(Decimal(cost)), **defaults | fields)


def late(number: int, cost: str | None, **fields: Any) -> AuditRecord:
    return record(number, cost, event_type="generation", timestamp="2026-11-25T00:00:00.000000Z", **fields)


MODELS = (
    "openai/gpt-4o-mini",
    "openai/gpt-4o",
    "anthropic/claude-haiku-4.5",
    "fake/byok",
    "fake/free",
    "fake/hit",
)


def test_an_account_that_agrees_with_its_log(log: Path, server: FakeOpenRouter, days: Days) -> None:
    """To the last digit: billed, BYOK, free and cached calls, of several models."""
    write_records(log, *(call(server, days, model) for model in MODELS for _ in range(3)))
    days.now += timedelta(days=1)
    result = reconcile(log, since=DAY, base_url=server.base_url, today=days.now.date())
    assert result.differences == ()
    assert result.exit_code == 0
    assert result.source == "activity"
    assert result.here.cost == result.there.cost > 0
    assert result.here.requests == 18


def test_today_is_held_against_what_the_key_has_spent(
    log: Path, server: FakeOpenRouter, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any key; BYOK included."""
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    records = [call(server, days, model) for model in MODELS]
    write_records(log, *records)
    result = reconcile(log, since=DAY, base_url=server.base_url, today=DAY)
    assert (result.source, result.exit_code) == ("key", 0)
    call(server, days)
    result = reconcile(log, since=DAY, base_url=server.base_url, today=DAY)
    (one,) = result.differences
    assert one.kind == "different cost"
    assert result.exit_code == 1


def test_what_is_missing_on_either_side(log: Path, server: FakeOpenRouter, days: Days) -> None:
    """A model only there, a model only here, and one with another cost."""
    kept = call(server, days, "openai/gpt-4o")
    call(server, days, "openai/gpt-4o")
    call(server, days, "anthropic/claude-haiku-4.5")
    write_records(log, kept, record(1, "0.25", model_used="mistralai/not-billed"))
    days.now += timedelta(days=1)
    result = reconcile(log, since=DAY, base_url=server.base_url, today=days.now.date())
    assert {(one.kind, one.model) for one in result.differences} == {
        ("different cost", "openai/gpt-4o"),
        ("missing here", "anthropic/claude-haiku-4.5"),
        ("missing there", "mistralai/not-billed"),
    }


def test_activity_needs_a_management_key(
    log: Path, server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With advice, and exit code 2."""
    write_records(log, record(1, "0.5"))
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    with pytest.raises(AccessDeniedError):
        reconcile(log, since=DAY, base_url=server.base_url, today=DAY + timedelta(days=1))
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert main(["reconcile", str(log), "--date", str(yesterday), "--base-url", server.base_url]) == 2
    assert "management key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        (DAY, DAY - timedelta(days=1), "before the first"),
        (DAY - timedelta(days=31), None, "30 days"),
        (DAY - timedelta(days=1), DAY, "days that are over"),
        (DAY + timedelta(days=1), None, "days that are over"),
    ],
)
def test_days_that_openrouter_has_no_figures_of(
    log: Path, since: date, until: date | None, says: str
) -> None:
    """Nobody is asked."""
    write_records(log, record(1, "0.5"))
    with pytest.raises(ConfigError, match=says):
        reconcile(log, since=since, until=until, today=DAY, base_url="http://127.0.0.1:9")


@pytest.mark.parametrize("count", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_small_amounts_are_summed_exactly(count: int) -> None:
    """8.41005e-05 USD each."""
    line = encode_record(record(1, "8.41005e-05"), limit=8000)
    ledger = Ledger(DAY, DAY)
    ledger.take_block(
        b"".join(line.replace(b"fake0000000000000001", b"fake%016d" % n) + b"\n" for n in range(count))
    )
    found = compare(ledger, [figure(str(count * Decimal("8.41005e-05")), requests=count)], source="activity")
    assert found.differences == ()
    assert from_pico(found.here.cost) == count * Decimal("8.41005e-05")


def test_late_facts_fill_the_calls_nulls() -> None:
    """Cost and model; the newest wins."""
    ledger = ledger_of(
        record(1, None, status="incomplete", model_used=None),
        late(1, "0.1"),
        late(1, "0.2"),
        record(2, "0.5"),
    )
    assert [(entry.cost, entry.model_used) for entry in ledger.entries] == [
        (pico(Decimal("0.2")), "openai/gpt-4o"),
        (pico(Decimal("0.5")), "openai/gpt-4o"),
    ]


def test_a_call_of_several_generations_costs_their_sum() -> None:
    """Known once all are known."""
    several = tuple(str(record(number, None).generation_id) for number in (1, 2))
    call_ = record(2, None, generation_ids=several)
    assert ledger_of(call_, late(2, "0.2")).entries[0].cost is None
    assert ledger_of(call_, late(2, "0.2"), late(1, "0.1")).entries[0].cost == pico(Decimal("0.3"))


def test_a_repeated_generation_is_counted_once() -> None:
    """Retries and recorded answers bear the same id."""
    ledger = ledger_of(record(1, None), record(1, "0.5"), record(1, "0.5"))
    assert ([entry.cost for entry in ledger.entries], ledger.repeated) == ([pico(Decimal("0.5"))], 2)


def test_what_cannot_be_settled_is_said() -> None:
    """Unresolved, and not settled yet."""
    ledger = ledger_of(record(1, None), record(2, None), late(2, None, status="unresolved"))
    found = compare(ledger, [], source="activity")
    assert found.differences == ()
    assert any("2 calls here have no cost yet" in note for note in found.notes)
    assert any("1 calls here were given up on" in note for note in found.notes)


@pytest.mark.parametrize(
    ("fields", "began"),
    [
        ({"timestamp": "2026-11-21T00:00:03.000000Z", "latency_ms": 5000.0, "generation_id": None}, DAY),
        (
            {"timestamp": "2026-11-21T00:00:03.000000Z", "latency_ms": None, "generation_id": None},
            date(2026, 11, 21),
        ),
        (
            {"timestamp": "2026-11-20T23:59:59.000000Z", "generation_id": "gen-1795219201-fakeFAKEfakeFAKE"},
            date(2026, 11, 21),
        ),
        (
            {"timestamp": "2026-11-21T00:10:00.000000Z", "generation_id": "gen-1795219199-fakeFAKEfakeFAKE"},
            DAY,
        ),
        (
            {"timestamp": "2026-11-20T12:00:00.000000Z", "generation_id": "gen-1700000000-recorded0000000"},
            DAY,
        ),
    ],
)
def test_a_call_belongs_to_the_day_on_which_it_began(fields: dict[str, Any], began: date) -> None:
    """By OpenRouter's clock where the id tells, unless the id is an old recording's."""
    made = audit_record(**fields)
    found = call_began(json.loads(encode_record(made, limit=8000), parse_float=Decimal))
    assert found is not None
    assert found.date() == began
    for day in (DAY, DAY + timedelta(days=1)):
        assert len(ledger_of(replace(made, total_cost=Decimal(1)), since=day, until=day).entries) == (
            day == began
        )


def test_many_days_at_once(log: Path, server: FakeOpenRouter, days: Days) -> None:
    """Each day by itself."""
    records = []
    for _ in range(12):
        records.append(call(server, days))
        days.now += timedelta(days=1)
    write_records(log, *records)
    result = reconcile(
        log, since=DAY, until=DAY + timedelta(days=11), base_url=server.base_url, today=days.now.date()
    )
    assert (len(result.lines), result.exit_code) == (12, 0)


HEAD = (
    "generation_id,created_at,cost_total,cost_web_search,byok_usage_inference,tokens_prompt,tokens_completion,"
    "model_permaslug,provider_name,variant,cancelled,streamed"
).split(",")


def export(path: Path, *rows: tuple[AuditRecord, str, str]) -> Path:
    """Write a file as the Activity page exports it: (record, cost, BYOK cost)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for made, cost, byok in rows:
            writer.writerow(
                [
                    made.generation_id,
                    "2026-11-20 12:00:00.713",
                    cost,
                    "0",
                    byok,
                    11,
                    7,
                    made.model_used,
                    "OpenAI",
                    "standard",
                    "false",
                    "false",
                ]
            )
    return path


def test_an_exported_file_is_compared_call_by_call(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call that is missing or has another cost is named."""
    records = [record(number, "0.0000841005") for number in range(5)]
    file = export(
        tmp_path / "activity.csv",
        (records[0], "8.41005e-05", "0"),
        (records[1], "0", "0.0000841005"),
        (records[2], "0.0000841006", "0"),
        (records[3], "0.0000841005", "0"),
    )
    write_records(log, *records[:3], records[4])
    assert main(["reconcile", str(log), "--date", str(DAY), "--activity", str(file), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert {(one["kind"], one["generation_id"]) for one in said["differences"]} == {
        ("different cost", records[2].generation_id),
        ("missing here", records[3].generation_id),
        ("missing there", records[4].generation_id),
    }
    assert said["here"]["cost"] == "0.000336402"
    assert said["difference"] == "-0.0000000001"


def test_an_exported_file_that_agrees(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words; other days of the file are passed over."""
    records = [record(number, "0.5") for number in range(3)]
    file = export(tmp_path / "activity.csv", *((one, "0.5", "") for one in records))
    text = file.read_text()
    file.write_text(
        "\ufeff"
        + text
        + text.splitlines()[1].replace("2026-11-20", "2026-11-19").replace("gen-", "gen-x")
        + "\n"
    )
    write_records(log, *records)
    assert main(["reconcile", str(log), "--date", str(DAY), "--activity", str(file)]) == 0
    out = capsys.readouterr().out
    assert "both agree" in out
    assert "1.5" in out


def test_a_tolerance_is_allowed_for() -> None:
    """Up to it, and no further."""
    ledger = ledger_of(record(1, "0.500001"))
    for tolerance, found in (("0", 1), ("0.0000009", 1), ("0.000001", 0)):
        result = compare(ledger, [figure("0.5")], source="activity", tolerance=Decimal(tolerance))
        assert len(result.differences) == found


def test_a_model_is_found_by_either_name() -> None:
    """The dated one, the plain one, or the one asked for."""
    ledger = ledger_of(
        record(1, "1", model_used="openai/gpt-4o-2024-08-06"),
        record(2, "1", model_used="openai/gpt-4o"),
        record(3, "1", model_used="gpt-4o", model_requested="openai/gpt-4o"),
    )
    found = compare(
        ledger, [figure("3", permaslug="openai/gpt-4o-2024-08-06", requests=3)], source="activity"
    )
    assert (found.differences, len(found.lines)) == ((), 1)


def test_a_call_that_cost_nothing_may_be_missing_there_but_not_here() -> None:
    """What is not in the log at all is what matters."""
    assert compare(ledger_of(record(1, "0")), [], source="activity").differences == ()
    (one,) = compare(ledger_of(), [figure("0")], source="activity").differences
    assert one.kind == "missing here"


def test_requests_that_differ_at_the_same_cost_are_noted() -> None:
    """OpenRouter does not say which requests it counts."""
    found = compare(ledger_of(record(1, "1")), [figure("1", requests=2)], source="activity")
    assert found.exit_code == 0
    assert any("1 requests here, 2 there" in note for note in found.notes)


def test_a_log_that_cannot_be_read_whole_is_no_agreement(log: Path, tmp_path: Path) -> None:
    """Exit code 2."""
    one = record(1, "0.5")
    write_records(log, one)
    (log / "archive").mkdir()
    (log / "archive" / "audit_2026-01-01.jsonl.gz").write_bytes(b"no archive")
    result = reconcile(log, since=DAY, activity=export(tmp_path / "a.csv", (one, "0.5", "0")))
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column date"),
        (b"date,model\n2026-11-20,x", "no column cost_total"),
        (b"date,cost\n2026-11-20,1", "no column model"),
        (b"date,model,cost\nsoon,x,1", "row 1: no date"),
        (b"date,model,cost\n2026-11-20,x,1\n2026-11-20,x,free", "row 2: no cost"),
        (b"date,model,cost\n2026-11-20,,1", "row 1: no model"),
        (b"date,model,cost\n2026-11-20,x", "row 1: no cost"),
        (b'date,model,cost\n"2026-11-20', "no CSV"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'{"data":{}}', "neither"),
        (b"[1]", "neither"),
        (b"[" * 9999, "neither"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, content: bytes, says: str) -> None:
    """With the place; nothing is passed over in silence."""
    file = tmp_path / "activity"
    file.write_bytes(content)
    with pytest.raises(FormatError, match=says):
        read_figures(file)


def test_rows_of_activity_as_a_file(tmp_path: Path) -> None:
    """As JSON, bare or under data, and as CSV."""
    row = {
        "date": "2026-11-20 00:00:00",
        "model": "a/b",
        "usage": 0.1,
        "byok_usage_inference": 0.2,
        "requests": 7,
    }
    file = tmp_path / "activity"
    texts = [
        json.dumps([row]),
        json.dumps({"data": [row]}),
        ",".join(row) + "\n" + ",".join(map(str, row.values())),
    ]
    for text in texts:
        file.write_text(text)
        (found,) = read_figures(file)
        assert found == Figure(day=DAY, model="a/b", permaslug=None, cost=3 * 10**11, requests=7)


@given(st.binary() | st.lists(JSON).map(lambda rows: json.dumps(rows).encode()))
def test_any_file_is_figures_or_a_format_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Nothing else is raised."""
    file = tmp_path_factory.mktemp("figures") / "file"
    file.write_bytes(content)
    try:
        read_figures(file)
    except FormatError:
        pass


@given(st.dictionaries(st.sampled_from(sorted(audit_record().to_dict())), JSON))
def test_no_record_is_too_odd(members: dict[str, Any]) -> None:
    """Whatever stands in a line."""
    ledger = Ledger(date(2000, 1, 1), date(2030, 1, 1))
    ledger.take_block(json.dumps(members, separators=(",", ":")).encode() + b"\n\xff{\n")
    assert len(ledger.entries) <= 1


def test_an_api_of_ones_own(log: Path, server: FakeOpenRouter, days: Days) -> None:
    """Is asked, and left open."""
    write_records(log, call(server, days))
    days.now += timedelta(days=1)
    with OpenRouterAPI(MANAGER.encode, base_url=server.base_url) as api:
        for _ in range(2):
            assert reconcile(log, since=DAY, api=api, today=days.now.date()).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["--date", "soon"], ["--date", "2026-13-01"], ["--date", "2026-11-20", "--tolerance", "-1"]]
)
def test_a_mistake_is_a_sentence(log: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And exit code 2."""
    assert main(["reconcile", str(log), *arguments]) == 2
    assert "give" in capsys.readouterr().err


def test_a_file_or_log_that_is_not_there(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both in words."""
    assert main(["reconcile", str(tmp_path), "--date", str(DAY)]) == 2
    write_records(log, record(1, "1"))
    assert main(["reconcile", str(log), "--date", str(DAY), "--activity", str(tmp_path / "none.csv")]) == 2
    said = capsys.readouterr().err
    assert "no audit log" in said
    assert "none.csv" in said
