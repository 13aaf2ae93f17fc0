"""`Settling`: reads what has no cost, asks for it when it is due, writes the answers down.

    settling = Settling(LogReader(layout), LogWriter(layout, ring), OpenRouterAPI())
    settling.run()                          # once
    settling.follow()                       # until KeyboardInterrupt

A stream that was cut, a call that was cancelled or an error may have been billed without a word about it;
OpenRouter's generation record knows, some seconds to minutes later. Each answer becomes a `generation`
record; the call's own is never changed. What is pending follows from the lines alone: after a restart, or a
kill between an answer and its record, the same is asked again.

Where the lines stand and where records go is the reader's and the writer's business: a folder of segments,
or whatever else has these few methods.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from or_audit_logging.errors import (
    APIKeyError,
    ConfigError,
    GenerationError,
    PaymentRequiredError,
    RateLimitedError,
)
from or_audit_logging.evidence.settled import Pending, Settled
from or_audit_logging.evidence.settlement import (
    FIRST_ASK,
    OpenCosts,
    generation_record,
    next_ask,
    unresolved_record,
)
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.openrouter import Generation, KeyUsage
from or_audit_logging.pricing import from_pico, pico
from or_audit_logging.record import AuditRecord
from or_audit_logging.sealing.encode import encode_record
from or_audit_logging.sealing.line import SUFFIX_MAX

GIVE_UP = timedelta(days=7)
WAIT = timedelta(seconds=60)

_LIMIT = 4096 - SUFFIX_MAX - 1
_FAILURES = 3
"""After so many questions in a row that failed, OpenRouter counts as down."""
_ABOUT_THE_CALL = frozenset({403, 404})
"""Answers that say something about a call; the others say something about OpenRouter, or the way to it."""
_SHORTEST_POLL = 0.1
_POLL = 10.0
_POLL_WHEN_DOWN = 60.0
_LONGEST_POLL = 600.0
_LONGEST_WAIT = 6 * 3600.0


class Reader(Protocol):
    """What is read: a log's lines, each once."""

    unreadable: dict[str, str]

    def blocks(self) -> Iterator[bytes]: ...


class Writer(Protocol):
    """What is written to."""

    @property
    def checkpoints(self) -> Checkpoints: ...

    def append(self, body: bytes) -> int: ...

    def sync(self, ticket: int) -> None: ...

    def sync_for_checkpoints(self) -> None: ...


class Provider(Protocol):
    """Who is asked."""

    def generation(self, generation_id: str) -> Generation: ...

    def key(self) -> KeyUsage: ...


