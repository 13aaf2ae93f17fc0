"""However the process ends, every call that had finished is in the log, and the chain holds."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import members_of, records_of, run_python
from samples import ANSWER, SECRET, audit_record
from test_file_handler import log_record

from or_audit_logging import AuditFileHandler, verify
from or_audit_logging.testing import FakeOpenRouter

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and fork are POSIX")

PREAMBLE = """
import logging, multiprocessing, os, signal, sys
from or_audit_logging import audited, configure

{connect}

create = connect()

@audited
def ask(number, *, user_id, model="openai/gpt-4o-mini"):
    messages = [{"role": "user", "content": f"number {number}"}]
    return create(model=model, messages=messages)

def work(name, count):
    for number in range(count):
        ask(number, user_id=f"{name}-{number}")
        sys.stdout.write(f"{name}-{number}\\n")
        sys.stdout.flush()

def child(name, count):
    global create
    create = connect()
    work(name, count)

def configured_child(name, count):
    configure("audit_logs")
    child(name, count)

if __name__ == "__main__":
    configure("audit_logs")
"""

CLIENTS = {
    "a function": f"def connect():\n    return lambda **asked: {ANSWER}",
    "the openai SDK": (
        "import openai\n"
        "def connect():\n"
        "    url = os.environ['BASE_URL']\n"
        "    client = openai.OpenAI(base_url=url, api_key='sk-or-v1-fake', max_retries=0)\n"
        "    return client.chat.completions.create"
    ),
}

ENDINGS = {
    "normal exit": "work('a', 8)",
    "os._exit": "work('a', 8); os._exit(3)",
    "SIGTERM": "work('a', 8); os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
    "SIGKILL": "work('a', 8); os.kill(os.getpid(), signal.SIGKILL)",
    "uncaught exception": "work('a', 8); raise RuntimeError",
    "sys.exit in a thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool: list(pool.map(lambda n: work(n, 4), 'abcd'))\n"
        "sys.exit(1)"
    ),
    "forked children": (
        "context = multiprocessing.get_context('fork'); work('a', 3)\n"
        "workers = [context.Process(target=child, args=(name, 4)) for name in 'bc']\n"
        "[w.start() for w in workers]; [w.join() for w in workers]; work('d', 3)"
    ),
    "spawned children that configure themselves": (
        "context = multiprocessing.get_context('spawn')\n"
        "workers = [context.Process(target=configured_child, args=(name, 4)) for name in 'bc']\n"
        "[w.start() for w in workers]; [w.join() for w in workers]; work('d', 3)"
    ),
    "a prefork server whose workers are killed": (
        "work('a', 1); pids = []\n"
        "for name in 'bcd':\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        child(name, 5); os.kill(os.getpid(), signal.SIGKILL)\n"
        "    pids.append(pid)\n"
        "[os.waitpid(pid, 0) for pid in pids]; work('e', 2)"
    ),
}


@pytest.fixture(params=["a function", pytest.param("the openai SDK", marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """Return a function that runs a program to such an ending, and returns the calls that it had finished."""
    if request.param == "the openai SDK":
        pytest.importorskip("openai")
    program = PREAMBLE.replace("{connect}", CLIENTS[request.param])

    def run_to_its_end(ending: str) -> list[str]:
        (tmp_path / "program.py").write_text(program + textwrap.indent(ENDINGS[ending], "    ") + "\n")
        environment = os.environ | {"BASE_URL": server.base_url, "OR_AUDIT_KEY": SECRET.decode()}
        done = run_python("program.py", cwd=tmp_path, environment=environment)
        assert "Traceback" not in done.stderr or "RuntimeError" in done.stderr, done.stderr
        return done.stdout.split()

    with FakeOpenRouter() as server:
        yield run_to_its_end


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_finished_call_is_in_the_log(tmp_path: Path, run: Any, ending: str) -> None:
    """Each once, none torn, verification without a finding; and a later process goes on."""
    finished = run(ending)
    assert len(finished) >= 8
    assert sorted(r["user_id"] for r in records_of(tmp_path / "audit_logs")) == sorted(finished)
    assert verify(tmp_path / "audit_logs", key=lambda: SECRET).findings == ()
    later = AuditFileHandler(tmp_path / "audit_logs" / "audit.jsonl", key=lambda: SECRET)
    later.handle(log_record(audit_record()))
    later.close()
    assert len(records_of(tmp_path / "audit_logs")) == len(finished) + 1
    report = verify(tmp_path / "audit_logs", key=lambda: SECRET)
    assert (report.findings, report.verdict) == ((), "unanchored")


def test_a_process_that_ends_by_itself_says_so(tmp_path: Path, run: Any) -> None:
    """log.start and log.stop bear the same pid; a killed one leaves its start alone, which is a note."""
    run("normal exit")
    run("SIGKILL")
    members = members_of(tmp_path / "audit_logs")
    starts = [m["pid"] for m in members if m["event_type"] == "log.start"]
    stops = [m["pid"] for m in members if m["event_type"] == "log.stop"]
    assert len(starts) == 2
    assert stops == starts[:1]
    assert verify(tmp_path / "audit_logs", key=lambda: SECRET).unstopped == 1
