"""Every example runs, against the stand-in for OpenRouter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import records_of, run_python
from samples import REPOSITORY, SECRET

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


def test_there_are_examples() -> None:
    """The parametrisation above is not empty."""
    assert EXAMPLES
