"""From a walk to a verdict: the same for a log's folder and for lines that were collected elsewhere.

outcome = examine(identity, ring, anchors, sealed=..., start=..., follow=..., beside=...)
report = report_on(outcome, observations, path="audit_logs", oldest=None)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.bounds import Bounds
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.claims import Claims
from or_audit_logging.evidence.identity import Identity, choose_keys
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import (
    Observations,
    Place,
    Tail,
    Verdict,
    VerificationReport,
    brief,
)
from or_audit_logging.evidence.signers import Signers
from or_audit_logging.evidence.unfinished import Unfinished
from or_audit_logging.keys import KeyRing
from or_audit_logging.sealing.control import FORMAT_VERSION
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.sealing.merkle import Frontier


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a walk along a log came to; `reasons` say what could not be checked."""

    identity: Identity
    has_key: bool
    signed: int
    chain: Chain
    claims: Claims
    matched: Anchor | None
    reasons: list[str]
    observations: Observations


def examine(
    identity: Identity,
    ring: KeyRing | None,
    anchors: Sequence[Anchor],
    *,
    signers: Signers,
    sealed: Iterable[SealedLine],
    start: Place,
    follow: Callable[[Chain, Bounds, Observations], list[str]],
    beside: Callable[[Claims, Observations], list[str]] | None = None,
) -> Outcome:
    """Walk along the log by *follow*, then look at what stands *beside* its chain.

    Both return why something could not be read. *sealed* are the log's lines as they come, to find the key
    that sealed them where none has the stated check value; *start* is the place of the first one.
    """
    observations = Observations()
    all_keys = ring.candidates(identity.log_id) if ring is not None and identity.log_id is not None else ()
    choice = choose_keys(identity, all_keys, sealed)
    if choice.contradicts_kcv and identity.kcv is not None:
        message = "the log states another key check value than that of the key which sealed it"
        observations.find(start.finding("kcv", message, found=identity.kcv))
    claims, bounds = Claims(identity, all_keys, observations, signers=signers), Bounds(anchors)
    position = Position(0, identity.genesis_prev, Frontier(), 0, choice.keys)
    chain = Chain(position, log=identity.log, claims=claims, bounds=bounds, observations=observations)
    reasons = follow(chain, bounds, observations)
    reads_all = not reasons
    chain.finish()
    if reads_all:  # what cannot be read is not called missing
        observations.find(*bounds.beyond(chain.end))
    if beside is not None:
        reasons += beside(claims, observations)
    if not identity.format_is_known:
        stated = f"the log states format {brief(identity.format)}, which this version does not know"
        if chain.sealed or claims.trees_held or bounds.trees_held:
            message = f"{stated}, and yet its lines are of format {FORMAT_VERSION}"
            observations.find(start.finding("format", message, found=identity.format))
        else:
            observations, reasons = Observations(), [stated]
        return Outcome(identity, ring is not None, 0, chain, claims, bounds.matched, reasons, observations)
    anchored = bounds.matched.size if bounds.matched is not None else 0
    covered = max(anchored, claims.signed)
    if ring is not None:
        reasons += _missing_keys(chain, identity, covered)
    elif not covered and not (signers and not claims.knows_signer):
        reasons.append(_nothing_to_hold_it_against(anchors, signers))
    if signers:
        reasons += _missing_public_keys(claims, identity, covered)
    if reads_all:
        reasons += claims.certificates.judge(covered, observations)
    return Outcome(
        identity, ring is not None, claims.signed, chain, claims, bounds.matched, reasons, observations
    )


def report_on(
    outcome: Outcome,
    observations: Observations,
    *,
    path: str,
    oldest: datetime | None,
    unfinished: Unfinished,
    segments: int = 0,
    is_export: bool = False,
    is_copy: bool = False,
) -> VerificationReport:
    """Return the report on one log; *observations* are those made before the walk."""
    identity, chain, tally, matched = outcome.identity, outcome.chain, outcome.claims.tally, outcome.matched
    certificates = outcome.claims.certificates
    observations.absorb(outcome.observations)
    if unfinished.first is not None:
        said = f"{unfinished.count} calls began and have no end: the first of them here"
        observations.note(Place(*unfinished.first).note("unfinished", said))
    if tally.unstopped:
        said = f"{tally.unstopped} log.start without log.stop: still running, or ended by force"
        observations.note(Place().note("no-stop", said))
    last_seq = chain.end - 1 if chain.lines else None
    too_old = matched is not None and oldest is not None and not _kept_since(matched, oldest)
    anchored = matched.size if matched is not None else 0
    unsealed = chain.unsealed_to if chain.unsealed_to is not None else -1
    tail: Tail = "chain-only" if outcome.has_key and chain.sealed and unsealed < anchored else "unchecked"
    if anchored == chain.end:
        tail = "anchored"
    return VerificationReport(
        path=path,
        verdict=verdict_of(observations, outcome.reasons, unanchored=matched is None or too_old),
        reasons=tuple(outcome.reasons),
        findings=tuple(observations.findings),
        finding_count=observations.finding_count,
        notes=tuple(observations.notes),
        note_count=observations.note_count,
        log=identity.log,
        log_id=identity.log_id.hex() if identity.log_id is not None else None,
        origin=identity.origin,
        is_export=is_export,
        is_copy=is_copy,
        segments=segments,
        lines=chain.lines,
        user_lines=chain.lines - chain.control_lines,
        control_lines=chain.control_lines,
        first_seq=chain.first_seq,
        last_seq=last_seq,
        key_checked=outcome.has_key and chain.sealed > 0 and chain.unsealed_to is None and not chain.untied,
        anchored_to=matched.size - 1 if matched is not None else None,
        anchored_at=matched.kept_at if matched is not None else None,
        anchor_too_old=too_old,
        signed_to=outcome.signed - 1 if outcome.signed else None,
        tail=tail,
        records_lost=tally.records_lost,
        unstopped=tally.unstopped,
        unfinished=unfinished.count,
        deleted_to=certificates.deleted_to,
        deletions=certificates.deletions,
        redacted=certificates.redacted,
        redactions=dict(certificates.redactions),
    )


