"""A strict CloudWatch Logs on loopback: PutLogEvents held to its documented limits, and failures on demand.

    with FakeCloudWatch(groups=["/audit"]) as fake:
        os.environ |= fake.environment
        fake.fail("500", "slow")                    # the next two requests, one each
    fake.events("/audit", "host-1")

Limits are those of the API reference, "PutLogEvents"; the wordings are the service's. Signatures are looked
at (key, scope, date), not computed.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
REGION = "eu-central-1"

_DAY = 86_400_000
_HOUR = 3_600_000
_BATCH, _OVERHEAD, _EVENTS = 1_048_576, 26, 10_000
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/logs/aws4_request, ")


class ServiceError(Exception):
    """An answer that is an error: *code* and what the service says."""

    def __init__(self, code: str, message: str = "", *, status: int = 400, **headers: str) -> None:
        self.code, self.message, self.status = code, message, status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Request(NamedTuple):
    operation: str
    parameters: dict[str, Any]


class FakeCloudWatch:
    """The service, as long as the `with` block runs; `groups[group][stream]` are the events that it keeps."""

    def __init__(
        self,
        groups: Iterable[str] = (),
        *,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.groups: dict[str, dict[str, list[dict[str, Any]]]] = {group: {} for group in groups}
        self.retention: dict[str, int] = {}
        """Days that a group keeps events; without an entry, for ever."""
        self.clock = clock
        self.operations: list[str] = []
        """What was asked for, in order, what failed included."""
        self.too_large: Callable[[str], bool] = lambda message: False
        """Says which messages are refused beside those that are too large indeed."""
        self._tls = tls
        self._port = 0
        self._faults: list[str] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> FakeCloudWatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 needs in order to come here, and nowhere else."""
        scheme = "http" if self._tls is None else "https"
        return {
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": f"{scheme}://127.0.0.1:{self._port}",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Listen; after `stop`, on the same port."""
        self._server = _Server(self, self._port, self._tls)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and break those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.break_connections()

    def fail(self, *faults: str) -> None:
        """Let each of the next requests have one fault.

        "500", "429"; "slow" (no answer while the client waits), "cut" and "no body" (an answer that ends
        in the middle, or after its head; nothing kept), "lost answer" (kept, then the connection is cut); any
        other is the code of a service error.
        """
        with self._lock:
            self._faults += faults

    def events(self, group: str, stream: str) -> list[dict[str, Any]]:
        """Return the events of *stream* in the order in which they came in."""
        with self._lock:
            return list(self.groups.get(group, {}).get(stream, []))

    def next_fault(self) -> str | None:
        with self._lock:
            return self._faults.pop(0) if self._faults else None

    def answer(self, request: _Request) -> dict[str, Any]:
        """Return the answer to *request*; raises `ServiceError`."""
        group, stream = request.parameters["logGroupName"], request.parameters.get("logStreamName")
        with self._lock:
            if request.operation == "CreateLogGroup":
                if group in self.groups:
                    raise ServiceError(
                        "ResourceAlreadyExistsException", "The specified log group already exists"
                    )
                self.groups[group] = {}
                return {}
            if group not in self.groups:
                raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
            streams = self.groups[group]
            if request.operation == "CreateLogStream":
                if stream in streams:
                    raise ServiceError(
                        "ResourceAlreadyExistsException", "The specified log stream already exists"
                    )
                streams[stream] = []
                return {}
            if request.operation != "PutLogEvents":
                raise ServiceError("UnknownOperationException")
            if stream not in streams:
                raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
            kept, rejected = self._judge(group, request.parameters["logEvents"])
            streams[stream] += kept
            return {"rejectedLogEventsInfo": rejected} if rejected else {"nextSequenceToken": "4959"}

    def _judge(self, group: str, events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        sizes = [len(event["message"].encode()) + _OVERHEAD for event in events]
        times = [event["timestamp"] for event in events]
        if not 1 <= len(events) <= _EVENTS:
            raise _invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint")
        if sum(sizes) > _BATCH:
            raise _invalid(f"Upload too large: {sum(sizes)} bytes exceeds limit of {_BATCH}")
        for event, size in zip(events, sizes, strict=True):
            if size > _BATCH or self.too_large(event["message"]):
                raise _invalid(f"Log event too large: {size} bytes exceeds limit of {_BATCH}")
        if times != sorted(times):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        now = int(self.clock() * 1000)
        kept_for = self.retention.get(group, 14) * _DAY
        too_old = sum(made < now - 14 * _DAY for made in times)
        expired = sum(made < now - kept_for for made in times) if kept_for < 14 * _DAY else 0
        first, last = max(too_old, expired), sum(made <= now + 2 * _HOUR for made in times)
        valid = events[first:last]
        if valid and valid[-1]["timestamp"] - valid[0]["timestamp"] > _DAY:
            raise _invalid(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            )
        rejected = {}
        if too_old:
            rejected["tooOldLogEventEndIndex"] = too_old
        if expired:
            rejected["expiredLogEventEndIndex"] = expired
        if last < len(events):
            rejected["tooNewLogEventStartIndex"] = last
        return valid, rejected


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, fake: FakeCloudWatch, port: int, tls: ssl.SSLContext | None) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent: clients leave as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        fake, fault = self.server.fake, self.server.fake.next_fault()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            request = self._request(body)
            fake.operations.append(request.operation)
            if fault == "500":
                raise ServiceError("InternalFailure", status=500)
            if fault == "429":
                raise ServiceError("ThrottlingException", "Rate exceeded", status=429, Retry_After="1")
            if fault == "slow":
                self.rfile.read(1)  # ends when the client leaves
                self.close_connection = True
                return
            if fault not in (None, "cut", "no body", "lost answer"):
                raise ServiceError(fault, f"Told to: {fault}")
            answer = fake.answer(request) if fault in (None, "lost answer") else {"nextSequenceToken": "4959"}
        except ServiceError as error:
            self._say(error.status, {"__type": error.code, "message": error.message}, error.headers)
            return
        if fault is None:
            self._say(200, answer, {})
            return
        if fault != "lost answer":
            self.send_response(200)
            self.send_header("Content-Length", "999")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode()[:8] if fault == "cut" else b"")
        self.close_connection = True

    def _request(self, body: bytes) -> _Request:
        signed = _AUTHORIZATION.match(self.headers.get("Authorization", ""))
        if signed is None:
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if signed[1] != ACCESS_KEY or signed[2] != REGION:
            raise ServiceError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.server.fake.clock() - 300))
        if self.headers["X-Amz-Date"] < now:
            raise ServiceError("InvalidSignatureException", f"Signature expired: now earlier than {now}")
        if self.headers["Content-Type"] != "application/x-amz-json-1.1":
            raise ServiceError("SerializationException", status=415)
        prefix, _, operation = self.headers["X-Amz-Target"].partition(".")
        if prefix != "Logs_20140328":
            raise ServiceError("UnknownOperationException")
        return _Request(operation, json.loads(body))

    def _say(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/x-amz-json-1.1", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing."""
