"""RedactingHandler, `redact_loggers`, and what RedactionFilter and its options are in a configuration."""

from __future__ import annotations

import gc
import io
import logging
import logging.config
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from or_audit_logging import RedactingHandler, RedactionFilter, Redactor
from or_audit_logging.digest import pseudonym
from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.filters import redacted_copy
from or_audit_logging.handlers.redacting import LLM_LOGGERS, redact_loggers
from or_audit_logging.redaction import Finding
from or_audit_logging.sealing.chain import digest_key

MAIL = "ann@example.com"
STREAM = io.StringIO()
HANDLER = logging.NullHandler()


def find_names(text: str) -> Iterator[Finding]:
    """Recognise one name; named in the configurations below."""
    start = text.find("Ann Example")
    if start >= 0:
        yield Finding("PERSON", "contact", start, start + 11)


def initials(finding: Finding, text: str) -> str:
    """Leave a person's initials; named in the configurations below."""
    return "".join(word[0] for word in text.split())


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Handlers, filters and propagation of every logger, put back."""
    loggers = [logging.getLogger(name) for name in ("", "app", "or_audit_logging", *LLM_LOGGERS)]
    before = [(x, x.handlers[:], x.filters[:], x.propagate, x.level) for x in loggers]
    yield
    for logger, handlers, filters, propagate, level in before:
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.propagate, logger.level, logger.disabled = propagate, level, False
    STREAM.seek(0)
    STREAM.truncate()


def configured(text: str) -> None:
    """Apply a configuration in YAML."""
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False} | yaml.safe_load(text))


def test_every_option_is_to_be_had_from_a_configuration(
    monkeypatch: pytest.MonkeyPatch, audit_key: bytes
) -> None:
    """Lists, mappings, callables by their names, and secrets from the environment."""
    monkeypatch.setenv("SERVICE_PASSWORD", "tr0ub4dor&3")
    monkeypatch.delenv("UNSET", raising=False)
    configured(
        f"""
        filters:
          redact:
            (): or_audit_logging.RedactionFilter
            actions: {{CARD: mask, EMAIL: pseudonym, PERSON: ext://{__name__}.initials}}
            allow: [support@example.com, "@example.org", 10.0.0.0/8, "re:EMP-0{{6}}"]
            deny_keys: [pin]
            safe_keys: [ticket]
            known_secrets: ["env:SERVICE_PASSWORD", "env:UNSET"]
            recognizers:
              - ext://{__name__}.find_names
              - {{name: staff, type: STAFF, pattern: "EMP-[0-9]{{6}}", category: government}}
        handlers:
          out: {{class: logging.StreamHandler, stream: ext://{__name__}.STREAM, filters: [redact]}}
        loggers:
          app: {{level: INFO, handlers: [out], propagate: false}}
        """
    )
    logging.getLogger("app").info(
        "%s 4111 1111 1111 1111 Ann Example EMP-123456 EMP-000000 tr0ub4dor%%263 support@example.com", MAIL
    )
    token = pseudonym("EMAIL", MAIL, digest_key(audit_key))
    assert STREAM.getvalue() == f"{token} [CARD:*1111] AE [STAFF] EMP-000000 [SECRET] support@example.com\n"


def test_a_handler_in_a_configuration_may_be_wrapped() -> None:
    """Its formatter is the one inside's; the record stays as it is."""
    configured(
        f"""
        formatters:
          plain: {{format: "<%(message)s>"}}
        handlers:
          out:
            (): or_audit_logging.RedactingHandler
            target: {{class: logging.StreamHandler, stream: ext://{__name__}.STREAM}}
            formatter: plain
            allow: [support@example.com]
        loggers:
          app: {{level: INFO, handlers: [out], propagate: false}}
        """
    )
    logging.getLogger("app").info("%s %s", MAIL, "support@example.com")
    assert STREAM.getvalue() == "<[EMAIL] support@example.com>\n"


def test_what_sdks_say_is_redacted_on_its_way_to_the_root_handlers() -> None:
    """Loggers below the named ones included, which a filter on a logger would miss."""
    logging.getLogger().addHandler(logging.StreamHandler(STREAM))
    redact_loggers(allow=["support@example.com"])
    for name in ("openai._base_client", "httpx", "urllib3.connectionpool"):
        logging.getLogger(name).error("%s: %s support@example.com", name, MAIL)
    logging.getLogger("app").error(MAIL)
    assert STREAM.getvalue().splitlines() == [
        "openai._base_client: [EMAIL] support@example.com",
        "httpx: [EMAIL] support@example.com",
        "urllib3.connectionpool: [EMAIL] support@example.com",
        MAIL,
    ]


def test_levels_filters_and_closing_pass_through() -> None:
    """The handler inside keeps its level; a filter may refuse; flush and close reach it."""
    inner = logging.StreamHandler(STREAM)
    inner.setLevel(logging.ERROR)
    handler = RedactingHandler(inner)
    handler.addFilter(lambda record: "refused" not in record.getMessage())
    for level, text in ((logging.INFO, "low"), (logging.ERROR, "refused"), (logging.ERROR, "high")):
        handler.handle(logging.LogRecord("app", level, "", 0, text, (), None))
    handler.flush()
    handler.close()
    assert STREAM.getvalue() == "high\n"


def test_a_filter_on_a_logger_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """On its first record: the loggers below pass it by. On a handler it says nothing."""
    logger = logging.getLogger("app")
    logger.addHandler(HANDLER)
    logger.addFilter(RedactionFilter())
    with caplog.at_level(logging.WARNING, "or_audit_logging"):
        logger.error("one")
        logger.error("two")
    assert [r.getMessage()[:40] for r in caplog.records if r.name == "or_audit_logging"] == [
        "a RedactionFilter is on the logger app, "
    ]
    caplog.clear()
    logger.filters.clear()
    HANDLER.addFilter(RedactionFilter())
    logger.error("three")
    HANDLER.filters.clear()
    assert not [r for r in caplog.records if r.name == "or_audit_logging"]


def test_a_filter_that_changes_records_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """Python 3.11 gives a filter no other way; what to use instead is named, and nothing of the record."""
    stream = logging.StreamHandler(STREAM)
    stream.addFilter(RedactionFilter())
    logger = logging.getLogger("app")
    logger.addHandler(stream)
    with caplog.at_level(logging.WARNING, "or_audit_logging"):
        for _ in range(2):
            logger.error("to %s", MAIL)
    said = [r.getMessage() for r in caplog.records if r.name == "or_audit_logging"]
    assert len(said) == (1 if sys.version_info < (3, 12) else 0)
    assert all("RedactingHandler(target)" in text and MAIL not in text for text in said)
    assert STREAM.getvalue() == "to [EMAIL]\n" * 2


@pytest.mark.parametrize(
    "options",
    [
        {"redactor": Redactor(), "allow": []},
        {"unknown": 1},
        {"known_secrets": ["env:SHORT"]},
        {"actions": {"EMAIL": "pseudonym"}},
        {"actions": {"EMAIL": "pseudonym"}, "key": "the key itself"},
        {"recognizers": [{"type": "WORDS", "pattern": r"(\w+\s?)*$"}]},
    ],
)
def test_mistakes_surface_at_set_up(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As ConfigError, of the filter and of the handler alike."""
    monkeypatch.setenv("SHORT", "x")
    for name in ("OR_AUDIT_KEY", "OR_AUDIT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    for made in (RedactionFilter, RedactingHandler):
        with pytest.raises(ConfigError):
            made(**options)


@pytest.mark.parametrize(
    "target", ["logging.StreamHandler", {}, {"class": "no.such.Handler"}, {"()": "io.StringIO"}]
)
def test_a_target_is_a_handler(target: Any) -> None:
    """Or describes one."""
    with pytest.raises(ConfigError):
        RedactingHandler(target)


def test_what_was_redacted_before_is_handed_on_as_a_copy_too() -> None:
    """Handlers write in the records that they get: the message, attributes of their own."""
    logger, seen = logging.getLogger("app"), []

    class Writing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record.msg, record.extra_of_its_own = {"message": record.getMessage()}, 1
            seen.append(record)

    record = logger.makeRecord("app", logging.INFO, __file__, 1, "for %s", (MAIL,), None)
    inner = RedactingHandler(Writing())
    RedactingHandler(inner).handle(record)
    assert [each.msg for each in seen] == [{"message": "for [EMAIL]"}]
    assert (record.msg, record.args, hasattr(record, "extra_of_its_own")) == ("for %s", (MAIL,), False)
    inner.handle(again := redacted_copy(record, inner.redactor))
    assert (again.msg, hasattr(again, "extra_of_its_own")) == ("for %s", False)


def test_addresses_in_a_configuration_may_be_lists() -> None:
    """YAML has no tuples; `dictConfig` makes them of lists for handlers that it makes itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        port = server.getsockname()[1]
        configured(
            f"""
            handlers:
              syslog:
                (): or_audit_logging.RedactingHandler
                target: {{class: logging.handlers.SysLogHandler, address: [127.0.0.1, {port}]}}
            loggers: {{app: {{level: INFO, handlers: [syslog], propagate: false}}}}
            """
        )
        logging.getLogger("app").info("for %s", MAIL)
        assert server.recv(1000) == b"<14>for [EMAIL]\0"
    logging.getLogger("app").handlers[0].close()


def test_a_handler_that_could_not_be_made_is_not_closed_at_the_end() -> None:
    """logging flushes and closes at the process's end whatever it knows, and would complain."""
    with pytest.raises(ConfigError):
        RedactingHandler({"class": "logging.NoSuchHandler"})
    gc.collect()
    known = [reference() for reference in logging._handlerList]
    assert not [h for h in known if isinstance(h, RedactingHandler) and not hasattr(h, "target")]
