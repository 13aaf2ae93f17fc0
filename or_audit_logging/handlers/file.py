"""`AuditFileHandler`: the audit trail in files, sealed line by line.

    AuditFileHandler("audit_logs/audit.jsonl", key="file:/run/secrets/audit.key")

The active file is `audit_logs/audit_<UTC date>.jsonl`. A record is formatted outside any lock; then, under
the handler's lock and the lock between processes, it is sealed and written with one call. Checkpoints are
handed out once both locks are released, as LogRecords of the logger `or_audit_logging.checkpoint`.
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
from contextlib import AbstractContextManager, nullcontext
from logging.handlers import BaseRotatingHandler
from typing import Any

from or_audit_logging.errors import AuditError, AuditWriteError, ConfigError
from or_audit_logging.handlers.filters import CHECKPOINT_LOGGER, RedactionFilter, redacted_copy
from or_audit_logging.handlers.formatters import AuditJsonFormatter, audit_of
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.policy import AuditSink, OnFailure, Policy, Redacts
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.line import MAX_LINE_BYTES, SUFFIX_MAX, user_members
from or_audit_logging.sealing.text import encode
from or_audit_logging.version import __version__

MIN_LINE_BYTES = 4096
_QUIET_SECONDS = 60.0
_log = logging.getLogger("or_audit_logging")


class AuditFileHandler(BaseRotatingHandler, AuditSink):
    """Writes records into a sealed log on disk, one segment per UTC day."""

    def __init__(
        self,
        filename: str | os.PathLike[str],
        *,
        key: KeySources = None,
        key_readable: bool = False,
        durability: str = "flush",
        on_failure: OnFailure = "report",
        max_line_bytes: int = 8000,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        lock_timeout: float = 5,
        encoding: str | None = None,
        **unknown: Any,
    ) -> None:
        """Open the log at *filename*; raises `ConfigError` on any mistake, before the first record.

        *filename* gives folder, stem and suffix; the files bear the date. *key*: `env:NAME`, `file:PATH`, a
        callable, or a list of them; default OR_AUDIT_KEY, else the file OR_AUDIT_KEY_FILE names.
        *durability*: "flush" survives the end of the process however it comes; "fsync" waits until each
        record is on disk. *on_failure*: "report" lets the call go on and records the loss; "raise" raises
        `AuditWriteError`. *max_line_bytes* (4,096 to 1 MiB) bounds a line; longer records are cut and say
        so. A checkpoint is made every *checkpoint_every* lines and when the last one is older than
        *checkpoint_seconds*. *lock_timeout*: seconds to wait for another process. *encoding*: lines are
        ASCII, so any encoding that contains it names the same bytes. Numbers may be given as text.
        """
        if unknown:
            raise ConfigError(
                f"AuditFileHandler has no parameter {', '.join(sorted(unknown))}; it takes {_PARAMETERS}"
            )
        if durability not in ("flush", "fsync"):
            raise ConfigError(f"durability is flush or fsync, not {durability!r}")
        if on_failure not in ("report", "raise"):
            raise ConfigError(f"on_failure is report or raise, not {on_failure!r}")
        max_line_bytes = int(_number("max_line_bytes", max_line_bytes, whole=True))
        if not MIN_LINE_BYTES <= max_line_bytes <= MAX_LINE_BYTES:
            raise ConfigError(f"max_line_bytes is {MIN_LINE_BYTES} to {MAX_LINE_BYTES}, not {max_line_bytes}")
        checkpoint_every = int(_number("checkpoint_every", checkpoint_every, whole=True))
        checkpoint_seconds = _number("checkpoint_seconds", checkpoint_seconds)
        lock_timeout = _number("lock_timeout", lock_timeout)
        _check_encoding(encoding)
        if not isinstance(key_readable, bool):
            raise ConfigError(f"key_readable is true or false, not {key_readable!r}")
        layout = LogLayout.from_filename(filename)
        ring = KeyRing.from_sources(key, key_readable=key_readable)
        writer = LogWriter(
            layout,
            ring,
            config_digest=self._config_digest,
            sync_every_line=durability == "fsync",
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            lock_timeout=lock_timeout,
        )
        super().__init__(os.fspath(filename), "a", encoding="ascii", delay=True)
        self._on_failure = on_failure
        self._max_line_bytes = max_line_bytes
        self._digest_key = ring.digest_key
        self._policy: tuple[tuple[Any, ...], Policy] | None = None
        self._settings = {
            "durability": durability,
            "on_failure": on_failure,
            "max_line_bytes": max_line_bytes,
            "checkpoint_every": checkpoint_every,
            "checkpoint_seconds": checkpoint_seconds,
            "library": __version__,
        }
        self._pid = os.getpid()
        self._writing = False
        self._waiting: deque[tuple[bytes, AuditRecord | None]] = deque()
        self._recent = _recent_of.setdefault(str(layout.folder), {})
        self._written = self._failed = self._checkpoints = self._checkpoints_not_taken = 0
        self._last_report = -_QUIET_SECONDS
        self._default_formatter = AuditJsonFormatter()
        self._writer = writer
        _open_handlers.add(self)

    @property
    def policy(self) -> Policy:
        """The policy that records for this handler are made under; its first RedactionFilter redacts."""
        filters = tuple(self.filters)
        if self._policy is None or self._policy[0] != filters:
            redactor = next((f.redactor for f in self._redaction_filters()), None)
            self._policy = (
                filters,
                Policy(redactor or _default_redactor(), self._digest_key, self._on_failure),
            )
        return self._policy[1]

    def probe(self) -> None:
        """Raise `AuditWriteError` if a record could not be written now."""
        with _held(self):
            if self._is_writing():
                return  # asked from within a write (a signal handler, a finaliser), which will tell itself
            try:
                self._writer.probe()
            except OSError as error:
                raise AuditWriteError(f"the audit log cannot be written: {_reason(error)}") from error

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
        """Set the level; one above INFO would drop successful calls: `ConfigError`."""
        super().setLevel(level)
        if self.level > logging.INFO:
            self.level = logging.NOTSET
            raise ConfigError("an audit handler takes every call; leave its level out, or set INFO or lower")

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set the formatter; a formatter that renames members is refused with `ConfigError`."""
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
        if record.name == CHECKPOINT_LOGGER or self._was_written(record):
            return False
        kept = self.filter(record)
        if not kept:
            return False
        self._handle_kept(kept, audit_of(record))
        self._hand_out()
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Redact what no filter has, seal and write *record*."""
        self._handle_kept(record, audit_of(record))

    def _handle_kept(self, record: logging.LogRecord, audit: AuditRecord | None) -> None:
        """Write *record*; *audit* is the audit record as it came, before filters made copies of it."""
        try:
            body = self._body(redacted_copy(record, self.policy.redactor))
        except Exception as error:  # noqa: BLE001 - whatever a formatter of the user's raises
            with _held(self):
                self._fail(f"a record could not be formatted: {type(error).__name__}", error)
            return
        with _held(self):
            self._append(body, audit)

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Do nothing: segments bear their date and each write finds the right one."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report a failure without any of the record's content."""
        self._report(f"a record of {record.name} could not be handled")

    def stats(self) -> dict[str, int]:
        """Return counts since construction: written, failed, checkpoints, checkpoints no handler took."""
        return {
            "written": self._written,
            "failed": self._failed,
            "checkpoints": self._checkpoints,
            "checkpoints_not_taken": self._checkpoints_not_taken,
        }

    def close(self) -> None:
        """Seal the log with log.stop and a checkpoint, and close the files; idempotent."""
        with _held(self):
            if not self._is_writing():
                self._stop()
        super().close()

    def finish(self) -> None:
        """Do what `close` does and hand out the last checkpoint; at exit, before logging shuts down."""
        self.close()
        self._hand_out()

    def _redaction_filters(self) -> list[RedactionFilter]:
        filters: list[Any] = self.filters
        return [filter_ for filter_ in filters if isinstance(filter_, RedactionFilter)]

    def _body(self, record: logging.LogRecord) -> bytes:
        formatter = self.formatter or self._default_formatter
        limit = self._max_line_bytes - SUFFIX_MAX - 1
        if isinstance(formatter, AuditJsonFormatter):
            return formatter.format_bytes(record, limit=limit)
        text = formatter.format(record)
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            members = self._default_formatter.members_of_text(record, text)
        return encode(user_members(members), limit=limit)

    def _append(self, body: bytes, audit: AuditRecord | None) -> None:
        """Write *body*, and what re-entrant calls (a signal handler, a finaliser) left meanwhile."""
        if self._is_writing():
            self._waiting.append((body, audit))
            return
        self._writing = True
        try:
            self._write(body, audit)
            while self._waiting:
                self._write(*self._waiting.popleft())
        finally:
            self._writing = False

    def _is_writing(self) -> bool:
        """Whether this thread is inside a write; a child that was forked during one is not."""
        if self._pid != os.getpid():
            self._pid, self._writing = os.getpid(), False
            self._waiting.clear()
        return self._writing

    def _was_written(self, record: logging.LogRecord) -> bool:
        """Whether this very record is in the log: through a second logger, or another handler on the log."""
        audit = audit_of(record)
        return audit is not None and audit.id in self._recent and self._recent[audit.id] == audit

    def _remember(self, audit: AuditRecord | None) -> None:
        if audit is not None:
            self._recent[audit.id] = audit
            if len(self._recent) > _REMEMBERED:
                self._recent.pop(next(iter(self._recent)), None)

    def _write(self, body: bytes, audit: AuditRecord | None) -> None:
        try:
            self._writer.append(body)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and does not end the call
            self._fail(f"a record could not be written: {_reason(error)}", error)
        else:
            self._written += 1
            self._remember(audit)

    def _fail(self, what: str, error: Exception) -> None:
        """Count a record that is lost, and raise or report; the handler's lock is held."""
        self._failed += 1
        self._writer.lost(reason="disk" if isinstance(error, OSError) else "other")
        if self._on_failure == "raise":
            raise AuditWriteError(what) from error
        self._report(what)

    def _report(self, what: str) -> None:
        """Say *what* failed, at most once a minute; on stderr where the logger has no handler to say it."""
        now = time.monotonic()
        if now - self._last_report < _QUIET_SECONDS:
            return
        self._last_report = now
        message = f"{self.baseFilename}: {what} ({self._failed} failed so far)"
        if _has_handler(_log):
            _log.error("%s", message)
        elif logging.raiseExceptions and sys.stderr:
            sys.stderr.write(f"or_audit_logging: {message}\n")

    def _hand_out(self) -> None:
        """Pass on the checkpoints made since, with no lock held: whoever takes them may log himself."""
        if not self._writer.has_checkpoints:
            return
        with _held(self):
            try:
                lines = self._writer.take_checkpoints()
            except OSError as error:
                self._report(f"a checkpoint was not handed out: {_reason(error)}")
                return
        logger = logging.getLogger(CHECKPOINT_LOGGER)
        taken = _has_handler(logger)
        for line in lines:
            self._checkpoints += 1
            try:
                logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None))
            except Exception as error:  # noqa: BLE001 - somebody's handler; the call goes on
                self._checkpoints_not_taken += 1
                self._report(f"a handler of {CHECKPOINT_LOGGER} raised {type(error).__name__}")
            else:
                self._checkpoints_not_taken += not taken

    def _stop(self) -> None:
        try:
            self._writer.stop()
        except (OSError, AuditError) as error:
            self._report(f"the log could not be closed with a checkpoint: {_reason(error)}")

    def _config_digest(self) -> str:
        settings = self._settings | {"redaction": self.policy.redactor.digest}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _held(handler: logging.Handler) -> AbstractContextManager[object]:
    """Return the handler's lock, to be held in a with block; a subclass may do without one."""
    return handler.lock or nullcontext()


