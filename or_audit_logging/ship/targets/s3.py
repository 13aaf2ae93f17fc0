"""Target `s3:BUCKET/PREFIX`: closed segments and checkpoints as objects, locked if asked for (extra `aws`).

    PUT llm/dt=2026-11-21/host=h1/audit_2026-11-21.jsonl.gz       If-None-Match: *, x-amz-checksum-sha256

Lines alone are nothing to do. A checkpoint goes out when it passes (of those of one segment in a batch the
newest, which covers the others): so anchors leave the machine in time. A log.open line says that the segment
before it is closed: it counts as delivered once that segment is stored. So the cursor never passes a segment
that is not, except where it never will be: its lines do not follow one another, it was deleted, or lines in
it were redacted since an object with them was stored. Then the log.open line is a dead letter, which says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from or_audit_logging.errors import DeliveryError, FormatError
from or_audit_logging.keys import KeyRing, is_key_named
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.record import moment
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import days_before, hold_of, minimum_days
from or_audit_logging.sealing.line import CONTROL_START, MAX_LINE_BYTES, SealedLine, line_start
from or_audit_logging.ship.aws import open_session
from or_audit_logging.ship.beginning import NotBegunError
from or_audit_logging.ship.continuity import parsed
from or_audit_logging.ship.s3.address import CHECKPOINTS, day_of, host_of, parse_address
from or_audit_logging.ship.s3.bucket import Bucket
from or_audit_logging.ship.s3.holding import hold_stored, release_stored
from or_audit_logging.ship.s3.locking import Lock, lock_for
from or_audit_logging.ship.s3.packing import pack
from or_audit_logging.ship.s3.seals import Doubt, Seals
from or_audit_logging.ship.s3.storing import LOG, Content, store
from or_audit_logging.ship.s3.terms import Terms
from or_audit_logging.ship.target import Answer, Item, Limits, RefusedError, TargetOptions, TryLaterError

if TYPE_CHECKING:
    from datetime import date

_LIMITS = Limits(items=10_000, bytes=16 << 20, item_bytes=8 * MAX_LINE_BYTES)
_OPEN = line_start("log.open")
_CHECKPOINT = line_start("log.checkpoint")


class S3Target:
    """One bucket, or a part of it, for one log; nothing is sent before the first `send`."""

    limits = _LIMITS
    format = "native"

    def __init__(self, bucket: Bucket, layout: LogLayout, ring: KeyRing | None = None) -> None:
        """*ring*: the log's keys, without which no hold is lifted."""
        self.name = bucket.name
        self._bucket = bucket
        self._layout = layout
        self._seals = Seals(layout, ring)
        self._terms = Terms(layout, self._seals)
        self._host: str | None = None
        self._acts: Mapping[str, Callable[[SealedLine, dict[str, Any]], None]] = {
            "log.open": self._store_segment,
            "log.checkpoint": self._store_checkpoint,
            "log.hold": self._hold,
            "log.release": self._release,
        }

    def send(self, items: Sequence[Item], /) -> Answer:
        """Store what *items* say is to be stored, in their order."""
        passed_by = _covered(items)
        refused: dict[int, str] = {}
        for index, item in enumerate(items):
            if item.body != item.line:
                raise DeliveryError(f"{self.name} takes native lines alone: leave --format out")
            if not item.line.startswith(CONTROL_START) or index in passed_by:
                continue
            try:
                self._pass(item.line)
            except RefusedError as error:
                refused[index] = str(error)
            except TryLaterError as error:
                if not index:
                    raise
                return Answer(refused, again=range(index, len(items)), retry_after=error.retry_after)
        return Answer(refused)

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _pass(self, raw: bytes) -> None:
        line = parsed(raw)
        if not isinstance(line, SealedLine):
            raise RefusedError("a control line that is not sealed")
        try:
            members = parse_control(raw)
            act = self._acts.get(str(members["event_type"]), _nothing)
            try:
                act(line, members)
            except RefusedError:
                self._terms.take(line, members)
                raise
            self._terms.take(line, members)
        except FormatError as error:
            raise RefusedError(f"{error}; run or-audit verify") from None

    @property
    def _mode(self) -> Any:
        return self._bucket.address.mode

    def _store_segment(self, line: SealedLine, members: dict[str, Any]) -> None:
        """Store the segment that ends where *line* opens the next."""
        self._host = host_of(str(members["origin"]))
        name = str(members["prev_segment"])
        segment = next((file for file in self._layout.files() if file.name == name), None)
        if segment is None:
            self._miss(name, line)
            return
        with pack(segment, line) as packed:
            key = self._bucket.address.segment_key(packed.day, self._host, name)
            lock = None
            if self._mode is not None:
                is_held = any(hold.covers(*packed.days) for hold in self._terms.holds(line.seq))
                promised = max(packed.minimum, minimum_days(members["policy"]))
                if self._bucket.address.days is None:
                    self._terms.check(packed.first)
                    self._terms.check(line)
                days = self._days(lambda: promised or self._terms.newest_days())
                lock = self._lock(packed.days[1], days, is_held=is_held)
            store(self._bucket, key, packed.content, lock)

    def _miss(self, name: str, line: SealedLine) -> None:
        """Return where the segment called *name*, which is not there, need not be stored any more.

        It is in the bucket, or nothing of it ever was to be: it was deleted before shipping began.
        """
        day, address = day_of(name), self._bucket.address
        if day is not None:
            found = self._bucket.look(address.segment_key(day, self._host_name(), name))
            if found is not None and found.metadata.get(LOG) == line.log:
                return
            if not any(self._has_checkpoint(one, line) for one in _days_around(day)):
                return
        raise RefusedError(f"{name} was deleted before it could be stored")

    def _has_checkpoint(self, day: date, line: SealedLine) -> bool:
        """Return whether a checkpoint of the log that was made on *day*, before *line*, is in the bucket."""
        address = self._bucket.address
        begins = f"{address.folder(day, self._host_name())}{CHECKPOINTS}{line.log}-"
        smallest = next(self._bucket.keys(begins, most=1), None)
        found = address.checkpoint_at(smallest.key) if smallest is not None else None
        return found is not None and found[1] < line.seq

    def _store_checkpoint(self, line: SealedLine, members: dict[str, Any]) -> None:
        made = moment(members["timestamp"])
        if made is None or type(members["size"]) is not int:
            raise RefusedError("a checkpoint without a time or a size")
        key = self._bucket.address.checkpoint_key(
            made.date(), self._host_name(), log=line.log, size=members["size"]
        )
        lock = None
        if self._mode is not None:
            lock = self._lock(_next(made.date()), self._days(lambda: self._terms.days(line.seq)))
        store(self._bucket, key, Content.of(line.raw + b"\n", {LOG: line.log}, may_differ=True), lock)

    def _hold(self, line: SealedLine, members: dict[str, Any]) -> None:
        if self._mode is not None and members["renews"] is None:  # what is said again is held already
            hold_stored(self._bucket, hold_of(line.seq, members), host=self._host_name(), log=line.log)

    def _release(self, line: SealedLine, members: dict[str, Any]) -> None:
        if self._mode is None:
            return
        hold, doubt = hold_of(line.seq, members), self._seals.doubt(line)
        if doubt is not None:
            raise RefusedError(_not_lifted(hold.name, doubt))
        others = self._terms.newest_holds()  # lines may pass again, and later ones hold what this released
        release_stored(self._bucket, hold, others, host=self._host_name(), log=line.log)

    def _lock(self, youngest: date, days: int, *, is_held: bool = False) -> Lock:
        """Return the lock for lines that were written on *youngest* at the latest."""
        return lock_for(self._mode, since=youngest, days=days, now=datetime.now(UTC), is_held=is_held)

    def _days(self, promised: Callable[[], int]) -> int:
        """Return for how many days to lock: what the address says, else what is *promised*."""
        days = self._bucket.address.days or promised()
        if not days:
            raise DeliveryError(
                f"{self.name}: for how many days is it to be locked? The log states no policy: seal one with "
                "or-audit retain --policy, or say it here, ?lock=...&days=N"
            )
        return days

    def _host_name(self) -> str:
        """Return the host that the log's first lines state."""
        if self._host is None:
            try:
                lines = (file.first_line() for _, file in self._layout.segments())
                first = next((line for line in lines if line is not None), None)
            except OSError as error:
                raise TryLaterError(f"the log's folder cannot be read: {error.strerror}") from None
            if first is None:
                raise TryLaterError("there is no line in the log's folder")
            try:
                self._host = host_of(str(parse_control(first.raw)["origin"]))
            except (FormatError, KeyError):
                raise RefusedError("the log's first line does not say of which host it is") from None
        return self._host


