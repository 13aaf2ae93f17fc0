"""What a status means for a batch; whom lines are sent to at all; and what stays secret."""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

import pytest
from log_builder import three_segments
from ship_sites import HTTPSite, WebhookSite

from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship import Shipper, TargetOptions, answers, ship_status
from or_audit_logging.ship.credentials import credential, optional_credential
from or_audit_logging.ship.http import HTTPSender, checked_url
from or_audit_logging.ship.target import RefusedError, TooLargeError, TryLaterError
from or_audit_logging.ship.targets import open_target

TOKEN = "s3cr3t-t0ken"
QUERY = "qu3ry-t0ken"
PATIENT = TargetOptions(timeout=5.0)


class Answering(HTTPSite):
    """Answers every request with what it is set to."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status, self.content = 200, b""
        self.headers: dict[str, str] = {}
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        super().__init__(tls)

    @property
    def text(self) -> str:
        return f"webhook:{self.base}/audit?token={QUERY}"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(headers | {"port": str(request.client_address[1])})
        self.bodies.append(request.rfile.read(int(request.headers.get("content-length", "0"))))
        self.paths.append(request.path)
        length = {} if self.status == 204 else {"Content-Length": str(len(self.content))}
        try:
            request.send_response(self.status)
            for name, value in (length | self.headers).items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(self.content)
        except OSError:
            request.close_connection = True

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError

    def ids(self) -> list[str]:
        return []


@pytest.fixture
def site() -> Iterator[Answering]:
    with Answering() as site:
        yield site


@pytest.fixture
def sender(site: Answering) -> Iterator[HTTPSender]:
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Key": "k3y-of-ours"}
    sender = HTTPSender(f"{site.base}/audit?token={QUERY}&q=a%2Fb%20c", options=PATIENT, headers=headers)
    yield sender
    sender.close()


def post(sender: HTTPSender, body: bytes = b"[]") -> Any:
    return sender.post(body, content_type="application/json")


def raised(sender: HTTPSender) -> DeliveryError:
    """Return what posting raises."""
    with pytest.raises(DeliveryError) as caught:
        post(sender)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_it_is_confirmed(site: Answering, sender: HTTPSender, status: int) -> None:
    site.status, site.content = status, b"" if status == 204 else b"thanks"
    assert (post(sender).status, site.bodies) == (status, [b"[]"])


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (300, DeliveryError, "redirect"),
        (301, DeliveryError, "redirect"),
        (302, DeliveryError, "redirect"),
        (307, DeliveryError, "redirect"),
        (308, DeliveryError, "redirect"),
        (400, RefusedError, "answered 400"),
        (401, DeliveryError, "check the credentials"),
        (403, DeliveryError, "check the credentials"),
        (404, DeliveryError, "check the address"),
        (405, DeliveryError, "check the address"),
        (407, DeliveryError, "check the credentials"),
        (408, TryLaterError, "answered 408"),
        (413, TooLargeError, "answered 413"),
        (422, RefusedError, "answered 422"),
        (425, TryLaterError, "answered 425"),
        (429, TryLaterError, "answered 429"),
        (500, TryLaterError, "answered 500"),
        (502, TryLaterError, "answered 502"),
        (503, TryLaterError, "answered 503"),
        (507, TryLaterError, "answered 507"),
    ],
)
def test_what_a_status_means(
    site: Answering, sender: HTTPSender, status: int, kind: type[DeliveryError], words: str
) -> None:
    """Exactly that; and no second request is made for it."""
    site.status, site.headers = status, {"Location": f"{site.base}/elsewhere"}
    error = raised(sender)
    assert type(error) is kind
    assert words in str(error)
    assert site.paths == [f"/audit?token={QUERY}&q=a%2Fb%20c"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("86400", 86_400.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\xb2", None),
        ("9" * 30, None),
        ("9" * 100, None),
        ("Mon, 99 Foo 2026 10:00:00 GMT", None),
        ("Sun, 21 Nov 2021 10:00:00 GMT", 0.0),
    ],
)
def test_when_to_come_again(
    site: Answering, sender: HTTPSender, status: int, said: str, seconds: float | None
) -> None:
    site.status, site.headers = status, {"Retry-After": said}
    error = raised(sender)
    assert isinstance(error, TryLaterError)
    assert error.retry_after == seconds


def test_when_to_come_again_as_a_date(site: Answering, sender: HTTPSender) -> None:
    when = datetime.now(UTC) + timedelta(seconds=90)
    site.status, site.headers = 503, {"Retry-After": format_datetime(when, usegmt=True)}
    error = raised(sender)
    assert isinstance(error, TryLaterError)
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 90


# secrets


def test_what_the_target_says_is_quoted_without_what_it_repeats(site: Answering, sender: HTTPSender) -> None:
    """Some name the credential, or the address, that they do not know."""
    said = f"Bearer {TOKEN} and k3y-of-ours and token={QUERY}&q=a%2Fb%20c and {QUERY} and a/b c: unknown"
    for status in (400, 401, 404):
        site.status, site.content = status, said.encode()
        error = raised(sender)
        message = str(error) + getattr(error, "said", "")
        assert "unknown" in message
        for secret in (TOKEN, QUERY, "k3y-of-ours", "a/b c", "a%2Fb"):
            assert secret not in message


@pytest.mark.parametrize("before", range(180, 205))
def test_a_credential_at_the_end_of_what_is_quoted(site: Answering, sender: HTTPSender, before: int) -> None:
    """Nor is it quoted in part."""
    site.status, site.content = 401, b"x" * before + TOKEN.encode() + b" is unknown"
    assert TOKEN[:4] not in str(raised(sender))


def test_a_credential_that_is_longer_than_what_is_looked_at(site: Answering) -> None:
    """A token may have 4,096 characters; its beginning is not quoted either."""
    token = "k3y-" * 1_000
    long = HTTPSender(site.base, options=PATIENT, headers={"Authorization": f"Bearer {token}"})
    site.status, site.content = 401, f"{token} is unknown".encode()
    assert "k3y-" not in str(raised(long))
    long.close()


def test_an_address_that_is_a_secret_is_not_quoted(site: Answering) -> None:
    """What is not there is often named by who does not have it."""
    address = f"{site.base}/T000/s3cr3t%2Fpath"
    hidden = HTTPSender(address, options=replace(PATIENT, hides_address=True))
    for said in ("/T000/s3cr3t%2Fpath", "/T000/s3cr3t/path"):
        for status in (400, 404):
            site.status, site.content = status, f"cannot POST {said}".encode()
            error = raised(hidden)
            message = str(error) + getattr(error, "said", "")
            assert "cannot POST" in message
            assert "s3cr3t" not in message
    hidden.close()


@pytest.mark.parametrize("content", [b"\x1b[2Jcleared", b"\xff\xfe", b"a\nb", b"\0"])
def test_what_is_no_plain_text_is_not_quoted(site: Answering, sender: HTTPSender, content: bytes) -> None:
    site.status, site.content = 400, content
    assert str(raised(sender)).isprintable()


def test_secrets_stand_nowhere(
    site: Answering,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In no message, log, repr, cursor, dead letter, status, or name of a file; but in the request."""
    monkeypatch.setenv("OR_AUDIT_WEBHOOK_TOKEN", TOKEN)
    folder = three_segments().save(tmp_path / "log")
    caplog.set_level(logging.INFO)
    said: list[str] = []
    for status in (503, 500, 401, 404, 301, 413, 400, 200):
        site.status, site.content = status, f"no {TOKEN} {QUERY}".encode()
        options = {"told": said.append, "wait": lambda pause: None, "patience": 2.0, "options": PATIENT}
        try:
            with Shipper(folder, site.text, most_refused=5 if status == 400 else 100, **options) as shipper:
                said.append(repr(vars(shipper)) + repr(vars(shipper._target)))
                said.append(repr(shipper._target._sender))  # type: ignore[attr-defined]
                shipper.run()
        except DeliveryError as error:
            said.append(repr(error))
    site.stop()
    with (
        pytest.raises(DeliveryError) as caught,
        Shipper(folder, site.text, state=tmp_path / "s", **options) as it,
    ):
        it.run()
    said += [repr(caught.value), repr(ship_status(folder)), caplog.text]
    assert main(["ship", str(folder), "--status"]) == 0
    assert (
        main(["ship", str(folder), "--to", site.text, "--patience", "0.1", "--state", str(tmp_path / "t")])
        == 2
    )
    assert main(["ship", str(folder), "--status", "--json"]) == 0
    said += [*capsys.readouterr()]
    for path in (folder / "ship").iterdir():
        said += [path.name, path.read_text("ascii")]
    assert site.requests[-1]["authorization"] == f"Bearer {TOKEN}"
    assert site.paths[-1] == f"/audit?token={QUERY}"
    assert f"webhook:{site.base}/audit" in "".join(said)
    for text in said:
        assert TOKEN not in text
        assert QUERY not in text


