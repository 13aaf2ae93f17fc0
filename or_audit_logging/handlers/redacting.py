"""`RedactingHandler`: redacted copies for a handler that is not ours, on every Python version.

    RedactingHandler(logging.StreamHandler())
    redact_loggers()                        # what openai, httpx, httpcore, openrouter, urllib3 say

In a configuration the handler inside is described in place; without one, records go to the root logger's
handlers:

    handlers:
      console: {(): or_audit_logging.RedactingHandler, target: {class: logging.StreamHandler}}
      redacted: {(): or_audit_logging.RedactingHandler}
    loggers:
      openai: {handlers: [redacted], propagate: false}
"""

from __future__ import annotations

import copy
import importlib
import logging
from collections.abc import Mapping
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.filters import redacted_copy
from or_audit_logging.handlers.redactors import redactor_from
from or_audit_logging.policy import Redacts

LLM_LOGGERS = ("openai", "httpx", "httpcore", "openrouter", "urllib3")
"""Loggers that may say what was asked, or with which key."""

_PAIRS = {"address", "mailhost"}
"""What handlers of the standard library take as tuples, for which YAML and JSON have lists only."""


class RedactingHandler(logging.Handler):
    """Hands redacted copies to another handler; the record itself stays as it is."""

    def __init__(
        self,
        target: logging.Handler | Mapping[str, Any] | None = None,
        *,
        redactor: Redacts | None = None,
        **options: Any,
    ) -> None:
        """Take the handler, or a mapping with `class` or `()` and its parameters; raises `ConfigError`.

        None: the handlers of the root logger, as they are when a record comes. The redactor is *redactor*,
        or made of the options of `redactor_from`.
        """
        if redactor is not None and options:
            raise ConfigError("RedactingHandler takes a redactor or options for one, not both")
        self.redactor = redactor or redactor_from(options)
        self.target = _made(target) if isinstance(target, Mapping) else target
        if not (self.target is None or isinstance(self.target, logging.Handler)):
            raise ConfigError(f"target is a handler or describes one, not {target!r}")
        super().__init__()  # last: from then on, logging flushes and closes it at the process's end

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set the formatter of the handler inside."""
        super().setFormatter(fmt)
        if self.target is not None:
            self.target.setFormatter(fmt)

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Do without a lock: the handler inside has its own, and what it does may log through this one."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Filter and hand on; a filter may replace the record from Python 3.12 on."""
        kept: Any = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a redacted copy of *record*."""
        redacted = redacted_copy(record, self.redactor)
        if redacted is record:  # it was redacted before; others' handlers write in the records that they get
            redacted = copy.copy(record)
        if self.target is None:
            self._to_root(redacted)
        elif redacted.levelno >= self.target.level:
            self.target.handle(redacted)

    def flush(self) -> None:
        """Flush the handler inside."""
        if self.target is not None:
            self.target.flush()

    def close(self) -> None:
        """Close the handler inside."""
        if self.target is not None:
            self.target.close()
        super().close()

    def _to_root(self, record: logging.LogRecord) -> None:
        for handler in logging.root.handlers:
            if handler is not self and record.levelno >= handler.level:
                handler.handle(record)


def redact_loggers(*names: str, **options: Any) -> RedactingHandler:
    """Redact what the loggers *names* and those below them say, and return the handler that does it.

    By default the loggers are those in `LLM_LOGGERS`; *options* are those of `redactor_from`. Their records
    no longer propagate: the handler passes copies on to the root logger's handlers. Raises `ConfigError`.
    """
    handler = RedactingHandler(**options)
    for name in names or LLM_LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    return handler


def _made(description: Mapping[str, Any]) -> Any:
    members = {str(key): description[key] for key in description}  # by key: dictConfig converts on access
    named = members.pop("()", None) or members.pop("class", None)
    if named is None:
        raise ConfigError("target names a handler's class: {class: logging.StreamHandler}")
    for name in _PAIRS & members.keys():
        if isinstance(members[name], list):
            members[name] = tuple(members[name])
    return (_resolved(named) if isinstance(named, str) else named)(**members)


def _resolved(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"target: there is no {name}") from error
