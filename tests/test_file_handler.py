"""AuditFileHandler as a logging handler: records in, sealed lines out, nothing broken on the way."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import lines_of, members_of, records_of
from samples import SECRET, audit_record
from sinks import bare_root

from or_audit_logging import AuditFileHandler, AuditJsonFormatter, RedactionFilter, configure
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.handlers.filters import CHECKPOINT_LOGGER
from or_audit_logging.policy import AuditSink

pytestmark = pytest.mark.usefixtures("audit_key")


def log_record(
    audit: object = None, message: object = "chat_completion success m", *args: object
) -> logging.LogRecord:
    record = logging.LogRecord("openrouter.audit", logging.INFO, __file__, 1, message, args, None)
    if audit is not None:
        record.audit = audit
    return record


@pytest.fixture
def handler(tmp_path: Path) -> Any:
    made = AuditFileHandler(tmp_path / "audit.jsonl")
    yield made
    made.close()


def test_an_audit_record_becomes_one_sealed_line(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Core fields are written as null when unknown, rare ones left out, money keeps its digits."""
    handler.handle(log_record(audit_record(total_cost=Decimal("8.41005e-05"), is_byok=False)))
    (line,) = [line for line in lines_of(tmp_path) if b"chat_completion" in line]
    assert b'"total_cost":0.0000841005,' in line
    members = json.loads(line)
    assert members["user_id"] is None
    assert members["is_byok"] is False
    assert "upstream_cost" not in members
    assert "redacted_under" not in members
    assert list(members)[-4:] == ["log", "seq", "kid", "mac"]


