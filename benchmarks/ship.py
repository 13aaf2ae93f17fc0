"""How fast a log is shipped to an HTTP endpoint, in how much memory, and how soon what is written arrives.

    pip install .
    python benchmarks/ship.py [ROUNDS] [--records 1000000] [--formats native ecs]
                             [--seconds 20] [--rate 1000]

The other end is a process on loopback that reads each body, counts its lines, and answers 200. First a
backfill: a log of RECORDS records, as capture writes them, is shipped from plain segments and from archives,
by a new interpreter each time, which says the most memory that it had held after each tenth. Beside it
stands what a plain loop takes: the same lines, read from the same files, POSTed as the same arrays, with
nothing checked and nothing remembered; once with requests, as the shipper does, once over a bare socket. The
ways take turns within a round, and a figure is the median over the ROUNDS (3); times are without imports.

Then `follow`: a writer adds RATE records a second for SECONDS, and the other end takes the time from each
record's timestamp until the batch that it is in has come. TMPDIR says on which disk.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.text import orjson
from or_audit_logging.ship import Shipper

BODY = (
    b'{"event_type":"chat_completion","v":1,"id":"00000000-0000-4000-8000-%012d","timestamp":"%b","status":'
    b'"success","user_id":"u-%d","session_id":"s-%d","request_id":null,"model_requested":"openai/gpt-4o-mini",'
    b'"model_used":"openai/gpt-4o-mini-2024-07-18","provider":"OpenAI","generation_id":"gen-1763712000-%020x",'
    b'"attempts":1,"prompt_hash":"hmac-sha256:0a1b2c3d:%064x","response_hash":"hmac-sha256:0a1b2c3d:%064x",'
    b'"prompt_tokens":812,"completion_tokens":164,"total_tokens":976,"total_cost":0.0002202,"cost_source":'
    b'"response","latency_ms":812.443,"streamed":false,"finish_reason":"stop","error_type":null,"error_code":null,'
    b'"error_message":null}'
)
FORMATS = ("native", "ecs", "datadog")
TIME = b'timestamp":"'
"""Once in each line, in each of the formats that are taken here."""
TIMED = re.compile(TIME + b'([^"]+)"')
ARRAY = 1_000
"""Records in a body of the plain loops; the shipper puts as many into one."""
POINTS = 10
AFTERWARDS = 2.5
"""Seconds that a shipper has for what was written last."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Way:
    """One way to bring the log to the other end."""

    name: str
    folder: str = "plain"
    format: str | None = "native"
    """What the shipper ships; None for the loops."""
    loop: str = ""


@dataclass(frozen=True)
class Run:
    """What one run took, `sink` of the other end's processor; `memory`: MiB, the most after each tenth."""

    seconds: float
    processor: float
    sink: float
    memory: list[float]


def secret() -> bytes:
    return b"a fake key for the benchmark: 0123456789"


def opened(folder: Path) -> LogWriter:
    return LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(secret))


def append(writer: LogWriter, number: int, source: random.Random) -> None:
    """Add one record that is written now."""
    stamp = utc_timestamp(datetime.now(UTC)).encode()
    digests = source.getrandbits(80), source.getrandbits(256), source.getrandbits(256)
    writer.append(BODY % (number, stamp, number % 740, number % 9973, *digests))
    writer.checkpoints.take()


def write(folder: Path, records: int) -> None:
    """Write the log to *folder*/plain, and its compressed form to *folder*/archived."""
    plain, archive = folder / "plain", folder / "archived" / "archive"
    writer, source = opened(plain), random.Random(7)
    for number in range(records):
        append(writer, number, source)
    writer.stop()
    archive.mkdir(parents=True)
    for path in plain.glob("*.jsonl"):
        with path.open("rb") as raw, gzip.open(archive / f"{path.name}.gz", "wb", 6) as packed:
            shutil.copyfileobj(raw, packed, 1 << 20)


