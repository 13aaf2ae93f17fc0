"""`query`: which records of a log are asked for, whatever has happened to the files."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import lines_of
from hypothesis import given
from hypothesis import strategies as st
from log_builder import DAY, NEXT_DAY, SECRET, THIRD_DAY, LogBuilder, key
from samples import REPOSITORY, audit_record

from or_audit_logging import AuditFileHandler, AuditRecord, query
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence import asking
from or_audit_logging.evidence.criteria import NO_COST, Criteria
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.late_facts import LateFacts, record_of
from or_audit_logging.evidence.parts import SegmentPart, parts_of
from or_audit_logging.evidence.query import follow
from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.evidence.sieve import Sieve
from or_audit_logging.sealing.encode import encode_record

SAID = {
    "model_used": "fake/served",
    "provider": "Fake",
    "total_cost": Decimal("0.25"),
    "generation_id": "gen-0",
}


class Calls(LogBuilder):
    """A log of calls, ordinary ones unless said otherwise."""

    def call(self, **fields: Any) -> AuditRecord:
        """Add one, and return its record."""
        stamp = {"id": self._record_id(), "timestamp": self._tick()}
        record = audit_record(**(stamp | SAID | fields))
        self.seal(encode_record(record, limit=8000))
        return record

    def calls(self, count: int, **fields: Any) -> list[AuditRecord]:
        """Add several."""
        return [self.call(**fields) for _ in range(count)]

    def fact(self, generation_id: str, cost: str | None, **fields: Any) -> AuditRecord:
        """Add what the provider said later of a call."""
        said = {"total_cost": None if cost is None else Decimal(cost), "generation_id": generation_id}
        return self.call(
            **(said | {"event_type": "generation", "provider": None, "model_used": None} | fields)
        )


def ids(records: Any) -> list[str]:
    """Return the records' ids."""
    return [record.id for record in records]


def three_days() -> tuple[Calls, list[AuditRecord]]:
    """Return a log of three days with two calls each, and the calls."""
    log = Calls(day=None)
    calls = []
    for day in (DAY, NEXT_DAY, THIRD_DAY):
        log.open(day)
        log.clock = log.clock.replace(day=int(day[-2:]))
        calls += log.calls(2)
    return log, calls


def test_every_field_comes_back(tmp_path: Path) -> None:
    """What was written is what is read, money with all its digits, and nothing of the seal."""
    log = Calls()
    full = log.call(
        user_id="u-42",
        generation_ids=("gen-0", "gen-1"),
        total_cost=Decimal("0.000084100512345678901234"),
        latency_ms=812.443,
        streamed=True,
        is_byok=False,
        router={"attempt": 1, "share": 0.5},
        metadata={"feature": "faq", "deep": [{"a": 0.1}]},
        redactions={"EMAIL": 2},
        error_code=429,
    )
    assert list(query(log.save(tmp_path))) == [full]


