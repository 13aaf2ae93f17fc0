"""Legal holds: records of some days must stay, whatever the policy says, until somebody releases them.

    add_hold("audit_logs", "case-7", since=date(2026, 10, 1), reason="litigation")
    holds_of("audit_logs")                   -> (Hold(name="case-7", since=date(2026, 10, 1), ...),)
    release_hold("audit_logs", "case-7", reason="settled out of court")

A hold is a line of the log like any other, so that who held what, and who let go of it, is part of the
evidence. It keeps the first segment that it covers, and with it all that come after.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from or_audit_logging.errors import ConfigError, FormatError, RetentionError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import history_of
from or_audit_logging.evidence.retention.opened import OpenedLog, actor_of, opened, text_of
from or_audit_logging.keys import KeySources
from or_audit_logging.sealing.keeping import Hold

WAIT = 60.0
"""So many seconds a run of retention under way is given to end: what it deletes is not held any more."""

_LONGEST_NAME = 100


def add_hold(
    path: PathText,
    name: str,
    *,
    since: date | None = None,
    until: date | None = None,
    key: KeySources = None,
    signing_key: KeySources = None,
    actor: str | None = None,
    reason: str | None = None,
    unsigned: Callable[[str], None] | None = None,
) -> Hold:
    """Put records made from *since* to *until*, UTC days and both included, under a hold; return it.

    None: from the log's beginning, without end. *actor* (default: the login name) and *reason* are sealed as
    they are given. *unsigned* is called with the verifier key whose signature the checkpoint lacks. One that
    is in force already with these days is returned as it stands; with others it is refused with
    `RetentionError`: a hold is not made smaller in passing. Raises also `ConfigError`, `AuditWriteError` and
    `OSError`.
    """
    name, actor, reason = _name(name), actor_of(actor), text_of(reason, "reason")
    if since is not None and until is not None and until < since:
        raise ConfigError(f"the hold ends on {until}, before it begins on {since}")
    with opened(path, key=key, signing_key=signing_key, verified=False, wait=WAIT) as log:
        for hold in log.history.holds:
            if hold.name == name and (hold.since, hold.until) == (since, until):
                return hold
            if hold.name == name:
                raise RetentionError(
                    f"there is a hold {name} of other days; give this one another name, or release that one"
                )
        days = {"from": _text(since), "until": _text(until)}
        seq = log.act(("log.hold", {"name": name, **days, "actor": actor, "reason": reason}))
        _tell(unsigned, log)
        return Hold(name, since, until, seq, actor, reason)


def release_hold(
    path: PathText,
    name: str,
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    actor: str | None = None,
    reason: str | None = None,
    unsigned: Callable[[str], None] | None = None,
) -> Hold:
    """Release the hold called *name* and return what it was; raises `RetentionError` where there is none.

    Raises also `ConfigError`, `AuditWriteError` and `OSError`. The rest is as in `add_hold`.
    """
    name, actor, reason = _name(name), actor_of(actor), text_of(reason, "reason")
    with opened(path, key=key, signing_key=signing_key, verified=False, wait=WAIT) as log:
        hold = next((hold for hold in log.history.holds if hold.name == name), None)
        if hold is None:
            names = ", ".join(hold.name for hold in log.history.holds) or "none"
            raise RetentionError(f"there is no hold {name}; in force: {names}")
        days = {"from": _text(hold.since), "until": _text(hold.until)}
        log.act(("log.release", {"name": name, **days, "actor": actor, "reason": reason}))
        _tell(unsigned, log)
        return hold


def holds_of(path: PathText) -> tuple[Hold, ...]:
    """Return the holds in force, the oldest statement first, as the log or store states them.

    No key is needed, and nothing is checked. Raises `ConfigError`, `RetentionError` and `OSError`.
    """
    reader = reader_of(path)
    try:
        holds = history_of(reader).holds
    except FormatError as error:
        raise RetentionError(f"the log cannot be read: {error}") from None
    for name, trouble in reader.unreadable.items():
        raise RetentionError(f"{name} cannot be read, and a hold may stand in it: {trouble}")
    return holds


def _tell(unsigned: Callable[[str], None] | None, log: OpenedLog) -> None:
    if unsigned is not None and log.unsigned is not None:
        unsigned(log.unsigned)


def _name(name: str) -> str:
    given: object = name
    if not isinstance(given, str) or not given.isprintable() or not 0 < len(given) <= _LONGEST_NAME:
        raise ConfigError(f"a hold's name is a text of 1 to {_LONGEST_NAME} characters")
    return name


def _text(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
