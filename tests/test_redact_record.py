"""A record is taken out of a log: its line goes, and everything that was proven before still holds."""

from __future__ import annotations

import getpass
import gzip
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import run_endings
from freezegun import freeze_time
from log_builder import DAY, NEXT_DAY, SECRET, THIRD_DAY, LogBuilder, key
from samples import audit_record

from or_audit_logging import query, verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, LegalHoldError, RetentionError
from or_audit_logging.evidence.retention import rewriting
from or_audit_logging.evidence.retention.locking import exclusive
from or_audit_logging.evidence.retention.person import lines_of_person
from or_audit_logging.evidence.retention.redacting import Redacted, redact_record
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.retention import RetentionPolicy, retain
from or_audit_logging.sealing.encode import encode_record
from or_audit_logging.sealing.line import parse_stub

FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FORMS = ("plain", "archived")


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with freeze_time(NOW):
        yield


class Log:
    """A log of three days on disk: seq 0 to 5, 6 to 11, and 12 to 17 in the open segment."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.built = LogBuilder(**options)
        for day in (NEXT_DAY, THIRD_DAY, None):
            self.built.user(3, text="of ann")
            self.built.checkpoint()
            if day is not None:
                self.built.clock = datetime.fromisoformat(f"{day}T09:00:00+00:00")
                self.built.open(day)
        self.folder = self.built.save(folder)
        self.anchor = folder.with_name("anchor")
        self.anchor.write_text(self.built.checkpoint())

    def redact(self, seq: Any = 3, **options: Any) -> Redacted:
        """Redact as the data protection officer does."""
        given: dict[str, Any] = {"actor": "dpo", "reason": "request 7", "key": key()}
        return redact_record(self.folder, seq, **(given | options))

    def act(self, *acts: tuple[str, dict[str, Any]]) -> int:
        """Let the log's writer add control lines."""
        writer = LogWriter(LogLayout.from_filename(self.folder / "audit.jsonl"), KeyRing.from_sources(key()))
        first = writer.act(*acts)
        writer.stop()
        return first

    def archive(self, name: str) -> None:
        self.built.archive(self.folder, name)

    def lines(self, name: str = FIRST) -> list[bytes]:
        """Return a segment's lines, wherever it stands."""
        plain, archived = self.folder / name, self.folder / "archive" / f"{name}.gz"
        content = plain.read_bytes() if plain.exists() else gzip.decompress(archived.read_bytes())
        return content.splitlines(keepends=True)

    def events(self, event: str = "log.redact") -> list[dict[str, Any]]:
        """Return the control lines of one kind."""
        lines = [json.loads(line) for name in (FIRST, SECOND, THIRD) for line in self.lines(name)]
        return [line for line in lines if line.get("event_type") == event]

    def everything(self) -> dict[str, bytes]:
        """Return all files but locks."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".lock"
        }

    def holds(self, redacted: int) -> None:
        """Verify with the key, with an anchor alone, with several processes."""
        anchor = self.folder.with_name("later")
        writer = LogWriter(LogLayout.from_filename(self.folder / "audit.jsonl"), KeyRing.from_sources(key()))
        anchor.write_text(writer.checkpoint())
        writer.stop()
        for options in ({"key": key()}, {}, {"key": key(), "jobs": 2}):
            report = verify(self.folder, anchors=[self.anchor, anchor], **options)
            assert (report.verdict, report.findings, report.redacted) == ("verified", (), redacted)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.mark.parametrize("form", FORMS)
def test_the_line_becomes_its_stub_and_nothing_else_changes(log: Log, form: str) -> None:
    """In a plain and in an archived segment; the certificate names who, why and which hash."""
    if form == "archived":
        log.archive(FIRST)
    before, second, third = log.lines(), log.lines(SECOND), log.lines(THIRD)
    assert b"of ann" in before[3]
    result = log.redact()
    after = log.lines()
    assert [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [
        3
    ]
    assert len(after[3]) == len(before[3])
    stub = parse_stub(after[3].removesuffix(b"\n"))
    (said,) = log.events()
    assert (said["target"], said["leaf"], said["actor"], said["reason"]) == (
        *(3, stub.leaf.hex()),
        *("dpo", "request 7"),
    )
    assert result == Redacted(redacted=(3,), segments=(FIRST,), certificates={3: said["seq"]})
    assert (log.lines(SECOND), log.lines(THIRD)[: len(third)]) == (second, third)
    assert not list(log.folder.rglob(".*"))
    log.holds(1)


def test_several_records_in_several_segments_go_at_once(log: Log) -> None:
    """One checkpoint covers what is said of them, and each file is written once."""
    log.archive(FIRST)
    made = len(log.events("log.checkpoint"))
    result = log.redact([10, 2, 3, 8])
    assert (result.redacted, result.segments) == ((2, 3, 8, 10), (FIRST, SECOND))
    assert [line["target"] for line in log.events()] == [2, 3, 8, 10]
    assert len(log.events("log.checkpoint")) == made + 1
    log.holds(4)


def test_a_second_time_it_says_so_and_adds_nothing(log: Log) -> None:
    """A line that is gone is no error, beside others too."""
    log.redact()
    before = log.everything()
    assert log.redact() == Redacted(already=(3,))
    assert log.everything() == before
    again = log.redact([3, 4])
    assert (again.redacted, again.already) == ((4,), (3,))
    log.holds(2)


def test_a_dry_run_touches_nothing(log: Log) -> None:
    """It finds out what would be refused, too."""
    before = log.everything()
    assert log.redact([3, 8], dry_run=True) == Redacted(redacted=(3, 8), segments=(FIRST, SECOND), done=False)
    with pytest.raises(RetentionError):
        log.redact([0], dry_run=True)
    assert log.everything() == before


def test_what_is_planned_may_be_refused(log: Log) -> None:
    """Whoever is asked sees what would be done; nothing is asked where nothing is left to do."""
    before, seen = log.everything(), []

    def confirm(planned: Redacted) -> bool:
        seen.append(planned.redacted)
        return len(seen) > 1

    assert not log.redact([3, 8], confirm=confirm).done
    assert log.everything() == before
    assert log.redact([3, 8], confirm=confirm).done
    assert log.redact([3, 8], confirm=confirm).done
    assert seen == [(3, 8), (3, 8)]


@pytest.mark.parametrize(
    ("seqs", "says"),
    [
        ([3, 0], "line 0 is the log's own"),
        ([1], "line 1 is the log's own"),
        ([3, 14], "line 14 is not in a closed segment: .*or-audit close-day"),
        ([10_000], "line 10000 is not in a closed segment"),
    ],
)
def test_what_must_stay_is_refused_and_with_it_the_rest(log: Log, seqs: list[int], says: str) -> None:
    """Control lines, the open segment, numbers that are not there."""
    before = log.everything()
    with pytest.raises(RetentionError, match=says):
        log.redact(seqs)
    assert log.everything() == before


def test_a_deleted_line_is_named_as_such(log: Log) -> None:
    """It is not there any more, and the log says since when."""
    log.built.delete(SECOND)
    log.built.checkpoint()
    shutil.rmtree(log.folder)
    log.built.save(log.folder)
    with pytest.raises(RetentionError, match=r"line 3 was deleted: the log begins at seq 6; the log.delete"):
        log.redact()


@pytest.mark.parametrize(
    ("since", "until", "held"),
    [
        (None, None, True),
        (None, DAY, True),
        (DAY, DAY, True),
        (NEXT_DAY, None, False),
        (None, "2026-11-20", False),
    ],
)
def test_a_hold_on_the_record_s_day_forbids_it(
    log: Log, since: str | None, until: str | None, held: bool
) -> None:
    """The record says on which day it was made; a hold on other days is none on it."""
    named = {"name": "case-7", "from": since, "until": until, "actor": "counsel", "reason": "dispute"}
    log.act(("log.hold", named))
    if not held:
        assert log.redact().redacted == (3,)
        return
    with pytest.raises(LegalHoldError, match="'case-7'"):
        log.redact()
    assert log.events() == []
    log.act(("log.release", {"name": "case-7", "actor": "counsel", "reason": "settled"}))
    assert log.redact().redacted == (3,)


@pytest.mark.parametrize("stated", [b"", b',"timestamp":"2019-01-01T00:00:00.000000Z"', b',"timestamp":7'])
def test_a_record_that_does_not_say_its_day_may_be_of_any_near_it(tmp_path: Path, stated: bytes) -> None:
    """A line is written up to 26 hours late, so a hold that ends two days earlier may cover it."""
    built = LogBuilder()
    built.seal(b'{"event_type":"log","v":1%s}' % stated)
    built.open(NEXT_DAY)
    log = Log(tmp_path / "log")
    shutil.rmtree(log.folder)
    built.save(log.folder)
    hold = {"name": "h", "from": "2026-11-19", "until": "2026-11-19", "actor": "a", "reason": "r"}
    log.act(("log.hold", hold))
    with pytest.raises(LegalHoldError):
        log.redact(2)


def test_what_is_changed_behind_the_verification_is_noticed(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each segment that is to be written anew is checked as it is read."""
    from or_audit_logging.evidence.retention import opened

    def verify_and_edit(*arguments: Any, **options: Any) -> Any:
        report = verify(*arguments, **options)
        path = log.folder / FIRST
        path.write_bytes(path.read_bytes().replace(b"of ann", b"of bob", 1))
        return report

    monkeypatch.setattr(opened, "verify", verify_and_edit)
    with pytest.raises(RetentionError, match="does not chain"):
        log.redact(3)
    assert log.events() == []


