"""Several processes, one report: whatever the log and whatever was done to it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, first
from hypothesis import given
from hypothesis import strategies as st
from log_builder import NEXT_DAY, OTHER_SECRET, SECRET, THIRD_DAY, LogBuilder, key
from test_verify_damage import delete, flip, insert
from test_verify_histories import RING, STEPS, build, quick

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence import ahead
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.stretches import Context, Stretch, prepare
from or_audit_logging.evidence.verify import verify


class InThisProcess(Executor):
    """Does what a pool does, at once and here; what goes to a worker and back is pickled all the same."""

    def __init__(self, context: Context) -> None:
        prepare(pickle.loads(pickle.dumps(context)))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(pickle.loads(pickle.dumps(fn(*pickle.loads(pickle.dumps(args)), **kwargs))))
        return future


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut logs of a few lines into parts as well; most of these tests need no processes for that."""
    monkeypatch.setattr(ahead, "WORTH_IT", 0)
    monkeypatch.setattr(ahead, "PART", 900)
    monkeypatch.setattr(ahead, "start_pool", lambda jobs, context: InThisProcess(context))
    yield
    prepare(Context(""))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that will have the length of each stretch that is taken over from a worker."""
    lengths: list[int] = []
    take_into = Stretch.take_into

    def counted(stretch: Stretch, position: Any) -> None:
        lengths.append(stretch.lines)
        take_into(stretch, position)

    monkeypatch.setattr(Stretch, "take_into", counted)
    return lengths


def same(path: Path, **arguments: Any) -> VerificationReport:
    """Return the report, which is the same with one job and with two."""
    one, two = verify(path, **arguments), verify(path, jobs=2, **arguments)
    assert one.to_dict() == two.to_dict()
    return two


BEHIND_TORN_BYTES = 6
"""So many users' lines of `busy_log` stand between torn bytes and the next line that states a position."""


def busy_log(secret: bytes = SECRET) -> LogBuilder:
    """Return a log in which much happens."""
    log = LogBuilder(secret=secret)
    for day in (NEXT_DAY, THIRD_DAY):
        for _ in range(4):
            log.user(4)
            log.checkpoint(note=True)
        log.user(2)
        log.control("log.start", pid=7, host="h", library="0", config="0")
        log.user(2)
        log.torn(b'{"event\n')
        log.user(3)
        log.open(day)
    log.user(5)
    return log


