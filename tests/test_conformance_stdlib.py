"""The audit handler among stdlib's: whatever may be done with a logging handler may be done with it."""

from __future__ import annotations

import copy
import gc
import json
import logging
import logging.config
import logging.handlers
import multiprocessing
import os
import pickle
import queue
import signal
import stat
import sys
import textwrap
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import lines_of, members_of, records_of, run_python
from samples import REPOSITORY, SECRET, audit_record
from sinks import bare_root

from or_audit_logging import AuditFileHandler, AuditJsonFormatter, RedactionFilter
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.verify import verify

pytestmark = pytest.mark.usefixtures("audit_key")

NAME = "openrouter.audit"
MAIL = "ann@example.com"


def log_record(message: object = "m", *args: object, **attributes: object) -> logging.LogRecord:
    record = logging.LogRecord(NAME, logging.INFO, __file__, 1, message, args, None)
    record.__dict__.update(attributes)
    return record


def messages(folder: Path) -> list[object]:
    return [members.get("message") for members in records_of(folder)]


def events(folder: Path) -> list[str]:
    return [members["event_type"] for members in members_of(folder)]


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[AuditFileHandler]:
    made = AuditFileHandler(tmp_path / "audit.jsonl")
    yield made
    made.close()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own, whose handlers are closed afterwards."""
    made = logging.getLogger("test.conformance")
    made.setLevel(logging.DEBUG)
    made.propagate = False
    yield made
    for each in list(made.handlers):
        made.removeHandler(each)
        each.close()
    made.filters.clear()


class Unwritable(logging.Formatter):
    """Fails at every record."""

    def format(self, record: logging.LogRecord) -> str:
        raise RuntimeError(record.getMessage())


# --- configuration ---------------------------------------------------------------------------------------


def config_of(folder: Path, **handler: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"audit": {"filename": str(folder / "audit.jsonl")} | handler},
        "loggers": {NAME: {"level": "INFO", "handlers": ["audit"], "propagate": False}},
    }


@pytest.mark.parametrize(
    "how",
    [
        {"class": "or_audit_logging.AuditFileHandler"},
        {"()": "or_audit_logging.AuditFileHandler"},
        {"()": "ext://or_audit_logging.AuditFileHandler"},
        {"()": AuditFileHandler},
    ],
    ids=lambda how: f"{next(iter(how))} {next(iter(how.values()))}",
)
def test_dict_config_finds_the_class_however_it_is_named(tmp_path: Path, how: dict[str, Any]) -> None:
    """`class`, and `()` as a factory, by name or itself; `cfg://` reaches into other sections."""
    config = config_of(tmp_path, key="cfg://secrets.key", **how) | {"secrets": {"key": "env:OR_AUDIT_KEY"}}
    logging.config.dictConfig(config)
    logging.getLogger(NAME).info("hello")
    assert messages(tmp_path) == ["hello"]


def test_dict_config_sets_name_level_formatter_and_filters(tmp_path: Path) -> None:
    """A handler knows its name in the configuration; a name is free again after closing."""
    config = config_of(tmp_path, level="INFO", formatter="json", filters=["quiet"])
    config["handlers"]["audit"]["class"] = "or_audit_logging.AuditFileHandler"
    config["formatters"] = {"json": {"()": "or_audit_logging.AuditJsonFormatter", "static_fields": {"s": 1}}}
    config["filters"] = {"quiet": {"()": "logging.Filter", "name": NAME}}
    logging.config.dictConfig(config)
    (made,) = logging.getLogger(NAME).handlers
    assert (made.name, made.get_name(), made.level) == ("audit", "audit", logging.INFO)
    assert isinstance(made.formatter, AuditJsonFormatter)
    assert len(made.filters) == 1
    logging.getLogger(NAME).info("taken")
    made.handle(logging.makeLogRecord({"name": "elsewhere", "msg": "filtered"}))
    assert [(members["message"], members["s"]) for members in records_of(tmp_path)] == [("taken", 1)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_a_handler_is_found_by_its_name(handler: AuditFileHandler) -> None:
    """As long as it is open."""
    handler.name = "the audit trail"
    assert logging.getHandlerByName("the audit trail") is handler
    assert "the audit trail" in logging.getHandlerNames()
    handler.close()
    assert logging.getHandlerByName("the audit trail") is None


def test_yaml_with_references_configures_it(tmp_path: Path) -> None:
    """Anchors and merge keys are the parser's business; a number may come as text."""
    text = f"""
    version: 1
    disable_existing_loggers: false
    common: &common
      class: or_audit_logging.AuditFileHandler
      max_line_bytes: "5000"
    handlers:
      audit: {{<<: *common, filename: {json.dumps(str(tmp_path / "audit.jsonl"))}, key: [env:OR_AUDIT_KEY]}}
    loggers:
      {NAME}: {{level: INFO, handlers: [audit], propagate: no}}
    """
    logging.config.dictConfig(yaml.safe_load(text))
    logging.getLogger(NAME).info("hello")
    assert messages(tmp_path) == ["hello"]