def test_calls_are_the_default_and_other_events_have_a_name(tmp_path: Path) -> None:
    """Write-ahead records, late facts, plain log records and the log's own lines are asked for by name."""
    log = Calls()
    call = log.call()
    started = log.call(event_type="chat_completion.started", status=None)
    fact = log.fact("gen-9", "1")
    log.seal(
        b'{"event_type":"log","v":1,"id":"x","timestamp":"2026-11-21T10:00:00.000000Z","message":"hello","n":0.5}'
    )
    log.save(tmp_path)
    assert list(query(tmp_path)) == [call]
    assert list(query(tmp_path, event="chat_completion.started")) == [started]
    assert list(query(tmp_path, event="generation")) == [fact]
    assert [record.metadata for record in query(tmp_path, event="log")] == [{"message": "hello", "n": 0.5}]
    assert len(list(query(tmp_path, event="log.checkpoint"))) == 1


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"user": "u-1"}, [0, 3]),
        ({"user": "u"}, []),
        ({"model": "fake/asked"}, [1]),
        ({"model": "fake/served"}, [0, 1, 2, 3]),
        ({"provider": "Other"}, [2]),
        ({"status": "error"}, [2]),
        ({"session": "s-1"}, [1]),
        ({"generation_id": "gen-8"}, [3]),
        ({"generation_id": "gen-7"}, [3]),
        ({"min_cost": "0.25"}, [0, 1, 2, 3]),
        ({"min_cost": 0.2500001}, [3]),
        ({"event": "embeddings"}, [1]),
        ({"user": "u-1", "min_cost": "1"}, [3]),
        ({"limit": 2}, [2, 3]),
        ({"limit": 9}, [0, 1, 2, 3]),
        ({"user": "u-1", "limit": 1}, [3]),
    ],
)
def test_each_criterion(tmp_path: Path, criteria: dict[str, Any], expected: list[int]) -> None:
    """One by one, together, and the last so many."""
    log = Calls()
    calls = [
        log.call(user_id="u-1"),
        log.call(model_requested="fake/asked", session_id="s-1", event_type="embeddings"),
        log.call(status="error", provider="Other", metadata={"user": "u-1"}),
        log.call(
            user_id="u-1", total_cost=Decimal(3), generation_id="gen-8", generation_ids=("gen-8", "gen-7")
        ),
    ]
    assert ids(query(log.save(tmp_path), **criteria)) == ids(calls[number] for number in expected)


@pytest.mark.parametrize(
    "user",
    [
        "jörg",
        "李雷",
        'a"b',
        "back\\slash",
        "with/slash",
        "\ud800x",
        "tab\tnew\nline",
        "=1+1",
        "é",
        "😀",
        " ",
    ],
)
def test_a_hostile_or_foreign_name_is_found(tmp_path: Path, user: str) -> None:
    """Whatever JSON makes of it, in either case of its escapes."""
    log = Calls()
    call = log.call(user_id=user)
    log.call(user_id=user + "x")
    log.save(tmp_path)
    assert ids(query(tmp_path, user=user)) == [call.id]
    for path in tmp_path.glob("*.jsonl"):
        escaped = json.dumps(user)[1:-1]
        path.write_bytes(
            path.read_bytes().replace(
                escaped.encode(), re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda m: m[0].upper(), escaped).encode()
            )
        )
    assert ids(query(tmp_path, user=user)) == [call.id]


@given(st.text(min_size=1))
def test_no_needle_excludes_its_own_line(user: str) -> None:
    """The bytes that are looked for stand in every line that has the value."""
    line = encode_record(audit_record(user_id=user), limit=1 << 20)
    assert Sieve(Criteria.parse(users=[user]).needles).lines(line) == [line]


