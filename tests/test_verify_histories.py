"""Honest histories never give a finding; damaged ones never pass for whole."""

from __future__ import annotations

import tracemalloc
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_builder import DAY, LogBuilder, key

from or_audit_logging.evidence.verify import verify

SECRETS = [b"%d" % number * 32 for number in range(4)]
RING = [key(secret) for secret in SECRETS]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.integers(1, 5)),
        st.tuples(st.just("checkpoint"), st.booleans()),
        st.tuples(st.just("torn"), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("torn_file"), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("open"), st.integers(0, 2)),
        st.tuples(st.just("rotate"), st.none()),
        st.tuples(st.just("lost"), st.integers(0, 9)),
        st.tuples(st.just("process"), st.booleans()),
        st.tuples(st.just("clock"), st.integers(-500, 500)),
        st.tuples(st.just("redact"), st.integers(0, 30)),
        st.tuples(st.just("delete"), st.integers(0, 3)),
    ),
    max_size=12,
)

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
    derandomize=True,
)


def build(steps: list[tuple[str, object]]) -> LogBuilder:
    """Return the log that *steps* make."""
    log, day, secrets, pending = LogBuilder(secret=SECRETS[0]), 0, iter(SECRETS[1:]), False
    for step, value in steps:
        if step == "user":
            log.user(int(str(value)))
        elif step == "checkpoint":
            log.checkpoint(note=bool(value))
        elif step == "torn" and isinstance(value, bytes):
            log.torn(value)
        elif step in ("open", "torn_file"):
            day += 1
            name = (date.fromisoformat(DAY) + timedelta(days=day)).isoformat()
            if step == "torn_file" and isinstance(value, bytes):
                log.torn_file(name, 0, value)
                pending = True
            log.open(name, 1 if pending else int(str(value)))
            pending = False
        elif step == "rotate" and (secret := next(secrets, None)):
            log.rotate(secret)
        elif step == "lost":
            log.control("log.lost", count=value, reason="other", detail=None)
        elif step == "process":
            log.control("log.start", pid=7, host="h", library="0", config="0")
            if value:
                log.control("log.stop", pid=7)
        elif step == "redact":
            redact(log, int(str(value)))
        elif step == "delete" and not pending:
            bases = [name for name in log.starts if name in log.segments][1:]
            if bases:
                log.delete(bases[int(str(value)) % len(bases)])
        elif step == "clock":
            log.clock += timedelta(seconds=int(str(value)))
    return log


def redact(log: LogBuilder, choice: int) -> None:
    """Redact one of the users' lines in closed segments that still stand, if there are any."""
    closed = [line for name in log.segments if name != log.name for line in log.lines(name)]
    users = [line for line in closed if line.startswith(b'{"event_type":"chat') and line.endswith(b'"}\n')]
    seqs = [int(line.rpartition(b'"seq":')[2].partition(b",")[0]) for line in users]
    if seqs:
        log.redact(seqs[choice % len(seqs)])


@quick
@given(STEPS, st.integers(0, 200), st.integers(0, 3))
def test_honest_histories_give_no_finding(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], size: int, archived: int
) -> None:
    """Whatever happened to an honest log, it verifies with key and anchor, and with each of them alone."""
    log = build(steps)
    folder = log.save(tmp_path_factory.mktemp("log"))
    whole = [name for name in log.segments if name != log.name]
    for name in whole[:archived]:
        log.archive(folder, name)
    anchors = [log.anchor(), log.anchor(min(max(size, 1), log.seq))]
    assert verify(folder, key=RING, anchors=anchors).to_dict()["findings"] == ()
    assert verify(folder, key=RING, anchors=anchors).verdict == "verified"
    assert verify(folder, key=RING).verdict == "unanchored"
    assert verify(folder, anchors=anchors).verdict == "verified"


@quick
@given(STEPS, st.data())
def test_damaged_histories_do_not_pass(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], data: st.DataObject
) -> None:
    """Any stretch of any segment replaced by anything else is found where an anchor covers it."""
    log = build(steps)
    name = data.draw(st.sampled_from(sorted(log.segments)))
    content = log.segments[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 1500)))
    new = data.draw(st.one_of(st.binary(max_size=30), st.sampled_from([b"\n", b"", *log.lines()])))
    damaged = content[:start] + new + content[end:]
    newest = name == log.name
    if damaged == content or (newest and damaged.startswith(content.removesuffix(b"\n"))):
        return  # nothing was changed, or at most what a crash may leave behind the end
    log.segments[name] = damaged
    folder = log.save(tmp_path_factory.mktemp("log"))
    for ring in (RING, None):
        report = verify(folder, key=ring, anchors=[log.anchor()])
        assert report.verdict == "tampered", report.summary()


@quick
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_bytes_make_it_raise(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    """Segments of any content, plain and archived, end in a verdict."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "archive").mkdir()
    for number, content in enumerate(contents):
        place = (
            folder / "archive" / f"audit_{DAY}.{number + 1}.jsonl.gz"
            if number % 2
            else folder / f"audit_{DAY}.jsonl"
        )
        place.write_bytes(content)
    report = verify(folder, key=key())
    assert report.exit_code in (1, 2)
    assert report.summary()


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """A log is read in blocks, however long it is."""
    log = LogBuilder()
    log.user(400, text="x" * 10_000)
    log.save(tmp_path)
    verify(tmp_path, key=key())
    tracemalloc.start()
    report = verify(tmp_path, key=key(), anchors=[log.anchor()])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict == "verified"
    assert (tmp_path / log.name).stat().st_size > 3_900_000
    assert peak < 1_000_000
