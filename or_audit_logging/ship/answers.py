"""Answers over HTTP that are whole, small enough and in time, whatever the server does.

    session = requests.Session()
    bound(session, timeout=30.0)        # from now on its answers are read by then, or an error is raised

requests limits each wait for a byte, not all of them together: a server that sends a byte now and then, or
one `100 Continue` after the other, holds its client for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import requests

LARGEST_ANSWER = 32 << 20
"""Bytes of an answer, once it is decompressed."""

_SLOWEST = 10_000
"""Bytes that go out in a second, at least."""
_AGAIN = 0.05
_BLOCK = 1 << 16


class TooMuchError(OSError):
    """An answer is larger than any is."""


def bound(session: requests.Session, *, timeout: float) -> None:
    """Let every answer to *session* be whole when it returns, or raise what requests raises.

    A request may take *timeout* seconds, and one more for each 10,000 bytes of it, from the connection
    (proxy, TLS) to its last byte; then its answer may take *timeout* seconds to its last byte. Where a host's
    name is looked up, and each of its addresses is tried, that is the system's own time. An answer of more
    than `LARGEST_ANSWER` raises `TooMuchError`.
    """
    adapter = _bounded_adapter(timeout)
    session.mount("https://", adapter)
    session.mount("http://", adapter)


class _Watch:
    """Shuts down the connection that one request is made over once its time is up: then reading ends."""

    def __init__(self, seconds: float) -> None:
        self._changed = threading.Condition()
        self._until: float | None = time.monotonic() + seconds
        self._connection: Any = None
        self._socket: Any = None
        self.is_over = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="or-audit-ship-watch", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._until = None
            self._changed.notify()

    def allow(self, seconds: float) -> None:
        """Let what comes next take so long."""
        with self._changed:
            self._until = time.monotonic() + seconds
            self._changed.notify()

    def use(self, connection: Any, *, answers: bool = False) -> None:
        """Watch *connection*; one that *answers* may let go of its socket before that was read to its end."""
        with self._changed:
            self._connection = connection
            self._socket = connection.sock if answers else None

    def _run(self) -> None:
        with self._changed:
            while self._until is not None:
                left = self._until - time.monotonic()
                if left <= 0:
                    self.is_over = True
                    self._shut()
                self._changed.wait(max(left, _AGAIN))  # a socket may be opened yet

    def _shut(self) -> None:
        used = self._socket or getattr(self._connection, "sock", None)
        while used is not None and not isinstance(used, socket.socket):
            used = getattr(used, "socket", None)  # TLS within a proxy's TLS
        if used is not None:
            with suppress(OSError):  # an SSLSocket's own would take its keys from whoever is reading
                socket.socket.shutdown(used, socket.SHUT_RDWR)


def _bounded_adapter(timeout: float) -> Any:
    """Return an adapter for a session; requests is imported here, since it takes long."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    watches: list[_Watch] = []  # that of the request which is under way

    def watched(kind: Any) -> Any:
        class Connection(kind):  # type: ignore[misc]
            def connect(self) -> None:
                watches[-1].use(self)
                super().connect()

            def putrequest(self, *args: Any, **options: Any) -> None:
                watches[-1].use(self)
                super().putrequest(*args, **options)

            def getresponse(self, *args: Any, **options: Any) -> Any:
                watches[-1].use(self, answers=True)
                watches[-1].allow(timeout)
                return super().getresponse(*args, **options)

        return Connection

    class Pool(HTTPConnectionPool):
        ConnectionCls = watched(HTTPConnectionPool.ConnectionCls)

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = watched(HTTPSConnectionPool.ConnectionCls)

    pools = {"http": Pool, "https": TLSPool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            manager.pool_classes_by_scheme = pools
            return manager

        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            body = request.body or b""
            with _Watch(timeout + len(body) / _SLOWEST) as watch:
                watches[:] = [watch]
                try:
                    response = super().send(request, *args, **{**options, "stream": True})
                    content = _read(response)
                except TooMuchError:
                    raise
                except Exception:
                    if watch.is_over:
                        raise requests.exceptions.ReadTimeout(request=request) from None
                    raise
            if watch.is_over:  # what ends with its connection would pass for whole
                raise requests.exceptions.ReadTimeout(request=request)
            response._content = content
            return response

    return Adapter()


def _read(response: requests.Response) -> bytes:
    """Return all of the answer's body; the connection can be used again then."""
    content = bytearray()
    try:
        for piece in response.iter_content(_BLOCK):
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise TooMuchError("an answer that does not come to its end")
    except BaseException:
        response.close()
        raise
    return bytes(content)
