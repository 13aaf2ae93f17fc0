"""OpenRouter's error replies: the table of HTTP errors, in words that each skin puts in a body of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.http import Answer, Send
from or_audit_logging.testing.openrouter.replies import Json, last_text
from or_audit_logging.testing.openrouter.skin import Failure, Skin, encode, router_metadata

JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class ApiError:
    """One row: an HTTP error as the router words it. `{model}` stands for the requested model.

    *coded*, *typed*: whether chat's error object has a code, and its metadata the *error_type*.
    """

    status: int
    effect: str
    message: str
    error_type: str
    metadata: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    coded: bool = True
    typed: bool = True


ERRORS: dict[str, ApiError] = {
    "e400": ApiError(
        400,
        "context_length_exceeded",
        "This endpoint's maximum context length is 128000 tokens. Please shorten the messages.",
        "context_length_exceeded",
        {"provider_code": "context_length_exceeded"},
    ),
    "e401": ApiError(401, "authentication: the key is not known", "User not found.", "authentication"),
    "e402": ApiError(
        402, "payment_required", "Insufficient credits. Add more to continue.", "payment_required"
    ),
    "e403": ApiError(
        403,
        "moderation, with up to 100 characters of the prompt in flagged_input",
        "{model} requires moderation on OpenAI. Your input was flagged. No credits were charged.",
        "content_policy_violation",
        {"reasons": ["violence"], "provider_name": "OpenAI", "model_slug": "{model}"},
        typed=False,
    ),
    "e403guardrail": ApiError(
        403,
        "a guardrail's patterns",
        "Request blocked by a guardrail of the workspace.",
        "permission_denied",
        {"patterns": ["[EMAIL]"]},
        typed=False,
    ),
    "e404": ApiError(
        404,
        "no endpoints for the model; no metadata",
        "No endpoints found for {model}.",
        "not_found",
        typed=False,
    ),
    "e408": ApiError(408, "timeout, before a provider answered", "Request timed out.", "timeout"),
    "e413": ApiError(413, "payload_too_large", "Request entity too large.", "payload_too_large"),
    "e422": ApiError(422, "unprocessable", "Unprocessable: temperature.", "unprocessable"),
    "e429": ApiError(
        429,
        "rate_limit_exceeded, with Retry-After and X-RateLimit-*",
        "Rate limit exceeded: requests-per-minute.",
        "rate_limit_exceeded",
        headers={
            "Retry-After": "1",
            "X-RateLimit-Limit": "20",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1795277460000",
        },
    ),
    "e500": ApiError(500, "server: masked", "Internal Server Error", "server"),
    "e502": ApiError(
        502,
        "the older shape: provider_name, raw text of the provider, previous_errors",
        "Provider returned error",
        "provider_unavailable",
        {
            "provider_name": "Together",
            "raw": '{"detail":"upstream failed"}',
            "previous_errors": [{"provider": "OpenAI", "code": 503, "status": 503}],
        },
        typed=False,
    ),
    "e503": ApiError(
        503,
        "provider_unavailable, with Retry-After",
        "No provider is available for {model}.",
        "provider_unavailable",
        headers={"Retry-After": "1"},
    ),
    "e524": ApiError(524, "timeout at the edge", "Provider timed out.", "timeout"),
    "e529": ApiError(
        529,
        "provider_overloaded",
        "Provider is overloaded.",
        "provider_overloaded",
        {"provider_code": "overloaded_error"},
    ),
    "e400nocode": ApiError(
        400,
        "400, an error object without code",
        "Invalid request.",
        "invalid_request",
        {"http_status": 400},
        coded=False,
    ),
}


def api_error(call: Call, error: ApiError, headers: Mapping[str, str]) -> Answer:
    """Return the answer to *call* that *error* describes, with *headers* beside its own."""
    failure = Failure(
        error.message.replace("{model}", call.requested),
        error.status if error.coded else None,
        error.error_type,
        {
            name: value.replace("{model}", call.requested) if isinstance(value, str) else value
            for name, value in error.metadata.items()
        },
        untyped=not error.typed,
    )
    if "reasons" in failure.metadata:
        flagged = {"flagged_input": last_text(call.body)[:100]}
        failure = replace(failure, metadata=failure.metadata | flagged)
    body = call.skin.refusal(failure, call.generation_id)
    if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        body |= router_metadata(call, status=error.status)
    return Answer(error.status, {**JSON_TYPE, **headers, **error.headers}, (Send(encode(body)),))


def plain_error(status: int, message: str, skin: Skin | None = None) -> Answer:
    """Return an error that belongs to no generation: from before the router, or from another endpoint."""
    failure = Failure(message, status, _PLAIN_TYPES.get(status, "unmapped"), untyped=True)
    body = (skin or Skin()).refusal(failure, None)
    return Answer(status, JSON_TYPE, (Send(encode(body)),))


_PLAIN_TYPES = {
    400: "invalid_request",
    401: "authentication",
    403: "permission_denied",
    404: "not_found",
}