def test_an_address_that_is_a_secret_is_not_named(
    site: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it comes from the environment or a file, its host alone stands in messages and states."""
    folder = three_segments().save(tmp_path / "log")
    monkeypatch.setenv("HOOK", f"{site.base}/T000/s3cr3t/path?x={QUERY}\n")
    file = tmp_path / "hook"
    file.write_text(f"{site.base}/T000/s3cr3t/path?x={QUERY}\n")
    file.chmod(0o600)
    for text in ("webhook:env:HOOK", f"webhook:file:{file}"):
        with Shipper(folder, text) as shipper:
            assert shipper._target.name == f"webhook:{site.base}"
            site.status = 404
            with pytest.raises(DeliveryError) as caught:
                shipper.run()
            assert "s3cr3t" not in str(caught.value)
            site.status = 200
            shipper.run()
        assert site.paths[-1] == f"/T000/s3cr3t/path?x={QUERY}"
    assert {status.target for status in ship_status(folder)} == {f"webhook:{site.base}"}
    assert all("s3cr3t" not in path.read_text() for path in (folder / "ship").iterdir())
    file.chmod(0o622)
    with pytest.raises(ConfigError):
        open_target(f"webhook:file:{file}", PATIENT)


def test_netrc_has_no_say(
    site: Answering, sender: HTTPSender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would replace the credential that was given, and give one where none was."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    post(sender)
    assert site.requests[-1]["authorization"] == f"Bearer {TOKEN}"
    bare = HTTPSender(f"{site.base}/", options=PATIENT)
    post(bare)
    bare.close()
    assert "authorization" not in site.requests[-1]


def test_plain_http_goes_past_proxies(site: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is another machine, and would read all of it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    bare = HTTPSender(f"{site.base}/", options=PATIENT)
    assert post(bare).status == 200
    bare.close()


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "caf\xe9", "x" * 5000])
def test_what_is_no_credential_is_refused(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """Least of all what would end a header; it is not quoted."""
    monkeypatch.setenv("SOME_TOKEN", token)
    if not token:
        assert optional_credential("SOME_TOKEN") is None
        with pytest.raises(ConfigError, match="it needs a credential: set SOME_TOKEN, or SOME_TOKEN_FILE"):
            credential("SOME_TOKEN", what="it")
        return
    with pytest.raises(ConfigError) as caught:
        optional_credential("SOME_TOKEN")
    assert "SOME_TOKEN" in str(caught.value)
    assert token == " " or token not in str(caught.value)


def test_a_credential_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newline is none of it; a file that others may write is refused, and one that is not there."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    monkeypatch.setenv("SOME_TOKEN_FILE", str(path))
    assert optional_credential("SOME_TOKEN") == TOKEN
    path.chmod(0o622)
    with pytest.raises(ConfigError) as caught:
        optional_credential("SOME_TOKEN")
    assert TOKEN not in str(caught.value)
    path.unlink()
    with pytest.raises(ConfigError, match="token"):
        optional_credential("SOME_TOKEN")


# whom


@pytest.mark.parametrize(
    "url",
    [
        "",
        "collector.example/audit",
        "//collector.example",
        "ftp://collector.example",
        "https://",
        "https:///audit",
        "https://:443/",
        "https://[::1",
        "https://h:notaport/",
        "https://h:99999/",
        "file:///etc/hostname",
        "https://user@collector.example/",
        "https://user:password@collector.example/",
        "https://collector.example\\@evil.example/",
        "http://collector.example/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://[::ffff:10.0.0.1]/",
        "HTTP://collector.example/",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    """No URL, credentials in it, lines in clear; what it says of passwords is not repeated."""
    with pytest.raises(ConfigError) as caught:
        checked_url(url)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://collector.example/audit?a=b#c",
        "https://10.0.0.1:8443/",
        "http://127.0.0.1:8080/",
        "http://127.9.9.9/",
        "http://localhost/",
        "http://[::1]:80/",
        "HTTP://LOCALHOST/",
    ],
)
def test_addresses_that_are_taken(url: str) -> None:
    assert checked_url(url) == url


def certificate(
    folder: Path, name: str, *, issuer: Any = None, host: str = "127.0.0.1", days: int = 1
) -> Any:
    """Make a certificate for *host*, signed by *issuer* or by itself; return it, its key and its file."""
    x509 = pytest.importorskip("cryptography.x509")
    from ipaddress import ip_address

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    san = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([san]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        # Python 3.13 asks for these (VERIFY_X509_STRICT)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[1] if issuer else own).public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, issuer is None, False, False, False),
            critical=True,
        )
        .sign(issuer[1] if issuer else own, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    secret = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(pem + secret)
    (folder / f"{name}.crt").write_bytes(pem)
    return built, own, path


def tls(path: Path) -> ssl.SSLContext:
    """Return what a server needs that has the certificate in *path*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def authority(tmp_path: Path) -> Any:
    return certificate(tmp_path, "authority", host="authority.example")


def test_a_certificate_that_is_vouched_for(authority: Any, tmp_path: Path) -> None:
    """With --ca it works, also where the environment names other certificates."""
    leaf = certificate(tmp_path, "leaf", issuer=authority)
    folder = three_segments().save(tmp_path / "log")
    with WebhookSite(tls(leaf[2])) as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        options = TargetOptions(ca_file=tmp_path / "authority.crt", timeout=5.0)
        with Shipper(folder, site.text, options=options) as shipper:
            assert shipper.run().delivered == 15
        assert len(site.ids()) == 15


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"issuer": None}, "self-signed"),
        ({"host": "127.0.0.2"}, "certificate does not hold|Hostname mismatch|IP address mismatch"),
        ({"host": "other.example"}, "certificate does not hold|Hostname mismatch"),
        ({"days": -1}, "certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_hold(
    authority: Any, tmp_path: Path, made: dict[str, Any], reason: str
) -> None:
    """Nothing is sent, nothing is waited for, and the message says what may help."""
    leaf = certificate(tmp_path, "leaf", **({"issuer": authority} | made))
    with WebhookSite(tls(leaf[2])) as site:
        sender = HTTPSender(site.base, options=TargetOptions(ca_file=tmp_path / "authority.crt", timeout=5.0))
        error = raised(sender)
        sender.close()
        assert type(error) is DeliveryError
        assert "--ca" in str(error)
        assert re.search(reason, str(error))
        assert site.requests == []


