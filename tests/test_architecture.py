"""The house: imports go down, rooms do not know each other, rules do no I/O. Read from the source by ast."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from samples import REPOSITORY

PACKAGE = "or_audit_logging"
SOURCE = REPOSITORY / PACKAGE

FLOORS: dict[int, tuple[str, ...]] = {
    0: ("errors", "record", "policy", "version"),
    1: ("redaction", "sealing", "projections", "exact_json", "digest", "hints", "pricing"),
    2: ("context", "forks", "keys", "pace", "signing_keys", "log", "store", "openrouter"),
    3: ("capture", "handlers", "evidence", "ship"),
    4: ("__init__", "__main__", "cli", "formats", "retention", "testing"),
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
ROOMS = FLOORS[3]

IO_MODULES = frozenset(
    "asyncio fcntl glob http io logging multiprocessing os pathlib pickle random requests secrets select "
    "shutil signal socket sqlite3 ssl subprocess sys tempfile threading time urllib uuid".split()
)
"""What a rule does not import: files, sockets, clocks, chance, processes, loggers."""

PURE_NAMES = frozenset(["os.PathLike", "os.fspath", "uuid.UUID"])
"""Types and functions of those modules that touch nothing outside."""

IO_CALLS = frozenset(["open", "print", "input", "now", "utcnow", "today", "exec", "eval"])

LAZY_ONLY = frozenset(
    "boto3 botocore cryptography duckdb google httpx httpx2 openai orjson pytest requests".split()
)
"""Packages that importing a module of ours must not import (fixtures for pytest users aside)."""


def home(module: str) -> str:
    """Return the floor-level name of a dotted module of the package."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Return (line, dotted module) of every import, those inside functions and TYPE_CHECKING included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                found.append((node.lineno, f"{PACKAGE}.relative"))
            elif node.module == PACKAGE or node.module in IO_MODULES:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
            elif node.module:
                found.append((node.lineno, node.module))
    return found


def violations(module: str, source: str) -> list[str]:
    """Return what is wrong with a module's imports and calls."""
    here = home(module)
    if here not in FLOOR_OF:
        return [f"{module}: stands on no floor"]
    floor, tree, wrong = FLOOR_OF[here], ast.parse(source), []
    for line, name in imports(tree):
        if not name.startswith(f"{PACKAGE}."):
            if floor <= 1 and name.split(".")[0] in IO_MODULES and name not in PURE_NAMES:
                wrong.append(f"{module}:{line}: a rule imports {name}")
            continue
        there = home(name)
        if there not in FLOOR_OF:
            wrong.append(f"{module}:{line}: imports {name}, which stands on no floor")
        elif FLOOR_OF[there] > floor:
            wrong.append(f"{module}:{line}: imports {name}, a floor up")
        elif there != here and here in ROOMS and there in ROOMS:
            wrong.append(f"{module}:{line}: the room {here} knows the room {there}")
    if floor <= 1:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                if name in IO_CALLS:
                    wrong.append(f"{module}:{node.lineno}: a rule calls {name}()")
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for line, name in imports(ast.Module([node], [])):
                if name.split(".")[0] in LAZY_ONLY:
                    wrong.append(f"{module}:{line}: imports {name} when it is imported itself")
    return wrong


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    out = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts]
        if parts[-1] == "__init__" and len(parts) > 2:
            parts.pop()
        out[".".join(parts)] = path
    return out


def test_the_package_keeps_the_house() -> None:
    """No import goes up or across, no rule does I/O, nothing heavy is imported eagerly."""
    found = [wrong for name, path in modules().items() for wrong in violations(name, path.read_text("utf-8"))]
    assert found == []


def test_every_floor_is_looked_at() -> None:
    """The check is not empty: modules of every floor were read."""
    seen = {FLOOR_OF[home(name)] for name in modules()}
    assert seen == set(FLOORS)


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("errors", "from or_audit_logging.sealing.line import parse_line", "a floor up"),
        ("sealing.line", "import or_audit_logging.log.writer", "a floor up"),
        ("sealing.line", "from or_audit_logging import keys", "a floor up"),
        ("sealing.line", "def f():\n    from or_audit_logging.cli import main", "a floor up"),
        ("capture.call", "from or_audit_logging.handlers.file import AuditFileHandler", "knows the room"),
        ("evidence.verify", "from or_audit_logging.capture import call", "knows the room"),
        ("handlers.file", "from or_audit_logging.cli.main import main", "a floor up"),
        ("redaction.redactor", "import socket", "a rule imports"),
        ("redaction.redactor", "from os import path", "a rule imports"),
        ("digest", "import logging", "a rule imports"),
        ("pricing", "def f():\n    return open('x')", "a rule calls open"),
        ("record", "from datetime import datetime\nx = datetime.now()", "a rule calls now"),
        ("handlers.file", "import requests", "when it is imported"),
        ("capture.call", "from openai import OpenAI", "when it is imported"),
        ("helpers", "x = 1", "stands on no floor"),
        ("capture.call", "from or_audit_logging.helpers import x", "stands on no floor"),
        ("capture.call", "from .decorator import audited", "stands on no floor"),
    ],
)
def test_a_planted_violation_is_caught(module: str, source: str, says: str) -> None:
    """Each kind of mistake is found."""
    found = violations(f"{PACKAGE}.{module}", source)
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "capture.call",
            "from or_audit_logging.record import AuditRecord\nfrom or_audit_logging.capture import x",
        ),
        ("handlers.file", "def f():\n    import requests"),
        ("cli.main", "from or_audit_logging.handlers.file import AuditFileHandler\nimport os"),
        ("sealing.text", "import json\nimport hashlib"),
    ],
)
def test_what_the_house_allows_is_not_reported(module: str, source: str) -> None:
    """Down, within a room, lazily, and what a rule may use."""
    assert violations(f"{PACKAGE}.{module}", source) == []