def test_what_an_interrupted_run_left_is_removed(log: Log) -> None:
    """Also beside a segment that is not asked for now."""
    left = log.folder / f".{SECOND}.redacting"
    left.write_bytes(b"lines of ann")
    log.redact(3)
    assert not left.exists()


@pytest.mark.parametrize("name", [f".{FIRST}.redacting", f"archive/.{FIRST}.redacting.gz"])
def test_retention_removes_it_too(log: Log, name: str) -> None:
    """It holds lines of a segment that retention archives or deletes, under a name that is no segment's."""
    (log.folder / "archive").mkdir(exist_ok=True)
    left = log.folder / name
    left.write_bytes(b"lines of ann")
    retain(log.folder, "operational", key=key())
    assert not left.exists()


def test_a_log_that_fails_verification_is_left_alone(log: Log) -> None:
    """Redaction must not cover up what somebody has done."""
    lines = log.lines(SECOND)
    lines[2] = lines[2].replace(b"of ann", b"of bob")
    (log.folder / SECOND).write_bytes(b"".join(lines))
    before = log.everything()
    with pytest.raises(RetentionError, match=r"does not verify"):
        log.redact()
    assert log.everything() == before


def test_another_key_is_refused(log: Log) -> None:
    """Without the log's own key nothing can be said in it."""
    with pytest.raises(RetentionError, match="does not verify"):
        log.redact(key=key(b"x" * 32))
    assert log.events() == []