class Sink:
    """The other end, in a process of its own, while the block lasts; then `said` is what it has seen."""

    def __init__(self, *, timed: bool = False) -> None:
        self._timed = ["timed"] if timed else []
        self.said: dict[str, Any] = {}

    def __enter__(self) -> Sink:
        command = [sys.executable, __file__, "--sink", *self._timed]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.terminate()
        out, _ = self._process.communicate(timeout=60)
        self.said = json.loads(out)


def sink(*, timed: bool) -> None:
    """Answer one connection after the other until SIGTERM; then print what came."""
    items, delays, begun = 0, [], time.process_time()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    with socket.create_server(("127.0.0.1", 0)) as server, suppress(SystemExit):
        print(server.getsockname()[1], flush=True)
        while True:
            for body in received(server.accept()[0]):
                came = time.time()
                items += body.count(TIME)
                if timed:
                    times = (datetime.fromisoformat(said.decode()) for said in TIMED.findall(body))
                    delays += [came - said.timestamp() for said in times]
    print(json.dumps({"items": items, "processor": time.process_time() - begun, "delays": delays}))


def received(connection: socket.socket) -> Iterator[bytearray]:
    """Yield each body that comes, and answer it."""
    with connection, connection.makefile("rb") as file:
        while head := file.readline():
            length = 0
            while (head := file.readline()) != b"\r\n":
                if head.lower().startswith(b"content-length:"):
                    length = int(head[15:])
            body = bytearray(length)
            file.readinto(body)
            yield body
            connection.sendall(ANSWER)


