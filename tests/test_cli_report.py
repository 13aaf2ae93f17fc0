"""`or-audit report`: does the log hold, what makes no sense, and what its page of documentation says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from books import write_segment
from log_builder import SECRET, LogBuilder, key
from samples import REPOSITORY
from test_report import call, log_of_today, plain_log

from or_audit_logging.cli.main import main
from or_audit_logging.cli.report_text import text_of
from or_audit_logging.evidence.html import page
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.reporting.making import report

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = {"since": "2026-11-21", "until": "2026-11-22"}


@pytest.fixture
def log(tmp_path: Path) -> LogBuilder:
    """An honest log of three calls, saved in `log` beside its key."""
    builder = LogBuilder()
    builder.user(3)
    builder.checkpoint()
    builder.save(tmp_path / "log")
    (tmp_path / "key").write_bytes(SECRET)
    (tmp_path / "key").chmod(0o600)
    return builder


def test_without_being_asked_nothing_is_verified(
    tmp_path: Path, log: LogBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the environment has a key; text and page say so, and name the command that does."""
    monkeypatch.setenv("OR_AUDIT_KEY_FILE", str(tmp_path / "key"))
    made = report(tmp_path / "log", **SINCE)
    assert made.integrity is None
    assert "not checked for this report: give --verify" in text_of(made)
    assert f"or-audit verify {tmp_path / 'log'}" in text_of(made)
    assert "Integrity: not checked for this report" in page(made)
    assert "or-audit report --verify" in page(made)


