"""What a record costs in a SQLite store, alone and with other processes; how fast a log is imported.

    pip install .
    python benchmarks/store.py [ROUNDS] [--lines 50000] [--records 2000]

Variants take turns in bursts of 200 records in one process, each on a database of its own, and a figure is
taken over all records of all ROUNDS (10): median and 99th percentile of one record, in microseconds, and the
median over that of the plain peer of the same run. The peer inserts the same JSON text into a table of two
columns, one transaction a record, in WAL mode at synchronous=NORMAL: no seal, no columns, no index. Then four
processes write one store at once, RECORDS each, as fast as they can. Then a log of LINES lines is imported
with its key, and the copy verified. TMPDIR says on which disk.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from or_audit_logging import SQLiteAuditHandler, verify
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import AuditRecord
from or_audit_logging.sealing.text import orjson, written_record
from or_audit_logging.store.columns import columns_of
from or_audit_logging.store.schema import INSERT, SCHEMA
from or_audit_logging.store.writer import StoreWriter

BURST = 200
PROCESSES = 4


def secret() -> bytes:
    return b"a fake key for the benchmark: 0123456789"


def audit_record(number: int) -> AuditRecord:
    """Return the record of one call, as `@audited` makes it."""
    return AuditRecord(
        event_type="chat_completion",
        id=str(uuid.uuid4()),
        timestamp="2026-11-21T10:30:45.123456Z",
        status="success",
        user_id=f"u-{number % 500}",
        session_id="s-1",
        model_requested="openai/gpt-4o-mini",
        model_used="openai/gpt-4o-mini-2024-07-18",
        provider="OpenAI",
        generation_id=f"gen-1763712000-{uuid.uuid4().hex[:20]}",
        prompt_hash="hmac-sha256:0a1b2c3d:" + "0" * 64,
        response_hash="hmac-sha256:0a1b2c3d:" + "0" * 64,
        prompt_tokens=812,
        completion_tokens=164,
        total_tokens=976,
        total_cost=Decimal("0.0002202"),
        cost_source="response",
        latency_ms=812.443,
        streamed=False,
        finish_reason="stop",
        metadata={"feature": "faq"},
    )


Write = Callable[[AuditRecord], object]


def database(path: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(path, isolation_level=None)
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("PRAGMA synchronous=NORMAL")
    return opened


def plain(folder: Path) -> Write:
    """Return the peer."""
    opened = database(folder / "plain.db")
    opened.execute("CREATE TABLE line (seq INTEGER PRIMARY KEY, line TEXT)")

    def write(record: AuditRecord) -> None:
        line = written_record(record).decode("ascii")
        opened.execute("BEGIN IMMEDIATE")
        opened.execute("INSERT INTO line (line) VALUES (?)", (line,))
        opened.execute("COMMIT")

    return write


def plain_with_columns(folder: Path) -> Write:
    """Return an unsealed insert into a store's own tables: what columns, indexes and triggers take."""
    opened = database(folder / "columns.db")
    for statement in SCHEMA.values():
        opened.execute(statement)
    seq = iter(range(1 << 62))

    def write(record: AuditRecord) -> None:
        line = written_record(record)
        opened.execute("BEGIN IMMEDIATE")
        opened.execute(INSERT, (next(seq), line.decode("ascii"), *columns_of(line)))
        opened.execute("COMMIT")

    return write


def sealed(folder: Path) -> Write:
    writer = StoreWriter(folder / "sealed.db", KeyRing.from_sources(secret))
    return lambda record: writer.append(written_record(record))


def handled(folder: Path, durability: str) -> Write:
    handler = SQLiteAuditHandler(folder / f"{durability}.db", key=secret, durability=durability)
    digest = handler.policy.redactor.digest
    log_record = logging.LogRecord("openrouter.audit", logging.INFO, __file__, 1, "x", (), None)

    def write(record: AuditRecord) -> None:
        object.__setattr__(record, "redacted_under", digest)  # as capture hands it over
        log_record.audit = record
        handler.handle(log_record)

    return write


