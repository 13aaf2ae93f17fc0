"""`gcp:LOG`: Google Cloud Logging, by Google's own client (extra `gcp`).

A batch is one `entries.write` with partial success, so that one entry that is refused does not keep the
others out. `insertId` is the record's id: of entries with the same timestamp and insertId a query shows one.

The client speaks JSON over HTTP here, not gRPC. To gRPC a server that is away, a connection that is cut and a
certificate that does not hold are the one status UNAVAILABLE; and its threads do not survive a fork.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from or_audit_logging.errors import ConfigError, DeliveryError, MissingExtraError
from or_audit_logging.pace import retry_after
from or_audit_logging.ship.ages import http_date
from or_audit_logging.ship.google_session import GoogleSession, google_credentials, refuse_sign_in
from or_audit_logging.ship.http import checked_url, connection_errors, excerpt, quoted
from or_audit_logging.ship.log_entry import log_entry
from or_audit_logging.ship.target import (
    Answer,
    Item,
    Limits,
    RefusedError,
    TargetOptions,
    TooLargeError,
    TryLaterError,
)

ENDPOINT_VARIABLE = "OR_AUDIT_GCP_ENDPOINT"
RETENTION_VARIABLE = "OR_AUDIT_GCP_RETENTION_DAYS"
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"

_ENDPOINT = "https://logging.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/logging.write"
_PARTIAL_ERRORS = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z0-9-]{1,63}")
_INDEX = re.compile("[0-9]{1,9}")
_LOG_ID = re.compile(r"[A-Za-z0-9/_.-]{1,511}")

_DENIED = frozenset({5, 7, 16})  # google.rpc.Code: NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED
_LATER = frozenset({1, 2, 4, 8, 10, 13, 14})  # CANCELLED, UNKNOWN, deadline, quota, ABORTED, INTERNAL, away
_LATER_STATUS = frozenset({408, 409, 425, 429, 499})

# An entry may have 256 KiB of Google's own encoding, about as much as its JSON unless it is mostly numbers.
# A request may have 10 MiB, and what the client writes as \uXXXX takes three times the bytes of its UTF-8.
# https://cloud.google.com/logging/quotas
_ITEMS, _BYTES, _ITEM_BYTES, _OVERHEAD = 1_000, 3 << 20, 240_000, 250
_RETENTION_DAYS = 30
_LONGEST_RETENTION_DAYS = 3650
_NEWEST = timedelta(hours=24)


class CloudLoggingTarget:
    """One log of a project."""

    format = "google"

    def __init__(
        self,
        project: str,
        log_id: str,
        *,
        client: Any,
        session: GoogleSession,
        limits: Limits,
        options: TargetOptions,
    ) -> None:
        self.limits = limits
        self._session = session
        self._project = project
        self._log = f"projects/{project}/logs/{quote(log_id, safe='')}"
        self._client = client
        self._options = options
        self.name = f"gcp:projects/{project}/logs/{log_id}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """Write *items* with one request."""
        return self._write([log_entry(item, project=self._project) for item in items])

    def time(self) -> datetime | None:
        """Return what time Google has: of its answer to a request that writes nothing."""
        self._session.date = None
        with contextlib.suppress(RefusedError):  # no entries are perhaps too few
            self._write([], dry_run=True)
        return http_date(self._session.date)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _write(self, entries: Sequence[Any], *, dry_run: bool = False) -> Answer:
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError

        try:
            with connection_errors(self.name, self._options):
                self._client.logging_api.write_entries(
                    entries,
                    logger_name=self._log,
                    resource={"type": "global", "labels": {"project_id": self._project}},
                    partial_success=True,
                    dry_run=dry_run,
                )
        except GoogleAPICallError as error:
            return self._answer(error, len(entries))
        except GoogleAuthError as error:
            refuse_sign_in(error, self.name, self._options)
        return Answer()

    def _answer(self, error: Any, count: int) -> Answer:
        """Return what became of each entry where the answer says it; raises what holds for all of them."""
        said = error.message.partition(": ")[2]  # after the method and the URL
        refused: dict[int, str] = {}
        again: list[int] = []
        for index, code, reason in _partial_errors(error.details, count):
            if code in _DENIED:
                self._denied(reason)
            if code in _LATER:
                again.append(index)
            else:
                refused[index] = f"{self.name} refused it{excerpt(_bytes(reason))}"
        if refused or again:
            return Answer(refused=refused, again=again, retry_after=_wait(error.response))
        text = f"{self.name} answered {error.code}"
        if error.code == 413 or (error.code == 400 and "payload size exceeds" in said):
            raise TooLargeError(text) from None
        if error.code in (400, 422):
            raise RefusedError(text, said=excerpt(_bytes(said))) from None
        if error.code in _LATER_STATUS or error.code >= 500:
            raise TryLaterError(text, retry_after=_wait(error.response)) from None
        if error.code in (401, 403, 404):
            self._denied(said)
        raise DeliveryError(f"{text}: check {ENDPOINT_VARIABLE}{quoted(_bytes(said))}") from None

    def _denied(self, said: str) -> NoReturn:
        raise DeliveryError(
            f"{self.name}: Google does not let these credentials write to this log; they need "
            f"roles/logging.logWriter in the project {self._project}, which must exist and have the Cloud "
            f"Logging API enabled{quoted(_bytes(said))}"
        ) from None


def open_target(address: str, options: TargetOptions) -> CloudLoggingTarget:
    """Return the log *address*, `LOG` or `projects/PROJECT/logs/LOG`.

    OR_AUDIT_GCP_ENDPOINT names another address than logging.googleapis.com. Raises `ConfigError` (no log, no
    project, no credentials) and `MissingExtraError`.
    """
    project, log_id = _parsed(address)
    endpoint = checked_url(os.environ.get(ENDPOINT_VARIABLE) or _ENDPOINT, what=ENDPOINT_VARIABLE).rstrip("/")
    oldest = _retention()
    try:
        from google.cloud.logging import Client
    except ImportError:
        raise MissingExtraError(extra="gcp", needed_for="the target gcp") from None
    credentials, of_credentials = google_credentials(endpoint, scope=_SCOPE)
    project = project or os.environ.get(PROJECT_VARIABLE) or of_credentials
    if not project or not _PROJECT.fullmatch(project):
        raise ConfigError(
            f"the project of the log {log_id!r} is not known: set {PROJECT_VARIABLE} to its id, or write "
            f"gcp:projects/PROJECT/logs/{log_id}"
        )
    session = GoogleSession(credentials, options)
    client = Client(
        project=project,
        credentials=credentials,
        client_options={"api_endpoint": endpoint},
        _use_grpc=False,
        _http=session,
    )
    limits = Limits(
        items=_ITEMS,
        bytes=_BYTES,
        item_bytes=_ITEM_BYTES,
        overhead=_OVERHEAD,
        oldest=oldest,
        newest=_NEWEST,
    )
    return CloudLoggingTarget(project, log_id, client=client, session=session, limits=limits, options=options)


def _parsed(address: str) -> tuple[str | None, str]:
    """Return the project, if it is named, and the log's id, with its slashes."""
    project, log_id = None, address
    if address.startswith("projects/"):
        project, _, log_id = address.removeprefix("projects/").partition("/logs/")
    log_id = unquote(log_id)
    if not _LOG_ID.fullmatch(log_id) or (project is not None and not _PROJECT.fullmatch(project)):
        raise ConfigError(
            "the target is written gcp:LOG or gcp:projects/PROJECT/logs/LOG; a log's name has letters, "
            "digits and / _ . -"
        )
    return project, log_id