def test_a_person_is_found_by_the_pseudonym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the key is at hand: by argument or in the environment, in any spelling."""
    from or_audit_logging.capture.clean import Cleaner
    from or_audit_logging.keys import KeyRing
    from or_audit_logging.redaction import Redactor

    ring = KeyRing.from_sources(key())
    log = Calls()
    call = log.call(user_id=Cleaner(Redactor(), ring.digest_keys[0]).person("Ann@example.com"))
    log.save(tmp_path)
    assert ids(query(tmp_path, user="ann@example.com", key=key())) == [call.id]
    assert ids(query(tmp_path, user="ann@example.com")) == []
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    assert ids(query(tmp_path, user="ANN@example.com")) == [call.id]
    monkeypatch.setenv("OR_AUDIT_KEY", "too short")
    assert ids(query(tmp_path, user="u-42")) == []
    with pytest.raises(ConfigError):
        query(tmp_path, user="ann@example.com")


def test_days_are_whole_and_times_included(tmp_path: Path) -> None:
    """Both ends belong to the period; a zone is minded."""
    log, calls = three_days()
    log.save(tmp_path)
    second = calls[2].timestamp
    assert ids(query(tmp_path, since=NEXT_DAY)) == ids(calls[2:])
    assert ids(query(tmp_path, until=NEXT_DAY)) == ids(calls[:4])
    assert ids(query(tmp_path, since=NEXT_DAY, until=NEXT_DAY)) == ids(calls[2:4])
    assert ids(query(tmp_path, since=second, until=second)) == [calls[2].id]
    assert ids(query(tmp_path, since=second.replace("Z", "+00:00"), until=second[:-1])) == [calls[2].id]
    assert ids(query(tmp_path, until=NEXT_DAY, limit=1)) == [calls[3].id]
    assert ids(query(tmp_path, since="2027-01-01")) == []


def test_a_line_of_yesterday_in_todays_segment_is_found(tmp_path: Path) -> None:
    """A clock that stepped back leaves such lines, up to 26 hours late."""
    log, calls = three_days()
    late = log.call(timestamp=f"{NEXT_DAY}T23:59:59.999999Z")
    log.save(tmp_path)
    assert ids(query(tmp_path, since=NEXT_DAY, until=NEXT_DAY)) == [*ids(calls[2:4]), late.id]
    assert ids(query(tmp_path, until=NEXT_DAY, limit=2)) == [calls[3].id, late.id]


def test_files_of_other_days_are_not_read(tmp_path: Path) -> None:
    """Damage in them is not even noticed."""
    log, calls = three_days()
    log.save(tmp_path)
    first = tmp_path / f"audit_{DAY}.jsonl"
    first.write_bytes(first.read_bytes() + b"junk\n")
    found = query(tmp_path, since=THIRD_DAY)
    assert ids(found) == ids(calls[4:])
    assert found.skipped.bad == {}
    assert not Criteria.parse(until="2026-11-20T21:59:59Z").may_hold(bound_day(NEXT_DAY))
    assert Criteria.parse(until="2026-11-20T22:00:00Z").may_hold(bound_day(NEXT_DAY))


def bound_day(text: str) -> Any:
    """Return the date that *text* is."""
    from datetime import date

    return date.fromisoformat(text)


def test_late_facts_fill_a_calls_nulls(tmp_path: Path) -> None:
    """The newest that states a cost counts, across segments; what the call said itself stays."""
    log = Calls()
    open_call = {"total_cost": None, "provider": None, "status": "incomplete"}
    calls = [log.call(generation_id=f"gen-{number}", **open_call) for number in range(4)]
    log.fact("gen-1", "0.1", provider="First", model_used="other/model")
    log.open(NEXT_DAY)
    log.fact("gen-1", "0.2", provider="Second", prompt_tokens=7, status="success")
    log.fact("gen-1", None, status="unresolved")
    log.fact("gen-2", None, status="unresolved")
    last = log.call(total_cost=Decimal("0.01"))
    log.save(tmp_path)
    for found in (list(query(tmp_path)), list(query(tmp_path, limit=99))):
        assert ids(found) == ids([*calls, last])
        first, second, third, fourth, _ = found
        assert (first.total_cost, third.total_cost, fourth.total_cost) == (None, None, None)
        assert (second.total_cost, second.provider, second.prompt_tokens) == (Decimal("0.2"), "Second", 7)
        assert (second.model_used, second.status) == ("fake/served", "incomplete")
    assert ids(query(tmp_path, until=DAY, min_cost="0.15")) == [calls[1].id]
    assert ids(query(tmp_path, provider="Second")) == [calls[1].id]


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("is_archived", [False, True])
def test_what_a_late_fact_says_is_found_by_it(tmp_path: Path, limit: int | None, is_archived: bool) -> None:
    """Provider, model and cost, where the call's own line has none; also behind the period asked for."""
    log = Calls()
    call = log.call(generation_id="gen-1", total_cost=None, provider=None, model_used=None)
    log.open(NEXT_DAY)
    log.open(THIRD_DAY)
    log.open("2026-11-30")
    log.fact("gen-1", "0.75", provider="Late", model_used="late/model")
    log.save(tmp_path)
    if is_archived:
        for name in list(log.segments):
            log.archive(tmp_path, name)
    for criteria in ({"provider": "Late"}, {"model": "late/model"}, {"min_cost": "0.75"}):
        found = list(query(tmp_path, until=DAY, limit=limit, **criteria))
        assert [(one.id, one.total_cost) for one in found] == [(call.id, Decimal("0.75"))], criteria
    assert list(query(tmp_path, provider="Never", limit=limit)) == []
    assert list(query(tmp_path, min_cost="0.76", limit=limit)) == []


