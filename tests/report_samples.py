"""Reports for the page to show: a month of calls that were made up, days of hostile names, nothing at all."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from or_audit_logging.evidence.reporting.figures import Report
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

MODELS = (
    "anthropic/claude-sonnet-4.5",
    "openai/gpt-4o-mini",
    "google/gemini-2.5-pro",
    "openai/gpt-4o",
    "deepseek/deepseek-chat-v3.1",
    "meta-llama/llama-3.3-70b-instruct",
    "mistralai/mistral-large-2411",
    "qwen/qwen3-235b-a22b-thinking-2507",
    "google/gemini-2.5-flash-lite",
    "x-ai/grok-4-fast",
)
PRICES = (
    "0.0184",
    "0.00061",
    "0.0127",
    "0.0093",
    "0.00132",
    "0.00071",
    "0.0071",
    "0.0009",
    "0.00021",
    "0.0017",
)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</title></svg></style><script>fetch('https://evil.example/')</script>",
    "user\u202egnp.exe\u2066",
    "nul\x00bell\x07escape\x1b[31m",
    "lone\ud800surrogate\udfff",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; ]]> <!-- -->",
    "x" * 5000,
    "שלום/مرحبا",
    "a\nb\tc\r\u2028\u200b\ufeff",
    "",
    "{{7*7}} ${1+1} @import url(//evil.example)",
)
START = datetime(2026, 11, 1, tzinfo=UTC)
ERRORS = (
    ("error", "rate_limit_exceeded", "429", 9, "Too many requests: slow down, or ask for a higher limit."),
    ("timeout", "ReadTimeout", None, 6, None),
    ("error", "provider_error", "502", 4, "The provider failed: try again, or allow a fallback."),
    ("incomplete", None, None, 3, None),
    ("blocked", "moderation", "403", 2, "The input was refused by moderation."),
    ("cancelled", "CancelledError", None, 2, None),
)
_INTEGRITY = Integrity(
    verdict="verified",
    summary="verified: 41,211 lines in 30 segments, seq 0 to 41210; chain, seals and anchor hold.\n"
    "Anchored up to seq 41198 by a checkpoint kept elsewhere at 2026-11-30T23:00:00+00:00.",
    first_seq=0,
    key_checked=True,
    last_seq=41_210,
    anchored_to=41_198,
    anchored_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
)


def empty_report(days: int = 30) -> Report:
    """Return a report on a period without calls."""
    end = START + timedelta(days)
    return Report(
        path="audit_logs",
        engine="sqlite",
        generated_at=end,
        period=Period(START, end, days),
        by_day=tuple(_quiet(days)),
    )


def _quiet(days: int) -> Iterable[Group]:
    return (Group(name=(START + timedelta(n)).date().isoformat()) for n in range(days))


def sample_report(
    days: int = 30,
    *,
    models: Sequence[str | None] = MODELS,
    users: Sequence[str | None] = tuple(f"u-{n}" for n in range(1, 15)),
    seed: int = 7,
    **changes: Any,
) -> Report:
    """Return a report whose parts agree with each other, the same for the same arguments."""
    chance = random.Random(seed)
    cells: list[dict[str, Any]] = []
    for n in range(days):
        when = (START + timedelta(n)).date()
        weekend = 0.35 if when.weekday() >= 5 else 1.0
        for rank, model in enumerate(models):
            if chance.random() < 0.04:
                continue
            calls = int(weekend * (1 + n / days * 0.6) * 260 / (rank + 1.6) * chance.uniform(0.7, 1.3)) + 1
            bad = sum(chance.random() < (0.16 if n % 11 == 8 else 0.012) for _ in range(calls))
            price = Decimal(PRICES[rank % len(PRICES)]) * Decimal(chance.randrange(700, 1300)) / 1000
            cost = sum(
                (price + Decimal(chance.randrange(10**6)).scaleb(-12) for _ in range(calls)), Decimal(0)
            )
            cells.append(
                {
                    "day": when,
                    "model": model,
                    "user": users[(n * 7 + rank * 3) % len(users)],
                    "provider": None if model is None else model.split("/")[0][:40],
                    "feature": ("search", "summaries", "support chat", None)[(n + rank) % 4],
                    "requests": calls,
                    "failed": bad,
                    "tokens": calls * chance.randrange(600, 2400),
                    "cost": cost,
                    "unpriced": int(chance.random() < 0.03),
                    "ms": chance.uniform(700, 2600) * (2.2 if n % 11 == 8 else 1),
                }
            )
    calls = sum(cell["requests"] for cell in cells)
    failed = sum(cell["failed"] for cell in cells)
    cost = sum((cell["cost"] for cell in cells), Decimal(0))
    tokens = sum(cell["tokens"] for cell in cells)
    by_user = _grouped(cells, "user")
    spent = sorted(by_user, key=lambda one: (-one.cost, one.name or ""))[:10]
    by_day = {one.name: one for one in _grouped(cells, "day")}
    end = START + timedelta(days)
    report = Report(
        path="audit_logs",
        engine="duckdb",
        generated_at=end + timedelta(hours=9, minutes=12),
        period=Period(START, end, days),
        summary=Summary(
            total_requests=calls,
            successful=calls - failed,
            failed=failed,
            success_rate=(calls - failed) / calls if calls else None,
            total_tokens=tokens,
            prompt_tokens=tokens * 4 // 5,
            completion_tokens=tokens - tokens * 4 // 5,
            uncounted=failed // 2,
            avg_latency_ms=1534.25 if calls else None,
            cost=cost,
            unpriced=sum(cell["unpriced"] for cell in cells),
            byok=12,
            byok_cost=Decimal("1.402500000000"),
        ),
        first=START + timedelta(hours=5, minutes=3),
        last=end - timedelta(minutes=4),
        by_status=_statuses(calls, failed),
        by_user=by_user,
        by_model=_grouped(cells, "model"),
        by_provider=_grouped(cells, "provider"),
        by_feature=_grouped(cells, "feature"),
        by_day=tuple(by_day.get(quiet.name, quiet) for quiet in _quiet(days)),
        top_spenders=tuple(
            Spender(user_id=one.name, requests=one.requests, cost=one.cost, share=float(one.cost / cost))
            for one in spent
        ),
        daily_cost=tuple(
            DailyCost(**{key: cell[key] for key in ("day", "model", "requests", "cost", "unpriced")})
            for cell in sorted(cells, key=lambda cell: (cell["day"], -cell["cost"]))
        ),
        errors=tuple(
            ErrorGroup(
                status=status, error_type=kind, error_code=code, requests=failed * n // 26 + 1, hint=hint
            )
            for status, kind, code, n, hint in ERRORS
        ),
        error_rates=tuple(
            ErrorRate(model=model, requests=40 + 7 * n, failed=max(0, 9 - 3 * n))
            for n, model in enumerate(models)
        ),
        error_rates_from=end - timedelta(days=1),
        latency=Times(count=calls, average=1534.25, p50=1187.402, p95=4210.9, p99=9876.003, longest=61_004.5),
        ttft=Times(count=calls // 3, average=421.5, p50=377.25, p95=980.0, p99=2210.75, longest=8004.0),
        substitutions=(
            Substitution(
                requested="openai/gpt-4o",
                served="openai/gpt-4o-2024-11-20",
                requests=311,
                cost=Decimal("2.9"),
                unpriced=0,
            ),
            Substitution(
                requested="openrouter/auto",
                served="anthropic/claude-sonnet-4.5",
                requests=27,
                cost=Decimal("0.501200003"),
                unpriced=1,
            ),
        ),
        redactions=(Count("EMAIL", 214), Count("PHONE", 61), Count("IBAN", 9), Count("API_KEY", 3)),
        unfinished=3,
        unfinished_calls=tuple(
            OpenCall(f"0000fake-0000-7000-8000-00000000000{n}", START + timedelta(hours=30 * n), user, model)
            for n, (user, model) in enumerate(zip((*users, None, None, None), models * 3, strict=False))
            if n < 3
        ),
        without_facts=5,
        late_costs=41,
        repeated=(Repeated("gen-1795277414-fakeFAKEfakeFAKE0001", 2),),
        integrity=_INTEGRITY,
    )
    return Report(**({name: getattr(report, name) for name in Report.__dataclass_fields__} | changes))


def hostile_report(names: Sequence[str | None] = (*HOSTILE, None), days: int = 3) -> Report:
    """Return a report in which everything that may come from outside is one of *names*."""
    first = names[0] or ""
    return sample_report(
        days,
        models=names,
        users=names,
        path=first,
        engine=first,
        by_status=tuple(Group(name=one, requests=1, failed=1) for one in names),
        errors=tuple(
            ErrorGroup(status=one or "", error_type=one, error_code=one, requests=1, hint=one)
            for one in names
        ),
        substitutions=tuple(
            Substitution(requested=one or "", served=one or "", requests=1, cost=Decimal(0), unpriced=1)
            for one in names
        ),
        redactions=tuple(Count(one or "", 1) for one in names),
        lost=tuple(Count(one or "", 2) for one in names),
        repeated=tuple(Repeated(one or "", 2) for one in names),
        unfinished=len(names),
        unfinished_calls=tuple(OpenCall(one or "", None, one, one) for one in names),
        problems=tuple(Problem(one or "", 1, one) for one in names),
        integrity=Integrity(verdict=first, summary=first, findings=1, last_seq=5),
    )


def _grouped(cells: Sequence[dict[str, Any]], key: str) -> tuple[Group, ...]:
    found: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        name = cell[key]
        found[name if name is None or isinstance(name, str) else name.isoformat()].append(cell)
    groups = [
        Group(
            name=name,
            requests=(calls := sum(one["requests"] for one in held)),
            successful=calls - (failed := sum(one["failed"] for one in held)),
            failed=failed,
            total_tokens=sum(one["tokens"] for one in held),
            avg_latency_ms=round(sum(one["ms"] * one["requests"] for one in held) / calls, 3),
            cost=sum((one["cost"] for one in held), Decimal(0)),
            unpriced=sum(one["unpriced"] for one in held),
            latency=_times(held) if key in ("model", "day") else None,
        )
        for name, held in found.items()
    ]
    return tuple(sorted(groups, key=lambda one: (-one.requests, one.name or "")))


def _times(cells: Sequence[dict[str, Any]]) -> Times:
    calls = sum(one["requests"] for one in cells)
    average = round(sum(one["ms"] * one["requests"] for one in cells) / calls, 3)
    parts = {name: round(average * much, 3) for name, much in (("p50", 0.8), ("p95", 2.4), ("p99", 4.1))}
    return Times(count=calls, average=average, longest=round(average * 6.5, 3), **parts)


def _statuses(calls: int, failed: int) -> tuple[Group, ...]:
    parts = {"success": calls - failed, "error": failed - failed * 4 // 10}
    parts |= {"timeout": failed // 5, "incomplete": failed * 4 // 10 - failed // 5}
    return tuple(
        Group(
            name=name,
            requests=n,
            successful=n if name == "success" else 0,
            failed=0 if name == "success" else n,
        )
        for name, n in sorted(parts.items(), key=lambda part: -part[1])
        if n
    )
