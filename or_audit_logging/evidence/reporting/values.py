"""The parts of a report as values: to print, to compare, to draw.

    report.summary.cost                      -> Decimal('12.3400215')
    report.by_model[0]                       -> Group(name="openai/gpt-4o-mini", requests=812, ...)

Money is USD, exact. None means unknown, never zero; a group named None is that of the calls which do not say.
Counts are of calls: records that tell how a call ended. Names come from a log as they stand there and may be
anything: whoever puts them on a page escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

LISTED = 1000
"""So many groups of a kind are listed; all are counted, in `Report.counts`."""
DAILY_LISTED = 20_000
"""So many days by model are listed: a year of 50 models."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a report is on, in UTC: from `start` on, before `end`; it touches so many `days`."""

    start: datetime
    end: datetime
    days: int

    @property
    def first_day(self) -> date:
        """The day of its first moment."""
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The day of its last moment."""
        return date.fromordinal(self.first_day.toordinal() + self.days - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All calls of the period.

    `successful`: status `success`; `failed`: every other status. `success_rate` is a share, 0 to 1, None
    where there were no calls. Sums are of what is known: `unpriced` calls have no cost, `uncounted` calls no
    tokens. `avg_latency_ms` is None where no call says how long it took. `byok` calls were paid for with
    the customer's own provider keys and cost `byok_cost`, which `cost` contains.
    """

    total_requests: int = 0
    successful: int = 0
    failed: int = 0
    success_rate: float | None = None
    total_tokens: int = 0
    avg_latency_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    byok: int = 0
    byok_cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The calls that share a status, user, model, provider, feature or day; members as in `Summary`.

    Groups of days are in the order of time and have every day of the period; others begin with the one that
    has most calls, those with as many in the order of their names. `latency` stands with models and days
    only; a day without calls has none.
    """

    name: str | None
    requests: int = 0
    successful: int = 0
    failed: int = 0
    total_tokens: int = 0
    avg_latency_ms: float | None = None
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    latency: Times | None = None

    @property
    def success_rate(self) -> float | None:
        """The share of calls that succeeded, 0 to 1."""
        return self.successful / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """A user by what the calls cost, the largest sum first; `share` of all costs, 0 to 1, None of nothing."""

    user_id: str | None
    requests: int
    cost: Decimal
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCost:
    """What one model cost on one UTC day; in the order of days, of one day the largest sum first."""

    day: date
    model: str | None
    requests: int
    cost: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Calls that failed alike, most frequent first; `hint` says what the code means and what to do."""

    status: str
    error_type: str | None
    error_code: str | None
    requests: int
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """How much of a model's calls failed in the last 24 hours of the period; the highest rate first."""

    model: str | None
    requests: int
    failed: int

    @property
    def rate(self) -> float:
        """The share of calls that failed, 0 to 1."""
        return self.failed / self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something took, in milliseconds, over the `count` calls that say so; None where none does.

    Percentiles are exact, by nearest rank: the smallest value that so many percent of values do not exceed.
    """

    count: int = 0
    average: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """Calls that another model answered than the one asked for: a fallback, a router, a dated version."""

    requested: str
    served: str
    requests: int
    cost: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class Count:
    """How often something occurred: a type of redaction, a reason for lost records."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """A generation id that several calls bear; its cost is counted once."""

    generation_id: str
    records: int


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that a write-ahead record began and nothing ended: still running, or killed."""

    id: str
    began: datetime | None
    user_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What `verify` said of the log as a whole, if it was asked to.

    `verdict`: verified, tampered, cannot verify or unanchored; `summary` says it in sentences. `key_checked`:
    chain and seals were checked with the key. Up to seq `signed_to` signed checkpoints in the log were
    checked. Lines from seq `first_seq` to `anchored_to` are vouched for from outside, as of `anchored_at`;
    lines to `last_seq` exist. `findings` counts the evidence of changes.
    """

    verdict: str
    summary: str
    findings: int = 0
    key_checked: bool = False
    signed_to: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    anchored_to: int | None = None
    anchored_at: datetime | None = None

    @property
    def checked(self) -> str:
        """What the log was held against, in words."""
        said = []
        if self.key_checked:
            said.append("chain and seals checked with the key")
        if self.signed_to is not None:
            said.append(f"signatures in the log checked up to seq {self.signed_to}")
        if self.anchored_to is not None:
            said.append(f"lines up to seq {self.anchored_to} held against a checkpoint kept elsewhere")
        return "; ".join([*said, *([] if self.key_checked else ["seals not checked: no key"])])


@dataclass(frozen=True, slots=True)
class Problem:
    """What of a segment could not be read: lines that are no record, or why it was not read to its end."""

    segment: str
    bad_lines: int = 0
    message: str | None = None
