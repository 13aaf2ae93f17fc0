"""`AuditedOpenRouter` and `audited_completion`, on the real openai SDK against FakeOpenRouter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from driving import module_server, server
from samples import MESSAGES
from sinks import API_KEY, KEY, Sink

from or_audit_logging import AuditedOpenRouter, audited, audited_completion, bind
from or_audit_logging.capture import client as client_module
from or_audit_logging.digest import prompt_digest
from or_audit_logging.errors import ConfigError, MissingExtraError, NoTextError
from or_audit_logging.testing import FakeOpenRouter

openai = pytest.importorskip("openai")

__all__ = ["module_server", "server"]


@pytest.fixture(scope="module")
def client(module_server: FakeOpenRouter) -> Iterator[AuditedOpenRouter]:
    with AuditedOpenRouter(
        API_KEY, base_url=module_server.base_url, max_retries=0, model="fake/echo"
    ) as client:
        yield client


def test_chat_returns_the_text(client: AuditedOpenRouter, sink: Sink) -> None:
    """A question in, a text out, one record."""
    assert "open today" in client.chat("Is the library open today?", user_id="u-42", metadata={"desk": 3})
    record = sink.only
    assert (record.status, record.user_id, record.metadata) == ("success", "u-42", {"desk": 3})
    assert (record.model_requested, record.streamed, record.attempts) == ("fake/echo", False, 1)
    assert record.prompt_hash == prompt_digest(MESSAGES, KEY)
    assert record.total_cost is not None


def test_chat_takes_messages(client: AuditedOpenRouter, server: FakeOpenRouter, sink: Sink) -> None:
    """A list goes to the API as it is; so do further arguments, and the model of the call."""
    client.chat(MESSAGES, user_id=None, model="fake/ok", temperature=0.5)
    body = server.requests[-1].body
    assert (body["messages"], body["model"], body["temperature"]) == (MESSAGES, "fake/ok", 0.5)
    assert "user" not in body
    assert (sink.only.model_requested, sink.only.user_id) == ("fake/ok", None)


def test_the_application_s_names_are_headers(server: FakeOpenRouter, sink: Sink) -> None:
    """app_url and app_title, beside the caller's own default headers."""
    with AuditedOpenRouter(
        API_KEY,
        base_url=server.base_url,
        app_url="https://library.example",
        app_title="Library desk",
        default_headers={"X-Own": "1"},
    ) as client:
        client.chat("hello", user_id="u", model="fake/ok")
    headers = server.requests[-1].headers
    assert (headers["http-referer"], headers["x-openrouter-title"]) == (
        "https://library.example",
        "Library desk",
    )
    assert headers["x-own"] == "1"


def test_without_them_no_headers_are_sent(client: AuditedOpenRouter, server: FakeOpenRouter) -> None:
    """OpenRouter is told nothing that nobody gave."""
    client.chat("hello", user_id="u")
    assert not {"http-referer", "x-openrouter-title"} & server.requests[-1].headers.keys()


@pytest.mark.parametrize(
    ("arguments", "says"), [({"model": None}, "no model"), ({"model": "m", "stream": True}, "stream")]
)
def test_what_is_refused_before_anything_is_sent(
    server: FakeOpenRouter, sink: Sink, arguments: dict[str, Any], says: str
) -> None:
    """A call without any model, and a stream: ConfigError, no request, no record."""
    before = len(server.requests)
    with (
        AuditedOpenRouter(API_KEY, base_url=server.base_url) as client,
        pytest.raises(ConfigError, match=says),
    ):
        client.chat("hello", user_id="u", **arguments)
    assert len(server.requests) == before
    assert not sink.records


def test_an_answer_without_text(client: AuditedOpenRouter, sink: Sink) -> None:
    """Tool calls instead: the error carries the response, and the record was made."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    with pytest.raises(NoTextError, match="tool_calls") as caught:
        client.chat("hello", user_id="u", model="fake/tool", tools=[tool])
    assert caught.value.response.choices[0].message.tool_calls  # type: ignore[attr-defined]
    assert (sink.only.status, sink.only.tool_names) == ("success", ("look_up",))


def test_a_200_without_an_answer(client: AuditedOpenRouter, sink: Sink) -> None:
    """choices null: an error in the record, NoTextError for the caller."""
    with pytest.raises(NoTextError):
        client.chat("hello", user_id="u", model="fake/nullchoices")
    assert sink.only.status == "error"


def test_the_sdk_s_errors_pass(client: AuditedOpenRouter, sink: Sink) -> None:
    """As they are, recorded once."""
    with pytest.raises(openai.RateLimitError):
        client.chat("hello", user_id="u", model="fake/e429")
    assert (sink.only.status, sink.only.error_code) == ("error", 429)


def test_retries_are_one_record(server: FakeOpenRouter, sink: Sink) -> None:
    """The SDK's own retries are counted, and all their generation ids kept."""
    with AuditedOpenRouter(API_KEY, base_url=server.base_url, max_retries=1) as client:
        client.chat("hello", user_id="u", model="fake/retry1")
    assert (sink.only.status, sink.only.attempts) == ("success", 2)


