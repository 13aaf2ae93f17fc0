"""Target `cloudwatch:GROUP:STREAM`: a stream of Amazon CloudWatch Logs (extra `aws`).

    PutLogEvents {"logEvents": [{"timestamp": 1762000000000, "message": "<the line>"}, ...]}

A stream that is not there is made, a group only where that was asked for. CloudWatch keeps what it gets
twice: the line's id and seq tell.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.ship.ages import http_date
from or_audit_logging.ship.aws import MissingError, ThereError, connect, open_session, understood
from or_audit_logging.ship.target import Answer, Item, Limits, RefusedError, TargetOptions, TryLaterError

if TYPE_CHECKING:
    import boto3

_BATCH = 1_048_576
_OVERHEAD = 26
# As botocore's model of PutLogEvents has them. An event may have 1 MB since 2025 (before, 256 KB), and its
# overhead counts.
_LIMITS = Limits(
    items=10_000,
    bytes=_BATCH,
    item_bytes=_BATCH - _OVERHEAD,
    overhead=_OVERHEAD,
    oldest=timedelta(days=14),
    newest=timedelta(hours=2),
    span=timedelta(hours=24),
)

_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_STREAM = re.compile(r"[^:*]{1,512}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CloudWatchTarget:
    """One stream; nothing is looked up or sent before the first `send`."""

    limits = _LIMITS
    format = "native"

    def __init__(self, session: boto3.Session, *, group: str, stream: str, options: TargetOptions) -> None:
        self.name = f"cloudwatch:{group}:{stream}"
        self._session = session
        self._group = group
        self._stream = stream
        self._options = options
        self._client: Any = None
        self._date: str | None = None
        """The Date header of the last answer."""

    def send(self, items: Sequence[Item], /) -> Answer:
        """Put *items* in the order of their times, which CloudWatch insists on.

        A stub, which has no time, gets that of the item before it, else of the first that has one, else now.
        """
        refused: dict[int, str] = {}
        events: list[tuple[int, int, str]] = []
        for index, (item, made) in enumerate(zip(items, _times(items), strict=True)):
            try:
                message = item.body.decode()
            except UnicodeDecodeError:
                refused[index] = "not UTF-8, as a message has to be"
            else:
                events.append(((made - _EPOCH) // timedelta(milliseconds=1), index, message))
        events.sort()
        if events:
            answer = self._put([{"timestamp": time, "message": message} for time, _, message in events])
            rejected = answer.get("rejectedLogEventsInfo") or {}
            refused.update(_rejected(rejected, [index for _, index, _ in events]))
        return Answer(refused)

    def time(self) -> datetime | None:
        """Return what time CloudWatch has: of its answer to a wish for the stream, which may be there.

        A refusal tells the time as well: whoever may only write to a stream that is there cannot make one.
        """
        self._date = None
        try:
            self._create()
        except TryLaterError:
            raise
        except DeliveryError:
            if self._date is None:
                raise
        return http_date(self._date)

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _put(self, events: Sequence[Mapping[str, object]]) -> Mapping[str, Any]:
        try:
            return self._call("put_log_events", logStreamName=self._stream, logEvents=events)
        except MissingError:
            self._create()
        except ThereError:  # an endpoint that still uses sequence tokens has these events
            return {}
        return self._call("put_log_events", logStreamName=self._stream, logEvents=events)

    def _create(self) -> None:
        """Make the stream, and the group where that was asked for."""
        try:
            self._create_stream()
        except MissingError:
            if not self._options.create:
                raise DeliveryError(
                    f"{self.name}: there is no log group {self._group} in {self._session.region_name}; have "
                    "it made with --create, or make it yourself"
                ) from None
            with contextlib.suppress(ThereError), _for_good():
                self._call("create_log_group")
            self._create_stream()

    def _create_stream(self) -> None:
        with contextlib.suppress(ThereError), _for_good():
            self._call("create_log_stream", logStreamName=self._stream)

    def _note_date(self, response_dict: Mapping[str, Any] | None, **_: object) -> None:
        if response_dict is not None:
            self._date = response_dict["headers"].get("date")

    def _call(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        with understood(self.name, timeout=self._options.timeout):
            if self._client is None:
                self._client = connect(self._session, "logs", name=self.name, options=self._options)
                self._client.meta.events.register("response-received", self._note_date)
            method = getattr(self._client, operation)
            answer: Mapping[str, Any] = method(logGroupName=self._group, **parameters)
            return answer


@contextlib.contextmanager
def _for_good() -> Iterator[None]:
    """A name that is refused is not a line that is refused: no other batch will do."""
    try:
        yield
    except RefusedError as error:
        raise DeliveryError(str(error)) from None


def _times(items: Sequence[Item]) -> list[datetime]:
    time = next((item.time for item in items if item.time is not None), None) or datetime.now(UTC)
    times = []
    for item in items:
        time = item.time or time
        times.append(time)
    return times


def _rejected(info: Mapping[str, int], indexes: Sequence[int]) -> dict[int, str]:
    """Return who is refused, and why; *indexes* are the caller's, in the order of the events."""
    expired = int(info.get("expiredLogEventEndIndex", 0))
    too_old = int(info.get("tooOldLogEventEndIndex", 0))
    too_new = int(info.get("tooNewLogEventStartIndex", len(indexes)))
    return (
        dict.fromkeys(indexes[:expired], "older than the log group keeps events")
        | dict.fromkeys(indexes[:too_old], "more than 14 days old")
        | dict.fromkeys(indexes[too_new:], "dated more than 2 hours ahead")
    )


def open_target(address: str, options: TargetOptions) -> CloudWatchTarget:
    """Return the target at *address*, GROUP:STREAM; raises `ConfigError`, and `MissingExtraError`."""
    group, _, stream = address.rpartition(":")
    if not _GROUP.fullmatch(group) or not _STREAM.fullmatch(stream) or not stream.isprintable():
        raise ConfigError(
            "the address is cloudwatch:GROUP:STREAM, such as cloudwatch:/audit/llm:host-1; a group's name "
            "has letters, digits and . - _ / #, a stream's neither : nor *"
        )
    return CloudWatchTarget(open_session("cloudwatch"), group=group, stream=stream, options=options)
