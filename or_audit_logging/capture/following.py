"""`Following`: reads one stream along, item by item, and takes note of how it ends. No stream here.

following = Following(call)
following.watch(stream)
item = following.step(iterator.__next__)    # reads along; takes note of an end and of an exception
following.closed(iterator.close)            # what the consumer closes
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.chunks import StreamReader
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.life import Life
from or_audit_logging.capture.trouble import guarded, report


class Following(Life):
    """Reads one stream along, and finishes the calls that end with it.

    *whole*: it is an SDK's stream, which has an end of its own. Else it may be anything that yields, and
    calls made while it advances belong to *call*.
    """

    __slots__ = ("_reader", "whole")

    def __init__(self, call: Call, *, whole: bool = False) -> None:
        super().__init__(call)
        self._reader = StreamReader(keep_text=call.wants_content)
        self.whole = whole

    def began(self, headers: object) -> None:
        """Take the headers of the HTTP response, now that it has come."""
        self._reader.take_headers(headers)

    def step(self, advance: Callable[..., object], *args: object) -> object:
        """Return the next item."""
        try:
            if self.whole:
                item = advance(*args)
            else:
                with self._calls[0].active():
                    item = advance(*args)
        except StopIteration:
            self.exhausted()
            raise
        except BaseException as error:
            self.failed(error, given=args)
            raise
        self._saw(item)
        return item

    async def astep(self, advance: Callable[..., Awaitable[object]], *args: object) -> object:
        """Return the next item of an asynchronous stream."""
        try:
            if self.whole:
                item = await advance(*args)
            else:
                with self._calls[0].active():
                    item = await advance(*args)
        except StopAsyncIteration:
            self.exhausted()
            raise
        except BaseException as error:
            self.failed(error, given=args)
            raise
        self._saw(item)
        return item

    def made(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return the iterator that *function* makes."""
        with self._inside():
            return function(*args, **kwargs)

    async def amade(self, function: Callable[..., Awaitable[object]]) -> object:
        """Return what *function* returns once awaited."""
        with self._inside():
            return await function()

    def closed(self, close: Callable[[], object]) -> object:
        """Return what *close* returns: the consumer closes the stream."""
        with self._inside():
            result = close()
        self.left()
        return result

    async def aclosed(self, close: Callable[[], Awaitable[object]]) -> object:
        """Return what *close* returns once awaited."""
        with self._inside():
            result = await close()
        self.left()
        return result

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Let what happens belong to the call, and take note where it fails."""
        try:
            with self._calls[0].active():
                yield
        except BaseException as error:
            self.failed(error)
            raise

    def _saw(self, item: object) -> None:
        if self._reader.items == 0:
            for call in self._calls:
                call.first_chunk()
        self._last = perf_counter()
        try:
            self._reader.feed(item)
        except Exception as error:  # noqa: BLE001 - the reader is total; if it is not, the stream goes on
            kind = type(error).__name__
            report("internal", f"chunk {kind}", "audit: reading a chunk failed (%s)", kind)

    def _facts(self, *, ended: bool) -> Facts:
        facts = guarded("reading the stream", self._reader.facts, ended=ended, whole=self.whole)
        return facts or Facts(status="success" if ended else "incomplete", streamed=True)

    def _is_answer(self, facts: Facts) -> bool:
        return self._reader.is_answer
