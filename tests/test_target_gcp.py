"""The target gcp before anything is sent: its address, and what is missing. Sending: integration/."""

from __future__ import annotations

import sys

import pytest

from or_audit_logging.errors import ConfigError, MissingExtraError
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
