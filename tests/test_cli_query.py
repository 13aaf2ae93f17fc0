"""`or-audit query`: how the answer reads, for people and for programs, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from log_builder import NEXT_DAY
from samples import REPOSITORY
from stores import filled
from test_query import Calls

from or_audit_logging.cli import output
from or_audit_logging.cli.main import main
from or_audit_logging.cli.rows import columns, shortened
from or_audit_logging.evidence.reporting.rows import csv_cell
from or_audit_logging.record import NAMES

HOSTILE = "=HYPERLINK(1)\x1b]0;title\x07\u202e\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three calls: one by a hostile name, one that failed, one that cost little."""
    calls = Calls()
    calls.call(user_id=HOSTILE, model_used="openai/gpt-4o-mini", total_tokens=976, latency_ms=812.4)
    calls.call(
        user_id="u-2",
        status="error",
        error_code=402,
        error_type="PaymentRequired",
        error_message="no\x1b[2J credits",
    )
    calls.call(user_id="李雷" * 20, total_cost=Decimal("0.000000000000000000001"))
    return calls.save(tmp_path / "log")


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a query."""
    code = main(["query", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_table_fits_the_terminal(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long names are shortened, money is not; nothing in a record drives the terminal."""
    monkeypatch.setenv("COLUMNS", "110")
    code, out, error = asked(capsys, log)
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["TIME", "(UTC)", "STATUS", "USER", "MODEL", "TOKENS", "COST", "(USD)", "MS"]
    assert all(columns(line) <= 110 for line in lines)
    assert "0.000000000000000000001" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b" in out
    assert "\u2026" in out
    assert lines[3].startswith("    402 PaymentRequired: no\\x1b[2J credits: out of credits")
    assert "openrouter.ai/settings/credits" in out


def test_the_last_calls_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty, or as many as asked for; that there are more is said."""
    calls = Calls()
    records = [calls.call(user_id=f"u-{number}") for number in range(25)]
    folder = calls.save(tmp_path / "log")
    _, out, error = asked(capsys, folder)
    assert [line.split()[3] for line in out.splitlines()[1:]] == [record.user_id for record in records[5:]]
    assert "the last 20" in error
    _, out, error = asked(capsys, folder, "--limit", 25)
    assert len(out.splitlines()) == 26
    assert error == ""
    _, out, _ = asked(capsys, folder, "--format", "jsonl")
    assert len(out.splitlines()) == 25


def test_a_csv_starts_no_formula(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text that a spreadsheet would compute is quoted; numbers are numbers, with all digits."""
    calls = Calls()
    for start in "=+-@\t\r":
        calls.call(user_id=f"{start}1", total_cost=Decimal("-0.10"), metadata={"=a": start})
    calls.save(log)
    _, out, _ = asked(capsys, log, "--format", "csv")
    head, *rows = csv.reader(io.StringIO(out, newline=""))
    assert head == [*NAMES, "seq"]
    for row, start in zip(rows, "=+-@\t\r", strict=True):
        members = dict(zip(head, row, strict=True))
        assert members["user_id"] == f"'{start}1"
        assert members["total_cost"] == "-0.10"
        assert json.loads(members["metadata"]) == {"=a": start}
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row)


