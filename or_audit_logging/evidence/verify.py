"""Verify a log: does everything follow, and does anything outside vouch for its end (FORMAT 6)?

    report = verify("audit_logs", key="file:audit.key", anchors=["/mnt/worm/anchors"])
    report.exit_code, report.summary()

Nothing that stands in a log or an anchor makes this raise; only a mistake in the arguments does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.ahead import Ahead, is_worth_it
from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.arguments import (
    AnchorPlaces,
    PathText,
    Pin,
    Target,
    find_log,
    gather_anchors,
    oldest_allowed,
    open_ring,
)
from or_audit_logging.evidence.bounds import Bounds, missing_lines
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.claims import Claims
from or_audit_logging.evidence.export import Asked, verify_export
from or_audit_logging.evidence.folder import check_beside, follow_chain
from or_audit_logging.evidence.identity import Identity, identify, lines_of
from or_audit_logging.evidence.judgement import (
    Outcome,
    anchors_of,
    examine,
    meant,
    note_other_anchors,
    nothing_there,
    report_on,
)
from or_audit_logging.evidence.package.names import LINES, MANIFEST
from or_audit_logging.evidence.package.opening import looks_like_document, looks_like_package
from or_audit_logging.evidence.report import Observations, Place, VerificationReport
from or_audit_logging.evidence.signers import PublicKeySources, Signers, open_signers
from or_audit_logging.evidence.stretches import Context
from or_audit_logging.evidence.unfinished import unfinished_calls
from or_audit_logging.evidence.walk import Walk
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, Survey, survey, was_replaced

_ATTEMPTS = 3
"""So often a log is gone through whose files go or change at the same time: what a run of retention or
redaction says of it stands in lines that came too late to be read."""


def verify(
    path: PathText,
    *,
    key: KeySources | KeyRing = None,
    public_key: PublicKeySources = None,
    anchors: AnchorPlaces = (),
    log_id: str | None = None,
    max_age: timedelta | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
) -> VerificationReport:
    """Return what can be said of the log in the folder *path* (or of a handler's `filename`).

    Where *path* is a SQLite store, its columns are held against its sealed lines as well. Where it is a
    package that `export` made, that is checked without unpacking it, and a *public_key* that signed its
    checkpoint vouches for it as an anchor does. Where it is another file, or `-` for standard input, it is
    an export: sealed lines that were collected from somewhere, in any order, of any number of logs, among
    other lines and inside what a log shipper put around them. Of several logs `report.logs` has one report
    each.

    *key* names the secrets as everywhere; None takes what the environment names, or none. *public_key* is a
    file, a PEM or a verifier key, or a list of these: then signatures in the log are checked, and only
    anchors count that one of these keys has signed. *anchors* are files, folders or values; *log_id* pins a
    log id of 32 hex digits or an origin. Where the anchor was kept longer than *max_age* before *now*, or
    nobody knows when, the log is unanchored. *progress* is called with the number of lines so far. *jobs*
    processes share the work on a long log's segments (not on an export's lines); the report is the same with
    any number, and the program needs `if __name__ == "__main__":`. Raises `ConfigError` for mistakes in the
    arguments and for key files that may not be used, `MissingExtraError` for a *public_key* without `sign`.
    """
    check_jobs(jobs)
    pin = Pin.parse(log_id)
    oldest = oldest_allowed(max_age, now)
    ring, signers = open_ring(key), open_signers(public_key)
    target = find_log(path)
    observations = Observations()
    kept = gather_anchors(anchors, refuse=target.refuse, observations=observations)
    if signers:
        kept = signers.only_signed(kept, observations)
    asked = Asked(ring, signers, kept, pin, oldest)
    return verify_target(target, asked, observations, progress=progress, jobs=jobs)


def check_jobs(jobs: object) -> None:
    """Raise `ConfigError` where *jobs* is no number of processes."""
    if type(jobs) is not int or jobs < 1:
        raise ConfigError("jobs is a number of processes, at least 1")


def verify_target(
    target: Target,
    asked: Asked,
    observations: Observations,
    *,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
) -> VerificationReport:
    """Return the report on *target*, held against what is *asked*; *observations* are made already."""
    if target.store is not None:
        from or_audit_logging.evidence.stored import verify_store  # brings sqlite3

        return verify_store(target.store, asked, observations, progress=progress)
    if target.is_export:
        return _verify_file(target.export, asked, observations, progress)
    attempts = 0
    while True:
        report, sources = _verify_folder(target, asked, observations, progress=progress, jobs=jobs)
        attempts += 1
        if attempts == _ATTEMPTS or report.exit_code not in (1, 2) or not was_replaced(sources):
            return report


def _verify_folder(
    target: Target,
    asked: Asked,
    before: Observations,
    *,
    progress: Callable[[int], None] | None,
    jobs: int,
) -> tuple[VerificationReport, Sequence[Source]]:
    """Return the report on a log's folder, with the files that were there; *before* are made already."""
    ring, signers, kept, pin, oldest = asked.ring, asked.signers, asked.anchors, asked.pin, asked.oldest
    folder, layout, trouble = target.folder, target.layout, target.trouble
    observations = Observations()
    observations.absorb(before)
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
            observations.find(*missing_lines(meant(kept, pin.log), 0))
        reason = trouble or _why_no_lines(found.sources, layout, folder)
        return nothing_there(str(folder), observations, reason), found.sources
    if found.locked is False:
        said = "a writer held the lock all the time, so the log's end was taken without it"
        observations.note(Place().note("no-lock", said))
    if pin != Pin():
        observations.find(*pin.mismatches(identity))
    usable = anchors_of(identity.log, kept, origin=identity.origin)
    note_other_anchors(kept, usable, observations)
    own = [source for source in found.sources if identity.log in source.logs]
    own.sort(key=lambda source: source.first_seq)
    with contextlib.ExitStack() as stack:
        ahead = None
        if jobs > 1 and is_worth_it(own):
            ahead = stack.enter_context(Ahead(own, _context(identity, ring, usable), jobs=jobs))
        outcome, segments = _examine(
            found.sources, identity, ring, usable, signers=signers, progress=progress, ahead=ahead
        )
        searched = own if ahead is None else [source for source in own if ahead.may_hold_calls(source)]
    unfinished = unfinished_calls(searched)
    report = report_on(
        outcome,
        observations,
        path=str(folder),
        oldest=oldest,
        unfinished=unfinished,
        segments=segments,
        is_copy=layout is not None and any(layout.is_copied(source.segment) for source in own),
    )
    return report, found.sources


