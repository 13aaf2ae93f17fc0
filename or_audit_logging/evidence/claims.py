"""What control lines state, held against what the walk knows.

    claims.enter(source)                     the segment whose lines come now
    claims.check(line, position)             a control line that follows; may change the key in force

A control line that the chain accepts may still state something untrue, without the key above all: then its
statements about the tree, the segment and the torn bytes are all there is to check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.breaks import Torn
from or_audit_logging.evidence.identity import Identity
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import Finding, Note, Observations
from or_audit_logging.evidence.sources import Source
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.checkpoint import ORIGIN, decode_root, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.sealing.merkle import Frontier

CLOCK_STEP = timedelta(seconds=60)
"""A clock that went back by more than this is noted."""

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_HEX = re.compile(r"[0-9a-f]*")

Members = dict[str, object]


class Claims:
    """Checks control lines one after the other, and remembers what later ones refer to."""

    def __init__(self, identity: Identity, keys: Sequence[LogKeys], observations: Observations) -> None:
        """*keys* are those of every secret at hand, for this log; none where lines are not to be checked."""
        self.keys = tuple(keys)
        self.control_lines = 0
        self.records_lost = 0
        self.unstopped = 0
        self.trees_held = 0
        self.recovered: dict[str, tuple[object, object]] = {}
        """Of files that hold no line: length and SHA-256 as their log.recover states them."""
        self._identity = identity
        self._observations = observations
        self._kcv: object = identity.kcv
        self._vkey: object = identity.vkey
        self._running: set[object] = set()
        self._clock: datetime | None = None
        self._source: Source | None = None
        self._previous: str | None = None
        self._before_segment = -1
        self._line = 0
        self._seq = 0

    def enter(self, source: Source, position: Position) -> None:
        """The lines of *source* come now."""
        self._previous = self._source.name if self._source is not None else None
        self._source = source
        self._before_segment = position.seq - 1

    def check(
        self,
        line: SealedLine,
        position: Position,
        *,
        number: int,
        first: bool,
        torn: Torn | None = None,
        excused: bool = False,
    ) -> None:
        """Check the statements of *line*, the *number*-th of its segment, before it enters the tree.

        *torn* are the bytes before it that are no line. *excused*: the line before it is known to be
        wrong, so that what this one says of it cannot hold.
        """
        self._line, self._seq = number, line.seq
        self.control_lines += 1
        try:
            members = parse_control(line.raw)
            self._check_clock(members["timestamp"])
        except FormatError as error:
            self._find("control", str(error))
            return
        event = str(members["event_type"])
        if first != (event in ("log.genesis", "log.open")) or first and (event == "log.genesis") != (line.seq == 0):
            self._find("segment-start", f"{event} does not belong here: {_START_RULE}", found=event)
        elif first:
            self._check_start(members, position, excused=excused)
        elif event == "log.checkpoint":
            self._check_checkpoint(members, position)
        elif event == "log.recover":
            self._check_recover(members, torn)
        elif event == "log.rotate":
            self._rotate(members, position)
        else:
            self._count(event, members)

    def missing_start(self, number: int, seq: int) -> None:
        """Say that a segment's first line is a user's."""
        self._line, self._seq = number, seq
        self._find("segment-start", f"the segment starts with a record: {_START_RULE}")

    def explains(self, line: SealedLine, torn: Torn | None) -> bool:
        """Return whether *line* is a log.recover that describes the bytes *torn* before it exactly."""
        if torn is None or not line.is_control or self._source is None:
            return False
        try:
            members = parse_control(line.raw)
        except FormatError:
            return False
        return members["event_type"] == "log.recover" and (
            members["segment"],
            members["after_seq"],
            members["length"],
            members["sha256"],
        ) == (self._source.name, line.seq - 1, *torn.description)

    def restart(self, line: SealedLine, position: Position, log: str) -> Position | None:
        """Return the position that an open line states, to go on behind a gap; None where nothing backs it.

        With keys its MAC has to hold behind the base_leaf that it states.
        """
        try:
            members = parse_control(line.raw)
            if members["event_type"] != "log.open" or line.log != log:
                return None
            base, frontier = _hex(members["base_leaf"], 64), members["frontier"]
            tree = Frontier.from_hex(line.seq, frontier) if isinstance(frontier, list) else None
        except FormatError:
            return None
        start = Position(line.seq, base, tree, line.kid, None, "adopted")
        start.keys = next((keys for keys in self.keys if start.seals(line, keys)), None)
        if start.keys is None and position.keys is not None:
            return None
        self._kcv, self._vkey, self._previous = members["kcv"], members["vkey"], None
        return start

    def finish(self) -> None:
        """Count the processes that never said that they stopped."""
        self.unstopped += len(self._running)
        if self.unstopped:
            self._observations.note(
                [Note(None, None, "no-stop", f"{self.unstopped} log.start without log.stop: ended by force, or running")]
            )

    def _check_start(self, members: Members, position: Position, *, excused: bool) -> None:
        identity, source = self._identity, self._source
        assert source is not None
        if members["segment"] != source.name:
            self._differs("segment-name", "the segment was sealed under another name", source.name, members["segment"])
        if members["day"] != source.segment.day.isoformat() and members["segment"] == source.name:
            self._differs("segment-name", "the segment was sealed for another day", source.place[0], members["day"])
        log_id = identity.log_id.hex() if identity.log_id is not None else None
        if members["log_id"] != log_id or identity.log != str(members["log_id"])[:16]:
            self._differs("log-id", "the segment states another log id", log_id or identity.log, members["log_id"])
        if members["origin"] != identity.origin or not _is_origin(members["origin"], identity.log):
            self._differs("origin", "the segment states another origin", identity.origin, members["origin"])
        if members["format"] != identity.format:
            self._differs("format", "the segment states another format", str(identity.format), members["format"])
        if (members["kcv"], members["vkey"]) != (self._kcv, self._vkey):
            self._differs("kcv", "the segment states other keys than the lines before it", self._kcv, members["kcv"])
        if members["event_type"] == "log.open":
            self._check_open(members, position, excused=excused)

    def _check_open(self, members: Members, position: Position, *, excused: bool) -> None:
        prev = position.prev.hex() if position.prev is not None else None
        if members["base_leaf"] != prev and not excused:
            self._differs("base-leaf", "the last line of the segment before is another", members["base_leaf"], prev)
        if members["prev_segment"] != self._previous and self._previous is not None and not excused:
            self._differs("prev-segment", "another segment stood before", members["prev_segment"], self._previous)
        if members["frontier"] is None:
            self._note("no-tree", "no tree is stated: the writer had met lines that do not chain")
        else:
            self._check_tree(members, position, kind="frontier")

    def _check_checkpoint(self, members: Members, position: Position) -> None:
        size = members["size"]
        if type(size) is not int or size != self._seq:
            self._differs("checkpoint-size", "a checkpoint covers the lines before it", self._seq, size)
            return
        root = members["root"]
        self._check_tree(members, position, kind="checkpoint-root", root=root)
        if members["note"] is None:
            return
        try:
            note = parse_note(str(members["note"]))
            if (note.origin, note.head.size, note.head.root) != (self._identity.origin, size, decode_root(root)):
                raise FormatError("the note in it states another checkpoint")
        except FormatError as error:
            self._find("checkpoint-note", f"a checkpoint that contradicts itself: {error}")

    def _check_tree(self, members: Members, position: Position, *, kind: str, root: object = None) -> None:
        """Hold the tree that a line states against the walk's own, and take it up where they differ."""
        frontier = members["frontier"]
        try:
            stated = Frontier.from_hex(self._seq, frontier if isinstance(frontier, list) else [None])
            if root is not None and stated.root() != decode_root(root):
                raise FormatError("its root and its frontier are of different trees")
        except FormatError as error:
            self._find(kind, f"a line that contradicts itself: {error}")
            return
        own = position.tree
        if own is not None and own.subtrees == stated.subtrees:
            self.trees_held += position.tree_is != "adopted" or own.size == stated.size
            return
        if own is not None and position.tree_is != "off":
            message = "the lines before it are not those that it was made of"
            self._differs(kind, message, stated.root().hex(), own.root().hex())
        position.adopt(stated)

    def _check_recover(self, members: Members, torn: Torn | None) -> None:
        assert self._source is not None
        name, after, length = members["segment"], members["after_seq"], members["length"]
        if name != self._source.name:
            before = self._before_segment if self._before_segment >= 0 else None
            if not isinstance(name, str) or after != before:
                self._find("recover", "a log.recover that describes no place where a crash can have left bytes")
            else:
                self.recovered[name] = (length, members["sha256"])
        elif torn is not None and (after, length, members["sha256"]) == (self._seq - 1, *torn.description):
            self._note("recovered", f"{torn.description[0]} bytes before it were cut by a crash; it describes them")
        else:
            found = torn.description[0] if torn is not None else 0
            self._differs("recover", "the bytes that it describes are not there", str(length), found)

    def _rotate(self, members: Members, position: Position) -> None:
        position.kid += 1
        if members["next_vkey"] is not None:
            self._vkey = members["next_vkey"]
        if members["next_kcv"] is None:
            return
        self._kcv = members["next_kcv"]
        position.keys = next((keys for keys in self.keys if keys.kcv == self._kcv), None)
        if position.keys is None and self.keys:
            self._note("key-missing", f"no key given has the check value {_short(self._kcv)} that is in force now")

    def _count(self, event: str, members: Members) -> None:
        if event == "log.start":
            self.unstopped += members["pid"] in self._running if _is_plain(members["pid"]) else 0
            self._running.add(_short(members["pid"]))
        elif event == "log.stop":
            self._running.discard(_short(members["pid"]))
        elif event == "log.lost":
            count, reason = members["count"], members["reason"]
            if type(count) is int and count > 0 and reason != "chain":
                self.records_lost += count
            self._note("lost", f"{_short(count)} records are lost or in doubt, reason {_short(reason)}")

    def _check_clock(self, text: object) -> None:
        try:
            if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
                raise ValueError
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise FormatError("a control line without a timestamp of the form that the log uses") from None
        if self._clock is not None and self._clock - moment > CLOCK_STEP:
            back = (self._clock - moment).total_seconds()
            self._note("clock", f"the clock stepped back by {back:,.0f} s")
        self._clock = moment

    def _find(self, kind: str, message: str, *, expected: str | int | None = None, found: str | int | None = None) -> None:
        name = self._source.name if self._source is not None else None
        self._observations.find([Finding(name, self._line, self._seq, kind, message, expected, found)])

    def _differs(self, kind: str, message: str, expected: object, found: object) -> None:
        self._find(kind, message, expected=_short(expected), found=_short(found))

    def _note(self, kind: str, message: str) -> None:
        name = self._source.name if self._source is not None else None
        self._observations.note([Note(name, self._line, kind, message)])


_START_RULE = "a log starts with log.genesis, each later segment with log.open"


def _is_origin(text: object, log: str) -> bool:
    return isinstance(text, str) and bool(ORIGIN.fullmatch(text)) and text.endswith(f"/{log}")


def _hex(text: object, length: int) -> bytes:
    if not isinstance(text, str) or len(text) != length or not _HEX.fullmatch(text):
        raise FormatError(f"{length} hex digits are expected")
    return bytes.fromhex(text)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int))


def _short(value: object) -> str | int | None:
    """Return *value* as something to print beside another; long texts are cut."""
    if value is None or type(value) is int and abs(value) < 1 << 64:
        return value
    text = value if isinstance(value, str) else f"[{type(value).__name__}]"
    return text if len(text) <= 200 else f"{text[:200]}..."
