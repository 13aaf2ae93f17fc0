"""What of a line stands in columns of its own: the record's fields that hold one value.

    columns_of(b'{"event_type":"chat_completion",...,"total_cost":8.41005e-05,...}')
    -> ("chat_completion", ..., 8.41005e-05, 84100500, ...)        one value for each of `COLUMNS`

A column is the line's member where that has the column's type, else NULL: it says nothing that the sealed
line does not say, so that whoever holds the two together finds an edit. Fields that hold lists and objects
stay in the line, where the view reads them.
"""

from __future__ import annotations

import json
import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from operator import itemgetter
from typing import Any

from or_audit_logging.sealing.text import orjson

TEXTS = (
    *("event_type", "id", "started_id", "timestamp", "status", "user_id", "session_id", "request_id"),
    *("model_requested", "model_used", "provider", "generation_id", "prompt_hash", "response_hash"),
    *("cost_source", "finish_reason", "native_finish_reason", "service_tier", "cache_status"),
    *("error_type", "error_message", "service", "environment", "host", "trace_id", "span_id"),
)
INTEGERS = (
    *("v", "attempts", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cached_tokens", "reasoning_tokens"),
)
REALS = ("total_cost", "upstream_cost", "latency_ms", "ttft_ms")
FLAGS = ("is_byok", "streamed")
CODE = "error_code"
PICO = "total_cost_pico"
"""The total cost in units of 1e-12 USD, from the line's own digits: integers add up exactly."""
COLUMNS = (*TEXTS, *INTEGERS, *REALS, *FLAGS, CODE, PICO)
IN_THE_LINE = ("generation_ids", "tool_names", "router", "metadata", "redactions", "content")
"""Fields that the view takes from the line, as JSON."""
ID = COLUMNS.index("id")

Value = str | int | float | None
Row = tuple[Value, ...]

_INTEGER_LIMIT = 1 << 63
_EXACT = Context(prec=128)
_COST = b'"total_cost":'
_MOST_DIGITS = 60
_WHOLE_DIGITS, _PICO_DIGITS = 6, 12
"""Amounts of no more digits fit 64 bits, and most are of these."""
_COST_END = re.compile(rb"[,}]")
_FIELDS = COLUMNS[:-1]
_NONE = dict.fromkeys(_FIELDS)
_fields_of = itemgetter(*_FIELDS)
_FITTING = (
    *(frozenset({str, type(None)}),) * len(TEXTS),
    *(frozenset({int, type(None)}),) * len(INTEGERS),
    *(frozenset({float, type(None)}),) * len(REALS),
    *(frozenset({bool, type(None)}),) * len(FLAGS),
    frozenset({str, type(None)}),
)
_fits: dict[tuple[type, ...], bool] = {}
"""Whether values of these types stand in the columns as they are: records mostly have the same few."""
_MOST_SHAPES = 1024
_NUMBERS = slice(len(TEXTS), len(TEXTS) + len(INTEGERS) + len(REALS))


def columns_of(line: bytes) -> Row:
    """Return the values of `COLUMNS` for *line*; all of them None for a stub, and for what is no JSON."""
    return columns_from(members_of(line), line)


def columns_from(members: dict[str, Any], line: bytes) -> Row:
    """Return the values of `COLUMNS` for *line*, whose members are *members*."""
    values = _fields_of(_NONE | members)
    shape = tuple(map(type, values))
    fits = _fits.get(shape)
    if fits is None:
        fits = all(kind in kinds for kind, kinds in zip(shape, _FITTING, strict=True))
        if len(_fits) < _MOST_SHAPES:
            _fits[shape] = fits
    if not fits or b"\\ud" in line or not _is_plain(values):
        values = tuple(_fitting(name, value) for name, value in zip(_FIELDS, values, strict=True))
    return (*values, _pico(line) if type(members.get("total_cost")) in (int, float) else None)


def _is_plain(values: Row) -> bool:
    """Return whether there are no numbers among *values* that SQLite has no room for, or hardly any."""
    for value in values[_NUMBERS]:
        if value is not None and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:  # type: ignore[operator]
            return False
    return True


def _fitting(name: str, value: object) -> Value:
    """Return what stands in the column *name* where the line says *value*."""
    if value is None:
        return None
    if name in REALS:
        return _real(value)
    if name in FLAGS:
        return value if type(value) is bool else None
    if name in INTEGERS:
        return value if type(value) is int and _has_room(value) else None
    if name == CODE and type(value) is int and _has_room(value):
        return str(value)
    return as_column(value) if type(value) is str else None


def as_column(value: str) -> str:
    """Return *value* as a column has it: without halves of surrogate pairs, for which UTF-8 has no bytes."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def members_of(line: bytes) -> dict[str, Any]:
    """Return the members of *line*; none where it is no JSON object."""
    if orjson is not None:
        try:
            found = orjson.loads(line)
        except ValueError:  # it refuses lone surrogates
            found = _parsed(line)
    else:
        found = _parsed(line)
    return found if type(found) is dict else {}


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _has_room(value: int) -> bool:
    return -_INTEGER_LIMIT <= value < _INTEGER_LIMIT


def _real(value: object) -> float | None:
    if type(value) is not float and type(value) is not int:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _pico(line: bytes) -> int | None:
    """Return the line's total cost in units of 1e-12 USD, halves to even; None beyond 64 bits.

    From its digits: a float has lost some.
    """
    start = line.find(_COST) + len(_COST)
    try:
        if start >= len(_COST) and line.find(_COST, start) < 0 and (end := _COST_END.search(line, start)):
            digits = line[start : end.start()]
            whole, _, fraction = digits.partition(b".")
            if len(whole) <= _WHOLE_DIGITS and len(fraction) <= _PICO_DIGITS and (whole + fraction).isdigit():
                return int(whole + fraction.ljust(_PICO_DIGITS, b"0"))
            amount = Decimal(digits.decode())
        else:  # a nested object has a member of that name as well
            cost = json.loads(line, parse_float=Decimal)["total_cost"]
            amount = Decimal(cost) if type(cost) in (int, Decimal) else Decimal("NaN")
        if not amount.is_finite() or abs(amount.adjusted()) > _MOST_DIGITS:
            return None
        pico = int(amount.scaleb(12, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return pico if _has_room(pico) else None
