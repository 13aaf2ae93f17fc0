"""A report for a terminal: sums, tables of the largest of each kind, what is missing, does the log hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from or_audit_logging.cli.output import paint, printable, table
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.rows import GROUPS
from or_audit_logging.evidence.reporting.values import Count, Group, Integrity, Times
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.text import money

_LISTED = 10
_DAYS = 31
_MODELS = 4
_WIDEST = 48
_HEAD_WIDEST = 22
_PERCENTILES = ("p50", "p95", "p99")
_UNKNOWN = "unknown"
_ALWAYS = frozenset(("by_status", "by_model", "by_user", "by_day"))


def text_of(made: Report) -> str:
    """Return *made* as paragraphs and tables, in lines without control characters."""
    return "\n\n".join(part for part in _parts(made) if part) + "\n"


def _parts(made: Report) -> Iterator[str]:
    yield _head(made)
    yield _summary(made)
    for section, title, groups in GROUPS:
        if section in _ALWAYS or any(one.name is not None for one in groups(made)):
            yield _groups(title, groups(made), made.counts.get(section, 0))
    yield _daily_cost(made)
    yield _spenders(made)
    yield _errors(made)
    yield _error_rates(made)
    yield _substitutions(made)
    yield _unfinished(made)
    yield "\n".join([*_notes(made), *_integrity(made)])


def _head(made: Report) -> str:
    period = made.period
    said = f"{period.first_day} to {period.last_day} (UTC, {_counted(period.days, 'day')})"
    return f"{paint('LLM calls', 'bold')}  {said}  {printable(made.path)}"


def _summary(made: Report) -> str:
    whole = made.summary
    succeeded = f"{whole.successful:,} succeeded ({_share(whole.success_rate)})"
    tokens = f"{whole.total_tokens:,} ({whole.prompt_tokens:,} in, {whole.completion_tokens:,} out)"
    without = f"; {_counted(whole.uncounted, 'call')} without a count" if whole.uncounted else ""
    lines = [
        f"calls      {whole.total_requests:,}, {succeeded}, {whole.failed:,} failed",
        f"cost       {_cost(whole.cost, whole.total_requests, whole.unpriced)} USD",
        f"tokens     {tokens}{without}",
    ]
    if whole.unpriced:
        lines[1] += f"; {_counted(whole.unpriced, 'call')} without a known cost not in it"
    if whole.byok:
        calls = _counted(whole.byok, "call")
        lines.append(f"own keys   {calls}, {_usd(whole.byok_cost)} USD of the cost")
    return "\n".join([*lines, *_times("latency", made.latency), *_times("1st token", made.ttft)])


def _times(title: str, times: Times) -> list[str]:
    if not times.count:
        return []
    said = ", ".join(f"{name} {_ms(getattr(times, name))}" for name in (*_PERCENTILES, "longest"))
    return [f"{title:<9}  {said} ms (of {_counted(times.count, 'call')}, by nearest rank)"]


def _groups(title: str, groups: Sequence[Group], total: int) -> str:
    is_day = title.startswith("day")
    limit = _DAYS if is_day else _LISTED
    shown = groups[-limit:] if is_day else groups[:limit]
    has_times, has_unpriced = any(one.latency for one in shown), any(one.unpriced for one in shown)
    ms_heads = ["p50 ms", "p95", "p99"] if has_times else ["avg ms"]
    head = [title, "calls", "failed", "tokens", *ms_heads, "USD"]
    rows = [[*head, "unpriced"] if has_unpriced else head]
    for one in shown:
        times = one.latency or Times()
        ms = [_ms(getattr(times, name)) for name in _PERCENTILES] if has_times else [_ms(one.avg_latency_ms)]
        row = [_name(one.name), f"{one.requests:,}", f"{one.failed:,}", f"{one.total_tokens:,}", *ms]
        row.append(_cost(one.cost, one.requests, one.unpriced))
        rows.append([*row, f"{one.unpriced:,}" if one.unpriced else ""] if has_unpriced else row)
    text = _table(rows, right=range(1, len(rows[0])), money=[len(head) - 1])
    if is_day and len(groups) > limit:
        return f"{text}\n... {_counted(len(groups) - limit, 'earlier day')} (--format csv has them)"
    return text + _more(max(total, len(groups)), len(shown))


def _daily_cost(made: Report) -> str:
    """Return what the dearest models cost on each day, the others together."""
    ranked = [one for one in sorted(made.by_model, key=lambda one: -one.cost) if one.cost]
    if not ranked or len(made.by_day) < 2:
        return ""
    names = [one.name for one in ranked[:_MODELS]]
    cost: defaultdict[tuple[date, str | None], Decimal] = defaultdict(Decimal)
    for row in made.daily_cost:
        cost[row.day, row.model] = row.cost
    has_others = len(ranked) > len(names)
    heads = [_name(name, widest=_HEAD_WIDEST) for name in names]
    rows = [["USD by day", *heads, *(["others"] if has_others else [])]]
    for day in made.by_day[-_DAYS:]:
        sums = [cost[date.fromisoformat(day.name or ""), name] for name in names]
        others = [day.cost - sum(sums, Decimal(0))] if has_others else []
        rows.append([day.name or "", *(_usd(amount) if amount else "" for amount in [*sums, *others])])
    columns = range(1, len(rows[0]))
    lines = [_table(rows, right=columns, money=columns)]
    if (listed := len(made.daily_cost)) < (total := made.counts.get("daily_cost", 0)):
        lines.append(f"The report lists {listed:,} of {total:,} days by model; what is cut is in others.")
    return "\n".join(lines)


def _spenders(made: Report) -> str:
    rows = [
        [_name(one.user_id), f"{one.requests:,}", _usd(one.cost), _share(one.share)]
        for one in made.top_spenders
    ]
    if not rows:
        return ""
    return _table([["top spenders", "calls", "USD", "share"], *rows], right=(1, 2, 3), money=[2])


def _errors(made: Report) -> str:
    rows, below = [], []
    for one in made.errors[:_LISTED]:
        rows.append([_name(one.status), _name(one.error_type, ""), _name(one.error_code, "")])
        rows[-1].append(f"{one.requests:,}")
        if one.hint is not None and (said := f"  {one.error_code}: {one.hint}") not in below:
            below.append(printable(said))
    if not rows:
        return ""
    text = table([["failed", "type", "code", "calls"], *rows], right=(3,))
    return "\n".join([text + _more(made.counts.get("errors", 0), len(rows)), *below])


def _error_rates(made: Report) -> str:
    failing = [one for one in made.error_rates if one.failed]
    if not failing:
        return ""
    rows = [
        [_name(one.model), f"{one.requests:,}", f"{one.failed:,}", _share(one.rate)]
        for one in failing[:_LISTED]
    ]
    head = ["error rate, last 24 hours", "calls", "failed", "rate"]
    return table([head, *rows], right=(1, 2, 3)) + _more(len(failing), len(rows))


def _substitutions(made: Report) -> str:
    rows = [
        [
            *(_name(one.requested), _name(one.served), f"{one.requests:,}"),
            _cost(one.cost, one.requests, one.unpriced),
        ]
        for one in made.substitutions[:_LISTED]
    ]
    if not rows:
        return ""
    text = _table([["requested", "answered by", "calls", "USD"], *rows], right=(2, 3), money=[3])
    return text + _more(made.counts.get("substitutions", 0), len(rows))


def _unfinished(made: Report) -> str:
    rows = [
        [
            utc_timestamp(one.began)[:19] if one.began else _UNKNOWN,
            *(_name(one.user_id), _name(one.model), printable(one.id)),
        ]
        for one in made.unfinished_calls[:_LISTED]
    ]
    if not rows:
        return ""
    text = table([["begun, never finished", "user", "model", "id"], *rows])
    return text + _more(made.unfinished, len(rows))


_REPEATED = "each cost is counted once; in a folder, calls before the period are not looked at"


def _notes(made: Report) -> list[str]:
    lines = []
    if made.redactions:
        lines.append(f"redacted     {_counts(made.redactions)}")
    repeated = made.counts.get("repeated", len(made.repeated))
    lost = f", as the log itself says: {_counts(made.lost)}"
    for number, noun, said in (
        (made.unfinished, "call", " begun and never finished: still running, or killed"),
        (made.without_facts, "call", " without tokens and cost (or-audit settle asks for them)"),
        (repeated, "generation id", f" of several calls{_first_id(made)}; {_REPEATED}"),
        (made.records_lost, "record", f" lost{lost}"),
        (made.bad_lines, "line", " not a record, left out"),
    ):
        if number:
            lines.append(f"{paint('note', 'yellow')}         {_counted(number, noun)}{said}")
    if made.late_costs:
        lines.append(f"late facts   {_counted(made.late_costs, 'call')} priced by a later record")
    for one in made.problems:
        why = one.message or f"{_counted(one.bad_lines, 'line')} not a record"
        lines.append(f"{paint('unread', 'red')}       {printable(one.segment)}: {printable(why)}")
    return lines


def _first_id(made: Report) -> str:
    return f" ({_name(made.repeated[0].generation_id)})" if len(made.repeated) == 1 else ""


def _integrity(made: Report) -> list[str]:
    found = made.integrity
    if found is None:
        return [
            "integrity    not checked for this report: give --verify, and --key, --public-key or --anchor,",
            f"             or run or-audit verify {printable(made.path)}",
        ]
    style = {"verified": "green", "unanchored": "yellow"}.get(found.verdict, "red")
    first = f"integrity    {paint(found.verdict.upper(), style)}{_findings(found)}; {found.checked}"
    said = found.summary.removeprefix(f"{found.verdict}: ").splitlines()
    return [first, *(f"             {printable(line)}" for line in said)]


def _findings(found: Integrity) -> str:
    return f", {_counted(found.findings, 'finding')}" if found.findings else ""


def _table(rows: Sequence[Sequence[str]], *, right: Sequence[int], money: Sequence[int]) -> str:
    """Return a table; in the columns numbered in *money* the points of amounts stand below each other."""
    padded = [list(row) for row in rows]
    for column in money:
        behind = [len(row[column].partition(".")[2]) for row in rows[1:]]
        for row, digits in zip(padded[1:], behind, strict=True):
            row[column] += " " * (max(behind) - digits) if digits else ""
    return table(padded, right=right)


def _more(total: int, shown: int) -> str:
    return f"\n... {total - shown:,} more (--format json lists them)" if total > shown else ""


def _counts(counted: Sequence[Count]) -> str:
    said = [f"{_name(one.name)} {one.count:,}" for one in counted[:_LISTED]]
    return ", ".join([*said, "..."] if len(counted) > _LISTED else said)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _name(name: str | None, unknown: str = "(unknown)", *, widest: int = _WIDEST) -> str:
    text = printable(name) if name else unknown
    text = f'"{text}"' if text != text.strip() else text
    return text if len(text) <= widest else f"{text[: widest - 1]}\u2026"


def _cost(amount: Decimal, calls: int, unpriced: int) -> str:
    """Return an amount, unless none of the calls has a price."""
    return _UNKNOWN if calls and unpriced >= calls else _usd(amount)


def _usd(amount: Decimal) -> str:
    return money(amount.normalize()) or "0.0"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
