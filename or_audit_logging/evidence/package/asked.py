"""What is to be handed over: a time, and perhaps one user or session. No I/O.

asked = Asked.parse(since="2026-11-01", until="2026-11-30", user="u-42", spelled={"u-42"})
asked.to_dict(), asked.digest            what the manifest states, and what the log.export does
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.books.period import Period, When


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The criteria; `users` and `sessions` are the spellings that records may have, None: everybody's.

    What is stated of them is the pseudonyms, where there are some: the log and the package shall not say what
    records do not.
    """

    period: Period = field(default_factory=Period)
    users: frozenset[str] | None = None
    sessions: frozenset[str] | None = None
    stated_users: tuple[str, ...] | None = None
    stated_sessions: tuple[str, ...] | None = None

    @classmethod
    def parse(
        cls,
        *,
        since: When | None,
        until: When | None,
        user: str | None = None,
        users: Collection[str] = (),
        session: str | None = None,
        sessions: Collection[str] = (),
    ) -> Asked:
        """Return what is asked for: *user* as its *users* spell it; raises `ConfigError` for no time."""
        return cls(
            period=Period.parse(since, until),
            users=None if user is None else frozenset(users),
            sessions=None if session is None else frozenset(sessions),
            stated_users=None if user is None else _stated(user, users),
            stated_sessions=None if session is None else _stated(session, sessions),
        )

    @property
    def is_filtered(self) -> bool:
        """Whether lines of others are left out."""
        return self.users is not None or self.sessions is not None

    @property
    def since(self) -> str | None:
        """The first moment as timestamps are written, None where it has no beginning."""
        return None if self.period.first is None else self.period.first_text

    @property
    def until(self) -> str | None:
        """The last moment, likewise."""
        return None if self.period.last is None else self.period.last_text

    def may_hold(self, day: date) -> bool:
        """Return whether the segment of *day* can have lines of the time asked for."""
        return not (self.period.is_past(day) or self.period.is_ahead(day))

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "since": self.since,
            "until": self.until,
            "users": None if self.stated_users is None else list(self.stated_users),
            "sessions": None if self.stated_sessions is None else list(self.stated_sessions),
        }

    @property
    def digest(self) -> str:
        """The SHA-256 (hex) of its plain values as JSON with sorted names and no spaces."""
        return filter_of(self.to_dict())


def filter_of(asked: object) -> str:
    """Return the SHA-256 (hex) of *asked*, plain values; raises `FormatError` where it is nested too deep."""
    try:
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise FormatError("what was asked for is nested too deep") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _stated(person: str, spelled: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(set(spelled) - {person})) or (person,)
