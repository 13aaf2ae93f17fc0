"""`Report`: what a log says of the calls in a period, as values: to print, to compare, to draw.

    report.summary.cost                      -> Decimal('12.3400215')
    report.by_model[0]                       -> Group(name="openai/gpt-4o-mini", requests=812, ...)
    report.to_dict()["summary"]              -> {"total_requests": 901, "successful": 880, ...}

Money is USD, exact. None means unknown, never zero; a group named None is that of the calls which do not say.
Counts are of calls: records that tell how a call ended. Names come from a log as they stand there and may be
anything: whoever puts them on a page escapes them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from or_audit_logging.record import utc_timestamp

LISTED = 1000
"""So many groups of a kind are listed; all are counted, in `Report.counts`."""


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
    has most calls, those with as many in the order of their names.
    """

    name: str | None
    requests: int = 0
    successful: int = 0
    failed: int = 0
    total_tokens: int = 0
    avg_latency_ms: float | None = None
    cost: Decimal = Decimal(0)
    unpriced: int = 0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What `verify` said of the log as a whole, when a key, a public key or an anchor was there.

    `verdict`: verified, tampered, cannot verify or unanchored; `summary` says it in sentences. Lines from
    seq `first_seq` to `anchored_to` are vouched for from outside, as of `anchored_at`; lines to `last_seq`
    exist. `findings` counts the evidence of changes.
    """

    verdict: str
    summary: str
    findings: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    anchored_to: int | None = None
    anchored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What of a segment could not be read: lines that are no record, or why it was not read to its end."""

    segment: str
    bad_lines: int = 0
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one log over one period.

    `path` as it was given, `engine` sqlite or duckdb, `generated_at` when it was asked. `first` and `last`
    are the times of the first and last call in the period.

    `by_model` goes by the model that answered, else by the one asked for; `by_feature` by metadata.feature.
    Of each kind, and of `daily_cost`, `errors`, `substitutions` and `repeated`, at most 1,000 are listed;
    `counts` has how many there are. `top_spenders` are the ten users whose calls cost most.

    `error_breakdown` counts the calls that failed by their error type, else by their status; `errors` has
    them by status, type and code. `error_rates` are over the last 24 hours of
    the period (of a period that reaches into the future: before `generated_at`), from `error_rates_from` on.

    `latency` is of calls that say how long they took, `ttft` the time to a stream's first chunk. `late_costs`
    counts calls whose cost a later record brought, `without_facts` those of which neither tokens nor cost
    are known, `unfinished` those that a write-ahead record began in the period and nothing ended.
    `redactions` adds up what was redacted, by type. `lost` adds up the records that the log says it lost, by
    reason. `integrity` is None where there was nothing to verify with. `problems` names the segments that
    could not be read in full; figures are of the rest.
    """

    path: str
    engine: str
    generated_at: datetime
    period: Period
    summary: Summary = field(default_factory=Summary)
    first: datetime | None = None
    last: datetime | None = None
    by_status: tuple[Group, ...] = ()
    by_user: tuple[Group, ...] = ()
    by_model: tuple[Group, ...] = ()
    by_provider: tuple[Group, ...] = ()
    by_feature: tuple[Group, ...] = ()
    by_day: tuple[Group, ...] = ()
    top_spenders: tuple[Spender, ...] = ()
    daily_cost: tuple[DailyCost, ...] = ()
    error_breakdown: dict[str, int] = field(default_factory=dict)
    errors: tuple[ErrorGroup, ...] = ()
    error_rates: tuple[ErrorRate, ...] = ()
    error_rates_from: datetime | None = None
    latency: Times = field(default_factory=Times)
    ttft: Times = field(default_factory=Times)
    substitutions: tuple[Substitution, ...] = ()
    redactions: tuple[Count, ...] = ()
    unfinished: int = 0
    without_facts: int = 0
    late_costs: int = 0
    repeated: tuple[Repeated, ...] = ()
    lost: tuple[Count, ...] = ()
    integrity: Integrity | None = None
    problems: tuple[Problem, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def records_lost(self) -> int:
        """How many records the log says it lost."""
        return sum(one.count for one in self.lost)

    @property
    def bad_lines(self) -> int:
        """How many lines are no record; one line of a torn end counts as well."""
        return sum(one.bad_lines for one in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the report under its published names, ready for JSON but for money, which is `Decimal`.

        What has names is an object by name, in the order of the report, the unknown under "": `by_user`,
        `by_model`, ... `to_json` writes money as JSON numbers.
        """
        return {
            "report_period": {
                "start": utc_timestamp(self.period.start),
                "end": utc_timestamp(self.period.end),
                "days": self.period.days,
            },
            "summary": asdict(self.summary),
            "by_user": _by_name(self.by_user),
            "by_model": _by_name(self.by_model),
            "error_breakdown": dict(self.error_breakdown),
            "by_status": _by_name(self.by_status),
            "by_day": _by_name(self.by_day),
            "by_provider": _by_name(self.by_provider),
            "by_feature": _by_name(self.by_feature),
            "top_spenders": [asdict(one) for one in self.top_spenders],
            "daily_cost": [asdict(one) | {"day": one.day.isoformat()} for one in self.daily_cost],
            "errors": [asdict(one) for one in self.errors],
            "error_rates": {
                "from": _moment(self.error_rates_from),
                "models": [asdict(one) | {"rate": one.rate} for one in self.error_rates],
            },
            "latency_ms": asdict(self.latency),
            "ttft_ms": asdict(self.ttft),
            "substitutions": [asdict(one) for one in self.substitutions],
            "redactions": {one.name: one.count for one in self.redactions},
            "unfinished": self.unfinished,
            "without_facts": self.without_facts,
            "late_costs": self.late_costs,
            "repeated_generations": [asdict(one) for one in self.repeated],
            "records_lost": self.records_lost,
            "lost": {one.name: one.count for one in self.lost},
            "integrity": None
            if self.integrity is None
            else asdict(self.integrity) | {"anchored_at": _moment(self.integrity.anchored_at)},
            "bad_lines": self.bad_lines,
            "problems": [asdict(one) for one in self.problems],
            "counts": dict(self.counts),
            "first": _moment(self.first),
            "last": _moment(self.last),
            "path": self.path,
            "engine": self.engine,
            "generated_at": utc_timestamp(self.generated_at),
        }


def _by_name(groups: tuple[Group, ...]) -> dict[str, dict[str, Any]]:
    return {
        one.name or "": {k: v for k, v in asdict(one).items() if k != "name"}
        | {"success_rate": one.success_rate}
        for one in groups
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else utc_timestamp(moment)
