"""Where signing keys and public keys come from.

    signing = read_signing_key("file:audit_signing.pem")    PKCS#8 PEM, Ed25519; or env:NAME, or a callable
    ring = SigningKeys.from_sources([...])                  several: the one that the log names signs
    public = read_public_key("audit_signing.pem.pub")       a PEM file, a PEM, or a verifier key

A file with a signing key is held to the same rules as one with a secret (`keys`). A public key is no
secret; what matters is that an auditor has it from somewhere else than the log.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.keys import KeySource, KeySources, read_source, source_list
from or_audit_logging.sealing.note import PublicKey, SigningKey, VerifierKey

_MAX_PUBLIC = 64 * 1024


class SigningKeys:
    """The signing keys a process holds; a log names the one in force by its verifier key."""

    def __init__(self, sources: Sequence[KeySource], *, key_readable: bool = False) -> None:
        self._sources = tuple(sources)
        self._key_readable = key_readable
        self._keys: tuple[SigningKey, ...] = ()
        self._read()

    @classmethod
    def from_sources(cls, key: KeySources, *, key_readable: bool = False) -> SigningKeys | None:
        """Return the keys that *key* names, read now, None where it is None; raises `ConfigError`."""
        return None if key is None else cls(source_list(key), key_readable=key_readable)

    @property
    def first(self) -> SigningKey:
        """The key that a new log is signed with."""
        return self._keys[0]

    def find(self, vkey: str) -> SigningKey | None:
        """Return the key whose verifier key is *vkey*, None where there is none after reading anew."""
        if (key := self._find(vkey)) is not None:
            return key
        with suppress(ConfigError):
            self._read()
        return self._find(vkey)

    def _find(self, vkey: str) -> SigningKey | None:
        try:
            public = VerifierKey.parse(vkey).public
        except FormatError:
            return None
        return next((key for key in self._keys if key.public.public == public), None)

    def _read(self) -> None:
        self._keys = tuple(
            read_signing_key(source, key_readable=self._key_readable) for source in self._sources
        )


def read_signing_key(source: KeySource, *, key_readable: bool = False) -> SigningKey:
    """Return the signing key that *source* names; raises `ConfigError`, never with any of its bytes.

    Raises `MissingExtraError` without the extra `sign`. *key_readable* allows a file that others may read.
    """
    content, where = read_source(source, what="signing key", key_readable=key_readable)
    try:
        return SigningKey.from_pem(content)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def read_public_key(source: str | os.PathLike[str]) -> PublicKey:
    """Return the public key in *source*: a PEM, a verifier key, or the path of a file that holds either.

    Raises `ConfigError`.
    """
    text = os.fspath(source)
    is_key = "-----BEGIN" in text or text.count("+") >= 2
    if is_key and not os.path.exists(text):
        return _parse(text, "the public key")
    path = os.path.expanduser(text.removeprefix("file:"))
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_PUBLIC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        raise ConfigError(f"the public key {path!r} cannot be read: {reason}") from None
    return _parse(content.decode("utf-8", "replace"), f"the public key in {path}")


def as_public_key(key: PublicKey | str | os.PathLike[str]) -> PublicKey:
    """Return *key*, read where it is not one yet; raises `ConfigError`."""
    return key if isinstance(key, PublicKey) else read_public_key(key)


def _parse(text: str, where: str) -> PublicKey:
    if "PRIVATE KEY-----" in text:
        raise ConfigError(f"{where} is a private key; give its public half")
    try:
        return PublicKey.parse(text)
    except FormatError as error:
        raise ConfigError(f"{where} is no Ed25519 public key, PEM or verifier key: {error}") from None
