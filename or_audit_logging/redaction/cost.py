"""Patterns from a configuration, refused where they could take more than linear time.

    compiled(r"EMP-[0-9]{6}", name="staff number")       -> re.Pattern
    compiled(r"(\\w+\\s?)*$", name="words")                -> ConfigError: bound its repeats

The cost of a pattern is how many ways there can be, at one place of a text, to read what stands there. It is
read off the pattern's structure, so the answer is the same on every machine: a repeat with no upper bound has
no bound either; a bounded repeat can stop in as many places as it has counts, unless what follows it can't
begin with what it repeats; what stands in a row multiplies, alternatives add up. A pattern of at most
`MOST_WAYS` ways, that matches at most `LONGEST_MATCH` characters, takes time in proportion to the text.

The judgement is careful, not exact. It refuses some patterns that are harmless, such as an unbounded repeat
behind a rare word; bounds help.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from or_audit_logging.errors import ConfigError

MOST_WAYS = 500
LONGEST_MATCH = 2_000
LONGEST_PATTERN = 1_000

_parser: Any = importlib.import_module("re._parser")
_UNBOUNDED = int(_parser.MAXREPEAT)
_SOME = frozenset(map(chr, range(128))) | {"\u00e9", "\u0663", "\u2028"}
"""The characters that classes are compared by: ASCII, and a letter, a digit and a space beyond."""


def compiled(pattern: object, *, name: str) -> re.Pattern[str]:
    """Return *pattern* compiled; raises `ConfigError` where it is none, or could be slow, or matches nothing.

    *name* is whose pattern it is, for the message.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= LONGEST_PATTERN:
        raise ConfigError(f"{name}: a pattern is text of 1 to {LONGEST_PATTERN} characters")
    try:
        made = re.compile(pattern)
        cost = ways(pattern)
        width = int(_parser.parse(pattern).getwidth()[1])
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"{name}: no regular expression: {error}") from None
    if cost > MOST_WAYS or width > LONGEST_MATCH:
        raise ConfigError(
            f"{name}: the pattern could take too long; bound its repeats ({{1,64}} rather than +), and let "
            "no repeat follow or hold another that matches the same characters"
        )
    if made.match("") is not None:
        raise ConfigError(f"{name}: the pattern matches the empty text")
    return made


def ways(pattern: str) -> float:
    """Return in how many ways *pattern* can read what stands at one place; infinite without bounds."""
    parsed = _parser.parse(pattern)
    return _row(list(parsed), _Flags(parsed.state.flags | _flags_inside(parsed)))


def _flags_inside(items: Iterable[tuple[Any, Any]]) -> int:
    """Return the flags that groups set for themselves; all are taken to hold everywhere."""
    flags = 0
    for kind, value in items:
        if str(kind) == "SUBPATTERN":
            flags |= int(value[1]) & (re.IGNORECASE | re.DOTALL)
        for part in _parts(str(kind), value):
            flags |= _flags_inside(part)
    return flags


class _Flags:
    """How the pattern is read."""

    def __init__(self, flags: int) -> None:
        self.flags = flags & (re.IGNORECASE | re.DOTALL | re.ASCII)

    def reads(self, item: tuple[Any, Any]) -> frozenset[str]:
        """Return which of the characters one *item* of a character's length matches."""
        source = _parser.SubPattern(_parser.State(), [item])
        source.state.flags = self.flags
        compiler: Any = importlib.import_module("re._compiler")
        match = compiler.compile(source, self.flags).match
        return frozenset(c for c in _SOME if match(c))


_ONE = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "RANGE", "CATEGORY")
_NOTHING = ("AT", "ASSERT", "ASSERT_NOT", "FAILURE", "SUCCESS")


def _row(items: Sequence[tuple[Any, Any]], flags: _Flags, after: Sequence[tuple[Any, Any]] = ()) -> float:
    """Return the ways of items in a row, before *after*."""
    total = 1.0
    for index, item in enumerate(items):
        total *= _item(item, [*items[index + 1 :], *after], flags)
        if total > MOST_WAYS:
            return total
    return total


