"""Processes that write one log at once, and what must be true of it afterwards.

    child = start(write_many, said, folder, "a", 100)    # a function of the test module, in its own process
    finished(child)                                      # it ended by itself, with 0
    assert_whole(folder, acknowledged(said))             # every record once, no torn byte, the chain intact

A child says what was written by `say`, which appends to a file: what was said survives a kill.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, cast

from samples import REPOSITORY, SECRET

import or_audit_logging
from or_audit_logging import AuditFileHandler
from or_audit_logging.errors import FormatError
from or_audit_logging.log import author, shared_writer, writer
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.line import SealedLine, parse_line

if TYPE_CHECKING:
    from or_audit_logging.evidence.report import VerificationReport

PATIENCE = 40
"""Seconds after which a child that has not ended hangs."""
SAID = "said.txt"


def source() -> bytes:
    return SECRET


def handler(folder: Path | str, **options: Any) -> AuditFileHandler:
    """Return a handler on the log in *folder* that waits long for its turn on a busy machine."""
    options = {"lock_timeout": 60, "key": source} | options
    return AuditFileHandler(Path(folder) / "audit.jsonl", **options)


def record(name: str) -> logging.LogRecord:
    """Return a record whose message is *name*: by that it is found again."""
    return logging.LogRecord("openrouter.audit", logging.INFO, __file__, 1, name, (), None)


def say(name: str) -> None:
    """Say that the record *name* was written; in one call, so that nothing is said by halves."""
    os.write(1, f"{name}\n".encode())


def write(log: AuditFileHandler, name: str) -> None:
    """Write a record and say so."""
    log.handle(record(name))
    say(name)


def start(
    function: Callable[..., object], said: Path, *arguments: object, **pipes: Any
) -> subprocess.Popen[str]:
    """Run *function* of a test module in a process of its own, which says what it wrote in *said*.

    Where it hangs, `finished` ends it with a traceback of all its threads.
    """
    module = Path(sys.modules[function.__module__].__file__ or "").stem
    line = [str(a) if isinstance(a, Path) else a for a in arguments]
    program = f"import stress; stress.run({module!r}, {function.__name__!r}, {json.dumps(line)!r})"
    paths = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep), str(REPOSITORY)]
    with open(said, "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=said.parent,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            text=True,
            **({"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.PIPE} | pipes),
        )


class _Absent(ModuleType):
    """Stands for pytest, and for all that a test module takes from it, where no test is run."""

    def __getattr__(self, name: str) -> _Absent:
        return _Absent(name)

    def __call__(self, *_: object, **__: object) -> _Absent:
        return self


def run(module: str, name: str, arguments: str) -> None:
    """Be the child: run the function; SIGABRT makes it say where it hangs."""
    faulthandler.enable()
    sys.modules["pytest"] = _Absent("pytest")  # a child runs no test, and pytest would take half of its time
    getattr(importlib.import_module(module), name)(*json.loads(arguments))


def finished(*children: subprocess.Popen[str], patience: float = PATIENCE) -> str:
    """Wait until all have ended by themselves; return what they wrote on stderr."""
    errors = []
    for child in children:
        try:
            errors.append(child.communicate(timeout=patience)[1] or "")
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGABRT)
            raise AssertionError(f"it hangs: {child.communicate()[1]}") from None
        assert child.returncode == 0, errors[-1]
    return "".join(errors)


def set_clock(now: Callable[[], datetime]) -> None:
    """Let *now* say what time it is to the logs of this process, until it ends."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return now()

    for module in (author, shared_writer, writer):
        module.datetime = Clock  # type: ignore[misc]


def acknowledged(said: Path) -> list[str]:
    """Return what children said they wrote."""
    return said.read_text("ascii").split()


def raw_lines(folder: Path) -> list[tuple[str, bytes]]:
    """Return (file, bytes up to the next newline) of all segments, in the order of their first seq."""
    layout = LogLayout.discover(folder)
    assert layout is not None
    ordered = [segment for _, segment in layout.segments()]
    return [(s.name, raw) for s in ordered for raw in s.path.read_bytes().splitlines(keepends=True)]


def sealed_lines(folder: Path) -> list[tuple[str, SealedLine]]:
    """Return (file, line) of all that is a line."""
    found = []
    for name, raw in raw_lines(folder):
        try:
            found.append((name, parse_line(raw.removesuffix(b"\n"))))
        except FormatError:
            continue
    return found


def members(folder: Path) -> list[dict[str, Any]]:
    """Return all lines, parsed, in the order of the log."""
    return [cast("dict[str, Any]", json.loads(line.raw)) for _, line in sealed_lines(folder)]


def names(folder: Path) -> list[str]:
    """Return the names of all records, in the order of the log; what was longer is cut at the first space."""
    return [m["message"].split(" ")[0] for m in members(folder) if not m["event_type"].startswith("log.")]


def controls(folder: Path, event_type: str) -> list[dict[str, Any]]:
    """Return the log's own lines of one type."""
    return [m for m in members(folder) if m["event_type"] == f"log.{event_type}"]


def losses(folder: Path) -> list[tuple[str, int]]:
    """Return (reason, count) of each log.lost."""
    return [(m["reason"], m["count"]) for m in controls(folder, "lost")]


def torn(folder: Path) -> int:
    """Return how many pieces between newlines are no line."""
    return len(raw_lines(folder)) - len(sealed_lines(folder))


