"""Keyed digests that stand in a record where a prompt, an answer or a person would: equal in, equal out.

    prompt_digest(messages, key)                    -> "hmac-sha256:b31f1a44:3da17762..."
    response_digest([choice_digest("Hello")], key)  -> "hmac-sha256:b31f1a44:..."
    pseudonym("EMAIL", "Ann@example.com ", key)     -> "[EMAIL:b31f1a44:<16 hex>]"

`key` is a `DigestKey` (FORMAT 3), or the word "sha256" for a plain SHA-256, which anyone can compute and so
anyone can test guesses against; `None` is not accepted. The digest key belongs to the secret, not to one
log, so the same prompt or person is recognised across logs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import unicodedata
from binascii import b2a_base64
from collections import deque
from collections.abc import ItemsView, Iterable, KeysView, Mapping, Set, ValuesView
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from os import PathLike, fspath
from typing import Literal, TypeAlias
from uuid import UUID

from or_audit_logging.policy import DigestKey
from or_audit_logging.sealing.mac import HmacSha256

DigestBy: TypeAlias = DigestKey | Literal["sha256"]

_PSEUDONYM_LABEL = b"or-audit/v1/pseudonym\0"

_NUMBERS = frozenset(["PHONE", "CARD", "SSN", "IBAN"])

_MOST_PIECES = 64
_LONG = 1_024
"""So many pieces of a text are hashed together, since most have a few letters; a long one is at once."""


def prompt_digest(prompt: object, key: DigestBy) -> str | None:
    """Return the digest of *prompt* (messages, input or prompt, as the caller passed it).

    The input is `canonical_json(prompt)`; None where there is none.
    """
    data = canonical_json(prompt)
    return None if data is None else _written(data, key)


class ChoiceDigest:
    """The digest of one choice of an answer, fed piece by piece: the same however the text was cut."""

    __slots__ = ("_pieces", "_sha")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._sha: hashlib._Hash | None = None  # of the pieces before those; a short answer needs none

    def text(self, piece: str) -> None:
        """Add *piece* to the text."""
        self._pieces.append(piece)
        if len(self._pieces) >= _MOST_PIECES or len(piece) >= _LONG:
            self._hash_pieces()

    def digest(self, tool_calls: object = None) -> bytes | None:
        """Return the 32 bytes as of now; None where *tool_calls* has no canonical JSON."""
        calls = b"" if tool_calls is None else canonical_json(tool_calls)
        if calls is None:
            return None
        sha = hashlib.sha256() if self._sha is None else self._sha.copy()
        sha.update(_in_pairs("".join(self._pieces)) + calls)
        return sha.digest()

    def _hash_pieces(self) -> None:
        """Hash what has come. Half of a surrogate pair at its end waits for the other half."""
        text = "".join(self._pieces)
        self._pieces.clear()
        if "\ud800" <= text[-1:] <= "\udbff":
            self._pieces.append(text[-1])
            text = text[:-1]
        self._sha = self._sha or hashlib.sha256()
        self._sha.update(_in_pairs(text))


def choice_digest(text: str, tool_calls: object = None) -> bytes | None:
    """Return the digest of one choice: SHA-256 of its text in UTF-8, then of its tool calls, if any.

    Tool calls enter as `canonical_json(tool_calls)`; None where they have none.
    """
    choice = ChoiceDigest()
    choice.text(text)
    return choice.digest(tool_calls)


def response_digest(choices: Iterable[bytes], key: DigestBy) -> str:
    """Return the digest of an answer from the digests of its choices, in index order.

    The input is the choices' digests, 32 bytes each, joined.
    """
    return _written(b"".join(choices), key)


def pseudonym(kind: str, value: str, key: DigestKey) -> str:
    """Return `[<kind>:<key id>:<16 hex>]`, the same for every spelling of *value* that means the same.

    The hex is the first 8 bytes of HMAC-SHA-256(digest key, "or-audit/v1/pseudonym" || 0 || kind || 0 ||
    value), the value in UTF-8 without surrounding white space. An EMAIL is case-folded; of a PHONE, CARD, SSN
    or IBAN only letters and digits count, and the + of a PHONE, which 00 also stands for.
    """
    plain = value.strip()
    if kind == "EMAIL":
        plain = plain.casefold()
    elif kind in _NUMBERS:
        plain = _number(plain, plus=kind == "PHONE")
    data = _PSEUDONYM_LABEL + _utf8(kind) + b"\0" + _utf8(plain)
    return f"[{kind}:{key.key_id}:{_prepared(key.secret).digest(data)[:8].hex()}]"


def canonical_json(value: object) -> bytes | None:
    """Return *value* as JSON with sorted keys, no spaces, in UTF-8 (lone surrogates as their three bytes).

    That is `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`, so NaN and the
    infinities are the words NaN, Infinity and -Infinity. What `json` does not know is taken thus: a pydantic
    model as `model_dump(mode="json", exclude_unset=True)`, which is what SDKs send; another mapping as a
    dict, a dataclass as a dict of its fields; a set as the list of its members ordered by their JSON; a
    deque, range or dict view as a list; an Enum as its value; bytes as base64; dates and times in ISO 8601;
    UUID, Decimal and paths as text.

    None where there is no such JSON: a one-shot iterator (never consumed), any other object, a value that
    contains itself or nests too deep, dict keys that do not sort.
    """
    try:
        return _utf8(_encode(value))
    except Exception:  # noqa: BLE001 - a caller's object may fail in any way when asked for its value
        return None


def _number(text: str, *, plus: bool) -> str:
    """Return the letters and digits of *text*, digits of other scripts as ASCII; none: *text* itself."""
    kept = "".join(str(unicodedata.decimal(c, c)) for c in text if c.isalnum() or (plus and c == "+"))
    if plus and kept.startswith("00"):
        kept = f"+{kept[2:]}"
    return kept or text


def _written(data: bytes, key: DigestBy) -> str:
    if key == "sha256":
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    return f"hmac-sha256:{key.key_id}:{_prepared(key.secret).digest(data).hex()}"


@functools.lru_cache(maxsize=16)
def _prepared(secret: bytes) -> HmacSha256:
    return HmacSha256(secret)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _in_pairs(text: str) -> bytes:
    """Return *text* in UTF-8, the halves of surrogate pairs that stand side by side as one character."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _utf8(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass"))


def _plain(value: object) -> object:
    """Return what stands for *value* in JSON; raises TypeError where nothing does."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        try:
            return dump(mode="json", exclude_unset=True)
        except TypeError:  # a model_dump of somebody's own, without pydantic's parameters
            return dump()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b2a_base64(value, newline=False).decode("ascii")
    if isinstance(value, (deque, range, KeysView, ItemsView, ValuesView)):
        return list(value)
    if isinstance(value, Set):
        return sorted(value, key=_encode)
    if isinstance(value, Enum):
        return value.value
    return _plain_text(value)


def _plain_text(value: object) -> object:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, PathLike):
        return fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode
