"""OpenRouter's account of its own routing, where the request asked for it: `openrouter_metadata`.

{"strategy": "fallback", "attempt": 2, "attempts": [{"provider": ..., "model": ..., "status": 503}, ...]}
"""

from __future__ import annotations

from or_audit_logging.capture.read import count, items, read, text

_MOST = 8


def router_members(metadata: object) -> dict[str, object] | None:
    """Return the part of *metadata* that a record keeps: the way taken, not the ways there were."""
    if metadata is None:
        return None
    known: dict[str, object] = {
        "requested": text(read(metadata, "requested")),
        "strategy": text(read(metadata, "strategy")),
        "region": text(read(metadata, "region")),
        "attempt": count(read(metadata, "attempt")),
        "attempts": [_attempt(one) for one in (items(read(metadata, "attempts")) or ())[:_MOST]],
        "pipeline": [
            name
            for stage in (items(read(metadata, "pipeline")) or ())[:_MOST]
            if (name := text(stage) or text(read(stage, "type")) or text(read(stage, "name")))
        ],
    }
    return {name: value for name, value in known.items() if value not in (None, [])} or None


def router_provider(metadata: object) -> str | None:
    """Return the provider that *metadata* says served; some SDKs drop the answer's own word."""
    for endpoint in items(read(read(metadata, "endpoints"), "available")) or ():
        if read(endpoint, "selected") is True:
            return text(read(endpoint, "provider"))
    return None


def _attempt(attempt: object) -> dict[str, object]:
    return {
        "provider": text(read(attempt, "provider")),
        "model": text(read(attempt, "model")),
        "status": count(read(attempt, "status")),
    }
