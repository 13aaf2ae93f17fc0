"""A shipper with a target in memory, which does as it is told.

target = MemoryTarget()
shipped = ship(folder, target, on_break="flag")
target.lines, target.notices                # sealed lines that it has; what the shipper said itself
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from or_audit_logging.ship import Answer, Item, Limits, Shipped, Shipper, TargetOptions
from or_audit_logging.ship import shipper as shipper_module

NOTICE = b'{"event_type":"ship.notice",'
LIMITS = Limits(items=1_000, bytes=1 << 20, item_bytes=1 << 20, overhead=1)


class MemoryTarget:
    """Takes everything, unless *answer* says otherwise: it is called with the items of each request."""

    name = "memory"
    format = "native"

    def __init__(
        self, answer: Callable[[Sequence[Item]], Answer] | None = None, *, limits: Limits = LIMITS
    ) -> None:
        self.limits = limits
        self.batches: list[list[Item]] = []
        self._answer = answer

    @property
    def items(self) -> list[Item]:
        """All items that it has."""
        return [item for batch in self.batches for item in batch]

    @property
    def lines(self) -> list[bytes]:
        """The sealed lines, and stubs, that it has."""
        return [item.line for item in self.items if not item.line.startswith(NOTICE)]

    @property
    def notices(self) -> list[dict[str, Any]]:
        """What the shipper has said itself."""
        return [json.loads(item.line) for item in self.items if item.line.startswith(NOTICE)]

    def send(self, items: Sequence[Item], /) -> Answer:
        answer = self._answer(items) if self._answer is not None else Answer()
        gone = set(answer.refused) | set(answer.again)
        self.batches.append([item for index, item in enumerate(items) if index not in gone])
        return answer

    def close(self) -> None:
        """Nothing to close."""


def shipper_to(target: Any, folder: Path, **options: Any) -> Shipper:
    """Return a shipper of the log in *folder* to *target* that does not wait between tries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipper_module, "open_target", lambda text, given: target)
        return Shipper(folder, "memory:", **({"wait": lambda pause: None} | options))


def ship(folder: Path, target: Any, **options: Any) -> Shipped:
    """Ship what is there to *target*."""
    with shipper_to(target, folder, **options) as shipper:
        return shipper.run()


def site_options(**options: Any) -> TargetOptions:
    """Return options under which nothing is waited for long."""
    return TargetOptions(**({"timeout": 2.0} | options))
