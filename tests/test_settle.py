"""`settle` and `or-audit settle` on real logs, against the fake on loopback, in real processes."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import members_of, records_of
from samples import REPOSITORY, SECRET, audit_record

from or_audit_logging import AuditFileHandler, SQLiteAuditHandler, instrument, verify
from or_audit_logging.cli.main import main, parser
from or_audit_logging.errors import (
    ConfigError,
    GenerationError,
    GenerationNotReadyError,
    RateLimitedError,
    UnavailableError,
)
from or_audit_logging.evidence.reading import LogReader
from or_audit_logging.evidence.reconcile import reconcile
from or_audit_logging.evidence.settle import settle
from or_audit_logging.evidence.settled import Settled
from or_audit_logging.evidence.settling import Settling
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.openrouter import Generation, KeyUsage, OpenRouterAPI
from or_audit_logging.record import AuditRecord, utc_timestamp
from or_audit_logging.testing import FakeOpenRouter

KEY = "sk-or-v1-fake"
MESSAGES: Any = [{"role": "user", "content": "Say something long, please."}]


@pytest.fixture
def server() -> Iterator[FakeOpenRouter]:
    with FakeOpenRouter(keys=[KEY], slow_seconds=0.01) as server:
        yield server


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, audit_key: bytes) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


def make_calls(log: Path, server: FakeOpenRouter, *models: str) -> None:
    """Make a call to each of *models*, through an instrumented client; a stream of `slow` is left early."""
    openai = pytest.importorskip("openai")
    handler = AuditFileHandler(log / "audit.jsonl")
    logger = logging.getLogger("openrouter.audit")
    logger.addHandler(handler)
    client = instrument(openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0))
    for model in models:
        try:
            if model in ("fake/slow", "fake/eof", "fake/midstream"):
                with client.chat.completions.create(model=model, messages=MESSAGES, stream=True) as stream:
                    for number, _ in enumerate(stream):
                        if model == "fake/slow" and number == 3:
                            break
            else:
                client.chat.completions.create(model=model, messages=MESSAGES)
        except openai.APIError:
            pass
    client.close()
    logger.removeHandler(handler)
    handler.close()


def write_records(log: Path, *records: AuditRecord) -> None:
    """Write *records* into the log."""
    handler = AuditFileHandler(log / "audit.jsonl")
    for record in records:
        made = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "", (), None)
        made.audit = record
        handler.handle(made)
    handler.close()


def open_call(number: int, at: datetime | None = None, **fields: Any) -> AuditRecord:
    """Return the record of a stream that was cut."""
    when = at or datetime.now(UTC) - timedelta(minutes=5)
    return audit_record(
        generation_id=f"gen-1795277414-fakeFAKEfake{number:08}",
        status="incomplete",
        timestamp=utc_timestamp(when),
        **fields,
    )


def cut_calls(log: Path, server: FakeOpenRouter, count: int, *, at: datetime | None = None) -> None:
    """Make *count* calls and write their records as those of streams that were cut some minutes ago."""
    records = []
    for number in range(count):
        reply = requests.post(
            f"{server.base_url}/chat/completions",
            json={"model": "fake/nousage", "messages": MESSAGES},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        records.append(replace(open_call(number, at), generation_id=reply.json()["id"]))
    write_records(log, *records)


def late_facts(log: Path) -> list[dict[str, Any]]:
    """Return the generation records in the log."""
    return [record for record in records_of(log) if record["event_type"] == "generation"]


def command(log: Path, server: FakeOpenRouter, *options: str) -> list[str]:
    return ["settle", str(log), "--base-url", server.base_url, *options]


def left_to_itself(log: Path, server: FakeOpenRouter, *options: str, **popen: Any) -> subprocess.Popen[str]:
    """Start `or-audit settle` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", *command(log, server, *options)],
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "OR_AUDIT_KEY": SECRET.decode(),
            "OPENROUTER_API_KEY": KEY,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


