"""`splunk:https://HOST:8088`: Splunk's HTTP Event Collector (HEC).

Events, gzipped, to `/services/collector/event`, each with `time`, `host`, `source`, `sourcetype`, perhaps
`index`, and the line as text, so that `_raw` is the sealed line. Host, source, sourcetype and index may stand
in the address: `splunk:https://HOST:8088?index=audit&host=web-1`.

HEC answers 200 before an event is indexed. Where the token asks for indexer acknowledgment, the answer has
an `ackId`, and a batch is confirmed only when that was acknowledged.
(Splunk, Getting Data In: "Format events for HTTP Event Collector", "About HTTP Event Collector Indexer
Acknowledgment", "Troubleshoot HTTP Event Collector".)
"""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship.address import named
from or_audit_logging.ship.credentials import credential
from or_audit_logging.ship.http import HTTPSender, Response
from or_audit_logging.ship.target import Answer, Item, Limits, RefusedError, TargetOptions, TryLaterError

TOKEN_VARIABLE = "OR_AUDIT_SPLUNK_TOKEN"  # noqa: S105 - the name of a variable
SOURCETYPE = "or_audit"

_PATH = "/services/collector/event"
_ACK_PATH = "/services/collector/ack"
_NAMES = ("host", "source", "sourcetype", "index")

# HEC's own limit, max_content_length, depends on its version and on who runs it: 1 MB is taken everywhere.
# As text in JSON a line grows, by about a tenth and at most twofold.
_LIMITS = Limits(items=1_000, bytes=800_000, item_bytes=400_000, overhead=400)

_OF_ONE_EVENT = {
    6: "invalid data format",
    12: "event field is required",
    13: "event field cannot be blank",
    15: "error in handling indexed fields",
}
_OF_ALL = {7: "incorrect index", 10: "data channel is missing", 11: "invalid data channel"}
"""What HEC's codes mean, beside a 400."""
_WAITS = 4
"""So many times `send` waits for the same acknowledgment, before the batch is taken for lost."""
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
        self._unconfirmed: tuple[list[Item], int, int] | None = None
        self.name = f"splunk:{sender.name.removesuffix(_PATH)}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items*; where the token asks for it, wait until they are indexed.

        What takes longer than the timeout is asked for again by the next try, and sent again only after
        several: an indexer that lags would otherwise get each batch many times.
        """
        batch, (known, ack, waits) = list(items), self._unconfirmed or ([], 0, 0)
        self._unconfirmed = None
        if batch != known or waits >= _WAITS:
            answer, promised = self._post(batch)
            if promised is None:
                return answer
            ack, waits = promised, 0
        if not self._is_indexed(ack):
            self._unconfirmed = batch, ack, waits + 1
            raise TryLaterError(f"{self.name} did not say in {self._timeout:g} s that lines are indexed")
        return Answer()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _post(self, items: Sequence[Item]) -> tuple[Answer, int | None]:
        """Return what became of *items*, and the id of the acknowledgment to wait for, if there is one."""
        body = b"\n".join(self._event(item) for item in items)
        response = self._sender.post(body, content_type="application/json", known=(400,))
        said = _said(response)
        if response.status == 400:
            return self._refused(said, len(items)), None
        if said.get("code") != 0:
            raise DeliveryError(f"{self.name} did not answer as HEC does: check the address")
        ack = said.get("ackId")
        return Answer(), ack if isinstance(ack, int) else None

    def _event(self, item: Item) -> bytes:
        event: dict[str, object] = dict(self._metadata)
        if item.time is not None:
            event["time"] = item.time.timestamp()
        event["event"] = item.body.decode("utf-8", "replace")
        event["fields"] = {"id": item.id, "seq": str(item.seq)}
        return json.dumps(event, separators=(",", ":")).encode("ascii")

    def _refused(self, said: Mapping[str, object], count: int) -> Answer:
        """Return what a 400 means. Of a batch, HEC may have kept the events before the one it names."""
        code, number = said.get("code"), said.get("invalid-event-number")
        if not isinstance(code, int):
            raise DeliveryError(f"{self.name} answered 400, and not as HEC does: check the address")
        if code not in _OF_ONE_EVENT:
            why = f"{_OF_ALL.get(code, 'refused')} (code {code})"
            raise DeliveryError(f"{self.name} answered 400, {why}: check the token's settings")
        why = f"Splunk refused it: {_OF_ONE_EVENT[code]} (code {code})"
        if not isinstance(number, int) or not 0 <= number < count:
            raise RefusedError(why)
        return Answer(refused={number: why}, again=[index for index in range(count) if index != number])

    def _is_indexed(self, ack: int) -> bool:
        """Return whether the batch with the id *ack* is indexed, as soon as it is, or when time is up."""
        until, pause = time.monotonic() + self._timeout, _FIRST_LOOK
        question = json.dumps({"acks": [ack]}).encode("ascii")
        path = f"{_ACK_PATH}?channel={self._channel}"
        while True:
            response = self._sender.post(question, content_type="application/json", path=path, known=(400,))
            if response.status == 400:
                raise TryLaterError(f"{self.name} knows of no acknowledgments any more")
            acks = _said(response).get("acks")
            if isinstance(acks, dict) and acks.get(str(ack)) is True:
                return True
            if time.monotonic() + pause > until:
                return False
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
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if not parts.netloc or parts.path not in ("", "/", _PATH) or parts.fragment:
        raise ConfigError("splunk is written splunk:https://HOST:8088, perhaps with ?index=NAME")
    given = named(parts.query, _NAMES, target="splunk")
    channel = str(uuid.uuid4())
    token = credential(TOKEN_VARIABLE, what="splunk")
    headers = {"Authorization": f"Splunk {token}", "X-Splunk-Request-Channel": channel}
    url = parts._replace(path=_PATH, query="").geturl()
    metadata = {"host": socket.gethostname(), "source": "or-audit", "sourcetype": SOURCETYPE} | given
    sender = HTTPSender(url, options=options, headers=headers, compress=True)
    return SplunkTarget(sender, metadata=metadata, channel=channel, timeout=options.timeout)