class Settling:
    """Settles the calls of one log: `reader` is where they stand, `writer` where the answers go."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer | None,
        api: Provider | None,
        *,
        give_up: timedelta = GIVE_UP,
        limit: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        clean: Callable[[str], str] = str,
        told: Callable[[AuditRecord], None] = lambda record: None,
    ) -> None:
        """Take the parts; without *writer* and *api* there is only `read` and `result`.

        *limit*: questions to ask at most. *told* is handed each record once it is written.
        """
        self._reader = reader
        self._writer = writer
        self._api = api
        self._give_up = give_up
        self._limit = limit
        self._now = now
        self._sleep = sleep
        self._clean = clean
        self._told = told
        self._costs = OpenCosts()
        self._due: list[tuple[datetime, str]] = []
        self._answers: Counter[int] = Counter()
        self._asked = self._settled = self._unresolved = self._cost = self._failures = 0
        self._told_to_wait = 0.0
        self._problem: str | None = None
        self._is_refused = self._has_answered = False

    def run(self, *, wait: timedelta = WAIT) -> Settled:
        """Ask for everything that is due, and for what falls due within *wait*; return what came of it."""
        self._problem, self._failures = None, 0
        self.read()
        end = self._now() + wait
        while self._due and self._due[0][0] <= end and self._problem is None:
            if self._limit is not None and self._asked >= self._limit:
                break
            pause = (self._due[0][0] - self._now()).total_seconds()
            if pause > 0:
                self._sleep(pause)
            due = heapq.heappop(self._due)
            try:
                again = self._ask(due[1])
            except BaseException:
                heapq.heappush(self._due, due)
                raise
            if again is not None:
                heapq.heappush(self._due, (again, due[1]))
        return self.result()

    def follow(self) -> Settled:
        """Go on settling what is logged, until KeyboardInterrupt ends it or OpenRouter refuses the key."""
        pause = _POLL
        try:
            while not self.run(wait=timedelta(0)).is_refused:
                if self._problem is not None:
                    pause = min(max(pause * 2, _POLL_WHEN_DOWN), _LONGEST_POLL)
                    pause = max(pause, min(self._told_to_wait, _LONGEST_WAIT))
                else:
                    until_due = (self._due[0][0] - self._now()).total_seconds() if self._due else _POLL
                    pause = min(max(until_due, _SHORTEST_POLL), _POLL)
                self._sleep(pause)
        except KeyboardInterrupt:
            self._problem = None
        return self.result()

    def read(self) -> None:
        """Take in what the log has got since."""
        now, new = self._now(), []
        for block in self._reader.blocks():
            new += self._costs.take_block(block, now=now)
        pending = self._costs.pending
        first = [(min(pending[one], now) + FIRST_ASK, one) for one in new if one in pending]
        self._due = [item for item in self._due if item[1] in pending] + first
        heapq.heapify(self._due)

    def result(self) -> Settled:
        """Return what came of it so far."""
        return Settled(
            asked=self._asked,
            settled=self._settled,
            cost=from_pico(self._cost),
            unresolved=self._unresolved,
            pending=tuple(
                Pending(one, self._costs.pending[one], due)
                for due, one in sorted(self._due)
                if one in self._costs.pending
            ),
            unidentified=self._costs.unidentified,
            answers=dict(self._answers),
            unreadable=dict(self._reader.unreadable),
            problem=self._problem,
            is_refused=self._is_refused,
        )

    def _ask(self, generation_id: str) -> datetime | None:
        """Ask about one call and write down the answer; return when to ask again, None where it is done."""
        if self._api is None:
            raise ConfigError("there is nobody to ask")
        self._asked += 1
        now = self._now()
        again = next_ask(self._costs.pending[generation_id], now)
        try:
            found = self._api.generation(generation_id)
        except GenerationError as error:
            if error.status is not None:
                self._answers[error.status] += 1
            if error.status not in _ABOUT_THE_CALL:
                self._failed(error)
                return again
            code = error.status
        else:
            if found.total_cost is not None:
                self._append(generation_record(found, now=self._now(), clean=self._clean))
                self._settled += 1
                self._cost += pico(found.total_cost)
                self._failures = 0
                return None
            code = 200
        self._failures = 0
        if now - self._costs.pending[generation_id] < self._give_up or not self._is_answering():
            return again
        self._append(unresolved_record(generation_id, code=code, now=self._now()))
        self._unresolved += 1
        return None

    def _failed(self, error: GenerationError) -> None:
        """Stop asking where that makes no sense for now: OpenRouter is down, busy, or refuses the key."""
        self._failures += 1
        self._told_to_wait = error.retry_after or 0.0
        self._is_refused = isinstance(error, (APIKeyError, PaymentRequiredError))
        if self._is_refused or isinstance(error, RateLimitedError) or self._failures >= _FAILURES:
            self._problem = str(error)

    def _is_answering(self) -> bool:
        """Return whether it is OpenRouter that knows nothing of a call, and not a wrong address."""
        if not self._has_answered and self._api is not None:
            try:
                self._api.key()
            except GenerationError as error:
                self._failures = _FAILURES
                self._failed(error)
            else:
                self._has_answered = True
        return self._has_answered

    def _append(self, record: AuditRecord) -> None:
        if self._writer is None:
            raise ConfigError("there is nothing to write to")
        self._writer.sync(self._writer.append(encode_record(record, limit=_LIMIT)))
        self._costs.settle(record.generation_id)
        if self._writer.checkpoints:
            self._writer.sync_for_checkpoints()
            self._writer.checkpoints.take()
        self._told(record)
