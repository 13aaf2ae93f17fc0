"""`diagnose` and `or-audit doctor`: what is wrong is found, and what to do is said."""

from __future__ import annotations

import gzip
import json
import logging
import logging.handlers
import os
import queue
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from log_builder import SECRET, LogBuilder, key
from sinks import Sink

from or_audit_logging import AuditFileHandler, RedactionFilter, SQLiteAuditHandler
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.doctor import Check, diagnose
from or_audit_logging.evidence.doctor import folder as folder_checks
from or_audit_logging.log.mounts import Mount
from or_audit_logging.testing import FakeOpenRouter

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")

API_KEY = "sk-or-v1-" + "0" * 64
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def found(name: str, checks: list[Check]) -> Check:
    """Return the one check of that name."""
    (check,) = (check for check in checks if check.name == name)
    return check


def look(folder: Path, **options: Any) -> list[Check]:
    return diagnose(folder, **({"key": key(), "api_key": API_KEY.encode, "now": NOW} | options))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 2026-11-21 with three records and a checkpoint behind them."""
    builder = LogBuilder()
    builder.user(3)
    builder.checkpoint()
    folder = tmp_path / "log"
    folder.mkdir(mode=0o700)
    builder.save(folder)
    for file in folder.iterdir():
        file.chmod(0o600)
    return folder


def test_a_sound_log(log: Path) -> None:
    """There is nothing to do but to keep copies and reports elsewhere."""
    checks = look(log)
    assert {check.state for check in checks} == {"ok", "unknown"}
    assert [check.name for check in checks if check.state == "unknown"] == ["anchors", "verification"]
    assert all(check.advice for check in checks if check.state != "ok" and check.name != "file-system")


@pytest.mark.parametrize(
    ("value", "state", "says"),
    [
        (API_KEY, "ok", "usual form"),
        ("", "problem", "empty"),
        ("sk-proj-" + "a" * 40, "problem", "another provider's"),
        (f" {API_KEY}", "problem", "white space"),
        (f"{API_KEY}\n", "ok", "usual form"),
        (f"{API_KEY}\n\n", "problem", "white space"),
        (f'"{API_KEY}"', "problem", "quotes"),
        ("sk-or-v1-" + "0" * 60, "warning", "usual form"),
    ],
)
def test_the_form_of_the_api_key(value: str, state: str, says: str) -> None:
    """Is looked at; no part of a key is in what is said."""
    check = found("openrouter-key", diagnose(api_key=value.encode, key=key()))
    assert (check.state, says in check.found) == (state, True)
    assert "0000" not in f"{check.found}{check.advice}"


def test_no_audit_key(log: Path) -> None:
    """Says what the handlers say."""
    check = found("audit-key", look(log, key=None))
    assert check.state == "problem"
    assert "or-audit init" in check.found


def test_another_key(log: Path) -> None:
    """Is found by the log's own key check value."""
    check = found("audit-key", look(log, key=key(b"x" * 40)))
    assert (check.state, "not the one" in check.found) == ("problem", True)


def test_a_key_that_was_changed(tmp_path: Path) -> None:
    """What counts is the key in force at the end."""
    folder, ring = tmp_path / "log", [key(SECRET), key(b"y" * 40)]
    handler = AuditFileHandler(folder / "audit.jsonl", key=key(SECRET))
    handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "before", (), None))
    handler.close()
    for number, secret in enumerate((b"y" * 40, SECRET), 1):
        (tmp_path / f"{number}.key").write_bytes(secret)
        (tmp_path / f"{number}.key").chmod(0o600)
    old, new = f"file:{tmp_path / '2.key'}", f"file:{tmp_path / '1.key'}"
    assert main(["rotate-key", str(folder), "--key", old, "--new-key", new]) == 0
    assert found("audit-key", diagnose(folder, key=ring)).state == "ok"
    assert found("audit-key", diagnose(folder, key=ring[0])).state == "problem"


@posix_only
def test_modes(log: Path) -> None:
    """Who may write may replace; who may read is a question."""
    log.chmod(0o777)
    assert found("folder-mode", look(log)).state == "problem"
    log.chmod(0o750)
    assert found("folder-mode", look(log)).state == "warning"
    segment = next(log.glob("*.jsonl"))
    segment.chmod(0o666)
    check = found("file-modes", look(log))
    assert (check.state, segment.name in check.found) == ("problem", True)


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everything")
def test_somebody_elses_files(log: Path) -> None:
    """Cannot be written by this user."""
    next(log.glob("*.jsonl")).chmod(0o400)
    assert found("file-owner", look(log)).state == "warning"
    log.chmod(0o500)
    assert found("folder", look(log)).state == "problem"


