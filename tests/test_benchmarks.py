"""The scripts in benchmarks/ still run: each once, with as few rounds as it takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import run_python
from samples import REPOSITORY

ROUNDS = {
    "capture.py": ("1",),
    "import_time.py": ("1",),
    "redaction.py": ("1",),
    "settle.py": ("--calls", "20", "--rate", "500", "--lines", "2000"),
    "ship.py": ("1", "--records", "3000", "--seconds", "1"),
    "store.py": ("1", "--lines", "3000", "--records", "100"),
    "query.py": ("1", "--records", "3000"),
    "report.py": ("1", "--records", "3000"),
    "verify.py": ("1", "--lines", "3000"),
    "writer.py": ("1", "--open", "2000"),
}

pytestmark = pytest.mark.slow


def test_every_script_is_tried() -> None:
    assert {path.name for path in (REPOSITORY / "benchmarks").glob("*.py")} == set(ROUNDS)


@pytest.mark.parametrize("script", ROUNDS)
def test_a_script_runs(script: str, tmp_path: Path) -> None:
    path = REPOSITORY / "benchmarks" / script
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    done = run_python(str(path), *ROUNDS[script], cwd=tmp_path, environment=environment)

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""
