"""`HTTPSender`: POSTs batches to one address; what the status means for a batch is decided here, once.

    sender = HTTPSender("https://collector.example/audit", headers={"Authorization": "Bearer ..."})
    response = sender.post(body, content_type="application/json")

Certificates are verified, redirects refused, plain http goes to loopback alone. Headers, which hold the
credentials, stand in no message and no repr.
"""

from __future__ import annotations

import gzip
import ipaddress
import math
import ssl
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.pace import retry_after
from or_audit_logging.ship.answers import TooMuchError, bound
from or_audit_logging.ship.target import RefusedError, TargetOptions, TooLargeError, TryLaterError

if TYPE_CHECKING:
    import requests

_CONNECT = 10.0
_QUOTED = 200
_SMALL = 1_000
_LATER = frozenset({408, 425, 429})
_REFUSED = frozenset({400, 422})
_NETWORK_REASONS = {
    "NameResolutionError": "its host's name is not known",
    "Failed to resolve": "its host's name is not known",
    "Connection refused": "nobody listens there",
    "Network is unreachable": "there is no network",
    "ProxyError": "the proxy does not answer",
    "CA certificate bundle": "the file of certificates (--ca, or in the environment) is not there",
}
_DENIED = frozenset({401, 403, 407})


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with a status from 200 to 299, or one that the target asked to see."""

    status: int
    body: bytes
    date: str | None = None
    """Its Date header."""


class HTTPSender:
    """One connection to one address; for one thread."""

    def __init__(
        self,
        url: str,
        *,
        options: TargetOptions,
        headers: Mapping[str, str] | None = None,
        compress: bool = False,
    ) -> None:
        """Check *url*; raises `ConfigError`. *compress*: send bodies as gzip, but for small ones."""
        self.url = checked_url(url)
        self.name = without_query(self.url, hides_path=options.hides_address)
        """The address without what may be a secret: its query string, or all but the host."""
        if options.ca_file is not None:
            _check_certificates(options.ca_file)
        self._options = options
        self._headers = dict(headers or {})
        self._compress = compress
        self._session: requests.Session | None = None

    def __repr__(self) -> str:
        return f"HTTPSender({self.name!r})"

    def close(self) -> None:
        """Close the connection; the next request would make another one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def post(
        self, body: bytes, *, content_type: str, path: str = "", known: Collection[int] = ()
    ) -> Response:
        """Return the answer to *body*; raises `DeliveryError` and its kinds by what its status means.

        *path* takes the place of the address's own; statuses in *known* the target itself understands. A
        certificate that does not hold is `DeliveryError`, not `TryLaterError`: waiting does not mend it.

        What the timeout bounds as a whole: from the connection to the request's last byte, with a second more
        for each 10,000 bytes of it; then, once more, the answer from there to its last byte, however slowly
        it comes. The look-up of the host's name is not bounded. An answer has 32 MiB at most, decompressed.
        """
        headers = {"Content-Type": content_type, **self._headers}
        if self._compress and len(body) > _SMALL:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        with connection_errors(self.name, self._options):
            response = self._open().post(
                urljoin(self.url, path) if path else self.url,
                data=body,
                headers=headers,
                timeout=(min(_CONNECT, self._options.timeout), self._options.timeout),
                allow_redirects=False,
            )
        if not 200 <= response.status_code < 300 and response.status_code not in known:
            self._refuse(response.status_code, response.headers.get("Retry-After"), response.content)
        return Response(response.status_code, response.content, response.headers.get("Date"))

    def _open(self) -> requests.Session:
        import requests

        if self._session is None:
            self._session = requests.Session()
            bound(self._session, timeout=self._options.timeout)
            prepare(self._session, self._options, url=self.url)
        return self._session

    def _refuse(self, status: int, wait: str | None, content: bytes) -> NoReturn:
        said = f"{self.name} answered {status}"
        if status == 413:
            raise TooLargeError(said)
        if status in _REFUSED:
            raise RefusedError(said, said=excerpt(content, secrets=self._secrets))
        if status in _LATER or status >= 500:
            seconds = retry_after(wait, now=datetime.now(UTC))
            raise TryLaterError(said, retry_after=None if seconds in (None, math.inf) else seconds)
        if status in _DENIED:
            raise DeliveryError(f"{said}: check the credentials{quoted(content, secrets=self._secrets)}")
        if 300 <= status < 400:
            raise DeliveryError(f"{said}, a redirect, which is not followed: check the address")
        raise DeliveryError(f"{said}: check the address{quoted(content, secrets=self._secrets)}")

    def without_secrets(self, text: str) -> str:
        """Return *text*, which the target said, without credentials that it repeats."""
        return _without(text, self._secrets)

    @property
    def _secrets(self) -> list[str]:
        """What some targets repeat in their answers, and may stand in no message."""
        parts = urlsplit(self.url)
        credentials = [value.rpartition(" ")[2] for value in self._headers.values()]
        path = [parts.path, unquote(parts.path)] if self._options.hides_address and parts.path != "/" else []
        return [*credentials, *path, parts.query, *(value for _, value in parse_qsl(parts.query))]


