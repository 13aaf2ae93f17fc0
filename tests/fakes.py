"""FakeOpenRouter from outside: requests over the standard library's HTTP client, and the SDKs' clients."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from or_audit_logging.testing.openrouter import FakeOpenRouter

KEY = "sk-or-v1-fake-alice"
MESSAGES = [{"role": "user", "content": "How do I export the totals?"}]
STATUS_ERRORS = {  # what the openai SDK raises
    "e400": ("BadRequestError", 400),
    "e401": ("AuthenticationError", 401),
    "e402": ("APIStatusError", 402),
    "e403": ("PermissionDeniedError", 403),
    "e403guardrail": ("PermissionDeniedError", 403),
    "e404": ("NotFoundError", 404),
    "e408": ("APIStatusError", 408),
    "e413": ("APIStatusError", 413),
    "e422": ("UnprocessableEntityError", 422),
    "e429": ("RateLimitError", 429),
    "e500": ("InternalServerError", 500),
    "e502": ("InternalServerError", 502),
    "e503": ("InternalServerError", 503),
    "e524": ("InternalServerError", 524),
    "e529": ("InternalServerError", 529),
    "e400nocode": ("BadRequestError", 400),
    "html502": ("InternalServerError", 502),
    "retry1": ("InternalServerError", 500),
    "retry2": ("InternalServerError", 500),
    "retry3": ("InternalServerError", 500),
}
FINISH_REASONS = {
    "ok": "stop",
    "echo": "stop",
    "json": "stop",
    "reasoning": "stop",
    "tool": "tool_calls",
    "length": "length",
    "filter": "content_filter",
    "fallback": "stop",
    "byok": "stop",
    "free": "stop",
    "hit": "stop",
    "gzip": "stop",
    "nousage": "stop",
    "choiceerr": "error",
    "usageempty": "stop",
    "slow": "stop",
    "stall": "stop",
}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[FakeOpenRouter]:
    """Return a running server with short pauses."""
    with FakeOpenRouter(slow_seconds=0.001, stall_seconds=0.01) as running:
        yield running


@pytest.fixture
def server(shared_server: FakeOpenRouter) -> FakeOpenRouter:
    """Return a server that remembers nothing."""
    shared_server.reset()
    return shared_server


@contextmanager
def unproxied(make: Callable[..., Any], **settings: Any) -> Iterator[Any]:
    """Yield an SDK's client that goes straight to the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        with make(api_key=KEY, **settings) as made:
            yield made


@contextmanager
def reusable(make: Callable[..., Any]) -> Iterator[Any]:
    """Yield one client for all tests, since making one takes longer than most of them."""
    with unproxied(make, base_url="http://127.0.0.1", max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def sdk() -> Any:
    """Return the module openai."""
    return pytest.importorskip("openai")


@pytest.fixture(scope="module")
def shared_client(sdk: Any) -> Iterator[Any]:
    """Return one SDK client for all tests."""
    with reusable(sdk.OpenAI) as made:
        yield made


@pytest.fixture
def client(shared_client: Any, server: FakeOpenRouter) -> Any:
    """Return an SDK client of the server that does not retry."""
    return shared_client.with_options(base_url=server.base_url)


def fetch(
    server: FakeOpenRouter, path: str, body: Any = None, *, method: str = "", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return status, headers and body of one request on a connection of its own; POST if it has a *body*."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", **headers}
    connection = connect(server)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        connection.request(method or ("GET" if raw is None else "POST"), f"/api/v1{path}", raw, sent)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def connect(server: FakeOpenRouter) -> http.client.HTTPConnection:
    """Return a connection to the server."""
    return http.client.HTTPConnection("127.0.0.1", urlsplit(server.base_url).port or 0, timeout=30)


def generation(server: FakeOpenRouter, generation_id: str | None) -> dict[str, Any]:
    """Return the generation's data, which may need a moment after a broken stream."""
    path = f"/generation?id={generation_id}"
    eventually(lambda: fetch(server, path)[0] == http.client.OK)
    data: dict[str, Any] = json.loads(fetch(server, path)[2])["data"]
    return data


def eventually(check: Callable[[], bool]) -> None:
    """Wait until *check* holds, for at most thirty seconds."""
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, "did not happen within thirty seconds"
        time.sleep(0.005)


def events(raw: bytes) -> list[dict[str, Any]]:
    """Return the JSON of every `data:` line but `[DONE]`."""
    lines = [line[6:] for line in raw.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
