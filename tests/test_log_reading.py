"""`LogReader`: every whole line once, beside a writer, a crash and an archiver."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from conftest import lines_of
from samples import audit_record

from or_audit_logging import AuditFileHandler
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.reading import LogReader, layout_of, parse_record
from or_audit_logging.log.segments import LogLayout


@pytest.fixture
def log(tmp_path: Path, audit_key: bytes) -> Path:
    return tmp_path / "log"


def write(log: Path, count: int) -> None:
    handler = AuditFileHandler(log / "audit.jsonl")
    for _ in range(count):
        record = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "", (), None)
        record.audit = audit_record(metadata={"text": "x" * 2000})
        handler.handle(record)
    handler.close()


def reader_of(log: Path) -> LogReader:
    layout = LogLayout.discover(log)
    assert layout is not None
    return LogReader(layout)


def lines(reader: LogReader) -> list[bytes]:
    return b"".join(reader.blocks()).splitlines()


def archive(path: Path) -> Path:
    """Put a segment into the archive."""
    target = path.parent / "archive" / (path.name + ".gz")
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def test_each_line_comes_once(log: Path) -> None:
    """Those there are, then those that came since; blocks end where lines do."""
    write(log, 300)
    reader = reader_of(log)
    assert all(block.endswith(b"\n") for block in reader_of(log).blocks())
    first = lines(reader)
    assert first == lines_of(log)
    assert lines(reader) == []
    write(log, 3)
    assert first + lines(reader) == lines_of(log)


def test_a_line_without_its_newline_waits(log: Path) -> None:
    """Until a writer has ended it."""
    write(log, 1)
    segment = next(log.glob("*.jsonl"))
    whole = segment.read_bytes()
    reader = reader_of(log)
    segment.write_bytes(whole[:-10])
    first = lines(reader)
    assert first == whole.splitlines()[:-1]
    segment.write_bytes(whole)
    assert first + lines(reader) == whole.splitlines()


def test_what_is_archived_meanwhile_does_not_come_again(log: Path) -> None:
    """What was not read of it does."""
    write(log, 2)
    segment = next(log.glob("*.jsonl"))
    reader = reader_of(log)
    first = lines(reader)
    write(log, 2)
    whole = segment.read_bytes().splitlines()
    archive(segment)
    assert first + lines(reader) == whole
    assert lines(reader) == []


def test_a_damaged_archive_is_named(log: Path) -> None:
    """Its good part is read."""
    write(log, 300)
    packed = archive(next(log.glob("*.jsonl")))
    packed.write_bytes(packed.read_bytes()[:-20])
    reader = reader_of(log)
    assert len(lines(reader)) > 0
    assert list(reader.unreadable) == [packed.name.removesuffix(".gz")]


def test_a_file_that_is_none_is_named(log: Path) -> None:
    """A folder in a segment's place."""
    write(log, 1)
    (log / "audit_2020-01-01.jsonl").mkdir()
    reader = reader_of(log)
    assert len(lines(reader)) > 0
    assert reader.unreadable == {"audit_2020-01-01.jsonl": "not a regular file"}


def test_a_log_is_found_by_folder_or_filename(log: Path, tmp_path: Path) -> None:
    """Otherwise it is said why not."""
    write(log, 1)
    assert layout_of(log) == layout_of(log / "audit.jsonl")
    with pytest.raises(ConfigError, match="no audit log"):
        layout_of(tmp_path)
    (log / "other_2026-11-21.jsonl").touch()
    with pytest.raises(ConfigError, match="more than one log"):
        layout_of(log)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"\xff", b'{"a":1e999999999999}', b"[" * 9999])
def test_what_is_no_record_is_none(line: bytes) -> None:
    """And what is one keeps its digits."""
    record = parse_record(line)
    assert record is None or list(record) == ["a"]
    assert str((parse_record(b'{"cost":0.10}') or {})["cost"]) == "0.10"
