"""`Bucket`: the requests that are made of S3, one method each, and what came of them.

    bucket = Bucket(address, session, options)
    version = bucket.put_new(key, file, size=size, sha256=digest, metadata={}, lock={})
    bucket.look(key).sha256

Nothing is tried again here, and nothing is overwritten. Raises `DeliveryError` and its kinds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from or_audit_logging.ship.aws import MissingError, connect, understood
from or_audit_logging.ship.s3.address import Address
from or_audit_logging.ship.target import TargetOptions, TryLaterError

if TYPE_CHECKING:
    import boto3

LARGEST = 5 * 1024**3
"""Bytes that one PUT takes at most."""

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object that is there: its version (None: the bucket keeps none), and what was put with it.

    `sha256` is the checksum that the store computed itself, None where it says none.
    """

    version: str | None
    sha256: bytes | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object in a listing, or one version of it; `is_deletion`: what hides the versions before it."""

    key: str
    version: str | None
    kept_at: datetime
    is_deletion: bool = False


class Bucket:
    """One bucket; the first request opens the connection."""

    def __init__(self, address: Address, session: boto3.Session, options: TargetOptions) -> None:
        self.address = address
        self.name = address.name
        self._session = session
        self._options = options
        self._client: Any = None

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def put_new(
        self,
        key: str,
        file: BinaryIO,
        *,
        size: int,
        sha256: bytes,
        metadata: Mapping[str, str],
        lock: Mapping[str, object],
    ) -> str | None:
        """Put an object where there is none, and return its version; raises `ThereError` where there is one.

        The store compares *sha256* with what it gets.
        """
        answer = self._call(
            "put_object",
            Key=key,
            Body=file,
            ContentLength=size,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=base64.b64encode(sha256).decode("ascii"),
            IfNoneMatch="*",
            Metadata=dict(metadata),
            **lock,
        )
        return _version(answer)

    def look(self, key: str, version: str | None = None) -> Found | None:
        """Return what is at *key*, None where there is nothing."""
        which = {"VersionId": version} if version is not None else {}
        try:
            answer = self._call("head_object", Key=key, ChecksumMode="ENABLED", **which)
        except MissingError:
            return None
        try:
            sha256 = base64.b64decode(answer.get("ChecksumSHA256") or "", validate=True) or None
        except binascii.Error:  # of parts, in an object that was put in parts
            sha256 = None
        return Found(version=_version(answer), sha256=sha256, metadata=answer.get("Metadata") or {})

    def read(self, key: str, version: str | None = None) -> Generator[bytes, None, None]:
        """Yield the content of *key* in blocks, held against its checksum where the store has one."""
        which = {"VersionId": version} if version is not None else {}
        body = self._call("get_object", Key=key, ChecksumMode="ENABLED", **which)["Body"]
        with closing(body), self._understood():
            yield from iter(lambda: body.read(_BLOCK), b"")

    def keys(self, prefix: str, *, most: int | None = None) -> Iterator[Listed]:
        """Yield the objects whose keys begin with *prefix*, by key: *most* of them, the newest of each."""
        limits = {} if most is None else {"MaxKeys": most}
        for page in self._pages("list_objects_v2", most, Prefix=prefix, **limits):
            for entry in page.get("Contents", ()):
                yield self._listed(entry)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what stands between *prefix* and the next / in keys, both included; of all versions."""
        for page in self._pages("list_object_versions", Prefix=prefix, Delimiter="/"):
            for entry in page.get("CommonPrefixes", ()):
                if "Prefix" not in entry:
                    raise TryLaterError(f"{self.name} lists a folder without a name")
                yield entry["Prefix"]

    def versions(self, folder: str) -> Iterator[Listed]:
        """Yield every version of the objects directly in *folder*, those behind a deletion included."""
        for page in self._pages("list_object_versions", Prefix=folder, Delimiter="/"):
            for entry in page.get("Versions", ()):
                yield self._listed(entry, has_version=True)

    def history(self, prefix: str) -> Iterator[Listed]:
        """Yield every version, and every deletion, of what begins with *prefix*.

        What was put before the bucket kept versions is its version "null". Raises `UnsupportedError` where
        the store lists none.
        """
        for page in self._pages("list_object_versions", Prefix=prefix):
            for entry in page.get("Versions", ()):
                yield self._listed(entry, has_version=True)
            for entry in page.get("DeleteMarkers", ()):
                yield self._listed(entry, has_version=True, is_deletion=True)

    def retention(self, key: str, version: str) -> Mapping[str, Any]:
        """Return Mode and RetainUntilDate of a version; raises `MissingError` where it has none."""
        return self._call("get_object_retention", Key=key, VersionId=version).get("Retention") or {}

    def retain(self, key: str, version: str, *, mode: str, until: datetime) -> None:
        """Let a version be kept until then."""
        retention = {"Mode": mode, "RetainUntilDate": until}
        self._call("put_object_retention", Key=key, VersionId=version, Retention=retention)

    def is_held(self, key: str, version: str) -> bool:
        """Return whether a version is under a legal hold."""
        try:
            answer = self._call("get_object_legal_hold", Key=key, VersionId=version)
        except MissingError:
            return False
        return (answer.get("LegalHold") or {}).get("Status") == "ON"

    def hold(self, key: str, version: str, *, on: bool) -> None:
        """Put a version under a legal hold, or take it away."""
        status = {"Status": "ON" if on else "OFF"}
        self._call("put_object_legal_hold", Key=key, VersionId=version, LegalHold=status)

    def _listed(
        self, entry: Mapping[str, Any], *, has_version: bool = False, is_deletion: bool = False
    ) -> Listed:
        try:
            return Listed(
                key=entry["Key"],
                version=entry["VersionId"] if has_version else None,
                kept_at=entry["LastModified"],
                is_deletion=is_deletion,
            )
        except KeyError as missing:
            raise TryLaterError(f"{self.name} lists an object without {missing.args[0]}") from None

    def _pages(
        self, operation: str, most: int | None = None, **parameters: object
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the answers to a listing, page by page; the first alone where so *most* are enough."""
        with self._understood():
            pages = self._connected().get_paginator(operation)
            for page in pages.paginate(Bucket=self.address.bucket, **parameters):
                yield page
                if most is not None:
                    return

    def _call(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        with self._understood():
            method = getattr(self._connected(), operation)
            answer: Mapping[str, Any] = method(Bucket=self.address.bucket, **parameters)
            return answer

    def _connected(self) -> Any:
        if self._client is None:
            self._client = connect(self._session, "s3", name=self.name, options=self._options)
        return self._client

    def _understood(self) -> Any:
        return understood(self.name, timeout=self._options.timeout)


def _version(answer: Mapping[str, Any]) -> str | None:
    """Return the version that *answer* names; a bucket without versions names none, or "null"."""
    version = answer.get("VersionId")
    return str(version) if version not in (None, "", "null") else None
