"""`or-audit verify --all`: many hosts' logs at once, and what only all of them show."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from log_builder import (
    DAY,
    KEPT_AT,
    NEXT_DAY,
    OTHER_SECRET,
    SECRET,
    THIRD_DAY,
    LogBuilder,
    key,
    three_segments,
)
from samples import REPOSITORY
from stores import call, filled
from test_copied_log import copied

from or_audit_logging import AuditFileHandler, query
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchors import read_anchors
from or_audit_logging.evidence.fleet.verifying import Fleet, HostLog, verify_all
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.verify import verify
from or_audit_logging.ship import Shipper

HOSTS = ("web1", "web2", "web3")
SECOND = f"audit_{NEXT_DAY}.jsonl"
needs_other_user = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="root can read everything"
)


class Hosts:
    """The logs of some hosts in `logs`, 15 lines each, and in `kept` an anchor of each over the first 12."""

    def __init__(self, place: Path, hosts: tuple[str, ...] = HOSTS) -> None:
        self.logs, self.kept = place / "logs", place / "kept"
        self.kept.mkdir(parents=True)
        self.built: dict[str, LogBuilder] = {}
        for number, host in enumerate(hosts, 1):
            self.add(host, number)

    def add(self, host: str, number: int, **options: Any) -> LogBuilder:
        """Save the log of one more *host*, and keep its anchor."""
        log = three_segments(log_id=bytes([number]) * 16, host=host, **options)
        log.save(self.logs / host)
        (self.kept / f"{host}.txt").write_text(log.note(12), "utf-8")
        self.built[host] = log
        return log

    def verify(self, **arguments: Any) -> Fleet:
        """Return what is said of all of them."""
        return verify_all(self.logs, **({"key": key(), "anchors": [self.kept]} | arguments))


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def verdicts(fleet: Fleet) -> dict[str, str]:
    """Return the verdict on each log, by its folder or file."""
    return {Path(log.report.path).name: log.report.verdict for log in fleet.logs}


def of(fleet: Fleet, name: str) -> HostLog:
    """Return the log in the folder or file called *name*."""
    (log,) = [log for log in fleet.logs if Path(log.report.path).name == name]
    return log


def kinds(log: HostLog) -> set[str]:
    return {finding.kind for finding in log.report.findings}


def notes(log: HostLog) -> set[str]:
    return {note.kind for note in log.report.notes}


def test_each_log_is_verified_with_its_own_anchors(hosts: Hosts) -> None:
    """Other logs' anchors are nothing that its report speaks of."""
    fleet = hosts.verify()
    assert fleet.exit_code == 0
    assert [log.host for log in fleet.logs] == list(HOSTS)
    for log in fleet.logs:
        alone = verify(log.report.path, key=key(), anchors=[hosts.kept / f"{log.host}.txt"])
        assert log.report == alone
        assert (log.report.verdict, log.report.anchored_to, log.after_anchor) == ("verified", 11, 3)
        assert log.newest_at is not None
        assert log.newest_at.isoformat() == "2026-11-21T10:00:15+00:00"
    assert fleet.notes == ()


def test_logs_are_found_at_any_depth(hosts: Hosts) -> None:
    """A folder in a folder, an archive without plain segments, a log around others."""
    (hosts.logs / "eu" / "a").mkdir(parents=True)
    shutil.move(hosts.logs / "web1", hosts.logs / "eu" / "a" / "web1")
    for name in hosts.built["web2"].segments:
        hosts.built["web2"].archive(hosts.logs / "web2", name)
    hosts.built["web3"].save(hosts.logs)
    shutil.rmtree(hosts.logs / "web3")
    assert verdicts(hosts.verify()) == {"web1": "verified", "web2": "verified", "logs": "verified"}


def test_what_is_no_log_is_passed_over(hosts: Hosts) -> None:
    """Other files, pipes, links into nowhere, segments' like."""
    (hosts.logs / "README.md").write_text("logs\n")
    (hosts.logs / "web1" / "notes.db").write_bytes(b"no database")
    (hosts.logs / "nothing").symlink_to("nowhere")
    os.mkfifo(hosts.logs / "pipe.db")
    assert len(hosts.verify().logs) == 3


@pytest.mark.parametrize("victim", HOSTS)
@pytest.mark.parametrize("damage", ["edit", "cut", "line", "file"])
def test_damage_to_one_is_found_there_and_only_there(hosts: Hosts, victim: str, damage: str) -> None:
    """An edited line, a cut end, a line taken out, a file taken away."""
    path = hosts.logs / victim / SECOND
    lines = path.read_bytes().splitlines(keepends=True)
    if damage == "edit":
        path.write_bytes(path.read_bytes().replace(b"plain", b"other", 1))
    elif damage == "cut":
        (hosts.logs / victim / f"audit_{THIRD_DAY}.jsonl").unlink()
    elif damage == "line":
        path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    else:
        path.unlink()
    fleet = hosts.verify()
    assert verdicts(fleet) == dict.fromkeys(HOSTS, "verified") | {victim: "tampered"}
    assert fleet.logs[0].host == victim
    assert fleet.exit_code == 1


