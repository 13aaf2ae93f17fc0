"""`report`: asks a log for its figures, with one set of SQL files on whichever engine is there.

report("audit_logs", days=30).summary.cost
report("audit.db", since="2026-11-01", until="2026-11-30", engine="sqlite")
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import AnchorPlaces, PathText
from or_audit_logging.evidence.books.columns import ALWAYS, LOSS, STARTED
from or_audit_logging.evidence.books.opened import Books, Engine
from or_audit_logging.evidence.books.opening import open_books
from or_audit_logging.evidence.books.period import Period as Asked
from or_audit_logging.evidence.books.period import When
from or_audit_logging.evidence.reporting.endings import ended_later
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.questions import Questions, counts
from or_audit_logging.evidence.reporting.values import (
    DAILY_LISTED,
    LISTED,
    DailyCost,
    ErrorGroup,
    Group,
    Integrity,
    Period,
    Problem,
    Spender,
)
from or_audit_logging.evidence.signers import PublicKeySources
from or_audit_logging.evidence.verify import verify as verify_log
from or_audit_logging.keys import KeyRing, KeySources

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
_RECENT = timedelta(hours=24)
_MOMENT = timedelta(microseconds=1)


def report(
    path: PathText,
    *,
    days: int | None = None,
    since: When | None = None,
    until: When | None = None,
    engine: Engine = "auto",
    verify: bool = False,
    key: KeySources | KeyRing = None,
    public_key: PublicKeySources = None,
    anchors: AnchorPlaces = (),
    now: datetime | None = None,
) -> Report:
    """Return the figures of the log at *path*, a folder or a store.

    *days*: so many UTC days up to today, 7 where nothing else is said; or *since* and *until*: UTC dates, of
    which whole days count, or moments, both included. *engine*: auto takes DuckDB where it is installed.
    With *verify*, *key*, *public_key* or *anchors* the log is verified as well, all of it, as by `verify`,
    which takes the key that the environment names where there is no other. Otherwise that is left out: it
    takes time on a long log.

    Raises `ConfigError` where there is no log, no call was recorded in the period, or an argument says
    nothing; `MissingExtraError` for an engine that is not installed; `FormatError` and `OSError` for a store
    that cannot be read. What of a folder cannot be read is named in the report.
    """
    moment_asked = datetime.now(UTC) if now is None else now
    if moment_asked.tzinfo is None:
        raise ConfigError("now needs a time zone")
    asked = _asked(days, since, until, now=moment_asked)
    with open_books(path, engine=engine, period=asked, columns=COLUMNS) as books:
        made = _figures(path, books, asked, now=moment_asked)
    if not verify and key is None and public_key is None and not anchors:
        return made
    found = verify_log(path, key=key, public_key=public_key, anchors=anchors, now=moment_asked)
    integrity = Integrity(
        verdict=found.verdict,
        summary=found.summary(),
        findings=found.finding_count,
        key_checked=found.key_checked,
        signed_to=found.signed_to,
        first_seq=found.first_seq,
        last_seq=found.last_seq,
        anchored_to=found.anchored_to,
        anchored_at=found.anchored_at,
    )
    return dataclasses.replace(made, integrity=integrity)


def problems_of(books: Books) -> tuple[Problem, ...]:
    """Return what of a log could not be read, by segment."""
    bad, unreadable = books.problems.bad_lines, books.problems.unreadable
    return tuple(
        Problem(name, bad.get(name, 0), unreadable.get(name)) for name in sorted({*bad, *unreadable})
    )


def _asked(days: int | None, since: When | None, until: When | None, *, now: datetime) -> Asked:
    if days is not None and (since is not None or until is not None):
        raise ConfigError("give either days, or since and until")
    if since is None and until is None:
        return Asked.of_days(DAYS if days is None else days, now=now)
    asked = Asked.parse(since, until)
    if asked.last is None:
        return Asked(asked.first, max(asked.first or now, _end_of_day(now)))
    return asked


def _figures(path: PathText, books: Books, asked: Asked, *, now: datetime) -> Report:
    """Return what *books* say; raises `ConfigError` where there are no calls."""
    questions = Questions(books, asked)
    if not questions.has_calls:
        raise ConfigError(f"no call was recorded in {os.fspath(path)} {_words(asked)}{_why(books)}")
    summary, (first, last) = questions.summary(), questions.first_and_last
    period = _period(asked, first)
    recent_to = min(asked.last or now, max(now, asked.first or now))
    recent = Asked(recent_to + _MOMENT - _RECENT, recent_to)
    errors, by_user = questions.errors(), questions.groups("user_id")
    open_calls = questions.open_calls()
    ended = ended_later(path, asked, {one.id for one in open_calls})
    open_calls = [one for one in open_calls if one.id not in ended]
    daily_cost = questions.daily_cost()
    counted: dict[str, int] = {}

    def listed(name: str, found: Sequence[Any]) -> tuple[Any, ...]:
        counted[name] = len(found)
        return tuple(found[:LISTED])

    return Report(
        path=os.fspath(path),
        engine=books.engine,
        generated_at=now,
        period=period,
        summary=summary,
        first=first,
        last=last,
        by_status=listed("by_status", questions.groups("status")),
        by_user=listed("by_user", by_user),
        by_model=listed("by_model", questions.groups("model")),
        by_provider=listed("by_provider", questions.groups("provider")),
        by_feature=listed("by_feature", questions.groups("feature")),
        by_day=_every_day(questions.groups("day"), period),
        top_spenders=_spenders(by_user, summary.cost),
        daily_cost=_dearest_of_each_day(daily_cost),
        error_breakdown=_breakdown(errors),
        errors=listed("errors", errors),
        error_rates=listed("error_rates", questions.error_rates(recent)),
        error_rates_from=recent.first,
        latency=questions.latency(),
        ttft=questions.ttft(),
        substitutions=listed("substitutions", questions.substitutions()),
        redactions=questions.redactions(),
        unfinished=len(open_calls),
        unfinished_calls=listed("unfinished_calls", open_calls),
        without_facts=questions.without_facts,
        late_costs=questions.late_costs,
        repeated=listed("repeated", questions.repeated()),
        lost=questions.lost(),
        problems=problems_of(books),
        counts=counted | {"daily_cost": len(daily_cost)},
    )


def _dearest_of_each_day(rows: Sequence[DailyCost]) -> tuple[DailyCost, ...]:
    """Return as many of *rows* as are listed, of each day as many as of any other if it has them."""
    if len(rows) <= DAILY_LISTED:
        return tuple(rows)
    of_day: Counter[object] = Counter()
    ranks = []
    for row in rows:
        ranks.append(of_day[row.day])
        of_day[row.day] += 1
    kept = sorted(range(len(rows)), key=lambda n: (ranks[n], n))[:DAILY_LISTED]
    return tuple(rows[n] for n in sorted(kept))


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
    return {one.name: one.count for one in counts(counted)}


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


def _end_of_day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=23, minute=59, second=59, microsecond=999_999)


def _words(asked: Asked) -> str:
    since = "" if asked.first is None else f"from {asked.first:%Y-%m-%d %H:%M}"
    return f"{since} to {asked.last:%Y-%m-%d %H:%M} UTC".strip()


def _why(books: Books) -> str:
    named = ", ".join(f"{name}: {why}" for name, why in sorted(books.problems.unreadable.items()))
    return f" ({named})" if named else ""
