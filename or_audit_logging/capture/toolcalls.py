"""Tool calls that come in fragments, put together as the answer in one piece has them.

calls.add([{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}])
calls.add([{"index": 0, "function": {"arguments": "{}"}}])
calls.members()         [{"index": 0, "id": "call_1", ..., "function": {"name": "f", "arguments": "{}"}}]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from or_audit_logging.capture.read import count, items, read, text

_MOST_CALLS = 1_024
_IN_FRAGMENTS = frozenset({"arguments", "input"})


class ToolCalls:
    """The tool calls of one choice so far."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, Any]] | None = None

    def add(self, fragments: object) -> None:
        """Take the `tool_calls` of one delta. A fragment without index continues the last call, or, with an
        id of its own, begins one.
        """
        for fragment in items(fragments) or ():
            if not (said := _members(fragment)):
                continue
            if self._calls is None:
                self._calls = {}
            index = count(said.get("index"))
            if index is None:
                last = next(reversed(self._calls), -1)
                index = last + 1 if said.get("id") is not None or last < 0 else last
            if index in self._calls or len(self._calls) < _MOST_CALLS:
                _merge(self._calls.setdefault(index, {}), said)

    def members(self) -> list[object] | None:
        """Return the calls by index, as far as they have come; None where there are none."""
        if not self._calls:
            return None
        return [_whole(call) for _, call in sorted(self._calls.items())]

    def names(self) -> Iterator[str]:
        """Return the names of the tools that are called."""
        for call in self.members() or ():
            name = text(read(read(call, "function"), "name")) or text(read(read(call, "custom"), "name"))
            if name:
                yield name


def _merge(into: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Add what is new in *said*: what stands is not changed, arguments are continued."""
    for name, value in said.items():
        known = into.get(name)
        if name in _IN_FRAGMENTS and isinstance(value, str):
            if isinstance(known, list):
                known.append(value)
            else:
                into[name] = [value]
        elif isinstance(value, Mapping) and (known is None or isinstance(known, dict)):
            _merge(into.setdefault(name, {}) if known is not None else _fresh(into, name), value)
        elif known is None:
            into[name] = value


def _fresh(into: dict[str, Any], name: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    into[name] = made
    return made


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "".join(item) if name in _IN_FRAGMENTS and _is_fragments(item) else _whole(item)
            for name, item in value.items()
        }
    return value


def _is_fragments(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(piece, str) for piece in value)


def _members(fragment: object) -> Mapping[str, Any]:
    if isinstance(fragment, Mapping):
        return fragment
    dump = getattr(fragment, "model_dump", None)
    found = dump(mode="json", exclude_unset=True) if callable(dump) else getattr(fragment, "__dict__", None)
    if not isinstance(found, Mapping):
        return {}
    return {
        name: value
        if value is None or isinstance(value, (str, int, float, list, Mapping))
        else _members(value)
        for name, value in found.items()
    }