def test_json_is_exact(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An array, or a line each; the digits are those of the log, and seq leads to the line."""
    _, out, _ = asked(capsys, log, "--format", "json")
    whole = json.loads(out, parse_float=Decimal)
    assert [one["total_cost"] for one in whole] == [
        Decimal("0.25"),
        Decimal("0.25"),
        Decimal("0.000000000000000000001"),
    ]
    assert whole[0]["user_id"] == HOSTILE
    assert [one["seq"] for one in whole] == [2, 3, 4]
    _, out, _ = asked(capsys, log, "--format", "jsonl", "--fields", "seq,user_id", "--user", "u-2")
    assert out == '{"seq":3,"user_id":"u-2"}\n'
    _, out, _ = asked(capsys, log, "--format", "json", "--user", "nobody")
    assert json.loads(out) == []


def test_nothing_found_is_no_error(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said on stderr, where a program does not read."""
    assert asked(capsys, log, "--user", "nobody") == (0, "", "no record is as asked for\n")


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_a_period_without_records_is_a_mistake(
    log: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Asked for as a whole; one user's absence in it is an answer."""
    status, _, error = asked(capsys, log, "--until", "2020-01-01", "--format", form)
    assert (status, "no call was recorded in" in error) == (2, True)
    assert asked(capsys, log, "--until", "2020-01-01", "--user", "u-1", "--format", form)[0] == 0
    code, out, _ = asked(capsys, log, "--user", "nobody", "--format", "csv")
    assert (code, len(out.splitlines())) == (0, 1)


def test_every_option_asks(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by itself finds the call that it is about."""
    calls = Calls()
    said = {
        "user_id": "u-1",
        "session_id": "s-1",
        "provider": "P",
        "status": "timeout",
        "event_type": "embeddings",
    }
    calls.call(**said, model_used="m", generation_id="gen-1", total_cost=Decimal(5))
    calls.call()
    calls.open(NEXT_DAY)
    calls.clock = calls.clock.replace(day=22)
    calls.call(status="error", user_id="u-9")
    calls.save(log)
    for options in (
        *(
            ("--user", "u-1"),
            ("--session", "s-1"),
            ("--model", "m"),
            ("--provider", "P"),
            ("--status", "timeout"),
        ),
        *(("--event", "embeddings"), ("--generation-id", "gen-1"), ("--min-cost", "5")),
        ("--until", "2026-11-21T10:00:03Z"),
    ):
        _, out, _ = asked(capsys, log, *options, "--format", "jsonl", "--fields", "user_id")
        assert out == '{"user_id":"u-1"}\n', options
    _, out, _ = asked(capsys, log, "--since", NEXT_DAY, "--format", "jsonl", "--fields", "user_id")
    assert out == '{"user_id":"u-9"}\n'


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--since", "last week"], "UTC date"),
        (["--until", "2026-02-30"], "UTC date"),
        (["--fields", "user,cost"], "no field 'user'"),
        (["--status", "failed"], "status is one of"),
        (["--min-cost", "much"], "no amount"),
        (["--limit", "0"], "no number"),
        (["--colour", "red"], "unrecognized"),
        (["--follow", "--format", "json"], "--follow"),
        (["--follow", "--until", "2026-11-21"], "--until"),
    ],
)
def test_wrong_options_are_refused(
    log: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    """With a sentence and exit code 2."""
    code, out, error = asked(capsys, log, *options)
    assert (code, out) == (2, "")
    assert says in error


def test_no_log_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder, a folder that is no log, none at all."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    for name in ("empty", "other", "absent", "other/notes.txt"):
        for options in ([], ["--follow"]):
            code, _, error = asked(capsys, tmp_path / name, *options)
            assert code == 2
            assert "no audit log" in error


def test_what_is_left_out_is_said(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged pieces and redacted lines, on stderr; the rest is answered."""
    calls = Calls()
    calls.call(user_id="u-1")
    calls.call(user_id="u-1")
    calls.open(NEXT_DAY)
    calls.redact(2)
    calls.save(log)
    path = log / f"audit_{NEXT_DAY}.jsonl"
    path.write_bytes(path.read_bytes() + b"torn \x1b[2J")
    code, out, error = asked(capsys, log, "--format", "jsonl")
    assert (code, len(out.splitlines())) == (0, 1)
    assert f"audit_{NEXT_DAY}.jsonl: 1 piece that is no record" in error
    assert "1 line was redacted" in error
    assert "\x1b" not in error


def test_an_output_file_is_whole_or_not_there(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It appears under its name when complete, readable by its owner, and never inside the log."""
    target = tmp_path / "out.csv"
    assert asked(capsys, log, "--format", "csv", "-o", target) == (0, "", "")
    with target.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 4
    if os.name == "posix":
        assert target.stat().st_mode & 0o077 == 0
    inside = next(log.glob("*.jsonl"))
    before = inside.read_bytes()
    assert asked(capsys, log, "-o", inside)[0] == 2
    assert inside.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "out.csv"]


def test_text_that_a_terminal_cannot_show_is_escaped(log: Path) -> None:
    """Whatever the encoding of stdout is."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "ascii"}
    for form in ("table", "csv"):
        done = subprocess.run(
            [sys.executable, "-m", "or_audit_logging", "query", str(log), "--format", form],
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\u674e" in done.stdout


def start_following(log: Path, *options: str) -> subprocess.Popen[str]:
    """Start `or-audit query --follow`."""
    return subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", "query", str(log), "--follow", *options],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    """The last calls, each new one, those of the next day, and no traceback at the end."""
    calls = Calls()
    calls.call(user_id="u-1")
    log = calls.save(tmp_path / "log")
    with start_following(log) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("TIME (UTC)")
        assert "u-1" in process.stdout.readline()
        calls.call(user_id="u-2")
        calls.save(log)
        assert "u-2" in process.stdout.readline()
        calls.open(NEXT_DAY)
        calls.call(user_id="u-3", status="error", error_code=429)
        calls.save(log)
        assert "u-3" in process.stdout.readline()
        assert "429: too many requests" in process.stdout.readline()
        process.send_signal(ending)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


@pytest.mark.skipif(os.name != "posix", reason="pipes are polled on POSIX")
def test_following_ends_when_nobody_reads(tmp_path: Path) -> None:
    """Also where nothing is written that would fail."""
    calls = Calls()
    calls.call(user_id="u-1")
    with start_following(calls.save(tmp_path / "log"), "--format", "jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["user_id"] == "u-1"
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


class Terminal(io.StringIO):
    """Text that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_progress_and_colour_are_for_terminals(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How far it has come is said on stderr while it takes long, and is gone at the end."""
    monkeypatch.setattr(output, "_UNTIL_PROGRESS", 0)
    _, out, error = asked(capsys, log)
    assert "\x1b" not in out + error
    seen, shown = Terminal(), Terminal()
    monkeypatch.setattr("sys.stderr", seen)
    assert main(["query", str(log), "--format", "csv", "-o", str(tmp_path / "x.csv")]) == 0
    assert "bytes read" in seen.getvalue()
    assert seen.getvalue().endswith("\r\x1b[K")
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["query", str(log)]) == 0
    assert "\x1b[31m" in shown.getvalue()
    seen.seek(0)
    seen.truncate()
    assert main(["query", str(log), "--format", "jsonl"]) == 0
    assert seen.getvalue() == ""


@pytest.mark.parametrize("command", [["query"], ["sql", "SELECT 1"], ["report", "--days", "9999"]])
def test_no_output_takes_a_stores_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Nor that of the files beside it; elsewhere in the same folder it may stand."""
    store = filled(tmp_path / "audit.db", {"user_id": "u-1"})
    name, *rest = command
    for wrong in ("audit.db", "audit.db-wal"):
        assert main([name, str(store), *rest, "-o", str(tmp_path / wrong)]) == 2
        assert "part of the log" in capsys.readouterr().err
    assert main([name, str(store), *rest, "-o", str(tmp_path / "out.txt")]) == 0
    assert (tmp_path / "out.txt").stat().st_size > 0


@pytest.mark.parametrize("start", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
def test_no_cell_is_a_formula(start: str) -> None:
    """Whatever may begin one; what does not is left as it is."""
    assert csv_cell(f"{start}1") == f"'{start}1"
    assert csv_cell(f"1{start}") == f"1{start}"


def test_wide_and_combining_characters_are_measured() -> None:
    """A column holds as much as it shows."""
    assert columns("李雷") == 4
    assert columns("e\u0301") == 1
    assert shortened("李雷李雷", 5) == "李雷\u2026"
    assert shortened("abc", 3) == "abc"
