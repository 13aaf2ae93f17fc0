"""`reconcile`: holds what the log says calls cost against what OpenRouter says was spent.

    reconcile("audit_logs", since=date(2026, 11, 20)).differences      -> () where both agree, to the digit

OpenRouter's side is, for days that are over, its activity (with a management key) or a file exported from
its Activity page; for the current day what the asking key has spent. Differences are calls or models that
are missing here, missing there, or have another cost. Nothing is written, and the log is not verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.figures import Figure, figures_of, read_figures
from or_audit_logging.evidence.ledger import Entry, Ledger
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.reconciliation import Amount, Difference, Kind, Line, Reconciliation
from or_audit_logging.keys import KeySource
from or_audit_logging.openrouter import BASE_URL, OpenRouterAPI
from or_audit_logging.pricing import pico

ACTIVITY_DAYS = 30
"""So many completed UTC days OpenRouter keeps its activity for."""

ALL_MODELS = "(all models)"
UNKNOWN_MODEL = "(unknown model)"


def reconcile(
    path: PathText,
    *,
    since: date,
    until: date | None = None,
    activity: PathText | None = None,
    api_key: KeySource | None = None,
    api: OpenRouterAPI | None = None,
    base_url: str = BASE_URL,
    tolerance: Decimal = Decimal(0),
    today: date | None = None,
) -> Reconciliation:
    """Return how the log's calls of the UTC days *since* to *until* (both included) compare with the bill.

    *path*: the log's folder. *activity*: a file with OpenRouter's figures, in place of asking for them.
    *api_key*: env:NAME or file:PATH of an OpenRouter key (default env:OPENROUTER_API_KEY), a management key
    for days that are over; or else *api*, a client of your own. *tolerance*: USD by which a line may differ.

    Raises `ConfigError` for days that OpenRouter has no figures of, `FormatError` for a file that is not what
    it should be, `GenerationError` where OpenRouter does not answer, `OSError`.
    """
    until = since if until is None else until
    today = datetime.now(UTC).date() if today is None else today
    reader = reader_of(path)
    if until < since:
        raise ConfigError(f"the last day, {until}, is before the first, {since}")
    if activity is not None:
        source, figures = "file", read_figures(Path(activity).expanduser())
    else:
        asks = api or OpenRouterAPI(api_key, base_url=base_url)
        try:
            source, figures = _ask(asks, since, until, today)
        finally:
            if api is None:
                asks.close()
    ledger = Ledger(since, until)
    for block in reader.blocks():
        ledger.take_block(block)
    return compare(ledger, figures, source=source, tolerance=tolerance, unreadable=reader.unreadable)


def compare(
    ledger: Ledger,
    figures: Iterable[Figure],
    *,
    source: str,
    tolerance: Decimal = Decimal(0),
    unreadable: dict[str, str] | None = None,
) -> Reconciliation:
    """Return how the *ledger* compares with *figures*, which may be of other days as well."""
    every = list(figures)
    figures = [figure for figure in every if ledger.since <= figure.day <= ledger.until]
    entries, within = ledger.entries, pico(tolerance)
    by_generation = any(figure.generation_id for figure in every)
    named = _names(figures, total=source == "key")
    here: dict[tuple[date, str], Amount] = {}
    there: dict[tuple[date, str], Amount] = {}
    known = {figure.generation_id: figure for figure in every if figure.generation_id is not None}
    for entry in entries:
        figure = next((known[one] for one in entry.ids if one in known), None)
        model = named(entry) if figure is None else figure.model
        here.setdefault((entry.day, model), Amount()).add(entry.cost, max(1, len(entry.ids)))
    for figure in figures:
        model = ALL_MODELS if source == "key" else figure.model
        there.setdefault((figure.day, model), Amount()).add(figure.cost, figure.requests)
    lines = tuple(
        Line(day=day, model=model, here=here.get((day, model)), there=there.get((day, model)), within=within)
        for day, model in sorted(here.keys() | there.keys())
    )
    differences = (
        _by_generation(entries, figures, known, within)
        if by_generation
        else [line.difference for line in lines if line.difference is not None]
    )
    return Reconciliation(
        since=ledger.since,
        until=ledger.until,
        source=source,
        lines=lines,
        differences=tuple(differences),
        repeated=ledger.repeated,
        undated=ledger.undated,
        unresolved=sum(entry.is_unresolved for entry in entries),
        unreadable=dict(unreadable or {}),
        days_without_figures=tuple(
            day
            for number in range((ledger.until - ledger.since).days + 1)
            if (day := ledger.since + timedelta(days=number)) not in {figure.day for figure in figures}
        ),
    )


def _ask(api: OpenRouterAPI, since: date, until: date, today: date) -> tuple[str, list[Figure]]:
    """Return OpenRouter's own figures and where they are from."""
    if since == until == today:
        said = api.key()
        if said.usage_daily is None:
            raise FormatError("OpenRouter does not say what the key has spent today")
        cost = pico(said.usage_daily) + pico(said.byok_usage_daily or Decimal(0))
        return "key", [Figure(day=today, model=ALL_MODELS, permaslug=None, cost=cost, requests=None)]
    if until >= today:
        raise ConfigError(
            f"OpenRouter's activity has days that are over (UTC); ask for {today} by itself, "
            "or give a file with --activity"
        )
    if since < today - timedelta(days=ACTIVITY_DAYS):
        raise ConfigError(
            f"OpenRouter keeps its activity for {ACTIVITY_DAYS} days; for {since} export a file from "
            "https://openrouter.ai/activity and give it with --activity"
        )
    return "activity", figures_of(api.activity(since if since == until else None))


class _names:  # noqa: N801 - called like the function that it would be
    """Finds the name that the figures have for a call's model: what served, or else what was asked for."""

    def __init__(self, figures: Iterable[Figure], *, total: bool) -> None:
        self._total = total
        self._names: dict[str, str] = {}
        for figure in figures:
            if figure.permaslug is not None:
                self._names.setdefault(figure.permaslug, figure.model)
        for figure in figures:
            self._names[figure.model] = figure.model

    def __call__(self, entry: Entry) -> str:
        if self._total:
            return ALL_MODELS
        for model in (entry.model_used, entry.model_requested):
            if model in self._names:
                return self._names[model]
        return entry.model_used or entry.model_requested or UNKNOWN_MODEL


def _by_generation(
    entries: list[Entry], figures: list[Figure], known: dict[str, Figure], within: int
) -> Iterable[Difference]:
    """Yield the differences call by call."""
    claimed: set[str] = set()
    for entry in entries:
        found = [known[one] for one in entry.ids if one in known]
        claimed.update(entry.ids)
        there = sum(figure.cost for figure in found) if found else None
        name = found[0].model if found else entry.model_used or entry.model_requested or UNKNOWN_MODEL
        one = entry.ids[0] if entry.ids else None
        kind: Kind | None = None
        if there is None:
            kind = "missing there" if abs(entry.cost or 0) > within else None
        elif abs((entry.cost or 0) - there) > within:
            kind = "different cost"
        if kind is not None:
            yield Difference(
                kind=kind, day=entry.day, model=name, generation_id=one, here=entry.cost, there=there
            )
    for figure in figures:
        if figure.generation_id is not None and figure.generation_id not in claimed:
            yield Difference(
                kind="missing here",
                day=figure.day,
                model=figure.model,
                generation_id=figure.generation_id,
                here=None,
                there=figure.cost,
            )
