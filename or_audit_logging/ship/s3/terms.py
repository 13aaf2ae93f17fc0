"""`Terms`: for how long lines are to be kept, and under which holds, as the log's own control lines state it.

    terms = Terms(layout)
    terms.days(1000)                 # promised for the lines of the segment of seq 999 and the one before it
    terms.holds(1000)                # in force before seq 1000
    terms.newest_holds()             # in force now
    terms.take(1000, members)        # a control line that passes, from then on

What passed before this process began is read from the log's folder once it is asked for: of the promise, two
segments; of holds, all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from or_audit_logging.errors import DeliveryError, FormatError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.sources import Source, survey
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold, Keeping, lines_of_keeping, minimum_days
from or_audit_logging.ship.target import TryLaterError

_BLOCK = 1 << 20


class Terms:
    """What one log states, as of the line that is asked for; lines are asked for in their order."""

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._segment: Keeping | None = None
        self._before = 0
        """What the segment before that one promised."""
        self._all: Keeping | None = None

    def days(self, seq: int) -> int:
        """Return for how many days a checkpoint at *seq* is to be kept; 0 where no policy says so.

        The most that its own segment has promised by then and the one before it, whose last lines it may be
        the first to cover; else what the newest segment promises.
        """
        if self._segment is None:
            sources = self._sources(before=seq)
            self._before = self._read(sources[-2:-1]).minimum
            self._segment = self._read(sources[-1:], before=seq)
        return max(self._segment.minimum, self._before) or self.newest_days()

    def newest_days(self) -> int:
        """Return for how many days the newest segment promises to keep its lines."""
        return self._read(self._sources()[-1:]).minimum

    def holds(self, seq: int) -> tuple[Hold, ...]:
        """Return the holds in force before *seq*."""
        if self._all is None:
            self._all = self._read(self._sources(before=seq), before=seq)
        return self._all.holds

    def newest_holds(self) -> tuple[Hold, ...]:
        """Return the holds in force at the log's end."""
        return self._read(self._sources()).holds

    def take(self, seq: int, members: Mapping[str, object]) -> None:
        """Take in the control line at *seq*."""
        try:
            if members["event_type"] in ("log.genesis", "log.open"):
                minimum_days(members["policy"])
                if self._segment is not None:
                    self._before, self._segment = self._segment.minimum, Keeping()
            for keeping in (self._segment, self._all):
                if keeping is not None:
                    keeping.take(seq, members)
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

    def _read(self, sources: Sequence[Source], *, before: int | None = None) -> Keeping:
        keeping = Keeping()
        try:
            for source in sources:
                for line in lines_of_keeping(_blocks(source)):
                    if before is None or line.seq < before:
                        keeping.take(line.seq, parse_control(line.raw))
        except OSError as error:
            raise _unreadable(error) from None
        except FormatError as error:
            raise _unclear(error) from None
        return keeping


def _blocks(source: Source) -> Iterator[bytes]:
    with LineStream(source.segment, source.size) as stream:
        while block := stream.read_lines(_BLOCK):
            yield block


def _unreadable(error: OSError) -> TryLaterError:
    return TryLaterError(f"the log's folder cannot be read: {error.strerror}")


def _unclear(error: FormatError) -> DeliveryError:
    return DeliveryError(f"for how long the log is kept cannot be told: {error}; run or-audit verify")
