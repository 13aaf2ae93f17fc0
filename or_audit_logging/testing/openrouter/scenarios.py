"""The table of scenarios: what a model name makes the fake do.

A scenario changes what the model says (`reply`), or how the answer is sent (`answer`), or both; how that
looks is left to the API's skin. This table is the only source; the docstring of `server` repeats it for
readers, and a test holds the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from or_audit_logging.testing.openrouter import answers as send
from or_audit_logging.testing.openrouter import variants as say
from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.errors import ERRORS
from or_audit_logging.testing.openrouter.http import Answer
from or_audit_logging.testing.openrouter.replies import Reply
from or_audit_logging.testing.openrouter.skin import Part, Skin


@dataclass(frozen=True)
class Scenario:
    """One row. *billed*: a 200 makes a generation; *needs*: ordinary where a call has no room for these."""

    name: str
    effect: str
    reply: Callable[[Reply, Mapping[str, Any]], Reply] = say.unchanged
    answer: Callable[[Call], Answer] = send.ordinary
    billed: bool = True
    needs: frozenset[Part] = frozenset()


_TEXT: frozenset[Part] = frozenset(("text",))
_TOOLS: frozenset[Part] = frozenset(("tools",))
_STREAM: frozenset[Part] = frozenset(("streams",))
_CHOICES: frozenset[Part] = frozenset(("choices",))

_REPLIES = (
    Scenario("ok", "an ordinary reply, as for every name that is not in this table"),
    Scenario("echo", "says the text of the last message", say.echo, needs=_TEXT),
    Scenario("json", "says a JSON object", say.json_object, needs=_TEXT),
    Scenario(
        "reasoning", "reasons first: message.reasoning and reasoning_tokens", say.with_reasoning, needs=_TEXT
    ),
    Scenario("tool", "calls the first two tools of the request, or look_up", say.with_tools, needs=_TOOLS),
    Scenario("length", "stops half-way, finish_reason length", say.length, needs=_TEXT),
    Scenario("filter", "stops half-way, finish_reason content_filter", say.filtered, needs=_TEXT),
    Scenario(
        "fallback", "another model and provider serve, after the first provider failed", say.from_fallback
    ),
    Scenario("byok", "the caller's own provider key: is_byok, cost 0, the price in cost_details", say.byok),
    Scenario("free", "cost is the integer 0, as for every model that ends in :free", say.free),
    Scenario("hit", "from the response cache: no tokens, cost 0, cache headers", say.cached),
    Scenario("gzip", "ordinary, gzip-encoded", answer=send.compressed),
)
_FALSE_SUCCESSES = (
    Scenario("nousage", "200, no usage; the generation knows the cost", answer=send.without_usage),
    Scenario(
        "choiceerr", "200, error in choices[0], finish_reason error, cost 0", say.failed, send.error_in_place
    ),
    Scenario("nullchoices", "200, choices null, usage kept", answer=send.null_content),
    Scenario("e200body", "200, the body is an error object", answer=send.error_with_200, billed=False),
    Scenario("notjson", "200, JSON by its content type only", answer=send.not_json),
    Scenario("blank", "200, empty body", answer=send.blank),
)
_FAILURES = (
    Scenario("html502", "502, an HTML page, no X-Generation-Id", answer=send.html_502, billed=False),
    Scenario("timeout", "silence until the client gives up; billed", answer=send.silence),
    Scenario("drop", "connection closed without an answer; billed", answer=send.drop),
    *(Scenario(name, row.effect, answer=send.http_error(name)) for name, row in ERRORS.items()),
    Scenario(
        "retry1", "500 to the first attempt at the endpoint, then ordinary", answer=send.failing_first(1)
    ),
    Scenario("retry2", "500 to the first two attempts", answer=send.failing_first(2)),
    Scenario("retry3", "500 to the first three attempts", answer=send.failing_first(3)),
)
_STREAMS = (
    Scenario("usageempty", "the usage chunk has choices []", answer=send.bare_usage, needs=_CHOICES),
    Scenario("slow", "slow_seconds before each chunk; the one to break", answer=send.slow),
    Scenario("stall", "stall_seconds without a byte, half-way", answer=send.stall),
    Scenario("eof", "ends half-way, no finish reason, no [DONE]", say.half, send.eof),
    Scenario("reset", "TCP reset half-way", say.half, send.reset),
    Scenario("midstream", "error half-way, finish_reason error", say.failed, send.midstream),
    Scenario("midstr", "error half-way, its code a string", say.failed, send.midstream_string_code),
    Scenario("midusage", "error half-way, with usage, then [DONE]", say.half, send.midstream_usage),
    Scenario("midempty", "error half-way, choices []", say.failed, send.midstream_bare),
)
SCENARIOS: dict[str, Scenario] = {
    row.name: row
    for row in (
        *_REPLIES,
        *_FALSE_SUCCESSES,
        *_FAILURES,
        *(replace(row, effect=f"stream: {row.effect}", needs=row.needs | _STREAM) for row in _STREAMS),
    )
}


def scenario_for(model: str, skin: Skin, *, streamed: bool) -> Scenario:
    """Return the scenario that the last part of *model* names, or `ok`."""
    row = SCENARIOS.get(model.rpartition("/")[2], SCENARIOS["ok"])
    room = skin.parts if streamed else skin.parts - _STREAM
    return row if row.needs <= room else SCENARIOS["ok"]


def scenario_table() -> str:
    """Return the table as the documentation shows it, one line per scenario."""
    return "\n".join(f"{row.name:<14}{row.effect}" for row in SCENARIOS.values())
