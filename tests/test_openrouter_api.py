"""`OpenRouterAPI` against the fake on loopback: what comes back, what fails how, no key shown."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON

from or_audit_logging.errors import (
    AccessDeniedError,
    APIKeyError,
    ConfigError,
    GenerationError,
    GenerationNotReadyError,
    PaymentRequiredError,
    RateLimitedError,
    RequestTimeoutError,
    UnavailableError,
)
from or_audit_logging.openrouter import ActivityRow, Generation, KeyUsage, OpenRouterAPI
from or_audit_logging.openrouter.answers import parse_json
from or_audit_logging.pace import Pace, backoff, retry_after
from or_audit_logging.record import moment
from or_audit_logging.testing import FakeOpenRouter
from or_audit_logging.testing.openrouter.http import Answer, LoopbackServer, Send

KEY = "sk-or-v1-fake-0123456789-secret"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def server() -> Iterator[FakeOpenRouter]:
    with FakeOpenRouter() as server:
        yield server


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def api_of(server: FakeOpenRouter, time: Time | None = None, **options: Any) -> OpenRouterAPI:
    time = time or Time()
    defaults = {
        "base_url": server.base_url,
        "sleep": time.sleep,
        "clock": time.clock,
        "chance": lambda: 0.0,
        "rate": 1000,
    }
    return OpenRouterAPI(**defaults | options)


def call(server: FakeOpenRouter, model: str = "fake/ok", key: str = KEY) -> dict[str, Any]:
    """Make one call and return its answer's body, with the money's digits."""
    reply = requests.post(
        f"{server.base_url}/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "Ready?"}]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    body: dict[str, Any] = parse_json(reply.content)
    return body


@pytest.mark.parametrize("model", ["fake/ok", "fake/free", "fake/hit", "openai/gpt-4o:free", "fake/fallback"])
def test_a_generation_costs_what_the_answer_said(server: FakeOpenRouter, model: str) -> None:
    """To the last digit, and with the tokens that were billed."""
    body = call(server, model)
    with api_of(server) as api:
        found = api.generation(body["id"])
    assert found.total_cost == body["usage"]["cost"]
    assert found.total_tokens == body["usage"]["total_tokens"]
    assert found.model == body["model"]
    assert found.provider == body["provider"]
    assert found.upstream_cost is None
    assert found.cancelled is False


def test_a_call_with_the_customers_own_key_costs_both(server: FakeOpenRouter) -> None:
    """OpenRouter's fee, 0 here, and what the provider charged."""
    body = call(server, "fake/byok")
    with api_of(server) as api:
        found = api.generation(body["id"])
    assert found.is_byok is True
    assert found.cost == 0
    assert found.total_cost == found.upstream_cost == body["usage"]["cost_details"]["upstream_inference_cost"]


def test_one_connection_serves_many_questions(server: FakeOpenRouter) -> None:
    """Made once, and kept."""
    ids = [call(server)["id"] for _ in range(3)]
    with api_of(server) as api:
        for one in ids:
            api.generation(one)
        assert server._server is not None
        pools = api._session.get_adapter(server.base_url).poolmanager.pools  # type: ignore[union-attr]
        assert [pools[key].num_connections for key in list(pools.keys())] == [1]


def test_what_a_key_has_spent(server: FakeOpenRouter) -> None:
    """Both sums, exact."""
    costs = [call(server)["usage"]["cost"] for _ in range(2)]
    upstream = call(server, "fake/byok")["usage"]["cost_details"]["upstream_inference_cost"]
    with api_of(server) as api:
        said = api.key()
    assert said.usage_daily == sum(costs)
    assert said.byok_usage_daily == upstream
    assert said.is_management_key is False


def test_what_an_account_has_spent() -> None:
    """By day, model and provider; only days that are over, and only for a management key."""
    now = [datetime(2026, 11, 20, 23, 59, 58, tzinfo=UTC).timestamp()]
    with FakeOpenRouter(management_key="sk-or-v1-manager", clock=lambda: now[0]) as server:
        body = call(server)
        with api_of(server, api_key=lambda: b"sk-or-v1-manager") as api:
            assert api.activity() == ()
            now[0] += 3
            (row,) = api.activity(date(2026, 11, 20))
            assert api.activity(date(2026, 11, 19)) == ()
        assert (row.date, row.requests, row.cost) == (date(2026, 11, 20), 1, body["usage"]["cost"])
        assert row.model_permaslug == body["model"]
        with api_of(server) as api, pytest.raises(AccessDeniedError, match="management key"):
            api.activity()


