"""The way of a call through the function that makes it: sent, looked at, finished, whatever happens.

    return through(call, call.active(), send, take)             # or: await athrough(call, ..., send, take)

`take(call, result)` looks at what came. It returns the object to hand out where the call goes on in it (a
stream: the record is made when it ends), and None where the call has told everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from or_audit_logging.capture.call import Call, Inside
from or_audit_logging.capture.read import is_data
from or_audit_logging.capture.streams import follow
from or_audit_logging.capture.tee import http_of, owned
from or_audit_logging.capture.trouble import report
from or_audit_logging.context import collect_waits, wait_elsewhere
from or_audit_logging.errors import AuditWriteError

T = TypeVar("T")
C = TypeVar("C", bound=Call)
Take: TypeAlias = Callable[[C, object], object | None]


def through(call: C, inside: Inside, send: Callable[[], T], take: Take[C]) -> T:
    """Return what *send* returns, or what *take* hands out for it, and record it."""
    later: object | None = None
    try:
        with inside:
            result = send()
        later = _looked_at(call, result, take)
        return result if later is None else later  # type: ignore[return-value]
    except BaseException as error:
        call.error(error)
        raise
    finally:
        if later is None:
            call.finish()


def take(call: Call, result: object) -> object | None:
    """Return what to hand out where *result* is still to be read, and the call ends with it; else read it."""
    if not is_data(result):
        http = http_of(result)
        if http is not None and owned(http, call):
            return result
        if http is None and (stream := follow(call, result)) is not None:
            return stream
    call.response(result)
    return None


async def athrough(call: C, inside: Inside, send: Callable[[], Awaitable[T]], take: Take[C]) -> T:
    """Return what *send* returns once awaited, as `through` does; the disk is waited for in a thread."""
    try:
        with inside:
            result = await send()
        later = _looked_at(call, result, take)
    except GeneratorExit as error:  # the coroutine is closed, and may not wait any more
        call.error(error)
        call.finish()
        raise
    except BaseException as error:
        call.error(error)
        try:
            await _finished(call, None)
        except AuditWriteError as lost:
            error.add_note(f"its audit record was not written: {lost}")
        raise
    if later is not None:
        return later  # type: ignore[return-value]
    await _finished(call, result)
    return result


async def _finished(call: Call, result: object) -> None:
    """Finish *call*; raises `AuditWriteError`, with *result* as its response, where the disk fails."""
    with collect_waits() as waits:
        call.finish()
    try:
        await wait_elsewhere(waits)
    except AuditWriteError as failure:
        failure.response = result
        raise


def _looked_at(call: C, result: object, take: Take[C]) -> object | None:
    """Return what *take* does; what is wrong with us there does not reach the caller, but a lost record."""
    try:
        return take(call, result)
    except AuditWriteError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        kind = type(error).__name__
        report("internal", f"result {kind}", "audit: reading the response failed (%s)", kind)
        return None
