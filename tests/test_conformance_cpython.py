"""CPython's own tests of `logging`, with the audit handler where they use one that writes files.

They run in a process of their own, in an empty folder that it cannot leave. Which tests do not apply to a
sealed log, and why, is listed in `cpython_logging.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cpython_logging
import pytest
from cpython_logging import LEFT_OUT

import or_audit_logging

PACKAGE = Path(or_audit_logging.__file__).resolve().parent.parent
NONE_APPLIES = {"FileHandlerTest", "TimedRotatingFileHandlerTest"}


def _has_cpythons_tests() -> bool:
    try:
        return importlib.util.find_spec("test.test_logging") is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not _has_cpythons_tests(), reason="this Python comes without its own tests (test.test_logging)"
)


def run_classes(folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    """Run classes of CPython's tests and return what `cpython_logging.run` tells."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OR_AUDIT", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, cpython_logging.__file__, *names],
        cwd=folder,
        env=environment | {"TMPDIR": str(folder), "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return by class what came of all that is not left out."""
    return run_classes(tmp_path_factory.mktemp("cpython"), *sorted(LEFT_OUT))


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_cpythons_own_tests_pass_with_the_audit_handler(outcomes: dict[str, Any], name: str) -> None:
    """All that is not listed passes; nothing is left out that is not listed."""
    outcome = outcomes[name]
    assert outcome["failed"] == {}
    assert bool(outcome["ran"]) is (name not in NONE_APPLIES)
    assert set(outcome["skipped"]) < {*outcome["ran"], ""}
    present = set(outcome["left_out"]) | set(outcome["ran"])
    assert set(outcome["left_out"]) == set(LEFT_OUT[name]) & present
    if sys.version_info[:2] == (3, 13):
        assert set(LEFT_OUT[name]) <= present


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, listed in LEFT_OUT.items() if listed))
def test_what_is_left_out_would_fail(name: str, tmp_path: Path) -> None:
    """No test is left out that passes, apart from those that are not run for their side effects or length.

    3.13's test_should_not_rollover bears a name that was the device's test before.
    """
    outcome = run_classes(tmp_path, name, "--left-out")[name]
    assert set(outcome["ran"]) - set(outcome["failed"]) <= {"test_race"}