def _retention() -> timedelta:
    text = os.environ.get(RETENTION_VARIABLE) or str(_RETENTION_DAYS)
    if not re.fullmatch("[1-9][0-9]{0,3}", text, re.ASCII) or int(text) > _LONGEST_RETENTION_DAYS:
        raise ConfigError(
            f"{RETENTION_VARIABLE} is the log bucket's retention in days, from 1 to {_LONGEST_RETENTION_DAYS}"
        )
    return timedelta(days=int(text))


def _partial_errors(details: Sequence[Any], count: int) -> list[tuple[int, int, str]]:
    """Return index, code and message of each entry that was not written, as far as the details say."""
    found = []
    for detail in details:
        if isinstance(detail, dict) and detail.get("@type") == _PARTIAL_ERRORS:
            errors = detail.get("logEntryErrors")
            for index, status in errors.items() if isinstance(errors, dict) else ():
                code = status.get("code") if isinstance(status, dict) else None
                if _INDEX.fullmatch(index) and int(index) < count and isinstance(code, int):
                    found.append((int(index), code, str(status.get("message", ""))))
    return found


def _wait(response: Any) -> float | None:
    seconds = retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
    return None if seconds == math.inf else seconds


def _bytes(said: str) -> bytes:
    return said.encode("utf-8", "replace")
