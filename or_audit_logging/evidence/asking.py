"""`Query`: an iterator over the records of a log that some criteria ask for.

    found = Query(parts, Criteria.parse(user="u-42"))
    records = list(found); found.skipped

Segments of other days are not read, and lines without the bytes that are looked for not parsed.

**Late facts.** A call whose cost is unknown is completed by the newest `generation` record of its id, which
mostly stands later in the log. Records come in the log's order, so from the first such call on they are held
back until the end was seen; if more than `MOST_HELD` are, the rest of the log is looked through for late
facts first. With a limit the log is read from its end, and most facts are known before their calls.
A fact before its call counts where it stands in the call's part or in the one before, limit or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.late_facts import LateFacts, awaits_facts, record_of
from or_audit_logging.evidence.parts import Part
from or_audit_logging.evidence.reading import parse_record, seq_of
from or_audit_logging.evidence.sieve import Sieve, lines_with
from or_audit_logging.record import AuditRecord

MOST_HELD = 5_000

_FACT = b'"event_type":"generation"'


@dataclass(slots=True)
class Skipped:
    """What was passed by so far: redacted lines, pieces that are no records, files not read to their end.

    `bad` counts the pieces by segment, `unreadable` says why. Segments that are left out count for nothing.
    """

    redacted: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its place in the log."""

    record: AuditRecord
    seq: int