@pytest.mark.parametrize(
    "stride", [pytest.param(4, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_attacks_on_one_of_them(tmp_path: Path, stride: int) -> None:
    """What is found of it alone is found among others, and what was taken away as a whole as well."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    from attacks import ATTACKS, CHECKPOINT, SIGNING, Case, three_days

    for number, attack in enumerate(ATTACKS[::stride]):
        root = tmp_path / str(number)
        (root / "victim").mkdir(parents=True)
        case = Case(root / "victim")
        for count, host in enumerate(("before", "zebra"), 100):
            log = three_days(log_id=bytes([count]) * 16, host=host)
            log.save(root / host)
            lines = [line for name in log.segments for line in log.lines(name)]
            kept = b"".join(line for line in lines if line.startswith(CHECKPOINT))
            (case.kept / f"{host}.jsonl").write_bytes(kept)
        attack.commit(case)
        asked: dict[str, Any] = {"key": case.ring, "public_key": SIGNING.public, "anchors": [case.kept]}
        asked |= {name: value for name, value in case.arguments.items() if name != "log_id"}
        alone, fleet = verify(case.folder, **asked), verify_all(root, **asked)
        found = {log.host: log.report for log in fleet.logs if not log.is_missing}
        worst = fleet.logs[0]
        expected = {"before": "verified", "zebra": "verified"}
        if "log_id" in case.arguments or not alone.lines:  # another log there, or nothing
            assert worst.is_missing, attack.name
            assert kinds(worst) == {"missing-log"}, attack.name
        else:
            own = [finding for finding in worst.report.findings if finding.kind != "conflict"]
            assert own == list(alone.findings), attack.name
            assert (worst.report.verdict, worst.report.reasons) == (alone.verdict, alone.reasons), attack.name
        if "max_age" not in asked:
            assert {host: found[host].verdict for host in expected} == expected, attack.name


def test_a_log_that_is_gone_is_a_finding(hosts: Hosts) -> None:
    """An anchor proves that it was there; without one nobody knows."""
    shutil.rmtree(hosts.logs / "web2")
    fleet = hosts.verify()
    missing = fleet.logs[0]
    assert (missing.host, missing.is_missing, missing.report.verdict) == ("web2", True, "tampered")
    assert (kinds(missing), missing.report.log) == ({"missing-log"}, "02" * 8)
    assert str(hosts.kept / "web2.txt") in missing.report.findings[0].message
    assert [log.report.verdict for log in fleet.logs] == ["tampered", "verified", "verified"]
    (hosts.kept / "web2.txt").unlink()
    assert hosts.verify().exit_code == 0


def test_a_missing_log_of_a_bucket_has_a_host(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its unsigned checkpoints state no origin: the key in the bucket says whose they were, also twice."""
    pytest.importorskip("boto3", reason="needs the extra aws")
    from fake_s3 import BUCKET, FakeS3

    folder, anchors = tmp_path / "service", tmp_path / "anchors"
    folder.mkdir()
    with FakeS3(folder) as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        with Shipper(hosts.logs / "web2", s3.text, wait=lambda pause: None) as shipper:
            shipper.run()
        for _ in range(2):
            assert main(["anchors", "--from", f"s3:{BUCKET}/llm", "-o", str(anchors)]) == 0
    shutil.rmtree(hosts.logs / "web2")
    missing = hosts.verify(anchors=[anchors]).logs[0]
    assert (missing.is_missing, missing.report.origin, missing.host) == (True, None, "web2")
    assert missing.to_dict()["host"] == "web2"
    capsys.readouterr()
    assert main(["verify", "--all", str(hosts.logs), "--anchor", str(anchors)]) == 1
    assert "web2" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["", "a b", "\x1b[2J", "x" * 256, 1, None, ["web2"]])
def test_a_host_that_is_none_is_passed_over(hosts: Hosts, tmp_path: Path, host: object) -> None:
    """Whoever wrote the anchor file: what it calls a host has a host's letters, or is not shown."""
    checkpoint = next(line for line in hosts.built["web2"].lines(SECOND) if b"log.checkpoint" in line)
    members = {"kept_at": None, "checkpoint": checkpoint.decode().strip(), "host": host}
    (tmp_path / "kept.jsonl").write_text(json.dumps(members), "ascii")
    (anchor,) = read_anchors(tmp_path / "kept.jsonl")
    assert anchor.host is None


def test_a_log_whose_files_were_emptied_is_gone(hosts: Hosts) -> None:
    """Names of files are no log."""
    for path in (hosts.logs / "web2").iterdir():
        path.write_bytes(b"")
    fleet = hosts.verify()
    assert [(log.report.verdict, log.is_missing) for log in fleet.logs[:2]] == [
        ("tampered", True),
        ("cannot verify", False),
    ]


def test_an_anchor_over_nothing_asks_for_no_log(hosts: Hosts) -> None:
    """A tree of size 0 says that there was nothing yet."""
    log = LogBuilder(log_id=b"\x09" * 16, day=None, host="new")
    assert hosts.verify(anchors=[hosts.kept, log.anchor()]).exit_code == 0


def test_anchors_of_other_kinds_of_logs_are_noted(hosts: Hosts) -> None:
    """A folder of notes may hold those of a transparency log."""
    note = hosts.built["web1"].note(12).split("\n", 1)[1]
    (hosts.kept / "other.txt").write_text(f"sum.golang.org\n{note}", "utf-8")
    fleet = hosts.verify()
    assert (fleet.exit_code, [note.kind for note in fleet.notes]) == (0, ["anchor-other"])


def test_files_moved_to_another_host_are_found_in_both(hosts: Hosts) -> None:
    """One log has lines too few, the other somebody else's."""
    shutil.move(hosts.logs / "web1" / SECOND, hosts.logs / "web2" / "audit_2026-11-20.jsonl")
    assert verdicts(hosts.verify()) == {"web1": "tampered", "web2": "tampered", "web3": "verified"}


def test_a_whole_log_moved_into_another_s_folder_is_missing(hosts: Hosts) -> None:
    """The folder is that of the log which has more files there."""
    for number, path in enumerate(sorted((hosts.logs / "web1").iterdir())[:2]):
        shutil.move(path, hosts.logs / "web2" / f"audit_2026-10-{number + 10}.jsonl")
    shutil.rmtree(hosts.logs / "web1")
    fleet = hosts.verify()
    assert [(log.host, log.report.verdict) for log in fleet.logs] == [
        ("web1", "tampered"),
        ("web2", "tampered"),
        ("web3", "verified"),
    ]


def test_logs_exchanged_between_folders_are_the_same_logs(hosts: Hosts) -> None:
    """A log says itself whose it is: folders' names say nothing."""
    os.rename(hosts.logs / "web1", hosts.logs / "x")
    os.rename(hosts.logs / "web2", hosts.logs / "web1")
    os.rename(hosts.logs / "x", hosts.logs / "web2")
    fleet = hosts.verify()
    assert fleet.exit_code == 0
    assert (of(fleet, "web1").host, of(fleet, "web2").host) == ("web2", "web1")


def test_a_folder_with_two_logs_has_two(hosts: Hosts) -> None:
    """Each is named, and can be verified by itself, as a handler's filename."""
    shutil.rmtree(hosts.logs / "web1")
    three_segments(log_id=b"\x01" * 16, host="web1", stem="billing").save(hosts.logs / "web2")
    (hosts.kept / "web1.txt").unlink()
    fleet = hosts.verify()
    assert verdicts(fleet) == {"billing.jsonl": "unanchored", "audit.jsonl": "verified", "web3": "verified"}
    assert of(fleet, "billing.jsonl").report.lines == 15
    assert verify(of(fleet, "billing.jsonl").report.path, key=key()).lines == 15


def test_a_stray_file_hides_no_log(hosts: Hosts) -> None:
    """What is called as a segment of another log and is none is named, beside the log that is verified."""
    (hosts.logs / "web1" / "other_2026-11-21.jsonl").write_bytes(b"")
    assert verdicts(hosts.verify()) == {
        "other.jsonl": "cannot verify",
        "audit.jsonl": "verified",
        "web2": "verified",
        "web3": "verified",
    }


def test_copies_from_object_storage_are_logs(hosts: Hosts) -> None:
    """One for each host and log in each prefix, named by what finds it alone as well."""
    stored = hosts.logs / "bucket" / "llm"
    for host, log in hosts.built.items():
        copied(log, stored, host=host)
        shutil.rmtree(hosts.logs / host)
    billing = three_segments(log_id=b"\x09" * 16, host="web1", stem="billing")
    for name, content in billing.segments.items():
        (stored / f"dt={name[8:18]}" / "host=web1" / f"{name}.gz").write_bytes(gzip.compress(content))
    fleet = hosts.verify()
    assert [(log.host, log.report.verdict, Path(log.report.path)) for log in fleet.logs] == [
        ("web1", "unanchored", stored / "dt=*" / "host=web1" / "billing.jsonl"),
        ("web1", "verified", stored / "dt=*" / "host=web1" / "audit.jsonl"),
        ("web2", "verified", stored / "dt=*" / "host=web2" / "audit.jsonl"),
        ("web3", "verified", stored / "dt=*" / "host=web3" / "audit.jsonl"),
    ]
    for log in fleet.logs[1:]:
        assert log.newest_at is not None
        alone = verify(log.report.path, key=key(), anchors=[hosts.kept / f"{log.host}.txt"])
        assert alone == log.report
        assert len(list(query(log.report.path))) == 9
    with pytest.raises(ConfigError, match="copy"):
        AuditFileHandler(stored / "audit.jsonl", key=key())
    assert verify(stored / "dt=*" / "host=web9" / "audit.jsonl", key=key()).verdict == "cannot verify"


@pytest.mark.parametrize("damage", ["edit", "gone", "cut"])
def test_damage_to_a_copy_from_object_storage(hosts: Hosts, damage: str) -> None:
    """In the host's row and in no other."""
    for host, log in hosts.built.items():
        copied(log, hosts.logs / "llm", host=host)
        shutil.rmtree(hosts.logs / host)
    path = hosts.logs / "llm" / f"dt={NEXT_DAY}" / "host=web2" / f"{SECOND}.gz"
    if damage == "edit":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"plain", b"other", 1)))
    elif damage == "gone":
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(path.read_bytes()[:-20])
    fleet = hosts.verify()
    assert [(log.host, log.report.verdict) for log in fleet.logs] == [
        ("web2", "tampered"),
        ("web1", "verified"),
        ("web3", "verified"),
    ]


