"""Settling many calls that have no cost, against FakeOpenRouter on loopback: no burst, and how long it takes.

    python benchmarks/settle.py [--calls 1000] [--rate 10] [--lines 100000]

Counts the questions that arrive in each window of a second, and times the reading of a long log for what is
pending in it.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import platform
import tempfile
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

from or_audit_logging import AuditFileHandler
from or_audit_logging.evidence.settle import settle
from or_audit_logging.openrouter import OpenRouterAPI
from or_audit_logging.record import AuditRecord, utc_timestamp
from or_audit_logging.testing import FakeOpenRouter

KEY = "sk-or-v1-fake-key-of-a-benchmark"


class Counting(FakeOpenRouter):
    """Notes when each question arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[float] = []

    def _answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Any:
        if method == "GET":
            self.arrived.append(time.monotonic())
        return super()._answer(method, target, headers, raw)


def calls(server: FakeOpenRouter, count: int) -> list[AuditRecord]:
    """Make *count* calls and return records of them that have no cost."""
    at = datetime.now(UTC) - timedelta(hours=1)
    made = []
    with requests.Session() as session:
        for number in range(count):
            body = session.post(
                f"{server.base_url}/chat/completions",
                json={"model": "fake/ok", "messages": [{"role": "user", "content": f"Number {number}?"}]},
                headers={"Authorization": f"Bearer {KEY}"},
                timeout=10,
            ).json()
            made.append(
                AuditRecord(
                    event_type="chat_completion",
                    id=f"00000000-0000-4000-8000-{number:012}",
                    timestamp=utc_timestamp(at),
                    status="incomplete",
                    model_requested="fake/ok",
                    generation_id=body["id"],
                )
            )
    return made


def write(log: Path, records: list[AuditRecord], others: int) -> None:
    """Write *records* and *others* that have a cost."""
    handler = AuditFileHandler(log / "audit.jsonl")
    priced = (
        replace(records[0], id=str(uuid.uuid4()), total_cost=Decimal("0.5"), cost_source="response")
        for _ in range(others)
    )
    for record in itertools.chain(priced, records):
        made = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "", (), None)
        made.audit = record
        handler.handle(made)
    handler.close()


def most_in_a_second(moments: list[float]) -> int:
    """Return the largest number of *moments* in any window of one second."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    os.environ |= {
        "OR_AUDIT_KEY": "a fake key of a benchmark, not a secret",
        "BENCHMARK_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
    }
    print(f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as folder, Counting() as server:
        log = Path(folder) / "log"
        write(log, calls(server, options.calls), options.lines)
        began = time.perf_counter()
        pending = len(settle(log, dry_run=True).pending)
        took = time.perf_counter() - began
        print(f"reading {options.lines + options.calls:,} lines: {took:.2f} s, {pending:,} calls are pending")
        with OpenRouterAPI("env:BENCHMARK_KEY", base_url=server.base_url, rate=options.rate) as api:
            began = time.perf_counter()
            result = settle(log, api=api)
            took = time.perf_counter() - began
    print(
        f"settled {result.settled:,} of {options.calls:,} in {took:.1f} s at no more than {options.rate:g} "
        f"a second: at most {most_in_a_second(server.arrived)} arrived in one"
    )


if __name__ == "__main__":
    main()
