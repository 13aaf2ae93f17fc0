"""Archived segments: the same lines in a container that may itself be damaged."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY, NEXT_DAY, LogBuilder, key

from or_audit_logging.evidence.verify import verify
from or_audit_logging.log.segments import LogLayout

FIRST = f"audit_{DAY}.jsonl"


def archived(folder: Path) -> tuple[LogBuilder, Path]:
    """Save a log of two segments, the first in the archive; return it and the archive's path."""
    log = LogBuilder()
    log.user(3)
    log.open(NEXT_DAY)
    log.user()
    log.save(folder)
    return log, log.archive(folder, FIRST)


def test_archive_is_read_in_place_of_the_segment(tmp_path: Path) -> None:
    """Archived or not, the log is the same log."""
    log, _ = archived(tmp_path)
    report = verify(tmp_path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.segments, report.lines, report.notes) == ("verified", 2, 8, ())


def test_segment_and_equal_archive_may_both_be_there(tmp_path: Path) -> None:
    """Between archiving and removing, both stand there with the same bytes."""
    log, _ = archived(tmp_path)
    (tmp_path / FIRST).write_bytes(log.segments[FIRST])
    assert verify(tmp_path, key=key(), anchors=[log.anchor()]).verdict == "verified"


@pytest.mark.parametrize(
    "change", [lambda b: b.replace(b"plain", b"plaim", 1), lambda b: b[:-1], lambda b: b + b"\n"]
)
def test_segment_and_archive_must_be_equal(tmp_path: Path, change: Any) -> None:
    """An archive that differs from the segment beside it is a finding."""
    log, path = archived(tmp_path)
    (tmp_path / FIRST).write_bytes(log.segments[FIRST])
    path.write_bytes(gzip.compress(change(log.segments[FIRST])))
    report = verify(tmp_path, key=key(), anchors=[log.anchor()])
    assert [(f.segment, f.kind) for f in report.findings] == [(FIRST, "archive-differs")]


def test_edited_line_in_an_archive_is_located(tmp_path: Path) -> None:
    """Compression is no seal: what is inside is checked as ever."""
    log, path = archived(tmp_path)
    path.write_bytes(gzip.compress(log.segments[FIRST].replace(b"plain", b"plaim", 1)))
    report = verify(tmp_path, key=key())
    assert [(f.segment, f.line, f.kind) for f in report.findings] == [(FIRST, 3, "mac")]


def test_every_damaged_byte_of_an_archive(tmp_path: Path) -> None:
    """A flip is a finding; only time and system in its header (bytes 4 to 9) say nothing of the lines."""
    log, path = archived(tmp_path)
    data = path.read_bytes()
    missed = []
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        report = verify(tmp_path, key=key(), anchors=[log.anchor()])
        report.summary()
        if report.verdict != "tampered":
            missed.append(at)
    assert set(missed) <= {4, 5, 6, 7, 8, 9}


def test_archive_cut_at_any_length(tmp_path: Path) -> None:
    """An archive that ends early is a finding, wherever it ends."""
    _, path = archived(tmp_path)
    data = path.read_bytes()
    for length in range(0, len(data), 3):
        path.write_bytes(data[:length])
        report = verify(tmp_path, key=key())
        assert report.verdict == "tampered"
        assert length == 0 or "archive" in {finding.kind for finding in report.findings}


@pytest.mark.parametrize(
    "extra", [b"\0", b"x", b"\n", gzip.compress(b"", mtime=0), gzip.compress(b"more\n", mtime=0)]
)
def test_bytes_behind_an_archive_are_found(tmp_path: Path, extra: bytes) -> None:
    """An archive is one member and nothing else."""
    _, path = archived(tmp_path)
    path.write_bytes(path.read_bytes() + extra)
    report = verify(tmp_path, key=key())
    assert [finding.kind for finding in report.findings] == ["archive"]


def test_archive_that_is_no_archive_is_found(tmp_path: Path) -> None:
    """A plain file under an archive's name is a damaged archive."""
    log, path = archived(tmp_path)
    path.write_bytes(log.segments[FIRST])
    kinds = [finding.kind for finding in verify(tmp_path, key=key()).findings]
    assert kinds == ["missing-lines", "archive"]


def test_archive_bomb_takes_no_memory(tmp_path: Path) -> None:
    """A small archive that unfolds to many megabytes is read in pieces."""
    _, path = archived(tmp_path)
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(b"x" * (1 << 20)) for _ in range(64)]
    path.write_bytes(b"".join([*pieces, packer.flush()]))
    tracemalloc.start()
    report = verify(tmp_path, key=key())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict == "tampered"
    assert peak < 16 << 20


def test_segment_archived_meanwhile_is_found_there(tmp_path: Path) -> None:
    """A segment that moves to the archive while it is waited for is read from there."""
    log, path = archived(tmp_path)
    packed = path.read_bytes()
    path.unlink()
    log.save(tmp_path)

    def move(lines: int) -> None:
        second = f"audit_{NEXT_DAY}.jsonl"
        if (tmp_path / second).exists():
            log.archive(tmp_path, second)

    assert packed
    report = verify(tmp_path, key=key(), anchors=[log.anchor()], progress=move)
    assert (report.verdict, report.lines) == ("verified", 8)


def test_a_closed_archive_leaves_no_file_open(tmp_path: Path) -> None:
    """Whoever reads an archived segment's beginning gives its descriptor back."""
    archived(tmp_path)
    ((_, segment), *_) = LogLayout.from_filename(tmp_path / "audit.jsonl").segments()
    assert segment.archived
    with segment.open() as archive:
        archive.readline()
        file: Any = vars(archive)["fileobj"]
    try:
        assert file.closed
    finally:
        file.close()
