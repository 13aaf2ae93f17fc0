"""`LogReader`: a log's lines for questions, each once, also while it is written.

    reader = LogReader(layout)
    for block in reader.blocks(): ...       # whole lines, in the order of the segments
    for block in reader.blocks(): ...       # those that came since

Nothing is checked here: what the lines are worth is for `verify` to say. Bytes that end in no newline wait
until they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from or_audit_logging.evidence.sources import Source, survey
from or_audit_logging.evidence.streams import LineStream
from or_audit_logging.log.segments import LogLayout

_BLOCK = 1 << 18


class LogReader:
    """Goes through the segments of one log, archives included, and remembers how far it came."""

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._offsets: dict[str, int] = {}
        self._finished: set[str] = set()
        self.unreadable: dict[str, str] = {}
        """Segments that could not be read to their end the last time, and why."""

    def blocks(self) -> Iterator[bytes]:
        """Yield what was added since the last time, as blocks of whole lines.

        Raises `OSError` where the folder cannot be listed. A file that cannot be read is passed over, and
        stands in `unreadable`.
        """
        self.unreadable = {}
        for source in survey(self._layout).sources:
            if source.trouble is not None or source.kind == "irregular":
                self.unreadable[source.name] = source.trouble or "not a regular file"
            elif source.segment.archived:
                if source.name not in self._finished:
                    yield from self._rest(source)
            elif source.size > self._offsets.get(source.name, 0):
                yield from self._rest(source)

    def _rest(self, source: Source) -> Iterator[bytes]:
        offset = self._offsets.get(source.name, 0)
        try:
            with LineStream(source.segment, source.size) as stream:
                stream.skip_to(offset)
                while block := stream.read_block(_BLOCK):
                    if not block.endswith(b"\n"):
                        block += stream.read_line()
                    end = block.rfind(b"\n") + 1
                    self._offsets[source.name] = offset = offset + end
                    if end:
                        yield block[:end]
                if stream.problem is not None:
                    self.unreadable[source.name] = stream.problem
                elif source.segment.archived:
                    self._finished.add(source.name)
        except OSError as error:
            self.unreadable[source.name] = error.strerror or type(error).__name__


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the members of *line*, money with all its digits; None where it is no JSON object."""
    try:
        record = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return record if isinstance(record, dict) else None
