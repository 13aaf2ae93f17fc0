"""Verify the logs of many hosts at once, with their anchors in one place.

    fleet = verify_all("logs", key="file:audit.key", anchors=["anchors"])
    fleet.exit_code, [(log.host, log.report.verdict) for log in fleet.logs]

Each log is verified as if it were alone, with its own anchors. What only all of them show comes on top: a log
that an anchor proves and that is not there, and copies of one log that say different things.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.arguments import (
    AnchorPlaces,
    PathText,
    Pin,
    Target,
    gather_anchors,
    oldest_allowed,
    open_ring,
)
from or_audit_logging.evidence.export import Asked
from or_audit_logging.evidence.fleet.copies import Copy, is_since, judge_copies, let_lag
from or_audit_logging.evidence.fleet.looking import look, newest_line_at
from or_audit_logging.evidence.fleet.places import find_logs
from or_audit_logging.evidence.judgement import nothing_there
from or_audit_logging.evidence.report import EXIT_CODES, Note, Observations, Place, VerificationReport
from or_audit_logging.evidence.signers import PublicKeySources, open_signers
from or_audit_logging.evidence.summary import GRAVITY
from or_audit_logging.evidence.verify import check_jobs, verify_target
from or_audit_logging.keys import KeyRing, KeySources

_LOG = re.compile(r"[0-9a-f]{16}")
_LINE_NUMBER = re.compile(r":[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class HostLog:
    """The report on one log; `newest_at` is what its newest line says of when it was written."""

    report: VerificationReport
    newest_at: datetime | None = None
    behind: int = 0
    """How many lines are proven to stand behind the last one here."""
    is_missing: bool = False
    """Whether only an anchor says that there is such a log."""
    kept_for: str | None = None
    """Of a missing log: the host in whose folder of a bucket its checkpoints were."""

    @property
    def host(self) -> str | None:
        """Whose log it says it is, the first part of its origin; else whose its checkpoints were kept for."""
        return self.report.origin.rsplit("/", 2)[0] if self.report.origin is not None else self.kept_for

    @property
    def after_anchor(self) -> int:
        """How many lines no anchor covers."""
        report = self.report
        if report.last_seq is None:
            return 0
        if report.anchored_to is None:
            return report.lines
        return max(0, report.last_seq - report.anchored_to)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values, with what is said of the log beside it."""
        newest = self.newest_at.isoformat() if self.newest_at is not None else None
        beside = {
            "host": self.host,
            "newest_at": newest,
            "after_anchor": self.after_anchor,
            "behind": self.behind,
            "is_missing": self.is_missing,
        }
        return self.report.to_dict() | beside


@dataclass(frozen=True, slots=True)
class Fleet:
    """The logs below a folder, the worst first, and notes that are of no single log."""

    logs: tuple[HostLog, ...]
    notes: tuple[Note, ...]

    @property
    def exit_code(self) -> int:
        """That of the worst: 1 outweighs 2, that 3, and that 0; 2 where there is no log at all."""
        if not self.logs:
            return EXIT_CODES["cannot verify"]
        return self.logs[0].report.exit_code


def verify_all(
    directory: PathText,
    *,
    key: KeySources | KeyRing = None,
    public_key: PublicKeySources = None,
    anchors: AnchorPlaces = (),
    max_age: timedelta | None = None,
    lag: timedelta | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int = 1,
) -> Fleet:
    """Return what can be said of every log in *directory* and below: folders of segments, and stores.

    Arguments are those of `verify`. *anchors* are those of all logs; one whose log is not there is a finding,
    unless something could not be read in which the log may be. Copies of checkpoints that stand in any of
    the logs are refused, and folders of anchors are not searched for logs. Of several copies of one log, the
    shorter ones are held against the anchors that they reach to. An anchor that was kept within *lag* before
    *now* may be of lines that have not arrived yet. Raises `ConfigError` for mistakes in the
    arguments, `MissingExtraError` for a *public_key* without `sign`.
    """
    check_jobs(jobs)
    root = _folder(directory)
    oldest, arrived = oldest_allowed(max_age, now), oldest_allowed(lag, now, name="lag")
    ring, signers = open_ring(key), open_signers(public_key)
    anchors = [anchors] if isinstance(anchors, (str, os.PathLike, Anchor)) else list(anchors)
    places = find_logs(root, leave_out=_real_paths(anchors))
    observations = Observations()
    _note_links(places.not_followed, observations)
    kept = gather_anchors(anchors, refuse=None, observations=observations)
    kept = _kept_outside(places.logs, kept, observations)
    if signers:
        kept = signers.only_signed(kept, observations)
    by_log = _by_log(kept, observations)
    copies: list[Copy] = []
    newest: list[datetime | None] = []
    is_all_read = not places.unreadable
    done = 0
    for target in places.logs:
        looked = look(target)
        is_all_read = is_all_read and looked.is_readable
        asked = Asked(ring, signers, by_log.get(looked.log or "", ()), Pin(), oldest)
        again = partial(verify_target, target, progress=_behind(progress, done), jobs=jobs)
        copy = Copy(target, asked, again, again(asked, Observations()))
        if arrived is not None:
            let_lag(copy, arrived)
        copies.append(copy)
        newest.append(newest_line_at(target, looked.log) if looked.log is not None else None)
        done += copy.report.lines
    judge_copies(copies)
    logs = [HostLog(copy.report, at, copy.behind) for copy, at in zip(copies, newest, strict=True)]
    logs += [
        HostLog(nothing_there(str(path), Observations(), why)) for path, why in places.unreadable.items()
    ]
    seen = {one.report.log for one in logs}
    for log, own in by_log.items():
        largest = max(own, key=attrgetter("size"))
        if log in seen or not largest.size:
            continue
        if arrived is not None and all(is_since(anchor, arrived) for anchor in own):
            said = f"the log {log} is not there: its checkpoints are of late, and it may be on its way"
            observations.note(Place().note("lag", said))
            continue
        origin = next((anchor.origin for anchor in own if anchor.origin is not None), None)
        missing = _missing(root, log, largest, origin=origin, is_certain=is_all_read)
        by_size = sorted(own, key=attrgetter("size"), reverse=True)
        host = next((anchor.host for anchor in by_size if anchor.host is not None), None)
        logs.append(HostLog(missing, is_missing=True, kept_for=host))
    logs.sort(key=lambda one: (GRAVITY.index(one.report.verdict), one.host or "", one.report.path))
    return Fleet(tuple(logs), tuple(observations.notes))


