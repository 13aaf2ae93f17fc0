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
_DIGITS = re.compile(rb'"total_cost":(-?[0-9][0-9.eE+-]*)')
_NOTHING: Row = (None,) * len(COLUMNS)


def columns_of(line: bytes) -> Row:
    """Return the values of `COLUMNS` for *line*; all of them None for a stub, and for what is no JSON."""
    members = _members(line)
    if members is None:
        return _NOTHING
    get = members.get
    values: list[Any] = [value if type(value) is str else None for value in map(get, TEXTS)]
    values += [value if _is_integer(value) else None for value in map(get, INTEGERS)]
    values += [_real(value) if value is not None else None for value in map(get, REALS)]
    values += [int(value) if type(value) is bool else None for value in map(get, FLAGS)]
    code = get(CODE)
    values.append(code if type(code) is str else str(code) if _is_integer(code) else None)
    values.append(_pico(line) if type(get("total_cost")) in (int, float) else None)
    if b"\\ud" in line:
        values = [_text(value) if type(value) is str else value for value in values]
    return tuple(values)


def _members(line: bytes) -> dict[str, Any] | None:
    if orjson is not None:
        try:
            found = orjson.loads(line)
        except ValueError:  # it refuses lone surrogates
            found = _parsed(line)
    else:
        found = _parsed(line)
    return found if type(found) is dict else None


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _text(value: str) -> str:
    """Return *value* without halves of surrogate pairs, for which UTF-8 has no bytes."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_integer(value: object) -> bool:
    return type(value) is int and -_INTEGER_LIMIT <= value < _INTEGER_LIMIT


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
    found = _DIGITS.findall(line)
    try:
        if len(found) == 1:
            amount = Decimal(found[0].decode())
        else:  # a nested object has a member of that name as well
            cost = json.loads(line, parse_float=Decimal)["total_cost"]
            amount = Decimal(cost) if type(cost) in (int, Decimal) else Decimal("NaN")
        if not amount.is_finite() or abs(amount.adjusted()) > 60:
            return None
        pico = int(amount.scaleb(12, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return pico if -_INTEGER_LIMIT <= pico < _INTEGER_LIMIT else None
