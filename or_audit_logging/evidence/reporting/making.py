"""`report`: asks a log for its figures, with one set of SQL files on whichever engine is there.

    report("audit_logs", days=30).summary.cost
    report("audit.db", since="2026-11-01", until="2026-11-30", engine="sqlite")

Sums of money are sums of whole units of 1e-12 USD, of times of whole microseconds: so the engines give equal
answers, to the last digit.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import AnchorPlaces, PathText
from or_audit_logging.evidence.books.columns import ALWAYS, LOSS, STARTED
from or_audit_logging.evidence.books.opened import Books, Engine
from or_audit_logging.evidence.books.opening import open_books
from or_audit_logging.evidence.books.period import Period as Asked
from or_audit_logging.evidence.books.period import When
from or_audit_logging.evidence.reporting.values import (
    LISTED,
    Count,
    DailyCost,
    ErrorGroup,
    ErrorRate,
    Group,
    Integrity,
    Period,
    Problem,
    Repeated,
    Report,
    Spender,
    Substitution,
    Summary,
    Times,
)
from or_audit_logging.evidence.signers import PublicKeySources
from or_audit_logging.evidence.verify import verify
from or_audit_logging.hints import hint
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.openrouter.answers import moment
from or_audit_logging.pricing import from_pico

COLUMNS = (
    ALWAYS
    | STARTED
    | frozenset(("user_id", "model_requested", "model_used", "provider", "error_type", "error_code"))
    | frozenset(("cost_source", "is_byok", "prompt_tokens", "completion_tokens", "total_tokens"))
    | frozenset(("latency_ms", "ttft_ms", "metadata", "redactions", *LOSS))
)
"""What the questions read."""
DAYS = 7
_SPENDERS = 10
_MOST_DAYS = 3_660
_PERCENTILES = (50, 95, 99)
_RECENT = timedelta(hours=24)
_MOMENT = timedelta(microseconds=1)
_MILLION = 1_000_000


def report(
    path: PathText,
    *,
    days: int | None = None,
    since: When | None = None,
    until: When | None = None,
    engine: Engine = "auto",
    key: KeySources | KeyRing = None,
    public_key: PublicKeySources = None,
    anchors: AnchorPlaces = (),
    now: datetime | None = None,
) -> Report:
    """Return the figures of the log at *path*, a folder or a store.

    *days*: so many UTC days up to today, 7 where nothing else is said; or *since* and *until*: UTC dates, of
    which whole days count, or moments, both included. *engine*: auto takes DuckDB where it is installed.
    With *key*, *public_key* or *anchors* the log is verified as well, all of it, as by `verify`.

    Raises `ConfigError` where there is no log, no call was recorded in the period, or an argument says
    nothing; `MissingExtraError` for an engine that is not installed; `FormatError` and `OSError` for a store
    that cannot be read. What of a folder cannot be read is named in the report.
    """
    moment_asked = datetime.now(UTC) if now is None else now
    if moment_asked.tzinfo is None:
        raise ConfigError("now needs a time zone")
    if days is not None and (since is not None or until is not None):
        raise ConfigError("give either days, or since and until")
    if since is None and until is None:
        asked = Asked.of_days(DAYS if days is None else days, now=moment_asked)
    else:
        asked = Asked.parse(since, until)
        if asked.last is None:
            asked = Asked(asked.first, max(asked.first or moment_asked, _end_of_day(moment_asked)))
    with open_books(path, engine=engine, period=asked, columns=COLUMNS) as books:
        made = _Making(books, asked, moment_asked).report(os.fspath(path))
    if key is None and public_key is None and not anchors:
        return made
    return _with_integrity(made, path, key=key, public_key=public_key, anchors=anchors, now=moment_asked)


class _Making:
    """The questions to one log."""

    def __init__(self, books: Books, asked: Asked, now: datetime) -> None:
        self._books = books
        self._asked = asked
        self._now = now
        self._values: dict[str, object] = {"first": asked.first_text, "last": asked.last_text}
        self._counts: dict[str, int] = {}

    def report(self, path: str) -> Report:
        """Return the figures; raises `ConfigError` where there are no calls."""
        books = self._books
        books.keep(_statement("calls", books.dialect), self._values)
        whole = self._ask("summary")[0]
        if not whole["requests"]:
            raise ConfigError(f"no call was recorded in {path} {_words(self._asked)}{_why(books)}")
        first, last = moment(whole["first"]), moment(whole["last"])
        period = _period(self._asked, first)
        cost = _usd(whole)
        recent_to = min(self._asked.last or self._now, max(self._now, self._asked.first or self._now))
        recent_from = recent_to + _MOMENT - _RECENT
        errors = self._errors()
        by_user = self._groups("user_id")
        return Report(
            path=path,
            engine=books.engine,
            generated_at=self._now,
            period=period,
            summary=_summary(whole, cost),
            first=first,
            last=last,
            by_status=self._listed("by_status", self._groups("status")),
            by_user=self._listed("by_user", by_user),
            by_model=self._listed("by_model", self._groups("model")),
            by_provider=self._listed("by_provider", self._groups("provider")),
            by_feature=self._listed("by_feature", self._groups("NULLIF({feature}, '')")),
            by_day=_every_day(self._groups("day"), period),
            top_spenders=_spenders(by_user, cost),
            daily_cost=self._listed("daily_cost", self._daily_cost()),
            error_breakdown=_breakdown(errors),
            errors=self._listed("errors", errors),
            error_rates=self._listed("error_rates", self._error_rates(recent_from, recent_to)),
            error_rates_from=recent_from,
            latency=self._times("latency_us", whole["timed"], whole["latency_us"]),
            ttft=self._times("ttft_us", whole["streamed"], whole["ttft_us"]),
            substitutions=self._listed("substitutions", self._substitutions()),
            redactions=self._redactions(),
            unfinished=self._ask("unfinished")[0]["requests"],
            without_facts=whole["without_facts"],
            late_costs=whole["late_costs"],
            repeated=self._listed("repeated", self._repeated()),
            lost=self._lost(),
            problems=problems_of(books),
            counts=self._counts,
        )

    def _ask(
        self, name: str, values: Mapping[str, object] | None = None, **words: str
    ) -> list[dict[str, Any]]:
        text = _statement(name, {**words, **self._books.dialect})
        given = {**self._values, **(values or {})}
        answer = self._books.ask(text, {key: given[key] for key in given if f"${key}" in text})
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def _listed(self, name: str, found: list[Any]) -> tuple[Any, ...]:
        self._counts[name] = len(found)
        return tuple(found[:LISTED])

    def _groups(self, key: str) -> list[Group]:
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
            )
            for row in self._ask("groups", key=key)
        ]
        return sorted(groups, key=lambda one: (-one.requests, one.name is None, one.name or ""))

    def _daily_cost(self) -> list[DailyCost]:
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

    def _errors(self) -> list[ErrorGroup]:
        found = [ErrorGroup(**row, hint=hint(row["error_code"])) for row in self._ask("errors")]
        return sorted(
            found, key=lambda one: (-one.requests, one.status, one.error_type or "", one.error_code or "")
        )

    def _error_rates(self, since: datetime, until: datetime) -> list[ErrorRate]:
        asked = Asked(since, until)
        values = {"since": asked.first_text, "until": asked.last_text}
        found = [ErrorRate(**row) for row in self._ask("error_rates", values)]
        return sorted(found, key=lambda one: (-one.rate, -one.requests, one.model is None, one.model or ""))

    def _times(self, column: str, count: int, total: int | None) -> Times:
        if not count:
            return Times()
        places = {f"p{percent}": -(-count * percent // 100) for percent in _PERCENTILES} | {"longest": count}
        found = {row["place"]: row["value"] for row in self._ask("places", places, times=column)}
        times = {name: found[place] / 1000 for name, place in places.items()}
        return Times(count=count, average=_average(total, count), **times)

    def _substitutions(self) -> list[Substitution]:
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

    def _redactions(self) -> tuple[Count, ...]:
        counted: Counter[str] = Counter()
        for row in self._ask("redactions"):
            kinds = _loaded(row["redactions"])
            for kind, count in kinds.items() if isinstance(kinds, dict) else ():
                if type(count) is int and count > 0:
                    counted[kind] += count * row["requests"]
        return _counts(counted)

    def _repeated(self) -> list[Repeated]:
        found = [Repeated(row["generation_id"], row["records"]) for row in self._ask("repeated")]
        return sorted(found, key=lambda one: (-one.records, one.generation_id))

    def _lost(self) -> tuple[Count, ...]:
        counted: Counter[str] = Counter()
        for row in self._ask("lost"):
            if type(row["records"]) is int and row["records"] > 0:
                counted[str(row["reason"])] += row["records"]
        return _counts(counted)


def problems_of(books: Books) -> tuple[Problem, ...]:
    """Return what of a log could not be read, by segment."""
    bad, unreadable = books.problems.bad_lines, books.problems.unreadable
    return tuple(
        Problem(name, bad.get(name, 0), unreadable.get(name)) for name in sorted({*bad, *unreadable})
    )


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


def _summary(row: Mapping[str, Any], cost: Decimal) -> Summary:
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
        cost=cost,
        unpriced=row["unpriced"],
        byok=row["byok"],
        byok_cost=_usd(row, "byok_"),
    )


def _usd(row: Mapping[str, Any], kind: str = "") -> Decimal:
    return from_pico(int(row[f"{kind}micro"] or 0) * _MILLION + int(row[f"{kind}rest"] or 0))


def _average(total: int | None, count: int) -> float | None:
    """Return the mean in milliseconds, to the microsecond, of a sum of microseconds."""
    return None if total is None or not count else round(int(total) / count) / 1000


def _spenders(by_user: Iterable[Group], cost: Decimal) -> tuple[Spender, ...]:
    paying = sorted(
        (one for one in by_user if one.cost), key=lambda one: (-one.cost, one.name is None, one.name or "")
    )
    return tuple(
        Spender(
            user_id=one.name,
            requests=one.requests,
            cost=one.cost,
            share=float(one.cost / cost) if cost else None,
        )
        for one in paying[:_SPENDERS]
    )


def _breakdown(errors: Iterable[ErrorGroup]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for one in errors:
        counted[one.error_type or one.status] += one.requests
    return {one.name: one.count for one in _counts(counted)}


def _counts(counted: Mapping[str, int]) -> tuple[Count, ...]:
    found = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(name, count) for name, count in found)


def _period(asked: Asked, first: datetime | None) -> Period:
    start = asked.first or first
    last = asked.last
    if start is None or last is None:
        raise ConfigError("since is missing: the log's first record has no time that can be read")
    days = (last.date() - start.date()).days + 1
    return Period(start, last + _MOMENT if last < datetime.max.replace(tzinfo=UTC) else last, days)


def _every_day(groups: Iterable[Group], period: Period) -> tuple[Group, ...]:
    """Return one group for each day of the period; only those with calls where that would be too many."""
    found = {one.name or "": one for one in groups}
    if period.days > _MOST_DAYS:
        return tuple(found[day] for day in sorted(found))
    days = (period.first_day + timedelta(days=number) for number in range(period.days))
    return tuple(found.get(day.isoformat(), Group(name=day.isoformat())) for day in days)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _end_of_day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=23, minute=59, second=59, microsecond=999_999)


def _words(asked: Asked) -> str:
    since = "" if asked.first is None else f"from {asked.first:%Y-%m-%d %H:%M}"
    return f"{since} to {asked.last:%Y-%m-%d %H:%M} UTC".strip()


def _why(books: Books) -> str:
    named = ", ".join(f"{name}: {why}" for name, why in sorted(books.problems.unreadable.items()))
    return f" ({named})" if named else ""


def _with_integrity(
    made: Report,
    path: PathText,
    *,
    key: KeySources | KeyRing,
    public_key: PublicKeySources,
    anchors: AnchorPlaces,
    now: datetime,
) -> Report:
    found = verify(path, key=key, public_key=public_key, anchors=anchors, now=now)
    integrity = Integrity(
        verdict=found.verdict,
        summary=found.summary(),
        findings=found.finding_count,
        first_seq=found.first_seq,
        last_seq=found.last_seq,
        anchored_to=found.anchored_to,
        anchored_at=found.anchored_at,
    )
    return dataclasses.replace(made, integrity=integrity)