def assert_once(folder: Path, expected: Iterable[str]) -> None:
    """Every one of *expected* is in the log, once, and nothing else."""
    found, wanted = Counter(names(folder)), Counter(list(expected))
    assert max(wanted.values(), default=1) == 1
    missing, extra = wanted - found, found - wanted
    assert (list(missing)[:10], len(missing), list(extra)[:10], len(extra)) == ([], 0, [], 0)


def verify(log: Path, **arguments: Any) -> VerificationReport:
    """Verify the *log*. That is imported only here: children write, and start sooner without it."""
    return or_audit_logging.verify(log, **arguments)


def assert_honest(folder: Path, *, lost: int = 0) -> VerificationReport:
    """Verification finds nothing, with the secret alone and with the last checkpoint as an anchor."""
    report = verify(folder, key=source)
    assert [f.message for f in report.findings] == []
    assert (report.verdict, report.records_lost) == ("unanchored", lost)
    numbers = [line.seq for _, line in sealed_lines(folder)]
    assert numbers == list(range(len(numbers)))
    anchors = [
        line.raw for _, line in sealed_lines(folder) if line.raw.startswith(b'{"event_type":"log.checkpoint"')
    ]
    kept = folder.parent / f"{folder.name}.anchor"
    kept.write_bytes(anchors[-1] + b"\n")
    anchored = verify(folder, key=source, anchors=[kept])
    assert (anchored.verdict, anchored.findings) == ("verified", ())
    return report


def assert_whole(folder: Path, expected: Iterable[str]) -> VerificationReport:
    """Nothing lost, nothing torn, nothing found."""
    assert_once(folder, expected)
    assert torn(folder) == 0
    assert losses(folder) == []
    return assert_honest(folder)


def wait_for(condition: Callable[[], object], *, patience: float = 30) -> None:
    """Return once *condition* holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.002)


class Puppet:
    """A process with a handler of its own that does what it is told, one thing at a time.

    Of a *troupe* it takes a process that is idle, if there is one, and gives it back where nothing in it has
    changed for good.
    """

    def __init__(
        self, folder: Path, *, troupe: list[subprocess.Popen[str]] | None = None, **options: Any
    ) -> None:
        self._troupe = troupe
        self._child = (
            troupe.pop()
            if troupe
            else start(dance, folder.parent / SAID, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        self._stopped = False
        assert self.do("open", str(folder), options) is None

    def __enter__(self) -> Puppet:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._stopped:
            if self._child.poll() is None:
                self._child.kill()
            self._child.communicate()

    @property
    def pid(self) -> int:
        return self._child.pid

    def do(self, act: str, *arguments: object) -> Any:
        """Let the process do *act* and return what came of it: a value, or the name of an error."""
        self.begin(act, *arguments)
        return self.end()

    def begin(self, act: str, *arguments: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps([act, *arguments]) + "\n")
        self._child.stdin.flush()

    def end(self) -> Any:
        answer = cast("IO[str]", self._child.stdout).readline()
        assert answer, self._child.communicate()[1]
        return json.loads(answer)

    def write(self, *wanted: str) -> None:
        """Write records, each of which succeeds."""
        for name in wanted:
            assert self.do("write", name) is None

    def stop(self) -> str:
        """Let the process close its handler and go back, or end as processes do; return its stderr."""
        assert self.do("close") is None
        self._stopped = True
        if self._troupe is None:
            return finished(self._child)
        assert self._child.stderr is not None
        os.set_blocking(self._child.stderr.fileno(), False)
        error = b""
        with suppress(BlockingIOError):
            while read := os.read(self._child.stderr.fileno(), 1 << 16):
                error += read
        self._troupe.append(self._child)
        return error.decode()

    def keep(self) -> None:
        """Do not give the process back."""
        self._troupe = None


class Acts:
    """What a puppet can do."""

    log: AuditFileHandler

    def open(self, folder: str, options: dict[str, Any]) -> None:
        """Begin on the log in *folder*, with the system's clock."""
        set_clock(lambda: datetime.now(UTC))
        self.log = handler(folder, **options)

    def write(self, name: str) -> None:
        failed = self.log.stats()["failed"]
        self.log.handle(record(name))
        if self.log.stats()["failed"] != failed:
            raise OSError("reported")

    def probe(self) -> None:
        self.log.probe()

    def close(self) -> None:
        self.log.close()

    def stats(self) -> dict[str, int]:
        return self.log.stats()

    def clock(self, moment: str) -> None:
        """Set the clock of this process's logs, and let it stand."""
        set_clock(lambda: datetime.fromisoformat(moment))

    def drop_rights(self) -> None:
        """Be bound by modes as anybody is, also as root: without the capabilities that pass them over."""
        import ctypes

        if os.geteuid() == 0:
            libc = ctypes.CDLL(None, use_errno=True)
            header = (ctypes.c_uint32 * 2)(0x20080522, 0)
            rights = (ctypes.c_uint32 * 6)()
            if libc.capget(header, rights) != 0:
                raise OSError(ctypes.get_errno(), "capget")
            rights[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.capset(header, rights) != 0:
                raise OSError(ctypes.get_errno(), "capset")

    def freeze_in_write(self, name: str) -> None:
        """Stop as if frozen, in the middle of writing a record, with the lock held."""
        really = os.write

        def frozen(descriptor: int, data: bytes) -> int:
            os.write = really
            os.kill(os.getpid(), signal.SIGSTOP)
            return really(descriptor, data)

        os.write = frozen  # type: ignore[assignment]
        self.write(name)


def dance() -> None:
    """Do what comes on stdin, until nothing comes any more."""
    acts = Acts()
    for line in sys.stdin:
        act, *arguments = json.loads(line)
        try:
            answer = getattr(acts, act)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test that pulls the strings is told
            answer = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
