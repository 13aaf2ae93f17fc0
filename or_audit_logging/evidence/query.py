"""`query`: the records of a log that somebody asks for, one after the other.

    for record in query("audit_logs", user="u-42", since="2026-11-01"): ...
    found = query("audit_logs", status="error", limit=20)
    records = list(found); found.skipped                   # what could not be read, and what was redacted

Nothing is verified: what the lines are worth is for `verify` to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal

from or_audit_logging.digest import pseudonym
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText, open_ring
from or_audit_logging.evidence.asking import Found, Query, as_found
from or_audit_logging.evidence.books.period import When
from or_audit_logging.evidence.criteria import Criteria
from or_audit_logging.evidence.parts import parts_of, reader_behind
from or_audit_logging.evidence.sieve import Sieve
from or_audit_logging.keys import KeyRing, KeySources, is_key_named

_PAUSE = 0.5
_LONGEST_ID = 200
"""A longer id is a pseudonym in records."""


def query(
    path: PathText,
    *,
    user: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    status: str | None = None,
    event: str | None = None,
    since: When | None = None,
    until: When | None = None,
    generation_id: str | None = None,
    session: str | None = None,
    min_cost: Decimal | float | str | None = None,
    limit: int | None = None,
    key: KeySources | KeyRing = None,
) -> Query:
    """Return an iterator over the records in the log at *path* that are asked for, in the log's order.

    *path*: the log's folder. Without *event* these are calls that ended; an event type by name asks for
    others (`generation`, `chat_completion.started`, `log`, `log.redact`). *user* and *session*: as the call
    had them; one that holds personal data also by its pseudonyms under *key* (default: OR_AUDIT_KEY or
    OR_AUDIT_KEY_FILE, if set). *model*: requested or served. *since*, *until*: a UTC date, as a whole day, or
    an ISO time; both included. *min_cost*: USD; calls of unknown cost do not match. *limit*: the last so
    many.

    Lines that are no records are passed over: the iterator's `skipped` says how many, and where. Raises
    `ConfigError` for a wrong argument and where there is no log, `OSError` where the folder cannot be read.
    """
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError("limit is a whole number, 1 or more")
    criteria = Criteria.parse(
        users=None if user is None else spellings(user, key, name="user"),
        model=model,
        provider=provider,
        status=status,
        event=event,
        since=since,
        until=until,
        generation_id=generation_id,
        session=None if session is None else spellings(session, key, name="session"),
        min_cost=min_cost,
    )
    return Query(parts_of(path, criteria), criteria, limit=limit)


def follow(
    path: PathText,
    criteria: Criteria,
    *,
    last: int = 10,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Found]:
    """Yield the last records that are asked for, and then each that is written, in new segments too.

    Costs that are learned later are not filled in: what was shown is not taken back. *last*: how many of
    those that are there already. Ends by an exception that *sleep* raises.
    """
    parts = parts_of(path, criteria)
    reader = reader_behind(path, parts)
    if last:
        yield from Query(parts, criteria, limit=last).found()
    while True:
        sieve = Sieve(criteria.needles)
        for block in reader.blocks():
            for line in sieve.lines(block):
                found = as_found(line)
                if found is not None and criteria.matches(found.record):
                    yield found
        sleep(_PAUSE)


def spellings(person: str, key: KeySources | KeyRing, *, name: str) -> set[str]:
    """Return what *person*, a user or session id, may be in records: itself, and its pseudonyms."""
    if not person:
        raise ConfigError(f"{name} is text, and not empty")
    if not is_key_named(key):
        return {person}
    from or_audit_logging.redaction import Redactor

    found = Redactor().redact(person).findings
    kind = found[0].type if found else "ID" if len(person) > _LONGEST_ID else None
    ring = open_ring(key) if kind is not None else None
    if kind is None or ring is None:
        return {person}
    return {person, *(pseudonym(kind, person, one) for one in ring.digest_keys)}