def _folder(directory: PathText) -> Path:
    try:
        place = Path(os.path.abspath(os.path.expanduser(os.fspath(directory))))
    except TypeError:
        raise ConfigError("directory is a folder with the logs of many hosts below it") from None
    if not os.fspath(directory) or not place.is_dir():
        raise ConfigError(f"there is no folder {place}; give the one that the logs are below")
    return place


def _note_links(links: Sequence[Path], observations: Observations) -> None:
    """Say which *links* in folders of logs were not followed."""
    if links:
        count = "1 link" if len(links) == 1 else f"{len(links):,} links, the first of them"
        why = (
            "whoever writes a log could lead the search anywhere; link to it from outside of the log's folder"
        )
        observations.note(Place().note("link", f"not followed: {count} {links[0]} in a log's folder: {why}"))


def _real_paths(anchors: Iterable[Anchor | PathText]) -> set[str]:
    return {
        os.path.realpath(os.path.expanduser(os.fspath(place)))
        for place in anchors
        if not isinstance(place, Anchor)
    }


def _kept_outside(
    logs: Iterable[Target], anchors: Iterable[Anchor], observations: Observations
) -> list[Anchor]:
    """Return those of *anchors* that do not stand in any of the *logs*; the files of the others are noted."""
    real = {os.path.realpath(log.refuse) for log in logs if log.refuse is not None}
    inside: dict[str, bool] = {}
    kept = []
    for anchor in anchors:
        file = anchor.where if os.path.exists(anchor.where) else _LINE_NUMBER.sub("", anchor.where)
        if file not in inside:
            path = Path(os.path.realpath(file))
            inside[file] = not real.isdisjoint({str(path), *map(str, path.parents)})
            if inside[file]:
                why = "whoever can change the log can change it too; keep anchors elsewhere"
                said = f"{file} stands in a log's own folder or file: {why}"
                observations.note(Place().note("anchor-refused", said))
        if not inside[file]:
            kept.append(anchor)
    return kept


def _by_log(anchors: Iterable[Anchor], observations: Observations) -> Mapping[str, Sequence[Anchor]]:
    """Return the anchors of each log by what its lines bear; those of logs of another kind are noted."""
    ordered = sorted(anchors, key=lambda anchor: anchor.log_name or "")
    found = {log or "": list(own) for log, own in groupby(ordered, key=attrgetter("log_name"))}
    for log in [log for log in found if not _LOG.fullmatch(log)]:
        others = found.pop(log)
        said = f"{len(others):,} checkpoints are of no log of this kind, such as that in {others[0].where}"
        observations.note(Place().note("anchor-other", said))
    return found


def _behind(progress: Callable[[int], None] | None, done: int) -> Callable[[int], None] | None:
    """Return what adds the lines that were *done* before to what *progress* is told."""
    return None if progress is None else lambda count: progress(done + count)


def _missing(
    root: Path, log: str, anchor: Anchor, *, origin: str | None, is_certain: bool
) -> VerificationReport:
    """Return the report on a log that *anchor* proves and that is not below *root*."""
    message = (
        f"the log {log} is not there: the checkpoint kept in {anchor.where} covers {anchor.size:,} of it"
    )
    if not is_certain:
        reason = f"{message}, and not all could be read in which it may be"
        return VerificationReport(
            path=str(root), verdict="cannot verify", reasons=(reason,), log=log, origin=origin
        )
    finding = Place().finding("missing-log", message, expected=anchor.size, found=0)
    return VerificationReport(
        path=str(root),
        verdict="tampered",
        findings=(finding,),
        finding_count=1,
        log=log,
        origin=origin,
    )
