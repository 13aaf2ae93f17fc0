"""Google's real client against a strict Cloud Logging on loopback (see README.md here)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.logging", reason="needs the extra gcp")
pytest.importorskip("cryptography", reason="needs the extra sign")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from fake_gcp import TOKEN, FakeCloudLogging
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship.target import (
    Item,
    RefusedError,
    Target,
    TargetOptions,
    TooLargeError,
    TryLaterError,
)
from or_audit_logging.ship.targets import open_target

LOG = "gcp:projects/acme-prod/logs/audit/host-1"
SAYS_TO_WHOM = "roles/logging.logWriter"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "OR_AUDIT_GCP_RETENTION_DAYS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudLogging]:
    """The service, where the target looks for it."""
    with FakeCloudLogging() as service:
        monkeypatch.setenv("OR_AUDIT_GCP_ENDPOINT", service.url)
        yield service


@pytest.fixture
def target(fake: FakeCloudLogging) -> Iterator[Target]:
    """The target, which waits a second for an answer."""
    opened = open_target(LOG, TargetOptions(timeout=1.0))
    yield opened
    opened.close()


def item(
    seq: int = 0,
    *,
    time: datetime | None = None,
    body: bytes | None = None,
    line: bytes | None = None,
    **members: Any,
) -> Item:
    """Return an item as in the google format, made now."""
    raw = line or b'{"seq":%d}' % seq
    made = {"severity": "INFO", "message": "chat_completion success", "seq": seq, **members}
    return Item(seq, str(uuid.uuid4()), time or datetime.now(UTC), raw, body or json.dumps(made).encode())


def ids_of(fake: FakeCloudLogging) -> list[str]:
    """Return the insertIds of what a query shows."""
    return [entry["insertId"] for entry in fake.entries()]


def test_a_batch_is_one_request(fake: FakeCloudLogging, target: Target) -> None:
    """Google's own handler sends ten entries with each; here all arrive with one, under the record's id."""
    items = [item(seq) for seq in range(500)]
    assert not target.send(items).refused
    assert fake.requests == 1
    assert ids_of(fake) == [each.id for each in items]
    assert {entry["logName"] for entry in fake.entries()} == {"projects/acme-prod/logs/audit%2Fhost-1"}


def test_an_entry_has_its_own_fields(fake: FakeCloudLogging, target: Target) -> None:
    """Severity, labels, trace and span stand where Google's tools look for them."""
    special = "logging.googleapis.com/"
    made = item(
        **{
            f"{special}insertId": "of the projection",
            f"{special}labels": {"event_type": "chat_completion"},
            f"{special}trace": "4bf92f3577b34da6a3ce929d0e0e4736",
            f"{special}spanId": "00f067aa0ba902b7",
            "total_cost": 0.000042,
        }
    )
    target.send([made])
    (entry,) = fake.entries()
    assert made.time is not None
    assert entry.pop("timestamp") == made.time.isoformat().replace("+00:00", "Z")
    assert entry == {
        "logName": "projects/acme-prod/logs/audit%2Fhost-1",
        "insertId": made.id,
        "severity": "INFO",
        "labels": {"event_type": "chat_completion"},
        "trace": "projects/acme-prod/traces/4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "jsonPayload": {"message": "chat_completion success", "seq": 0, "total_cost": 0.000042},
    }


def test_a_sealed_line_comes_back_byte_for_byte(fake: FakeCloudLogging, target: Target) -> None:
    """In the native format, as text; half a surrogate pair and all."""
    line = b'{"note":"\\ud800 \\\\ \\"","total_cost":0.10,"log":"0001020304050607","seq":9007199254740993}'
    target.send([item(line=line, body=line)])
    (entry,) = fake.entries()
    assert entry["textPayload"].encode() == line


def test_digits_that_a_double_would_lose_arrive(fake: FakeCloudLogging, target: Target) -> None:
    """The service keeps numbers as doubles: what one does not hold comes as a string."""
    target.send(
        [item(body=b'{"seq":9007199254740993,"total_cost":0.1234567890123456789,"upstream_cost":0.25}')]
    )
    (entry,) = fake.entries()
    assert entry["jsonPayload"] == {
        "seq": "9007199254740993",
        "total_cost": "0.1234567890123456789",
        "upstream_cost": 0.25,
    }


