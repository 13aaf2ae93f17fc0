"""`or-audit retain`: it shows the plan, asks at a terminal, and says by its exit code what came of it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_builder import key
from retaining import LivedLog, lived

from or_audit_logging.cli.main import main
from or_audit_logging.evidence.retention.locking import exclusive
from or_audit_logging.retention import add_hold

SHORT = '{"archive_after_days": 2, "delete_after_days": 5}'


class Terminal(io.StringIO):
    """A terminal at which *typed* is typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivedLog]:
    """A log of eight days, and a policy beside it."""
    monkeypatch.setenv("OR_AUDIT_KEY", key()().decode())
    (tmp_path / "short.json").write_text(SHORT)
    with lived(tmp_path / "log") as log:
        log.write_days(8)
        yield log


def run(log: LivedLog, *options: str) -> int:
    policy = ["--policy", str(log.folder.parent / "short.json")]
    return main(["retain", str(log.folder), *policy, "--actor", "cron", *options])


def at_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


def test_in_cron_it_shows_the_plan_and_goes_ahead(log: LivedLog, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is there to be asked."""
    assert run(log) == 0
    out = capsys.readouterr().out
    assert out.startswith("policy   short (to be sealed): archive after 2 days, delete after 5 days")
    assert "delete   audit_2026-01-01.jsonl" in out
    assert out.splitlines()[-1].split(maxsplit=1) == ["done", "archived 4 segments, deleted 3 segments"]
    assert "audit_2026-01-01.jsonl" not in log.names()
    assert run(log) == 0
    assert "nothing to archive, nothing to delete" in capsys.readouterr().out


def test_in_cron_a_policy_that_nobody_named_is_refused(
    log: LivedLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless the log has one, somebody agrees to the usual one, or nothing is done."""
    log.pass_days(100)
    log.write()
    retain = ["retain", str(log.folder)]
    for options in ([], ["--json"]):
        assert main([*retain, *options]) == 2
        said = capsys.readouterr()
        assert "--policy NAME, one of operational, eu-ai-act" in said.err
        assert said.out == ""
    assert "audit_2026-01-01.jsonl" in log.names()
    assert main([*retain, "--dry-run"]) == 0
    shown = at_terminal(monkeypatch, "n\n")
    assert main(retain) == 1
    assert "seal the policy operational in the log? [y/N]" in shown.getvalue()
    monkeypatch.undo()
    monkeypatch.setenv("OR_AUDIT_KEY", key()().decode())
    assert main([*retain, "--yes"]) == 0
    assert "audit_2026-01-01.jsonl" not in log.names()
    assert main(retain) == 0


def test_a_dry_run_shows_the_plan_only(log: LivedLog, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(os.listdir(log.folder))
    assert run(log, "--dry-run") == 0
    assert "delete   audit_2026-01-01.jsonl" in capsys.readouterr().out
    assert sorted(os.listdir(log.folder)) == before


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_at_a_terminal_it_asks(log: LivedLog, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    """Anything but yes is no."""
    shown = at_terminal(monkeypatch, typed)
    assert run(log) == code
    assert "segments for good and seal the policy short in the log? [y/N]" in shown.getvalue()
    assert ("audit_2026-01-01.jsonl" in log.names()) == bool(code)
    assert ("nothing was done" in shown.getvalue()) == bool(code)


def test_with_yes_it_does_not_ask(log: LivedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = at_terminal(monkeypatch, "")
    assert run(log, "--yes") == 0
    assert "[y/N]" not in shown.getvalue()
    assert "audit_2026-01-01.jsonl" not in log.names()


def test_what_only_archives_is_not_asked_about(log: LivedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be undone with gunzip."""
    assert run(log) == 0
    log.write_days(1)
    add_hold(log.folder, "all", key=key())
    shown = at_terminal(monkeypatch, "")
    assert run(log) == 0
    assert "[y/N]" not in shown.getvalue()


def test_a_hold_is_no_error(log: LivedLog, capsys: pytest.CaptureFixture[str]) -> None:
    """What it keeps is said."""
    add_hold(log.folder, "case-7", key=key())
    assert run(log) == 0
    assert "keep     audit_2026-01-01.jsonl  (legal hold case-7" in capsys.readouterr().out


def test_as_json(log: LivedLog, capsys: pytest.CaptureFixture[str]) -> None:
    """The result alone."""
    assert run(log, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["done"]
    assert "audit_2026-01-01.jsonl" in done["deleted"]


def test_refusals_exit_with_1_and_mistakes_with_2(
    log: LivedLog, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with exclusive(log.folder):
        assert run(log) == 1
    assert "retention.lock" in capsys.readouterr().err
    assert main(["retain", str(log.folder), "--policy", "weekly"]) == 2
    assert "operational" in capsys.readouterr().err
    assert main(["retain", str(tmp_path / "nothing")]) == 2
    assert run(log, "--replace-policy") == 2
    assert "give a reason" in capsys.readouterr().err
    segment = log.folder / log.names()[3]
    segment.write_bytes(segment.read_bytes()[:-40])
    assert run(log) == 1
    assert "nothing was touched" in capsys.readouterr().err


def test_several_policies_and_who_won(log: LivedLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(log, "--policy", "hipaa", "--dry-run") == 0
    assert "hipaa wins for deletion: 2,192 days, against short (5 days)" in capsys.readouterr().out
