"""The way to the log: whose policy rules, what is said when nobody listens, and failing closed."""

import logging
import logging.config
import logging.handlers
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sinks import NAME, Sink, failing

from or_audit_logging.capture import delivery, trouble
from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.call import Call
from or_audit_logging.capture.delivery import Source, deliver, delivering, route_to
from or_audit_logging.capture.options import Options
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.policy import DigestKey, Policy
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.chain import digest_key

SECRET = "a visibly fake secret of 32 bytes or more"
RECORD = AuditRecord(
    event_type="chat_completion",
    id="00000000-0000-4000-8000-000000000001",
    timestamp="2026-11-21T10:30:45.000000Z",
    status="success",
    model_requested="fake/asked",
    model_used="fake/served",
)


def listen(logger: logging.Logger, *handlers: logging.Handler) -> None:
    """Give *logger* these handlers and no others: pytest adds its own to loggers that do not propagate."""
    logger.handlers[:] = handlers


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The audit logger, cut off from the root, without handlers and without keys in the environment."""
    for name in ("OR_AUDIT_KEY", "OR_AUDIT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    delivery._named_key.cache_clear()
    trouble.forget()
    audit = logging.getLogger(NAME)
    audit.propagate = False
    yield audit
    audit.handlers.clear()
    audit.propagate, audit.disabled = True, False
    audit.filters.clear()
    audit.setLevel(logging.NOTSET)
    delivery._named_key.cache_clear()


def test_the_first_sink_rules(logger: logging.Logger) -> None:
    """Its redactor and its digest key, whatever stands before and after it."""
    first, second = Sink(key=DigestKey("11111111", b"1" * 32)), Sink(key=DigestKey("22222222", b"2" * 32))
    listen(logger, logging.StreamHandler(), first, second)
    route = route_to(NAME)
    assert (route.redactor, route.digest_key) == (first.policy.redactor, first.policy.digest_key)


def test_a_sink_further_up_rules_where_the_logger_propagates(logger: logging.Logger) -> None:
    """The effective handlers are those that logging itself would call."""
    child = logging.getLogger(f"{NAME}.child")
    sink = Sink(key=DigestKey("11111111", b"1" * 32))
    listen(logger, sink)
    assert route_to(child.name).digest_key == sink.policy.digest_key
    child.propagate = False
    try:
        assert route_to(child.name).digest_key is None
    finally:
        child.propagate = True


def test_without_a_sink_the_environment_names_the_key(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default redactor, and the key that handlers would use."""
    listen(logger, logging.StreamHandler())
    assert route_to(NAME).digest_key is None
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET)
    assert route_to(NAME).digest_key == digest_key(SECRET.encode())
    assert route_to(NAME).redactor.digest == Redactor().digest


