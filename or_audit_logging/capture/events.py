"""Streams that consist of typed events: of the Responses API, and of the Messages API.

    {"type": "response.output_text.delta", "delta": "Hel"} ... {"type": "response.completed", "response": {}}
    {"type": "message_start", "message": {}} {"type": "content_block_delta"} ... {"type": "message_stop"}

The last event of a response holds the whole answer, and what it says goes before what was read on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.provider_error import UNMAPPED, ProviderError, provider_error
from or_audit_logging.capture.read import read, text
from or_audit_logging.capture.skins import responses_facts
from or_audit_logging.capture.usage import usage_members
from or_audit_logging.digest import ChoiceDigest

_LAST = {"response.completed": "success", "response.failed": "error", "response.incomplete": "incomplete"}
_MESSAGES = frozenset(
    {"message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta"}
)


class EventReader:
    """Facts from the events of one answer."""

    __slots__ = ("_digest", "_error", "_final", "_finish_reason", "_pieces", "_said", "_stopped", "_usage")

    def __init__(self, *, keep_text: bool = False) -> None:
        self._digest = ChoiceDigest()
        self._pieces: list[str] | None = [] if keep_text else None
        self._said: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._error: ProviderError | None = None
        self._finish_reason: str | None = None
        self._final: Facts | None = None
        self._stopped = False

    @staticmethod
    def knows(kind: str, event: object) -> bool:
        """Return whether an event of type *kind* begins or belongs to such a stream."""
        if kind == "error":
            return any(read(event, name) is not None for name in ("error", "message", "code"))
        return kind.startswith("response.") or kind in _MESSAGES

    def feed(self, kind: str, event: object) -> None:
        """Take the next event, of type *kind*."""
        if kind == "response.output_text.delta":
            self._text(read(event, "delta"))
        elif kind == "content_block_delta":
            self._text(read(read(event, "delta"), "text"))
        elif kind == "error":
            self._failed(event)
        elif kind in _LAST:
            self._ends(kind, event)
        elif kind in ("response.created", "response.in_progress", "message_start"):
            self._begins(read(event, "response") or read(event, "message"))
        elif kind == "message_delta":
            self._finish_reason = text(read(read(event, "delta"), "stop_reason")) or self._finish_reason
            self._counted(read(event, "usage"))
        elif kind == "message_stop":
            self._stopped = True

    def facts(self, *, ended: bool, known: Mapping[str, Any]) -> Facts:
        """Return what is known by now, completed by what is *known* from elsewhere."""
        error = self._error
        if self._final is not None:
            return replace(
                self._final,
                streamed=True,
                **{name: value for name, value in known.items() if getattr(self._final, name) is None},
            )
        digest = self._digest.digest()
        said = {**known, **self._said, **self._usage}
        return Facts(
            status=error.status() if error else "success" if self._stopped else "incomplete",
            streamed=True,
            finish_reason=self._finish_reason,
            error_type=(error.error_type or UNMAPPED) if error else None,
            error_code=error.code if error else None,
            error_message=error.message if error else None,
            choice_digests=None if digest is None else (digest,),
            choices=None if self._pieces is None else (("".join(self._pieces), None),),
            **said,
        )

    def _text(self, piece: object) -> None:
        if isinstance(piece, str) and piece:
            self._digest.text(str.__str__(piece))
            if self._pieces is not None:
                self._pieces.append(str.__str__(piece))

    def _begins(self, answer: object) -> None:
        for name, member in (("generation_id", "id"), ("model_used", "model"), ("provider", "provider")):
            if value := text(read(answer, member)):
                self._said[name] = value
        self._counted(read(answer, "usage"))

    def _counted(self, usage: object) -> None:
        self._usage |= {name: value for name, value in usage_members(usage).items() if value is not None}

    def _ends(self, kind: str, event: object) -> None:
        facts = responses_facts(read(event, "response"))
        if kind == "response.failed":
            error_type = text(read(event, "error_type"))
            if facts.error_type in (None, UNMAPPED):
                facts = replace(facts, error_type=error_type or UNMAPPED)
            status = facts.status if facts.status in ("error", "blocked") else "error"
        elif facts.status in ("error", "blocked") or facts.finish_reason in ("length", "content_filter"):
            status = facts.status
        else:
            status = _LAST[kind]
        self._final = replace(facts, status=status)

    def _failed(self, event: object) -> None:
        said = provider_error(read(event, "error")) or provider_error(event)
        if said is not None:
            error_type = said.error_type or text(read(event, "error_type"))
            self._error = ProviderError(error_type, said.code, said.message, said.blocked)
