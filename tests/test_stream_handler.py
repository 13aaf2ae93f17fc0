"""`AuditStreamHandler`: sealed lines on a stream, one log for each process."""

from __future__ import annotations

import errno
import io
import itertools
import json
import logging
import os
import random
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import run_python
from samples import SECRET
from sinks import bare_root

from or_audit_logging import AuditStreamHandler
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.log import stream_writer
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.line import parse_line

posix_only = pytest.mark.skipif(os.name != "posix", reason="pipes and forks of POSIX")
ENVIRONMENT = os.environ | {"OR_AUDIT_KEY": SECRET.decode()}


def secret() -> bytes:
    return SECRET


@pytest.fixture
def out(tmp_path: Path) -> Iterator[io.TextIOWrapper]:
    with open(tmp_path / "out", "w+", encoding="utf-8") as file:
        yield file


def record(message: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", logging.INFO, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


def text_of(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read())


def logs_in(text: str) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of each log in *text*, every one checked against the one before."""
    logs: dict[str, list[bytes]] = {}
    for raw in text.encode().splitlines():
        if raw.startswith(b"{") and raw.endswith(b"}"):
            logs.setdefault(parse_line(raw).log, []).append(raw)
    found = {}
    for log, lines in logs.items():
        members = [json.loads(line) for line in lines]
        log_id = bytes.fromhex(members[0]["log_id"])
        keys, prev = LogKeys(SECRET, log_id=log_id), genesis_prev(members[0]["origin"], log_id)
        for seq, raw in enumerate(lines):
            line = parse_line(raw)
            assert line.seq == seq
            assert keys.check(prev, line.sealed_part, line.mac)
            prev = leaf_hash(raw)
        found[log] = members
    return found


def events(members: list[dict[str, Any]]) -> list[str]:
    return [each["event_type"].removeprefix("log.") for each in members]


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_log_on_a_stream(out: io.TextIOWrapper, *, in_memory: bool) -> None:
    """It begins with the first record, and ends with a stop and a checkpoint."""
    stream = io.StringIO() if in_memory else out
    handler = AuditStreamHandler(stream, key=secret, checkpoint_every=6)
    assert text_of(stream) == ""
    for number in range(4):
        handler.handle(record(f"mail {number} to ann@example.com"))
    handler.close()
    handler.close()
    ((_, members),) = logs_in(text_of(stream)).items()
    assert events(members) == [
        "genesis",
        "checkpoint",
        "start",
        "log",
        "log",
        "log",
        "checkpoint",
        "log",
        "stop",
        "checkpoint",
    ]
    assert (members[0]["segment"], len(members[0]["day"])) == (None, 10)
    assert members[3]["message"] == "mail 0 to [EMAIL]"
    assert [each["size"] for each in members if "size" in each] == [1, 6, 9]
    assert handler.stats()["written"] == 4


def test_a_record_after_close_begins_another_log(out: io.TextIOWrapper) -> None:
    """As emit after close reopens a file."""
    handler = AuditStreamHandler(out, key=secret)
    for _ in range(2):
        handler.handle(record("hello"))
        handler.close()
    assert len(logs_in(text_of(out))) == 2


def test_a_line_fits_a_pipe(out: io.TextIOWrapper) -> None:
    """At most 4,096 bytes, newline included, whatever the record holds."""
    handler = AuditStreamHandler(out, key=secret)
    handler.handle(record("x" * 100_000))
    handler.close()
    lines = text_of(out).splitlines()
    assert max(len(line) + 1 for line in lines) <= 4096
    assert '"truncated":true' in lines[3]


def test_text_that_the_program_printed_before_comes_before(out: io.TextIOWrapper) -> None:
    """What the stream still held back is not cut in two by a line."""
    handler = AuditStreamHandler(out, key=secret)
    out.write("printed, not flushed\n")
    handler.handle(record("hello"))
    handler.close()
    text = text_of(out)
    assert text.startswith("printed, not flushed\n{")
    assert len(logs_in(text)) == 1


def test_checkpoints_are_handed_out(out: io.TextIOWrapper, caplog: pytest.LogCaptureFixture) -> None:
    """To the same logger as those of a log in files."""
    handler = AuditStreamHandler(out, key=secret)
    with caplog.at_level(logging.INFO, CHECKPOINT_LOGGER):
        handler.handle(record("hello"))
        handler.finish()
    handed = [each.getMessage() for each in caplog.records if each.name == CHECKPOINT_LOGGER]
    assert [json.loads(line)["size"] for line in handed] == [1, 5]
    assert all(line in text_of(out) for line in handed)


def test_another_stream(out: io.TextIOWrapper) -> None:
    """`setStream` of the standard library's handler goes on there."""
    handler = AuditStreamHandler(io.StringIO(), key=secret)
    handler.setStream(out)
    handler.handle(record("hello"))
    handler.close()
    assert len(logs_in(text_of(out))) == 1


@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_a_stream_that_is_closed(
    on_failure: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A loss is counted, and said or raised."""
    stream = io.StringIO()
    handler = AuditStreamHandler(stream, key=secret, on_failure=on_failure)
    handler.handle(record("hello"))
    stream.close()
    if on_failure == "raise":
        with pytest.raises(AuditWriteError, match="closed"):
            handler.handle(record("private words"))
        with pytest.raises(AuditWriteError, match="closed"):
            handler.probe()
    else:
        handler.handle(record("private words"))
    assert (handler.stats()["failed"], handler.stats()["lost"]) == (1, 1)
    handler.close()
    assert "private words" not in capsys.readouterr().err + caplog.text


def test_a_line_that_was_cut_is_ended_before_the_next(
    out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one stands by itself, and says how many were lost."""
    handler = AuditStreamHandler(out, key=secret)
    handler.handle(record("first"))
    write = os.write

    def cut(descriptor: int, data: bytes) -> int:
        if not data.startswith(b"{"):
            raise OSError(errno.EIO, "Input/output error")
        return write(descriptor, data[:40])

    monkeypatch.setattr(stream_writer.os, "write", cut)
    handler.handle(record("second"))
    monkeypatch.setattr(stream_writer.os, "write", write)
    handler.handle(record("third"))
    handler.close()
    text = text_of(out)
    whole = "\n".join(line for line in text.splitlines() if line.endswith("}"))
    ((_, members),) = logs_in(whole).items()
    assert [each["message"] for each in members if "message" in each] == ["first", "third"]
    assert [each["count"] for each in members if each["event_type"] == "log.lost"] == [1]


@pytest.mark.parametrize("portion", [1, 40, 10_000])
def test_a_stream_that_takes_a_little_at_a_time(
    out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """After a signal, or where it does not wait: the rest is written, and nothing is lost."""
    handler = AuditStreamHandler(out, key=secret)
    write, turns = os.write, itertools.count()

    def slow(descriptor: int, data: bytes) -> int:
        if next(turns) % 3 == 0:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return write(descriptor, data[:portion])

    monkeypatch.setattr(stream_writer.os, "write", slow)
    monkeypatch.setattr(stream_writer.select, "select", lambda r, w, x, timeout: ([], w, []))
    for number in range(3):
        handler.handle(record(f"number {number}"))
    monkeypatch.undo()
    handler.close()
    ((_, members),) = logs_in(text_of(out)).items()
    assert [each["message"] for each in members if "message" in each] == [f"number {n}" for n in range(3)]
    assert handler.stats()["failed"] == 0


def test_a_line_that_lacks_only_its_newline_is_written(
    out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second line gets its number."""
    handler = AuditStreamHandler(out, key=secret)
    handler.handle(record("first"))
    write = os.write

    def all_but_the_end(descriptor: int, data: bytes) -> int:
        if data == b"\n":
            raise OSError(errno.EIO, "Input/output error")
        return write(descriptor, data[:-1])

    monkeypatch.setattr(stream_writer.os, "write", all_but_the_end)
    handler.handle(record("second"))
    monkeypatch.setattr(stream_writer.os, "write", write)
    handler.handle(record("third"))
    handler.close()
    ((_, members),) = logs_in(text_of(out)).items()
    assert [each["message"] for each in members if "message" in each] == ["first", "second", "third"]


def test_a_failure_at_the_beginning_leaves_nothing_out(
    out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """log.start comes with the first record that can be written."""
    handler = AuditStreamHandler(out, key=secret)
    write, turns = os.write, itertools.count()

    def failing(descriptor: int, data: bytes) -> int:
        if next(turns) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return write(descriptor, data)

    monkeypatch.setattr(stream_writer.os, "write", failing)
    handler.handle(record("first"))
    handler.handle(record("second"))
    handler.close()
    ((_, members),) = logs_in(text_of(out)).items()
    assert {"start", "lost", "log", "stop"} <= set(events(members))


def test_an_error_of_a_strange_stream_is_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text may hold what was to be written."""

    class Strange(io.StringIO):
        def write(self, text: str) -> int:
            raise RuntimeError(f"cannot write {text}")

    with bare_root():
        handler = AuditStreamHandler(Strange(), key=secret)
        handler.handle(record("private words"))
    complaint = capsys.readouterr().err
    assert "RuntimeError" in complaint
    assert "private words" not in complaint
    assert "log_id" not in complaint


def test_an_interrupt_during_a_write_begins_another_log(
    out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the line is out nobody knows, and no two lines may have one number."""
    handler = AuditStreamHandler(out, key=secret)
    handler.handle(record("first"))
    write = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        write(descriptor, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(stream_writer.os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        handler.handle(record("second"))
    monkeypatch.setattr(stream_writer.os, "write", write)
    handler.handle(record("third"))
    handler.close()
    first, second = logs_in(text_of(out)).values()
    assert [each["message"] for each in (*first, *second) if "message" in each] == [
        "first",
        "second",
        "third",
    ]


PROGRAM = textwrap.dedent(
    """
    import logging, logging.config, os, sys
    logging.config.dictConfig({
        "version": 1,
        "handlers": {"audit": {"class": "or_audit_logging.AuditStreamHandler", "stream": "ext://sys.stdout"}},
        "loggers": {"app": {"level": "INFO", "handlers": ["audit"]}},
    })
    log = logging.getLogger("app")
    for child in range(int(sys.argv[1])):
        if os.fork() == 0:
            for number in range(200):
                log.info("child %d says %d %s", child, number, "x" * 3000)
            logging.shutdown()
            os._exit(0)
    for _ in range(int(sys.argv[1])):
        os.wait()
    log.info("done")
    """
)


@posix_only
def test_processes_on_one_pipe_do_not_mix(tmp_path: Path) -> None:
    """Each child has a log of its own, and every line is whole."""
    done = run_python("-c", PROGRAM, "3", cwd=tmp_path, environment=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    logs = logs_in(done.stdout)
    assert sorted(events(members).count("log") for members in logs.values()) == [1, 200, 200, 200]
    assert all(events(members)[-1] in {"checkpoint", "stop"} for members in logs.values())


@posix_only
def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """A broken pipe is a loss, and no traceback with content."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, complaint = process.communicate(timeout=30)
    assert "Traceback" not in complaint
    assert "could not be written" in complaint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stream": 3}, "text stream"),
        ({"durability": "fsync"}, "no parameter durability"),
        ({"max_line_bytes": 100}, "max_line_bytes is 4096"),
        ({"checkpoint_every": 0}, "checkpoint_every is 1 to"),
        ({"on_failure": "ignore"}, "report or raise"),
        ({"key": "plain words"}, "env:NAME"),
    ],
)
def test_a_configuration_mistake(options: dict[str, Any], says: str) -> None:
    """It is refused by name, before the first record."""
    with pytest.raises(ConfigError, match=says):
        AuditStreamHandler(**({"key": secret} | options))


# --- what a platform exports


def exported(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "export.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def lines(out: io.TextIOWrapper) -> list[str]:
    """Two starts of one program, which prints as well."""
    for start in range(2):
        handler = AuditStreamHandler(out, key=secret, checkpoint_every=10)
        for number in range(30):
            handler.handle(record(f"start {start} number {number}"))
            out.write(f"printed {number}\n")
        handler.finish()
    out.flush()
    return text_of(out).splitlines()


def test_an_export_verifies_in_whatever_order(lines: list[str], tmp_path: Path) -> None:
    """As a file does: only an anchor is missing."""
    shuffled = random.Random(7).sample(lines, len(lines))
    for order in (lines, lines[::-1], shuffled):
        report = verify(exported(tmp_path, *order), key=secret)
        assert (report.verdict, report.findings, report.log_count) == ("unanchored", (), 2)


@pytest.mark.parametrize("damage", ["dropped", "edited", "swapped"])
def test_a_changed_export_is_found(lines: list[str], tmp_path: Path, damage: str) -> None:
    """By the log and the number of its line."""
    at = next(place for place, line in enumerate(lines) if "start 1 number 11" in line)
    if damage == "dropped":
        del lines[at]
    elif damage == "edited":
        lines[at] = lines[at].replace("number 11", "number 12")
    else:
        seq = re.compile(r'"seq":\d+')
        lines[at] = seq.sub('"seq":3', lines[at])
    report = verify(exported(tmp_path, *lines), key=secret)
    assert report.verdict == "tampered"
    assert report.findings


def test_checkpoints_kept_elsewhere_anchor_an_export(
    lines: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The end that they cover cannot be cut off unseen."""
    log = parse_line(lines[0].encode()).log
    checkpoints = [line for line in lines if '"log.checkpoint"' in line and f'"log":"{log}"' in line]
    anchors = tmp_path / "audit.anchors"
    anchors.write_text(checkpoints[-1] + "\n")
    own = [line for line in lines if f'"log":"{log}"' in line]
    assert verify(exported(tmp_path, *own), key=secret, anchors=[anchors]).verdict == "verified"
    cut = verify(exported(tmp_path, *own[:-4]), key=secret, anchors=[anchors])
    assert cut.verdict == "tampered"