def test_an_ini_file_configures_it(tmp_path: Path) -> None:
    """`fileConfig` evaluates args and kwargs, and finds the class by its name."""
    (tmp_path / "logging.ini").write_text(
        textwrap.dedent(f"""
        [loggers]
        keys=root,audit
        [handlers]
        keys=audit
        [formatters]
        keys=
        [logger_root]
        handlers=
        [logger_audit]
        qualname={NAME}
        level=INFO
        handlers=audit
        propagate=0
        [handler_audit]
        class=or_audit_logging.AuditFileHandler
        level=INFO
        args=({str(tmp_path / "log" / "audit.jsonl")!r},)
        kwargs={{"key": "env:OR_AUDIT_KEY", "checkpoint_every": 5}}
        """)
    )
    before = list(logging.root.handlers)
    try:
        logging.config.fileConfig(tmp_path / "logging.ini", disable_existing_loggers=False)
    finally:
        logging.root.handlers[:] = before
    logging.getLogger(NAME).info("hello")
    assert messages(tmp_path / "log") == ["hello"]


def test_incremental_config_changes_levels_and_leaves_the_log_open(tmp_path: Path) -> None:
    """No stop, no start: nothing was constructed. A level that would drop calls is refused here too."""
    logging.config.dictConfig(config_of(tmp_path, **{"class": "or_audit_logging.AuditFileHandler"}))
    (made,) = logging.getLogger(NAME).handlers
    logging.getLogger(NAME).info("before")
    step: dict[str, Any] = {"version": 1, "incremental": True, "handlers": {"audit": {"level": "DEBUG"}}}
    logging.config.dictConfig(step | {"loggers": {NAME: {"level": "DEBUG"}}})
    assert made.level == logging.DEBUG
    logging.getLogger(NAME).debug("after")
    with pytest.raises(ValueError, match="audit") as caught:
        logging.config.dictConfig({"version": 1, "incremental": True, "handlers": {"audit": {"level": 40}}})
    assert isinstance(caught.value.__cause__, ConfigError)
    logging.getLogger(NAME).info("still")
    assert messages(tmp_path) == ["before", "after", "still"]
    assert events(tmp_path).count("log.start") == 1
    assert logging.getLogger(NAME).handlers == [made]


def test_dict_config_moves_the_log_to_another_folder(tmp_path: Path) -> None:
    """The first log is closed with a checkpoint, and each holds what was said in its time."""
    for folder in ("one", "two"):
        logging.config.dictConfig(config_of(tmp_path / folder, **{"()": AuditFileHandler}))
        logging.getLogger(NAME).info(folder)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    for folder in ("one", "two"):
        assert messages(tmp_path / folder) == [folder]
        assert events(tmp_path / folder)[-2:] == ["log.stop", "log.checkpoint"]
        assert verify(tmp_path / folder).findings == ()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig makes queue listeners from 3.12 on")
