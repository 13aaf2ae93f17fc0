"""A record's members as one JSON object in printable ASCII, whatever the values are.

    encode({"event_type": "log", "note": "caf\u00e9", "total_cost": Decimal("0.00042")}, limit=8000)
    -> b'{"event_type":"log","note":"caf\\u00e9","total_cost":0.00042}'

`encode` is total: no value makes it fail, none makes invalid JSON. What JSON cannot hold is written as
follows: NaN and infinities as null; a `Decimal` member as a number with a fraction, deeper inside as
text; an integer beyond 64 bits as text; bytes and UUIDs as text; an Enum by its value; a set as a sorted
list; a key that is not text as text; a reference back to a container that is being written as "[CYCLE]";
anything else by its type's name, since its repr() may say what nobody redacted.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any
from uuid import UUID

MAX_DEPTH = 32
MAX_ITEMS = 20_000
"""A value is read up to so many members, those of its members included; shared ones count each time."""
TOO_MANY = "[TOO MANY ITEMS]"
UNREADABLE = "[UNREADABLE]"
"""Stands for a value that fails when it is asked what it is."""
_INT_LIMIT = 1 << 64
_SCALARS = frozenset({str, int, float, bool, type(None)})


def _orjson() -> Any:
    try:
        return importlib.import_module("orjson")
    except ImportError:  # the extra "fast" is not installed
        return None


orjson: Any = _orjson()
_ORJSON_OPTIONS = orjson and (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_ORJSON_BYTES = 2 * MAX_ITEMS
"""No longer object has more than `MAX_ITEMS` members."""

_dumps = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def encode(members: Mapping[str, object], *, limit: int) -> bytes:
    """Return *members* as a JSON object of at most *limit* bytes.

    Where it would be longer, text is cut on characters in this order: content, metadata values,
    error_message; then content and metadata are dropped, then whatever else is long. A cut object ends
    with `"truncated":true,"original_bytes":n`, n being the length it would have had.
    """
    if orjson is not None and (quick := _by_orjson(members)) is not None and len(quick) <= limit:
        return quick
    body = _object(members)
    return body if len(body) <= limit else _fit(_plain_members(members), limit=limit, original=len(body))


def _by_orjson(members: Mapping[str, Any]) -> bytes | None:
    """Return the JSON object in a tenth of the time; None where orjson fails or would write it otherwise.

    It writes UTF-8, nests deeper, and takes what we do not: such an object goes the long way.
    """
    try:
        numbers = {
            key: orjson.Fragment(money(v) or "null") for key, v in members.items() if type(v) is Decimal
        }
        body: bytes = orjson.dumps({**members, **numbers}, _plain_for_orjson, _ORJSON_OPTIONS)
    except Exception:  # noqa: BLE001 - integers beyond 64 bits, lone surrogates, keys that are no text, ...
        return None
    if not body.isascii() or b"\x7f" in body or len(body) > _ORJSON_BYTES:
        return None
    return body if body.count(b"{") + body.count(b"[") <= MAX_DEPTH else None


def _plain_for_orjson(value: object) -> object:
    if type(value) is Decimal:
        return money(value)
    raise TypeError


def money(amount: Decimal) -> str | None:
    """Return *amount* as a JSON number that has a fraction and no exponent.

    None where it is no finite number or its exponent lies beyond 30 digits either way.
    """
    if not amount.is_finite() or not -30 <= amount.adjusted() <= 30:
        return None
    text = format(amount, "f")
    _, point, fraction = text.partition(".")
    if len(fraction) > 60:
        return None
    return text if point else text + ".0"


def unique_name(name: str, taken: Mapping[str, object]) -> str:
    """Return *name*, or where it is taken `name_2`, `name_3`, ..."""
    if name not in taken:
        return name
    number = len(taken) + 1  # no lower number can be sure to be free, and trying them all takes too long
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _plain_members(members: Mapping[str, object]) -> dict[str, object]:
    """Return *members* with values that `json` writes without error, and Decimals."""
    reader = _Reader()
    return {
        key: value if type(value) is Decimal else reader.plain(value, ()) for key, value in members.items()
    }


class _Reader:
    """Turns values into what `json` writes without error, up to `MAX_ITEMS` of them."""

    __slots__ = ("_room",)

    def __init__(self) -> None:
        self._room = MAX_ITEMS

    def plain(self, value: object, above: tuple[int, ...]) -> object:
        self._room -= 1
        if self._room < 0:
            return TOO_MANY
        try:
            if type(value) in _SCALARS or not isinstance(value, (Mapping, list, tuple, set, frozenset)):
                return _scalar(value)
        except Exception:  # noqa: BLE001 - an object that fails when it is asked what it is
            return UNREADABLE
        return self._container(value, above)

    def _container(self, value: Mapping[object, object] | Iterable[object], above: tuple[int, ...]) -> object:
        if id(value) in above:
            return "[CYCLE]"
        if len(above) >= MAX_DEPTH:
            return "[TOO DEEP]"
        above = (*above, id(value))
        try:
            if isinstance(value, Mapping):
                out: dict[str, object] = {}
                for key, item in value.items():
                    out[unique_name(key if type(key) is str else _key(key), out)] = self.plain(item, above)
                    if self._room < 0:
                        break
                return out
            items = []
            for item in value:
                items.append(self.plain(item, above))
                if self._room < 0:
                    break
        except Exception:  # noqa: BLE001 - a container of the caller's whose iteration fails must not lose the record
            return _type_name(value)
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items


def _scalar(value: object) -> object:
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int.__int__(value)
        return number if -_INT_LIMIT < number < _INT_LIMIT else _digits(number)
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return _type_name(value)


def _type_name(value: object) -> str:
    try:
        return f"[{type(value).__name__}]"
    except Exception:  # noqa: BLE001 - a metaclass of the caller's may raise anything
        return UNREADABLE


def _key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, tuple):
        return "(" + ",".join(_key(part) for part in key) + ")"
    text = _scalar(key)
    return text if isinstance(text, str) else _dumps(text)


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # beyond sys.get_int_max_str_digits()
        return hex(number)


def _object(members: Mapping[str, Any]) -> bytes:
    """Return the JSON object. Its members are written one by one: `json` cannot write a Decimal as a number,
    and a record consists of little else than short texts and numbers, for which this is faster.
    """
    pieces: list[str] = []
    reader: _Reader | None = None
    for key, value in members.items():
        kind = type(value)
        if kind is str:
            text = _quoted(value)
        elif value is None:
            text = "null"
        elif kind is bool:
            text = "true" if value else "false"
        elif kind is int and -_INT_LIMIT < value < _INT_LIMIT:
            text = str(value)
        elif kind is float and math.isfinite(value):
            text = repr(value)
        elif kind is Decimal:
            text = money(value) or "null"
        else:
            reader = reader or _Reader()
            text = _dumps(reader.plain(value, ()))
        pieces.append(_name(key if type(key) is str else _key(key)) + text)
    return ("{" + ",".join(pieces) + "}").encode("ascii")


@functools.lru_cache(maxsize=1024)
def _name(key: str) -> str:
    return _quoted(key) + ":"


def _fit(members: dict[str, object], *, limit: int, original: int) -> bytes:
    members = {k: v for k, v in members.items() if k not in ("truncated", "original_bytes")}
    members |= {"truncated": True, "original_bytes": original}
    for cut in (
        _cut_content,
        _cut_metadata,
        _cut_error_message,
        _drop_free_members,
        _cut_the_rest,
        _keep_the_least,
    ):
        members = cut(members, len(_object(members)) - limit)
        body = _object(members)
        if len(body) <= limit:
            return body
    raise ValueError(f"a limit of {limit} bytes is too short for the least record")


def _cut_content(members: dict[str, object], excess: int) -> dict[str, object]:
    return members | {"content": _shorten(members["content"], excess)} if "content" in members else members


def _cut_metadata(members: dict[str, object], excess: int) -> dict[str, object]:
    return members | {"metadata": _shorten(members["metadata"], excess)} if "metadata" in members else members


def _cut_error_message(members: dict[str, object], excess: int) -> dict[str, object]:
    text = members.get("error_message")
    return members | {"error_message": _shorten(text, excess)} if isinstance(text, str) else members


def _drop_free_members(members: dict[str, object], excess: int) -> dict[str, object]:
    return {k: v for k, v in members.items() if k not in ("content", "metadata")}


def _cut_the_rest(members: dict[str, object], excess: int) -> dict[str, object]:
    out = dict(members)
    for size, key in sorted(((_size(value), key) for key, value in members.items()), reverse=True):
        if excess <= 0 or size <= 128:
            break
        if isinstance(out[key], (str, dict, list)):
            out[key] = _shorten(out[key], excess)
            excess -= size - _size(out[key])
    return out


_LEAST = (
    "event_type",
    "v",
    "id",
    "timestamp",
    "status",
    "user_id",
    "generation_id",
    "truncated",
    "original_bytes",
)


def _keep_the_least(members: dict[str, object], excess: int) -> dict[str, object]:
    least = {key: members[key] for key in _LEAST if key in members}
    return {
        k: _cut(v, 256) if isinstance(v, str) else v
        for k, v in least.items()
        if not isinstance(v, (dict, list))
    }


def _size(value: object) -> int:
    return len(money(value) or "null") if type(value) is Decimal else len(_dumps(value))


def _shorten(value: object, excess: int) -> object:
    """Return *value* with its longest texts cut until it is *excess* bytes shorter, as far as that goes."""
    if isinstance(value, str):
        return _cut(value, max(0, _size(value) - 2 - excess))
    texts = sorted(_texts(value), key=lambda text: -_size(text))
    budgets = {}
    for text in texts:
        if excess <= 0:
            break
        room = max(0, _size(text) - 2 - excess)
        budgets[text] = _cut(text, room)
        excess -= _size(text) - _size(budgets[text])
    return _replace(value, budgets)


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    items: Iterable[object] = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    found: set[str] = set()
    for item in items:
        found |= _texts(item)
    return found


def _replace(value: object, by: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return by.get(value, value)
    if isinstance(value, dict):
        return {key: _replace(item, by) for key, item in value.items()}
    return [_replace(item, by) for item in value] if isinstance(value, list) else value


def _cut(text: str, room: int) -> str:
    """Return the longest head of *text* whose JSON form, without its quotes, takes at most *room* bytes."""
    if len(_dumps(text)) - 2 <= room:
        return text
    low, high = 0, min(len(text), room)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_dumps(text[:middle])) - 2 <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low]