def test_without_ca_nobody_vouches(authority: Any, tmp_path: Path) -> None:
    leaf = certificate(tmp_path, "leaf", issuer=authority)
    with WebhookSite(tls(leaf[2])) as site, pytest.MonkeyPatch.context() as patch:
        patch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        patch.delenv("CURL_CA_BUNDLE", raising=False)
        sender = HTTPSender(site.base, options=PATIENT)
        error = raised(sender)
        sender.close()
    assert type(error) is DeliveryError
    assert "--ca" in str(error)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_certificates_is_no_outage(tmp_path: Path, content: bytes | None) -> None:
    """It is refused before anything is sent, and not waited for."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem holds no certificates"):
        HTTPSender("https://127.0.0.1:9/", options=TargetOptions(ca_file=path))


def test_a_file_of_certificates_that_went_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come back, so it is waited for; but nobody should look for the network's fault."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = raised(HTTPSender("https://127.0.0.1:9/", options=TargetOptions()))
    assert isinstance(error, TryLaterError)
    assert "file of certificates" in str(error)


@pytest.mark.parametrize("url", ["https://.example.invalid/x", "https://exa mple/x"])
def test_an_address_that_no_waiting_makes_one(url: str) -> None:
    """A shipper that follows would wait for it for ever."""
    error = raised(HTTPSender(url, options=TargetOptions()))
    assert type(error) is DeliveryError
    assert "check it" in str(error)


@pytest.mark.parametrize(("around", "proxied"), [("", True), ("127.0.0.1", False)])
def test_with_ca_proxies_are_used_where_they_are_to_be(
    authority: Any, tmp_path: Path, around: str, proxied: bool
) -> None:
    """The environment names the proxy, and whom it is not for."""
    leaf = certificate(tmp_path, "leaf", issuer=authority)
    with WebhookSite(tls(leaf[2])) as site, pytest.MonkeyPatch.context() as patch:
        for name in ("https_proxy", "no_proxy"):
            patch.delenv(name.upper(), raising=False)
        patch.setenv("https_proxy", "http://127.0.0.1:9")
        patch.setenv("no_proxy", around)
        sender = HTTPSender(site.base, options=TargetOptions(ca_file=tmp_path / "authority.crt", timeout=5.0))
        if proxied:
            assert isinstance(raised(sender), TryLaterError)
        else:
            post(sender)
        sender.close()


# answers that are none


def test_an_answer_without_end(site: Answering, sender: HTTPSender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that is too long nor one that comes drop by drop is waited for."""
    monkeypatch.setattr(answers, "LARGEST_ANSWER", 1 << 20)
    site.content = b"x" * (3 << 20)
    error = raised(sender)
    assert isinstance(error, TryLaterError)
    assert "does not come to its end" in str(error)


