"""`query` on a store: by its indexes where they help, the same answers as a folder's, and followed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from log_builder import NEXT_DAY, THIRD_DAY, key
from stores import behind_the_guards, call, events, filled, opened, rows, store_handler
from test_cli_query import start_following
from test_query import Calls, ids

from or_audit_logging import query
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.parts import parts_of
from or_audit_logging.evidence.query import follow
from or_audit_logging.store.reader import StoreReader


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """A log of three days, with a redacted line, and a store that is its copy."""
    chance = random.Random(5)
    log = Calls()
    for day in (None, NEXT_DAY, THIRD_DAY):
        if day is not None:
            log.open(day)
            log.clock = log.clock.replace(day=int(day[-2:]))
        for number in range(60):
            user = chance.choice(("u-1", "u-2", "u-3", "\ud800x", "caf\u00e9", 'a"b'))
            log.call(user_id=user, status=chance.choice(("success", "error")), generation_id=f"gen-{number}")
    log.redact(5)
    log.save(tmp_path / "log")
    import_log(tmp_path / "log", tmp_path / "audit.db", key=key())
    return tmp_path / "log", tmp_path / "audit.db"


@pytest.mark.parametrize(
    "criteria",
    [
        {"user": "u-1"},
        {"user": "\ud800x"},
        {"user": 'a"b'},
        {"user": "nobody"},
        {"user": "u-2", "status": "error", "since": NEXT_DAY},
        {"since": THIRD_DAY},
        {"until": NEXT_DAY},
        {"since": NEXT_DAY, "until": NEXT_DAY},
        {"since": "2026-11-22T10:00:05+00:00", "until": "2026-11-22T10:00:20Z"},
        {"since": "0001-01-01", "until": "9999-12-31"},
        {"event": "log.redact"},
        {"event": "log.checkpoint"},
        {"event": "generation"},
        {"status": "error"},
        {"generation_id": "gen-7"},
    ],
)
@pytest.mark.parametrize("limit", [None, 5])
def test_a_store_answers_as_its_folder_does(
    both: tuple[Path, Path], criteria: dict[str, Any], limit: int | None
) -> None:
    """Whatever is asked, also what was left out."""
    log, store = both
    found, same = query(log, **criteria, limit=limit), query(store, **criteria, limit=limit)
    assert list(found) == list(same)
    if limit is None and "since" not in criteria:
        assert same.skipped.redacted == 1
    assert same.skipped.bad == {}


def test_an_index_spares_reading_the_store(both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only lines that an index names are read; where none helps, all are."""
    _, store = both
    expected = ids(query(store, user="u-1"))
    read: list[int] = []
    lines_at = StoreReader.lines_at

    def counted(self: StoreReader, seqs: Any) -> Iterator[bytes]:
        read.extend(seqs)
        return lines_at(self, seqs)

    def fail(self: StoreReader, *, start: int = 0) -> Iterator[tuple[int, bytes]]:
        raise AssertionError(start)

    monkeypatch.setattr(StoreReader, "lines_at", counted)
    monkeypatch.setattr(StoreReader, "lines", fail)
    assert ids(query(store, user="u-1")) == expected
    assert len(expected) <= len(read) <= len(expected) + 1
    assert len(list(query(store, event="log.redact"))) == 1
    with pytest.raises(AssertionError):
        list(query(store, status="error"))


def test_a_time_is_found_however_it_is_written(tmp_path: Path) -> None:
    """In another zone, without its dashes, with blanks: lines of another hand are asked for by time, too."""
    stamps = (
        "2026-11-21T10:00:00.000000Z",
        "2026-11-22T01:00:00+02:00",
        "20261121T100000Z",
        " 2026-11-21 10:00",
        "2026-W47-6",
        "2026-11-22T00:00:00.000000Z",
        "2026-11-20T23:59:59-12:00",
        "no time",
    )
    many = [{"timestamp": "2025-01-01T00:00:00.000000Z"}] * 40
    path = filled(tmp_path / "audit.db", *({"timestamp": stamp} for stamp in stamps), *many)
    found = [record.timestamp for record in query(path, since="2026-11-21", until="2026-11-21")]
    assert found == [*stamps[:5], stamps[6]]


def test_following_a_store_goes_on_with_what_comes(tmp_path: Path) -> None:
    """The last ones first, then each that is added, and none twice."""
    path = filled(tmp_path / "audit.db", *({"user_id": f"u-{number}"} for number in range(4)))
    turns = iter(range(3))

    def more(_: float) -> None:
        turn = next(turns, None)
        if turn is None:
            raise KeyboardInterrupt
        if turn:
            filled(path, {"user_id": f"new-{turn}"}, {"user_id": "other", "status": "error"})

    seen: list[str | None] = []

    def read() -> None:
        for found in follow(path, Criteria(status="success"), last=2, sleep=more):
            seen.append(found.record.user_id)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert seen == ["u-2", "u-3", "new-1", "new-2"]


def test_a_store_is_followed_on_the_command_line(tmp_path: Path) -> None:
    """Beside the handler that writes it."""
    path = tmp_path / "audit.db"
    handler = store_handler(path)
    handler.handle(call(user_id="u-1"))
    with start_following(path, "--format", "jsonl", "--user", "u-1") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        handler.handle(call(user_id="u-2"))
        handler.handle(call(user_id="u-1"))
        second = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=30) == 0
    handler.close()
    assert second["seq"] == first["seq"] + 2


def test_what_is_asked_was_there_when_it_was_asked(tmp_path: Path) -> None:
    """Lines that are added meanwhile are not in the answer."""
    path = filled(tmp_path / "audit.db", {"user_id": "u-1"})
    parts = parts_of(path, Criteria())
    filled(path, {"user_id": "u-2"})
    (part,) = parts
    assert b"u-2" not in b"".join(part.blocks())


def test_a_newer_store_and_a_damaged_one_are_told_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, with its schema; or named, and the rest answered."""
    path = filled(tmp_path / "audit.db", *({"user_id": "u-1"} for _ in range(300)))
    assert events(path).count("chat_completion") == 300
    content = bytearray(path.read_bytes())
    with behind_the_guards(path) as database:
        database.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    for options in ([], ["--follow"], ["--user", "u-1"]):
        assert main(["query", str(path), *options]) == 2
        error = capsys.readouterr().err
        assert "audit.db" in error
        assert "99" in error
    with pytest.raises(ConfigError):
        query(path)
    damaged = tmp_path / "damaged.db"
    for at in range(len(content) // 2 // 4096 * 4096, len(content), 4096):
        content[at : at + 100] = b"\xff" * 100
    damaged.write_bytes(content)

    def said(user: str | None) -> str:
        try:
            found = query(damaged, user=user)
            assert len(list(found)) < 300
        except (ConfigError, FormatError) as error:
            return str(error)
        return str(found.skipped.unreadable)

    assert "damaged.db" in said(None)
    assert "damaged.db" in said("u-1")


def test_a_line_that_is_no_record_is_counted(tmp_path: Path) -> None:
    """Also where an index is asked."""
    path = filled(tmp_path / "audit.db", *({"user_id": f"u-{number}"} for number in range(9)))
    last = rows(path, "SELECT max(seq) FROM audit_line")[0][0]
    with opened(path) as database:
        database.execute("INSERT INTO audit_line (seq, line) VALUES (?, 'no record')", (last + 1,))
    for criteria in ({}, {"user": "u-1"}):
        found = query(path, **criteria)  # type: ignore[arg-type]
        list(found)
        assert found.skipped.bad == {"audit.db": 1}
