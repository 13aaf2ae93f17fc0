"""Legal holds: what they keep, that they outlive the lines that say them, and who let go of them."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from log_builder import LogBuilder, key
from retaining import LivedLog, lived

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, RetentionError
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention import holds
from or_audit_logging.evidence.retention.history import Act, history_of
from or_audit_logging.evidence.retention.locking import exclusive
from or_audit_logging.retention import Hold, SegmentState, add_hold, holds_of, release_hold
from or_audit_logging.sealing.note import SigningKey

DAY = date(2026, 1, 3)


def acts(log: LivedLog, event_type: str) -> list[Act]:
    return [act for act in history_of(reader_of(log.folder)).acts if act.event_type == event_type]


def test_a_hold_keeps_its_days_until_it_is_released(tmp_path: Path) -> None:
    """What is older goes, what is held and all behind it stays, and everything goes afterwards."""
    with lived(tmp_path) as log:
        log.write_days(5)
        made = add_hold(tmp_path, "case-7", since=DAY, until=DAY, key=key(), actor="counsel", reason="suit")
        assert holds_of(tmp_path) == (made,) == (Hold("case-7", DAY, DAY, made.seq, "counsel", "suit"),)
        log.pass_days(30)
        log.write()
        done = log.retain()
        assert done["deleted"] == ["audit_2026-01-01.jsonl"]
        (kept,) = done["kept"]
        assert (kept["reason"], kept["holds"]) == ("hold", ["case-7"])
        assert kept["segments"][0] == "audit_2026-01-02.jsonl"  # open until the next day began
        assert log.numbers() == {1, 2, 3, 4, 5}
        release_hold(tmp_path, "case-7", key=key(), actor="counsel", reason="settled")
        log.pass_days(6)
        log.write()
        log.retain()
        assert holds_of(tmp_path) == ()
        assert log.numbers() == {6}
        assert log.verify().findings == ()


def test_held_segments_are_archived_all_the_same(tmp_path: Path) -> None:
    """The bytes are the same."""
    with lived(tmp_path) as log:
        log.write_days(8)
        add_hold(tmp_path, "all", key=key())
        done = log.retain()
        assert (done["deleted"], len(done["archived"])) == ([], 7)
        assert log.numbers() == set(range(8))


@pytest.mark.parametrize("runs", [0, 4, 20])
def test_what_goes_under_a_hold_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int) -> None:
    """Whoever deletes with other means than these, after so many runs, seals what convicts them."""
    with lived(tmp_path) as log:
        log.write_days(6)
        for _ in range(runs):
            log.retain()
            log.write_days(1)
        held = log.today - timedelta(days=3)
        add_hold(tmp_path, "case-7", since=held, until=held, key=key())
        for _ in range(3):
            log.write_days(1)
            log.retain()
        assert log.verify().findings == ()
        monkeypatch.setattr(SegmentState, "held_by", lambda self, holds: ())
        log.pass_days(3)
        log.write()
        log.retain()
        (finding,) = log.verify().findings
        assert (finding.kind, finding.found) == ("delete", "case-7")


def test_a_hold_outlives_the_line_that_says_it(tmp_path: Path) -> None:
    """It is said again before that goes, with who put it there and which line it renews."""
    with lived(tmp_path) as log:
        log.write()
        first = add_hold(
            tmp_path, "case-7", since=date(2026, 3, 1), key=key(), actor="counsel", reason="suit"
        )
        for _ in range(20):
            log.write_days(1)
            log.retain()
        (hold,) = holds_of(tmp_path)
        assert (hold.since, hold.actor, hold.reason) == (date(2026, 3, 1), "counsel", "suit")
        assert hold.seq > first.seq
        (act,) = acts(log, "log.hold")
        assert act.members["renews"] is not None
        deletions = [a.seq for a in acts(log, "log.delete")]
        assert act.seq + 1 in deletions
        assert log.verify().findings == ()


@pytest.mark.parametrize("event", ["hold", "delete", "policy", "open"])
def test_a_line_that_a_crash_cut_says_nothing(tmp_path: Path, event: str) -> None:
    """It is no line, whatever it was to say: holds and retention go on behind it."""
    with lived(tmp_path) as log:
        log.write_days(4)
        with (tmp_path / log.names()[-1]).open("ab") as segment:
            segment.write(b'{"event_type":"log.%s","v":1,"id":"0' % event.encode())
        log.write_days(4)
        add_hold(tmp_path, "case-7", since=date(2026, 1, 3), key=key())
        assert [hold.name for hold in holds_of(tmp_path)] == ["case-7"]
        release_hold(tmp_path, "case-7", key=key())
        assert log.retain()["deleted"][0] == "audit_2026-01-01.jsonl"
        assert log.verify().findings == ()


def test_the_same_hold_again_is_the_one_that_is_there(tmp_path: Path) -> None:
    """Nothing is added; with other days it is another one, and is not made smaller in passing."""
    with lived(tmp_path) as log:
        log.write()
        made = add_hold(tmp_path, "case-7", since=DAY, key=key())
        assert add_hold(tmp_path, "case-7", since=DAY, key=key()) == made
        assert len(acts(log, "log.hold")) == 1
        with pytest.raises(RetentionError, match="other days"):
            add_hold(tmp_path, "case-7", since=DAY, until=DAY, key=key())
        release_hold(tmp_path, "case-7", key=key())
        with pytest.raises(RetentionError, match="no hold case-7"):
            release_hold(tmp_path, "case-7", key=key())


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "a\tb"},
        {"name": 7},
        {"name": "x" * 101},
        {"name": "a", "since": DAY, "until": date(2026, 1, 2)},
        {"name": "a", "actor": ""},
        {"name": "a", "reason": "x" * 1000},
    ],
)
def test_arguments_that_are_wrong(tmp_path: Path, options: dict[str, Any]) -> None:
    with lived(tmp_path) as log:
        log.write()
        with pytest.raises(ConfigError):
            add_hold(tmp_path, key=key(), **options)


def test_a_hold_waits_for_a_run_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is held is still there, or the hold is refused."""
    with lived(tmp_path) as log:
        log.write()
        monkeypatch.setattr(holds, "WAIT", 0.0)
        with exclusive(tmp_path), pytest.raises(RetentionError, match="at work"):
            add_hold(tmp_path, "case-7", key=key())
        monkeypatch.setattr(holds, "WAIT", 60.0)
        let_go = threading.Event()

        def run() -> None:
            with exclusive(tmp_path):
                taken.set()
                let_go.wait(30)

        taken = threading.Event()
        thread = threading.Thread(target=run)
        thread.start()
        taken.wait(30)
        threading.Timer(0.05, let_go.set).start()
        add_hold(tmp_path, "case-7", key=key())
        thread.join()


