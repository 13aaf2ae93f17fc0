"""S3: what is stored when, what a store that lies is told, and that nothing is lost on the way."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="needs the extra aws")

from fake_s3 import BUCKET, FakeS3, S3Error
from fakes import eventually
from hypothesis import given
from hypothesis import strategies as st
from log_builder import DAY, NEXT_DAY, OTHER_SECRET, SECRET, THIRD_DAY, LogBuilder, three_segments
from log_builder import key as secret
from samples import REPOSITORY
from ship_sites import FAULTS

from or_audit_logging import verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.line import parse_line
from or_audit_logging.ship import Shipped, Shipper, TargetOptions
from or_audit_logging.ship import listing as listing_module
from or_audit_logging.ship.s3 import storing
from or_audit_logging.ship.s3.address import Address, host_of, parse_address
from or_audit_logging.ship.s3.checkpoints import list_checkpoints
from or_audit_logging.ship.s3.seals import Seals

HOST = "host=audit.example"
LOG = bytes(range(8)).hex()
FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))
YEARS = 30_000
"""Days of a lock that is not over when these tests run."""


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """The service; the target finds it."""
    folder = tmp_path / "service"
    folder.mkdir()
    with FakeS3(folder) as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake


def ship(s3: FakeS3, folder: Path, query: str = "", **options: Any) -> Shipped:
    """Ship what is there, without waiting between tries."""
    defaults: dict[str, Any] = {"wait": lambda pause: None, "options": TargetOptions(timeout=s3.timeout)}
    with Shipper(folder, s3.text + query, **(defaults | options)) as shipper:
        return shipper.run()


def dead_letters(folder: Path) -> list[str]:
    """Return the reasons for which lines were refused."""
    return [
        json.loads(line)["reason"]
        for path in (folder / "ship").glob("*.dead.jsonl")
        for line in path.read_text("ascii").splitlines()
    ]


def cursor(folder: Path) -> Any:
    """Return what the one cursor of the log says."""
    (path,) = (folder / "ship").glob("*.cursor.json")
    return json.loads(path.read_text("ascii"))


def key_of(name: str) -> str:
    """Return the key of a segment of the log that is built here."""
    return f"llm/dt={name[6:16]}/{HOST}/{name}.gz"


def hold(
    log: LogBuilder, name: str, since: str | None, until: str | None, *, event: str = "log.hold"
) -> None:
    """Add a log.hold, or a log.release, and a checkpoint."""
    log.control(event, name=name, **{"from": since, "until": until}, actor="counsel", reason="case")
    log.checkpoint()


class TestAddress:
    """What may stand behind `s3:`."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("acme-audit", Address(bucket="acme-audit")),
            ("acme-audit/", Address(bucket="acme-audit")),
            ("acme-audit/a/b/", Address(bucket="acme-audit", prefix="a/b/")),
            ("acme-audit/a?lock=none", Address(bucket="acme-audit", prefix="a/")),
            ("acme-audit?lock=governance", Address(bucket="acme-audit", mode="GOVERNANCE")),
            ("b.c/a?lock=compliance&days=7", Address(bucket="b.c", prefix="a/", mode="COMPLIANCE", days=7)),
        ],
    )
    def test_is_read(self, text: str, expected: Address) -> None:
        """Bucket, prefix, lock, days."""
        assert parse_address(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "", "/a", "ab", "Acme-audit", "a_b", "acme-audit/a//b", "acme-audit/a b", "acme-audit/../b",
            "acme-audit/ä", "acme-audit/" + "a" * 600, "acme-audit?lock", "acme-audit?lock=worm",
            "acme-audit?lock=compliance&lok=1", "acme-audit?days=7", "acme-audit?lock=none&days=7",
            "acme-audit?lock=compliance&days=0", "acme-audit?lock=compliance&days=-1",
            "acme-audit?lock=compliance&days=99999999", "acme-audit?lock=compliance&days=\u0663",
            "acme-audit?lock=compliance&lock=none", "acme-audit?lock=none&lock=compliance",
            "acme-audit?lock=compliance&days=", "acme-audit?lock=compliance&days=7&days=8",
        ],
    )  # fmt: skip
    def test_is_refused(self, text: str) -> None:
        """What is no address is said when the target is opened."""
        with pytest.raises(ConfigError):
            parse_address(text)

    @pytest.mark.parametrize(
        ("origin", "host"),
        [("h1.example/audit/00", "h1.example"), ("a/b/audit/00", "a-b"), ("//00", "-"), ("x", "x")],
    )
    def test_hosts_are_part_of_keys(self, origin: str, host: str) -> None:
        """Whatever the origin's host is, it stays one part of a key."""
        assert host_of(origin) == host

    def test_the_name_has_no_query(self) -> None:
        """Messages, and the status, name bucket and prefix, and whether what goes there is locked."""
        assert parse_address("acme-audit/a").name == "s3:acme-audit/a"
        assert parse_address("acme-audit/a?lock=governance&days=7").name == "s3:acme-audit/a (governance)"