class Query(Iterator[AuditRecord]):
    """The answer, read as it is asked for; `skipped` fills meanwhile."""

    def __init__(
        self,
        parts: list[Part],
        criteria: Criteria,
        *,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Ask *parts*, in the order of their lines; *limit*: only the last so many.

        *progress* is called with the number of bytes that were looked through so far.
        """
        self.skipped = Skipped()
        self._parts = parts
        self._in_range = [criteria.may_hold(part.day) for part in parts]
        self._criteria = criteria
        self._limit = limit
        self._facts = LateFacts(all_calls=limit is not None)
        self._held: list[tuple[int, Found]] = []
        self._searched: set[int] = set()
        self._progress = progress
        self._read = 0
        self._found = self.found()

    def __next__(self) -> AuditRecord:
        return next(self._found).record

    def found(self) -> Iterator[Found]:
        """Yield the records, each with its place, in the log's order."""
        return self._all() if self._limit is None else self._last(self._limit)

    def _all(self) -> Iterator[Found]:
        end = max((number for number, is_in in enumerate(self._in_range, 1) if is_in), default=0)
        for number, part in enumerate(self._parts):
            if number >= end and not self._held:
                break
            if not self._in_range[number]:
                is_before = number + 1 < end and self._in_range[number + 1]
                if self._held or (is_before and not self._facts.all_calls):
                    _take_facts(part, self._facts, number)
                continue
            sieve = Sieve(self._criteria.needles)
            for block in self._counted(part.blocks()):
                yield from self._of_block(number, sieve, block)
                if len(self._held) > MOST_HELD:
                    self._facts.keep_all()
                    for later in range(number, len(self._parts)):
                        _take_facts(self._parts[later], self._facts, later)
                    yield from self._release()
            self._note(part, sieve)
        yield from self._release()

    def _of_block(self, number: int, sieve: Sieve, block: bytes) -> Iterator[Found]:
        """Yield the records that are asked for in *block* of part *number*, if none waits for late facts."""
        facts = self._facts
        for line in sieve.lines(block, also=_FACT):
            if _FACT in line:
                take = facts.take_older if facts.all_calls else facts.take
                if take(line, part=number) and self._is_passed(number, line):
                    continue
            found = self._parse(self._parts[number], line)
            if found is None or not self._criteria.may_match(found.record):
                continue
            if not facts.all_calls and awaits_facts(found.record):
                facts.wait_for(found.record)
                self._held.append((number, found))
            elif self._held:
                self._held.append((number, found))
            else:
                yield from self._completed(number, found)

    def _release(self) -> Iterator[Found]:
        """Yield what was held back: all late facts are known."""
        held, self._held = self._held, []
        for number, found in held:
            yield from self._completed(number, found)

    def _completed(self, number: int, found: Found) -> Iterator[Found]:
        record = self._facts.complete(found.record, part=number)
        if self._criteria.matches(record):
            yield Found(record, found.seq)

    def _last(self, limit: int) -> Iterator[Found]:
        """Yield the last *limit* records, found from the end."""
        kept: list[Found] = []
        start = self._in_range.index(True) if True in self._in_range else len(self._parts)
        for number in reversed(range(start, len(self._parts))):
            if len(kept) >= limit:
                break
            if not self._in_range[number]:
                self._know_facts_of(number)
                continue
            part = self._parts[number]
            sieve = Sieve(self._criteria.needles)
            back = part.blocks_back()
            if back is None:
                kept += reversed(self._last_of_part(number, sieve, limit - len(kept)))
            else:
                for block in self._counted(back):
                    kept += self._of_block_back(number, sieve, block)
                    if len(kept) >= limit:
                        break
            self._note(part, sieve)
        yield from reversed(kept[:limit])

    def _of_block_back(self, number: int, sieve: Sieve, block: bytes) -> Iterator[Found]:
        """Yield the records in *block* that are asked for, the last one first."""
        for line in reversed(sieve.lines(block, also=_FACT)):
            if _FACT in line and self._facts.take_older(line, part=number) and self._is_passed(number, line):
                continue
            yield from self._completed_back(number, line)

    def _last_of_part(self, number: int, sieve: Sieve, limit: int) -> list[Found]:
        """Return the last records of a part that can only be read forward."""
        facts = LateFacts(all_calls=True)
        kept: deque[Found] = deque(maxlen=limit)
        for block in self._counted(self._parts[number].blocks()):
            for line in sieve.lines(block, also=_FACT):
                if _FACT in line and facts.take(line, part=number) and self._is_passed(number, line):
                    continue
                kept.extend(self._completed_back(number, line))
        self._facts.take_all_older(facts)
        return list(kept)

    def _completed_back(self, number: int, line: bytes) -> Iterator[Found]:
        """Yield the record of *line* in part *number* if it is asked for.

        Late facts behind it are known if the part is read back; where they do not say the cost, others in the
        part, and in the one before it, may.
        """
        found = self._parse(self._parts[number], line)
        if found is None or not self._criteria.may_match(found.record):
            return
        if self._facts.lacks(found.record):
            self._know_facts_of(number)
            self._know_facts_of(number - 1)
        yield from self._completed(number, found)

    def _know_facts_of(self, number: int) -> None:
        """Take in all late facts of part *number*, once."""
        if number >= 0 and number not in self._searched:
            self._searched.add(number)
            facts = LateFacts(all_calls=True)
            _take_facts(self._parts[number], facts, number)
            self._facts.take_all_older(facts)

    def _is_passed(self, number: int, line: bytes) -> bool:
        """Return whether late facts are not asked for; if every line is looked at, so is this one."""
        if self._criteria.event is not None:
            return False
        if not self._criteria.needles:
            self._parse(self._parts[number], line)
        return True

    def _parse(self, part: Part, line: bytes) -> Found | None:
        found = as_found(line)
        if found is None:
            self.skipped.bad[part.name] = self.skipped.bad.get(part.name, 0) + 1
        return found

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._read += len(block)
            if self._progress is not None:
                self._progress(self._read)
            yield block

    def _note(self, part: Part, sieve: Sieve) -> None:
        """Take over what *sieve* counted in *part*, and what was wrong with the file."""
        self.skipped.redacted += sieve.stubs
        if sieve.bad:
            self.skipped.bad[part.name] = self.skipped.bad.get(part.name, 0) + sieve.bad
        if part.problem is not None:
            self.skipped.unreadable[part.name] = part.problem


def _take_facts(part: Part, facts: LateFacts, number: int) -> None:
    for block in part.fact_blocks():
        for line in lines_with(block, (_FACT,)):
            facts.take(line, part=number)


def as_found(line: bytes) -> Found | None:
    """Return the record that *line* is, None where it is none."""
    members = parse_record(line) or {}
    seq = seq_of(members)
    record = record_of(members) if seq is not None else None
    return Found(record, seq) if record is not None and seq is not None else None
