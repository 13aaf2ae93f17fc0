"""A small S3 on loopback: objects with versions and locks, and failures on demand.

    with FakeS3(folder) as fake:
        os.environ |= fake.environment
        fake.fail("503", "lost answer")             # the next two requests, one each
        fake.lock = "shorter"                       # what becomes of locks that are asked for
    fake.objects()

What it answers is what Amazon's API reference says of each request, with XML as short as botocore takes it.
Signatures are not looked at. Locks are kept, not enforced: SeaweedFS does that in tests/integration.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import fake_cloudwatch
from ship_sites import Answer, HTTPSite

BUCKET = "acme-audit"
_META = "x-amz-meta-"
_LOCK_MODE, _LOCK_UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"
_LOCK_HOLD = "x-amz-object-lock-legal-hold"


def environment(endpoint: str, folder: Path) -> dict[str, str]:
    """Return all that boto3 looks at: S3 is at *endpoint*, and nothing anywhere else."""
    return fake_cloudwatch.environment("http://127.0.0.1:9", folder) | {"AWS_ENDPOINT_URL_S3": endpoint}


@dataclass
class Stored:
    """One version of an object."""

    key: str
    version: str
    data: bytes
    metadata: dict[str, str]
    sha256: str | None
    kept_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    mode: str | None = None
    until: datetime | None = None
    is_held: bool = False
    is_deletion: bool = False


class S3Error(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str = "as the service says it") -> None:
        self.status, self.code, self.message = status, code, message


class FakeS3(HTTPSite):
    """The service, with one bucket."""

    deduplicates = True

    def __init__(self, folder: Path, *, tls: ssl.SSLContext | None = None, prefix: str = "llm") -> None:
        self.stored: list[Stored] = []
        self.lock: Literal["kept", "off", "ignored", "shorter", "weaker", "no hold"] = "kept"
        """What becomes of locks that are asked for; `off`: the bucket has no Object Lock."""
        self.errors: list[S3Error] = []
        """The next requests that get through are answered with these, one each."""
        self.lists_versions = True
        self.lifted: list[str] = []
        """Keys from which a legal hold was taken."""
        self.rotten: Callable[[str], str] = lambda text: text
        """What becomes of an answer in XML."""
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request that got through."""
        self._mutex = threading.Lock()
        self._numbers = itertools.count(1)
        self._prefix = prefix
        super().__init__(tls)
        self.environment = environment(self.base, folder)

    @property
    def text(self) -> str:
        return f"s3:{BUCKET}/{self._prefix}"

    def objects(self) -> dict[str, Stored]:
        """Return the newest version of each object by its key, without those that are deleted."""
        newest = {stored.key: stored for stored in self.stored}
        return {key: stored for key, stored in newest.items() if not stored.is_deletion}

    def put_again(self, key: str, data: bytes | None = None, *, later: float = 60, **metadata: str) -> Stored:
        """Put a version over what is at *key*, as whoever may put objects can: the same bytes, or *data*."""
        old = next(one for one in reversed(self.stored) if one.key == key)
        content = old.data if data is None else data
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        new = Stored(key, f"v{next(self._numbers)}", content, metadata or dict(old.metadata), digest)
        new.kept_at = old.kept_at + timedelta(seconds=later)
        self.stored.append(new)
        return new

    def delete(self, key: str) -> None:
        """Hide what is at *key* behind a deletion marker; a lock does not prevent it."""
        marker = Stored(key, f"v{next(self._numbers)}", b"", {}, None, is_deletion=True)
        self.stored.append(marker)

    def segments(self) -> dict[str, bytes]:
        """Return the segments that are stored, name to lines."""
        keys = [key for key in self.objects() if key.endswith(".gz")]
        return {
            key.rpartition("/")[2].removesuffix(".gz"): gzip.decompress(self.objects()[key].data)
            for key in keys
        }

    def checkpoints(self) -> list[str]:
        """Return the keys of the checkpoints that are stored."""
        return [key for key in self.objects() if "/checkpoints/" in key]

    def ids(self) -> list[str]:
        return [json.loads(line)["id"] for data in self.segments().values() for line in data.splitlines()]

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        method = headers[":method"]
        with self._mutex:
            self.asked.append((method, path))
            try:
                if self.errors:
                    raise self.errors.pop(0)
                if bucket != BUCKET:
                    raise S3Error(404, "NoSuchBucket")
                return self._perform(method, key, query, headers, body)
            except S3Error as error:
                text = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
                return error.status, b"" if method == "HEAD" else text.encode()

    def _perform(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        if not key:
            return 200, self._list(query).encode()
        if "retention" in query or "legal-hold" in query:
            return self._locks(method, self._find(key, query), query, body)
        if method == "PUT":
            return self._put(key, headers, body)
        stored = self._find(key, query)
        said = {_META + name: value for name, value in stored.metadata.items()} | {
            "Last-Modified": format_datetime(stored.kept_at, usegmt=True),
            "ETag": '"1"',
        }
        if self.lock != "ignored":
            said["x-amz-version-id"] = stored.version
        if stored.sha256 is not None and headers.get("x-amz-checksum-mode") == "ENABLED":
            said["x-amz-checksum-sha256"] = stored.sha256
        return 200, stored.data, said

    def _put(self, key: str, headers: Mapping[str, str], body: bytes) -> Answer:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        wants_lock = _LOCK_MODE in headers or _LOCK_HOLD in headers
        if headers.get("if-none-match") == "*" and key in self.objects():
            raise S3Error(412, "PreconditionFailed")
        if headers.get("x-amz-checksum-sha256") != digest:
            raise S3Error(400, "BadDigest")
        if wants_lock and self.lock == "off":
            raise S3Error(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
        until = datetime.fromisoformat(headers[_LOCK_UNTIL]) if _LOCK_UNTIL in headers else None
        if until is not None and until <= datetime.now(UTC):
            raise S3Error(400, "InvalidArgument", "The retain until date must be in the future")
        metadata = {name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)}
        stored = Stored(key, f"v{next(self._numbers)}", body, metadata, digest)
        self._set_lock(stored, headers.get(_LOCK_MODE), until)
        stored.is_held = headers.get(_LOCK_HOLD) == "ON" and self.lock not in ("no hold", "ignored")
        self.stored.append(stored)
        said = {"ETag": '"1"', "x-amz-checksum-sha256": digest}
        return 200, b"", said if self.lock == "ignored" else said | {"x-amz-version-id": stored.version}

    def _set_lock(self, stored: Stored, mode: str | None, until: datetime | None) -> None:
        if mode is None or until is None or self.lock in ("ignored", "off"):
            return
        stored.mode = "GOVERNANCE" if self.lock == "weaker" else mode
        stored.until = until - timedelta(days=1) if self.lock == "shorter" else until

    def _find(self, key: str, query: Mapping[str, str]) -> Stored:
        for stored in reversed(self.stored):
            if stored.key == key and query.get("versionId", stored.version) in (stored.version, "null"):
                if stored.is_deletion:
                    break
                return stored
        raise S3Error(404, "NoSuchKey")

    def _locks(self, method: str, stored: Stored, query: Mapping[str, str], body: bytes) -> Answer:
        if self.lock == "off":
            raise S3Error(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
        if method == "PUT":
            said = {
                element.tag.rpartition("}")[2]: element.text or "" for element in ElementTree.fromstring(body)
            }
            if "retention" in query:
                self._set_lock(stored, said["Mode"], datetime.fromisoformat(said["RetainUntilDate"]))
            elif self.lock != "no hold":
                if said["Status"] == "OFF":
                    self.lifted.append(stored.key)
                stored.is_held = said["Status"] == "ON"
            return 200, b""
        if "legal-hold" in query:
            return (
                200,
                f"<LegalHold><Status>{'ON' if stored.is_held else 'OFF'}</Status></LegalHold>".encode(),
            )
        if stored.mode is None or stored.until is None:
            raise S3Error(404, "NoSuchObjectLockConfiguration")
        until = stored.until.isoformat().replace("+00:00", "Z")
        text = f"<Retention><Mode>{stored.mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        return 200, self.rotten(text).encode()

    def _list(self, query: Mapping[str, str]) -> str:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        versions = "versions" in query
        found, folders = [], {}
        if versions and not self.lists_versions:
            raise S3Error(501, "NotImplemented")
        chosen = self.stored[::-1] if versions else list(self.objects().values())
        for stored in sorted(chosen, key=lambda one: one.key):
            rest = stored.key.removeprefix(prefix)
            if not stored.key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = True
                continue
            name = "Version" if versions else "Contents"
            name = "DeleteMarker" if stored.is_deletion else name
            version = "null" if self.lock == "ignored" else stored.version
            found.append(
                f"<{name}><Key>{escape(stored.key)}</Key><VersionId>{version}</VersionId>"
                f"<LastModified>{stored.kept_at.isoformat()}</LastModified><Size>1</Size></{name}>"
            )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders
        )
        kind = "ListVersionsResult" if versions else "ListBucketResult"
        listed = "".join(found[: int(query.get("max-keys", "1000"))])
        text = f"<{kind}><IsTruncated>false</IsTruncated>{listed}{common}</{kind}>"
        return self.rotten(text)
