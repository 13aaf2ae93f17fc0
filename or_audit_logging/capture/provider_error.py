"""OpenRouter's `error` object, wherever it stands: in an error reply, in a 200, in a choice.

    {"code": 403, "message": "...", "metadata": {"reasons": ["violence"], "flagged_input": "..."}}

`error_type` is OpenRouter's stable vocabulary; an object without one counts as "unmapped", the vocabulary's
own word for that. Of the metadata nothing else is taken: it quotes prompts and upstream bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from or_audit_logging.capture.read import read, text

UNMAPPED = "unmapped"

_FORBIDDEN = 403
_CODE_LIMIT = 1 << 31
_BLOCKING = ("reasons", "flagged_input", "patterns", "guardrail", "guardrails")


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What an error object says; `blocked`: its metadata speaks of moderation or a guardrail."""

    error_type: str | None
    code: str | int | None
    message: str | None = field(repr=False)
    blocked: bool = False

    def status(self, http_status: int | None = None) -> str:
        """Return the record's status: moderation and guardrails answer 403 and say why."""
        forbidden = _FORBIDDEN in (http_status, self.code)
        return "blocked" if forbidden and self.blocked else "error"


def provider_error(value: object) -> ProviderError | None:
    """Return what the error object *value* says, or None where *value* is none.

    A mapping with members, a text that is not empty, and an SDK's object with a message or code count.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return ProviderError(None, None, text(value)) if value else None
    code, message = _code(read(value, "code")), text(read(value, "message"))
    if isinstance(value, Mapping):
        if not value:
            return None
    elif code is None and message is None:
        return None
    metadata = read(value, "metadata")
    error_type = text(read(metadata, "error_type")) or text(read(value, "error_type"))
    blocked = any(read(metadata, name) is not None for name in _BLOCKING)
    return ProviderError(error_type, code, message, blocked)


def _code(value: object) -> str | int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if -_CODE_LIMIT < value < _CODE_LIMIT else None
    return text(value)
