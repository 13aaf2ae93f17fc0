"""Which calls lack a cost, when they are asked for, and what is written: values in, values out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON
from samples import audit_record

from or_audit_logging.evidence.settlement import (
    LONGEST_PAUSE,
    OpenCosts,
    generation_ids,
    generation_record,
    is_call,
    may_have_cost,
    next_ask,
    unresolved_record,
)
from or_audit_logging.openrouter import Generation
from or_audit_logging.sealing.encode import encode_record

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ID = "gen-1795277414-fakeFAKEfakeFAKE0001"
OTHER = "gen-1795277414-fakeFAKEfakeFAKE0002"


def open_after(*records: dict[str, Any]) -> OpenCosts:
    """Return what is open after *records*, as they stand in a log."""
    costs = OpenCosts()
    block = b"".join(encode_record(audit_record(**fields), limit=8000) + b"\n" for fields in records)
    costs.take_block(block, now=NOW)
    return costs


LATE: dict[str, Any] = {"event_type": "generation", "total_cost": Decimal("0.5"), "generation_id": ID}


@pytest.mark.parametrize(
    ("fields", "pending"),
    [
        ({"status": "incomplete"}, 1),
        ({"status": "cancelled"}, 1),
        ({"status": "timeout"}, 1),
        ({"status": "success"}, 1),
        ({"status": "error", "error_code": 502}, 1),
        ({"status": "error", "error_code": 408}, 1),
        ({"status": "error", "error_code": "server_error"}, 1),
        ({"status": "error", "error_code": 400, "model_used": "openai/gpt-4o"}, 1),
        ({"status": "success", "is_byok": True, "upstream_cost": None}, 1),
        ({"status": "error", "error_code": 429, "streamed": True}, 0),
        ({"status": "error", "error_code": 401}, 0),
        ({"status": "blocked", "error_code": 403}, 0),
        ({"status": "success", "cache_status": "HIT"}, 0),
        ({"status": "success", "total_cost": Decimal(0)}, 0),
        ({"status": "success", "total_cost": Decimal("0.0")}, 0),
        ({"status": "success", "total_cost": Decimal("8.41005e-05")}, 0),
        ({"event_type": "chat_completion.started"}, 0),
        ({"event_type": "log"}, 0),
        ({"generation_id": "chatcmpl-of-somebody-else"}, 0),
        ({"generation_id": None}, 0),
    ],
)
def test_what_may_have_been_billed_is_pending(fields: dict[str, Any], pending: int) -> None:
    """What has a cost, or cannot have one, is not asked for."""
    assert len(open_after({"generation_id": ID} | fields).pending) == pending


def test_calls_that_nobody_can_be_asked_about_are_counted() -> None:
    """They bear no id of OpenRouter's."""
    costs = open_after(
        {"status": "timeout"},
        {"generation_id": "chatcmpl-1"},
        {"generation_id": ID},
        {"total_cost": Decimal(1)},
    )
    assert costs.unidentified == 2


def test_a_call_of_several_generations_is_pending_for_each() -> None:
    """The sum needs them all."""
    costs = open_after({"generation_id": OTHER, "generation_ids": (ID, OTHER)}, LATE)
    assert list(costs.pending) == [OTHER]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_late_fact_settles_whatever_the_order(order: tuple[int, ...]) -> None:
    """A call repeated after its settlement is not asked for again."""
    records = ({"generation_id": ID}, LATE)
    assert open_after(*(records[i] for i in order)).pending == {}


def test_an_unresolved_call_is_not_asked_for_again() -> None:
    """Giving up stands in the log."""
    record = unresolved_record(ID, code=404, now=NOW)
    costs = open_after({"generation_id": ID})
    costs.take(json.loads(encode_record(record, limit=8000)), now=NOW)
    assert costs.pending == {}
    assert (record.status, record.error_code, record.total_cost) == ("unresolved", 404, None)


def test_only_what_is_pending_is_new() -> None:
    """An id is handed out once, however often it stands in the log."""
    costs, line = OpenCosts(), encode_record(audit_record(generation_id=ID), limit=8000) + b"\n"
    assert costs.take_block(line + line, now=NOW) == [ID]
    assert costs.take_block(line, now=NOW) == []
    assert costs.pending == {ID: datetime(2026, 11, 21, 10, 30, 45, 123456, tzinfo=UTC)}


@given(st.dictionaries(st.sampled_from(sorted(audit_record().to_dict())), JSON))
def test_no_record_is_too_odd(record: dict[str, Any]) -> None:
    """Whatever stands in a line, it is taken or passed over."""
    costs = OpenCosts()
    costs.take(record, now=NOW)
    costs.take_block(json.dumps(record, separators=(",", ":")).encode() + b"\n", now=NOW)
    is_call(record), may_have_cost(record), generation_ids(record)


@given(st.binary())
def test_no_line_is_too_odd(junk: bytes) -> None:
    """Nor are bytes that are no record."""
    OpenCosts().take_block(b'{"total_cost":null' + junk + b'\n"event_type":"generation"' + junk, now=NOW)