@pytest.mark.parametrize(("kind", "state"), [("nfs4", "problem"), ("9p", "warning"), ("ext4", "ok")])
def test_the_file_system(log: Path, monkeypatch: pytest.MonkeyPatch, kind: str, state: str) -> None:
    """The kinds that handlers refuse or warn of."""
    monkeypatch.setattr(folder_checks, "mount_here", lambda folder: Mount("/mnt", kind))
    assert found("file-system", look(log)).state == state


@pytest.mark.parametrize(("free", "state"), [(1000, "problem"), (1 << 25, "warning"), (1 << 40, "ok")])
def test_room(log: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    """A full disk loses records."""
    monkeypatch.setattr(folder_checks, "free_bytes", lambda folder: free)
    assert found("free-space", look(log)).state == state


def test_no_folder_and_no_log(tmp_path: Path) -> None:
    """A warning: the first record makes them, and a wrong path looks the same."""
    checks = look(tmp_path / "none")
    assert found("folder", checks).state == "warning"
    assert found("log", checks).state == "warning"
    (tmp_path / "file").write_text("")
    SQLiteAuditHandler(tmp_path / "audit.db", key=key()).close()
    assert "is a store" in found("folder", look(tmp_path / "audit.db")).found
    assert found("folder", look(tmp_path / "file")).state == "problem"


def test_a_clock_that_is_behind(log: Path) -> None:
    """Of the log's last line."""
    check = found("clock", look(log, now=NOW - timedelta(days=400)))
    assert (check.state, "ahead of" in check.found) == ("problem", True)


def test_lost_records(log: Path) -> None:
    """Are added up over all that the log states."""
    builder = LogBuilder()
    builder.user(1)
    builder.control("log.lost", count=3, reason="disk", detail=None)
    builder.control("log.lost", count=2, reason="gone", detail=None)
    builder.checkpoint()
    builder.save(log)
    check = found("lost", look(log))
    assert (check.state, "5 lost records (disk 3, gone 2)" in check.found) == ("warning", True)


def test_an_old_checkpoint(log: Path) -> None:
    """With lines behind it, it wants a timer."""
    builder = LogBuilder()
    builder.user(3)
    builder.save(log)
    check = found("checkpoint", look(log, now=NOW + timedelta(days=2)))
    assert (check.state, "3 lines follow" in check.found) == ("warning", True)


def test_an_idle_log(log: Path) -> None:
    """Still ends in yesterday's segment."""
    check = found("log", look(log, now=NOW + timedelta(days=1)))
    assert (check.state, "close-day" in str(check.advice)) == ("ok", True)


def test_a_damaged_archive(log: Path) -> None:
    """Is named; the rest is looked at."""
    builder = LogBuilder()
    builder.user(3)
    builder.open("2026-11-22")
    builder.user(1)
    builder.save(log)
    day = log / "audit_2026-11-21.jsonl"
    (log / "archive").mkdir()
    packed = gzip.compress(day.read_bytes())
    (log / "archive" / f"{day.name}.gz").write_bytes(packed[:-12])
    day.unlink()
    checks = look(log, now=NOW + timedelta(days=1))
    assert found("segments", checks).state == "problem"
    assert found("log", checks).state == "ok"


def test_anchors(log: Path, tmp_path: Path, audit_key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far the copies reach; those of other logs do not count."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    assert found("anchors", look(log, anchors=[place])).state == "problem"
    line = next(log.glob("*.jsonl")).read_text().splitlines()[-1]
    (place / "audit.anchors").write_text(line)
    now = datetime.now(UTC)
    check = found("anchors", look(log, anchors=[place], now=now))
    assert (check.state, "up to 4" in check.found) == ("ok", True)
    assert found("anchors", look(log, anchors=[place], now=now + timedelta(days=3))).state == "warning"
    other = tmp_path / "other"
    other.mkdir()
    LogBuilder(log_id=b"another log, 16b").save(other)
    assert found("anchors", look(other, anchors=[place])).state == "problem"
    with pytest.raises(ConfigError, match="no anchor file"):
        look(log, anchors=[tmp_path / "nowhere"])


def test_the_last_verification(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is what `or-audit verify --json` printed, as old as its file."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    main(["verify", str(log), "--json"])
    report = tmp_path / "report.json"
    report.write_text(capsys.readouterr().out)
    now = datetime.now(UTC)
    check = found("verification", look(log, report=report, now=now))
    assert (check.state, check.found.startswith("unanchored, up to line 5")) == ("ok", True)
    assert found("verification", look(log, report=report, now=now + timedelta(days=30))).state == "warning"
    told = json.loads(report.read_text())
    report.write_text(json.dumps(told | {"verdict": "tampered"}))
    assert found("verification", look(log, report=report, now=now)).state == "problem"
    report.write_text(json.dumps(told | {"log": "ffff"}))
    assert "another log" in found("verification", look(log, report=report, now=now)).found
    for content in ("", "[]", "{}", "7"):
        report.write_text(content)
        with pytest.raises(ConfigError, match="no report"):
            look(log, report=report)


AUDIT = {"class": "or_audit_logging.AuditFileHandler", "filename": "log/audit.jsonl"}
QUEUE = {"class": "logging.handlers.QueueHandler"}
PLAIN = {"class": "logging.StreamHandler"}


def configured(handler: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    handlers = {"one": handler} if handler else {}
    logger = {"handlers": list(handlers)}
    return {"version": 1, "disable_existing_loggers": False, "handlers": handlers} | (
        {"loggers": {"openrouter.audit": logger}} | more
    )


@pytest.mark.parametrize(
    ("config", "name", "state"),
    [
        (configured(AUDIT), "logger", "ok"),
        (configured(PLAIN), "logger", "warning"),
        (configured(QUEUE), "logger", "warning"),
        (configured(None), "logger", "problem"),
        ({"version": 1}, "logger", "problem"),
        ({"version": 1, "handlers": {"one": AUDIT}, "root": {"handlers": ["one"]}}, "logger", "problem"),
        (
            {"disable_existing_loggers": False, "handlers": {"one": AUDIT}, "root": {"handlers": ["one"]}},
            "logger",
            "ok",
        ),
        (configured(AUDIT, disable_existing_loggers=True), "logger", "ok"),
        (configured(AUDIT, loggers={"openrouter": {"handlers": ["one"]}}), "logger", "ok"),
        (
            configured(
                AUDIT,
                loggers={"openrouter.audit": {"propagate": False}, "openrouter": {"handlers": ["one"]}},
            ),
            "logger",
            "problem",
        ),
        (configured(AUDIT | {"level": "ERROR"}), "handler-level", "problem"),
        (
            configured(
                AUDIT,
                filters={"redact": {"()": "or_audit_logging.RedactionFilter"}},
                loggers={"openrouter.audit": {"handlers": ["one"], "filters": ["redact"]}},
            ),
            "filter-place",
            "warning",
        ),
        (configured(AUDIT, loggers="nonsense", root=["nonsense"]), "logger", "problem"),
    ],
)
def test_configurations(config: dict[str, Any], name: str, state: str) -> None:
    """What dictConfig would make of them, without making it."""
    assert found(name, diagnose(key=key(), config=config)).state == state


def test_the_loggers_of_this_process() -> None:
    """The same questions, asked of what is there."""
    logger = logging.getLogger("somebodys.audit")

    def heard() -> Check:
        return found("logger", diagnose(key=key(), loggers=["somebodys.audit"]))

    logger.propagate = False
    try:
        assert heard().state == "problem"
        logger.addHandler(logging.handlers.QueueHandler(queue.Queue()))
        assert heard().state == "warning"
        logger.addHandler(Sink())
        assert heard().state == "ok"
        logger.addFilter(RedactionFilter())
        checks = diagnose(key=key(), loggers=["somebodys.audit"])
        assert found("filter-place", checks).state == "warning"
        logger.disabled = True
        assert heard().state == "problem"
    finally:
        logger.handlers, logger.filters, logger.disabled = [], [], False


def test_the_command(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 without a problem, 1 with one, 2 where it could not look."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    monkeypatch.setenv("OPENROUTER_API_KEY", API_KEY)
    assert main(["doctor", str(log)]) == 0
    out = capsys.readouterr().out
    assert "ok       audit-key" in out
    assert API_KEY not in out
    config = tmp_path / "logging.yaml"
    config.write_text(yaml.safe_dump(configured(None)))
    assert main(["doctor", str(log), "--config", str(config), "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)
    assert {"name", "state", "found", "advice"} == set(checks[0])
    config.write_text("{")
    assert main(["doctor", "--config", str(config)]) == 2
    assert main(["doctor", "--config", str(tmp_path / "none.json")]) == 2
    config.write_text("- a list")
    assert main(["doctor", "--config", str(config)]) == 2
    assert "no mapping" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("api_key", "state", "says"),
    [(API_KEY, "ok", "takes the key"), ("sk-or-v1-wrong", "problem", "refuses the key")],
)
def test_online(api_key: str, state: str, says: str) -> None:
    """One question, and the clock that comes with its answer."""
    with FakeOpenRouter(keys=[API_KEY]) as server:
        checks = diagnose(key=key(), api_key=api_key.encode, online=True, base_url=server.base_url)
    check = found("openrouter", checks)
    assert (check.state, says in check.found) == (state, True)
    assert found("clock-online", checks).state == "ok"
    assert api_key not in str(checks)


def test_online_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there, or there is no key to ask with."""
    with FakeOpenRouter() as server:
        gone = server.base_url
    monkeypatch.setattr("or_audit_logging.openrouter.api.backoff", lambda tries, chance: 0.0)
    checks = diagnose(key=key(), api_key=API_KEY.encode, online=True, base_url=gone)
    assert found("openrouter", checks).state == "problem"
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    assert found("openrouter", diagnose(key=key(), online=True)).state == "unknown"
