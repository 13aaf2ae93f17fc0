"""The checkpoints that a bucket keeps, with the time at which it got them.

    for kept in list_checkpoints("acme-audit/llm"): kept.text, kept.kept_at, kept.where

The time is the store's own, so it bounds from outside when the lines were there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.aws import open_session
from or_audit_logging.ship.s3.address import parse_address
from or_audit_logging.ship.s3.bucket import Bucket
from or_audit_logging.ship.s3.packing import LAST_SEQ
from or_audit_logging.ship.s3.storing import LOG
from or_audit_logging.ship.target import TargetOptions


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """What a bucket keeps of a checkpoint: *text* as it stands there, since *kept_at* (UTC), *where*."""

    text: str
    kept_at: datetime
    where: str


def list_checkpoints(
    address: str, options: TargetOptions | None = None, *, stored: bool = False
) -> Iterator[KeptCheckpoint]:
    """Yield the checkpoints at *address*, what stands behind `s3:`, of all hosts, by day.

    *stored*: those alone that cover nothing but lines of segments that are stored. The others speak of the
    segment that is still open as well, and whoever verifies a copy of the bucket does not have that. Nothing
    is checked: what a text is worth is for whoever reads it to say. Raises `ConfigError`, `MissingExtraError`
    and `DeliveryError`.
    """
    place = parse_address(address)
    bucket = Bucket(place, open_session("s3"), options or TargetOptions())
    try:
        ends = _ends(bucket) if stored else None
        for found in bucket.keys(f"{place.prefix}dt="):
            named = place.checkpoint_at(found.key)
            if named is None or (ends is not None and named[1] > ends.get(named[0], 0)):
                continue
            data = bytearray()
            for block in bucket.read(found.key):
                data += block
                if len(data) > MAX_LINE_BYTES:
                    break
            text = bytes(data[:MAX_LINE_BYTES]).decode("utf-8", "replace")
            yield KeptCheckpoint(text, found.kept_at.astimezone(UTC), f"s3:{place.bucket}/{found.key}")
    finally:
        bucket.close()


def _ends(bucket: Bucket) -> dict[str, int]:
    """Return for each log how many of its lines are stored, as each host's newest segments say it."""
    newest: dict[str, list[str]] = {}
    for found in bucket.keys(f"{bucket.address.prefix}dt="):
        folder, _, name = found.key.rpartition("/")
        host = folder.rpartition("/")[2]
        if host.startswith("host=") and name.endswith(".gz"):
            of_day = [key for key in newest.get(host, ()) if key.startswith(f"{folder}/")]
            newest[host] = [*of_day, found.key]
    ends: dict[str, int] = {}
    for key in itertools.chain(*newest.values()):
        segment = bucket.look(key)
        if segment is not None:
            log, last = segment.metadata.get(LOG, ""), segment.metadata.get(LAST_SEQ, "")
            ends[log] = max(ends.get(log, 0), int(last) + 1 if last.isdecimal() else 0)
    return ends
