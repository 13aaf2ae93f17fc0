"""Secrets that are known by their value, found however they are written.

    known = KnownSecrets(["tr0ub4dor&3"])
    list(known.find("pw=tr0ub4dor%263"))        -> [Finding("SECRET", "credential", 3, 16)]

Each is looked for as it is, percent-encoded, JSON-escaped and within base64 (both alphabets).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction.finding import Finding

SHORTEST = 8

_UNRESERVED = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
)  # RFC 3986, 2.3


class KnownSecrets:
    """Finds exact values."""

    __slots__ = ("_forms", "hashes")

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the values, at least 8 characters each; raises `ConfigError`."""
        values = sorted(set(secrets))
        for value in values:
            if value.startswith("env:"):
                raise ConfigError(
                    "known_secrets: a Redactor reads no environment; RedactionFilter does, for env:NAME"
                )
        if any(len(value) < SHORTEST for value in values):
            raise ConfigError(
                f"a known secret has at least {SHORTEST} characters; a shorter one would hit ordinary words"
            )
        forms = {form for value in values for form in _forms(value)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self.hashes = [hashlib.sha256(_utf8(value)).hexdigest() for value in values]
        """SHA-256 of each, for the policy's digest."""

    def find(self, text: str) -> Iterator[Finding]:
        """Yield where one of the secrets stands in *text*."""
        for form in self._forms:
            start = text.find(form)
            while start >= 0:
                yield Finding("SECRET", "credential", start, start + len(form))
                start = text.find(form, start + len(form))


def _forms(value: str) -> Iterator[str]:
    data = _utf8(value)
    yield value
    for upper in (True, False):
        for spared in (_UNRESERVED, _UNRESERVED | {0x2F}):
            yield _quoted(data, spared, upper=upper)
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    for offset in range(3):
        # Of the characters that base64 makes, those that neighbouring bytes have a part in are left out.
        first, last = (offset * 8 + 5) // 6, (offset + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + data).decode("ascii")[first:last]


def _quoted(data: bytes, spared: frozenset[int], *, upper: bool) -> str:
    form = "%{:02X}" if upper else "%{:02x}"
    return "".join(chr(byte) if byte in spared else form.format(byte) for byte in data)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
