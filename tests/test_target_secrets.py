"""Credentials of the targets that speak HTTP: in their header and nowhere else, and shown to whom."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_datadog import FakeDatadog
from fake_elastic import FakeElastic
from fake_splunk import FakeSplunk
from log_builder import DAY, LogBuilder
from ship_sites import HTTPSite

from or_audit_logging.cli.main import main
from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship import Shipper, TargetOptions

FAKES: dict[str, Callable[..., HTTPSite]] = {
    "splunk": FakeSplunk,
    "datadog": FakeDatadog,
    "elastic": FakeElastic,
}
WRONG = "a-credential-that-does-not-hold"


@pytest.fixture(params=sorted(FAKES))
def fake(request: pytest.FixtureRequest) -> Callable[..., HTTPSite]:
    return FAKES[request.param]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC)
    builder.open(DAY)
    builder.user(3)
    builder.save(tmp_path / "log")
    return tmp_path / "log"


def ship(site: HTTPSite, folder: Path, **options: Any) -> int:
    """Ship once; return how many lines were delivered."""
    settings = TargetOptions(timeout=2.0, **options)
    with Shipper(folder, site.text, options=settings, patience=0.0) as shipper:
        return shipper.run().delivered


def test_a_wrong_credential_ends_it_and_is_not_told(
    fake: Callable[..., HTTPSite],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 at once; no cursor was written."""
    with fake() as site:
        (variable,) = site.environment
        monkeypatch.setenv(variable, WRONG)
        assert main(["ship", str(log), "--to", site.text]) == 2
        assert len(site.requests) == 1
    printed = capsys.readouterr()
    assert "credentials" in printed.err
    assert WRONG not in printed.out + printed.err
    assert not list((log / "ship").glob("*.cursor*"))


def test_credentials_stand_nowhere(
    fake: Callable[..., HTTPSite],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Not in what is printed, the cursor, the dead letters or the status, whatever goes wrong on the way."""
    with fake() as site:
        ((variable, secret),) = site.environment.items()
        file = tmp_path / "secret"
        file.write_text(f"{secret}\n", "ascii")
        file.chmod(0o600)
        monkeypatch.setenv(f"{variable}_FILE", str(file))
        site.fail("500")
        (lines,) = (path.read_text("ascii") for path in log.glob("audit_*.jsonl"))
        site.refuse(json.loads(lines.splitlines()[3])["id"])
        main(["ship", str(log), "--to", site.text, "--timeout", "5"])
        main(["ship", str(log), "--status"])
        main(["ship", str(log), "--status", "--json"])
        assert site.ids()
    printed = capsys.readouterr()
    kept = b"".join(path.read_bytes() for path in (log / "ship").iterdir())
    assert b'"reason"' in kept
    for text in (printed.out, printed.err, kept.decode()):
        assert secret not in text


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate that only itself vouches for."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    from certificates import self_signed

    return self_signed(tmp_path)


def test_a_certificate_has_to_hold(
    fake: Callable[..., HTTPSite],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: tuple[ssl.SSLContext, Path],
) -> None:
    """Otherwise nobody gets a line or a credential; with --ca it is trusted."""
    context, file = certificate
    with fake(tls=context) as site:
        ((variable, secret),) = site.environment.items()
        monkeypatch.setenv(variable, secret)
        with pytest.raises(DeliveryError, match="not trusted"):
            ship(site, log)
        assert site.requests == []
        assert ship(site, log, ca_file=file) == 5


@pytest.mark.parametrize("wrong", [{"address": "127.0.0.2"}, {"days": -1}])
def test_a_certificate_for_another_or_of_yesterday(
    fake: Callable[..., HTTPSite],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    wrong: dict[str, Any],
) -> None:
    """Whoever vouches for it: it does not hold."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    from certificates import self_signed

    context, file = self_signed(tmp_path, **wrong)
    with fake(tls=context) as site:
        ((variable, secret),) = site.environment.items()
        monkeypatch.setenv(variable, secret)
        with pytest.raises(DeliveryError, match="not trusted"):
            ship(site, log, ca_file=file)
        assert site.requests == []