def test_a_second_delivery_shows_once(fake: FakeCloudLogging, target: Target) -> None:
    """The same timestamp and insertId are one entry in queries."""
    items = [item(seq) for seq in range(3)]
    target.send(items)
    target.send(items)
    assert ids_of(fake) == [each.id for each in items]


def test_refused_items_are_named_and_the_others_kept(fake: FakeCloudLogging, target: Target) -> None:
    """Two that are too large, one of them only as doubles, and one of the day after tomorrow: with why."""
    items = [
        item(0),
        item(1, note="x" * 300_000),
        item(2, time=datetime.now(UTC) + timedelta(hours=25)),
        item(3, numbers=[0] * 60_000),
        item(4),
    ]
    answer = target.send(items)
    assert sorted(answer.refused) == [1, 2, 3]
    assert "exceeds maximum size of 256.0K" in answer.refused[1]
    assert "exceeds maximum size of 256.0K" in answer.refused[3]
    assert "24 hours in the future" in answer.refused[2]
    assert ids_of(fake) == [items[0].id, items[4].id]


def test_what_is_within_the_limits_is_taken(fake: FakeCloudLogging, target: Target) -> None:
    """The largest item, and a batch of as many bytes as may be, escapes and all."""
    limits = target.limits
    largest = limits.item_bytes - limits.overhead
    for body in (b'{"a":"' + b"x" * (largest - 8) + b'"}', b"[" + b"0," * ((largest - 2) // 2) + b"0]"):
        assert not target.send([item(body=body)]).refused
    line = b'{"a":"' + b'\\"' * 1500 + b'"}'
    full = [item(seq, line=line, body=line) for seq in range(limits.bytes // (len(line) + limits.overhead))]
    assert not target.send(full[: limits.items]).refused


def test_refused_without_saying_which(fake: FakeCloudLogging, target: Target) -> None:
    """Where nothing of a batch was written, Google names no entry; half of it might be taken."""
    items = [item(seq) for seq in range(2)]
    fake.refuse(*(each.id for each in items))
    with pytest.raises(RefusedError) as raised:
        target.send(items)
    assert "Told to refuse it" in raised.value.said


def test_some_of_a_batch_later(fake: FakeCloudLogging, target: Target) -> None:
    """An entry that failed for a passing reason is tried again, not refused."""
    items = [item(seq) for seq in range(3)]
    fake.refuse(items[1].id, code=14)
    fake.refuse(items[2].id)
    answer = target.send(items)
    assert (list(answer.again), list(answer.refused)) == ([1], [2])


def test_an_entry_that_may_not_be_written_here_is_not_a_bad_entry(
    fake: FakeCloudLogging, target: Target
) -> None:
    """A permission that is missing for some entries stops shipping; it is no reason to set them aside."""
    items = [item(seq) for seq in range(2)]
    fake.refuse(items[1].id, code=7)
    with pytest.raises(DeliveryError, match=SAYS_TO_WHOM) as raised:
        target.send(items)
    assert type(raised.value) is DeliveryError


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        ("400", RefusedError, "answered 400"),
        ("401", DeliveryError, "InvalidOperation"),
        ("403", DeliveryError, SAYS_TO_WHOM),
        ("404", DeliveryError, "acme-prod, which must exist"),
        ("405", DeliveryError, "check OR_AUDIT_GCP_ENDPOINT"),
        ("302", DeliveryError, "answered 302"),
        ("409", TryLaterError, "answered 409"),
        ("413", TooLargeError, "answered 413"),
        ("429", TryLaterError, "answered 429"),
        ("500", TryLaterError, "answered 500"),
        ("503", TryLaterError, "answered 503"),
        ("504", TryLaterError, "answered 504"),
        ("slow", TryLaterError, "did not answer in 0.2 s"),
        ("cut", TryLaterError, "could not be reached"),
        ("lost answer", TryLaterError, "could not be reached"),
        ("garbage", TryLaterError, "could not be reached"),
    ],
)
def test_faults(fake: FakeCloudLogging, status: str, kind: type[Exception], says: str) -> None:
    """Each is told for what it is, with one request: neither the client nor the target tries by itself."""
    target = open_target(LOG, TargetOptions(timeout=0.2 if status == "slow" else 5.0))
    fake.fail(status)
    with pytest.raises(kind, match=says) as raised:
        target.send([item()])
    assert type(raised.value) is kind
    assert fake.requests == 1
    assert getattr(raised.value, "retry_after", None) == (1.0 if status == "429" else None)
    sent = item()
    assert not target.send([sent]).refused
    assert sent.id in ids_of(fake)
    target.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "message", "status", "0", "1", "-1", "\u00b2"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
PARTIAL_ERRORS = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    JSON.map(lambda any_json: [any_json])
    | JSON.map(lambda any_json: {"error": any_json})
    | JSON.map(lambda any_json: {"error": {"message": "no", "details": any_json}})
    | JSON.map(
        lambda any_json: {"error": {"details": [{"@type": PARTIAL_ERRORS, "logEntryErrors": any_json}]}}
    )
)
def test_errors_in_other_words(fake: FakeCloudLogging, target: Target, answer: object) -> None:
    """A proxy's, or nobody's: of 400 it is known that something is refused, and by index what is there."""
    fake.fail(json.dumps(answer))
    try:
        said = target.send([item(0), item(1)])
    except DeliveryError:
        return
    assert {*said.refused, *said.again} <= {0, 1}
    assert said.refused or said.again


def test_a_batch_that_is_too_large_for_one_request(fake: FakeCloudLogging, target: Target) -> None:
    """More than any batch that keeps to the limits: halves would be taken."""
    with pytest.raises(TooLargeError):
        target.send([item(seq, note="x" * 200_000) for seq in range(55)])
    assert ids_of(fake) == []


def test_an_outage(fake: FakeCloudLogging, target: Target) -> None:
    """Refused connections, and connections that broke meanwhile, pass when the service is back."""
    target.send([item()])
    fake.stop()
    for _ in range(2):
        with pytest.raises(TryLaterError, match="could not be reached"):
            target.send([item()])
    fake.start()
    assert not target.send([item()]).refused


def test_a_clock_that_runs_ahead_of_googles(fake: FakeCloudLogging, target: Target) -> None:
    """By an hour nothing is lost; by two days each item is refused visibly, until the clock is set."""
    fake.clock = lambda: datetime.now(UTC) - timedelta(hours=1)
    assert not target.send([item()]).refused
    fake.clock = lambda: datetime.now(UTC) - timedelta(days=2)
    with pytest.raises(RefusedError) as raised:
        target.send([item(), item()])
    assert "24 hours in the future" in raised.value.said


def test_entries_older_than_the_retention(
    fake: FakeCloudLogging, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google takes them and does not store them: so they are not to be sent."""
    assert target.limits.oldest == timedelta(days=30)
    assert not target.send([item(time=datetime.now(UTC) - timedelta(days=31))]).refused
    assert fake.entries() == []
    monkeypatch.setenv("OR_AUDIT_GCP_RETENTION_DAYS", "400")
    assert open_target(LOG).limits.oldest == timedelta(days=400)
    for wrong in ("0", "3651", "a year"):
        monkeypatch.setenv("OR_AUDIT_GCP_RETENTION_DAYS", wrong)
        with pytest.raises(ConfigError, match="from 1 to 3650"):
            open_target(LOG)


def certificate(folder: Path, *, address: str = "127.0.0.1", days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context and the certificate that it shows, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cloud Logging on loopback")])
    until = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=2))
        .not_valid_after(until)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "certificate.pem", folder / "key.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown


@pytest.mark.parametrize(
    ("made", "is_given", "says"),
    [
        ({}, True, None),
        ({}, False, "not trusted"),
        ({"address": "127.0.0.2"}, True, "not trusted"),
        ({"days": -1}, True, "certificate has expired"),
    ],
)
def test_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, Any], is_given: bool, says: str | None
) -> None:
    """One that nobody vouches for, another's, an expired one: no later try would do, and nothing is sent."""
    context, shown = certificate(tmp_path, **made)
    with FakeCloudLogging(tls=context) as fake:
        monkeypatch.setenv("OR_AUDIT_GCP_ENDPOINT", fake.url)
        target = open_target(LOG, TargetOptions(ca_file=shown if is_given else None, timeout=5.0))
        if says is None:
            assert not target.send([item()]).refused
        else:
            with pytest.raises(DeliveryError, match=says) as raised:
                target.send([item()])
            assert type(raised.value) is DeliveryError
            assert fake.requests == 0
        target.close()


@pytest.fixture(scope="module")
def private_key() -> str:
    """The key of a service account."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@pytest.fixture
def service_account(
    fake: FakeCloudLogging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_key: str
) -> Callable[[str], None]:
    """Return a function that signs in as a service account, at an address, for the rest of the test."""

    def sign_in(token_address: str) -> None:
        path = tmp_path / "service-account.json"
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "of-the-account",
                    "private_key_id": "1",
                    "private_key": private_key,
                    "client_email": "shipper@of-the-account.iam.gserviceaccount.com",
                    "client_id": "1",
                    "token_uri": f"{token_address}/token",
                }
            )
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        fake.token = TOKEN

    return sign_in


def test_a_service_account(fake: FakeCloudLogging, service_account: Callable[[str], None]) -> None:
    """Its file names the project, and is all that is needed; the token is for writing logs alone."""
    service_account(fake.url)
    target = open_target("gcp:audit")
    assert target.name == "gcp:projects/of-the-account/logs/audit"
    assert not target.send([item()]).refused
    assert fake.scopes == ["https://www.googleapis.com/auth/logging.write"]
    target.close()


def test_a_service_account_that_was_removed(
    fake: FakeCloudLogging, service_account: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """No later try will do; neither what Google said about the account nor the lines are told."""
    service_account(fake.url)
    fake.signs_in = False
    target = open_target("gcp:audit")
    with caplog.at_level("DEBUG"), pytest.raises(DeliveryError, match="renew them") as raised:
        target.send([item()])
    assert type(raised.value) is DeliveryError
    assert "JWT" not in str(raised.value)
    assert "chat_completion" not in caplog.text
    target.close()


def test_a_token_that_is_taken_back(
    fake: FakeCloudLogging, service_account: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets itself another; where that is not taken either, it is said what is missing."""
    service_account(fake.url)
    target = open_target("gcp:audit")
    fake.fail("401")
    assert not target.send([item()]).refused
    assert len(fake.scopes) == 2
    fake.token = "another"
    with caplog.at_level("DEBUG"), pytest.raises(DeliveryError, match=SAYS_TO_WHOM) as raised:
        target.send([item()])
    assert TOKEN not in str(raised.value) + caplog.text
    target.close()


def test_a_sign_in_that_is_away(fake: FakeCloudLogging, service_account: Callable[[str], None]) -> None:
    """It may be back later."""
    with FakeCloudLogging() as other:
        service_account(other.url)
    target = open_target("gcp:audit")
    with pytest.raises(TryLaterError, match="sign-in could not be reached"):
        target.send([item()])
    target.close()


def test_a_project_that_nobody_named(fake: FakeCloudLogging, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to set is said; where the variable says it, the log's name is enough."""
    with pytest.raises(ConfigError, match="GOOGLE_CLOUD_PROJECT"):
        open_target("gcp:audit")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "example.com:audit-7")
    assert open_target("gcp:audit").name == "gcp:projects/example.com:audit-7/logs/audit"


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_credentials_that_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, fake: FakeCloudLogging
) -> None:
    """A file that is not there or says nothing is a slip in the configuration."""
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ConfigError, match="the file that GOOGLE_APPLICATION_CREDENTIALS names holds no"):
        open_target(LOG)
