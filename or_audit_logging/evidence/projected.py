"""Lines that a collector holds in another format (ecs, google, datadog), without the sealed line itself.

    projected({"event.hash": "<64 hex>", "event.sequence": 17, "or_audit.log": "0001020304050607", ...})
    -> Projected(log="0001020304050607", seq=17, original=None, ...)

Such an object says which line it was made of and proves nothing: the MAC is over other bytes. What else
stands in it is a record's content. With `--original` it carries the sealed line as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from or_audit_logging.sealing.line import SEALED_NAMES

MARK = re.compile(rb'or_audit(?:\.|\\*")')
"""What text has in which a projection stands, however it is escaped."""

_LOG = re.compile(r"[0-9a-f]{16}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SEQ = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST = 10**19
_SEALS = (("or_audit", "mac"), ("or_audit", "leaf"), ("event", "hash"))
_SEQS = (("or_audit", "seq"), ("event", "sequence"))
_ORIGINALS = (("or_audit", "original"), ("event", "original"))


@dataclass(frozen=True, slots=True)
class Projected:
    """The line *seq* of *log* in another format; `original` is the sealed line, None if it is not there."""

    log: str
    seq: int
    original: object
    members: Mapping[str, object]


def projected(members: Mapping[str, object]) -> Projected | None:
    """Return the line that *members* are a projection of, None where they are something else."""
    log = _at(members, [("or_audit", "log")])
    seal, seq = _at(members, _SEALS), _whole(_at(members, _SEQS))
    if seq is None or not (isinstance(log, str) and _LOG.fullmatch(log)):
        return None
    if not (isinstance(seal, str) and _HASH.fullmatch(seal)):
        return None
    return Projected(log, seq, _at(members, _ORIGINALS), members)


def walk(value: object) -> Iterator[Projected | str]:
    """Yield projections and strings in a JSON *value*; not what stands within one or in a sealed line."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            pending += reversed(item)
        elif isinstance(item, dict) and not _is_sealed(item):
            found = projected(item)
            if found is None:
                pending += reversed(item.values())
            else:
                yield found


def seals_within(found: Projected) -> Iterator[tuple[str, int, str]]:
    """Yield log, seq and mac of each object in *found*: what a record holds, whatever it looks like."""
    pending: list[object] = [found.members]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            log, seq, mac = item.get("log"), item.get("seq"), item.get("mac")
            if isinstance(log, str) and type(seq) is int and isinstance(mac, str):
                yield log, seq, mac
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _is_sealed(members: Mapping[str, object]) -> bool:
    mac = members.get("mac")
    return members.keys() >= SEALED_NAMES and isinstance(mac, str) and _HASH.fullmatch(mac) is not None


def _at(members: Mapping[str, object], places: Iterable[tuple[str, str]]) -> object:
    """Return the first of *places* that is there: as a dotted name, or a member of a member."""
    for outer, inner in places:
        if (found := members.get(f"{outer}.{inner}")) is not None:
            return found
        within = members.get(outer)
        if isinstance(within, dict) and (found := within.get(inner)) is not None:
            return found
    return None


def _whole(value: object) -> int | None:
    """Return a seq as systems give it back: a whole number, a double, its digits."""
    is_double = isinstance(value, float) and value.is_integer()
    if is_double or (isinstance(value, str) and _SEQ.fullmatch(value)):
        value = int(value)  # type: ignore[call-overload]
    return value if type(value) is int and 0 <= value < _MOST else None
