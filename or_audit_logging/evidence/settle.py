"""`settle`: asks OpenRouter for the costs that calls ended without, and adds the answers to the log.

    settle("audit_logs", api_key="env:OPENROUTER_API_KEY").pending      -> () once nothing is left to ask for

It is a process of its own, beside those that write the log and never in the path of a call. Of several that
settle one log one works and the others are turned away, so that nothing is asked and written twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import TracebackType

from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.reading import LogReader, layout_of
from or_audit_logging.evidence.settled import Settled
from or_audit_logging.evidence.settling import GIVE_UP, WAIT, Settling
from or_audit_logging.keys import KeyRing, KeySource, KeySources
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.openrouter import BASE_URL, OpenRouterAPI
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.signing_keys import SigningKeys

LOCK_NAME = "settle.lock"


def settle(
    path: PathText,
    *,
    key: KeySources = None,
    signing_key: KeySources = None,
    api_key: KeySource | None = None,
    api: OpenRouterAPI | None = None,
    base_url: str = BASE_URL,
    rate: float = 10.0,
    give_up: timedelta = GIVE_UP,
    wait: timedelta = WAIT,
    limit: int | None = None,
    dry_run: bool = False,
    follow: bool = False,
    told: Callable[[AuditRecord], None] = lambda record: None,
) -> Settled:
    """Ask OpenRouter for the costs that the log's calls ended without, and add what it says to the log.

    *path*: the log's folder. *key*, *signing_key*: the log's own, as its handlers have them. *api_key*:
    env:NAME or file:PATH of OpenRouter's (default env:OPENROUTER_API_KEY); or else *api*, a client of your
    own. *rate*: questions a second, at most. *give_up*: how old a call may be that OpenRouter still knows
    nothing of; it is recorded as unresolved then. *wait*: how long to stay for calls that ended just now.
    *limit*: how many questions to ask at most. *dry_run*: only say what is pending. *follow*: go on until
    KeyboardInterrupt.

    Raises `ConfigError` where something is missing or another process settles the log, `AuditWriteError` or
    `OSError` where it cannot be written. What OpenRouter answers is in the result, and no exception.
    """
    layout = layout_of(path)
    if dry_run:
        settling = Settling(LogReader(layout), None, None)
        settling.read()
        return settling.result()
    asks = api or OpenRouterAPI(api_key, base_url=base_url, rate=rate)
    try:
        with _Alone(layout):
            writer = LogWriter(
                layout, KeyRing.from_sources(key), signing=SigningKeys.from_sources(signing_key)
            )
            try:
                settling = Settling(
                    LogReader(layout), writer, asks, give_up=give_up, limit=limit, clean=_clean(), told=told
                )
                result = settling.follow() if follow else settling.run(wait=wait)
                return replace(result, unsigned=writer.leaves_unsigned)
            finally:
                writer.stop()
    finally:
        if api is None:
            asks.close()


def _clean() -> Callable[[str], str]:
    redactor = Redactor()
    return lambda text: redactor.redact(text).text


class _Alone:
    """Holds a lock of its own, so that no two processes ask about the same calls and write it down twice."""

    def __init__(self, layout: LogLayout) -> None:
        self._lock = ProcessLock(layout.folder / LOCK_NAME, timeout=0)
        self._folder = layout.folder

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except AuditWriteError:
            raise ConfigError(f"another process settles the log in {self._folder}; let it end") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()
