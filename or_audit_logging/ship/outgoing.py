"""`Outgoing`: items on their way to a target: put together, delivered, or put among the dead letters.

if not outgoing.has_room_for(item): outgoing.send()
outgoing.add(item)
outgoing.delivered, outgoing.dead_letters       # how many it came to
"""

from __future__ import annotations

import time
from collections.abc import Callable

from or_audit_logging.ship.batches import Batch, unfit
from or_audit_logging.ship.dead_letters import DeadLetters
from or_audit_logging.ship.delivery import Delivery
from or_audit_logging.ship.target import Item, Limits


class Outgoing:
    """What goes to one target, in the order in which it is added."""

    def __init__(
        self, limits: Limits, *, delivery: Delivery, letters: DeadLetters, told: Callable[[str], None]
    ) -> None:
        self._limits = limits
        self._delivery = delivery
        self._letters = letters
        self._told = told
        self._batch = Batch(limits)
        self._unsent: list[tuple[Item, str]] = []
        """What the target would not keep, with the reasons."""
        self.began = 0.0
        """When the first item that waits was added (monotonic)."""
        self.delivered = self.dead_letters = 0

    def has_room_for(self, item: Item) -> bool:
        """Return whether *item* may go out with what waits; if not, `send` first."""
        return (
            self._batch.has_room_for(item)
            and len(self._unsent) < self._limits.items
            and not self._delivery.seems_early(item)  # what stands before it is not to wait as well
        )

    def add(self, item: Item) -> None:
        """Take *item* in."""
        reason = unfit(item, self._limits)
        if reason is not None:
            self._unsent.append((item, reason))
            return
        if not self._batch.items:
            self.began = time.monotonic()
        self._batch.add(item)

    def send(self) -> bool:
        """Deliver what waits, and put aside what is refused; return whether anything waited.

        Raises `DeliveryError`, `StoppedError` and `OSError`; some of it may have arrived then.
        """
        items = self._batch.items
        if not items and not self._unsent:
            return False
        unkept = self._delivery.unkept(items) if items else {}
        unsent = [*self._unsent, *((items[index], reason) for index, reason in unkept.items())]
        unsent.sort(key=lambda pair: pair[0].seq)
        items = [item for index, item in enumerate(items) if index not in unkept]
        answer = self._delivery.deliver(items) if items else {}
        refused = [(items[index], reason) for index, reason in sorted(answer.items())]
        if refused or unsent:
            self._put_aside(refused, unsent)
        self.delivered += len(items) - len(refused)
        self.dead_letters += len(refused) + len(unsent)
        self._batch, self._unsent = Batch(self._limits), []
        return True

    def _put_aside(self, refused: list[tuple[Item, str]], unsent: list[tuple[Item, str]]) -> None:
        """Add what is refused, and what was not sent, to the dead letters, and say so."""
        self._letters.add(refused, unsent=unsent)
        for found, why in (
            (refused, "refused"),
            (unsent, f"not sent: {unsent[0][1]}" if unsent else ""),
        ):
            if found:
                lines = "1 line" if len(found) == 1 else f"{len(found):,} lines"
                self._told(f"{lines} from seq {found[0][0].seq} on, {why}; see {self._letters.path}")
