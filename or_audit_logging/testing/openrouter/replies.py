"""What an invented model says, how many tokens that takes and what they cost.

The same model and messages always get the same reply, at a price with as many digits as real ones have:

    >>> question = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Ready?"}]}
    >>> reply = compose(question)
    >>> reply.model, reply.provider
    ('openai/gpt-4o-mini-2024-07-18', 'OpenAI')
    >>> reply == compose(question)
    True

Money is a whole number of pico-USD (1e-12) until it is written. Prices are invented; only their order of
magnitude follows the size that the model's name suggests. Its look on the wire is left to the skins.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

DEFAULT_MODEL = "openai/gpt-4o-mini"
_CACHED_FROM = 1024  # prompt tokens
_PROMPTS = ("system", "instructions", "messages", "input", "prompt")  # of any API, in the order of reading
_SERVED = {"openai/gpt-4o-mini": "openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o": "openai/gpt-4o-2024-08-06"}
_PROVIDERS = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google AI Studio",
    "meta-llama": "Together",
    "mistralai": "Mistral",
    "deepseek": "DeepSeek",
    "x-ai": "xAI",
}
_SMALL, _LARGE = re.compile(r"mini|nano|flash|haiku|lite|small|[1-9]b\b"), re.compile(r"opus|-pro|405b")

_OPENINGS = (
    "Short answer: yes, with one caveat.",
    "Here is what the documents say.",
    "In brief: it depends on the plan.",
    "That works, and it takes two steps.",
    "No, not by default — but it can be switched on.",
    "A fair question; there are three cases.",
)
_MIDDLES = (
    "The limit applies per workspace and is counted from midnight UTC.",
    "Start with the smallest setting and raise it once the numbers hold.",
    "Results are kept for thirty days; after that only the totals remain.",
    "Compare both totals first, since a naïve sum counts the discount twice.",
    "The second request may be served from the cache, which costs nothing.",
    "Every change is written down together with who asked for it.",
    "Rounding happens once, at the end, and never in between.",
)
_ENDINGS = (
    "Shall I go into detail?",
    "Anything beyond that needs an administrator ✓",
    "This holds for every region.",
    "The rest follows from the table in the appendix.",
    "",
)


@dataclass(frozen=True)
class Reply:
    """What one call gets: who served it, the text of each choice, tokens, prices per token in pico-USD.

    `cache_source` is the generation a cached reply came from; such a reply has no tokens. `skipped` is the
    provider that failed before this one answered. A finish reason of None: the text breaks off.
    """

    model: str
    provider: str
    texts: tuple[str, ...]
    prompt_tokens: int
    prompt_price: int
    completion_price: int
    tool_names: tuple[str, ...] = ()
    reasoning: str = ""
    finish_reason: str | None = "stop"
    native_finish_reason: str | None = "completed"
    is_byok: bool = False
    cache_source: str | None = None
    skipped: str | None = None

    @property
    def reasoning_tokens(self) -> int:
        """Return how many of the completion tokens went into reasoning."""
        return 0 if self.cache_source else len(pieces(self.reasoning)) * len(self.texts)

    @property
    def cached_tokens(self) -> int:
        """Return how many prompt tokens the provider had cached: of long prompts only, in steps of 128."""
        return self.prompt_tokens // 128 * 128 if self.prompt_tokens >= _CACHED_FROM else 0

    @property
    def completion_tokens(self) -> int:
        """Return the tokens of all choices, reasoning and tool calls included."""
        if self.cache_source:
            return 0
        tools = sum(len(pieces(tool_arguments(name))) + 4 for name in self.tool_names)
        return self.reasoning_tokens + sum(len(pieces(text)) + tools for text in self.texts)

    @property
    def prompt_cost(self) -> int:
        """Return what the prompt costs upstream, in pico-USD; cached tokens at half the price."""
        return self.prompt_tokens * self.prompt_price - self.cached_tokens * self.prompt_price // 2

    def completion_cost(self, tokens: int | None = None) -> int:
        """Return what *tokens* (None: all) completion tokens cost upstream, in pico-USD."""
        return self.completion_price * (self.completion_tokens if tokens is None else tokens)

    def cost(self, tokens: int | None = None) -> int:
        """Return what OpenRouter bills, in pico-USD: nothing where the caller brought the provider's key."""
        return 0 if self.is_byok else self.prompt_cost + self.completion_cost(tokens)


