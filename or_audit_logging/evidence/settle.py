"""`settle`: asks OpenRouter for the costs that calls ended without, and adds the answers to the log.

    settle("audit_logs", api_key="env:OPENROUTER_API_KEY").pending      -> () once nothing is left to ask for

A stream that was cut, a call that was cancelled or an error may have been billed without a word about it;
OpenRouter's generation record knows, some seconds to minutes later. Each answer becomes a `generation`
record; the call's own is never changed. What is pending follows from the log alone: after a restart, or a
kill between an answer and its record, the same is asked again. It is a process of its own, beside those that
write the log and never in the path of a call.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol

from or_audit_logging.errors import (
    APIKeyError,
    AuditWriteError,
    ConfigError,
    GenerationError,
    PaymentRequiredError,
    RateLimitedError,
    UnavailableError,
)
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.reading import LogReader
from or_audit_logging.evidence.settled import Pending, Settled
from or_audit_logging.evidence.settlement import (
    FIRST_ASK,
    OpenCosts,
    generation_record,
    next_ask,
    unresolved_record,
)
from or_audit_logging.keys import KeyRing, KeySource, KeySources
from or_audit_logging.log.checkpoints import Checkpoints
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.openrouter import BASE_URL, Generation, OpenRouterAPI
from or_audit_logging.pricing import from_pico, pico
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.sealing.encode import encode_record
from or_audit_logging.sealing.line import SUFFIX_MAX
from or_audit_logging.signing_keys import SigningKeys

LOCK_NAME = "settle.lock"
GIVE_UP = timedelta(days=7)
WAIT = timedelta(seconds=60)

_LIMIT = 4096 - SUFFIX_MAX - 1
_FAILURES = 3
"""After so many questions in a row that failed, OpenRouter counts as down."""
_POLL = 10.0
_POLL_WHEN_DOWN = 60.0
_LONGEST_POLL = 600.0


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
        self._problem: str | None = None
        self._is_refused = False

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
            self._ask(heapq.heappop(self._due)[1])
        return self.result()

    def follow(self) -> Settled:
        """Go on settling what is logged, until KeyboardInterrupt ends it or OpenRouter refuses the key."""
        pause = _POLL
        try:
            while not self.run(wait=timedelta(0)).is_refused:
                down = self._problem is not None
                pause = min(max(pause * 2, _POLL_WHEN_DOWN), _LONGEST_POLL) if down else _POLL
                self._sleep(pause)
        except KeyboardInterrupt:
            self._problem = None
        return self.result()

    def read(self) -> None:
        """Take in what the log has got since."""
        now = self._now()
        for block in self._reader.blocks():
            for one in self._costs.take_block(block, now=now):
                heapq.heappush(self._due, (min(self._costs.pending[one], now) + FIRST_ASK, one))
        self._due = [item for item in self._due if item[1] in self._costs.pending]
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

    def _ask(self, generation_id: str) -> None:
        if self._api is None:
            raise ConfigError("there is nobody to ask")
        self._asked += 1
        now = self._now()
        try:
            found = self._api.generation(generation_id)
        except (APIKeyError, PaymentRequiredError) as error:
            self._problem, self._is_refused = str(error), True
            self._later(generation_id, now, error.status)
        except (UnavailableError, RateLimitedError) as error:
            self._failures += 1
            if self._failures >= _FAILURES or isinstance(error, RateLimitedError):
                self._problem = str(error)
            self._later(generation_id, now, error.status)
        except GenerationError as error:
            self._failures = 0
            self._not_found(generation_id, now, error.status)
        except BaseException:
            self._later(generation_id, now, None)
            raise
        else:
            self._failures = 0
            if found.total_cost is None:
                self._not_found(generation_id, now, 200)
                return
            self._append(generation_record(found, now=self._now(), clean=self._clean))
            self._settled += 1
            self._cost += pico(found.total_cost)

    def _not_found(self, generation_id: str, now: datetime, code: int | None) -> None:
        """Give up on a call that is old enough; ask again later otherwise."""
        if now - self._costs.pending[generation_id] < self._give_up:
            self._later(generation_id, now, code)
            return
        if code is not None:
            self._answers[code] += 1
        self._append(unresolved_record(generation_id, code=code, now=self._now()))
        self._unresolved += 1

    def _later(self, generation_id: str, now: datetime, code: int | None) -> None:
        if code is not None:
            self._answers[code] += 1
        heapq.heappush(self._due, (next_ask(self._costs.pending[generation_id], now), generation_id))

    def _append(self, record: AuditRecord) -> None:
        if self._writer is None:
            raise ConfigError("there is nothing to write to")
        self._writer.sync(self._writer.append(encode_record(record, limit=_LIMIT)))
        self._costs.settle(record.generation_id)
        if self._writer.checkpoints:
            self._writer.sync_for_checkpoints()
            self._writer.checkpoints.take()
        self._told(record)


def settle(
    path: PathText,
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    api_key: KeySource | None = None,
    api: OpenRouterAPI | None = None,
    base_url: str = BASE_URL,
    rate: float = 10.0,
    give_up: timedelta = GIVE_UP,
    wait: timedelta = WAIT,
    limit: int | None = None,
    dry_run: bool = False,
    follow: bool = False,
    told: Callable[[AuditRecord], None] = lambda record: None,
) -> Settled:
    """Ask OpenRouter for the costs that the log's calls ended without, and add what it says to the log.

    *path*: the log's folder. *key*, *signing_key*: the log's own, as its handlers have them. *api_key*:
    env:NAME or file:PATH of OpenRouter's (default env:OPENROUTER_API_KEY); or else *api*, a client of your
    own. *rate*: questions a second, at most. *give_up*: how old a call may be that OpenRouter still knows
    nothing of; it is recorded as unresolved then. *wait*: how long to stay for calls that ended just now.
    *limit*: how many questions to ask at most. *dry_run*: only say what is pending. *follow*: go on until
    KeyboardInterrupt.

    Raises `ConfigError` where something is missing or another process settles the log, `AuditWriteError` or
    `OSError` where it cannot be written. What OpenRouter answers is in the result, and no exception.
    """
    layout = find_log(path).layout
    if layout is None or not layout.files():
        raise ConfigError(f"there is no audit log in {path}")
    if dry_run:
        settling = Settling(LogReader(layout), None, None)
        settling.read()
        return settling.result()
    asks = api or OpenRouterAPI(api_key, base_url=base_url, rate=rate)
    try:
        with _Alone(layout):
            writer = LogWriter(
                layout, KeyRing.from_sources(key), signing=SigningKeys.from_sources(signing_key)
            )
            try:
                settling = Settling(
                    LogReader(layout), writer, asks, give_up=give_up, limit=limit, clean=_clean(), told=told
                )
                return settling.follow() if follow else settling.run(wait=wait)
            finally:
                writer.stop()
    finally:
        if api is None:
            asks.close()


def _clean() -> Callable[[str], str]:
    redactor = Redactor()
    return lambda text: redactor.redact(text).text


class _Alone:
    """Holds a lock of its own, so that no two processes ask about the same calls and write it down twice."""

    def __init__(self, layout: LogLayout) -> None:
        self._lock = ProcessLock(layout.folder / LOCK_NAME, timeout=0)
        self._folder = layout.folder

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except AuditWriteError:
            raise ConfigError(f"another process settles the log in {self._folder}; let it end") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()
