"""What an answer cost: the `usage` member of every API skin, under the record's names.

usage_members({"prompt_tokens": 11, "cost": 0.00042, ...})      chat, completions, embeddings
usage_members({"input_tokens": 11, "output_tokens": 7, ...})    responses, messages
"""

from __future__ import annotations

from typing import Any

from or_audit_logging.capture.read import count, flag, read
from or_audit_logging.pricing import all_in_cost, usd

_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")


def usage_members(usage: object) -> dict[str, Any]:
    """Return what *usage* says as members of `Facts`; None where it says nothing, or no number."""
    upstream = usd(read(read(usage, "cost_details"), "upstream_inference_cost"))
    is_byok = flag(read(usage, "is_byok"))
    cached = _detail(usage, _PROMPT, "cached_tokens")
    return {
        "prompt_tokens": _first(usage, _PROMPT),
        "completion_tokens": _first(usage, _COMPLETION),
        "total_tokens": count(read(usage, "total_tokens")),
        "cached_tokens": count(read(usage, "cache_read_input_tokens")) if cached is None else cached,
        "reasoning_tokens": _detail(usage, _COMPLETION, "reasoning_tokens"),
        "total_cost": all_in_cost(cost=usd(read(usage, "cost")), upstream=upstream, is_byok=is_byok),
        "is_byok": is_byok,
        "upstream_cost": upstream,
    }


def _first(usage: object, names: tuple[str, ...]) -> int | None:
    return next((value for name in names if (value := count(read(usage, name))) is not None), None)


def _detail(usage: object, names: tuple[str, ...], detail: str) -> int | None:
    for name in names:
        if (value := count(read(read(usage, f"{name}_details"), detail))) is not None:
            return value
    return None