_PARAMETERS = (
    "filename, key, key_readable, durability, on_failure, max_line_bytes, checkpoint_every, "
    "checkpoint_seconds, lock_timeout, encoding"
)
_REMEMBERED = 1024
"""So many of the latest records are remembered, to keep one from being written twice."""

_recent_of: dict[str, dict[str, AuditRecord]] = {}
_open_handlers: weakref.WeakSet[AuditFileHandler] = weakref.WeakSet()
_shared_redactor: list[Redacts] = []


def _default_redactor() -> Redacts:
    if not _shared_redactor:
        _shared_redactor.append(Redactor())
    return _shared_redactor[0]


def _number(name: str, value: object, *, whole: bool = False) -> float:
    """Return a number that may stand as text, as in YAML that was filled in from the environment."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
        if whole and not number.is_integer():
            raise ValueError
        return number
    except ValueError:
        raise ConfigError(f"{name} is a {'whole ' if whole else ''}number, not {value!r}") from None


def _check_encoding(encoding: object) -> None:
    try:
        plain = encoding is None or (isinstance(encoding, str) and "a{}".encode(encoding) == b"a{}")
    except LookupError:
        plain = False
    if not plain:
        raise ConfigError(f"encoding {encoding!r} does not contain ASCII, which a log's lines are written in")


def _has_handler(logger: logging.Logger) -> bool:
    """Whether a record of *logger* reaches a handler that does something with it."""
    at: logging.Logger | None = logger
    while at is not None:
        if any(not isinstance(handler, (logging.NullHandler, AuditFileHandler)) for handler in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


@atexit.register
def _finish_all() -> None:
    for handler in list(_open_handlers):
        handler.finish()
