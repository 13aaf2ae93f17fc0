"""The target gcp before anything is sent: its address, and what is missing. Sending: integration/."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping

import pytest
from ship_sites import Answer, HTTPSite

from or_audit_logging.errors import ConfigError, MissingExtraError
from or_audit_logging.ship.target import Item, TargetOptions, TryLaterError
from or_audit_logging.ship.targets import open_target


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a log",
        "log:1",
        "x" * 512,
        "projects/acme-prod",
        "projects//logs/x",
        "projects/Acme/logs/x",
        "a%20b",
    ],
)
def test_an_address_names_a_log(address: str) -> None:
    """What the API would refuse is said before anything is sent."""
    with pytest.raises(ConfigError, match="gcp:LOG"):
        open_target(f"gcp:{address}")


@pytest.mark.parametrize(
    "url", ["http://logging.example", "logging.example", "https://me:pass@logging.example"]
)
def test_an_endpoint_is_https(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Tokens do not go out in clear, nor to half an address."""
    monkeypatch.setenv("OR_AUDIT_GCP_ENDPOINT", url)
    with pytest.raises(ConfigError):
        open_target("gcp:projects/acme-prod/logs/audit")


@pytest.mark.parametrize("days", ["0", "-1", "30d", "36500"])
def test_a_retention_is_in_days(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    """A slip would let records be dropped, or kept back."""
    monkeypatch.setenv("OR_AUDIT_GCP_RETENTION_DAYS", days)
    with pytest.raises(ConfigError, match="OR_AUDIT_GCP_RETENTION_DAYS"):
        open_target("gcp:projects/acme-prod/logs/audit")


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without google-cloud-logging, what to install is said."""
    monkeypatch.setitem(sys.modules, "google.cloud.logging", None)
    with pytest.raises(MissingExtraError, match=r"or-audit-logging\[gcp\]"):
        open_target("gcp:projects/acme-prod/logs/audit")


class Bomb(HTTPSite):
    """Answers with a few bytes that unfold to more than any answer has, after it was asked for them."""

    text = ""

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        content = gzip.compress(b"{}" + b" " * (40 << 20), compresslevel=1)
        return 200, content, {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    def ids(self) -> list[str]:
        return []


def test_an_answer_that_unfolds_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no answer that Google gives; nobody's memory is filled with it."""
    pytest.importorskip("google.cloud.logging", reason="needs the extra gcp")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    with Bomb() as site:
        monkeypatch.setenv("OR_AUDIT_GCP_ENDPOINT", site.base)
        target = open_target("gcp:projects/acme-prod/logs/audit", TargetOptions(timeout=5.0))
        line = b'{"event_type":"log.stop"}'
        with pytest.raises(TryLaterError, match="does not come to its end"):
            target.send([Item(0, "a", None, line, line)])
        target.close()
