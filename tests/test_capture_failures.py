"""Facts from exceptions: SDKs' by their attributes and names, the caller's own by their class."""

import asyncio
import concurrent.futures
import json
from types import SimpleNamespace
from typing import Any

import pytest

from or_audit_logging.capture.failures import failure_facts

ERROR = {"code": 429, "message": "Rate limited.", "metadata": {"error_type": "rate_limit_exceeded"}}


class SdkError(Exception):
    """An exception with the attributes that a test gives it."""

    def __init__(self, text: str = "str(exc) with everything", **attributes: Any) -> None:
        super().__init__(text)
        self.__dict__.update(attributes)


class APITimeoutError(SdkError): ...


class Timeout(OSError): ...  # noqa: N818 - its name in requests


class ReadTimeout(Timeout): ...  # as in requests and httpx


class ResponseValidationError(SdkError): ...


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot say")


def test_the_openai_sdk_has_the_inner_error_as_body() -> None:
    """Status, OpenRouter's error_type, the body's message and the id from the headers."""
    response = SimpleNamespace(status_code=429, headers={"x-generation-id": "gen-1", "x-provider-name": "P"})
    facts = failure_facts(SdkError(status_code=429, body=ERROR, response=response))
    assert (facts.status, facts.error_type, facts.error_code, facts.error_message) == (
        "error",
        "rate_limit_exceeded",
        429,
        "Rate limited.",
    )
    assert (facts.generation_id, facts.provider) == ("gen-1", "P")


def test_the_openrouter_sdk_has_the_body_as_text() -> None:
    """Its `body` is the JSON of the whole reply, its headers stand on the exception."""
    facts = failure_facts(
        SdkError(status_code=429, body=json.dumps({"error": ERROR}), headers={"X-Generation-Id": "gen-1"})
    )
    assert (facts.error_type, facts.error_code, facts.generation_id) == ("rate_limit_exceeded", 429, "gen-1")


def test_the_openrouter_sdk_has_the_error_as_data() -> None:
    """Where the body is not JSON, the parsed data is read."""
    data = SimpleNamespace(error=SimpleNamespace(code=402, message="No credits.", metadata=None))
    facts = failure_facts(SdkError(status_code=402, body="", data=data))
    assert (facts.error_type, facts.error_code, facts.error_message) == ("SdkError", 402, "No credits.")


def test_httpx_and_requests_have_the_bytes_already_fetched() -> None:
    """The error object is read from the response's content, where it is there."""

    class Response:
        status_code = 429
        headers = {"X-Generation-Id": "gen-1"}  # noqa: RUF012

        def __init__(self) -> None:
            self._content = json.dumps({"error": ERROR}).encode()

    facts = failure_facts(SdkError(response=Response()))
    assert (facts.error_type, facts.error_code, facts.error_message) == (
        "rate_limit_exceeded",
        429,
        "Rate limited.",
    )


def test_a_body_not_fetched_is_not_fetched() -> None:
    """requests marks an unread body with False; nothing touches the socket."""

    class Response:
        status_code = 500
        headers: dict[str, str] = {}  # noqa: RUF012

        def __init__(self) -> None:
            self._content = False

        @property
        def content(self) -> bytes:
            raise AssertionError("read")

        def json(self) -> object:
            raise AssertionError("read")

    assert failure_facts(SdkError(response=Response())).error_code == 500


@pytest.mark.parametrize("name", ["code", "status"])
def test_urllib_and_aiohttp_have_the_status_elsewhere(name: str) -> None:
    """`code` and `status` count where they are an HTTP error's number."""
    assert failure_facts(SdkError(**{name: 503})).error_code == 503


def test_a_status_of_200_is_no_error_code() -> None:
    """An SDK that refuses a 200 says 200; the body's code says more."""
    body = json.dumps({"error": {"code": 502, "message": "no"}})
    assert failure_facts(SdkError(status_code=200, body=body)).error_code == 502
    assert failure_facts(SdkError(status_code=200, body="")).error_code is None


def test_an_html_page_is_not_an_error_object() -> None:
    """Without an error object the exception's text stands, and its class is the type."""
    facts = failure_facts(SdkError("<html>", status_code=502, body="<html>"))
    assert (facts.error_type, facts.error_code, facts.error_message) == ("SdkError", 502, "<html>")