def memory() -> float:
    """Return the largest resident set so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def ship(log: Path, state: str, url: str, lines: int, way: Way) -> list[float]:
    """Ship the log; return the memory after each tenth."""
    points: list[float] = []

    def note(count: int) -> None:
        while len(points) < POINTS and count >= lines * (len(points) + 1) // POINTS:
            points.append(memory())

    with Shipper(log, f"webhook:{url}", state=state, format=way.format, progress=note) as shipper:
        shipper.run()
    return points


def bodies(log: Path) -> Iterator[bytes]:
    """Yield the arrays of a loop that looks at nothing."""
    for path in sorted(log.glob("*.jsonl")):
        with path.open("rb") as file:
            while lines := list(itertools.islice(file, ARRAY)):
                yield b"[" + b",".join(lines) + b"]"


def loop_with_requests(log: Path, url: str) -> None:
    with requests.Session() as session:
        for body in bodies(log):
            session.post(url, data=body, timeout=30).raise_for_status()


def loop_over_a_socket(log: Path, url: str) -> None:
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(url).port)) as connection:
        for body in bodies(log):
            connection.sendall(head % len(body))
            connection.sendall(body)
            answer = b""
            while len(answer) < len(ANSWER):
                answer += connection.recv(1024)


def one(way: Way, log: Path, url: str, lines: int) -> None:
    """Bring the log to the other end once, and print what it took; this runs in an interpreter of its own."""
    requests.Session().close()
    begun, spent = time.perf_counter(), time.process_time()
    points: list[float] = []
    if way.loop == "requests":
        loop_with_requests(log, url)
    elif way.loop:
        loop_over_a_socket(log, url)
    else:
        with tempfile.TemporaryDirectory() as state:
            points = ship(log, state, url, lines, way)
    print(json.dumps([time.perf_counter() - begun, time.process_time() - spent, points or [memory()]]))


def run(folder: Path, lines: int, way: Way) -> Run:
    """Return what one run in a new interpreter took; all lines must have come."""
    with Sink() as other:
        url = f"http://127.0.0.1:{other.port}/"
        what = [json.dumps(vars(way)), str(folder / way.folder), url, str(lines)]
        done = subprocess.run([sys.executable, __file__, "--one", *what], stdout=subprocess.PIPE, check=True)
    if other.said["items"] != lines:
        raise SystemExit(f"{way.name}: {other.said['items']} of {lines} lines have come")
    seconds, spent, points = json.loads(done.stdout)
    return Run(seconds, spent, other.said["processor"], points)


def backfill(folder: Path, records: int, rounds: int, formats: list[str]) -> None:
    """Print what each way takes for a log of so many records."""
    write(folder, records)
    lines = size = 0
    for path in (folder / "plain").glob("*.jsonl"):  # line by line: a child's memory begins with its parent's
        with path.open("rb") as file:
            lines += sum(1 for _ in file)
        size += path.stat().st_size
    print(f"{lines:,} lines, {size / lines:,.0f} bytes each\n")
    ways = [
        Way("bare socket, nothing checked", loop="socket"),
        Way("requests, nothing checked", loop="requests"),
        *(Way(f"ship, {name}", format=name) for name in formats),
        Way(f"ship, {formats[0]}, from archives", folder="archived", format=formats[0]),
    ]
    runs: list[list[Run]] = [[] for _ in ways]
    for _ in range(rounds):
        for results, way in zip(runs, ways, strict=True):
            results.append(run(folder, lines, way))
    print("| way | lines/s | lines per processor s | us a line | of the other end | MiB after each tenth |")
    print("|---|---|---|---|---|---|")
    for way, results in zip(ways, runs, strict=True):
        seconds, own, other = (
            statistics.median(getattr(result, name) for result in results)
            for name in ("seconds", "processor", "sink")
        )
        points = " ".join(f"{point:.0f}" for point in max(result.memory for result in results))
        print(
            f"| {way.name} | {lines / seconds:,.0f} | {lines / own:,.0f} | {own / lines * 1e6:.1f} "
            f"| {other / lines * 1e6:.1f} | {points} |",
            flush=True,
        )


def follow(folder: Path, rate: int, seconds: float) -> None:
    """Print how long after it was written a record has come, while it is followed."""
    log, source = folder / "followed", random.Random(7)
    writer, records = opened(log), int(rate * seconds)
    append(writer, 0, source)
    with Sink(timed=True) as other:
        url = f"http://127.0.0.1:{other.port}/"
        command = [sys.executable, __file__, "--follow", str(log), url]
        shipper = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert shipper.stdout is not None
        shipper.stdout.readline()
        begun = time.monotonic()
        for number in range(1, records + 1):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            append(writer, number, source)
        took = time.monotonic() - begun
        writer.stop()
        time.sleep(AFTERWARDS)
        shipper.terminate()
        spent, most, delivered = json.loads(shipper.communicate(timeout=60)[0])
    if other.said["items"] != delivered or delivered <= records:
        raise SystemExit(f"{other.said['items']} lines have come, {delivered} were shipped")
    delays = sorted(other.said["delays"][-records:])  # without what stood there before
    print(f"\n| followed for {took:.0f} s | |\n|---|---|")
    print(f"| records a second | {records / took:,.0f} |")
    for name, delay in (
        ("median delay, s", delays[len(delays) // 2]),
        ("p99, s", delays[len(delays) * 99 // 100]),
        ("longest, s", delays[-1]),
    ):
        print(f"| {name} | {delay:.2f} |")
    print(f"| the shipper's processor, s each s | {spent / (took + AFTERWARDS):.3f} |")
    print(f"| its most memory, MiB | {most:.0f} |")


def follow_one(log: Path, url: str) -> None:
    """Ship what comes until SIGTERM, and print what it took; this runs in an interpreter of its own."""
    with tempfile.TemporaryDirectory() as state, Shipper(log, f"webhook:{url}", state=state) as shipper:
        signal.signal(signal.SIGTERM, lambda number, frame: shipper.stop())
        print("ready", flush=True)
        spent = time.process_time()
        shipped = shipper.follow()
    print(json.dumps([time.process_time() - spent, memory(), shipped.delivered]))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast a log is shipped.")
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["native", "ecs"])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    quick = f"orjson {orjson.__version__}" if orjson else "no orjson"
    print(
        f"Python {platform.python_version()}, {quick}, requests {requests.__version__}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores, load {load}, {time.strftime('%Y-%m-%d')}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        backfill(Path(name), options.records, options.rounds, options.formats)
        follow(Path(name), options.rate, options.seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sink"]:
        sink(timed="timed" in sys.argv)
    elif sys.argv[1:2] == ["--one"]:
        one(Way(**json.loads(sys.argv[2])), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    elif sys.argv[1:2] == ["--follow"]:
        follow_one(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
