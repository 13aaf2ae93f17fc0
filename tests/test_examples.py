"""Every example runs, against the stand-in for OpenRouter."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY, SECRET, records_of, run_python
from log_builder import NEXT_DAY, LogBuilder
from log_builder import SECRET as SECRET_OF_LOG

from or_audit_logging.testing import FakeOpenRouter

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_leaves_records(tmp_path: Path, example: Path) -> None:
    """As a user would start it, in a folder of its own."""
    pytest.importorskip("openrouter" if "openrouter" in example.name else "openai")
    with FakeOpenRouter() as server:
        environment = os.environ | {
            "OPENROUTER_BASE_URL": server.base_url,
            "OPENROUTER_API_KEY": "sk-or-v1-fake-key-of-the-examples",
            "OR_AUDIT_KEY": SECRET.decode(),
        }
        done = run_python(str(example), cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert records_of(tmp_path / "audit_logs")


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "sha256sum", "od"))),
    reason="needs bash, openssl, sha256sum, od",
)
def test_the_script_that_checks_a_record_tells_a_changed_one(tmp_path: Path) -> None:
    """Every line of two segments but the first of each; then one is edited, and does not hold."""
    log = LogBuilder()
    log.user(3)
    log.open(NEXT_DAY)
    log.user(2)
    folder = log.save(tmp_path / "log")
    key = tmp_path / "audit.key"
    key.write_bytes(SECRET_OF_LOG + b"\n")

    def holds(name: str, number: int) -> bool:
        script = REPOSITORY / "examples" / "check_record.sh"
        command = ["bash", str(script), str(key), str(folder / name), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout == f"line {number} {'does not hold' if done.returncode else 'holds'}\n", (
            done.stderr
        )
        return done.returncode == 0

    for name in log.segments:
        assert all(holds(name, number) for number in range(2, len(log.lines(name)) + 1))
    last = folder / log.name
    last.write_bytes(last.read_bytes().replace(b"plain", b"PLAIN", 1))
    assert [holds(log.name, number) for number in (2, 3, 4)] == [True, False, False]


def test_there_are_examples() -> None:
    """The parametrisation above is not empty."""
    assert EXAMPLES