def prepare(session: requests.Session, options: TargetOptions, *, url: str) -> None:
    """Let *session* send no credentials but those in its headers, and trust whom *options* say.

    *url*: the address that it is for. A proxy is none for plain http, which is to stay on this machine.
    """
    from requests.utils import get_environ_proxies

    session.auth = _no_netrc  # or a .netrc would replace the Authorization header
    if options.ca_file is not None:
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over what was asked for
        session.verify = str(options.ca_file)
        session.proxies.update(get_environ_proxies(url))
    if urlsplit(url).scheme == "http":
        session.trust_env = False
        session.proxies.clear()


@contextmanager
def connection_errors(name: str, options: TargetOptions) -> Iterator[None]:
    """Raise what requests raises as `DeliveryError` (no trust) or `TryLaterError` (no answer) of *name*."""
    import requests
    import urllib3

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise DeliveryError(
            f"{name}: the connection is not trusted ({_tls_reason(error)}); give the certificate of "
            "whoever vouches for it with --ca"
        ) from None
    except requests.exceptions.InvalidURL:
        raise DeliveryError(f"{name} is no address that can be asked: check it, and the proxy's") from None
    except TooMuchError:
        raise TryLaterError(f"{name}: the answer does not come to its end") from None
    except requests.Timeout:
        raise TryLaterError(f"{name} did not answer in {options.timeout:g} s") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TryLaterError(f"{name} could not be reached: {_network_reason(error)}") from None


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _check_certificates(path: Path) -> None:
    """Raises `ConfigError` where *path* holds no certificates: else it would pass for an outage."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise ConfigError(f"{path} holds no certificates in PEM: {error.strerror}") from None


def quoted(content: bytes, *, secrets: Iterable[str] = ()) -> str:
    """Return what a target said, for a message; nothing where it quotes something, as it might a line."""
    text = excerpt(content, secrets=secrets)
    return "" if '"' in text or "'" in text else text


def excerpt(content: bytes, *, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of what a target said, in brackets; nothing where it is no plain text.

    *secrets* are taken out of it, before it is cut.
    """
    text = _without(content.decode("utf-8", "replace").strip(), secrets)[:_QUOTED]
    return f" ({text})" if text and text.isprintable() else ""


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "...") if secret else text
    return text


def _network_reason(error: Exception) -> str:
    """Return why there is no connection, in words."""
    text = str(error)
    for sign, reason in _NETWORK_REASONS.items():
        if sign in text:
            return reason
    return f"the connection was lost ({type(error).__name__})"


def _tls_reason(error: Exception) -> str:
    text = str(error)
    for reason in ("certificate has expired", "Hostname mismatch", "self-signed", "self signed"):
        if reason.lower() in text.lower():
            return reason
    return "its certificate does not hold"


def without_query(url: str, *, hides_path: bool = False) -> str:
    """Return *url* as it may stand in messages; *hides_path*: the path is a secret, too."""
    bare = urlsplit(url)._replace(query="", fragment="")
    return (bare._replace(path="") if hides_path else bare).geturl()


def checked_url(url: str, *, what: str = "the target's address") -> str:
    """Return *url*, which is *what*; raises `ConfigError`: no URL, credentials in it, lines in clear."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigError(f"{what} is no URL; write it with https://, as https://collector.example/audit")
    if "@" in parts.netloc:
        raise ConfigError(f"{what} holds credentials; name them in the environment instead (docs/targets.md)")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"{what} has to begin with https: over http, which is for this machine alone, the lines could be "
            "read and changed on the way"
        )
    return url


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine, as far as its name or address says."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
