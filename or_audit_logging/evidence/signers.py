"""Whose signatures count: the public keys that an auditor brought, held against notes (FORMAT 5).

    signers = open_signers(["audit.pub"])
    signers.has_signed(note)                 by any of them; an anchor counts if it is so
    signers.judge(note, vkey="...")          by the one that the log says is in force: "held", "wrong", ...

A public key brings no claim about where a log ends: what is signed did exist, and nobody but the signer can
write it anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Literal, TypeAlias

from or_audit_logging.errors import ConfigError, FormatError, MissingExtraError, SignatureError
from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.report import Observations, Place
from or_audit_logging.sealing.checkpoint import CheckpointNote
from or_audit_logging.sealing.note import PublicKey, VerifierKey
from or_audit_logging.signing_keys import read_public_key

PublicKeySource: TypeAlias = PublicKey | str | os.PathLike[str]
PublicKeySources: TypeAlias = PublicKeySource | Sequence[PublicKeySource] | None

_WHAT = "a public key is a file, a PEM, a verifier key, or a list of these"

Judgement = Literal["held", "wrong", "unknown"]


class Signers:
    """The public keys at hand; none where no signature is to be checked."""

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def knows(self, vkey: object) -> bool:
        """Return whether *vkey*, as a log states its signing key, is one of these."""
        return self._key_of(vkey) is not None

    def has_signed(self, note: CheckpointNote) -> bool:
        """Return whether one of them has signed *note*; raises `SignatureError` if a signature is forged."""
        return sum(key.is_signed(note) for key in self._keys) > 0

    def judge(self, note: CheckpointNote, *, vkey: object) -> Judgement:
        """Return whether *note* bears the signature it has to bear, *vkey* being the log's key then.

        Where the log states no key, that of any of these holds; where it states another, it is not known.
        Raises `SignatureError` for a signature that claims to be by one of these and is not.
        """
        signed = self.has_signed(note)
        key = self._key_of(vkey)
        if key is not None:
            return "held" if key.is_signed(note) else "wrong"
        return "held" if signed and vkey is None else "unknown"

    def only_signed(self, anchors: Iterable[Anchor], observations: Observations) -> list[Anchor]:
        """Return those of *anchors* that bear a signature which holds; the others are noted."""
        signed = []
        for anchor in anchors:
            why = "bears no signature of a public key that was given"
            try:
                if anchor.note is not None and self.has_signed(anchor.note):
                    signed.append(anchor)
                    continue
            except SignatureError:
                why = "bears a signature that does not hold"
            said = f"the checkpoint kept in {anchor.where} {why}; it is not counted"
            observations.note(Place().note("anchor-unsigned", said))
        return signed

    def _key_of(self, vkey: object) -> PublicKey | None:
        if not isinstance(vkey, str):
            return None
        try:
            stated = VerifierKey.parse(vkey)
        except FormatError:
            return None
        for key in self._keys:
            if key.public == stated.public and key.name in (None, stated.name):
                return key
        return None


def open_signers(public_key: PublicKeySources) -> Signers:
    """Return the keys that *public_key* names; raises `ConfigError`, `MissingExtraError` without `sign`."""
    if public_key is None:
        return Signers()
    if isinstance(public_key, (PublicKey, str, os.PathLike)):
        public_key = [public_key]
    try:
        keys = [_read(source) for source in public_key]
    except TypeError:
        raise ConfigError(_WHAT) from None
    if not keys:
        raise ConfigError("an empty list of public keys; name at least one")
    if find_spec("cryptography") is None:
        raise MissingExtraError(extra="sign", needed_for="checking a signature")
    return Signers(keys)


def _read(source: object) -> PublicKey:
    if isinstance(source, PublicKey):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(_WHAT)
    return read_public_key(source)
