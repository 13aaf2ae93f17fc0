"""Honest histories never give a finding; damaged ones never pass for whole."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from json_values import JSON
from line_attacks import LINE_ATTACKS
from log_builder import DAY, LogBuilder, key

from or_audit_logging.errors import AuditError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing
from or_audit_logging.log import author, shared_writer
from or_audit_logging.log import writer as writer_module
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.control import MEMBERS
from or_audit_logging.sealing.line import parse_line
from or_audit_logging.sealing.note import SigningKey
from or_audit_logging.signing_keys import SigningKeys

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


def test_a_fragment_below_the_base_is_still_what_the_log_says_of_it(tmp_path: Path) -> None:
    """A log.recover that stands behind the deleted head holds the torn file before it to its bytes."""
    log = build([("torn_file", b"\0"), ("delete", 0)])
    assert verify(log.save(tmp_path), key=RING, anchors=[log.anchor()]).findings == ()
    (torn,) = (name for name, content in log.segments.items() if content == b"\0")
    log.segments[torn] += b"\0"
    assert verify(log.save(tmp_path), key=RING, anchors=[log.anchor()]).verdict == "tampered"


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


@quick
@given(st.data())
def test_no_sealed_statement_makes_it_raise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Control lines under seals that hold may state anything: a holder of the key wrote them."""
    log = LogBuilder(secret=SECRETS[0])
    for _ in range(data.draw(st.integers(1, 4))):
        log.user()
        event_type = data.draw(st.sampled_from(sorted(MEMBERS)))
        names = data.draw(st.sets(st.sampled_from(MEMBERS[event_type])))
        members = {name: data.draw(JSON | st.integers(0, 9)) for name in sorted(names)}
        log.control(event_type, **members)
    log.open("2026-11-22")
    log.user()
    folder = log.save(tmp_path_factory.mktemp("log"))
    for arguments in ({"key": RING}, {"anchors": [log.anchor()]}, {"key": RING, "anchors": [log.anchor(3)]}):
        report = verify(folder, **arguments)
        assert report.summary()
        assert report.to_dict()


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


# what writers write, with everything that may happen to them


SIGNING = SigningKey.generate() if find_spec("cryptography") else None
SIGNERS = SigningKeys.from_sources(SIGNING.to_pem) if SIGNING is not None else None
SLOTS = st.integers(0, 1)


