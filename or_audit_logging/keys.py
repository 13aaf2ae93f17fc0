"""Where secrets come from: `env:NAME`, `file:PATH`, a callable, or several of them as a ring (FORMAT 3).

    ring = KeyRing.from_sources(None)                 # OR_AUDIT_KEY, else the file OR_AUDIT_KEY_FILE names
    ring = KeyRing.from_sources("file:/run/secrets/audit.key")
    keys = ring.log_keys(log_id, kcv=kcv)             # the member of the ring that sealed this log

A secret is the bytes as they stand, one trailing newline removed, at least 32 of them; it is never
decoded, never logged and never part of an error text.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Sequence
from typing import TypeAlias

from or_audit_logging.errors import ConfigError, KeyNotFoundError
from or_audit_logging.policy import DigestKey
from or_audit_logging.sealing.chain import MIN_SECRET, LogKeys, digest_key

KeySource: TypeAlias = str | Callable[[], bytes]
KeySources: TypeAlias = KeySource | Sequence[KeySource] | None

KEY_VARIABLE = "OR_AUDIT_KEY"
KEY_FILE_VARIABLE = "OR_AUDIT_KEY_FILE"

_MAX_SECRET = 64 * 1024
_SECRET_FOLDERS = ("/run/secrets", "/var/run/secrets")
_log = logging.getLogger("or_audit_logging")
_warned_readable: set[str] = set()


class KeyRing:
    """The secrets a process holds, in the order of their sources; the first makes prompt hashes."""

    def __init__(self, sources: Sequence[KeySource], *, key_readable: bool = False) -> None:
        self._sources = tuple(sources)
        self._key_readable = key_readable
        self._secrets: tuple[bytes, ...] = ()
        self.reload()

    @classmethod
    def from_sources(cls, key: KeySources, *, key_readable: bool = False) -> KeyRing:
        """Return the ring that *key* names, read now; raises `ConfigError`.

        None stands for the environment. *key_readable* allows a key file that others may read.
        """
        sources = (default_source(),) if key is None else source_list(key)
        return cls(sources, key_readable=key_readable)

    def reload(self) -> None:
        """Read every source again; raises `ConfigError`."""
        self._secrets = tuple(
            read_secret(source, key_readable=self._key_readable) for source in self._sources
        )

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secrets themselves, for another process that checks a part of a log."""
        return self._secrets

    @property
    def digest_key(self) -> DigestKey:
        """The key for prompt hashes and pseudonyms."""
        return digest_key(self._secrets[0])

    @property
    def digest_keys(self) -> tuple[DigestKey, ...]:
        """Those of every secret, the current one first: older records have theirs."""
        return tuple(map(digest_key, self._secrets))

    def new_log_keys(self, log_id: bytes) -> LogKeys:
        """Return the keys that a new log starts with."""
        return LogKeys(self._secrets[0], log_id=log_id)

    def log_keys(self, log_id: bytes, *, kcv: str) -> LogKeys:
        """Return the keys whose check value is *kcv*; raises `KeyNotFoundError` where none fits."""
        for secret in self._secrets:
            keys = LogKeys(secret, log_id=log_id)
            if keys.kcv == kcv:
                return keys
        raise KeyNotFoundError(
            f"no key of the {len(self._secrets)} given has this log's key check value {kcv}"
        )

    def candidates(self, log_id: bytes) -> tuple[LogKeys, ...]:
        """Return the keys of every secret for the log, whatever its check value."""
        return tuple(LogKeys(secret, log_id=log_id) for secret in self._secrets)


def is_key_named(key: object) -> bool:
    """Return whether *key*, sources or a ring, names a key; of None, whether the environment does."""
    return key is not None or bool(os.environ.get(KEY_VARIABLE) or os.environ.get(KEY_FILE_VARIABLE))


