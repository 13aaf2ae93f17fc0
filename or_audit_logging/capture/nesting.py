"""Calls within calls: what an inner one hands to the one around it, and what both say as one.

inbox.add(Said(asked, facts, redactions), still_open=...)     -> True: it is the outer one's now
joined(own, inbox.empty(), vague=False)                       -> the outer record's facts, and whose they are
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from or_audit_logging.capture.asked import Asked
from or_audit_logging.capture.facts import Facts, filled, together

NO_END = Facts(status="incomplete")
"""The facts of a call that nothing has been heard of yet."""

_BEGUN = ("success", "incomplete")
_NO_ERROR: dict[str, Any] = {"error_type": None, "error_code": None, "error_message": None}
_OPENROUTER = "gen-"


class Said(NamedTuple):
    """What a call inside another one hands to it instead of making a record."""

    asked: Asked
    facts: Facts
    redactions: Counter[str]
    event_type: str | None = None


class Inbox:
    """What the calls inside have handed over, from any thread. No lock: a list's steps are atomic.

    An inner call may end just when the outer one does. Whoever takes an entry out has it: the outer call,
    which empties the inbox once it is closed, or, where that is over, the inner call itself.
    """

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: list[Said] = []

    def __bool__(self) -> bool:
        return bool(self._said)

    def add(self, said: Said, *, still_open: Callable[[], bool]) -> bool:
        """Return whether *said* will stand in the outer record; if not, it is the inner call's again."""
        self._said.append(said)
        if still_open():
            return True
        try:
            self._said.remove(said)
        except ValueError:
            return True
        return False

    def empty(self) -> list[Said]:
        """Return what was handed over, in order; the outer call is closed."""
        said = []
        while self._said:
            try:
                said.append(self._said.pop(0))
            except IndexError:  # taken back in between
                break
        return said


class Joined(NamedTuple):
    """What a call and the calls inside it say as one; *teller* is the one inside that told the outcome."""

    facts: Facts
    teller: Said | None


def joined(own: Facts | None, inside: Sequence[Said], *, vague: bool) -> Joined:
    """Return the facts of a call with those of the calls *inside* it: one outcome, and the sums of them all.

    The outcome is that of the call inside whose answer was returned, by its generation id; else of the last
    one that did not fail, or, where an exception passed, of the last. What the call itself says then only
    completes it: it may be a function's own dict, or, where *vague*, any iterator that came to its end.
    An answer of OpenRouter's that no call inside knows was had without us, and is one call more.
    """
    parts = [one.facts for one in inside]
    if own is None or own is NO_END:
        at = _last_begun(parts)
        return Joined(together(parts, outcome=parts[at]), inside[at])
    at = next((n for n in reversed(range(len(parts))) if _is_same(own, parts[n])), -1)
    if at < 0 and (own.generation_id or "").startswith(_OPENROUTER):
        return Joined(together([*parts, own], outcome=own), None)
    is_its_own = at >= 0 or (own.generation_id is None and (vague or len(parts) == 1))
    if at < 0:
        at = len(parts) - 1 if own.status not in _BEGUN else _last_begun(parts)
    ended = parts[at] if vague else _ended(own, parts[at])
    if is_its_own:
        parts[at] = filled(parts[at], replace(own, **_NO_ERROR))
    outcome = replace(parts[at], **{name: getattr(ended, name) for name in ("status", *_NO_ERROR)})
    return Joined(together(parts, outcome=outcome), inside[at])


def _is_same(own: Facts, part: Facts) -> bool:
    return own.generation_id is not None and own.generation_id in (
        part.generation_id,
        *(part.generation_ids or ()),
    )


def _last_begun(parts: Sequence[Facts]) -> int:
    return next((n for n in reversed(range(len(parts))) if parts[n].status in _BEGUN), len(parts) - 1)


def _ended(own: Facts, inner: Facts) -> Facts:
    """Return whichever says how a call ended that an *inner* one was made for; its error goes with it."""
    if own.status not in _BEGUN:
        return filled(own, inner) if own.error_type in (None, inner.error_type) else own
    if inner.status not in _BEGUN:
        return inner
    return own if own.status == "incomplete" or _is_same(own, inner) else inner


def failed_after(failed: Facts, answer: Facts | None) -> Facts:
    """Return the facts of a call that failed, with those of an *answer* it had had before: it was paid."""
    if answer is None or answer is NO_END or failed.generation_id not in (None, answer.generation_id):
        return failed
    return filled(failed, answer)


def with_attempts(facts: Facts, attempts: Sequence[str | None]) -> Facts:
    """Return *facts* with the number of requests and their generation ids, where it has none."""
    if not attempts:
        return facts
    ids = tuple(dict.fromkeys(i for i in attempts if i is not None))
    return replace(
        facts,
        attempts=len(attempts) if facts.attempts is None else facts.attempts,
        generation_ids=ids if len(ids) > 1 and facts.generation_ids is None else facts.generation_ids,
        generation_id=ids[-1] if ids and facts.generation_id is None else facts.generation_id,
    )
