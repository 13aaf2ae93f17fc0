"""The way to the log: whose policy rules, whether a record could be written, and handing it over.

A handler that keeps audit records is an `AuditSink`. The effective handlers of the logger are walked at
every call, so that `dictConfig` may change them at any time; the policy of the first sink rules. Sinks
behind a QueueHandler or MemoryHandler are not asked: records reach them, made under the default policy. One
that must write (`on_failure="raise"`) cannot keep its word there, which is a `ConfigError`.
`Logger.handle` is called directly, which leaves the logger's level aside: an audit trail has no verbosity.
"""

from __future__ import annotations

import functools
import logging
import os
from contextvars import ContextVar
from dataclasses import dataclass

from or_audit_logging.capture.trouble import guarded, report
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.keys import KEY_FILE_VARIABLE, KEY_VARIABLE, KeyRing
from or_audit_logging.policy import AuditSink, DigestKey, Policy, Redacts
from or_audit_logging.record import AuditRecord, level_name, summary

AUDIT_LOGGER = "openrouter.audit"


class _Delivery:
    """One handing over, as a context manager; a task that was created inside it and outlives it finds that
    it is over.
    """

    __slots__ = ("_token", "under_way")

    def __enter__(self) -> None:
        self.under_way = True
        self._token = _delivering.set(self)

    def __exit__(self, *_: object) -> None:
        self.under_way = False
        _delivering.reset(self._token)


_delivering: ContextVar[_Delivery | None] = ContextVar("or_audit_logging.delivering", default=None)


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
    delivery = _delivering.get()
    return delivery is not None and delivery.under_way


def route_to(name: str, *, check: bool = True) -> Route:
    """Return the way to the logger *name*, as it is configured now.

    Raises `AuditWriteError` where a sink that must write could not, so that nothing is sent or paid, and
    `ConfigError` where a queue stands before such a sink. Unless *check*, it only looks up the policy.
    """
    logger = logging.getLogger(name)
    first: Policy | None = None
    strict: list[AuditSink] = []
    anyone = False
    for handler in _effective_handlers(logger):
        if isinstance(handler, logging.NullHandler):
            continue
        anyone = True
        if isinstance(handler, AuditSink):
            policy = guarded("a sink's policy", _policy_of, handler)
            if policy is None:
                continue
            first = first or policy
            if policy.on_failure == "raise":
                strict.append(handler)
        elif check and (hidden := _behind(handler)):
            _check_hidden(logger, handler, hidden)
    if check:
        if logger.disabled or not anyone:
            _unheard(logger, strict=bool(strict))
        for sink in strict:
            _probe(sink)
    if first is None:
        return default_route(name)
    return Route(logger, first.redactor, first.digest_key, bool(strict))


def route_or_default(name: str) -> Route:
    """Return `route_to(name)`; where a sink of somebody's own breaks it, the record is made all the same."""
    try:
        return route_to(name)
    except (AuditWriteError, ConfigError):
        raise
    except Exception as error:  # noqa: BLE001 - see above
        kind = type(error).__name__
        report("internal", f"route {kind}", "audit: looking up the handlers of %s failed (%s)", name, kind)
        return default_route(name)


def default_route(name: str) -> Route:
    """Return the way to the logger *name* under the policy that rules where no sink has one."""
    return Route(logging.getLogger(name), default_redactor(), environment_key())


def deliver(route: Route, record: AuditRecord, source: Source) -> bool:
    """Hand *record* to the logger; return whether no handler raised.

    Raises `AuditWriteError`, but only where a sink must write. A loss otherwise is counted, and said once.
    """
    try:
        with _Delivery():
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
            return False
        if isinstance(error, AuditWriteError):
            raise
        message = f"a handler of {route.logger.name} raised {kind}; the record may not be written"
        raise AuditWriteError(message) from error
    return True


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


def _effective_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Return the handlers that logging itself would call, in its order."""
    handlers = list(logger.handlers)
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
        handlers += logger.handlers
    return handlers


def _behind(handler: logging.Handler) -> list[logging.Handler]:
    """Return the handlers *handler* passes records on to: a queue's listener's (3.12), a buffer's target."""
    members = vars(handler)
    listener, target = members.get("listener"), members.get("target")
    if listener is None and target is None:
        return []
    near = [*(getattr(listener, "handlers", None) or ()), target]
    found = [other for other in near if isinstance(other, logging.Handler)]
    return found + [far for other in found for far in _behind(other)]


def _check_hidden(logger: logging.Logger, handler: logging.Handler, hidden: list[logging.Handler]) -> None:
    for sink in hidden:
        if isinstance(sink, AuditSink):
            policy = guarded("a sink's policy", _policy_of, sink)
            if policy is not None and policy.on_failure == "raise":
                raise ConfigError(
                    f'{type(sink).__name__} with on_failure="raise" stands behind {type(handler).__name__} '
                    f"of {logger.name}, where a failure to write could not reach the caller: attach it to "
                    'the logger itself, or set on_failure="report"'
                )


def _unheard(logger: logging.Logger, *, strict: bool) -> None:
    """Say that records of *logger* reach nobody; raise where one of its sinks must write."""
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
    else:
        report(
            "no-handler",
            logger.name,
            "audit: no handler listens to %s, records are lost; call or_audit_logging.configure(directory)",
            logger.name,
        )


def _probe(sink: AuditSink) -> None:
    try:
        with _Delivery():
            sink.probe()
    except AuditWriteError:
        raise
    except Exception as error:
        raise AuditWriteError(f"the audit log could not be probed ({type(error).__name__})") from error


def _log_record(logger: logging.Logger, record: AuditRecord, source: Source) -> logging.LogRecord:
    model = record.model_used or record.model_requested
    message = summary(record.event_type, record.status, model)
    level = int(getattr(logging, level_name(record.status)))
    made = logger.makeRecord(
        logger.name, level, source.pathname, source.line, message, (), None, source.function
    )
    made.__dict__["audit"] = record
    return made
