"""`or-audit ship`: what it prints, what it complains of, and its exit codes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of
from log_builder import LogBuilder, three_segments
from samples import REPOSITORY
from ship_sites import WebhookSite
from shipping import LIMITS, MemoryTarget, ship

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.ship import Shipper, ship_status

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a log of three segments of five lines."""
    return three_segments().save(tmp_path / "log")


@pytest.fixture
def site() -> Iterator[WebhookSite]:
    with WebhookSite() as site:
        yield site


def run(folder: Path, *options: str) -> int:
    return main(["ship", str(folder), *options])


def add(folder: Path, count: int) -> None:
    """Add records to the newest segment of the log."""
    log = three_segments()
    before = len(log.segments[log.name])
    log.user(count)
    with open(folder / log.name, "ab") as file:
        file.write(log.segments[log.name][before:])


def process(folder: Path, *options: str, **pipes: object) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", "ship", str(folder), *options],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes),  # type: ignore[call-overload]
    )


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """And names the targets and the exit codes."""
    assert main(["ship", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "example: or-audit ship audit_logs --to webhook:https://" in out
    for word in ("file:", "stdout", "cloudwatch:GROUP:STREAM", "gcp:LOG", "Exit codes: 0", "--follow"):
        assert word in out


def test_delivered(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """0, and how far; the second time there is nothing to do."""
    assert run(folder, "--to", site.text) == 0
    assert capsys.readouterr().out == "delivered  15 lines, up to seq 14\n"
    assert run(folder, "--to", site.text) == 0
    assert capsys.readouterr() == ("delivered  0 lines, up to seq 14\n", "")
    assert len(site.items) == 15


def test_delivered_as_json(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--to", site.text, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "delivered": 15,
        "dead_letters": 0,
        "deleted": 0,
        "breaks": [],
        "next_seq": 15,
        "is_complete": True,
        "exit_code": 0,
    }


def test_dead_letters(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """1: said on the way, counted at the end, and where they stand."""
    site.refuse("00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000007")
    assert run(folder, "--to", site.text) == 1
    out, error = capsys.readouterr()
    assert out == "delivered  13 lines, up to seq 14\nrefused    2 lines\n"
    assert "2 lines from seq 3 on, refused; see " in error
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    assert f"{letters}\n" in error
    reasons = {json.loads(letter)["reason"] for letter in letters.read_text("ascii").splitlines()}
    assert reasons == {f"{site.base}/audit answered 422 (there is one that I do not take)"}
    assert run(folder, "--to", site.text) == 0


def test_a_break(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """2, and what may be done; by choice 1, with what does not follow."""
    (folder / "audit_2026-11-22.jsonl").unlink()
    for _ in range(2):
        assert run(folder, "--to", site.text) == 2
        out, error = capsys.readouterr()
        assert out == ""
        assert "seq 5 to 9 are not there, and no log.delete says why; run or-audit verify" in error
        assert "Nothing behind it was shipped; --on-break flag ships it with a notice" in error
    assert len(site.items) == 5
    assert run(folder, "--to", site.text, "--on-break", "flag") == 1
    out, error = capsys.readouterr()
    assert out.startswith("delivered  6 lines, up to seq 14\nbreak      seq 5 to 9 are not there")
    assert "seq 5 to 9" in error
    assert run(folder, "--to", site.text) == 0


def test_what_is_in_a_log_does_not_drive_the_terminal(
    folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters in the names of files, in cursors and in what a target says are escaped."""
    site.stop()
    strange = folder.with_name("l\x1b[2Jog")
    folder.rename(strange)
    (strange / "audit_2026-11-22.jsonl").unlink()
    assert run(strange, "--to", site.text, "--patience", "0.1") == 2
    assert run(strange, "--to", f"file:{strange}/x") == 2
    (cursor,) = (strange / "ship").glob("*.cursor.json")
    changed = {"target": "\x1b[2J", "delivered_at": "\x1b[2J"}
    cursor.write_text(json.dumps(json.loads(cursor.read_text("ascii")) | changed), "ascii")
    assert run(strange, "--status") == 0
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "name a target with --to"),
        (("--follow",), "name a target with --to"),
        (("--to", ""), "there is no target ''; targets are webhook:https://"),
        (("--to", "webhok:https://h"), "there is no target 'webhok' (is webhook meant?); targets are"),
        (("--to", "https://collector.example/"), "no target 'https' (an address of your own is a webhook)"),
        (("--to", "copies/audit.jsonl"), "no target 'copies/audit.jsonl' (a path is written file:PATH)"),
        (("--to", "webhook"), "is no URL; write it with https://"),
        (("--to", "webhook:collector.example/audit"), "is no URL; write it with https://"),
        (("--to", "webhook:http://collector.example/"), "has to begin with https: over http"),
        (("--to", "webhook:https://user:pw@h/"), "the target's address holds credentials"),
        (("--to", "webhook:env:NONE_SUCH"), "NONE_SUCH"),
        (("--to", "file"), "written file:PATH"),
        (("--to", "file:/none/such/file"), "there is no folder /none/such"),
        (("--to", "stdout:x"), "stdout has no address"),
        (("--to", "stdout", "--ca", "/none/such"), "there is no file /none/such"),
        (("--to", "stdout", "--since", "2026-12-01"), "no segment of 2026-12-01 or later"),
        (("--to", "stdout", "--state", "/dev/null"), "name another with --state"),
        (("--to", "stdout", "--patience", "0"), "no number of seconds; give more than 0"),
        (("--status", "--to", "stdout"), "leave --to, --follow and --again out"),
        (("--status", "--again", "letters"), "leave --to, --follow and --again out"),
        (("--to", "stdout", "--max-refused", "0"), "no number"),
        (("--to", "stdout", "--on-break", "maybe"), "invalid choice"),
    ],
)
def test_mistakes_are_named(
    folder: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """2, in one sentence, and nothing is sent or made."""
    assert run(folder, *options) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert words in error
    assert "Traceback" not in error
    assert "pw@" not in error


@pytest.mark.parametrize("options", [("--to", "stdout"), ("--status",)])
def test_where_there_is_no_log(
    tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("{}")
    for place in ("none", "empty", "file"):
        assert run(tmp_path / place, *options) == 2
        assert "or-audit:" in capsys.readouterr().err
    assert os.listdir(tmp_path / "empty") == []
    if "--to" in options:
        (tmp_path / "empty" / "audit_2026-11-21.jsonl").touch()
        assert run(tmp_path / "empty", *options) == 2
        assert "there is no sealed line in" in capsys.readouterr().err


def test_a_log_may_be_named_by_its_handlers_filename(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder / "audit.jsonl", "--to", f"file:{folder.parent / 'copy'}") == 0
    assert capsys.readouterr().out == "delivered  15 lines, up to seq 14\n"


def test_a_cursor_that_is_not_there_is_said(
    folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once: its folder may not be mounted yet. Not where somebody says where to begin."""
    words = f"no cursor of webhook:{site.base}/audit in {folder}/ship: shipping from the beginning\n"
    assert run(folder, "--to", site.text, "--since", "2026-11-22") == 0
    assert capsys.readouterr().err == ""
    (folder / "ship").rename(folder / "away")
    for said in (words, ""):
        assert run(folder, "--to", site.text) == 0
        assert capsys.readouterr().err.removeprefix("or-audit: note: ") == said


def test_a_state_folder_that_goes_away_while_the_log_is_followed(
    folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends, and the next start says that it begins anew."""
    state = folder.parent / "state"
    with Shipper(folder, site.text, state=state, progress=lambda count: shutil.rmtree(state)) as shipper:
        shipper.run()
        add(folder, 3)
        with pytest.raises(OSError, match="what was sent since it was written last is sent again"):
            shipper.follow()
    assert run(folder, "--to", site.text, "--state", str(state)) == 0
    assert "shipping from the beginning" in capsys.readouterr().err


def test_a_damaged_cursor(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """2, and what to do; moved away, all is sent again."""
    run(folder, "--to", site.text)
    (cursor,) = (folder / "ship").glob("*.cursor.json")
    cursor.write_text("{")
    for options in (("--to", site.text), ("--status",)):
        assert run(folder, *options) == 2
        assert f"{cursor} is damaged. Nothing is lost: move it away" in capsys.readouterr().err
        assert len(site.items) == 15
    cursor.unlink()
    assert run(folder, "--to", site.text) == 0
    assert len(site.items) == 30


def test_an_outage(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """2 once patience ends; nothing is lost."""
    site.stop()
    assert run(folder, "--to", site.text, "--patience", "0.1") == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert "could not be reached: nobody listens there; given up after 0 s and 1 tries" in error
    site.start()
    assert run(folder, "--to", site.text) == 0


def test_since(folder: Path, site: WebhookSite) -> None:
    assert run(folder, "--to", site.text, "--since", "2026-11-22") == 0
    assert [item["seq"] for item in site.items] == list(range(5, 15))


def test_errors_as_json(folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]) -> None:
    """An object with the exit code and the error, and what was shipped before it."""

    def said(*options: str) -> dict[str, object]:
        assert run(folder, *options, "--json") == 2
        out, error = capsys.readouterr()
        found: dict[str, object] = json.loads(out)
        assert found["exit_code"] == 2
        assert str(found["error"]) in error
        return found

    assert "there is no target" in str(said("--to", "webhok:https://h")["error"])
    assert "name a target" in str(said()["error"])
    assert "leave --to" in str(said("--status", "--to", site.text)["error"])
    site.stop()
    found = said("--to", site.text, "--patience", "0.1")
    assert "could not be reached" in str(found["error"])
    assert (found["delivered"], found["is_complete"]) == (0, False)
    site.start()
    (folder / "audit_2026-11-22.jsonl").unlink()
    found = said("--to", site.text)
    assert "seq 5 to 9 are not there" in str(found["error"])
    assert (found["delivered"], found["next_seq"]) == (5, 5)
    assert run(folder, "--to", "stdout", "--json") == 2
    assert all("exit_code" not in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"since": "2026-11-21"}, "since is a datetime.date"),
        ({"since": datetime(2026, 11, 21, tzinfo=UTC)}, "since is a datetime.date"),
        ({"patience": -1}, "patience is a number of seconds, 0 or more"),
        ({"patience": float("nan")}, "patience"),
        ({"patience": float("inf")}, "patience"),
        ({"patience": "300"}, "patience"),
        ({"patience": True}, "patience"),
        ({"most_refused": 0}, "most_refused is a whole number, 1 or more"),
        ({"most_refused": 1.5}, "most_refused"),
        ({"most_refused": True}, "most_refused"),
        ({"on_break": "go"}, "on_break is stop or flag"),
    ],
)
def test_arguments_are_checked(folder: Path, arguments: dict[str, Any], words: str) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match=words):
        Shipper(folder, "stdout", **arguments)
    assert not (folder / "ship").exists()


# stdout


@pytest.mark.parametrize("text", ["stdout", "stdout:"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_stdout_has_lines_and_nothing_else(
    folder: Path, text: str, options: tuple[str, ...], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Also where there is something to say."""
    (folder / "audit_2026-11-22.jsonl").unlink()
    assert run(folder, "--to", text, "--on-break", "flag", *options) == 1
    out, error = capfdbinary.readouterr()
    lines = [line for line in out.splitlines() if b"ship.notice" not in line]
    assert lines == lines_of(folder)
    assert b"seq 5 to 9" in error


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("closed", [True, False])
def test_nobody_reads_what_it_says(folder: Path, closed: bool) -> None:
    """It does its work all the same, and ends with the code that it has for what came of it."""
    target = f"file:{folder.parent / 'copy'}"
    command = [sys.executable, "-m", "or_audit_logging", "ship", str(folder), "--to"]
    for to, expected in ((target, 0), ("webhook:http://127.0.0.1:9/", 2)):
        line = shlex.join([*command, to, "--patience", "1"])
        child = subprocess.run(
            ["/bin/sh", "-c", f"exec {line} 2>{'&-' if closed else '/dev/full'}"],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            check=False,
        )
        assert child.returncode == expected
        assert child.stdout == (b"" if expected else b"delivered  15 lines, up to seq 14\n")


def test_whoever_reads_may_go_away(tmp_path: Path) -> None:
    """2 with one sentence, no traceback; the next run sends again what may not have been read."""
    log = LogBuilder()
    log.user(3_000)
    folder = log.save(tmp_path / "log")
    child = process(folder, "--to", "stdout")
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdout.readline().startswith(b'{"event_type":"log.genesis"')
    child.stdout.close()
    error = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 2
    assert error.endswith(b"\nor-audit: standard output cannot be written: BrokenPipeError\n")
    again = process(folder, "--to", "stdout")
    out, error = again.communicate()
    assert (again.returncode, error) == (0, b"")
    assert out.splitlines()[-1] == lines_of(folder)[-1]


def test_a_full_disk_behind_stdout(folder: Path) -> None:
    """Nothing counts as delivered."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full:
        child = process(folder, "--to", "stdout", stdout=full)
        _, error = child.communicate()
    assert child.returncode == 2
    assert error.endswith(b"\nor-audit: standard output cannot be written: OSError\n")
    assert ship_status(folder)[0].next_seq == 0


def test_a_stdout_that_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by >&-."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        with pytest.raises(ConfigError, match="standard output is closed"):
            Shipper(folder, "stdout")


# status


def test_status_before_anything_was_shipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0: that is no failure. Nothing is made."""
    assert run(folder, "--status") == 0
    said = f"no target has a cursor in {folder}/ship: the log was not shipped to anybody yet\n"
    assert capsys.readouterr().out == said
    assert run(folder, "--status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not (folder / "ship").exists()


def test_status_of_each_target(
    folder: Path, site: WebhookSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has all, and who lags by how much."""
    copy = f"file:{tmp_path / 'copy'}"
    run(folder, "--to", copy)
    add(folder, 3)
    run(folder, "--to", site.text)
    capsys.readouterr()
    assert run(folder, "--status") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "target"
    assert head.split()[1:] == ["behind", "lag", "last", "delivery", "delivered", "dead", "letters"]
    assert first.startswith(f"{copy} ")
    assert first.split()[1] == "3"
    assert first.split()[3] == "s"
    assert second.split()[:3] == [f"webhook:{site.base}/audit", "0", "-"]
    assert second.split()[-2:] == ["18", "0"]
    assert run(folder, "--status", "--json") == 0
    behind, level = json.loads(capsys.readouterr().out)
    assert (behind["behind"], behind["next_seq"], behind["end_seq"]) == (3, 15, 18)
    assert behind["oldest_unshipped"] == json.loads(lines_of(folder)[15])["timestamp"]
    assert behind["lag_seconds"] > 0
    assert (level["behind"], level["oldest_unshipped"], level["lag_seconds"]) == (0, None, 0.0)
    assert level["delivered"] == 18


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 400, None])
def test_status_with_one_cursor_that_is_damaged(
    folder: Path, site: WebhookSite, tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, the others are told as ever, and the exit code is 2."""
    run(folder, "--to", f"file:{tmp_path / 'copy'}")
    run(folder, "--to", site.text)
    (damaged,) = (folder / "ship").glob("webhook-*.cursor.json")
    if content is None:
        damaged.unlink()
        damaged.symlink_to(os.devnull)
    else:
        damaged.write_bytes(content)
    capsys.readouterr()
    assert run(folder, "--status") == 2
    out, error = capsys.readouterr()
    _, sound, other = out.splitlines()
    assert sound.split()[:2] == [f"file:{tmp_path / 'copy'}", "0"]
    assert other.split()[:2] == [damaged.name, "damaged"]
    assert f"or-audit: {damaged} " in error
    assert run(folder, "--status", "--json") == 2
    sound, other = json.loads(capsys.readouterr().out)
    assert (sound["delivered"], sound["problem"]) == (15, None)
    assert other["cursor"] == damaged.name
    assert str(damaged) in other["problem"]


def test_status_counts_lag_from_the_first_line_that_is_missing(folder: Path, site: WebhookSite) -> None:
    run(folder, "--to", site.text)
    add(folder, 3)
    when = datetime.fromisoformat(json.loads(lines_of(folder)[15])["timestamp"])
    (status,) = ship_status(folder, now=when + HOUR)
    assert (status.lag_seconds, status.behind) == (3600.0, 3)
    (status,) = ship_status(folder, now=when - HOUR)
    assert status.lag_seconds == 0.0


def test_status_of_a_log_that_is_broken(folder: Path, site: WebhookSite) -> None:
    """It says how far each target is, all the same: for what is wrong there is verify."""
    run(folder, "--to", site.text, "--since", "2026-11-21")
    newest = folder / "audit_2026-11-23.jsonl"
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join(lines[:2]))
    assert ship_status(folder)[0].behind == 0
    newest.unlink()
    assert ship_status(folder)[0].behind == 0
    log = three_segments()
    log.open("2026-11-24")
    log.user(2)
    (folder / log.name).write_bytes(log.segments[log.name])
    (status,) = ship_status(folder, now=datetime(2026, 11, 25, tzinfo=UTC))
    assert status.behind == 4
    assert status.lag_seconds > 0


def test_a_line_that_is_no_json_is_put_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It bears a seal and somebody has written it: other formats cannot say it, and the others go on."""
    builder = LogBuilder()
    builder.seal(b'{"event_type":"chat_completion","v":1,"note":tru}')
    builder.user(2)
    folder = builder.save(tmp_path / "log")
    target = f"file:{tmp_path}/shipped.jsonl"
    assert main(["ship", str(folder), "--to", target, "--format", "ecs"]) == 1
    assert "1 line from seq 2 on, not sent: not JSON" in capsys.readouterr().err
    assert len((tmp_path / "shipped.jsonl").read_bytes().splitlines()) == 4


@pytest.mark.parametrize("form", ["native", "ecs"])
def test_a_line_that_would_break_an_array_is_not_sent(tmp_path: Path, site: WebhookSite, form: str) -> None:
    """It bears a seal, and two objects: the receiver gets the others, as many as there are."""
    builder = LogBuilder()
    builder.seal(b'{"id":"planted"},{"event_type":"chat_completion"}')
    builder.user(2)
    folder = builder.save(tmp_path / "log")
    assert run(folder, "--to", site.text, "--format", form) == 1
    assert [body.count(b"planted") for body in site.bodies] == [0]
    assert len(site.items) == 4


def test_a_target_that_was_never_reached_is_seen_to_lag(
    folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a last delivery that there was none of; --since counts until there is one."""
    site.stop()
    assert run(folder, "--to", site.text, "--patience", "0.1") == 2
    capsys.readouterr()
    assert run(folder, "--status", "--json") == 0
    (status,) = json.loads(capsys.readouterr().out)
    assert (status["behind"], status["last_delivery"], status["delivered"]) == (15, None, 0)
    assert status["lag_seconds"] > 0
    site.start()
    assert run(folder, "--to", site.text, "--since", "2026-11-22") == 0
    assert site.items[0]["seq"] == 5


def test_a_file_has_one_cursor_however_its_path_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And two files of one name in two folders have one each."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert run(folder, "--to", "file:copy.jsonl") == 0
        assert run(folder, "--to", f"file:{tmp_path / name}/copy.jsonl") == 0
        assert (tmp_path / name / "copy.jsonl").read_bytes().splitlines() == lines_of(folder)


def test_what_a_service_would_not_keep_is_not_copied(tmp_path: Path) -> None:
    """One letter says it of all lines that are too old; they stand in the log."""
    builder = LogBuilder()
    builder.user(40)
    folder = builder.save(tmp_path / "log")
    target = MemoryTarget(limits=replace(LIMITS, oldest=timedelta(hours=1)))
    shipped = ship(folder, target)
    assert (shipped.delivered, shipped.dead_letters) == (0, 42)
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    (letter,) = map(json.loads, letters.read_text("ascii").splitlines())
    assert (letter["seq"], letter["last_seq"], letter["count"]) == (0, 41, 42)
    assert "older than an hour" in letter["reason"]
    assert "line" not in letter


def test_what_a_target_repeats_of_a_line_is_not_printed(
    folder: Path, site: WebhookSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands among the dead letters, where the line stands as well."""
    monkeypatch.setattr(site, "answer", lambda *_: (400, b'unknown field in "note":"plain"'))
    assert run(folder, "--to", site.text, "--max-refused", "3") == 2
    assert run(folder, "--to", site.text) == 1
    assert "plain" not in "".join(capsys.readouterr())
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    assert '"note\\":\\"plain' in letters.read_text("ascii")


def test_a_secret_on_the_command_line_is_noticed(
    folder: Path, site: WebhookSite, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--to", f"{site.text}?token=k3y") == 0
    out, error = capsys.readouterr()
    assert "webhook:env:NAME" in error
    assert "k3y" not in out + error


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none", "--to", "stdout") == 2
    assert "there is no audit log in" in capsys.readouterr().err
