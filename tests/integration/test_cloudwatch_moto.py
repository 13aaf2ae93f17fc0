"""A whole log goes to moto's CloudWatch Logs, a process of its own, and comes back (see README.md here)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="needs the extra integration")
pytest.importorskip("boto3", reason="needs the extra aws")

import boto3
from fake_cloudwatch import environment
from fakes import eventually
from log_builder import DAY, NEXT_DAY, LogBuilder

from or_audit_logging.cli.main import main


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where moto's server listens."""
    said = tmp_path_factory.mktemp("moto") / "stderr"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with said.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as server:
        try:
            address = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")
            eventually(lambda: bool(address.search(said.read_text())) or server.poll() is not None)
            found = address.search(said.read_text())
            assert found is not None, said.read_text()
            yield found[0]
        finally:
            server.terminate()


@pytest.fixture
def logs(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's CloudWatch Logs; the target finds it too."""
    for name, value in environment(moto, tmp_path).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("logs")
    yield client
    client.close()


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """The lines of a log of two segments and 1,200 records, in the folder `log`."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - timedelta(hours=1)
    builder.open(DAY)
    builder.user(600)
    builder.checkpoint()
    builder.open(NEXT_DAY)
    builder.user(600)
    builder.save(tmp_path / "log")
    return b"".join(builder.segments.values()).decode().splitlines()


def messages(logs: Any, group: str, stream: str) -> list[str]:
    """Return what is in *stream*."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        found += [event["message"] for event in page["events"]]
        if token.get("nextToken") == page["nextForwardToken"]:
            return found
        token = {"nextToken": page["nextForwardToken"]}


def test_a_log_goes_there_and_comes_back(logs: Any, lines: list[str], tmp_path: Path) -> None:
    """Byte for byte and in order, into a stream that is made; a second run has nothing to do."""
    group, stream = f"/audit/{uuid.uuid4()}", "host-1"
    logs.create_log_group(logGroupName=group)
    command = ["ship", str(tmp_path / "log"), "--to", f"cloudwatch:{group}:{stream}"]
    assert main(command) == 0
    assert messages(logs, group, stream) == lines
    assert main(command) == 0
    assert len(messages(logs, group, stream)) == len(lines)


def test_a_group_is_made_with_create_alone(
    logs: Any, lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it, the message names it, and nothing was sent."""
    group, stream = f"/audit/{uuid.uuid4()}", "host-1"
    command = ["ship", str(tmp_path / "log"), "--to", f"cloudwatch:{group}:{stream}"]
    assert main(command) == 2
    assert "--create" in capsys.readouterr().err
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    assert main([*command, "--create"]) == 0
    assert [json.loads(message)["seq"] for message in messages(logs, group, stream)] == list(
        range(len(lines))
    )