def test_a_key_that_cannot_be_read_is_said_once(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The calls go on without hashes; the warning shows nothing of the key."""
    listen(logger, logging.StreamHandler())
    monkeypatch.setenv("OR_AUDIT_KEY", "too-short")
    assert (route_to(NAME).digest_key, route_to(NAME).digest_key) == (None, None)
    assert len(caplog.records) == 1
    assert "too-short" not in caplog.text


def test_nobody_listens(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """A NullHandler is nobody: one warning names the remedy, and every call is counted."""
    listen(logger, logging.NullHandler())
    route_to(NAME)
    route_to(NAME)
    assert [record.name for record in caplog.records] == ["or_audit_logging"]
    assert "or_audit_logging.configure" in caplog.text
    assert trouble.counts()["no-handler"] == 2


def test_any_handler_listens(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """A foreign handler, a queue among them, is reason enough to be silent."""
    listen(logger, logging.handlers.QueueHandler(queue.SimpleQueue()))
    route_to(NAME)
    assert not caplog.records


def test_a_disabled_logger(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """dictConfig disables existing loggers by default; the warning names the switch."""
    listen(logger, Sink())
    logger.disabled = True
    route_to(NAME)
    assert "disable_existing_loggers: false" in caplog.text


def test_a_disabled_logger_that_must_write(logger: logging.Logger) -> None:
    """Failing closed, the call is not made."""
    listen(logger, Sink("raise"))
    logger.disabled = True
    with pytest.raises(AuditWriteError, match="disable_existing_loggers"):
        route_to(NAME)


def test_a_sink_that_must_write_is_probed(logger: logging.Logger) -> None:
    """Any of the sinks, not just the first; its error passes as it is."""
    error = AuditWriteError("disk full")
    listen(logger, Sink(), Sink("raise", probing=failing(error)))
    with pytest.raises(AuditWriteError) as caught:
        route_to(NAME)
    assert caught.value is error


def test_a_probe_that_breaks_fails_closed(logger: logging.Logger) -> None:
    """Any exception of a probe means that nobody knows."""
    listen(logger, Sink("raise", probing=failing(RuntimeError("odd"))))
    with pytest.raises(AuditWriteError, match="RuntimeError"):
        route_to(NAME)


def test_a_sink_that_reports_is_not_probed(logger: logging.Logger) -> None:
    """Under "report" nothing stands between the caller and the model."""
    listen(logger, Sink("report", probing=failing(AuditWriteError("disk full"))))
    assert not route_to(NAME).must_write


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("success", logging.INFO),
        ("incomplete", logging.WARNING),
        ("cancelled", logging.WARNING),
        ("error", logging.ERROR),
        ("timeout", logging.ERROR),
        ("blocked", logging.ERROR),
    ],
)
def test_the_log_record(logger: logging.Logger, status: str, level: int) -> None:
    """Name, level, a message without content, the source, and the record as `audit`."""
    sink = Sink()
    listen(logger, sink)
    audit = AuditRecord(event_type="chat_completion", id="1", timestamp="t", status=status, model_used="m")
    deliver(route_to(NAME), audit, Source("app.py", 7, "ask"))
    (record,) = sink.log_records
    assert (record.name, record.levelno, record.getMessage()) == (NAME, level, f"chat_completion {status} m")
    assert (record.pathname, record.lineno, record.funcName) == ("app.py", 7, "ask")
    assert record.__dict__["audit"] is audit


def test_the_loggers_level_is_ignored(logger: logging.Logger) -> None:
    """An audit trail has no verbosity."""
    sink = Sink()
    listen(logger, sink)
    logger.setLevel(logging.CRITICAL)
    deliver(route_to(NAME), RECORD, Source())
    assert len(sink.records) == 1


def test_a_foreign_handler_that_raises_is_swallowed(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted each time, said once, with the type only."""
    listen(logger, Sink(writing=failing(RuntimeError("words"))))
    for _ in range(2):
        deliver(route_to(NAME), RECORD, Source())
    assert trouble.counts() == {"delivery": 2}
    assert len(caplog.records) == 1
    assert "RuntimeError" in caplog.text
    assert "words" not in caplog.text


def test_a_failure_passes_where_a_sink_must_write(logger: logging.Logger) -> None:
    """Whichever handler failed: nobody can say that the record was kept."""
    error = AuditWriteError("disk full")
    listen(logger, Sink("raise", writing=failing(error)))
    with pytest.raises(AuditWriteError) as caught:
        deliver(route_to(NAME), RECORD, Source())
    assert caught.value is error
    logger.handlers.insert(0, Sink(writing=failing(RuntimeError("words"))))
    with pytest.raises(AuditWriteError, match="RuntimeError"):
        deliver(route_to(NAME), RECORD, Source())


def test_a_handler_knows_that_it_is_being_served(logger: logging.Logger) -> None:
    """While a record is handed over, and not afterwards, even if the handler raises."""
    seen: list[bool] = []

    def write() -> None:
        seen.append(delivering())
        raise RuntimeError

    listen(logger, Sink(writing=write))
    deliver(route_to(NAME), RECORD, Source())
    assert (seen, delivering()) == ([True], False)


def test_a_sink_without_policy_is_reported(logger: logging.Logger) -> None:
    """A sink whose policy fails is served under the default policy."""

    class Broken(Sink):
        @property
        def policy(self) -> Policy:
            raise RuntimeError("odd")

    sink = Broken()
    listen(logger, sink)
    deliver(route_to(NAME), RECORD, Source())
    assert len(sink.records) == 1
    assert trouble.counts() == {"internal": 1}


def test_saying_so_never_fails(logger: logging.Logger) -> None:
    """A handler of our own logger that raises changes nothing."""
    listen(logger)
    own = logging.getLogger("or_audit_logging")
    handler = Sink(writing=failing(RuntimeError("words")))
    own.addHandler(handler)
    try:
        route_to(NAME)
    finally:
        own.removeHandler(handler)
    assert trouble.counts() == {"no-handler": 1, "unsaid": 1}


# --- handlers that stand before sinks


def before(sink: logging.Handler, *, kind: str) -> logging.Handler:
    """Return a handler that passes records on to *sink*."""
    if kind == "buffer":
        return logging.handlers.MemoryHandler(1, target=sink)
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    handler.listener = logging.handlers.QueueListener(records, sink)  # as dictConfig does, from 3.12 on
    return handler


@pytest.mark.parametrize("kind", ["queue", "buffer"])
def test_a_sink_that_must_write_behind_a_queue(logger: logging.Logger, kind: str) -> None:
    """It could not tell the caller: a ConfigError at the call, before anything is sent."""
    listen(logger, before(Sink("raise"), kind=kind))
    with pytest.raises(ConfigError, match="attach it to the logger itself"):
        route_to(NAME)
    with pytest.raises(ConfigError):
        Call(Options()).begin(Request())


def test_a_queue_behind_a_buffer(logger: logging.Logger) -> None:
    """However far behind."""
    listen(logger, logging.handlers.MemoryHandler(1, target=before(Sink("raise"), kind="queue")))
    with pytest.raises(ConfigError, match="MemoryHandler"):
        route_to(NAME)


@pytest.mark.parametrize("kind", ["queue", "buffer"])
def test_a_sink_that_reports_behind_a_queue(logger: logging.Logger, kind: str) -> None:
    """Records are made under the default policy, and reach it."""
    sink = Sink(key=DigestKey("11111111", b"1" * 32))
    handler = before(sink, kind=kind)
    listen(logger, handler)
    route = route_to(NAME)
    assert (route.digest_key, route.must_write) == (None, False)
    assert route.redactor.digest == Redactor().digest
    if isinstance(handler, logging.handlers.QueueHandler):
        handler.listener.start()  # type: ignore[union-attr]
    deliver(route, RECORD, Source())
    if isinstance(handler, logging.handlers.QueueHandler):
        handler.listener.stop()  # type: ignore[union-attr]
    assert sink.records == [RECORD]


def test_a_sink_beside_a_queue_rules(logger: logging.Logger) -> None:
    """What stands on the logger itself is seen."""
    sink = Sink("raise", DigestKey("11111111", b"1" * 32))
    listen(logger, logging.handlers.QueueHandler(queue.SimpleQueue()), sink)
    assert route_to(NAME).digest_key == sink.policy.digest_key
    assert route_to(NAME).must_write


def test_the_policy_alone_is_looked_up_without_a_check(logger: logging.Logger) -> None:
    """For a record that is made and not delivered nothing is probed, and nothing said."""
    sink = Sink("raise", DigestKey("11111111", b"1" * 32), probing=failing(AuditWriteError("disk full")))
    listen(logger, sink)
    logger.disabled = True
    assert route_to(NAME, check=False).digest_key == sink.policy.digest_key
    assert trouble.counts() == {}


def test_a_delivery_says_whether_it_succeeded(logger: logging.Logger) -> None:
    """A record that was lost is not referred to."""
    sink = Sink()
    listen(logger, sink)
    assert deliver(route_to(NAME), RECORD, Source())
    listen(logger, Sink(writing=failing(RuntimeError("words"))))
    assert not deliver(route_to(NAME), RECORD, Source())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig makes listeners from 3.12 on")
@pytest.mark.usefixtures("logger", "audit_key")
@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_a_queue_that_dictconfig_made(tmp_path: Path, on_failure: str) -> None:
    """The listener's handlers are those of the configuration."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "file": {
                    "class": "or_audit_logging.AuditFileHandler",
                    "filename": str(tmp_path / "audit.jsonl"),
                    "on_failure": on_failure,
                },
                "queue": {"class": "logging.handlers.QueueHandler", "handlers": ["file"]},
            },
            "loggers": {NAME: {"handlers": ["queue"], "propagate": False}},
        }
    )
    if on_failure == "raise":
        with pytest.raises(ConfigError, match="AuditFileHandler"):
            route_to(NAME)
    else:
        assert not route_to(NAME).must_write
