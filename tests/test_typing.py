"""The public API under mypy --strict, as a user's project sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from samples import REPOSITORY


@pytest.mark.slow  # mypy's own run holds it as well
def test_the_public_api_is_typed_as_promised() -> None:
    """tests/typing/api.py holds under the project's strict settings, its expected errors included."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--config-file", "setup.cfg", "tests/typing/api.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