def test_what_was_shipped_is_a_copy_of_what_is_there(hosts: Hosts) -> None:
    """The closed days; and where a host rewrites what it has shipped, both tell."""
    copied(closed_days("web1", 1), hosts.logs / "llm", host="web1")
    anchors = [hosts.kept, hosts.built["web1"].anchor(8)]
    fleet = hosts.verify(anchors=anchors)
    assert set(verdicts(fleet).values()) == {"verified"}
    assert of(fleet, "audit.jsonl").behind == 5
    shutil.rmtree(hosts.logs / "web1")
    rewritten = LogBuilder(log_id=b"\x01" * 16, host="web1")
    rewritten.user(3, text="other")
    rewritten.open(NEXT_DAY)
    rewritten.user(9)
    rewritten.save(hosts.logs / "web1")
    (hosts.kept / "web1.txt").unlink()
    fleet = hosts.verify()
    assert kinds(of(fleet, "web1")) == kinds(of(fleet, "audit.jsonl")) == {"conflict"}


@needs_other_user
def test_what_cannot_be_read_is_said(hosts: Hosts) -> None:
    """A folder, an archive's folder, a store: exit 2, and nothing is called missing."""
    (hosts.logs / "web1").chmod(0)
    (hosts.logs / "web2" / "archive").mkdir(mode=0)
    filled(hosts.logs / "audit.db", {}).chmod(0)
    try:
        fleet = hosts.verify()
        assert [(log.report.verdict, log.is_missing) for log in fleet.logs[:2]] == [
            ("cannot verify", False),
            ("cannot verify", False),
        ]
        assert fleet.exit_code == 2
        assert "verified" in verdicts(fleet).values()
    finally:
        (hosts.logs / "web1").chmod(0o700)
        (hosts.logs / "web2" / "archive").chmod(0o700)


