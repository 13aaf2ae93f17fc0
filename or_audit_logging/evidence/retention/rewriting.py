"""A closed segment with some of its lines replaced by their stubs, and nothing else changed.

    rewrite = Rewrite.prepare(source, {offset: line})       # beside the segment, on disk, read back
    rewrite.finish()                                        # takes the segment's name

Until `finish`, the segment is what it was; from then on, the lines are gone from its file.
"""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from or_audit_logging.errors import RetentionError
from or_audit_logging.log.folder import OPEN_FLAGS, sync_folder
from or_audit_logging.log.segments import ARCHIVE, LogLayout, Segment
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.line import SealedLine, stub_of

_UNFINISHED = "redacting"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The new form of one segment's file, complete and on disk under another name."""

    path: Path
    made: Path
    size: int

    @classmethod
    def prepare(cls, source: Source, lines: Mapping[int, SealedLine]) -> Rewrite:
        """Write what *source* is to be: at each offset the stub of the line that stands there now.

        Raises `RetentionError` where what was written does not read back as it should, `OSError`.
        """
        segment = source.segment
        made = _unfinished(segment)
        made.unlink(missing_ok=True)
        status = os.stat(segment.path)
        try:
            with _create(made, status) as file, LineStream(segment, source.size) as old:
                pieces = (piece for _, piece in _replaced(old, lines))
                if segment.archived:
                    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as archive:
                        archive.writelines(pieces)
                else:
                    file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            _read_back(source, made, lines)
        except BaseException:
            with suppress(OSError):
                made.unlink()
            raise
        return cls(segment.path, made, status.st_size)

    def finish(self) -> None:
        """Let the new file take the segment's name, durably; raises `RetentionError`, `OSError`.

        Its time of change is now: a backup that goes by length and time would otherwise keep the old one.
        """
        if os.stat(self.path).st_size != self.size:
            self.discard()
            raise RetentionError(f"{self.path.name} was changed meanwhile; run 'or-audit verify'")
        os.replace(self.made, self.path)
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the new file, if it is still there."""
        with suppress(OSError):
            self.made.unlink()


def remove_unfinished(layout: LogLayout) -> None:
    """Remove what an interrupted run has left, also of a segment that is gone; raises `OSError`."""
    for folder, ending in ((layout.folder, ""), (layout.folder / ARCHIVE, ".gz")):
        for path in folder.glob(f".{layout.stem}_*{layout.suffix}.{_UNFINISHED}{ending}"):
            path.unlink()


def _unfinished(segment: Segment) -> Path:
    """Return a name that is no segment's, in the folder of the segment's file."""
    return segment.path.with_name(f".{segment.name}.{_UNFINISHED}{'.gz' if segment.archived else ''}")


def _create(path: Path, like: os.stat_result) -> BinaryIO:
    """Return a new file that is owned and may be read as the one that it is to replace."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
    if hasattr(os, "fchown"):
        with suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
    return os.fdopen(descriptor, "wb")


def _replaced(stream: LineStream, lines: Mapping[int, SealedLine]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each piece of *stream* with what is to stand in its place."""
    offset = 0
    for piece in stream:
        line = lines.get(offset)
        offset += len(piece)
        if line is None:
            yield piece, piece
        elif piece == line.raw + b"\n":
            yield piece, stub_of(line) + b"\n"
        else:
            raise RetentionError("the segment was changed while it was read; run 'or-audit verify'")


def _read_back(source: Source, made: Path, lines: Mapping[int, SealedLine]) -> None:
    segment = replace(source.segment, path=made)
    with LineStream(source.segment, source.size) as old, LineStream(segment, os.stat(made).st_size) as new:
        same = all(
            pair is not None and pair[1] == piece for pair, piece in zip_longest(_replaced(old, lines), new)
        )
        trouble = old.problem or new.problem
    if not same or trouble is not None:
        reason = trouble or "other bytes"
        raise RetentionError(f"{source.name} could not be written anew: it reads back as {reason}")