def test_more_calls_without_cost_than_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the rest of the log is looked through first; order and facts are the same."""
    log = Calls()
    calls = []
    for day in (DAY, NEXT_DAY):
        if day != DAY:
            log.open(day)
        for number in range(30):
            calls.append(log.call(total_cost=None, generation_id=f"gen-{day}-{number}"))
            if number % 3 == 0:
                log.fact(f"gen-{day}-{number}", "0.1")
                log.fact(f"gen-{day}-{number}", f"0.{number + 11}")
    log.save(tmp_path)
    whole = list(query(tmp_path))
    monkeypatch.setattr(asking, "MOST_HELD", 3)
    assert list(query(tmp_path)) == whole
    assert ids(whole) == ids(calls)
    assert [record.total_cost for record in whole[:4]] == [Decimal("0.11"), None, None, Decimal("0.14")]


@pytest.mark.parametrize("limit", [None, 3])
def test_a_store_is_asked_likewise(tmp_path: Path, limit: int | None) -> None:
    """A copy of the log in SQLite gives the same records; its file is not changed."""
    log = Calls()
    log.call(user_id="u-1", generation_id="gen-1", total_cost=None)
    log.calls(500)
    log.call(user_id="u-1")
    log.fact("gen-1", "0.5")
    log.save(tmp_path / "log")
    store = tmp_path / "audit.db"
    import_log(tmp_path / "log", store, key=key())
    for criteria in ({}, {"user": "u-1"}, {"min_cost": "0.5"}, {"since": NEXT_DAY}):
        asked: dict[str, Any] = {**criteria, "limit": limit}
        assert list(query(store, **asked)) == list(query(tmp_path / "log", **asked))


def test_archives_are_read(tmp_path: Path) -> None:
    """In their place, from either end, and beside their plain form once."""
    log, calls = three_days()
    log.save(tmp_path)
    plain = {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    for name in list(log.segments)[:2]:
        log.archive(tmp_path, name)
    assert ids(query(tmp_path)) == ids(calls)
    assert ids(query(tmp_path, limit=3)) == ids(calls[3:])
    name = list(log.segments)[1]
    (tmp_path / name).write_bytes(plain[name])
    assert ids(query(tmp_path)) == ids(calls)


@pytest.mark.parametrize("limit", [None, 1000])
def test_a_cut_archive_gives_what_can_be_read(tmp_path: Path, limit: int | None) -> None:
    """It is named, as is one whose checksum is wrong; the others are whole."""
    log = Calls()
    random.seed(7)
    first = log.calls(400, session_id=None, prompt_hash=f"{random.getrandbits(256):064x}")
    log.open(NEXT_DAY)
    second = log.calls(3)
    log.save(tmp_path)
    name, other = log.segments
    packed, checked = log.archive(tmp_path, name), log.archive(tmp_path, other)
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    whole = checked.read_bytes()
    checked.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    found = query(tmp_path, limit=limit)
    got = ids(found)
    read = len(got) - len(second)
    assert 0 < read < len(first)
    assert got == ids(first[:read]) + ids(second)
    assert set(found.skipped.unreadable) == {name, other}
    assert "ends early" in found.skipped.unreadable[name]
    assert found.skipped.bad.get(name, 0) <= 1


@pytest.mark.parametrize("limit", [None, 99])
@pytest.mark.parametrize("user", [None, "u-1"])
def test_torn_and_damaged_lines_are_counted_and_passed_by(
    tmp_path: Path, limit: int | None, user: str | None
) -> None:
    """A torn piece that was recovered from, holes of NUL, text, other JSON; whoever is asked for."""
    log = Calls()
    before = log.call(user_id="u-1")
    log.torn(b'{"event_type":"chat_completion","v":1,"id":"half')
    after = log.call(user_id="u-1")
    log.save(tmp_path)
    path = tmp_path / log.name
    path.write_bytes(
        path.read_bytes()
        + b"\0" * 50
        + b"\n"
        + "not ours \N{SNOWMAN}\n".encode()
        + b"\n"
        + b'{"log":"0001020304050607"}\n'
        + b'["u-1"]\n'
        + b'{"event_type":"chat_completion","user_id":"u-1"}\n'
        + b"{" * 200_000
        + b"\n"
        + b'{"event_type":"chat_completion","v":1,"user_id":"u-1"'
    )
    found = query(tmp_path, user=user, limit=limit)
    assert ids(found) == [before.id, after.id]
    assert found.skipped.bad == {log.name: 8}
    assert found.skipped.unreadable == {}


def test_a_whole_line_that_lacks_its_newline_is_a_record(tmp_path: Path) -> None:
    """A crash left it so; the writer will add the newline."""
    log = Calls()
    calls = log.calls(3, user_id="u-1")
    log.save(tmp_path)
    path = tmp_path / log.name
    path.write_bytes(path.read_bytes()[:-1])
    for criteria in ({}, {"user": "u-1"}, {"limit": 3}, {"user": "u-1", "limit": 3}):
        found = query(tmp_path, **criteria)  # type: ignore[arg-type]
        assert ids(found) == ids(calls)
        assert found.skipped.bad == {}


@pytest.mark.parametrize("limit", [None, 99])
@pytest.mark.parametrize("user", [None, "u-1"])
def test_redacted_lines_are_counted(tmp_path: Path, limit: int | None, user: str | None) -> None:
    """A stub says nothing of whom it was about."""
    log = Calls()
    calls = log.calls(3, user_id="u-1")
    log.open(NEXT_DAY)
    log.redact(3)
    log.save(tmp_path)
    found = query(tmp_path, user=user, limit=limit)
    assert ids(found) == [calls[0].id, calls[2].id]
    assert found.skipped.redacted == 1
    assert found.skipped.bad == {}


def test_an_archive_may_take_a_files_place_meanwhile(tmp_path: Path) -> None:
    """Before a file is opened or while it is read: retention does not wait for readers."""
    log, calls = three_days()
    log.save(tmp_path)
    for limit in (None, 6):
        parts = parts_of(tmp_path, Criteria())
        found = asking.Query(parts, Criteria(), limit=limit)
        if limit is None:
            assert next(found).id == calls[0].id
        for name in log.segments:
            if (tmp_path / name).exists():
                log.archive(tmp_path, name)
        assert ids(found) == ids(calls[1:] if limit is None else calls)
        assert found.skipped.unreadable == {}
        log.save(tmp_path)


def test_beside_a_running_writer(tmp_path: Path, audit_key: bytes) -> None:
    """What was there when the question was asked is in the answer, and nothing is torn."""
    program = """
