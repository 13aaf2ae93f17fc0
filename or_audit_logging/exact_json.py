"""JSON that is read and written again with every number in the digits it came in.

    decoder().decode('{"cost":0.10,"n":3}')     -> {"cost": Written("0.10"), "n": 3}
    write(...)                                  -> '{"cost":0.10,"n":3}'

`json` reads 0.10 as a float and writes 0.1; a Decimal it does not write at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted_ascii
from typing import Any, NoReturn

from or_audit_logging.sealing.text import orjson

__all__ = ["Written", "decoder", "no_number", "quoted_ascii", "write"]

_LONGEST_INTEGER = 1_000
_ORJSON_OPTIONS = orjson and (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)


class Written(float):
    """A number that keeps the digits it was written in: 0.10 and 1e-05 stay so."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Written:
        """Return the number that *digits* say."""
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


def no_number(name: str) -> NoReturn:
    """Raise ValueError: NaN and the infinities, *name*, are no JSON."""
    raise ValueError(f"{name} is no JSON number")


def decoder(
    *, number: Callable[[str], object] = Written, constant: Callable[[str], object] = no_number
) -> json.JSONDecoder:
    """Return a decoder of JSON: of a name that stands twice the last value counts.

    *number* makes numbers with a fraction or an exponent of their digits, *constant* what NaN and the
    infinities become. Its `decode` raises ValueError, and RecursionError where a text is nested too deep.
    """
    return json.JSONDecoder(parse_float=number, parse_int=_integer, parse_constant=constant)


def write(value: object, *, quoted: Callable[[str], str] = quoted_ascii) -> str:
    """Return *value*, of the types that `decoder` makes, as JSON in one line, without spaces.

    *quoted* writes a text that is not printable ASCII. Raises RecursionError where *value* is too deep.
    """
    if orjson is not None:
        try:
            body: bytes = orjson.dumps(value, _fragment, _ORJSON_OPTIONS)
        except Exception:  # noqa: BLE001 - integers beyond 64 bits, lone surrogates, deeper than it goes
            return _written(value, quoted)
        if body.isascii() and b"\x7f" not in body:
            return body.decode("ascii")
    return _written(value, quoted)


def _integer(digits: str) -> int | Written:
    """Return the integer, or its digits where Python would write others, or not read so many."""
    return Written(digits) if digits == "-0" or len(digits) > _LONGEST_INTEGER else int(digits)


def _fragment(value: object) -> Any:
    if isinstance(value, Written):
        return orjson.Fragment(value.digits)
    raise TypeError


def _written(value: Any, quoted: Callable[[str], str]) -> str:
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is Written:
        return str(value.digits)
    if kind is dict:
        members = [f"{quoted(key)}:{_written(item, quoted)}" for key, item in value.items()]
        return "{" + ",".join(members) + "}"
    if kind is list:
        return "[" + ",".join([_written(item, quoted) for item in value]) + "]"
    return json.dumps(value)
