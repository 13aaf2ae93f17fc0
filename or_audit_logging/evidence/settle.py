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
from typing import TYPE_CHECKING

from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.reading import layout_of, reader_of
from or_audit_logging.evidence.settled import Settled
from or_audit_logging.evidence.settling import GIVE_UP, WAIT, Settling
from or_audit_logging.keys import KeyRing, KeySource, KeySources
from or_audit_logging.log.lock import ProcessLock
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.openrouter import BASE_URL, OpenRouterAPI
from or_audit_logging.record import AuditRecord
from or_audit_logging.redaction import Redactor
from or_audit_logging.signing_keys import SigningKeys

if TYPE_CHECKING:
    from or_audit_logging.store.writer import StoreWriter

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

    *path*: the log's folder, or a store that holds its own log. *key*, *signing_key*: the log's own, as its
    handlers have them. *api_key*: env:NAME or file:PATH of OpenRouter's (default env:OPENROUTER_API_KEY); or
    else *api*, a client of your own. *rate*: questions a second, at most. *give_up*: how old a call may be
    that OpenRouter still knows nothing of; it is recorded as unresolved then. *wait*: how long to stay for
    calls that ended just now. *limit*: how many questions to ask at most. *dry_run*: only say what is
    pending. *follow*: go on until KeyboardInterrupt.

    Raises `ConfigError` where something is missing or another process settles the log, `AuditWriteError` or
    `OSError` where it cannot be written. What OpenRouter answers is in the result, and no exception.
    """
    reader = reader_of(path)
    if dry_run:
        settling = Settling(reader, None, None)
        settling.read()
        return settling.result()
    asks = api or OpenRouterAPI(api_key, base_url=base_url, rate=rate)
    try:
        with _Alone(path):
            writer = _writer(path, KeyRing.from_sources(key), SigningKeys.from_sources(signing_key))
            try:
                settling = Settling(
                    reader, writer, asks, give_up=give_up, limit=limit, clean=_clean(), told=told
                )
                result = settling.follow() if follow else settling.run(wait=wait)
                return replace(result, unsigned=writer.leaves_unsigned)
            finally:
                writer.stop()
    finally:
        if api is None:
            asks.close()


def _writer(path: PathText, ring: KeyRing, signing: SigningKeys | None) -> LogWriter | StoreWriter:
    store = find_log(path).store
    if store is None:
        return LogWriter(layout_of(path), ring, signing=signing)
    from or_audit_logging.store.writer import StoreWriter  # brings sqlite3

    return StoreWriter(store, ring, signing=signing)


def _clean() -> Callable[[str], str]:
    redactor = Redactor()
    return lambda text: redactor.redact(text).text


class _Alone:
    """Holds a lock of its own, so that no two processes ask about the same calls and write it down twice."""

    def __init__(self, path: PathText) -> None:
        store = find_log(path).store
        self._log = store or layout_of(path).folder
        lock = self._log / LOCK_NAME if store is None else store.with_name(f"{store.name}-{LOCK_NAME}")
        self._lock = ProcessLock(lock, timeout=0)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except AuditWriteError:
            raise ConfigError(f"another process settles the log in {self._log}; let it end") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()
