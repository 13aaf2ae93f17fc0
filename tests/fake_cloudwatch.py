"""A strict CloudWatch Logs on loopback: PutLogEvents held to its documented limits, and failures on demand.

    with FakeCloudWatch(folder, groups=["/audit"]) as fake:
        os.environ |= fake.environment
        fake.fail("500", "slow")                    # the next two requests, one each
        fake.answer_with("AccessDeniedException")   # the next one that gets through
    fake.events("/audit", "host-1")

Limits are those of the API reference, "PutLogEvents"; the wordings are the service's. Signatures are looked
at (key, scope, date), not computed.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ship_sites import HTTPSite

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
REGION = "eu-central-1"
GROUP, STREAM = "/audit/llm#1.a-b_c", "host-1 [main]"

_DAY = 86_400_000
_HOUR = 3_600_000
_BATCH, _OVERHEAD, _EVENTS = 1_048_576, 26, 10_000
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/logs/aws4_request, ")


def environment(endpoint: str, folder: Path) -> dict[str, str]:
    """Return all that boto3 looks at: it goes to *endpoint*, and nowhere else."""
    configuration = folder / "aws_config"
    configuration.write_text("[default]\n", "ascii")
    return {
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": endpoint,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_CONFIG_FILE": str(configuration),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PROFILE": "default",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class ServiceError(Exception):
    """An answer that is an error: its code and what the service says."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message


class FakeCloudWatch(HTTPSite):
    """The service. `groups[group][stream]` are the events that it keeps."""

    def __init__(
        self,
        folder: Path,
        *,
        groups: Iterable[str] = (GROUP,),
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.groups: dict[str, dict[str, list[dict[str, Any]]]] = {group: {} for group in groups}
        self.retention: dict[str, int] = {}
        """Days that a group keeps events; without an entry, for ever."""
        self.clock = clock
        self._errors: deque[str] = deque()
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        super().__init__(tls)
        self.environment = environment(self.base, folder)

    @property
    def text(self) -> str:
        return f"cloudwatch:{GROUP}:{STREAM}"

    @property
    def operations(self) -> list[str]:
        """What was asked for, in order, what failed included."""
        return [headers["x-amz-target"].partition(".")[2] for headers in self.requests]

    def ids(self) -> list[str]:
        lines = [json.loads(event["message"]) for event in self.events(GROUP, STREAM)]
        return [line["id"] if "id" in line else f"{line['log']}-{line['seq']}" for line in lines]

    def refuse(self, *ids: str) -> None:
        self._refused.update(ids)

    def answer_with(self, *codes: str) -> None:
        """Let each of the next requests be answered with one of these errors."""
        self._errors.extend(codes)

    def events(self, group: str, stream: str) -> list[dict[str, Any]]:
        """Return the events of *stream* in the order in which they came in."""
        with self._lock:
            return list(self.groups.get(group, {}).get(stream, []))

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            operation = self._authenticated(headers)
            if self._errors:
                raise ServiceError(self._errors.popleft(), "as it was told")
            with self._lock:
                answer = self._perform(operation, json.loads(body))
        except ServiceError as error:
            return 400, json.dumps({"__type": error.code, "message": error.message}).encode()
        return 200, json.dumps(answer).encode()

    def _authenticated(self, headers: Mapping[str, str]) -> str:
        signed = _AUTHORIZATION.match(headers.get("authorization", ""))
        if signed is None:
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if signed[1] != ACCESS_KEY or signed[2] != REGION:
            raise ServiceError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        earliest = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock() - 300))
        if headers["x-amz-date"] < earliest:
            raise ServiceError("InvalidSignatureException", f"Signature expired: earlier than {earliest}")
        prefix, _, operation = headers["x-amz-target"].partition(".")
        if prefix != "Logs_20140328" or headers["content-type"] != "application/x-amz-json-1.1":
            raise ServiceError("UnknownOperationException")
        return operation

    def _perform(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        group, stream = parameters["logGroupName"], parameters.get("logStreamName")
        if operation == "CreateLogGroup":
            if group in self.groups:
                raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
            self.groups[group] = {}
            return {}
        if group not in self.groups:
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        streams = self.groups[group]
        if operation == "CreateLogStream":
            if stream in streams:
                raise ServiceError(
                    "ResourceAlreadyExistsException", "The specified log stream already exists"
                )
            streams[stream] = []
            return {}
        if operation != "PutLogEvents":
            raise ServiceError("UnknownOperationException")
        if stream not in streams:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        self._check(parameters["logEvents"])
        kept, rejected = self._judge(group, parameters["logEvents"])
        streams[stream] += kept
        return {"rejectedLogEventsInfo": rejected} if rejected else {"nextSequenceToken": "4959"}

    def _check(self, events: list[dict[str, Any]]) -> None:
        """Raise what refuses a batch as a whole."""
        sizes = [len(event["message"].encode()) + _OVERHEAD for event in events]
        times = [event["timestamp"] for event in events]
        if not 1 <= len(events) <= _EVENTS:
            raise _invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint")
        if sum(sizes) > _BATCH:
            raise _invalid(f"Upload too large: {sum(sizes)} bytes exceeds limit of {_BATCH}")
        for event, size in zip(events, sizes, strict=True):
            if any(name in event["message"] for name in self._refused):
                raise _invalid(f"Log event too large: {size} bytes exceeds limit of {size - 1}")
        if times != sorted(times):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")

    def _judge(self, group: str, events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Return the events whose time will do, and which ones are rejected."""
        times = [event["timestamp"] for event in events]
        now = int(self.clock() * 1000)
        too_old = sum(made < now - 14 * _DAY for made in times)
        expired = sum(made < now - self.retention.get(group, 100_000) * _DAY for made in times)
        too_new = sum(made <= now + 2 * _HOUR for made in times)
        valid = events[max(too_old, expired) : too_new]
        if valid and valid[-1]["timestamp"] - valid[0]["timestamp"] > _DAY:
            raise _invalid(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            )
        rejected = {}
        if too_old:
            rejected["tooOldLogEventEndIndex"] = too_old
        if expired:
            rejected["expiredLogEventEndIndex"] = expired
        if too_new < len(events):
            rejected["tooNewLogEventStartIndex"] = too_new
        return valid, rejected


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
