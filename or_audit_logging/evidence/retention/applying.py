"""`apply`: does what was planned. The only place that touches a log's files.

    apply(plan(segments_of("audit_logs"), policy, today), reason="schedule")

First everything is held against the log as it is now: its chain, its holds, what it has promised. Then the
certificate is written, with a checkpoint, on disk and handed over, and only then files go, the oldest first,
each durably before the next. Wherever it is interrupted, the log verifies, and the next run goes on.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from or_audit_logging.errors import LegalHoldError, RetentionError
from or_audit_logging.evidence.deletions import Row, continued
from or_audit_logging.evidence.retention.history import History
from or_audit_logging.evidence.retention.opened import OpenedLog, actor_of, opened, text_of
from or_audit_logging.evidence.retention.planning import Action, Archive, Delete, SegmentState
from or_audit_logging.evidence.retention.rewriting import remove_unfinished
from or_audit_logging.keys import KeySources
from or_audit_logging.log.folder import OPEN_FLAGS, described_files, give_to_owner_of, sync_folder
from or_audit_logging.log.segments import ARCHIVE, LogLayout, Segment
from or_audit_logging.log.sources import survey
from or_audit_logging.log.streams import LineStream, same_bytes
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.keeping import Hold, minimum_days
from or_audit_logging.sealing.line import CONTROL_START

_UNFINISHED = ".unfinished.gz"
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Applied:
    """The names of what was archived and deleted."""

    archived: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def apply(
    actions: Sequence[Action],
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    actor: str | None = None,
    reason: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Applied:
    """Do what *actions*, all on one log, ask for, and return what was done.

    *key*, *signing_key*: the log's own. *actor* (the login name) and *reason* go into the log as they are
    given. *progress* is called with the number of lines that were verified so far.

    Raises `LegalHoldError` where a hold covers what is to be deleted, `RetentionError` where the log does not
    verify, is not the one that was planned for, or promised to keep it: in all these cases nothing is
    touched. Raises `OSError` or `AuditWriteError` where a file or the log cannot be written.
    """
    actor, reason = actor_of(actor), text_of(reason, "reason")
    todo = [action for action in actions if isinstance(action, (Archive, Delete))]
    folders = {segment.folder for action in todo for segment in _segments_of(action)}
    if not folders:
        return Applied()
    if len(folders) > 1:
        raise RetentionError("the actions are on several logs; apply those of one at a time")
    with opened(folders.pop(), key=key, signing_key=signing_key, progress=progress) as log:
        return carry_out(todo, log, actor=actor, reason=reason)


def carry_out(
    actions: Iterable[Action],
    log: OpenedLog,
    *,
    actor: str | None,
    reason: str | None,
    policy: Mapping[str, Any] | None = None,
) -> Applied:
    """Do what *actions* ask for with a log that was verified; raises as `apply` does.

    *policy* is sealed first, once it is clear that all can be done.
    """
    deletes = [action for action in actions if isinstance(action, Delete)]
    archives = [action for action in actions if isinstance(action, Archive)]
    minimum = max(log.history.minimum, minimum_days(policy))
    for delete in deletes:
        _check_delete(delete, log, minimum)
    for archive in archives:
        _check_present(archive.segment, log)
    if len(deletes) > 1 or {a.segment.name for a in archives} & {
        segment.name for delete in deletes for segment in delete.segments
    }:
        raise RetentionError("the actions contradict each other; plan them anew")
    if archives:
        _check_archive_folder(log.layout)
    if policy is not None:
        stated = {"name": policy["name"], "policy": policy, "actor": actor, "reason": reason}
        log.act(("log.policy", stated))
    deleted = [
        name for delete in deletes for name in _delete(delete, log, minimum, actor=actor, reason=reason)
    ]
    _remove_unfinished(log.layout)
    remove_unfinished(log.layout)
    for archive in archives:
        _archive(archive.segment, log.layout)
    return Applied(tuple(archive.segment.name for archive in archives), tuple(deleted))


def _segments_of(action: Action) -> tuple[SegmentState, ...]:
    return (action.segment,) if isinstance(action, Archive) else action.segments


# What has to be so before anything is touched.


def _check_present(segment: SegmentState, log: OpenedLog) -> None:
    if segment not in log.segments[:-1]:
        raise RetentionError(f"{segment.name} is not what it was when this was planned; plan anew")
    for path in _paths(segment, log.layout):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise RetentionError(f"{path} is not a regular file; a log's files are")


def _check_archive_folder(layout: LogLayout) -> None:
    folder = layout.folder / ARCHIVE
    if os.path.lexists(folder) and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise RetentionError(f"{folder} is no folder in which files can be made; nothing was touched")


def _check_delete(delete: Delete, log: OpenedLog, minimum: int) -> None:
    count = len(delete.segments)
    if not count or (*delete.segments, delete.base) != log.segments[: count + 1]:
        raise RetentionError(
            "only the oldest segments of a log can go, and never the open one; "
            "this is not what was planned for: plan anew"
        )
    for segment in delete.segments:
        _check_present(segment, log)
        if held := segment.held_by(log.history.holds):
            names = ", ".join(hold.name for hold in held)
            raise LegalHoldError(f"{segment.name} is under legal hold ({names}); nothing was touched")
    if delete.base.opened > delete.cut_off:
        raise RetentionError(f"{delete.base.name} was begun after the cut-off, {delete.cut_off}; plan anew")
    _check_age(delete, minimum, datetime.now(UTC))
    if delete.base.root is None:
        raise RetentionError(f"{delete.base.name} states no tree, so the log cannot begin with it")


def _check_age(delete: Delete, minimum: int, now: datetime) -> None:
    age = (now.date() - delete.base.opened).days
    if age < minimum:
        raise RetentionError(
            f"the log promises to keep its lines for {minimum} days, and the first that would be "
            f"left is {age} days old; nothing was deleted"
        )


# Deletion.


def _delete(
    delete: Delete, log: OpenedLog, minimum: int, *, actor: str | None, reason: str | None
) -> list[str]:
    """Certify and remove; return the names of what went. What was certified before is only removed."""
    if delete.base.first_seq > _certified(log.history):
        log.act(
            *(_renewal(hold) for hold in log.history.holds if hold.seq < delete.base.first_seq),
            (
                "log.delete",
                {
                    "base": delete.base.first_seq,
                    "base_leaf": delete.base.base_leaf,
                    "root": delete.base.root,
                    "past": _past(delete, log.history, actor),
                    "actor": actor,
                    "reason": reason,
                },
            ),
            check=lambda now: _check_age(delete, minimum, now),  # the clock may have been set back meanwhile
        )
    for segment in delete.segments:
        for path in _paths(segment, log.layout):
            _remove(path)
    gone = [segment.name for segment in delete.segments]
    return gone + _remove_fragments(log.layout)


def _certified(history: History) -> int:
    base = history.deletion.members["base"] if history.deletion is not None else 0
    return base if type(base) is int else 0


def _renewal(hold: Hold) -> tuple[str, dict[str, object]]:
    """Return the hold said again, since the line that says it goes."""
    return "log.hold", {
        "name": hold.name,
        "from": hold.since.isoformat() if hold.since is not None else None,
        "until": hold.until.isoformat() if hold.until is not None else None,
        "renews": hold.seq,
        "actor": hold.actor,
        "reason": hold.reason,
    }


def _past(delete: Delete, history: History, actor: str | None) -> list[Row]:
    """Return the rows of all deletions so far, this one included."""
    certified = _certified(history)
    days = [segment.day for segment in delete.segments if segment.first_seq >= certified]
    row = {
        "days": [min(days).isoformat(), max(days).isoformat()],
        "seqs": [certified, delete.base.first_seq - 1],
        "policy": delete.policy,
        "cut_off": delete.cut_off.isoformat(),
        "actor": actor,
        "time": utc_timestamp(datetime.now(UTC)),
        "runs": 1,
    }
    return continued(history.deletion.members["past"] if history.deletion is not None else [], row)


def _paths(segment: SegmentState, layout: LogLayout) -> list[Path]:
    """Return where *segment* stands: the plain file first, as its name is taken while the other is there."""
    paths = [layout.folder / segment.name] if segment.is_plain else []
    return [*paths, layout.archive_for(segment.name)] if segment.is_archived else paths


def _remove(path: Path) -> None:
    """Remove *path*, durably: after a power failure no later file may be gone while it is there."""
    with suppress(FileNotFoundError):
        path.unlink()
    sync_folder(path.parent)


def _remove_fragments(layout: LogLayout) -> list[str]:
    """Remove first lines that a crash had cut, where no line that is left describes them."""
    found = survey(layout)
    oldest = min((source.place for source in found.sources if source.kind == "lines"), default=None)
    cut = [
        source.segment
        for source in found.sources
        if source.kind == "fragment" and oldest is not None and source.place < oldest
        if not source.segment.archived and _is_cut_first_line(source.segment)
    ]
    if not cut or found.locked is False:  # without the lock one of them may be a line that is being written
        return []
    described = described_files(layout)
    gone = [segment for segment in cut if segment.name not in described]
    for segment in gone:
        _remove(segment.path)
    return [segment.name for segment in gone]


def _is_cut_first_line(segment: Segment) -> bool:
    with segment.open() as file:
        start = file.read(len(CONTROL_START))
    return bool(start) and CONTROL_START.startswith(start)


# The archive.


def _archive(segment: SegmentState, layout: LogLayout) -> None:
    """Compress *segment*, and remove the plain file once the archive is known to hold the same bytes."""
    plain = Segment(layout.folder / segment.name, segment.name, segment.day, 0)
    target = layout.archive_for(segment.name)
    if not segment.is_archived:
        _make_archive_folder(layout)
        unfinished = target.with_name(f".{segment.name}{_UNFINISHED}")
        try:
            _compress(plain, unfinished)
            _compare(plain, Segment(unfinished, segment.name, segment.day, 0))
            os.replace(unfinished, target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        sync_folder(target.parent)
    else:
        _compare(plain, Segment(target, segment.name, segment.day, 0))
    _remove(plain.path)


def _compress(plain: Segment, unfinished: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS
    with open(os.open(unfinished, flags, 0o600), "wb") as out:
        give_to_owner_of(plain.path.parent, out.fileno())
        with plain.open() as file, gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed:
            shutil.copyfileobj(file, packed, _BLOCK)
        out.flush()
        os.fsync(out.fileno())


def _compare(plain: Segment, archive: Segment) -> None:
    size = plain.path.stat().st_size
    with LineStream(plain, size) as one, LineStream(archive, size) as other:
        if not same_bytes(one, other) or other.problem is not None:
            raise RetentionError(
                f"{plain.name} and its archive differ; both are left as they are: run 'or-audit verify'"
            )


def _make_archive_folder(layout: LogLayout) -> None:
    folder = layout.folder / ARCHIVE
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        if os.name == "posix":
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                give_to_owner_of(layout.folder, descriptor)
            finally:
                os.close(descriptor)
        sync_folder(layout.folder)


def _remove_unfinished(layout: LogLayout) -> None:
    """Remove what an interrupted run left in the archive."""
    for path in (layout.folder / ARCHIVE).glob(f".{layout.stem}_*{layout.suffix}{_UNFINISHED}"):
        path.unlink()
