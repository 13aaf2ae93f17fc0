"""What control lines state, held against what the walk knows.

    claims.enter(source, position)                     the segment whose lines come now
    claims.check(line, position, place, first=False)   a control line that follows; may change the key

A control line that follows may still state something untrue, above all where no key is at hand: then what
it says of the tree, the segment and the torn bytes is all there is to check.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from or_audit_logging.errors import FormatError, SignatureError
from or_audit_logging.evidence.breaks import Torn
from or_audit_logging.evidence.certificates import Certificates
from or_audit_logging.evidence.identity import Identity
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import Note, Observations, Place, brief
from or_audit_logging.evidence.signers import Signers
from or_audit_logging.evidence.starts import START_RULE, Members, check_link, check_start
from or_audit_logging.evidence.tally import Tally, timestamp_of
from or_audit_logging.log.sources import Source
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.checkpoint import CheckpointNote, decode_root, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.sealing.merkle import Frontier

_VANISHED = ("gone", "shrunk", "rollback")
"""Reasons of a log.lost that no crash brings about: somebody took lines away while a writer was running."""


class Claims:
    """Checks control lines one after the other, and remembers what later ones refer to."""

    def __init__(
        self,
        identity: Identity,
        keys: Sequence[LogKeys],
        observations: Observations,
        *,
        signers: Signers | None = None,
    ) -> None:
        """*keys* are those of every secret at hand, for this log; none where no MAC can be checked.

        *signers* are the public keys at hand.
        """
        self.keys = tuple(keys)
        self.signed = 0
        """So many lines from the log's first are those of a checkpoint in it whose signature holds."""
        self.unknown_signed = 0
        """So many lines are covered by a checkpoint that somebody signed whose public key is not at hand."""
        self.knows_signer = False
        """Whether the log states one of the public keys at hand as its own, or one of them signed in it."""
        self._signers = signers or Signers()
        self.tally = Tally()
        self.certificates = Certificates()
        self.trees_held = 0
        """How many checkpoints stated the tree that the lines before them give."""
        self.recovered: dict[str, tuple[object, object]] = {}
        """Length and SHA-256 of files that hold no line, as their log.recover states them."""
        self._identity = identity
        self._observations = observations
        self._keys_in_force: tuple[object, object] = (identity.kcv, identity.vkey)
        self._source: Source | None = None
        self._previous: object = None
        self._sealed_name: object = None
        self._before_segment: int | None = None
        self._look_at_signer()

    def enter(self, source: Source | None, position: Position) -> None:
        """The lines of *source* come now; None: a segment's lines that do not stand in its file."""
        self._previous, self._sealed_name = self._sealed_name, source.name if source is not None else None
        self._source = source
        self._before_segment = position.seq - 1 if position.seq else None

    def check(
        self,
        line: SealedLine,
        position: Position,
        place: Place,
        *,
        first: bool,
        torn: Torn | None = None,
        excused: bool = False,
    ) -> None:
        """Check what *line* states, before it enters the tree.

        *torn* are the bytes before it that are no line. *excused*: the line before it is known to be
        wrong, so that what this one says of it cannot hold.
        """
        try:
            members = parse_control(line.raw)
            self._observations.note(*self.tally.count(members, place))
        except FormatError as error:
            self._observations.find(place.finding("control", str(error)))
            return
        event = members["event_type"]
        if first or event in ("log.genesis", "log.open"):
            self._check_first(members, position, place, first=first, excused=excused)
        elif event == "log.checkpoint":
            self._check_checkpoint(members, position, place)
        elif event == "log.recover":
            self._check_recover(members, torn, place)
        elif event == "log.rotate":
            self._rotate(members, position, place)
        elif event == "log.policy":
            self.certificates.policy(members)
        elif event == "log.hold":
            self.certificates.hold(members, line.seq)
        elif event == "log.release":
            self.certificates.release(members)
        elif event in ("log.delete", "log.redact"):
            self._check_certificate(members, position, place)
        elif event == "log.lost" and members["reason"] in _VANISHED:
            message = f"its writer met a log that had lost lines (reason {brief(members['reason'])})"
            self._observations.find(place.finding("vanished", message))

    def explains(self, line: SealedLine, torn: Torn | None) -> bool:
        """Return whether *line* is a log.recover that describes the bytes *torn* before it exactly."""
        if torn is None or self._source is None or not line.is_control:
            return False
        try:
            members = parse_control(line.raw)
        except FormatError:
            return False
        return members["event_type"] == "log.recover" and self._describes(members, torn, line.seq)

    def has_stated_key(self, line: SealedLine) -> bool:
        """Return whether the key that the open line *line* states is at hand."""
        return parse_control(line.raw)["kcv"] in [keys.kcv for keys in self.keys]

    def begin(self, line: SealedLine, place: Place) -> None:
        """Believe the open line *line*, with which a log begins whose first segments are not there."""
        self.restart(line)
        self.certificates.begin(place, _moment(parse_control(line.raw)))

    def restart(self, line: SealedLine) -> None:
        """Believe the open line *line*, with which a walk goes on behind a gap, as to the keys in force."""
        members = parse_control(line.raw)
        self._keys_in_force = (members["kcv"], members["vkey"])
        self._previous, self._before_segment = None, line.seq - 1
        self.certificates.skip()
        self._look_at_signer()

    def _check_first(
        self, members: Members, position: Position, place: Place, *, first: bool, excused: bool
    ) -> None:
        event = members["event_type"]
        if not first or event != ("log.open" if place.seq else "log.genesis"):
            self._observations.find(place.finding("segment-start", START_RULE, found=event))
            return
        self._observations.find(
            *check_start(
                members, source=self._source, identity=self._identity, keys=self._keys_in_force, place=place
            )
        )
        self._sealed_name = members["segment"]
        root = position.tree.root() if position.tree is not None else None
        self.certificates.enter(members, place, prev=position.prev, root=root)
        if event == "log.genesis":
            return
        if not excused:
            self._observations.find(
                *check_link(members, prev=position.prev, previous=self._previous, place=place)
            )
        if members["frontier"] is None:
            said = "it states no tree: its writer had met lines that do not chain"
            self._observations.note(place.note("no-tree", said))
        else:
            self._check_tree(members, position, place, kind="frontier")

    def _check_checkpoint(self, members: Members, position: Position, place: Place) -> None:
        size, root, note = members["size"], members["root"], members["note"]
        if type(size) is not int or size != place.seq:
            message = "a checkpoint states another size than the number of lines before it"
            self._observations.find(place.finding("checkpoint-size", message, expected=place.seq, found=size))
            return
        holds = self._check_tree(members, position, place, kind="checkpoint-root")
        self.trees_held += holds
        if note is None:
            return
        try:
            signed = parse_note(str(note))
            origin = self._identity.origin or signed.origin
            if (signed.origin, signed.head.size, signed.head.root) != (origin, size, decode_root(root)):
                raise FormatError("the note in it is of another checkpoint")
        except FormatError as error:
            self._observations.find(
                place.finding("checkpoint-note", f"a checkpoint contradicts itself: {error}")
            )
            return
        if self._signers:
            self._check_signature(signed, place, is_true=holds and position.tree_is == "true")

    def _check_signature(self, note: CheckpointNote, place: Place, *, is_true: bool) -> None:
        """Check who signed a checkpoint; *is_true*: its tree is that of the very lines before it."""
        try:
            judged = self._signers.judge(note, vkey=self._keys_in_force[1])
        except SignatureError:
            message = "the signature of a checkpoint in the log does not hold"
            self._observations.find(place.finding("signature", message))
            return
        if judged == "wrong":
            message = "a checkpoint in the log bears a note, and no signature by the log's signing key"
            self._observations.find(place.finding("signature", message))
        elif judged == "unknown":
            self.unknown_signed = note.head.size
        else:
            self.knows_signer = True
            self.signed = note.head.size if is_true else self.signed

    def _look_at_signer(self) -> None:
        self.knows_signer = self.knows_signer or self._signers.knows(self._keys_in_force[1])

    def _check_tree(self, members: Members, position: Position, place: Place, *, kind: str) -> bool:
        """Hold the tree that a line states against the walk's own; take it up where they differ."""
        try:
            stated = _frontier(place.seq or 0, members)
            if "root" in members and stated.root() != decode_root(members["root"]):
                raise FormatError("its root and its frontier are of different trees")
        except FormatError as error:
            self._observations.find(place.finding(kind, f"the line contradicts itself: {error}"))
            return False
        own = position.tree
        if own is not None and own.subtrees == stated.subtrees:
            if position.tree_is == "off":
                position.adopt(stated)
            return True
        if own is not None and position.tree_is != "off":
            message = "lines before it are not those that stood there when it was written"
            expected, found = stated.root().hex(), own.root().hex()
            self._observations.find(place.finding(kind, message, expected=expected, found=found))
        position.adopt(stated)
        return False

    def _check_certificate(self, members: Members, position: Position, place: Place) -> None:
        sealed = position.keys is not None
        if members["event_type"] == "log.delete":
            moment = _moment(members)
            self._observations.find(*self.certificates.delete(members, place, moment, sealed=sealed))
            return
        for said in self.certificates.redact(members, place, sealed=sealed):
            if isinstance(said, Note):
                self._observations.note(said)
            else:
                self._observations.find(said)

    def _check_recover(self, members: Members, torn: Torn | None, place: Place) -> None:
        name = members["segment"]
        if self._source is None:
            said = "it describes bytes that a crash cut; they are no lines, and an export need not hold them"
            self._observations.note(place.note("recovered", said))
            return
        if isinstance(name, str) and name != self._source.name:
            if members["after_seq"] == self._before_segment:
                self.recovered[name] = (members["length"], members["sha256"])
                return
        elif torn is not None and self._describes(members, torn, place.seq or 0):
            said = f"{torn.length:,} bytes before it were cut by a crash, and it describes them"
            self._observations.note(place.note("recovered", said))
            return
        message = "the torn bytes that it describes are not there"
        found = torn.length if torn is not None else 0
        self._observations.find(place.finding("recover", message, expected=members["length"], found=found))

    def _describes(self, members: Members, torn: Torn, seq: int) -> bool:
        stated = (members["segment"], members["after_seq"], members["length"], members["sha256"])
        name = self._source.name if self._source is not None else None
        return stated == (name, seq - 1, torn.length, torn.sha256)

    def _rotate(self, members: Members, position: Position, place: Place) -> None:
        kcv, vkey = self._keys_in_force
        position.kid += 1
        self._keys_in_force = (members["next_kcv"] or kcv, members["next_vkey"] or vkey)
        self._look_at_signer()
        if members["next_kcv"] is None:
            return
        position.keys = next((keys for keys in self.keys if keys.kcv == members["next_kcv"]), None)
        if position.keys is None and self.keys:
            said = f"from here on no key given has the log's key check value {brief(members['next_kcv'])}"
            self._observations.note(place.note("key-missing", said))


def _moment(members: Members) -> datetime:
    return timestamp_of(members["timestamp"])


def _frontier(size: int, members: Members) -> Frontier:
    frontier = members["frontier"]
    return Frontier.from_hex(size, frontier if isinstance(frontier, list) else [None])
