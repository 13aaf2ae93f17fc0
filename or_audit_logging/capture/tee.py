"""A response's body, read along as its receiver reads it: httpx, httpx2 and requests; sync and async.

    tee = read_along(response)              # None where there is nothing left to read
    owned(response, call)                   # the end of the body is the end of the call

The receiver gets the same bytes, errors and types. Nothing is read ahead, and nothing that it leaves.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter
from typing import Any

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.life import Life
from or_audit_logging.capture.read import count, read
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.capture.wire import Wire

_STREAM_BASES = frozenset({"SyncByteStream", "AsyncByteStream"})


class Tee:
    """Reads one body along, and where it owns a call, finishes that with the body."""

    __slots__ = ("_ending", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._ending: _Ending | None = None

    def owns(self, call: Call, stream: object) -> None:
        """Finish *call* when the body ends, or *stream*, which it comes from, is collected."""
        if self._ending is not None and self._ending.ends_also(call):
            return
        self.wire.read_all(keep_text=call.wants_content)
        self._ending = _Ending(call, self.wire)
        self._ending.watch(stream)

    def saw(self, data: bytes) -> None:
        """Take the next bytes; never raises."""
        guarded("reading along", self.wire.feed, data)
        if self._ending is not None:
            self._ending.saw()

    def ended(self) -> None:
        """Take note that the body was read to its end."""
        guarded("reading along", self.wire.end)
        if self._ending is not None:
            self._ending.exhausted()

    def broke(self, error: BaseException) -> None:
        """Take note that reading failed, and how."""
        if self._ending is not None:
            self._ending.failed(error)

    def left(self) -> None:
        """Take note that the body was closed."""
        if self._ending is not None:
            self._ending.left()


class _Ending(Life):
    """Follows a body as `Following` does a stream of chunks; the wire reads."""

    __slots__ = ("_wire",)

    def __init__(self, call: Call, wire: Wire) -> None:
        super().__init__(call)
        self._wire = wire

    def saw(self) -> None:
        self._last = perf_counter()
        for call in self._calls:
            call.first_chunk()

    def _facts(self, *, ended: bool) -> Facts:
        return guarded("reading along", self._wire.facts, ended=ended) or Facts(status="incomplete")

    def _is_answer(self, facts: Facts) -> bool:
        return any((facts.generation_id, facts.model_used, facts.choice_digests))


def http_of(result: object) -> Any:
    """Return the HTTP response that *result* is, or holds as an SDK's raw response; else None."""
    raw = result if _is_http(result) else read(result, "http_response")
    return raw if _is_http(raw) else None


def _is_http(value: object) -> bool:
    kind: Any = type(value)
    return _is_response(kind)


@functools.lru_cache(maxsize=1024)
def _is_response(kind: type) -> bool:
    return any(
        base.__name__ == "Response" and base.__module__.startswith(("httpx", "requests."))
        for base in kind.__mro__
    )


def read_along(response: Any) -> Tee | None:
    """Return a tee on the body of *response*, the one that it has or a new one; None where it is read.

    Its `stream` (httpx) or the `stream` of its `raw` (requests) is replaced; anything else is left alone.
    """
    return guarded("reading along", _read_along, response)


def owned(response: Any, call: Call) -> bool:
    """Finish *call* when the body of *response* ends; False where there is nothing left to read."""
    tee = read_along(response)
    if tee is None:
        return False
    tee.owns(call, getattr(response, "raw", None) or response.stream)
    return True


def is_unread(response: Any) -> bool:
    """Return whether the body of an HTTP client's response is still to be read."""
    members = getattr(response, "__dict__", {})
    if "_content" in members and members["_content"] is not False:  # requests says False for not yet
        return False
    return not (members.get("is_closed") or members.get("is_stream_consumed"))


def _read_along(response: Any) -> Tee | None:
    if not is_unread(response):
        return None
    raw = getattr(response, "raw", None)
    wire = Wire(response.headers, status=count(response.status_code) or 200, decoded=raw is not None)
    if raw is not None:
        return _of_requests(raw, wire)
    stream = response.stream
    tee = getattr(stream, "audit_tee", None)
    if isinstance(tee, Tee):
        return tee
    base = next((kind for kind in type(stream).__mro__ if kind.__name__ in _STREAM_BASES), None)
    if base is None:
        return None
    tee = Tee(wire)
    response.stream = _class_of(base)(stream, tee)
    return tee


@functools.cache
def _class_of(base: type) -> Callable[[object, Tee], object]:
    """Return our stream class for a client: one that its isinstance checks accept."""
    ours = _SyncStream if base.__name__ == "SyncByteStream" else _AsyncStream
    return type("AuditedStream", (ours, base), {})


class _Stream:
    def __init__(self, stream: Any, tee: Tee) -> None:
        self._stream = stream
        self.audit_tee = tee

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_stream"], name)


class _SyncStream(_Stream):
    def __iter__(self) -> Iterator[bytes]:
        tee = self.audit_tee
        try:
            for data in self._stream:
                tee.saw(data)
                yield data
        except GeneratorExit:
            raise  # close() follows
        except BaseException as error:
            tee.broke(error)
            raise
        tee.ended()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self.audit_tee.left()


class _AsyncStream(_Stream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        tee = self.audit_tee
        try:
            async for data in self._stream:
                tee.saw(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            tee.broke(error)
            raise
        tee.ended()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self.audit_tee.left()


def _of_requests(raw: Any, wire: Wire) -> Tee:
    """Read along in urllib3's response, which has undone the encoding already."""
    tee = read(raw, "audit_tee")
    if isinstance(tee, Tee):
        return tee
    tee = raw.audit_tee = Tee(wire)
    stream, read_, close = raw.stream, raw.read, raw.close
    streaming = False  # urllib3's stream reads by read

    def audited_stream(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        nonlocal streaming
        streaming = True
        try:
            for data in stream(*args, **kwargs):
                tee.saw(data)
                streaming = False
                yield data
                streaming = True
        except GeneratorExit:
            raise
        except BaseException as error:
            tee.broke(error)
            raise
        finally:
            streaming = False
        tee.ended()

    def audited_read(
        amt: int | None = None, decode_content: bool | None = None, *args: Any, **kwargs: Any
    ) -> bytes:
        try:
            data: bytes = read_(amt, decode_content, *args, **kwargs)
        except BaseException as error:
            if not streaming:
                tee.broke(error)
            raise
        decoded = decode_content or (decode_content is None and raw.decode_content)
        if streaming or not (decoded or "content-encoding" not in raw.headers):
            return data  # compressed bytes are left unread
        if data:
            tee.saw(data)
        if amt is None or (not data and amt):
            tee.ended()
        return data

    def audited_close() -> None:
        try:
            close()
        finally:
            tee.left()

    raw.stream, raw.read, raw.close = audited_stream, audited_read, audited_close
    return tee