def compare(folder: Path, rounds: int) -> None:
    """Print what one record takes."""
    variants: dict[str, Write] = {
        "plain sqlite3, JSON text alone": plain(folder),
        "plain sqlite3, a store's columns, indexes and triggers": plain_with_columns(folder),
        "ours: sealed (StoreWriter.append)": sealed(folder),
        "ours: handler, flush (NORMAL)": handled(folder, "flush"),
        "ours: handler, fsync (FULL)": handled(folder, "fsync"),
    }
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, write in variants.items():
            burst = BURST // 10 if "FULL" in name else BURST
            for number in range(burst):
                record = audit_record(number)
                begun = time.perf_counter()
                write(record)
                taken[name].append((time.perf_counter() - begun) * 1e6)
    peer = statistics.median(taken["plain sqlite3, JSON text alone"])
    print("| one record | median us | p99 | of plain |\n|---|---|---|---|")
    for name, times in taken.items():
        median, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"| {name} | {median:.1f} | {p99:,.0f} | {median / peer:.2f} |")


def write_many(path: str, count: int, out: multiprocessing.queues.Queue[list[float]]) -> None:
    writer = StoreWriter(Path(path), KeyRing.from_sources(secret), lock_timeout=60)
    bodies = [written_record(audit_record(number)) for number in range(count)]
    times = []
    for body in bodies:
        begun = time.perf_counter()
        writer.append(body)
        times.append((time.perf_counter() - begun) * 1e6)
    writer.stop()
    out.put(times)


def together(folder: Path, count: int) -> None:
    """Print what several processes take on one store, and that nothing is lost."""
    print("\n| processes on one store | records/s | median us | p99 | greatest | in the store |")
    print("|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for processes in (1, PROCESSES):
        path, out = folder / f"together{processes}.db", context.Queue()
        StoreWriter(path, KeyRing.from_sources(secret)).stop()
        workers = [context.Process(target=write_many, args=(str(path), count, out)) for _ in range(processes)]
        for worker in workers:
            worker.start()
        each = [out.get() for _ in workers]
        for worker in workers:
            worker.join()
        times = sorted(one for times in each for one in times)
        rate = sum(len(own) / (sum(own) / 1e6) for own in each)
        with sqlite3.connect(path) as opened:
            (kept,) = opened.execute("SELECT count(*) FROM audit_log").fetchone()
        median, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        print(
            f"| {processes} | {rate:,.0f} | {median:.1f} | {p99:,.0f} | {times[-1]:,.0f} "
            f"| {kept} of {processes * count} |"
        )


def copy(folder: Path, lines: int) -> None:
    """Print how fast a log is imported, and the copy verified."""
    writer = LogWriter(LogLayout.from_filename(folder / "log" / "audit.jsonl"), KeyRing.from_sources(secret))
    for number in range(lines):
        writer.append(written_record(audit_record(number)))
    writer.stop()
    begun = time.perf_counter()
    done = import_log(folder / "log", folder / "copy.db", key=secret)
    imported = time.perf_counter()
    report = verify(folder / "copy.db", key=secret)
    verified = time.perf_counter()
    assert (report.findings, report.lines) == ((), done.lines)
    size = (folder / "copy.db").stat().st_size / done.lines
    print(f"\n| {done.lines:,} lines | lines/s |\n|---|---|")
    print(f"| import with the key | {done.lines / (imported - begun):,.0f} |")
    print(f"| verify the copy, columns included | {done.lines / (verified - imported):,.0f} |")
    print(f"\n{size:,.0f} bytes a line in the store.")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a SQLite store costs.")
    parser.add_argument("rounds", type=int, nargs="?", default=10)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--records", type=int, default=2000)
    options = parser.parse_args()
    quick = f"orjson {orjson.__version__}" if orjson else "no orjson"
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {quick}"
    print(f"{versions}, {os.cpu_count()} cores, {sys.platform}\n")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), options.rounds)
        together(Path(folder), options.records)
        copy(Path(folder), options.lines)


if __name__ == "__main__":
    main()
