"""How fast a log is summed up: daily cost by model, plain and archived; a report on seven days; in how much
memory.

    pip install .[query]
    python benchmarks/report.py [ROUNDS] [--records 1000000] [--days 30] [--archived 23]

The log is that of query.py, and so is the procedure: each way of asking runs in a new interpreter, the ways
take turns within a round, a figure is the median over the ROUNDS (3). A way's time has its imports in it.
Beside it stands the processor time, user and system, of all its threads: it tells more where other work is
going on. The json loop and polars add up floats and know nothing of late facts, repeated answers or damaged
lines. For the seven days they count calls, tokens, cost and failures by user, model and day, which is a part
of what a report holds.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from query import FIRST_DAY, files, write

DAYS = 7
SQL = (
    "SELECT substr(timestamp, 1, 10) AS day, model_used, count(*) AS calls, sum(total_cost_pico) AS pico "
    "FROM audit_log GROUP BY 1, 2"
)
Engine = Literal["duckdb", "sqlite"]


def daily_by_loop(folder: Path, days: int) -> int:
    """Parse every line."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for path in files(folder):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                record = json.loads(line)
                if record["event_type"] == "chat_completion":
                    tally = found[record["timestamp"][:10], record["model_used"]]
                    tally[0] += 1
                    tally[1] += record["total_cost"] or 0.0
    return int(sum(tally[0] for tally in found.values()))


def daily_by_polars(folder: Path, days: int) -> int:
    import polars

    asked = (
        _scan(files(folder), "model_used")
        .group_by(polars.col("timestamp").str.slice(0, 10), "model_used")
        .agg(polars.len().alias("calls"), polars.col("total_cost").sum())
    )
    return int(asked.collect()["calls"].sum())


def _scan(paths: list[Path], *names: str) -> Any:
    import polars

    schema = {"event_type": polars.String, "timestamp": polars.String, "total_cost": polars.Float64}
    schema |= {name: polars.Int64 if name.endswith("tokens") else polars.String for name in names}
    frames = [polars.scan_ndjson(path, schema=schema, ignore_errors=True) for path in paths]
    return polars.concat(frames).filter(polars.col("event_type") == "chat_completion")


def daily_by_sql(folder: Path, days: int, *, engine: Engine) -> int:
    from or_audit_logging.evidence.books.columns import needed
    from or_audit_logging.evidence.books.opening import open_books

    with open_books(folder, engine=engine, columns=needed(SQL)) as books:
        return sum(calls for _, _, calls, _ in books.ask(SQL).rows)


def report_by_loop(folder: Path, days: int) -> int:
    """Parse every line of the last days."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])
    for path in files(folder)[-DAYS:]:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                record = json.loads(line)
                if record["event_type"] != "chat_completion":
                    continue
                for key in ("user_id", "model_used", "timestamp"):
                    tally = found[key, record[key][:10] if key == "timestamp" else record[key]]
                    tally[0] += 1
                    tally[1] += record["status"] != "success"
                    tally[2] += record["total_tokens"] or 0
                    tally[3] += record["total_cost"] or 0.0
    return int(sum(tally[0] for (key, _), tally in found.items() if key == "user_id"))


def report_by_polars(folder: Path, days: int) -> int:
    import polars

    calls = _scan(files(folder)[-DAYS:], "user_id", "model_used", "status", "total_tokens").collect()
    figures = [
        *(polars.len().alias("calls"), (polars.col("status") != "success").sum()),
        *(polars.col("total_tokens").sum(), polars.col("total_cost").sum()),
    ]
    by_day = polars.col("timestamp").str.slice(0, 10)
    answers = [calls.group_by(key).agg(figures) for key in ("user_id", "model_used", by_day)]
    return int(answers[0]["calls"].sum())


def report_by_us(folder: Path, days: int, *, engine: Engine) -> int:
    from or_audit_logging import report

    first, last = FIRST_DAY + timedelta(days - DAYS), FIRST_DAY + timedelta(days - 1)
    return report(folder, since=first, until=last, engine=engine).summary.total_requests


Way = Callable[..., int]
ASKED: dict[str, dict[str, tuple[Way, Engine | None]]] = {
    "daily cost by model": {
        "json loop": (daily_by_loop, None),
        "polars": (daily_by_polars, None),
        "sql, duckdb": (daily_by_sql, "duckdb"),
        "sql, sqlite": (daily_by_sql, "sqlite"),
    },
    "seven days": {
        "json loop": (report_by_loop, None),
        "polars": (report_by_polars, None),
        "report, duckdb": (report_by_us, "duckdb"),
        "report, sqlite": (report_by_us, "sqlite"),
    },
}


def one(question: str, way: str, folder: Path, days: int) -> None:
    """Ask once, and print what it took; this runs in an interpreter of its own."""
    ask, engine = ASKED[question][way]
    before, begin = _processor(), time.perf_counter()
    count = ask(folder, days) if engine is None else ask(folder, days, engine=engine)
    seconds, used = time.perf_counter() - begin, _processor() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )
    print(json.dumps([seconds, used, memory, count]))


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(question: str, way: str, folder: Path, days: int) -> tuple[float, float, float, int]:
    """Return seconds, seconds of processor time, MiB and the number of calls summed up."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", question, way, str(folder), str(days)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, used, memory, count = json.loads(done.stdout)
    return seconds, used, memory, count


def compare(question: str, folder: Path, *, rounds: int, days: int) -> None:
    """Print what each way takes."""
    missing = {name for name in ("polars", "duckdb") if importlib.util.find_spec(name) is None}
    ways = [way for way in ASKED[question] if way.split()[-1] not in missing]
    runs: dict[str, list[tuple[float, float, float, int]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            runs[way].append(run(question, way, folder, days))
    print(f"{question}, {folder.name}\n")
    print("| way | s | of the json loop's | processor s | of the json loop's | MiB | calls |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    loops = runs["json loop"]
    for way in ways:
        cells = []
        for at in (0, 1):
            ratio = statistics.median(one[at] / loop[at] for one, loop in zip(runs[way], loops, strict=True))
            cells.append(f"{statistics.median(one[at] for one in runs[way]):.2f} | {ratio:.2f}")
        memory = max(one[2] for one in runs[way])
        print(f"| {way} | {' | '.join(cells)} | {memory:.0f} | {runs[way][0][3]:,} |")
    print(flush=True)
    if len({found[0][3] for found in runs.values()}) > 1:
        raise SystemExit("the answers differ")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast a log is summed up.")
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--archived", type=int, default=23)
    options = parser.parse_args()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    orjson = "with" if importlib.util.find_spec("orjson") else "without"
    print(
        f"Python {platform.python_version()} {orjson} orjson, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load}, {time.strftime('%Y-%m-%d')}; {options.records:,} records\n"
    )
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), records=options.records, days=options.days, archived=options.archived)
        for question, place in (
            ("seven days", "mixed"), ("daily cost by model", "plain"), ("daily cost by model", "mixed")
        ):  # fmt: skip
            compare(question, Path(name) / place, rounds=options.rounds, days=options.days)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