class Provider:
    """Who is asked in tests of when: knows the cost of every call from *known_after* questions on."""

    def __init__(
        self, known_after: int = 0, failing: Callable[[str], Exception | None] = lambda one: None
    ) -> None:
        self.asked: list[str] = []
        self._known_after = known_after
        self._failing = failing

    def generation(self, generation_id: str) -> Generation:
        self.asked.append(generation_id)
        error = self._failing(generation_id)
        if error is not None:
            raise error
        if self.asked.count(generation_id) <= self._known_after:
            raise GenerationNotReadyError("not there yet", status=404)
        return Generation.from_data({"id": generation_id, "total_cost": Decimal("0.25"), "is_byok": False})

    def key(self) -> KeyUsage:
        return KeyUsage.from_data({})


class Clock:
    """A time that only sleeping moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def settling(log: Path, provider: Any, clock: Clock, **options: Any) -> Settling:
    layout = LogLayout.discover(log)
    assert layout is not None
    writer = LogWriter(layout, KeyRing.from_sources(None))
    return Settling(LogReader(layout), writer, provider, now=clock, sleep=clock.sleep, **options)


def test_every_way_a_call_can_lack_its_cost(log: Path, server: FakeOpenRouter) -> None:
    """Cut, left, failed and silent calls are settled with the provider's figure; no other is asked for."""
    models = ["ok", "byok", "free", "hit", "nousage", "slow", "eof", "midstream", "e429", "e403"]
    make_calls(log, server, *(f"fake/{model}" for model in models))
    before = records_of(log)
    with OpenRouterAPI(base_url=server.base_url) as api:
        result = settling(log, api, Clock(datetime.now(UTC) + timedelta(minutes=1))).run()
    facts = {record["generation_id"]: record for record in late_facts(log)}
    without = {
        record["generation_id"]
        for record in before
        if record["total_cost"] is None and record["status"] != "blocked"
    }
    without -= {record["generation_id"] for record in before if record["error_code"] == 429}
    assert set(facts) == without
    assert len(facts) == 4
    assert result.exit_code == 0
    assert result.settled == 4
    assert result.cost == sum(Decimal(str(record["total_cost"])) for record in facts.values())
    left = next(r for r in before if r["status"] == "incomplete" and r["model_requested"] == "fake/slow")
    assert facts[left["generation_id"]]["status"] == "cancelled"
    assert verify(log).verdict == "unanchored"


def test_settling_twice_changes_nothing(log: Path, server: FakeOpenRouter) -> None:
    """What is settled is not asked for again."""
    cut_calls(log, server, 1)
    for _ in range(2):
        result = settle(log, base_url=server.base_url)
    lines = members_of(log)
    assert (result.asked, result.settled, result.exit_code) == (0, 0, 0)
    assert len(late_facts(log)) == 1
    settle(log, base_url=server.base_url)
    assert members_of(log) == lines


def test_what_is_late_is_asked_for_again(log: Path) -> None:
    """404 three times, then the answer: 5, 10, 20 and 40 seconds after the call."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, open_call(1, at=clock.now))
    provider = Provider(known_after=3)
    result = settling(log, provider, clock).run(wait=timedelta(seconds=60))
    assert clock.slept == [5, 5, 10, 20]
    assert (result.asked, result.settled, result.answers) == (4, 1, {404: 3})


def test_what_stays_late_stays_pending(log: Path) -> None:
    """The run ends, and says when to come back."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, open_call(1, at=clock.now))
    result = settling(log, Provider(known_after=99), clock).run(wait=timedelta(seconds=60))
    assert result.exit_code == 1
    (left,) = result.pending
    assert left.next_ask - left.since == timedelta(seconds=80)
    assert late_facts(log) == []


def test_an_old_call_nobody_knows_is_given_up(log: Path) -> None:
    """It is recorded with the last HTTP status, and never asked for again."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(
        log, open_call(1, at=clock.now - timedelta(days=8)), open_call(2, at=clock.now - timedelta(days=6))
    )
    result = settling(log, Provider(known_after=99), clock, give_up=timedelta(days=7)).run()
    assert (result.unresolved, len(result.pending)) == (1, 1)
    (record,) = late_facts(log)
    assert (record["status"], record["error_code"], record["total_cost"]) == ("unresolved", 404, None)
    provider = Provider()
    assert settling(log, provider, clock).run().settled == 1
    assert provider.asked == [open_call(2).generation_id]


def test_nobody_is_given_up_at_a_wrong_address(log: Path) -> None:
    """Where even the key is not known of, it is not OpenRouter that answers 404."""

    class Elsewhere(Provider):
        def key(self) -> KeyUsage:
            raise GenerationError("OpenRouter answered 404", status=404)

    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, open_call(1, at=clock.now - timedelta(days=8)))
    result = settling(log, Elsewhere(known_after=99), clock).run()
    assert (result.unresolved, len(result.pending), result.exit_code) == (0, 1, 1)
    assert "404" in str(result.problem)


def test_a_disk_that_is_full_loses_no_question(log: Path) -> None:
    """The same process may go on once there is room."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, open_call(1, at=clock.now - timedelta(days=1)))
    settler = settling(log, Provider(), clock)
    assert isinstance(settler._writer, LogWriter)
    append, settler._writer.append = settler._writer.append, full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        settler.run()
    assert len(settler.result().pending) == 1
    settler._writer.append = append  # type: ignore[method-assign]
    assert settler.run().settled == 1


