"""The shippers' example configurations: they parse, say whether they were run, and match segments only.

Those that are run are run by tests/integration/test_shippers.py.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from samples import REPOSITORY

FOLDER = REPOSITORY / "examples" / "shipping"
RUN = {"rsyslog.conf", "syslog-ng.conf"}
NOT_RUN = {
    "cloudwatch-agent.json",
    "config.alloy",
    "datadog-agent.yaml",
    "filebeat.yml",
    "fluent-bit.yaml",
    "vector.toml",
}
EXAMPLES = sorted(RUN | NOT_RUN)
SEGMENTS = ("audit_2026-11-21.jsonl", "audit_2026-11-21.1.jsonl")
OTHERS = (
    "archive/audit_2026-11-21.jsonl.gz",
    "audit_2026-11-21.jsonl.gz",
    "audit.lock",
    "current.jsonl",
    "retention.lock",
)


def first_comment(path: Path) -> str:
    """Return the first comment of a configuration; in JSON, the first member."""
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        name, value = next(iter(json.loads(text).items()))
        assert name == "_comment"
        return str(value)
    lines = [line for line in text.splitlines() if not line.startswith("@version")]
    comment = itertools.takewhile(lambda line: line.startswith(("#", "//")), lines)
    return " ".join(line.lstrip("#/ ") for line in comment)


def parsed(path: Path) -> Any:
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    if path.suffix == ".toml":
        return tomllib.loads(text)
    return pytest.importorskip("yaml").safe_load(text)


def test_all_of_them_are_looked_at() -> None:
    """No file in the folder is left out here, nor in its README; folders have their target's own tests."""
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*EXAMPLES, "README.md"}
    folders = [path.name for path in FOLDER.iterdir() if path.is_dir()]
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert [name for name in EXAMPLES + folders if f"[{name}]({name})" not in readme] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_says_whether_it_was_run(name: str) -> None:
    """Its first comment does, and says with which version or from which version's documentation."""
    comment = first_comment(FOLDER / name)
    said = "Run by the tests with" if name in RUN else "Not run here. Written from the documentation of"
    assert re.search(rf"{said} [A-Za-z -]+ [0-9]", comment)


@pytest.mark.parametrize("name", [n for n in EXAMPLES if n.endswith(("json", "toml", "yaml", "yml"))])
def test_each_parses(name: str) -> None:
    """As what its shipper takes it for."""
    assert isinstance(parsed(FOLDER / name), dict)


def test_brackets_match_where_there_is_no_parser() -> None:
    """In the languages that only their shippers read."""
    for name in ("config.alloy", *RUN):
        text = re.sub(r'"[^"\n]*"', "", (FOLDER / name).read_text("utf-8"))
        text = re.sub(r"(#|//).*", "", text)
        open_ones = []
        for character in text:
            if character in "([{":
                open_ones.append(character)
            elif character in ")]}":
                assert open_ones.pop() + character in {"()", "[]", "{}"}, name
        assert open_ones == [], name


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_reads_segments_and_nothing_else(name: str) -> None:
    """Not archives, not lock files, not a link to the active segment."""
    text = (FOLDER / name).read_text("utf-8")
    patterns = {
        found
        for line in text.splitlines()
        for found in re.findall(
            r'"?(?:/var/lib/app/audit_logs/)?(audit_\*[^\s"\],)]*)', re.sub(r"#.*", "", line)
        )
    }
    assert patterns == {"audit_*.jsonl"}
    assert all(fnmatch.fnmatch(segment, "audit_*.jsonl") for segment in SEGMENTS)
    assert not any(fnmatch.fnmatch(other, "audit_*.jsonl") for other in OTHERS)