def test_a_store_is_no_place_to_redact(tmp_path: Path) -> None:
    """Its folder is, and a copy of the log in a store follows."""
    from or_audit_logging.store.writer import StoreWriter

    StoreWriter(tmp_path / "audit.db", KeyRing.from_sources(key())).append(b'{"event_type":"log"}')
    with pytest.raises(ConfigError, match="or-audit import"):
        redact_record(tmp_path / "audit.db", 1, actor="a", reason="r", key=key())


def test_a_segment_that_is_there_twice_is_finished_first(log: Log) -> None:
    """Otherwise the copy would keep the record."""
    content = (log.folder / FIRST).read_bytes()
    log.archive(FIRST)
    (log.folder / FIRST).write_bytes(content)
    with pytest.raises(RetentionError, match="or-audit retain"):
        log.redact()


def test_two_runs_exclude_each_other(log: Log) -> None:
    """Also retention and redaction."""
    with exclusive(log.folder), pytest.raises(RetentionError, match=r"retention\.lock"):
        log.redact()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": []},
        {"seq": -1},
        {"seq": "3"},
        {"seq": True},
        {"seq": None},
        {"reason": " "},
        {"reason": "x" * 1001},
        {"actor": ""},
    ],
)
def test_wrong_arguments_are_said_to_be_wrong(log: Log, wrong: dict[str, Any]) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError):
        log.redact(**({"seq": 3} | wrong))


# beside a writer


