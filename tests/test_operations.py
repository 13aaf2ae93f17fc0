"""What docs/operations.md hands over works: scripts on real logs, units' commands, patterns on real lines."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from log_builder import SECRET, LogBuilder, three_segments
from samples import REPOSITORY, audit_record

from or_audit_logging import AuditFileHandler
from or_audit_logging.cli.main import main, parser
from or_audit_logging.projections import encoder
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.items import ItemMaker

OPERATIONS = REPOSITORY / "examples" / "operations"
PAGE = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
UNITS = sorted(OPERATIONS.glob("*.service"))
SCRIPTS = sorted(path.relative_to(OPERATIONS).as_posix() for path in OPERATIONS.rglob("*.sh"))

Script = Callable[..., tuple[int, str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Return a function that runs a script as cron does, and returns its exit code and what it printed."""
    if os.name != "posix" or shutil.which("sh") is None:
        pytest.skip("needs a POSIX shell")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("or-audit", "-m or_audit_logging"), ("python3", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n')
        program.chmod(stat.S_IRWXU)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "OR_AUDIT_KEY": SECRET.decode(),
    }

    def run(name: str, *arguments: object) -> tuple[int, str]:
        words = [str(OPERATIONS / name), *map(str, arguments)]
        done = subprocess.run(
            words, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    return run


def anchored(log: LogBuilder, folder: Path) -> Path:
    """Save *log*, keep a checkpoint of it, and return the folder of anchors."""
    log.save(folder / "audit_logs")
    kept = folder / "anchors"
    kept.mkdir(exist_ok=True)
    (kept / "audit.anchors").write_text(log.checkpoint())
    return kept


def write_calls(folder: Path, monkeypatch: pytest.MonkeyPatch, *, good: int, bad: int) -> Path:
    """Return a log with so many calls of now."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    handler = AuditFileHandler(folder / "audit_logs" / "audit.jsonl")
    for number in range(good + bad):
        now = utc_timestamp(datetime.now(UTC))
        status = "success" if number < good else ("error", "timeout")[number % 2]
        record = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "call", (), None)
        record.audit = audit_record(status=status, timestamp=now)
        handler.handle(record)
    handler.close()
    return folder / "audit_logs"


@pytest.mark.parametrize(
    "name", [path.relative_to(OPERATIONS).as_posix() for path in OPERATIONS.rglob("*.sh")]
)
def test_without_its_arguments_a_script_says_how_it_is_called(script: Script, name: str) -> None:
    code, said = script(name)
    assert code == 2
    assert said.startswith(f"{Path(name).name} ")


@pytest.mark.parametrize(
    "case",
    [((20, 0), (), 0), ((18, 2), (), 1), ((18, 2), (10,), 0), ((5, 5), (), 0), ((5, 5), (5, 60, 10), 1)],
)
def test_the_error_rate_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script, case: Any
) -> None:
    """More than the percentage, of calls enough to speak of."""
    (good, bad), arguments, code = case
    log = write_calls(tmp_path, monkeypatch, good=good, bad=bad)
    found, said = script("error_rate.sh", log, *arguments)
    assert found == code, said
    assert (f"{bad} of {good + bad} calls failed" in said) == bool(code)
    for wrong in (("5%",), (5, "1h"), (5, 60, "x")):
        assert script("error_rate.sh", log, *wrong)[0] == 2


def test_a_healthy_log_is_verified_in_silence(tmp_path: Path, script: Script) -> None:
    """And the report stays for doctor."""
    log = LogBuilder()
    log.user(3)
    kept = anchored(log, tmp_path)
    assert script("tampered.sh", tmp_path / "audit_logs", kept, tmp_path / "report.json") == (0, "")
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "verified"


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_tampered_log_is_told_and_the_report_kept(tmp_path: Path, script: Script, how: str) -> None:
    """A changed line, a log put back to an earlier state, one that is no more."""
    log = LogBuilder()
    log.user(5)
    kept = anchored(log, tmp_path)
    folder, report = tmp_path / "audit_logs", tmp_path / "report.json"
    (segment,) = folder.iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    if how == "gone":
        segment.unlink()
    elif how == "cut":
        segment.write_bytes(b"".join(lines[:4]))
    else:
        segment.write_bytes(b"".join(lines).replace(b"plain", b"plaim", 1))
    for _ in range(2):
        code, said = script("tampered.sh", folder, kept, report)
        assert code == 1
        assert said.startswith("TAMPERED")
    first = min(tmp_path.glob("report.json.2*"))
    assert json.loads(first.read_text())["finding_count"] > 0


def test_an_old_anchor_and_no_key_are_told_apart(tmp_path: Path, script: Script) -> None:
    """The one is an alert, the other a check that could not be made."""
    log = LogBuilder()
    log.user(2)
    kept = anchored(log, tmp_path)
    os.utime(kept / "audit.anchors", (0, 0))
    code, said = script("tampered.sh", tmp_path / "audit_logs", kept, tmp_path / "report.json")
    assert (code, said.split(":")[0]) == (1, "unanchored")
    code, said = script("tampered.sh", tmp_path / "nowhere", kept, tmp_path / "report.json")
    assert (code, "TAMPERED" in said) == (1, True)
    code, said = script(
        "tampered.sh", tmp_path / "audit_logs", tmp_path / "nowhere", tmp_path / "report.json"
    )
    assert code == 2


def test_a_fleet_in_order_is_silent_and_what_is_wrong_names_its_host(tmp_path: Path, script: Script) -> None:
    """A changed line, a log that is gone, one that falls behind, one that was silent; no log at all."""
    logs, kept, report = tmp_path / "logs", tmp_path / "kept", tmp_path / "report.json"
    kept.mkdir()
    asked = ("fleet.sh", logs, kept, report)
    built = {}
    for number, host in enumerate(("web1", "web2", "web3")):
        built[host] = log = LogBuilder(log_id=bytes([number]) * 16, host=host)
        log.user(4)
        (kept / host).write_text(log.checkpoint())
        log.save(logs / host)
    assert script(*asked) == (0, "")
    assert len(json.loads(report.read_text())) == 3
    code, said = script(*asked, "26h", "26h", "0.001")
    assert (code, [line.split(":")[1][:13] for line in said.splitlines()]) == (1, [" silent since"] * 3)

    for _ in range(2):
        built["web3"].user(3)
        (kept / "web3.late").write_text(built["web3"].checkpoint())
        code, said = script(*asked)
    assert (code, said) == (1, "web3: behind by 7 lines, and was by 3\n")

    segment = next((logs / "web1").iterdir())
    segment.write_bytes(segment.read_bytes().replace(b"plain", b"plaim", 1))
    shutil.rmtree(logs / "web2")
    os.utime(kept / "web2", (0, 0))
    code, said = script(*asked)
    told, *lines = said.splitlines()
    assert (code, told.split(":")[0], lines) == (
        1,
        "TAMPERED",
        ["0101010101010101: the log is gone", f"web1: tampered, '{logs / 'web1'}'"],
    )
    assert len(json.loads(min(tmp_path.glob("report.json.2*")).read_text())) == 3

    shutil.rmtree(logs)
    assert script(*asked)[0] == 2
    logs.mkdir()
    code, said = script("fleet.sh", logs, logs, report)
    assert (code, "there is no log" in said) == (2, True)


def test_lost_records_are_told_once(tmp_path: Path, script: Script) -> None:
    """Each line that states some; not what a user wrote; and a log without any in silence."""
    log = LogBuilder()
    log.user(2, text='\\"event_type\\":\\"log.lost\\"')
    folder, state = log.save(tmp_path / "audit_logs"), tmp_path / "state"
    assert script("lost.sh", folder, state) == (0, "")
    log.control("log.lost", count=3, reason="disk", detail='no space, "count":9,"reason":"x"')
    log.save(folder)
    code, said = script("lost.sh", folder, state)
    assert (code, said) == (1, f"lost: 3 records, reason disk, stated at seq {log.seq - 1} of {folder}\n")
    assert script("lost.sh", folder, state) == (0, "")
    log.user()
    log.control("log.lost", count=None, reason="gone", detail=None)
    log.save(folder)
    code, said = script("lost.sh", folder, state)
    assert code == 1
    assert said.startswith("lost: null records, reason gone")
    assert script("lost.sh", tmp_path / "nowhere", state)[0] == 2


def test_lost_records_of_a_log_that_was_begun_anew_are_told(tmp_path: Path, script: Script) -> None:
    """Its sequence numbers begin at 0 again, below those of which was told."""
    folder, state = tmp_path / "audit_logs", tmp_path / "state"
    for log_id, before in ((bytes(16), 50), (bytes([1] * 16), 2)):
        log = LogBuilder(log_id=log_id)
        log.user(before)
        log.control("log.lost", count=3, reason="disk", detail=None)
        log.save(folder)
        code, said = script("lost.sh", folder, state)
        assert (code, said.count("lost: 3 records")) == (1, 1)
        assert script("lost.sh", folder, state) == (0, "")
    state.write_text("1\n")
    assert script("lost.sh", folder, state)[0] == 1


def test_a_target_that_lags_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    """Lines that it lacks for too long; not shipped at all; what it has refused, once."""
    log = write_calls(tmp_path, monkeypatch, good=3, bad=0)
    state = tmp_path / "state.json"
    assert script("lag.sh", log, state) == (1, "shipping: the log was not shipped to anybody yet\n")
    assert main(["ship", str(log), "--to", f"file:{tmp_path / 'shipped'}"]) == 0
    assert script("lag.sh", log, state, 0) == (0, "")
    write_calls(tmp_path, monkeypatch, good=2, bad=0)
    assert script("lag.sh", log, state, 3600) == (0, "")
    code, said = script("lag.sh", log, state, 0)
    assert code == 1
    assert re.search(r"shipping: file:\S+ lacks [1-9][0-9]* lines, the oldest of 20", said)
    (cursor,) = (log / "ship").glob("*.cursor.json")
    cursor.write_text(json.dumps(json.loads(cursor.read_text()) | {"dead_letters": 2}))
    assert "2 more dead_letters" in script("lag.sh", log, state, 3600)[1]
    assert script("lag.sh", log, state, 3600) == (0, "")
    assert script("lag.sh", tmp_path / "nowhere", state)[0] == 2


def test_a_log_that_is_shorter_than_its_copy_is_told(tmp_path: Path, script: Script) -> None:
    """An older backup was put back: nothing lags then."""
    log = LogBuilder()
    log.user(5)
    folder, state = log.save(tmp_path / "audit_logs"), tmp_path / "state.json"
    assert main(["ship", str(folder), "--to", f"file:{tmp_path / 'shipped'}"]) == 0
    assert script("lag.sh", folder, state) == (0, "")
    (segment,) = folder.glob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:4]))
    code, said = script("lag.sh", folder, state)
    assert (code, said.count("\n")) == (1, 2)
    assert "the log ends before; run or-audit verify" in said
    assert "has lines that the log has not any more" in said


def test_a_state_folder_elsewhere_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    """As it was given to ship."""
    log, state, cursors = (
        write_calls(tmp_path, monkeypatch, good=3, bad=0),
        tmp_path / "state.json",
        tmp_path / "c d",
    )
    target = f"file:{tmp_path / 'shipped'}"
    assert main(["ship", str(log), "--to", target, "--state", str(cursors)]) == 0
    assert script("lag.sh", log, state, 0, cursors) == (0, "")
    assert "not shipped to anybody" in script("lag.sh", log, state, 0)[1]


def test_two_targets_of_one_name_are_told_apart(tmp_path: Path, script: Script) -> None:
    """By their cursors: addresses may differ where names do not show it."""
    counts = {"deleted": 0, "breaks": 0, "lag_seconds": 0.0, "behind": 0, "next_seq": 9, "end_seq": 9}
    found = [
        {
            "target": "webhook:https://host",
            "cursor": f"webhook-{at}.cursor.json",
            "dead_letters": at,
            **counts,
        }
        for at in (1, 5)
    ]
    (tmp_path / "status.json").write_text(json.dumps(found))
    program = tmp_path / "bin" / "or-audit"
    program.write_text("#!/bin/sh\ncat status.json\n")
    code, said = script("lag.sh", "log", tmp_path / "state.json")
    assert (code, re.findall(r"[0-9]+ more", said)) == (1, ["1 more", "5 more"])
    assert script("lag.sh", "log", tmp_path / "state.json") == (0, "")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"c": 1}', "\0"])
def test_what_cannot_be_looked_at_is_no_alert(tmp_path: Path, script: Script, content: str) -> None:
    """Numbers that are none, a damaged state: exit code 2 and a line that says so, no traceback."""
    names = ("dead_letters", "deleted", "breaks", "lag_seconds", "behind", "next_seq", "end_seq")
    one = dict.fromkeys(names, 0)
    found = [{"target": "stdout", "cursor": "c", "oldest_unshipped": None, **one}]
    (tmp_path / "status.json").write_text(json.dumps(found))
    (tmp_path / "bin" / "or-audit").write_text("#!/bin/sh\ncat status.json\n")
    state = tmp_path / "state.json"
    state.write_text(content)
    code, said = script("lag.sh", "log", state)
    assert (code, "Traceback" in said, said.count("\n")) == (2, False, 1)
    state.unlink()
    for seconds in ("5m", "1e3", "nan", "-1"):
        code, said = script("lag.sh", "log", state, seconds)
        assert (code, "whole number" in said) == (2, True)
    assert script("lag.sh", "log", tmp_path / "nowhere" / "state")[0] == 2


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_commands_of_a_unit_are_ours(unit: Path) -> None:
    """They parse; a timer starts each that is no service of its own, and what fails is told."""
    text = unit.read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    words = shlex.split(command)
    if "@" in unit.name:
        return
    assert words[0].endswith("/or-audit")
    assert callable(parser().parse_args(words[1:]).run)
    assert "OnFailure=or-audit-alert@%n.service" in text
    assert unit.with_suffix(".timer").exists() != ("[Install]" in text)


def test_a_shipper_that_cannot_ship_fails_in_the_end() -> None:
    """Restarts, whatever the exit code, reach the limit, without which nothing is ever told."""
    text = (OPERATIONS / "or-audit-ship.service").read_text()
    assert "\nRestart=always\n" in text  # SuccessExitStatus= would make 1 an end in order
    numbers = {name: int(value) for name, value in re.findall(r"^(\w+)=([0-9]+)$", text, re.MULTILINE)}
    before = text[: text.index("[Service]")]
    assert "StartLimitIntervalSec=" in before
    assert "StartLimitBurst=" in before
    longest = max(numbers["RestartSec"], numbers["RestartMaxDelaySec"]) + 60
    assert numbers["StartLimitBurst"] * longest < numbers["StartLimitIntervalSec"]


def test_a_shipper_outlives_a_bad_deploy_of_minutes() -> None:
    """Its pauses grow to a quarter of an hour, over as many starts as there are."""
    text = (OPERATIONS / "or-audit-ship.service").read_text()
    numbers = {name: int(value) for name, value in re.findall(r"^(\w+)=([0-9]+)$", text, re.MULTILINE)}
    first, steps, last = (numbers[name] for name in ("RestartSec", "RestartSteps", "RestartMaxDelaySec"))
    pauses = [min(last, first * (last / first) ** (n / steps)) for n in range(numbers["StartLimitBurst"])]
    assert sum(pauses) > 1800


@pytest.mark.parametrize("name", ["ship", "verify", "checkpoint", "retain"])
def test_a_log_that_is_not_there_yet_keeps_no_unit_from_starting(name: str) -> None:
    """Where a path may be missing, systemd wants a - before it."""
    text = (OPERATIONS / f"or-audit-{name}.service").read_text()
    assert re.search("^ReadWritePaths=-/var/log/llm/audit_logs", text, re.MULTILINE)


def test_a_cursor_that_cannot_be_read_is_told(tmp_path: Path, script: Script) -> None:
    """And the other targets are looked at all the same."""
    log, state = tmp_path / "log", tmp_path / "state.json"
    three_segments().save(log)
    for name in ("a", "b"):
        assert main(["ship", str(log), "--to", f"file:{tmp_path / name}"]) == 0
    assert script("lag.sh", log, state, 0) == (0, "")
    damaged = min((log / "ship").glob("*.cursor.json"))
    damaged.write_text("")
    code, said = script("lag.sh", log, state, 0)
    assert code == 1
    assert f"the cursor {damaged.name} cannot be read" in said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units_are_as_systemd_wants_them(tmp_path: Path) -> None:
    """No unknown setting but those that an older systemd says it passes by, no value that cannot be read."""
    for file in (*UNITS, *OPERATIONS.glob("*.timer")):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/sh", file.read_text(), flags=re.MULTILINE)
        (tmp_path / file.name).write_text(text)
    files = [str(file) for file in sorted(tmp_path.iterdir()) if "@" not in file.name]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], check=False, capture_output=True, text=True
    )
    newer = ("RestartSteps", "RestartMaxDelaySec")
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert [line for line in said if not any(f"'{name}' in section" in line for name in newer)] == []


def test_the_crontab_s_commands_are_there() -> None:
    """Scripts that exist, commands that parse."""
    text = (OPERATIONS / "crontab").read_text()
    variables = dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE))
    jobs = [line.split(maxsplit=5)[5] for line in text.splitlines() if re.match(r"[*0-9]", line)]
    assert len(jobs) == 8
    assert variables["PATH"].startswith("/usr/local/bin:")  # where the units have it too
    for job in jobs:
        for name, value in variables.items():
            job = job.replace(f"${name}", value)  # noqa: PLW2901
        assert "%" not in job
        words = shlex.split(re.sub(r"^found=\$\((.*?)\)", r"\1", job).split("||")[0])
        words = [word for word in words if not re.match(r"[12]?>", word)]
        if words[0] == "or-audit":
            assert callable(parser().parse_args(words[1:]).run)
        else:
            assert os.access(OPERATIONS / Path(words[0]).name, os.X_OK)


def sample_lines() -> dict[str, bytes]:
    """Return lines of each kind that alerts are about, by what they are."""
    log = LogBuilder()
    lines = {
        "checkpoint": log.checkpoint().encode(),
        "lost": log.control("log.lost", count=1, reason="disk", detail=None),
        "notice": ItemMaker(log.log_id.hex()[:16], bytes)
        .notice("break", "m", seq=1, now=datetime.now(UTC))
        .line,
    }
    statuses = ("success", "error", "timeout", "cancelled", "incomplete", "blocked")
    for status in statuses:
        lines[status] = json.dumps(audit_record(status=status).to_dict(), default=str).encode()
    for event, status in (
        ("generation", "success"),
        ("generation", "error"),
        ("chat_completion.started", None),
    ):
        record = audit_record(event_type=event, status=status)
        lines[f"{event} {status}"] = json.dumps(record.to_dict(), default=str).encode()
    return lines


def matches(pattern: str, members: dict[str, Any]) -> bool:
    """Return whether a CloudWatch pattern of =, !=, && and || on strings holds for *members*."""
    expression = (
        re.sub(
            r'\$\.(\w+) (=|!=) "([^"]*)"',
            lambda found: str((members.get(found[1]) == found[3]) == (found[2] == "=")),
            pattern.strip("{} "),
        )
        .replace("&&", "and")
        .replace("||", "or")
    )
    assert re.fullmatch(r"(?:True|False|and|or|[() ])+", expression)
    return bool(eval(expression))


CALLS = {"success", "error", "timeout", "cancelled", "incomplete", "blocked"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CallsFilter", CALLS),
        ("FailedFilter", {"error", "timeout"}),
        ("LostFilter", {"lost"}),
        ("BreakFilter", {"notice"}),
        ("CheckpointFilter", {"checkpoint"}),
    ],
)
def test_cloudwatch_patterns_match_what_they_are_for(name: str, expected: set[str]) -> None:
    """And nothing else; each has an alarm on its metric."""
    resources = yaml.safe_load((OPERATIONS / "cloudwatch.yaml").read_text())["Resources"]
    properties = resources[name]["Properties"]
    found = {
        kind
        for kind, line in sample_lines().items()
        if matches(properties["FilterPattern"], json.loads(line))
    }
    assert found == expected
    (metric,) = properties["MetricTransformations"]
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert any(metric["MetricName"] in json.dumps(alarm) for alarm in alarms)
    for alarm in alarms:
        assert alarm["TreatMissingData"] in ("breaching", "notBreaching")
        assert f"\n## {alarm['AlarmDescription'].rpartition(', ')[2]}\n" in PAGE


def test_google_s_filters_name_members_that_arrive() -> None:
    """Each member that a filter asks for is there in the google format; each policy has its metric."""
    text = (OPERATIONS / "google" / "metrics.sh").read_text()
    payloads = [json.loads(encoder("google")(line)) for line in sample_lines().values()]
    payloads.append({"event_type": "verification", "exit_code": 0})
    for name in set(re.findall(r"jsonPayload\.([\w.]+)", text)):
        found = payloads
        for part in name.split("."):
            found = [payload[part] for payload in found if part in payload]
        assert found, name
    for value in re.findall(r'event_type="([^"]+)"', text):
        assert value in {payload.get("event_type") for payload in payloads}
    made = set(re.findall(r"^metric (\w+)", text, re.MULTILINE))
    policies = sorted((OPERATIONS / "google").glob("*.json"))
    assert {path.stem for path in policies} == set(re.findall(r"for policy in (.+);", text)[0].split())
    used = set(re.findall(r"user/or_audit_(\w+)", "".join(path.read_text() for path in policies)))
    assert used == made
    for path in policies:
        policy = json.loads(path.read_text())
        assert f"\n## {policy['documentation']['content'].rpartition(', ')[2]}\n" in PAGE
        assert {next(iter(set(one) - {"displayName"})) for one in policy["conditions"]} <= {
            "conditionThreshold",
            "conditionAbsent",
        }


def test_google_s_metrics_can_be_made_again(tmp_path: Path, script: Script) -> None:
    """What is there already is brought up to date, and no policy is there twice."""
    gcloud = tmp_path / "bin" / "gcloud"
    gcloud.write_text(
        """#!/bin/sh
case "$*" in
    *" create or_audit_"*) [ ! -e "$4" ] && echo "$*" >> calls && : > "$4" ;;
    *" policies list "*"displayName=\\"LLM "*) [ ! -e again ] || echo policy ;;
    *) echo "$*" >> calls ;;
esac
"""
    )
    gcloud.chmod(stat.S_IRWXU)
    calls = tmp_path / "calls"
    for word, policies in (("create", 4), ("update", 0)):
        calls.write_text("")
        code, said = script("google/metrics.sh", "p", "audit", "channel")
        assert code == 0, said
        assert len(re.findall(f"^logging metrics {word} or_audit_", calls.read_text(), re.MULTILINE)) == 6
        assert calls.read_text().count("monitoring policies create") == policies
        (tmp_path / "again").touch()