def test_verify_takes_the_key_of_the_environment(
    tmp_path: Path, log: LogBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `or-audit verify` does; with an anchor the range is stated."""
    monkeypatch.setenv("OR_AUDIT_KEY_FILE", str(tmp_path / "key"))
    found = report(tmp_path / "log", **SINCE, verify=True).integrity
    assert found is not None
    assert (found.verdict, found.key_checked, found.anchored_to) == ("unanchored", True, None)
    made = report(tmp_path / "log", **SINCE, verify=True, anchors=[log.anchor(4)])
    assert made.integrity is not None
    assert (made.integrity.verdict, made.integrity.first_seq, made.integrity.anchored_to) == (
        "verified",
        0,
        3,
    )
    assert "VERIFIED; chain and seals checked with the key; lines up to seq 3" in text_of(made)
    assert "Checked with the key" in page(made)
    assert "covers them up to line 3, kept on 24 Nov 2026, 08:00 UTC" in page(made)
    said = json.loads(json.dumps(made.to_dict()["integrity"]))
    assert (said["key_checked"], said["anchored_at"]) == (True, "2026-11-24T08:00:00.000000Z")


def test_what_was_not_checked_is_said(
    tmp_path: Path, log: LogBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key: nothing but lines under an anchor, or nothing at all."""
    for name in ("OR_AUDIT_KEY", "OR_AUDIT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    nothing = report(tmp_path / "log", **SINCE, verify=True)
    assert "CANNOT VERIFY; seals not checked: no key" in text_of(nothing)
    assert "No key was given: the seals were not checked." in page(nothing)
    anchored = report(tmp_path / "log", **SINCE, anchors=[log.anchor()])
    assert "held against a checkpoint kept elsewhere; seals not checked: no key" in text_of(anchored)
    assert "only the lines that the checkpoint kept elsewhere covers" in page(anchored)


def test_signatures_alone_are_said_to_be_no_more(tmp_path: Path) -> None:
    """With the public key the report says how far the log is signed, and that seals were not checked."""
    pytest.importorskip("cryptography")
    from attacks import SIGNING

    builder = LogBuilder(signing=SIGNING)
    builder.user(2)
    builder.checkpoint()
    log = builder.save(tmp_path)
    made = report(log, **SINCE, public_key=str(SIGNING.verifier_key(builder.origin)))
    assert made.integrity is not None
    assert (made.integrity.key_checked, made.integrity.signed_to) == (False, 3)
    assert "signatures in the log checked up to seq 3; seals not checked: no key" in text_of(made)
    assert "the signatures of checkpoints in the log, up to line 3" in page(made)


@pytest.mark.parametrize("form", ["text", "json", "csv", "html"])
@pytest.mark.parametrize("is_store", [False, True])
def test_a_log_that_was_tampered_with_exits_with_1(
    tmp_path: Path, log: LogBuilder, form: str, is_store: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each format, and the report is written all the same."""
    monkeypatch.setenv("OR_AUDIT_KEY_FILE", str(tmp_path / "key"))
    place = tmp_path / "log"
    (segment,) = place.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"success"', b'"blocked"', 1))
    if is_store:
        segment.write_bytes(segment.read_bytes().replace(b'"blocked"', b'"success"', 1))
        place = tmp_path / "copy.db"
        import_log(tmp_path / "log", place, key=key())
        _alter(place)
    out = tmp_path / "out"
    arguments = ["report", str(place), "--since", "2026-11-21", "--format", form, "-o", str(out)]
    assert main(arguments) == 0
    assert main([*arguments, "--verify"]) == 1
    assert out.stat().st_size > 0


def _alter(store: Path) -> None:
    import sqlite3

    with sqlite3.connect(store) as database:
        database.execute("DROP TRIGGER audit_line_unchanged")
        database.execute("UPDATE audit_line SET status = 'blocked' WHERE status = 'success'")
    database.close()


def newer_store(folder: Path, log: Path) -> Path:
    """Return a store whose schema is one that is yet to come."""
    import sqlite3

    store = folder / "newer.db"
    import_log(log, store, key=key())
    with sqlite3.connect(store) as database:
        database.execute("DROP TRIGGER meta_unchanged")
        database.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")
    database.close()
    return store


@pytest.mark.parametrize(
    ("case", "options", "says"),
    [
        ("empty", [], "no audit log in"),
        ("other", [], "no audit log in"),
        ("missing", [], "no audit log in"),
        ("text file", [], "no audit log in"),
        ("newer", [], "has store schema 2"),
        ("log", ["--since", "2020-01-01", "--until", "2020-01-31"], "no call was recorded in"),
        ("log", ["--since", "21.11.2026"], "since is a UTC date such as 2026-11-21"),
        ("log", ["--until", "2026-02-30"], "until is a UTC date"),
        ("log", ["--since", "2026-11-22", "--until", "2026-11-21"], "later than until"),
        ("log", ["--days", "0"], "give 1 or more"),
        ("log", ["--days", "99999999"], "days is a number of UTC days"),
        ("log", ["--days", "7", "--since", "2026-11-21"], "either days, or since and until"),
        ("log", ["--format", "pdf"], "invalid choice: 'pdf'"),
        ("log", ["--engine", "oracle"], "invalid choice: 'oracle'"),
        ("log", ["--since", "2026-11-21", "--key", "env:NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE"),
        ("log", ["--since", "2026-11-21", "-o", "no/such/folder/out"], "no/such/folder"),
    ],
)
@pytest.mark.usefixtures("log")
def test_bad_input_exits_with_2_and_a_sentence(
    tmp_path: Path, case: str, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on stdout, no traceback."""
    places = {name: tmp_path / name for name in ("empty", "other", "missing", "text file", "log")}
    places["empty"].mkdir()
    places["other"].mkdir()
    (places["other"] / "access_log.txt").write_text("127.0.0.1 GET /\n", "ascii")
    places["text file"].write_text("not a log\n", "ascii")
    if case == "newer":
        places["newer"] = newer_store(tmp_path, places["log"])
    assert main(["report", str(places[case]), *options]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT cost FROM audit_log", "cost"),
        ("SELECT * FROM calls", "calls"),
        ("", "one statement that reads"),
        ("SELECT 1; SELECT 2", ""),
        ("ATTACH 'x.db' AS x", ""),
        ("SELECT * FROM read_text('/etc/hostname')", ""),
    ],
)
@pytest.mark.parametrize("engine", ["sqlite", "auto"])
def test_an_unknown_field_and_other_mistakes_in_sql(
    tmp_path: Path, engine: str, sql: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and what the engine says, on either."""
    arguments = ["sql", str(log_of_today(tmp_path)), sql, "--engine", engine]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert (said.out, "Traceback" in said.err) == ("", False)


def test_a_corrupt_archive_is_named_and_the_rest_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the report's four formats; `sql` names it on stderr."""
    path = write_segment(tmp_path, "2026-11-21", [call(n) for n in range(9)], archived=True)
    path.write_bytes(path.read_bytes()[:-9])
    write_segment(tmp_path, "2026-11-22", [call(20, timestamp="2026-11-22T09:00:00.000000Z")])
    made = report(tmp_path, since="2026-11-21", until="2026-11-22")
    assert made.summary.total_requests >= 1
    assert [one.segment for one in made.problems] == ["audit_2026-11-21.jsonl"]
    assert "unread       audit_2026-11-21.jsonl: " in text_of(made)
    assert "The figures are incomplete" in page(made)
    assert made.to_dict()["problems"][0]["segment"] == "audit_2026-11-21.jsonl"
    assert main(["sql", str(tmp_path), "SELECT COUNT(*) FROM audit_log"]) == 0
    assert "audit_2026-11-21.jsonl could not be read to its end" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "archive")


def test_a_period_that_cannot_be_read_says_why_it_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The damaged archive is named where it may be the reason that no call was found."""
    path = write_segment(tmp_path, "2026-11-21", [call(1)], archived=True)
    path.write_bytes(b"no archive at all")
    assert main(["report", str(tmp_path), "--since", "2026-11-21"]) == 2
    assert "audit_2026-11-21.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "write"), [("reports.md", plain_log), ("html-report.md", log_of_today)])
def test_the_pages_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], Path]
) -> None:
    """The Python blocks, on a log that is called as theirs is."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "audit_logs")
    for block in re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "docs" / name).read_text("utf-8"), re.DOTALL
    ):
        exec(compile(block, name, "exec"), {})
    assert (tmp_path / "report.html").exists() == (name == "html-report.md")


