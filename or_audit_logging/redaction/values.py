"""Redaction of structured values: dicts, lists and objects, as a copy in plain JSON types."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from or_audit_logging.sealing.text import MAX_DEPTH, MAX_ITEMS, TOO_MANY, unique_name

DENY_KEYS = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "api_key",
    "x-api-key",
    "access_key",
    "secret_key",
    "private_key",
    "access_token",
    "refresh_token",
    "auth_token",
    "id_token",
    "bearer_token",
    "session_token",
    "token",
)
"""Keys whose values are redacted by default. Exact names, so that prompt_tokens and max_tokens are spared."""

_DEFAULT = frozenset(DENY_KEYS)

DENY_ENDINGS = (
    "apikey",
    "authorization",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "accesskey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "idtoken",
)
"""Ends of keys whose values are redacted by default: `openai_api_key`, `db_password`."""

SAFE_KEYS = frozenset(
    (
        "id",
        "started_id",
        "timestamp",
        "created",
        "created_at",
        "generation_id",
        "generation_ids",
        "request_id",
        "trace_id",
        "span_id",
        "prompt_hash",
        "response_hash",
        "model",
        "model_requested",
        "model_used",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost",
        "total_cost",
        "upstream_cost",
        "latency_ms",
        "ttft_ms",
        "v",
        "status",
        "event_type",
    )
)
"""Keys of our own schema whose values are ids, hashes, times, numbers and models' names.

