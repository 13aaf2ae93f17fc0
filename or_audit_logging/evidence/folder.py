"""The files of a log's folder, each put where it belongs: in the chain, or beside it.

A file is part of the chain if its lines go on where the one before it ends. A second file with the same
lines, one of another log, or bytes that no log.recover speaks of stand beside the chain, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from itertools import groupby

from or_audit_logging.evidence.report import Observations, Place
from or_audit_logging.evidence.walk import Walk
from or_audit_logging.log.segments import Segment
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream, describe, same_bytes
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, MAX_LINE_BYTES, line_start

_SEALED_NAME = re.compile(rb'"segment":"([^"\\]*)"')
_BEFORE_RECORDS = (*FIRST_LINE_STARTS, line_start("log.checkpoint"), line_start("log.recover"))
"""What a writer that opens a segment writes until it has described the torn files beside it."""
_CLOCK_RAN_AHEAD = timedelta(days=2)
"""A segment that is opened after a clock had run ahead by more than 26 hours bears a day so much earlier."""
_NAME_WITHIN = 256
"""Segment, day and log_id stand in so many bytes of a segment's first line."""


def follow_chain(walk: Walk, sources: Sequence[Source], observations: Observations, *, log: str) -> list[str]:
    """Take the walk along every file of the log, in the order of seq; return why some could not be read."""
    unread = [_unread(source, source.trouble) for source in sources if source.kind == "unreadable"]
    chain = [source for source in sources if source.kind == "lines"]
    for source in chain:
        if log not in source.logs:
            found = ", ".join(sorted(source.logs))
            message = "the file is of another log"
            observations.find(Place(source.name).finding("foreign-file", message, expected=log, found=found))
    own = [source for source in chain if log in source.logs]
    for _, rivals in groupby(own, key=lambda source: source.first_seq):
        chosen = _choose(walk, list(rivals), observations)
        if chosen is None:
            continue
        try:
            walk.follow(chosen, newest=chosen is own[-1], may_have_gap=bool(unread))
        except OSError as error:
            unread.append(_unread(chosen, error.strerror))
    return unread


def check_beside(
    sources: Sequence[Source],
    observations: Observations,
    *,
    recovered: Mapping[str, tuple[object, object]],
    deleted: bool = False,
) -> list[str]:
    """Say what stands beside the chain: archives of plain segments, empty files, fragments, other things.

    *recovered* states length and SHA-256 of files that a log.recover speaks of. *deleted*: segments before
    the first one were, and what described torn bytes of that time went with them. Returns why some files
    could not be read.
    """
    chain = [source for source in sources if source.kind == "lines"]
    oldest = min((source.place for source in chain), default=None)
    newest = max(chain, key=lambda source: source.place, default=None)
    is_only_begun = cache(_is_only_begun)
    unread = []
    for source in sources:
        place = Place(source.name)
        try:
            if source.kind == "irregular":
                message = "something that is no regular file bears a segment's name"
                observations.find(place.finding("foreign-file", message))
            elif source.kind == "empty":
                observations.note(place.note("empty", "the file is empty, as a crash leaves it"))
            elif (
                deleted
                and source.kind == "fragment"
                and source.name not in recovered
                and oldest is not None
                and source.place < oldest
            ):
                said = "the file should be gone: it holds no line, and the segments after it were deleted"
                observations.note(place.note("below-base", said))
            elif source.kind == "fragment":
                may_be_last = (
                    newest is None
                    or source.place > newest.place
                    or source.segment.day <= newest.segment.day - _CLOCK_RAN_AHEAD
                    or is_only_begun(newest)
                )
                _check_fragment(source, recovered.get(source.name), observations, may_be_last=may_be_last)
            if source.archive is not None:
                _check_archive(source, source.archive, observations)
        except OSError as error:
            unread.append(_unread(source, error.strerror))
    judged = {source.name for source in sources if source.kind in ("fragment", "unreadable")}
    for name in sorted(set(recovered) - judged):
        message = "a log.recover speaks of torn bytes in this file, and they are not there"
        observations.find(Place(name).finding("recover", message, expected=recovered[name][0]))
    return unread


def _choose(walk: Walk, rivals: list[Source], observations: Observations) -> Source | None:
    """Return the one of *rivals*, files with the same first seq, that goes on the chain, if any may."""
    best = max(rivals, key=lambda source: (_goes_on(walk, source), _has_its_sealed_name(source)))
    doubles = [source for source in rivals if source is not best]
    is_new = best.first_seq >= walk.chain.sure_seq or _goes_on(walk, best)
    for source in doubles if is_new else rivals:
        message = "the file holds lines that the chain has already: a copy, or another version of them"
        place = Place(source.name, None, source.first_seq)
        found = source.first_seq
        observations.find(place.finding("foreign-file", message, expected=walk.chain.sure_seq, found=found))
    return best if is_new else None


def _goes_on(walk: Walk, source: Source) -> bool:
    return source.first is not None and not source.skipped and walk.chain.continues(source.first)


def _has_its_sealed_name(source: Source) -> bool:
    match = _SEALED_NAME.search(source.first.raw, 0, _NAME_WITHIN) if source.first is not None else None
    return match is not None and match[1] == source.name.encode()


def _check_fragment(
    source: Source, stated: tuple[object, object] | None, observations: Observations, *, may_be_last: bool
) -> None:
    place, content = Place(source.name), describe(source.segment, source.size)
    if content.problem is not None:
        observations.find(place.finding("archive", content.problem))
    elif stated == (content.length, content.sha256):
        said = f"its {content.length:,} bytes were cut by a crash, and a log.recover describes them"
        observations.note(place.note("recovered", said))
    elif stated is not None:
        message = "the torn bytes in this file are not those that a log.recover describes"
        observations.find(place.finding("recover", message, expected=stated[0], found=content.length))
    elif (
        may_be_last
        and not content.has_newline
        and content.length < MAX_LINE_BYTES
        and not source.segment.archived
    ):
        said = f"it holds {content.length:,} bytes that are no whole line, as a crash leaves them"
        observations.note(place.note("torn-end", said))
    else:
        message = "the file holds no line of the log, and no log.recover speaks of it"
        observations.find(place.finding("torn", message, found=content.length))


def _is_only_begun(source: Source) -> bool:
    """Whether a crash may have come before the first log.recover in *source*, or between two of them."""
    with LineStream(source.segment, source.size) as stream:
        return all(line.startswith(_BEFORE_RECORDS) or not line.endswith(b"\n") for line in stream)


def _check_archive(source: Source, archive: Segment, observations: Observations) -> None:
    with LineStream(source.segment, source.size) as plain, LineStream(archive, source.size) as packed:
        same = same_bytes(plain, packed)
    place = Place(source.name)
    if packed.problem is not None:
        observations.find(place.finding("archive", packed.problem))
    elif not same:
        message = "the segment and its archive differ; each of them should hold the same bytes"
        observations.find(place.finding("archive-differs", message))


def _unread(source: Source, why: str | None) -> str:
    return f"{source.segment.path.name} cannot be read: {why or 'unknown error'}"
