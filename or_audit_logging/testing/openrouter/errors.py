"""OpenRouter's error replies: the table of HTTP errors, and the bodies they come in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from or_audit_logging.testing.openrouter.bodies import encode, router_metadata
from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Answer, Send
from or_audit_logging.testing.openrouter.replies import Json, last_text

ACCOUNT = "user_2fakeFAKEfakeFAKEfakeFAKE"
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class ApiError:
    """One row: an HTTP error as the router words it. `{model}` stands for the requested model."""

    status: int
    effect: str
    message: str
    metadata: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    code: bool = True


def _typed(error_type: str, **more: Any) -> Json:
    return {"error_type": error_type, **more}


_OVERLOADED = {"provider": "OpenAI", "code": 503, "status": 503}

ERRORS: dict[str, ApiError] = {
    "e400": ApiError(
        400,
        "context_length_exceeded",
        "This endpoint's maximum context length is 128000 tokens. Please shorten the messages.",
        _typed("context_length_exceeded", provider_code="context_length_exceeded"),
    ),
    "e401": ApiError(
        401, "authentication: the key is not known", "User not found.", _typed("authentication")
    ),
    "e402": ApiError(
        402, "payment_required", "Insufficient credits. Add more to continue.", _typed("payment_required")
    ),
    "e403": ApiError(
        403,
        "moderation, with up to 100 characters of the prompt in flagged_input",
        "{model} requires moderation on OpenAI. Your input was flagged. No credits were charged.",
        {"reasons": ["violence"], "provider_name": "OpenAI", "model_slug": "{model}"},
    ),
    "e403guardrail": ApiError(
        403,
        "a guardrail's patterns",
        "Request blocked by a guardrail of the workspace.",
        {"patterns": ["[EMAIL]"]},
    ),
    "e404": ApiError(404, "no endpoints for the model; no metadata", "No endpoints found for {model}."),
    "e408": ApiError(408, "timeout, before a provider answered", "Request timed out.", _typed("timeout")),
    "e413": ApiError(413, "payload_too_large", "Request entity too large.", _typed("payload_too_large")),
    "e422": ApiError(422, "unprocessable", "Unprocessable: temperature.", _typed("unprocessable")),
    "e429": ApiError(
        429,
        "rate_limit_exceeded, with Retry-After and X-RateLimit-*",
        "Rate limit exceeded: requests-per-minute.",
        _typed("rate_limit_exceeded"),
        {
            "Retry-After": "1",
            "X-RateLimit-Limit": "20",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1795277460000",
        },
    ),
    "e500": ApiError(500, "server: masked", "Internal Server Error", _typed("server")),
    "e502": ApiError(
        502,
        "the older shape: provider_name, raw text of the provider, previous_errors",
        "Provider returned error",
        {
            "provider_name": "Together",
            "raw": '{"detail":"upstream failed"}',
            "previous_errors": [_OVERLOADED],
        },
    ),
    "e503": ApiError(
        503,
        "provider_unavailable, with Retry-After",
        "No provider is available for {model}.",
        _typed("provider_unavailable"),
        {"Retry-After": "1"},
    ),
    "e524": ApiError(524, "timeout at the edge", "Provider timed out.", _typed("timeout")),
    "e529": ApiError(
        529,
        "provider_overloaded",
        "Provider is overloaded.",
        _typed("provider_overloaded", provider_code="overloaded_error"),
    ),
    "e400nocode": ApiError(
        400,
        "400, an error object without code",
        "Invalid request.",
        _typed("invalid_request", http_status=400),
        code=False,
    ),
}


def api_error(call: Call, error: ApiError, headers: Mapping[str, str]) -> Answer:
    """Return the answer to *call* that *error* describes, with *headers* beside its own."""
    document: Json = {"message": error.message.replace("{model}", call.requested)}
    if error.code:
        document["code"] = error.status
    metadata = {
        name: value.replace("{model}", call.requested) if isinstance(value, str) else value
        for name, value in error.metadata.items()
    }
    if "reasons" in metadata:
        metadata["flagged_input"] = last_text(call.body)[:100]
    if metadata:
        document["metadata"] = metadata
    body = {"error": document, "user_id": ACCOUNT}
    if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        body |= router_metadata(call, status=error.status)
    return Answer(error.status, {**JSON_TYPE, **headers, **error.headers}, (Send(encode(body)),))


def plain_error(status: int, message: str) -> Answer:
    """Return an error that belongs to no generation: from before the router, or from another endpoint."""
    return Answer(status, JSON_TYPE, (Send(encode({"error": {"message": message, "code": status}})),))
