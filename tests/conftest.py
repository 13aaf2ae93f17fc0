"""What every test may use: a key in the environment, and logging as it was before."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import freezegun
import pytest
from hypothesis import HealthCheck, settings
from samples import REPOSITORY, SECRET
from sinks import Sink, attached

from or_audit_logging.capture import trouble
from or_audit_logging.evidence.books import opening

for name, examples in (("brief", 30), ("long", 500)):  # a busy machine is no failure
    settings.register_profile(
        name, deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "brief"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Let -n auto use one process more than there are cores: many tests wait for processes, or for time."""
    return (os.cpu_count() or 1) + 1


# Nothing here speaks TLS, but each client loads all certificates, which takes longer than most calls: let
# there be none, also for the programs that tests start.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(REPOSITORY / "tests")

# Tests start hundreds of programs: let the first that compiles a module keep it for the others.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Whoever freezes the time looks through all modules; these have thousands, which only that would import.
freezegun.configure(extend_ignore_list=["openai", "openrouter"])


@pytest.fixture(scope="module", autouse=True)
def _a_small_heap() -> None:
    """Let the collector pass over what imports and earlier modules have made: many tests run it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the interpreter's end collect all of it."""
    gc.unfreeze()


@pytest.fixture
def audit_key(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A key in OR_AUDIT_KEY."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    monkeypatch.delenv("OR_AUDIT_KEY_FILE", raising=False)
    return SECRET


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OR_AUDIT_KEY", raising=False)
    monkeypatch.delenv("OR_AUDIT_KEY_FILE", raising=False)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Close handlers a test attached to the loggers this package uses, and put the loggers back."""
    names = ("openrouter.audit", "or_audit_logging", "or_audit_logging.checkpoint", "")
    before = {
        name: (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
        for name in names
        if (logger := logging.getLogger(name))
    }
    yield
    for other in logging.root.manager.loggerDict.values():
        if isinstance(other, logging.Logger):
            other.disabled = False  # as dictConfig leaves every logger that a test before made
    for name, (handlers, level, propagate, disabled) in before.items():
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if handler not in handlers:
                logger.removeHandler(handler)
                handler.close()
        logger.handlers[:] = handlers
        logger.level, logger.propagate, logger.disabled = level, propagate, disabled
    if "or_audit_logging.handlers.configure" in sys.modules:
        sys.modules["or_audit_logging.handlers.configure"]._installed.clear()
        logger.manager._clear_cache()


@pytest.fixture
def sink() -> Sink:
    """A sink on the audit logger, as long as the test runs."""
    trouble.forget()
    return attached(Sink())


@pytest.fixture
def watched_sink() -> Iterator[Sink]:
    """A sink that has nothing of streams dropped before; afterwards, no guard had to save a call."""
    gc.collect()
    trouble.forget()
    yield attached(Sink())
    assert "internal" not in trouble.counts()


@pytest.fixture
def sqlite_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite answer where no engine is asked for: for a few lines, DuckDB takes far longer to start."""
    monkeypatch.setattr(opening, "has_duckdb", lambda: False)


@pytest.fixture
def vectors() -> Any:
    """Return a function that reads one of the vector files."""

    def read(name: str) -> Any:
        return json.loads((REPOSITORY / "tests" / "vectors" / name).read_text("ascii"))

    return read


def run_python(*arguments: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run another interpreter in *cwd* to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_EACH_IN_A_CHILD = """
import os, sys

endings = {endings!r}
for name, ending in endings.items():
    if not os.fork():
        os.mkdir(name)
        os.chdir(name)
        for descriptor in (1, 2):
            os.dup2(os.open(str(descriptor), os.O_WRONLY | os.O_CREAT), descriptor)
        exec(compile(ending, name, "exec"))
        break
    code = os.waitstatus_to_exitcode(os.wait()[1])
    open(os.path.join(name, "code"), "w").write(str(code))
"""


def run_endings(
    folder: Path, imports: str, program: str, endings: dict[str, str], **environment: str
) -> Callable[[str], tuple[subprocess.CompletedProcess[str], Path]]:
    """Run *program* with each of its *endings*, in *folder*/NAME; the *imports* take longest, and come once.

    Each is a process of its own, forked after the imports, and leaves by itself. Returns a function from an
    ending's name to what became of it and the folder that it knows as `log`.
    """
    code = imports + _EACH_IN_A_CHILD.format(
        endings={name: program + ending for name, ending in endings.items()}
    )
    done = run_python(
        "-c", code, cwd=folder, environment=os.environ | {"OR_AUDIT_KEY": SECRET.decode()} | environment
    )
    assert done.returncode == 0, done.stderr

    def ended(name: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        code, out, error = ((folder / name / file).read_text() for file in ("code", "1", "2"))
        return subprocess.CompletedProcess(name, int(code), out, error), folder / name / "log"

    return ended


def first(count: int, values: Iterable[Any]) -> list[Any]:
    """Return *values* to run a test with; all but the first *count* are for the slow run."""
    return [
        value if number < count else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]


def lines_of(folder: Path) -> list[bytes]:
    """Return every line of the plain segments in *folder*, by name."""
    return [line for path in sorted(folder.glob("*_*.jsonl")) for line in path.read_bytes().splitlines()]


def members_of(folder: Path) -> list[dict[str, Any]]:
    """Return every line of the plain segments in *folder*, parsed."""
    return [json.loads(line) for line in lines_of(folder)]


def records_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines that are not the log's own."""
    return [members for members in members_of(folder) if not members["event_type"].startswith("log.")]