def test_a_plain_log_record_becomes_an_event_of_type_log(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Level, logger, message and extras; reserved names are freed."""
    logger = logging.getLogger("openrouter.audit")
    logger.addHandler(handler)
    logger.warning("retention of %s", "30 days", extra={"seq": 5, "job": "nightly"})
    (members,) = records_of(tmp_path)
    assert (members["event_type"], members["level"], members["message"]) == (
        "log",
        "WARNING",
        "retention of 30 days",
    )
    assert (members["x_seq"], members["job"], members["logger"]) == (5, "nightly", "openrouter.audit")


def test_nothing_is_written_unredacted_even_without_a_filter(
    handler: AuditFileHandler, tmp_path: Path
) -> None:
    """Message, arguments, extras, exception and stack of a plain record; free text of an audit record."""
    logger = logging.getLogger("openrouter.audit")
    logger.addHandler(handler)
    secret = "sk-or-v1-fake-0123456789abcdef"
    try:
        raise ValueError(f"key {secret}")
    except ValueError:
        logger.exception(
            "of %s %s", "ann@example.com", {"k": secret}, extra={"more": [secret]}, stack_info=True
        )
    handler.handle(
        log_record(audit_record(error_message=f"bad key {secret}", metadata={"mail": "ann@example.com"}))
    )
    written = b"\n".join(lines_of(tmp_path))
    assert secret.encode() not in written
    assert b"ann@example.com" not in written
    assert records_of(tmp_path)[1]["redactions"] == {"API_KEY": 1, "EMAIL": 1}


def test_the_record_that_other_handlers_see_is_unchanged(handler: AuditFileHandler) -> None:
    """Redaction works on a copy."""
    record = log_record(None, "write to %s", "ann@example.com")
    before = dict(record.__dict__)
    handler.addFilter(RedactionFilter())
    handler.handle(record)
    assert record.__dict__ == before


def test_a_filter_may_replace_the_record_on_every_version(handler: AuditFileHandler, tmp_path: Path) -> None:
    """As logging does from 3.12 on."""
    handler.addFilter(lambda record: log_record(audit_record(user_id="replaced")))
    handler.handle(log_record(audit_record(user_id="original")))
    assert [r["user_id"] for r in records_of(tmp_path)] == ["replaced"]


def test_a_filter_may_refuse_the_record(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Then nothing is written at all."""
    handler.addFilter(lambda record: False)
    assert not handler.handle(log_record(audit_record()))
    assert lines_of(tmp_path) == []


def test_checkpoints_are_handed_out_as_log_records(handler: AuditFileHandler, tmp_path: Path) -> None:
    """The message is the sealed line, at whatever level the root stands."""
    seen: list[logging.LogRecord] = []
    collector = logging.Handler()
    collector.emit = seen.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(collector)
    handler.handle(log_record(audit_record()))
    assert [record.getMessage().encode() for record in seen] == [lines_of(tmp_path)[1]]
    assert {record.name for record in seen} == {CHECKPOINT_LOGGER}
    assert handler.stats()["checkpoints_not_taken"] == 0


def test_checkpoints_that_nobody_takes_are_counted(handler: AuditFileHandler) -> None:
    """An operator can see that nothing leaves the machine."""
    with bare_root():
        handler.handle(log_record(audit_record()))
    assert handler.stats() == {
        "written": 1,
        "failed": 0,
        "lost": 0,
        "fsyncs": 1,  # for the checkpoint
        "checkpoints": 1,
        "checkpoints_not_taken": 1,
    }


def test_a_checkpoint_that_comes_back_is_dropped(handler: AuditFileHandler, tmp_path: Path) -> None:
    """An audit handler on the root logger does not log its own checkpoints."""
    logging.getLogger().addHandler(handler)
    for _ in range(3):
        handler.handle(log_record(audit_record()))
    assert [m["event_type"] for m in members_of(tmp_path)].count("log.checkpoint") == 1


def test_a_user_record_cannot_pass_for_a_control_line(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Its event type gets an x_ in front."""
    handler.handle(log_record(audit_record(event_type="log.delete")))
    assert [r["event_type"] for r in records_of(tmp_path)] == ["x_log.delete"]


def test_a_long_record_is_cut_and_says_so(tmp_path: Path) -> None:
    """The line stays within max_line_bytes, newline included, and the log verifies."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl", max_line_bytes=4096)
    handler.handle(log_record(audit_record(error_message="\u00e9" * 9000)))
    (members,) = records_of(tmp_path)
    (line,) = [line for line in lines_of(tmp_path) if b"chat_completion" in line]
    assert 4000 < len(line) + 1 <= 4096
    assert members["truncated"] is True
    assert members["original_bytes"] > 54_000
    handler.close()
    assert verify(tmp_path).findings == ()


def test_another_formatter_s_json_is_parsed_once_and_sealed(
    handler: AuditFileHandler, tmp_path: Path
) -> None:
    """Members keep their values, reserved names are freed, spaces do not survive."""
    formatter = logging.Formatter('{"event_type": "own", "mac": "x", "log": 1, "text": "%(message)s"}')
    handler.setFormatter(formatter)
    handler.handle(log_record(None, "caf\u00e9"))
    (line,) = [line for line in lines_of(tmp_path) if b'"own"' in line]
    assert line.startswith(b'{"event_type":"own","x_mac":"x","x_log":1,"text":"caf\\u00e9","log":')


def test_another_formatter_s_text_becomes_the_message(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Text that is no JSON object is kept as an event of type log."""
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.handle(log_record(None, "plain"))
    assert [(r["event_type"], r["message"]) for r in records_of(tmp_path)] == [("log", "INFO: plain")]


def test_static_fields_are_added_and_renaming_is_refused(handler: AuditFileHandler, tmp_path: Path) -> None:
    """A sealed log keeps the schema's names."""
    handler.setFormatter(
        AuditJsonFormatter(static_fields={"service": "checkout", "user_id": "nobody", "log": "l"})
    )
    handler.handle(log_record(audit_record(user_id="u-1")))
    (members,) = records_of(tmp_path)
    assert (members["service"], members["user_id"], members["x_log"]) == ("checkout", "u-1", "l")
    with pytest.raises(ConfigError, match="rename_fields"):
        handler.setFormatter(AuditJsonFormatter(rename_fields={"user_id": "uid"}))


def test_the_formatter_serves_other_handlers_too() -> None:
    """python-json-logger's options hold; numbers stay numbers; no value makes it fail."""
    formatter = AuditJsonFormatter(
        "%(levelname)s", rename_fields={"user_id": "uid"}, static_fields={"env": "t"}, timestamp=True
    )
    audit = audit_record(user_id="u-1", total_cost=Decimal("0.10"), metadata={"n": float("nan")})
    members = json.loads(formatter.format(log_record(audit)), parse_float=Decimal)
    assert (members["uid"], members["total_cost"], members["env"]) == ("u-1", Decimal("0.10"), "t")
    assert members["metadata"] == {"n": None}
    plain = json.loads(formatter.format(log_record(None, {"a": 1})))
    assert (plain["a"], plain["env"], plain["levelname"]) == (1, "t", "INFO")


def test_re_entrant_records_are_written_after_the_one_in_hand(
    handler: AuditFileHandler, tmp_path: Path
) -> None:
    """A record logged while one is being written (a finaliser, a signal handler) is neither lost nor torn."""
    append = handler._writer.append
    inner = [log_record(audit_record(user_id="inner"))]

    def reenter(body: bytes) -> int:
        if inner:
            handler.handle(inner.pop())
        return append(body)

    handler._writer.append = reenter  # type: ignore[method-assign]
    handler.handle(log_record(audit_record(user_id="outer")))
    assert [r["user_id"] for r in records_of(tmp_path)] == ["outer", "inner"]


def test_threads_share_a_handler(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Four threads, every record once, one chain."""

    def work(thread: int) -> None:
        for number in range(100):
            handler.handle(log_record(audit_record(user_id=f"{thread}-{number}")))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    expected = {f"{thread}-{number}" for thread in range(4) for number in range(100)}
    written = [r["user_id"] for r in records_of(tmp_path)]
    assert (len(written), set(written)) == (400, expected)
    assert verify(tmp_path).findings == ()


class DiskFull:
    """Stands in for a disk: os.write fails while `full` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self.room = 0
        write = os.write

        def limited(descriptor: int, data: bytes) -> int:
            if not self.full or not bytes(data).startswith((b"{", b"\n")):
                return write(descriptor, data)
            if self.room:
                room, self.room = self.room, 0
                return write(descriptor, bytes(data)[:room])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("or_audit_logging.log.writer.os.write", limited)


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_is_reported_once_and_written_down_later(
    handler: AuditFileHandler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    room: int,
) -> None:
    """The call goes on; a short write is cut back; log.lost bears the count; stderr has no content."""
    handler.handle(log_record(audit_record()))
    before = b"".join(path.read_bytes() for path in tmp_path.glob("*.jsonl"))
    disk = DiskFull(monkeypatch)
    disk.room = room
    with bare_root():
        for number in range(5):
            handler.handle(log_record(audit_record(user_id=f"user-{number}")))
    assert b"".join(path.read_bytes() for path in tmp_path.glob("*.jsonl")) == before
    disk.full = False
    handler.handle(log_record(audit_record(user_id="after")))
    lost = [m for m in members_of(tmp_path) if m["event_type"] == "log.lost"]
    assert [(m["count"], m["reason"]) for m in lost] == [(5, "disk")]
    assert handler.stats()["failed"] == 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "user-" not in error
    handler.close()
    assert verify(tmp_path).findings == ()


def test_a_failure_is_raised_where_the_configuration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AuditWriteError reaches whoever logged, and later successes go on."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl", on_failure="raise")
    disk = DiskFull(monkeypatch)
    with pytest.raises(AuditWriteError, match="No space left"):
        handler.handle(log_record(audit_record()))
    disk.full = False
    handler.handle(log_record(audit_record()))
    assert len(records_of(tmp_path)) == 1


def test_a_formatter_that_fails_loses_its_record_visibly(
    handler: AuditFileHandler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted, said without content, and sealed as log.lost at the next success."""

    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise RuntimeError(record.getMessage())

    handler.setFormatter(Broken())
    handler.handle(log_record(None, "private words"))
    handler.setFormatter(None)
    handler.handle(log_record(None, "next"))
    assert [m["count"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == [1]
    assert "private words" not in capsys.readouterr().err


def test_probe_tells_before_the_money_is_spent(tmp_path: Path) -> None:
    """It raises when a record could not be written now."""
    handler = AuditFileHandler(tmp_path / "log" / "audit.jsonl", lock_timeout=0)
    handler.probe()
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "log").write_text("a file in the folder's place")
    with pytest.raises(AuditWriteError, match="cannot be written"):
        handler.probe()


def test_a_log_whose_folder_was_removed_goes_on_in_a_new_one(
    handler: AuditFileHandler, tmp_path: Path
) -> None:
    """The chain is continued, and the loss stands in it."""
    handler.handle(log_record(audit_record()))
    shutil.rmtree(tmp_path)
    handler.handle(log_record(audit_record()))
    handler.close()
    events = [members["event_type"] for members in members_of(tmp_path)]
    assert events[0] == "log.open"
    assert "log.lost" in events
    assert verify(tmp_path).verdict == "tampered"


def test_a_handler_is_a_sink_whose_policy_comes_from_its_filter(handler: AuditFileHandler) -> None:
    """Capture learns redactor, digest key and failure mode here."""
    assert isinstance(handler, AuditSink)
    default = handler.policy
    own = RedactionFilter(allow=["support@example.com"])
    handler.addFilter(own)
    assert handler.policy.redactor is own.redactor
    assert handler.policy.digest_key == default.digest_key
    assert handler.policy.on_failure == "report"


def test_close_is_idempotent_and_a_later_record_reopens(handler: AuditFileHandler, tmp_path: Path) -> None:
    """As logging's own file handler does."""
    handler.handle(log_record(audit_record(user_id="one")))
    handler.close()
    handler.close()
    handler.handle(log_record(audit_record(user_id="two")))
    handler.close()
    assert [r["user_id"] for r in records_of(tmp_path)] == ["one", "two"]
    assert [m["event_type"] for m in members_of(tmp_path)].count("log.stop") == 2
    assert verify(tmp_path).findings == ()


def test_the_log_ends_with_stop_and_a_checkpoint_handed_out_at_exit(tmp_path: Path) -> None:
    """Before logging shuts down, so that whatever ships the other logs still carries it away."""
    script = textwrap.dedent(
        f"""
        import logging
        from or_audit_logging import configure
        logging.basicConfig(filename={str(tmp_path / "app.log")!r}, format="%(name)s %(message)s")
        configure({str(tmp_path / "audit_logs")!r})
        logging.getLogger("openrouter.audit").info("hello")
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
    members = members_of(tmp_path / "audit_logs")
    assert [m["event_type"] for m in members[-2:]] == ["log.stop", "log.checkpoint"]
    handed = (tmp_path / "app.log").read_text().splitlines()[-1]
    assert handed == f"{CHECKPOINT_LOGGER} {lines_of(tmp_path / 'audit_logs')[-1].decode()}"


YAML = """
version: 1
disable_existing_loggers: false
filters:
  redact: {(): or_audit_logging.RedactionFilter}
handlers:
  audit:
    class: or_audit_logging.AuditFileHandler
    filename: FOLDER/audit.jsonl
    key: env:OR_AUDIT_KEY
    durability: flush
    on_failure: report
    filters: [redact]
loggers:
  openrouter.audit: {level: INFO, handlers: [audit], propagate: false}
"""


@pytest.mark.parametrize("durability", ["flush", "fsync"])
def test_the_documented_yaml_configures_it(tmp_path: Path, durability: str) -> None:
    """dictConfig is the single place of configuration."""
    text = YAML.replace("FOLDER", str(tmp_path)).replace("durability: flush", f"durability: {durability}")
    logging.config.dictConfig(yaml.safe_load(text))
    logging.getLogger("openrouter.audit").info("mail %s", "ann@example.com")
    assert [r["message"] for r in records_of(tmp_path)] == ["mail [EMAIL]"]


def test_dict_config_twice_on_one_file_goes_on(tmp_path: Path) -> None:
    """The former handler is closed by logging; the chain does not break."""
    config = yaml.safe_load(YAML.replace("FOLDER", str(tmp_path)))
    for number in range(2):
        logging.config.dictConfig(config)
        logging.getLogger("openrouter.audit").info("round %s", number)
    assert [r["message"] for r in records_of(tmp_path)] == ["round 0", "round 1"]
    assert verify(tmp_path).findings == ()


def test_dict_config_reads_a_list_of_keys_and_filter_options(tmp_path: Path) -> None:
    """Lists arrive as logging's own list type, which converts on access."""
    config = yaml.safe_load(YAML.replace("FOLDER", str(tmp_path)))
    config["handlers"]["audit"]["key"] = ["env:OR_AUDIT_KEY"]
    config["filters"]["redact"]["allow"] = ["support@example.com"]
    logging.config.dictConfig(config)
    logging.getLogger("openrouter.audit").info("support@example.com ann@example.com")
    assert [r["message"] for r in records_of(tmp_path)] == ["support@example.com [EMAIL]"]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("keyy", "env:X", "has no parameter keyy"),
        ("durability", "buffered", "flush or fsync"),
        ("on_failure", "ignore", "report or raise"),
        ("max_line_bytes", 100, "4096 to 1048576"),
        ("max_line_bytes", "many", "max_line_bytes is a whole number"),
        ("max_line_bytes", 8000.5, "max_line_bytes is a"),
        ("checkpoint_every", True, "checkpoint_every is a whole number"),
        ("checkpoint_seconds", float("nan"), "checkpoint_seconds more than 0"),
        ("lock_timeout", float("inf"), "not negative"),
        ("key_readable", "false", "true or false"),
        ("encoding", "utf-16", "ASCII"),
        ("level", "WARNING", "takes every call"),
        ("key", "a fake key standing in the configuration", "env:NAME or file:PATH"),
        ("key", "env:NO_SUCH_VARIABLE", "not set"),
        ("filename", "FOLDER/no_suffix", "suffix"),
        ("checkpoint_every", 0, "1 to 10000"),
    ],
)
def test_a_configuration_mistake_fails_at_construction(
    tmp_path: Path, option: str, value: Any, says: str
) -> None:
    """dictConfig wraps the ConfigError, whose sentence says what to do."""
    config = yaml.safe_load(YAML.replace("FOLDER", str(tmp_path)))
    config["handlers"]["audit"][option] = value
    with pytest.raises(ValueError, match="audit") as caught:
        logging.config.dictConfig(config)
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, ConfigError):
        cause = cause.__cause__
    assert cause is not None
    assert says in str(cause)


def test_unknown_filter_options_are_refused() -> None:
    """With the ones it takes."""
    with pytest.raises(ConfigError, match="packs, actions, allow, deny_keys"):
        RedactionFilter(allowed=["x"])


def test_configure_leaves_other_logging_alone(tmp_path: Path) -> None:
    """Handlers of the application stay open and attached."""
    stream = open(tmp_path / "app.log", "w", encoding="utf-8")  # noqa: SIM115
    own = logging.StreamHandler(stream)
    logging.getLogger().addHandler(own)
    configure(tmp_path / "audit_logs")
    logging.getLogger().warning("still here")
    assert own in logging.getLogger().handlers
    logging.getLogger().removeHandler(own)
    stream.close()
    assert (tmp_path / "app.log").read_text() == "still here\n"


def test_configure_again_replaces_its_handler(tmp_path: Path) -> None:
    """One record, one line."""
    configure(tmp_path / "one")
    configure(tmp_path / "two", redaction={"allow": ["support@example.com"]})
    logging.getLogger("openrouter.audit").info("support@example.com")
    assert not (tmp_path / "one" / "audit_2026-11-21.jsonl").exists()
    assert [r["message"] for r in records_of(tmp_path / "two")] == ["support@example.com"]


def test_configure_raises_its_mistakes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves the logger as it was."""
    monkeypatch.delenv("OR_AUDIT_KEY")
    with pytest.raises(ConfigError, match="or-audit init"):
        configure(tmp_path)
    assert logging.getLogger("openrouter.audit").handlers == []


def test_no_key_is_in_anything_a_handler_shows(handler: AuditFileHandler) -> None:
    """Neither repr nor settings."""
    assert SECRET.decode() not in repr(handler)
    assert SECRET.decode() not in repr(vars(handler))


def test_numbers_may_stand_as_text(tmp_path: Path) -> None:
    """YAML that was filled in from the environment gives strings."""
    options: Any = {
        "max_line_bytes": "5000",
        "checkpoint_every": "7",
        "checkpoint_seconds": "1.5",
        "lock_timeout": "2",
    }
    AuditFileHandler(tmp_path / "audit.jsonl", encoding="utf-8", **options).close()


def test_a_record_that_comes_twice_is_written_once(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Through two loggers, or through a second handler on the log; another with its id is another."""
    second = AuditFileHandler(tmp_path / "audit.jsonl")
    second.addFilter(RedactionFilter())
    audit = audit_record(user_id="ann@example.com")
    for each in (handler, handler, second):
        each.handle(log_record(audit))
    handler.handle(log_record(audit_record(id=audit.id, user_id="u-2")))
    second.close()
    assert [r["user_id"] for r in records_of(tmp_path)] == ["[EMAIL]", "u-2"]


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "record",
    [
        log_record(None, Hostile()),
        log_record(None, "to %s", Hostile()),
        log_record(None, "%d", "ann@example.com"),
        logging.makeLogRecord({"msg": "text", 1: 2, "value": Hostile(), ("a", "b"): "c"}),
    ],
)
def test_a_hostile_value_neither_raises_nor_loses_the_record(
    handler: AuditFileHandler, tmp_path: Path, record: logging.LogRecord
) -> None:
    """Whatever an object does when it is shown."""
    handler.handle(record)
    assert len(records_of(tmp_path)) == 1
    assert b"ann@example.com" not in b"".join(lines_of(tmp_path))


