"""Calls within calls: what an inner one hands to the one around it, and what both say as one.

inbox.add(Said(asked, facts, redactions), still_open=...)     -> True: it is the outer one's now
joined(own, together([...]), vague=False)                     -> the outer record's facts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from or_audit_logging.capture.asked import Asked
from or_audit_logging.capture.facts import Facts, filled

NO_END = Facts(status="incomplete")
"""The facts of a call that nothing has been heard of yet."""


class Said(NamedTuple):
    """What a call inside another one hands to it instead of making a record."""

    asked: Asked
    facts: Facts
    redactions: Counter[str]


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


def joined(own: Facts | None, inside: Facts, *, vague: bool) -> Facts:
    """Return the facts of a call with those of the calls *inside* it.

    Where the call itself said nothing (a function that returns only the text), the calls inside speak: as
    the last of them ended, so did this one. Where it was *vague*, it only completes them.
    """
    if own is None or own is NO_END:
        return inside
    if vague:
        return filled(inside, own)
    if own.generation_id in (None, inside.generation_id):
        return filled(own, inside)
    return replace(inside, status=own.status)


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
