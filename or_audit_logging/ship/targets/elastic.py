"""`elastic:https://HOST:9200/STREAM`: Elasticsearch and OpenSearch, a data stream or an index.

NDJSON to `STREAM/_bulk`, each line a `create` with the record's id as `_id`: what is there already is
answered with 409 and counts as delivered. A 200 holds a result for each item; all of them are looked at.

A data stream takes nothing without `@timestamp`. What has no time of its own, the stub of a redacted line, is
given that of its delivery; native lines stay as they are. Index templates: examples/shipping/elasticsearch/.
(Elasticsearch: "Bulk API", "Data streams". OpenSearch: "Bulk".)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.credentials import optional_credential
from or_audit_logging.ship.http import HTTPSender
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions

KEY_VARIABLE = "OR_AUDIT_ELASTIC_API_KEY"
USER_VARIABLE = "OR_AUDIT_ELASTIC_USER"
PASSWORD_VARIABLE = "OR_AUDIT_ELASTIC_PASSWORD"  # noqa: S105 - the name of a variable

_STREAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")
_ACTION = b'{"create":{"_id":"%s"}}\n'
_ANSWER = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
"""Without it, each item is answered with a few hundred bytes that nobody looks at."""
_TIME = b'{"@timestamp":"%s",'
_LIMITS = Limits(items=1_000, bytes=5 << 20, item_bytes=5 << 20, overhead=120)
"""Elastic advises 5 to 15 MB; servers take 100 MB, some that are rented 10 MB."""

_THERE_ALREADY = 409
_DENIED = frozenset({401, 403, 404})
_LATER = frozenset({408, 425, 429})
_KIND = re.compile("[a-z_]{1,100}")
_FIELD = re.compile(r"field \[([\w.@-]{1,100})\]")


class ElasticTarget:
    """One data stream or index."""

    limits = _LIMITS
    format = "ecs"

    def __init__(self, sender: HTTPSender) -> None:
        self._sender = sender
        self.name = f"elastic:{sender.name.removesuffix('/_bulk')}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items* to the bulk API."""
        body = b"".join([_ACTION % item.id.encode("ascii", "replace") + _document(item) for item in items])
        response = self._sender.post(body, content_type="application/x-ndjson")
        results = _results(response.body)
        if results is None or len(results) != len(items):
            raise DeliveryError(f"{self.name} did not say what became of each line: check the address")
        refused: dict[int, str] = {}
        again: list[int] = []
        for index, result in enumerate(results):
            status = result.get("status")
            if not isinstance(status, int) or status in _LATER or not 200 <= status < 500:
                again.append(index)
            elif status in _DENIED:
                raise DeliveryError(f"{self.name}: {self._reason(result)} ({status})")
            elif status >= 300 and status != _THERE_ALREADY:
                refused[index] = f"{self._reason(result)} ({status})"
        return Answer(refused=refused, again=tuple(again))

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _reason(self, result: Mapping[str, object]) -> str:
        """Return the type of an item's error, and the field that it names; its other words quote the item."""
        error = result.get("error")
        kind = str(error.get("type")) if isinstance(error, dict) else ""
        if not isinstance(error, dict) or not _KIND.fullmatch(kind):
            return "refused without a reason"
        field = _FIELD.search(self._sender.without_secrets(str(error.get("reason"))))
        return f"{kind} in {field[1]}" if field else kind


def _document(item: Item) -> bytes:
    if item.time is None and item.body != item.line and item.body.startswith(b'{"'):
        return _TIME % utc_timestamp(datetime.now(UTC)).encode("ascii") + item.body[1:] + b"\n"
    return item.body + b"\n"


def _results(body: bytes) -> list[Mapping[str, object]] | None:
    """Return what the bulk API says of each item; None where it says something else."""
    try:
        items = json.loads(body)["items"]
        return [result for item in items for result in item.values() if isinstance(result, dict)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def open_target(address: str, options: TargetOptions) -> ElasticTarget:
    """Return the target at the URL *address*, whose path is the stream; raises `ConfigError`.

    OR_AUDIT_ELASTIC_API_KEY, or OR_AUDIT_ELASTIC_USER and OR_AUDIT_ELASTIC_PASSWORD.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    prefix, _, stream = parts.path.rstrip("/").rpartition("/")
    if not parts.netloc or not _STREAM.fullmatch(stream) or parts.query or parts.fragment:
        raise ConfigError("elastic is written elastic:https://HOST:9200/STREAM, in small letters")
    url = parts._replace(path=f"{prefix}/{stream}/_bulk", query=_ANSWER).geturl()
    sender = HTTPSender(url, options=options, headers=_authorization(), compress=True)
    return ElasticTarget(sender)


def _authorization() -> dict[str, str]:
    key = optional_credential(KEY_VARIABLE)
    if key is not None:
        return {"Authorization": f"ApiKey {key}"}
    user, password = optional_credential(USER_VARIABLE), optional_credential(PASSWORD_VARIABLE)
    if user is None and password is None:
        return {}
    if user is None or password is None:
        raise ConfigError(f"set both {USER_VARIABLE} and {PASSWORD_VARIABLE}, or {KEY_VARIABLE}")
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")}
