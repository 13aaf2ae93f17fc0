"""`StreamReader`: an answer that comes in pieces, read piece by piece; no I/O, and no piece is kept.

    reader = StreamReader()
    for chunk in stream:
        reader.feed(chunk)                  # SDK objects, dicts, events, lines of server-sent events, text
    reader.facts(ended=True)                # at any time; the same hash as of the answer in one piece

Texts go into a running SHA-256 for each choice; only the arguments of tool calls are collected. Whatever is
malformed in a chunk is passed over, the rest of it counts. The SDKs' own accumulators are not used: they
join roles that are repeated, and fail on some of what they let through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from or_audit_logging.capture.events import EventReader
from or_audit_logging.capture.facts import Facts
from or_audit_logging.capture.http import header_members
from or_audit_logging.capture.provider_error import UNMAPPED, ProviderError, provider_error
from or_audit_logging.capture.read import count, has, items, read, text
from or_audit_logging.capture.router import router_members, router_provider
from or_audit_logging.capture.toolcalls import ToolCalls
from or_audit_logging.capture.usage import usage_members
from or_audit_logging.digest import ChoiceDigest

NO_CHOICES = "the response has no choices"

_MOST_CHOICES = 256
_DONE = "[DONE]"

_TELLING_WHO = 2
"""So many chunks at the beginning are asked who answers; later ones only while the id is still unknown."""

_IDENTITY = (
    ("generation_id", "id"),
    ("model_used", "model"),
    ("provider", "provider"),
    ("service_tier", "service_tier"),
)


class StreamReader:
    """Facts from the pieces of one answer.

    *headers* are those of the HTTP response, where it has come. *keep_text* keeps the texts, for a record
    with content.
    """

    __slots__ = (
        "_choices",
        "_error",
        "_events",
        "_headers",
        "_keep_text",
        "_loose",
        "_null_choices",
        "_said",
        "_usage",
        "is_answer",
        "items",
    )

    def __init__(self, *, headers: object = None, keep_text: bool = False) -> None:
        self._headers = header_members(headers)
        self._keep_text = keep_text
        self._choices: dict[int, _Choice] = {}
        self._said: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._error: ProviderError | None = None
        self._events: EventReader | None = None
        self._loose: _Choice | None = None
        self._null_choices = False
        self.items = 0
        """How many pieces there were."""
        self.is_answer = False
        """Whether there were chunks or events, which say themselves how the answer ended."""

    def take_headers(self, headers: object) -> None:
        """Take the headers of the HTTP response: they name the generation before any chunk does."""
        self._headers = header_members(headers)

    def feed(self, chunk: object) -> None:
        """Take the next piece."""
        self.items += 1
        if self.items > _TELLING_WHO and self._only_adds_text(chunk):
            return
        if isinstance(chunk, (str, bytes, bytearray)):
            self._line(chunk)
            return
        choices = read(chunk, "choices")
        if choices is None:
            self._without_choices(chunk)
        elif isinstance(choices, (list, tuple)):
            self.is_answer = True
            for place, choice in enumerate(choices):
                self._choice(place, choice)
        if self.items <= _TELLING_WHO or "generation_id" not in self._said:
            self._identity(chunk)
        usage = read(chunk, "usage")
        if usage is not None:
            self._identity(chunk)
            known = {name: value for name, value in usage_members(usage).items() if value is not None}
            self._usage |= known
        error = read(chunk, "error")
        if error is not None:
            self._failed(provider_error(error))

    def facts(self, *, ended: bool, whole: bool = False) -> Facts:
        """Return what is known by now; *ended*: nothing more will come.

        A stream that ended without a finish reason was cut: `incomplete`. One of text, or of anything else,
        has no finish reason, and ended well, unless it is known (*whole*) to be a provider's stream.
        """
        if self._events is not None:
            return self._events.facts(ended=ended, known=self._headers | self._said)
        error = self._error
        if error is None and ended and self._null_choices and not self._choices:
            error = ProviderError(None, None, NO_CHOICES)
        choices = [choice for _, choice in sorted(self._choices.items())]
        first = choices[0] if choices else None
        answer = choices or ([self._loose] if self._loose else [])
        names = tuple(name for choice in choices for name in choice.calls.names())
        known: dict[str, Any] = {**self._headers, **self._said, **self._usage}
        return Facts(
            status=error.status() if error else self._status(choices, ended=ended, whole=whole),
            streamed=True,
            finish_reason=first.finish_reason if first else None,
            native_finish_reason=first.native_finish_reason if first else None,
            tool_names=names or None,
            error_type=(error.error_type or UNMAPPED) if error else None,
            error_code=error.code if error else None,
            error_message=error.message if error else None,
            choice_digests=_digests(answer),
            choices=tuple((choice.whole(), choice.calls.members()) for choice in answer)
            if self._keep_text and answer
            else None,
            **known,
        )

    def _status(self, choices: list[_Choice], *, ended: bool, whole: bool) -> str:
        finished = bool(choices) and all(choice.finish_reason for choice in choices)
        if ended:
            return "success" if finished or not (whole or self.is_answer) else "incomplete"
        return "success" if finished and self._usage else "incomplete"

    def _only_adds_text(self, chunk: Any) -> bool:
        """Take *chunk* where it adds text to a choice and says nothing else; False if it may say more.

        Nearly all chunks of the openai SDK do, and the same is had here by a fraction of the steps. Its
        models keep their members in `__dict__`, those it does not know in `__pydantic_extra__`.
        """
        try:
            members, extra = chunk.__dict__, chunk.__pydantic_extra__
            choices = members["choices"]
            if type(choices) is not list or len(choices) != 1:
                return False
            choice, choice_extra = choices[0].__dict__, choices[0].__pydantic_extra__
            delta = choice["delta"].__dict__
            content = delta["content"]
            state = self._choices[choice["index"]]
            if (
                type(content) is not str
                or type(choice["index"]) is not int
                or choice["finish_reason"] is not None
                or delta["tool_calls"] is not None
                or members["usage"] is not None
                or members.get("error", extra.get("error")) is not None
                or choice.get("error", choice_extra.get("error")) is not None
                or "generation_id" not in self._said
            ):
                return False
        except Exception:  # noqa: BLE001 - not built like that, whatever it is
            return False
        state.add(content)
        return True

    def _choice(self, place: int, choice: object) -> None:
        index = read(choice, "index")
        if type(index) is not int:
            index = count(index)
            index = place if index is None else index
        state = self._choices.get(index)
        if state is None:
            if index < 0 or len(self._choices) >= _MOST_CHOICES:
                return
            state = self._choices[index] = _Choice(keep_text=self._keep_text)
        delta = read(choice, "delta")
        if delta is None:
            state.add(read(choice, "text"))  # legacy completions
        else:
            state.add(read(delta, "content"))
            if (calls := read(delta, "tool_calls")) is not None:
                state.calls.add(calls)
        if (reason := read(choice, "finish_reason")) is not None and (known := text(reason)):
            state.finish_reason = known
            state.native_finish_reason = text(read(choice, "native_finish_reason"))
            if known == "error":
                self._failed(ProviderError(None, None, None))
        if (error := read(choice, "error")) is not None:
            self._failed(provider_error(error))

    def _without_choices(self, chunk: object) -> None:
        kind = read(chunk, "type")
        if kind == "chunk":  # the openai SDK's own events of .stream(): this one holds what came
            self.items -= 1
            self.feed(read(chunk, "chunk"))
        elif isinstance(kind, str):
            self._event(kind, chunk)
        elif has(chunk, "choices"):
            self.is_answer = self._null_choices = True

    def _event(self, kind: str, event: object) -> None:
        if self._events is None:
            if not EventReader.knows(kind, event):
                return
            self._events = EventReader(keep_text=self._keep_text)
        self.is_answer = True
        self._events.feed(kind, event)

    def _failed(self, error: ProviderError | None) -> None:
        """Keep the error that says most: an SDK's finish reason says least."""
        known = self._error
        self.is_answer = self.is_answer or error is not None
        if error is not None and (known is None or (known.message is None and known.code is None)):
            self._error = error

    def _identity(self, chunk: object) -> None:
        said = self._said
        for name, member in _IDENTITY:
            if (value := text(read(chunk, member))) is not None:
                said[name] = value
        if (metadata := read(chunk, "openrouter_metadata")) is not None:
            provider = text(read(chunk, "provider")) or router_provider(metadata)
            for name, known in (("provider", provider), ("router", router_members(metadata))):
                if known is not None:
                    said[name] = known

    def _line(self, line: str | bytes | bytearray) -> None:
        """Take a line of server-sent events, or a piece of text."""
        try:
            piece = line if isinstance(line, str) else bytes(line).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return
        if piece.startswith("data:"):
            data = piece[5:].strip()
            if data == _DONE:
                self.is_answer = True
                return
            try:
                event = json.loads(data)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                self.feed(event)
                return
        if self._loose is None:
            self._loose = _Choice(keep_text=self._keep_text)
        self._loose.add(str.__str__(piece))


class _Choice:
    """One choice so far."""

    __slots__ = ("_pieces", "calls", "digest", "finish_reason", "native_finish_reason")

    def __init__(self, *, keep_text: bool) -> None:
        self.digest = ChoiceDigest()
        self.calls = ToolCalls()
        self.finish_reason: str | None = None
        self.native_finish_reason: str | None = None
        self._pieces: list[str] | None = [] if keep_text else None

    def add(self, content: object) -> None:
        if isinstance(content, str):
            piece = content if type(content) is str else str.__str__(content)
        elif content is None:
            return
        else:
            piece = joined(items(content) or ())
        if piece:
            self.digest.text(piece)
            if self._pieces is not None:
                self._pieces.append(piece)

    def whole(self) -> str:
        return "".join(self._pieces or ())


def _digests(choices: Iterable[_Choice]) -> tuple[bytes, ...] | None:
    digests = []
    for choice in choices:
        if (digest := choice.digest.digest(choice.calls.members())) is None:
            return None
        digests.append(digest)
    return tuple(digests) or None


def joined(parts: Iterable[object]) -> str:
    """Return the text of content that comes as a list of parts."""
    return "".join(text(read(part, "text")) or "" for part in parts)
