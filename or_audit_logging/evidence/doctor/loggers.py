"""Is there a handler that keeps what the audit logger is handed? In this process, or in a configuration.

Both are brought to one form first, a `_Hearing` for each logger from the audit logger up to the root.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.policy import AuditSink

AUDIT_LOGGER = "openrouter.audit"

_SINKS = ("AuditFileHandler", "AuditStreamHandler", "SQLiteAuditHandler")
_FILTER = "RedactionFilter"


@dataclass(frozen=True)
class _Handler:
    name: str
    keeps: bool
    level: int = logging.NOTSET
    is_queue: bool = False


@dataclass(frozen=True)
class _Hearing:
    """The handlers that hear one audit logger."""

    logger: str
    handlers: tuple[_Handler, ...]
    disabled: bool = False
    filtered_loggers: tuple[str, ...] = ()
    """Loggers that a RedactionFilter is on."""


def check_loggers(name: str = AUDIT_LOGGER) -> list[Check]:
    """Look at the audit logger *name* of this process."""
    handlers: list[_Handler] = []
    filtered: list[str] = []
    logger: logging.Logger | None = logging.getLogger(name)
    disabled = logger.disabled if logger is not None else False
    while logger is not None:
        handlers += map(_from_handler, logger.handlers)
        filtered += [logger.name for one in logger.filters if type(one).__name__ == _FILTER]
        logger = logger.parent if logger.propagate else None
    return _judge(_Hearing(name, tuple(handlers), disabled, tuple(filtered)))


def check_configuration(config: Mapping[str, object], name: str = AUDIT_LOGGER) -> list[Check]:
    """Look at a mapping for `logging.config.dictConfig`; nothing of it is imported or made."""
    disables = not config.get("incremental") and bool(config.get("disable_existing_loggers", True))
    loggers = _mapping(config.get("loggers"))
    handlers: list[_Handler] = []
    filtered: list[str] = []
    for logger, settings in _upwards(loggers, name, _mapping(config.get("root"))):
        handlers += [_from_settings(str(each), config) for each in _names(settings.get("handlers"))]
        filtered += [logger for each in _names(settings.get("filters")) if _is_redaction(str(each), config)]
    named = any(name == one or name.startswith(f"{one}.") for one in loggers)
    return _judge(_Hearing(name, tuple(handlers), disables and not named, tuple(filtered)))


def _judge(hearing: _Hearing) -> list[Check]:
    checks = [_heard(hearing)]
    for handler in hearing.handlers:
        if handler.keeps and handler.level > logging.INFO:
            checks.append(
                Check(
                    "handler-level",
                    "problem",
                    f"the level of {handler.name} is {logging.getLevelName(handler.level)}: "
                    "records of calls that succeeded (INFO) are dropped",
                    "leave the level of an audit handler unset",
                )
            )
    if hearing.filtered_loggers:
        checks.append(
            Check(
                "filter-place",
                "warning",
                f"a RedactionFilter is on the logger {hearing.filtered_loggers[0]}, where records of the "
                "loggers below pass it by",
                "put it on the handlers",
            )
        )
    return checks


def _heard(hearing: _Hearing) -> Check:
    name, logger = "logger", hearing.logger
    if hearing.disabled:
        return Check(
            name,
            "problem",
            f"the logger {logger} is disabled, or will be if it exists before the configuration: "
            "its records are lost",
            "set disable_existing_loggers: false, which is not the default of dictConfig",
        )
    if any(handler.keeps for handler in hearing.handlers):
        kept = ", ".join(handler.name for handler in hearing.handlers if handler.keeps)
        return Check(name, "ok", f"the logger {logger} is heard by {kept}")
    if any(handler.is_queue for handler in hearing.handlers):
        return Check(
            name,
            "warning",
            f"the logger {logger} hands its records to a queue; what stands behind it cannot be seen",
            "attach the audit handler to the logger itself: it needs no queue, and a queue may lose records",
        )
    if hearing.handlers:
        return Check(
            name,
            "warning",
            f"no handler of the logger {logger} seals records",
            "add an AuditFileHandler: or_audit_logging.configure(directory), or docs/configuration.md",
        )
    return Check(
        name,
        "problem",
        f"no handler hears the logger {logger}: its records are lost",
        "call or_audit_logging.configure(directory), or configure a handler: docs/configuration.md",
    )


def _from_handler(handler: logging.Handler) -> _Handler:
    return _Handler(
        type(handler).__name__,
        keeps=isinstance(handler, AuditSink),
        level=handler.level,
        is_queue=isinstance(handler, logging.handlers.QueueHandler),
    )


def _from_settings(name: str, config: Mapping[str, object]) -> _Handler:
    settings = _mapping(_mapping(config.get("handlers")).get(name))
    factory = str(settings.get("class", settings.get("()", "")))
    return _Handler(
        name,
        keeps=factory.startswith("or_audit_logging.") and factory.endswith(_SINKS),
        level=_level(settings.get("level")),
        is_queue=factory.endswith("QueueHandler"),
    )


def _is_redaction(name: str, config: Mapping[str, object]) -> bool:
    return str(_mapping(_mapping(config.get("filters")).get(name)).get("()", "")).endswith(_FILTER)


def _upwards(
    loggers: Mapping[str, object], name: str, root: Mapping[str, object]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the audit logger and those above it, as long as records propagate."""
    part = name
    while part:
        settings = _mapping(loggers.get(part))
        yield part, settings
        if settings.get("propagate") is False:
            return
        part = part.rpartition(".")[0]
    yield "root", root


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _names(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _level(value: object) -> int:
    if isinstance(value, int):
        return value
    return logging.getLevelNamesMapping().get(str(value), logging.NOTSET)
