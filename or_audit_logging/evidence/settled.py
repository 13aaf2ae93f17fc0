"""What came of settling: how many costs were found, what is still pending, and why asking stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from or_audit_logging.record import utc_timestamp

_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Pending:
    """A call whose cost is to be asked for: its generation id, when it ended, when to ask next."""

    generation_id: str
    since: datetime
    next_ask: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of it.

    `cost` is the sum of what was settled, in USD. `answers` counts, by HTTP status, the questions that
    brought no cost. `unresolved`: calls given up now. `unidentified`: calls without a cost that bear no id to
    ask for. `problem` says why asking stopped early; `is_refused` that it needs somebody (401, 402).
    """

    asked: int = 0
    settled: int = 0
    cost: Decimal = Decimal(0)
    unresolved: int = 0
    pending: tuple[Pending, ...] = ()
    unidentified: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    is_refused: bool = False

    @property
    def exit_code(self) -> int:
        """0 where nothing is pending, 1 where something is or could not be read, 2 for a key refused."""
        return 2 if self.is_refused else 1 if self.pending or self.unreadable else 0

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; money as text with all its digits."""
        return {
            "exit_code": self.exit_code,
            "asked": self.asked,
            "settled": self.settled,
            "cost": format(self.cost, "f"),
            "unresolved": self.unresolved,
            "pending": len(self.pending),
            "pending_generations": [
                {
                    "generation_id": one.generation_id,
                    "since": utc_timestamp(one.since),
                    "next_ask": utc_timestamp(one.next_ask),
                }
                for one in self.pending[:_LISTED]
            ],
            "unidentified": self.unidentified,
            "answers": {str(code): count for code, count in sorted(self.answers.items())},
            "unreadable": dict(self.unreadable),
            "problem": self.problem,
        }
