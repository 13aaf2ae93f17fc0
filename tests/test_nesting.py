"""Calls within calls: one record, what was sent, how it ended, and what all of them cost together."""

from __future__ import annotations

import decimal
from collections import Counter
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from samples import MESSAGES
from sinks import KEY, Sink, attached

from or_audit_logging import audit_call, audited, bind
from or_audit_logging.capture import trouble
from or_audit_logging.capture.asked import Asked
from or_audit_logging.capture.chunks import StreamReader
from or_audit_logging.capture.facts import Facts, together
from or_audit_logging.capture.nesting import Said, joined
from or_audit_logging.capture.response import response_facts
from or_audit_logging.digest import prompt_digest
from or_audit_logging.record import AuditRecord


def answer(n: int, *, text: str = "Yes.", **changes: Any) -> dict[str, Any]:
    """Return the *n*-th chat completion; it costs 0.1 and takes 3 + 1 tokens."""
    return {
        "id": f"gen-{n}",
        "object": "chat.completion",
        "model": f"fake/served-{n}",
        "provider": f"Provider {n}",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.1},
        **changes,
    }


EMBEDDING: dict[str, Any] = {
    "id": "gen-emb-1",
    "object": "list",
    "model": "fake/embedding",
    "data": [{"object": "embedding", "embedding": [0.5], "index": 0}],
    "usage": {"prompt_tokens": 5, "total_tokens": 5, "cost": 0.01},
}


class RateLimitError(Exception):
    """As an SDK's: refused, nothing billed."""

    status_code = 429


@pytest.fixture
def sink() -> Sink:
    """A sink on the audit logger; conftest takes it away after the test."""
    trouble.forget()
    return attached(Sink())


def inner(response: Any, *, model: str = "fake/asked", event_type: str | None = None) -> Any:
    """Make a call inside another one: *response* is returned, or raised."""
    with audit_call(model=model, messages=MESSAGES, event_type=event_type) as call:
        if isinstance(response, Exception):
            raise response
        return call.response(response)


def recorded(sink: Sink, inside: list[Any], returned: Any, **options: Any) -> AuditRecord:
    """Return the record of a decorated function with the calls *inside* it, of which failures are caught."""

    @audited(**options)
    def work() -> Any:
        for one in inside:
            try:
                inner(one)
            except RateLimitError:
                pass
        if isinstance(returned, Exception):
            raise returned
        return returned

    with nullcontext() if not isinstance(returned, Exception) else pytest.raises(type(returned)):
        work()
    return sink.only


# --- the sums


@pytest.mark.parametrize("returned", [answer(1), answer(2), "a text", {"mine": 1}, answer(2, id=None), None])
def test_counts_and_costs_are_those_of_all_calls(sink: Sink, returned: Any) -> None:
    """Whatever the function returns, each call inside counts, and counts once."""
    record = recorded(sink, [answer(1), answer(2)], returned)
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (6, 2, 8)
    assert record.total_cost == Decimal("0.2")
    assert record.generation_ids == ("gen-1", "gen-2")


def test_an_answer_that_no_call_inside_knows_is_one_more(sink: Sink) -> None:
    """A client that nobody instrumented had it."""
    record = recorded(sink, [answer(1)], answer(2))
    assert (record.total_tokens, record.generation_ids) == (8, ("gen-1", "gen-2"))
    assert (record.model_used, record.generation_id) == ("fake/served-2", "gen-2")


def test_an_id_of_the_application_s_own_is_no_further_call(sink: Sink) -> None:
    """An answer that was given another id is that of the call inside."""
    record = recorded(sink, [answer(1)], answer(1, id="conversation-7", model="mine"))
    assert (record.total_tokens, record.generation_id, record.model_used) == (4, "gen-1", "fake/served-1")


@pytest.mark.parametrize("inside", [[RateLimitError(), answer(1)], [answer(1), RateLimitError()]])
@pytest.mark.parametrize("returned", [answer(1), "a text"])
def test_a_refused_call_erases_nothing(sink: Sink, inside: list[Any], returned: Any) -> None:
    """It adds nothing to what is known, and its error is not that of a success."""
    record = recorded(sink, inside, returned)
    assert (record.status, record.total_tokens, record.total_cost) == ("success", 4, Decimal("0.1"))
    assert (record.error_type, record.error_code, record.error_message) == (None, None, None)