def test_dict_config_puts_a_queue_in_front(tmp_path: Path) -> None:
    """The application logs into the queue; the listener's thread seals."""
    config = config_of(tmp_path, **{"class": "or_audit_logging.AuditFileHandler"})
    config["handlers"]["queue"] = {"class": "logging.handlers.QueueHandler", "handlers": ["audit"]}
    config["loggers"][NAME]["handlers"] = ["queue"]
    logging.config.dictConfig(config)
    (front,) = logging.getLogger(NAME).handlers
    assert isinstance(front, logging.handlers.QueueHandler)
    listener: Any = front.listener
    listener.start()
    try:
        for number in range(20):
            logging.getLogger(NAME).info("number %s", number)
        front.handle(log_record("m", audit=audit_record(user_id="u-1")))
    finally:
        listener.stop()
    assert messages(tmp_path)[:-1] == [f"number {number}" for number in range(20)]
    assert records_of(tmp_path)[-1]["user_id"] == "u-1"


def test_basic_config_takes_it_among_its_handlers(tmp_path: Path) -> None:
    """It hands a handler without a formatter one of its own."""
    with bare_root():
        made = AuditFileHandler(tmp_path / "audit.jsonl")
        logging.basicConfig(handlers=[made])
        logging.getLogger().handlers[0].handle(log_record("said", audit=audit_record(user_id="u-1")))
        logging.getLogger().removeHandler(made)
        made.close()
    (members,) = records_of(tmp_path)
    assert (members["event_type"], members["user_id"]) == ("chat_completion", "u-1")


# --- other handlers in front -----------------------------------------------------------------------------


def test_records_behind_a_queue_arrive_whole(handler: AuditFileHandler, logger: logging.Logger) -> None:
    """What the queue's handler prepared is sealed: message, extras, exception, and the audit record."""
    waiting: queue.Queue[Any] = queue.Queue()
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener = logging.handlers.QueueListener(waiting, handler)
    listener.start()
    try:
        logger.info("to %s", MAIL, extra={"job": "nightly"})
        try:
            raise KeyError(MAIL)
        except KeyError:
            logger.exception("failed")
        logger.handle(log_record("said", audit=audit_record(user_id="u-1", error_message=f"no {MAIL}")))
    finally:
        listener.stop()
    folder = Path(handler.baseFilename).parent
    plain, failed, audit = records_of(folder)
    assert (plain["message"], plain["job"]) == ("to [EMAIL]", "nightly")
    assert json.dumps(failed).count("Traceback") == 1
    assert (audit["event_type"], audit["user_id"], audit["error_message"]) == (
        "chat_completion",
        "u-1",
        "no [EMAIL]",
    )
    assert MAIL.encode() not in b"".join(lines_of(folder))


