"""Whose log it is, and which of the given keys sealed it.

The first line says so: log_id, origin, format, kcv. None of that is believed before the chain holds; it is
where a walk has to start. A first line that was damaged may leave some of it unknown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from or_audit_logging.errors import FormatError
from or_audit_logging.log.sources import Source
from or_audit_logging.log.streams import LineStream
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.checkpoint import ORIGIN
from or_audit_logging.sealing.control import FORMAT_VERSION
from or_audit_logging.sealing.line import SealedLine, parse_line

_LOG_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a log says of itself at its start. `log` is what its lines bear: 16 hex digits of the log id."""

    log: str
    log_id: bytes | None
    origin: str | None
    format: object
    kcv: str | None
    vkey: object
    kid: int

    @property
    def genesis_prev(self) -> bytes | None:
        """What stands in for the line before seq 0."""
        if self.log_id is None or self.origin is None:
            return None
        return genesis_prev(self.origin, self.log_id)

    @property
    def format_is_known(self) -> bool:
        """Whether this version knows the log's format (or none is stated)."""
        return self.format is None or (type(self.format) is int and self.format == FORMAT_VERSION)


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """The keys that sealed the log's first lines, None where none of the given ones did.

    `contradicts_kcv`: they did, although the log states another key check value.
    """

    keys: LogKeys | None
    contradicts_kcv: bool = False


def identify(sources: Sequence[Source], *, wanted: str | None = None) -> Identity | None:
    """Return what the log in *sources* says of itself; None where not one sealed line is there.

    Where the files are of several logs it is the log *wanted*, if it is there, or the one most often named.
    """
    starts = [source for source in sources if source.first is not None]
    if not starts:
        return None
    stated = [_first_line_members(source.first) for source in starts]
    borne = [log for source in starts for log in sorted(source.logs)]
    named = Counter([*borne, *(log for log in _logs_stated(stated) if log in borne)])
    log = wanted if wanted in borne else named.most_common(1)[0][0]
    own = [(source, members) for source, members in zip(starts, stated, strict=True) if log in source.logs]
    source, _ = min(own, key=lambda pair: (not pair[1], pair[0].first_seq))
    return identity_by(source.first, log=log)


def identity_by(first: SealedLine | None, *, log: str, log_id: str | None = None) -> Identity:
    """Return what the line *first* says of the log *log*; with no such line, what *log_id* says of it."""
    members = _first_line_members(first)
    origin, kcv = members.get("origin"), members.get("kcv")
    return Identity(
        log=log,
        log_id=_log_id(members.get("log_id", log_id)),
        origin=origin if isinstance(origin, str) and ORIGIN.fullmatch(origin) else None,
        format=members.get("format"),
        kcv=kcv if isinstance(kcv, str) else None,
        vkey=members.get("vkey"),
        kid=first.kid if first is not None and members else 0,
    )


def choose_keys(identity: Identity, candidates: Sequence[LogKeys], lines: Iterable[SealedLine]) -> KeyChoice:
    """Return which of *candidates*, the keys of all secrets at hand, sealed the log's first *lines*.

    Where none has the check value that the log states, its lines decide: one that a key sealed shows that the
    statement was changed; none shows that the keys are another log's.
    """
    if identity.kid != 0:
        return KeyChoice(None)
    for keys in candidates:
        if keys.kcv == identity.kcv:
            return KeyChoice(keys)
    found = _key_that_sealed(candidates, identity, lines)
    return KeyChoice(found, contradicts_kcv=found is not None)


def _first_line_members(first: SealedLine | None) -> dict[str, object]:
    """Return what a genesis or open line states, read leniently; nothing for any other line."""
    if first is None or not first.is_control:
        return {}
    try:
        members = json.loads(first.raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(members, dict) or members.get("event_type") not in ("log.genesis", "log.open"):
        return {}
    return members


def _logs_stated(stated: Iterable[dict[str, object]]) -> list[str]:
    logs = []
    for members in stated:
        log_id, origin = members.get("log_id"), members.get("origin")
        logs += [log_id[:16]] if isinstance(log_id, str) else []
        logs += [origin.rpartition("/")[2]] if isinstance(origin, str) else []
    return logs


def _log_id(text: object) -> bytes | None:
    return bytes.fromhex(text) if isinstance(text, str) and _LOG_ID.fullmatch(text) else None


def _key_that_sealed(
    candidates: Sequence[LogKeys], identity: Identity, lines: Iterable[SealedLine]
) -> LogKeys | None:
    """Return the key that sealed any line under kid 0, each line taken behind the one before it."""
    prev = identity.genesis_prev
    if not candidates:
        return None
    for line in lines:
        for keys in candidates:
            if prev and line.kid == 0 and keys.check(prev, line.sealed_part, line.mac):
                return keys
        prev = leaf_hash(line.raw)
    return None


def lines_of(sources: Iterable[Source]) -> Iterator[SealedLine]:
    """Yield all that has the shape of a sealed line in *sources*, as far as they can be read."""
    for source in sources:
        try:
            with LineStream(source.segment, source.size) as stream:
                for raw in stream:
                    try:
                        line = parse_line(raw.removesuffix(b"\n"))
                    except FormatError:
                        continue
                    yield line
        except OSError:
            continue
