"""Legal holds on segments that are stored already.

    hold_stored(bucket, hold, host=host, log=log)                       # a log.hold has passed
    release_stored(bucket, hold, others, host=host, log=log)            # a log.release: what no other covers

Every version counts, also one behind a deletion. Which days a segment covers stands in its metadata, which
nobody changes once it was put; an object of this host that has none may be a segment of the log, and counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from or_audit_logging.sealing.keeping import Hold, days_of_records
from or_audit_logging.ship.s3.address import day_of
from or_audit_logging.ship.s3.bucket import Bucket, Listed
from or_audit_logging.ship.s3.locking import set_hold
from or_audit_logging.ship.s3.packing import CLOSED, OPENED
from or_audit_logging.ship.s3.storing import LOG


def hold_stored(bucket: Bucket, hold: Hold, *, host: str, log: str) -> int:
    """Put the stored segments of *log* that *hold* covers under a legal hold; return how many there are."""
    count = 0
    for stored, days in _stored(bucket, host=host, log=log):
        if hold.covers(*days):
            set_hold(bucket, stored.key, stored.version, on=True)
            count += 1
    return count


def release_stored(bucket: Bucket, hold: Hold, others: Sequence[Hold], *, host: str, log: str) -> int:
    """Take the legal hold from what *hold* covered and none of the *others* covers; return how many."""
    count = 0
    for stored, days in _stored(bucket, host=host, log=log):
        if hold.covers(*days) and not any(other.covers(*days) for other in others):
            set_hold(bucket, stored.key, stored.version, on=False)
            count += 1
    return count


def _stored(bucket: Bucket, *, host: str, log: str) -> Iterator[tuple[Listed, tuple[date, date]]]:
    """Yield the stored segments of *log*, with the days on which a record in them may have been made."""
    for folder in list(bucket.folders(f"{bucket.address.prefix}dt=")):
        for stored in list(bucket.versions(f"{folder}host={host}/")):
            found = bucket.look(stored.key, stored.version)
            if found is not None and found.metadata.get(LOG, log) == log:
                yield stored, _days(stored.key, found.metadata)


def _days(key: str, metadata: Mapping[str, str]) -> tuple[date, date]:
    """Return the days of the object at *key*; all there are where it does not say which."""
    day = day_of(key.rpartition("/")[2].removesuffix(".gz"))
    try:
        opened, closed = date.fromisoformat(metadata[OPENED]), date.fromisoformat(metadata[CLOSED])
    except (KeyError, ValueError):
        return date.min, date.max
    return days_of_records(day or opened, opened, closed)
