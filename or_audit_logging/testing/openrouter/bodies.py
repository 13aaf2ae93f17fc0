"""The JSON documents of a chat completion: the whole, its chunks, usage and router metadata.

Plain dictionaries in OpenRouter's own spelling; nothing here knows about scenarios or sockets.
"""

import json
from typing import Any

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.replies import Json, Reply, digest, tool_arguments, usd


def encode(document: Any) -> bytes:
    """Return *document* as OpenRouter writes JSON: compact, UTF-8, a lone surrogate as its escape."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def completion(call: Call) -> Json:
    """Return the body of a completion that is not streamed."""
    reply = call.reply
    tool_calls = [tool_call(call, index) for index in range(len(reply.tool_names))]
    message = {
        "role": "assistant",
        "content": None if tool_calls else "",
        "refusal": None,
        "reasoning": reply.reasoning or None,
        **({"tool_calls": tool_calls} if tool_calls else {}),
    }
    choices = [
        {
            "index": index,
            "logprobs": None,
            "finish_reason": reply.finish_reason,
            "native_finish_reason": reply.native_finish_reason,
            "message": message | ({"content": text} if text else {}),
        }
        for index, text in enumerate(reply.texts)
    ]
    return {
        **_identity(call, "chat.completion"),
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
        "choices": choices,
        "usage": usage(reply),
        **router_metadata(call),
    }


def chunk(call: Call, choices: list[Json] | None, **extra: Any) -> Json:
    """Return one chunk of a stream; *extra* goes to its top level."""
    return {**_identity(call, "chat.completion.chunk"), "choices": choices, **extra}


def delta(index: int = 0, *, finish: str | None = None, native: str | None = None, **fields: Any) -> Json:
    """Return one choice of a chunk. The role is repeated in every one, as it is on the real wire."""
    fields = {"content": "", "role": "assistant", **fields}
    return {"index": index, "delta": fields, "finish_reason": finish, "native_finish_reason": native}


def tool_call(call: Call, index: int) -> Json:
    """Return the *index*-th tool call of the reply."""
    name = call.reply.tool_names[index]
    call_id = f"call_{digest([call.generation_id, index]):016x}"
    return {
        "index": index,
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": tool_arguments(name)},
    }


def usage(reply: Reply, tokens: int | None = None) -> Json:
    """Return the `usage` object; *tokens*: as it stood after so many completion tokens."""
    done = reply.completion_tokens if tokens is None else tokens
    upstream = reply.prompt_cost + reply.completion_cost(done)
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": done,
        "total_tokens": reply.prompt_tokens + done,
        "cost": usd(reply.cost(done)),
        "is_byok": reply.is_byok,
        "prompt_tokens_details": {
            "cached_tokens": reply.cached_tokens,
            "cache_write_tokens": 0,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": usd(upstream),
            "upstream_inference_prompt_cost": usd(reply.prompt_cost),
            "upstream_inference_completions_cost": usd(reply.completion_cost(done)),
        },
        "completion_tokens_details": {
            "reasoning_tokens": min(reply.reasoning_tokens, done),
            "image_tokens": 0,
            "audio_tokens": 0,
        },
    }


def router_metadata(call: Call, *, status: int = 200) -> Json:
    """Return `{"openrouter_metadata": ...}` where the request opted in, else an empty dict."""
    if not call.wants_router_metadata:
        return {}
    reply = call.reply
    attempts = [{"provider": reply.provider, "model": reply.model, "status": status}]
    if reply.skipped:
        attempts.insert(0, {"provider": reply.skipped, "model": call.requested, "status": 503})
    return {
        "openrouter_metadata": {
            "requested": call.requested,
            "strategy": "fallback" if reply.skipped else "direct",
            "region": "global",
            "summary": f"{reply.model} by {reply.provider}",
            "attempt": len(attempts),
            "is_byok": reply.is_byok,
            "endpoints": {
                "total": len(attempts),
                "available": [
                    {"provider": a["provider"], "model": a["model"], "selected": a is attempts[-1]}
                    for a in attempts
                ],
            },
            "attempts": attempts,
            "params": {},
            "pipeline": [],
            "generation_time": 12 * reply.completion_tokens,
        }
    }


def _identity(call: Call, kind: str) -> Json:
    return {
        "id": call.generation_id,
        "provider": call.reply.provider,
        "model": call.reply.model,
        "object": kind,
        "created": int(call.created),
    }
