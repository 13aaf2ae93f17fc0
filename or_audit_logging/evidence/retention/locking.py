"""One at a time: what takes lines out of a log holds a lock of its own, beside that of the log's writers.

    with exclusive(layout.folder): ...

The log's lock is taken for each line and given back; a run of retention or the redaction of a record lasts
longer and must not hold up a writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from or_audit_logging.errors import AuditWriteError, RetentionError
from or_audit_logging.log.lock import ProcessLock

LOCK_NAME = "retention.lock"


@contextmanager
def exclusive(folder: Path, *, wait: float = 0) -> Iterator[None]:
    """Hold the lock on the log in *folder*; raises `RetentionError` where somebody else does.

    *wait*: so many seconds are given to them to end.
    """
    lock = ProcessLock(folder / LOCK_NAME, timeout=wait)
    try:
        lock.acquire()
    except AuditWriteError:
        raise RetentionError(
            f"another run of retention or redaction is at work on the log in {folder} "
            f"(it holds {LOCK_NAME}); try again once it has ended"
        ) from None
    try:
        yield
    finally:
        lock.close()
