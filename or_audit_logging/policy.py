"""What capture must know before it makes a record, and where it learns it: from the handlers.

A handler that keeps audit records is an `AuditSink`. Capture walks the logger's effective handlers; the
policy of the first sink rules. So `dictConfig` stays the single place of configuration, and capture
knows no handler by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

OnFailure = Literal["report", "raise"]


class RedactedText(Protocol):
    """Text after redaction, and what was found in it."""

    @property
    def text(self) -> str: ...

    @property
    def findings(self) -> Sequence[object]: ...


class Redacts(Protocol):
    """What capture and filters need of a redactor."""

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the redaction policy."""
        ...

    def redact(self, text: str) -> RedactedText: ...

    def redact_value(self, value: object) -> tuple[object, dict[str, int]]: ...


@dataclass(frozen=True, slots=True)
class DigestKey:
    """The key for prompt hashes and pseudonyms (FORMAT 3), and the id that names it in a record."""

    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """How records are made for a sink: redacted by what, hashed under which key, failing how."""

    redactor: Redacts
    digest_key: DigestKey | None = None
    on_failure: OnFailure = "report"


class AuditSink(ABC):
    """A handler that keeps audit records."""

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """The policy that records for this sink are made under."""

    @abstractmethod
    def probe(self) -> None:
        """Raise `AuditWriteError` if a record could not be written now."""
