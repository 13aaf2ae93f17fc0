"""What the audit handlers are told in a configuration, checked; numbers may be given as text, as in YAML."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.sealing.line import MAX_LINE_BYTES

MIN_LINE_BYTES = 4096


def choice(name: str, value: object, known: tuple[str, ...]) -> str:
    """Return *value*, one of the words *known*; raises `ConfigError`."""
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name} is {' or '.join(known)}, not {value!r}")
    return value


def number(name: str, value: object) -> float:
    """Return *value* as a number; raises `ConfigError`."""
    found = _number(value)
    if found is None:
        raise ConfigError(f"{name} is a number, not {value!r}")
    return found


def whole_number(name: str, value: object) -> int:
    """Return *value* as a whole number; raises `ConfigError`."""
    found = _number(value)
    if found is None or not found.is_integer():
        raise ConfigError(f"{name} is a whole number, not {value!r}")
    return int(found)


def line_length(value: object) -> int:
    """Return *value* as the greatest length of a line in bytes; raises `ConfigError`."""
    length = whole_number("max_line_bytes", value)
    if not MIN_LINE_BYTES <= length <= MAX_LINE_BYTES:
        raise ConfigError(f"max_line_bytes is {MIN_LINE_BYTES} to {MAX_LINE_BYTES}, not {length}")
    return length


def flag(name: str, value: object) -> bool:
    """Return *value*, true or false; raises `ConfigError`."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is true or false, not {value!r}")
    return value


def check_encoding(encoding: object) -> None:
    """Raise `ConfigError` for an encoding that does not contain ASCII, which lines are written in."""
    try:
        plain = encoding is None or (isinstance(encoding, str) and "a{}".encode(encoding) == b"a{}")
    except LookupError:
        plain = False
    if not plain:
        raise ConfigError(f"encoding {encoding!r} does not contain ASCII, which a log's lines are written in")


def check_known(handler: type, unknown: Iterable[str]) -> None:
    """Raise `ConfigError` where *unknown* names parameters that the class *handler* does not have."""
    if unknown:
        known = [name for name in inspect.signature(handler).parameters if name != "unknown"]
        raise ConfigError(
            f"{handler.__name__} has no parameter {', '.join(sorted(unknown))}; it takes {', '.join(known)}"
        )


def link_path(value: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a symbolic link; raises `ConfigError` where something else is there."""
    if value is None:
        return None
    try:
        path = Path(os.path.abspath(os.path.expanduser(os.fspath(value))))
    except TypeError:
        raise ConfigError(f"link is a path, not {value!r}") from None
    if os.path.lexists(path) and not path.is_symlink():
        raise ConfigError(f"link: {path} is there and is no symbolic link; it would be replaced")
    if path.parent.exists() and not path.parent.is_dir():
        raise ConfigError(f"link: {path.parent} is not a folder")
    return path


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