def full(body: bytes) -> int:
    raise OSError("the disk is full")


def test_what_turns_up_at_last(log: Path, server: FakeOpenRouter) -> None:
    """404 twice over real HTTP, then 200."""
    cut_calls(log, server, 1)
    server.fail("/generation", 404, times=2)
    clock = Clock(datetime.now(UTC))
    api = OpenRouterAPI(base_url=server.base_url, rate=1000)
    result = settling(log, api, clock).run(wait=timedelta(hours=1))
    assert (result.asked, result.settled, result.answers) == (3, 1, {404: 2})


def test_nobody_is_given_up_while_openrouter_is_down(log: Path) -> None:
    """An outage says nothing about a call, however old."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, *(open_call(number, at=clock.now - timedelta(days=30)) for number in range(9)))
    provider = Provider(failing=lambda one: UnavailableError("down", status=503))
    result = settling(log, provider, clock).run()
    assert (result.asked, result.unresolved, len(result.pending), result.exit_code) == (3, 0, 9, 1)
    assert result.problem == "down"


def test_one_question_that_fails_for_ever_does_not_stop_the_others(log: Path) -> None:
    """It waits at the end of the queue."""
    clock = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    write_records(log, *(open_call(number, at=clock.now - timedelta(days=1)) for number in range(9)))
    bad = open_call(0).generation_id
    provider = Provider(failing=lambda one: UnavailableError("odd", status=500) if one == bad else None)
    result = settling(log, provider, clock).run()
    assert (result.settled, [one.generation_id for one in result.pending]) == (8, [bad])


def test_the_limit_is_kept(log: Path) -> None:
    """And the rest is pending."""
    clock = Clock(datetime.now(UTC))
    write_records(log, *(open_call(number) for number in range(5)))
    result = settling(log, Provider(), clock, limit=2).run()
    assert (result.asked, len(result.pending), result.exit_code) == (2, 3, 1)


def test_a_wrong_key_stops_with_advice(
    log: Path, server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, after one question."""
    write_records(log, open_call(1), open_call(2))
    monkeypatch.setenv("OTHER_KEY", "sk-or-v1-not-known")
    assert main(command(log, server, "--api-key", "env:OTHER_KEY")) == 2
    said = capsys.readouterr()
    assert "401" in said.err
    assert "sk-or-v1-" in said.err
    assert "sk-or-v1-not-known" not in said.out + said.err
    assert len(server.requests) == 1
    assert "pending     2" in said.out


def test_out_of_credits_stops_with_advice(
    log: Path, server: FakeOpenRouter, capsys: pytest.CaptureFixture[str]
) -> None:
    """402 needs somebody, too."""
    write_records(log, open_call(1), open_call(2))
    server.fail("/generation", 402)
    assert main(command(log, server)) == 2
    assert "credits" in capsys.readouterr().err


def test_too_many_requests_are_waited_out(log: Path, server: FakeOpenRouter) -> None:
    """As long as Retry-After says."""
    cut_calls(log, server, 1)
    server.fail("/generation", 429, headers={"Retry-After": "9"})
    slept: list[float] = []
    api = OpenRouterAPI(base_url=server.base_url, sleep=slept.append)
    result = settle(log, api=api)
    assert result.settled == 1
    assert 9.0 in slept


