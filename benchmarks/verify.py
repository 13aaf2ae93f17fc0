"""How fast a log is verified: by key, by an anchor alone, by several processes, archived; in how much memory.

    pip install .
    python benchmarks/verify.py [ROUNDS] [--lines 100000 1000000] [--jobs 2]

Each way of verifying runs in a new interpreter, which tells lines a second (without its start) and the most
memory it held; of several processes, that of the largest is told apart. The ways take turns within a round,
and a figure is the median over the ROUNDS (5). The log is written by `LogWriter`: one segment of records as
`@audited` makes them, with a checkpoint every 1,000 lines. By key, chain and Merkle tree are checked
together, in Python with its standard library only. A first pass, not counted, brings the files into the page
cache. TMPDIR says on which disk.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.checkpoint import TreeHead
from or_audit_logging.sealing.note import SigningKey

SECRET = "a fake key for the benchmark: 0123456789"
BODY = (
    b'{"event_type":"chat_completion","v":1,"id":"00000000-0000-4000-8000-%012d","timestamp":"%b",'
    b'"status":"success","user_id":"u-42","session_id":"s-1","request_id":null,"model_requested":'
    b'"openai/gpt-4o-mini","model_used":"openai/gpt-4o-mini-2024-07-18","provider":"OpenAI","generation_id":'
    b'"gen-1763712000-%012d","attempts":1,"prompt_hash":"hmac-sha256:0a1b2c3d:%b","response_hash":'
    b'"hmac-sha256:0a1b2c3d:%b","prompt_tokens":812,"completion_tokens":164,"total_tokens":976,"total_cost":'
    b'0.0002202,"cost_source":"response","latency_ms":812.443,"streamed":false,"finish_reason":"stop"}'
)


@dataclass(frozen=True)
class Way:
    """One way to verify the log; `folder` is where it stands in that form."""

    name: str
    folder: str = "plain"
    has_key: bool = True
    jobs: int = 1


@dataclass(frozen=True)
class Run:
    """What one run took: seconds, and the most memory of the process and of any it started, in MiB."""

    seconds: float
    memory: float
    workers: float


def secret() -> bytes:
    return SECRET.encode()


def write(folder: Path, lines: int) -> Path:
    """Write the log, compress it beside itself, and return the place of its anchor."""
    plain, packed = folder / "plain", folder / "packed"
    layout = LogLayout.from_filename(plain / "audit.jsonl")
    writer = LogWriter(layout, KeyRing.from_sources(secret))
    for number in range(lines):
        stamp = utc_timestamp(datetime.now(UTC)).encode()
        writer.append(BODY % (number, stamp, number, b"%064x" % number, b"%064x" % (number + 1)))
        writer.checkpoints.take()
    anchor = folder / "kept.anchor"
    anchor.write_text(writer.checkpoint() + "\n")
    writer.stop()
    (packed / "archive").mkdir(parents=True)
    for path in plain.glob("*.jsonl"):
        with path.open("rb") as source, gzip.open(packed / "archive" / f"{path.name}.gz", "wb", 6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return anchor


def utc_timestamp_now() -> bytes:
    from datetime import UTC, datetime

    return utc_timestamp(datetime.now(UTC)).encode()


def one(folder: Path, anchor: Path, way: Way) -> None:
    """Verify once, and print what it took; this runs in an interpreter of its own."""
    key = secret if way.has_key else None
    begin = time.perf_counter()
    report = verify(folder / way.folder, key=key, anchors=[anchor], jobs=way.jobs)
    seconds = time.perf_counter() - begin
    if report.verdict != "verified":
        raise SystemExit(report.summary())
    print(json.dumps([seconds, memory(resource.RUSAGE_SELF), memory(resource.RUSAGE_CHILDREN), report.lines]))


def memory(who: int) -> float:
    """Return the largest resident set so far, in MiB."""
    return resource.getrusage(who).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def run(folder: Path, anchor: Path, way: Way) -> tuple[Run, int]:
    """Return what one run in a new interpreter took, and how many lines there were."""
    command = [sys.executable, __file__, "--one", json.dumps(vars(way)), str(folder), str(anchor)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OR_AUDIT_KEY")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, own, workers, lines = json.loads(done.stdout)
    return Run(seconds, own, workers), lines


def table(*rows: Iterable[object]) -> None:
    """Print *rows*, the first one the head, as a table in Markdown."""
    head, *rest = [[str(cell) for cell in row] for row in rows]
    for cells in (head, ["---"] * len(head), *rest):
        print("| " + " | ".join(cells) + " |")
    print()


def compare(folder: Path, lines: int, rounds: int, jobs: int) -> None:
    """Print what each way takes for a log of so many lines."""
    anchor = write(folder, lines)
    size = sum(path.stat().st_size for path in (folder / "plain").glob("*.jsonl"))
    ways = (
        Way("key and anchor, one process"),
        Way(f"the same, --jobs {jobs}", jobs=jobs),
        Way("anchor alone", has_key=False),
        Way("key and anchor, archived", folder="packed"),
    )
    run(folder, anchor, ways[0])
    runs: list[list[Run]] = [[] for _ in ways]
    count = 0
    for _ in range(rounds):
        for results, way in zip(runs, ways, strict=True):
            result, count = run(folder, anchor, way)
            results.append(result)
    first = runs[0]
    print(f"{count:,} lines, {size / 1e6:,.0f} MB, {size / count:,.0f} bytes a line\n")
    rows = []
    for way, results in zip(ways, runs, strict=True):
        rate = count / statistics.median(result.seconds for result in results)
        ratio = statistics.median(
            base.seconds / result.seconds for base, result in zip(first, results, strict=True)
        )
        own = max(result.memory for result in results)
        workers = max(result.workers for result in results) if way.jobs > 1 else 0
        rows.append(
            (way.name, f"{rate:,.0f}", f"{ratio:.2f}", f"{own:.0f}", f"{workers:.0f}" if workers else "")
        )
    table(("way", "lines/s", "to the first", "MiB", "MiB, largest worker"), *rows)


def signing(folder: Path, rounds: int) -> None:
    """What a signed checkpoint takes, spread over the lines that it covers; the disk apart."""
    if importlib.util.find_spec("cryptography") is None:
        print("signing left out: cryptography is not installed")
        return
    key, head = SigningKey.generate(), TreeHead(1_000_000, bytes(32))
    origin = "audit.example/audit/0001020304050607"
    signed, synced = [], []
    with open(folder / "synced", "ab", buffering=0) as file:
        for _ in range(rounds * 200):
            begun = time.perf_counter()
            key.sign_note(origin, head)
            signed.append(time.perf_counter() - begun)
        for _ in range(rounds * 20):
            file.write(b"x" * 1_000)
            begun = time.perf_counter()
            getattr(os, "fdatasync", os.fsync)(file.fileno())
            synced.append(time.perf_counter() - begun)
    once, disk = statistics.median(signed) * 1e6, statistics.median(synced) * 1e6
    print(
        f"signing a checkpoint: {once:.0f} us, {once / 1000:.2f} us a record at 1,000 lines a checkpoint; "
        f"its fdatasync: {disk:.0f} us"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast a log is verified.")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--lines", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load}, {time.strftime('%Y-%m-%d')}\n"
    )
    for lines in arguments.lines:
        with tempfile.TemporaryDirectory() as name:
            compare(Path(name), lines, arguments.rounds, arguments.jobs)
            sys.stdout.flush()
    with tempfile.TemporaryDirectory() as name:
        signing(Path(name), arguments.rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(Path(sys.argv[3]), Path(sys.argv[4]), Way(**json.loads(sys.argv[2])))
    else:
        main()
