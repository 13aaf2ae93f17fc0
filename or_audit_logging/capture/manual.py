"""`audit_call`: the manual form, for calls that no decorated function and no instrumented client makes.

    with audit_call(model="openai/gpt-4o-mini", messages=messages, user_id="u-42") as call:
        answer = call.response(my_client(messages))         # the same object
        call.set(feature="faq")

One block, one record: of what `response` or `error` was given, of the exception that leaves the block, or of
the instrumented clients' calls inside it. A block that is left without any of these is `incomplete`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self, TypeVar

from or_audit_logging.capture.arguments import Request, request_in
from or_audit_logging.capture.call import Call, Inside
from or_audit_logging.capture.delivery import AUDIT_LOGGER, Source
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.options import Options, options_for
from or_audit_logging.capture.read import flag
from or_audit_logging.capture.streams import follow
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.record import AuditRecord

R = TypeVar("R")

_ASKED = frozenset(
    {"model", "messages", "input", "prompt", "user_id", "user", "session_id", "request_id", "stream"}
)


def audit_call(
    *,
    model: str | None = None,
    messages: object = None,
    prompt: object = None,
    user_id: str | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    metadata: Mapping[str, object] | None = None,
    stream: bool | None = None,
    event_type: str | None = None,
    hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
    content: Literal["redacted"] | None = None,
    write_ahead: bool = False,
    logger: str = AUDIT_LOGGER,
) -> ManualCall:
    """Return a context manager, for `with` and `async with`, that leaves one audit record for its block.

    *messages*, or *prompt* where it is a text: what is sent; hashed when the block begins. *event_type* is
    by default that of the call inside, else "chat_completion". *hash*: "sha256" makes hashes that need no
    key. *content*: "redacted" keeps prompt and answer, redacted, in the record. *write_ahead*: a record
    `<event_type>.started` is written before the block, so that a call which never ends is seen. User,
    session, request id and metadata of enclosing `bind` blocks hold where the arguments say nothing.

    Raises `ConfigError` for wrong options. Entering raises `AuditWriteError` where a handler with
    `on_failure="raise"` could not write, before anything is spent; leaving raises it, with the response,
    where it did not.
    """
    options = options_for(
        "audit_call",
        logger=logger,
        event_type=event_type,
        user_id=user_id,
        metadata=metadata,
        hash=hash,
        content=content,
        write_ahead=write_ahead,
        source=_caller(),
    )
    request = Request(
        model=model,
        prompt=prompt if messages is None else messages,
        user_id=user_id,
        session_id=session_id,
        request_id=request_id,
        metadata=metadata,
        streamed=flag(stream),
    )
    return ManualCall(options, request)


class ManualCall:
    """What `audit_call` returns: one block, one call, one record. Use each object for one block."""

    __slots__ = ("_call", "_inside", "_request", "_streams")

    def __init__(self, options: Options, request: Request) -> None:
        self._call = Call(options)
        self._request: Request | None = request
        self._inside: Inside | None = None
        self._streams = False

    def response(self, response: R) -> R:
        """Return *response*, having read what it says of the call; nothing of it is consumed or changed.

        An SDK's response or its JSON as a dict says most; a text is the answer's text. For a stream, use what
        is returned, which is of the same type: the record is made when it has ended. Called again, the last
        response counts.
        """
        if isinstance(response, str):
            self._call.response(response, Facts(status="success", choices=((response, None),)))
            return response
        stream = guarded("following a stream", follow, self._call, response)
        if stream is None:
            self._call.response(response)
            return response
        self._streams = True
        return stream  # type: ignore[return-value] # what it is given, or a proxy of the same type

    def error(self, error: BaseException) -> None:
        """Take an exception that does not leave the block: the call failed, whatever comes after."""
        self._call.error(error, leaves=False)

    def set(self, **fields: object) -> None:
        """Add what became known since: user_id, session_id, request_id, model, messages (or input, prompt).

        Every other name is metadata, and `metadata` a mapping of such; it is merged, name by name. None
        changes nothing.
        """
        given = fields.pop("metadata", None)
        metadata = dict(given) if isinstance(given, Mapping) else {}
        metadata |= {name: value for name, value in fields.items() if name not in _ASKED}
        self._call.amend(request_in([fields, {"metadata": metadata or None}]))

    @property
    def record(self) -> AuditRecord | None:
        """The record, once the block is left and unless the record is an enclosing call's or a stream's."""
        return self._call.record

    def __enter__(self) -> Self:
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("audit_call: use each object for one block")
        self._call.begin(request)
        self._inside = self._call.active()
        self._inside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._inside is not None:
            with suppress(ValueError):  # left in another context, as by a generator closed elsewhere
                self._inside.__exit__(None, None, None)
        if self._streams and error is None:
            return  # the stream makes the record when it ends
        if self._streams:
            self._call.leave_stream()
        if error is not None:
            self._call.error(error)
        self._call.finish()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def _caller() -> Source:
    """Return where `audit_call` was called, for `%(pathname)s` and `%(lineno)d`."""
    frame = sys._getframe(2)
    return Source(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
