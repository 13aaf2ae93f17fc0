"""Stage one: which matchers may find something in a text. Most texts are done with here.

    gate = gate_for(MATCHERS)
    [matcher.find for matcher in gate.select(text)]

With google-re2 installed (extra `fast`) one scan looks for the needles of all matchers at once; without it,
each matcher's cheap test is asked. Both select every matcher that would find something.

RE2 holds locks of its own while it searches. A child that was forked while other threads were running may
have inherited a held one, so it does without RE2 (see `or_audit_logging.forks`).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from or_audit_logging.redaction.finding import Look, Matcher

_MAX_MEMORY = 1 << 26
"""RE2 says that nothing matched where its automaton has no room left, so it gets plenty."""


def _installed() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError:  # the extra "fast" is not installed
        return None


re2: Any = _installed()
"""Imported with this module: a signal handler or a forked child must not be the first to import it."""


_is_usable = re2 is not None


def do_without_re2() -> None:
    """Ask the matchers from now on: in a forked child a lock of RE2's may be held for ever."""
    global _is_usable  # noqa: PLW0603 - it holds for the process
    _is_usable = False


class Gate(Protocol):
    """Selects matchers for a text of at most a window's length."""

    def select(self, text: str) -> Sequence[Matcher]: ...


class StandardGate:
    """The gate of the standard library: asks `may_match` of every matcher."""

    __slots__ = ("_asked",)

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self._asked = [(matcher.may_match, matcher) for matcher in matchers]

    def select(self, text: str) -> list[Matcher]:
        """Return the matchers that may find something in *text*, in their order."""
        look = Look(text)
        return [matcher for may_match, matcher in self._asked if may_match(look)]


class Re2Gate:
    """The gate of google-re2: one automaton for all needles. Raises where a needle is none to RE2."""

    __slots__ = ("_match", "_matchers", "_otherwise")

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        needles = re2.Set.SearchSet(options)
        for matcher in matchers:
            needles.Add(matcher.needle)
        needles.Compile()
        self._match = needles.Match
        self._matchers = tuple(matchers)
        self._otherwise = StandardGate(matchers)

    def select(self, text: str) -> list[Matcher]:
        """Return the matchers that may find something in *text*, in their order."""
        if not _is_usable:
            return self._otherwise.select(text)
        try:
            hits = self._match(text.encode())
        except UnicodeEncodeError:  # half a surrogate pair, which is no UTF-8
            return self._otherwise.select(text)
        return [self._matchers[index] for index in sorted(hits)] if hits else []


@functools.lru_cache(maxsize=32)
def gate_for(matchers: tuple[Matcher, ...]) -> Gate:
    """Return the faster gate that is to be had for *matchers*."""
    if not _is_usable:
        return StandardGate(matchers)
    try:
        return Re2Gate(matchers)
    except Exception:  # noqa: BLE001 - a needle of somebody's recognizer that RE2 refuses
        return StandardGate(matchers)