def test_a_listener_goes_on_after_a_failure(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record that is lost costs the listener's thread neither its life nor the records after it."""
    made = AuditFileHandler(tmp_path / "audit.jsonl")
    waiting: queue.Queue[Any] = queue.Queue()
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener = logging.handlers.QueueListener(waiting, made, respect_handler_level=True)
    made.setFormatter(Unwritable())
    listener.start()
    with bare_root():
        logger.info("private words")
        listener.stop()
    made.setFormatter(None)
    listener.start()
    logger.info("next")
    listener.stop()
    made.close()
    assert messages(tmp_path) == ["next"]
    assert [members["count"] for members in members_of(tmp_path) if members["event_type"] == "log.lost"] == [
        1
    ]
    assert "private words" not in capsys.readouterr().err


def test_an_audit_record_crosses_a_queue_between_processes(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Pickled and taken out again, the LogRecord bears an equal audit record."""
    between = multiprocessing.get_context("spawn").Queue()
    audit = audit_record(user_id="u-1", metadata={"a": [1, 2.5]})
    logging.handlers.QueueHandler(between).handle(log_record("said", audit=audit))
    arrived = between.get(timeout=30)
    between.close()
    between.join_thread()
    assert arrived.audit == audit
    handler.handle(arrived)
    (members,) = records_of(tmp_path)
    assert (members["id"], members["metadata"]) == (audit.id, {"a": [1, 2.5]})


def test_a_memory_handler_in_front_hands_over_in_order(
    handler: AuditFileHandler, logger: logging.Logger, tmp_path: Path
) -> None:
    """At its capacity, at an error, and when it is closed; the audit handler stays open."""
    front = logging.handlers.MemoryHandler(3, flushLevel=logging.ERROR, target=handler)
    logger.addHandler(front)
    logger.info("1")
    logger.info("2")
    assert messages(tmp_path) == []
    logger.info("3")
    assert messages(tmp_path) == ["1", "2", "3"]
    logger.handle(log_record("4", audit=audit_record(user_id="u-4")))
    logger.error("5")
    logger.info("6")
    front.close()
    assert [members.get("user_id") or members["message"] for members in records_of(tmp_path)] == [
        "1",
        "2",
        "3",
        "u-4",
        "5",
        "6",
    ]
    handler.handle(log_record("7"))
    assert messages(tmp_path)[-1] == "7"


def test_a_memory_handler_over_a_closed_log_reopens_it(
    handler: AuditFileHandler, logger: logging.Logger, tmp_path: Path
) -> None:
    """`logging.shutdown` may close the target first; what was held back is still written."""
    front = logging.handlers.MemoryHandler(100, target=handler)
    logger.addHandler(front)
    logger.info("held back")
    handler.close()
    front.close()
    handler.close()
    assert messages(tmp_path) == ["held back"]
    assert verify(tmp_path).findings == ()


# --- formatters and filters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("%", "%(levelname)s|%(name)s|%(message)s|%(job)s"),
        ("{", "{levelname}|{name}|{message}|{job}"),
        ("$", "${levelname}|$name|$message|$job"),
    ],
)
def test_text_formatters_of_every_style_make_the_message(
    handler: AuditFileHandler, tmp_path: Path, style: Any, text: str
) -> None:
    """The text is sealed as it is, in one event of type log, and is redacted before it is made."""
    handler.setFormatter(logging.Formatter(text, style=style, defaults={"job": "none"}))
    handler.handle(log_record("to %s", MAIL))
    handler.handle(log_record("line 1\nline 2 \u2603", job="nightly"))
    assert messages(tmp_path) == [
        f"INFO|{NAME}|to [EMAIL]|none",
        f"INFO|{NAME}|line 1\nline 2 \u2603|nightly",
    ]
    assert len(lines_of(tmp_path)) == len(members_of(tmp_path))


def test_times_and_tracebacks_of_a_text_formatter_are_kept(handler: AuditFileHandler, tmp_path: Path) -> None:
    """`asctime` with its datefmt; the traceback once in the text, redacted."""
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y"))
    try:
        raise ValueError(MAIL)
    except ValueError:
        record = logging.LogRecord(NAME, logging.ERROR, __file__, 1, "m", (), sys.exc_info())
    handler.handle(record)
    (message,) = messages(tmp_path)
    assert str(message).startswith(f"{datetime.fromtimestamp(record.created).year} m\nTraceback")  # noqa: DTZ006
    assert str(message).count("Traceback") == 1
    assert MAIL not in str(message)


def test_a_formatter_may_be_taken_away_again(handler: AuditFileHandler, tmp_path: Path) -> None:
    """None brings the handler's own back; a refused one leaves the one before."""
    text = logging.Formatter("text %(message)s")
    handler.setFormatter(text)
    with pytest.raises(ConfigError, match="rename_fields"):
        handler.setFormatter(AuditJsonFormatter(rename_fields={"id": "_id"}))
    assert handler.formatter is text
    handler.setFormatter(None)
    handler.handle(log_record("said", audit=audit_record(user_id="u-1")))
    assert [members["user_id"] for members in records_of(tmp_path)] == ["u-1"]


def test_format_gives_what_the_formatter_gives(handler: AuditFileHandler) -> None:
    """`Handler.format` is public; other code calls it."""
    handler.setFormatter(logging.Formatter("text %(message)s"))
    assert handler.format(log_record("m")) == "text m"


def _replaced(record: logging.LogRecord) -> logging.LogRecord:
    other = copy.copy(record)
    other.msg, other.args = "replaced", ()
    return other


def test_filters_of_every_kind_are_asked_in_order(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Functions and objects; the next one sees what the one before returned; removed ones are not asked."""
    seen: list[object] = []

    class Looks:
        def filter(self, record: logging.LogRecord) -> int:
            seen.append(record.getMessage())
            return 1

    looks: Any = Looks()
    handler.addFilter(_replaced)
    handler.addFilter(looks)
    record = log_record("original")
    kept = handler.handle(record)
    assert seen == ["replaced"]
    assert isinstance(kept, logging.LogRecord)
    assert kept is not record
    assert record.getMessage() == "original"
    handler.removeFilter(_replaced)
    handler.handle(record)
    assert seen == ["replaced", "original"]
    assert messages(tmp_path) == ["replaced", "original"]


def test_a_filter_on_the_logger_may_refuse(
    handler: AuditFileHandler, logger: logging.Logger, tmp_path: Path
) -> None:
    """The audit handler is then not asked at all, as any other."""
    logger.addHandler(handler)
    logger.addFilter(lambda record: "no" not in record.getMessage())
    logger.info("yes")
    logger.info("no")
    logger.removeHandler(handler)
    assert messages(tmp_path) == ["yes"]


def test_a_record_factory_of_the_application_s_is_honoured(
    handler: AuditFileHandler, logger: logging.Logger, tmp_path: Path
) -> None:
    """A LogRecord that renders its message otherwise is sealed, and redacted, as it renders it."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - logging's name
            return str(self.msg).format(*(self.args or ()))

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Braces)
    try:
        logger.addHandler(handler)
        logger.info("{} of {}", 1, MAIL)  # noqa: PLE1205 - rendered by the factory
    finally:
        logging.setLogRecordFactory(before)
        logger.removeHandler(handler)
    assert messages(tmp_path) == ["1 of [EMAIL]"]


def test_adapters_and_warnings_reach_it(
    handler: AuditFileHandler, logger: logging.Logger, tmp_path: Path
) -> None:
    """What stdlib builds on loggers ends in the log as well."""
    logger.addHandler(handler)
    logging.LoggerAdapter(logger, {"request": "r-1"}).info("adapted")
    logger.removeHandler(handler)
    warned = logging.getLogger("py.warnings")
    warned.addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            warnings.warn(f"about {MAIL}", UserWarning, stacklevel=1)
        finally:
            logging.captureWarnings(False)
            warned.removeHandler(handler)
    adapted, warning = records_of(tmp_path)
    assert (adapted["message"], adapted["request"]) == ("adapted", "r-1")
    assert "about [EMAIL]" in warning["message"]


# --- failures --------------------------------------------------------------------------------------------


class Counting(AuditFileHandler):
    """Overrides what stdlib documents as the place for errors."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.errors_seen: list[tuple[str, object]] = []

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self.errors_seen.append((record.getMessage(), sys.exc_info()[0]))


def test_handle_error_may_be_overridden(tmp_path: Path) -> None:
    """It is called with the record, while the exception is at hand."""
    made = Counting(tmp_path / "audit.jsonl")
    made.setFormatter(Unwritable())
    made.handle(log_record("m"))
    made.close()
    assert made.errors_seen == [("m", RuntimeError)]


def test_handle_error_itself_says_nothing_of_the_record(
    handler: AuditFileHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdlib's prints the message and its arguments."""
    with bare_root():
        try:
            raise RuntimeError("private words")
        except RuntimeError:
            handler.handleError(log_record("private words"))
    error = capsys.readouterr().err
    assert NAME in error
    assert "private" not in error


@pytest.mark.parametrize("on_failure", ["report", "raise"])
def test_raise_exceptions_off_keeps_stderr_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], on_failure: Any
) -> None:
    """As in stdlib, it is about printing only: losses are counted, and raised where that was asked for."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    made = AuditFileHandler(tmp_path / "audit.jsonl", on_failure=on_failure)
    made.setFormatter(Unwritable())
    with bare_root():
        if on_failure == "raise":
            with pytest.raises(AuditWriteError):
                made.handle(log_record("m"))
        else:
            made.handle(log_record("m"))
        made.handleError(log_record("m"))
    made.setFormatter(None)
    made.handle(log_record("next"))
    made.close()
    assert made.stats()["failed"] == 1
    assert "log.lost" in events(tmp_path)
    assert capsys.readouterr() == ("", "")


def test_a_missing_stderr_is_no_failure(handler: AuditFileHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under pythonw."""
    monkeypatch.setattr(sys, "stderr", None)
    handler.setFormatter(Unwritable())
    with bare_root():
        handler.handle(log_record("m"))
    assert handler.stats()["failed"] == 1


