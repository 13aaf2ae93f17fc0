"""What writing one record takes: the audit handler beside other handlers, processes, fsync, opening, asyncio.

    pip install . concurrent-log-handler loguru structlog orjson     # peers that are missing are left out
    python benchmarks/writer.py [ROUNDS] [--only SECTION ...] [--open [LINES]]

Everything is in one run and in turn: each round gives every variant a burst of 200 records, in a new order.
A figure is the median over the rounds, p10 the lower tenth, the ratio the median of the ratios within a round
to R, the standard library's TimedRotatingFileHandler with python-json-logger's JsonFormatter. All variants
get the same records, made before the burst: ours as an `AuditRecord`, the others as a ready dict in `extra`.
What is timed begins with `makeRecord` and ends when the line is in the file; checkpoints are included. ROUNDS
(60) scales the other sections too. TMPDIR says on which disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import importlib
import json
import logging
import logging.handlers
import math
import multiprocessing
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from or_audit_logging import AuditFileHandler, AuditRecord, RedactionFilter, verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log import segment_file
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing import text
from or_audit_logging.sealing.chain import LogKeys, leaf_hash
from or_audit_logging.sealing.merkle import Frontier

BURST = 200
WARM_UP = 3
SLOW_DISK = 0.002
"""Seconds that a simulated fsync takes."""
PROCESSES = (1, 2, 4, 8)
THREADS = (1, 4, 16, 64)
TASKS = 50
LOG_NAME = "audit.jsonl"
REFERENCE = "R: TimedRotatingFileHandler, JsonFormatter"
MESSAGE = "chat_completion success openai/gpt-4o-mini"
RECORD = AuditRecord(
    event_type="chat_completion",
    id="",
    timestamp=utc_timestamp(datetime.now(UTC)),
    status="success",
    user_id="u-42",
    session_id="s-2026-11-21-0001",
    request_id="req-7f3a9c",
    model_requested="openai/gpt-4o-mini",
    model_used="openai/gpt-4o-mini-2024-07-18",
    provider="OpenAI",
    generation_id="gen-1795277414-aBcDeFgHiJkLmNoPqRsT",
    prompt_hash="hmac-sha256:0a1b2c3d:" + "5f" * 32,
    response_hash="hmac-sha256:0a1b2c3d:" + "a7" * 32,
    prompt_tokens=110,
    completion_tokens=20,
    total_tokens=130,
    cached_tokens=0,
    reasoning_tokens=0,
    total_cost=Decimal("0.0000841005"),
    cost_source="provider",
    upstream_cost=Decimal("0.0000841005"),
    latency_ms=812.443,
    streamed=False,
    finish_reason="stop",
    native_finish_reason="stop",
    metadata={"feature": "faq", "tenant": "t-7"},
    service="support-desk",
    environment="production",
    host="app-3",
)


def fresh(count: int, *, redacted_under: str | None = None) -> list[AuditRecord]:
    """Return records with ids of their own: a handler writes one with the same id only once."""
    return [replace(RECORD, id=str(uuid.uuid4()), redacted_under=redacted_under) for _ in range(count)]


def flat(record: AuditRecord) -> dict[str, Any]:
    """Return the members as other encoders take them."""
    return {k: float(v) if isinstance(v, Decimal) else v for k, v in record.to_dict().items()}


def audited(record: AuditRecord) -> dict[str, Any]:
    return {"audit": record}


def made(logger: logging.Logger, extra: dict[str, Any]) -> logging.LogRecord:
    return logger.makeRecord(logger.name, logging.INFO, __file__, 0, MESSAGE, (), None, extra=extra)


def logger_of(handler: logging.Handler) -> logging.Logger:
    """Return a logger of its own that has *handler* alone."""
    logger = logging.getLogger(f"benchmark.{uuid.uuid4().hex}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def audit_handler(folder: Path, *, with_filter: bool = True, **options: Any) -> AuditFileHandler:
    handler = AuditFileHandler(folder / LOG_NAME, **options)
    if with_filter:
        handler.addFilter(RedactionFilter())
    return handler


def installed(name: str) -> Any:
    """Return the module *name*, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def table(*rows: Iterable[object]) -> None:
    """Print *rows*, the first one the head, as a table in Markdown."""
    head, *rest = [[str(cell) for cell in row] for row in rows]
    for cells in (head, ["---"] * len(head), *rest):
        print("| " + " | ".join(cells) + " |")
    print()