def test_an_error_of_the_file_system_is_no_missing_log(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be listed is named, and the log that may be in it is not called missing."""
    unreadable, listdir = str(hosts.logs / "web2"), os.listdir

    def broken(path: Any) -> list[str]:
        if os.fspath(path) == unreadable:
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", broken)
    fleet = hosts.verify()
    assert [(log.report.verdict, log.is_missing) for log in fleet.logs] == [
        ("cannot verify", False),
        ("cannot verify", True),
        ("verified", False),
        ("verified", False),
    ]
    assert "Permission denied" in of(fleet, "web2").report.reasons[0]


def test_a_file_that_cannot_be_read_may_be_the_missing_log(hosts: Hosts) -> None:
    """A link to itself stands for whatever cannot be opened: a segment, an archive's folder."""
    shutil.rmtree(hosts.logs / "web1")
    shutil.rmtree(hosts.logs / "web2")
    for host, name in (("web1", SECOND), ("web2", "archive")):
        (hosts.logs / host).mkdir()
        (hosts.logs / host / name).symlink_to(hosts.logs / host / name)
        fleet = hosts.verify(anchors=[hosts.kept / f"{host}.txt"])
        assert [(log.report.verdict, log.is_missing) for log in fleet.logs[:2]] == [
            ("cannot verify", False),
            ("cannot verify", True),
        ]
        shutil.rmtree(hosts.logs / host)


def test_somebody_else_s_newest_line_is_not_its_own(hosts: Hosts) -> None:
    """A file of another log in the folder is a finding, and says nothing of this log's age."""
    other = LogBuilder(log_id=b"\x09" * 16, day=None)
    other.clock += timedelta(days=9)
    other.open("2026-11-30")
    other.save(hosts.logs / "web1")
    web1 = of(hosts.verify(), "web1")
    assert (web1.report.verdict, web1.newest_at) == ("tampered", of(hosts.verify(), "web2").newest_at)


def test_no_link_leads_out_of_a_logs_folder(hosts: Hosts, tmp_path: Path) -> None:
    """Whoever writes a log does not say where to look: /proc takes minutes."""
    other = three_segments(log_id=bytes([9]) * 16, host="web9").save(tmp_path / "elsewhere")
    (hosts.logs / "web1" / "x").symlink_to(other)
    (hosts.logs / "web2" / "a" / "b").mkdir(parents=True)
    (hosts.logs / "web2" / "a" / "b" / "x").symlink_to(other)
    (hosts.logs / "web3" / "x").symlink_to(other)
    (hosts.logs / "web3" / "inside").symlink_to(hosts.logs / "web1")
    fleet = hosts.verify()
    assert set(verdicts(fleet)) == set(HOSTS)
    (note,) = fleet.notes
    assert note.kind == "link"
    assert f"3 links, the first of them {hosts.logs / 'web1' / 'x'} in a log's folder" in note.message
    (hosts.logs / "web9").symlink_to(other)
    assert set(verdicts(hosts.verify())) == {*HOSTS, "web9"}
    (hosts.logs / "web9").unlink()
    (hosts.logs / "web3" / "archive").symlink_to(hosts.logs / "web3" / "archive")  # which cannot be opened
    assert "x" not in verdicts(hosts.verify())


def test_no_link_leads_out_of_a_copy(tmp_path: Path) -> None:
    """Of object storage: a host's folder is its log's."""
    other = three_segments(log_id=bytes([9]) * 16, host="web9").save(tmp_path / "elsewhere")
    copy = copied(three_segments(), tmp_path / "copy")
    place = next(copy.glob("dt=*/host=*"))
    (place / "x").symlink_to(other)
    fleet = verify_all(copy, key=key())
    assert len(fleet.logs) == 1
    assert [note.kind for note in fleet.notes] == ["link"]


def test_links_are_followed_once(hosts: Hosts) -> None:
    """A loop ends, and a log to which two ways lead is one log."""
    elsewhere = hosts.logs.parent / "disk"
    shutil.move(hosts.logs / "web1", elsewhere)
    (hosts.logs / "web1").symlink_to(elsewhere)
    (hosts.logs / "web2" / "loop").symlink_to(hosts.logs)
    (hosts.logs / "again").symlink_to(hosts.logs / "web2")
    (hosts.logs / "self").symlink_to(hosts.logs / "self")
    fleet = hosts.verify()
    assert (fleet.exit_code, len(fleet.logs)) == (0, 3)


def test_stores_are_logs(hosts: Hosts) -> None:
    """Beside folders, under any name; what their lines and columns say is verified as anywhere."""
    store = filled(hosts.logs / "web4" / "calls", {}, {}, key=key())
    fleet = hosts.verify()
    log = of(fleet, "calls")
    assert (log.report.verdict, log.report.lines, log.after_anchor) == ("unanchored", 7, 7)
    assert log.newest_at is not None
    assert fleet.exit_code == 3
    store.rename(hosts.logs / "web1" / "audit.db")
    assert of(hosts.verify(), "audit.db").report.verdict == "unanchored"


def test_each_log_finds_its_own_key(hosts: Hosts) -> None:
    """A ring of several; a log whose key is not among them cannot be verified."""
    hosts.add("web4", 4, secret=OTHER_SECRET)
    (hosts.kept / "web4.txt").unlink()
    assert of(hosts.verify(), "web4").report.verdict == "cannot verify"
    fleet = hosts.verify(key=[key(), key(OTHER_SECRET)])
    assert (of(fleet, "web4").report.verdict, of(fleet, "web4").report.key_checked) == ("unanchored", True)


def test_each_log_finds_its_own_public_key(tmp_path: Path) -> None:
    """Anchors that none of them has signed do not count, and are noted once."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    from or_audit_logging.sealing.note import SigningKey

    signing = [SigningKey.generate(), SigningKey.generate()]
    anchors = []
    for number, key_of_host in enumerate(signing):
        log = three_segments(log_id=bytes([number]) * 16, host=f"web{number}", signing=key_of_host)
        checkpoint = log.checkpoint()
        log.save(tmp_path / "logs" / f"web{number}")
        anchors.append(tmp_path / f"{number}.jsonl")
        anchors[-1].write_text(checkpoint, "ascii")
    public = [one.public for one in signing]
    assert verify_all(tmp_path / "logs", public_key=public, anchors=anchors).exit_code == 0
    fleet = verify_all(tmp_path / "logs", public_key=public[:1], anchors=anchors)
    assert verdicts(fleet) == {"web0": "verified", "web1": "cannot verify"}
    assert [note.kind for note in fleet.notes] == ["anchor-unsigned"]


def test_anchors_in_any_of_the_logs_are_refused(hosts: Hosts) -> None:
    """Also in another host's folder: whoever can write there could write them."""
    shutil.move(hosts.kept / "web1.txt", hosts.logs / "web2" / "web1.txt")
    fleet = hosts.verify(anchors=[hosts.kept, hosts.logs / "web2" / "web1.txt"])
    assert verdicts(fleet) == {"web1": "unanchored", "web2": "verified", "web3": "verified"}
    assert [note.kind for note in fleet.notes] == ["anchor-refused"]


def test_anchors_below_the_folder_are_no_logs(hosts: Hosts) -> None:
    """Even in files that are called as segments are."""
    kept = shutil.move(hosts.kept, hosts.logs / "kept")
    (kept / "web1.txt").rename(kept / "anchors_2026-11-21.jsonl")
    fleet = hosts.verify(anchors=[kept])
    assert (fleet.exit_code, len(fleet.logs)) == (0, 3)


def test_an_anchor_may_be_too_old(hosts: Hosts) -> None:
    """`max_age` counts for each log's newest anchor."""
    log = hosts.built["web1"]
    anchors = [hosts.kept, log.anchor(13, kept_at=KEPT_AT)]
    old = KEPT_AT.timestamp() - 100 * 3600
    for path in hosts.kept.iterdir():
        os.utime(path, (old, old))
    fleet = hosts.verify(anchors=anchors, max_age=timedelta(hours=26), now=KEPT_AT + timedelta(hours=1))
    assert verdicts(fleet) == {"web1": "verified", "web2": "unanchored", "web3": "unanchored"}


def closed_days(host: str, number: int) -> LogBuilder:
    """Return the log that `Hosts` makes, without its third day."""
    log = three_segments(log_id=bytes([number]) * 16, host=host)
    del log.segments[f"audit_{THIRD_DAY}.jsonl"]
    return log


def test_a_log_may_lag_behind_its_anchors(hosts: Hosts) -> None:
    """Shipped once a day, with checkpoints that arrive at once; the older anchors count as ever."""
    now = KEPT_AT + timedelta(hours=3)
    whole = hosts.built["web1"]
    recent = [whole.anchor(12), whole.anchor(15)]
    old = whole.anchor(8, kept_at=KEPT_AT - timedelta(hours=25))
    (hosts.kept / "web1.txt").unlink()
    shutil.rmtree(hosts.logs / "web1")
    closed_days("web1", 1).save(hosts.logs / "web1")
    asked: dict[str, Any] = {"anchors": [hosts.kept, *recent, old], "now": now}
    assert kinds(of(hosts.verify(**asked), "web1")) == {"anchor-size"}
    assert kinds(of(hosts.verify(**asked, lag=timedelta(hours=2)), "web1")) == {"anchor-size"}
    fleet = hosts.verify(**asked, lag=timedelta(hours=26), max_age=timedelta(hours=26))
    log = of(fleet, "web1")
    assert (log.report.verdict, log.report.anchored_to, log.after_anchor) == ("verified", 7, 2)
    assert (log.behind, notes(log)) == (5, {"lag"})
    reached = hosts.verify(**asked | {"anchors": [*recent, whole.anchor(10)]}, lag=timedelta(hours=26))
    assert of(reached, "web1").report.anchored_to == 9
    fleet = hosts.verify(**asked, lag=timedelta(hours=26), max_age=timedelta(hours=2))
    assert of(fleet, "web1").report.verdict == "unanchored"
    path = hosts.logs / "web1" / SECOND
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert kinds(of(hosts.verify(**asked, lag=timedelta(hours=26)), "web1")) == {"anchor-size"}


def test_a_new_log_may_not_have_arrived_yet(hosts: Hosts) -> None:
    """Where all its anchors are of late, it is noted; a time that nobody knows is not of late."""
    new = LogBuilder(log_id=b"\x09" * 16, host="new")
    new.user(3)
    asked: dict[str, Any] = {"now": KEPT_AT + timedelta(hours=3), "lag": timedelta(hours=26)}
    fleet = hosts.verify(anchors=[hosts.kept, new.anchor()], **asked)
    assert (fleet.exit_code, [note.kind for note in fleet.notes]) == (0, ["lag"])
    fleet = hosts.verify(anchors=[hosts.kept, new.anchor(), new.anchor(2, kept_at=None)], **asked)
    assert kinds(fleet.logs[0]) == {"missing-log"}


@pytest.mark.parametrize(
    "timestamp",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-21T10:00:00", "never", 5, None, {}],
)
def test_a_newest_line_may_state_anything(
    hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str], timestamp: object
) -> None:
    """The newest that states a time counts, and a time out of this world breaks nothing."""
    log = hosts.built["web1"]
    log.seal(json.dumps({"event_type": "x", "timestamp": timestamp}).encode())
    log.save(hosts.logs / "web1")
    newest = of(hosts.verify(), "web1").newest_at
    assert newest is not None
    is_time = isinstance(timestamp, str) and timestamp[-6:][0] in "+-"
    assert newest.isoformat() == (timestamp if is_time else "2026-11-21T10:00:15+00:00")
    assert main(command) == main([*command, "--json"]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("host", ["[1]", "a b", "h*", "h?"])
def test_a_copy_s_host_may_be_called_anything(hosts: Hosts, host: str) -> None:
    """Also what means more in patterns."""
    for name, number in ((host, 8), ("1", 9)):
        log = three_segments(log_id=bytes([number]) * 16, host="web")
        copied(log, hosts.logs / "llm", host=name)
    shutil.rmtree(hosts.logs / "web3")
    fleet = hosts.verify(anchors=[])
    stored = [log.report for log in fleet.logs if "llm" in log.report.path]
    assert [(one.verdict, one.lines) for one in stored] == [("unanchored", 15)] * 2


# several copies of one log


def test_a_copy_is_noted(hosts: Hosts) -> None:
    """The same log elsewhere: archived, redacted, as a store."""
    copy = hosts.built["web1"].save(hosts.logs / "copy")
    for name in hosts.built["web1"].segments:
        hosts.built["web1"].archive(copy, name)
    fleet = hosts.verify()
    assert set(verdicts(fleet).values()) == {"verified"}
    assert notes(of(fleet, "copy")) | notes(of(fleet, "web1")) == {"copy"}


def test_a_copy_that_lags_is_held_against_the_anchors_it_reaches(hosts: Hosts) -> None:
    """What an anchor says beyond its end stands in the other copy."""
    (hosts.kept / "web1.old.txt").write_text(hosts.built["web1"].note(10), "utf-8")
    os.utime(hosts.kept / "web1.old.txt", (0, 0))
    copy = hosts.built["web1"].save(hosts.logs / "copy")
    (copy / f"audit_{THIRD_DAY}.jsonl").unlink()
    fleet = hosts.verify(max_age=timedelta(hours=26))
    lagging = of(fleet, "copy")
    assert (lagging.report.verdict, lagging.report.anchored_to, lagging.report.lines) == ("verified", 9, 10)
    assert lagging.behind == 5
    assert "goes on to seq 14" in lagging.report.notes[0].message
    assert fleet.exit_code == 0
    shutil.rmtree(hosts.logs / "web1")
    assert kinds(of(hosts.verify(), "copy")) == {"anchor-size"}


def test_a_copy_that_lags_behind_a_tampered_one_is_held_against_all(hosts: Hosts) -> None:
    """What the longer one says behind its end cannot be relied on."""
    copy = hosts.built["web1"].save(hosts.logs / "copy")
    (copy / f"audit_{THIRD_DAY}.jsonl").unlink()
    path = hosts.logs / "web1" / f"audit_{THIRD_DAY}.jsonl"
    path.write_bytes(path.read_bytes().replace(b"plain", b"other"))
    fleet = hosts.verify()
    assert kinds(of(fleet, "copy")) == {"anchor-size"}
    assert of(fleet, "web1").report.verdict == "tampered"


def test_a_store_is_a_copy_of_the_folder_it_was_made_from(tmp_path: Path, audit_key: bytes) -> None:
    """`or-audit import` makes one; the folder goes on."""
    handler = AuditFileHandler(tmp_path / "logs" / "a" / "audit.jsonl")
    handler.handle(call())
    import_log(tmp_path / "logs" / "a", tmp_path / "logs" / "audit.db")
    handler.handle(call())
    handler.close()
    fleet = verify_all(tmp_path / "logs")
    assert set(verdicts(fleet).values()) == {"unanchored"}
    assert "copy" in notes(of(fleet, "audit.db"))


def test_a_redacted_copy_is_a_copy(hosts: Hosts) -> None:
    """A stub has the hash of the line that was there."""
    log = hosts.built["web1"]
    log.redact(3)
    log.save(hosts.logs / "redacted")
    fleet = hosts.verify()
    assert set(verdicts(fleet).values()) == {"verified"}
    assert notes(of(fleet, "web1")) == {"copy"}


def test_a_copy_from_before_a_deletion_is_a_copy(hosts: Hosts) -> None:
    """What both still have is compared."""
    log = hosts.built["web1"]
    log.delete(f"audit_{THIRD_DAY}.jsonl")
    log.checkpoint()
    shutil.move(hosts.logs / "web1", hosts.logs / "before")
    log.save(hosts.logs / "web1")
    fleet = hosts.verify()
    assert of(fleet, "web1").report.first_seq == 10
    assert set(verdicts(fleet).values()) == {"verified"}
    path = hosts.logs / "before" / f"audit_{THIRD_DAY}.jsonl"
    path.write_bytes(path.read_bytes().replace(b"plain", b"other", 1))
    assert "conflict" in kinds(of(hosts.verify(), "before"))


def test_a_recent_anchor_says_which_history_is_the_true_one(hosts: Hosts) -> None:
    """Even where the other one could be on its way to it."""
    hosts.built["web1"].user()
    hosts.built["web1"].save(hosts.logs / "web1")
    fork = forked("web1", 1, text="other")
    fork.segments[fork.name] = b"".join(fork.lines()[:-1])
    fork.save(hosts.logs / "fork")
    anchors = [hosts.built["web1"].anchor(16)]
    fleet = hosts.verify(anchors=anchors, lag=timedelta(hours=26), now=KEPT_AT + timedelta(hours=1))
    assert (kinds(of(fleet, "fork")), kinds(of(fleet, "web1"))) == ({"conflict"}, set())
    assert of(fleet, "web1").report.verdict == "verified"


def forked(host: str, number: int, *, text: str) -> LogBuilder:
    """Return another history of a log that `Hosts` made, from line 10 on, under the same key."""
    log = LogBuilder(log_id=bytes([number]) * 16, host=host)
    log.user(3)
    log.open(NEXT_DAY)
    log.user(3)
    log.open(THIRD_DAY)
    log.user(2)
    log.user(2, text=text)
    return log


def test_two_histories_of_one_log_are_a_finding(hosts: Hosts) -> None:
    """Each is intact: whoever holds the key has written both. Nothing says which is the true one."""
    forked("web1", 1, text="other").save(hosts.logs / "fork")
    fleet = hosts.verify()
    for name in ("web1", "fork"):
        log = of(fleet, name)
        assert kinds(log) == {"conflict"}
        (finding,) = log.report.findings
        assert (finding.segment, finding.line, finding.seq) == (f"audit_{THIRD_DAY}.jsonl", 5, 14)
    assert fleet.exit_code == 1


def test_an_anchor_says_which_history_is_the_true_one(hosts: Hosts) -> None:
    """The finding is against the other."""
    anchors = [hosts.kept, hosts.built["web1"].anchor(15)]
    forked("web1", 1, text="other").save(hosts.logs / "fork")
    fleet = hosts.verify(anchors=anchors)
    assert verdicts(fleet) == {**dict.fromkeys(HOSTS, "verified"), "fork": "tampered"}
    assert kinds(of(fleet, "fork")) >= {"conflict"}


def test_a_damaged_copy_is_nothing_against_the_sound_one(hosts: Hosts) -> None:
    """A byte that changed on the way to the archive."""
    copy = hosts.built["web1"].save(hosts.logs / "copy")
    path = copy / SECOND
    path.write_bytes(path.read_bytes().replace(b"plain", b"other", 1))
    assert verdicts(hosts.verify()) == {**dict.fromkeys(HOSTS, "verified"), "copy": "tampered"}


def test_a_copy_that_cannot_be_compared_is_noted(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that goes away meanwhile."""
    from or_audit_logging.evidence.fleet import copies

    def gone(*arguments: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "copy")

    hosts.built["web1"].save(hosts.logs / "copy")
    monkeypatch.setattr(copies, "first_difference", gone)
    fleet = hosts.verify()
    assert fleet.exit_code == 0
    assert "copy-not-compared" in notes(of(fleet, "web1")) | notes(of(fleet, "copy"))


# the command


@pytest.fixture
def command(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command over all hosts."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    return ["verify", "--all", str(hosts.logs), "--anchor", str(hosts.kept)]


def test_the_table(hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Host, log, verdict, lines, anchor, and how far behind: the worst first."""
    (hosts.kept / "web3.txt").unlink()
    at = KEPT_AT.timestamp()
    for path in hosts.kept.iterdir():
        os.utime(path, (at, at))
    with freeze_time("2026-11-22 12:00:15"):
        assert main(command) == 3
    head, *rows = capsys.readouterr().out.splitlines()
    columns = "host log_id verdict lines anchored to kept at after behind newest line log"
    assert head.split() == columns.split()
    kept = "verified 15 11 2026-11-24 08:00Z 3 0 26 hours ago"
    assert [" ".join(row.split()) for row in rows] == [
        f"web3 {'03' * 16} unanchored 15 - - 15 0 26 hours ago web3",
        f"web1 {'01' * 16} {kept} web1",
        f"web2 {'02' * 16} {kept} web2",
        "3 logs: 1 unanchored, 2 verified",
    ]
    assert len({row.index("26 hours") for row in rows[:3]}) == 1
    assert main([*command, "--unanchored-ok"]) == 0


def test_findings_stand_below_the_table(
    hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first few of each log, and the command that shows the rest."""
    for path in (hosts.logs / "web2").iterdir():
        path.write_bytes(path.read_bytes().replace(b"plain", b"other"))
    shutil.rmtree(hosts.logs / "web1")
    assert main(command) == 1
    out = capsys.readouterr().out
    below = out[out.index("\n\n") :]
    assert f"web2 web2\n  finding  audit_{DAY}.jsonl:3" in below
    left = next(line for line in below.splitlines() if "more: " in line).split("more: ")[1].split()
    assert left == ["or-audit", "verify", str(hosts.logs / "web2"), "--anchor", str(hosts.kept)]
    assert main(left[1:]) == 1
    assert "web1\n  finding  log  the log 0101010101010101 is not there" in below
    assert out.endswith("3 logs: 2 tampered, 1 verified\n")


def test_json_is_an_array_of_reports(
    hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What `verify --json` says of each, and path, host, time of the newest line, lines after the anchor."""
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in found] == [str(hosts.logs / host) for host in HOSTS]
    for one in found:
        assert (
            main(["verify", one["path"], "--anchor", str(hosts.kept / f"{one['host']}.txt"), "--json"]) == 0
        )
        alone = json.loads(capsys.readouterr().out)
        assert one == alone | {
            "host": one["host"],
            "newest_at": "2026-11-21T10:00:15+00:00",
            "after_anchor": 3,
            "behind": 0,
            "is_missing": False,
        }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["EMPTY"], "there is no log in"),
        (["EMPTY", "--json"], "there is no log in"),
        (["NOWHERE"], "there is no folder"),
        ([""], "there is no folder"),
        (["-"], "there is no folder"),
        (["EMPTY", "--log-id", "00" * 16], "--all"),
        (["EMPTY", "--lag", "soon"], "--lag"),
        (["EMPTY", "--anchor", "NOWHERE"], "no anchor file or folder"),
        (["EMPTY", "--key", "the key itself"], "env:NAME or file:PATH"),
    ],
)
def test_what_cannot_be_done_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """With a plain sentence on stderr; as JSON, an empty array says that there is nothing."""
    (tmp_path / "EMPTY").mkdir()
    places = {name: str(tmp_path / name) for name in ("EMPTY", "NOWHERE")}
    assert main(["verify", "--all", *(places.get(one, one) for one in arguments)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ("[]\n" if "--json" in arguments else "")


def test_all_of_them_gone_is_a_finding(
    hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty folder is an accident only where no anchor says otherwise."""
    shutil.rmtree(hosts.logs)
    hosts.logs.mkdir()
    assert main(command) == 1
    assert capsys.readouterr().out.endswith("3 logs: 3 tampered\n")


def test_wrong_arguments_are_refused(hosts: Hosts) -> None:
    """As `verify` does."""
    for wrong in ({"jobs": 0}, {"max_age": timedelta(-1)}, {"lag": timedelta(-1)}, {"key": []}):
        with pytest.raises(ConfigError):
            hosts.verify(**wrong)
    assert main(["verify", str(hosts.logs / "web1"), "--lag", "26h"]) == 2
    with pytest.raises(ConfigError):
        verify_all(None)  # type: ignore[arg-type]


def test_no_control_characters_reach_the_terminal(
    hosts: Hosts, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a folder is called, and no colour where there is none."""
    os.rename(hosts.logs / "web1", hosts.logs / "web\x1b[2J1")
    (hosts.logs / "web2" / SECOND).unlink()
    assert main(command) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_hundred_logs(tmp_path: Path, audit_key: bytes) -> None:
    """Real ones, from the command, with progress in one process."""
    for number in range(100):
        handler = AuditFileHandler(tmp_path / "logs" / f"h{number % 10}" / str(number) / "audit.jsonl")
        handler.handle(logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "hello", (), None))
        handler.close()
    seen: list[int] = []
    fleet = verify_all(tmp_path / "logs", progress=seen.append)
    assert (len(fleet.logs), fleet.exit_code) == (100, 3)
    assert seen == sorted(seen)
    assert seen[-1] == sum(log.report.lines for log in fleet.logs)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "or_audit_logging",
            "verify",
            "--all",
            "logs",
            "--unanchored-ok",
            "--jobs",
            "2",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("100 logs: 100 unanchored\n")
    assert done.stderr == ""


def test_a_damaged_archive_among_many(hosts: Hosts) -> None:
    """Bytes that are no archive are found where they are, and stop nothing."""
    log = hosts.built["web3"]
    path = log.archive(hosts.logs / "web3", f"audit_{DAY}.jsonl")
    path.write_bytes(gzip.compress(b"\0" * 1000)[:-9])
    assert verdicts(hosts.verify()) == {"web1": "verified", "web2": "verified", "web3": "tampered"}