def test_a_device_is_refused_and_left_alone() -> None:
    """A rotating handler once renamed /dev/null."""
    before = os.stat(os.devnull)
    with pytest.raises(ConfigError):
        AuditFileHandler(os.devnull)
    after = os.stat(os.devnull)
    assert (before.st_mode, before.st_ino, before.st_rdev) == (after.st_mode, after.st_ino, after.st_rdev)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Interrupt what blocks for longer, and fail."""

    class Blocked(BaseException):
        pass

    def ring(number: int, frame: object) -> None:
        raise Blocked

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except Blocked:
        pytest.fail(f"blocked for {seconds} seconds")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_regular_file_is_refused_and_left_alone(tmp_path: Path, kind: str, when: str) -> None:
    """In the segment's place before the handler is made, or put there before its first record."""
    folder = tmp_path / "log"
    folder.mkdir()
    made = AuditFileHandler(folder / "audit.jsonl", on_failure="raise") if when == "after" else None
    path = folder / f"audit_{datetime.now(UTC):%Y-%m-%d}.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(b"")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    before = os.lstat(path)
    with within(3):
        if made is None:
            with pytest.raises(ConfigError, match="regular file"):
                AuditFileHandler(folder / "audit.jsonl")
        else:
            try:
                made.handle(log_record("m"))
            except AuditWriteError:
                assert made.stats()["written"] == 0
            made.close()
    after = os.lstat(path)
    assert (stat.S_IFMT(after.st_mode), after.st_ino) == (stat.S_IFMT(before.st_mode), before.st_ino)
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b""


