"""A loopback HTTP/1.1 server that does what an `Answer` says, breaking connections included.

    server = LoopbackServer(lambda method, target, headers, body: Answer(200, {}, (Send(b"hello"),)))
    server.start()          # http://127.0.0.1:<server.server_port>
    server.close()

An answer is a value: a head, and steps to take one after the other. This module alone touches sockets,
and knows nothing of OpenRouter.
"""

import contextlib
import logging
import re
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_log = logging.getLogger("or_audit_logging")


@dataclass(frozen=True)
class Send:
    """Send *data*; *tokens* of the model's output travel in it."""

    data: bytes
    tokens: int = 0


@dataclass(frozen=True)
class Pause:
    """Wait for *seconds* (None: for ever), but no longer than the client stays and the server is open."""

    seconds: float | None


@dataclass(frozen=True)
class Cut:
    """Close the connection here; *reset* sends a TCP RST in place of a polite FIN."""

    reset: bool = False


Step = Send | Pause | Cut


@dataclass(frozen=True)
class Answer:
    """What to do with one request: take the step *before*, send the head, then take the *steps*.

    *chunked* sends each Send as a chunk of its own; otherwise all of them are one body with a Content-Length.
    *settle* is called once, before the client can see the end: with None, or, where the client left a chunked
    answer early, with the number of tokens sent until then.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    chunked: bool = False
    before: Pause | Cut | None = None
    settle: Callable[[int | None], None] = lambda tokens: None


Application = Callable[[str, str, dict[str, str], bytes], Answer]  # method, target, headers, body


class _MalformedError(Exception):
    """The client does not speak HTTP/1.1."""


class LoopbackServer(ThreadingHTTPServer):
    """Serve *application* on a free port of 127.0.0.1, a daemon thread per connection, silently."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, application: Application) -> None:
        self.application = application
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._loop = threading.Thread(
            target=self.serve_forever, args=(0.02,), daemon=True, name="loopback-server"
        )
        super().__init__(("127.0.0.1", 0), _Handler)

    def start(self) -> None:
        """Begin to accept connections, in a thread."""
        self._loop.start()

    def close(self) -> None:
        """Stop accepting, break every open connection and wait for its thread."""
        self.shutdown()
        self.server_close()
        self._loop.join()
        with self._lock:
            connections = list(self._connections.items())
        for _, connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads, pauses or is stuck sending
        for thread, _ in connections:
            thread.join(1.0)

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the host, which takes seconds on some machines."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a new connection, remembered so that close() can end it."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            daemon=True,
            name="loopback-connection",
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a failure of our own; that a client went away is none."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            _log.exception("FakeOpenRouter failed to answer; please report this")


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive. Mind that an attribute named `responses` would break send_response()."""

    protocol_version = "HTTP/1.1"
    server_version = "FakeOpenRouter"
    sys_version = ""
    disable_nagle_algorithm = True
    server: LoopbackServer

    def do_GET(self) -> None:
        """Answer any request; every method ends here."""
        try:
            self._answer(self.server.application(self.command, self.path, self._headers(), self._body()))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except _MalformedError:
            self.send_error(400)  # this also closes the connection

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing."""

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        return headers

    def _body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            return b"".join(self._chunks())
        length = self.headers.get("content-length", "0")
        return self._exactly(int(length) if length.isdecimal() else 0)

    def _chunks(self) -> Iterator[bytes]:
        """Yield what the client sends in chunks (RFC 9112, section 7.1), without trailers."""
        while size := self._chunk_size():
            yield self._exactly(size)
            self._line()
        while self._line():
            pass

    def _chunk_size(self) -> int:
        digits = self._line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]+", digits):
            raise _MalformedError
        return int(digits, 16)

    def _line(self) -> bytes:
        line = self.rfile.readline(65_536)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the client left in the middle of its request")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionResetError("the client left in the middle of its request")
        return body

    def _answer(self, answer: Answer) -> None:
        if answer.chunked:
            self._answer_in_chunks(answer)
            return
        answer.settle(None)
        if answer.before is not None:
            self._take(answer.before)
        body = b"".join(step.data for step in answer.steps if isinstance(step, Send))
        self._send_head(answer, "Content-Length", str(len(body)))
        self.wfile.write(body)

    def _answer_in_chunks(self, answer: Answer) -> None:
        sent = 0
        *early, last = answer.steps
        try:
            self._send_head(answer, "Transfer-Encoding", "chunked")
            for step in early:
                self._take(step)
                sent += step.tokens if isinstance(step, Send) else 0
        except ConnectionError:
            answer.settle(sent)
            raise
        answer.settle(None)
        self._take(last)
        self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, answer: Answer, *framing: str) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header(*framing)
        self.end_headers()

    def _take(self, step: Step) -> None:
        """Take one step; ConnectionError where it ends the connection, or finds it ended by the client."""
        if isinstance(step, Send):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(step.data), step.data))
        elif isinstance(step, Pause):
            self._pause(step.seconds)
        else:
            self._cut(reset=step.reset)

    def _pause(self, seconds: float | None) -> None:
        if seconds == 0:
            return
        self.connection.settimeout(seconds)
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError("the client left, or the server closed")
        except TimeoutError:
            pass  # the whole pause went by
        finally:
            self.connection.settimeout(None)

    def _cut(self, *, reset: bool) -> None:
        if reset:
            # SO_LINGER with a timeout of zero: close() sends RST; shutdown_request() would send a FIN first
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            socket.close(self.connection.detach())
        raise ConnectionAbortedError("cut on purpose")
