"""What OpenRouter says was spent, as figures to hold a ledger against: from /activity, or from a file.

    read_figures(Path("openrouter_activity.csv"))       -> [Figure(day=..., model=..., cost=..., ...)]

A file is what the Activity page exports (CSV, a row for each generation), or rows of /activity as CSV or JSON
(a row for each day, model and endpoint). Columns are found by name; costs keep their digits.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from or_audit_logging.errors import FormatError
from or_audit_logging.openrouter.answers import ActivityRow, count, label, parse_json
from or_audit_logging.pricing import pico, usd
from or_audit_logging.record import moment

_DAYS = ("date", "created_at")
_COSTS = ("cost_total", "usage", "total_cost", "cost")
_UPSTREAM = "byok_usage_inference"
_MODELS = ("model", "model_permaslug")
_ORDINARY = frozenset({"", "standard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: of a generation where `generation_id` is known, else of a day, a model and an endpoint.

    `cost` is in 1e-12 USD, the provider's charge to the customer's own key included. `permaslug` is the
    dated name of the model that served. `requests` None: not said.
    """

    day: date
    model: str
    permaslug: str | None
    cost: int
    requests: int | None
    generation_id: str | None = None


def read_figures(path: Path) -> list[Figure]:
    """Return the rows of the file at *path*; raises `FormatError` naming what is wrong, or `OSError`."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(f"{path.name} is no text in UTF-8") from None
    is_json = text.lstrip()[:1] in ("{", "[")
    rows = _json_rows(text, path.name) if is_json else _csv_rows(text, path.name)
    return [_figure(row, f"{path.name}, row {number}") for number, row in enumerate(rows, 1)]


def figures_of(rows: Iterable[ActivityRow]) -> list[Figure]:
    """Return rows of /activity as figures; raises `FormatError` where one has no day, model or cost."""
    figures = []
    for row in rows:
        model = row.model or row.model_permaslug
        if row.date is None or model is None or row.cost is None:
            raise FormatError("a row of OpenRouter's activity has no date, no model or no usage")
        figures.append(
            Figure(
                day=row.date,
                model=model,
                permaslug=row.model_permaslug,
                cost=pico(row.cost),
                requests=row.requests,
            )
        )
    return figures


def _json_rows(text: str, name: str) -> list[Mapping[str, Any]]:
    said = parse_json(text)
    rows = said.get("data") if isinstance(said, dict) else said
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FormatError(f"{name} is neither a JSON list of rows nor an object with such a list in data")
    return rows


def _csv_rows(text: str, name: str) -> list[Mapping[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        for wanted in (_DAYS, _MODELS, _COSTS):
            if not set(wanted) & set(columns):
                raise FormatError(f"{name} has no column {' or '.join(wanted)}")
        return [dict(zip(columns, row, strict=False)) for row in reader if row]
    except csv.Error as error:
        raise FormatError(f"{name} is no CSV: {error}") from None


def _figure(row: Mapping[str, Any], where: str) -> Figure:
    days = [day for name in _DAYS if (day := moment(row.get(name))) is not None]
    costs = [cost for name in _COSTS if (cost := usd(_stripped(row.get(name)))) is not None]
    permaslug = label(row.get("model_permaslug"))
    model = label(row.get("model")) or permaslug
    if not days or not costs or model is None:
        lacking = "date" if not days else "cost" if not costs else "model"
        raise FormatError(f"{where}: no {lacking} that can be read")
    variant = row.get("variant")
    if isinstance(variant, str) and variant not in _ORDINARY and ":" not in model:
        model = f"{model}:{variant}"
    upstream = usd(_stripped(row.get(_UPSTREAM)))
    requests = count(_stripped(row.get("requests")))
    generation_id = label(row.get("generation_id"))
    return Figure(
        day=days[0].date(),
        model=model,
        permaslug=permaslug,
        cost=pico(costs[0]) + (0 if upstream is None else pico(upstream)),
        requests=1 if requests is None and generation_id is not None else requests,
        generation_id=generation_id,
    )


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value
