"""Datadog's log intake, held to "Send logs" of its API reference: what it refuses, cuts and drops.

    with FakeDatadog() as datadog:
        Shipper(folder, datadog.text).run()
        datadog.items                           # what a search shows
        datadog.cut, datadog.dropped            # of what was answered with 202

What no documentation states is its author's guess: that more than 1,000 items are answered with 413, and an
empty list with 400.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ship_sites import HTTPSite

KEY = "0123456789abcdef0123456789abcdef"
_PAYLOAD, _LOG, _LOGS, _OLDEST = 5_000_000, 1_000_000, 1_000, timedelta(hours=18)


class FakeDatadog(HTTPSite):
    """One site; its clock is *ahead* of ours."""

    def __init__(self, *, ahead: timedelta = timedelta(0), tls: ssl.SSLContext | None = None) -> None:
        self.items: list[dict[str, Any]] = []
        self.cut = self.dropped = 0
        self._ahead = ahead
        self._refused: set[str] = set()
        super().__init__(tls)
        self.environment = {"OR_AUDIT_DATADOG_API_KEY": KEY}

    @property
    def text(self) -> str:
        return f"datadog:{self.base}?service=checkout&tags=team:llm,env:prod"

    def ids(self) -> list[str]:
        return [item["or_audit"]["id"] for item in self.items]

    def refuse(self, *ids: str) -> None:
        self._refused.update(ids)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        if urlsplit(path).path != "/api/v2/logs":
            return 404, b'{"errors":["Not found"]}'
        if "dd-api-key" not in headers:
            return 401, b'{"errors":[{"status":"401","title":"Unauthorized"}]}'
        if headers["dd-api-key"] != KEY:
            return 403, b'{"errors":[{"status":"403","title":"Forbidden"}]}'
        if headers.get("content-type") != "application/json":
            return 415, b'{"errors":[{"status":"415","title":"Unsupported Media Type"}]}'
        if len(body) > _PAYLOAD:
            return 413, b'{"errors":[{"status":"413","title":"Request Entity Too Large"}]}'
        try:
            items = json.loads(body)
        except ValueError:
            items = None
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            return 400, b'{"errors":[{"status":"400","title":"Bad Request"}]}'
        if len(items) > _LOGS:
            return 413, b'{"errors":[{"status":"413","title":"Request Entity Too Large"}]}'
        if any(item.get("or_audit", {}).get("id") in self._refused for item in items):
            return 400, b'{"errors":[{"status":"400","title":"Bad Request"}]}'
        self._keep(items)
        return 202, b"{}"

    def _keep(self, items: list[dict[str, Any]]) -> None:
        now = datetime.now(UTC) + self._ahead
        for item in items:
            if "timestamp" in item and now - datetime.fromisoformat(item["timestamp"]) > _OLDEST:
                self.dropped += 1
                continue
            if len(json.dumps(item, separators=(",", ":"))) > _LOG:
                self.cut += 1
            self.items.append(item)
