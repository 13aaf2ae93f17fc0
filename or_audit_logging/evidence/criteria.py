"""Which records are asked for: what `query` was given, read, checked and held against records. No I/O.

criteria = Criteria.parse(user="u-42", since="2026-11-01", min_cost="0.01")
criteria.matches(record)                   -> bool
criteria.needles                           -> ((b'"u-42"',),): what each line looked for has in its bytes
criteria.may_hold(date(2026, 11, 21))      -> whether the segment of that day can have such lines
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.books.period import Period, When
from or_audit_logging.evidence.late_facts import awaits_facts
from or_audit_logging.evidence.sieve import Needles
from or_audit_logging.pricing import usd
from or_audit_logging.record import STATUSES, UNRESOLVED, AuditRecord, is_call_event

NO_COST = b'"total_cost":null'

_EVER = Period()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a record must be to be in the answer; None: anything.

    Without `event`, calls that ended are asked for. `users` and `session`: any of these.
    """

    users: frozenset[str] | None = None
    model: str | None = None
    provider: str | None = None
    status: str | None = None
    event: str | None = None
    period: Period = _EVER
    generation_id: str | None = None
    session: frozenset[str] | None = None
    min_cost: Decimal | None = None

    @classmethod
    def parse(
        cls,
        *,
        users: Iterable[str] | None = None,
        model: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        event: str | None = None,
        since: When | None = None,
        until: When | None = None,
        generation_id: str | None = None,
        session: Iterable[str] | None = None,
        min_cost: Decimal | float | str | None = None,
    ) -> Criteria:
        """Return the criteria; raises `ConfigError` for a value that no record can have."""
        for name, text in (
            *(("model", model), ("provider", provider), ("event", event)),
            ("generation_id", generation_id),
        ):
            if text == "":
                raise ConfigError(f"{name} is empty")
        known = (*STATUSES, UNRESOLVED)
        if status is not None and status not in known:
            raise ConfigError(f"status is one of {', '.join(known)}, not {status!r}")
        cost = usd(min_cost)
        if min_cost is not None and cost is None:
            raise ConfigError(f"min_cost is an amount in USD, such as 0.01, not {min_cost!r}")
        return cls(
            users=None if users is None else frozenset(users),
            model=model,
            provider=provider,
            status=status,
            event=event,
            period=Period.parse(since, until),
            generation_id=generation_id,
            session=None if session is None else frozenset(session),
            min_cost=cost,
        )

    @property
    def needles(self) -> tuple[Needles, ...]:
        """For each group: one of it stands in the line of every record looked for.

        The rarest first, as far as that can be told. What a later fact may say instead of the call's own
        line does not exclude calls whose cost is unknown.
        """
        groups: list[Needles | None] = []
        if self.generation_id is not None:
            groups.append(Needles.of(self.generation_id))
        if self.session is not None:
            groups.append(Needles.of(*sorted(self.session), fields=["session_id"]))
        if self.users is not None:
            groups.append(Needles.of(*sorted(self.users), fields=["user_id"]))
        if self.provider is not None:
            groups.append(Needles.of(self.provider, fields=["provider"], also=[NO_COST]))
        if self.model is not None:
            fields = ["model_requested", "model_used"]
            groups.append(Needles.of(self.model, fields=fields, also=[NO_COST]))
        if self.status is not None:
            groups.append(Needles.of(self.status, fields=["status"]))
        if self.event is not None:
            groups.append(Needles.of(self.event, fields=["event_type"]))
        return tuple(group for group in groups if group is not None)

    @property
    def asks_for_facts(self) -> bool:
        """Whether what a later fact says may decide."""
        return self.model is not None or self.provider is not None or self.min_cost is not None

    def matches(self, record: AuditRecord) -> bool:
        """Return whether *record* is asked for."""
        return (
            (is_call_event(record.event_type) if self.event is None else record.event_type == self.event)
            and (self.users is None or record.user_id in self.users)
            and (self.session is None or record.session_id in self.session)
            and self.status in (None, record.status)
            and (
                self.generation_id is None
                or self.generation_id == record.generation_id
                or self.generation_id in (record.generation_ids or ())
            )
            and self.model in (None, record.model_requested, record.model_used)
            and self.provider in (None, record.provider)
            and (
                self.min_cost is None
                or (record.total_cost is not None and record.total_cost >= self.min_cost)
            )
            and self.period.has(record.timestamp)
        )

    def may_match(self, record: AuditRecord) -> bool:
        """Return whether *record* is asked for, or would be with what a later fact may say of it."""
        if not self.asks_for_facts or not awaits_facts(record):
            return self.matches(record)
        return dataclasses.replace(self, model=None, provider=None, min_cost=None).matches(record)

    def may_hold(self, day: date | None) -> bool:
        """Return whether the segment of *day* can have lines asked for; None: it is of no day."""
        return day is None or not (self.period.is_past(day) or self.period.is_ahead(day))