class WrittenLog(RuleBasedStateMachine):
    """Two processes write one log, through restarts, crashes, midnights and keys; it is attacked on the way.

    A process is a `LogWriter` of its own. As long as nobody has attacked the log there is no finding; once
    somebody has, within what is anchored, there is one, whatever the processes do afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder, self.kept = Path(self.place.name, "log"), Path(self.place.name, "kept.jsonl")
        self.now = datetime.fromisoformat(f"{DAY}T12:00:00Z")
        self.writers: list[LogWriter | None] = [None, None]
        self.secrets = list(SECRETS[1:])
        self.written = self.uncertain = 0
        self.anchored = 0
        self.attacked = False
        self.log_id: str | None = None

    def teardown(self) -> None:
        for writer in filter(None, self.writers):
            self.abandon(writer)
        self.place.cleanup()

    @rule(slot=SLOTS, count=st.integers(1, 4), every=st.integers(2, 9))
    def append(self, slot: int, count: int, every: int) -> None:
        """Write records; the process is started if it does not run."""

        def act(writer: LogWriter) -> None:
            for _ in range(count):
                self.now += timedelta(seconds=7)
                writer.append(self.record())
                self.written += 1

        self.work(slot, act, every=every)

    @rule(slot=SLOTS)
    def stop(self, slot: int) -> None:
        if self.writers[slot] is not None:
            self.work(slot, LogWriter.stop)
            self.writers[slot] = None

    @rule(slot=SLOTS, kept=st.floats(0, 1))
    def crash(self, slot: int, kept: float) -> None:
        """Kill a process while it writes: of its last bytes those are there that it had written by then."""
        before = self.sizes()
        self.now += timedelta(seconds=7)
        self.work(slot, lambda writer: writer.append(self.record()), hand_out=False)
        self.uncertain += 1
        grown = [path for path, size in self.sizes().items() if size > before.get(path, 0)]
        if grown and not self.attacked:
            path = max(grown, key=lambda path: (path not in before, path))
            start = before.get(path, 0)
            with open(path, "r+b") as file:
                cut(file, start + round(kept * (path.stat().st_size - start)))
        self.kill(slot)

    @rule(slot=SLOTS)
    def kill(self, slot: int) -> None:
        if (writer := self.writers[slot]) is not None:
            self.abandon(writer)
        self.writers[slot] = None

    @precondition(lambda self: not self.attacked)
    @rule(kept=st.floats(0, 1), zeros=st.booleans())
    def lose_power(self, kept: float, zeros: bool) -> None:
        """Both processes end, and of what no handed-out checkpoint covers some is lost, or is *zeros*."""
        self.kill(0)
        self.kill(1)
        if path := self.newest():
            size, safe = path.stat().st_size, 0
            with open(path, "r+b") as file:
                while raw := file.readline():
                    safe = file.tell() if _seq(raw) < self.anchored else safe
                cut(file, safe + round(kept * (size - safe)))
                file.truncate(size if zeros else file.seek(0, 2))
        self.uncertain, self.written = self.uncertain + self.written, 0
        if not self.anchored:
            self.log_id = None  # the log may begin anew

    @rule(slot=SLOTS)
    def rotate(self, slot: int) -> None:
        """Change to the next secret, which all processes hold."""

        if self.secrets and self.written:
            ring = KeyRing.from_sources(key(self.secrets.pop(0)))
            self.work(slot, lambda writer: writer.rotate(ring=ring))

    @rule(slot=SLOTS)
    def make_checkpoint(self, slot: int) -> None:
        if self.written:
            self.work(slot, lambda writer: self.keep([writer.checkpoint()]))

    @rule(seconds=st.one_of(st.integers(-300_000, 300_000), st.sampled_from([-3600, 61, 86_400])))
    def set_clock(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def midnight(self) -> None:
        self.now = self.now.replace(hour=0, minute=0, second=0) + timedelta(days=1)

    @rule(both=st.booleans())
    def archive(self, both: bool) -> None:
        """Archive the oldest closed segment; *both*: the one who does is interrupted before it is removed."""
        closed = [segment for _, segment in LogLayout.from_filename(self.filename).segments()][:-1]
        for segment in [segment for segment in closed if not segment.archived][:1]:
            target = self.folder / "archive" / f"{segment.name}.gz"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(gzip.compress(segment.path.read_bytes(), mtime=0))
            if not both:
                segment.path.unlink()

    @precondition(lambda self: self.anchored and not self.attacked)
    @rule(name=st.sampled_from(sorted(LINE_ATTACKS)), choice=st.integers(0, 1000), goes_on=st.booleans())
    def attack_lines(self, name: str, choice: int, goes_on: bool) -> None:
        """Do something to a line that is anchored; the log *goes on* after it, or is put back."""
        places = [
            (path, at)
            for path in self.sizes()
            for at, raw in enumerate(path.read_bytes().splitlines(keepends=True))
            if _seq(raw) < self.anchored
        ]
        if not places:
            return  # all of them are archived
        path, at = places[choice % len(places)]
        lines = path.read_bytes().splitlines(keepends=True)
        if len(lines) > 1:
            with self.attack(goes_on=goes_on):
                LINE_ATTACKS[name](lines, at)
                (self.folder / path.name).write_bytes(b"".join(lines))

    @precondition(lambda self: self.anchored and not self.attacked)
    @rule(choice=st.integers(0, 1000), goes_on=st.booleans())
    def attack_files(self, choice: int, goes_on: bool) -> None:
        """Take away a segment with a line that is anchored, and its archive."""
        segments = [
            segment
            for seq, segment in LogLayout.from_filename(self.filename).segments()
            if seq < self.anchored
        ]
        name = segments[choice % len(segments)].name
        with self.attack(goes_on=goes_on):
            for path in (self.folder / name, self.folder / "archive" / f"{name}.gz"):
                path.unlink(missing_ok=True)

    @precondition(lambda self: self.anchored and not self.attacked)
    @rule(size=st.integers(0, 100), goes_on=st.booleans())
    def attack_end(self, size: int, goes_on: bool) -> None:
        """Cut the newest segment off, where an anchor covers it."""
        *_, (first, segment) = LogLayout.from_filename(self.filename).segments()
        if first < self.anchored and not segment.archived:
            lines = segment.path.read_bytes().splitlines(keepends=True)
            left = [raw for raw in lines if _seq(raw) < first + size % (self.anchored - first)]
            with self.attack(goes_on=goes_on):
                (self.folder / segment.name).write_bytes(b"".join(left))

    @invariant()
    def is_judged_rightly(self) -> None:
        """The key holder and an auditor find nothing in an honest log, and something in an attacked one."""
        if not self.anchored and not self.written:
            return
        for report in self.reports():
            if self.attacked:
                assert report.verdict == "tampered", report.summary()
            else:
                assert report.findings == (), report.summary()
                assert (report.verdict == "verified") == (self.anchored > 0), report.summary()
                assert self.written <= report.user_lines <= self.written + self.uncertain
                assert report.records_lost == 0
                self.log_id = report.log_id

    # how it is done

    @property
    def filename(self) -> Path:
        return self.folder / "audit.jsonl"

    def record(self) -> bytes:
        number, moment = self.written + self.uncertain, utc_timestamp(self.now)
        return f'{{"event_type":"x","v":1,"timestamp":"{moment}","number":{number}}}'.encode()

    def work(
        self, slot: int, act: Callable[[LogWriter], object], *, every: int = 5, hand_out: bool = True
    ) -> None:
        """Let a process of the log do something, at the time that it is; on an attacked log it may fail."""
        clock = mock.Mock(wraps=datetime)
        clock.now.side_effect = lambda _: self.now
        try:
            with (
                mock.patch.multiple(writer_module, datetime=clock),
                mock.patch.multiple(shared_writer, datetime=clock),
                mock.patch.multiple(author, datetime=clock),
            ):
                if (writer := self.writers[slot]) is None:
                    layout, ring = LogLayout.from_filename(self.filename), KeyRing.from_sources(RING)
                    writer = LogWriter(layout, ring, checkpoint_every=every, signing=SIGNERS)
                    self.writers[slot] = writer
                act(writer)
                if hand_out:
                    writer.sync_for_checkpoints()
                    self.keep(writer.checkpoints.take())
        except (AuditError, OSError):
            if not self.attacked:
                raise

    def keep(self, lines: list[str]) -> None:
        """Keep checkpoints elsewhere, as they are handed out."""
        with open(self.kept, "a") as file:
            file.writelines(f"{line}\n" for line in lines)
        if not self.attacked:
            self.anchored = max([self.anchored, *(_seq(line.encode()) for line in lines)])

    def abandon(self, writer: LogWriter) -> None:
        """Let a process end without a word: its files are closed, and nothing is written."""
        writer._end.forget()
        writer._lock.close()

    def newest(self) -> Path | None:
        """Return the segment that is written to; one in the archive is on disk."""
        segments = [segment for _, segment in LogLayout.from_filename(self.filename).segments()]
        return segments[-1].path if segments and not segments[-1].archived else None

    def sizes(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.folder.glob("audit_*.jsonl")}

    def reports(self) -> Iterator[Any]:
        anchors = [self.kept] if self.kept.exists() else []
        yield verify(self.filename, key=RING, anchors=anchors, log_id=self.log_id)
        if anchors:
            public = SIGNING.public if SIGNING is not None else None
            yield verify(self.filename, public_key=public, anchors=anchors, log_id=self.log_id)

    @contextmanager
    def attack(self, *, goes_on: bool) -> Iterator[None]:
        """Hold that what is done to the log now is found. Unless it *goes on* from there, it is a copy."""
        honest = self.folder
        if not goes_on:
            self.folder = Path(self.place.name, "copy")
            shutil.copytree(honest, self.folder)
        self.attacked = True
        yield
        self.is_judged_rightly()
        if not goes_on:
            shutil.rmtree(self.folder)
            self.folder, self.attacked = honest, False


def cut(file: BinaryIO, size: int) -> None:
    """Cut *file* to *size*, but for the newline that ends torn bytes where nothing stands behind it.

    With it, they look as if somebody had added a line, until the next writer describes them.
    """
    file.seek(0)
    *_, last = file.read(size).splitlines(keepends=True) or [b""]
    file.truncate(size - (last.endswith(b"\n") and _seq(last) == float("inf")))


def _seq(raw: bytes) -> float:
    """Return a line's number; bytes that are no line come behind all of them."""
    try:
        return parse_line(raw.removesuffix(b"\n")).seq
    except AuditError:
        return float("inf")


class TestWrittenLog(WrittenLog.TestCase):  # type: ignore[name-defined,misc]
    """Runs the histories."""


TestWrittenLog.settings = settings(
    max_examples=max(10, settings().max_examples // 5),
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize="HYPOTHESIS_PROFILE" not in os.environ,
)
