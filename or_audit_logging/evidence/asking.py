"""`Query`: an iterator over the records of a log that some criteria ask for.

    found = Query(parts, Criteria.parse(user="u-42"))
    records = list(found); found.skipped

Segments of other days are not read, and lines without the bytes that are looked for not parsed.

**Late facts.** A call whose cost is unknown is completed by the newest `generation` record of its id, which
stands later in the log. Records come in the log's order, so from the first such call on they are held back
until the end was seen; if more than `MOST_HELD` are, the rest of the log is looked through for late facts
first. With a limit the log is read from its end, and facts are known before their calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.late_facts import LateFacts, awaits_facts, record_of
from or_audit_logging.evidence.parts import Part
from or_audit_logging.evidence.reading import parse_record
from or_audit_logging.evidence.sieve import Sieve, is_shaped, lines_with
from or_audit_logging.record import CONTROL_PREFIX, AuditRecord

MOST_HELD = 5_000

_FACT = b'"event_type":"generation"'
_CONTROL = f'{{"event_type":"{CONTROL_PREFIX}'.encode("ascii")


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
    """A record and its place in the log; `seq` is None where the line does not say."""

    record: AuditRecord
    seq: int | None


class Query(Iterator[AuditRecord]):
    """The answer, read as it is asked for; `skipped` fills meanwhile."""

    def __init__(self, parts: list[Part], criteria: Criteria, *, limit: int | None = None) -> None:
        """Ask *parts*, in the order of their lines; *limit*: only the last so many."""
        self.skipped = Skipped()
        self._parts = parts
        self._criteria = criteria
        self._limit = limit
        self._facts = LateFacts()
        self._held: list[Found] = []
        self._awaited: set[str] | None = set()  # the ids of those held; None: all facts are known
        self._found = self.found()

    def __next__(self) -> AuditRecord:
        return next(self._found).record

    def found(self) -> Iterator[Found]:
        """Yield the records, each with its place, in the log's order."""
        return self._all() if self._limit is None else self._last(self._limit)

    def _all(self) -> Iterator[Found]:
        in_range = [self._criteria.may_hold(part.day) for part in self._parts]
        end = max((number for number, is_in in enumerate(in_range, 1) if is_in), default=0)
        for number, part in enumerate(self._parts):
            if number >= end and not self._held:
                break
            sieve = Sieve(self._criteria.needles)
            for block in part.blocks() if in_range[number] or self._held else ():
                if in_range[number]:
                    yield from self._of_block(part, sieve, block)
                else:
                    self._take_facts(block, self._awaited)
                if len(self._held) > MOST_HELD:
                    self._look_ahead(number)
                    yield from self._release()
            self._note(part, sieve)
        yield from self._release()

    def _of_block(self, part: Part, sieve: Sieve, block: bytes) -> Iterator[Found]:
        """Yield the records in *block* that are asked for, if nothing has to wait for late facts."""
        was_waiting = bool(self._held)
        for line in sieve.lines(block, also=_FACT if was_waiting else None):
            found = self._parse(part, line)
            if found is None:
                continue
            if self._awaited is not None:
                self._facts.take(found.record, among=self._awaited)
            if not self._criteria.may_match(found.record):
                continue
            is_open = awaits_facts(found.record)
            if is_open and self._awaited is not None:
                self._awaited.add(found.record.generation_id or "")
                self._held.append(found)
            elif self._held:
                self._held.append(found)
            elif is_open:
                yield from self._completed([found])
            else:
                yield found
        if self._held and not was_waiting:
            self._take_facts(block, self._awaited)

    def _release(self) -> Iterator[Found]:
        """Yield what was held back: all late facts are known."""
        held, self._held, self._awaited = self._held, [], None
        yield from self._completed(held)

    def _completed(self, several: list[Found]) -> Iterator[Found]:
        for found in several:
            record = self._facts.complete(found.record)
            if self._criteria.matches(record):
                yield Found(record, found.seq)

    def _last(self, limit: int) -> Iterator[Found]:
        """Yield the last *limit* records, found from the end."""
        kept: list[Found] = []
        in_range = [self._criteria.may_hold(part.day) for part in self._parts]
        start = in_range.index(True) if True in in_range else len(in_range)
        for number in reversed(range(start, len(self._parts))):
            if len(kept) >= limit:
                break
            part = self._parts[number]
            back = part.blocks_back()
            if back is None:
                kept += reversed(self._last_of_part(part, limit - len(kept), is_in_range=in_range[number]))
                continue
            sieve = Sieve(self._criteria.needles)
            for block in back:
                if not in_range[number]:
                    self._take_facts(block, None, is_older=True)
                    continue
                kept += self._last_of_block(part, sieve, block)
                if len(kept) >= limit:
                    break
            self._note(part, sieve)
        yield from reversed(kept[:limit])

    def _last_of_block(self, part: Part, sieve: Sieve, block: bytes) -> list[Found]:
        """Return the records in *block* that are asked for, the last one first."""
        out = []
        for line in reversed(sieve.lines(block, also=_FACT)):
            found = self._parse(part, line)
            if found is None:
                continue
            self._facts.take_older(found.record)
            record = self._facts.complete(found.record)
            if self._criteria.matches(record):
                out.append(Found(record, found.seq))
        return out

    def _last_of_part(self, part: Part, limit: int, *, is_in_range: bool) -> list[Found]:
        """Return the last records of a part that can only be read forward; its facts are read first."""
        facts = LateFacts()
        if self._criteria.asks_for_facts or not is_in_range:
            for block in part.blocks():
                self._take_facts(block, None, into=facts)
            self._facts.take_all_older(facts)
        kept: deque[Found] = deque(maxlen=limit)
        if is_in_range:
            sieve = Sieve(self._criteria.needles)
            for block in part.blocks():
                for line in sieve.lines(block, also=_FACT):
                    found = self._parse(part, line)
                    if found is not None:
                        facts.take(found.record)
                        if self._criteria.matches(self._facts.complete(found.record)):
                            kept.append(found)
            self._facts.take_all_older(facts)
            self._note(part, sieve)
        return [Found(self._facts.complete(found.record), found.seq) for found in kept]

    def _parse(self, part: Part, line: bytes) -> Found | None:
        if line.startswith(_CONTROL) and self._criteria.event is None:
            return None
        found = as_found(line)
        if found is None:
            self.skipped.bad[part.name] = self.skipped.bad.get(part.name, 0) + 1
        return found

    def _look_ahead(self, number: int) -> None:
        """Take in all facts that stand in part *number* and behind it."""
        for part in self._parts[number:]:
            for block in part.blocks():
                self._take_facts(block, None)

    def _take_facts(
        self,
        block: bytes,
        awaited: set[str] | None,
        *,
        into: LateFacts | None = None,
        is_older: bool = False,
    ) -> None:
        facts = self._facts if into is None else into
        lines = lines_with(block, (_FACT,))
        for line in reversed(lines) if is_older else lines:
            found = as_found(line) if is_shaped(line) else None
            if found is None:
                continue
            if is_older:
                facts.take_older(found.record)
            else:
                facts.take(found.record, among=awaited)

    def _note(self, part: Part, sieve: Sieve) -> None:
        """Take over what *sieve* counted in *part*, and what was wrong with the file."""
        self.skipped.redacted += sieve.stubs
        if sieve.bad:
            self.skipped.bad[part.name] = self.skipped.bad.get(part.name, 0) + sieve.bad
        if part.problem is not None:
            self.skipped.unreadable[part.name] = part.problem


def as_found(line: bytes) -> Found | None:
    """Return the record that *line* is, None where it is none."""
    members = parse_record(line)
    record = record_of(members) if members is not None else None
    if members is None or record is None:
        return None
    seq = members.get("seq")
    return Found(record, seq if type(seq) is int else None)