STATUSES = [
    (400, GenerationError),
    (401, APIKeyError),
    (402, PaymentRequiredError),
    (403, AccessDeniedError),
    (404, GenerationNotReadyError),
    (408, RequestTimeoutError),
    (429, RateLimitedError),
    (500, UnavailableError),
    (502, UnavailableError),
    (524, UnavailableError),
    (529, UnavailableError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_each_status_is_an_error_with_advice(
    server: FakeOpenRouter, status: int, kind: type[GenerationError]
) -> None:
    """Its type says what it is, its message what to do; the key stands in neither."""
    server.fail("/generation", status)
    with api_of(server, retries=0) as api, pytest.raises(kind) as raised:
        api.generation("gen-1795277414-fakeFAKEfakeFAKE0001")
    assert type(raised.value) is kind
    assert raised.value.status == status
    assert str(raised.value).startswith(f"OpenRouter answered {status}: ")
    assert len(str(raised.value)) > 40
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY not in shown
    assert KEY not in repr(api)


def test_the_key_is_in_no_log(server: FakeOpenRouter, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where every library talks about everything."""
    caplog.set_level(logging.DEBUG, "")
    server.fail("/key", 500)
    with api_of(server) as api:
        api.key()
    assert "GET /api/v1/key" in caplog.text
    assert KEY not in caplog.text


def test_a_netrc_does_not_replace_the_key(
    server: FakeOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would put what stands there in place of a header."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with api_of(server) as api:
        api.key()
    assert server.requests[-1].key == KEY


def test_a_key_that_looks_wrong_is_said_to() -> None:
    """Without being shown."""
    with (
        FakeOpenRouter(keys=[KEY]) as server,
        api_of(server, api_key=lambda: b"hf_wrong-kind") as api,
        pytest.raises(APIKeyError, match=r"sk-or-v1-.*this one does not") as raised,
    ):
        api.key()
    assert "hf_wrong-kind" not in str(raised.value)


def test_another_accounts_generation_is_denied(server: FakeOpenRouter) -> None:
    """403, which is not retried."""
    body = call(server, key="sk-or-v1-somebody-else")
    with api_of(server) as api, pytest.raises(AccessDeniedError, match="another account"):
        api.generation(body["id"])
    assert [request.path for request in server.requests].count("/api/v1/generation") == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_trouble_that_passes_is_waited_for(server: FakeOpenRouter, status: int) -> None:
    """1, 2, 4 seconds, half of them by chance."""
    body, time = call(server), Time()
    server.fail("/generation", status, times=3)
    with api_of(server, time, rate=1000) as api:
        assert api.generation(body["id"]).id == body["id"]
    assert [pause for pause in time.slept if pause > 0.01] == [0.5, 1.0, 2.0]


def test_trouble_that_stays_is_raised(server: FakeOpenRouter) -> None:
    """After as many tries as were allowed."""
    server.fail("/key", 503, times=10)
    with api_of(server, retries=2) as api, pytest.raises(UnavailableError):
        api.key()
    assert len(server.requests) == 3


def test_retry_after_is_honoured(server: FakeOpenRouter) -> None:
    """Where it is longer than the own pause; in seconds, or as a date."""
    time = Time()
    moment_ = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    server.fail("/key", 429, headers={"Retry-After": "17"})
    server.fail("/key", 503, headers={"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"})
    with api_of(server, time, now=lambda: moment_) as api:
        api.key()
    assert [pause for pause in time.slept if pause > 0.01] == [17.0, 30.0]


def test_a_retry_after_that_is_too_long_is_raised(server: FakeOpenRouter) -> None:
    """And said, for whoever can wait."""
    server.fail("/key", 429, headers={"Retry-After": "3600"})
    time = Time()
    with api_of(server, time) as api, pytest.raises(RateLimitedError) as raised:
        api.key()
    assert raised.value.retry_after == 3600
    assert time.slept == []


def test_nobody_there_is_an_error_of_ours() -> None:
    """After the tries, without the library's own words."""
    with FakeOpenRouter() as server:
        api = api_of(server, retries=1)
    with pytest.raises(UnavailableError, match="could not be reached") as raised:
        api.key()
    assert KEY not in "".join(traceback.format_exception(raised.value))


def answering(answer: Answer) -> Iterator[str]:
    server = LoopbackServer(lambda method, target, headers, body: answer)
    server.start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1"
    server.close()


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/api/v1/key", "https://example.org/", "/api/v1/other"]
)
def test_a_redirect_is_refused(location: str) -> None:
    """The key goes where it was meant to go, and nowhere else."""
    for url in answering(Answer(302, {"Location": location}, (Send(b""),))):
        with OpenRouterAPI(base_url=url, retries=0) as api, pytest.raises(GenerationError, match="redirect"):
            api.key()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"data":null}', b'{"data":[]}', b"\xff\xfe{", b"[" * 5000, b'{"data":"x"}'],
)
def test_an_answer_that_is_none_is_an_error(body: bytes) -> None:
    """Whatever comes, only our own errors leave."""
    for url in answering(Answer(200, {"Content-Type": "application/json"}, (Send(body),))):
        with OpenRouterAPI(base_url=url, retries=0) as api:
            for question in (lambda: api.generation("gen-1"), api.key):
                with pytest.raises(GenerationError):
                    question()


