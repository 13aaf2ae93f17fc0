"""The target s3 against S3 servers of others: SeaweedFS, rclone, moto (see README.md here)."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="needs the extra aws")

import boto3
from botocore.exceptions import ClientError
from fake_s3 import environment
from fakes import eventually
from log_builder import DAY, NEXT_DAY, SECRET, LogBuilder, three_segments
from s3_servers import moto, rclone, seaweedfs
from samples import REPOSITORY

from or_audit_logging import query, verify
from or_audit_logging.cli.main import main
from or_audit_logging.ship.s3.checkpoints import list_checkpoints

YEARS = 30_000
FIRST, SECOND = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY))


class Service:
    """A server and a client of it, with a bucket of one's own; the target finds it too."""

    def __init__(self, endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment(endpoint, folder).items():
            monkeypatch.setenv(name, value)
        self.client: Any = boto3.client("s3")
        self.bucket = f"audit-{uuid.uuid4()}"

    def make(self, *, lock: bool) -> None:
        """Make the bucket, once the server is ready for it."""
        location = {"LocationConstraint": self.client.meta.region_name}

        def made() -> bool:
            try:
                self.client.create_bucket(
                    Bucket=self.bucket,
                    ObjectLockEnabledForBucket=lock,
                    CreateBucketConfiguration=location,
                )
            except ClientError as error:
                return error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou"
            return True

        eventually(made)

    def ship(self, folder: Path, query: str = "", *more: str) -> int:
        """Ship the log in *folder*, and return the exit code."""
        return main(["ship", str(folder), "--to", f"s3:{self.bucket}/llm{query}", "--patience", "20", *more])

    def keys(self) -> list[str]:
        """Return the keys of the objects that are there."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def versions(self) -> list[dict[str, str]]:
        """Return key and version of each, as other requests want them."""
        found = self.client.list_object_versions(Bucket=self.bucket).get("Versions", [])
        return [{"Bucket": self.bucket, "Key": one["Key"], "VersionId": one["VersionId"]} for one in found]

    def download(self, folder: Path) -> Path:
        """Do what `aws s3 sync s3://BUCKET/llm FOLDER` does."""
        for key in self.keys():
            path = folder / key.removeprefix("llm/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(self.bucket, key, str(path))
        return folder


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where SeaweedFS listens."""
    with seaweedfs(tmp_path_factory.mktemp("weed")) as endpoint:
        yield endpoint


@pytest.fixture
def locked(weed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """SeaweedFS, with a bucket that has Object Lock."""
    service = Service(weed, tmp_path, monkeypatch)
    service.make(lock=True)
    return service


def refused(call: Callable[..., Any], **parameters: Any) -> None:
    """Check that the store does not do it."""
    with pytest.raises(ClientError) as failure:
        call(**parameters)
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), failure.value


def test_a_log_goes_there_and_comes_back(locked: Service, tmp_path: Path) -> None:
    """What was closed is verified as it was downloaded, with the bucket's checkpoints as anchors."""
    log = three_segments()
    folder = log.save(tmp_path / "log")
    assert locked.ship(folder, f"?lock=compliance&days={YEARS}") == 0
    assert len(locked.versions()) == 5
    log.open("2026-11-24")
    log.save(folder)
    assert locked.ship(folder, f"?lock=compliance&days={YEARS}") == 0
    copy = locked.download(tmp_path / "copy")
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    found = list_checkpoints(f"{locked.bucket}/llm").found
    assert [kept.where.rpartition("-")[2] for kept in found] == [
        f"{size:019d}.json" for size in (1, 6, 11, 16)
    ]
    assert all(datetime.now(UTC) - kept.kept_at < timedelta(minutes=10) for kept in found)
    assert list_checkpoints(f"{locked.bucket}/llm", stored=True).found == found[:3]
    (anchors / "third.json").write_text(found[2].text)
    report = verify(copy, key=lambda: SECRET, anchors=anchors)
    assert (report.exit_code, len([*query(copy)])) == (0, 9)


def test_compliance_holds(locked: Service, tmp_path: Path) -> None:
    """Nobody deletes a version, shortens its time or gets round it; segments and checkpoints alike."""
    assert locked.ship(three_segments().save(tmp_path / "log"), f"?lock=compliance&days={YEARS}") == 0
    client = locked.client
    for version in locked.versions():
        refused(client.delete_object, **version)
        refused(client.delete_object, **version, BypassGovernanceRetention=True)
        sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=1)}
        refused(client.put_object_retention, **version, Retention=sooner)
        weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=YEARS + 2)}
        refused(client.put_object_retention, **version, Retention=weaker)
    assert len(locked.versions()) == 5


