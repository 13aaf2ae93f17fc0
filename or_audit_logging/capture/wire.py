"""What the bytes of one answer say, read as they pass; SDK objects drop some of it. Knows no HTTP client.

    wire = Wire(response.headers, status=response.status_code)
    wire.feed(b"...")                       # compressed, cut anywhere
    wire.facts()                            -> Facts(status="error", total_cost=Decimal("0.00042"), ...)

Of an event stream only the first event is parsed, and those that speak of usage, an error or an end, so
that a long answer costs little more than finding its lines; `read_all` is for where nobody else reads the
rest. Any other body is kept, up to a limit, and read when it is whole.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from or_audit_logging.capture.chunks import StreamReader
from or_audit_logging.capture.facts import Facts, filled
from or_audit_logging.capture.http import Reply, header_members
from or_audit_logging.capture.provider_error import UNMAPPED
from or_audit_logging.capture.read import text
from or_audit_logging.capture.response import response_facts

EVENT_STREAM = "text/event-stream"

_TELLING = re.compile(
    rb'"(?:usage|error)"\s*:\s*[{"]|"finish_reason"\s*:\s*"'
    rb'|"type"\s*:\s*"(?:error|response\.(?:completed|failed|incomplete)|message_(?:start|delta|stop))"'
)
_LINE_LIMIT = 1 << 20
_BODY_LIMIT = 16 << 20

Decode = Callable[[bytes], bytes]


class Wire:
    """Reads the body of one answer along with its receiver; `feed` may raise for what is not readable."""

    __slots__ = (
        "_body",
        "_decode",
        "_every",
        "_headers",
        "_is_stream",
        "_is_too_long",
        "_reader",
        "_rest",
        "_status",
    )

    def __init__(self, headers: Mapping[str, str], *, status: int = 200, decoded: bool = False) -> None:
        """Take what the *headers* say; *decoded*: the client has undone the content encoding already."""
        self._headers = headers
        self._status = status
        self._is_stream = is_event_stream(headers)
        self._decode = bytes if decoded else _decoder(text(headers.get("content-encoding")))
        self._reader = StreamReader()
        self._every = False
        self._rest = bytearray()
        self._is_too_long = False
        self._body: Facts | None = None

    def read_all(self, *, keep_text: bool) -> None:
        """Parse every event, for the hash of the answer too; *keep_text* for a record with content."""
        self._every = True
        self._reader = StreamReader(headers=self._headers, keep_text=keep_text)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body, as they came over the wire."""
        if self._decode is None:
            return
        data = self._decode(data)
        if not self._is_stream:
            self._keep(data, _BODY_LIMIT)
            return
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data, _LINE_LIMIT)
            return
        start = data.index(b"\n") + 1 if self._is_too_long else 0
        lines = bytes(self._rest) + data[start:end]
        self._rest.clear()
        self._is_too_long = False
        self._keep(data[end + 1 :], _LINE_LIMIT)
        if self._every or not self._reader.items or _TELLING.search(lines):
            for line in lines.split(b"\n"):
                self._line(line)

    def end(self) -> None:
        """Take note that the body has come to its end."""
        last, self._rest = bytes(self._rest), bytearray()
        if self._is_stream:
            self._line(last)
        elif self._decode is not None and not self._is_too_long:
            self._body = response_facts(Reply(self._status, header_members(self._headers), last))

    def facts(self, *, ended: bool = False) -> Facts:
        """Return what was said so far; *ended*: nothing more will come."""
        if self._is_stream:
            facts = self._reader.facts(ended=ended, whole=True)
            return facts if self._every else replace(facts, tool_names=None, choice_digests=None)
        return self._body or Facts(status="incomplete", **header_members(self._headers))

    def _keep(self, data: bytes, limit: int) -> None:
        self._is_too_long = self._is_too_long or len(self._rest) + len(data) > limit
        if self._is_too_long:
            self._rest.clear()
        else:
            self._rest += data

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:") and (self._every or not self._reader.items or _TELLING.search(line)):
            self._reader.feed(line)


def is_event_stream(headers: Mapping[str, str]) -> bool:
    """Return whether a body with these headers comes in server-sent events."""
    return (headers.get("content-type") or "").partition(";")[0].strip().lower() == EVENT_STREAM


def completed(own: Facts, wire: Facts) -> Facts:
    """Return what a call says of itself, with what only the wire knew.

    The call's own word on how it ended stands, unless it did not see that the answer was a failure.
    """
    unseen = own.status in ("success", "incomplete")
    if wire.status in ("error", "blocked") and (unseen or own.error_type in (None, UNMAPPED)):
        own = replace(
            own,
            status=wire.status if unseen else own.status,
            error_type=wire.error_type or own.error_type,
            error_code=wire.error_code if own.error_code is None else own.error_code,
            error_message=wire.error_message or own.error_message,
        )
    return filled(own, replace(wire, error_type=None, error_code=None, error_message=None))


def _decoder(encoding: str | None) -> Decode | None:
    """Return what undoes *encoding* piece by piece; None for one that is not known here."""
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return bytes
    if name in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    if name == "br":  # the client has imported it, or it would not have asked for it
        for module in (sys.modules.get("brotlicffi"), sys.modules.get("brotli")):
            if module is not None:
                made = module.Decompressor()
                decode: Decode = getattr(made, "decompress", None) or made.process
                return decode
    return None
