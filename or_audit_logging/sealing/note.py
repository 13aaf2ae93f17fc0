"""Who signed a checkpoint: Ed25519 signatures of C2SP signed notes (https://c2sp.org/signed-note).

    signing = SigningKey.from_pem(pem)                   PKCS#8, as openssl genpkey makes it
    note = signing.sign_note(origin, head)               the text, an empty line, and a signature line:
    — audit.example/audit/0001020304050607 icK6AaNabWKAJCURnGPh...

    public = PublicKey.parse(text)                       PEM, or NAME+HASH+KEY (a verifier key)
    public.is_signed(parse_note(note))                   True

A log's key bears the log's origin as its name. Its hash is the first four bytes of
SHA-256(name || "\\n" || 0x01 || public key) and only tells keys apart; the signature is what counts.
Keys are taken apart without, signatures made and checked with the extra `sign` (cryptography).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from or_audit_logging.errors import (
    ConfigError,
    FormatError,
    KeyNotFoundError,
    MissingExtraError,
    SignatureError,
)
from or_audit_logging.sealing.checkpoint import (
    CheckpointNote,
    Signature,
    TreeHead,
    decode_base64,
    is_key_name,
    note_text,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
"""The signature type of a note that stands before the public key in hash and verifier key."""

_VERIFIER_KEY = re.compile(r"(?P<name>[^+\n]+)\+(?P<hash>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+=*)")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----\s([A-Za-z0-9+/=\s]*)-----END \1-----")
_PUBLIC_DER = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 section 4)."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key under a name. As text: `NAME+HASH+KEY`, the form of https://pkg.go.dev/golang.org/x/mod/sumdb/note."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public) != 32:
            raise FormatError("a verifier key is a name without spaces or plus and 32 bytes of Ed25519 key")

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key that *text*, `NAME+HASH+KEY`, states; raises `FormatError`."""
        match = _VERIFIER_KEY.fullmatch(text)
        if match is None:
            raise FormatError("a verifier key is NAME+HASH+KEY: 8 lower-case hex digits, then base64")
        encoded = decode_base64(match["key"])
        if encoded[:1] != ED25519 or len(encoded) != 33:
            raise FormatError("this verifier key is of another kind than Ed25519")
        key = cls(match["name"], encoded[1:])
        if key.key_hash.hex() != match["hash"]:
            raise FormatError("this verifier key's hash is not that of its name and key")
        return key

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public).decode("ascii")
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @cached_property
    def key_hash(self) -> bytes:
        """The four bytes that tell this key from others in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def has_signed(self, text: str, signatures: Iterable[Signature]) -> bool:
        """Return whether one of *signatures* is this key's over *text*.

        Signatures by other keys are passed over. Raises `SignatureError` where one that bears this key's
        name and hash does not hold, even beside one that does.
        """
        own = [one for one in signatures if (one.name, one.key_hash) == (self.name, self.key_hash)]
        if not own:
            return False
        public, signed = self._loaded, text.encode()
        from cryptography.exceptions import InvalidSignature

        for signature in own:
            try:
                public.verify(signature.value, signed)
            except InvalidSignature:
                message = f"a signature that claims to be by {self} does not hold"
                raise SignatureError(message, key=str(self)) from None
        return True

    @cached_property
    def _loaded(self) -> Ed25519PublicKey:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError:
            raise MissingExtraError(extra="sign", needed_for="checking a signature") from None
        return Ed25519PublicKey.from_public_bytes(self.public)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What an auditor holds: 32 bytes of Ed25519 key, and the `name` that a verifier key pins, else None."""

    public: bytes
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Return the key in *text*, a PEM of SubjectPublicKeyInfo or a verifier key; raises `FormatError`.

        Text around the PEM block and white space around a verifier key are passed over.
        """
        block = _PEM.search(text)
        if block is None:
            key = VerifierKey.parse(text.strip())
            return cls(key.public, key.name)
        if block[1] != "PUBLIC KEY":
            raise FormatError(f"a PEM of kind {block[1]}; a public key is of the kind PUBLIC KEY")
        der = decode_base64("".join(block[2].split()))
        if not der.startswith(_PUBLIC_DER) or len(der) != len(_PUBLIC_DER) + 32:
            raise FormatError("this public key is of another kind than Ed25519")
        return cls(der[len(_PUBLIC_DER) :])

    def for_origin(self, origin: str) -> VerifierKey:
        """Return the key of the log *origin*; raises `KeyNotFoundError` where it is pinned to another."""
        if self.name not in (None, origin):
            raise KeyNotFoundError(f"the public key is that of {self.name}, not of {origin}")
        return VerifierKey(origin, self.public)

    def is_signed(self, note: CheckpointNote) -> bool:
        """Return whether *note* bears this key's signature, under the note's own origin.

        False where it bears none that claims to be, or where the key is pinned to another origin. Raises
        `SignatureError` where it bears one that does not hold.
        """
        if self.name not in (None, note.origin):
            return False
        return self.for_origin(note.origin).has_signed(note.text, note.signatures)

    def to_pem(self) -> str:
        """Return the key as a PEM of SubjectPublicKeyInfo."""
        encoded = base64.b64encode(_PUBLIC_DER + self.public).decode("ascii")
        return f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"


class SigningKey:
    """A private Ed25519 key, which never shows itself."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Return the key in *pem*, PKCS#8 without a password; raises `ConfigError`, never with key bytes."""
        private_key = _private_key_type()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            raise ConfigError(
                "the signing key is encrypted; give it without a password, in a file of mode 0600"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise ConfigError(
                "the signing key is no PEM of a private key; 'or-audit init DIR --signing-key FILE' makes one"
            ) from None
        if not isinstance(key, private_key):
            raise ConfigError("the signing key is of another kind than Ed25519")
        return cls(key)

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key."""
        return cls(_private_key_type().generate())

    def to_pem(self) -> bytes:
        """Return the key as PKCS#8, without a password: for its own file and nothing else."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def verifier_key(self, origin: str) -> VerifierKey:
        """Return what checks this key's notes of the log *origin*."""
        return self.public.for_origin(origin)

    def sign(self, name: str, text: str) -> Signature:
        """Return the signature over *text*, which ends in a newline, by this key under *name*."""
        return Signature(
            name, VerifierKey(name, self.public.public).key_hash, self._private.sign(text.encode())
        )

    def sign_note(self, origin: str, head: TreeHead) -> str:
        """Return the signed checkpoint note of the log *origin* at *head*."""
        text = note_text(origin, head)
        return f"{text}\n{self.sign(origin, text)}\n"

    def __repr__(self) -> str:
        return f"<SigningKey of the public key {self.public.public.hex()}>"


def _private_key_type() -> type[Ed25519PrivateKey]:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise MissingExtraError(extra="sign", needed_for="a signing key") from None
    return Ed25519PrivateKey
