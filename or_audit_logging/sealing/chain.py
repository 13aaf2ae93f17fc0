"""Keys, leaf hashes and MACs (FORMAT 3): each line is sealed under the hash of the one before.

    keys = LogKeys(secret, log_id=bytes(16))
    mac = keys.mac(prev, sealed_part)            # HMAC-SHA-256 over label || prev || line up to `,"mac":`
    prev = leaf_hash(line)                       # SHA-256(0x00 || line): chain value and Merkle leaf in one

Keys are derived with HKDF-SHA-256 (RFC 5869).
"""

from __future__ import annotations

import hashlib
import hmac

from or_audit_logging.policy import DigestKey
from or_audit_logging.sealing.mac import HmacSha256

MIN_SECRET = 32
"""Shortest secret accepted, in bytes."""

_LINE_LABEL = b"or-audit/v1/line\0"
_GENESIS_LABEL = b"or-audit/v1/genesis\0"


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """Return *length* bytes of HKDF-SHA-256 (RFC 5869); an empty salt stands for 32 zero bytes."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
        counter += 1
    return out[:length]


def digest_key(secret: bytes) -> DigestKey:
    """Return the key for prompt hashes and pseudonyms: the same for every log under *secret*."""
    return DigestKey(key_id(secret), hkdf(secret, salt=b"", info=b"or-audit/v1/digest"))


def key_id(secret: bytes) -> str:
    """Return the 8 hex digits that name *secret* without saying anything about it."""
    return hkdf(secret, salt=b"", info=b"or-audit/v1/key-id")[:4].hex()


def leaf_hash(line: bytes) -> bytes:
    """Return the RFC 6962 leaf hash of *line* (without its newline); also the chain value of the next."""
    return hashlib.sha256(b"\0" + line).digest()


def genesis_prev(origin: str, log_id: bytes) -> bytes:
    """Return what stands in for the line before seq 0."""
    return hashlib.sha256(_GENESIS_LABEL + origin.encode() + b"\0" + log_id).digest()


class LogKeys:
    """The line key and key check value of one secret for one log; the secret itself is not kept."""

    __slots__ = ("_line", "kcv")

    def __init__(self, secret: bytes, *, log_id: bytes) -> None:
        self._line = HmacSha256(hkdf(secret, salt=log_id, info=b"or-audit/v1/line"), prefix=_LINE_LABEL)
        self.kcv = hkdf(secret, salt=log_id, info=b"or-audit/v1/kcv")[:8].hex()

    def mac(self, prev: bytes, sealed_part: bytes) -> bytes:
        """Return the MAC of a line that follows the line with leaf hash *prev*."""
        return self._line.digest(prev, sealed_part)

    def check(self, prev: bytes, sealed_part: bytes, mac: bytes) -> bool:
        """Return whether *mac* is the MAC of the line, compared in constant time."""
        return self._line.check(mac, prev, sealed_part)
