"""A ready client for OpenRouter on the openai SDK (extra `demo`), with an audit record for each call.

client = AuditedOpenRouter(app_title="Library desk", model="openai/gpt-4o-mini")    # OPENROUTER_API_KEY
text = client.chat("What is an audit trail?", user_id="u-42")

response, record = audited_completion(messages, model="openai/gpt-4o-mini", user_id="u-42")
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from or_audit_logging.capture.delivery import AUDIT_LOGGER
from or_audit_logging.capture.elsewhere import build
from or_audit_logging.capture.instrument import instrument
from or_audit_logging.capture.manual import audit_call
from or_audit_logging.capture.options import options_for
from or_audit_logging.capture.read import items, read, text
from or_audit_logging.errors import ConfigError, MissingExtraError, NoTextError
from or_audit_logging.record import AuditRecord

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion

BASE_URL = "https://openrouter.ai/api/v1"
KEY_VARIABLE = "OPENROUTER_API_KEY"

Messages: TypeAlias = Sequence[Mapping[str, Any]]


class AuditedOpenRouter:
    """Asks models through OpenRouter; every `chat` leaves one audit record. Close it, or use it in `with`.

    `client` is the openai SDK's client underneath, instrumented: what else is called on it is audited alike.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str = BASE_URL,
        app_url: str | None = None,
        app_title: str | None = None,
        model: str | None = None,
        logger: str = AUDIT_LOGGER,
        hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
        content: Literal["redacted"] | None = None,
        write_ahead: bool = False,
        **client_options: Any,
    ) -> None:
        """Make the client; *client_options* are those of `openai.OpenAI`, such as timeout and max_retries.

        *api_key*: by default that of the environment variable OPENROUTER_API_KEY. *app_url* and *app_title*
        are sent as HTTP-Referer and X-OpenRouter-Title: OpenRouter names the application by them. *model* is
        that of calls which name none. The other options are `audit_call`'s.

        Raises `ConfigError` where there is no API key and for wrong options, and `MissingExtraError` where
        the openai SDK is not installed.
        """
        self._model = model
        self._audit: dict[str, Any] = {
            "logger": logger,
            "hash": hash,
            "content": content,
            "write_ahead": write_ahead,
        }
        options_for("AuditedOpenRouter", **self._audit)
        headers = {"HTTP-Referer": app_url, "X-OpenRouter-Title": app_title}
        given = client_options.pop("default_headers", None) or {}
        client = _openai_client(
            "AuditedOpenRouter",
            api_key,
            base_url=base_url,
            default_headers={name: value for name, value in headers.items() if value} | dict(given),
            **client_options,
        )
        self.client: OpenAI = instrument(client, **self._audit)

    def chat(
        self,
        prompt: str | Messages,
        *,
        user_id: str | None,
        model: str | None = None,
        metadata: Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the text of the model's answer to *prompt*, a question or a list of messages.

        *user_id*: who asks; None where nobody is known, or a `bind` block says it. *metadata* goes into the
        record only; *kwargs* go to `chat.completions.create` (temperature, tools, extra_body, ...).

        Raises `ConfigError` before anything is sent where no model is named, or a stream asked for;
        `NoTextError`, which carries the response, where the answer has no text; `AuditWriteError` as
        `audit_call` does; and what the openai SDK raises.
        """
        model = model or self._model
        _check_request("chat", model, kwargs)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        with audit_call(
            model=model, messages=messages, user_id=user_id, metadata=metadata, stream=False, **self._audit
        ) as call:
            response = call.response(_create(self.client, model=model, messages=messages, **kwargs))
        return _text_of(response)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def audited_completion(
    messages: Messages,
    *,
    model: str,
    user_id: str | None = None,
    client: OpenAI | None = None,
    **kwargs: Any,
) -> tuple[ChatCompletion, AuditRecord]:
    """Return the response to *messages*, and the audit record that was logged for it.

    *client*: an `openai.OpenAI`; without it one is made for OpenRouter with the key in OPENROUTER_API_KEY and
    closed again, so pass one where you call often. *kwargs* go to `chat.completions.create`. Inside another
    audited call, which owns the record, the returned record says the same of this call and is not logged.

    Raises as `AuditedOpenRouter.chat` does, but an answer without text is no error here.
    """
    _check_request("audited_completion", model, kwargs)
    own = _openai_client("audited_completion", None, base_url=BASE_URL) if client is None else None
    try:
        with audit_call(model=model, messages=messages, user_id=user_id, stream=False) as call:
            response = call.response(_create(client or own, model=model, messages=messages, **kwargs))
    finally:
        if own is not None:
            own.close()
    record = call.record or build(model=model, prompt=messages, response=response, user_id=user_id)
    return response, record


def _check_request(name: str, model: object, kwargs: Mapping[str, object]) -> None:
    if not isinstance(model, str) or not model:
        raise ConfigError(f"{name}: no model is named; pass model='openai/gpt-4o-mini', or the one you want")
    if kwargs.get("stream"):
        raise ConfigError(
            f"{name} returns the whole answer; for a stream, decorate a function or use audit_call"
        )


def _create(client: Any, **request: Any) -> ChatCompletion:
    response: ChatCompletion = client.chat.completions.create(**request)
    return response


def _openai_client(needed_for: str, api_key: str | None, **options: Any) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError as error:
        raise MissingExtraError(extra="demo", needed_for=needed_for) from error
    key = api_key or os.environ.get(KEY_VARIABLE)
    if not key:  # not left to the SDK, which would send OpenAI's key
        raise ConfigError(f"{needed_for}: no API key; pass api_key, or set {KEY_VARIABLE}")
    return OpenAI(api_key=key, **options)


def _text_of(response: object) -> str:
    choices = items(read(response, "choices"))
    first = choices[0] if choices else None
    found = text(read(read(first, "message"), "content"))
    if found is None:
        raise NoTextError(response=response, finish_reason=text(read(first, "finish_reason")))
    return found
