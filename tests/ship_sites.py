"""The other ends of targets, on loopback: what arrived, and faults on demand.

    with WebhookSite() as site:
        Shipper(folder, site.text, options=TargetOptions(timeout=site.timeout)).run()
        site.ids()

Every target has a site in `SITES`, and `test_ship_conformance.py` holds them all to the same promises.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import pytest

FAULTS = ("500", "503", "429", "slow", "cut", "lost answer")
"""For the next requests: statuses; an answer that comes too late; a connection that is cut in the middle of
the answer, with nothing kept; the same with everything kept."""


Answer: TypeAlias = tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]]
"""Status, body, and headers where there are some."""


class Site(ABC):
    """A target's other end."""

    deduplicates = False
    """Whether it keeps an item once that is sent twice."""
    faults: tuple[str, ...] = FAULTS
    timeout = 0.5

    def __init__(self) -> None:
        self.environment: Mapping[str, str] = {}
        """What has to be set for the target to find it."""

    @property
    @abstractmethod
    def text(self) -> str:
        """How the target is written behind --to."""

    @abstractmethod
    def ids(self) -> list[str]:
        """Return the ids of the items that it has, in the order in which they came."""

    def fail(self, *faults: str) -> None:
        """Let the next requests fail, one each."""
        pytest.skip("it does not fail")

    def refuse(self, *ids: str) -> None:
        """Refuse these items for good."""
        pytest.skip("it refuses nothing")

    @abstractmethod
    def stop(self) -> None:
        """Let nobody in any more."""

    @abstractmethod
    def start(self) -> None:
        """Let them in again, at the same address."""

    def close(self) -> None:
        """End it."""
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HTTPSite(Site):
    """One that is spoken to over HTTP; `answer` says what a request gets, and keeps what it brings."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self._faults: deque[str] = deque()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self.requests: list[Mapping[str, str]] = []
        """The headers of every request."""
        self.port = 0
        self.start()

    @property
    def base(self) -> str:
        """The address without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @abstractmethod
    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return status and body of the answer to a request; runs in the server's thread.

        `:method` stands among the headers. The answer may have headers of its own.
        """

    def fail(self, *faults: str) -> None:
        self._faults.extend(faults)

    def start(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                site.serve(self)

            do_PUT = do_GET = do_HEAD = do_POST  # noqa: N815 - http.server asks for these names

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler, bind_and_activate=False)
        server.daemon_threads = True
        server.allow_reuse_address = True
        server.server_bind()
        server.server_activate()
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server, self.port = server, server.server_port
        self._over.clear()
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request, or fail as told."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers[":method"] = request.command
        length = int(headers.get("content-length", "0"))
        body = request.rfile.read(length)
        if len(body) < length:  # the client was killed
            request.close_connection = True
            return
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.requests.append(headers)
        if self._over.is_set():  # a connection that was open before the site was stopped
            request.close_connection = True
            return
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault.isdigit():
            self._send(request, int(fault), b"told to fail", {"Retry-After": "0"})
            return
        if fault == "slow":
            self._over.wait(2 * self.timeout)
        status, content, *more = (
            (200, b"{}") if fault in ("cut", "slow") else self.answer(request.path, headers, body)
        )
        if fault in ("cut", "lost answer"):
            request.send_response(status)
            request.send_header("Content-Length", str(len(content) + 100))
            request.end_headers()
            request.wfile.write(content)
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        self._send(request, status, content, more[0] if more else {})

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, content: bytes, headers: Mapping[str, str]
    ) -> None:
        try:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(content)
        except OSError:  # the client has not waited
            request.close_connection = True


class WebhookSite(HTTPSite):
    """A receiver of JSON arrays."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.items: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self._refused: set[str] = set()
        super().__init__(tls)

    @property
    def text(self) -> str:
        return f"webhook:{self.base}/audit"

    def ids(self) -> list[str]:
        return [item["id"] if "id" in item else f"{item['log']}-{item['seq']}" for item in self.items]

    def refuse(self, *ids: str) -> None:
        self._refused.update(ids)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        items = json.loads(body)
        if any(item.get("id") in self._refused for item in items):
            return 422, b"there is one that I do not take"
        self.bodies.append(body)
        self.items += items
        return 200, b"thanks"


class FileSite(Site):
    """A file; it fails by not being there."""

    deduplicates = True
    faults = ()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "shipped.jsonl"

    @property
    def text(self) -> str:
        return f"file:{self.path}"

    def ids(self) -> list[str]:
        if not self.path.exists():
            return []
        return [json.loads(line)["id"] for line in self.path.read_text("ascii").splitlines()]

    def stop(self) -> None:
        """Files are always there."""

    def start(self) -> None:
        """Files are always there."""


def _cloudwatch(folder: Path) -> Site:
    pytest.importorskip("boto3", reason="needs the extra aws")
    from fake_cloudwatch import FakeCloudWatch

    return FakeCloudWatch(folder)


class GoogleSite(Site):
    """Google Cloud Logging (tests/fake_gcp.py); what `ids` returns is what a query shows."""

    deduplicates = True

    def __init__(self) -> None:
        super().__init__()
        pytest.importorskip("google.cloud.logging", reason="needs the extra gcp")
        from fake_gcp import FakeCloudLogging

        self._service = FakeCloudLogging()
        self._service.start()
        self.environment = {"OR_AUDIT_GCP_ENDPOINT": self._service.url, "GOOGLE_APPLICATION_CREDENTIALS": ""}

    @property
    def text(self) -> str:
        return "gcp:projects/acme-prod/logs/audit"

    def ids(self) -> list[str]:
        return [entry["insertId"] for entry in self._service.entries()]

    def fail(self, *faults: str) -> None:
        self._service.fail(*faults)

    def refuse(self, *ids: str) -> None:
        self._service.refuse(*ids)

    def stop(self) -> None:
        self._service.stop()

    def start(self) -> None:
        self._service.start()


def _splunk(folder: Path) -> Site:
    from fake_splunk import FakeSplunk

    return FakeSplunk(polls=1)


def _datadog(folder: Path) -> Site:
    from fake_datadog import FakeDatadog

    return FakeDatadog()


def _elastic(folder: Path) -> Site:
    from fake_elastic import FakeElastic

    return FakeElastic()


SITES: dict[str, Callable[[Path], Site]] = {
    "webhook": lambda folder: WebhookSite(),
    "file": FileSite,
    "cloudwatch": _cloudwatch,
    "gcp": lambda folder: GoogleSite(),
    "splunk": _splunk,
    "datadog": _datadog,
    "elastic": _elastic,
}
"""Each target's site, made in a folder that is its own."""