def test_the_page_on_reports_names_what_a_report_has(tmp_path: Path) -> None:
    """Every name of the JSON report stands in its table, and what a summary and a group consist of."""
    text = (REPOSITORY / "docs" / "reports.md").read_text("utf-8")
    section = text.split("## What a report says")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    made: dict[str, Any] = report(plain_log(tmp_path), now=NOW).to_dict()
    assert sorted(named) == sorted(made)
    assert all(f"`{name}`" in section for name in made["summary"])
    assert all(f"`{name}`" in section for name in next(iter(made["by_model"].values())))


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(
    ("engine", "ending"),
    [
        ("sqlite", "SIGINT"),
        ("duckdb", "SIGINT"),
        ("sqlite", "SIGTERM"),
        ("duckdb", "SIGHUP"),
        pytest.param("duckdb", "SIGTERM", marks=pytest.mark.slow),
        pytest.param("sqlite", "SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_long_answer_and_leaves_nothing_behind(
    tmp_path: Path, engine: str, ending: str
) -> None:
    """Not the log's lines in a temporary folder, no traceback, no word about the time it took."""
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    log = plain_log(tmp_path / "log")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
    with subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", "sql", str(log), endless, "--engine", engine],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not any(temporary.iterdir()):
            time.sleep(0.05)
        time.sleep(0.2)  # most often the statement runs by now; the end is the same if not
        process.send_signal(signal.Signals[ending])
        assert process.wait(timeout=60) == 2
        assert process.stderr.read() == "or-audit: interrupted\n"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_loses_no_column(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of one name are refused; the other formats have them."""
    log = plain_log(tmp_path / "log")
    statement = "SELECT 1 AS one, 2 AS one FROM audit_log LIMIT 1"
    assert main(["sql", str(log), statement, "--format", form]) == 2
    assert "two columns are called one" in capsys.readouterr().err
    assert main(["sql", str(log), statement, "--format", "csv"]) == 0
    assert capsys.readouterr().out == "one,one\r\n1,2\r\n"
