"""`Life`: of one stream, from the call that returned it to the end of that call. No stream, no reading here.

    life.watch(stream)                          # left, at the latest, when this is collected
    life.exhausted()                            # it came to its end
    life.failed(error)                          # it raised
    life.left(error)                            # it was closed, by an exception or not

The first of these to say that the stream ended finishes the call; all others do nothing. How a stream ended
that was left: by an exception on its way through, `cancelled`; else `incomplete`, or as it was if the
provider had already said everything. One that is still open when the interpreter exits is left then.
"""

from __future__ import annotations

import _thread
import sys
import weakref
from abc import ABC, abstractmethod
from contextvars import copy_context
from dataclasses import replace
from time import perf_counter
from types import FrameType

from or_audit_logging.capture.call import Call
from or_audit_logging.capture.facts import Facts, filled
from or_audit_logging.capture.failures import failure_facts
from or_audit_logging.capture.pending import begins, ends, is_pending
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.errors import AuditWriteError

_HANDS_FULL = ("logging", "or_audit_logging.log", "or_audit_logging.handlers", "or_audit_logging.keys")
_EXITS = ("__exit__", "__aexit__")


class Life(ABC):
    """Finishes the calls that end with one stream, exactly once; how it is read says a subclass."""

    __slots__ = ("__weakref__", "_calls", "_last", "_outside", "_watch")

    def __init__(self, call: Call) -> None:
        self._calls = [call]
        self._last = perf_counter()
        self._outside = id(sys.exception())
        self._watch: weakref.ref[object] | None = None
        begins(self)
        call.keeps_open(self.left)

    @abstractmethod
    def _facts(self, *, ended: bool) -> Facts:
        """Return what the stream has said; *ended*: it came to its end."""

    @abstractmethod
    def _is_answer(self, facts: Facts) -> bool:
        """Return whether what ended was a model's answer, and *facts* are its own."""

    def ends_also(self, call: Call) -> bool:
        """Finish *call* too when the stream ends; False where it has ended."""
        self._calls.append(call)
        return is_pending(self)

    def watch(self, stream: object) -> None:
        """Take the collection of *stream* for its end."""
        self._watch = weakref.ref(stream, self._dropped)

    def exhausted(self) -> None:
        """Take note that the stream came to its end."""
        if ends(self):
            self._last = perf_counter()
            facts = self._facts(ended=True)
            self._finish(facts, vague=facts.status == "success" and not self._is_answer(facts))

    def failed(self, error: BaseException, *, given: tuple[object, ...] = ()) -> None:
        """Take note that the stream raised *error*; what was thrown into it, *given*, is its consumer's."""
        if not ends(self):
            return
        self._last = perf_counter()
        if any(error is one for one in given) and isinstance(error, Exception):
            failed = Facts(status="cancelled", error_type=type(error).__name__)
        else:
            failed = guarded("reading the exception", failure_facts, error) or Facts(
                status="error" if isinstance(error, Exception) else "cancelled",
                error_type=type(error).__name__,
            )
        self._finish(filled(failed, self._facts(ended=False)), raised=error)

    def left(self, error: BaseException | None = None, *, dropped: bool = False) -> None:
        """Take note that the stream was closed, by *error* where an exception did that, or *dropped*.

        What is being handled just now counts as well, where it stops a whole task or program, or is leaving
        a with block that closes the stream. `close()` in an except block says nothing of that exception.
        """
        if not ends(self):
            return
        facts = self._facts(ended=False)
        handled = sys.exception()
        if error is None and id(handled) != self._outside and not isinstance(handled, GeneratorExit):
            stops = not isinstance(handled, Exception) or (not dropped and _leaves_a_block(handled))
            error = handled if stops else None
        if error is not None and facts.status == "incomplete":
            facts = replace(facts, status="cancelled", error_type=type(error).__name__)
        self._finish(facts, raised=error)

    def end_at_exit(self) -> None:
        """Take the exit of the interpreter for the end."""
        self._finish_dropped()

    def leave_to_parent(self) -> None:  # noqa: B027 - not abstract: this is all there is to do
        """Nothing to do: what is not pending finishes nothing."""

    def hand_over(self) -> Call | None:
        """Return the call, which ends otherwise now; None where it has ended."""
        return self._calls[0] if ends(self) else None

    def _finish(self, facts: Facts, *, raised: BaseException | None = None, vague: bool = False) -> None:
        self._watch = None
        for call in self._calls:
            call.outcome(facts, ended=self._last, raised=raised, vague=vague)
        lost: AuditWriteError | None = None
        for call in self._calls:
            try:
                call.finish()
            except AuditWriteError as error:
                lost = lost or error
        if lost is not None:
            raise lost

    def _dropped(self, _: object) -> None:
        """The stream was collected: here and now, unless whoever was interrupted has their hands full.

        The collector strikes anywhere, also while this thread writes a record or holds a handler's lock.
        """
        if not _hands_full():
            self._finish_dropped()
            return
        try:
            _thread.start_new_thread(self._finish_dropped, ())
        except RuntimeError:  # no more threads, as the interpreter exits, which is our turn as well
            return

    def _finish_dropped(self) -> None:
        """Record the stream, in a copied context: the collector may have struck while this one was being set.

        CPython 3.11 crashes where a collector's callback sets a context variable during `ContextVar.set`.
        """
        guarded("recording a stream that was dropped", copy_context().run, self.left, dropped=True)


def _leaves_a_block(error: BaseException) -> bool:
    """Return whether we are in the exit of a with block that *error* is leaving."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if leaving(frame) is error:
            return True
        frame = frame.f_back
    return False


def leaving(caller: FrameType) -> BaseException | None:
    """Return the exception that leaves a with block, where *caller* is its exit; not all pass it on."""
    if caller.f_code.co_name not in _EXITS:
        return None
    for value in caller.f_locals.values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, BaseException):
                return part
    return None


def _hands_full() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_HANDS_FULL):
            return True
        frame = frame.f_back
    return False
