"""An item as Cloud Logging's LogEntry, in the JSON of its REST interface.

log_entry(item, project="acme-prod")
{"insertId": "0190...", "timestamp": "2026-11-21T10:30:45.123456Z", "severity": "INFO", "jsonPayload": {...}}

What an agent of Google's takes out of a JSON line on its way from stdout, and puts into the entry's own
fields, is taken out here: `severity`, `time`, `logging.googleapis.com/labels` and so on. What does not fit
its field stays where it was. A body that is the sealed line itself, or no JSON object, becomes `textPayload`.
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from or_audit_logging.ship.target import Item

_SEVERITIES = frozenset(
    ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
)
_SPECIAL = "logging.googleapis.com/"
_TRACE_ID = re.compile("[0-9a-f]{32}")
_SPAN_ID = re.compile("[0-9a-f]{16}")
_LEVELS = 30
_MOST_LABELS = 64
_LABEL_KEY_BYTES = 512
_LABEL_BYTES = 64_000


def log_entry(item: Item, *, project: str) -> dict[str, Any]:
    """Return the entry that *item* becomes in a log of *project*. The log's name is the request's."""
    entry: dict[str, Any] = {"insertId": item.id}
    if item.time is not None:
        entry["timestamp"] = _timestamp(item.time)
    payload = None if item.body == item.line else _members(item.body)
    if payload is None:
        entry["textPayload"] = item.body.decode("utf-8", "replace")
        return entry
    payload.pop(f"{_SPECIAL}insertId", None)
    if item.time is not None:
        payload.pop("time", None)
    severity = payload.get("severity")
    if isinstance(severity, str) and severity in _SEVERITIES:
        entry["severity"] = payload.pop("severity")
    if _are_labels(payload.get(f"{_SPECIAL}labels")):
        entry["labels"] = payload.pop(f"{_SPECIAL}labels")
    trace = payload.get(f"{_SPECIAL}trace")
    if isinstance(trace, str):
        del payload[f"{_SPECIAL}trace"]
        entry["trace"] = f"projects/{project}/traces/{trace}" if _TRACE_ID.fullmatch(trace) else trace
    span = payload.get(f"{_SPECIAL}spanId")
    if isinstance(span, str) and _SPAN_ID.fullmatch(span):
        entry["spanId"] = payload.pop(f"{_SPECIAL}spanId")
    if isinstance(payload.get(f"{_SPECIAL}trace_sampled"), bool):
        entry["traceSampled"] = payload.pop(f"{_SPECIAL}trace_sampled")
    entry["jsonPayload"] = payload
    return entry


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _members(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *body*; None where there is none, or it is nested too deep for a payload.

    A payload is a protobuf Struct, whose numbers are doubles and whose strings are Unicode: a number that a
    double does not hold exactly comes as a string of its digits, half a surrogate pair as U+FFFD.
    """
    try:
        text = body.decode("utf-8")
        members = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if text.count("{") + text.count("[") > _LEVELS and not _is_within(members, _LEVELS):
        return None
    if "\\ud" in text or "\\uD" in text:
        members = _unicode(members)
    return members if isinstance(members, dict) else None


def _number(digits: str) -> int | float | str:
    """Return the number, or *digits* where a double's shortest form is another number."""
    if len(digits) > 15 or "e" in digits or "E" in digits:
        try:
            if Decimal(repr(float(digits))) != Decimal(digits):
                return digits
        except ArithmeticError:
            return digits
    return int(digits) if digits.lstrip("-").isdigit() else float(digits)


def _is_within(value: Any, levels: int) -> bool:
    """Return whether *value* has at most *levels* levels: three of protobuf's, which reads 100, for each."""
    if not isinstance(value, (dict, list)):
        return True
    members = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(member, levels - 1) for member in members)


def _unicode(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_unicode(key): _unicode(member) for key, member in value.items()}
    return [_unicode(member) for member in value] if isinstance(value, list) else value


def _are_labels(value: object) -> bool:
    """Return whether *value* are labels that are taken uncut."""
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_LABELS
        and all(
            isinstance(label, str)
            and len(key.encode()) <= _LABEL_KEY_BYTES
            and len(label.encode()) <= _LABEL_BYTES
            for key, label in value.items()
        )
    )
