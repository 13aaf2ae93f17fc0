"""A data stream of Elasticsearch or OpenSearch, as far as its bulk API: what it refuses, per item and whole.

    with FakeElastic() as elastic:
        Shipper(folder, elastic.text).run()
        elastic.documents                       # in the order in which they came

Held to "Bulk API", "Data streams" and "Common options: response filtering" of Elastic's reference. For what
data streams have no part in (mappings, queries, clients) there is a real server: integration/test_elastic.py.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ship_sites import HTTPSite

API_KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
STREAM = "or-audit"
_ID_BYTES = 512


class ItemError(Exception):
    """What is answered for one item."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        self.answer = {"status": status, "error": {"type": kind, "reason": reason}}
        super().__init__(reason)


class FakeElastic(HTTPSite):
    """One data stream, that takes no more than *most_bytes* in a request."""

    deduplicates = True

    def __init__(self, *, most_bytes: int = 10 << 20, tls: ssl.SSLContext | None = None) -> None:
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self.is_blocked = False
        self.busy: set[str] = set()
        """Ids of items that are answered with 429, once each."""
        self._most_bytes = most_bytes
        self._refused: set[str] = set()
        self._index: set[str] = set()
        super().__init__(tls)
        self.environment = {"OR_AUDIT_ELASTIC_API_KEY": API_KEY}

    @property
    def text(self) -> str:
        return f"elastic:{self.base}/{STREAM}"

    def ids(self) -> list[str]:
        return [name for name, _document in self.documents]

    def refuse(self, *ids: str) -> None:
        self._refused.update(ids)

    def roll_over(self) -> None:
        """Begin another backing index, which knows no ids."""
        self._index.clear()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        route = urlsplit(path)
        if headers.get("authorization") != f"ApiKey {API_KEY}":
            return 401, b'{"error":{"type":"security_exception"},"status":401}'
        if route.path != f"/{STREAM}/_bulk":
            return 405, b'{"error":"Incorrect HTTP method for uri","status":405}'
        if headers.get("content-type") not in ("application/x-ndjson", "application/json"):
            return 406, b'{"error":"Content-Type header is not supported","status":406}'
        if len(body) > self._most_bytes:
            return 413, b""
        if not body.endswith(b"\n"):
            return 400, b'{"error":{"type":"illegal_argument_exception","reason":"no newline"},"status":400}'
        lines = body.split(b"\n")[:-1]
        items = [self._item(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
        said = {"took": 1, "errors": any("error" in item for item in items)}
        said["items"] = [{"create": item} for item in items]  # type: ignore[assignment]
        return 200, json.dumps(_filtered(said, parse_qs(route.query).get("filter_path", []))).encode()

    def _item(self, action: bytes, source: bytes) -> dict[str, Any]:
        ((kind, about),) = json.loads(action).items()
        about = {"_index": f".ds-{STREAM}-000001", "_id": about.get("_id")}
        try:
            self._take(kind, about["_id"], source)
        except ItemError as error:
            return about | error.answer
        return about | {"status": 201, "result": "created", "_shards": {"total": 2, "successful": 1}}

    def _take(self, kind: str, name: str, source: bytes) -> None:
        if kind != "create":
            raise ItemError(400, "illegal_argument_exception", "only create is allowed in data streams")
        if len(name.encode()) > _ID_BYTES:
            raise ItemError(400, "illegal_argument_exception", "id is too long")
        if self.is_blocked:
            raise ItemError(403, "cluster_block_exception", "index blocked by: [FORBIDDEN/8/index write]")
        if name in self.busy:
            self.busy.discard(name)
            raise ItemError(429, "es_rejected_execution_exception", "rejected execution of coordination")
        if name in self._index:
            raise ItemError(409, "version_conflict_engine_exception", f"[{name}]: version conflict")
        try:
            document = json.loads(source)
        except ValueError:
            raise ItemError(400, "document_parsing_exception", "failed to parse") from None
        if "@timestamp" not in document:
            raise ItemError(400, "document_parsing_exception", "field [@timestamp] is missing")
        datetime.fromisoformat(document["@timestamp"])
        if name in self._refused:
            reason = (
                f"failed to parse field [labels.team] of type [long]. Preview of field's value: {source!r}"
            )
            raise ItemError(400, "document_parsing_exception", reason)
        self._index.add(name)
        self.documents.append((name, document))


def _filtered(said: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Return what response filtering leaves of *said*; `*` stands for one name."""
    if not paths:
        return said
    patterns = [
        re.compile(path.replace(".", r"\.").replace("*", "[^.]+")) for path in ",".join(paths).split(",")
    ]

    def kept(value: Any, path: str) -> Any:
        if any(pattern.fullmatch(path) for pattern in patterns):
            return value
        if isinstance(value, dict):
            found = {name: kept(member, f"{path}.{name}".strip(".")) for name, member in value.items()}
            return {name: member for name, member in found.items() if member is not None} or None
        if isinstance(value, list):
            return [found for item in value if (found := kept(item, path)) is not None] or None
        return None

    return kept(said, "") or {}
