"""Where signing keys and public keys come from, and which are refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from or_audit_logging.errors import ConfigError, MissingExtraError
from or_audit_logging.sealing.note import PublicKey, SigningKey, VerifierKey
from or_audit_logging.signing_keys import read_public_key, read_signing_key

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")

RAW = bytes(range(32))
PUBLIC = PublicKey(RAW)
VERIFIER_KEY = VerifierKey("audit.example/audit/0001020304050607", RAW)


def signing_file(folder: Path, content: bytes | None = None, mode: int = 0o600) -> Path:
    pytest.importorskip("cryptography", reason="needs the extra sign")
    path = folder / "signing.pem"
    path.write_bytes(SigningKey.generate().to_pem() if content is None else content)
    path.chmod(mode)
    return path


def test_a_signing_key_comes_from_a_file_a_variable_or_a_callable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key by each way."""
    path = signing_file(tmp_path)
    public = read_signing_key(f"file:{path}").public
    monkeypatch.setenv("SIGNING_PEM", path.read_text())
    assert read_signing_key("env:SIGNING_PEM").public == public
    assert read_signing_key(path.read_bytes).public == public


@posix_only
def test_a_signing_key_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    """Readable unless that is allowed, writable in any case."""
    path = signing_file(tmp_path, mode=0o640)
    with pytest.raises(ConfigError, match=r"signing key file .* can be read by others; run: chmod 600"):
        read_signing_key(f"file:{path}")
    assert read_signing_key(f"file:{path}", key_readable=True)
    path.chmod(0o620)
    with pytest.raises(ConfigError, match="can be written by others"):
        read_signing_key(f"file:{path}", key_readable=True)


def test_what_is_no_signing_key_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, a variable, a path without its kind, a callable that fails."""
    path = signing_file(tmp_path, b"a passphrase of thirty-two bytes and more")
    with pytest.raises(ConfigError, match=r"signing key file .*signing\.pem: .* no PEM") as caught:
        read_signing_key(f"file:{path}")
    assert "passphrase" not in str(caught.value)
    monkeypatch.delenv("NOT_SET", raising=False)
    for source in ("env:NOT_SET", str(path), f"file:{tmp_path}/none", f"file:{tmp_path}", "", lambda: "text"):
        with pytest.raises(ConfigError):
            read_signing_key(source)  # type: ignore[arg-type]


def test_without_the_extra_signing_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making and checking signatures; keys are read without it."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(MissingExtraError, match=r"or-audit-logging\[sign\]"):
        read_signing_key(lambda: b"anything")
    assert read_public_key(str(VERIFIER_KEY)).public == RAW
    from or_audit_logging.sealing.checkpoint import Signature

    with pytest.raises(MissingExtraError, match=r"or-audit-logging\[sign\]"):
        VERIFIER_KEY.has_signed("text\n", [Signature(VERIFIER_KEY.name, VERIFIER_KEY.key_hash, bytes(64))])


def test_a_public_key_is_a_text_or_a_file(tmp_path: Path) -> None:
    """PEM or verifier key, itself or in a file."""
    path = tmp_path / "key.pub"
    for text, name in ((PUBLIC.to_pem(), None), (f"{VERIFIER_KEY}\n", VERIFIER_KEY.name)):
        path.write_text(text)
        for source in (text, path, str(path), f"file:{path}"):
            assert read_public_key(source) == PublicKey(RAW, name)


def test_what_is_no_public_key_is_refused(tmp_path: Path) -> None:
    """Nothing there, nothing in it, half a key, and above all a private key."""
    path = tmp_path / "key.pub"
    for content in ("", "not a key", PUBLIC.to_pem()[:60], str(VERIFIER_KEY)[:-4], "\ud800+00000000+AA=="):
        path.write_text(content, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(ConfigError, match=r"the public key in .*key\.pub is no Ed25519 public key"):
            read_public_key(path)
    for source in (tmp_path / "none", tmp_path, "", "\0", str(VERIFIER_KEY)[:-4]):
        with pytest.raises(ConfigError):
            read_public_key(source)
    pem = signing_file(tmp_path).read_text()
    for private in (pem, tmp_path / "signing.pem"):
        with pytest.raises(ConfigError, match="is a private key; give its public half") as caught:
            read_public_key(private)
        assert pem.split("\n")[1] not in str(caught.value)
