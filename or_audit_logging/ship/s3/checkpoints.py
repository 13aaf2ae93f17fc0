"""The checkpoints that a bucket keeps, with the time at which it got them.

    for kept in list_checkpoints("acme-audit/llm"): kept.text, kept.kept_at, kept.where

The time is the store's own, so it bounds from outside when the lines were there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.aws import open_session
from or_audit_logging.ship.s3.address import parse_address
from or_audit_logging.ship.s3.bucket import Bucket
from or_audit_logging.ship.target import TargetOptions


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """What a bucket keeps of a checkpoint: *text* as it stands there, since *kept_at* (UTC), *where*."""

    text: str
    kept_at: datetime
    where: str


def list_checkpoints(address: str, options: TargetOptions | None = None) -> Iterator[KeptCheckpoint]:
    """Yield the checkpoints at *address*, what stands behind `s3:`, of all hosts, by day.

    Nothing is checked: what a text is worth is for whoever reads it to say. Raises `ConfigError`,
    `MissingExtraError` and `DeliveryError`.
    """
    place = parse_address(address)
    bucket = Bucket(place, open_session("s3"), options or TargetOptions())
    try:
        for found in bucket.keys(f"{place.prefix}dt="):
            if place.is_checkpoint(found.key):
                data = bytearray()
                for block in bucket.read(found.key):
                    data += block
                    if len(data) > MAX_LINE_BYTES:
                        break
                text = bytes(data[:MAX_LINE_BYTES]).decode("utf-8", "replace")
                yield KeptCheckpoint(text, found.kept_at.astimezone(UTC), f"s3:{place.bucket}/{found.key}")
    finally:
        bucket.close()
