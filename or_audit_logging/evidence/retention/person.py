"""Which lines of a log are of one person: their calls, and what was written before and after these.

    for line in lines_of_person("audit_logs", "ann@example.com"):
        line.seq, line.event_type, line.is_closed

A call may have several lines: the record before it (`<event_type>.started`), its own, and what the provider
said later (`generation`), which names nobody and is found by its generation id. Text in which a program of
yours names a person is not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from or_audit_logging.errors import RetentionError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.asking import as_found
from or_audit_logging.evidence.query import spellings
from or_audit_logging.evidence.reading import LogReader
from or_audit_logging.evidence.retention.opened import folder_of, segments_of
from or_audit_logging.evidence.sieve import Needles, Sieve
from or_audit_logging.keys import KeySources
from or_audit_logging.record import GENERATION, AuditRecord
from or_audit_logging.sealing.line import line_start

_FACT = line_start(GENERATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLine:
    """A line of a person's; `is_closed`: its segment is, so that it may be redacted."""

    seq: int
    event_type: str
    timestamp: str
    generation_id: str | None
    is_closed: bool


def lines_of_person(path: PathText, user: str, *, key: KeySources = None) -> tuple[PersonLine, ...]:
    """Return the lines of *user*, in their order, in the log in the folder *path*.

    *user*: the id as the calls had it; one that holds personal data also by its pseudonyms under *key*
    (default: the environment's, if set). Nothing is verified. Raises `ConfigError`, `RetentionError` where a
    segment cannot be read, `OSError`.
    """
    names = spellings(user, key, name="user")
    layout = folder_of(path)
    reader = LogReader(layout)
    own: list[tuple[int, AuditRecord]] = []
    facts: list[tuple[int, AuditRecord]] = []
    for seq, record in _records(reader, names):
        if record.user_id in names:
            own.append((seq, record))
        elif record.event_type == GENERATION:
            facts.append((seq, record))
    for name, trouble in reader.unreadable.items():
        raise RetentionError(f"{name} cannot be read: {trouble}")
    made = {one for _, record in own for one in (record.generation_id, *(record.generation_ids or ())) if one}
    own += [(seq, record) for seq, record in facts if record.generation_id in made]
    segments = segments_of(layout)
    still_open = segments[-1].first_seq if segments else 0
    return tuple(
        PersonLine(
            seq=seq,
            event_type=record.event_type,
            timestamp=record.timestamp,
            generation_id=record.generation_id,
            is_closed=seq < still_open,
        )
        for seq, record in sorted(own, key=lambda pair: pair[0])
    )


def _records(reader: LogReader, names: set[str]) -> Iterator[tuple[int, AuditRecord]]:
    """Yield the records in which one of *names* may stand, and all late facts."""
    needles = Needles.of(*names, fields=["user_id"], also=[_FACT])
    sieve = Sieve([needles] if needles is not None else [])
    for block in reader.blocks():
        for line in sieve.lines(block):
            found = as_found(line)
            if found is not None:
                yield found.seq, found.record
