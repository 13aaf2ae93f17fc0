"""Where secrets come from, and which are refused."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from or_audit_logging.errors import ConfigError, KeyNotFoundError
from or_audit_logging.keys import KeyRing, read_secret

SECRET = b"a fake key for tests, not a secret: 0123456789"
posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


def key_file(folder: Path, mode: int = 0o600, content: bytes = SECRET + b"\n") -> Path:
    path = folder / "audit.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_is_the_bytes_as_they_stand(tmp_path: Path) -> None:
    """One trailing newline goes, nothing is decoded."""
    assert read_secret(f"file:{key_file(tmp_path)}") == SECRET
    two_newlines = key_file(tmp_path, content=SECRET + b"\n\n")
    assert read_secret(f"file:{two_newlines}") == SECRET + b"\n"
    hex_digits = key_file(tmp_path, content=b"ab" * 32)
    assert read_secret(f"file:{hex_digits}") == b"ab" * 32


def test_the_environment_holds_a_key_or_names_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """OR_AUDIT_KEY comes before OR_AUDIT_KEY_FILE; both give the same ring."""
    monkeypatch.setenv("OR_AUDIT_KEY_FILE", str(key_file(tmp_path)))
    from_file = KeyRing.from_sources(None).digest_key
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    assert KeyRing.from_sources(None).digest_key == from_file
    monkeypatch.setenv("OR_AUDIT_KEY", "another fake key, thirty-two bytes and more")
    assert KeyRing.from_sources(None).digest_key != from_file


def test_a_callable_gives_a_key() -> None:
    """Bytes, and bytes only."""
    assert read_secret(lambda: SECRET) == SECRET
    text: Any = SECRET.decode
    with pytest.raises(ConfigError, match="bytes"):
        read_secret(text)
    failing: Any = {}.popitem
    with pytest.raises(ConfigError, match="raised KeyError"):
        read_secret(failing)
    for mistaken in (123, {"env": "X"}, [None]):
        with pytest.raises(ConfigError):
            KeyRing.from_sources(mistaken)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("env:OR_AUDIT_NO_SUCH", "set it, or name"),
        ("file:/no/such/audit.key", "cannot be read"),
        (SECRET.decode(), "env:NAME or file:PATH"),
        ("", "env:NAME or file:PATH"),
        ("env:", "env:NAME or file:PATH"),
        ("file:.", "regular file"),
    ],
)
def test_a_mistaken_source_is_refused_with_advice(source: str, says: str) -> None:
    """The message says what to do and never repeats the key."""
    with pytest.raises(ConfigError, match=says) as caught:
        read_secret(source)
    assert SECRET.decode() not in str(caught.value)


def test_no_key_at_all_names_the_command_that_makes_one() -> None:
    """The first thing a new user meets."""
    with pytest.raises(ConfigError, match="or-audit init"):
        KeyRing.from_sources(None)


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """31 bytes are too few; the message gives the number, not the bytes."""
    monkeypatch.setenv("OR_AUDIT_KEY", "k" * 31)
    with pytest.raises(ConfigError, match="31 bytes") as caught:
        KeyRing.from_sources(None)
    assert "kkk" not in str(caught.value)


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_key_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can write the key can forge the log; key_readable does not help."""
    path = key_file(tmp_path, mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(f"file:{path}", key_readable=True)


@posix_only
def test_a_key_file_that_others_can_read_needs_leave(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, unless key_readable is set (one warning) or it is a secrets folder."""
    path = key_file(tmp_path, 0o644)
    with pytest.raises(ConfigError, match="key_readable"):
        read_secret(f"file:{path}")
    with caplog.at_level(logging.WARNING, "or_audit_logging"):
        assert read_secret(f"file:{path}", key_readable=True) == SECRET
        assert read_secret(f"file:{path}", key_readable=True) == SECRET
    assert len(caplog.records) == 1
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(f"file:{path}") == SECRET


@posix_only
def test_a_symbolic_link_to_a_key_is_followed(tmp_path: Path) -> None:
    """Secret stores mount keys as links."""
    link = tmp_path / "link.key"
    link.symlink_to(key_file(tmp_path))
    assert read_secret(f"file:{link}") == SECRET


def test_a_ring_finds_the_key_by_its_check_value() -> None:
    """Whatever the order; none that fits is KeyNotFoundError."""
    other = b"another fake key, thirty-two bytes and more"
    old = KeyRing.from_sources(lambda: SECRET).new_log_keys(bytes(16))
    ring = KeyRing.from_sources([lambda: other, lambda: SECRET])
    assert ring.log_keys(bytes(16), kcv=old.kcv).kcv == old.kcv
    with pytest.raises(KeyNotFoundError):
        KeyRing.from_sources(lambda: other).log_keys(bytes(16), kcv=old.kcv)


def test_an_empty_ring_is_refused() -> None:
    """A list without keys is a mistake, not the default."""
    with pytest.raises(ConfigError, match="empty"):
        KeyRing.from_sources([])


def test_a_key_is_in_no_repr() -> None:
    """Values that hold a key hide it."""
    ring = KeyRing.from_sources(lambda: SECRET)
    assert ring.digest_key.secret.hex() not in repr(ring.digest_key)
    assert repr(ring.digest_key.secret) not in repr(ring.digest_key)
