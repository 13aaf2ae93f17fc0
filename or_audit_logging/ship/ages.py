"""`Ages`: what a target keeps by its date, where our own clock may be the one that is wrong.

    ages = Ages(target)
    ages.unkept(items)                      # {0: "older than 14 days, which the target does not keep"}
    ages.refuse_early(items)                # raises TryLaterError for what is to be waited for

As long as dates are within the limits by our clock, it is believed. Where one is not, the target is asked
what time it has, and that counts: after a boot with a wrong clock the whole log would seem too old.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from or_audit_logging.ship.batches import outdated, words
from or_audit_logging.ship.target import Item, Target, TryLaterError

_ASKED_AGAIN = 600.0
"""Seconds for which the target's word holds."""
_STEP = 30.0
"""Seconds by which our clock may go otherwise than the monotonic one before the target is asked anew."""
_PLAIN_AHEAD = timedelta(hours=1)
"""What is dated further ahead of our clock than this shows that it may be behind."""
_WORTH_SAYING = timedelta(minutes=5)


class Ages:
    """The dates of items against the limits of one target."""

    def __init__(self, target: Target, *, told: Callable[[str], None] = lambda message: None) -> None:
        """*target* may have a method `time`, which returns what time it has, None where it does not say.

        It raises as `send` does. Where nobody says, our clock counts.
        """
        self._target = target
        self._told = told
        self._ahead = self._said = timedelta(0)
        """By how much our clock is ahead of the target's; what of it was said."""
        self._asked_at: float | None = None
        self._drift = 0.0

    def unkept(self, items: Sequence[Item]) -> dict[int, str]:
        """Return the items that the target would not keep for their dates, by index, with the reasons."""
        if (now := self._now(items)) is None:
            return {}
        found = {index: outdated(item, self._target.limits, now=now) for index, item in enumerate(items)}
        return {index: reason for index, reason in found.items() if reason is not None}

    def refuse_early(self, items: Sequence[Item]) -> None:
        """Raise `TryLaterError` where an item is dated further ahead than the target takes, until it does."""
        newest, now = self._target.limits.newest, self._now(items)
        if newest is None or now is None:
            return
        for item in items:
            if item.time is not None and item.time - now > newest:
                raise TryLaterError(
                    f"seq {item.seq} is dated more than {words(newest)} ahead, which {self._target.name} "
                    "does not take yet",
                    retry_after=(item.time - now - newest).total_seconds() + 1,
                )

    def seems_early(self, item: Item) -> bool:
        """Return whether *item* may have to be waited for, by our own clock."""
        newest = self._target.limits.newest
        return newest is not None and item.time is not None and item.time - datetime.now(UTC) > newest

    def _now(self, items: Sequence[Item]) -> datetime | None:
        """Return the time that *items* are held against; None where the target looks at no dates."""
        limits, times = self._target.limits, [item.time for item in items if item.time is not None]
        if not times or (limits.oldest is None and limits.newest is None):
            return None
        ours = datetime.now(UTC)
        is_old = limits.oldest is not None and ours - min(times) > limits.oldest
        if is_old or max(times) - ours > min(limits.newest or _PLAIN_AHEAD, _PLAIN_AHEAD):
            return ours - self._ahead_of_target()
        return ours

    def _ahead_of_target(self) -> timedelta:
        """Return by how much our clock is ahead of the target's, which is asked where that is long ago."""
        drift, now = time.time() - time.monotonic(), time.monotonic()
        if self._asked_at is None or now - self._asked_at > _ASKED_AGAIN or abs(drift - self._drift) > _STEP:
            ask: Callable[[], datetime | None] | None = getattr(self._target, "time", None)
            theirs = ask() if ask is not None else None
            self._ahead = datetime.now(UTC) - theirs if theirs is not None else timedelta(0)
            self._asked_at, self._drift = time.monotonic(), time.time() - time.monotonic()
            self._say()
        return self._ahead

    def _say(self) -> None:
        if abs(self._ahead - self._said) > _WORTH_SAYING:
            side = "ahead of" if self._ahead > timedelta(0) else "behind"
            self._told(
                f"this machine's clock is {words(abs(self._ahead))} {side} that of {self._target.name}, "
                "which counts here: set it right"
            )
            self._said = self._ahead


def http_date(value: str | None) -> datetime | None:
    """Return the time that a Date header (RFC 9110, section 6.6.1) tells; None for none, or no date."""
    try:
        when = email.utils.parsedate_to_datetime(value or "")
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
