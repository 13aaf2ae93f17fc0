"""`datadog:SITE`: Datadog's log intake, version 2 (`datadog:datadoghq.eu`).

A gzipped JSON array to `https://http-intake.logs.SITE/api/v2/logs`. Datadog answers 202 and cuts items of
more than 1 MB, and drops those older than 18 hours: both are looked at before. 202 is no proof of indexing.
(Datadog: API reference, Logs, "Send logs".)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from or_audit_logging.errors import ConfigError
from or_audit_logging.ship.credentials import optional_credential
from or_audit_logging.ship.http import HTTPSender
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions

KEY_VARIABLES = ("OR_AUDIT_DATADOG_API_KEY", "DD_API_KEY")

_PATH = "/api/v2/logs"
_SITE = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_LIMITS = Limits(items=1_000, bytes=5_000_000, item_bytes=1_000_000, overhead=1, oldest=timedelta(hours=18))


class DatadogTarget:
    """One Datadog site."""

    limits = _LIMITS
    format = "datadog"

    def __init__(self, sender: HTTPSender) -> None:
        self._sender = sender
        self.name = f"datadog:{sender.name}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items* as one array."""
        body = b"[" + b",".join([item.body for item in items]) + b"]"
        self._sender.post(body, content_type="application/json")
        return Answer()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def open_target(address: str, options: TargetOptions) -> DatadogTarget:
    """Return the target for the site *address*, or for the URL of a proxy; raises `ConfigError`."""
    if _SITE.fullmatch(address):
        url = f"https://http-intake.logs.{address}{_PATH}"
    elif address.startswith(("https://", "http://")):
        url = address.rstrip("/") + _PATH
    else:
        raise ConfigError("datadog is written datadog:SITE, such as datadog:datadoghq.eu")
    key = next((value for name in KEY_VARIABLES if (value := optional_credential(name)) is not None), None)
    if key is None:
        raise ConfigError(f"datadog needs an API key: set {KEY_VARIABLES[0]} (or {KEY_VARIABLES[0]}_FILE)")
    return DatadogTarget(HTTPSender(url, options=options, headers={"DD-API-KEY": key}, compress=True))