def test_other_calls_on_the_client_are_audited_too(client: AuditedOpenRouter, sink: Sink) -> None:
    """What `chat` does not offer is called on the SDK's client."""
    client.client.chat.completions.create(model="fake/ok", messages=MESSAGES)  # type: ignore[arg-type]
    assert sink.only.status == "success"


def test_the_options_of_capture(server: FakeOpenRouter, sink: Sink) -> None:
    """hash, content and write_ahead, once for all calls."""
    with AuditedOpenRouter(
        API_KEY, base_url=server.base_url, hash="sha256", content="redacted", write_ahead=True
    ) as client:
        client.chat("mail ann@example.com", user_id="u", model="fake/echo")
    started, ended = sink.records
    assert (started.event_type, ended.started_id) == ("chat_completion.started", started.id)
    assert ended.content == {
        "prompt": [{"role": "user", "content": "mail [EMAIL]"}],
        "response": [{"text": "mail [EMAIL]"}],
    }
    assert str(ended.prompt_hash).startswith("sha256:")


def test_the_key_from_the_environment(
    server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    """OPENROUTER_API_KEY, and never the one that is meant for OpenAI."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake-key-of-another-house")
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY"):
        AuditedOpenRouter(base_url=server.base_url)
    monkeypatch.setenv("OPENROUTER_API_KEY", API_KEY)
    with AuditedOpenRouter(base_url=server.base_url) as client:
        client.chat("hello", user_id="u", model="fake/ok")
    assert server.requests[-1].key == API_KEY


@pytest.mark.parametrize("options", [{"hash": "md5"}, {"content": "raw"}, {"logger": ""}])
def test_wrong_options(options: dict[str, Any]) -> None:
    """They surface when the client is made."""
    with pytest.raises(ConfigError, match="AuditedOpenRouter"):
        AuditedOpenRouter(API_KEY, **options)


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"or-audit-logging\[demo\]") as caught:
        AuditedOpenRouter(API_KEY)
    assert caught.value.extra == "demo"


# --- audited_completion


def test_response_and_record(client: AuditedOpenRouter, server: FakeOpenRouter, sink: Sink) -> None:
    """The SDK's response, and the very record that was logged."""
    with openai.OpenAI(base_url=server.base_url, api_key=API_KEY) as plain, bind(session_id="s-1"):
        response, record = audited_completion(MESSAGES, model="fake/ok", user_id="u-42", client=plain, seed=7)
    assert record is sink.only
    assert (record.generation_id, record.user_id, record.session_id) == (response.id, "u-42", "s-1")
    assert server.requests[-1].body["seed"] == 7


def test_a_client_of_its_own(server: FakeOpenRouter, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, it is made with OPENROUTER_API_KEY and closed again."""
    monkeypatch.setenv("OPENROUTER_API_KEY", API_KEY)
    monkeypatch.setattr(client_module, "BASE_URL", server.base_url)
    _, record = audited_completion(MESSAGES, model="fake/ok")
    assert record is sink.only
    monkeypatch.delenv("OPENROUTER_API_KEY")
    with pytest.raises(ConfigError, match="audited_completion: no API key"):
        audited_completion(MESSAGES, model="fake/ok")


def test_inside_an_audited_function(client: AuditedOpenRouter, sink: Sink) -> None:
    """The function owns the record; the returned one says the same of this call."""
    inner = []

    @audited
    def ask(question: str) -> Any:
        response, record = audited_completion(MESSAGES, model="fake/ok", client=client.client)
        inner.append(record)
        return response

    response = ask("hello")
    assert inner[0].generation_id == sink.only.generation_id == response.id
    assert inner[0].id != sink.only.id


def test_its_errors_pass(client: AuditedOpenRouter, sink: Sink) -> None:
    """Recorded once."""
    with pytest.raises(openai.RateLimitError):
        audited_completion(MESSAGES, model="fake/e429", client=client.client)
    assert sink.only.status == "error"
    with pytest.raises(ConfigError, match="no model"):
        audited_completion(MESSAGES, model="", client=client.client)