import sys
from samples import audit_record
from or_audit_logging import AuditFileHandler, emit
import logging
logging.getLogger("openrouter.audit").addHandler(AuditFileHandler("log/audit.jsonl"))
print("ready", flush=True)
for number in range(2000):
    emit(audit_record(user_id=f"u-{number % 7}"))
    if number == 50:
        print("some", flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.stdout.readline() == "some\n"
        counts = []
        while process.poll() is None:
            for criteria in ({"user": "u-3"}, {"user": "u-3", "limit": 9999}):
                found = query(tmp_path / "log", **criteria)  # type: ignore[arg-type]
                counts.append(len(list(found)))
                assert found.skipped == asking.Skipped()
    assert process.returncode == 0
    assert counts == sorted(counts)
    assert counts[0] >= 7
    assert len(list(query(tmp_path / "log"))) == 2000


def test_what_a_handler_wrote(tmp_path: Path, audit_key: bytes) -> None:
    """From the handler's filename as well as from its folder."""
    import logging

    record = audit_record(user_id="u-1")
    handler = AuditFileHandler(tmp_path / "audit.jsonl")
    log_record = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "call", (), None)
    log_record.audit = record
    handler.handle(log_record)
    handler.close()
    assert list(query(tmp_path / "audit.jsonl", user="u-1")) == [record]
    assert list(query(str(tmp_path))) == [record]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"since": "yesterday"}, "UTC date"),
        ({"until": "2026-13-01"}, "UTC date"),
        ({"since": 5}, "UTC date"),
        ({"since": "2026-11-22", "until": "2026-11-21"}, "later than"),
        ({"status": "sucess"}, "status is one of"),
        ({"min_cost": "much"}, "amount"),
        ({"min_cost": "NaN"}, "amount"),
        ({"user": ""}, "empty"),
        ({"model": ""}, "empty"),
        ({"limit": 0}, "limit"),
        ({"limit": "5"}, "limit"),
    ],
)
def test_a_wrong_argument_is_refused(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    """With a sentence, before anything is read."""
    with pytest.raises(ConfigError, match=says):
        query(three_days()[0].save(tmp_path), **wrong)


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    """An empty folder, other files, none at all, two logs."""
    for path in (tmp_path, tmp_path / "absent", tmp_path / "absent" / "audit.jsonl"):
        with pytest.raises(ConfigError, match="no audit log"):
            query(path)
    (tmp_path / "notes.txt").write_text("no log")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ConfigError, match="no audit log"):
            query(path)
    for stem in ("audit", "other"):
        (tmp_path / f"{stem}_2026-11-21.jsonl").touch()
    with pytest.raises(ConfigError, match="more than one log"):
        query(tmp_path)


