"""Redaction of structured values: dicts, lists and objects, as a copy in plain JSON types."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from or_audit_logging.exact_json import Written
from or_audit_logging.redaction.actions import FAILED
from or_audit_logging.redaction.embedded import HIDDEN, is_json, redacted_json
from or_audit_logging.sealing.text import MAX_DEPTH, MAX_ITEMS, unique_name

DENY_KEYS = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "password",
    "passwd",
    "pwd",
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
    "pwd",
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

A value that has the shape of one is not scanned; another one is: somebody's `id` may be an e-mail address,
and digits alone a card number.
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
_NUMBER = re.compile(r"[+(]{0,2}[0-9][0-9 ()./+-]{5,30}")
"""What may be a telephone number or another one that only its name tells from others."""
_REMEMBERED = 4_096
_LONGEST_KEY = 100
_JSON_STARTS = frozenset("{[ \n\r\t")
_NUMBER_STARTS = frozenset("0123456789+(")
_NUMBERS = 10**6


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

    __slots__ = ("_denied", "_endings", "_safe", "_said", "known")

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
        self._said: dict[str, Verdict] = {}

    def says(self, key: str) -> Verdict:
        """Return what *key* says of its value, of itself nothing."""
        known = self._said.get(key) or self.known.get(key)
        if known is not None:
            return known
        plain = _normal(key)
        denied = plain in self._denied or plain.endswith(self._endings)
        verdict = Verdict(denied, not denied and plain in self._safe, key in SAFE_KEYS, harmless=False)
        if len(key) <= _LONGEST_KEY and (denied or verdict.safe or verdict.own):
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            self._said[key] = verdict
        return verdict

    def verdict(self, key: str, text: Callable[[str], str]) -> tuple[str, Verdict]:
        """Return *key*, redacted by *text*, and what it says of its value."""
        redacted = text(key)
        verdict = self.says(key)._replace(harmless=redacted == key)
        if verdict.harmless and len(key) <= _LONGEST_KEY:
            if len(self.known) >= _REMEMBERED:
                self.known.clear()
            self.known[key] = verdict
        return redacted, verdict


def walk(value: object, text: Callable[[str], str], keys: Keys, counts: Counter[str]) -> object:
    """Return a copy of *value* with *text* applied to every string, dict keys included.

    What *keys* deny is hidden and counted in *counts*, and so is what nests too deep, contains itself, or
    comes after too much: it becomes [REDACTION_FAILED]. A value that cannot be read is named by its type.
    """
    return _Walk(text, keys, counts, MAX_ITEMS).copy(value, ())


def _normal(key: str) -> str:
    low = key.lower()
    return low if low.isalnum() else "".join(filter(str.isalnum, low))


@dataclasses.dataclass(slots=True)
class _Walk:
    text: Callable[[str], str]
    keys: Keys
    counts: Counter[str]
    room: int

    def copy(self, value: object, above: tuple[int, ...]) -> object:
        self.room -= 1
        if self.room < 0:
            return self._failed()
        kind = type(value)
        if kind is str:
            return (self._json if value[:1] in _JSON_STARTS else self.text)(value)  # type: ignore[arg-type,index]
        if value is None or kind is bool or (kind is float and abs(value) < 10**12):  # type: ignore[arg-type]
            return value
        try:
            return self._nested(value, above) if kind is dict else self._other(value, above)
        except Exception:  # noqa: BLE001 - a value that fails while it is read must not lose the record
            return _type_name(value)

    def _other(self, value: object, above: tuple[int, ...]) -> object:
        if isinstance(value, Enum):
            return self.copy(value.value, above)
        if isinstance(value, int):
            return self._number(int(value), int(value))
        if isinstance(value, float):
            return self._number(value if type(value) in (float, Written) else float(value), value)
        if isinstance(value, str):
            return self._json(str.__str__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._json(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, Decimal):
            return self._number(str(value), value if value.is_finite() else 0)
        if isinstance(value, (UUID, date, time)):
            return str(value)
        return self._nested(value, above)

    def _nested(self, value: object, above: tuple[int, ...]) -> object:
        if id(value) in above or len(above) >= MAX_DEPTH:
            return self._failed()
        return self._container(value, (*above, id(value)))

    def _failed(self) -> str:
        self.counts["REDACTION_FAILED"] += 1
        return FAILED

    def _json(self, value: str) -> str:
        """Return *value* redacted, by what its keys say where it is JSON."""
        if value[:1] in _JSON_STARTS and self.text is not _as_it_is:
            before = self.counts.copy()
            redacted = redacted_json(value, self.text, self.keys.says, _is_own, self.counts)
            if redacted is not None:
                broken = redacted not in (value, FAILED) and not is_json(redacted) and is_json(value)
                return self._rewritten(value, before) if broken else redacted
        return self.text(value)

    def _rewritten(self, value: str, counts: Counter[str]) -> str:
        """Return *value*, which is JSON, written anew: an action left what JSON has no place for.

        *counts* are those before it was redacted.
        """
        self.counts.clear()
        self.counts.update(counts)
        try:
            copy = self.copy(json.loads(value), ())
        except RecursionError:
            return self._failed()
        return json.dumps(copy, ensure_ascii=value.isascii())

    def _number(self, plain: object, value: float | Decimal) -> object:
        """Return *plain*, which stands for *value*, or redacted text where its digits are a card number."""
        if not 10**12 <= value < 10**19:
            return plain
        digits = str(int(value))
        redacted = self.text(digits)
        return plain if redacted == digits else redacted

    def _named(self, name: str, value: object, above: tuple[int, ...]) -> object:
        """Return a number's redacted text where *name* says what it is, like `phone`; else `copy` of it."""
        if _NUMBER.fullmatch(str(value)) and len(name) <= _LONGEST_KEY:
            said, before = f"{name}: {value}", f"{name}: "
            redacted = self.text(said)
            if redacted != said and redacted.startswith(before):
                return redacted[len(before) :]
        return self.copy(value, above)

    def _named_list(self, name: str, value: list[object], above: tuple[int, ...]) -> list[object]:
        """Return a copy of a list whose members *name* may tell, like `phones`."""
        if id(value) in above or len(above) >= MAX_DEPTH:
            return [self._failed()]
        above = (*above, id(value))
        out: list[object] = []
        for item in value:
            is_plain = type(item) in (str, int)
            out.append(self._named(name, item, above) if is_plain else self.copy(item, above))
            if self.room < 0:
                break
        return out

    def _container(self, value: object, above: tuple[int, ...]) -> object:
        if isinstance(value, Mapping):
            return self._mapping(value, above)
        if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
            return list(self._mapping(dict(zip(value._fields, value, strict=True)), above).values())
        if isinstance(value, (list, tuple, deque)):
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
            denied, safe, own, harmless = verdict
            if denied and item is not None:
                self.counts["SECRET"] += 1
                out[name] = HIDDEN
            elif safe:
                out[name] = self._unscanned(item, above)
            elif own and _is_own(item):
                out[name] = item
            elif harmless and (
                item[:1] in _NUMBER_STARTS if type(item) is str else type(item) is int and item >= _NUMBERS
            ):
                out[name] = self._named(name, item, above)
            elif harmless and type(item) is list and item and type(item[0]) in (str, int):
                out[name] = self._named_list(name, item, above)
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
        return _SAFE_SHAPE.fullmatch(value) is not None and not value.isdecimal()
    return type(value) in (int, float, Written)


def _type_name(value: object) -> str:
    try:
        return f"[{type(value).__name__}]"
    except Exception:  # noqa: BLE001 - a metaclass of the caller's may raise anything
        return "[UNREADABLE]"