def _item(item: tuple[Any, Any], after: Sequence[tuple[Any, Any]], flags: _Flags) -> float:
    kind, value = str(item[0]), item[1]
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, body = value
        return _repeat(int(low), int(high), list(body), after, flags)
    if kind == "SUBPATTERN":
        return _row(list(value[3]), flags, after)
    if kind == "ATOMIC_GROUP":
        return _row(list(value), flags, after)
    if kind == "BRANCH":
        return sum(_row(list(branch), flags, after) for branch in value[1])
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _row(list(value[1]), flags)
    if kind == "GROUPREF_EXISTS":
        return _row(list(value[1]), flags, after) + (_row(list(value[2]), flags, after) if value[2] else 1.0)
    return 1.0


def _repeat(
    low: int, high: int, body: Sequence[tuple[Any, Any]], after: Sequence[tuple[Any, Any]], flags: _Flags
) -> float:
    if high >= _UNBOUNDED:
        return float("inf")
    if high <= 1:
        return _row(body, flags, after) + (low == 0 and bool(_first(body, flags) & _first(after, flags)))
    stops = high - low + 1 if _first(body, flags) & _first(after, flags) else 1
    once = _row(body, flags, body)
    if once > 1 and not _separated(body, flags):
        return float(once**high) if high * once < MOST_WAYS else float("inf")
    return stops * (once if once == 1 else high * once)


def _separated(body: Sequence[tuple[Any, Any]], flags: _Flags) -> bool:
    """Return whether each round of a repeat ends with a character that nothing else in it matches."""
    while len(body) == 1 and str(body[0][0]) == "SUBPATTERN":
        body = list(body[0][1][3])
    if not body or str(body[-1][0]) not in _ONE:
        return False
    last = flags.reads(body[-1])
    return not any(last & _all(item, flags) for item in body[:-1])


def _first(items: Iterable[tuple[Any, Any]], flags: _Flags) -> frozenset[str]:
    """Return what the items in a row can begin with; nothing where they end the pattern."""
    out: frozenset[str] = frozenset()
    for item in items:
        kind, value = str(item[0]), item[1]
        if kind in _NOTHING:
            continue
        if kind in _ONE:
            return out | flags.reads(item)
        if kind.endswith("REPEAT"):
            out |= _first(value[2], flags)
            if value[0] > 0:
                return out
            continue
        if kind == "SUBPATTERN":
            out |= _first(value[3], flags)
        elif kind == "ATOMIC_GROUP":
            out |= _first(value, flags)
        elif kind == "BRANCH":
            out = out.union(*(_first(branch, flags) for branch in value[1]))
        else:
            return _SOME
        if not _may_be_empty(item):
            return out
    return out


def _all(item: tuple[Any, Any], flags: _Flags) -> frozenset[str]:
    """Return every character that *item* can match."""
    kind, value = str(item[0]), item[1]
    if kind in _NOTHING:
        return frozenset()
    if kind in _ONE:
        return flags.reads(item)
    if not (parts := _parts(kind, value)):
        return _SOME
    return frozenset().union(*(_all(part, flags) for row in parts for part in row))


def _parts(kind: str, value: Any) -> list[list[tuple[Any, Any]]]:
    """Return the rows of items that an item of *kind* holds, alternatives apart; none where it holds none."""
    if kind.endswith("REPEAT"):
        return [list(value[2])]
    if kind == "SUBPATTERN":
        return [list(value[3])]
    if kind == "ATOMIC_GROUP":
        return [list(value)]
    if kind in ("ASSERT", "ASSERT_NOT"):
        return [list(value[1])]
    return [list(branch) for branch in value[1]] if kind == "BRANCH" else []


def _may_be_empty(item: tuple[Any, Any]) -> bool:
    sub = _parser.SubPattern(_parser.State(), [item])
    return bool(sub.getwidth()[0] == 0)
