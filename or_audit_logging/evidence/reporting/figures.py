"""`Report`: what a log says of the calls in a period, all figures together.

    report.by_model[0].cost                  -> Decimal('12.3400215')
    report.to_dict()["summary"]              -> {"total_requests": 901, "successful": 880, ...}

Names come from a log as they stand there and may be anything: whoever puts them on a page escapes them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from or_audit_logging.evidence.reporting.values import (
    Count,
    DailyCost,
    ErrorGroup,
    ErrorRate,
    Group,
    Integrity,
    OpenCall,
    Period,
    Problem,
    Repeated,
    Spender,
    Substitution,
    Summary,
    Times,
)
from or_audit_logging.record import utc_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one log over one period.

    `path` as it was given, `engine` sqlite or duckdb, `generated_at` when it was asked. `first` and `last`
    are the times of the first and last call in the period.

    `by_model` goes by the model that answered, else by the one asked for; `by_feature` by metadata.feature.
    Of each kind, and of `errors`, `substitutions`, `repeated` and `unfinished_calls`, at most 1,000 are
    listed, of `daily_cost` 20,000, of each day the largest; `counts` has how many there are. `top_spenders`
    are the ten users whose calls cost most.

    `error_breakdown` counts the calls that failed by their error type, else by their status; `errors` has
    them by status, type and code. `error_rates` are over the last 24 hours of
    the period (of a period that reaches into the future: before `generated_at`), from `error_rates_from` on.

    `latency` is of calls that say how long they took, `ttft` the time to a stream's first chunk. `late_costs`
    counts calls whose cost a later record brought, `without_facts` those of which neither tokens nor cost
    are known, `unfinished` those that a write-ahead record began in the period and nothing ended, also not
    after it; `unfinished_calls` has them, the first to begin first.
    `redactions` adds up what was redacted, by type. `lost` adds up the records that the log says it lost, by
    reason. `integrity` is None where the log was not verified. `problems` names the segments that
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
    unfinished_calls: tuple[OpenCall, ...] = ()
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
            "unfinished_calls": [
                asdict(one) | {"began": _moment(one.began)} for one in self.unfinished_calls
            ],
            "without_facts": self.without_facts,
            "late_costs": self.late_costs,
            "repeated_generations": [asdict(one) for one in self.repeated],
            "records_lost": self.records_lost,
            "lost": {one.name: one.count for one in self.lost},
            "integrity": None
            if self.integrity is None
            else asdict(self.integrity)
            | {"anchored_at": _moment(self.integrity.anchored_at), "checked": self.integrity.checked},
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
    return {one.name or "": _members(one) for one in groups}


def _members(group: Group) -> dict[str, Any]:
    members = asdict(group) | {"success_rate": group.success_rate}
    del members["name"]
    latency = members.pop("latency")
    return members if latency is None else members | {"latency_ms": latency}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else utc_timestamp(moment)