def test_writers_go_on_beside_it(tmp_path: Path) -> None:
    """One that still has yesterday's segment open, and one that is in today's: nothing is lost or noted."""
    folder = tmp_path / "log"

    def writer() -> LogWriter:
        return LogWriter(LogLayout.from_filename(folder / "audit.jsonl"), KeyRing.from_sources(key()))

    idle, busy = writer(), writer()
    with freeze_time("2026-11-22T10:00:00Z"):
        idle.append(b'{"event_type":"log","n":1}')
        for number in range(5):
            busy.append(b'{"event_type":"log","n":%d}' % number)
    busy.append(b'{"event_type":"log","n":9}')
    redact_record(folder, [3, 6], actor="a", reason="r", key=key())
    busy.append(b'{"event_type":"log","n":10}')
    idle.append(b'{"event_type":"log","n":11}')
    redact_record(folder, 7, actor="a", reason="r", key=key())
    idle.stop()
    busy.stop()
    report = verify(folder, key=key())
    assert (report.verdict, report.redacted, report.records_lost) == ("unanchored", 3, 0)
    assert {note.kind for note in report.notes} <= {"no-stop"}  # two writers, one process


# interrupted

IMPORTS = """
import os, signal
from freezegun import freeze_time
from or_audit_logging.evidence.retention import redacting, rewriting
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.evidence.retention.rewriting import Rewrite

freeze_time("2026-11-23T12:00:00Z").start()
"""
PROGRAM = """
def kill(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def after(owner, name):
    real = getattr(owner, name)
    def then_kill(*arguments, **options):
        real(*arguments, **options)
        kill()
    setattr(owner, name, then_kill)

def redact(folder, step):
    if step == "before the file is written": rewriting._read_back = kill
    if step == "before it is said": LogWriter.act = kill
    if step == "between the lines that say it": after(LogWriter, "_write_control")
    if step == "after it was said": after(LogWriter, "act")
    if step == "before the first rename": Rewrite.finish = kill
    if step == "after the first rename": after(os, "replace")
    secret = open(os.path.join(folder, os.pardir, "secret"), "rb").read()
    redacting.redact_record(folder, [3, 8], actor="dpo", reason="request 7", key=lambda: secret)
"""
STEPS = {
    "before the file is written": (0, 0),
    "before it is said": (0, 0),
    "between the lines that say it": (1, 0),
    "after it was said": (2, 0),
    "before the first rename": (2, 0),
    "after the first rename": (2, 1),
}


@pytest.fixture(scope="module", params=FORMS)
def killed(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], tuple[subprocess.CompletedProcess[str], Log]]:
    """Return a function from a step to what became of a process killed there, and its log."""
    folder, runs = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("runs")
    (folder / "secret").write_bytes(SECRET)
    with freeze_time(NOW):
        logs = {step: Log(folder / step) for step in STEPS}
        for log in logs.values():
            if request.param == "archived":
                log.archive(FIRST)
                log.archive(SECOND)
    endings = {step: f"redact({str(log.folder)!r}, {step!r})" for step, log in logs.items()}
    ended = run_endings(runs, IMPORTS, PROGRAM, endings)
    return lambda step: (ended(step)[0], logs[step])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("step", STEPS)
