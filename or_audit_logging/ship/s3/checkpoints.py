"""The checkpoints that a bucket keeps, with the time at which it got them.

    kept = list_checkpoints("acme-audit/llm")
    kept.found[0].text, kept.found[0].kept_at, kept.found[0].where
    kept.troubles                   # keys that were put again, or deleted

The time is the store's own, so it bounds from outside when the lines were there. Object Lock keeps versions,
not keys: whoever may put objects can put another version over one that is locked, or hide it behind a
deletion. So every version is read, with its own time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import MAX_LINE_BYTES, parse_line
from or_audit_logging.ship.aws import UnsupportedError, open_session
from or_audit_logging.ship.s3.address import Address, host_in, parse_address
from or_audit_logging.ship.s3.bucket import Bucket, Listed
from or_audit_logging.ship.s3.packing import LAST_SEQ
from or_audit_logging.ship.s3.storing import LOG
from or_audit_logging.ship.target import TargetOptions

_SEQ = re.compile(r"[0-9]{1,19}")
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """What a bucket keeps of a checkpoint: *text* as it stands there, since *kept_at* (UTC), *where*."""

    text: str
    kept_at: datetime
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoints:
    """The checkpoints of a bucket by day, host and size, each version of one.

    `troubles` says in plain words which objects, segments included, were put again or deleted, which hold
    something else than their key says, which keys lead to another folder (`..`), and which logs are in
    several hosts' folders: whoever ships does none of it. `left_out`: so many checkpoints cover lines of no
    stored segment, up to `left_out_size` lines, while segments up to `stored_size` lines are stored.
    `has_versions`: whether the store lists them.
    """

    found: tuple[KeptCheckpoint, ...]
    troubles: tuple[str, ...] = ()
    left_out: int = 0
    left_out_size: int = 0
    stored_size: int = 0
    has_versions: bool = True


def list_checkpoints(
    address: str,
    options: TargetOptions | None = None,
    *,
    stored: bool = False,
    log: str | None = None,
    since: date | None = None,
) -> KeptCheckpoints:
    """Return the checkpoints at *address*, what stands behind `s3:`, of all hosts or of one *log* (16 hex).

    *since*: those in the folders of that day and later. *stored*: those alone that cover nothing but lines
    of segments that are stored. The others speak of the segment that is still open as well, and whoever
    verifies a copy of the bucket does not have that. What is stored is what any version says, also one
    behind a deletion: one request for each. An object that is not the checkpoint which its key names is
    trouble and left out. Nothing else is checked: what a text is worth is for whoever reads it to say.
    Raises `ConfigError`, `MissingExtraError` and `DeliveryError`.
    """
    place = parse_address(address)
    bucket = Bucket(place, open_session("s3"), options or TargetOptions())
    try:
        return _listed(bucket, stored=stored, log=log, since=since)
    finally:
        bucket.close()


def _listed(bucket: Bucket, *, stored: bool, log: str | None, since: date | None) -> KeptCheckpoints:
    place = bucket.address
    try:
        keys, has_versions = _by_key(_versions(bucket, since)), True
    except UnsupportedError:
        keys, has_versions = _by_key(bucket.keys(f"{place.prefix}dt=")), False
        if since is not None:
            first = f"{place.prefix}dt={since.isoformat()}"
            keys = {key: versions for key, versions in keys.items() if key >= first}
    named = {key: checkpoint for key in keys if (checkpoint := place.checkpoint_at(key)) is not None}
    if log is not None:
        named = {key: checkpoint for key, checkpoint in named.items() if checkpoint[0] == log}
    hosts = {host_in(key) for key in named}
    segments = {
        key: versions
        for key, versions in keys.items()
        if key.endswith(".gz") and (log is None or host_in(key) in hosts)
    }
    ends = _ends(bucket, segments) if stored else {}
    found: list[KeptCheckpoint] = []
    others: list[str] = []
    left_out: list[tuple[str, int]] = []
    for key, (of_log, size) in named.items():
        if stored and size > ends.get(of_log, 0):
            left_out.append((of_log, size))
            continue
        for one in _read(bucket, [one for one in keys[key] if not one.is_deletion]):
            if _is_checkpoint(one.text, of_log, size):
                found.append(one)
            else:
                others.append(f"{one.where} was changed: it is not the checkpoint that its key names")
    troubles = _troubles(place, {key: keys[key] for key in sorted({*named, *segments})})
    return KeptCheckpoints(
        found=tuple(found),
        troubles=(
            *_in_several_folders(named),
            *_first_of(_leading_elsewhere(place, keys)),
            *_first_of(others),
            *_first_of(troubles),
        ),
        left_out=len(left_out),
        left_out_size=max((size for _, size in left_out), default=0),
        stored_size=max((ends.get(of_log, 0) for of_log, _ in left_out), default=0),
        has_versions=has_versions,
    )


def _versions(bucket: Bucket, since: date | None) -> Iterator[Listed]:
    """Yield every version, and every deletion, of what stands in the folders of days."""
    prefix = f"{bucket.address.prefix}dt="
    if since is None:
        yield from bucket.history(prefix)
        return
    for folder in list(bucket.folders(prefix)):
        if folder >= f"{prefix}{since.isoformat()}":
            yield from bucket.history(folder)


def _by_key(listed: Iterable[Listed]) -> dict[str, list[Listed]]:
    keys: dict[str, list[Listed]] = {}
    for one in listed:
        keys.setdefault(one.key, []).append(one)
    return {key: sorted(versions, key=lambda one: one.kept_at) for key, versions in sorted(keys.items())}


def _read(bucket: Bucket, versions: Sequence[Listed]) -> Iterator[KeptCheckpoint]:
    """Yield what each of the *versions* of one checkpoint holds."""
    for version in versions:
        data = bytearray()
        for block in bucket.read(version.key, version.version):
            data += block
            if len(data) > MAX_LINE_BYTES:
                break
        text = bytes(data[:MAX_LINE_BYTES]).decode("utf-8", "replace")
        where = f"s3:{bucket.address.bucket}/{version.key}"
        if len(versions) > 1:
            where += f"?versionId={version.version}"
        yield KeptCheckpoint(text, version.kept_at.astimezone(UTC), where)


def _ends(bucket: Bucket, segments: Mapping[str, Sequence[Listed]]) -> dict[str, int]:
    """Return for each log how many of its lines are stored: the most that any version of a segment says.

    So nothing that is added takes away from it.
    """
    ends: dict[str, int] = {}
    for key, versions in segments.items():
        for version in versions:
            segment = bucket.look(key, version.version) if not version.is_deletion else None
            if segment is not None:
                log, last = segment.metadata.get(LOG, ""), segment.metadata.get(LAST_SEQ, "")
                ends[log] = max(ends.get(log, 0), int(last) + 1 if _SEQ.fullmatch(last) else 0)
    return ends


def _troubles(place: Address, keys: Mapping[str, Sequence[Listed]]) -> Iterator[str]:
    """Yield what shows that somebody put an object again, or deleted it."""
    for key, versions in keys.items():
        if len(versions) > 1 or versions[0].is_deletion:
            yield f"s3:{place.bucket}/{key} {_what_happened(versions)}"


def _in_several_folders(named: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    """Yield the logs of which checkpoints stand in the folders of several hosts, one of which is its own."""
    hosts: dict[str, set[str]] = {}
    for key, (log, _) in named.items():
        hosts.setdefault(log, set()).add(host_in(key))
    for log, found in sorted(hosts.items()):
        if len(found) > 1:
            yield (
                f"checkpoints of the log {log} stand in the folders of several hosts, and it is of one: "
                f"{', '.join(sorted(found))}"
            )


def _leading_elsewhere(place: Address, keys: Iterable[str]) -> Iterator[str]:
    """Yield the keys that name another file than their own where they are downloaded."""
    for key in keys:
        if not {".", ".."}.isdisjoint(key.split("/")):
            yield f"s3:{place.bucket}/{key} leads to another folder where it is downloaded"


def _first_of(troubles: Iterable[str]) -> Iterator[str]:
    """Yield the first of *troubles*, and how many more there are."""
    told = 0
    for told, trouble in enumerate(troubles, 1):
        if told <= _MOST_TOLD:
            yield trouble
    if told > _MOST_TOLD:
        yield f"and {told - _MOST_TOLD:,} more like these"


def _is_checkpoint(text: str, log: str, size: int) -> bool:
    """Return whether *text* is the sealed line, and nothing else, of the checkpoint over *size* lines."""
    try:
        line = parse_line(text.removesuffix("\n").encode("ascii"))
        members = parse_control(line.raw)
        return (line.log, line.seq, members["event_type"]) == (log, size, "log.checkpoint")
    except (FormatError, UnicodeEncodeError):
        return False


def _what_happened(versions: Sequence[Listed]) -> str:
    deleted = [one for one in versions if one.is_deletion]
    put = [one for one in versions if not one.is_deletion]
    said = []
    if len(put) > 1:
        said.append(f"was put {len(put)} times, first at {_time(put[0])} and last at {_time(put[-1])}")
    if deleted:
        what = "" if put else ", and no version of it is there"
        said.append(f"was deleted at {_time(deleted[-1])}{what}")
    return " and ".join(said)


def _time(one: Listed) -> str:
    return f"{one.kept_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
