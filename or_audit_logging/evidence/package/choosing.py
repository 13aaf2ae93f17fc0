"""Which lines are handed over: those of a time without a gap, or those of one user.

    chosen = choose("audit_logs", asked)     -> Chosen(first=812, last=1904, seqs=None, ...)

Without a filter they are all lines from the first to the last one of the time asked for. With one they are
the user's records, the write-ahead records that they name, and what was learned of their cost later,
whenever that was.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.asking import as_found
from or_audit_logging.evidence.late_facts import awaits_facts
from or_audit_logging.evidence.leaves import lines_from, lines_of
from or_audit_logging.evidence.package.asked import Asked
from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.evidence.sieve import Needles
from or_audit_logging.record import GENERATION, AuditRecord, moment, utc_timestamp
from or_audit_logging.sealing.line import CONTROL_START, line_start

_CHECKPOINT = line_start("log.checkpoint")
_STARTED = ".started"
_A_DAY = timedelta(days=1)
_TIMESTAMP = re.compile(
    rb'\{"event_type":"[^"\\]*","v":[0-9]+,"id":"[^"\\]*",(?:"started_id":"[^"\\]*",)?'
    rb'"timestamp":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"'
)
"""How our own lines begin; others are parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The lines to hand over: from `first` to `last`, of these only `seqs` where there is a filter.

    `earliest` and `latest` are the times of the first and the last record among them, control lines aside.
    """

    log: str
    first: int
    last: int
    lines: int
    records: int
    seqs: array[int] | None
    earliest: str | None
    latest: str | None


def choose(path: PathText, asked: Asked, *, progress: Callable[[int], None] | None = None) -> Chosen:
    """Return the lines of the log at *path* that are asked for.

    Raises `ConfigError` where there are none, `ChainBrokenError` where a line is not the one that is due,
    `ProofError`, `FormatError`, `OSError`.
    """
    choice = _Mine(asked) if asked.is_filtered else _Stretch(asked)
    may_hold = _or_the_day_before(asked) if asked.is_filtered else asked.may_hold
    seen = 0
    with contextlib.ExitStack() as stack:
        lines = lines_of(path, stack, may_hold=may_hold, to_end=asked.is_filtered)
        seq = lines.tree.size
        for raw, _ in lines:
            choice.take(seq, raw)
            seq += 1
            seen += 1
            if progress is not None and seen % 10_000 == 0:
                progress(seen)
        log = lines.log
    return choice.chosen(log)


def chosen_texts(path: PathText, chosen: Chosen) -> Iterator[bytes]:
    """Yield the lines *chosen* as they stand in the log at *path*; raises as `choose` does."""
    seqs = None if chosen.seqs is None else iter(chosen.seqs)
    due = chosen.first if seqs is None else next(seqs)
    with contextlib.ExitStack() as stack:
        lines = lines_from(path, chosen.first, stack)
        for seq, _ in enumerate(lines, lines.tree.size):
            if seq == due:
                yield lines.text
                due = seq + 1 if seqs is None else next(seqs, chosen.last + 1)
            if due > chosen.last:
                return


def timestamp_of(line: bytes) -> str | None:
    """Return the time that *line* states, as our lines have it; None where it states none."""
    match = _TIMESTAMP.match(line)
    if match is not None:
        return match[1].decode("ascii")
    stated = (parse_record(line) or {}).get("timestamp")
    found = moment(stated) if isinstance(stated, str) else None
    return None if found is None else utc_timestamp(found)


def _or_the_day_before(asked: Asked) -> Callable[[date], bool]:
    """A call's write-ahead record may stand in the segment before its own."""
    return lambda day: asked.may_hold(day) or (day < date.max and asked.may_hold(day + _A_DAY))


def _when(asked: Asked) -> str:
    if asked.since is None and asked.until is None:
        return "in this log"
    return f"from {asked.since or 'the beginning'} to {asked.until or 'the end'}"


class _Stretch:
    """All lines of a time. A stub counts for as old as the line before it.

    Checkpoints at its end are left out: what covers the last record has to stand behind it.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._first: int | None = None
        self._last = -1
        self._records = self._records_to_last = 0
        self._was_in_time = False
        self._earliest: str | None = None
        self._latest: str | None = None

    def take(self, seq: int, raw: bytes | None) -> None:
        timestamp = None if raw is None else timestamp_of(raw)
        is_in_time = self._was_in_time if timestamp is None else self._asked.period.has(timestamp)
        is_record = raw is None or not raw.startswith(CONTROL_START)
        self._was_in_time = is_in_time
        if is_in_time and self._first is None:
            self._first = seq
        if self._first is None:
            return
        self._records += is_record
        if is_in_time and not (raw is not None and raw.startswith(_CHECKPOINT)):
            self._last, self._records_to_last = seq, self._records
            if is_record and timestamp is not None:
                self._earliest = min(self._earliest or timestamp, timestamp)
                self._latest = max(self._latest or timestamp, timestamp)

    def chosen(self, log: str) -> Chosen:
        if self._first is None or not self._records_to_last:
            raise ConfigError(f"no record was written {_when(self._asked)}: there is nothing to hand over")
        return Chosen(
            log=log,
            first=self._first,
            last=self._last,
            lines=self._last - self._first + 1,
            records=self._records_to_last,
            seqs=None,
            earliest=self._earliest,
            latest=self._latest,
        )


class _Mine:
    """One user's lines, whoever else's stand between them."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        groups = [
            Needles.of(*sorted(values), fields=[field])
            for field, values in (("user_id", asked.users), ("session_id", asked.sessions))
            if values is not None
        ]
        self._needles = [group.loose for group in groups if group is not None]
        self._seqs = array("Q")
        self._earliest: str | None = None
        self._latest: str | None = None
        self._started: dict[str, int] = {}
        self._awaiting: set[str] = set()

    def take(self, seq: int, raw: bytes | None) -> None:
        if raw is None or raw.startswith(CONTROL_START):
            return
        is_fact = bool(self._awaiting) and b'"event_type":"generation"' in raw
        if not is_fact and not all(any(one in raw for one in group) for group in self._needles):
            return
        found = as_found(raw)
        if found is not None and self._is_mine(seq, found.record):
            self._seqs.append(seq)

    def _is_mine(self, seq: int, record: AuditRecord) -> bool:
        asked = self._asked
        if record.event_type == GENERATION and record.generation_id in self._awaiting:
            return True
        if asked.users is not None and record.user_id not in asked.users:
            return False
        if asked.sessions is not None and record.session_id not in asked.sessions:
            return False
        found = moment(record.timestamp)
        timestamp = record.timestamp if found is None else utc_timestamp(found)
        if not asked.period.has(timestamp):
            if record.event_type.endswith(_STARTED) and (asked.since is None or timestamp < asked.since):
                self._started[record.id] = seq
            return False
        started = self._started.pop(record.started_id or "", None)
        if started is not None:
            self._seqs.append(started)
        if record.generation_id is not None and awaits_facts(record):
            self._awaiting.add(record.generation_id)
        self._earliest = min(self._earliest or timestamp, timestamp)
        self._latest = max(self._latest or timestamp, timestamp)
        return True

    def chosen(self, log: str) -> Chosen:
        if self._earliest is None:
            raise ConfigError(
                f"no record of this user or session was written {_when(self._asked)}: "
                "there is nothing to hand over"
            )
        seqs = array("Q", sorted(self._seqs))
        return Chosen(
            log=log,
            first=seqs[0],
            last=seqs[-1],
            lines=len(seqs),
            records=len(seqs),
            seqs=seqs,
            earliest=self._earliest,
            latest=self._latest,
        )