def test_silence_is_an_error_in_time() -> None:
    """The read timeout is ours."""
    from or_audit_logging.testing.openrouter.http import Pause

    for url in answering(Answer(200, {}, (Send(b"{}"),), before=Pause(None))):
        api = OpenRouterAPI(base_url=url, retries=0, timeout=(1, 0.05))
        with api, pytest.raises(RequestTimeoutError, match="in time"):
            api.key()


@pytest.mark.parametrize("endless", ["in size", "in time"])
def test_an_answer_without_an_end_is_left(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is too large or takes too long."""
    from or_audit_logging.openrouter import api as module

    time = Time()
    if endless == "in size":
        monkeypatch.setattr(module, "_LARGEST_ANSWER", 100_000)
    for url in answering(Answer(200, {}, (Send(b" " * 1_000_000),))):
        api = OpenRouterAPI(base_url=url, retries=0, clock=time.clock)
        if endless == "in time":
            monkeypatch.setattr(api, "_clock", lambda: time.sleep(100) or time.seconds)
        with api, pytest.raises(UnavailableError, match="to its end"):
            api.key()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "http://openrouter.ai/api/v1"}, "https"),
        ({"base_url": "ftp://openrouter.ai"}, "address"),
        ({"base_url": "https://user:pass@openrouter.ai/"}, "address"),
        ({"base_url": ""}, "address"),
        ({"api_key": KEY}, "env:NAME"),
        ({"api_key": "env:" + KEY}, "env:NAME"),
        ({"api_key": "file:" + KEY}, "env:NAME"),
        ({"api_key": "a-key-of-another-kind"}, "env:NAME"),
        ({"api_key": "env:NOT_SET_ANYWHERE"}, "not set"),
        ({"api_key": lambda: b"two\nlines"}, "one line"),
        ({"api_key": "sk-or-v1-\u00e9".encode}, "one line"),
        ({"rate": 0}, "rate"),
        ({"retries": -1}, "retries"),
        ({"timeout": (0, 1)}, "timeout"),
    ],
)
def test_a_mistake_in_the_set_up_is_said_at_once(options: dict[str, Any], says: str) -> None:
    """As a ConfigError that shows no key."""
    with pytest.raises(ConfigError, match=says) as raised:
        OpenRouterAPI(**options)
    assert KEY not in str(raised.value)


def test_no_key_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the variable."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    with pytest.raises(ConfigError, match="set OPENROUTER_API_KEY"):
        OpenRouterAPI()


@given(JSON)
def test_whatever_the_members_are_nothing_raises(value: Any) -> None:
    """Missing, new and malformed ones; unknown is None."""
    data = value if isinstance(value, dict) else {"total_cost": value, "usage": value, "date": value}
    for kind in (Generation, KeyUsage, ActivityRow):
        kind.from_data(data)
    everything = dict.fromkeys(Generation.__slots__, value) | dict.fromkeys(
        ("native_tokens_prompt", "latency", "total_cost", "created_at"), value
    )
    made = Generation.from_data(everything)
    assert made.total_cost is None or isinstance(made.total_cost, Decimal)


@given(st.text())
def test_any_text_is_a_moment_or_none(text: str) -> None:
    """In UTC."""
    found = moment(text)
    assert found is None or found.tzinfo is UTC


@given(st.binary())
def test_any_bytes_are_json_or_none(content: bytes) -> None:
    parse_json(content)


@given(st.text(max_size=80))
def test_any_retry_after_is_seconds_or_none(text: str) -> None:
    """RFC 9110, or nothing."""
    found = retry_after(text, now=datetime(2026, 11, 21, tzinfo=UTC))
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("99999999999", math.inf),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        (None, None),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 00:01:00 +0000", 60),
    ],
)
def test_what_retry_after_says(text: str | None, seconds: float | None) -> None:
    """Seconds, or a date; the past asks for nothing."""
    assert retry_after(text, now=datetime(2026, 11, 21, tzinfo=UTC)) == seconds


def test_pauses_double_up_to_a_minute() -> None:
    """From the whole of it by chance to the half of it."""
    assert [backoff(tries, chance=lambda: 1.0) for tries in (1, 2, 3, 6, 7, 8, 999)] == [
        1,
        2,
        4,
        32,
        60,
        60,
        60,
    ]
    assert backoff(3, chance=lambda: 0.0) == 2


def test_a_pace_has_no_bursts() -> None:
    """A thousand requests come one after the other, in any window as many as allowed."""
    time = Time()
    pace = Pace(10, clock=time.clock, sleep=time.sleep)
    moments = []
    for number in range(1000):
        pace.wait()
        moments.append(time.seconds)
        if number == 500:
            time.seconds += 30  # a pause is not made up for
    for start in range(len(moments)):
        assert sum(1 for one in moments[start : start + 12] if one < moments[start] + 0.999) <= 10
