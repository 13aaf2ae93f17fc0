"""`Delivery`: brings batches to a target: tries again, splits, and says what is refused for good.

    delivery = Delivery(target, patience=300)
    refused = delivery.deliver(items)       # {index: reason}; all others have arrived

It returns only when each item was confirmed or refused. An outage costs time: as long as *patience* allows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from or_audit_logging.errors import DeliveryError
from or_audit_logging.pace import backoff
from or_audit_logging.ship.ages import Ages
from or_audit_logging.ship.target import Item, RefusedError, Target, TooLargeError, TryLaterError
from or_audit_logging.ship.trouble import Trouble

MOST_REFUSED = 100
"""So many items refused one after the other, and none taken, are the target's fault and not the items'."""


LONGEST_RETRY_AFTER = 3600.0
"""Seconds: a target that asks for more is asked again each hour, since it may be back long before."""


class StoppedError(Exception):
    """`stop` was asked for while a batch waited to be tried again."""


class Delivery:
    """Delivers to one target."""

    def __init__(
        self,
        target: Target,
        *,
        patience: float | None = None,
        most_refused: int = MOST_REFUSED,
        wait: Callable[[float], bool | None] = time.sleep,
        told: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """*patience*: seconds of failures in a row before giving up; None: never.

        *wait* returns true where waiting was ended by a stop. *told* is called with what a person is to know:
        the trouble of a target as it begins, once an hour, and as it ends; a clock that is wrong.
        """
        self._target = target
        self._patience = patience
        self._most_refused = most_refused
        self._wait = wait
        self._ages = Ages(target, told=told)
        self._trouble = Trouble(target.name, told=told, clock=clock)
        self._clock = clock
        self._chance = chance
        self._refused_in_a_row = 0

    def unkept(self, items: Sequence[Item]) -> dict[int, str]:
        """Return the items that the target would not keep for their dates, by index, with the reasons.

        It may be asked for the time: raises as `deliver` does.
        """
        tries, failing_since = 0, self._clock()
        while True:
            try:
                return self._ages.unkept(items)
            except TryLaterError as error:
                tries += 1
                self._pause(tries, error.retry_after, str(error), failing_since)

    def seems_early(self, item: Item) -> bool:
        """Return whether *item* is dated so far ahead of our clock that it may have to be waited for."""
        return self._ages.seems_early(item)

    def deliver(self, items: Sequence[Item]) -> dict[int, str]:
        """Return the items that are refused for good, by index, with the reasons.

        Raises `DeliveryError` where the target takes nothing, for good or for longer than we are patient, and
        `StoppedError`. Some of the items may have arrived then.
        """
        refused: dict[int, str] = {}
        parts = [list(range(len(items)))]
        tries, failing_since, has_waited = 0, 0.0, False
        while parts:
            part = parts[0]
            if has_waited:  # an outage may have been long enough
                outlived = self.unkept([items[index] for index in part])
                refused |= {part[place]: reason for place, reason in outlived.items()}
                part = parts[0] = [index for index in part if index not in refused]
            if not part:
                parts.pop(0)
                tries = 0
                continue
            retry_after: float | None = None
            sent = [items[index] for index in part]
            try:
                self._ages.refuse_early(sent)
                answer = self._target.send(sent)
            except TryLaterError as error:
                reason, retry_after = str(error), error.retry_after
            except (TooLargeError, RefusedError) as error:
                said = error.said if isinstance(error, RefusedError) else ""
                self._trouble.over()
                self._split_or_refuse(parts, refused, f"{error}{said}")
                tries = 0
                continue
            else:
                for place, why in answer.refused.items():
                    refused[part[place]] = why
                again = sorted({part[place] for place in answer.again} - refused.keys())
                self._count_refused(
                    len(answer.refused), taken=len(part) - len(answer.refused) - len(again), why=refused
                )
                if not again:
                    self._trouble.over()
                    parts.pop(0)
                    tries = 0
                    continue
                if len(again) < len(part):
                    tries = 0
                parts[0], retry_after = again, answer.retry_after
                reason = f"{self._target.name} did not take {len(again)} of {len(part)} items yet"
            if not tries:
                failing_since = self._clock()
            tries += 1
            self._pause(tries, retry_after, reason, failing_since)
            has_waited = True
        return refused

    def _split_or_refuse(self, parts: list[list[int]], refused: dict[int, str], reason: str) -> None:
        """Put the halves of the first part in its place; a single item is refused."""
        part = parts.pop(0)
        if len(part) == 1:
            refused[part[0]] = reason
            self._count_refused(1, taken=0, why=refused)
            return
        middle = len(part) // 2
        parts[:0] = [part[:middle], part[middle:]]

    def _count_refused(self, count: int, *, taken: int, why: dict[int, str]) -> None:
        self._refused_in_a_row = 0 if taken else self._refused_in_a_row + count
        if self._refused_in_a_row >= self._most_refused:
            raise DeliveryError(
                f"{self._target.name} has refused {self._refused_in_a_row} lines one after the other, and "
                f"taken none{_unless_quoting(next(reversed(why.values())))}. Mend the target, or allow more "
                "with --max-refused: then the reasons stand among the dead letters"
            )

    def _pause(self, tries: int, retry_after: float | None, reason: str, failing_since: float) -> None:
        asked_for = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        pause = max(backoff(tries, chance=self._chance), asked_for)
        failing = self._clock() - failing_since
        if self._patience is not None and failing + pause > self._patience:
            raise DeliveryError(f"{reason}; given up after {failing:.0f} s and {tries} tries")
        self._trouble.failed(f"{reason}; trying again in {pause:.0f} s")
        if self._wait(pause):
            raise StoppedError


def _unless_quoting(reason: str) -> str:
    """Return *reason* for a message, unless it quotes something: that may be out of a line."""
    return "" if '"' in reason or "'" in reason else f" ({reason})"
