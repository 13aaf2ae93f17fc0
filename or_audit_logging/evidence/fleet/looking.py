"""A log before it is verified: whose it is, and when its newest line was written. Nothing is checked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from or_audit_logging.errors import AuditError
from or_audit_logging.evidence.arguments import Target
from or_audit_logging.evidence.identity import identify
from or_audit_logging.evidence.reading import LogReader, parse_record
from or_audit_logging.log.sources import survey
from or_audit_logging.log.tail import parse_timestamp

_STORED = 1_000
"""So many of a store's last lines are looked at: those that were redacted have no time."""


@dataclass(frozen=True, slots=True)
class Look:
    """The 16 hex digits that the log's lines bear, None where there are none or they cannot be read."""

    log: str | None
    is_readable: bool


def look(target: Target) -> Look:
    """Return whose log stands at *target*, a folder or a store."""
    try:
        if target.store is not None:
            from or_audit_logging.evidence.stored import log_in_store  # brings sqlite3

            return Look(log_in_store(target.store), is_readable=True)
        if target.trouble is not None or target.layout is None:
            return Look(None, is_readable=False)
        sources = survey(target.layout).sources
    except (OSError, AuditError):
        return Look(None, is_readable=False)
    identity = identify(sources)
    if identity is None:
        return Look(None, is_readable=all(source.kind != "unreadable" for source in sources))
    return Look(identity.log, is_readable=True)


def newest_line_at(target: Target, log: str) -> datetime | None:
    """Return what the newest line of *log* that has a time says of it; None where that cannot be found."""
    try:
        for block in _blocks_back(target, log):
            for line in reversed(block.splitlines()):
                members = parse_record(line) or {}
                found = parse_timestamp(members.get("timestamp"))
                if found is not None and found.tzinfo is not None:
                    return found
    except (OSError, AuditError):
        pass
    return None


def _blocks_back(target: Target, log: str) -> Iterator[bytes]:
    if target.store is not None:
        from or_audit_logging.store.reader import StoreReader  # brings sqlite3

        with StoreReader(target.store) as store:
            end = store.end()
            yield b"\n".join(store.lines_at(range(max(0, end - _STORED), end)))
    elif target.layout is not None:
        reader = LogReader(target.layout)
        for source in reversed(reader.sources()):
            if log not in source.logs:
                continue
            backwards = reader.read_back(source)
            if backwards is not None:
                yield from backwards
                continue
            yield from deque(reader.read(source), maxlen=1)  # of an archive the last block is enough