def nothing_there(
    path: str, observations: Observations, reason: str, *, is_export: bool = False
) -> VerificationReport:
    """Return the report on a place without a sealed line."""
    return VerificationReport(
        path=path,
        verdict=verdict_of(observations, [reason], unanchored=True),
        reasons=(reason,),
        findings=tuple(observations.findings),
        finding_count=observations.finding_count,
        notes=tuple(observations.notes),
        note_count=observations.note_count,
        is_export=is_export,
    )


def verdict_of(observations: Observations, reasons: Sequence[str], *, unanchored: bool) -> Verdict:
    """Return the verdict: a finding outweighs what could not be checked, and that a missing anchor."""
    if observations.finding_count:
        return "tampered"
    if reasons:
        return "cannot verify"
    return "unanchored" if unanchored else "verified"


def anchors_of(log: str, anchors: Iterable[Anchor], *, origin: str | None = None) -> list[Anchor]:
    """Return those of *anchors* that are of the log *log*, or of *origin*."""
    return [
        anchor
        for anchor in anchors
        if anchor.log_name == log or (origin is not None and anchor.origin == origin)
    ]


def note_other_anchors(anchors: Iterable[Anchor], used: Sequence[Anchor], observations: Observations) -> None:
    """Note which *anchors* are not among the *used* ones: they are of other logs."""
    own = {id(anchor) for anchor in used}
    for anchor in anchors:
        if id(anchor) not in own:
            said = f"the checkpoint kept in {anchor.where} is of another log: {anchor.origin or anchor.log}"
            observations.note(Place().note("anchor-of-another-log", said))


def meant(anchors: Sequence[Anchor], log: str | None) -> list[Anchor]:
    """Return the anchors of the log that was in an empty place: the pinned one, or the only one anchored."""
    logs = {anchor.log_name for anchor in anchors}
    log = log or (logs.pop() if len(logs) == 1 else None)
    return anchors_of(log, anchors) if log is not None else []


def _missing_keys(chain: Chain, identity: Identity, covered: int) -> list[str]:
    """Return why lines beyond the first *covered* could not be checked although a key was given."""
    if not chain.sealed and identity.log_id is None:
        why = "the line that states the log id is not there, and without it the key checks nothing"
        return [f"{why}; if you know the log id, pin it"]
    if not chain.sealed:
        stated = f", whose key check value is {brief(identity.kcv)}" if identity.kcv is not None else ""
        return [f"the key given is not that of this log{stated}"]
    if chain.unsealed_to is None or chain.unsealed_to < covered:
        return []
    return [f"the key of some lines up to seq {chain.unsealed_to} was not given; give all keys, as a list"]


def _missing_public_keys(claims: Claims, identity: Identity, covered: int) -> list[str]:
    """Return why signatures beyond the first *covered* lines could not be checked."""
    if not claims.knows_signer and not covered:
        stated = f"states {brief(identity.vkey)}" if identity.vkey is not None else "states no signing key"
        return [f"the public key given is not that of this log, which {stated}"]
    if claims.unknown_signed <= covered:
        return []
    last = claims.unknown_signed - 1
    return [f"the public key of checkpoints up to seq {last} was not given; give all public keys"]


def _nothing_to_hold_it_against(anchors: Sequence[Anchor], signers: Signers) -> str:
    if signers:
        return "no key was given, and no line is covered by a signed checkpoint, kept elsewhere or in the log"
    if any(anchor.size for anchor in anchors):
        return "no key was given, and no anchor that holds for a line which is there"
    return (
        "neither a key nor an anchor of this log was given; set OR_AUDIT_KEY_FILE to the key's file, or give "
        "an anchor that was kept elsewhere"
    )


def _kept_since(anchor: Anchor, oldest: datetime) -> bool:
    return anchor.kept_at is not None and anchor.kept_at >= oldest
