"""`configure`: the one-line set-up. It attaches audit handlers and leaves all other logging alone.

It builds the handlers itself, since a `dictConfig` that is not incremental closes every handler there is,
the application's own included.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.base import AuditHandler
from or_audit_logging.handlers.file import AuditFileHandler
from or_audit_logging.handlers.filters import RedactionFilter
from or_audit_logging.keys import KeySources
from or_audit_logging.policy import OnFailure

AUDIT_LOGGER = "openrouter.audit"
FILENAME = "audit.jsonl"

_installed: list[AuditHandler] = []


def configure(
    directory: str | os.PathLike[str],
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    durability: str = "flush",
    on_failure: OnFailure = "report",
    redaction: Mapping[str, Any] | None = None,
    database: str | os.PathLike[str] | None = None,
) -> AuditFileHandler:
    """Send audit records to sealed files in *directory* and return the handler; raises `ConfigError`.

    *redaction*: options of `Redactor`. *database*: a SQLite store that the records go to as well, by an
    `SQLiteAuditHandler` with the same options. The other options are those of `AuditFileHandler`. The
    logger `openrouter.audit` gets level INFO and no longer propagates. Called again, it replaces the
    handlers it had attached.
    """
    if redaction is not None and not isinstance(redaction, Mapping):
        raise ConfigError(
            "redaction is a mapping of Redactor's options, such as {'allow': ['support@example.com']}"
        )
    filter_ = RedactionFilter(**(redaction or {}))
    logger = logging.getLogger(AUDIT_LOGGER)
    handler = AuditFileHandler(
        os.path.join(os.fspath(directory), FILENAME),
        key=key,
        signing_key=signing_key,
        durability=durability,
        on_failure=on_failure,
    )
    handlers: list[AuditHandler] = [handler]
    if database is not None:
        handlers.append(_store(database, key, signing_key, durability, on_failure, beside=handler))
    while _installed:
        former = _installed.pop()
        logger.removeHandler(former)
        former.finish()
    for each in handlers:
        each.addFilter(filter_)
        logger.addHandler(each)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.disabled = False
    _installed.extend(handlers)
    return handler


def _store(
    database: str | os.PathLike[str],
    key: KeySources,
    signing_key: KeySources,
    durability: str,
    on_failure: OnFailure,
    *,
    beside: AuditFileHandler,
) -> AuditHandler:
    """Return the handler of the store; where there is a mistake in it, the one *beside* it is closed."""
    from or_audit_logging.handlers.sqlite import SQLiteAuditHandler  # brings sqlite3

    try:
        return SQLiteAuditHandler(
            database, key=key, signing_key=signing_key, durability=durability, on_failure=on_failure
        )
    except ConfigError:
        beside.close()
        raise