A value that has the shape of one is not scanned; another one is: somebody's `id` may be an e-mail address.
"""

_SAFE_SHAPE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9a-f]{16}(?:[0-9a-f]{16}){0,3}"
    r"|gen-[0-9]{9,12}-[0-9A-Za-z]{12,40}"
    r"|(?:chatcmpl|cmpl|resp|msg|req|run)[-_][0-9A-Za-z]{16,64}"
    r"|(?:hmac-sha256:[0-9a-f]{8}|sha256):[0-9a-f]{64}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
    r"|[a-z][a-z0-9-]{1,40}/[a-z][a-z0-9.-]{0,80}(?::[a-z]{2,12})?"
    r"|[a-z_]{1,40}"
)
_HIDDEN = "[SECRET]"
_REMEMBERED = 4_096
_LONGEST_KEY = 100


class Verdict(NamedTuple):
    """What a dict key says of its value."""

    denied: bool
    """It is hidden."""
    safe: bool
    """It is kept as it is, whatever it is."""
    own: bool
    """It is kept where it has the shape of what our schema has there."""
    harmless: bool
    """The key itself says nothing personal."""


class Keys:
    """What dict keys say of their values; harmless keys are remembered, since they repeat."""

    __slots__ = ("_denied", "_endings", "_safe", "known")

    def __init__(self, deny_keys: Iterable[str], safe_keys: Iterable[str]) -> None:
        """Take keys whose values are hidden, and those whose values stay; the former rule.

        With the default keys, values under `DENY_ENDINGS` are hidden as well.
        """
        deny_keys = frozenset(deny_keys)
        self._endings = DENY_ENDINGS if deny_keys >= _DEFAULT else ()
        self._denied = frozenset(map(_normal, deny_keys))
        self._safe = frozenset(map(_normal, safe_keys))
        self.known: dict[str, Verdict] = {}
        """Verdicts on harmless keys, as far as they are remembered."""

    def verdict(self, key: str, text: Callable[[str], str]) -> tuple[str, Verdict]:
        """Return *key*, redacted by *text*, and what it says of its value."""
        plain, redacted = _normal(key), text(key)
        denied = plain in self._denied or plain.endswith(self._endings)
        verdict = Verdict(denied, not denied and plain in self._safe, key in SAFE_KEYS, redacted == key)
        if verdict.harmless and len(key) <= _LONGEST_KEY:
            if len(self.known) >= _REMEMBERED:
                self.known.clear()
            self.known[key] = verdict
        return redacted, verdict


def walk(value: object, text: Callable[[str], str], keys: Keys, counts: Counter[str]) -> object:
    """Return a copy of *value* with *text* applied to every string, dict keys included.

    What *keys* deny is hidden and counted in *counts*. A value that cannot be read is named by its type.
    """
    return _Walk(text, keys, counts, MAX_ITEMS).copy(value, ())


def _normal(key: str) -> str:
    return "".join(c for c in key.lower() if c.isalnum())


@dataclasses.dataclass(slots=True)
class _Walk:
    text: Callable[[str], str]
    keys: Keys
    counts: Counter[str]
    room: int

    def copy(self, value: object, above: tuple[int, ...]) -> object:
        self.room -= 1
        if self.room < 0:
            return TOO_MANY
        kind = type(value)
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]
        if value is None or kind is bool or kind is float:
            return value
        try:
            return self._nested(value, above) if kind is dict else self._other(value, above)
        except Exception:  # noqa: BLE001 - a value that fails while it is read must not lose the record
            return _type_name(value)

    def _other(self, value: object, above: tuple[int, ...]) -> object:
        if isinstance(value, Enum):
            return self.copy(value.value, above)
        if isinstance(value, int):
            return self._number(int(value))
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, (UUID, date, time, Decimal)):
            return str(value)
        return self._nested(value, above)

    def _nested(self, value: object, above: tuple[int, ...]) -> object:
        if id(value) in above:
            return "[CYCLE]"
        if len(above) >= MAX_DEPTH:
            return "[TOO DEEP]"
        return self._container(value, (*above, id(value)))

    def _number(self, value: int) -> object:
        """Return *value*, or its redacted text where the digits are a card number."""
        if not 10**12 <= value < 10**19:
            return value
        digits = str(value)
        redacted = self.text(digits)
        return value if redacted == digits else redacted

    def _container(self, value: object, above: tuple[int, ...]) -> object:
        if isinstance(value, Mapping):
            return self._mapping(value, above)
        if isinstance(value, (list, tuple)):
            return self._list(value, above)
        if isinstance(value, Set):
            return sorted(self._list(value, above), key=repr)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._mapping({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, above)
        dump = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return self.copy(dump(), above)
        return self.text(str(value))

    def _unscanned(self, value: object, above: tuple[int, ...]) -> object:
        walk = dataclasses.replace(self, text=_as_it_is)
        out = walk.copy(value, above)
        self.room = walk.room
        return out

    def _list(self, value: Iterable[object], above: tuple[int, ...]) -> list[object]:
        out = []
        for item in value:
            out.append(self.copy(item, above))
            if self.room < 0:
                break
        return out

    def _mapping(self, value: Mapping[object, object], above: tuple[int, ...]) -> dict[str, object]:
        out: dict[str, object] = {}
        known = self.keys.known
        for key, item in value.items():
            name = key if type(key) is str else _decoded(key)
            verdict = known.get(name)
            if verdict is None:
                name, verdict = self.keys.verdict(name, self.text)
            if name in out:
                name = unique_name(name, out)
            denied, safe, own, _ = verdict
            if denied and item is not None:
                self.counts["SECRET"] += 1
                out[name] = _HIDDEN
            elif safe:
                out[name] = self._unscanned(item, above)
            elif own and _is_own(item):
                out[name] = item
            else:
                out[name] = self.copy(item, above)
            if self.room < 0:
                break
        return out


def _decoded(key: object) -> str:
    return key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)


def _as_it_is(text: str) -> str:
    return text


def _is_own(value: object) -> bool:
    if isinstance(value, str):
        return _SAFE_SHAPE.fullmatch(value) is not None
    return type(value) is int or type(value) is float


def _type_name(value: object) -> str:
    try:
        return f"[{type(value).__name__}]"
    except Exception:  # noqa: BLE001 - a metaclass of the caller's may raise anything
        return "[UNREADABLE]"
