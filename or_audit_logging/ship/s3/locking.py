"""`Lock`: Object Lock as it is asked for, and read back from the version that was written.

    lock = Lock(mode="COMPLIANCE", until=datetime(2027, 5, 24, tzinfo=UTC), is_held=True)
    confirm(bucket, key, version, lock)     # DeliveryError: the store does not say that it is locked so

There are stores that take the words and do nothing. One keeps no versions, and writes what is to lock an
object over the object itself: so nothing is changed before the store has shown that it keeps versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship.aws import MissingError
from or_audit_logging.ship.s3.address import Mode
from or_audit_logging.ship.s3.bucket import Bucket

_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What is asked for: to be kept *until* then (None: that time is over), under a legal hold or none."""

    mode: Mode
    until: datetime | None
    is_held: bool = False

    @property
    def parameters(self) -> dict[str, object]:
        """What a PUT says of it."""
        asked: dict[str, object] = {"ObjectLockLegalHoldStatus": "ON"} if self.is_held else {}
        if self.until is not None:
            asked |= {"ObjectLockMode": self.mode, "ObjectLockRetainUntilDate": self.until}
        return asked


def lock_for(mode: Mode, *, since: date, days: int, now: datetime, is_held: bool = False) -> Lock:
    """Return the lock for lines that were written on *since* at the latest and are kept for *days*."""
    try:
        until = datetime.combine(since + timedelta(days=days), time(), UTC)
    except OverflowError:
        until = datetime.combine(date.max, time(), UTC)
    return Lock(mode=mode, until=until if until > now + _SOON else None, is_held=is_held)


def confirm(bucket: Bucket, key: str, version: str | None, lock: Lock) -> None:
    """Return if the store says that *version* of *key* is locked as asked; raises `DeliveryError`."""
    known = _known(bucket, key, version)
    if lock.until is not None:
        found = _retention(bucket, key, known)
        if not _holds_for(found, lock):
            asked = f"{lock.mode} until {lock.until:%Y-%m-%d}"
            raise _not_locked(bucket, key, f"asked for {asked}, and it says {_words(found)}")
    if lock.is_held and not bucket.is_held(key, known):
        raise _not_locked(bucket, key, "asked for a legal hold, and it says that there is none")


def assure(bucket: Bucket, key: str, version: str | None, lock: Lock) -> None:
    """Lock *version*, which was there before, as far as it is not, and no shorter; then `confirm` it."""
    known = _known(bucket, key, version)
    if lock.until is not None:
        found = _retention(bucket, key, known)
        if not _holds_for(found, lock):
            until = max(found[1], lock.until) if found is not None else lock.until
            bucket.retain(key, known, mode=lock.mode, until=until)
    if lock.is_held and not bucket.is_held(key, known):
        bucket.hold(key, known, on=True)
    confirm(bucket, key, known, lock)


def set_hold(bucket: Bucket, key: str, version: str | None, *, on: bool) -> None:
    """Put *version* under a legal hold, or take it away, and read that back; raises `DeliveryError`."""
    known = _known(bucket, key, version)
    if bucket.is_held(key, known) != on:
        bucket.hold(key, known, on=on)
        if bucket.is_held(key, known) != on:
            raise _not_locked(bucket, key, f"its legal hold was to be {'on' if on else 'off'}, and is not")


def _known(bucket: Bucket, key: str, version: str | None) -> str:
    if version is None:
        raise _not_locked(bucket, key, "it keeps no versions, and without them nothing is locked")
    return version


def _retention(bucket: Bucket, key: str, version: str) -> tuple[str, datetime] | None:
    try:
        said: Any = bucket.retention(key, version)
    except MissingError:
        return None
    mode, until = said.get("Mode"), said.get("RetainUntilDate")
    if not isinstance(mode, str) or not isinstance(until, datetime):
        return None
    return mode, until if until.tzinfo is not None else until.replace(tzinfo=UTC)


def _holds_for(found: tuple[str, datetime] | None, lock: Lock) -> bool:
    """Return whether *found* is the lock that is asked for, or a stronger one."""
    if found is None or lock.until is None:
        return lock.until is None
    mode, until = found
    return mode in ("COMPLIANCE", lock.mode) and until >= lock.until


def _words(found: tuple[str, datetime] | None) -> str:
    return f"{found[0]} until {found[1].astimezone(UTC):%Y-%m-%d %H:%M}" if found else "nothing"


def _not_locked(bucket: Bucket, key: str, why: str) -> DeliveryError:
    return DeliveryError(
        f"{bucket.name} took {key} and did not lock it: {why}. Object Lock has to be "
        "switched on for the bucket, and some stores take the words alone (docs/targets.md)"
    )
