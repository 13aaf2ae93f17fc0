"""`SharedLog`: what the handlers on one log in one process have in common.

    shared = SharedLog()                     # one for each log
    shared.inside.get(get_ident())           # the handler inside whose write this thread is, if any

A signal handler or a finaliser may log in the middle of a write, through any handler on the same log. Only
the write that it interrupted can let go of the log's lock, so that one writes the record afterwards.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from or_audit_logging.record import AuditRecord

_REMEMBERED = 1024
"""So many of the latest records are remembered, to keep one from being written twice."""

H = TypeVar("H")


class SharedLog(Generic[H]):
    """One log as the handlers of type *H* on it see it."""

    __slots__ = ("_recent", "inside")

    def __init__(self) -> None:
        self.inside: dict[int, H] = {}
        """By thread: the handler inside whose write it is."""
        self._recent: dict[str, AuditRecord] = {}

    def was_written(self, audit: AuditRecord) -> bool:
        """Whether this very record is in the log: through a second logger, or another handler on the log."""
        return self._recent.get(audit.id) == audit

    def wrote(self, audit: AuditRecord) -> None:
        """Remember that *audit* was written."""
        recent = self._recent
        recent[audit.id] = audit
        if len(recent) > _REMEMBERED:
            recent.pop(next(iter(recent)), None)