# the command


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Add, list, release; refusals exit with 1."""
    monkeypatch.setenv("OR_AUDIT_KEY", key()().decode())
    with lived(tmp_path) as log:
        log.write()
        where = str(tmp_path)
        assert main(["hold", "list", where]) == 0
        assert "no legal hold" in capsys.readouterr().out
        assert (
            main(["hold", "add", where, "--name", "case-7", "--since", "2026-01-01", "--actor", "counsel"])
            == 0
        )
        assert "case-7: records made from 2026-01-01 on" in capsys.readouterr().out
        assert main(["hold", "list", where, "--json"]) == 0
        (hold,) = json.loads(capsys.readouterr().out)
        assert (hold["name"], hold["since"], hold["until"], hold["actor"]) == (
            "case-7",
            "2026-01-01",
            None,
            "counsel",
        )
        assert main(["hold", "list", where]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["case-7", "2026-01-01"]
        assert main(["hold", "release", where, "--name", "other"]) == 1
        assert "in force: case-7" in capsys.readouterr().err
        assert main(["hold", "add", where, "--name", "case-7"]) == 1
        assert main(["hold", "release", where, "--name", "case-7", "--reason", "settled"]) == 0
        assert main(["hold", "add", where, "--name", "x", "--since", "yesterday"]) == 2
        assert holds_of(tmp_path) == ()


def test_a_hold_on_what_is_deleted_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is sealed all the same: what is left of those days is held."""
    monkeypatch.setenv("OR_AUDIT_KEY", key()().decode())
    with lived(tmp_path) as log:
        log.write_days(8)
        log.retain()
        add = ["hold", "add", str(tmp_path), "--name"]
        for number, since in enumerate(([], ["--since", "2026-01-03"])):
            assert main([*add, str(number), *since]) == 0
            assert "begins with the segment of 2026-01-04" in capsys.readouterr().err
        assert main([*add, "2", "--since", "2026-01-04"]) == 0
        assert capsys.readouterr().err == ""


def test_on_a_signed_log_without_the_signing_key_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint over the hold is not signed then, nor the one over its release."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("OR_AUDIT_KEY", key()().decode())
    signing = SigningKey.generate()
    log = LogBuilder(signing=signing)
    log.user(3)
    log.save(tmp_path / "log")
    (tmp_path / "signing.pem").touch(mode=0o600)
    (tmp_path / "signing.pem").write_bytes(signing.to_pem())
    name = ["--name", "case-7"]
    for act in ("add", "release"):
        assert main(["hold", act, str(tmp_path / "log"), *name]) == 0
        assert str(signing.verifier_key(log.origin)) in capsys.readouterr().err
    signed = ["--signing-key", f"file:{tmp_path / 'signing.pem'}"]
    for act in ("add", "release"):
        assert main(["hold", act, str(tmp_path / "log"), *name, *signed]) == 0
        assert capsys.readouterr().err == ""


def test_holds_of_a_store_are_listed(tmp_path: Path) -> None:
    """A copy says what the log says."""
    from test_acts import HOLD, open_log

    writer = open_log(tmp_path, in_store=True)
    writer.append(b'{"event_type":"log"}')
    writer.act(("log.hold", HOLD))
    writer.stop()
    assert [hold.name for hold in holds_of(tmp_path / "audit.db")] == ["case-7"]
    with pytest.raises(ConfigError, match="is a store"):
        add_hold(tmp_path / "audit.db", "other", key=key())
