"""A shipper with a target in memory, which does as it is told.

target = MemoryTarget()
shipped = ship(folder, target, on_break="flag")
target.lines, target.notices                # sealed lines that it has; what the shipper said itself
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from or_audit_logging.ship import Answer, Item, Limits, Shipped, Shipper, TargetOptions
from or_audit_logging.ship import shipper as shipper_module

NOTICE = b'{"event_type":"ship.notice",'
_REAL_TIME = (time.time,)  # freezegun replaces what it finds in a module
LIMITS = Limits(items=1_000, bytes=1 << 20, item_bytes=1 << 20, overhead=1)


class MemoryTarget:
    """Takes everything, unless *answer* says otherwise: it is called with the items of each request.

    `ahead`: by how much its clock is ahead of the real time.
    """

    name = "memory"
    format = "native"

    def __init__(
        self, answer: Callable[[Sequence[Item]], Answer] | None = None, *, limits: Limits = LIMITS
    ) -> None:
        self.limits = limits
        self.batches: list[list[Item]] = []
        self._answer = answer
        self.ahead = timedelta(0)
        self.asked = 0
        """How often it was asked for the time."""

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

    def time(self) -> datetime | None:
        self.asked += 1
        return real_time() + self.ahead

    def close(self) -> None:
        """Nothing to close."""


def real_time() -> datetime:
    """Return what time it is, whatever a test says that it is."""
    return datetime.fromtimestamp(_REAL_TIME[0](), UTC)


def set_servers_clock(patch: pytest.MonkeyPatch, ahead: timedelta = timedelta(0)) -> None:
    """Let the Date of servers in this process be so far *ahead* of the real time, whatever ours says."""

    def date(*_: object) -> str:
        return email.utils.format_datetime(real_time() + ahead, usegmt=True)

    patch.setattr(BaseHTTPRequestHandler, "date_time_string", date)


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