@pytest.mark.parametrize("error", [APITimeoutError(), ReadTimeout(), TimeoutError()])
def test_timeouts_are_told_from_errors(error: BaseException) -> None:
    """By the names in the MRO, and by the built-in class."""
    facts = failure_facts(error)
    assert (facts.status, facts.error_type) == ("timeout", type(error).__name__)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(2),
        GeneratorExit(),
        asyncio.CancelledError(),
        concurrent.futures.CancelledError(),
        BaseExceptionGroup("several", [KeyboardInterrupt()]),
    ],
)
def test_what_ends_the_program_or_task_is_cancelled(error: BaseException) -> None:
    """The caller gave up; the model did not fail."""
    facts = failure_facts(error)
    assert (facts.status, facts.error_type, facts.error_code) == ("cancelled", type(error).__name__, None)


@pytest.mark.parametrize("metadata", [{"reasons": ["violence"], "flagged_input": "x"}, {"patterns": ["p"]}])
def test_moderation_and_guardrails_block(metadata: dict[str, Any]) -> None:
    """A 403 that speaks of moderation or a guardrail is `blocked`."""
    assert failure_facts(SdkError(status_code=403, body={"metadata": metadata})).status == "blocked"


@pytest.mark.parametrize(("status", "metadata"), [(403, {"error_type": "permission_denied"}), (400, {})])
def test_other_refusals_are_errors(status: int, metadata: dict[str, Any]) -> None:
    """A 403 for a key without permission is an error."""
    facts = failure_facts(SdkError(status_code=status, body={"message": "no", "metadata": metadata}))
    assert facts.status == "error"


def test_the_text_of_a_validation_error_is_left_out() -> None:
    """It quotes the answer that it refuses."""
    facts = failure_facts(ResponseValidationError("input_value='what the model said'", status_code=200))
    assert (facts.error_type, facts.error_message) == ("ResponseValidationError", None)


def test_an_exception_that_cannot_say_is_named() -> None:
    """Where str() itself raises, the class name is all there is."""
    facts = failure_facts(UnspeakableError())
    assert (facts.status, facts.error_type, facts.error_message) == ("error", "UnspeakableError", None)


def test_an_answer_that_an_sdk_refuses_was_paid() -> None:
    """A cut answer that .parse() refuses carries the completion: tokens, cost and id are kept."""
    completion = {
        "id": "gen-1",
        "model": "m",
        "choices": [{"finish_reason": "length", "message": {"content": "cut"}}],
        "usage": {"completion_tokens": 7, "cost": 0.5},
    }
    facts = failure_facts(SdkError("length limit", completion=completion))
    assert (facts.status, facts.generation_id, facts.completion_tokens, str(facts.total_cost)) == (
        "error",
        "gen-1",
        7,
        "0.5",
    )


def test_a_malformed_answer_that_an_sdk_refuses_was_paid() -> None:
    """A strict SDK keeps the text of a 200 that it cannot read: its facts are read from there."""
    body = json.dumps({"id": "gen-1", "choices": None, "usage": {"cost": 0.5}})
    facts = failure_facts(ResponseValidationError("input_value=...", status_code=200, body=body))
    assert (facts.status, facts.error_type, facts.error_code) == ("error", "ResponseValidationError", None)
    assert (facts.generation_id, str(facts.total_cost)) == ("gen-1", "0.5")
    assert facts.error_message == "the response has no choices"


@pytest.mark.parametrize(
    "body", [None, 3, [], b"\xff", "{", {"error": 3}, {"error": []}, {"code": []}, "[" * 9_999]
)
def test_odd_bodies_leave_class_and_status(body: object) -> None:
    """Whatever an SDK keeps as body, the class and the HTTP status are known."""
    facts = failure_facts(SdkError(status_code=500, body=body))
    assert (facts.status, facts.error_type, facts.error_code) == ("error", "SdkError", 500)


def test_text_of_the_provider_stays_out_of_a_repr() -> None:
    """Facts are not redacted yet, so their repr shows none of it."""
    assert "Rate" not in repr(failure_facts(SdkError(status_code=429, body=ERROR)))


def test_an_exception_of_the_application_s_own_is_not_quoted() -> None:
    """It may hold the answer that could not be read; its class says enough."""
    facts = failure_facts(ValueError("cannot parse the answer: private words"))
    assert (facts.status, facts.error_type, facts.error_message) == ("error", "ValueError", None)
    assert failure_facts(ConnectionError("refused")).error_message == "refused"
