"""`splunk:https://HOST:8088`: Splunk's HTTP Event Collector (HEC).

Events, gzipped, to `/services/collector/event`, each with `time`, `host`, `source`, `sourcetype`, perhaps
`index`, and the line as text, so that `_raw` is the sealed line. Index, sourcetype, source and host may stand
in the address: `splunk:https://HOST:8088?index=audit&sourcetype=_json`.

HEC answers 200 before an event is indexed. Where the token asks for indexer acknowledgement, the answer has
an `ackId`, and a batch is confirmed only when that was acknowledged.
(Splunk: Getting Data In, "About HTTP Event Collector Indexer Acknowledgment", "Troubleshoot HEC".)
"""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship.credentials import credential
from or_audit_logging.ship.http import HTTPSender, Response
from or_audit_logging.ship.target import (
    Answer,
    Item,
    Limits,
    RefusedError,
    TargetOptions,
    TryLaterError,
)

TOKEN_VARIABLE = "OR_AUDIT_SPLUNK_TOKEN"  # noqa: S105 - the name of a variable
SOURCETYPE = "or_audit"

_PATH = "/services/collector/event"
_ACK_PATH = "/services/collector/ack"
_NAMES = ("host", "source", "sourcetype", "index")
_ENVELOPE = 600
"""Bytes, at most, that an event adds to its line, quotes that are escaped left aside."""
_LIMITS = Limits(items=1_000, bytes=800_000, item_bytes=400_000, overhead=_ENVELOPE)
_INCORRECT_INDEX = 7
_BUSY = frozenset({8, 9})
_OF_ONE_EVENT = frozenset({6, 12, 13, 15})
_FIRST_LOOK, _LONGEST_LOOK = 0.1, 2.0
"""Seconds between two questions whether a batch was indexed."""


class SplunkTarget:
    """One HEC endpoint."""

    limits = _LIMITS
    format = "native"

    def __init__(
        self,
        sender: HTTPSender,
        *,
        metadata: Mapping[str, str],
        channel: str,
        timeout: float,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._sender = sender
        self._metadata = dict(metadata)
        self._channel = channel
        self._timeout = timeout
        self._wait = wait or threading.Event().wait
        self.name = f"splunk:{sender.name}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items*; where the token asks for it, wait until they are indexed."""
        body = b"\n".join(self._event(item) for item in items)
        response = self._sender.post(body, content_type="application/json", path=_PATH, known=(400, 503))
        said = _said(response)
        if response.status in (400, 503):
            return self._refused(said, len(items))
        ack = said.get("ackId")
        if isinstance(ack, int):
            self._await_indexing(ack)
        return Answer()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _event(self, item: Item) -> bytes:
        event: dict[str, object] = dict(self._metadata)
        if item.time is not None:
            event["time"] = f"{item.time.timestamp():.6f}"
        event["event"] = item.body.decode("utf-8", "replace")
        event["fields"] = {"id": item.id, "seq": str(item.seq)}
        return json.dumps(event, separators=(",", ":")).encode("ascii")

    def _refused(self, said: Mapping[str, object], count: int) -> Answer:
        """Return what a refusal means; the codes are those of HEC's own list."""
        code, text = said.get("code"), str(said.get("text", ""))[:100]
        number = said.get("invalid-event-number")
        if code in _BUSY:
            raise TryLaterError(f"{self.name} is busy")
        if code == _INCORRECT_INDEX:
            raise DeliveryError(f"{self.name} does not take this index with this token")
        if code in _OF_ONE_EVENT and isinstance(number, int) and 0 <= number < count:
            others = [index for index in range(count) if index != number]
            return Answer(refused={number: f"Splunk refused it: {text}"}, again=others, retry_after=0.0)
        if code is None:
            raise TryLaterError(f"{self.name} answered in words that are not HEC's")
        raise RefusedError(f"{self.name} refused a batch: {text} (code {code})")

    def _await_indexing(self, ack: int) -> None:
        """Return once the batch with the id *ack* was indexed; raises `TryLaterError` where it takes too long."""
        until, pause = time.monotonic() + self._timeout, _FIRST_LOOK
        question = json.dumps({"acks": [ack]}).encode("ascii")
        while True:
            path = f"{_ACK_PATH}?channel={self._channel}"
            acks = _said(self._sender.post(question, content_type="application/json", path=path)).get("acks")
            if isinstance(acks, dict) and acks.get(str(ack)) is True:
                return
            if time.monotonic() + pause > until:
                raise TryLaterError(
                    f"{self.name} did not confirm in {self._timeout:g} s that lines are indexed"
                )
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_LOOK)


def _said(response: Response) -> Mapping[str, object]:
    try:
        said = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def open_target(address: str, options: TargetOptions) -> SplunkTarget:
    """Return the target at the URL *address*; raises `ConfigError`. The token is in OR_AUDIT_SPLUNK_TOKEN."""
    parts = urlsplit(address)
    if parts.path not in ("", "/", _PATH):
        raise ConfigError("splunk is written splunk:https://HOST:8088, perhaps with ?index=NAME")
    given = dict(parse_qsl(parts.query))
    if unknown := set(given) - set(_NAMES):
        raise ConfigError(
            f"{min(unknown)} is none of {', '.join(_NAMES)}, which an address for splunk may have"
        )
    channel = str(uuid.uuid4())
    token = credential(TOKEN_VARIABLE, what="splunk")
    headers = {"Authorization": f"Splunk {token}", "X-Splunk-Request-Channel": channel}
    url = parts._replace(path=_PATH, query="").geturl()
    metadata = {"host": socket.gethostname(), "source": "or-audit", "sourcetype": SOURCETYPE} | given
    sender = HTTPSender(url, options=options, headers=headers, compress=True)
    return SplunkTarget(sender, metadata=metadata, channel=channel, timeout=options.timeout)
