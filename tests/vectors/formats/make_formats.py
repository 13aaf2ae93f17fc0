"""Lines, and what each format makes of them: the visible inputs of the golden files in this folder.

    python tests/vectors/formats/make_formats.py        # writes lines.jsonl and one file a format

Row n of each file is about row n of `ROWS`. A change in a golden file is a change for whoever searches what
was shipped: read the difference, then say so in the changelog. The seals are of the right shape, not valid.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOG = "0001020304050607"

EVERYTHING: dict[str, Any] = {
    "event_type": "chat_completion",
    "v": 1,
    "id": "00000000-0000-4000-8000-000000000001",
    "started_id": "00000000-0000-4000-8000-000000000000",
    "timestamp": "2026-11-21T10:30:45.123456Z",
    "status": "success",
    "user_id": "u-42",
    "session_id": "[EMAIL:1f2e3d4c:0011223344556677]",
    "request_id": "req-7",
    "model_requested": "openai/gpt-4o-mini",
    "model_used": "openai/gpt-4o-mini-2024-07-18",
    "provider": "OpenAI",
    "generation_id": "gen-1795277414-fakeFAKEfakeFAKE0002",
    "generation_ids": ["gen-1795277414-fakeFAKEfakeFAKE0001", "gen-1795277414-fakeFAKEfakeFAKE0002"],
    "attempts": 2,
    "prompt_hash": "hmac-sha256:1f2e3d4c:" + "a" * 64,
    "response_hash": "hmac-sha256:1f2e3d4c:" + "b" * 64,
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "cached_tokens": 8,
    "reasoning_tokens": 0,
    "total_cost": "@0.00008410050",
    "cost_source": "response",
    "is_byok": True,
    "upstream_cost": "@0.0000800000",
    "latency_ms": "@812.512345",
    "ttft_ms": "@120.5",
    "streamed": True,
    "finish_reason": "stop",
    "native_finish_reason": "end_turn",
    "tool_names": ["lookup", "book"],
    "service_tier": "default",
    "cache_status": "MISS",
    "router": {"strategy": "fallback", "attempts": [{"provider": "A", "status": 503}]},
    "error_type": None,
    "error_code": None,
    "error_message": None,
    "metadata": {"feature": "faq", "tenant": "caf\u00e9", "budget": "@0.50", "nested": {"a": [1, "@1e-7"]}},
    "redactions": {"EMAIL": 1},
    "service": "checkout",
    "environment": "prod",
    "host": "host-1",
    "trace_id": "06796866738c859f2f19b7cfb3214824",
    "span_id": "000000000000004a",
    "content": {"prompt": "Is [NAME] in?", "response": [{"text": "Yes.\n\U0001f600"}]},
}

MINIMAL: dict[str, Any] = {
    "event_type": "embeddings",
    "v": 1,
    "id": "00000000-0000-4000-8000-000000000002",
    "timestamp": "2026-11-21T10:30:46.000000Z",
    "status": "incomplete",
    "user_id": None,
    "total_cost": None,
    "latency_ms": None,
}

ERROR: dict[str, Any] = MINIMAL | {
    "event_type": "responses",
    "id": "00000000-0000-4000-8000-000000000003",
    "status": "blocked",
    "model_requested": "openai/gpt-4o-mini",
    "total_cost": "@0.0",
    "latency_ms": "@3.0",
    "error_type": "moderation",
    "error_code": 403,
    "error_message": 'flagged: "[EMAIL]" half of a pair: \ud83d',
    "truncated": True,
    "original_bytes": 9001,
}

STARTED: dict[str, Any] = MINIMAL | {
    "event_type": "chat_completion.started",
    "id": "00000000-0000-4000-8000-000000000004",
    "status": None,
    "model_requested": "openai/gpt-4o-mini",
}

GENERATION: dict[str, Any] = MINIMAL | {
    "event_type": "generation",
    "id": "00000000-0000-4000-8000-000000000005",
    "status": "success",
    "generation_id": "gen-1795277414-fakeFAKEfakeFAKE0002",
    "total_cost": "@12.0000000000001",
    "cost_source": "generation",
    "latency_ms": "@900.0",
}

CHECKPOINT: dict[str, Any] = {
    "event_type": "log.checkpoint",
    "v": 1,
    "id": "00000000-0000-4000-8000-000000000006",
    "timestamp": "2026-11-21T10:30:47.000000Z",
    "size": 6,
    "root": "E7k4Q8xonSJnqAwRJIVANzqQ1VEiQUx+Xzzx49+h04c=",
    "frontier": ["0" * 64, "1" * 64],
    "note": "audit.example/audit/0001020304050607\n6\nE7k4Q8xonSJnqAwRJIVANzqQ1VEiQUx+Xzzx49+h04c=\n",
}

LOST: dict[str, Any] = {
    "event_type": "log.lost",
    "v": 1,
    "id": "00000000-0000-4000-8000-000000000007",
    "timestamp": "2026-11-21T10:30:48.000000Z",
    "count": 3,
    "reason": "disk",
    "detail": None,
}

PLAIN: dict[str, Any] = {
    "event_type": "log",
    "v": 1,
    "id": "00000000-0000-4000-8000-000000000008",
    "timestamp": "2026-11-21T10:30:49.000000Z",
    "level": "WARNING",
    "logger": "app.orders",
    "message": "order 17",
    "exception": "Traceback (most recent call last):\nValueError: it failed",
    "order": 17,
    "region": "eu",
    "severity": "DEBUG",
    "total_cost": "not an amount",
    "x_mac": "no seal",
}

NOTICE: dict[str, Any] = {
    "event_type": "ship.notice",
    "v": 1,
    "id": f"{LOG}-17-break",
    "timestamp": "2026-11-21T10:30:50.000000Z",
    "kind": "break",
    "message": "seq 17 does not follow from seq 16",
    "log": LOG,
    "seq": 17,
}

STUB: dict[str, Any] = {"log": LOG, "seq": 9, "leaf": "c" * 64}


def text_of(members: dict[str, Any]) -> str:
    """Return *members* as JSON in ASCII; a text that begins with @ is a number in these digits."""
    if isinstance(members, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{text_of(v)}" for k, v in members.items()) + "}"
    if isinstance(members, list):
        return "[" + ",".join(map(text_of, members)) + "]"
    return members[1:] if isinstance(members, str) and members.startswith("@") else json.dumps(members)


def sealed(members: dict[str, Any], seq: int) -> str:
    """Return the line of *members*, with a seal of the right shape."""
    return text_of(members | {"log": LOG, "seq": seq, "kid": 0, "mac": f"{seq:064x}"})


ROWS: dict[str, str] = {
    "everything": sealed(EVERYTHING, 1),
    "minimal": sealed(MINIMAL, 2),
    "error": sealed(ERROR, 3),
    "started": sealed(STARTED, 4),
    "generation": sealed(GENERATION, 5),
    "checkpoint": sealed(CHECKPOINT, 6),
    "lost": sealed(LOST, 7),
    "plain log record": sealed(PLAIN, 8),
    "stub": text_of(STUB)[:-1] + " " * 40 + "}",
    "plain log record, not sealed": text_of(PLAIN),
    "notice": text_of(NOTICE),
}
"""Each line by what it is about."""

FORMATS = ("ecs", "google", "datadog")


def goldens() -> dict[str, str]:
    """Return {file name: content}, as the package makes it now."""
    from or_audit_logging.formats import encoder

    lines = list(ROWS.values())
    out = {"lines.jsonl": "".join(line + "\n" for line in lines)}
    for name in FORMATS:
        encode = encoder(name)
        out[f"{name}.jsonl"] = "".join(encode(line.encode("ascii")).decode("ascii") + "\n" for line in lines)
    return out


if __name__ == "__main__":
    for name, content in goldens().items():
        (HERE / name).write_text(content, encoding="ascii")
