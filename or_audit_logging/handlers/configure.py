"""`configure`: the one-line set-up. It attaches an `AuditFileHandler` and leaves all other logging alone.

It builds the handler itself, since a `dictConfig` that is not incremental closes every handler there is,
the application's own included.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.file import AuditFileHandler
from or_audit_logging.handlers.filters import RedactionFilter
from or_audit_logging.keys import KeySources
from or_audit_logging.policy import OnFailure

AUDIT_LOGGER = "openrouter.audit"
FILENAME = "audit.jsonl"

_installed: list[AuditFileHandler] = []


def configure(
    directory: str | os.PathLike[str],
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    durability: str = "flush",
    on_failure: OnFailure = "report",
    redaction: Mapping[str, Any] | None = None,
) -> AuditFileHandler:
    """Send audit records to sealed files in *directory* and return the handler; raises `ConfigError`.

    *redaction*: options of `Redactor`. The other options are those of `AuditFileHandler`. The logger
    `openrouter.audit` gets level INFO and no longer propagates. Called again, it replaces the handler it
    had attached.
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
    handler.addFilter(filter_)
    while _installed:
        former = _installed.pop()
        logger.removeHandler(former)
        former.finish()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.disabled = False
    _installed.append(handler)
    return handler