def test_the_names_of_extras_are_seen(handler: AuditFileHandler, tmp_path: Path) -> None:
    """A password is hidden for its name; so is a secret that is a name, or stands in the logger's name."""
    logger = logging.getLogger("openrouter.audit.ann@example.com")
    logger.addHandler(handler)
    logger.warning(
        "login", extra={"password": "hunter2", "Authorization": "abc", "sk-or-v1-0123456789abcdef": 1}
    )
    logger.removeHandler(handler)
    written = b"".join(lines_of(tmp_path))
    for secret in (b"hunter2", b'"abc"', b"sk-or-v1-0", b"ann@example.com"):
        assert secret not in written
    assert records_of(tmp_path)[0]["password"] == "[SECRET]"


def test_a_handler_of_checkpoints_that_raises_does_not_reach_the_caller(handler: AuditFileHandler) -> None:
    """The checkpoint counts as not taken."""

    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("no network")

    broken = Broken()
    logging.getLogger(CHECKPOINT_LOGGER).addHandler(broken)
    try:
        handler.handle(log_record(audit_record()))
    finally:
        logging.getLogger(CHECKPOINT_LOGGER).removeHandler(broken)
    assert handler.stats()["checkpoints_not_taken"] == 1


def test_an_interrupt_during_a_write_leaves_an_honest_log(handler: AuditFileHandler, tmp_path: Path) -> None:
    """Ctrl-C at any moment inside the writer: the next write looks at the file and goes on from there."""
    rounds = 60

    class Interrupt(BaseException):
        pass

    for steps in range(1, rounds):
        left = steps

        def trace(frame: Any, event: str, argument: object) -> Any:
            nonlocal left
            if "log/writer.py" in frame.f_code.co_filename.replace(os.sep, "/"):
                left -= 1
                if left == 0:
                    raise Interrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            handler.handle(log_record(None, f"interrupted {steps}"))
        except Interrupt:
            pass
        finally:
            sys.settrace(before)
        handler.handle(log_record(None, f"after {steps}"))
    messages = [r["message"] for r in records_of(tmp_path)]
    assert [m for m in messages if m.startswith("after")] == [f"after {n}" for n in range(1, rounds)]
    assert len(messages) == len(set(messages))
    handler.close()
    assert verify(tmp_path).findings == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_during_a_write_logs(handler: AuditFileHandler, tmp_path: Path) -> None:
    """What the parent's thread was doing is not the child's business."""
    append = handler._writer.append
    children: list[int] = []

    def fork_inside(body: bytes) -> None:
        child = os.fork()
        if child == 0:
            handler._writer.append = append  # type: ignore[method-assign]
            handler.createLock()
            for number in range(5):
                handler.handle(log_record(audit_record(user_id=f"child-{number}")))
            os._exit(0)
        children.append(child)
        append(body)

    handler._writer.append = fork_inside  # type: ignore[method-assign]
    handler.handle(log_record(audit_record(user_id="parent")))
    os.waitpid(children[0], 0)
    written = {r["user_id"] for r in records_of(tmp_path)}
    assert written == {"parent", *(f"child-{n}" for n in range(5))}
    handler._writer.append = append  # type: ignore[method-assign]
    handler.close()
    assert verify(tmp_path).findings == ()


