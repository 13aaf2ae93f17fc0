"""`AuditHandler`: what all audit handlers do. Where the sealed lines go is their writer's business.

A record is redacted and formatted outside any lock. Under the handler's lock the writer seals and writes it.
With no lock held any more, checkpoints made meanwhile are handed out, as LogRecords of the logger
`or_audit_logging.checkpoint`, and a durable handler waits for the disk.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple, NoReturn, ParamSpec, Protocol, TypeVar

from or_audit_logging.context import collect_waits, wait_elsewhere, wait_later
from or_audit_logging.errors import AuditError, AuditWriteError, ConfigError
from or_audit_logging.handlers.filters import RedactionFilter, redacted_copy
from or_audit_logging.handlers.formatters import AuditJsonFormatter, audit_of
from or_audit_logging.handlers.projected import ProjectionFormatter
from or_audit_logging.handlers.shared import SharedLog
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.anchor_file import AnchorFile
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER, hand_over
from or_audit_logging.log.losses import Losses
from or_audit_logging.policy import AuditSink, OnFailure, Policy, Redacts
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.encode import encode
from or_audit_logging.sealing.line import SUFFIX_MAX, user_members
from or_audit_logging.version import __version__

P = ParamSpec("P")
T = TypeVar("T")

_QUIET_SECONDS = 60.0

_log = logging.getLogger("or_audit_logging")


class LineWriter(Protocol):
    """What seals and writes for a handler; used under the handler's lock, but for `sync`."""

    @property
    def syncs(self) -> int: ...

    losses: Losses
    checkpoints: Checkpoints

    def append(self, body: bytes) -> int:
        """Seal and write; return the ticket to `sync` with, 0 where there is nothing to wait for."""
        ...

    def sync(self, ticket: int) -> None: ...

    def probe(self) -> None: ...

    def sync_for_checkpoints(self) -> None: ...

    def stop(self) -> None: ...


class _Line(NamedTuple):
    """What is to be written: *audit* is what *record* carried before filters made copies."""

    body: bytes
    audit: AuditRecord | None
    record: logging.LogRecord


