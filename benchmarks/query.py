"""How fast a log is asked: one user's calls, the last ones, all; plain and archived; in how much memory.

    pip install .
    python benchmarks/query.py [ROUNDS] [--records 1000000] [--days 30] [--archived 23]

The log is one segment a day of records as capture writes them, in lines that look sealed: nothing here checks
the seal, and making one would take most of the time. One call in 200 has no cost, and a late fact for half of
these stands behind it. Each way of asking runs in a new interpreter; its time has the imports in it, but not
the interpreter's start. The ways take turns within a round, and a figure is the median over the ROUNDS (5). A
first pass, not counted, brings the files into the page cache. polars and duckdb take part where they are
installed, with the columns that they need named. TMPDIR says on which disk.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2026, 10, 23)
USERS = 740
USER = "u-42"
MODELS = (
    ("openai/gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18", "OpenAI"),
    ("anthropic/claude-sonnet-4.5", "anthropic/claude-4.5-sonnet-20250929", "Anthropic"),
    ("google/gemini-2.5-flash", "google/gemini-2.5-flash", "Google"),
    ("deepseek/deepseek-chat", "deepseek/deepseek-chat-v3", "DeepInfra"),
)
CALL = (
    '{"event_type":"chat_completion","v":1,"id":"00000000-0000-4000-8000-%012d","timestamp":"%s","status":"%s",'
    '"user_id":"u-%d","session_id":"s-%d","request_id":null,"model_requested":"%s","model_used":"%s","provider":'
    '"%s","generation_id":"gen-1763712000-%012d","attempts":1,"prompt_hash":"hmac-sha256:0a1b2c3d:%064x",'
    '"response_hash":"hmac-sha256:0a1b2c3d:%064x","prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
    '"total_cost":%s,"cost_source":%s,"latency_ms":%d.443,"streamed":false,"finish_reason":"stop","error_type":null,'
    '"error_code":null,"error_message":null'
)
FACT = (
    '{"event_type":"generation","v":1,"id":"00000000-0000-5000-8000-%012d","timestamp":"%s","status":"success",'
    '"user_id":null,"generation_id":"gen-1763712000-%012d","prompt_tokens":812,"total_cost":0.00042,'
    '"cost_source":"generation"'
)
SEAL = ',"log":"0001020304050607","seq":%d,"kid":0,"mac":"%064x"}\n'


def write(folder: Path, *, records: int, days: int, archived: int) -> None:
    """Write the log to *folder*/plain, and to *folder*/mixed with so many of its oldest days archived."""
    source = random.Random(7)
    plain, mixed = folder / "plain", folder / "mixed"
    for place in (plain, mixed / "archive"):
        place.mkdir(parents=True)
    seq, owed = 0, None
    for number in range(days):
        day = FIRST_DAY + timedelta(number)
        path = plain / f"audit_{day}.jsonl"
        today = records * (number + 1) // days - records * number // days
        with path.open("w", encoding="ascii") as file:
            for at in range(today):
                seconds, micro = divmod(at * 86_400_000_000 // today, 1_000_000)
                stamp = f"{day}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro:06}Z"
                if owed is not None:
                    file.write(FACT % (seq, stamp, owed) + SEAL % (seq, source.getrandbits(256)))
                    owed, seq = None, seq + 1
                    continue
                priced = source.random() >= 0.005
                cost = f"0.{source.randrange(10**7):010}" if priced else "null"
                tokens, answer = source.randrange(4000), source.randrange(900)
                values = (
                    *(seq, stamp, "success" if priced else "incomplete", source.randrange(USERS)),
                    *(source.randrange(10**6), *source.choice(MODELS), seq),
                    *(source.getrandbits(256), source.getrandbits(256), tokens, answer, tokens + answer),
                    *(cost, '"response"' if priced else "null", source.randrange(300, 9000)),
                )
                file.write(CALL % values + SEAL % (seq, source.getrandbits(256)))
                owed = seq if not priced and source.random() < 0.5 else None
                seq += 1
        if number < archived:
            with path.open("rb") as raw, gzip.open(mixed / "archive" / f"{path.name}.gz", "wb", 6) as packed:
                shutil.copyfileobj(raw, packed, 1 << 20)
        else:
            os.link(path, mixed / path.name)


def files(folder: Path) -> list[Path]:
    """Return the log's files in order."""
    return [*sorted(folder.glob("archive/*.gz")), *sorted(folder.glob("*.jsonl"))]


