"""What the model says in each scenario: ordinary `Reply` and request body in, changed `Reply` out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from or_audit_logging.testing.openrouter.replies import Reply, last_text, pieces

Body = Mapping[str, Any]


def unchanged(reply: Reply, body: Body) -> Reply:
    """Return *reply* as it is."""
    return reply


def echo(reply: Reply, body: Body) -> Reply:
    """Return a reply that says the text of the last message."""
    return replace(reply, texts=(last_text(body),) * len(reply.texts))


def json_object(reply: Reply, body: Body) -> Reply:
    """Return a reply whose text is JSON."""
    return replace(reply, texts=('{"answer":"Zürich","confidence":0.87}',) * len(reply.texts))


def with_reasoning(reply: Reply, body: Body) -> Reply:
    """Return a reply that reasons before it speaks."""
    return replace(reply, reasoning="The question has two parts; the second one decides.")


def with_tools(reply: Reply, body: Body) -> Reply:
    """Return a reply that calls the first two tools on offer."""
    functions = [tool.get("function", tool) for tool in body.get("tools") or ()]  # only chat wraps them
    names = tuple(function["name"] for function in functions if "name" in function)[:2] or ("look_up",)
    return replace(reply, texts=("",) * len(reply.texts), tool_names=names, finish_reason="tool_calls")


def length(reply: Reply, body: Body) -> Reply:
    """Return a reply that ran into the token limit."""
    return replace(half(reply, body), finish_reason="length", native_finish_reason="max_output_tokens")


def filtered(reply: Reply, body: Body) -> Reply:
    """Return a reply that a content filter stopped."""
    return replace(half(reply, body), finish_reason="content_filter", native_finish_reason="content_filter")


def half(reply: Reply, body: Body) -> Reply:
    """Return the first half of *reply*, which ends without a finish reason."""
    cut = [(pieces(text), len(pieces(text)) // 2 or 1) for text in reply.texts]
    texts = tuple("".join(parts[:end]) for parts, end in cut)
    return replace(reply, texts=texts, finish_reason=None, native_finish_reason=None)


def failed(reply: Reply, body: Body) -> Reply:
    """Return the first half of *reply*, ended by an error; tokens before an error are not charged."""
    return replace(free(half(reply, body), body), finish_reason="error", native_finish_reason="error")


def from_fallback(reply: Reply, body: Body) -> Reply:
    """Return *reply* as served by the next model of `models`, and another provider."""
    others = [model for model in body.get("models") or () if model != body["model"]]
    model = others[0] if others else "anthropic/claude-haiku-4.5"
    return replace(reply, model=f"{model}-20251001", provider="Anthropic", skipped=reply.provider)


def byok(reply: Reply, body: Body) -> Reply:
    """Return *reply* as paid to the provider by the caller's own key."""
    return replace(reply, is_byok=True)


def free(reply: Reply, body: Body) -> Reply:
    """Return *reply* at no price."""
    return replace(reply, prompt_price=0, completion_price=0)


def cached(reply: Reply, body: Body) -> Reply:
    """Return *reply* as served by the response cache."""
    return replace(reply, prompt_tokens=0, cache_source="gen-1795270000-FakeCacheSource00000")
