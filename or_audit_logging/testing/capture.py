"""`capture_audit`: the audit records that a block of code makes, as a list."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from or_audit_logging.record import AuditRecord


class _Collector(logging.Handler):
    def __init__(self, records: list[AuditRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        audit = getattr(record, "audit", None)
        if isinstance(audit, AuditRecord):
            self._records.append(audit)


@contextmanager
def capture_audit(logger: str = "openrouter.audit") -> Iterator[list[AuditRecord]]:
    """Yield a list that every record handed to *logger* is added to; other handlers get them as ever."""
    records: list[AuditRecord] = []
    target = logging.getLogger(logger)
    collector = _Collector(records)
    disabled, target.disabled = target.disabled, False
    target.addHandler(collector)
    try:
        yield records
    finally:
        target.removeHandler(collector)
        target.disabled = disabled
