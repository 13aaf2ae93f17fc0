"""The kind of value that each member of a record has, and what becomes of it in a format.

A value of another kind is not put into its field: a search engine would refuse the whole record for it. It
stays with what is left over, which every format keeps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from or_audit_logging.exact_json import Written, quoted_ascii, write
from or_audit_logging.record import moment

LONGEST = 100
"""Digits of a number that is computed with."""
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_INTEGERS = range(-(1 << 63), 1 << 63)


def quoted(value: str) -> str:
    """Return *value* as JSON in ASCII; half of a surrogate pair, which no UTF-8 holds, as U+FFFD."""
    out = quoted_ascii(value)
    if "\\ud" in out:
        out = quoted_ascii(value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return out


def json_text(value: object) -> str:
    """Return *value* as the text of a JSON value, for systems that are better not shown its structure."""
    return write(value, quoted=quoted)


Kind = Callable[[object], object]
"""Returns a value as its field has it; None where it is of another type."""


def text(value: object) -> str | None:
    """A text."""
    return value if type(value) is str else None


def time(value: object) -> str | None:
    """A date and time of RFC 3339: any other text would be refused as a date."""
    return value if type(value) is str and _TIME.fullmatch(value) and moment(value) else None


def code(value: object) -> str | None:
    """A code, which may come as a number: as text."""
    return str(value) if type(value) is int and value in _INTEGERS else text(value)


def whole(value: object) -> int | None:
    """A whole number of at most 64 bits."""
    return value if type(value) is int and value in _INTEGERS else None


def number(value: object) -> object:
    """A number, in its digits."""
    return value if type(value) is Written and math.isfinite(value) else whole(value)


def flag(value: object) -> bool | None:
    """True or false."""
    return value if type(value) is bool else None


def texts(value: object) -> list[str] | None:
    """A list of texts."""
    return value if type(value) is list and all(type(item) is str for item in value) else None


def money(value: object) -> Written | None:
    """An amount: always with a fraction, never with an exponent, all its digits."""
    if type(value) is Written:
        return value if "e" not in value.digits and "." in value.digits else None
    return None if whole(value) is None else Written(f"{value}.0")


def nanoseconds(value: object) -> int | None:
    """Milliseconds as whole nanoseconds."""
    if type(value) is Written:
        plain = "e" not in value.digits and len(value.digits) <= LONGEST
        return whole(round(Decimal(value.digits) * 1_000_000)) if plain else None
    found = whole(value)
    return None if found is None else whole(found * 1_000_000)


def opened(value: object) -> object:
    """An object or a list, as it is."""
    return value if type(value) in (dict, list) else None


def structure(value: object) -> str | None:
    """An object or a list, as JSON text: what is in it can't be foreseen."""
    return json_text(value) if type(value) in (dict, list) else None


KINDS: Mapping[str, Kind] = {
    "event_type": text,
    "v": whole,
    "id": text,
    "started_id": text,
    "timestamp": time,
    "status": text,
    "user_id": text,
    "session_id": text,
    "request_id": text,
    "model_requested": text,
    "model_used": text,
    "provider": text,
    "generation_id": text,
    "generation_ids": texts,
    "attempts": whole,
    "prompt_hash": text,
    "response_hash": text,
    "prompt_tokens": whole,
    "completion_tokens": whole,
    "total_tokens": whole,
    "cached_tokens": whole,
    "reasoning_tokens": whole,
    "total_cost": money,
    "cost_source": text,
    "is_byok": flag,
    "upstream_cost": money,
    "latency_ms": number,
    "ttft_ms": number,
    "streamed": flag,
    "finish_reason": text,
    "native_finish_reason": text,
    "tool_names": texts,
    "service_tier": text,
    "cache_status": text,
    "router": opened,
    "error_type": text,
    "error_code": code,
    "error_message": text,
    "metadata": opened,
    "redactions": opened,
    "service": text,
    "environment": text,
    "host": text,
    "trace_id": text,
    "span_id": text,
    "content": opened,
    "truncated": flag,
    "original_bytes": whole,
    "logger": text,
    "exception": text,
    "stack": text,
    "size": whole,
    "count": whole,
    "reason": text,
    "detail": text,
    "name": text,
    "actor": text,
    "target": whole,
    "pid": whole,
    "log": text,
    "seq": whole,
    "kid": whole,
    "mac": text,
    "leaf": text,
}
"""Members of records, of `log` events, of the log's own lines, and those that a seal adds."""

Fields = Mapping[str, tuple[str, Kind]]
"""A format's fields: by a record's member the name that it has there, and its kind."""


def fields(names: Mapping[str, str], **kinds: Kind) -> Fields:
    """Return the fields that a format calls *names*; *kinds* are those that differ from `KINDS` there."""
    return {member: (name, kinds.get(member, KINDS[member])) for member, name in names.items()}


def control_names(names: Mapping[str, str], *, prefix: str = "") -> dict[str, str]:
    """Return what the members of the log's own lines are called in a format that has *names* for records.

    They are what one filters and alerts by; all of such a line stands in the format's `original`.
    """
    shared = ("timestamp", "event_type", "v", "id", "host", "log", "seq", "kid", "mac")
    own = ("size", "count", "reason", "detail", "name", "actor", "target", "pid")
    return {member: names[member] for member in shared} | {member: prefix + member for member in own}


def fitted(members: Mapping[str, object], fields: Fields) -> tuple[dict[str, object], dict[str, object]]:
    """Return the members that *fields* name, under their names there, and what is left over."""
    out: dict[str, object] = {}
    rest: dict[str, object] = {}
    for name, value in members.items():
        if value is None:
            continue
        field = fields.get(name)
        as_there = None if field is None else field[1](value)
        if field is None or as_there is None:
            rest[name] = value
        else:
            out[field[0]] = as_there
    return out, rest