class TestWhatIsStored:
    """Closed segments and checkpoints."""

    def test_a_segment_once_it_is_closed(self, s3: FakeS3, tmp_path: Path) -> None:
        """The open one stays; a second run has nothing to do; the next line.open brings the next segment."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        shipped = ship(s3, folder)
        assert (shipped.delivered, shipped.exit_code) == (log.seq, 0)
        assert s3.segments() == {name: log.segments[name] for name in (FIRST, SECOND)}
        assert set(s3.objects()) == {key_of(FIRST), key_of(SECOND), *s3.checkpoints()}
        asked = len(s3.asked)
        assert ship(s3, folder).delivered == 0
        assert len(s3.asked) == asked
        log.open("2026-11-24")
        log.save(folder)
        assert ship(s3, folder).exit_code == 0
        assert s3.segments() == {name: log.segments[name] for name in (FIRST, SECOND, THIRD)}
        assert all(len([one for one in s3.stored if one.key == key]) == 1 for key in s3.objects())

    def test_an_object_is_the_same_whoever_makes_it(self, s3: FakeS3, tmp_path: Path) -> None:
        """Compression knows neither time nor name; the store's checksum is that of the object."""
        ship(s3, three_segments().save(tmp_path / "log"))
        stored = s3.objects()[key_of(FIRST)]
        assert stored.data[4:8] == bytes(4)
        assert stored.metadata == {
            "log": LOG, "first-seq": "0", "last-seq": "4", "opened": DAY, "closed": DAY,
        }  # fmt: skip

    def test_segments_of_one_day_are_told_apart(self, s3: FakeS3, tmp_path: Path) -> None:
        """A clock had run ahead: `.1` stands in the key."""
        log = LogBuilder()
        log.open(DAY, 1)
        log.open(DAY, 2)
        ship(s3, log.save(tmp_path / "log"))
        assert list(s3.segments()) == [FIRST, f"audit_{DAY}.1.jsonl"]

    def test_an_archived_segment(self, s3: FakeS3, tmp_path: Path) -> None:
        """Retention may have compressed it; the object is the same."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        log.archive(folder, FIRST)
        ship(s3, folder)
        assert s3.segments()[FIRST] == log.segments[FIRST]

    def test_a_redacted_line_and_what_a_crash_left(self, s3: FakeS3, tmp_path: Path) -> None:
        """Stubs and torn bytes that a log.recover describes are part of a segment."""
        log = LogBuilder()
        log.user(3)
        log.torn(b'{"event_type":"chat')
        log.torn(bytes(3_000_000))
        log.open(NEXT_DAY)
        log.redact(3)
        ship(s3, log.save(tmp_path / "log"))
        assert s3.segments() == {FIRST: log.segments[FIRST]}

    def test_the_newest_checkpoint_of_a_batch(self, s3: FakeS3, tmp_path: Path) -> None:
        """It covers the others of its segment; while a log is followed, each goes out by itself."""
        log = LogBuilder()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        log.user(2)
        log.checkpoint()
        log.checkpoint()
        log.save(folder)
        ship(s3, folder)
        assert s3.checkpoints() == [
            f"llm/dt={DAY}/{HOST}/checkpoints/{LOG}-{size:019d}.json" for size in (1, 5)
        ]
        assert s3.objects()[s3.checkpoints()[1]].data == log.lines()[-1]

    def test_checkpoints_are_listed(self, s3: FakeS3, tmp_path: Path) -> None:
        """With the time of the store, and where they stand; what else is there is passed over."""
        log = three_segments()
        ship(s3, log.save(tmp_path / "log"))
        kept, *_, last = list_checkpoints(f"{BUCKET}/llm").found
        assert (kept.text.encode(), last.text.encode()) == (log.lines(FIRST)[1], log.lines(THIRD)[1])
        assert kept.kept_at == s3.objects()[s3.checkpoints()[0]].kept_at
        assert kept.where == f"s3:{BUCKET}/{s3.checkpoints()[0]}"
        assert list_checkpoints(f"{BUCKET}/elsewhere").found == ()

    def test_checkpoints_of_what_is_stored(self, s3: FakeS3, tmp_path: Path) -> None:
        """What covers a line of the open segment is left out, for whoever has a copy of the bucket."""
        log = LogBuilder()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        assert list_checkpoints(f"{BUCKET}/llm", stored=True).found == ()
        for day in (NEXT_DAY, THIRD_DAY):
            log.open(day)
            log.save(folder)
            ship(s3, folder)
        listed = list_checkpoints(f"{BUCKET}/llm")
        sizes = [int(kept.where.rpartition("-")[2][:-5]) for kept in listed.found]
        assert sizes == [1, 3, 5]
        listed = list_checkpoints(f"{BUCKET}/llm", stored=True)
        assert (listed.left_out, listed.left_out_size, listed.stored_size) == (1, 5, 4)
        assert [kept.text.encode() for kept in listed.found] == [log.lines(FIRST)[1], log.lines(SECOND)[1]]

    def test_a_service_that_starts_before_the_log_does(self, s3: FakeS3, tmp_path: Path) -> None:
        """It waits for the first line, and stores what closes from then on."""
        place = tmp_path / "log"
        arguments = ["-m", "or_audit_logging", "ship", str(place), "--to", s3.text, "--follow"]
        with subprocess.Popen(
            [sys.executable, *arguments],
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        ) as process:
            try:
                assert process.stderr is not None
                assert b"waiting until it begins" in process.stderr.readline()
                three_segments().save(place)
                eventually(lambda: key_of(SECOND) in s3.objects())
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 0
            finally:
                process.kill()

    def test_other_formats_are_refused(self, s3: FakeS3, tmp_path: Path) -> None:
        """Objects hold the log's own segments."""
        with pytest.raises(DeliveryError, match="native lines alone: leave --format out"):
            ship(s3, three_segments().save(tmp_path / "log"), format="ecs")
        assert s3.stored == []

    def test_nothing_secret_is_said(
        self, s3: FakeS3, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither the key nor a line stands in what is logged."""
        caplog.set_level(logging.DEBUG)
        told: list[str] = []
        s3.errors = [S3Error(403, "SignatureDoesNotMatch", "wJalrXUtnFEMI/K7MDENG is 'wrong'")]
        with pytest.raises(DeliveryError) as failure:
            ship(s3, three_segments().save(tmp_path / "log"), told=told.append)
        said = " ".join([caplog.text, str(failure.value), *told])
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in said
        assert "wJalr" not in said
        assert "chat_completion" not in said


class TestFaults:
    """Nothing is lost, nothing is stored twice."""

    @pytest.mark.parametrize("before", [0, 1, 3])
    @pytest.mark.parametrize("query", ["", f"?lock=compliance&days={YEARS}"])
    def test_a_request_that_fails_is_made_again(
        self, s3: FakeS3, tmp_path: Path, before: int, query: str
    ) -> None:
        """Whichever it is; an object that was stored although the answer was lost is not stored again."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        s3.fail(*["ok"] * before, *(fault for fault in FAULTS for _ in range(2)), "lost answer", "cut")
        assert ship(s3, folder, query).exit_code == 0
        assert s3.segments() == {name: log.segments[name] for name in (FIRST, SECOND)}
        assert len(s3.stored) == len(s3.objects()) == 5
        assert all((one.mode == "COMPLIANCE") == bool(query) for one in s3.stored)

    def test_only_certificates_that_hold_are_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that `--ca` names, for this address; nothing was sent to another."""
        certificates = pytest.importorskip("certificates", reason="cryptography is not installed")
        context, certificate = certificates.self_signed(tmp_path)
        folder = three_segments().save(tmp_path / "log")
        with FakeS3(tmp_path, tls=context) as s3:
            for name, value in s3.environment.items():
                monkeypatch.setenv(name, value)
            with pytest.raises(DeliveryError, match=r"not trusted.*--ca"):
                ship(s3, folder)
            assert s3.asked == []
            assert ship(s3, folder, options=TargetOptions(timeout=5, ca_file=certificate)).exit_code == 0

    @pytest.mark.parametrize(
        ("endpoint", "says"), [("http://s3.example", "https"), ("no address", "AWS_ENDPOINT_URL")]
    )
    def test_lines_do_not_travel_in_clear(
        self, s3: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, says: str
    ) -> None:
        """An endpoint that is not this machine is spoken to over TLS; one that is none is said at once."""
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(DeliveryError, match=says):
            ship(s3, three_segments().save(tmp_path / "log"))

    def test_slow_down(self, s3: FakeS3, tmp_path: Path) -> None:
        """503 SlowDown and what else may pass is waited for."""
        s3.errors = [
            S3Error(503, "SlowDown"),
            S3Error(409, "ConditionalRequestConflict"),
            S3Error(400, "RequestTimeout"),
        ]
        assert ship(s3, three_segments().save(tmp_path / "log")).exit_code == 0
        assert len(s3.segments()) == 2

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (S3Error(404, "NoSuchBucket"), "make the bucket"),
            (S3Error(403, "AccessDenied"), "docs/targets.md"),
            (S3Error(403, "InvalidAccessKeyId"), "access key"),
            (S3Error(400, "AuthorizationHeaderMalformed"), "AWS_REGION"),
            (S3Error(501, "NotImplemented"), "endpoint"),
        ],
    )
    def test_what_waiting_does_not_mend(self, s3: FakeS3, tmp_path: Path, error: S3Error, says: str) -> None:
        """It ends at once, with what is to be done."""
        s3.errors = [error]
        with pytest.raises(DeliveryError, match=says):
            ship(s3, three_segments().save(tmp_path / "log"))
        assert s3.stored == []

    @pytest.mark.parametrize("code", ["Nope\nor-audit: verified", "\u202eesrever", "N" * 10_000])
    def test_a_code_that_is_none_is_not_repeated(self, s3: FakeS3, tmp_path: Path, code: str) -> None:
        """Messages go to terminals and into logs of one line each."""
        s3.errors = [S3Error(418, code)]
        with pytest.raises(DeliveryError) as failure:
            ship(s3, three_segments().save(tmp_path / "log"))
        assert str(failure.value).isprintable()
        assert "answered 418" in str(failure.value)
        assert len(str(failure.value)) < 500

    def test_a_service_that_is_not_there(self, s3: FakeS3, tmp_path: Path) -> None:
        """Refused connections are waited for; given up, the next run goes on."""
        folder = three_segments().save(tmp_path / "log")
        s3.stop()
        with pytest.raises(DeliveryError, match="given up"):
            ship(s3, folder, patience=0.0)
        timer = threading.Timer(0.2, s3.start)
        timer.start()
        assert ship(s3, folder, wait=lambda pause: threading.Event().wait(0.05)).exit_code == 0
        timer.join()
        assert len(s3.segments()) == 2

    def test_killed_between_objects(self, s3: FakeS3, tmp_path: Path) -> None:
        """`kill -9` at any moment: the next run ends with the same objects, each once."""
        log = LogBuilder()
        for day in range(1, 13):
            log.open(f"2026-12-{day:02d}")
            log.user(3)
        folder = log.save(tmp_path / "log")
        command = [sys.executable, "-m", "or_audit_logging", "ship", str(folder), "--to", s3.text]
        for count in (2, 6):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                eventually(lambda count=count: len(s3.segments()) >= count or process.poll() is not None)
                process.send_signal(signal.SIGKILL)
        assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=60).returncode == 0
        assert s3.segments() == {name: log.segments[name] for name in list(log.segments)[:-1]}
        assert len(s3.stored) == len(s3.objects())


class TestWhatIsThereAlready:
    """If-None-Match: nothing is overwritten."""

    def test_the_same_lines_compressed_otherwise(self, s3: FakeS3, tmp_path: Path) -> None:
        """Another zlib gives other bytes: the lines are compared."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        self.replace(s3, gzip.compress(log.segments[FIRST], 1, mtime=7))
        shutil.rmtree(folder / "ship")
        assert ship(s3, folder).exit_code == 0
        assert len(s3.stored) == 5

    @pytest.mark.parametrize("damage", ["flip", "cut", "longer", "empty", "other", "plain"])
    def test_other_bytes_end_shipping(self, s3: FakeS3, tmp_path: Path, damage: str) -> None:
        """They stay, and the cursor does not pass the segment: it is nowhere but in the log."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        lines = log.segments[FIRST]
        packed = gzip.compress(lines, mtime=0)
        middle = len(packed) // 2
        changed = {
            "flip": packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :],
            "cut": packed[:-9],
            "longer": packed + b"\0",
            "empty": b"",
            "other": gzip.compress(lines.replace(b"plain", b"PLAIN")),
            "plain": lines,
        }[damage]
        self.replace(s3, changed)
        shutil.rmtree(folder / "ship")
        for _ in range(2):
            with pytest.raises(DeliveryError, match="holds other bytes"):
                ship(s3, folder)
        assert cursor(folder)["position"]["next_seq"] == 0
        assert s3.objects()[key_of(FIRST)].data == changed

    @pytest.mark.parametrize(
        "metadata", [{}, {"log": LOG}, {"log": LOG, "opened": "2099-01-01", "closed": "2099-01-01"}]
    )
    @pytest.mark.parametrize("query", ["", f"?lock=governance&days={YEARS}"])
    def test_the_right_bytes_without_what_goes_with_them(
        self, s3: FakeS3, tmp_path: Path, metadata: dict[str, str], query: str
    ) -> None:
        """Holds go by the metadata: without them a segment would be passed by."""
        folder = three_segments().save(tmp_path / "log")
        ship(s3, folder)
        s3.objects()[key_of(FIRST)].metadata = metadata
        shutil.rmtree(folder / "ship")
        with pytest.raises(DeliveryError, match="metadata"):
            ship(s3, folder, query)

    def test_a_log_that_was_redacted_since(self, s3: FakeS3, tmp_path: Path) -> None:
        """The object keeps the line as it was: an erasure does not reach it."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        before = s3.segments()[FIRST]
        log.redact(3)
        log.save(folder)
        shutil.rmtree(folder / "ship")
        assert ship(s3, folder).exit_code == 1
        assert "redacted" in dead_letters(folder)[0]
        assert s3.segments()[FIRST] == before

    def test_two_logs_under_one_prefix(self, s3: FakeS3, tmp_path: Path) -> None:
        """That is a mistake in the configuration, and ends shipping."""
        ship(s3, three_segments().save(tmp_path / "log"))
        other = three_segments(log_id=bytes(16))
        with pytest.raises(DeliveryError, match="prefix of its own"):
            ship(s3, other.save(tmp_path / "other"))

    def test_a_fork_shows(self, s3: FakeS3, tmp_path: Path) -> None:
        """Two checkpoints of one size of one log: the second is refused."""
        log, other = LogBuilder(), LogBuilder()
        ship(s3, log.save(tmp_path / "log"))
        other.segments[other.name] = b""
        fork = LogBuilder(host="audit.example", policy={"name": "other", "min_days": 1})
        fork.save(tmp_path / "fork")
        assert ship(s3, tmp_path / "fork").exit_code == 1
        assert "holds other bytes" in dead_letters(tmp_path / "fork")[0]

    def test_one_that_unfolds_without_end(
        self, s3: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is read as far as the segment is long."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        self.replace(s3, gzip.compress(log.segments[FIRST] + bytes(64 << 20), compresslevel=1))
        shutil.rmtree(folder / "ship")
        unfolded, lines = [], storing._lines

        def counted(*arguments: Any) -> Iterator[bytes]:
            for block in lines(*arguments):
                unfolded.append(len(block))
                yield block

        monkeypatch.setattr(storing, "_lines", counted)
        with pytest.raises(DeliveryError, match="holds other bytes"):
            ship(s3, folder)
        assert sum(unfolded) < 1 << 20

    @staticmethod
    def replace(s3: FakeS3, data: bytes) -> None:
        """Put *data* in the place of the first segment."""
        stored = s3.objects()[key_of(FIRST)]
        stored.data, stored.sha256 = data, None


class TestDamage:
    """What does not follow is not put where it stays for years."""

    @pytest.mark.parametrize("damage", ["flip", "drop", "cut", "add", "unended", "empty", "swap"])
    def test_a_segment_that_was_changed_since_its_lines_passed(
        self, s3: FakeS3, tmp_path: Path, damage: str
    ) -> None:
        """It is refused and said; checkpoints go on leaving the machine."""
        log = LogBuilder()
        log.user(4)
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        lines = log.lines()
        whole = log.segments[FIRST]
        changed = {
            "flip": whole.replace(b'"status":"success"', b'"status":"succesS"', 1),
            "drop": b"".join(lines[:3] + lines[4:]),
            "cut": b"".join(lines[:-1]),
            "add": whole + lines[-1],
            "unended": whole[:-1],
            "empty": b"x\n",
            "swap": b"".join([*lines[:3], lines[4], lines[3], lines[5]]),
        }[damage]
        log.open(NEXT_DAY)
        log.segments[FIRST] = changed.ljust(len(whole), b" ") if damage == "empty" else changed
        log.save(folder)
        try:
            shipped = ship(s3, folder, on_break="flag")
        except DeliveryError as error:
            pytest.fail(str(error))
        assert shipped.exit_code == 1
        assert s3.segments() == {}
        assert any("is not stored" in reason for reason in dead_letters(folder))
        assert len(s3.checkpoints()) == 2


class TestLocks:
    """Object Lock, read back."""

    def test_as_long_as_the_policy_says(self, s3: FakeS3, tmp_path: Path) -> None:
        """From the day on which the last line may have been written."""
        log = three_segments(policy={"name": "ours", "delete_after_days": YEARS + 1, "min_days": YEARS})
        ship(s3, log.save(tmp_path / "log"), "?lock=compliance")
        until = datetime.fromisoformat(DAY).replace(tzinfo=UTC) + timedelta(days=YEARS)
        assert len(s3.stored) == 5
        later = until + timedelta(days=1)
        assert {one.mode for one in s3.stored} == {"COMPLIANCE"}
        assert s3.objects()[key_of(FIRST)].until == until
        assert {s3.objects()[key].until for key in s3.checkpoints()} == {later}
        assert s3.objects()[key_of(SECOND)].until == later

    def test_a_policy_that_was_sealed_later(self, s3: FakeS3, tmp_path: Path) -> None:
        """Counts for the segment in which it stands, and for those before it that state none."""
        log = three_segments()
        policy = {"name": "ours", "delete_after_days": None, "min_days": YEARS}
        log.control("log.policy", name="ours", policy=policy, actor="root")
        ship(s3, log.save(tmp_path / "log"), "?lock=governance")
        assert {one.mode for one in s3.stored} == {"GOVERNANCE"}

    def test_days_in_the_address_win(self, s3: FakeS3, tmp_path: Path) -> None:
        """Whatever the policy says."""
        log = three_segments(policy={"name": "ours", "delete_after_days": 90})
        ship(s3, log.save(tmp_path / "log"), f"?lock=compliance&days={YEARS}")
        until = datetime.fromisoformat(DAY).replace(tzinfo=UTC) + timedelta(days=YEARS)
        assert s3.objects()[key_of(FIRST)].until == until

    def test_without_a_policy(self, s3: FakeS3, tmp_path: Path) -> None:
        """Nobody guesses for how long."""
        with pytest.raises(DeliveryError, match="days=N"):
            ship(s3, three_segments().save(tmp_path / "log"), "?lock=compliance")
        assert s3.stored == []

    def test_a_time_that_is_over(self, s3: FakeS3, tmp_path: Path) -> None:
        """A segment that was to be kept until yesterday is stored without a lock."""
        old = LogBuilder(day=None, policy={"name": "ours", "delete_after_days": 1})
        old.clock = datetime(2020, 1, 1, tzinfo=UTC)
        old.open("2020-01-01")
        old.open("2020-01-02")
        assert ship(s3, old.save(tmp_path / "old"), "?lock=compliance").exit_code == 0
        assert {one.mode for one in s3.stored} == {None}

    @pytest.mark.parametrize(
        ("lock", "says"),
        [
            ("ignored", "keeps no versions"),
            ("off", "Object Lock is switched on"),
            ("shorter", "it says COMPLIANCE until"),
            ("weaker", "it says GOVERNANCE"),
        ],
    )
    def test_a_store_that_does_not_lock(self, s3: FakeS3, tmp_path: Path, lock: Any, says: str) -> None:
        """It is found out at the first object; nothing counts as delivered."""
        folder = three_segments().save(tmp_path / "log")
        s3.lock = lock
        with pytest.raises(DeliveryError, match=says):
            ship(s3, folder, f"?lock=compliance&days={YEARS}")
        assert len(s3.objects()) <= 1
        assert cursor(folder)["delivered_at"] is None

    def test_a_store_without_locks_is_fine_without_locks(self, s3: FakeS3, tmp_path: Path) -> None:
        """Versions are no condition then."""
        s3.lock = "ignored"
        assert ship(s3, three_segments().save(tmp_path / "log"), "?lock=none").exit_code == 0

    def test_a_stronger_lock_for_a_shorter_time(self, s3: FakeS3, tmp_path: Path) -> None:
        """No time is made shorter: what is there keeps its own under the new mode."""
        folder = three_segments().save(tmp_path / "log")
        ship(s3, folder, f"?lock=governance&days={YEARS}")
        before = [one.until for one in s3.stored]
        assert ship(s3, folder, f"?lock=compliance&days={YEARS - 10}").exit_code == 0
        assert [one.mode for one in s3.stored] == ["COMPLIANCE"] * 5
        assert [one.until for one in s3.stored] == before

    def test_a_checkpoint_is_kept_as_long_as_the_lines_before_it(self, s3: FakeS3, tmp_path: Path) -> None:
        """The first one of a segment is the first to cover the last lines of the one before it."""
        log = LogBuilder(policy={"name": "ours", "delete_after_days": None, "min_days": YEARS})
        log.clock = datetime.fromisoformat(f"{NEXT_DAY}T00:10:00+00:00")
        log.policy = {"name": "ours", "delete_after_days": None, "min_days": 100}
        log.open(NEXT_DAY)
        folder = log.save(tmp_path / "log")
        ship(s3, folder, "?lock=compliance")
        segment = s3.objects()[key_of(FIRST)].until
        assert segment is not None
        assert len(s3.checkpoints()) == 2
        assert all((s3.objects()[key].until or segment) >= segment for key in s3.checkpoints())

    def test_a_first_line_that_was_written_anew(self, s3: FakeS3, tmp_path: Path) -> None:
        """Its policy asks for a shorter lock: without a key that is not known, with one it is refused."""
        policy = {"name": "ours", "delete_after_days": None, "min_days": YEARS}
        folder = three_segments(policy=policy).save(tmp_path / "log")
        assert ship(s3, folder, "?lock=governance", key=secret(), state=tmp_path / "honest").exit_code == 0
        s3.stored.clear()
        forged = three_segments(secret=OTHER_SECRET, policy=policy | {"min_days": 1})
        honest, stated = LogKeys(SECRET, log_id=forged.log_id), forged.keys.kcv
        forged.keys.kcv = honest.kcv
        again = LogBuilder(day=None, policy=forged.policy)
        again.keys = forged.keys
        for day in (DAY, NEXT_DAY, THIRD_DAY):
            again.open(day)
        again.save(folder)
        shipped = ship(s3, folder, "?lock=governance", key=secret(), state=tmp_path / "forged")
        assert shipped.dead_letters == 5
        assert s3.stored == []
        assert stated != honest.kcv

    def test_locks_by_a_policy_take_each_key_or_none(self, s3: FakeS3, tmp_path: Path) -> None:
        """Whoever changes a first line can make it name a key that nobody has."""
        log = three_segments(policy={"name": "ours", "delete_after_days": None, "min_days": YEARS})
        log.rotate(OTHER_SECRET)
        log.open("2026-11-24")
        folder = log.save(tmp_path / "log")
        with pytest.raises(DeliveryError, match=r"begins at seq 16, .*--key, once for each.*days=N"):
            ship(s3, folder, "?lock=governance", key=secret())
        assert ship(s3, folder, f"?lock=governance&days={YEARS}", key=secret()).exit_code == 0
        assert ship(s3, folder, "?lock=governance", key=[secret(), secret(OTHER_SECRET)]).exit_code == 0
        shutil.rmtree(folder / "ship")
        assert ship(s3, folder, "?lock=governance").exit_code == 0

    def test_what_was_stored_without_a_lock_gets_one(self, s3: FakeS3, tmp_path: Path) -> None:
        """The address with a lock is another one: the log is shipped again, and what is there is locked."""
        folder = three_segments().save(tmp_path / "log")
        ship(s3, folder)
        assert {one.mode for one in s3.stored} == {None}
        ship(s3, folder, f"?lock=compliance&days={YEARS}")
        assert [one.mode for one in s3.stored] == ["COMPLIANCE"] * 5
        s3.stored[0].until = None
        s3.lock = "shorter"
        with pytest.raises(DeliveryError, match="did not lock"):
            ship(s3, folder, f"?lock=compliance&days={YEARS + 1}")


class TestHolds:
    """Legal holds on what is stored."""

    QUERY = f"?lock=governance&days={YEARS}"

    def held(self, s3: FakeS3) -> set[str]:
        return {
            key.rpartition("/")[2].removesuffix(".gz") for key, one in s3.objects().items() if one.is_held
        }

    def spaced(self) -> LogBuilder:
        """Return a log of segments so many days apart that a hold can tell them."""
        log = LogBuilder(day=None)
        for day in ("2026-11-01", "2026-11-11", "2026-11-21"):
            log.clock = datetime.fromisoformat(f"{day}T10:00:00+00:00")
            log.open(day)
            log.user()
        return log

    def test_one_in_force_covers_what_is_stored_later(self, s3: FakeS3, tmp_path: Path) -> None:
        """Also where another process has shipped the line that says so."""
        log = self.spaced()
        hold(log, "case-7", "2026-11-20", None)
        folder = log.save(tmp_path / "log")
        ship(s3, folder, self.QUERY)
        assert self.held(s3) == {"audit_2026-11-11.jsonl"}  # it was closed on the 21st
        log.clock = datetime(2026, 12, 1, tzinfo=UTC)
        log.open("2026-12-01")
        log.save(folder)
        ship(s3, folder, self.QUERY)
        assert self.held(s3) == {"audit_2026-11-11.jsonl", "audit_2026-11-21.jsonl"}

    def test_added_and_released_later(self, s3: FakeS3, tmp_path: Path) -> None:
        """On what is stored already: on with the hold, off once no other covers it."""
        log = self.spaced()
        folder = log.save(tmp_path / "log")
        steps: list[tuple[Callable[[], None], set[str]]] = [
            (lambda: None, set()),
            (lambda: hold(log, "a", None, "2026-11-02"), {"audit_2026-11-01.jsonl"}),
            (lambda: hold(log, "b", None, None), {"audit_2026-11-01.jsonl", "audit_2026-11-11.jsonl"}),
            (lambda: hold(log, "b", None, None, event="log.release"), {"audit_2026-11-01.jsonl"}),
            (lambda: hold(log, "a", None, "2026-11-02", event="log.release"), set()),
        ]
        for step, expected in steps:
            step()
            log.save(folder)
            assert ship(s3, folder, self.QUERY, key=secret()).exit_code == 0
            assert self.held(s3) == expected

    def released(self, s3: FakeS3, folder: Path) -> LogBuilder:
        """Return a log that was shipped with a hold, and has released it since."""
        log = self.spaced()
        hold(log, "case-7", None, None)
        log.save(folder)
        assert ship(s3, folder, self.QUERY).exit_code == 0
        hold(log, "case-7", None, None, event="log.release")
        log.save(folder)
        return log

    HELD = frozenset({"audit_2026-11-01.jsonl", "audit_2026-11-11.jsonl"})

    def test_without_a_key_none_is_lifted(self, s3: FakeS3, tmp_path: Path) -> None:
        """Who may write the folder could have written the release; with the key it is carried out later."""
        log = self.released(s3, tmp_path / "log")
        assert ship(s3, tmp_path / "log", self.QUERY).exit_code == 1
        assert (self.held(s3), s3.lifted) == (self.HELD, [])
        (said,) = dead_letters(tmp_path / "log")
        assert said.startswith("the hold 'case-7' stays on what is stored: give the key (--key, OR_AUDIT_KEY")
        assert "another --state" in said
        log.open("2026-12-01")
        log.save(tmp_path / "log")
        ship(s3, tmp_path / "log", self.QUERY)
        assert self.held(s3) == self.HELD | {"audit_2026-11-21.jsonl"}
        assert ship(s3, tmp_path / "log", self.QUERY, key=secret(), state=tmp_path / "state").exit_code == 0
        assert self.held(s3) == set()

    def test_its_dead_letter_is_enough(self, s3: FakeS3, tmp_path: Path) -> None:
        """Sent again with the key, the release is carried out."""
        folder = tmp_path / "log"
        self.released(s3, folder)
        ship(s3, folder, self.QUERY)
        (letters,) = (folder / "ship").glob("*.dead.jsonl")
        again = letters.rename(tmp_path / "again.jsonl")
        command = ["ship", str(folder), "--to", s3.text + self.QUERY, "--again", str(again)]
        assert main(command) == 1
        assert self.held(s3) == self.HELD
        (tmp_path / "audit.key").write_bytes(SECRET)
        (tmp_path / "audit.key").chmod(0o600)
        assert main([*command, "--key", f"file:{tmp_path / 'audit.key'}"]) == 0
        assert self.held(s3) == set()

    @pytest.mark.parametrize("forged", ["mac", "name", "key", "all keys"])
    def test_a_forged_release_lifts_none(self, s3: FakeS3, tmp_path: Path, forged: str) -> None:
        """It follows the line before it, which takes no key; what is stored later is held as well."""
        log, folder = self.spaced(), tmp_path / "log"
        hold(log, "case-7", None, None)
        ship(s3, log.save(folder), self.QUERY, key=secret())
        before = dict(log.segments)
        log.open("2026-12-01")
        if forged in ("key", "all keys"):
            log.keys = LogKeys(OTHER_SECRET, log_id=log.log_id)
        if forged == "all keys":
            log.open("2026-12-02")
        days = {"from": None, "until": None}
        line = log.control("log.release", name="case-7", **days, actor="counsel", reason="case")
        changed = {
            "mac": line[:-66] + bytes([line[-66] ^ 1]) + line[-65:],
            "name": line.replace(b'"counsel"', b'"forger!"'),
        }.get(forged, line)
        log.segments[log.name] = log.segments[log.name].replace(line, changed)
        log.save(folder)
        assert ship(s3, folder, self.QUERY, key=secret()).exit_code == 1
        assert "'case-7' stays on what is stored" in dead_letters(folder)[-1]
        assert "run or-audit verify" in dead_letters(folder)[-1] or forged == "all keys"
        stored = [name for name in log.segments if name != log.name]
        assert (self.held(s3), s3.lifted) == (set(stored), [])
        for name in set(log.segments) - set(before):  # and it is cut away again
            (folder / name).unlink()

    def test_a_key_that_is_not_the_logs(self, s3: FakeS3, tmp_path: Path) -> None:
        """It opens nothing, and that is said."""
        self.released(s3, tmp_path / "log")
        assert ship(s3, tmp_path / "log", self.QUERY, key=secret(OTHER_SECRET)).exit_code == 1
        assert self.held(s3) == self.HELD
        assert "none of the keys given is the log's" in dead_letters(tmp_path / "log")[0]

    def test_a_hold_that_is_said_again_for_fewer_days(self, s3: FakeS3, tmp_path: Path) -> None:
        """`or-audit hold` never does; it makes no hold shorter."""
        log = self.spaced()
        hold(log, "case-7", None, None)
        hold(log, "case-7", None, "2020-01-01")
        log.open("2026-12-01")
        ship(s3, log.save(tmp_path / "log"), self.QUERY)
        assert self.held(s3) == {*self.HELD, "audit_2026-11-21.jsonl"}

    def test_the_environments_key(
        self, s3: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As with other commands; targets that lift no hold do not look at it."""
        self.released(s3, tmp_path / "log")
        monkeypatch.setenv("OR_AUDIT_KEY_FILE", str(tmp_path / "nowhere"))
        assert main(["ship", str(tmp_path / "log"), "--to", s3.text]) == 0
        assert main(["ship", str(tmp_path / "log"), "--to", s3.text + self.QUERY]) == 2
        assert "cannot be read" in capsys.readouterr().err
        monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
        assert main(["ship", str(tmp_path / "log"), "--to", s3.text + self.QUERY]) == 0
        assert self.held(s3) == set()
        monkeypatch.delenv("OR_AUDIT_KEY")
        given = ["--key", "env:MINE", "--state", str(tmp_path / "state")]
        monkeypatch.setenv("MINE", SECRET.decode())
        assert main(["ship", str(tmp_path / "log"), "--to", s3.text + self.QUERY, *given]) == 0

    def test_what_is_behind_a_deletion(self, s3: FakeS3, tmp_path: Path) -> None:
        """Every version of a segment is held; what is of another log is not looked at."""
        log = self.spaced()
        folder = log.save(tmp_path / "log")
        ship(s3, folder, self.QUERY)
        stored = next(one for one in s3.stored if one.key.endswith(".gz"))
        s3.stored.append(type(stored)(stored.key, "v9", b"x", {"log": "f" * 16}, None))
        hold(log, "a", None, None)
        log.save(folder)
        ship(s3, folder, self.QUERY)
        assert stored.is_held
        assert not s3.stored[-2].is_held or s3.stored[-2].metadata["log"] == LOG
        assert not next(one for one in s3.stored if one.version == "v9").is_held

    def test_what_passes_again_lifts_no_hold(self, s3: FakeS3, tmp_path: Path) -> None:
        """The cursor is lost: a release of long ago is not one of what was held since."""
        log = self.spaced()
        hold(log, "a", None, None)
        hold(log, "a", None, None, event="log.release")
        hold(log, "b", None, None)
        folder = log.save(tmp_path / "log")
        ship(s3, folder, self.QUERY)
        held = {"audit_2026-11-01.jsonl", "audit_2026-11-11.jsonl"}
        assert self.held(s3) == held
        shutil.rmtree(folder / "ship")
        ship(s3, folder, self.QUERY)
        assert self.held(s3) == held
        assert s3.lifted == []

    def test_an_object_that_does_not_say_whose_it_is(self, s3: FakeS3, tmp_path: Path) -> None:
        """At this host's key, it may be a segment, and is held."""
        log = self.spaced()
        folder = log.save(tmp_path / "log")
        ship(s3, folder, self.QUERY)
        stored = next(one for one in s3.stored if one.key.endswith(".gz"))
        stored.metadata = {}
        hold(log, "a", None, "2026-11-02")
        log.save(folder)
        ship(s3, folder, self.QUERY)
        assert stored.is_held

    def test_a_store_that_does_not_hold(self, s3: FakeS3, tmp_path: Path) -> None:
        """It is asked, and its word is not taken for it."""
        log = self.spaced()
        hold(log, "a", None, None)
        folder = log.save(tmp_path / "log")
        s3.lock = "no hold"
        with pytest.raises(DeliveryError, match="legal hold"):
            ship(s3, folder, self.QUERY)

    def test_without_a_lock_holds_are_none_of_its_business(self, s3: FakeS3, tmp_path: Path) -> None:
        """Nothing is asked of a bucket that may have no Object Lock."""
        log = self.spaced()
        hold(log, "a", None, None)
        assert ship(s3, log.save(tmp_path / "log")).exit_code == 0
        assert self.held(s3) == set()


class TestWhatIsGone:
    """Retention deleted a segment."""

    def test_before_it_was_stored(self, s3: FakeS3, tmp_path: Path) -> None:
        """That is said: its lines counted as taken, and are nowhere."""
        log = LogBuilder()
        log.user(2)
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        log.open(NEXT_DAY)
        log.delete(SECOND)
        (folder / FIRST).unlink()
        log.save(folder)
        assert ship(s3, folder).exit_code == 1
        assert dead_letters(folder) == [f"{FIRST} was deleted before it could be stored"]

    @pytest.mark.parametrize("made", ["2026-11-19T23:00:00", "2026-11-20T12:00:00", "2026-11-22T00:10:00"])
    def test_whose_checkpoints_bear_another_day(self, s3: FakeS3, tmp_path: Path, made: str) -> None:
        """A clock that ran ahead or behind puts them into another day's folder."""
        log = LogBuilder(day=None)
        log.clock = datetime.fromisoformat(f"{made}+00:00")
        log.open(DAY)
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        assert f"dt={made[:10]}/" in s3.checkpoints()[0]
        log.open(NEXT_DAY)
        log.delete(SECOND)
        (folder / FIRST).unlink()
        log.save(folder)
        assert ship(s3, folder).exit_code == 1
        assert dead_letters(folder) == [f"{FIRST} was deleted before it could be stored"]

    def test_before_shipping_began_the_second_time(self, s3: FakeS3, tmp_path: Path) -> None:
        """Checkpoints of what came after it, on the same day and the next, do not speak of it."""
        log = LogBuilder()
        log.open(DAY, 1)
        log.open(NEXT_DAY)
        log.delete(f"audit_{DAY}.1.jsonl")
        folder = log.save(tmp_path / "log")
        for _ in range(2):
            assert ship(s3, folder).exit_code == 0
            shutil.rmtree(folder / "ship")

    def test_before_shipping_began(self, s3: FakeS3, tmp_path: Path) -> None:
        """Nobody was to have it: no refusal."""
        log = three_segments()
        log.delete(SECOND)
        shipped = ship(s3, log.save(tmp_path / "log"))
        assert (shipped.exit_code, list(s3.segments())) == (0, [SECOND])

    def test_after_it_was_stored(self, s3: FakeS3, tmp_path: Path) -> None:
        """The answer was lost, and then the segment went: it is there."""
        log = three_segments()
        folder = log.save(tmp_path / "log")
        ship(s3, folder)
        log.delete(SECOND)
        (folder / FIRST).unlink()
        log.save(folder)
        shutil.rmtree(folder / "ship")
        assert ship(s3, folder).exit_code == 0


def test_the_checksum_is_of_the_object(s3: FakeS3, tmp_path: Path) -> None:
    """The store was asked to compare it."""
    ship(s3, three_segments().save(tmp_path / "log"))
    for stored in s3.stored:
        assert stored.sha256 is not None
        assert len(hashlib.sha256(stored.data).digest()) == 32
    assert all("x-amz-checksum-sha256" in one for one in s3.requests if one[":method"] == "PUT")


def test_what_is_stored_can_be_verified(s3: FakeS3, tmp_path: Path) -> None:
    """Each object is a segment as it stood in the log."""
    log = three_segments()
    ship(s3, log.save(tmp_path / "log"))
    for name, content in s3.segments().items():
        (tmp_path / name).write_bytes(content)
    assert verify(tmp_path, key=lambda: SECRET, anchors=[log.anchor(10)]).exit_code == 0


def test_anchors_of_a_bucket(s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`or-audit anchors` makes files of them, with the bucket's time; damage and contradictions are said."""
    log = three_segments()
    folder = log.save(tmp_path / "log")
    ship(s3, folder)
    place, anchors = f"s3:{BUCKET}/llm", tmp_path / "anchors"
    assert main(["anchors", "--from", place, "-o", str(anchors)]) == 0
    lines = (anchors / f"{LOG}.anchors").read_text("ascii").splitlines()
    assert len(lines) == 3
    line = lines[0]
    stored = s3.objects()[s3.checkpoints()[0]]
    assert datetime.fromisoformat(json.loads(line)["kept_at"]) == stored.kept_at
    assert verify(folder, key=lambda: SECRET, anchors=anchors).exit_code == 0
    capsys.readouterr()
    assert main(["anchors", "--from", place, "--stored", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["logs"][0]["newest_size"] == 6
    assert "left out: 1 checkpoint, over up to 11 lines" in said.err
    whole = stored.data
    stored.data = whole.replace(b'"size":', b'"size":1')
    assert main(["anchors", "--from", place]) == 2
    assert "checksum" in capsys.readouterr().err
    stored.sha256 = None
    assert main(["anchors", "--from", place]) == 1
    assert f"{stored.key} was changed" in capsys.readouterr().err
    stored.data = bytes(100_000)
    assert main(["anchors", "--from", place]) == 1
    assert f"{stored.key} was changed" in capsys.readouterr().err
    assert main(["anchors", "--from", "s3:nosuchbucket"]) == 2
    assert "make the bucket" in capsys.readouterr().err
    assert main(["anchors", "--from", "s3:No"]) == 2


def test_a_host_that_puts_checkpoints_of_another(
    s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes no key, and the other's log would seem to lack lines: whose folders they are in is said."""
    ship(s3, three_segments().save(tmp_path / "log"))
    ship(s3, three_segments(log_id=bytes(16), host="web2").save(tmp_path / "other"))
    place, own = f"s3:{BUCKET}/llm", next(key for key in s3.checkpoints() if HOST in key)
    forged = LogBuilder(log_id=bytes(16), host="web2", secret=OTHER_SECRET)
    forged.user(30)
    line = forged.checkpoint().encode("ascii")
    assert main(["anchors", "--from", place, "--json"]) == 0
    capsys.readouterr()
    own_log, own_size = s3.stored[0].metadata["log"], "0" * 17 + "32"
    for name in (f"{own_log}-{own_size}", f"{'0' * 16}-{own_size}"):
        s3.stored.append(type(s3.stored[0])(f"{own.rpartition('/')[0]}/{name}.json", "v900", line, {}, None))
        assert main(["anchors", "--from", place, "--json"]) == 1
        said = capsys.readouterr()
        newest = {log["log"]: log["newest_size"] for log in json.loads(said.out)["logs"]}
        if name.startswith(own_log):
            assert newest == {own_log: 11, "0" * 16: 11}
            assert f"{name}.json was changed: it is not the checkpoint that its key names" in said.err
    assert f"the log {'0' * 16} stand in the folders of several hosts" in said.err
    assert "it is of one: audit.example, web2" in said.err


def test_keys_that_lead_elsewhere(s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever downloads one gets a file in another host's folder, or outside of them all."""
    ship(s3, three_segments().save(tmp_path / "log"))
    key = f"llm/dt={DAY}/host=web2/../{HOST}/{FIRST}.gz"
    s3.stored.append(type(s3.stored[0])(key, "v900", b"x", {}, None))
    assert main(["anchors", "--from", f"s3:{BUCKET}/llm"]) == 1
    assert f"{key} leads to another folder where it is downloaded" in capsys.readouterr().err


def test_the_command_for_the_oldest_versions_writes_to_its_folder_alone() -> None:
    """Keys are other people's words: one with `..` would put a file in place of the auditor's anchors."""
    page = (REPOSITORY / "docs" / "targets.md").read_text("utf-8")
    (pattern,) = re.findall(r'select\(\.Key \| test\("([^"]+)"\)\)', page)
    folder = f"llm/dt={DAY}/host=h1/"
    for own in (f"{FIRST}.gz", f"audit_{DAY}.1.jsonl.gz", f"checkpoints/{LOG}-{5:019d}.json"):
        assert re.search(pattern, folder + own)
    for other in (f"../../../anchors/{LOG}.anchors", "..", "checkpoints/..", "a/b.gz", "../host=h1/a.gz"):
        assert not re.search(pattern, folder + other)


class TestRottenAnswers:
    """What is no answer to the question is waited for, then said: never a traceback."""

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            ("LastModified", "Modified"),
            ("<Key>", "<Name>"),
            ("VersionId", "Id"),
            ("<LastModified>2", "<LastModified>yesterday 2"),
        ],
    )
    def test_listings(
        self, s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, becomes: str
    ) -> None:
        """Of what stands in the bucket."""
        ship(s3, three_segments().save(tmp_path / "log"))
        s3.rotten = lambda text: text.replace(was, becomes).replace("</Key>", f"</{becomes[1:-1]}>")
        if was != "<Key>":
            s3.rotten = lambda text: text.replace(was, becomes)
        assert main(["anchors", "--from", s3.text]) == 2
        assert s3.text in capsys.readouterr().err

    def test_folders(self, s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Of days."""
        ship(s3, three_segments().save(tmp_path / "log"))
        s3.rotten = lambda text: text.replace("<Prefix>", "<Name>").replace("</Prefix>", "</Name>")
        assert main(["anchors", "--from", s3.text, "--since", DAY]) == 2
        assert "without a name" in capsys.readouterr().err

    def test_a_time_that_is_none(self, s3: FakeS3, tmp_path: Path) -> None:
        """Of a lock."""
        s3.rotten = lambda text: text.replace("<RetainUntilDate>", "<RetainUntilDate>yesterday")
        with pytest.raises(DeliveryError, match="given up"):
            ship(
                s3,
                three_segments().save(tmp_path / "log"),
                f"?lock=compliance&days={YEARS}",
                patience=0.0,
            )


class TestWhoeverMayPut:
    """Object Lock keeps versions: what somebody puts over a key, or hides, shows when it is read again."""

    PLACE = f"s3:{BUCKET}/llm"

    @pytest.fixture
    def log(self, s3: FakeS3, tmp_path: Path) -> LogBuilder:
        """A log that was shipped, with a lock."""
        log = LogBuilder()
        for day in (NEXT_DAY, THIRD_DAY):
            log.user(3)
            log.clock = datetime.fromisoformat(f"{day}T10:00:00+00:00")
            log.open(day)
        ship(s3, log.save(tmp_path / "log"), f"?lock=compliance&days={YEARS}")
        return log

    def test_the_same_bytes_again_make_nothing_younger(
        self, s3: FakeS3, log: LogBuilder, tmp_path: Path
    ) -> None:
        """The first time counts; a key with two versions is said."""
        key = s3.checkpoints()[1]
        first = s3.objects()[key].kept_at
        s3.put_again(key, later=3600)
        listed = list_checkpoints(f"{BUCKET}/llm")
        times = sorted(kept.kept_at for kept in listed.found if key in kept.where)
        assert times == [first, first + timedelta(hours=1)]
        assert [trouble for trouble in listed.troubles if "put 2 times" in trouble and key in trouble]
        assert main(["anchors", "--from", self.PLACE, "-o", str(tmp_path / "anchors")]) == 1
        lines = (tmp_path / "anchors" / f"{LOG}.anchors").read_text("ascii").splitlines()
        assert len(lines) == len(s3.checkpoints())
        assert datetime.fromisoformat(json.loads(lines[1])["kept_at"]) == first

    def test_a_forged_copy_is_found_out(
        self, s3: FakeS3, log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Everything is put again from a forged log: two histories, and the true ones are the elder."""
        forged = LogBuilder(policy={"name": "forged", "min_days": 1})
        for key in s3.checkpoints():
            s3.put_again(key, forged.lines(FIRST)[1])
        anchors = tmp_path / "anchors"
        assert main(["anchors", "--from", self.PLACE, "--stored", "-o", str(anchors)]) == 1
        said = capsys.readouterr().err
        assert "put 2 times" in said
        assert "two histories" in said
        assert verify(forged.save(tmp_path / "forged"), key=lambda: SECRET, anchors=anchors).exit_code == 1

    def test_a_deletion_hides_nothing(
        self, s3: FakeS3, log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither a segment nor its checkpoint: a copy without them does not verify."""
        s3.delete(key_of(SECOND))
        for key in s3.checkpoints()[1:]:
            s3.delete(key)
        anchors, copy = tmp_path / "anchors", tmp_path / "copy"
        assert main(["anchors", "--from", self.PLACE, "--stored", "-o", str(anchors), "--json"]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out)["logs"][0]["newest_size"] == 6
        assert f"{key_of(SECOND)} was deleted at" in said.err
        copy.mkdir()
        for name, content in s3.segments().items():
            (copy / name).write_bytes(content)
        assert sorted(one.name for one in copy.iterdir()) == [FIRST]
        assert verify(copy, key=lambda: SECRET, anchors=anchors).exit_code == 1

    @pytest.mark.parametrize("last", ["0", "x", "9" * 5000, "", "-1"])
    def test_what_is_added_lowers_no_yardstick(self, s3: FakeS3, log: LogBuilder, last: str) -> None:
        """An object of a later day that says that less is stored."""
        s3.put_again(key_of(SECOND), b"x", log=LOG, **{"last-seq": last})
        later = s3.put_again(key_of(SECOND), b"x", log=LOG, **{"last-seq": last})
        later.key = key_of(SECOND).replace(NEXT_DAY, "2099-01-01")
        listed = list_checkpoints(f"{BUCKET}/llm", stored=True)
        assert (len(listed.found), listed.stored_size) == (2, 10)

    def test_only_one_log_is_read(self, s3: FakeS3, log: LogBuilder, tmp_path: Path) -> None:
        """With --log-id, and since a day, others are not asked for."""
        other = LogBuilder(host="other.example", log_id=bytes(16))
        ship(s3, other.save(tmp_path / "other"))
        assert len(list_checkpoints(f"{BUCKET}/llm").found) == 4
        asked = len(s3.asked)
        found = list_checkpoints(f"{BUCKET}/llm", log=LOG, since=date.fromisoformat(NEXT_DAY)).found
        assert [kept.where.rpartition("-")[2] for kept in found] == [f"{size:019d}.json" for size in (6, 11)]
        assert not [path for _, path in s3.asked[asked:] if "other.example" in path]
        given = ["--log-id", bytes(range(16)).hex(), "--since", THIRD_DAY]
        assert main(["anchors", "--from", self.PLACE, *given]) == 0
        assert len([path for _, path in s3.asked[-2:] if path.startswith(f"/{BUCKET}/llm")]) == 1
        assert main(["anchors", "--from", self.PLACE, "--since", "yesterday"]) == 2

    def test_a_store_without_versions(
        self, s3: FakeS3, log: LogBuilder, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its objects are read, and that it would show nothing is said."""
        s3.lists_versions = False
        assert main(["anchors", "--from", self.PLACE]) == 0
        assert "lists no versions" in capsys.readouterr().err
        assert main(["anchors", "--from", self.PLACE, "--since", THIRD_DAY, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["logs"][0]["checkpoints"] == 1

    def test_nothing_is_stored_yet(
        self, s3: FakeS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """There are checkpoints, and that is what is said."""
        ship(s3, LogBuilder().save(tmp_path / "log"))
        assert main(["anchors", "--from", self.PLACE, "--stored"]) == 2
        assert "1 checkpoint, none of segments that are stored" in capsys.readouterr().err


@given(st.text() | st.from_regex(r"[a-z0-9.-]{3,9}(/[a-z/.]{0,9})?(\?(lock=[a-z]{0,5}|days=\w{0,5}|&)*)?"))
def test_whatever_an_address_says(text: str) -> None:
    """It is one, whose keys stay below its prefix, or that is said."""
    try:
        address = parse_address(text)
    except ConfigError:
        return
    key = address.segment_key(date(2026, 11, 21), "h", "a.jsonl")
    assert key == f"{address.prefix}dt=2026-11-21/host=h/a.jsonl.gz"
    assert address.prefix[-1:] in ("", "/")
    assert "//" not in address.prefix


def test_a_segment_that_the_folder_does_not_tell_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems keep a folder's time of change: a line that came since is not called forged."""
    monkeypatch.setattr(listing_module, "_changed_at", lambda folder: 1)
    ticks = itertools.count()
    monkeypatch.setattr(listing_module, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    log = three_segments()
    folder = log.save(tmp_path / "log")
    layout = LogLayout.discover(folder)
    assert layout is not None
    seals = Seals(layout, KeyRing.from_sources(secret()))
    for _ in range(5):
        assert seals.doubt(parse_line(log.lines(THIRD)[1].removesuffix(b"\n"))) is None
        seals._sealed.clear()
    log.open("2026-11-24")
    log.save(folder)
    assert seals.doubt(parse_line(log.lines()[0].removesuffix(b"\n"))) is None
