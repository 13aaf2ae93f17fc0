"""A strict Cloud Logging on loopback: entries.write with its documented limits, and faults on demand.

    with FakeCloudLogging() as fake:
        os.environ["OR_AUDIT_GCP_ENDPOINT"] = fake.url
        fake.fail("500", "slow")                    # the next two requests, one each
    fake.entries()                                  # as a query shows them

Requests are read with the service's own message types, as Google's front end does it: unknown fields, enum
values and times that do not exist are refused, and numbers in a payload become doubles. Limits are those of
https://cloud.google.com/logging/quotas and of the reference of entries.write; the wordings are the service's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.cloud.logging_v2.types import WriteLogEntriesRequest
from google.protobuf import json_format

TOKEN = "ya29.fake-token-for-tests"

_REQUEST, _ENTRY, _LABELS = 10_485_760, 262_144, 64
_LOG_NAME = re.compile(r"projects/[a-z0-9.:-]+/logs/(?:[A-Za-z0-9_.-]|%2F){1,511}")
_INSERT_ID = re.compile(r"[\x21-\x7e]{1,512}")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_INVALID_ARGUMENT = 3
_PARTIAL_ERRORS = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"


class ServiceError(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, message: str = "", *, details: list[dict[str, Any]] | None = None
    ) -> None:
        self.status, self.message, self.details = status, message, details or []


class FakeCloudLogging:
    """The service, as long as the `with` block runs."""

    def __init__(
        self,
        *,
        retention: timedelta = timedelta(days=30),
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """*token*: what requests have to be signed with; None: they come unsigned."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.requests = 0
        """How many have come, those that failed included."""
        self.scopes: list[str] = []
        """What a token was asked for."""
        self.signs_in = True
        """Whether a token is given to who asks for one."""
        self.token = token
        self._retention = retention
        self._tls = tls
        self._refused: dict[str, int] = {}
        self._kept: list[dict[str, Any]] = []
        self._faults: list[str] = []
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None

    def __enter__(self) -> FakeCloudLogging:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address, on the port that it keeps over a stop."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._port}"

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
        """Let each of the next requests have one fault: a status such as "500" (429 says when to come back),
        "slow" (kept, no answer while the client waits), "cut" (half an answer, nothing kept), "lost answer"
        (kept, then the connection is cut), "garbage" (200, from somebody who is not the service); a
        JSON array or object is the body of a 400.
        """
        with self._lock:
            self._faults += faults

    def refuse(self, *ids: str, code: int = _INVALID_ARGUMENT) -> None:
        """Refuse entries by their insertId, with a google.rpc.Code."""
        self._refused |= dict.fromkeys(ids, code)

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries as a query shows them: one of those that share timestamp and insertId."""
        with self._lock:
            return list({(entry["timestamp"], entry["insertId"]): entry for entry in self._kept}.values())

    def next_fault(self) -> str | None:
        with self._lock:
            self.requests += 1
            return self._faults.pop(0) if self._faults else None

    def write(self, body: bytes) -> None:
        """Do entries.write; raises `ServiceError`."""
        if len(body) > _REQUEST:
            raise ServiceError(400, f"Request payload size exceeds the limit: {_REQUEST} bytes.")
        request = WriteLogEntriesRequest.pb()()
        try:
            json_format.Parse(body.decode("utf-8"), request)
        except (ValueError, TypeError, json_format.ParseError) as error:
            raise ServiceError(400, f"Invalid JSON payload received. {error}") from None
        if not request.entries:
            raise ServiceError(400, "Log entries must be provided.")
        errors: dict[str, dict[str, Any]] = {}
        kept = []
        for index, entry in enumerate(request.entries):
            wrong = self._wrong(request, entry)
            if wrong is not None:
                errors[str(index)] = wrong
            else:
                kept.append(self._as_kept(request, entry))
        if errors and (not request.partial_success or len(errors) == len(request.entries)):
            raise ServiceError(
                400, next(iter(errors.values()))["message"]
            )  # nothing written: without details
        with self._lock:
            self._kept += [entry for entry in kept if entry is not None]
        if errors:
            details = [{"@type": _PARTIAL_ERRORS, "logEntryErrors": errors}]
            raise ServiceError(400, next(iter(errors.values()))["message"], details=details)

    def _wrong(self, request: Any, entry: Any) -> dict[str, Any] | None:
        """Return the google.rpc.Status of an entry that is refused."""
        if entry.insert_id in self._refused:
            return {"code": self._refused[entry.insert_id], "message": "Told to refuse it."}
        ahead = (
            entry.timestamp.ToDatetime(UTC) - self.clock() if entry.HasField("timestamp") else timedelta(0)
        )
        message = None
        if not _LOG_NAME.fullmatch(entry.log_name or request.log_name):
            message = "Log name contains illegal characters or is too long."
        elif not (entry.resource.type or request.resource.type):
            message = "Log entry is missing a required field: resource."
        elif entry.WhichOneof("payload") is None:
            message = "Log entry is missing a payload."
        elif entry.ByteSize() > _ENTRY:
            message = f"Log entry with size {entry.ByteSize() / 1024:.1f}K exceeds maximum size of 256.0K"
        elif len(entry.labels) > _LABELS:
            message = f"Log entry has {len(entry.labels)} labels, which is more than {_LABELS}."
        elif entry.insert_id and not _INSERT_ID.fullmatch(entry.insert_id):
            message = "Log entry has an invalid insertId."
        elif ahead > timedelta(hours=24):
            message = "Log entry has a timestamp more than 24 hours in the future."
        return None if message is None else {"code": _INVALID_ARGUMENT, "message": message}

    def _as_kept(self, request: Any, entry: Any) -> dict[str, Any] | None:
        """Return the entry as a query shows it; None where it is so old that it is taken and not stored."""
        now = self.clock()
        if not entry.HasField("timestamp"):
            entry.timestamp.FromDatetime(now)
        if now - entry.timestamp.ToDatetime(UTC) > self._retention:
            return None
        entry.log_name = entry.log_name or request.log_name
        shown: dict[str, Any] = json_format.MessageToDict(entry)
        for key, label in list(shown.get("labels", {}).items()):
            del shown["labels"][key]
            shown["labels"][_cut(key, 512)] = _cut(label, 65_536)
        return shown


def _cut(text: str, most: int) -> str:
    return text if len(text.encode()) <= most else text[: most - 3] + "..."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, fake: FakeCloudLogging, port: int, tls: ssl.SSLContext | None) -> None:
        self.fake = fake
        self._open: set[Any] = set()
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
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path)
        if path.path == "/token":
            self._give_token(body)
            return
        fake = self.server.fake
        fault = fake.next_fault()
        try:
            if path.path != "/v2/entries:write" or set(parse_qs(path.query)) - {"prettyPrint"}:
                raise ServiceError(404, "The requested URL was not found on this server.")
            if self.headers["Content-Type"] != "application/json":
                raise ServiceError(400, "Invalid content type.")
            if self.headers["Authorization"] != (None if fake.token is None else f"Bearer {fake.token}"):
                raise ServiceError(401, "Request had invalid authentication credentials.")
            if fault is not None and fault[0] in "[{":
                self._say(400, fault)
                return
            if fault is not None and fault.isdigit():
                raise ServiceError(int(fault), f"Told to: {fault}")
            if fault not in ("cut", "garbage"):
                fake.write(body)
        except ServiceError as error:
            said = {"code": error.status, "message": error.message, "status": _STATUS.get(error.status)}
            self._say(error.status, {"error": said | ({"details": error.details} if error.details else {})})
            return
        if fault is None:
            self._say(200, {})
        elif fault == "garbage":
            self._say(200, "<html>Sign in to the wireless network</html>")
        else:
            self._break_off(fault)

    def _break_off(self, fault: str) -> None:
        if fault == "slow":
            self.rfile.read(1)  # ends when the client leaves
        elif fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "999")
            self.end_headers()
            self.wfile.write(b"{")
        self.close_connection = True

    def _give_token(self, body: bytes) -> None:
        claims = parse_qs(body.decode())["assertion"][0].split(".")[1]
        self.server.fake.scopes.append(json.loads(base64.urlsafe_b64decode(claims + "=="))["scope"])
        if not self.server.fake.signs_in:
            self._say(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
            return
        self._say(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def _say(self, status: int, answer: object) -> None:
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer, indent=2).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing."""