# --- flush, close, the end -------------------------------------------------------------------------------


def test_flush_may_be_called_at_any_time(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Before the first record, after it, and closed; it writes nothing of its own."""
    handler.flush()
    assert lines_of(tmp_path) == []
    handler.handle(log_record("m"))
    lines = lines_of(tmp_path)
    handler.flush()
    assert lines_of(tmp_path) == lines
    handler.close()
    handler.flush()


def test_construction_writes_nothing(handler: AuditFileHandler, tmp_path: Path) -> None:
    """A handler that is configured and never used leaves no segment, closed or not."""
    assert list(tmp_path.glob("*.jsonl")) == []
    handler.close()
    assert list(tmp_path.glob("*.jsonl")) == []


def test_closed_twice_it_still_takes_a_record(handler: AuditFileHandler, tmp_path: Path) -> None:
    """By `handle` and by `emit`, through a logger as well."""
    handler.handle(log_record("1"))
    handler.close()
    handler.close()
    handler.emit(log_record("2"))
    handler.close()
    logging.getLogger(NAME).addHandler(handler)
    logging.getLogger(NAME).warning("3")
    handler.close()
    assert messages(tmp_path) == ["1", "2", "3"]
    assert verify(tmp_path).findings == ()


def test_shutdown_closes_the_log_and_may_come_twice(handler: AuditFileHandler, tmp_path: Path) -> None:
    """With stop and checkpoint, once."""
    handler.handle(log_record("m"))
    for _ in range(2):
        logging.shutdown([weakref.ref(handler)])
    assert events(tmp_path)[-2:] == ["log.stop", "log.checkpoint"]
    assert events(tmp_path).count("log.stop") == 1


@pytest.mark.parametrize("raise_exceptions", [True, False])
def test_shutdown_survives_a_log_that_cannot_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raise_exceptions: bool
) -> None:
    """The handlers after it are closed all the same."""
    monkeypatch.setattr(logging, "raiseExceptions", raise_exceptions)
    folder = tmp_path / "log"
    made = AuditFileHandler(folder / "audit.jsonl", lock_timeout=0)
    made.handle(log_record("m"))
    closed: list[bool] = []
    other = logging.NullHandler()
    other.close = lambda: closed.append(True)  # type: ignore[method-assign]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file in the folder's place")
    with bare_root():
        logging.shutdown([weakref.ref(other), weakref.ref(made)])
    assert closed == [True]


LATE = """
import atexit, logging, sys

def late(what):
    logging.getLogger("openrouter.audit").info(what)

atexit.register(late, "registered first")
from or_audit_logging import AuditFileHandler, configure
FILTERED = {filtered}
if FILTERED:
    handler = configure({folder!r})
else:
    handler = AuditFileHandler({folder!r} + "/audit.jsonl")
    logging.getLogger("openrouter.audit").addHandler(handler)
    logging.getLogger("openrouter.audit").setLevel("INFO")
atexit.register(late, "registered last")
late("usual")
{more}
"""


def run_late(folder: Path, more: str = "", *, filtered: bool = True) -> str:
    script = LATE.format(folder=str(folder), more=textwrap.dedent(more), filtered=filtered)
    environment = os.environ | {"OR_AUDIT_KEY": SECRET.decode(), "PYTHONPATH": str(REPOSITORY)}
    done = run_python("-c", script, cwd=folder.parent, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("more", ["", "handler.close()", "logging.shutdown()"])
@pytest.mark.parametrize("filtered", [True, False])
def test_a_record_at_exit_is_sealed(tmp_path: Path, more: str, filtered: bool) -> None:
    """Whoever registered first runs last, after the log was closed: it is opened and closed once more."""
    assert run_late(tmp_path / "log", more, filtered=filtered) == ""
    assert messages(tmp_path / "log") == ["usual", "registered last", "registered first"]
    assert events(tmp_path / "log")[-2:] == ["log.stop", "log.checkpoint"]
    assert verify(tmp_path / "log").findings == ()


def test_a_record_of_a_finaliser_at_the_very_end_raises_nothing(tmp_path: Path) -> None:
    """When modules can no longer be imported; stdlib's file handlers write even then."""
    more = """
    class Last:
        def __del__(self):
            late("finaliser")
    last = Last()
    """
    assert "ImportError" not in run_late(tmp_path / "log", more)


def test_a_thread_s_record_at_exit_is_sealed(tmp_path: Path) -> None:
    """Python waits for threads that are no daemons before it runs what was registered."""
    more = """
    import threading, time
    def work():
        time.sleep(0.1)
        late("thread")
    threading.Thread(target=work).start()
    """
    assert run_late(tmp_path / "log", more) == ""
    assert messages(tmp_path / "log") == ["usual", "thread", "registered last", "registered first"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_under_the_handler_s_lock_can_log(tmp_path: Path) -> None:
    """Another thread holds it at the fork; the child has it free."""
    more = """
    import os, threading
    held, done = threading.Event(), threading.Event()
    def hold():
        with handler.lock:
            held.set()
            done.wait(30)
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(20)
        late("child")
        logging.getLogger("new logger of the child's")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    late("parent")
    assert status == 0, status
    """
    assert run_late(tmp_path / "log", more) == ""
    assert messages(tmp_path / "log")[:3] == ["usual", "child", "parent"]
    assert verify(tmp_path / "log").findings == ()


# --- as an object ----------------------------------------------------------------------------------------


def test_a_dropped_handler_is_let_go(tmp_path: Path) -> None:
    """Nothing in the package keeps it alive, and another goes on where it ended."""
    made = AuditFileHandler(tmp_path / "audit.jsonl")
    made.handle(log_record("1"))
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    other = AuditFileHandler(tmp_path / "audit.jsonl")
    other.handle(log_record("2"))
    other.close()
    assert messages(tmp_path) == ["1", "2"]
    assert verify(tmp_path).findings == ()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors cannot be counted here")
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda made: made.close(), id="closed"),
        pytest.param(lambda made: None, id="dropped"),
    ],
)
def test_no_descriptor_is_left_behind(tmp_path: Path, end: Callable[[AuditFileHandler], object]) -> None:
    """Stdlib's file handlers give theirs back as well when nobody closes them."""

    def use(number: int) -> None:
        made = AuditFileHandler(tmp_path / str(number) / "audit.jsonl")
        made.handle(log_record("m"))
        end(made)

    use(0)
    gc.collect()
    before = _descriptors()
    for number in range(1, 6):
        use(number)
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        after = _descriptors()
    assert after == before


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
def test_it_refuses_to_be_pickled_and_deeply_copied(handler: AuditFileHandler, way: Any) -> None:
    """With a TypeError, as every handler does; the key is in no message."""
    handler.handle(log_record("1"))
    with pytest.raises(TypeError) as caught:
        way(handler)
    assert SECRET.decode() not in str(caught.value)


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy, copy.copy])
def test_a_copy_does_not_break_the_log(handler: AuditFileHandler, tmp_path: Path, way: Any) -> None:
    """Whether it comes about or not: what both write is one chain."""
    handler.handle(log_record("1"))
    try:
        other = way(handler)
    except TypeError:
        other = handler
    if isinstance(other, AuditFileHandler):
        other.handle(log_record("2"))
        handler.handle(log_record("3"))
        other.close()
    handler.close()
    assert verify(tmp_path).findings == ()


