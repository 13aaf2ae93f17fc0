"""`to_json`: JSON for people and programs, in which money is a number with all its digits and a fraction."""

from __future__ import annotations

import json
import math
import re
import secrets
from datetime import date
from decimal import Decimal

from or_audit_logging.sealing.text import money


def to_json(value: object, *, indent: int | None = 2) -> str:
    """Return *value* as JSON in ASCII; money as numbers, what is no number as null, dates as text."""
    mark = secrets.token_hex(16)  # no text of a log can have it

    def plain(other: object) -> object:
        if isinstance(other, Decimal):
            text = money(other)
            return None if text is None else f"{mark}{text}"
        if isinstance(other, date):
            return other.isoformat()
        return str(other)

    text = json.dumps(_finite(value), indent=indent, default=plain)
    return re.sub(f'"{mark}([^"]*)"', r"\1", text)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