def test_killed_anywhere_it_is_finished_by_the_next_run(
    killed: Callable[[str], tuple[subprocess.CompletedProcess[str], Log]], step: str
) -> None:
    """The log verifies in between, and nothing is said twice."""
    done, log = killed(step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    said, replaced = STEPS[step]
    assert len(log.events()) == said
    report = verify(log.folder, key=key(), anchors=[log.anchor])
    assert (report.verdict, report.redacted) == ("verified", replaced)
    assert [note.kind for note in report.notes] == ["redact-open"] * (said - replaced)
    assert len(log.redact([3, 8]).redacted) == 2 - replaced
    assert [line["target"] for line in log.events()] == [3, 8]
    assert not list(log.folder.rglob(".*"))
    log.holds(2)


def test_without_room_for_the_new_file_nothing_is_said(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made first, and where that fails the log is as it was."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rewriting, "_read_back", full)
    before = log.everything()
    with pytest.raises(OSError, match="No space"):
        log.redact()
    assert log.everything() == before


def test_what_does_not_read_back_is_not_put_in_place(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that keeps other bytes than it was given."""
    real = rewriting.os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        os.pwrite(descriptor, b"#", 5)

    monkeypatch.setattr(rewriting.os, "fsync", fsync)
    before = log.everything()
    with pytest.raises(RetentionError, match="reads back"):
        log.redact()
    monkeypatch.undo()
    with freeze_time(NOW):
        assert log.everything() == before


def test_a_segment_that_grows_meanwhile_is_not_replaced(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to a closed segment; where somebody does, that is not to be covered up."""
    real = LogWriter.act

    def act(*arguments: Any, **options: Any) -> Any:
        with (log.folder / FIRST).open("ab") as file:
            file.write(b"{}\n")
        return real(*arguments, **options)

    monkeypatch.setattr(LogWriter, "act", act)
    with pytest.raises(RetentionError, match="changed meanwhile"):
        log.redact()
    assert b"of ann" in log.lines()[3]
    assert not list(log.folder.rglob(".*"))


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_the_file_is_read_by_those_who_could_before(log: Log) -> None:
    """A shipper's group still reads it. Its time of change is new, so that a backup takes it."""
    path = log.folder / FIRST
    path.chmod(0o640)
    os.utime(path, (1, 1))
    log.redact()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime > 1


# what somebody does to it afterwards


def _other_leaf(lines: list[bytes]) -> None:
    leaf = parse_stub(lines[3][:-1]).leaf.hex()
    lines[3] = lines[3].replace(leaf[:8].encode(), b"00000000")


def _other_seq(lines: list[bytes]) -> None:
    lines[3] = lines[3].replace(b'"seq":3', b'"seq":4')


def _second_stub(lines: list[bytes]) -> None:
    lines[4] = lines[3]


def _no_stub(lines: list[bytes]) -> None:
    del lines[3]


@pytest.mark.parametrize("damage", [_other_leaf, _other_seq, _second_stub, _no_stub])
@pytest.mark.parametrize("form", FORMS)
def test_a_stub_that_is_not_the_line_s_is_found(
    log: Log, form: str, damage: Callable[[list[bytes]], None]
) -> None:
    """With the key, and with an anchor alone."""
    log.redact()
    log.holds(1)
    lines = log.lines()
    damage(lines)
    (log.folder / FIRST).write_bytes(b"".join(lines))
    if form == "archived":
        log.archive(FIRST)
    for options in ({"key": key()}, {}):
        report = verify(log.folder, anchors=[log.anchor, log.folder.with_name("later")], **options)
        assert report.verdict == "tampered"


def test_a_stub_without_its_certificate_is_found(log: Log) -> None:
    """Whoever takes the log.redact away, with all behind it, leaves a stub that nobody speaks of."""
    third = (log.folder / THIRD).read_bytes()
    log.redact()
    (log.folder / THIRD).write_bytes(third)
    for options in ({"key": key()}, {"anchors": [log.anchor]}):
        report = verify(log.folder, **options)
        assert (report.verdict, [finding.kind for finding in report.findings]) == ("tampered", ["stub"])


def test_a_certificate_for_another_line_is_refused(log: Log) -> None:
    """What it names is not what stands there."""
    log.act(("log.redact", {"target": 3, "leaf": "0" * 64, "actor": "a", "reason": "r"}))
    with pytest.raises(RetentionError, match="names another line 3"):
        log.redact()


# what else is asked of the log


@pytest.fixture
def signed(tmp_path: Path) -> Log:
    """A log whose checkpoints are signed; needs the extra `sign`."""
    pytest.importorskip("cryptography")
    from or_audit_logging.sealing.note import SigningKey

    return Log(tmp_path / "log", signing=SigningKey.generate())


@pytest.mark.parametrize("form", FORMS)
def test_proofs_made_before_still_check_and_new_ones_can_be_made(signed: Log, form: str) -> None:
    """Of other records, with their lines; of the redacted one, that its hash is in the log."""
    from or_audit_logging.evidence.check_proof import check_proof
    from or_audit_logging.evidence.prove import prove

    public = str(signed.built.signing.verifier_key(signed.built.origin))
    before = {seq: prove(signed.folder, seq) for seq in (2, 3, 4, 8)}
    if form == "archived":
        signed.archive(FIRST)
    signed.redact(3)
    for seq, proven in before.items():
        assert check_proof(str(proven.proof), proven.line, public_key=public).seq == seq
        assert str(prove(signed.folder, seq).proof) == str(proven.proof)
    assert [prove(signed.folder, seq).line is None for seq in before] == [False, True, False, False]


def test_an_unsigned_checkpoint_is_told_of(signed: Log) -> None:
    """Who verifies with the public key alone waits for one that is signed."""
    assert signed.redact(3).unsigned == str(signed.built.signing.verifier_key(signed.built.origin))


@pytest.mark.parametrize("form", FORMS)
def test_questions_and_reports_pass_over_the_stub(log: Log, form: str) -> None:
    """And say how many lines they could not look into."""
    from or_audit_logging import report

    if form == "archived":
        log.archive(FIRST)
    asked = query(log.folder)
    assert len(list(asked)) == 9
    log.redact([3, 8])
    asked = query(log.folder)
    assert len(list(asked)) == 7
    assert asked.skipped.redacted == 2
    assert [line.event_type for line in query(log.folder, event="log.redact")] == ["log.redact"] * 2
    made = report(log.folder, since=DAY, until=THIRD_DAY, key=key()).to_dict()
    assert made["by_model"][""]["requests"] == 7


def test_a_store_follows_with_the_next_import(log: Log, tmp_path: Path) -> None:
    """One that had the record before, and one that is made afterwards."""
    from or_audit_logging.evidence.importing import import_log

    before, after = tmp_path / "before.db", tmp_path / "after.db"
    import_log(log.folder, before, key=key())
    log.redact()
    import_log(log.folder, before, key=key())
    import_log(log.folder, after, key=key())
    for store in (before, after):
        report = verify(store, key=key(), anchors=[log.anchor])
        assert (report.verdict, report.redacted) == ("verified", 1)
        assert len(list(query(store))) == 8


def test_retention_takes_a_redacted_segment_like_any_other(log: Log) -> None:
    """It is archived with the stub in it, redacted again, and deleted when its time comes."""
    policy = RetentionPolicy(30, 90, name="ours")
    log.redact()
    with freeze_time("2026-12-23T12:00:00Z"):
        assert retain(log.folder, policy, key=key())["archived"] == [FIRST, SECOND]
        assert log.redact([4, 8]).redacted == (4, 8)
        assert verify(log.folder, key=key()).redacted == 3
    with freeze_time("2027-02-20T12:00:00Z"):
        assert retain(log.folder, policy, key=key())["deleted"] == [FIRST]
        report = verify(log.folder, key=key())
        assert (report.verdict, report.redacted, report.deleted_to) == ("unanchored", 1, 5)
        with pytest.raises(RetentionError, match="line 4 was deleted"):
            log.redact(4)


# the command


def run(log: Log, *arguments: str) -> int:
    """Run the command with the log's key."""
    key_file = log.folder.with_name("audit.key")
    key_file.write_bytes(SECRET)
    key_file.chmod(0o600)
    return main(["redact-record", str(log.folder), "--key", f"file:{key_file}", *arguments])


def test_the_command_says_what_was_done(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """Now, and when it is run again."""
    given = ("--seq", "3", "--seq", "8", "--actor", "dpo", "--reason", "request 7")
    assert run(log, *given, "--dry-run") == 0
    assert capsys.readouterr().out == "would be redacted  seq 3\nwould be redacted  seq 8\n"
    assert run(log, *given) == 0
    assert "redacted  seq 3, under the log.redact at seq 18" in capsys.readouterr().out
    assert run(log, *given, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "redacted": [],
        "already": [3, 8],
        "segments": [],
        "certificates": {},
        "unsigned": None,
        "done": True,
    }
    log.holds(2)


def test_the_command_refuses_plainly(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is 1, a mistake in what it was given 2; who does it is the login name by default."""
    assert run(log, "--seq", "0", "--reason", "x") == 1
    assert "line 0 is the log's own" in capsys.readouterr().err
    assert run(log, "--seq", "3", "--reason", " ") == 2
    assert main(["redact-record", str(log.folder.with_name("no")), "--seq", "3", "--reason", "x"]) == 2
    assert run(log, "--seq", "3", "--reason", "x") == 0
    assert log.events()[0]["actor"] == getpass.getuser()


class Terminal(io.StringIO):
    """What a person at a terminal types, or sees."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "options", "code"), [("n\n", (), 1), ("", (), 1), ("y\n", (), 0), ("", ("--yes",), 0)]
)
def test_at_a_terminal_it_asks(
    log: Log, monkeypatch: pytest.MonkeyPatch, typed: str, options: tuple[str, ...], code: int
) -> None:
    """What is redacted does not come back."""
    seen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", seen)
    assert run(log, "--seq", "3", "--seq", "8", "--reason", "x", *options) == code
    assert ("Redact lines 3, 8 for good?" in seen.getvalue()) == (not options)
    assert len(log.events()) == (0 if code else 2)


def test_a_person_s_lines_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person asked, what was written before, what was said later; not what is of others."""
    builder = LogBuilder()

    def add(event: str, **members: Any) -> None:
        builder.seal(encode_record(audit_record(event_type=event, **members), limit=8000))

    add("chat_completion.started", user_id="u-42", status=None)  # seq 2
    add("chat_completion", user_id="u-42", generation_id="gen-1", generation_ids=("gen-0", "gen-1"))
    add("chat_completion", user_id="u-43", generation_id="gen-2")
    for number in range(4):
        add("generation", generation_id=f"gen-{number}")  # seq 5 to 8
    add("chat_completion", user_id="u-42", generation_id="gen-1")  # told twice
    add("chat_completion", user_id="u-4", metadata={"about": "u-42"})
    builder.open(NEXT_DAY)  # seq 11
    add("embeddings", user_id="u-42")  # seq 13
    folder = builder.save(tmp_path / "log")
    lines = lines_of_person(folder, "u-42", key=key())
    assert [line.seq for line in lines] == [2, 3, 5, 6, 9, 13]
    assert [line.seq for line in lines if not line.is_closed] == [13]
    assert main(["redact-record", str(folder), "--user", "u-42"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "--seq 2 --seq 3 --seq 5 --seq 6 --seq 9"
    assert "in the open segment" in out
    assert main(["redact-record", str(folder), "--user", "u-42", "--json"]) == 0
    assert [line["seq"] for line in json.loads(capsys.readouterr().out)["lines"]] == [2, 3, 5, 6, 9, 13]
    assert main(["redact-record", str(folder), "--user", "nobody"]) == 0
    assert main(["redact-record", str(folder), "--user", "u-42", "--seq", "3"]) == 2
    assert main(["redact-record", str(folder), "--seq", "3"]) == 2


def test_pieces_that_a_crash_cut_stand_in_nobody_s_way(tmp_path: Path) -> None:
    """Torn bytes before the line, which look like it, and a file in which not even a first line is whole."""
    built = LogBuilder()
    built.user(2, text="of ann")
    line = built.lines()[3].rstrip()
    lookalike = line.replace(b'"seq":3', b'"seq":4')
    built.torn(lookalike[:-20] + b"0" * 18 + b'"}')
    built.user(1, text="of ann")
    built.torn_file(NEXT_DAY, 0, b"{")
    built.open(THIRD_DAY)
    folder = built.save(tmp_path / "log")
    before = (folder / FIRST).read_bytes()
    assert verify(folder, key=key()).verdict == "unanchored"
    with pytest.raises(RetentionError, match="line 4 is the log's own"):
        redact_record(folder, 4, actor="a", reason="r", key=key())
    result = redact_record(folder, [3, 5], actor="a", reason="r", key=key())
    assert result.redacted == (3, 5)
    after = (folder / FIRST).read_bytes()
    assert (len(after), after.count(b"of ann")) == (len(before), before.count(b"of ann") - 2)
    report = verify(folder, key=key())
    assert (report.verdict, report.redacted) == ("unanchored", 2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_verification_under_way_is_not_deceived(
    log: Log, monkeypatch: pytest.MonkeyPatch, form: str, jobs: int
) -> None:
    """It took the log's length before the log.redact was written, and meets the stub that follows."""
    from or_audit_logging.evidence import verify as module

    if form == "archived":
        log.archive(FIRST)
    real, calls = module.survey, []

    def survey(layout: LogLayout) -> Any:
        calls.append(1)
        found = real(layout)
        if len(calls) == 1:
            log.redact()
        return found

    # what redaction itself verifies goes through the same function
    monkeypatch.setattr(module, "survey", survey)
    report = verify(log.folder, key=key(), anchors=[log.anchor], jobs=jobs)
    assert (report.verdict, report.redacted) == ("verified", 1)