def _verify_file(
    file: Path | None, asked: Asked, observations: Observations, progress: Callable[[int], None] | None
) -> VerificationReport:
    """Return the report on an export: a package, or lines that a collector gathered."""
    if file is not None and looks_like_package(file):
        from or_audit_logging.evidence.package.verifying import verify_package

        return verify_package(file, asked, observations, progress=progress)
    if file is not None and looks_like_document(file):
        reason = "a plain document of records has nothing that proves them; or-audit export makes packages"
        return nothing_there(str(file), observations, reason, is_export=True)
    return verify_export(file, asked, observations, progress=progress)


def _examine(
    sources: Sequence[Source],
    identity: Identity,
    ring: KeyRing | None,
    anchors: Sequence[Anchor],
    *,
    signers: Signers,
    progress: Callable[[int], None] | None,
    ahead: Ahead | None,
) -> tuple[Outcome, int]:
    """Walk along the log's files among the *sources*; return also how many were gone through."""
    log = identity.log
    own = [source for source in sources if log in source.logs]
    walks = []

    def follow(chain: Chain, bounds: Bounds, observations: Observations) -> list[str]:
        walk = Walk(chain, log=log, bounds=bounds, observations=observations, progress=progress, ahead=ahead)
        walks.append(walk)
        return follow_chain(walk, sources, observations, log=log)

    def beside(claims: Claims, observations: Observations) -> list[str]:
        deleted = claims.certificates.has_licence
        return check_beside(sources, observations, recovered=claims.recovered, deleted=deleted)

    start, sealed = Place(own[0].name, 1, 0), lines_of(own)
    outcome = examine(
        identity, ring, anchors, signers=signers, sealed=sealed, start=start, follow=follow, beside=beside
    )
    return outcome, sum(walk.segments for walk in walks)


def _context(identity: Identity, ring: KeyRing | None, anchors: Sequence[Anchor]) -> Context:
    secrets = ring.secrets if ring is not None else ()
    return Context(identity.log, identity.log_id, secrets, tuple(sorted({one.size for one in anchors})))


def _why_no_lines(sources: Sequence[Source], layout: LogLayout | None, folder: Path) -> str:
    place = layout.folder if layout is not None else folder
    if not place.is_dir():
        return f"there is no folder {place}"
    if sources:
        return f"{folder} holds segments, but not one sealed line in them"
    if (folder / MANIFEST).is_file() and (folder / LINES).is_file():
        return f"{folder} is an unpacked package: give the .zip file, or run python -I verify.py in it"
    name = f" {layout.stem}{layout.suffix}" if layout is not None else ""
    return f"there is no log{name} in {folder}"