def test_openrouter_down_across_a_restart(log: Path) -> None:
    """What could not be asked is found again by the next run, from the log alone."""
    with FakeOpenRouter(keys=[KEY]) as server:
        cut_calls(log, server, 2)
        server.fail("/generation", 503, times=2)
        api = OpenRouterAPI(base_url=server.base_url, retries=0)
        first = settle(log, api=api, wait=timedelta(0))
        assert (first.settled, len(first.pending), first.exit_code) == (0, 2, 1)
        assert first.answers == {503: 2}
        second = settle(log, base_url=server.base_url)
    assert (second.settled, second.exit_code) == (2, 0)
    assert {record["generation_id"] for record in late_facts(log)} == {
        one.generation_id for one in first.pending
    }


def test_killed_between_answer_and_record(log: Path, server: FakeOpenRouter, tmp_path: Path) -> None:
    """Nothing was written, so the next run asks again; there is one record in the end."""
    cut_calls(log, server, 1)
    code = """
import os, signal, sys
from or_audit_logging.evidence import settle
from or_audit_logging.log.writer import LogWriter
LogWriter.append = lambda self, body: os.kill(os.getpid(), signal.SIGKILL)
settle.settle(sys.argv[1], base_url=sys.argv[2])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(log), server.base_url],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert late_facts(log) == []
    assert settle(log, base_url=server.base_url).settled == 1
    assert len(late_facts(log)) == 1


def test_killed_after_the_record(log: Path, server: FakeOpenRouter) -> None:
    """It is in the log, so nobody asks again."""
    cut_calls(log, server, 2)
    code = """
import os, signal, sys
from or_audit_logging.evidence import settle
settle.settle(sys.argv[1], base_url=sys.argv[2],
              told=lambda record: os.kill(os.getpid(), signal.SIGKILL))
"""
    subprocess.run(
        [sys.executable, "-c", code, str(log), server.base_url],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
        timeout=60,
    )
    assert len(late_facts(log)) == 1
    assert settle(log, base_url=server.base_url).settled == 1
    assert len({record["generation_id"] for record in late_facts(log)}) == len(late_facts(log)) == 2


@pytest.mark.parametrize("rounds", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_again_and_again_the_bill_agrees(log: Path, rounds: int) -> None:
    """Whatever it was doing: each call is settled once, and the log agrees with what the key has spent."""
    today = datetime.now(UTC) - timedelta(minutes=5)
    with FakeOpenRouter(keys=[KEY], clock=today.timestamp) as server:
        cut_calls(log, server, 40, at=today)
        for round_ in range(rounds):
            server.fail("/generation", (404, 408, 503)[round_ % 3], headers={"Retry-After": "0"})
            with left_to_itself(log, server, "--follow", "--rate", "200") as process:
                assert process.stdout is not None
                for _ in range(round_ + 1):
                    assert process.stdout.readline().startswith("gen-")
                process.kill()
        with OpenRouterAPI(base_url=server.base_url, rate=1000) as api:
            clock = Clock(datetime.now(UTC) + timedelta(days=1))
            result = settling(log, api, clock).run(wait=timedelta(hours=7))
            assert result.exit_code == 0
            facts = [record["generation_id"] for record in late_facts(log)]
            assert len(facts) == len(set(facts)) == 40
            found = reconcile(log, since=today.date(), api=api, today=today.date())
    assert (found.differences, found.here.unpriced) == ((), 0)
    assert found.here.cost == found.there.cost > 0
    assert verify(log).findings == ()


def test_two_at_once_settle_once(log: Path) -> None:
    """The second is turned away while the first is at work; nothing is written twice."""
    with FakeOpenRouter(keys=[KEY]) as server:
        cut_calls(log, server, 6)
        processes = [left_to_itself(log, server, "--rate", "4") for _ in range(2)]
        ended = sorted((process.wait(60), process.communicate()[1]) for process in processes)
    codes = [code for code, _ in ended]
    assert codes in ([0, 2], [0, 0])
    if codes == [0, 2]:
        assert "another process settles" in ended[1][1]
    ids = [record["generation_id"] for record in late_facts(log)]
    assert len(ids) == len(set(ids)) == 6


def test_a_second_one_is_turned_away(log: Path, server: FakeOpenRouter) -> None:
    """In words."""
    write_records(log, open_call(1))

    def nested(record: AuditRecord) -> None:
        with pytest.raises(ConfigError, match="another process settles"):
            settle(log, base_url=server.base_url)

    api: Any = Provider()
    assert settle(log, api=api, told=nested).settled == 1


def test_beside_a_process_that_writes(log: Path, server: FakeOpenRouter) -> None:
    """Both go on, and the chain holds."""
    cut_calls(log, server, 5)
    code = """
