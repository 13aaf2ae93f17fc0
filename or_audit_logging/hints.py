"""What OpenRouter's error codes mean and what to do about them: the one place where that is worded.

    hint(402)                          -> "out of credits: add credits at https://openrouter.ai/settings/credits"
    hint(404, asked="generation")      -> "not there yet, or not this account's: ..."

The long form is docs/troubleshooting.md. Codes come as the record's `error_code` has them: numbers, numeric
text, or a provider's own word, which has no hint.
"""

from __future__ import annotations

from typing import Literal

KEY_PREFIX = "sk-or-"
"""What OpenRouter's keys start with; those of today with `sk-or-v1-`."""

STATUS_PAGE = "https://status.openrouter.ai"

Asked = Literal["call", "generation", "account"]
"""What was asked for: a model's answer, a past generation, or the account's own figures."""

_CALL = {
    400: "the request is not valid: check its parameters and the length of the prompt",
    401: "key missing or wrong: check OPENROUTER_API_KEY; OpenRouter keys start with sk-or-v1-",
    402: "out of credits: add credits at https://openrouter.ai/settings/credits, or raise the key's limit",
    403: "refused by moderation or a guardrail: look at the input; nothing was charged",
    404: "no such model or no endpoint for it: write it with its provider, as in openai/gpt-4o-mini",
    408: "timed out before a provider answered: try again, or ask for less",
    413: "the request is too large: shorten the prompt or its attachments",
    422: "the request is not valid: a parameter has a value that the model does not take",
    429: "too many requests: wait as long as Retry-After says, and back off longer each time",
}
_GENERATION = {
    402: "out of credits: add credits at https://openrouter.ai/settings/credits; past calls stay pending",
    403: "the generation belongs to another account: use a key of the account that made the call",
    404: "not there yet, or unknown: a generation appears seconds to minutes after its call",
}
_ACCOUNT = {
    401: "key missing, wrong or not a management key: make one at "
    "https://openrouter.ai/settings/management-keys; its text starts with sk-or-v1- too",
    403: "this needs a management key: make one at https://openrouter.ai/settings/management-keys",
    404: "no such address: check the base URL, https://openrouter.ai/api/v1",
}
_SERVER = f"OpenRouter or the provider has trouble: try again later; see {STATUS_PAGE}"


def hint(code: object, *, asked: Asked = "call") -> str | None:
    """Return what the HTTP status or error *code* means and what to do, or None where there is no advice."""
    number = _number(code)
    if number is None:
        return None
    special = {"generation": _GENERATION, "account": _ACCOUNT}.get(asked, {})
    found = special.get(number) or _CALL.get(number)
    return found or (_SERVER if 500 <= number <= 599 else None)


def hinted_codes() -> tuple[int, ...]:
    """Return the codes that have a hint of their own; all of 500 to 599 share one."""
    return tuple(sorted(_CALL))


def looks_like_key(text: str) -> bool:
    """Return whether *text* starts as OpenRouter's keys do."""
    return text.startswith(KEY_PREFIX)


def _number(code: object) -> int | None:
    if isinstance(code, bool):
        return None
    if isinstance(code, int):
        return code
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        return int(code)
    return None
