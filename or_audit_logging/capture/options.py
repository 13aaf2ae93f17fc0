"""`Options`: how the calls through one entrance are recorded. Every entrance takes the same ones.

options_for("audit_call", event_type="embeddings", content="redacted")    -> Options(...), or ConfigError
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from or_audit_logging.capture.asked import Defaults
from or_audit_logging.capture.delivery import AUDIT_LOGGER, Source
from or_audit_logging.errors import ConfigError
from or_audit_logging.record import CONTROL_PREFIX, NOT_CALLS

Hash: TypeAlias = Literal["hmac", "sha256"]
Content: TypeAlias = Literal["redacted"]

CHAT_COMPLETION = "chat_completion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the calls through one entrance are recorded.

    `event_type`: where it is None, that of the call inside which tells the outcome, else "chat_completion".
    `content`: "redacted" puts prompt and answer into the record, as the redactor leaves them. `write_ahead`:
    a record `<event_type>.started` is delivered before each call.
    """

    logger: str = AUDIT_LOGGER
    event_type: str | None = None
    hash: Hash = "hmac"
    content: Content | None = None
    write_ahead: bool = False
    defaults: Defaults = field(default_factory=Defaults)
    source: Source = field(default_factory=Source)


def options_for(
    entrance: str,
    *,
    logger: object = AUDIT_LOGGER,
    event_type: object = None,
    user_id: object = None,
    metadata: object = None,
    hash: object = "hmac",  # noqa: A002 - what it is
    content: object = None,
    write_ahead: object = False,
    source: Source | None = None,
) -> Options:
    """Return checked options; raises `ConfigError` that names the *entrance* and what it takes.

    *user_id* and *metadata* are the entrance's defaults: of every call, where nothing nearer says otherwise.
    """
    if not isinstance(logger, str) or not logger:
        raise ConfigError(f"{entrance}: logger is the name of a logger")
    if event_type is not None and (
        not isinstance(event_type, str) or not event_type or event_type.startswith(CONTROL_PREFIX)
    ):
        raise ConfigError(f"{entrance}: event_type is a word that does not begin with {CONTROL_PREFIX}")
    if event_type in NOT_CALLS:
        raise ConfigError(f"{entrance}: event_type {event_type} is not that of a call; choose another word")
    if user_id is not None and not isinstance(user_id, str):
        raise ConfigError(f"{entrance}: user_id is a text")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ConfigError(f"{entrance}: metadata is a mapping")
    if hash not in ("hmac", "sha256"):
        raise ConfigError(f"{entrance}: hash is hmac or sha256")
    if content not in (None, "redacted"):
        raise ConfigError(f"{entrance}: content is None or redacted")
    if not isinstance(write_ahead, bool):
        raise ConfigError(f"{entrance}: write_ahead is true or false")
    return Options(
        logger=logger,
        event_type=event_type,
        hash="sha256" if hash == "sha256" else "hmac",
        content="redacted" if content == "redacted" else None,
        write_ahead=write_ahead,
        defaults=Defaults(user_id=user_id, metadata=None if metadata is None else dict(metadata)),
        source=source or Source(),
    )
