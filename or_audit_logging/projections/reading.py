"""What a line says, read once for all formats: its members, and what follows from them.

`Reading.level`, `summary` and `outcome` are judged here, so that an alert on one system means the same as on
another; the formats only name things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from or_audit_logging.errors import FormatError
from or_audit_logging.exact_json import Written, decoder
from or_audit_logging.projections.kinds import LONGEST, Fields, json_text
from or_audit_logging.record import (
    CONTROL_PREFIX,
    GENERATION,
    STARTED_SUFFIX,
    is_call_event,
    level_name,
    summary,
)
from or_audit_logging.sealing.text import money as money_digits

REDACTED = "record.redacted"
"""The event of a stub: what stood there was redacted, and there is nothing left to tell."""

_STUB = frozenset({"log", "seq", "leaf"})
_EXPONENT = re.compile(r"[eE]\+?(-?)0*(?=[0-9])")
_LEVELS = {"log.lost": "ERROR", "log.recover": "WARNING", "ship.notice": "WARNING"}
"""Of events that have neither a status nor a level."""
_OUTCOMES = {"success": "success", "error": "failure", "timeout": "failure", "blocked": "failure"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a format is told besides the line.

    `project_id` (google) is the Google Cloud project that traces are in; `tags` (datadog) are tags such as
    `team:billing`, joined by commas; `service` (datadog) is that of lines that name none.
    """

    project_id: str | None = None
    tags: str | None = None
    service: str | None = None


class Reading(NamedTuple):
    """A line's members and what they mean; `original` is the line itself where the format is to keep it."""

    members: dict[str, object]
    event: str | None
    is_control: bool
    """The log itself wrote it: what a format leaves out of it stands in `original`."""
    is_call: bool
    level: str
    """As the schema or the record has it: INFO, WARNING, ..."""
    summary: str | None
    outcome: str | None
    """success, failure, unknown; None for what has none."""
    original: str | None

    def choose(self, *, record: Fields, control: Fields, stub: Fields) -> Fields:
        """Return the fields of the kind of line that this is."""
        if self.is_control:
            return control
        return stub if self.event == REDACTED and self.members.keys() == _STUB else record


def read(text: str) -> dict[str, object]:
    """Return the JSON object *text*; raises `FormatError` where it is none, RecursionError if too deep."""
    try:
        members = _decoder.decode(text)
    except ValueError:
        raise FormatError("a line that is no JSON") from None
    if not isinstance(members, dict):
        raise FormatError("a line that is JSON, but no object")
    return members


def reading_of(members: dict[str, object], *, text: str | None = None, keep: bool = False) -> Reading:
    """Return what *members* mean. *text*, the line, is kept where *keep* says so and for the log's own."""
    if members.keys() == _STUB:
        return Reading(members, REDACTED, False, False, "INFO", REDACTED, None, text if keep else None)
    event, status = members.get("event_type"), members.get("status")
    event = event if type(event) is str else None
    status = status if type(status) is str else None
    control = text is not None and event is not None and event.startswith(CONTROL_PREFIX) and "mac" in members
    call = event is not None and is_call_event(event) and status is not None
    tried = call or event == GENERATION or (event is not None and event.endswith(STARTED_SUFFIX))
    level = members.get("level")
    if type(level) is not str:
        level = _LEVELS.get(event or "") or level_name(status)
    return Reading(
        members=members,
        event=event,
        is_control=control,
        is_call=call,
        level=level,
        summary=_summary(members, event, status),
        outcome=_OUTCOMES.get(status or "", "unknown") if tried else None,
        original=text if keep or control else None,
    )


def _summary(members: Mapping[str, object], event: str | None, status: str | None) -> str | None:
    message = members.get("message")
    if message is not None:
        return message if type(message) is str else json_text(message)
    if event is None or event.startswith(CONTROL_PREFIX):
        return event
    model = members.get("model_used") or members.get("model_requested")
    return summary(event, status, model if type(model) is str else None)


def _number(digits: str) -> Written:
    """Return the number that *digits* say, written without an exponent where it lies within 30 digits."""
    if "e" in digits or "E" in digits:
        digits = _without_exponent(digits) or _EXPONENT.sub(r"e\1", digits)
    return Written(digits)


def _without_exponent(digits: str) -> str | None:
    try:
        return money_digits(Decimal(digits)) if len(digits) <= LONGEST else None
    except ArithmeticError:  # an exponent that no Decimal has
        return None


_decoder = decoder(number=_number)
