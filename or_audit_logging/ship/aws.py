"""boto3 (extra `aws`) for targets: a client that never tries again by itself, and what its errors mean.

    session = open_session("cloudwatch")
    client = connect(session, "logs", name="cloudwatch:audit:host-1", options=options)
    with understood("cloudwatch:audit:host-1", timeout=30.0):   # raises DeliveryError and its kinds
        client.put_log_events(...)

Region, credentials and endpoint are those that boto3 finds. What a service answers stands in a message only
where it quotes nothing: validation errors quote lines, those of signatures the token.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from or_audit_logging.errors import ConfigError, DeliveryError, MissingExtraError
from or_audit_logging.pace import retry_after
from or_audit_logging.ship.http import checked_url
from or_audit_logging.ship.target import RefusedError, TargetOptions, TooLargeError, TryLaterError

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import ClientError

_CONNECT = 10.0
_QUOTED = 300
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""What an error's code looks like; anything else is not repeated."""
_MISSING = frozenset(
    [
        "ResourceNotFoundException",
        "NoSuchKey",
        "404",  # what a HEAD is answered with has no words
        "NoSuchObjectLockConfiguration",
        "NoSuchObjectLegalHold",
        "ObjectLockConfigurationNotFoundError",
    ]
)
_THERE = frozenset(["ResourceAlreadyExistsException", "DataAlreadyAcceptedException", "PreconditionFailed"])
_LATER = frozenset(
    [
        "ServiceUnavailableException",
        "OperationAbortedException",
        "TooManyRequestsException",
        "BadDigest",  # what came was not what was sent
        "ConditionalRequestConflict",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
    ]
)
_REFUSED = frozenset({"InvalidParameterException", "ValidationException", "SerializationException"})
_EXPIRED = "the credentials have expired: renew them"
_KEY = "the access key is not known there: check the credentials"
_SIGNATURE = "check the secret access key and this machine's clock"
_ALLOW = "allow it in the policy of these credentials (docs/targets.md)"
_REGION = "set AWS_REGION to the bucket's region"
_ADVICE = {
    "AccessDenied": _ALLOW,
    "403": _ALLOW,
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "InvalidAccessKeyId": _KEY,
    "InvalidRequest": "a lock can be had where Object Lock is switched on for the bucket (docs/targets.md)",
    "NoSuchBucket": "make the bucket (docs/targets.md), or mend its name",
    "RequestTimeTooSkewed": _SIGNATURE,
    "AccessDeniedException": _ALLOW,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidClientTokenId": _KEY,
    "InvalidSignatureException": _SIGNATURE,
    "RequestExpired": _SIGNATURE,
    "SignatureDoesNotMatch": _SIGNATURE,
    "UnrecognizedClientException": _KEY,
}


class MissingError(TryLaterError):
    """What is to be written to is not there; just after it was made, not yet."""


class UnsupportedError(DeliveryError):
    """The service, one that is like Amazon's, does not know such a request."""


class ThereError(DeliveryError):
    """What was to be made, or stored, is there already."""