def test_its_formatter_and_filter_can_be_copied(handler: AuditFileHandler) -> None:
    """As configuration is copied by frameworks."""
    formatter = copy.deepcopy(AuditJsonFormatter("%(levelname)s", static_fields={"s": 1}))
    assert json.loads(formatter.format(log_record("m"))) == {"levelname": "INFO", "s": 1}
    filter_ = copy.copy(RedactionFilter(allow=["support@example.com"]))
    handler.addFilter(filter_)
    assert handler.policy.redactor is filter_.redactor


def test_repr_names_the_file_and_the_level(handler: AuditFileHandler) -> None:
    """As stdlib's file handlers: class, path, level."""
    handler.setLevel("DEBUG")
    assert repr(handler) == f"<AuditFileHandler {os.path.abspath(handler.baseFilename)} (DEBUG)>"


def test_it_may_do_without_a_lock_of_its_own(tmp_path: Path) -> None:
    """As NullHandler does; the lock between processes still stands."""

    class Lockless(AuditFileHandler):
        def createLock(self) -> None:  # noqa: N802 - logging's name
            self.lock = None

    made = Lockless(tmp_path / "audit.jsonl")
    made.handle(log_record("m"))
    made.lock = threading.RLock()  # from 3.13 on, stdlib's own close() asks for one
    made.close()
    assert messages(tmp_path) == ["m"]


def test_it_may_be_called_with_its_lock_held(handler: AuditFileHandler, tmp_path: Path) -> None:
    """`acquire` and `release` are public; another thread waits meanwhile."""
    other = threading.Thread(target=handler.handle, args=(log_record("2"),))
    handler.acquire()
    try:
        other.start()
        handler.handle(log_record("1"))
        assert messages(tmp_path) == ["1"]
    finally:
        handler.release()
    other.join(30)
    assert messages(tmp_path) == ["1", "2"]


def test_it_is_one_of_stdlib_s_handlers(handler: AuditFileHandler) -> None:
    """Whoever looks for handlers that write files finds it, with the path it was given."""
    assert isinstance(handler, logging.Handler)
    assert isinstance(handler, logging.FileHandler)
    assert os.path.isabs(handler.baseFilename)