import logging, sys
from or_audit_logging import AuditFileHandler
handler = AuditFileHandler(sys.argv[1] + "/audit.jsonl")
print("ready", flush=True)
for number in range(20000):
    handler.handle(logging.LogRecord("openrouter.audit", 20, "", 0, f"record {number}", (), None))
handler.close()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(log)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        result = settle(log, base_url=server.base_url)
    assert writer.returncode == 0
    assert result.settled == 5
    assert len(records_of(log)) == 5 + 5 + 20000
    assert verify(log).findings == ()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_follow_settles_until_it_is_told_to_stop(log: Path, server: FakeOpenRouter, number: int) -> None:
    """It ends cleanly: exit code 0, log.stop and a checkpoint as the last lines."""
    cut_calls(log, server, 1)
    write_records(log, open_call(7))
    process = left_to_itself(log, server, "--follow")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("gen-")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "pending     1" in out
    assert len(late_facts(log)) == 1
    assert [line["event_type"] for line in members_of(log)][-2:] == ["log.stop", "log.checkpoint"]


def test_follow_takes_in_what_is_logged_meanwhile(log: Path) -> None:
    """New calls, and calls settled before."""
    clock = Clock(datetime.now(UTC))
    write_records(log, open_call(1))
    provider = Provider()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 2:
            write_records(log, open_call(2), open_call(1))
        if len(clock.slept) == 6:
            raise KeyboardInterrupt

    follower = settling(log, provider, clock)
    follower._sleep = sleep
    result = follower.follow()
    assert result.settled == 2
    assert len(provider.asked) == 2


def test_follow_waits_as_long_as_it_is_told_to(log: Path) -> None:
    """An hour, where OpenRouter asks for that."""
    clock = Clock(datetime.now(UTC))
    write_records(log, open_call(1))
    errors = iter([RateLimitedError("busy", status=429, retry_after=3600)])
    follower = settling(log, Provider(failing=lambda one: next(errors, None)), clock)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if late_facts(log):
            raise KeyboardInterrupt

    follower._sleep = sleep
    assert follower.follow().settled == 1
    assert clock.slept[0] == 3600