class AuditHandler(logging.Handler, AuditSink):
    """Redacts, formats and seals records. A subclass makes the writer, and calls `_set_up`."""

    _writer: LineWriter

    def _set_up(
        self,
        writer: LineWriter,
        ring: KeyRing,
        *,
        log: str,
        on_failure: OnFailure,
        max_line_bytes: int,
        anchor_file: AnchorFile | None,
        settings: dict[str, object],
    ) -> None:
        """Take the parts. *log* names the log in messages, and is the same for all handlers on it; *settings*
        stand with the redaction policy behind the digest in log.start.
        """
        self._writer = writer
        self._log_name = log
        self._on_failure = on_failure
        self._limit = max_line_bytes - SUFFIX_MAX - 1
        self._digest_key = ring.digest_key
        self._anchor_file = anchor_file
        self._policy: tuple[tuple[Any, ...], Policy] | None = None
        self._settings = settings | {
            "on_failure": on_failure,
            "max_line_bytes": max_line_bytes,
            "library": __version__,
        }
        self._shared = _shared_by.setdefault(log, SharedLog())
        self._waiting: deque[_Line] = deque()
        """Lines logged from within a write: it writes them afterwards."""
        self._waiting_ticket = 0
        """The ticket of the last one of those, until whoever was interrupted waits for it."""
        self._failure = ""
        self._untold: deque[tuple[str, logging.LogRecord | None]] = deque()
        """What failed while the lock was held, and of which record."""
        self._written = self._failed = self._checkpoints = self._checkpoints_not_taken = 0
        self._last_report = -_QUIET_SECONDS
        self._default_formatter = AuditJsonFormatter()
        _default_redactor()  # here, and not by a signal handler or a forked child that comes first
        _open_handlers.add(self)

    @property
    def policy(self) -> Policy:
        """The policy that records for this handler are made under; its first RedactionFilter redacts."""
        if self._policy is None or self._policy[0] != tuple(self.filters):
            filters: list[Any] = self.filters
            redactor = next((f.redactor for f in filters if isinstance(f, RedactionFilter)), None)
            policy = Policy(redactor or _default_redactor(), self._digest_key, self._on_failure)
            self._policy = tuple(filters), policy
        return self._policy[1]

    def probe(self) -> None:
        """Raise `AuditWriteError` if a record could not be written now."""
        with self._held():
            if self._interrupted() is not None:
                return  # asked from within a write (a signal handler, a finaliser), which will tell itself
            try:
                self._entered(self._writer.probe)
            except OSError as error:
                raise AuditWriteError(f"the audit log cannot be written: {reason_of(error)}") from error

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
        """Set the level; one above INFO would drop successful calls: `ConfigError`."""
        super().setLevel(level)
        if self.level > logging.INFO:
            self.level = logging.NOTSET
            raise ConfigError("an audit handler takes every call; leave its level out, or set INFO or lower")

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set the formatter; a formatter that renames members is refused with `ConfigError`."""
        if isinstance(fmt, ProjectionFormatter):
            raise ConfigError(
                f"{type(fmt).__name__} is not for audit handlers: a sealed log keeps the schema's names; "
                "`or-audit ship` sends it in other formats"
            )
        if isinstance(fmt, AuditJsonFormatter) and fmt.rename_fields:
            raise ConfigError(
                "rename_fields is not for audit handlers: a sealed log keeps the schema's names"
            )
        super().setFormatter(fmt)

    def filter(self, record: logging.LogRecord) -> Any:
        """Return the record to handle, or False; a filter may replace the record on every Python version."""
        filters: list[Any] = self.filters
        for filter_ in filters:
            if isinstance(filter_, RedactionFilter):
                record = redacted_copy(record, filter_.redactor)
                continue
            result = filter_.filter(record) if hasattr(filter_, "filter") else filter_(record)
            if not result:
                return False
            if isinstance(result, logging.LogRecord):
                record = result
        return record

    def handle(self, record: logging.LogRecord) -> Any:
        """Filter, write and hand out checkpoints; checkpoints that come back are dropped.

        Raises `AuditWriteError` where the record could not be written and on_failure is "raise".
        """
        audit = audit_of(record)
        kept = self._kept(record, audit)
        if kept:
            ticket = self._take(kept, audit)
            if ticket or self._writer.checkpoints:
                rest = partial(self._finish_record, ticket, kept)
                if not wait_later(rest):
                    rest()
        return kept

    async def ahandle(self, record: logging.LogRecord) -> Any:
        """Do what `handle` does, and wait for the disk without holding up the event loop."""
        with collect_waits() as waits:
            kept = self.handle(record)
        await wait_elsewhere(waits)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Redact what no filter has, seal and write *record*."""
        self._finish_record(self._take(record, audit_of(record)), record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report what failed last, without any of the record's content."""
        self._report(self._failure or f"a record of {record.name} could not be handled")

    def stats(self) -> dict[str, int]:
        """Return counts since construction.

        Records: written, failed (not written, or not known to be on disk), lost (stated in the log as such,
        once it can be written again). fsyncs. Checkpoints, and how many of them no handler took.
        """
        return {
            "written": self._written,
            "failed": self._failed,
            "lost": self._writer.losses.total,
            "fsyncs": self._writer.syncs,
            "checkpoints": self._checkpoints,
            "checkpoints_not_taken": self._checkpoints_not_taken,
        }

    def close(self) -> None:
        """Seal the log with log.stop and a checkpoint, and close what is open; idempotent."""
        with self._held():
            if self._interrupted() is None:
                try:
                    self._entered(self._writer.stop)
                except (OSError, AuditError) as error:
                    failed = f"the log could not be closed with a checkpoint: {reason_of(error)}"
                    self._untold.append((failed, None))
        self._tell()
        super().close()

    def finish(self) -> None:
        """Do what `close` does and hand out the last checkpoint; at exit, before logging shuts down."""
        self.close()
        self._hand_out()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Raise TypeError: two handlers must not share one writer."""
        raise TypeError(
            f"{type(self).__name__} can be neither copied nor pickled; construct another one with the same "
            "parameters, on the same log if you like"
        )

    def _kept(self, record: logging.LogRecord, audit: AuditRecord | None) -> Any:
        """Return what the filters leave of *record*; False for a checkpoint, and for what was written."""
        if record.name == CHECKPOINT_LOGGER or (audit is not None and self._shared.was_written(audit)):
            return False
        return self.filter(record) if self.filters else record

    def _take(self, record: logging.LogRecord, audit: AuditRecord | None) -> int:
        """Write *record* and return its ticket; *audit* is what it carried before filters made copies."""
        try:
            body = self._body(redacted_copy(record, self.policy.redactor))
        except Exception as error:  # noqa: BLE001 - whatever a formatter of the user's raises
            with self._held():
                self._fail(f"a record could not be formatted: {type(error).__name__}", error, record)
            self._tell()
            return 0
        line = _Line(body, audit, record)
        if (interrupted := self._interrupted()) is not None:
            interrupted._waiting.append(line)
            return 0
        with self._held():
            ticket = self._entered(self._write, line)
            if self._waiting_ticket:
                ticket, self._waiting_ticket = max(ticket, self._waiting_ticket), 0
        if self._untold:
            self._tell()
        return ticket

    def _body(self, record: logging.LogRecord) -> bytes:
        formatter = self.formatter or self._default_formatter
        if isinstance(formatter, AuditJsonFormatter) and formatter.is_our_own:
            return formatter.format_bytes(record, limit=self._limit)
        text = formatter.format(record)
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            members = None
        if isinstance(members, dict) and members:
            return encode(user_members(members), limit=self._limit)
        if audit_of(record) is not None:  # no text has room for its members
            return self._default_formatter.format_bytes(record, limit=self._limit)
        members_of_text = self._default_formatter.members_of_text(record, text)
        return encode(user_members(members_of_text), limit=self._limit)

    def _entered(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* does with the writer, entered by nobody else; what was left is written then."""
        inside, thread = self._shared.inside, get_ident()
        inside[thread] = self
        try:
            try:
                return work(*args, **kwargs)
            finally:
                inside.pop(thread, None)
        finally:
            while self._waiting:
                self._write_waiting()

    def _write_waiting(self) -> None:
        inside, thread = self._shared.inside, get_ident()
        inside[thread] = self
        try:
            ticket = self._write(self._waiting.popleft())
            self._waiting_ticket = max(self._waiting_ticket, ticket)
        except AuditWriteError as error:  # whoever logged it has gone on
            self._untold.append((str(error), None))
        except IndexError:  # another one that came in between has written it
            return
        finally:
            inside.pop(thread, None)

    def _interrupted(self) -> AuditHandler | None:
        """Return the handler on this log, if any, inside whose write this thread is."""
        return self._shared.inside.get(get_ident())

    def _forget_parent(self) -> None:
        """In a forked child: it is inside no write, and what waits in its parent is written there."""
        self._shared.inside.clear()
        self._waiting.clear()
        self._waiting_ticket = 0

    def _write(self, line: _Line) -> int:
        try:
            ticket = self._writer.append(line.body)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and does not end the call
            self._fail(f"a record could not be written: {reason_of(error)}", error, line.record)
            return 0
        self._written += 1
        if line.audit is not None:
            self._shared.wrote(line.audit)
        return ticket

    def _finish_record(self, ticket: int, record: logging.LogRecord) -> None:
        """Wait for the disk, where *record* has a *ticket*, and hand out checkpoints; no lock is held."""
        try:
            if ticket:
                self._writer.sync(ticket)
        except OSError as error:
            with self._held():
                self._fail(f"a record may not be on disk: {reason_of(error)}", error, record, lost=0)
            self._tell()
        finally:
            if self._writer.checkpoints:
                self._hand_out()

    def _fail(self, what: str, error: Exception, record: logging.LogRecord, *, lost: int = 1) -> None:
        """Count a record that is lost, and raise or leave it to be told; the handler's lock is held."""
        self._failed += 1
        self._writer.losses.add(lost, reason="disk" if isinstance(error, OSError) else "other")
        if self._on_failure == "raise":
            raise AuditWriteError(what) from error
        self._untold.append((what, record))

    def _tell(self) -> None:
        """Say what failed, with no lock held: whoever hears of it may log himself."""
        while self._untold:
            try:
                self._failure, record = self._untold.popleft()
            except IndexError:  # another thread has told it
                return
            if record is None:
                self._report(self._failure)
            else:
                self.handleError(record)

    def _report(self, what: str) -> None:
        """Say *what* failed, at most once a minute; on stderr where the logger has no handler to say it."""
        now = time.monotonic()
        if now - self._last_report < _QUIET_SECONDS:
            return
        self._last_report = now
        message = f"{self._log_name}: {what} ({self._failed} failed so far)"
        if _has_handler(_log):
            _log.error("%s", message)
        elif logging.raiseExceptions and sys.stderr:
            sys.stderr.write(f"or_audit_logging: {message}\n")

    def _hand_out(self) -> None:
        """Pass on the checkpoints made since, with no lock held: whoever takes them may log himself."""
        with self._held():
            if self._interrupted() is not None:
                return
            lines = self._entered(self._writer.checkpoints.take)
        try:
            if lines:
                self._writer.sync_for_checkpoints()
        except OSError as error:
            self._writer.checkpoints.give_back(lines)
            self._report(f"a checkpoint was not handed out: {reason_of(error)}")
            return
        if self._writer.checkpoints.unsigned:
            self._writer.checkpoints.unsigned = 0
            self._report("its checkpoints are not signed: no signing key here is the one that the log names")
        taken = self._anchored(lines) or _has_handler(logging.getLogger(CHECKPOINT_LOGGER))
        self._checkpoints += len(lines)
        troubles = hand_over(lines)
        self._checkpoints_not_taken += len(troubles) if taken else len(lines)
        for trouble in troubles:
            self._report(trouble)

    def _anchored(self, lines: list[str]) -> bool:
        """Add checkpoints to the anchor file, if there is one; return whether that has them now."""
        if self._anchor_file is None or not lines:
            return False
        try:
            self._anchor_file.append(lines)
        except OSError as error:
            self._report(f"a checkpoint was not added to {self._anchor_file.path}: {reason_of(error)}")
            return False
        return True

    def _config_digest(self) -> str:
        settings = self._settings | {"redaction": self.policy.redactor.digest}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def _held(self) -> AbstractContextManager[object]:
        """Return the handler's lock, to be held in a with block; a subclass may do without one."""
        return self.lock or nullcontext()


_shared_by: dict[str, SharedLog[AuditHandler]] = {}
"""By the log's name."""
_open_handlers: weakref.WeakSet[AuditHandler] = weakref.WeakSet()
_shared_redactor: list[Redacts] = []


def reason_of(error: Exception) -> str:
    """Return what *error* says of itself, without the name of a file; of a stranger's only what it is."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, AuditError) else type(error).__name__


def _default_redactor() -> Redacts:
    if not _shared_redactor:
        _shared_redactor.append(Redactor())
    return _shared_redactor[0]


def _has_handler(logger: logging.Logger) -> bool:
    """Whether a record of *logger* reaches a handler that does something with it."""
    at: logging.Logger | None = logger
    while at is not None:
        if any(not isinstance(handler, (logging.NullHandler, AuditHandler)) for handler in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


@atexit.register
def _finish_all() -> None:
    for handler in list(_open_handlers):
        handler.finish()


def _after_fork() -> None:
    for handler in list(_open_handlers):
        handler._forget_parent()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
