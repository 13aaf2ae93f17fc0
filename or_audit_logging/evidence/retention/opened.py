"""A log in the hands of somebody who is about to take lines out of it: alone with it, after it was verified.

    with opened("audit_logs", key="file:audit.key") as log:
        log.segments, log.history            -> (SegmentState(...), ...), History(...)
        log.act(("log.delete", {...}))       # beside running writers; on disk on return

Nothing is done to a log that fails. An anchor is no condition: what is missing at its end is not what
retention takes.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from typing import Any

from or_audit_logging.errors import ConfigError, FormatError, RetentionError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.reading import LogReader, layout_of
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.retention.history import History, history_of
from or_audit_logging.evidence.retention.locking import exclusive
from or_audit_logging.evidence.retention.planning import SegmentState
from or_audit_logging.evidence.tally import timestamp_of
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.folder import check_original
from or_audit_logging.log.handing_over import hand_over
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.signing_keys import SigningKeys

_LONGEST_TEXT = 500
_BYTES_EACH = 4
"""Of JSON for each of so many characters; one beyond ASCII takes 6 or 12."""
_LONGEST_ACTOR = 100
"""Short, since a log.delete names the actors of all deletions so far."""


class OpenedLog:
    """A log's segments and what it says of its own keeping, and the way to add to that."""

    def __init__(self, layout: LogLayout, ring: KeyRing, signing: SigningKeys | None) -> None:
        self.layout = layout
        self.segments: tuple[SegmentState, ...] = ()
        self.history = History()
        self.unsigned: str | None = None
        """Whose signature the checkpoints made here lack."""
        self._ring, self._signing = ring, signing
        self._writer: LogWriter | None = None

    def read(self, log: str | None = None) -> None:
        """Take up what stands in the folder: of *log*, the one that was verified, if it was."""
        reader = LogReader(self.layout)
        try:
            self.history = history_of(reader)
            self.segments = segments_of(self.layout, log)
        except FormatError as error:
            raise RetentionError(f"the log in {self.layout.folder} cannot be read: {error}") from None
        for name, trouble in reader.unreadable.items():
            raise RetentionError(f"{name} cannot be read: {trouble}")

    def act(
        self, *acts: tuple[str, Mapping[str, Any]], check: Callable[[datetime], None] | None = None
    ) -> int:
        """Write control lines and a checkpoint, hand that over, and return the seq of the first of them.

        *check* is called with the moment that they will bear, and may raise: then none is written.
        """
        if self._writer is None:
            self._writer = LogWriter(self.layout, self._ring, signing=self._signing)
        first = self._writer.act(*acts, check=check)
        hand_over(self._writer.checkpoints.take())
        self.unsigned = self._writer.leaves_unsigned
        return first

    def close(self) -> None:
        """Close what is open."""
        if self._writer is not None:
            self._writer.stop()


@contextmanager
def opened(
    path: PathText,
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    verified: bool = True,
    alone: bool = True,
    wait: float = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[OpenedLog]:
    """Yield the log in the folder *path*; raises `ConfigError`, and `RetentionError` where it fails.

    *verified*: verify it first. *alone*: hold the lock of those who take lines out, after so many seconds
    of *wait* at most.
    """
    layout = folder_of(path)
    check_original(layout.folder)
    ring, signing = KeyRing.from_sources(key), SigningKeys.from_sources(signing_key)
    with exclusive(layout.folder, wait=wait) if alone else nullcontext():
        log = OpenedLog(layout, ring, signing)
        report = _verified(layout, ring, progress) if verified else None
        log.read(report.log if report is not None else None)
        try:
            yield log
        finally:
            log.close()


def folder_of(path: PathText) -> LogLayout:
    """Return the layout of the log in the folder *path*; raises `ConfigError`, also for a store."""
    target = find_log(path)
    if target.store is not None:
        raise ConfigError(
            f"{path} is a store, and this works on a log's folder; "
            "what goes from the log goes from its copy with the next 'or-audit import'"
        )
    if target.is_export:
        raise ConfigError(f"{path} is a file; give a log's folder")
    return layout_of(path)


def segments_of(path: PathText | LogLayout, log: str | None = None) -> tuple[SegmentState, ...]:
    """Return the segments of the log in a folder, the open one last; raises `ConfigError`, `FormatError`.

    *log* are the 16 hex digits that its lines bear. Nothing is checked.
    """
    layout = path if isinstance(path, LogLayout) else folder_of(path)
    chain = [source for source in survey(layout).sources if source.kind == "lines"]
    if log is not None:
        chain = [source for source in chain if log in source.logs]
    states: list[SegmentState] = []
    later: SegmentState | None = None
    for source in reversed(chain):
        later = _state(layout, source, later)
        states.append(later)
    return tuple(reversed(states))


def text_of(value: str | None, what: str, *, longest: int = _LONGEST_TEXT) -> str | None:
    """Return *value*, an actor or a reason, if it may stand in a line; raises `ConfigError`."""
    given: object = value
    if given is not None and (not isinstance(given, str) or not _fits(given, longest)):
        most = longest * _BYTES_EACH
        raise ConfigError(
            f"{what} is a text of 1 to {longest} characters, and of {most:,} bytes at most as JSON escapes it"
        )
    return value


def _fits(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and len(json.dumps(value)) - 2 <= longest * _BYTES_EACH


def actor_of(actor: str | None) -> str | None:
    """Return *actor*, or else the name that this process is logged in under; raises `ConfigError`."""
    if actor is None:
        try:
            name = getpass.getuser()[:_LONGEST_ACTOR]
            return name if _fits(name, _LONGEST_ACTOR) else name[: _LONGEST_ACTOR // 3]
        except (OSError, KeyError, ImportError):  # a container's user may have no name
            return None
    return text_of(actor, "actor", longest=_LONGEST_ACTOR)


def _verified(layout: LogLayout, ring: KeyRing, progress: Callable[[int], None] | None) -> VerificationReport:
    report = verify(layout.folder, key=ring, progress=progress)
    if report.exit_code in (1, 2):
        said = report.summary().splitlines()
        raise RetentionError(
            f"nothing was touched, since the log does not verify: {' '.join(said[:2])} Run 'or-audit verify'"
        )
    return report


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise FormatError("a segment states a day that is none") from None


def _state(layout: LogLayout, source: Source, later: SegmentState | None) -> SegmentState:
    if source.first is None or source.skipped:
        raise FormatError(f"{source.name} does not start with a line of a log")
    members = parse_control(source.first.raw)
    frontier, leaf = members.get("frontier"), members.get("base_leaf")
    root = None
    if isinstance(frontier, list):
        root = encode_root(Frontier.from_hex(source.first.seq, frontier).root())
    return SegmentState(
        folder=layout.folder,
        name=source.name,
        first_seq=source.first.seq,
        day=_day(members["day"]),
        opened=timestamp_of(members["timestamp"]).astimezone(UTC).date(),
        closed=later.opened if later is not None else None,
        is_plain=not source.segment.archived,
        is_archived=source.segment.archived or source.archive is not None,
        base_leaf=leaf if isinstance(leaf, str) else None,
        root=root,
    )
