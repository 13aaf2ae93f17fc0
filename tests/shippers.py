"""Log shippers as people run them, beside real writers: the example configurations with other paths.

    with SyslogServer() as server, Shipper.from_example("rsyslog", tmp_path, server.port) as shipper:
        shipper.start(); ...; shipper.stop(signal.SIGKILL); shipper.start(); ...

Nothing is started as a service, and nothing outside of the test's folder is read or written.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from samples import REPOSITORY
from stress import SAID, handler, record, say, set_clock, source, start, wait_for

from or_audit_logging.retention import RetentionPolicy, retain

EXAMPLES = REPOSITORY / "examples" / "shipping"
SHIPPERS = ("rsyslog", "syslog-ng")
FIRST_DAY = datetime(2026, 11, 1, 12, tzinfo=UTC)
LONG = 9_000
"""Characters of a message that is cut to the longest line there may be."""


class SyslogServer:
    """Takes octet-counted syslog messages (RFC 6587) on loopback, and keeps them by connection."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._received: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> SyslogServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def messages(self) -> list[bytes]:
        """Return what arrived whole; a message that its sender's end cut short did not arrive."""
        found = []
        for received in list(self._received):
            data, at = bytes(received), 0
            while (space := data.find(b" ", at, at + 8)) > 0:
                end = space + 1 + int(data[at:space])
                if end > len(data):
                    break
                found.append(data[space + 1 : end])
                at = end
        return found

    def lines(self) -> list[bytes]:
        """Return the lines in the messages, without their syslog headers."""
        return [message[message.index(b"{") :].removesuffix(b"\n") for message in self.messages()]

    def wait_for(self, lines: set[bytes]) -> None:
        """Return once all of *lines* have arrived, or nothing has for some seconds."""
        size, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < 8:
            if (now := sum(map(len, self._received))) != size:
                size, quiet_since = now, time.monotonic()
                if lines <= set(self.lines()):
                    return
            time.sleep(0.05)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            received = bytearray()
            self._received.append(received)
            self._threads.append(threading.Thread(target=_read, args=(connection, received), daemon=True))
            self._threads[-1].start()


def _read(connection: socket.socket, received: bytearray) -> None:
    with connection:
        try:
            while data := connection.recv(1 << 16):
                received += data
        except ConnectionError:  # as after a SIGKILL: what was sent before is there
            pass


@dataclass
class Shipper:
    """A program that ships, with a configuration and state of its own."""

    command: list[str]
    output: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @classmethod
    def from_example(cls, name: str, folder: Path, logs: Path, port: int) -> Shipper:
        """Return *name* with its example configuration for *logs*; skip the test where it is missing."""
        program = {"rsyslog": "rsyslogd"}.get(name, name)
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        executable = shutil.which(program, path=path)
        if executable is None:
            pytest.skip(f"needs {program}: see tests/integration/README.md")
        state = folder / f"{name}-state"
        state.mkdir()
        text = changed(
            (EXAMPLES / f"{name}.conf").read_text("utf-8"),
            {"/var/lib/app/audit_logs": str(logs), "logs.example.com": "127.0.0.1", "6514": str(port)}
            | ({"/var/spool/rsyslog": str(state)} if name == "rsyslog" else {}),
        )
        configuration = folder / f"{name}.conf"
        configuration.write_text(text, "utf-8")
        own = {
            "rsyslog": ["-n", "-i", str(state / "pid")],
            "syslog-ng": [
                *("--foreground", "--no-caps", "--persist-file", str(state / "persist")),
                *("--pidfile", str(state / "pid"), "--control", str(state / "control")),
            ],
        }[name]
        return cls([executable, "-f", str(configuration), *own], folder / f"{name}.out")

    def __enter__(self) -> Shipper:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def stop(self, how: int = signal.SIGTERM) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text("utf-8", "replace")
        self.process.send_signal(how)
        self.process.wait(30)


def changed(text: str, replacements: Mapping[str, str]) -> str:
    """Return *text* with each of *replacements*, all of which have to be in it."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def begin_days(
    logs: Path, *, writers: int, day_seconds: float, days: int, pause: float
) -> tuple[list[subprocess.Popen[str]], float]:
    """Return so many processes that write, and when they began: all at once, once each was up.

    For them a day takes *day_seconds*, and after *days* they end. *pause*: seconds between two records.
    """
    said, signal_to_begin = logs.parent / SAID, logs.parent / "begin"
    children = [
        start(_write_days, said, logs, signal_to_begin, f"w{n}", [day_seconds, days, pause])
        for n in range(writers)
    ]
    wait_for(lambda: said.read_text("ascii").count("up") == writers)
    signal_to_begin.touch()
    return children, signal_to_begin.stat().st_mtime


def _write_days(folder: str, begin: str, name: str, calendar: list[float]) -> None:
    day_seconds, days, pause = calendar
    log = handler(folder)
    say("up")
    wait_for(lambda: os.path.exists(begin))
    began = os.stat(begin).st_mtime
    set_clock(lambda: _calendar(time.time() - began, day_seconds))
    number = 0
    while time.time() < began + days * day_seconds:
        log.handle(record(f"{name}-{number}" if number % 200 else f"{name}-{number} {'x' * LONG}"))
        number += 1
        time.sleep(pause)
    log.close()


def _calendar(passed: float, day_seconds: float) -> datetime:
    """Return the time: a day later for each *day_seconds* that *passed*; within a day it goes as ever."""
    return FIRST_DAY + timedelta(days=passed // day_seconds, seconds=passed)


def archive(folder: str, day: int) -> None:
    """Archive what is two days old on the day of that number; be a process of its own."""
    policy = RetentionPolicy(archive_after_days=2, delete_after_days=90, name="test")
    with freeze_time(FIRST_DAY + timedelta(days=day)):
        retain(folder, policy, key=source, actor="test")


def lines_of_log(folder: Path) -> list[bytes]:
    """Return the lines of all segments, plain and archived."""
    lines = []
    for path in sorted(folder.glob("audit_*.jsonl")):
        lines += path.read_bytes().splitlines()
    for path in sorted(folder.glob("archive/audit_*.jsonl.gz")):
        lines += gzip.decompress(path.read_bytes()).splitlines()
    return lines