def asks_until(age: timedelta) -> list[float]:
    """Return the seconds after the call at which it is asked for, up to *age*."""
    moments, now = [], NOW
    while now - NOW < age:
        now = next_ask(NOW, now)
        moments.append((now - NOW).total_seconds())
    return moments


def test_pauses_double_and_then_stay() -> None:
    """From 5 seconds to 6 hours; a week has few questions."""
    moments = asks_until(timedelta(days=7))
    assert moments[:5] == [5, 10, 20, 40, 80]
    pauses = [after - before for before, after in pairwise(moments)]
    assert max(pauses) <= LONGEST_PAUSE.total_seconds()
    assert len(moments) < 50


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**6))
def test_the_next_question_is_always_ahead(age: int, micro: int) -> None:
    """And never further than the longest pause; whoever starts anew comes to the same moment."""
    now = NOW + timedelta(seconds=age, microseconds=micro)
    after = next_ask(NOW, now)
    assert timedelta(0) < after - now <= LONGEST_PAUSE + timedelta(seconds=5)
    if age >= 0:
        assert next_ask(NOW, now + (after - now) / 2) == after


def generation(**fields: Any) -> Generation:
    data: dict[str, Any] = {
        "id": ID,
        "model": "openai/gpt-4o",
        "provider_name": "OpenAI",
        "total_cost": Decimal("8.41005e-05"),
        "is_byok": False,
        "native_tokens_prompt": 11,
        "native_tokens_completion": 7,
        "finish_reason": "stop",
    }
    return Generation.from_data(data | fields)


def test_a_late_fact_has_the_names_of_the_calls_record() -> None:
    """So that nulls are filled by name."""
    line = encode_record(generation_record(generation(), now=NOW), limit=8000)
    record = json.loads(line, parse_float=str)
    assert record["event_type"] == "generation"
    assert record["total_cost"] == "0.0000841005"
    assert record["cost_source"] == "generation"
    assert (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"]) == (11, 7, 18)
    assert (record["status"], record["model_used"], record["provider"]) == (
        "success",
        "openai/gpt-4o",
        "OpenAI",
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"cancelled": True, "finish_reason": None}, "cancelled"), ({"finish_reason": "error"}, "error")],
)
def test_its_status_is_how_the_call_ended_for_openrouter(fields: dict[str, Any], status: str) -> None:
    """Cancelled, or in an error."""
    assert generation_record(generation(**fields), now=NOW).status == status


def test_the_same_fact_has_the_same_id() -> None:
    """A store keeps it once; another outcome is another record."""
    later = NOW + timedelta(days=1)
    one, same = (generation_record(generation(), now=now).id for now in (NOW, later))
    assert one == same
    assert (
        len(
            {
                one,
                unresolved_record(ID, code=404, now=NOW).id,
                generation_record(generation(id=OTHER), now=NOW).id,
            }
        )
        == 3
    )


@pytest.mark.parametrize(
    ("data", "total"),
    [
        (
            {"total_cost": Decimal("0.001"), "is_byok": False, "upstream_inference_cost": Decimal("0.001")},
            "0.001",
        ),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": Decimal("0.0042")}, "0.0042"),
        (
            {"total_cost": Decimal("0.0001"), "is_byok": True, "upstream_inference_cost": Decimal("0.0042")},
            "0.0043",
        ),
        (
            {"total_cost": Decimal("0.0001"), "is_byok": True, "upstream_inference_cost": Decimal("-0.0042")},
            "-0.0041",
        ),
        ({"total_cost": 0, "is_byok": False}, "0"),
        ({"total_cost": None, "usage": Decimal("0.5"), "is_byok": False}, "0.5"),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": None}, None),
        ({"total_cost": None, "is_byok": False}, None),
        ({"total_cost": "soon"}, None),
        ({"total_cost": True}, None),
    ],
)
def test_what_a_generation_cost(data: dict[str, Any], total: str | None) -> None:
    """OpenRouter's charge and, for BYOK, the provider's; unknown is None."""
    found = generation(**data).total_cost
    assert found == (None if total is None else Decimal(total))


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "priced", "late", "unresolved", "several"]), st.integers(1, 4)),
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_what_is_pending_follows_from_the_set_of_records(steps: list[tuple[str, int]], cut: int) -> None:
    """In whatever order and portions they come: calls without a cost less those that a late fact names."""
    lines, wanted, settled = [], set(), set()
    for what, number in steps:
        one, two = (f"gen-1795277414-fakeFAKEfakeFAKE{n:04}" for n in (number, number % 4 + 1))
        fields: dict[str, Any] = {"generation_id": one}
        if what in ("late", "unresolved"):
            fields |= {"event_type": "generation", "status": what}
            settled.add(one)
        elif what == "priced":
            fields["total_cost"] = Decimal("0.5")
        else:
            fields["generation_ids"] = (one, two) if what == "several" else None
            wanted |= {one, two} if what == "several" else {one}
        lines.append(encode_record(audit_record(**fields), limit=8000) + b"\n")
    costs, new = OpenCosts(), []
    for portion in (lines[:cut], lines[cut:]):
        new += costs.take_block(b"".join(portion), now=NOW)
    assert set(costs.pending) == wanted - settled
    assert len(new) == len(set(new))
    assert set(costs.pending) <= set(new)
