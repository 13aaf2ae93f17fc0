"""A handler that keeps audit records in a list and fails as it is told: an AuditSink without a disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from or_audit_logging.policy import AuditSink, DigestKey, OnFailure, Policy
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.chain import digest_key

NAME = "openrouter.audit"
KEY = digest_key(b"a visibly fake secret of 32 bytes or more")
API_KEY = "sk-or-v1-" + "f4ke" * 16


class Sink(logging.Handler, AuditSink):
    """Keeps what it is handed; `probing` and `writing` are called first, and may raise."""

    def __init__(
        self,
        on_failure: OnFailure = "report",
        key: DigestKey | None = KEY,
        *,
        probing: Callable[[], object] = lambda: None,
        writing: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self._policy = Policy(Redactor(), key, on_failure)
        self.probing, self.writing = probing, writing
        self.log_records: list[logging.LogRecord] = []

    @property
    def policy(self) -> Policy:
        return self._policy

    def fail_closed(self) -> None:
        self._policy = Policy(Redactor(), KEY, "raise")

    def probe(self) -> None:
        self.probing()

    def emit(self, record: logging.LogRecord) -> None:
        self.writing()
        self.log_records.append(record)

    @property
    def records(self) -> list[AuditRecord]:
        return [record.__dict__["audit"] for record in self.log_records]

    @property
    def only(self) -> AuditRecord:
        (record,) = self.records
        return record


def attached(sink: Sink) -> Sink:
    """Return *sink*, attached to the audit logger; conftest takes it away after the test."""
    logging.getLogger(NAME).addHandler(sink)
    return sink


def failing(error: BaseException) -> Callable[[], object]:
    """Return a function that raises *error*."""

    def fail() -> object:
        raise error

    return fail


@contextmanager
def bare_root() -> Iterator[None]:
    """The root logger without handlers, pytest's own included: an application that configured nothing."""
    root = logging.getLogger()
    handlers, root.handlers[:] = list(root.handlers), []
    try:
        yield
    finally:
        root.handlers[:] = handlers
