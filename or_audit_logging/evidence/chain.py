"""The chain as it is met: each line must follow the one before it, and what does not is located.

    chain.enter(source)                      the segment whose lines come now
    chain.take_line(raw, line)               a piece that has the shape of a sealed line
    chain.take_piece(raw, trouble)           a piece that has not
    chain.finish()

A line follows if it bears the log's id, the next seq and the kid in force, and if its MAC holds where the
key is known. Lines that do not follow open a run (see `breaks`). It ends where a line follows what stood
before the run, or follows the run's last line as it stands, or starts a segment and holds by itself.
"""

from __future__ import annotations

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.bounds import Bounds
from or_audit_logging.evidence.breaks import Run, Torn
from or_audit_logging.evidence.claims import Claims
from or_audit_logging.evidence.position import Position
from or_audit_logging.evidence.report import Finding, Observations, Place, lines_are
from or_audit_logging.evidence.shape import shape_trouble
from or_audit_logging.evidence.starts import START_RULE, stated_position
from or_audit_logging.log.sources import Source
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import SealedLine, Stub

_ALTERED = "the line is not the one that was sealed: its MAC does not hold"
_DOUBTED = "this line or the one after it is not the one that was sealed: the MAC of neither holds"


class Chain:
    """Follows a log's lines in constant memory. `number` is the line's number in its segment."""

    def __init__(
        self, position: Position, *, log: str, claims: Claims, bounds: Bounds, observations: Observations
    ) -> None:
        self.position = position
        self.number = 0
        self.lines = 0
        self.control_lines = 0
        self.first_seq: int | None = None
        self.sealed = 0
        """How many lines had a MAC that holds."""
        self.unsealed_to: int | None = None
        """The last seq whose MAC could not be checked for want of a key."""
        self.untied = 0
        """How many lines stand behind others whose hash is not known, so that no key checks them."""
        self._log = log
        self._claims = claims
        self._bounds = bounds
        self._observations = observations
        self._run: Run | None = None
        self._segment = ""
        self._at_start = True
        self._gap: str | None = None
        self._is_untied = False

    @property
    def is_broken(self) -> bool:
        """Whether a run is open."""
        return self._run is not None

    @property
    def end(self) -> int:
        """The seq after the last line, pieces that may have been lines counted."""
        return self.position.seq + (self._run.pieces if self._run is not None else 0)

    @property
    def sure_seq(self) -> int:
        """The seq after the last line that followed."""
        return self._sure.seq

    def follows(self, line: SealedLine | Stub) -> bool:
        """Return whether *line* follows now."""
        if isinstance(line, Stub):
            return line.log == self._log and line.seq in (self._sure.seq, self.position.seq)
        return self._sure.fits(line, self._log) or self.position.fits(line, self._log)

    def continues(self, line: SealedLine) -> bool:
        """Return whether *line* follows, also by what it states itself of the line before it."""
        if not self.follows(line):
            return False
        stated = stated_position(line)
        return stated is None or stated.prev == self._sure.prev

    def enter(self, source: Source, *, may_have_gap: bool) -> None:
        """The lines of *source* come now; *may_have_gap*: others stand in files that cannot be read."""
        gap = "stand in files that could not be read" if may_have_gap else None
        self._enter(source, source.name, gap)

    def enter_export(self, name: str, *, gap: str | None = None) -> None:
        """The lines of an export called *name* come now, or another segment's in it.

        *gap* says where lines before them are, if they need not be here. Set `number` before each line.
        """
        self._enter(None, name, gap)

    def pass_over(self, seq: int) -> None:
        """Go on at *seq*: the lines before it are there in a form that has not their hash."""
        if self._run is not None:
            self.finish()
            self._run = None
        self.position = Position(seq, None, None, self.position.kid, self.position.keys, "off")
        self._bounds.skip(seq)
        self._at_start, self._is_untied = False, True

    def take(self, line: SealedLine | Stub) -> None:
        """Take a line, or the stub in its place."""
        if isinstance(line, SealedLine):
            self.take_line(line.raw, line)
        elif not self.take_stub(line):
            self.take_piece(line.raw + b"\n", shape_trouble(line.raw))

    def take_line(self, raw: bytes, line: SealedLine) -> None:
        """Take a piece that has the shape of a sealed line."""
        if self.first_seq is None:
            self.first_seq = line.seq
        run, position = self._run, self.position
        if run is None and (position.fits(line, self._log) or self._is_behind_gap(line)):
            self._accept(line)
        elif run is not None and run.sure.fits(line, self._log):
            self._end_run_as_put_in(run, line)
        elif run is not None and (position.fits(line, self._log) or self._fits_other_key(run, line)):
            self._end_run(run, line)
        elif not self._restart(line):
            self._take_stray(raw, line)
        self._at_start = False

    def take_stub(self, stub: Stub) -> bool:
        """Take what stands in a redacted line's place, if it may stand here; return whether it was taken.

        Its leaf is believed as a line's own hash is: the MAC of the next line covers it, and the tree does.
        Whether the line was redacted lawfully is known at the end.
        """
        run = self._run
        if run is not None and stub.seq == run.sure.seq != self.position.seq:
            self.position, self._bounds.met = run.sure.copy(), run.met
        if self._at_start or stub.log != self._log or stub.seq != self.position.seq:
            return False
        place = self.place(stub.seq)
        self._claims.certificates.stub(stub, place)
        if self.first_seq is None:
            self.first_seq = stub.seq
        self.position.take(stub.leaf)
        if run is None:
            self.count(1)
        else:
            self.lines += 1
            run.find(*self._bounds.check(self.position, place))
            run.add_line(stub.raw)
        return True

    def take_piece(self, raw: bytes, trouble: tuple[str, str] | None) -> None:
        """Take a piece that has another shape; without a *trouble* (kind, message) it is more of the last."""
        self._open_run().add_piece(raw, self.place().finding(*trouble) if trouble is not None else None)

    def forgive_torn_end(self) -> int:
        """Drop the pieces since the last line, and return how long they are.

        The log ends in an unfinished log.recover, so nothing describes them yet.
        """
        run = self._run
        if run is None or run.torn_since_line is None or not run.pieces:
            return 0
        run.forgive_pieces()
        if not run.strays:
            self._run = None
        return run.torn_since_line.length + 1

    def count(self, lines: int) -> None:
        """Count lines that were taken into the position just now, and meet the anchors that are due."""
        self.lines += lines
        if self._is_untied:
            self.untied, self._is_untied = self.untied + lines, False
        elif self.position.keys is not None:
            self.sealed += lines
        elif lines:
            self.unsealed_to = self.position.seq - 1
        if self._bounds.next_size <= self.position.seq:
            place = self.place(self.position.seq - 1)
            self._observations.find(*self._bounds.check(self.position, place))

    def finish(self) -> None:
        """Hand over what is found in a run that is open at the end of the log."""
        if self._run is None:
            return
        self._run.settle(self._observations)
        doubtful = self._run.doubtful
        if doubtful is not None:
            said = "its MAC cannot be judged: the line before it is wrong, and none follows"
            self._observations.note(Place(doubtful.segment, doubtful.line).note("doubtful", said))

    def place(self, seq: int | None = None) -> Place:
        """Return where the chain is."""
        return Place(self._segment, self.number, seq)

    def _enter(self, source: Source | None, name: str, gap: str | None) -> None:
        self._segment, self.number = name, 0
        self._at_start, self._gap = True, gap
        self._claims.enter(source, self.position)
        if self._run is not None:
            self._run.enter_segment()

    @property
    def _sure(self) -> Position:
        return self._run.sure if self._run is not None else self.position

    def _is_behind_gap(self, line: SealedLine) -> bool:
        position = self.position
        stated = (line.log, line.seq, line.kid)
        return self._is_untied and stated == (self._log, position.seq, position.kid)

    def _accept(self, line: SealedLine, *, torn: Torn | None = None, excused: bool = False) -> None:
        """Go on behind a line that follows."""
        place = self.place(line.seq)
        if line.is_control:
            self.control_lines += 1
            self._claims.check(line, self.position, place, first=self._at_start, torn=torn, excused=excused)
        elif self._at_start:
            self._observations.find(place.finding("segment-start", START_RULE))
        self.position.take(leaf_hash(line.raw))
        self.count(1)

    def _open_run(self) -> Run:
        if self._run is None:
            self._run = Run(self.position.copy(), self._bounds.met)
        return self._run

    def _end_run_as_put_in(self, run: Run, line: SealedLine) -> None:
        """Go on behind what stood before the run."""
        if not self._claims.explains(line, run.torn):
            run.settle_as_put_in(self._observations)
        self._run, self.position, self._bounds.met = None, run.sure, run.met
        self._accept(line, torn=run.torn)

    def _end_run(self, run: Run, line: SealedLine) -> None:
        """Go on behind the run's last line as it stands."""
        torn = run.torn_since_line if run.pieces else None
        if self._claims.explains(line, torn):
            run.forgive_pieces()
        run.settle(self._observations)
        self._run = None
        self._accept(line, torn=torn, excused=True)

    def _fits_other_key(self, run: Run, line: SealedLine) -> bool:
        """Whether the line follows under another key: the log.rotate to it may be a stray of the run."""
        position = self.position
        if not run.strays or line.seq != position.seq or line.log != self._log:
            return False
        for keys in self._claims.keys:
            if position.seals(line, keys):
                position.kid, position.keys = line.kid, keys
                return True
        return False

    def _restart(self, line: SealedLine) -> bool:
        """Go on at a segment's first line where it does not follow, but holds by what it states itself."""
        start = stated_position(line, self._claims.keys) if self._at_start else None
        if start is None or line.log != self._log:
            return False
        if start.keys is None and self.position.keys is not None:
            return False
        place, run, first, last = self.place(line.seq), self._run, self.position.seq, self.end
        if not self.lines and run is None and line.seq and self._gap is None:
            return self._begin(start, line, place)
        if run is not None:
            if run.doubtful is not None and line.seq == first:
                run.find(run.doubtful)
            run.settle(self._observations)
            self._run = None
        if line.seq > last and self._gap is not None:
            self._observations.note(place.note("unread-lines", f"{_seqs(last, line.seq)} {self._gap}"))
        elif not first <= line.seq <= last:
            self._observations.find(_out_of_order(place, last, line.seq))
        elif run is None:
            message = "the line before this segment is not the one that stood there when it was opened"
            self._observations.find(place.finding("base-leaf", message))
        self.position = start
        self._bounds.skip(start.seq)
        self._claims.restart(line)
        self._accept(line, excused=True)
        return True

    def _begin(self, start: Position, line: SealedLine, place: Place) -> bool:
        """Begin behind lines that are not there: whether a log.delete lets them be gone is known at the end.

        The stated tree is taken for true: an anchor or a checkpoint that matches later proves that it was.
        """
        if start.keys is None and self._claims.has_stated_key(line):
            return False  # the key is here, and it did not seal this
        try:
            self._claims.begin(line, place)
        except FormatError:
            return False
        start.tree_is = "true"
        self.position = start
        self._observations.find(*self._bounds.check(start, place))
        self._accept(line, excused=True)
        return True

    def _take_stray(self, raw: bytes, line: SealedLine) -> None:
        """Take a line that has its shape and does not follow; say in which way."""
        run = self._open_run()
        if line.seq == run.sure.seq != self.position.seq:
            self.position, self._bounds.met = run.sure.copy(), run.met
        place, position, expected, latest = self.place(line.seq), self.position, self.position.seq, self.end
        leaf = leaf_hash(line.raw)
        self.lines += 1
        self.control_lines += line.is_control
        if line.log != self._log:
            run.find(place.finding("log-id", "a line of another log", expected=self._log, found=line.log))
            if line.seq == expected:
                position.jump(line.seq, leaf)
        elif not expected <= line.seq <= latest:
            run.find(_out_of_order(place, latest, line.seq))
            run.doubt(place.finding("mac", _DOUBTED))
            position.jump(line.seq, leaf)
        else:
            if line.seq != run.sure.seq:
                run.doubt(place.finding("mac", _DOUBTED))
            elif line.kid != position.kid:
                message = "the line names another key than the one in force"
                run.find(place.finding("kid", message, expected=position.kid, found=line.kid))
            else:
                run.find(place.finding("mac", _ALTERED))
            if line.seq == expected:
                position.take(leaf)
                position.tree_is = "off"
            else:
                position.jump(line.seq, leaf)
            run.find(*self._bounds.check(position, place))
        run.add_line(raw)


def _out_of_order(place: Place, expected: int, seq: int) -> Finding:
    if seq > expected:
        message = f"{lines_are(seq - expected)} missing before this one: {_seqs(expected, seq)}"
        return place.finding("missing-lines", message, expected=expected, found=seq)
    return place.finding("seq", "the line's number came before", expected=expected, found=seq)


def _seqs(first: int, end: int) -> str:
    return f"seq {first}" if end == first + 1 else f"seq {first} to {end - 1}"