def test_a_call_probed_from_within_a_write_does_not_let_go_of_the_lock(tmp_path: Path) -> None:
    """By a signal handler that makes an audited call while a line is written."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl", on_failure="raise")
    other = AuditFileHandler(tmp_path / "audit.jsonl", lock_timeout=0)
    append, held = handler._writer.append, []

    def reenter(body: bytes) -> None:
        with handler._writer._exclusive:
            handler.probe()
            handler.close()
            with ThreadPoolExecutor() as elsewhere:
                held.append(str(elsewhere.submit(other.probe).exception()))
        append(body)

    handler._writer.append = reenter  # type: ignore[method-assign]
    handler.handle(log_record(audit_record()))
    handler._writer.append = append  # type: ignore[method-assign]
    assert len(held) == 1
    assert "has held" in held[0]
    handler.close()
    other.close()


def test_after_a_failed_write_a_probe_really_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no further call is paid for on a full disk."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl", on_failure="raise")
    handler.handle(log_record(audit_record()))
    disk = DiskFull(monkeypatch)
    with pytest.raises(AuditWriteError):
        handler.handle(log_record(audit_record()))
    for _ in range(3):
        with pytest.raises(AuditWriteError, match="No space left"):
            handler.probe()
    disk.full = False
    handler.probe()
    assert [m["count"] for m in members_of(tmp_path) if m["event_type"] == "log.lost"] == [1]


def test_a_checkpoint_that_fails_loses_no_record(
    handler: AuditFileHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line before it is written, and counts as written; the next line makes the checkpoint."""
    handler.handle(log_record(audit_record()))
    handler._writer._due = True
    write = os.write

    def no_checkpoints(descriptor: int, data: bytes) -> int:
        if b"log.checkpoint" in bytes(data):
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("or_audit_logging.log.writer.os.write", no_checkpoints)
        handler.handle(log_record(audit_record(user_id="u-2")))
    handler.handle(log_record(audit_record(user_id="u-3")))
    assert handler.stats()["failed"] == 0
    assert [m["event_type"] for m in members_of(tmp_path)[-3:]] == [
        "chat_completion",
        "chat_completion",
        "log.checkpoint",
    ]
    handler.close()
    assert verify(tmp_path).findings == ()


def test_a_file_name_that_is_no_path_is_refused() -> None:
    """A ConfigError as every other mistake."""
    with pytest.raises(ConfigError, match="filename is a path"):
        AuditFileHandler(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("durability", "syncs"), [("flush", 0), ("fsync", 10)])
def test_fsync_puts_each_record_on_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, syncs: int
) -> None:
    """What flush leaves to the page cache, fsync waits for, record by record."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl", durability=durability)
    handler.handle(log_record(audit_record()))
    sizes: list[int] = []
    monkeypatch.setattr(
        "or_audit_logging.log.segment_file._sync_data",
        lambda descriptor: sizes.append(os.fstat(descriptor).st_size),
    )
    for _ in range(10):
        handler.handle(log_record(audit_record()))
    assert len(sizes) == syncs
    assert sizes == sorted(set(sizes))
    handler.close()
