"""Sealed lines as other systems want them: the same facts under the names of ECS, Google and Datadog.

    encode = encoder("ecs")
    encode(line)                            -> b'{"@timestamp":"2026-11-21T10:30:45.123456Z",...}'
    project("google", record.to_dict())     -> {"severity": "INFO", "message": "...", "time": "...", ...}

A projection is for searching and alerting. It proves nothing by itself: it carries the record's id and the
line's log, seq, kid and mac, by which the sealed line is found that does. What is unknown is left out. Money
is a number with a fraction and all its digits, never text, never with an exponent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.exact_json import write
from or_audit_logging.projections import datadog, ecs, google
from or_audit_logging.projections.kinds import quoted
from or_audit_logging.projections.reading import Settings, read, reading_of
from or_audit_logging.sealing.text import orjson, written

__all__ = ["NAMES", "PROJECTIONS", "Settings", "encoder", "project"]

_MODULES: dict[str, ModuleType] = {"ecs": ecs, "google": google, "datadog": datadog}

PROJECTIONS: Mapping[str, str] = {
    "native": "the sealed line, byte for byte",
    "ecs": "Elastic Common Schema, for Elasticsearch and OpenSearch",
    "google": "structured JSON, for Google Cloud Logging",
    "datadog": "Datadog's reserved and standard attributes",
}
"""Every format's name, and what it is."""
NAMES = tuple(PROJECTIONS)


def encoder(
    name: str, *, original: bool = False, settings: Settings | None = None
) -> Callable[[bytes], bytes]:
    """Return what makes, of a line without its newline, the body for a target: JSON in printable ASCII.

    It takes a sealed line, the stub of a redacted one, or a JSON object that was never sealed. *original*
    adds the line itself as text; the log's own lines (`log.*`), whose checkpoints anchor it, have it always.

    Raises `ConfigError` for an unknown *name*; what is returned raises `FormatError` for bytes that are no
    JSON object, and nothing else. "native" returns the line as it is.
    """
    module = _module(name)
    if module is None:
        return _unchanged
    chosen = settings or Settings()

    def encode(line: bytes) -> bytes:
        try:
            text = line.decode("utf-8")
            members = read(text)
            reading = reading_of(members, text=text, keep=original)
            return write(module.project(reading, chosen), quoted=quoted).encode("ascii")
        except RecursionError:
            raise FormatError("a line that is nested too deep") from None
        except UnicodeDecodeError:
            raise FormatError("a line that is not UTF-8") from None

    return encode


def project(
    name: str, members: Mapping[str, object], *, settings: Settings | None = None
) -> dict[str, object]:
    """Return the members of a record that is not sealed under the names of the format *name*.

    Values become what they are in a sealed line. Raises `ConfigError` for an unknown name.
    """
    module = _module(name)
    plain = read(written(members).decode("ascii"))
    if module is None:
        return plain
    projected: dict[str, object] = module.project(reading_of(plain), settings or Settings())
    return projected


def _unchanged(line: bytes) -> bytes:
    """Return *line*; raises `FormatError` where it is no JSON object, which would break an array of lines."""
    try:
        if orjson is not None and type(orjson.loads(line)) is dict:
            return line
    except ValueError:  # or it has what orjson does not read: half of a surrogate pair
        pass
    try:
        read(line.decode("utf-8"))
    except RecursionError:
        raise FormatError("a line that is nested too deep") from None
    except UnicodeDecodeError:
        raise FormatError("a line that is not UTF-8") from None
    return line


def _module(name: str) -> ModuleType | None:
    if name not in PROJECTIONS:
        raise ConfigError(f"there is no format {name!r}; formats are {', '.join(PROJECTIONS)}")
    return _MODULES.get(name)