@pytest.mark.parametrize("status", ["success", "incomplete", "timeout", "cancelled"])
def test_a_part_of_unknown_cost_makes_the_sum_unknown(status: str) -> None:
    """Unknown is not zero: only what was refused is known to cost nothing."""
    known = Facts(status="success", total_cost=Decimal(1))
    assert together([known, Facts(status=status)], outcome=known).total_cost is None


def test_an_answer_whose_repetition_was_refused_can_still_be_asked_about() -> None:
    """Its id is the only thing by which anybody finds out what it cost."""
    cut, refused = Facts(status="incomplete", generation_id="gen-1"), Facts(status="error", error_code=429)
    joined = together([cut, refused], outcome=refused)
    assert (joined.status, joined.generation_id, joined.total_cost) == ("error", "gen-1", None)


def test_a_stream_that_failed_on_its_way_may_have_been_billed() -> None:
    """Its cost is unknown, unlike that of a refused request."""
    known = Facts(status="success", total_cost=Decimal(1))
    broken = Facts(status="error", streamed=True)
    assert together([known, broken], outcome=known).total_cost is None
    assert together([known, Facts(status="error")], outcome=known).total_cost == 1


def test_embeddings_and_an_answer_made_with_them(sink: Sink) -> None:
    """Both are paid; embeddings have no completion tokens, so those of the answer are all."""
    record = recorded(sink, [EMBEDDING, answer(1)], answer(1))
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (8, 1, 9)
    assert (record.total_cost, record.model_used) == (Decimal("0.11"), "fake/served-1")


def test_the_application_s_decimal_context_does_not_round(sink: Sink) -> None:
    """Sums are exact whatever precision is set, and raise under no trap."""
    costs = [answer(n, usage={"cost": "0.123456789"}) for n in (1, 2)]
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact, decimal.FloatOperation])):
        record = recorded(sink, costs, "a text")
    assert record.total_cost == Decimal("0.246913578")
    assert not trouble.counts()


# --- the outcome


def test_the_outcome_is_that_of_the_answer_returned(sink: Sink) -> None:
    """Not of the call that happened to be the last one."""
    last = answer(2, text="No.", choices=[{"finish_reason": "length", "message": {"content": "No."}}])
    record = recorded(sink, [answer(1), last], answer(1))
    assert (record.model_used, record.provider, record.finish_reason) == (
        "fake/served-1",
        "Provider 1",
        "stop",
    )
    assert record.generation_id == "gen-1"
    sink.log_records.clear()
    assert record.response_hash == recorded(sink, [answer(1)], answer(1)).response_hash


def test_an_exception_of_the_function_s_own(sink: Sink) -> None:
    """It is the outcome, without the error of a call that was caught, and everything paid is added up."""
    record = recorded(sink, [answer(1), answer(2), RateLimitError()], ValueError("mine"))
    assert (record.status, record.error_type, record.error_code) == ("error", "ValueError", None)
    assert (record.total_tokens, record.generation_ids) == (8, ("gen-1", "gen-2"))


def test_all_calls_inside_failed(sink: Sink) -> None:
    """A function that answers with words of its own all the same did not get an answer."""
    record = recorded(sink, [RateLimitError()], "sorry")
    assert (record.status, record.error_type, record.error_code) == ("error", "RateLimitError", 429)


@pytest.mark.parametrize("own_status", ["success", "incomplete", "error", "cancelled"])
@pytest.mark.parametrize("inner_status", ["success", "incomplete", "error", "cancelled"])
@pytest.mark.parametrize("own_id", ["gen-1", "other", "gen-9", None])
@pytest.mark.parametrize("vague", [True, False])
def test_no_success_has_an_error(own_status: str, inner_status: str, own_id: str | None, vague: bool) -> None:
    """However the outcomes of both meet, status and error are of the same one."""

    def facts(status: str, generation_id: str | None) -> Facts:
        failed = status not in ("success", "incomplete")
        return Facts(status=status, generation_id=generation_id, error_type=status if failed else None)

    told = joined(facts(own_status, own_id), [_said(facts(inner_status, "gen-1"))], vague=vague)
    assert told.facts.error_type in (told.facts.status, None)
    assert (told.facts.error_type is None) == (told.facts.status in ("success", "incomplete"))


