"""What an answer cost: the `usage` member of every API skin, under the record's names.

usage_members({"prompt_tokens": 11, "cost": 0.00042, ...})      chat, completions, embeddings
usage_members({"input_tokens": 11, "output_tokens": 7, ...})    responses, messages
"""

from __future__ import annotations

from typing import Any

from or_audit_logging.capture.read import Members, count, flag, members
from or_audit_logging.pricing import all_in_cost, usd


def usage_members(usage: object) -> dict[str, Any]:
    """Return what *usage* says as members of `Facts`; None where it says nothing, or no number."""
    said = members(usage)
    prompt = _named(said, "prompt_tokens", "input_tokens")
    completion = _named(said, "completion_tokens", "output_tokens")
    cached = _detail(said, "prompt_tokens_details", "input_tokens_details", "cached_tokens")
    reasoning = _detail(said, "completion_tokens_details", "output_tokens_details", "reasoning_tokens")
    upstream = usd(members(said.get("cost_details")).get("upstream_inference_cost"))
    is_byok = flag(said.get("is_byok"))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": count(said.get("total_tokens")),
        "cached_tokens": count(said.get("cache_read_input_tokens")) if cached is None else cached,
        "reasoning_tokens": reasoning,
        "total_cost": all_in_cost(cost=usd(said.get("cost")), upstream=upstream, is_byok=is_byok),
        "is_byok": is_byok,
        "upstream_cost": upstream,
    }


def _named(said: Members, name: str, other_name: str) -> int | None:
    value = count(said.get(name))
    return count(said.get(other_name)) if value is None else value


def _detail(said: Members, name: str, other_name: str, detail: str) -> int | None:
    value = count(members(said.get(name)).get(detail))
    return count(members(said.get(other_name)).get(detail)) if value is None else value