def by_loop(folder: Path) -> int:
    """Parse every line."""
    count = 0
    for path in files(folder):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                record = json.loads(line)
                count += record.get("user_id") == USER and record["event_type"] == "chat_completion"
    return count


def by_query(folder: Path) -> int:
    from or_audit_logging import query

    return sum(1 for _ in query(folder, user=USER))


def by_last(folder: Path) -> int:
    from or_audit_logging import query

    return sum(1 for _ in query(folder, user=USER, limit=20))


def by_day(folder: Path) -> int:
    from or_audit_logging import query

    return sum(1 for _ in query(folder, user=USER, since=FIRST_DAY + timedelta(25)))


def by_all(folder: Path) -> int:
    from or_audit_logging import query

    return sum(1 for _ in query(folder))


def by_polars(folder: Path) -> int:
    import polars

    schema = {"event_type": polars.String, "user_id": polars.String, "total_cost": polars.Float64}
    frames = [polars.scan_ndjson(path, schema=schema, ignore_errors=True) for path in files(folder)]
    asked = polars.concat(frames).filter(
        (polars.col("user_id") == USER) & (polars.col("event_type") == "chat_completion")
    )
    return asked.collect().height


def by_duckdb(folder: Path) -> int:
    import duckdb

    columns = "{event_type: 'VARCHAR', id: 'VARCHAR', user_id: 'VARCHAR', total_cost: 'DECIMAL(38,12)'}"
    sql = (
        "SELECT * FROM read_json(?, format='newline_delimited', ignore_errors=true, "
        f"columns={columns}) WHERE user_id = ? AND event_type = 'chat_completion'"
    )
    return len(duckdb.execute(sql, [[str(path) for path in files(folder)], USER]).fetchall())


WAYS: dict[str, Callable[[Path], int]] = {
    "json loop": by_loop,
    "query(user=)": by_query,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "query(user=, limit=20)": by_last,
    "query(user=, since=the last 5 days)": by_day,
    "query(), all calls": by_all,
}
"""The first four are asked the same."""
SAME = 4


def one(way: str, folder: Path) -> None:
    """Ask once, and print what it took; this runs in an interpreter of its own."""
    begin = time.perf_counter()
    count = WAYS[way](folder)
    seconds = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )
    print(json.dumps([seconds, memory, count]))


def run(way: str, folder: Path) -> tuple[float, float, int]:
    """Return seconds, MiB and the number of records found."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", way, str(folder)], capture_output=True, text=True, check=True
    )
    seconds, memory, count = json.loads(done.stdout)
    return seconds, memory, count


def compare(folder: Path, rounds: int) -> None:
    """Print what each way takes."""
    ways = [way for way in WAYS if way not in ("polars", "duckdb") or importlib.util.find_spec(way)]
    run("query(user=)", folder)
    runs: dict[str, list[tuple[float, float, int]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            runs[way].append(run(way, folder))
    size = sum(path.stat().st_size for path in files(folder))
    print(f"{folder.name}: {len(files(folder))} files, {size / 1e6:,.0f} MB\n")
    print("| way | s | of the json loop's | MiB | records |\n| --- | --- | --- | --- | --- |")
    loops = runs["json loop"]
    for way in ways:
        seconds = statistics.median(one[0] for one in runs[way])
        ratio = statistics.median(one[0] / loop[0] for one, loop in zip(runs[way], loops, strict=True))
        memory = max(one[1] for one in runs[way])
        print(f"| {way} | {seconds:.2f} | {ratio:.2f} | {memory:.0f} | {runs[way][0][2]:,} |")
    print()
    counts = {way: runs[way][0][2] for way in ways[:SAME] if way in list(WAYS)[:SAME]}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"the answers differ: {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast a log is asked.")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--archived", type=int, default=23)
    options = parser.parse_args()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load}, {time.strftime('%Y-%m-%d')}; {options.records:,} records\n"
    )
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), records=options.records, days=options.days, archived=options.archived)
        for place in ("plain", "mixed"):
            compare(Path(name) / place, options.rounds)
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
