"""`store`: an object, put once. One that is there already has to be the same.

    store(bucket, key, Content.of(b"..."), lock)

Where another object stands there, nothing is overwritten: `DeliveryError`, so that nothing passes for stored
that is not, or `RefusedError` where it stays that way (`Content.may_differ`).
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship.aws import ThereError
from or_audit_logging.ship.s3.bucket import LARGEST, Bucket, Found
from or_audit_logging.ship.s3.locking import Lock, assure, confirm
from or_audit_logging.ship.target import RefusedError, TryLaterError

LOG = "log"
"""The member of an object's metadata that says whose log it is of: 16 hex digits."""

_BLOCK = 1 << 18
_NO_LINE = b"\0"
_WAY_OUT = "Find out who, delete that version if you may, or ship to another prefix (docs/targets.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an object is to hold: *size* bytes of *file* with this SHA-256.

    `lines` is the SHA-256 of the lines in it, which is the same however they were compressed, and `length`
    how many bytes they have. `may_differ`:
    what stands there already may rightly hold other bytes (lines were redacted since), or does no harm.
    """

    file: BinaryIO
    size: int
    sha256: bytes
    lines: bytes
    length: int
    is_compressed: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    may_differ: bool = False

    @classmethod
    def of(cls, data: bytes, metadata: Mapping[str, str], *, may_differ: bool = False) -> Content:
        """Return the content that *data* is."""
        digest = hashlib.sha256(data).digest()
        return cls(
            file=io.BytesIO(data),
            size=len(data),
            sha256=digest,
            lines=digest,
            length=len(data),
            metadata=metadata,
            may_differ=may_differ,
        )


def store(bucket: Bucket, key: str, content: Content, lock: Lock | None) -> None:
    """Return once *content* stands at *key*, locked as asked; raises `DeliveryError` and its kinds."""
    if content.size > LARGEST:
        raise RefusedError(f"{key} has {content.size:,} bytes, and one object takes {LARGEST:,} at most")
    content.file.seek(0)
    try:
        version = bucket.put_new(
            key,
            content.file,
            size=content.size,
            sha256=content.sha256,
            metadata=content.metadata,
            lock=lock.parameters if lock is not None else {},
        )
    except ThereError:
        version = _same(bucket, key, content).version
        if lock is not None:
            assure(bucket, key, version, lock)
    else:
        if lock is not None:
            confirm(bucket, key, version, lock)


def _same(bucket: Bucket, key: str, content: Content) -> Found:
    """Return what is at *key* if that is *content*."""
    found = bucket.look(key)
    if found is None:
        raise TryLaterError(f"{bucket.name}: {key} was there, and is not any more")
    other = found.metadata.get(LOG)
    if other is not None and other != content.metadata.get(LOG):
        raise DeliveryError(
            f"{bucket.name}: {key} is of another log, {other}; give each log a prefix of its own"
        )
    if found.sha256 != content.sha256:
        _compare(bucket, key, found, content)
    if not content.metadata.items() <= found.metadata.items():  # which holds and --stored go by
        raise DeliveryError(
            f"{bucket.name}: {key} holds the right bytes, and not the metadata that go with them: somebody "
            f"else has put it there. {_WAY_OUT}"
        )
    return found


def _compare(bucket: Bucket, key: str, found: Found, content: Content) -> None:
    """Return if the lines at *key* are those of *content*."""
    digest, length = hashlib.sha256(), 0
    with closing(bucket.read(key, found.version)) as blocks:
        for block in _lines(blocks, content):
            digest.update(block)
            length += len(block)
            if length > content.length:  # it may unfold without end
                break
    if length == content.length and digest.digest() == content.lines:
        return
    said = f"{bucket.name}: {key} holds other bytes than are to be put there, and stays as it is"
    if content.may_differ:
        raise RefusedError(f"{said}: somebody else has put it there, or lines were redacted here since")
    raise DeliveryError(f"{said}: somebody else has put it there. {_WAY_OUT}")


def _lines(blocks: Iterable[bytes], content: Content) -> Iterator[bytes]:
    """Yield the lines in an object's *blocks*, and what is like no line where they are not as they should."""
    if not content.is_compressed:
        yield from blocks
        return
    inflated = zlib.decompressobj(wbits=31)
    try:
        for block in blocks:
            rest = block
            while rest:
                yield inflated.decompress(rest, _BLOCK)
                rest = inflated.unconsumed_tail
    except zlib.error:
        yield _NO_LINE
    if not inflated.eof or inflated.unused_data:
        yield _NO_LINE
