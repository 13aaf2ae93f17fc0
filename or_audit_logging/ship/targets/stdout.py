"""`stdout`: the lines on standard output, for whatever reads it. What a kill interrupts comes twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.sealing.line import MAX_LINE_BYTES
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions


class StdoutTarget:
    """Standard output."""

    limits = Limits(items=1_000, bytes=1 << 20, item_bytes=8 * MAX_LINE_BYTES, overhead=1)
    format = "native"
    name = "stdout"

    def send(self, items: Sequence[Item], /) -> Answer:
        """Write *items*, and return when whoever reads has room for them."""
        try:
            sys.stdout.buffer.write(b"".join(item.body + b"\n" for item in items))
            sys.stdout.buffer.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(f"standard output cannot be written: {type(error).__name__}") from None
        return Answer()

    def close(self) -> None:
        """Standard output is not ours to close."""


def open_target(address: str, options: TargetOptions) -> StdoutTarget:
    """Return the target; raises `ConfigError` where it is given an address."""
    if address:
        raise ConfigError("stdout has no address")
    if getattr(sys, "stdout", None) is None:
        raise ConfigError("standard output is closed")
    return StdoutTarget()