def open_session(target: str) -> boto3.Session:
    """Return boto3's session, with a region; raises `ConfigError`, `MissingExtraError` without boto3.

    botocore's loggers tell bodies and tokens at DEBUG: they are set to INFO where no level was chosen.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise MissingExtraError(extra="aws", needed_for=f"the target {target}") from None
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        session = boto3.Session()
        region = session.region_name or os.environ.get("AWS_REGION")  # which boto3 alone does not look at
        if not region:
            raise ConfigError(f"{target}: no AWS region is known; set AWS_REGION, or region in ~/.aws/config")
        return boto3.Session(region_name=region)
    except BotoCoreError as error:
        raise ConfigError(f"{target}: boto3's configuration does not hold: {error}") from None


def connect(session: boto3.Session, service: str, *, name: str, options: TargetOptions) -> Any:
    """Return a client of *service* for the target *name*; may look for credentials over the network.

    Raises `DeliveryError` where lines would go in clear to an endpoint that is not this machine.
    """
    from botocore.config import Config

    ca_file = options.ca_file
    try:
        client = session.client(
            service,
            verify=None if ca_file is None else str(ca_file),
            config=Config(
                connect_timeout=min(_CONNECT, options.timeout),
                read_timeout=options.timeout,
                retries={"mode": "standard", "total_max_attempts": 1},
            ),
        )
    except ValueError:  # an endpoint that is no address
        raise DeliveryError(f"{name}: boto3 cannot begin: check AWS_ENDPOINT_URL and AWS_REGION") from None
    try:
        checked_url(client.meta.endpoint_url, what="AWS_ENDPOINT_URL")
    except ConfigError as error:
        raise DeliveryError(f"{name}: {error}") from None
    client.meta.events.register("response-received", functools.partial(_to_its_end, name))
    return client


def _to_its_end(
    name: str, response_dict: Mapping[str, Any] | None, event_name: str = "", **_: object
) -> None:
    """Let nothing pass for an answer that was cut: botocore takes one without a body for {}, a success.

    A HEAD has the length of what it does not bring; a stream says by itself where it ends early.
    """
    body = response_dict["body"] if response_dict is not None else None
    if response_dict is not None and isinstance(body, bytes) and ".Head" not in event_name:
        expected = response_dict["headers"].get("content-length", "")
        if expected.isdecimal() and len(body) < int(expected):
            raise TryLaterError(f"{name}: the connection was cut in the middle of the answer")


@contextlib.contextmanager
def understood(name: str, *, timeout: float) -> Iterator[None]:
    """Raise what boto3's errors mean for *name*: `DeliveryError` and its kinds, those above included."""
    import urllib3
    from botocore import exceptions as sdk
    from botocore.parsers import ResponseParserError

    try:
        yield
    except sdk.ClientError as error:
        raise _answered(name, error) from None
    except sdk.SSLError as error:
        said = str(error).lower()
        if "certificate" not in said and "doesn't match" not in said:  # the handshake broke off
            raise TryLaterError(f"{name} could not be reached (SSLError)") from None
        raise DeliveryError(
            f"{name}: the connection is not trusted, its certificate does not hold; give the certificate of "
            "whoever vouches for it with --ca"
        ) from None
    except (sdk.ConnectTimeoutError, sdk.ReadTimeoutError):
        raise TryLaterError(f"{name} did not answer in {timeout:g} s") from None
    except sdk.EndpointConnectionError:  # a host of no such name, mostly: the region is part of it
        raise TryLaterError(
            f"{name} could not be reached: nobody answers there; if the network is up, check AWS_REGION and "
            "AWS_ENDPOINT_URL"
        ) from None
    except (
        sdk.ConnectionError,
        sdk.HTTPClientError,
        sdk.IncompleteReadError,
        ResponseParserError,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise TryLaterError(f"{name} could not be reached ({type(error).__name__})") from None
    except sdk.FlexibleChecksumError:
        raise TryLaterError(f"{name}: what came is not what its checksum says") from None
    except (sdk.CredentialRetrievalError, sdk.MetadataRetrievalError) as error:
        raise TryLaterError(f"{name}: no credentials came ({type(error).__name__})") from None
    except (sdk.NoCredentialsError, sdk.PartialCredentialsError):
        raise DeliveryError(
            f"{name}: boto3 found no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, or give this machine a role"
        ) from None
    except sdk.ParamValidationError:  # its text quotes what was to be sent
        raise RefusedError(f"{name}: boto3 finds that this is no request (ParamValidationError)") from None
    except sdk.BotoCoreError as error:
        raise DeliveryError(f"{name}: boto3 does not send ({type(error).__name__})") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # as botocore's parsers raise it
        raise TryLaterError(f"{name} answered what cannot be read ({type(error).__name__})") from None


def _answered(name: str, error: ClientError) -> DeliveryError:
    """Return what an answer that is an error means."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    code = code if _CODE.fullmatch(code) else ""
    message = str(error.response.get("Error", {}).get("Message", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    said = f"{name} answered {code or status}"
    if code == "500" and "etag" in metadata.get("HTTPHeaders", {}):  # botocore's word for what it cannot read
        return DeliveryError(f"{name} brings an object where it is asked for its lock: it has no Object Lock")
    if code in _MISSING:
        return MissingError(said)
    if code in _THERE:
        return ThereError(said)
    if code in _LATER or "Throttl" in code or status in (408, 429) or (status >= 500 and status != 501):
        seconds = retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"), now=datetime.now(UTC))
        return TryLaterError(said, retry_after=None if seconds in (None, math.inf) else seconds)
    if status == 413 or message.startswith("Upload too large"):
        return TooLargeError(said)
    said += _quoted(message)
    if code in _REFUSED:
        return RefusedError(said)
    if status == 501:
        return UnsupportedError(f"{said}: it does not know this request; check the endpoint")
    return DeliveryError(f"{said}: {_ADVICE.get(code, 'check the credentials and the endpoint')}")


def _quoted(message: str) -> str:
    """Return *message* for another message; nothing where it quotes in turn."""
    if not message or not message.isprintable() or re.search("[\"'`]", message):
        return ""
    return f" ({message[:_QUOTED]})"