def test_a_dry_run_asks_nobody_and_needs_no_key(
    log: Path, server: FakeOpenRouter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is pending."""
    write_records(log, open_call(1), audit_record(status="timeout"))
    lines = members_of(log)
    for name in ("OPENROUTER_API_KEY", "OR_AUDIT_KEY"):
        monkeypatch.delenv(name)
    assert main(command(log, server, "--dry-run", "--json")) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["pending"], said["unidentified"], said["asked"]) == (1, 1, 0)
    assert said["pending_generations"][0]["generation_id"] == open_call(1).generation_id
    assert server.requests == []
    assert members_of(log) == lines


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--give-up", "soon"], "no age"),
        (["--rate", "0"], "no rate"),
        (["--limit", "0"], "no number"),
        (["--base-url", "http://openrouter.ai"], "https"),
    ],
)
def test_a_mistake_is_a_sentence(
    log: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit code 2."""
    write_records(log, open_call(1))
    assert main(["settle", str(log), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_a_log_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is made in it."""
    assert main(["settle", str(tmp_path)]) == 2
    assert "no audit log" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_many_pending_calls_are_no_burst(log: Path, count: int) -> None:
    """In no second more questions than the rate allows, as the fake counts them on the same clock."""
    clock = Clock(datetime.now(UTC))
    began = clock.now
    arrived: list[float] = []
    write_records(log, *(open_call(number) for number in range(count)))

    def elapsed() -> float:
        return (clock.now - began).total_seconds()

    class Counting(FakeOpenRouter):
        def _answer(self, *request: Any) -> Any:
            arrived.append(elapsed())
            return super()._answer(*request)

    with Counting(keys=[KEY]) as server:
        api = OpenRouterAPI(
            base_url=server.base_url,
            rate=20,
            sleep=clock.sleep,
            clock=elapsed,
        )
        result = settling(log, api, clock).run(wait=timedelta(0))
    assert result.asked == len(arrived) == count
    assert all(sum(1 for one in arrived[i : i + 25] if one < arrived[i] + 0.999) <= 20 for i in range(count))
    assert arrived[-1] >= (count - 1) / 20 - 0.001


def test_personal_data_in_an_answer_is_redacted(log: Path) -> None:
    """The provider's words go through the redactor, too."""
    write_records(log, open_call(1))

    class Talking(Provider):
        def generation(self, generation_id: str) -> Generation:
            return Generation.from_data(
                {"id": generation_id, "total_cost": 1, "is_byok": False, "model": "ann@example.com/tuned"}
            )

    api: Any = Talking()
    settle(log, api=api)
    assert "ann@example.com" not in (next(log.glob("*.jsonl"))).read_text()


def test_what_cannot_be_read_is_said(log: Path, server: FakeOpenRouter) -> None:
    """The rest is settled all the same."""
    write_records(log, open_call(1))
    (log / "archive").mkdir()
    (log / "archive" / "audit_2026-01-01.jsonl.gz").write_bytes(b"no archive")
    api: Any = Provider()
    result = settle(log, api=api)
    assert (result.settled, result.exit_code) == (1, 1)
    assert list(result.unreadable) == ["audit_2026-01-01.jsonl"]


def test_torn_and_foreign_lines_are_passed_over(log: Path) -> None:
    """Whatever stands between the records."""
    write_records(log, open_call(1))
    segment = next(log.glob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(
            b'{"total_cost":null,"event_type":[]}\n\xff\x00"total_cost":null\n{"event_type":"generation"'
        )
    result = settle(log, dry_run=True)
    assert isinstance(result, Settled)
    assert len(result.pending) == 1


def test_the_page_s_example_runs(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/cost.md, on a log where nothing is pending."""
    write_records(log, audit_record(total_cost=Decimal("0.5")))
    monkeypatch.chdir(log.parent)
    page = (REPOSITORY / "docs" / "cost.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "cost.md", "exec"), {})
    assert capsys.readouterr().out == "0 0 0 {}\n"


def test_the_page_lists_every_option() -> None:
    """Of both commands."""
    page = (REPOSITORY / "docs" / "cost.md").read_text("utf-8")
    for name in ("settle", "reconcile"):
        usage = page.split(f"or-audit {name} DIR")[1].split("```")[0]
        command_ = next(a for a in parser()._actions if a.choices).choices[name]  # type: ignore[index, call-overload]
        options = {o for action in command_._actions for o in action.option_strings if o.startswith("--")}
        assert options - {"--help", "--base-url"} == set(re.findall(r"--[a-z-]+", usage)) - {"--base-url"}


# Stores.


def test_a_store_is_settled_as_a_folder_is(tmp_path: Path, server: FakeOpenRouter) -> None:
    """Its own log gets the late facts, and its view the costs; a second run finds nothing to ask."""
    path = tmp_path / "audit.db"
    handler = SQLiteAuditHandler(path)
    for number in range(3):
        reply = requests.post(
            f"{server.base_url}/chat/completions",
            json={"model": "fake/nousage", "messages": MESSAGES},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        made = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "", (), None)
        made.audit = replace(open_call(number), generation_id=reply.json()["id"])
        handler.handle(made)
    assert len(settle(path, dry_run=True).pending) == 3
    assert settle(path, base_url=server.base_url).settled == 3
    assert settle(path, base_url=server.base_url).asked == 0
    handler.close()
    assert verify(path).findings == ()
    with closing(sqlite3.connect(path)) as database:
        costs = database.execute("SELECT count(*), count(total_cost_pico) FROM audit_log").fetchone()
    assert costs == (3, 3)


def test_a_copy_is_not_settled(tmp_path: Path, log: Path, server: FakeOpenRouter) -> None:
    """What it is a copy of is."""
    cut_calls(log, server, 1)
    assert main(["import", str(log), str(tmp_path / "copy.db")]) == 0
    with pytest.raises(ConfigError, match="copy of a log"):
        settle(tmp_path / "copy.db", base_url=server.base_url)
    assert settle(log, base_url=server.base_url).settled == 1