def compose(
    body: Mapping[str, Any], *, choices: int = 1, ordinary: bool = True, text: str | None = None
) -> Reply:
    """Return the reply to the request *body*; *text* replaces the invented content of each of the *choices*.

    Not *ordinary*: the model's name is a scenario, so it is served and priced as `openai/gpt-4o-mini`.
    """
    requested = str(body["model"]).lstrip("~") if ordinary else DEFAULT_MODEL
    if "/" not in requested or requested.startswith("@"):  # a preset or an alias, not vendor/model
        requested = DEFAULT_MODEL
    price = _prompt_price(requested)
    asked = [turn for name in _PROMPTS for turn in turns(body.get(name))]
    return Reply(
        model=_served(requested),
        provider=_PROVIDERS.get(requested.partition("/")[0], "DeepInfra"),
        texts=tuple(_content([requested, asked, n]) if text is None else text for n in range(choices)),
        prompt_tokens=3 + sum(3 + len(pieces(_text(turn))) for turn in asked),
        prompt_price=price,
        completion_price=4 * price,
        finish_reason="stop" if choices else None,
        native_finish_reason="completed" if choices else None,
    )


def turns(prompt: Any) -> list[Any]:
    """Return the messages, items or texts of one member of a request; token numbers count as one text."""
    if isinstance(prompt, str):
        return [prompt]
    if not isinstance(prompt, list):
        return []
    if prompt and all(isinstance(part, int) for part in prompt):
        return [prompt]
    return [part for part in prompt if isinstance(part, str | dict | list)]


def last_text(body: Mapping[str, Any]) -> str:
    """Return the text of the last thing that *body* says to the model."""
    asked = [turn for name in _PROMPTS for turn in turns(body.get(name))]
    return _text(asked[-1]) if asked else ""


def pieces(text: str) -> list[str]:
    """Return *text* cut into "tokens": at most six characters and the white space before them."""
    return re.findall(r"\s*\S{1,6}|\s+", text)


def tool_arguments(name: str) -> str:
    """Return the JSON text that the model passes to the tool *name*."""
    return json.dumps({"query": f"Zürich, {name}", "limit": 3}, ensure_ascii=False)


def usd(pico: int) -> float | int:
    """Return *pico* USD as the JSON number OpenRouter writes: shortest digits, the integer 0 for nothing."""
    return float(Decimal(pico).scaleb(-12)) if pico else 0


def digest(value: object) -> int:
    """Return a number that depends on the JSON *value* alone: the source of everything invented."""
    return int.from_bytes(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:8], "big")


def _served(model: str) -> str:
    """Return the dated name under which *model* answers; a variant such as `:free` stays."""
    name, colon, variant = model.partition(":")
    number = digest(name)
    dated = _SERVED.get(name) or f"{name}-2026-{number % 9 + 1:02}-{number // 9 % 28 + 1:02}"
    return dated + colon + variant


def _prompt_price(model: str) -> int:
    if model.endswith(":free"):
        return 0
    base = 150_000 if _SMALL.search(model) else 15_000_000 if _LARGE.search(model) else 2_500_000
    return base * (9_000 + digest(model) % 2_001) // 10_000


def _content(seed: list[object]) -> str:
    number = digest(seed)
    opening = _OPENINGS[number % 6]
    middle = [_MIDDLES[(number // 6 + step * 3) % 7] for step in range(number // 42 % 3 + 1)]
    return " ".join([opening, *middle, _ENDINGS[number // 126 % 5]]).rstrip()


def _text(turn: Any) -> str:
    content = turn.get("content") if isinstance(turn, dict) else turn
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "") if isinstance(part, dict) else part) for part in parts)
