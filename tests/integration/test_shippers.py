"""rsyslog and syslog-ng with the configurations of examples/shipping/, while processes of ours write."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from samples import SECRET
from shippers import SHIPPERS, Shipper, SyslogServer, archive, begin_days, lines_of_log
from stress import SAID, finished, start

from or_audit_logging.cli.main import main

EVERY_SHIPPER = pytest.mark.parametrize("name", SHIPPERS)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "audit_logs"
    folder.mkdir(mode=0o700)
    return folder


def arrived(server: SyslogServer, logs: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """Return how many lines arrived and how many of them came again: none is lost, and all verify."""
    lines = lines_of_log(logs)
    found = Counter(server.lines())
    missing = [line[:60] for line in lines if line not in found]
    assert (missing[:3], len(missing)) == ([], 0)
    assert found.keys() - set(lines) == set()
    assert 7_900 < max(map(len, lines)) < 8_000

    export = logs.parent / "arrived.txt"
    export.write_bytes(b"\n".join(server.messages()) + b"\n")
    key = logs.parent / "audit.key"
    key.write_bytes(SECRET)
    key.chmod(0o600)
    anchor = logs.parent / "anchor"
    anchor.write_bytes([line for line in lines if line.startswith(b'{"event_type":"log.checkpoint"')][-1])
    capsys.readouterr()
    status = main(["verify", str(export), "--key", f"file:{key}", "--anchor", str(anchor), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (status, report["verdict"], report["findings"]) == (0, "verified", [])
    again = found.total() - len(found)
    print(f"{len(lines)} lines in {len(list(logs.rglob('audit_*')))} files arrived, {again} of them again")
    return len(found), again


@EVERY_SHIPPER
def test_lines_arrive_as_they_were_sealed(
    name: str, tmp_path: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two days of a log, one of them begun while the shipper runs, and not one line twice."""
    with SyslogServer() as server, Shipper.from_example(name, tmp_path, logs, server.port) as shipper:
        shipper.start()
        finished(*begin_days(logs, writers=1, day_seconds=0.3, days=2, pause=0.004)[0])
        server.wait_for(set(lines_of_log(logs)))
        shipper.stop()
    count, again = arrived(server, logs, capsys)
    assert count > 20
    assert again == 0
    assert len(list(logs.glob("audit_*.jsonl"))) > 1


@pytest.mark.slow
@EVERY_SHIPPER
@pytest.mark.parametrize("how", [None, signal.SIGTERM, signal.SIGKILL], ids=["running", "SIGTERM", "SIGKILL"])
def test_nothing_is_lost_while_a_log_rotates(
    name: str, how: signal.Signals | None, tmp_path: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight days in as many seconds, three writers, segments archived meanwhile, the shipper stopped twice.

    What was sent and not yet noted as sent comes again after a SIGKILL, and only then.
    """
    with SyslogServer() as server, Shipper.from_example(name, tmp_path, logs, server.port) as shipper:
        shipper.start()
        writers, began = begin_days(logs, writers=3, day_seconds=1.0, days=8, pause=0.0)
        for moment in (2.5, 5.5):
            time.sleep(max(0.0, began + moment - time.time()))
            if how is not None:
                shipper.stop(how)
                time.sleep(0.3)  # it is away for a while
                shipper.start()
        finished(start(archive, tmp_path / SAID, logs, 5))
        finished(*writers)
        server.wait_for(set(lines_of_log(logs)))
        shipper.stop()
    count, again = arrived(server, logs, capsys)
    assert count > 1_000
    assert how is signal.SIGKILL or again == 0
    assert list(logs.glob("archive/*.gz"))


@pytest.mark.slow
@EVERY_SHIPPER
def test_a_server_that_is_away_costs_time(
    name: str, tmp_path: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files wait: what was written while nobody listened arrives when somebody does, each line once."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with Shipper.from_example(name, tmp_path, logs, port) as shipper:
        shipper.start()
        finished(*begin_days(logs, writers=1, day_seconds=0.5, days=3, pause=0.001)[0])
        with SyslogServer(port) as server:
            server.wait_for(set(lines_of_log(logs)))
            shipper.stop()
    _, again = arrived(server, logs, capsys)
    assert again == 0
