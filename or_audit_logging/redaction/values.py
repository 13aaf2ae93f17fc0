"""Redaction of structured values: dicts, lists and objects, as a copy in plain JSON types."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Set

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

_HIDDEN = "[SECRET]"


def walk(
    value: object, text: Callable[[str], str], deny_keys: frozenset[str], counts: Counter[str]
) -> object:
    """Return a copy of *value* with *text* applied to every string, dict keys included.

    Values under *deny_keys* are hidden; with the default keys, so are those under `DENY_ENDINGS`.
    """
    endings = DENY_ENDINGS if deny_keys >= _DEFAULT else ()
    return _Walk(text, _all_normal(deny_keys), counts, endings, MAX_ITEMS).copy(value, ())


@functools.lru_cache(maxsize=64)
def _all_normal(keys: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_normal, keys))


def _normal(key: str) -> str:
    return "".join(c for c in key.lower() if c.isalnum())


@dataclasses.dataclass(slots=True)
class _Walk:
    text: Callable[[str], str]
    deny: frozenset[str]
    counts: Counter[str]
    endings: tuple[str, ...]
    room: int

    def copy(self, value: object, above: tuple[int, ...]) -> object:
        self.room -= 1
        if self.room < 0:
            return TOO_MANY
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, int):
            return self._number(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (bytes, bytearray)):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if id(value) in above:
            return "[CYCLE]"
        if len(above) >= MAX_DEPTH:
            return "[TOO DEEP]"
        try:
            return self._container(value, (*above, id(value)))
        except Exception:  # noqa: BLE001 - a value that fails while it is read must not lose the record
            return f"[{type(value).__name__}]"

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
            return [self.copy(item, above) for item in value]
        if isinstance(value, Set):
            return sorted((self.copy(item, above) for item in value), key=repr)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._mapping({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, above)
        dump = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return self.copy(dump(), above)
        return self.text(str(value))

    def _mapping(self, value: Mapping[object, object], above: tuple[int, ...]) -> dict[str, object]:
        out: dict[str, object] = {}
        for key, item in value.items():
            plain = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)
            name = unique_name(self.text(plain), out)
            if item is not None and self._is_denied(plain):
                self.counts["SECRET"] += 1
                out[name] = _HIDDEN
            else:
                out[name] = self.copy(item, above)
            if self.room < 0:
                break
        return out

    def _is_denied(self, key: str) -> bool:
        plain = _normal(key)
        return plain in self.deny or plain.endswith(self.endings)
