"""A record's members as one JSON object in printable ASCII, whatever the values are.

    written({"event_type": "log", "note": "caf\u00e9", "total_cost": Decimal("0.00042")})
    -> b'{"event_type":"log","note":"caf\\u00e9","total_cost":0.00042}'

`written` is total: no value makes it fail, none makes invalid JSON. What JSON cannot hold is written as
follows: NaN and infinities as null; a `Decimal` member as a number with a fraction, deeper inside as
text; an integer beyond 64 bits as text; bytes, UUIDs, dates and times as text; an Enum by its value; a set
as a sorted list; a key that is not text as text; a reference back to a container that is being written as
"[CYCLE]"; anything else by its type's name, since its repr() may say what nobody redacted.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any
from uuid import UUID

from or_audit_logging.record import IS_RARE, NAMES, AuditRecord, values_of

MAX_DEPTH = 32
MAX_ITEMS = 20_000
"""A value is read up to so many members, those of its members included; shared ones count each time."""
TOO_MANY = "[TOO MANY ITEMS]"
UNREADABLE = "[UNREADABLE]"
"""Stands for a value that fails when it is asked what it is."""
_INT_LIMIT = 1 << 64
_FEW = 64
_ONLY_TEXT = frozenset({str})
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

dumps = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def written(members: Mapping[str, Any]) -> bytes:
    """Return *members* as a JSON object, however long it gets."""
    quick = None if orjson is None else _by_orjson(members)
    return _object(members) if quick is None else quick


def written_record(record: AuditRecord) -> bytes:
    """Return what `written(record.to_dict())` does, in one pass over the record's values."""
    values = values_of(record)
    if orjson is not None:
        members = {
            name: orjson.Fragment(money(value) or "null") if type(value) is Decimal else value
            for name, value, rare in zip(NAMES, values, IS_RARE, strict=True)
            if value is not None or not rare
        }
        if (quick := _orjson_dumps(members)) is not None:
            return quick
    return _joined(_RECORD_NAMES, values, _RECORD_NULLS)


def _by_orjson(members: Mapping[str, Any]) -> bytes | None:
    numbers = {
        key: orjson.Fragment(money(value) or "null")
        for key, value in members.items()
        if type(value) is Decimal
    }
    return _orjson_dumps({**members, **numbers})


def _orjson_dumps(members: dict[str, Any]) -> bytes | None:
    """Return the JSON object in a tenth of the time; None where orjson fails or would write it otherwise.

    It writes UTF-8, nests deeper, and takes what we do not: such an object goes the long way.
    """
    try:
        body: bytes = orjson.dumps(members, _plain_for_orjson, _ORJSON_OPTIONS)
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


def plain_members(members: Mapping[str, object]) -> dict[str, object]:
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
    if isinstance(value, (date, time)):  # and datetime
        return value.isoformat()
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
    return text if isinstance(text, str) else dumps(text)


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # beyond sys.get_int_max_str_digits()
        return hex(number)


def _object(members: Mapping[str, Any]) -> bytes:
    if not _ONLY_TEXT.issuperset(map(type, members)):
        named: dict[str, Any] = {}
        for key, value in members.items():
            named[unique_name(_key(key), named)] = value
        members = named
    names = [_name(key) for key in members]
    return _joined(names, members.values(), [name + "null" for name in names])


def _joined(names: Iterable[str], values: Iterable[Any], nulls: Iterable[str | None]) -> bytes:
    """Return the JSON object of *values* under *names*, which are quoted; for None what *nulls* has, if any.

    The members are written one by one: `json` cannot write a Decimal as a number, and a record consists of
    little else than short texts and numbers, for which this is faster.
    """
    pieces: list[str] = []
    reader: _Reader | None = None
    for name, value, null in zip(names, values, nulls, strict=True):
        if value is None:
            if null is not None:
                pieces.append(null)
            continue
        write = _MEMBER_WRITERS.get(type(value))
        if write is not None:
            pieces.append(name + write(value))
            continue
        text = _small_dict(value) if type(value) is dict else None
        if text is None:
            reader = reader or _Reader()
            text = dumps(reader.plain(value, ()))
        pieces.append(name + text)
    return ("{" + ",".join(pieces) + "}").encode("ascii")


def _small_dict(members: dict[Any, Any]) -> str | None:
    """Return a dict of a few simple values, as metadata mostly is; None where it goes the long way."""
    try:
        if len(members) > _FEW or not _ONLY_TEXT.issuperset(map(type, members)):
            return None
        written_members = [
            _quoted(key) + ":" + _WRITERS[type(value)](value) for key, value in members.items()
        ]
    except (KeyError, RuntimeError):  # other values, or another thread changes it
        return None
    return "{" + ",".join(written_members) + "}"


def _integer(value: int) -> str:
    return str(value) if -_INT_LIMIT < value < _INT_LIMIT else _quoted(_digits(value))


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    bool: {True: "true", False: "false"}.__getitem__,
    int: _integer,
    float: _float,
    type(None): lambda _: "null",
}
_MEMBER_WRITERS = _WRITERS | {Decimal: lambda amount: money(amount) or "null"}


@functools.lru_cache(maxsize=1024)
def _name(key: str) -> str:
    return _quoted(key) + ":"


_RECORD_NAMES = [_name(name) for name in NAMES]
_RECORD_NULLS = [None if rare else _name(name) + "null" for name, rare in zip(NAMES, IS_RARE, strict=True)]