@pytest.mark.parametrize("part", [40, 200, 900, 5000, 1 << 20])
def test_users_lines_are_taken_over(
    tmp_path: Path, taken: list[int], monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Of an honest log the walk goes through control lines itself, and what follows torn bytes."""
    monkeypatch.setattr(ahead, "PART", part)
    log = busy_log()
    log.save(tmp_path)
    for arguments in (
        {"key": key()},
        {"anchors": [log.anchor()]},
        {"key": key(), "anchors": [log.anchor(7)]},
    ):
        taken.clear()
        report = same(tmp_path, **arguments)
        assert report.findings == ()
        assert sum(taken) == report.user_lines - BEHIND_TORN_BYTES


def test_archives_are_walked_ahead_too(tmp_path: Path, taken: list[int]) -> None:
    """An archive is one part."""
    log = busy_log()
    log.save(tmp_path)
    for name in list(log.segments)[:2]:
        log.archive(tmp_path, name)
    report = verify(tmp_path, key=key(), anchors=[log.anchor()], jobs=2)
    assert report.verdict == "verified"
    assert sum(taken) == report.user_lines - BEHIND_TORN_BYTES
    same(tmp_path, key=key())


def test_anchors_are_met_within_a_stretch(tmp_path: Path) -> None:
    """No stretch passes an anchor by."""
    log = busy_log()
    log.save(tmp_path)
    for size in range(1, log.seq + 1):
        report = same(tmp_path, anchors=[log.anchor(size), log.anchor(3)])
        assert (report.verdict, report.anchored_to) == ("verified", max(size, 3) - 1)


def test_keys_that_change_and_keys_that_are_missing(tmp_path: Path, taken: list[int]) -> None:
    """A worker finds the key in force by itself, or none, as the walk does."""
    log = busy_log()
    log.rotate(OTHER_SECRET)
    log.user(3)
    log.checkpoint()
    log.user(3)
    log.save(tmp_path)
    for ring in ([key(), key(OTHER_SECRET)], key(), key(OTHER_SECRET), key(b"x" * 32), None):
        for anchors in ([log.anchor()], []):
            taken.clear()
            same(tmp_path, key=ring, anchors=anchors)
            assert taken


@pytest.mark.parametrize("stride", [997, pytest.param(97, marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", [flip, delete, insert])
def test_every_kind_of_damage_gives_the_same_report(
    tmp_path: Path, damage: Callable[[bytes, int], bytes], stride: int
) -> None:
    """Changed bytes all over a segment, seen with the key and with an anchor."""
    log = busy_log()
    log.save(tmp_path)
    name = f"audit_{NEXT_DAY}.jsonl"
    data = log.segments[name]
    for at in range(0, len(data), stride):
        (tmp_path / name).write_bytes(damage(data, at))
        same(tmp_path, key=key())
        same(tmp_path, anchors=[log.anchor()])


@pytest.mark.parametrize("step", first(4, range(1, 12)))
def test_lines_in_another_order_give_the_same_report(tmp_path: Path, step: int) -> None:
    """Lines left out, doubled, swapped, repeated in bulk."""
    log = busy_log()
    log.save(tmp_path)
    name = f"audit_{NEXT_DAY}.jsonl"
    lines = log.lines(name)
    for changed in (
        [*lines[:step], *lines[step + 1 :]],
        [*lines[: step + 1], *lines[step:]],
        [*lines[:step], lines[step + 1], lines[step], *lines[step + 2 :]],
        [*lines[: step + 9], *lines[step:]],
        [*lines, *lines],
        lines[: -2 * step],
        lines[step:],
    ):
        (tmp_path / name).write_bytes(b"".join(changed))
        same(tmp_path, key=key())
        same(tmp_path, anchors=[log.anchor()])


def test_segments_that_are_gone_doubled_or_changed_places(tmp_path: Path) -> None:
    """What stands where is found by the walk."""
    log = busy_log()
    first, second, third = sorted(log.segments)
    contents = dict(log.segments)
    for segments in (
        {first: contents[first], third: contents[third]},
        {second: contents[second], third: contents[third]},
        {first: contents[second], second: contents[first], third: contents[third]},
        contents | {"audit_2026-11-24.jsonl": contents[first]},
        contents | {second: b""},
        contents | {second: contents[second][:50]},
    ):
        for file in tmp_path.glob("*.jsonl"):
            file.unlink()
        log.segments = segments
        log.save(tmp_path)
        same(tmp_path, key=key())
        same(tmp_path, anchors=[log.anchor()])


@quick
@given(STEPS, st.data())
def test_any_history_gives_the_same_report(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], data: st.DataObject
) -> None:
    """Honest and damaged ones."""
    log = build(steps)
    folder = log.save(tmp_path_factory.mktemp("log"))
    arguments = ({"key": RING, "anchors": [log.anchor()]}, {"anchors": [log.anchor()]}, {"key": RING})
    for given_ in arguments:
        same(folder, **given_)
    name = data.draw(st.sampled_from(sorted(log.segments)))
    content = log.segments[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 1500)))
    new = data.draw(st.one_of(st.binary(max_size=30), st.sampled_from([b"\n", b"", *log.lines()])))
    (folder / name).write_bytes(content[:start] + new + content[end:])
    for given_ in arguments:
        same(folder, **given_)


def test_a_worker_that_dies_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to the pool, the walk goes on by itself."""

    class Dying(InThisProcess):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("gone"))
            return future

    class Refusing(InThisProcess):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise RuntimeError("no more processes")

    log = busy_log()
    log.save(tmp_path)
    for pool in (Dying, Refusing):
        monkeypatch.setattr(ahead, "start_pool", lambda jobs, context, pool=pool: pool(context))
        assert same(tmp_path, key=key(), anchors=[log.anchor()]).verdict == "verified"
    monkeypatch.setattr(ahead, "start_pool", lambda jobs, context: None)
    assert same(tmp_path, key=key(), anchors=[log.anchor()]).verdict == "verified"


def test_real_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[int]) -> None:
    """Workers are started afresh and get all they need."""
    import multiprocessing

    def start(jobs: int, context: Context) -> Executor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=prepare, initargs=(context,))

    monkeypatch.setattr(ahead, "start_pool", start)
    log = busy_log()
    log.save(tmp_path)
    report = same(tmp_path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, sum(taken)) == ("verified", report.user_lines - BEHIND_TORN_BYTES)


CODE = """
from or_audit_logging.evidence import ahead
from or_audit_logging.evidence.verify import verify
ahead.WORTH_IT = 0
if __name__ == "__main__":
    report = verify({folder!r}, key="env:SECRET", jobs=2)
    print(report.verdict, report.lines)
"""


@pytest.mark.parametrize("way", ["-c", "-", "script"])
def test_programs_of_every_kind_may_use_jobs(tmp_path: Path, way: str) -> None:
    """A script, a command given as text, and one that comes through a pipe."""
    log = busy_log()
    code = CODE.format(folder=str(log.save(tmp_path / "log")))
    script = tmp_path / "script.py"
    script.write_text(code)
    arguments = {"-c": ["-c", code], "-": ["-"], "script": [str(script)]}[way]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=code if way == "-" else "",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "SECRET": SECRET.decode()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"unanchored {log.seq}\n", "")


def test_a_short_log_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers take longer to start than it takes to go through a small log."""
    monkeypatch.undo()
    monkeypatch.setattr(ahead, "start_pool", None)
    log = busy_log()
    log.save(tmp_path)
    assert verify(tmp_path, key=key(), jobs=2).verdict == "unanchored"


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "2", None, True])
def test_jobs_are_a_number(tmp_path: Path, jobs: Any) -> None:
    with pytest.raises(ConfigError):
        verify(tmp_path, key=key(), jobs=jobs)


@pytest.mark.slow
def test_attacks_are_found_the_same_way(tmp_path: Path) -> None:
    """Each of them, with the secret and with public key and anchors."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    from attacks import ATTACKS, SIGNING, Case

    for number, attack in enumerate(ATTACKS):
        place = tmp_path / str(number)
        place.mkdir()
        case = Case(place)
        attack.commit(case)
        same(case.folder, key=case.ring, **case.arguments)
        same(case.folder, public_key=SIGNING.public, anchors=[case.kept], **case.arguments)