def source_list(key: KeySource | Sequence[KeySource]) -> Sequence[KeySource]:
    """Return the sources that *key*, one or a list, names; raises `ConfigError`."""
    if isinstance(key, str) or callable(key):
        return (key,)
    if not isinstance(key, Sequence):
        raise ConfigError("a key is named as env:NAME or file:PATH, by a callable, or by a list of these")
    if not key:
        raise ConfigError("an empty list of keys; name at least one, such as env:OR_AUDIT_KEY")
    return [key[index] for index in range(len(key))]  # by index: dictConfig converts on access


def default_source() -> str:
    """Return the source that the environment names; raises `ConfigError` where it names none."""
    if os.environ.get(KEY_VARIABLE):
        return f"env:{KEY_VARIABLE}"
    if path := os.environ.get(KEY_FILE_VARIABLE):
        return f"file:{path}"
    raise ConfigError(
        f"no audit key: set {KEY_FILE_VARIABLE} to the path of a key file (or-audit init DIR makes one and "
        f"prints the export line to run), or {KEY_VARIABLE} to the key, or name the file: "
        "key='file:PATH' in Python, --key file:PATH on the command line"
    )


def read_secret(source: KeySource, *, key_readable: bool = False) -> bytes:
    """Return the secret that *source* names; raises `ConfigError`, never with any of its bytes."""
    content, where = read_source(source, key_readable=key_readable)
    secret = content.removesuffix(b"\n")
    if len(secret) < MIN_SECRET:
        raise ConfigError(
            f"{where} holds {len(secret)} bytes; a key has at least {MIN_SECRET} "
            "('or-audit init DIR' makes one)"
        )
    return secret


def read_source(source: KeySource, *, what: str = "key", key_readable: bool = False) -> tuple[bytes, str]:
    """Return the bytes that *source* names, and words for where they were; raises `ConfigError`.

    *what* is the word for such a key in a message. A file's mode is checked, its content is not.
    """
    if callable(source):
        return _from_callable(source, what), f"the {what} callable"
    kind, _, name = str(source).partition(":")
    if kind == "env" and name:
        return _from_environment(name), f"the environment variable {name}"
    if kind == "file" and name:
        return _from_file(name, what, key_readable=key_readable), f"the {what} file {name}"
    raise ConfigError(f"name the {what} as env:NAME or file:PATH; the key itself never stands there")


def _from_callable(source: Callable[[], object], what: str) -> bytes:
    try:
        content = source()
    except Exception as error:
        raise ConfigError(f"the {what} callable raised {type(error).__name__}") from error
    if not isinstance(content, bytes):
        raise ConfigError(f"the {what} callable must return bytes")
    return content


def _from_environment(name: str) -> bytes:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"the environment variable {name} is not set; set it, or name a file")
    return os.fsencode(value)


def _from_file(path: str, what: str, *, key_readable: bool) -> bytes:
    path = os.path.expanduser(path)
    where = f"the {what} file {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{where} is not a regular file")
        if os.name == "posix":
            _check_mode(path, where, mode, key_readable=key_readable)
        return os.read(descriptor, _MAX_SECRET)
    finally:
        os.close(descriptor)


def _check_mode(path: str, where: str, mode: int, *, key_readable: bool) -> None:
    if mode & 0o022:
        raise ConfigError(f"{where} can be written by others; run: chmod 600 {path}")
    if not mode & 0o044 or _in_secret_folder(path):
        return
    if not key_readable:
        raise ConfigError(f"{where} can be read by others; run: chmod 600 {path} (or key_readable: true)")
    if path not in _warned_readable:
        _warned_readable.add(path)
        _log.warning("%s can be read by others (key_readable is set)", where)


def _in_secret_folder(path: str) -> bool:
    folders = [*_SECRET_FOLDERS]
    if credentials := os.environ.get("CREDENTIALS_DIRECTORY"):
        folders.append(os.path.abspath(credentials))
    places = (os.path.abspath(path), os.path.realpath(path))
    return any(place.startswith(folder.rstrip("/") + "/") for place in places for folder in folders)
