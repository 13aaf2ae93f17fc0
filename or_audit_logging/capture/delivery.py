"""The way to the log: whose policy rules, whether a record could be written, and handing it over.

A handler that keeps audit records is an `AuditSink`. The effective handlers of the logger are walked at
every call, so that `dictConfig` may change them at any time; the policy of the first sink rules. Sinks
behind a QueueHandler or MemoryHandler are not seen: records reach them, under the default policy.
`Logger.handle` is called directly, which leaves the logger's level aside: an audit trail has no verbosity.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from or_audit_logging.capture.trouble import guarded, report
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.keys import KEY_FILE_VARIABLE, KEY_VARIABLE, KeyRing
from or_audit_logging.policy import AuditSink, DigestKey, Policy, Redacts
from or_audit_logging.record import AuditRecord

_LEVELS = {"success": logging.INFO, "incomplete": logging.WARNING, "cancelled": logging.WARNING}

_delivering: ContextVar[bool] = ContextVar("or_audit_logging.delivering", default=False)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the audited function stands, for `%(pathname)s`, `%(lineno)d` and `%(funcName)s`."""

    pathname: str = "(unknown file)"
    line: int = 0
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a record goes and under what policy it is made; `must_write`: a loss reaches the caller."""

    logger: logging.Logger
    redactor: Redacts
    digest_key: DigestKey | None
    must_write: bool = False


def delivering() -> bool:
    """Return whether a record is being handed over here: a handler is calling a model."""
    return _delivering.get()


def route_to(name: str) -> Route:
    """Return the way to the logger *name*, as it is configured now.

    Raises `AuditWriteError` where a sink that must write could not, so that nothing is sent or paid.
    """
    logger = logging.getLogger(name)
    handlers = [h for h in _effective_handlers(logger) if not isinstance(h, logging.NullHandler)]
    policies = [
        (sink, policy)
        for sink in handlers
        if isinstance(sink, AuditSink) and (policy := guarded("a sink's policy", _policy_of, sink))
    ]
    strict = [sink for sink, policy in policies if policy.on_failure == "raise"]
    _check_heard(logger, anyone=bool(handlers), strict=bool(strict))
    for sink in strict:
        _probe(sink)
    if policies:
        policy = policies[0][1]
        return Route(logger, policy.redactor, policy.digest_key, bool(strict))
    return Route(logger, default_redactor(), environment_key())


def deliver(route: Route, record: AuditRecord, source: Source) -> None:
    """Hand *record* to the logger; raises `AuditWriteError` only where a sink must write."""
    token = _delivering.set(True)
    try:
        route.logger.handle(_log_record(route.logger, record, source))
    except Exception as error:
        kind = type(error).__name__
        if not route.must_write:
            report(
                "delivery",
                f"{route.logger.name} {kind}",
                "audit: a handler of %s raised %s; records may be lost",
                route.logger.name,
                kind,
            )
        elif isinstance(error, AuditWriteError):
            raise
        else:
            message = f"a handler of {route.logger.name} raised {kind}; the record may not be written"
            raise AuditWriteError(message) from error
    finally:
        _delivering.reset(token)


@functools.cache
def default_redactor() -> Redacts:
    """Return the redactor for loggers without a sink."""
    from or_audit_logging.redaction import Redactor  # here: its patterns take a while to compile

    return Redactor()


def environment_key() -> DigestKey | None:
    """Return the digest key that the environment names, or None; read once, when it first names one."""
    if os.environ.get(KEY_VARIABLE) or os.environ.get(KEY_FILE_VARIABLE):
        return _named_key()
    return None


@functools.cache
def _named_key() -> DigestKey | None:
    try:
        return KeyRing.from_sources(None).digest_key
    except ConfigError as error:
        report("key", "environment", "audit: no prompt hashes: %s", error)
        return None


def _policy_of(sink: AuditSink) -> Policy:
    return sink.policy


def _effective_handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    current: logging.Logger | None = logger
    while current:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _check_heard(logger: logging.Logger, *, anyone: bool, strict: bool) -> None:
    if logger.disabled:
        remedy = "set disable_existing_loggers: false in the logging configuration"
        if strict:
            raise AuditWriteError(f"the audit logger {logger.name} is disabled; {remedy}")
        report(
            "disabled",
            logger.name,
            "audit: the logger %s is disabled, records are lost; %s",
            logger.name,
            remedy,
        )
    elif not anyone:
        report(
            "no-handler",
            logger.name,
            "audit: no handler listens to %s, records are lost; call or_audit_logging.configure(directory)",
            logger.name,
        )


def _probe(sink: AuditSink) -> None:
    token = _delivering.set(True)
    try:
        sink.probe()
    except AuditWriteError:
        raise
    except Exception as error:
        raise AuditWriteError(f"the audit log could not be probed ({type(error).__name__})") from error
    finally:
        _delivering.reset(token)


def _log_record(logger: logging.Logger, record: AuditRecord, source: Source) -> logging.LogRecord:
    message = f"{record.event_type} {record.status} {record.model_used or record.model_requested or '-'}"
    level = _LEVELS.get(record.status or "", logging.ERROR)
    made = logger.makeRecord(
        logger.name, level, source.pathname, source.line, message, (), None, source.function
    )
    made.__dict__["audit"] = record
    return made
