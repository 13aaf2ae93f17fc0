"""`datadog:SITE`: Datadog's log intake, version 2 (`datadog:datadoghq.eu`).

A gzipped JSON array to `https://http-intake.logs.SITE/api/v2/logs`. Service, for lines that name none, and
tags may stand in the address: `datadog:datadoghq.eu?service=checkout&tags=env:prod,team:llm`.

Datadog answers 202 and then cuts items of more than 1 MB, and drops those older than 18 hours: both are
looked at before. 202 says that it took them, not that they are indexed.
(Datadog: API reference, Logs, "Send logs".)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.projections import Settings
from or_audit_logging.ship.address import named
from or_audit_logging.ship.ages import http_date
from or_audit_logging.ship.credentials import credential, optional_credential
from or_audit_logging.ship.http import HTTPSender
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions

KEY_VARIABLE = "OR_AUDIT_DATADOG_API_KEY"
AGENTS_KEY_VARIABLE = "DD_API_KEY"
"""What Datadog's own agents and tools read."""

_INTAKE = "http-intake.logs."
_PATH = "/api/v2/logs"
_ACCEPTED = 202
_NAMES = ("service", "tags")
_SITE = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_OLDEST = timedelta(hours=17)
"""One of the 18 hours is left for clocks that differ, and for the way."""
_LIMITS = Limits(items=1_000, bytes=5_000_000 - 2, item_bytes=1_000_000, overhead=1, oldest=_OLDEST)


class DatadogTarget:
    """One Datadog site."""

    limits = _LIMITS
    format = "datadog"

    def __init__(self, sender: HTTPSender, *, settings: Settings) -> None:
        self._sender = sender
        self.settings = settings
        self.name = f"datadog:{sender.name.removesuffix(_PATH)}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items* as one array."""
        body = b"[" + b",".join([item.body for item in items]) + b"]"
        response = self._sender.post(body, content_type="application/json")
        if response.status != _ACCEPTED:  # a login page answers 200, too
            raise DeliveryError(f"{self.name} did not answer as Datadog does: check the address")
        return Answer()

    def time(self) -> datetime | None:
        """Return what time Datadog has: of its answer to no lines at all."""
        return http_date(self._sender.post(b"[]", content_type="application/json", known=(400, 422)).date)

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def open_target(address: str, options: TargetOptions) -> DatadogTarget:
    """Return the target for the site *address*, or for the URL of a proxy; raises `ConfigError`.

    OR_AUDIT_DATADOG_API_KEY, or DD_API_KEY, holds the API key.
    """
    site, _, query = address.partition("?")
    site = site.removesuffix("/").removesuffix(_PATH).removeprefix("app.").removeprefix(_INTAKE)
    if _SITE.fullmatch(site):
        url = f"https://{_INTAKE}{site}{_PATH}"
    elif site.startswith(("https://", "http://")):
        url = site + _PATH
    else:
        raise ConfigError("datadog is written datadog:SITE, such as datadog:datadoghq.eu")
    given = named(query, _NAMES, target="datadog")
    key = optional_credential(KEY_VARIABLE) or optional_credential(AGENTS_KEY_VARIABLE)
    key = key or credential(KEY_VARIABLE, what="datadog")  # which says what to set
    sender = HTTPSender(url, options=options, headers={"DD-API-KEY": key}, compress=True)
    settings = Settings(service=given.get("service"), tags=given.get("tags"))
    return DatadogTarget(sender, settings=settings)
