"""How long imports take, beyond `import logging`, in fresh interpreters, interleaved.

    python benchmarks/import_time.py [ROUNDS]

Prints the median over the rounds of each statement's time less that of `import logging` in the same round.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

STATEMENTS = (
    "import logging",
    "import or_audit_logging",
    "from or_audit_logging import audited",
    "from or_audit_logging import audited, configure",
    "from or_audit_logging import *",
    "import requests",
    "import openai",
)


def seconds(statement: str) -> float:
    """Return how long a fresh interpreter takes over *statement* once it has started."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else float("nan")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for statement in STATEMENTS:
        seconds(statement)
    for _ in range(rounds):
        for statement in STATEMENTS:
            times[statement].append(seconds(statement))
    base = times[STATEMENTS[0]]
    print(f"Python {platform.python_version()}, {rounds} rounds, {time.strftime('%Y-%m-%d')}")
    print(f"{statistics.median(base) * 1000:8.1f} ms  {STATEMENTS[0]}")
    for statement in STATEMENTS[1:]:
        more = [own - reference for own, reference in zip(times[statement], base, strict=True)]
        print(f"{statistics.median(more) * 1000:+8.1f} ms  {statement}")


if __name__ == "__main__":
    main()
