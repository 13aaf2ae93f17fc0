"""A log as it comes back from object storage, DIR/dt=2026-11-21/host=h1/...: read as it is, never written."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from log_builder import DAY, NEXT_DAY, SECRET, THIRD_DAY, LogBuilder, three_segments

from or_audit_logging import AuditFileHandler, query, report, verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError

FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))


def copied(log: LogBuilder, folder: Path, *, host: str = "h1") -> Path:
    """Lay *log* out below *folder* as the target s3 does, and return *folder*."""
    for name, content in log.segments.items():
        place = folder / f"dt={name[6:16]}" / f"host={host}"
        (place / "checkpoints").mkdir(parents=True, exist_ok=True)
        (place / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        (place / "checkpoints" / f"{log.log_id.hex()[:16]}-{1:019d}.json").write_bytes(log.lines(name)[1])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below *folder*."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def log() -> LogBuilder:
    """Return a log of three segments."""
    return three_segments()


def check(folder: Path, log: LogBuilder) -> int:
    """Return the exit code of verification with the key and an anchor over all lines."""
    return verify(folder, key=lambda: SECRET, anchors=[log.anchor()]).exit_code


def test_it_is_verified_asked_and_reported(log: LogBuilder, tmp_path: Path) -> None:
    """As the log itself, and nothing is written to it."""
    folder = copied(log, tmp_path / "copy")
    original = log.save(tmp_path / "log")
    before = contents(folder)
    assert check(folder, log) == 0
    assert [record.id for record in query(folder)] == [record.id for record in query(original)]
    assert len([*query(folder)]) == 9
    reports = [report(place, since=DAY, until=THIRD_DAY).to_dict() for place in (folder, original)]
    assert reports[0]["summary"] == reports[1]["summary"]
    assert contents(folder) == before


def test_segments_of_one_day(tmp_path: Path) -> None:
    """Their order is that of their lines."""
    log = LogBuilder()
    for number in (1, 2):
        log.open(DAY, number)
        log.user()
    assert check(copied(log, tmp_path / "copy"), log) == 0


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "flipped": lambda path: path.write_bytes(
        gzip.compress(gzip.decompress(path.read_bytes()).replace(b"plain", b"Plain", 1))
    ),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "no archive": lambda path: path.write_bytes(b"x" * 100),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "another day's": lambda path: path.rename(path.with_name("audit_2026-11-29.jsonl.gz")),
    "twice": lambda path: (path.parents[1] / "host=h1" / "audit_2026-11-30.jsonl.gz").write_bytes(
        path.read_bytes()
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("name", [FIRST, SECOND, THIRD])
def test_damage_is_found(log: LogBuilder, tmp_path: Path, what: str, name: str) -> None:
    """Whatever was done to whichever object, to its name included."""
    folder = copied(log, tmp_path / "copy")
    DAMAGE[what](folder / f"dt={name[6:16]}" / "host=h1" / f"{name}.gz")
    assert check(folder, log) == 1


def test_checkpoints_in_it_are_no_anchors(
    log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever can change the copy can change them: `or-audit anchors` gets them from the bucket."""
    folder = copied(log, tmp_path / "copy")
    assert verify(folder, key=lambda: SECRET, anchors=[folder]).exit_code == 3


def test_several_hosts_are_several_logs(
    log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what takes them all."""
    folder = copied(log, tmp_path / "copy")
    copied(three_segments(log_id=bytes(16)), folder, host="h2")
    monkeypatch.delenv("OR_AUDIT_KEY", raising=False)
    for command in (["verify", str(folder)], ["query", str(folder)], ["report", str(folder)]):
        assert main(command) == 2
        assert "verify --all" in "".join(capsys.readouterr())


def test_nobody_writes_to_it(log: LogBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a handler nor a command, and no lock file is left behind."""
    folder = copied(log, tmp_path / "copy")
    before = contents(folder)
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    with pytest.raises(ConfigError, match="copy"):
        AuditFileHandler(folder / "audit.jsonl")
    for command in (
        ["checkpoint", str(folder)],
        ["close-day", str(folder)],
        ["rotate-key", str(folder)],
        ["retain", str(folder), "--policy", "operational", "--yes"],
        ["hold", "add", str(folder), "--name", "case-7"],
        ["ship", str(folder), "--to", f"file:{tmp_path / 'shipped'}"],
        ["init", str(folder)],
    ):
        assert main(command) == 2, command
    assert contents(folder) == before


def test_a_log_with_segments_of_its_own_is_no_copy(log: LogBuilder, tmp_path: Path) -> None:
    """What else stands in its folder is none of its lines."""
    folder = log.save(tmp_path / "log")
    copied(three_segments(log_id=bytes(16)), folder, host="h2")
    assert check(folder, log) == 0


def test_other_folders_are_passed_over(log: LogBuilder, tmp_path: Path) -> None:
    """A day or a host without segments is nothing."""
    folder = copied(log, tmp_path / "copy")
    os.makedirs(folder / "dt=2026-11-25" / "host=h9" / "checkpoints")
    (folder / "dt=2026-11-26").write_text("a file")
    assert check(folder, log) == 0


@pytest.mark.parametrize("place", [".", "dt=*/host=h1/audit.jsonl"])
def test_it_is_anchored_by_what_its_bucket_keeps(log: LogBuilder, tmp_path: Path, place: str) -> None:
    """No checkpoint can be made of a copy: the advice names the command that gets those in the bucket."""
    checked = verify(copied(log, tmp_path / "copy") / place, key=lambda: SECRET)
    assert (checked.verdict, checked.is_copy) == ("unanchored", True)
    assert "or-audit anchors --from s3:" in checked.summary()
    assert "or-audit checkpoint" not in checked.summary()


def test_a_log_in_a_folder_called_like_a_copy_s_is_none(log: LogBuilder, tmp_path: Path) -> None:
    """It is written, so a checkpoint can be made of it; archived segments are its own as well."""
    folder = log.save(tmp_path / f"dt={DAY}" / "host=h1")
    log.archive(folder, FIRST)
    checked = verify(folder, key=lambda: SECRET)
    assert (checked.verdict, checked.is_copy) == ("unanchored", False)
    assert f"or-audit checkpoint {folder} -o" in checked.summary()
