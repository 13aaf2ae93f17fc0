"""Configuration stands in one place each, and what is promised about imports holds."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib

import pytest
from samples import REPOSITORY

import or_audit_logging

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg", encoding="utf-8")

OTHER_PLACES = (
    "pytest.ini pytest.toml .pytest.ini .pytest.toml tox.ini mypy.ini .mypy.ini .coveragerc ruff.toml "
    ".ruff.toml setup.py requirements.txt .flake8 .pylintrc"
).split()


def configured_tools() -> dict[str, list[str]]:
    """Return where each tool is configured."""
    places: dict[str, list[str]] = {}
    for section in SETUP.sections():
        tool = section.removeprefix("tool:").split(":")[0].split("-")[0]
        places.setdefault(tool, [])
        if "setup.cfg" not in places[tool]:
            places[tool].append("setup.cfg")
    for tool in PYPROJECT["tool"]:
        places.setdefault(tool, []).append("pyproject.toml")
    return places


def test_no_tool_is_configured_twice() -> None:
    """pytest, coverage and mypy in setup.cfg; ruff and setuptools in pyproject.toml; nothing elsewhere."""
    assert configured_tools() == {
        "pytest": ["setup.cfg"],
        "coverage": ["setup.cfg"],
        "mypy": ["setup.cfg"],
        "ruff": ["pyproject.toml"],
        "setuptools": ["pyproject.toml"],
    }
    assert [name for name in OTHER_PLACES if (REPOSITORY / name).exists()] == []


def test_the_package_is_described_in_pyproject_alone() -> None:
    """setup.cfg's metadata would lose silently against it."""
    assert not {"metadata", "options"} & set(SETUP.sections())
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["build-system"]["build-backend"] == "setuptools.build_meta"


def test_core_dependencies_are_the_two() -> None:
    """Everything else is an extra."""
    names = sorted(requirement.split(">")[0] for requirement in PYPROJECT["project"]["dependencies"])
    assert names == ["python-json-logger", "requests"]


def test_the_top_level_is_small_and_complete() -> None:
    """At most 25 names, each of them there, none of them a surprise."""
    names = or_audit_logging.__all__
    assert len(names) <= 25
    assert names == sorted(names, key=lambda name: (name[0].islower(), name)) or sorted(names) == dir(
        or_audit_logging
    )
    for name in names:
        assert getattr(or_audit_logging, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        or_audit_logging.no_such_name  # noqa: B018


def modules_after(statement: str) -> set[str]:
    """Return the modules loaded in a fresh interpreter after *statement*."""
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import or_audit_logging",
        "from or_audit_logging import *",
        "import or_audit_logging.cli.main",
        "import or_audit_logging.testing",
    ],
)
def test_importing_loads_no_sdk_and_no_http_client(statement: str) -> None:
    """Neither requests nor any SDK, nor httpx; nor pytest."""
    heavy = {
        "requests",
        "openai",
        "httpx",
        "httpx2",
        "urllib3",
        "pydantic",
        "pytest",
        "cryptography",
        "duckdb",
    }
    assert modules_after(statement) & heavy == set()


def test_the_plain_import_loads_next_to_nothing() -> None:
    """Handlers, capture and verification are loaded when they are first used."""
    loaded = {
        name for name in modules_after("import or_audit_logging") if name.startswith("or_audit_logging")
    }
    assert loaded == {"or_audit_logging", "or_audit_logging.forks", "or_audit_logging.version"}


def test_the_package_is_typed() -> None:
    """py.typed is there for those who check types against us."""
    assert (REPOSITORY / "or_audit_logging" / "py.typed").exists()
