"""Verify a log: does everything follow, and does anything outside vouch for its end (FORMAT 6)?

    report = verify("audit_logs", key="file:audit.key", anchors=["/mnt/worm/anchors"])
    report.exit_code, report.summary()

Nothing that stands in a log or an anchor makes this raise; only a mistake in the arguments does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.arguments import (
    AnchorPlaces,
    PathText,
    Pin,
    find_log,
    gather_anchors,
    log_of_origin,
    oldest_allowed,
    open_ring,
)
from or_audit_logging.evidence.bounds import Bounds, missing_lines
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.claims import Claims
from or_audit_logging.evidence.folder import check_beside, follow_chain
from or_audit_logging.evidence.identity import Identity, choose_keys, identify
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import (
    Observations,
    Place,
    Tail,
    Verdict,
    VerificationReport,
    brief,
)
from or_audit_logging.evidence.sources import Source, Survey, survey
from or_audit_logging.evidence.unfinished import unfinished_calls
from or_audit_logging.evidence.walk import Walk
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.control import FORMAT_VERSION
from or_audit_logging.sealing.merkle import Frontier


def verify(
    path: PathText,
    *,
    key: KeySources | KeyRing = None,
    anchors: AnchorPlaces = (),
    log_id: str | None = None,
    max_age: timedelta | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerificationReport:
    """Return what can be said of the log in the folder *path* (or of a handler's `filename`).

    *key* names the secrets as everywhere; None takes what the environment names, or none. *anchors* are
    files, folders or values; *log_id* pins a log id of 32 hex digits or an origin. Where the anchor was kept
    longer than *max_age* before *now*, or nobody knows when, the log is unanchored. *progress* is called with
    the number of lines so far. Raises `ConfigError` for mistakes in the arguments and for key files that may
    not be used.
    """
    pin = Pin.parse(log_id)
    oldest = oldest_allowed(max_age, now)
    ring = open_ring(key)
    folder, layout, trouble = find_log(path)
    observations = Observations()
    kept = gather_anchors(anchors, folder=folder, observations=observations)
    found = Survey((), None)
    if layout is not None:
        try:
            found = survey(layout)
        except OSError as error:
            trouble = f"the folder {folder} cannot be read: {error.strerror}"
    identity = identify(found.sources, wanted=pin.log)
    if identity is None:
        unread = [source for source in found.sources if source.kind == "unreadable"]
        if unread:
            trouble = f"{unread[0].segment.path.name} cannot be read: {unread[0].trouble}"
        if trouble is None:  # then what the anchors cover was taken away; otherwise nobody knows
            observations.find(*missing_lines(_meant(kept, pin), 0))
        return _nothing_there(folder, observations, trouble or _why_no_lines(found.sources, layout, folder))
    if found.locked is False:
        said = "a writer held the lock all the time, so the log's end was taken without it"
        observations.note(Place().note("no-lock", said))
    if pin != Pin():
        observations.find(*pin.mismatches(identity))
    usable = _of_log(kept, identity, observations)
    outcome = _examine(found.sources, identity, ring, usable, progress)
    own = [source for source in found.sources if identity.log in source.logs]
    unfinished = unfinished_calls(sorted(own, key=lambda source: source.first_seq))
    if unfinished.first is not None:
        said = f"{unfinished.count} calls began and have no end: the first of them here"
        observations.note(Place(*unfinished.first).note("unfinished", said))
    report = _report(folder, identity, outcome, observations, has_key=ring is not None, oldest=oldest)
    return replace(report, unfinished=unfinished.count)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a walk along a log came to; `reasons` say what could not be checked."""

    walk: Walk
    claims: Claims
    matched: Anchor | None
    reasons: list[str]
    observations: Observations


def _examine(
    sources: Sequence[Source],
    identity: Identity,
    ring: KeyRing | None,
    anchors: Sequence[Anchor],
    progress: Callable[[int], None] | None,
) -> _Outcome:
    """Walk along the log, then look at what stands beside its chain."""
    observations = Observations()
    own = [source for source in sources if identity.log in source.logs]
    start = Place(own[0].name, 1, 0)
    all_keys = ring.candidates(identity.log_id) if ring is not None and identity.log_id is not None else ()
    choice = choose_keys(identity, all_keys, own)
    if choice.contradicts_kcv:
        message = "the log states another key check value than that of the key which sealed it"
        observations.find(start.finding("kcv", message, found=identity.kcv))
    claims, bounds = Claims(identity, all_keys, observations), Bounds(anchors)
    position = Position(0, identity.genesis_prev, Frontier(), 0, choice.keys)
    log = identity.log
    chain = Chain(position, log=log, claims=claims, bounds=bounds, observations=observations)
    walk = Walk(chain, log=log, bounds=bounds, observations=observations, progress=progress)
    reasons = follow_chain(walk, sources, observations, log=identity.log)
    chain.finish()
    if not reasons:  # what cannot be read is not called missing
        observations.find(*bounds.beyond(chain.end))
    reasons += check_beside(sources, observations, recovered=claims.recovered)
    if not identity.format_is_known:
        stated = f"the log states format {brief(identity.format)}, which this version does not know"
        if chain.sealed or claims.trees_held or bounds.trees_held:
            message = f"{stated}, and yet its lines are of format {FORMAT_VERSION}"
            observations.find(start.finding("format", message, found=identity.format))
        else:
            observations, reasons = Observations(), [stated]
    elif ring is not None:
        reasons += _missing_keys(chain, identity, bounds.matched)
    elif bounds.matched is None:
        reasons.append("neither a key nor an anchor of this log was given")
    return _Outcome(walk, claims, bounds.matched, reasons, observations)


def _missing_keys(chain: Chain, identity: Identity, matched: Anchor | None) -> list[str]:
    """Return why lines beyond the anchor could not be checked although a key was given."""
    if not chain.sealed:
        return [f"the key given is not that of this log, whose key check value is {brief(identity.kcv)}"]
    if chain.unsealed_to is None or (matched is not None and chain.unsealed_to < matched.size):
        return []
    return [f"the key of some lines up to seq {chain.unsealed_to} was not given; give all keys, as a list"]


def _report(
    folder: Path,
    identity: Identity,
    outcome: _Outcome,
    observations: Observations,
    *,
    has_key: bool,
    oldest: datetime | None,
) -> VerificationReport:
    chain, tally, matched = outcome.walk.chain, outcome.claims.tally, outcome.matched
    observations.absorb(outcome.observations)
    if tally.unstopped:
        said = f"{tally.unstopped} log.start without log.stop: still running, or ended by force"
        observations.note(Place().note("no-stop", said))
    last_seq = chain.end - 1 if chain.lines else None
    too_old = matched is not None and oldest is not None and not _kept_since(matched, oldest)
    anchored = matched.size if matched is not None else 0
    unsealed = chain.unsealed_to if chain.unsealed_to is not None else -1
    tail: Tail = "chain-only" if has_key and chain.sealed and unsealed < anchored else "unchecked"
    if anchored == chain.end:
        tail = "anchored"
    return VerificationReport(
        path=str(folder),
        verdict=_verdict(observations, outcome.reasons, unanchored=matched is None or too_old),
        reasons=tuple(outcome.reasons),
        findings=tuple(observations.findings),
        finding_count=observations.finding_count,
        notes=tuple(observations.notes),
        note_count=observations.note_count,
        log_id=identity.log_id.hex() if identity.log_id is not None else None,
        origin=identity.origin,
        segments=outcome.walk.segments,
        lines=chain.lines,
        user_lines=chain.lines - chain.control_lines,
        control_lines=chain.control_lines,
        first_seq=chain.first_seq,
        last_seq=last_seq,
        key_checked=has_key and chain.sealed > 0 and chain.unsealed_to is None,
        anchored_to=matched.size - 1 if matched is not None else None,
        anchored_at=matched.kept_at if matched is not None else None,
        anchor_too_old=too_old,
        tail=tail,
        records_lost=tally.records_lost,
        unstopped=tally.unstopped,
    )


def _verdict(observations: Observations, reasons: Sequence[str], *, unanchored: bool) -> Verdict:
    if observations.finding_count:
        return "tampered"
    if reasons:
        return "cannot verify"
    return "unanchored" if unanchored else "verified"


def _kept_since(anchor: Anchor, oldest: datetime) -> bool:
    return anchor.kept_at is not None and anchor.kept_at >= oldest


def _of_log(anchors: Sequence[Anchor], identity: Identity, observations: Observations) -> list[Anchor]:
    """Return the anchors of this log; note the others."""
    own = []
    for anchor in anchors:
        if (anchor.log or log_of_origin(anchor.origin)) == identity.log or anchor.origin == identity.origin:
            own.append(anchor)
            continue
        said = f"the checkpoint kept in {anchor.where} is of another log: {anchor.origin or anchor.log}"
        observations.note(Place().note("anchor-of-another-log", said))
    return own


def _meant(anchors: Sequence[Anchor], pin: Pin) -> list[Anchor]:
    """Return the anchors of the log that was in an empty folder: the pinned one, or the only one anchored."""
    logs = {anchor.log or log_of_origin(anchor.origin) for anchor in anchors}
    log = pin.log or (logs.pop() if len(logs) == 1 else None)
    return [a for a in anchors if log is not None and (a.log or log_of_origin(a.origin)) == log]


def _nothing_there(folder: Path, observations: Observations, reason: str) -> VerificationReport:
    return VerificationReport(
        path=str(folder),
        verdict=_verdict(observations, [reason], unanchored=True),
        reasons=(reason,),
        findings=tuple(observations.findings),
        finding_count=observations.finding_count,
        notes=tuple(observations.notes),
        note_count=observations.note_count,
    )


def _why_no_lines(sources: Sequence[Source], layout: LogLayout | None, folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if sources:
        return f"{folder} holds segments, but not one sealed line in them"
    name = f" {layout.stem}{layout.suffix}" if layout is not None else ""
    return f"there is no log{name} in {folder}"
