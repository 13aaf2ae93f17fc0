"""`OpenRouterAPI`: asks OpenRouter about past calls, over one connection, at an even pace.

    api = OpenRouterAPI("env:OPENROUTER_API_KEY")
    api.generation("gen-...")       # Generation, or GenerationNotReadyError while there is none

The key stands in no message, no repr and no other host's request: redirects are refused, plain http goes to
loopback alone. Nothing here runs in the path of somebody's call to a model.
"""

from __future__ import annotations

import ipaddress
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from or_audit_logging.errors import (
    AccessDeniedError,
    APIKeyError,
    ConfigError,
    GenerationError,
    GenerationNotReadyError,
    PaymentRequiredError,
    RateLimitedError,
    RequestTimeoutError,
    UnavailableError,
)
from or_audit_logging.hints import KEY_PREFIX, STATUS_PAGE, Asked, hint, looks_like_key
from or_audit_logging.keys import KeySource, read_source
from or_audit_logging.openrouter.answers import ActivityRow, Generation, KeyUsage, parse_json
from or_audit_logging.pace import Pace, backoff, retry_after

if TYPE_CHECKING:
    import requests

BASE_URL = "https://openrouter.ai/api/v1"
KEY_VARIABLE = "OPENROUTER_API_KEY"
LONGEST_WAIT = 120.0
"""Seconds: a Retry-After beyond this is not waited for, but raised."""

_LARGEST_ANSWER = 32 << 20
_LONGEST_ANSWER = 120.0
_KEY = re.compile(rb"[\x21-\x7e]{1,512}")

_ERRORS: dict[int, type[GenerationError]] = {
    401: APIKeyError,
    402: PaymentRequiredError,
    403: AccessDeniedError,
    408: RequestTimeoutError,
    429: RateLimitedError,
}


