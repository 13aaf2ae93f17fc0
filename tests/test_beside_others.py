"""Handlers of others beside ours on one logger: what they get, and what they leave alone."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.handlers
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import records_of, run_python
from pythonjsonlogger.json import JsonFormatter
from samples import REPOSITORY, SECRET

from or_audit_logging import AuditFileHandler, AuditJsonFormatter, AuditRecord, RedactingHandler
from or_audit_logging.evidence.verify import verify
from or_audit_logging.testing import FakeOpenRouter

MAIL, KEY = "ann@example.com", "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"
NUMBERS = ("v", "prompt_tokens", "completion_tokens", "total_tokens", "total_cost", "latency_ms")

Sent = Callable[[], list[str]]
"""Closes the handler and returns what arrived at its other end."""


class CloudWatch:
    """The part of CloudWatch Logs that watchtower calls, on loopback; keeps the events' messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.messages += [event["message"] for event in body.get("logEvents", [])]
                answer = b"{}"
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "fake",
            "AWS_SECRET_ACCESS_KEY": "fake",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> CloudWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def watchtower_handler() -> Iterator[tuple[logging.Handler, Sent]]:
    """watchtower, which writes attributes into a record's message where it is told to add them."""
    watchtower = pytest.importorskip("watchtower")
    boto3 = pytest.importorskip("boto3")
    with CloudWatch() as service:
        client = boto3.client(
            "logs",
            endpoint_url=service.environment["AWS_ENDPOINT_URL"],
            region_name="eu-central-1",
            aws_access_key_id="fake",
            aws_secret_access_key="fake",
        )
        handler = watchtower.CloudWatchLogHandler(
            "group", "stream", boto3_client=client, create_log_group=False, send_interval=1
        )
        try:
            yield handler, lambda: (handler.close(), service.messages)[1]
        finally:
            handler.close()
            client.close()


@contextlib.contextmanager
def google_handler() -> Iterator[tuple[logging.Handler, Sent]]:
    """Google's for structured logs on a stream, which puts a record's labels and trace into it."""
    handlers = pytest.importorskip("google.cloud.logging_v2.handlers")
    stream = io.StringIO()
    handler = handlers.StructuredLogHandler(stream=stream)
    yield handler, lambda: [x for x in stream.getvalue().splitlines() if "instrumentation_source" not in x]


@contextlib.contextmanager
def stream_handler() -> Iterator[tuple[logging.Handler, Sent]]:
    stream = io.StringIO()
    yield logging.StreamHandler(stream), lambda: stream.getvalue().splitlines()


@contextlib.contextmanager
def datagrams(address: Any, family: int) -> Iterator[tuple[logging.Handler, Sent]]:
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(0.2)

        def sent() -> list[str]:
            received = []
            with contextlib.suppress(TimeoutError):
                while True:
                    received.append(unframed(server.recv(1 << 16)))
            return received

        handler = logging.handlers.SysLogHandler(server.getsockname())
        yield handler, sent
        handler.close()


def udp_handler() -> Any:
    return datagrams(("127.0.0.1", 0), socket.AF_INET)


def unix_handler() -> Any:
    return datagrams("log.socket", socket.AF_UNIX)