def _covered(items: Sequence[Item]) -> frozenset[int]:
    """Return the checkpoints among *items*, by index, that another one of the same segment covers."""
    covered: list[int] = []
    last: int | None = None
    for index, item in enumerate(items):
        if item.line.startswith(_CHECKPOINT):
            covered += [last] if last is not None else []
            last = index
        elif item.line.startswith(_OPEN):
            last = None
    return frozenset(covered)


def _not_lifted(name: str, doubt: Doubt) -> str:
    """Return why the hold called *name* stays, and what is to be done."""
    stays = f"the hold {name!r} stays on what is stored"
    if doubt == "not sealed":
        return (
            f"{stays}: its release is not as the log's key seals one, so somebody else has written it, or "
            "changed it; run or-audit verify"
        )
    give = "give the key" if doubt == "no key" else "none of the keys given is the log's, so give that"
    return (
        f"{stays}: {give} (--key, OR_AUDIT_KEY or OR_AUDIT_KEY_FILE) and ship once more with another "
        "--state, or this letter with --again; or lift it by hand"
    )


def _days_around(day: date) -> list[date]:
    """Return the days on which lines of the segment of *day* may have been written, that one first."""
    first = days_before(day)
    others = [first + timedelta(days=number) for number in range((_next(day) - first).days + 1)]
    return [day, *(one for one in others if one != day)]


def _next(day: date) -> date:
    """Return the day after *day*, on which the lines around a checkpoint may still be written."""
    return day + timedelta(days=1) if day < day.max else day


def _nothing(line: SealedLine, members: dict[str, Any]) -> None:
    """Most control lines are lines like others."""


def open_target(address: str, options: TargetOptions) -> S3Target:
    """Return the target at *address*, BUCKET/PREFIX; raises `ConfigError`, and `MissingExtraError`.

    Without a log to store segments of that is `NotBegunError`, where all else is in order.
    """
    place = parse_address(address)
    uses_key = place.mode is not None and is_key_named(options.key)
    ring = KeyRing.from_sources(options.key) if uses_key else None
    session = open_session("s3")
    layout = LogLayout.discover(options.log_folder) if options.log_folder is not None else None
    if layout is None:
        raise NotBegunError("the target s3 stores the segments of a log's folder: there is none")
    return S3Target(Bucket(place, session, options), layout, ring)
