"""`Losses`: records that could not be written, remembered until the log says so itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from or_audit_logging.sealing.control import LOST_REASONS


class Losses:
    """Counts by reason and detail; `total` counts all there ever were."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self.total = 0

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, count: int = 1, *, reason: str = "other", detail: str | None = None) -> None:
        """Remember *count* records; none, where something happened to the log that lost no known number."""
        if reason not in LOST_REASONS:
            raise ValueError(f"{reason} is no reason that log.lost states")
        self._counts[reason, detail] += count
        self.total += count

    def to_state(self) -> Iterator[tuple[int, str, str | None]]:
        """Yield count, reason and detail of each; one is forgotten when the next is asked for."""
        for (reason, detail), count in list(self._counts.items()):
            yield count, reason, detail
            self._counts[reason, detail] -= count
            if not self._counts[reason, detail]:
                del self._counts[reason, detail]

    def give_back(self, count: int, reason: str, detail: str | None) -> None:
        """Remember what `to_state` handed out and could not be stated after all."""
        self._counts[reason, detail] += count

    def clear(self) -> None:
        """Forget what is to be stated: a forked child's copy is its parent's to state."""
        self._counts.clear()