@contextlib.contextmanager
def tcp_handler() -> Iterator[tuple[logging.Handler, Sent]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        handler = logging.handlers.SysLogHandler(server.getsockname(), socktype=socket.SOCK_STREAM)
        with server.accept()[0] as connection, connection.makefile("rb") as stream:

            def sent() -> list[str]:
                handler.close()
                return [unframed(message) for message in stream.read().split(b"\0") if message]

            yield handler, sent
            handler.close()


def unframed(message: bytes) -> str:
    """Return a syslog message without its priority and the NUL that SysLogHandler ends it with."""
    return message.decode().partition(">")[2].removesuffix("\0")


OTHERS = {
    "watchtower": watchtower_handler,
    "google": google_handler,
    "stream": stream_handler,
    "syslog over UDP": udp_handler,
    "syslog over TCP": tcp_handler,
    "syslog on a socket": unix_handler,
}


@pytest.fixture
def logger(tmp_path: Path, audit_key: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger with our file handler first; the working directory is the test's."""
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("beside")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    ours = AuditFileHandler("audit_logs/audit.jsonl")
    logger.addHandler(ours)
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    ours.close()


def audit_record(**metadata: object) -> AuditRecord:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cost": 1}
    response = {"id": "gen-1", "model": "openai/gpt-4o-mini", "usage": usage, "choices": []}
    return AuditRecord.build(
        model="openai/gpt-4o-mini", response=response, user_id=MAIL, latency_ms=12.0, metadata=metadata
    )


def speak(logger: logging.Logger) -> None:
    """Log an audit record, and a plain record with personal data and a key in every place."""
    record = logger.makeRecord("beside", logging.INFO, __file__, 1, "chat_completion success", (), None)
    record.audit = audit_record(contact=MAIL, key=KEY)
    logger.handle(record)
    try:
        raise ValueError(f"no such user: {MAIL}")
    except ValueError:
        logger.exception("%s asked with %s", MAIL, KEY, extra={"owner": MAIL, "waited": 0.25, "tries": 2})


@pytest.mark.parametrize("name", OTHERS)
def test_redacted_records_arrive_as_flat_json(name: str, tmp_path: Path, logger: logging.Logger) -> None:
    """Numbers are numbers, money has a fraction, nobody's address or key is there; our file is unaffected."""
    with OTHERS[name]() as (handler, sent):
        beside = RedactingHandler(handler)
        beside.setFormatter(AuditJsonFormatter())
        logger.addHandler(beside)
        speak(logger)
        texts = sent()
    assert len(texts) == 2
    assert not [text for text in texts if MAIL in text or KEY in text or "ann@" in text]
    call, plain = map(json.loads, texts)
    (sealed, _) = records_of(tmp_path / "audit_logs")
    for member in ("id", "user_id", "model_used", "total_cost", "metadata"):
        assert call[member] == sealed[member]
    assert [type(call[n]) for n in NUMBERS] == [int, int, int, int, float, float]
    assert '"total_cost":1.0,' in texts[0].replace(": ", ":")
    assert (plain["waited"], plain["tries"]) == (0.25, 2)
    assert plain["message"] == "[EMAIL] asked with [API_KEY]"
    assert verify("audit_logs", key=lambda: SECRET).verdict == "unanchored"


def test_no_handler_changes_a_record_for_the_others(tmp_path: Path, logger: logging.Logger) -> None:
    """Those that write into the records they get write into copies of their own."""
    seen: list[list[dict[str, Any]]] = []

    class Witness(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[dict[str, Any]] = []
            seen.append(self.seen)

        def emit(self, record: logging.LogRecord) -> None:
            self.seen.append(dict(record.__dict__))

    with contextlib.ExitStack() as stack:
        for open_handler in OTHERS.values():
            handler, _ = stack.enter_context(open_handler())
            if hasattr(handler.formatter, "add_log_record_attrs"):
                handler.formatter.add_log_record_attrs = ("levelname", "process")  # writes into record.msg
            logger.addHandler(Witness())
            logger.addHandler(RedactingHandler(handler))
        logger.addHandler(Witness())
        speak(logger)
    assert [len(each) for each in seen] == [2] * (len(OTHERS) + 1)
    assert all(each == seen[0] for each in seen)


def test_python_json_loggers_own_formatter_nests_the_record(logger: logging.Logger) -> None:
    """It is redacted as well; the record stands in one member, money in it is text."""
    with stream_handler() as (handler, sent):
        beside = RedactingHandler(handler)
        beside.setFormatter(JsonFormatter("%(levelname)s %(message)s", rename_fields={"levelname": "level"}))
        logger.addHandler(beside)
        speak(logger)
        call, plain = map(json.loads, sent())
    assert (call["level"], call["message"]) == ("INFO", "chat_completion success")
    assert (call["audit"]["total_tokens"], call["audit"]["total_cost"]) == (7, "1")
    assert plain["waited"] == 0.25
    assert MAIL not in json.dumps([call, plain])
    assert KEY not in json.dumps([call, plain])


def test_the_example_hands_each_of_them_the_same_records(tmp_path: Path) -> None:
    """By configuration alone, in a process of its own: what its stdout, syslog, Google and CloudWatch got."""
    for package in ("openai", "watchtower", "google.cloud.logging_v2"):
        pytest.importorskip(package)
    key = "sk-or-v1-fake-key-of-the-examples"
    with (
        FakeOpenRouter() as server,
        CloudWatch() as service,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog,
    ):
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(10)
        environment = os.environ | {
            "OPENROUTER_BASE_URL": server.base_url,
            "OPENROUTER_API_KEY": key,
            "OR_AUDIT_KEY": SECRET.decode(),
            "SYSLOG_PORT": str(syslog.getsockname()[1]),
            "CLOUDWATCH_GROUP": "openrouter",
        }
        example = REPOSITORY / "examples" / "beside_others.py"
        done = run_python(str(example), cwd=tmp_path, environment=environment | service.environment)
        assert done.returncode == 0, done.stderr
        arrived = {
            "stdout": done.stdout.splitlines(),
            "google": [x for x in done.stderr.splitlines() if "instrumentation_source" not in x],
            "syslog": [unframed(syslog.recv(1 << 16)) for _ in range(2)],
            "cloudwatch": service.messages,
        }
    (call, _) = records_of(tmp_path / "audit_logs")
    for texts in arrived.values():
        assert [MAIL in text or key in text for text in texts] == [False, False]
        first, second = map(json.loads, texts)
        assert (first["id"], first["total_cost"]) == (call["id"], call["total_cost"])
        assert (second["message"], second["waited"]) == ("asked for [EMAIL] with [API_KEY]", 0.25)
    assert verify(tmp_path / "audit_logs", key=lambda: SECRET).verdict == "unanchored"
