"""`Terms`: for how long lines are to be kept, and under which holds, as the log's own control lines state it.

    terms = Terms(layout, seals)
    terms.days(1000)                 # promised for the lines of the segment of seq 999 and the one before it
    terms.holds(1000)                # in force before seq 1000
    terms.newest_holds()             # in force now
    terms.take(line, members)        # a control line that passes, from then on

What passed before this process began is read from the log's folder once it is asked for: of the promise, two
segments; of holds, all. Whoever can write that folder can add such lines, so only those of them that are
known to be sealed make anything shorter: a hold ends by a sealed log.release alone, and where there is a key,
a first line that is not sealed promises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from or_audit_logging.errors import DeliveryError, FormatError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold, Keeping, hold_of, lines_of_keeping, minimum_days
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.ship.s3.seals import Seals
from or_audit_logging.ship.target import RefusedError, TryLaterError

_BLOCK = 1 << 20


class Terms:
    """What one log states, as of the line that is asked for; lines are asked for in their order."""

    def __init__(self, layout: LogLayout, seals: Seals) -> None:
        self._layout = layout
        self._seals = seals
        self._segment: _Promise | None = None
        self._before = _Promise()
        """What the segment before that one promised."""
        self._all: _Holds | None = None

    def days(self, seq: int) -> int:
        """Return for how many days a checkpoint at *seq* is to be kept; 0 where no policy says so.

        The most that its own segment has promised by then and the one before it, whose last lines it may be
        the first to cover; else what the newest segment promises.
        """
        if self._segment is None:
            sources = self._sources(before=seq)
            self._before = self._promise(sources[-2:-1])
            self._segment = self._promise(sources[-1:], before=seq)
        for promise in (self._segment, self._before):
            self.check(promise.first)
        return max(self._segment.keeping.minimum, self._before.keeping.minimum) or self.newest_days()

    def newest_days(self) -> int:
        """Return for how many days the newest segment promises to keep its lines."""
        newest = self._promise(self._sources()[-1:])
        self.check(newest.first)
        return newest.keeping.minimum

    def check(self, first: SealedLine | None) -> None:
        """Return if the first line of a segment may be believed: it is sealed, or there is no key to tell.

        Raises `RefusedError` where it is not sealed, and `DeliveryError` where no key is that of the segment.
        """
        doubt = self._seals.doubt(first) if first is not None else None
        if first is None or doubt in (None, "no key"):
            return
        where = f"the segment that begins at seq {first.seq}"
        if doubt == "another key":
            raise DeliveryError(
                f"for how long to lock stands in the first line of {where}, and no key that was given is its "
                "own: give each key of the log (--key, once for each), or say for how long here, "
                "?lock=...&days=N"
            )
        raise RefusedError(
            f"it is not stored: for how long to lock stands in the first line of {where}, and that is not as "
            "the log's key seals it; run or-audit verify"
        )

    def holds(self, seq: int) -> tuple[Hold, ...]:
        """Return the holds in force before *seq*."""
        if self._all is None:
            self._all = self._read_holds(before=seq)
        return self._all.in_force

    def newest_holds(self) -> tuple[Hold, ...]:
        """Return the holds in force at the log's end."""
        return self._read_holds().in_force

    def take(self, line: SealedLine, members: Mapping[str, object]) -> None:
        """Take in the control line *line*."""
        try:
            is_first = members["event_type"] in ("log.genesis", "log.open")
            if is_first:
                minimum_days(members["policy"])
            if self._segment is not None:
                if is_first:
                    self._before, self._segment = self._segment, _Promise(line)
                self._segment.keeping.take(line.seq, members)
            if self._all is not None:
                self._all.take(line, members)
        except FormatError as error:
            raise _unclear(error) from None

    def _sources(self, *, before: int | None = None) -> list[Source]:
        try:
            sources = survey(self._layout).sources
        except OSError as error:
            raise _unreadable(error) from None
        for source in sources:
            if source.trouble is not None:
                raise TryLaterError(f"{source.name} cannot be read: {source.trouble}")
        return [one for one in sources if one.kind == "lines" and (before is None or one.first_seq < before)]

    def _promise(self, sources: Sequence[Source], *, before: int | None = None) -> _Promise:
        """Return what the last of *sources* promises up to the line *before*; nothing where there is none."""
        promise = _Promise(sources[-1].first if sources else None)
        for line, members in self._lines(sources, before):
            try:
                promise.keeping.take(line.seq, members)
            except FormatError as error:
                raise _unclear(error) from None
        return promise

    def _read_holds(self, *, before: int | None = None) -> _Holds:
        holds = _Holds(self._seals)
        for line, members in self._lines(self._sources(before=before), before):
            try:
                holds.take(line, members)
            except FormatError as error:
                raise _unclear(error) from None
        return holds

    def _lines(
        self, sources: Sequence[Source], before: int | None
    ) -> Iterator[tuple[SealedLine, dict[str, object]]]:
        """Yield the lines of *sources* that say something of keeping, up to the line *before*."""
        try:
            for source in sources:
                for line in lines_of_keeping(_blocks(source)):
                    if before is None or line.seq < before:
                        yield line, parse_control(line.raw)
        except OSError as error:
            raise _unreadable(error) from None
        except FormatError as error:
            raise _unclear(error) from None


class _Promise:
    """What a segment states about how long it is kept; `first`: its first line, None where there is none."""

    def __init__(self, first: SealedLine | None = None) -> None:
        self.first = first
        self.keeping = Keeping()


class _Holds:
    """The holds in force, each as often as it is stated with other days."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._stated: list[Hold] = []

    @property
    def in_force(self) -> tuple[Hold, ...]:
        return tuple(self._stated)

    def take(self, line: SealedLine, members: Mapping[str, object]) -> None:
        """Take in *line*; raises `FormatError` where it states what it cannot."""
        if members["event_type"] == "log.hold":
            hold = hold_of(line.seq, members)
            if not any(
                (hold.name, hold.since, hold.until) == (one.name, one.since, one.until)
                for one in self._stated
            ):
                self._stated.append(hold)
        elif members["event_type"] == "log.release" and self._seals.doubt(line) is None:
            self._stated = [one for one in self._stated if one.name != members["name"]]


def _blocks(source: Source) -> Iterator[bytes]:
    with LineStream(source.segment, source.size) as stream:
        while block := stream.read_lines(_BLOCK):
            yield block


def _unreadable(error: OSError) -> TryLaterError:
    return TryLaterError(f"the log's folder cannot be read: {error.strerror}")


def _unclear(error: FormatError) -> DeliveryError:
    return DeliveryError(f"for how long the log is kept cannot be told: {error}; run or-audit verify")