def test_what_is_put_over_a_lock_shows(
    locked: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock keeps versions: another one, and a deletion marker, hide nothing from who reads them all."""
    log = three_segments()
    assert locked.ship(log.save(tmp_path / "log"), f"?lock=compliance&days={YEARS}") == 0
    forged = LogBuilder(policy={"name": "forged", "min_days": 1})
    keys = locked.keys()
    checkpoints = [key for key in keys if "/checkpoints/" in key]
    locked.client.put_object(Bucket=locked.bucket, Key=checkpoints[0], Body=forged.lines(FIRST)[1])
    (segment,) = [key for key in keys if key.endswith(f"{SECOND}.gz")]
    locked.client.delete_object(Bucket=locked.bucket, Key=segment)
    locked.client.delete_object(Bucket=locked.bucket, Key=checkpoints[1])
    anchors = tmp_path / "anchors"
    assert main(["anchors", "--from", f"s3:{locked.bucket}/llm", "--stored", "-o", str(anchors)]) == 1
    said = capsys.readouterr().err
    assert f"{checkpoints[0]} was put 2 times" in said
    assert f"{segment} was deleted at" in said
    assert "two histories" in said
    listed = list_checkpoints(f"{locked.bucket}/llm", stored=True)
    assert (len(listed.found), listed.left_out, listed.stored_size) == (3, 1, 10)


@pytest.mark.skipif(not (shutil.which("aws") and shutil.which("jq")), reason="there is no aws, or no jq")
def test_the_oldest_versions_are_fetched_as_the_docs_say(locked: Service, tmp_path: Path) -> None:
    """The command in docs/targets.md brings what was there before somebody put other bytes, or deleted."""
    log = three_segments()
    assert locked.ship(log.save(tmp_path / "log"), f"?lock=compliance&days={YEARS}") == 0
    before = {path.name: path.read_bytes() for path in locked.download(tmp_path / "before").rglob("*.*z")}
    first, second = (f"llm/dt={name[6:16]}/host=audit.example/{name}.gz" for name in (FIRST, SECOND))
    locked.client.put_object(Bucket=locked.bucket, Key=first, Body=b"forged")
    locked.client.delete_object(Bucket=locked.bucket, Key=second)
    page = (REPOSITORY / "docs" / "targets.md").read_text("utf-8")
    (command,) = (block for block in page.split("```") if "list-object-versions" in block)
    command = command.removeprefix("sh\n").partition("or-audit verify")[0]
    for written, here in (("acme-audit", locked.bucket), ("host=h1", "host=audit.example")):
        command = command.replace(written, here)
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    found = {path.name: path.read_bytes() for path in (tmp_path / "oldest").rglob("*.*z")}
    assert found == before
    anchors = [log.anchor(10)]
    report = verify(tmp_path / "oldest", key=lambda: SECRET, anchors=anchors)
    assert report.exit_code == 0, (report.findings, report.notes)


def test_governance_is_for_who_may(locked: Service, tmp_path: Path) -> None:
    """A version is deleted only by somebody who asks for it in so many words."""
    assert locked.ship(three_segments().save(tmp_path / "log"), f"?lock=governance&days={YEARS}") == 0
    version = locked.versions()[0]
    refused(locked.client.delete_object, **version)
    locked.client.delete_object(**version, BypassGovernanceRetention=True)
    assert version not in locked.versions()


def test_a_hold_is_put_and_taken_away(
    locked: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log.hold line reaches what is stored; nobody deletes it, whatever they may, until it is released."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    log = LogBuilder()
    log.open(NEXT_DAY)
    folder = log.save(tmp_path / "log")
    address = f"?lock=governance&days={YEARS}"
    assert locked.ship(folder, address) == 0
    (segment,) = [one for one in locked.versions() if one["Key"].endswith(".gz")]
    for event, on in (("log.hold", True), ("log.release", False)):
        log.control(event, name="case-7", actor="counsel", reason="case")
        log.save(folder)
        assert locked.ship(folder, address) == 0
        status = locked.client.get_object_legal_hold(**segment)["LegalHold"]["Status"]
        assert status == ("ON" if on else "OFF")
        if on:
            refused(locked.client.delete_object, **segment, BypassGovernanceRetention=True)
    locked.client.delete_object(**segment, BypassGovernanceRetention=True)


def test_what_is_stored_under_a_hold_is_held(locked: Service, tmp_path: Path) -> None:
    """Also where its policy's time is over, so that nothing else keeps it."""
    log = LogBuilder(day=None, policy={"name": "ours", "delete_after_days": 1})
    log.clock = datetime(2020, 1, 1, tzinfo=UTC)
    log.open("2020-01-01")
    log.control("log.hold", name="case-7", actor="counsel", reason="case")
    log.open("2020-01-02")
    assert locked.ship(log.save(tmp_path / "log"), "?lock=compliance") == 0
    (segment,) = [one for one in locked.versions() if one["Key"].endswith(".gz")]
    refused(locked.client.delete_object, **segment, BypassGovernanceRetention=True)


def test_shipped_again_it_is_there_once(locked: Service, tmp_path: Path) -> None:
    """The cursor is lost: every object is compared, none is put again."""
    folder = three_segments().save(tmp_path / "log")
    for lock in ("", "", f"?lock=compliance&days={YEARS}"):
        shutil.rmtree(folder / "ship", ignore_errors=True)
        assert locked.ship(folder, lock) == 0
        assert len(locked.versions()) == 5
    refused(locked.client.delete_object, **locked.versions()[0])


def test_other_bytes_stay(locked: Service, tmp_path: Path) -> None:
    """An object that somebody else has put is neither overwritten nor taken for ours."""
    log = three_segments()
    key = f"llm/dt={DAY}/host=audit.example/{FIRST}.gz"
    locked.client.put_object(Bucket=locked.bucket, Key=key, Body=b"mine")
    assert locked.ship(log.save(tmp_path / "log")) == 2
    assert locked.client.get_object(Bucket=locked.bucket, Key=key)["Body"].read() == b"mine"
    assert len([one for one in locked.versions() if one["Key"] == key]) == 1


@pytest.mark.parametrize("lock", ["", f"?lock=compliance&days={YEARS}"])
def test_a_bucket_without_object_lock(
    weed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lock: str,
) -> None:
    """It will do where no lock is asked for; else that is said, and nothing is there."""
    service = Service(weed, tmp_path, monkeypatch)
    service.make(lock=False)
    assert service.ship(three_segments().save(tmp_path / "log"), lock) == (2 if lock else 0)
    assert ("Object Lock" in capsys.readouterr().err) == bool(lock)
    assert len(service.keys()) == (0 if lock else 5)


def test_no_bucket(
    weed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """None is made, with --create neither."""
    service = Service(weed, tmp_path, monkeypatch)
    assert service.ship(three_segments().save(tmp_path / "log"), "", "--create") == 2
    assert "bucket" in capsys.readouterr().err


@pytest.fixture
def careless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Rclone, which takes the headers of locks and does nothing."""
    folder = tmp_path / "rclone"
    folder.mkdir()
    with rclone(folder) as endpoint:
        service = Service(endpoint, tmp_path, monkeypatch)
        service.make(lock=True)
        yield service


def test_a_store_that_ignores_locks(
    careless: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its 200 is not believed, and what it has is not written over by what should lock it."""
    log = three_segments()
    folder = log.save(tmp_path / "log")
    assert careless.ship(folder, f"?lock=compliance&days={YEARS}") == 2
    assert "did not lock it" in capsys.readouterr().err
    (cursor,) = (folder / "ship").glob("*.cursor.json")
    assert json.loads(cursor.read_text("ascii"))["delivered_at"] is None
    (key,) = careless.keys()
    content = careless.client.get_object(Bucket=careless.bucket, Key=key)["Body"].read()
    assert content == log.lines(FIRST)[1]
    assert careless.ship(folder) == 0
    assert main(["anchors", "--from", f"s3:{careless.bucket}/llm"]) == 0


def test_moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A log goes there; of a lock it says nothing when it is asked, and that is no lock."""
    folder = tmp_path / "moto"
    folder.mkdir()
    with moto(folder) as endpoint:
        service = Service(endpoint, tmp_path, monkeypatch)
        service.make(lock=True)
        log = three_segments()
        saved = log.save(tmp_path / "log")
        assert service.ship(saved) == 0
        copy = service.download(tmp_path / "copy")
        assert verify(copy, key=lambda: SECRET, anchors=[log.anchor(10)]).exit_code == 0
        shutil.rmtree(saved / "ship")
        assert service.ship(saved) == 0
        assert len(service.versions()) == 5
        assert main(["anchors", "--from", f"s3:{service.bucket}/llm", "--stored"]) == 0
        assert service.ship(saved, f"?lock=compliance&days={YEARS}") == 2
        assert "no Object Lock" in capsys.readouterr().err
