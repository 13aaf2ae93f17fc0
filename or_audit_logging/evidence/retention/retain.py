"""`retain`: what a policy asks for today, done.

    retain("audit_logs", "operational")
    -> {"archived": ["audit_2026-10-22.jsonl"], "deleted": ["audit_2026-08-22.jsonl"], "kept": [], ...}

The policy is sealed in the log, which is held to it from then on: a shorter one that is asked for later does
not count, unless it is put in the place of the other for a reason, and then lines from before keep what they
were promised. Meant to be run every day; running it twice, or being killed, does no harm.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias, TypedDict

from or_audit_logging.errors import ConfigError, FormatError, RetentionError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.retention.applying import carry_out
from or_audit_logging.evidence.retention.history import History
from or_audit_logging.evidence.retention.opened import actor_of, opened, text_of
from or_audit_logging.evidence.retention.planning import Action, Archive, Delete, Keep, plan
from or_audit_logging.evidence.retention.policies import (
    DEFAULT,
    PROFILES,
    RetentionPolicy,
    combine,
    policy_of,
)
from or_audit_logging.keys import KeySources

AnyPolicy: TypeAlias = RetentionPolicy | str | os.PathLike[str]


class Kept(TypedDict):
    """Segments that stay although their time has come, for one of the reasons that `Keep` knows."""

    segments: list[str]
    reason: str
    why: str
    holds: list[str]


class Retained(TypedDict):
    """What was archived and deleted, or is to be.

    `policy` is the one in force, as it is sealed; `sealed` whether this run puts it into the log; `notes` say
    which of several policies won. `done` is False for what is only planned. `unsigned` is the verifier key
    whose signature the checkpoints of this run lack.
    """

    archived: list[str]
    deleted: list[str]
    kept: list[Kept]
    policy: dict[str, Any]
    sealed: bool
    notes: list[str]
    done: bool
    unsigned: str | None


def retain(
    path: PathText,
    policy: AnyPolicy | Sequence[AnyPolicy] | None = None,
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    actor: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
    today: date | None = None,
    replace_policy: bool = False,
    confirm: Callable[[Retained], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Retained:
    """Archive and delete what *policy* says of the log in the folder *path*; return what was done.

    *policy*: a policy, a profile's name, a JSON or TOML file, or several of these, of which the longest wins.
    None (the default) takes the one sealed in the log; where there is none, "operational" is only proposed:
    in a dry run, or to *confirm*, without which that is a `ConfigError`. One that the log has sealed goes on
    to count, unless *replace_policy* puts *policy* in its place, which takes a *reason*.
    *key*, *signing_key*: the log's own. *actor* (default: the login name) and *reason* are sealed as they are
    given. *dry_run*: say what would be done. *today*: a UTC date, not later than the clock's (the default).
    *confirm* is called with what is planned, and nothing is done where it returns False. *progress* is called
    with the number of lines that were verified so far.

    What a legal hold or the log's promise keeps is in `kept`, and no error. Raises `ConfigError`;
    `RetentionError`, with nothing touched, where the log does not verify or another run is under way;
    `OSError` or `AuditWriteError` where something cannot be written.
    """
    asked = _asked(policy)
    actor, reason = actor_of(actor), text_of(reason, "reason")
    if replace_policy and (not asked or reason is None):
        raise ConfigError("to replace the sealed policy, name the new one and give a reason")
    now = datetime.now(UTC).date()
    if today is not None and today > now:
        raise ConfigError(f"today is {today}, which the clock says is still to come: it is {now}")
    with opened(path, key=key, signing_key=signing_key, alone=not dry_run, progress=progress) as log:
        effective, notes, is_new = _in_force(asked, log.history, replace=replace_policy)
        holds, minimum = log.history.holds, log.history.minimum
        actions = plan(log.segments, effective, today or now, holds, minimum=minimum)
        planned = _planned(actions, effective, notes, sealed=is_new)
        if dry_run or (confirm is not None and not confirm(planned)):
            return planned
        if confirm is None and is_new and not asked:
            raise ConfigError(
                f"the log has no sealed policy: name one of {', '.join(PROFILES)}, or give your own"
            )
        policy_to_seal = effective.to_sealed() if is_new else None
        applied = carry_out(actions, log, actor=actor, reason=reason, policy=policy_to_seal)
        return planned | {
            "archived": list(applied.archived),
            "deleted": list(applied.deleted),
            "done": True,
            "unsigned": log.unsigned,
        }


def _asked(policy: AnyPolicy | Sequence[AnyPolicy] | None) -> list[RetentionPolicy]:
    if policy is None:
        return []
    if isinstance(policy, (RetentionPolicy, str, os.PathLike)):
        return [policy_of(policy)]
    if not isinstance(policy, Sequence):
        raise ConfigError("a policy is a RetentionPolicy, a profile's name, the name of a file, or several")
    return [policy_of(one) for one in policy]


def _in_force(
    asked: Sequence[RetentionPolicy], history: History, *, replace: bool
) -> tuple[RetentionPolicy, tuple[str, ...], bool]:
    """Return the policy that counts, which of several won, and whether it is to be sealed."""
    try:
        sealed = RetentionPolicy.from_sealed(history.policy) if history.policy is not None else None
    except FormatError as error:
        raise RetentionError(str(error)) from None
    if sealed is None or replace:
        policy, notes = combine(asked or [policy_of(DEFAULT)])
    else:
        policy, notes = combine([sealed, *asked])
    if history.minimum > policy.minimum:
        said = f"lines were promised {history.minimum} days by an earlier policy, and keep that"
        notes = (*notes, said)
    return policy, notes, sealed is None or policy.to_sealed() != sealed.to_sealed()


def _planned(
    actions: Sequence[Action], policy: RetentionPolicy, notes: Sequence[str], *, sealed: bool
) -> Retained:
    return {
        "archived": [action.segment.name for action in actions if isinstance(action, Archive)],
        "deleted": [
            segment.name for action in actions if isinstance(action, Delete) for segment in action.segments
        ],
        "kept": [
            {
                "segments": [segment.name for segment in action.segments],
                "reason": action.reason,
                "why": action.why,
                "holds": list(action.holds),
            }
            for action in actions
            if isinstance(action, Keep)
        ],
        "policy": policy.to_sealed(),
        "sealed": sealed,
        "notes": list(notes),
        "done": False,
        "unsigned": None,
    }
