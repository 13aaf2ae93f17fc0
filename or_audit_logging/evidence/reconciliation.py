"""What `reconcile` found: lines by day and model, differences, and what else has to be known. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from or_audit_logging.pricing import from_pico

Kind = Literal["missing here", "missing there", "different cost"]

LISTED = 1000

_NOTES = {
    "key": "the figures are those of the asking key alone; calls made with other keys are not in them",
    "activity": "the figures are the whole account's; calls that other logs hold are missing here",
    "file": "the figures are those of the file, whatever it was exported for",
}


@dataclass(slots=True)
class Amount:
    """A sum in 1e-12 USD, the requests in it (None: not said), and how many of them have no cost yet."""

    cost: int = 0
    requests: int | None = 0
    unpriced: int = 0

    def add(self, cost: int | None, requests: int | None, *, unpriced: int | None = None) -> None:
        """Add a call, a row, or a sum of which so many are *unpriced*."""
        self.cost += cost or 0
        self.unpriced += cost is None if unpriced is None else unpriced
        self.requests = None if self.requests is None or requests is None else self.requests + requests

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; money as text with all its digits."""
        return {"cost": _text(self.cost), "requests": self.requests, "unpriced": self.unpriced}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that one side has and the other has not, or has at another cost (in 1e-12 USD)."""

    kind: Kind
    day: date
    model: str
    generation_id: str | None
    here: int | None
    there: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "kind": self.kind,
            "day": self.day.isoformat(),
            "model": self.model,
            "generation_id": self.generation_id,
            "here": _text(self.here),
            "there": _text(self.there),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A day and a model: what the log says, and what OpenRouter says; None where there is nothing."""

    day: date
    model: str
    here: Amount | None
    there: Amount | None
    within: int = 0

    @property
    def difference(self) -> Difference | None:
        """Where the two disagree by more than `within`. A call that cost nothing may be missing there."""
        here, there = self.here, self.there
        kind: Kind | None = None
        if here is None:
            kind = "missing here"
        elif there is None:
            kind = "missing there" if abs(here.cost) > self.within else None
        elif abs(here.cost - there.cost) > self.within:
            kind = "different cost"
        if kind is None:
            return None
        return Difference(
            kind=kind,
            day=self.day,
            model=self.model,
            generation_id=None,
            here=here.cost if here is not None else None,
            there=there.cost if there is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """How the log and OpenRouter's figures compare.

    `source`: "activity", "key" or "file". `repeated`: records of generations that were counted already.
    `undated`: calls of no known day. `unresolved`: calls that OpenRouter never said a cost of.
    """

    since: date
    until: date
    source: str
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]
    repeated: int = 0
    undated: int = 0
    unresolved: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    days_without_figures: tuple[date, ...] = ()

    @property
    def here(self) -> Amount:
        """The log's sum."""
        return _sum([line.here for line in self.lines])

    @property
    def there(self) -> Amount:
        """OpenRouter's sum."""
        return _sum([line.there for line in self.lines])

    @property
    def exit_code(self) -> int:
        """0 where both agree, 1 where they differ, 2 where a part of the log could not be read."""
        return 2 if self.unreadable else 1 if self.differences else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the comparison."""
        notes = [_NOTES[self.source]]
        if self.here.unpriced:
            notes.append(f"{self.here.unpriced} calls here have no cost yet; 'or-audit settle' asks for them")
        if self.unresolved:
            notes.append(f"{self.unresolved} calls here were given up on: OpenRouter never said their cost")
        if self.repeated:
            notes.append(f"{self.repeated} records repeat a generation that is counted once")
        if self.undated:
            notes.append(f"{self.undated} records have no time that can be read and are in no sum")
        if self.days_without_figures:
            days = ", ".join(map(str, self.days_without_figures[:5]))
            notes.append(f"there are no figures for {days}{' ...' * (len(self.days_without_figures) > 5)}")
        for line in self.lines:
            here, there = line.here, line.there
            if here is None or there is None or there.requests is None or line.difference is not None:
                continue
            if here.requests != there.requests:
                notes.append(
                    f"{line.day} {line.model}: {here.requests} requests here, {there.requests} there, "
                    "at the same cost"
                )
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; money as text with all its digits."""
        return {
            "exit_code": self.exit_code,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "source": self.source,
            "here": self.here.to_dict(),
            "there": self.there.to_dict(),
            "difference": _text(self.here.cost - self.there.cost),
            "lines": [
                {
                    "day": line.day.isoformat(),
                    "model": line.model,
                    "here": line.here.to_dict() if line.here else None,
                    "there": line.there.to_dict() if line.there else None,
                }
                for line in self.lines
            ],
            "difference_count": len(self.differences),
            "differences": [one.to_dict() for one in self.differences[:LISTED]],
            "notes": list(self.notes),
            "unreadable": dict(self.unreadable),
        }


def money(cost: int) -> Decimal:
    """Return a sum of 1e-12 USD in USD."""
    return from_pico(cost)


def _sum(amounts: list[Amount | None]) -> Amount:
    total = Amount()
    for amount in amounts:
        if amount is not None:
            total.add(amount.cost, amount.requests, unpriced=amount.unpriced)
    return total


def _text(cost: int | None) -> str | None:
    return None if cost is None else format(from_pico(cost), "f")