# One record at a time, beside others


@dataclass
class Variant:
    """One way to write: *items* are made before the burst, *write* is timed once for each."""

    name: str
    write: Callable[[Any], object]
    items: Callable[[int], list[Any]]
    folder: Path | None = None
    during: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    close: Callable[[], object] = lambda: None
    times: list[float] = field(default_factory=list)
    written: int = 0

    def burst(self) -> None:
        items, write = self.items(BURST), self.write
        with self.during():
            start = time.perf_counter()
            for item in items:
                write(item)
            self.times.append((time.perf_counter() - start) / BURST * 1e6)
        self.written += BURST


def flats(count: int) -> list[dict[str, Any]]:
    return [flat(record) for record in fresh(count)]


def tree(
    name: str, folder: Path | None, handler: logging.Handler, formatter: logging.Formatter | None = None
) -> Variant:
    """Return the variant of a handler in the standard library's tree."""
    handler.setFormatter(formatter)
    logger = logger_of(handler)
    return Variant(name, lambda extra: logger.handle(made(logger, extra)), flats, folder, close=handler.close)


def ours(
    name: str,
    folder: Path,
    *,
    with_filter: bool = True,
    redacted: bool = True,
    during: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> Variant:
    handler = audit_handler(folder, with_filter=with_filter)
    under = handler.policy.redactor.digest if redacted else None
    logger = logger_of(handler)

    def write(record: AuditRecord) -> None:
        logger.handle(made(logger, audited(record)))

    return Variant(
        name,
        write,
        lambda count: fresh(count, redacted_under=under),
        folder,
        during,
        handler.close,
    )


@contextlib.contextmanager
def without_orjson() -> Iterator[None]:
    """Let the package write its JSON with the standard library."""
    module: Any = text
    before, module.orjson = module.orjson, None
    try:
        yield
    finally:
        module.orjson = before


def our_variants(folder: Path) -> Iterator[Variant]:
    """Yield ours; with and without orjson where the package knows of it."""
    kinds: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {"": contextlib.nullcontext}
    if getattr(text, "orjson", None) is not None:
        kinds = {", stdlib json": without_orjson, ", orjson": contextlib.nullcontext}
    for number, (suffix, during) in enumerate(kinds.items()):
        plain, filtered, raw = (folder / f"{kind}{number}" for kind in ("plain", "filtered", "raw"))
        yield ours(f"ours, no filter{suffix}", plain, with_filter=False, during=during)
        yield ours(f"ours, RedactionFilter, redacted before{suffix}", filtered, during=during)
        yield ours(f"ours, RedactionFilter, not redacted before{suffix}", raw, redacted=False, during=during)


def raw_variants(folder: Path) -> Iterator[Variant]:
    """Yield the writes alone: what no handler can be faster than."""
    handler = audit_handler(folder / "sample")
    logger = logger_of(handler)
    logger.handle(made(logger, audited(fresh(1)[0])))
    handler.close()
    lines = b"".join(path.read_bytes() for path in (folder / "sample").glob("*.jsonl")).splitlines(True)
    line = next(line for line in lines if line.startswith(b'{"event_type":"chat_completion"'))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("write", "orjson"):
        (folder / name).mkdir()
    prebuilt = os.open(folder / "write" / "raw.jsonl", flags, 0o600)
    yield Variant(
        "os.write of a ready line",
        lambda item: os.write(prebuilt, item),
        lambda count: [line] * count,
        folder / "write",
        close=lambda: os.close(prebuilt),
    )
    yield tree("LogRecord alone (NullHandler)", None, logging.NullHandler())
    yield least("the least: json", json.JSONEncoder(separators=(",", ":")).encode, folder / "least")
    if orjson := installed("orjson"):
        yield least("the least: orjson", lambda members: orjson.dumps(members).decode(), folder / "least2")
        dumps = orjson.dumps
        encoded = os.open(folder / "orjson" / "raw.jsonl", flags, 0o600)
        yield Variant(
            "orjson.dumps + os.write",
            lambda members: os.write(encoded, dumps(members) + b"\n"),
            flats,
            folder / "orjson",
            close=lambda: os.close(encoded),
        )


def least(name: str, dumps: Callable[[Any], str], folder: Path) -> Variant:
    """Return what a sealed line of a shared log cannot do without, with no handler around it.

    A LogRecord through a logger, a flat dict as JSON, the lock between processes and a look whether its file
    is still there, a look at the segment, MAC, leaf hash, tree and one write.
    """
    folder.mkdir()
    lock_path, path = str(folder / "audit.lock"), str(folder / "least.jsonl")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    lock, file = os.open(lock_path, flags, 0o600), os.open(path, flags, 0o600)
    keys, tree_ = LogKeys(b"k" * 32, log_id=bytes(16)), Frontier()
    prev = bytes(32)

    class Handler(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            nonlocal prev
            body = dumps(record.__dict__["members"]).encode("ascii")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.stat(lock_path)
            os.stat(path)
            part = body[:-1] + b',"log":"0123456789abcdef","seq":%d,"kid":0' % tree_.size
            line = part + b',"mac":"%b"}' % keys.mac(prev, part).hex().encode()
            os.write(file, line + b"\n")
            prev = leaf_hash(line)
            tree_.append(prev)
            fcntl.flock(lock, fcntl.LOCK_UN)
            return True

    handler = Handler()
    logger = logger_of(handler)

    def write(members: Any) -> None:
        logger.handle(made(logger, {"members": members}))

    def close() -> None:
        os.close(lock)
        os.close(file)

    return Variant(name, write, flats, folder, close=close)


def peer_variants(folder: Path, missing: list[str]) -> Iterator[Variant]:
    """Yield other people's handlers; the names of those not installed are added to *missing*."""

    def timed(place: str) -> logging.Handler:
        (folder / place).mkdir()
        return logging.handlers.TimedRotatingFileHandler(folder / place / LOG_NAME, when="midnight", utc=True)

    orjson = installed("orjson")
    yield tree(REFERENCE, folder / "reference", timed("reference"), JsonFormatter())
    if orjson:
        from pythonjsonlogger.orjson import OrjsonFormatter

        name = "TimedRotatingFileHandler, OrjsonFormatter"
        yield tree(name, folder / "with_orjson", timed("with_orjson"), OrjsonFormatter())
    else:
        missing.append("orjson")
    if concurrent := installed("concurrent_log_handler"):
        (folder / "concurrent").mkdir()
        handler = concurrent.ConcurrentTimedRotatingFileHandler(
            folder / "concurrent" / LOG_NAME, when="midnight", utc=True
        )
        yield tree("concurrent-log-handler, JsonFormatter", folder / "concurrent", handler, JsonFormatter())
    else:
        missing.append("concurrent-log-handler")
    if loguru := installed("loguru"):
        loguru.logger.remove()
        sink = loguru.logger.add(folder / "loguru" / LOG_NAME, serialize=True, rotation="00:00")
        yield Variant(
            "loguru, serialize",
            lambda members: loguru.logger.bind(**members).info(MESSAGE),
            flats,
            folder / "loguru",
            close=lambda: loguru.logger.remove(sink),
        )
    else:
        missing.append("loguru")
    if structlog := installed("structlog"):
        yield structlog_variant(folder / "structlog", structlog, orjson)
    else:
        missing.append("structlog")


def structlog_variant(folder: Path, structlog: Any, orjson: Any) -> Variant:
    folder.mkdir()
    serializer = orjson.dumps if orjson else lambda *args, **options: json.dumps(*args, **options).encode()
    file = open(folder / LOG_NAME, "ab")  # noqa: SIM115 - closed by the variant
    processors = structlog.processors
    logger = structlog.wrap_logger(
        structlog.BytesLogger(file),
        processors=[
            processors.add_log_level,
            processors.TimeStamper(fmt="iso", utc=True),
            processors.JSONRenderer(serializer=serializer),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return Variant(
        f"structlog, BytesLogger, {'orjson' if orjson else 'json'}",
        lambda members: logger.info(MESSAGE, **members),
        flats,
        folder,
        close=file.close,
    )


def compare(folder: Path, rounds: int) -> None:
    """Print what a record costs the caller with each variant."""
    missing: list[str] = []
    variants = [*raw_variants(folder), *peer_variants(folder, missing), *our_variants(folder)]
    order = random.Random(1)
    for round_ in range(rounds + WARM_UP):
        for variant in order.sample(variants, len(variants)):
            variant.burst()
        if round_ == WARM_UP - 1:
            for variant in variants:
                variant.times.clear()
    for variant in variants:
        variant.close()
    (reference,) = (variant.times for variant in variants if variant.name == REFERENCE)
    rows = []
    for variant in variants:
        own = variant.times
        ratios = [one / other for one, other in zip(own, reference, strict=True)]
        size = sum(path.stat().st_size for path in variant.folder.glob("*.json*")) if variant.folder else 0
        rows.append(
            (
                variant.name,
                f"{statistics.median(own):.1f}",
                f"{quantile(own, 0.1):.1f}",
                f"{statistics.median(ratios):.2f}",
                size // variant.written or "",
            )
        )
    print(f"One thread, {rounds} rounds of {BURST} records in turn; microseconds a record\n")
    table(("variant", "median", "p10", "of R", "bytes a record"), *rows)
    if missing:
        print(f"Not installed and left out: {', '.join(missing)}.")
    if getattr(text, "orjson", None) is None:
        print("Ours has one encoder here: the standard library's.")
    print()


# Several processes


def append(kind: str, folder: Path, count: int, barrier: Any, results: Any) -> None:
    """Write *count* records in a process of its own; put begin, end and each record's time in *results*."""
    if kind == "ours":
        handler: logging.Handler = audit_handler(folder)
    else:
        peer = importlib.import_module("concurrent_log_handler")
        handler = peer.ConcurrentTimedRotatingFileHandler(folder / LOG_NAME, when="midnight", utc=True)
        handler.setFormatter(JsonFormatter())
    logger = logger_of(handler)
    under = RedactionFilter().redactor.digest
    records = fresh(count, redacted_under=under)
    extras = [audited(record) if kind == "ours" else flat(record) for record in records]
    logger.handle(made(logger, extras[0]))
    times = []
    barrier.wait()
    begin = time.monotonic()
    for extra in extras[1:]:
        start = time.perf_counter_ns()
        logger.handle(made(logger, extra))
        times.append((time.perf_counter_ns() - start) / 1000)
    results.put((begin, time.monotonic(), times))
    handler.close()


def lines_in(folder: Path) -> int:
    """Return how many records stand in *folder*, the log's own lines left out."""
    return sum(
        not line.startswith(b'{"event_type":"log.') and b'"event_type"' in line
        for path in folder.glob("*.jsonl")
        for line in path.read_bytes().splitlines()
    )


def together(kind: str, number: int, count: int, folder: Path) -> tuple[float, list[float], str]:
    """Let *number* processes write *count* records each; return the rate, their times, what is there."""
    folder.mkdir()
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(number), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=append, args=(kind, folder, count, barrier, results)) for _ in range(number)
    ]
    for worker in workers:
        worker.start()
    outcomes = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    times = [one for _, _, own in outcomes for one in own]
    seconds = max(end for _, end, _ in outcomes) - min(begin for begin, _, _ in outcomes)
    lost = number * count - lines_in(folder)
    said = f"{lost} lost" if lost else "all there"
    if kind == "ours":
        report = verify(folder)
        said += f", {report.finding_count} findings, {report.records_lost} reported lost"
    return len(times) / seconds, times, said


def processes(folder: Path, rounds: int) -> None:
    """Print how fast several processes append to one log, and whether any record was lost."""
    records, repeats = 50 * rounds, 3 if rounds > 5 else 1
    kinds = ["ours", *(["concurrent-log-handler"] if installed("concurrent_log_handler") else [])]
    found: dict[tuple[str, int], list[tuple[float, list[float], str]]] = {}
    for repeat in range(repeats):
        for number in PROCESSES:
            for kind in kinds:
                count, place = max(2, records // number), folder / f"{kind}-{number}-{repeat}"
                found.setdefault((kind, number), []).append(together(kind, number, count, place))
    rows = []
    for kind in kinds:
        rates = {
            number: statistics.median(rate for rate, _, _ in found[kind, number]) for number in PROCESSES
        }
        for number, rate in rates.items():
            times = [one for _, own, _ in found[kind, number] for one in own]
            rows.append(
                (
                    kind,
                    number,
                    f"{rate:,.0f}",
                    f"{rate / rates[1]:.2f}",
                    *(f"{quantile(times, share):,.0f}" for share in (0.5, 0.99, 1)),
                    "; ".join(sorted({said for _, _, said in found[kind, number]})),
                )
            )
    print(
        f"Processes on one log, {records} records together as fast as they can, median of {repeats}; "
        "a single handle() in microseconds\n"
    )
    head = ("handler", "processes", "records/s", "of one process", "p50", "p99", "max", "check")
    table(head, *rows)


# Waiting for the disk


class Disk:
    """Stands in for fdatasync, real or simulated, and counts."""

    def __init__(self, real: Callable[[int], None], *, simulated: bool) -> None:
        self._real, self._simulated = real, simulated
        self._lock = threading.Lock()
        self.syncs = 0

    def __call__(self, descriptor: int) -> None:
        with self._lock:
            self.syncs += 1
        if self._simulated:
            time.sleep(SLOW_DISK)
        else:
            self._real(descriptor)


@contextlib.contextmanager
def disk(*, simulated: bool) -> Iterator[Disk]:
    """Let the package sync through a `Disk`."""
    module: Any = segment_file
    real = module._sync_data
    module._sync_data = counted = Disk(real, simulated=simulated)
    try:
        yield counted
    finally:
        module._sync_data = real


@dataclass
class Synced:
    """What waiting for the disk came to: records a second, milliseconds each, records that share an fsync."""

    rate: float
    times: list[float]
    shared: float


class EachSynced(logging.handlers.TimedRotatingFileHandler):
    """R with an fsync for each record, under its lock."""

    def __init__(self, path: Path, sync: Callable[[int], None]) -> None:
        super().__init__(path, when="midnight", utc=True)
        self._sync = sync

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self.stream is not None:
            self._sync(self.stream.fileno())


def in_threads(
    handler: logging.Handler, threads: int, extras: list[dict[str, Any]]
) -> tuple[float, list[float]]:
    """Write *extras* from so many threads; return the seconds and each record's milliseconds."""
    logger = logger_of(handler)
    barrier = threading.Barrier(threads + 1)
    times: list[float] = []

    def work(own: list[dict[str, Any]]) -> None:
        taken = []
        barrier.wait()
        for extra in own:
            start = time.perf_counter()
            logger.handle(made(logger, extra))
            taken.append((time.perf_counter() - start) * 1000)
        times.extend(taken)

    workers = [threading.Thread(target=work, args=(extras[at::threads],)) for at in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start, times


def synced(folder: Path, kind: str, threads: int, count: int, *, simulated: bool) -> Synced:
    """Write *count* records from so many threads and wait for the disk, shared (ours) or record by record."""
    folder.mkdir()
    records = fresh(count, redacted_under=RedactionFilter().redactor.digest)
    with disk(simulated=simulated) as counted:
        if kind == "ours":
            handler: logging.Handler = audit_handler(folder, durability="fsync")
            handler.handle(made(logging.getLogger(), audited(fresh(1)[0])))
            extras = [audited(record) for record in records]
        else:
            handler = EachSynced(folder / LOG_NAME, counted)
            handler.setFormatter(JsonFormatter())
            extras = [flat(record) for record in records]
        counted.syncs = 0
        seconds, times = in_threads(handler, threads, extras)
        syncs = counted.syncs
        handler.close()
    return Synced(count / seconds, times, count / syncs if syncs else math.inf)


def durable(folder: Path, rounds: int) -> None:
    """Print what waiting for the disk costs with several threads, shared and one by one."""
    kinds, repeats = ("fsync a record", "ours"), 3 if rounds > 5 else 1
    rows, unsynced = [], False
    for simulated in (True, False):
        for threads in THREADS:
            count = threads * max(2, 3 * rounds // threads + rounds // 6)
            found: dict[str, list[Synced]] = {kind: [] for kind in kinds}
            for repeat in range(repeats):
                for kind in kinds:
                    place = folder / f"{kind}-{simulated}-{threads}-{repeat}"
                    found[kind].append(synced(place, kind, threads, count, simulated=simulated))
            unsynced |= threads == 1 and any(one.shared > 1 for one in found["ours"])
            rates = {kind: statistics.median(one.rate for one in found[kind]) for kind in kinds}
            for kind in kinds:
                times = [time for one in found[kind] for time in one.times]
                rows.append(
                    (
                        f"simulated, {SLOW_DISK * 1000:g} ms" if simulated else "real",
                        threads,
                        kind,
                        f"{rates[kind]:,.0f}",
                        f"{rates[kind] / rates[kinds[0]]:.1f}",
                        *(f"{quantile(times, share):.1f}" for share in (0.5, 0.99)),
                        f"{statistics.median(one.shared for one in found[kind]):.1f}",
                    )
                )
    print(f"Until each record is on disk, median of {repeats}; a single handle() in milliseconds\n")
    head = ("fsync", "threads", "handler", "records/s", "ratio", "p50", "p99", "records an fsync")
    table(head, *rows)
    if unsynced:
        print("NOT DURABLE: with one thread there were fewer fsyncs than records.\n")


# asyncio


def through(
    logger: logging.Logger, extra: Callable[[AuditRecord], dict[str, Any]], ahandle: Any = None
) -> Callable[[AuditRecord], Any]:
    """Return what logs a record through *logger*, or returns what to await of a handler's own *ahandle*."""

    def log(record: AuditRecord) -> Any:
        if ahandle is not None:
            return ahandle(made(logger, extra(record)))
        logger.handle(made(logger, extra(record)))
        return None

    return log


async def lag(log: Callable[[AuditRecord], Any], records: list[AuditRecord]) -> list[float]:
    """Return by how many milliseconds a timer is late while tasks wait, then log, over and over."""
    late: list[float] = []

    async def task(own: list[AuditRecord], waits: random.Random) -> None:
        for record in own:
            await asyncio.sleep(0.02 + 0.02 * waits.random())
            pending = log(record)
            if pending is not None:
                await pending

    async def watch() -> None:
        while True:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            late.append((time.perf_counter() - due) * 1000)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(task(records[at::TASKS], random.Random(at)) for at in range(TASKS)))
    watcher.cancel()
    return late


def loop_lag(folder: Path, rounds: int) -> None:
    """Print how long an event loop is kept from its work by tasks that log."""
    records_each = max(2, rounds)
    rows = []

    def measure(name: str, log: Callable[[AuditRecord], Any], *, simulated: bool = False) -> None:
        records = fresh(TASKS * records_each, redacted_under=RedactionFilter().redactor.digest)
        with disk(simulated=simulated):
            start = time.perf_counter()
            late = asyncio.run(lag(log, records))
            seconds = time.perf_counter() - start
        figures = (f"{quantile(late, share):.2f}" for share in (0.5, 0.99, 1))
        rows.append((name, f"{len(records) / seconds:,.0f}", *figures))

    measure("no logging", lambda _: None)
    reference = logging.handlers.TimedRotatingFileHandler(folder / LOG_NAME, when="midnight", utc=True)
    reference.setFormatter(JsonFormatter())
    logger = logger_of(reference)
    measure(REFERENCE, through(logger, flat))
    for durability in ("flush", "fsync"):
        handler = audit_handler(folder / durability, durability=durability)
        own = logger_of(handler)
        simulated = durability == "fsync"
        slow = f", {SLOW_DISK * 1000:g} ms simulated" if simulated else ""
        measure(f"ours, {durability}{slow}", through(own, audited), simulated=simulated)
        if hasattr(handler, "ahandle"):
            name = f"ours, {durability}, await ahandle(){slow}"
            measure(name, through(own, audited, handler.ahandle), simulated=simulated)
        with disk(simulated=simulated):
            handler.close()
    reference.close()
    print(f"asyncio: {TASKS} tasks that wait 20 to 40 ms, then log; a timer of 2 ms is late by so many ms\n")
    table(("handler", "records/s", "p50", "p99", "max"), *rows)


# Opening


def opening(folder: Path, lines: int) -> None:
    """Print how long it takes to open a log that has so many lines today."""
    layout = LogLayout.from_filename(folder / LOG_NAME)
    writer = LogWriter(layout, KeyRing.from_sources(None))
    stamp = utc_timestamp(datetime.now(UTC))
    body = b'{"event_type":"chat_completion","v":1,"id":"%012d","timestamp":"%b","status":"success"}'
    start = time.perf_counter()
    number = 0
    while number < lines or not writer.checkpoints:
        if number < lines and writer.checkpoints:
            writer.checkpoints.take()
        writer.append(body % (number, stamp.encode()))
        number += 1
    rate = number / (time.perf_counter() - start)
    for last in range(990):  # for a writer that is killed before its next checkpoint
        writer.append(body % (number + last, stamp.encode()))
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))

    def once() -> tuple[float, float]:
        begin = time.perf_counter()
        handler = audit_handler(folder)
        opened = time.perf_counter()
        logger = logger_of(handler)
        logger.handle(made(logger, audited(fresh(1)[0])))
        done = time.perf_counter()
        handler.close()
        return (opened - begin) * 1000, (done - opened) * 1000

    killed = once()  # the writer above was not stopped
    closed = [once() for _ in range(5)]
    del writer
    print(f"Opening a log of {lines:,} lines ({size / 1e6:,.0f} MB) in today's segment; milliseconds")
    print(f"(it was written by LogWriter.append at {rate:,.0f} short lines/s)\n")
    table(
        ("log", "AuditFileHandler(...)", "first record"),
        ("left by a killed writer, 990 lines after its last checkpoint", *(f"{one:.1f}" for one in killed)),
        ("closed, median of 5", *(f"{statistics.median(one):.1f}" for one in zip(*closed, strict=True))),
    )


SECTIONS: dict[str, Callable[[Path, int], None]] = {
    "compare": compare,
    "processes": processes,
    "fsync": durable,
    "asyncio": loop_lag,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What writing one record takes.")
    parser.add_argument("rounds", nargs="?", type=int, default=60)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--open", nargs="?", type=int, const=1_000_000, default=0, metavar="LINES")
    arguments = parser.parse_args()
    os.environ["OR_AUDIT_KEY"] = "a fake key for the benchmark: 0123456789"
    began = time.perf_counter()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load}, {time.strftime('%Y-%m-%d')}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        for section in arguments.only:
            (Path(name) / section).mkdir()
            SECTIONS[section](Path(name) / section, arguments.rounds)
            sys.stdout.flush()
        if arguments.open:
            opening(Path(name) / "open", arguments.open)
    print(f"Took {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
