"""SIGKILL, at random, of the shipper, of what it ships to, or of both, while a log is written: no gap.

One process writes the log and forks the two that are killed, so that each is there again at once. The target
keeps each body in a file, with its length in front, before it answers; what is cut was not confirmed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: F401 - before forking, or each child would take its time for it
from samples import SECRET
from stress import SAID, finished, members, sealed_lines, start, wait_for

from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.ship import Shipper
from or_audit_logging.ship import shipper as shipper_module
from or_audit_logging.ship.cursor import cursor_paths, read_cursor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

FEW = 20
"""Items in a batch, so that there are many."""
LONGEST = 0.08
"""Seconds between two kills."""
PATIENCE = 100
"""Seconds after which something hangs."""
HICCUP = 0.004
"""Seconds that the target may take before it keeps a body, and again before it says so."""


def serve(port: int, kept: Path) -> None:
    """Be the target: keep bodies in the file *kept*, and confirm them."""
    file = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the shipper was killed
                self.close_connection = True
                return
            time.sleep(random.uniform(0, HICCUP))
            os.write(file, b"%d\n%b\n" % (length, body))
            time.sleep(random.uniform(0, HICCUP))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    class Server(HTTPServer):
        allow_reuse_port = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who asked was killed."""

    Server(("127.0.0.1", port), Handler).serve_forever(0.01)


def ship(folder: Path, port: int) -> None:
    """Be the shipper: follow the log in small batches, and wait little."""
    opened = shipper_module.open_target

    def open_small(*arguments: Any) -> Any:
        target: Any = opened(*arguments)
        target.limits = dataclasses.replace(target.limits, items=FEW)
        return target

    shipper_module.open_target = open_small  # type: ignore[assignment]
    shipper_module._POLL = shipper_module._LONGEST_WAIT_FOR_MORE = 0.005
    text = f"webhook:http://127.0.0.1:{port}/audit"
    with Shipper(folder, text, patience=None, wait=lambda pause: time.sleep(0.005)) as shipper:
        signal.signal(signal.SIGTERM, lambda number, frame: shipper.stop())
        shipper.follow()


class Process:
    """A forked child that runs *function*, and can be ended and started again."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._pid: int | None = None

    def __enter__(self) -> Process:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._pid is not None:
            self.end(signal.SIGKILL)

    def start(self) -> None:
        self._pid = os.fork()
        if not self._pid:
            status = 1
            signal.alarm(PATIENCE)  # where nobody is left to end it
            try:
                self._function()
                status = 0
            finally:
                if status:
                    traceback.print_exc()
                os._exit(status)

    def end(self, number: int) -> int:
        """Send the signal, and return what `waitpid` says."""
        assert self._pid is not None
        pid, self._pid = self._pid, None
        os.kill(pid, number)
        return os.waitpid(pid, 0)[1]


def next_in(folder: Path) -> Path:
    """Return the file that a target, started now, keeps bodies in."""
    return folder / f"kept-{len(list(folder.glob('kept-*'))):05}"


def kept(folder: Path) -> list[dict[str, Any]]:
    """Return the lines that the target has, in the order in which they came."""
    lines = []
    for path in sorted(folder.glob("kept-*")):
        with path.open("rb") as file:
            while (length := file.readline()).endswith(b"\n"):
                body = file.read(int(length))
                if not file.read(1):
                    break
                lines += json.loads(body)
    return lines


def check(folder: Path) -> int:
    """Say where something is missing before the cursor; return the seq that it stands at."""
    cursors = [read_cursor(path) for path in cursor_paths(folder / "log" / "ship")]
    next_seq = cursors[0].position.next_seq if cursors and cursors[0] is not None else 0
    assert set(range(next_seq)) <= {line["seq"] for line in kept(folder)}
    return next_seq


def scenario(folder: str, kills: int) -> None:
    """Write, and kill what ships and what is shipped to; then let all arrive."""
    place, log = Path(folder), Path(folder) / "log"
    writer = LogWriter(LogLayout.from_filename(log / "audit.jsonl"), KeyRing.from_sources(lambda: SECRET))
    numbers = iter(range(1 << 30))

    def write_for(seconds: float) -> None:
        until = time.monotonic() + seconds
        for number in numbers:
            writer.append(b'{"event_type":"x","v":1,"id":"00000000-0000-4000-8000-%012d"}' % number)
            time.sleep(0.001)
            if time.monotonic() > until:
                break

    write_for(0)
    with ExitStack() as stack:
        reserved = stack.enter_context(socket.socket())  # or somebody else could get the target's port
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        target = stack.enter_context(Process(lambda: serve(port, next_in(place))))
        shipper = stack.enter_context(Process(lambda: ship(log, port)))
        for _ in range(kills):
            write_for(random.uniform(0, LONGEST))
            struck = random.choice(([target], [shipper], [target, shipper], [shipper, target]))
            for process in struck:
                process.end(signal.SIGKILL)
            check(place)
            write_for(random.uniform(0, LONGEST / 2))
            for process in random.sample(struck, len(struck)):
                process.start()
        writer.stop()
        wait_for(lambda: check(place) == len(sealed_lines(log)))
        assert shipper.end(signal.SIGTERM) == 0


def killed(folder: Path, *, kills: int) -> Counter[int]:
    """Run the scenario in a process that may fork; return how often each seq has arrived: all did."""
    finished(start(scenario, folder / SAID, folder, kills), patience=PATIENCE)
    lines, wanted = kept(folder), members(folder / "log")
    came = {line["seq"]: line for line in reversed(lines)}
    assert [came[seq] for seq in sorted(came)] == wanted
    assert list(dict.fromkeys(line["seq"] for line in lines)) == list(range(len(wanted)))
    (path,) = cursor_paths(folder / "log" / "ship")
    cursor = read_cursor(path)
    assert cursor is not None
    assert (cursor.delivered, cursor.dead_letters, cursor.breaks) == (len(wanted), 0, 0)
    return Counter(line["seq"] for line in lines)


def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    """All arrives in order, and the cursor is never ahead of what the target has."""
    killed(tmp_path, kills=6)


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """The same; and what comes twice shows that the kills did strike between keeping and remembering."""
    came = killed(tmp_path, kills=100)
    assert max(came.values()) > 1
