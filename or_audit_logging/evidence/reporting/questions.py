"""`Questions`: what is asked of a log's calls, each question a statement in `sql/`, its answer as values.

    questions = Questions(books, period)
    questions.groups("model")                 -> [Group(name="openai/gpt-4o-mini", requests=812, ...)]

Engines add up whole units of 1e-12 USD and whole microseconds, and put nothing in order: that is done here,
so that their answers are equal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

from or_audit_logging.evidence.books.opened import Books
from or_audit_logging.evidence.books.percentiles import PERCENTS, place
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.evidence.reporting.values import (
    Count,
    DailyCost,
    ErrorGroup,
    ErrorRate,
    Group,
    OpenCall,
    Repeated,
    Substitution,
    Summary,
    Times,
)
from or_audit_logging.hints import hint
from or_audit_logging.pricing import from_pico
from or_audit_logging.record import moment

_MILLION = 1_000_000
_RANKED = frozenset(("model", "day"))
"""Groups whose percentiles are asked for."""
_FEATURE = "NULLIF({feature}, '')"


class Questions:
    """The questions to the calls of one period."""

    def __init__(self, books: Books, period: Period) -> None:
        """Gather the calls that the questions are about."""
        self._books = books
        self._values: dict[str, object] = {"first": period.first_text, "last": period.last_text}
        books.keep(_statement("calls", books.dialect), self._values)
        self._whole = self._ask("summary")[0]

    @property
    def has_calls(self) -> bool:
        """Whether there are any."""
        return bool(self._whole["requests"])

    @property
    def first_and_last(self) -> tuple[datetime | None, datetime | None]:
        """When the first and the last of the calls were recorded."""
        return moment(self._whole["first"]), moment(self._whole["last"])

    @property
    def without_facts(self) -> int:
        """How many calls have neither tokens nor a cost."""
        return int(self._whole["without_facts"])

    @property
    def late_costs(self) -> int:
        """How many calls have a cost that a later record brought."""
        return int(self._whole["late_costs"])

    def summary(self) -> Summary:
        """Return all calls together; there must be some."""
        row = self._whole
        requests, successful = row["requests"], row["successful"]
        return Summary(
            total_requests=requests,
            successful=successful,
            failed=requests - successful,
            success_rate=successful / requests,
            total_tokens=int(row["total_tokens"] or 0),
            avg_latency_ms=_average(row["latency_us"], row["timed"]),
            prompt_tokens=int(row["prompt_tokens"] or 0),
            completion_tokens=int(row["completion_tokens"] or 0),
            uncounted=row["uncounted"],
            cost=_usd(row),
            unpriced=row["unpriced"],
            byok=row["byok"],
            byok_cost=_usd(row, "byok_"),
        )

    def groups(self, key: str) -> list[Group]:
        """Return the calls by *key*: status, user_id, model, provider, feature or day."""
        ranked = "{percentiles}" if key in _RANKED else "NULL"
        groups = [
            Group(
                name=row["name"],
                requests=row["requests"],
                successful=row["successful"],
                failed=row["requests"] - row["successful"],
                total_tokens=int(row["total_tokens"] or 0),
                avg_latency_ms=_average(row["latency_us"], row["timed"]),
                cost=_usd(row),
                unpriced=row["unpriced"],
                latency=_ranked(row) if key in _RANKED else None,
            )
            for row in self._ask("groups", key=_FEATURE if key == "feature" else key, ranked=ranked)
        ]
        return sorted(groups, key=lambda one: (-one.requests, one.name is None, one.name or ""))

    def daily_cost(self) -> list[DailyCost]:
        """Return the cost of each model on each day."""
        rows = [
            DailyCost(
                day=date.fromisoformat(row["day"]),
                model=row["model"],
                requests=row["requests"],
                cost=_usd(row),
                unpriced=row["unpriced"],
            )
            for row in self._ask("daily_cost")
            if _is_day(row["day"])
        ]
        return sorted(rows, key=lambda one: (one.day, -one.cost, one.model is None, one.model or ""))

    def errors(self) -> list[ErrorGroup]:
        """Return the calls that failed, by how."""
        found = [ErrorGroup(**row, hint=hint(row["error_code"])) for row in self._ask("errors")]
        return sorted(
            found, key=lambda one: (-one.requests, one.status, one.error_type or "", one.error_code or "")
        )

    def error_rates(self, period: Period) -> list[ErrorRate]:
        """Return how many of each model's calls failed in *period*."""
        values = {"since": period.first_text, "until": period.last_text}
        found = [ErrorRate(**row) for row in self._ask("error_rates", values)]
        return sorted(found, key=lambda one: (-one.rate, -one.requests, one.model is None, one.model or ""))

    def latency(self) -> Times:
        """Return how long calls took."""
        return self._times("latency_us", self._whole["timed"], self._whole["latency_us"])

    def ttft(self) -> Times:
        """Return how long streams took to their first chunk."""
        return self._times("ttft_us", self._whole["streamed"], self._whole["ttft_us"])

    def substitutions(self) -> list[Substitution]:
        """Return the calls that another model answered than the one asked for."""
        found = [
            Substitution(
                requested=row["model_requested"],
                served=row["model_used"],
                requests=row["requests"],
                cost=_usd(row),
                unpriced=row["unpriced"],
            )
            for row in self._ask("substitutions")
        ]
        return sorted(found, key=lambda one: (-one.requests, one.requested, one.served))

    def redactions(self) -> tuple[Count, ...]:
        """Return what was redacted, by type."""
        counted: Counter[str] = Counter()
        for row in self._ask("redactions"):
            kinds = _loaded(row["redactions"])
            for kind, count in kinds.items() if isinstance(kinds, dict) else ():
                if type(count) is int and count > 0:
                    counted[kind] += count * row["requests"]
        return counts(counted)

    def open_calls(self) -> list[OpenCall]:
        """Return the calls that began and did not end in what was read, in the order of their beginnings."""
        found = [
            OpenCall(row["id"], moment(row["timestamp"]), row["user_id"] or None, row["model"] or None)
            for row in self._ask("unfinished")
        ]
        return sorted(found, key=lambda one: (one.began is None, str(one.began), one.id))

    def repeated(self) -> list[Repeated]:
        """Return the generation ids that several calls bear."""
        found = [Repeated(row["generation_id"], row["records"]) for row in self._ask("repeated")]
        return sorted(found, key=lambda one: (-one.records, one.generation_id))

    def lost(self) -> tuple[Count, ...]:
        """Return the records that the log says it lost, by reason."""
        counted: Counter[str] = Counter()
        for row in self._ask("lost"):
            if type(row["records"]) is int and row["records"] > 0:
                counted[str(row["reason"])] += row["records"]
        return counts(counted)

    def _times(self, column: str, count: int, total: int | None) -> Times:
        if not count:
            return Times()
        places = {f"p{percent}": place(count, percent) for percent in PERCENTS} | {"longest": count}
        found = {row["place"]: row["value"] for row in self._ask("places", places, times=column)}
        times = {name: found[place] / 1000 for name, place in places.items()}
        return Times(count=count, average=_average(total, count), **times)

    def _ask(
        self, name: str, values: Mapping[str, object] | None = None, **words: str
    ) -> list[dict[str, Any]]:
        text = _statement(name, {**words, **self._books.dialect})
        given = {**self._values, **(values or {})}
        answer = self._books.ask(text, {key: given[key] for key in given if f"${key}" in text})
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def counts(counted: Mapping[str, int]) -> tuple[Count, ...]:
    """Return what was counted, the most frequent first."""
    found = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(name, count) for name, count in found)


def _statement(name: str, words: Mapping[str, str]) -> str:
    text = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for word, meaning in words.items():
        text = text.replace(f"{{{word}}}", meaning)
    return text


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _usd(row: Mapping[str, Any], kind: str = "") -> Decimal:
    return from_pico(int(row[f"{kind}micro"] or 0) * _MILLION + int(row[f"{kind}rest"] or 0))


def _average(total: int | None, count: int) -> float | None:
    """Return the mean in milliseconds, to the microsecond, of a sum of microseconds."""
    return None if total is None or not count else round(int(total) / count) / 1000


def _ranked(row: Mapping[str, Any]) -> Times:
    found = row["percentiles"]
    if found is None:
        return Times()
    p50, p95, p99 = (one / 1000 for one in (json.loads(found) if isinstance(found, str) else found))
    longest, average = row["longest"] / 1000, _average(row["latency_us"], row["timed"])
    return Times(count=row["timed"], average=average, p50=p50, p95=p95, p99=p99, longest=longest)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
