"""Splunk's HTTP Event Collector, held to its documentation: codes, channels, acknowledgments, truncation.

    with FakeSplunk(polls=2) as splunk:         # an ackId at once, true at the second question
        Shipper(folder, splunk.text).run()
        splunk.raw()                            # what a search shows as _raw

Codes are those of "Troubleshoot HTTP Event Collector"; channels and acknowledgments those of "About HTTP
Event Collector Indexer Acknowledgment". Events are read one by one, as Splunk does: `keeps_before` is
whether those before an invalid one are kept, and a batch that ends in an internal error, which no
documentation states.
"""

from __future__ import annotations

import json
import ssl
import uuid
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ship_sites import HTTPSite

TOKEN = "7f3c0f5e-0d3b-4c9c-9a55-7e6f1f0a2b11"
DISABLED = "00000000-0d3b-4c9c-9a55-7e6f1f0a2b11"
DEFAULT_TRUNCATE = 10_000
"""props.conf: bytes of an event that are kept where its sourcetype says nothing else."""
INTERNAL_ERROR, BUSY = 8, 9
"""Codes of a server that is in trouble."""
_MEMBERS = frozenset({"time", "host", "source", "sourcetype", "index", "event", "fields"})


class HECError(Exception):
    """What is answered instead of success."""

    def __init__(self, status: int, code: int, text: str, number: int | None = None) -> None:
        members: dict[str, object] = {"text": text, "code": code}
        if number is not None:  # counted from zero, but for an index that is not allowed
            members["invalid-event-number"] = number + (1 if code == 7 else 0)
        self.answer = status, json.dumps(members).encode()
        super().__init__(text)


class FakeSplunk(HTTPSite):
    """One HEC with one token; with *polls*, the token asks for acknowledgment."""

    def __init__(
        self,
        *,
        polls: int | None = None,
        indexes: Collection[str] = ("main", "audit"),
        most_bytes: int = 1_000_000,
        truncate: Mapping[str, int] | None = None,
        keeps_before: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.polls = polls
        self.events: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.questions = 0
        self.loses = 0
        """So many batches are answered with success, and lost on their way to the index."""
        self.troubles: list[int] = []
        """Codes with which the next batches are answered, one each: BUSY or INTERNAL_ERROR."""
        self._indexes = indexes
        self._most_bytes = most_bytes
        self._truncate = dict(truncate or {})
        self._keeps_before = keeps_before
        self._refused: set[str] = set()
        self._asked: dict[tuple[str, int], int] = {}
        self._next_ack: dict[str, int] = {}
        super().__init__(tls)
        self.environment = {"OR_AUDIT_SPLUNK_TOKEN": TOKEN}

    @property
    def text(self) -> str:
        return f"splunk:{self.base}?index=audit"

    def ids(self) -> list[str]:
        return [event["fields"]["id"] for event in self.events]

    def raw(self) -> list[str]:
        """Return the events as a search shows them."""
        return [event["event"] for event in self.events]

    def refuse(self, *ids: str) -> None:
        self._refused.update(ids)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            self._check_token(headers)
            if len(body) > self._most_bytes:
                return 413, b"<h1>Content-Length too large</h1>"
            route = urlsplit(path)
            channel = parse_qs(route.query).get("channel", [headers.get("x-splunk-request-channel", "")])[0]
            if route.path == "/services/collector/event":
                return self._take(channel, body)
            if route.path == "/services/collector/ack":
                return self._acknowledge(channel, body)
        except HECError as error:
            return error.answer
        return 404, b'{"text":"The requested URL was not found on this server.","code":404}'

    @staticmethod
    def _check_token(headers: Mapping[str, str]) -> None:
        given = headers.get("authorization")
        if not given:
            raise HECError(401, 2, "Token is required")
        scheme, _, token = given.partition(" ")
        if scheme != "Splunk":
            raise HECError(401, 3, "Invalid authorization")
        if token == DISABLED:
            raise HECError(403, 1, "Token disabled")
        if token != TOKEN:
            raise HECError(403, 4, "Invalid token")

    def _check_channel(self, channel: str) -> None:
        if not channel:
            raise HECError(400, 10, "Data channel is missing")
        try:
            uuid.UUID(channel)
        except ValueError:
            raise HECError(400, 11, "Invalid data channel") from None

    def _take(self, channel: str, body: bytes) -> tuple[int, bytes]:
        if self.polls is not None:
            self._check_channel(channel)
        self.bodies.append(body)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == BUSY:
            raise HECError(503, BUSY, "Server is busy")
        taken: list[dict[str, Any]] = []
        try:
            self._read(body, taken)
            if trouble == INTERNAL_ERROR:
                raise HECError(500, INTERNAL_ERROR, "Internal server error")
        except HECError:
            if self._keeps_before:
                self.events += taken
            raise
        said: dict[str, object] = {"text": "Success", "code": 0}
        is_lost, self.loses = self.loses > 0, max(self.loses - 1, 0)
        if not is_lost:
            self.events += taken
        if self.polls is not None:
            said["ackId"] = ack = self._next_ack.get(channel, 0)
            self._next_ack[channel] = ack + 1
            if not is_lost:
                self._asked[channel, ack] = 0
        return 200, json.dumps(said).encode()

    def _read(self, body: bytes, taken: list[dict[str, Any]]) -> None:
        text = body.decode("utf-8").strip()
        if not text:
            raise HECError(400, 5, "No data")
        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            try:
                event, at = decoder.raw_decode(text, at)
            except ValueError:
                raise HECError(400, 6, "Invalid data format", len(taken)) from None
            taken.append(self._checked(event, len(taken)))
            while at < len(text) and text[at] in " \r\n\t":
                at += 1

    def _checked(self, event: Any, number: int) -> dict[str, Any]:
        if not isinstance(event, dict) or event.keys() - _MEMBERS:
            raise HECError(400, 6, "Invalid data format", number)
        if "event" not in event:
            raise HECError(400, 12, "Event field is required", number)
        if event["event"] is None or not str(event["event"]).strip():
            raise HECError(400, 13, "Event field cannot be blank", number)
        fields = event.get("fields", {})
        is_flat = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
        has_time = type(event.get("time", 0.0)) in (int, float) and "e" not in repr(event.get("time", 0.0))
        if not is_flat or not has_time or fields.get("id") in self._refused:
            raise HECError(400, 15, "Error in handling indexed fields", number)
        if event.get("index", "main") not in self._indexes:
            raise HECError(400, 7, "Incorrect index", number)
        most = self._truncate.get(str(event.get("sourcetype")), DEFAULT_TRUNCATE)
        kept = event["event"].encode()[:most] if most else event["event"].encode()
        return event | {"event": kept.decode("utf-8", "ignore")}

    def _acknowledge(self, channel: str, body: bytes) -> tuple[int, bytes]:
        if self.polls is None:
            raise HECError(400, 14, "ACK is disabled")
        self._check_channel(channel)
        self.questions += 1
        acks: dict[str, bool] = {}
        for ack in json.loads(body)["acks"]:
            place = channel, ack
            if place in self._asked:
                self._asked[place] += 1
            acks[str(ack)] = self._asked.get(place, -1) >= self.polls
            if acks[str(ack)]:
                del self._asked[place]  # told once
        return 200, json.dumps({"acks": acks}).encode()