def test_a_segment_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Something else in its place, and the others are answered from."""
    log, calls = three_days()
    log.save(tmp_path)
    name = list(log.segments)[1]
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    for limit in (None, 9):
        found = query(tmp_path, limit=limit)
        assert ids(found) == ids(calls[:2] + calls[4:])
        assert list(found.skipped.unreadable) == [name]


def test_following_goes_on_into_new_segments(tmp_path: Path) -> None:
    """The last ones first, then each as it is written: no record twice, none lost, also past midnight."""
    log = Calls()
    calls = log.calls(3)
    log.save(tmp_path)

    def more(_: float) -> None:
        if log.name.endswith(f"{DAY}.jsonl"):
            calls.append(log.call())
            log.open(NEXT_DAY)
            calls.append(log.call())
            log.save(tmp_path)
            log.archive(tmp_path, f"audit_{DAY}.jsonl")
            return
        if len(calls) < 6:
            calls.append(log.call())
            (tmp_path / log.name).write_bytes(log.segments[log.name])
            return
        raise KeyboardInterrupt

    seen: list[str] = []

    def read() -> None:
        for found in follow(tmp_path, Criteria(), last=2, sleep=more):
            seen.append(found.record.id)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert seen == ids(calls[1:])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [*(f.name for f in AuditRecord.__dataclass_fields__.values()), "log", "seq", "other"]
        ),
        json_values,
    )
)
def test_any_members_are_a_record_or_none(members: dict[str, Any]) -> None:
    """Whatever a line holds, nothing is raised, and a record can be written again."""
    record = record_of(parse_record(json.dumps(members).encode()) or {})
    base = {"event_type": "x", "id": "i", "timestamp": "2026-11-21T10:00:00.000000Z"}
    filled = record_of(parse_record(json.dumps(members | base).encode()) or {})
    assert filled is not None
    assert json.loads(encode_record(filled, limit=1 << 20))["event_type"] == "x"
    assert record is None or isinstance(record.event_type, str)
    Criteria.parse(user="u", since=DAY, min_cost="1") if False else Criteria(min_cost=Decimal(1)).matches(
        filled
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_sifted(content: bytes) -> None:
    """No block of bytes makes the sieve fail, and what it returns has the shape of an object."""
    sieve = Sieve()
    for line in sieve.lines(content):
        assert line.startswith(b"{")


def test_the_needles_that_facts_may_replace() -> None:
    """A call whose cost is unknown is looked at, whatever provider it names."""

    def needles(**criteria: Any) -> list[tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
        return [(one.tight, one.loose) for one in Criteria(**criteria).needles]

    assert needles(provider="Fake") == [((NO_COST, b'"provider":"Fake"'), (NO_COST, b'"Fake"'))]
    assert needles(users=frozenset(["u-42"])) == [((b'"user_id":"u-42"',), (b'"u-42"',))]
    assert needles(users=frozenset(['"'])) == []
    assert needles(users=frozenset(["anna\N{SNOWMAN}"])) == [((b'"user_id":"anna',), (b"anna",))]
    assert needles(generation_id="gen-1") == [((b'"gen-1"',), (b'"gen-1"',))]
    tight = (NO_COST, b'"model_requested":"openai', b'"model_used":"openai')
    assert needles(model="openai/gpt-4o") == [(tight, (NO_COST, b"openai"))]


def test_lines_of_another_hand_are_found(tmp_path: Path) -> None:
    """Members in another order, spaces between them."""
    log = Calls()
    log.seal(
        b'{"v": 1, "user_id" : "u-1", "event_type": "embeddings", "id": "a", '
        b'"timestamp": "2026-11-21T10:00:00.000000Z"}'
    )
    log.call(user_id="u-1")
    log.save(tmp_path)
    for limit in (None, 9):
        found = query(tmp_path, user="u-1", limit=limit)
        assert [record.event_type for record in found] == ["embeddings", "chat_completion"]
        assert found.skipped == asking.Skipped()


def test_bounds() -> None:
    """A date is a whole day, a time is a moment."""

    def texts(since: Any = None, until: Any = None) -> tuple[str, str]:
        period = Criteria.parse(since=since, until=until).period
        return period.first_text, period.last_text

    assert texts("2026-11-21", "2026-11-21") == ("2026-11-21T00:00:00.000000Z", "2026-11-21T23:59:59.999999Z")
    assert texts(until="2026-11-21T10:30")[1] == "2026-11-21T10:30:00.000000Z"
    assert texts("2026-11-21T10:30+02:00")[0] == "2026-11-21T08:30:00.000000Z"
    assert texts(until=bound_day(DAY))[1] == "2026-11-21T23:59:59.999999Z"
    period = Criteria.parse(since=DAY, until=DAY).period
    assert [
        period.has(one) for one in ("2026-11-22T01:00:00+02:00", "2026-11-21", "", "2026-11-21T24:00:01Z")
    ] == [True, True, False, False]
    assert Criteria().period.has("any")


def test_an_older_fact_does_not_replace_a_newer_one() -> None:
    """From either end of the log, the same one counts."""
    facts = [
        audit_record(event_type="generation", generation_id="g", total_cost=cost)
        for cost in (Decimal(1), Decimal(2), None)
    ]
    call = audit_record(generation_id="g")
    lines = [encode_record(fact, limit=8000) for fact in facts]
    forward, back = LateFacts(), LateFacts()
    for line in lines:
        assert forward.take(line)
    for line in reversed(lines):
        assert back.take_older(line)
    assert forward.complete(call).total_cost == back.complete(call).total_cost == Decimal(2)
    assert not forward.take(encode_record(call, limit=8000))


def test_a_part_says_what_it_is(tmp_path: Path) -> None:
    """Its day prunes; an archive cannot be read from its end."""
    log, _ = three_days()
    log.save(tmp_path)
    log.archive(tmp_path, f"audit_{DAY}.jsonl")
    first, second, _ = parts_of(tmp_path, Criteria())
    assert isinstance(first, SegmentPart)
    assert (str(first.day), first.blocks_back()) == (DAY, None)
    assert b"".join(second.blocks()) == log.segments[second.name]
    back = second.blocks_back()
    assert back is not None
    assert b"".join(reversed(list(back))) == log.segments[second.name]
    assert len(lines_of(tmp_path)) == log.seq - len(log.lines(f"audit_{DAY}.jsonl"))
    assert gzip.decompress((tmp_path / "archive" / f"audit_{DAY}.jsonl.gz").read_bytes())
