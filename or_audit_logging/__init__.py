"""The audit trail for LLM calls through OpenRouter, as an extension of Python's standard `logging`.

    from or_audit_logging import audited, configure

    configure("audit_logs")                 # key from OR_AUDIT_KEY or the file OR_AUDIT_KEY_FILE names

    @audited
    def ask(messages, model="openai/gpt-4o-mini", *, user_id=None): ...

Names are imported when they are first used, so that `import or_audit_logging` costs next to nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from or_audit_logging import forks as _forks  # noqa: F401 - imported for what it does
from or_audit_logging.version import __version__

if TYPE_CHECKING:
    from or_audit_logging.capture.client import AuditedOpenRouter, audited_completion
    from or_audit_logging.capture.decorator import audited
    from or_audit_logging.capture.elsewhere import emit
    from or_audit_logging.capture.instrument import instrument, uninstrument
    from or_audit_logging.capture.manual import audit_call
    from or_audit_logging.context import bind, carry_context
    from or_audit_logging.evidence.package.exporting import export
    from or_audit_logging.evidence.query import query
    from or_audit_logging.evidence.report import VerificationReport
    from or_audit_logging.evidence.reporting.making import report
    from or_audit_logging.evidence.retention.retain import retain
    from or_audit_logging.evidence.verify import verify
    from or_audit_logging.handlers.configure import configure
    from or_audit_logging.handlers.file import AuditFileHandler
    from or_audit_logging.handlers.filters import RedactionFilter
    from or_audit_logging.handlers.formatters import AuditJsonFormatter
    from or_audit_logging.handlers.redacting import RedactingHandler
    from or_audit_logging.handlers.sqlite import SQLiteAuditHandler
    from or_audit_logging.handlers.stream import AuditStreamHandler
    from or_audit_logging.record import AuditRecord
    from or_audit_logging.redaction import Redactor

_HOMES = {
    "AuditFileHandler": "handlers.file",
    "AuditJsonFormatter": "handlers.formatters",
    "AuditStreamHandler": "handlers.stream",
    "AuditRecord": "capture",  # which is what AuditRecord.build needs
    "AuditedOpenRouter": "capture.client",
    "RedactingHandler": "handlers.redacting",
    "RedactionFilter": "handlers.filters",
    "Redactor": "redaction",
    "SQLiteAuditHandler": "handlers.sqlite",
    "VerificationReport": "evidence.report",
    "audit_call": "capture.manual",
    "audited": "capture.decorator",
    "audited_completion": "capture.client",
    "bind": "context",
    "carry_context": "context",
    "configure": "handlers.configure",
    "emit": "capture.elsewhere",
    "export": "evidence.package.exporting",
    "instrument": "capture.instrument",
    "query": "evidence.query",
    "report": "evidence.reporting.making",
    "retain": "evidence.retention.retain",
    "uninstrument": "capture.instrument",
    "verify": "evidence.verify",
}

__all__ = [
    "AuditFileHandler",
    "AuditJsonFormatter",
    "AuditRecord",
    "AuditStreamHandler",
    "AuditedOpenRouter",
    "RedactingHandler",
    "RedactionFilter",
    "Redactor",
    "SQLiteAuditHandler",
    "VerificationReport",
    "__version__",
    "audit_call",
    "audited",
    "audited_completion",
    "bind",
    "carry_context",
    "configure",
    "emit",
    "export",
    "instrument",
    "query",
    "report",
    "retain",
    "uninstrument",
    "verify",
]

logging.getLogger("or_audit_logging").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
