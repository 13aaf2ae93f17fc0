"""How a call ended that raised: facts from an exception of any SDK or HTTP client, or of the caller's own.

    failure_facts(openai.RateLimitError(...))     -> status "error", error_type "rate_limit_exceeded", 429

Exceptions are told apart by what they carry and by the names of their classes, so that no SDK is imported.
The provider's own message goes before str(exception), which in some SDKs holds the whole body. Nothing
unread is read: a reply's body counts only where the client has already fetched it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from or_audit_logging.capture.facts import Facts, filled
from or_audit_logging.capture.http import header_members
from or_audit_logging.capture.provider_error import ProviderError, provider_error
from or_audit_logging.capture.read import count, read, text
from or_audit_logging.capture.response import response_facts
from or_audit_logging.capture.router import router_members

_TIMEOUTS = frozenset(
    {
        "APITimeoutError",
        "TimeoutException",
        "Timeout",
        "TimeoutError",
        "ReadTimeoutError",
        "ConnectTimeoutError",
    }
)
_QUOTE_THE_RESPONSE = frozenset({"ValidationError", "ResponseValidationError"})
_CLIENTS = frozenset(
    {
        "anthropic",
        "h11",
        "http",
        "httpcore",
        "httpx",
        "httpx2",
        "json",
        "openai",
        "openrouter",
        "requests",
        "urllib3",
    }
)
"""Packages whose exceptions say what went wrong with a request, and not what the application made of it."""

_BODY_LIMIT = 1 << 20
_ERROR, _STATUS_LIMIT = 400, 600


def failure_facts(error: BaseException) -> Facts:
    """Return what *error* says.

    `error_type` is OpenRouter's where its error object has one, else the class. `error_code` is the HTTP
    status where that says error, else the object's code. Where the model had answered and the SDK refuses
    the answer, what it cost is kept.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    name = type(error).__name__
    if not isinstance(error, Exception) or "CancelledError" in kinds:
        return Facts(status="cancelled", error_type=name, error_message=_message(error))
    response = read(error, "response")
    headers = header_members(read(response, "headers") or read(error, "headers"))
    http_status = _http_status(error, response)
    body = _parsed(read(error, "body"))
    fetched = _parsed(read(getattr(response, "__dict__", None), "_content"))  # httpx, httpx2, requests
    said = provider_error(_error_object(error, body, fetched))
    answered = response_facts(read(error, "completion")) or _answer_in(body)
    router = router_members(read(body, "openrouter_metadata") or read(fetched, "openrouter_metadata"))
    facts = filled(answered or Facts(status="error"), Facts(status="error", router=router, **headers))
    message = said.message if said else facts.error_message
    if message is None and not kinds & _QUOTE_THE_RESPONSE:
        message = _message(error, http_status=http_status)
    return replace(
        facts,
        status=_status(error, kinds, said, http_status),
        error_type=(said.error_type if said else None) or name,
        error_code=http_status if http_status is not None else (said.code if said else None),
        error_message=message,
    )


def _status(
    error: BaseException, kinds: set[str], said: ProviderError | None, http_status: int | None
) -> str:
    if isinstance(error, TimeoutError) or kinds & _TIMEOUTS:
        return "timeout"
    return said.status(http_status) if said else "error"


def _http_status(error: BaseException, response: object) -> int | None:
    """Return the HTTP status where it is one of an error: from the exception, else from its response."""
    for source, name in (
        (error, "status_code"),
        (response, "status_code"),
        (error, "status"),
        (response, "status"),
        (error, "code"),
    ):
        status = count(read(source, name))
        if status is not None and _ERROR <= status < _STATUS_LIMIT:
            return status
    return None


def _error_object(error: BaseException, body: object, fetched: object) -> object:
    """Return OpenRouter's error object: from the body, the SDK's data, or bytes already fetched."""
    if isinstance(body, Mapping) and not _is_answer(body):
        return body.get("error") or body
    if (data := read(read(error, "data"), "error")) is not None:
        return data
    return fetched.get("error") if isinstance(fetched, Mapping) else None


def _answer_in(body: object) -> Facts | None:
    """Return the facts of an answer that the SDK refused, and that was paid all the same."""
    return response_facts(body) if isinstance(body, Mapping) and _is_answer(body) else None


def _is_answer(body: Mapping[str, object]) -> bool:
    return "choices" in body or "usage" in body


def _parsed(body: object) -> object:
    """Return JSON as values; values as they are; None for any other text."""
    if not isinstance(body, (str, bytes)):
        return body
    if len(body) > _BODY_LIMIT:
        return None
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed


def _message(error: BaseException, *, http_status: int | None = None) -> str | None:
    """Return what a client's exception says; one of the application's own may quote the answer, so None."""
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if http_status is None and not roots & _CLIENTS and not isinstance(error, OSError):
        return None
    try:
        return text(str(error))
    except Exception:  # noqa: BLE001 - the caller's own exception class; its name is what we have
        return None