def _said(facts: Facts) -> Said:
    return Said(Asked(), facts, Counter())


# --- what was sent


def test_what_was_sent_wins(sink: Sink) -> None:
    """Model and prompt are those of the call inside; who asked, the decorator's arguments say."""

    @audited
    def work(messages: Any, model: str, user_id: str, session_id: str, request_id: str) -> Any:
        with bind(user_id="inside"):
            inner(EMBEDDING, model="fake/embedding")
            return inner(answer(1), model="fake/sent")

    work("a question", "smart", "u-1", "s-1", "r-1")
    record = sink.only
    assert record.model_requested == "fake/sent"
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert (record.user_id, record.session_id, record.request_id) == ("u-1", "s-1", "r-1")


def test_arguments_fill_what_the_call_inside_leaves_open(sink: Sink) -> None:
    """Where nothing is known of what was sent, the decorator's arguments are the best there is."""

    @audited
    def work(messages: Any, model: str) -> Any:
        with audit_call() as call:
            return call.response(answer(1))

    work(MESSAGES, "fake/argument")
    assert sink.only.model_requested == "fake/argument"
    assert sink.only.prompt_hash == prompt_digest(MESSAGES, KEY)


# --- a dict of the user's own


@pytest.mark.parametrize(
    "own",
    [
        {"id": "row-7", "model": "T", "answer": "Yes."},
        {"id": 7, "provider": "Ford", "model": "T"},
        {"type": "message", "id": "m-1", "content": "hi", "model": "mine"},
        {},
    ],
)
def test_a_dict_of_the_application_s_own_is_no_response(own: dict[str, Any]) -> None:
    """An id and a model do not make an answer of a model."""
    assert response_facts(own) is None


def test_the_calls_inside_win_over_the_function_s_own_dict(sink: Sink) -> None:
    """What it says under the names of a response is not believed."""
    own = {"id": "row-7", "model": "mine", "usage": {"total_tokens": 999, "cost": 9}}
    record = recorded(sink, [answer(1)], own)
    assert (record.generation_id, record.model_used) == ("gen-1", "fake/served-1")
    assert (record.total_tokens, record.total_cost) == (4, Decimal("0.1"))


# --- the event type


@pytest.mark.parametrize(
    ("given", "inside", "expected"),
    [
        (None, "embeddings", "embeddings"),
        (None, None, "chat_completion"),
        ("answer", "embeddings", "answer"),
        ("chat_completion", "embeddings", "chat_completion"),
    ],
)
def test_the_event_type(sink: Sink, given: str | None, inside: str | None, expected: str) -> None:
    """Where the decorator is told none, it is that of the call inside; else chat_completion."""

    @audited(event_type=given)
    def middle() -> Any:
        @audited
        def work() -> Any:
            return inner(EMBEDDING, event_type=inside)

        return work()

    middle()
    assert sink.only.event_type == expected


def test_the_event_type_is_that_of_the_outcome(sink: Sink) -> None:
    """Embeddings on the way to an answer do not name the record."""

    @audited
    def work() -> Any:
        found = inner(answer(1), event_type="responses")
        inner(EMBEDDING, event_type="embeddings")
        return found

    work()
    assert sink.only.event_type == "responses"


# --- the Responses API


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("reason", "status", "finish"),
    [
        ("max_output_tokens", "success", "length"),
        ("content_filter", "success", "content_filter"),
        ("other", "incomplete", "other"),
        (None, "incomplete", "incomplete"),
    ],
)
def test_a_response_cut_short(reason: str | None, status: str, finish: str, streamed: bool) -> None:
    """A limit and a filter end an answer as in a chat completion; other reasons leave it incomplete."""
    response = {
        "id": "gen-1",
        "object": "response",
        "status": "incomplete",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes"}]}],
    }
    if streamed:
        reader = StreamReader()
        reader.feed({"type": "response.created", "response": {"id": "gen-1"}})
        reader.feed({"type": "response.incomplete", "response": response})
        facts: Facts | None = reader.facts(ended=True, whole=True)
    else:
        facts = response_facts(response)
    assert facts is not None
    assert (facts.status, facts.finish_reason) == (status, finish)