class OpenRouterAPI:
    """A client for GET /generation, /key and /activity. Use it from one thread, and `close` it."""

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        base_url: str = BASE_URL,
        timeout: tuple[float, float] = (5.0, 30.0),
        retries: int = 3,
        rate: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Read the key; raises `ConfigError`. No connection is made yet.

        *api_key*: env:NAME, file:PATH or a callable, never the key itself; default env:OPENROUTER_API_KEY.
        *timeout*: seconds to connect, and to wait for the next bytes. *retries*: how often a request is made
        again after 408, 429, 5xx or a lost connection. *rate*: requests a second, at most, retries included.
        *sleep*, *clock*, *now* and *chance* (0 to 1) are there to be replaced in tests.
        """
        if retries < 0 or not 0 < rate <= 1000 or min(timeout) <= 0:
            raise ConfigError("retries is 0 or more, rate more than 0 and at most 1000, timeout more than 0")
        self._base_url = _checked_url(base_url)
        self._key = _read_key(api_key)
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._chance = chance
        self._pace = Pace(rate, clock=clock, sleep=sleep)
        self._session: requests.Session | None = None
        self.clock_ahead: timedelta | None = None
        """How far OpenRouter's clock is ahead of this machine's, to the second, by its last answer's Date."""

    def __repr__(self) -> str:
        return f"OpenRouterAPI(base_url={self._base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request would make another one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def generation(self, generation_id: str) -> Generation:
        """Return what is known of a past call.

        Raises `GenerationNotReadyError` while there is nothing (seconds to minutes; for ever where the id is
        unknown), `AccessDeniedError` where another account made it, another `GenerationError` otherwise.
        """
        data = self._data("/generation", {"id": generation_id}, asked="generation")
        found = Generation.from_data(data if isinstance(data, dict) else {})
        if found.id != generation_id:
            raise UnavailableError(f"OpenRouter answered with no generation; see {STATUS_PAGE}", status=200)
        return found

    def key(self) -> KeyUsage:
        """Return what the key has spent; any key will do. Raises `GenerationError`."""
        data = self._data("/key", {}, asked="call")
        if not isinstance(data, dict):
            raise UnavailableError(f"OpenRouter answered with no account of the key; see {STATUS_PAGE}")
        return KeyUsage.from_data(data)

    def activity(self, day: date | None = None) -> tuple[ActivityRow, ...]:
        """Return the account's spending by UTC day, model and endpoint; raises `GenerationError`.

        Needs a management key. There are the last 30 completed UTC days; *day* picks one of them.
        """
        query = {"date": day.isoformat()} if day is not None else {}
        data = self._data("/activity", query, asked="account")
        if not isinstance(data, list):
            raise UnavailableError(f"OpenRouter answered with no activity; see {STATUS_PAGE}")
        return tuple(ActivityRow.from_data(row) for row in data if isinstance(row, dict))

    def _data(self, path: str, query: Mapping[str, str], *, asked: Asked) -> Any:
        """Return the `data` of the answer, after as many tries as are allowed; raises `GenerationError`."""
        tries = 0
        while True:
            self._pace.wait()
            tries += 1
            try:
                answer = parse_json(self._get(path, query, asked=asked))
                if isinstance(answer, dict):
                    return answer.get("data")
                raise UnavailableError(f"OpenRouter's answer is no JSON object; see {STATUS_PAGE}")
            except (UnavailableError, RateLimitedError) as error:
                if tries > self._retries or (error.retry_after or 0) > LONGEST_WAIT:
                    raise
                pause = max(backoff(tries, chance=self._chance), error.retry_after or 0)
            self._sleep(pause)

    def _get(self, path: str, query: Mapping[str, str], *, asked: Asked) -> bytes:
        """Return the body of one answer; raises `GenerationError` where it is no 200, or does not come."""
        import requests
        import urllib3

        session = self._session
        if session is None:
            session = self._session = requests.Session()
            session.headers["Accept"] = "application/json"
        try:
            with session.get(
                self._base_url + path,
                params=query,
                auth=self._authorise,  # and not a header: a .netrc would replace that
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                self.clock_ahead = _ahead(response.headers.get("Date"), self._now())
                if response.status_code != 200:
                    raise self._refused(response.status_code, response.headers.get("Retry-After"), asked)
                return self._read(response)
        except requests.Timeout:
            raise RequestTimeoutError(f"OpenRouter did not answer in time; see {STATUS_PAGE}") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise UnavailableError(
                f"OpenRouter could not be reached ({type(error).__name__}): check the network; "
                f"see {STATUS_PAGE}"
            ) from None

    def _read(self, response: requests.Response) -> bytes:
        """Return the body, which is neither endless nor drop by drop."""
        content, began = bytearray(), self._clock()
        for piece in response.iter_content(1 << 16):
            content += piece
            if len(content) > _LARGEST_ANSWER or self._clock() - began > _LONGEST_ANSWER:
                raise UnavailableError(f"OpenRouter's answer does not come to its end; see {STATUS_PAGE}")
        return bytes(content)

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer " + self._key
        return request

    def _refused(self, status: int, wait: str | None, asked: Asked) -> GenerationError:
        if 300 <= status < 400:
            return GenerationError(
                f"OpenRouter answered {status}, a redirect, which is not followed: check the base URL",
                status=status,
            )
        advice = hint(status, asked=asked) or f"see {STATUS_PAGE}"
        if status == 401 and not looks_like_key(self._key):
            advice += " (this one does not)"
        kind = _ERRORS.get(status, UnavailableError if status >= 500 else GenerationError)
        if status == 404 and asked == "generation":
            kind = GenerationNotReadyError
        return kind(
            f"OpenRouter answered {status}: {advice}",
            status=status,
            retry_after=retry_after(wait, now=self._now()),
        )


def _read_key(source: KeySource | None) -> str:
    named = f"env:{KEY_VARIABLE}" if source is None else source
    if isinstance(named, str) and KEY_PREFIX in named:
        raise ConfigError(
            "name the OpenRouter key as env:NAME or file:PATH; the key itself stands in neither"
        )
    try:
        content, where = read_source(named, what="secret OpenRouter key")
    except ConfigError as error:
        if source is not None:
            raise
        raise ConfigError(
            f"no OpenRouter key: set {KEY_VARIABLE}, or name the key as env:NAME or file:PATH"
        ) from error
    key = content.strip()
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{where} holds no OpenRouter key: one line of letters, digits and - is expected")
    return key.decode("ascii")


def _ahead(said: str | None, now: datetime) -> timedelta | None:
    try:
        when = parsedate_to_datetime(said or "")
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)) - now


def _checked_url(url: str) -> str:
    """Return *url* without a slash at its end; raises `ConfigError` where the key would go out in clear."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except (ValueError, AttributeError):
        host, parts = "", urlsplit("")
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc:
        raise ConfigError(f"base_url is an address such as {BASE_URL}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigError("base_url has to begin with https: over http the key could be read on the way")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
