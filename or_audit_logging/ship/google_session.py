"""Signing in at Google, and the connection that Google's client makes its requests with.

credentials, project = google_credentials("https://logging.googleapis.com", scope=...)
session = GoogleSession(credentials, options)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship.answers import bound
from or_audit_logging.ship.http import connection_errors, is_loopback, prepare
from or_audit_logging.ship.target import TargetOptions, TryLaterError

if TYPE_CHECKING:
    import requests

CREDENTIALS_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_GOOGLE = "https://www.googleapis.com/"


class GoogleSession:
    """Signed-in requests, with our limits of time and size and our certificates, and without redirects."""

    def __init__(self, credentials: Any, options: TargetOptions) -> None:
        import requests
        from google.auth.transport.requests import AuthorizedSession, Request

        self.date: str | None = None
        """The Date header of the last answer."""
        self._timeout = options.timeout
        self._sign_in = requests.Session()
        self._session = AuthorizedSession(credentials, auth_request=Request(self._sign_in))
        for session in (self._sign_in, self._session):
            bound(session, timeout=options.timeout)
            prepare(session, options, url=_GOOGLE)

    def request(
        self, method: str, url: str, *, data: str, headers: Mapping[str, str], timeout: object
    ) -> requests.Response:
        """Return the answer; raises `GoogleAPICallError` for an error that is not in Google's words.

        *timeout*, which is the client's own and cannot be set there, is not heeded.
        """
        from google.api_core.exceptions import from_http_status

        response: requests.Response = self._session.request(
            method, url, data=data, headers=dict(headers), timeout=self._timeout, allow_redirects=False
        )
        self.date = response.headers.get("Date")
        if not 200 <= response.status_code < 300 and not _is_googles(response):
            raise from_http_status(
                response.status_code, "", response=response
            )  # a proxy's, which would fail there
        return response

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._sign_in.close()


def _is_googles(response: requests.Response) -> bool:
    """Return whether an error is in the shape that Google's client takes for granted."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return False
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message", ""), str):
        return False
    details = error.get("details", [])
    return isinstance(details, list) and all(isinstance(detail, dict) for detail in details)


def google_credentials(endpoint: str, *, scope: str) -> tuple[Any, str | None]:
    """Return the credentials that all of Google's programs would find, and their project if that is known.

    For an *endpoint* on loopback there are none unless GOOGLE_APPLICATION_CREDENTIALS is set. Raises
    `ConfigError`.
    """
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if is_loopback(urlsplit(endpoint).hostname or "") and not os.environ.get(CREDENTIALS_VARIABLE):
        return AnonymousCredentials(), None
    try:
        credentials, project = google.auth.default(scopes=[scope])
    except DefaultCredentialsError:
        if os.environ.get(CREDENTIALS_VARIABLE):
            raise ConfigError(
                f"the file that {CREDENTIALS_VARIABLE} names holds no credentials for Google, or is not "
                "there: name the JSON file of a service account"
            ) from None
        raise ConfigError(
            f"no usable credentials for Google were found: set {CREDENTIALS_VARIABLE} to the file of a "
            "service account, or run 'gcloud auth application-default login'"
        ) from None
    return credentials, project


def refuse_sign_in(error: Any, name: str, options: TargetOptions) -> NoReturn:
    """Raise a `DeliveryError` that says why *error* left *name* without a token.

    What was said about it may hold a token, and is not told.
    """
    import requests
    from google.auth.exceptions import TransportError

    later, cause = error.retryable, error
    while cause is not None:
        if isinstance(cause, requests.RequestException):
            with connection_errors(f"{name}: Google's sign-in", options):
                raise cause
        later = later or isinstance(cause, TransportError)
        cause = cause.__cause__ or cause.__context__
    if later:
        raise TryLaterError(f"{name}: signing in at Google did not work this time") from None
    raise DeliveryError(
        f"{name}: Google does not accept the credentials ({type(error).__name__}): renew them, or set "
        f"{CREDENTIALS_VARIABLE} to the file of a service account"
    ) from None