class Dripping:
    """A server that says one piece after the other, 0.05 s apart, to each connection."""

    def __init__(self, *pieces: bytes, tls: ssl.SSLContext | None = None) -> None:
        self._pieces, self._tls = pieces, tls
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # or nobody tells whoever waits in accept
        self._server.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with suppress(OSError), connection:
                    self._say(connection)

    def _say(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            asked = b"[]" if self._pieces[0].startswith(b"\x16") else b""
            while not asked.endswith(b"[]"):  # what is left unread would reset the connection
                asked += connection.recv(1 << 16)
            for piece in self._pieces:
                connection.sendall(piece)
                time.sleep(0.05)


OK = b"HTTP/1.1 200 OK\r\n"
MANY = 40
"""Times 0.05 s: much longer than the time limit, each by itself much shorter."""
DRIPS = {
    "body": [OK + b"Content-Length: 40\r\n\r\n", *[b"x"] * MANY],
    "chunks": [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * MANY, b"0\r\n\r\n"],
    "body to the end": [OK + b"Connection: close\r\n\r\n", *[b"x"] * MANY],
    "old body": [b"HTTP/1.0 200 OK\r\n\r\n", *[b"x"] * MANY],
    "headers": [OK, *[b"X: y\r\n"] * MANY, b"Content-Length: 0\r\n\r\n"],
    "status": [*(bytes([byte]) for byte in OK), b"Content-Length: 0\r\n\r\n"],
    "100 Continue": [b"HTTP/1.1 100 Continue\r\n\r\n"] * MANY + [OK + b"Content-Length: 0\r\n\r\n"],
}


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("is_tls", [False, True])
def test_an_answer_drop_by_drop(drip: str, is_tls: bool, tmp_path: Path) -> None:
    """All of it has to be there in time; the same pieces in one are an answer."""
    tls, ca_file = None, None
    if is_tls:
        certificates = pytest.importorskip("certificates", reason="cryptography is not installed")
        tls, ca_file = certificates.self_signed(tmp_path)
    for pieces, is_whole in ((DRIPS[drip], False), ([b"".join(DRIPS[drip])], True)):
        options = TargetOptions(timeout=5.0 if is_whole else 0.3, ca_file=ca_file)
        with Dripping(*pieces, tls=tls) as server:
            sender = HTTPSender(server.url, options=options)
            if is_whole:
                assert post(sender).status == 200
            else:
                error = raised(sender)
                assert isinstance(error, TryLaterError)
                assert str(error) == f"{server.url} did not answer in 0.3 s"
            sender.close()


def test_a_handshake_drop_by_drop(tmp_path: Path) -> None:
    """It passes neither for an answer nor for a certificate that does not hold."""
    pieces = [b"\x16\x03\x03\x40\x00", *[b"\0"] * MANY]
    with Dripping(*pieces) as server:
        sender = HTTPSender(server.url.replace("http:", "https:"), options=TargetOptions(timeout=0.3))
        assert str(raised(sender)).endswith("did not answer in 0.3 s")
        sender.close()


def test_a_connection_is_used_again(site: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read in time leaves it as it was; after one that was not, there is another."""
    sender, late, real = (
        HTTPSender(site.base, options=TargetOptions(timeout=1.5)),
        threading.Event(),
        site.serve,
    )

    def serve(request: BaseHTTPRequestHandler) -> None:
        late.wait()
        real(request)

    for _ in range(3):
        assert post(sender).status == 200
    assert len({one["port"] for one in site.requests}) == 1
    with monkeypatch.context() as patch:
        patch.setattr(site, "serve", serve)
        assert isinstance(raised(sender), TryLaterError)
    late.set()
    assert post(sender).status == 200
    assert len({one["port"] for one in site.requests}) == 2
    sender.close()


def test_a_compressed_answer_that_unfolds_to_gigabytes(site: Answering, sender: HTTPSender) -> None:
    """It is not kept in memory."""
    site.content = gzip.compress(bytes(40 << 20), compresslevel=1)
    site.headers = {"Content-Encoding": "gzip"}
    assert isinstance(raised(sender), TryLaterError)


def test_an_answer_that_is_compressed_wrongly(site: Answering, sender: HTTPSender) -> None:
    site.content, site.headers = b"not gzip", {"Content-Encoding": "gzip"}
    assert isinstance(raised(sender), TryLaterError)


def test_bodies_may_be_compressed(site: Answering) -> None:
    """The same bytes each time, so that a repetition is one; small ones are not worth it."""
    long = b"[%s]" % b",".join([b"1"] * 1_000)
    sender = HTTPSender(site.base, options=PATIENT, compress=True)
    for body in (long, long, b"[1]"):
        post(sender, body)
    sender.close()
    assert site.requests[0]["content-encoding"] == "gzip"
    assert gzip.decompress(site.bodies[0]) == long
    assert site.bodies[0] == site.bodies[1]
    assert (site.bodies[2], site.requests[2].get("content-encoding")) == (b"[1]", None)


def test_what_is_sent_are_the_lines_own_bytes(tmp_path: Path) -> None:
    """Each element of the array is a sealed line as it stands in the log."""
    log = three_segments()
    with WebhookSite() as site:
        with Shipper(log.save(tmp_path / "log"), site.text, options=PATIENT) as shipper:
            shipper.run()
        (body,) = site.bodies
    lines = b"".join(log.segments.values()).splitlines()
    assert body == b"[" + b",".join(lines) + b"]"
    assert [item["seq"] for item in json.loads(body)] == list(range(15))
