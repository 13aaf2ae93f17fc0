"""`Batch`: items that go out in one request, within what the target takes. And: which item goes out at all.

batch = Batch(target.limits)
if not batch.has_room_for(item): ...    # send it, and begin another
batch.add(item)
"""

from __future__ import annotations

from datetime import datetime, timedelta

from or_audit_logging.ship.target import Item, Limits

LONGEST_EARLY = timedelta(days=1)
"""So far beyond what the target takes a date may be ahead and is waited for; what is behind it waits, too."""


class Batch:
    """Items, in their order, and how much they are."""

    def __init__(self, limits: Limits) -> None:
        self.items: list[Item] = []
        self._limits = limits
        self._bytes = 0
        self._earliest: datetime | None = None
        self._latest: datetime | None = None

    def has_room_for(self, item: Item) -> bool:
        """Return whether *item* may go out with what is there; into an empty batch it may."""
        if not self.items:
            return True
        limits = self._limits
        if len(self.items) >= limits.items:
            return False
        if self._bytes + len(item.body) + limits.overhead > limits.bytes:
            return False
        return limits.span is None or self._span_with(item) <= limits.span

    def add(self, item: Item) -> None:
        """Take *item* in."""
        self.items.append(item)
        self._bytes += len(item.body) + self._limits.overhead
        if self._limits.span is not None and item.time is not None:
            self._earliest = item.time if self._earliest is None else min(self._earliest, item.time)
            self._latest = item.time if self._latest is None else max(self._latest, item.time)

    def _span_with(self, item: Item) -> timedelta:
        if item.time is None or self._earliest is None or self._latest is None:
            return timedelta(0)
        return max(self._latest, item.time) - min(self._earliest, item.time)


def unfit(item: Item, limits: Limits) -> str | None:
    """Return why the target can never take *item*, None where it may.

    Some targets say that they took what they then drop or cut: so it is looked at before.
    """
    if not item.body:
        return "not JSON, and so not to be written in this format"
    size = len(item.body) + limits.overhead
    if size > limits.item_bytes:
        return f"{size:,} bytes, and the target takes {limits.item_bytes:,} at most"
    return None


def outdated(item: Item, limits: Limits, *, now: datetime) -> str | None:
    """Return why the target would not keep *item* for its date, None where it would, or will soon."""
    if item.time is None:
        return None
    if limits.oldest is not None and now - item.time > limits.oldest:
        return f"older than {words(limits.oldest)}, which the target does not keep"
    if limits.newest is not None and item.time - now > limits.newest + LONGEST_EARLY:
        return f"dated more than {words(limits.newest + LONGEST_EARLY)} ahead"
    return None


def words(span: timedelta) -> str:
    """Return *span* in words, down to minutes."""
    minutes = span // timedelta(minutes=1)
    if minutes < 60:
        return f"{minutes} minutes" if minutes != 1 else "a minute"
    hours = minutes // 60
    if hours == 1:
        return "an hour"
    if hours >= 48 and (hours % 24 == 0 or hours > 240):
        return f"{hours // 24} days"
    return f"{hours} hours"
