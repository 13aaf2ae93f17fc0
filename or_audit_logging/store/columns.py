"""What of a line stands in columns of its own: the record's fields that hold one value.

    columns_of(b'{"event_type":"chat_completion",...,"total_cost":8.41005e-05,...}')
    -> ("chat_completion", ..., 8.41005e-05, 84100500, ...)        one value for each of `COLUMNS`
    Columns(("user_id", "total_cost")).of(members_of(line), line)   -> ("u-7", 8.41005e-05)

A column is the line's member where that has the column's type, else NULL: it says nothing that the sealed
line does not say, so that whoever holds the two together finds an edit. Fields that hold lists and objects
stay in the line, where the view reads them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from decimal import ROUND_HALF_EVEN, Context, Decimal
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
_BACKSLASH = ord("\\")
"""Looked for as a byte: a tenth of the time that the escape itself takes."""
_PICO_DIGITS = 12
_PLAIN_COST = re.compile(rb"([0-9]{1,6})\.([0-9]{1,12})(?=[,}])")
"""Amounts of no more digits fit 64 bits, and most are of these."""
_COST_END = re.compile(rb"[,}]")
_NONE = type(None)
_KINDS = {
    **dict.fromkeys((*TEXTS, CODE), frozenset((str, _NONE))),
    **dict.fromkeys(INTEGERS, frozenset((int, _NONE))),
    **dict.fromkeys(REALS, frozenset((float, _NONE))),
    **dict.fromkeys(FLAGS, frozenset((bool, _NONE))),
}
_MOST_SHAPES = 1024


class Columns:
    """Reads some of `COLUMNS`, in the order in which they stand there."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = tuple(name for name in COLUMNS if name in names)
        self._fields = tuple(name for name in self.names if name != PICO)
        self._kinds = [_KINDS[name] for name in self._fields]
        numbers = [at for at, name in enumerate(self._fields) if name in INTEGERS or name in REALS]
        self._numbers = slice(numbers[0], numbers[-1] + 1) if numbers else slice(0)
        self._fits: dict[tuple[type, ...], bool] = {}
        """Whether values of these types stand in the columns as they are: most records have the same few."""

    def of(self, members: dict[str, Any], line: bytes) -> Row:
        """Return the values of these columns for *line*, whose members are *members*."""
        values: Row = tuple(map(members.get, self._fields))
        shape = tuple(map(type, values))
        fits = self._fits.get(shape)
        if fits is None:
            fits = all(kind in kinds for kind, kinds in zip(shape, self._kinds, strict=True))
            if len(self._fits) < _MOST_SHAPES:
                self._fits[shape] = fits
        if not fits or (_BACKSLASH in line and b"\\ud" in line) or not self._is_plain(values):
            values = tuple(_fitting(name, value) for name, value in zip(self._fields, values, strict=True))
        if len(values) == len(self.names):
            return values
        return (*values, _pico(line) if type(members.get("total_cost")) in (int, float) else None)

    def _is_plain(self, values: Row) -> bool:
        """Return whether there are no numbers among *values* that SQLite has no room for, or hardly any."""
        for value in values[self._numbers]:
            if value is not None and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:  # type: ignore[operator]
                return False
        return True


_ALL = Columns(COLUMNS)


def columns_of(line: bytes) -> Row:
    """Return the values of `COLUMNS` for *line*; all of them None for a stub, and for what is no JSON."""
    return _ALL.of(members_of(line), line)


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
        if start >= len(_COST) and line.find(_COST, start) < 0:
            if plain := _PLAIN_COST.match(line, start):
                return int(plain[1] + plain[2].ljust(_PICO_DIGITS, b"0"))
            end = _COST_END.search(line, start)
            amount = Decimal(line[start : end.start() if end else None].decode())
        else:  # a nested object has a member of that name as well
            cost = json.loads(line, parse_float=Decimal)["total_cost"]
            amount = Decimal(cost) if type(cost) in (int, Decimal) else Decimal("NaN")
        if not amount.is_finite() or abs(amount.adjusted()) > _MOST_DIGITS:
            return None
        pico = int(amount.scaleb(12, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return pico if _has_room(pico) else None
